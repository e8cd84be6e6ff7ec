#include "../test.h"

#include "cli/demo.h"

static void test_nodes(void **state)
{
    struct avow_demo d = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(avow_demo_nodes(&d, "sev=3,tdx=2", &err), 0);
    assert_int_equal(d.n, 5);
    assert_string_equal(d.nodes[0].name, "hospital-a");
    assert_int_equal(d.nodes[2].tee, AVOW_TEE_SNP);
    assert_int_equal(d.nodes[3].tee, AVOW_TEE_TDX);
    assert_int_equal(avow_demo_nodes(&d, "tdx=2", &err), 0);
    assert_int_equal(d.n, 2);
}

static void test_bad_nodes(void **state)
{
    static const char *const bad[] = {
        "",        "sev",   "sev=",         "sev=x",  "sev=1",
        "sev=1,x", "sgx=2", "sev=-1,tdx=3", "sev=27", "sev=20,tdx=20"
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct avow_demo d = { 0 };
        struct avow_error err = { 0 };

        assert_true(avow_demo_nodes(&d, bad[i], &err) < 0);
    }
}

static void test_quote(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(64);

    (void)state;
    avow_demo_quote(&out, "/a b/\"c\\");
    assert_string_equal(avow_buf_cstr(&out), "\"/a b/\\\"c\\\\\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_bad_nodes),
        cmocka_unit_test(test_quote),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
