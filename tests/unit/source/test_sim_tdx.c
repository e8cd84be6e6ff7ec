#include "verified.h"

static char vendor[TEST_PATH];
static char machine[TEST_PATH];

static int set_up(void **state)
{
    (void)state;
    test_folder(vendor);
    test_intel_vendor(vendor, (int64_t)time(NULL));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_remove(vendor);
    return 0;
}

static int machine_up(void **state)
{
    (void)state;
    test_folder(machine);
    return 0;
}

static int machine_down(void **state)
{
    (void)state;
    test_remove(machine);
    return 0;
}

static void test_genuine(void **state)
{
    struct avow_sim_vm vm = { .tee = AVOW_TEE_TDX, .image = "an-image" };
    struct avow_claims c;
    uint8_t rtmr[48];

    (void)state;
    test_claims(vendor, machine, &vm, &c);
    test_common_claims(&c, "an-image", "SIMULATED Intel SGX Root CA");
    assert_false(c.debug);
    assert_int_equal(c.machine_len, 16);
    assert_int_equal(c.tdx.quote_version, 4);
    assert_int_equal(c.tdx.tcb_status, AVOW_TCB_UP_TO_DATE);
    assert_int_equal(c.tdx.n_advisories, 0);
    assert_int_equal(c.tdx.td_attributes[3], 0x10); /* SEPT_VE_DISABLE */
    assert_memory_equal(c.tdx.fmspc, sim_fmspc, 6);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(sim_tdx_rtmr("an-image", i, rtmr, NULL), 0);
        assert_memory_equal(c.tdx.rtmr[i], rtmr, 48);
        assert_false(avow_bytes_zero(AVOW_BYTES_OF(rtmr)));
    }
}

static void test_debug(void **state)
{
    struct avow_sim_vm vm = { .tee = AVOW_TEE_TDX, .debug = true };
    struct avow_claims c;

    (void)state;
    test_claims(vendor, machine, &vm, &c);
    test_common_claims(&c, NULL, "SIMULATED Intel SGX Root CA");
    assert_true(c.debug);
}

static void test_old_tcb(void **state)
{
    struct avow_sim_vm vm = { .tee = AVOW_TEE_TDX, .old_tcb = true };
    struct avow_claims c;

    (void)state;
    test_claims(vendor, machine, &vm, &c);
    test_authentic(&c);
    assert_int_equal(c.tdx.tcb_status, AVOW_TCB_OUT_OF_DATE);
    assert_int_equal(c.tdx.n_advisories, 1);
    assert_string_equal(c.tdx.advisories[0], "SIMULATED-SA-00001");
}

static void test_refused(void **state)
{
    (void)state;
    test_refusals(vendor, machine, AVOW_TEE_TDX);
}

/* Collateral of another vendor of the same name: its signer is not under our root. */
static void test_foreign_collateral(void **state)
{
    struct avow_sim_vm vm = { .tee = AVOW_TEE_TDX };
    char other[TEST_PATH], there[TEST_PATH];
    struct avow_bundle a = { 0 }, b = { 0 };
    struct avow_anchors anchors;
    struct avow_claims c;

    (void)state;
    test_folder(other);
    test_folder(there);
    test_intel_vendor(other, (int64_t)time(NULL));
    test_anchors(vendor, &anchors);
    test_bundle(vendor, machine, &vm, &a);
    test_bundle(other, there, &vm, &b);
    a.tcb_info = b.tcb_info;
    test_verify(&a, &anchors, (int64_t)time(NULL), &c);
    assert_non_null(test_failed(&c, "tcb-signature"));
    assert_false(c.authentic);
    avow_bundle_done(&a);
    avow_bundle_done(&b);
    test_remove(other);
    test_remove(there);
}

/* Each opening is a start of the quoting enclave: it makes another attestation key. */
static void test_attestation_keys_differ(void **state)
{
    struct avow_sim_vm vm = { .tee = AVOW_TEE_TDX };
    uint8_t keys[2][AVOW_TDX_KEY_LEN];

    (void)state;
    assert_int_equal(avow_sim_vm_new(vendor, machine, &vm, NULL), 0);
    for (size_t i = 0; i < 2; i++) {
        struct avow_source *s = NULL;
        struct avow_buf text = AVOW_BUF(AVOW_BUNDLE_MAX);
        struct avow_bundle again = { 0 };
        struct avow_tdx_quote q;

        assert_int_equal(avow_source_open(AVOW_SOURCE_SIM_TDX, machine, &s, NULL), 0);
        assert_int_equal(avow_source_bundle(s, avow_bytes_str(STATEMENT), &text, NULL), 0);
        assert_int_equal(avow_bundle_parse(avow_buf_view(&text), &again, NULL), 0);
        assert_int_equal(avow_tdx_quote_parse(again.evidence, &q, NULL), 0);
        memcpy(keys[i], q.attestation_key.data, sizeof keys[i]);
        avow_source_free(s);
        avow_bundle_done(&again);
        avow_buf_done(&text);
    }
    assert_memory_not_equal(keys[0], keys[1], sizeof keys[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_up, machine_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_genuine),
        TEST(test_debug),
        TEST(test_old_tcb),
        TEST(test_refused),
        TEST(test_foreign_collateral),
        TEST(test_attestation_keys_differ),
    };

    return cmocka_run_group_tests_name("source/sim_tdx", tests, set_up, tear_down);
}
