#include "folders.h"

/* What is written is what the verifier's own reader reads. */
static void check_round_trip(const struct avow_pck *p)
{
    struct avow_buf der = AVOW_BUF(4096);
    struct avow_error err = { 0 };
    struct avow_pck got = { 0 };

    assert_int_equal(sim_pck_extension(p, &der, NULL), 0);
    if (avow_pck_parse(avow_buf_view(&der), &got, &err) < 0)
        fail_msg("%s", err.text);
    assert_memory_equal(got.ppid, p->ppid, sizeof p->ppid);
    assert_memory_equal(got.components, p->components, sizeof p->components);
    assert_int_equal(got.pcesvn, p->pcesvn);
    assert_memory_equal(got.cpusvn, p->cpusvn, sizeof p->cpusvn);
    assert_memory_equal(got.pceid, p->pceid, sizeof p->pceid);
    assert_memory_equal(got.fmspc, p->fmspc, sizeof p->fmspc);
    assert_int_equal(got.sgx_type, p->sgx_type);
    assert_int_equal(got.has_instance, p->has_instance);
    assert_memory_equal(got.instance, p->instance, sizeof p->instance);
    assert_int_equal(got.has_configuration, p->has_configuration);
    assert_int_equal(got.dynamic_platform, p->dynamic_platform);
    assert_int_equal(got.cached_keys, p->cached_keys);
    assert_int_equal(got.smt_enabled, p->smt_enabled);
    avow_buf_done(&der);
}

static void test_platform(void **state)
{
    struct avow_pck p = { .pcesvn = 11,
                          .sgx_type = 1,
                          .has_instance = true,
                          .instance = { 9, 8, 7 },
                          .has_configuration = true,
                          .cached_keys = true,
                          .ppid = { 1, 2, 3 },
                          .fmspc = { 4, 5, 6 },
                          .pceid = { 1, 0 } };

    (void)state;
    /* the borders of INTEGER's shortest form */
    p.components[0] = 0;
    p.components[1] = 127;
    p.components[2] = 128;
    p.components[15] = 255;
    check_round_trip(&p);
}

static void test_processor(void **state)
{
    static const uint16_t svns[] = { 0, 127, 128, 255, 256, 32767, 32768, 65535 };

    (void)state;
    for (size_t i = 0; i < sizeof svns / sizeof *svns; i++) {
        struct avow_pck p = { .pcesvn = svns[i] };

        check_round_trip(&p);
    }
}

static void test_no_room(void **state)
{
    struct avow_buf der = AVOW_BUF(100);
    struct avow_pck p = { 0 };

    (void)state;
    assert_int_equal(sim_pck_extension(&p, &der, NULL), -AVOW_E_LIMIT);
    avow_buf_done(&der);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_platform),
        cmocka_unit_test(test_processor),
        cmocka_unit_test(test_no_room),
    };

    return cmocka_run_group_tests_name("source/sim_pck", tests, NULL, NULL);
}
