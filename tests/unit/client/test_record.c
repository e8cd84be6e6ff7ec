#include "../test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "client/record.h"

#define JOB "1b4e28ba-2fa1-41d2-883f-0016d3cca427"

static char dir[] = "/tmp/avow-test-record-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) && setenv("XDG_STATE_HOME", dir, 1) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const names[] = { "/avow/jobs/" JOB ".json", "/avow/jobs", "/avow", "" };
    char path[256];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof path, "%s%s", dir, names[i]);
        if (remove(path) != 0)
            return -1;
    }
    return 0;
}

static void test_round_trip(void **state)
{
    static const char policy[] = "{\"snp\":{\"measurements\":\"any\"},\"version\":1}";
    char text[] = "h:1";
    struct avow_plan plan = { .name = "hospitals", .outputs_max = 4096, .output = text };
    struct avow_node node = { .name = "a", .expect = AVOW_TEE_SNP, .address = text };
    struct avow_client c = { .plan = &plan, .n = 1, .nodes = &node, .job = JOB, .began = 1234 };
    avow_auto(avow_cleanup_plan) struct avow_plan *back = NULL;
    avow_autojson json_t *list = NULL;
    struct avow_error err = { 0 };

    (void)state;
    plan.policy_text = AVOW_BUF(4096);
    assert_int_equal(avow_buf_put_str(&plan.policy_text, policy), 0);
    assert_int_equal(avow_record_load(JOB, &back, &err), -AVOW_E_NOTFOUND);
    avow_error_clear(&err);
    assert_int_equal(avow_record_save(&c, "PENDING", &err), 0);
    assert_int_equal(avow_record_save(&c, "COMPLETED", &err), 0);
    assert_int_equal(avow_record_load(JOB, &back, &err), 0);
    assert_string_equal(back->name, "hospitals");
    assert_int_equal(back->n_nodes, 1);
    assert_string_equal(back->nodes[0].address, "h:1");
    assert_int_equal(back->nodes[0].tee, AVOW_TEE_SNP);
    assert_string_equal(avow_buf_cstr(&back->policy_text), policy);
    assert_int_equal(back->outputs_max, 4096);
    assert_false(back->verifier.azure || back->verifier.no_local);
    assert_int_equal(avow_record_list(10, &list, &err), 0);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "state")),
                        "COMPLETED");
    avow_buf_done(&plan.policy_text);
}

/* Whoever asks about the job later asks the same judge. */
static void test_verifier(void **state)
{
    static const char verifier[] =
        "verifier: [{kind: local}, {kind: azure, url: \"https://a.example\", issuers: "
        "[{url: \"https://b.example\", policy-hashes: "
        "[9NY0VnTQ-IiBriBplVUpFbczcDaEBUwsiFYAzHu_gco]}], ca: /etc/hosts}]\nrequire: any\n";
    char text[] = "h:1";
    struct avow_plan plan = { .name = "hospitals", .outputs_max = 4096, .output = text };
    struct avow_node node = { .name = "a", .expect = AVOW_TEE_SNP, .address = text };
    struct avow_client c = { .plan = &plan, .n = 1, .nodes = &node, .job = JOB, .began = 1234 };
    avow_auto(avow_cleanup_plan) struct avow_plan *back = NULL;
    struct avow_error err = { 0 };

    (void)state;
    plan.policy_text = AVOW_BUF(4096);
    assert_int_equal(avow_buf_put_str(&plan.policy_text, "{\"version\":1}"), 0);
    assert_int_equal(
        avow_verifier_settings_parse(avow_bytes_str(verifier), "v", &plan.verifier, &err), 0);
    assert_int_equal(avow_record_save(&c, "PENDING", &err), 0);
    if (avow_record_load(JOB, &back, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(back->verifier.azure && !back->verifier.no_local);
    assert_int_equal(back->verifier.require, AVOW_REQUIRE_ANY);
    assert_string_equal(back->verifier.url, "https://a.example");
    assert_string_equal(back->verifier.ca, "/etc/hosts");
    assert_int_equal(back->verifier.n_issuers, 1);
    assert_string_equal(back->verifier.issuers[0].url, "https://b.example");
    assert_int_equal(back->verifier.issuers[0].n_policy_hashes, 1);
    avow_verifier_settings_done(&plan.verifier);
    avow_buf_done(&plan.policy_text);
}

static void test_names(void **state)
{
    struct avow_plan *p = NULL;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(avow_record_load("../../etc/passwd", &p, &err), -AVOW_E_FORMAT);
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_verifier),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
