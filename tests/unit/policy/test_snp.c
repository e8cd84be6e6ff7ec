#include "policy/snp.h"

#include "policy_rules.h"

static void snp_rules(void **state)
{
    struct avow_claims c = snp_claims();

    (void)state;
    assert_accepts(SNP(""), &c);
    assert_accepts("{\"version\":1,\"snp\":{\"measurements\":\"any\"}}", &c);
    assert_refuses("{\"version\":1,\"snp\":{\"measurements\":[\"" M2 "\"]}}", &c, "measurement");
    assert_refuses(TDX(""), &c, "tee");
    c.authentic = false;
    assert_refuses(SNP(""), &c, "authentic");
    c = snp_claims();
    c.simulated = true;
    assert_refuses(SNP(""), &c, "simulated");
    assert_accepts("{\"version\":1,\"allow-simulated\":true,\"snp\":{\"measurements\":\"any\"}}",
                   &c);
    c = snp_claims();
    c.debug = true;
    assert_refuses(SNP(""), &c, "debug");
    assert_accepts(SNP(",\"allow-debug\":true"), &c);
    c = snp_claims();
    c.snp.policy |= 1u << 18;
    assert_refuses(SNP(""), &c, "migration");
    assert_accepts(SNP(",\"allow-migration\":true"), &c);
    c = snp_claims();
    c.snp.migration_agent = true;
    assert_refuses(SNP(""), &c, "migration");
    c = snp_claims();
    c.snp.policy |= 1u << 16;
    assert_accepts(SNP(""), &c);
    assert_refuses(SNP(",\"allow-smt\":false"), &c, "smt");
    c = snp_claims();
    c.snp.vmpl = 1;
    assert_refuses(SNP(""), &c, "vmpl");
    assert_accepts(SNP(",\"vmpl\":[0,1]"), &c);
    c.snp.vmpl = UINT32_MAX;
    assert_refuses(SNP(",\"vmpl\":[0,1,2,3]"), &c, "vmpl");
    c = snp_claims();
    c.snp.vlek = true;
    assert_accepts(SNP(""), &c);
    assert_refuses(SNP(",\"allow-vlek\":false"), &c, "vlek");
    c = snp_claims();
    assert_refuses(SNP(",\"host-data\":[\"" H1 "\"]"), &c, "host-data");
    memset(c.snp.host_data, 0x11, 32);
    assert_accepts(SNP(",\"host-data\":[\"" H1 "\"]"), &c);
}

/* A component that is high does not make up for another that is low. */
static void tcb_floor_is_by_component(void **state)
{
    static const char *const parts[] = { "fmc", "bootloader", "tee", "snp", "microcode" };
    struct avow_claims c = snp_claims();

    (void)state;
    c.snp.reported = (struct avow_snp_tcb){ 5, 5, 5, 5, 5 };
    for (size_t i = 0; i < 5; i++) {
        char text[512];

        for (int min = 4; min <= 6; min++) {
            snprintf(text, sizeof text,
                     "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"min-tcb\":{\"%s\":%d}}}",
                     parts[i], min);
            if (min <= 5)
                assert_accepts(text, &c);
            else
                assert_refuses(text, &c, "tcb-floor");
        }
    }
}

#define ZERO48                                         \
    "000000000000000000000000000000000000000000000000" \
    "000000000000000000000000000000000000000000000000"
#define ONE16 "01010101010101010101010101010101"

/* Rules of SNP that are silent unless they are set. */
static void snp_rules_that_may_be_set(void **state)
{
    static const struct {
        const char *more, *code; /* code NULL: accepted */
    } rows[] = {
        { "", NULL },
        { ",\"family-id\":[\"" ONE16 "\"],\"image-id\":[\"" ONE16 "\"]", NULL },
        { ",\"family-id\":[\"00000000000000000000000000000000\"]", "family-id" },
        { ",\"image-id\":[\"00000000000000000000000000000000\"]", "image-id" },
        { ",\"id-key-digest\":[\"" ZERO48 "\"]", "id-key" },
        { ",\"author-key-digest\":[\"" ZERO48 "\"]", "author-key" },
        { ",\"min-tcb-current\":{\"snp\":9},\"min-tcb-committed\":{\"snp\":8},"
          "\"min-tcb-launch\":{\"snp\":7}",
          NULL },
        { ",\"min-tcb-current\":{\"snp\":10}", "tcb-floor" },
        { ",\"min-tcb-committed\":{\"snp\":9}", "tcb-floor" },
        { ",\"min-tcb-launch\":{\"snp\":8}", "tcb-floor" },
        { ",\"require-policy\":[\"single-socket\"],\"require-platform\":[\"alias-check\"]", NULL },
        { ",\"require-policy\":[\"ciphertext-hiding\"]", "policy-bit" },
        { ",\"forbid-platform\":[\"alias-check\"]", "platform-bit" },
        { ",\"require-crl\":true", "crl" },
    };
    struct avow_claims c = { .tee = AVOW_TEE_SNP, .authentic = true };

    (void)state;
    memset(c.snp.family_id, 1, 16);
    memset(c.snp.image_id, 1, 16);
    memset(c.snp.id_key_digest, 1, 48);
    c.snp.current.snp = 9;
    c.snp.committed.snp = 8;
    c.snp.launch.snp = 7;
    c.snp.policy = 1u << 17 | 1u << 20;
    c.snp.platform_info = 1u << 5;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;
        struct avow_verdict v = { 0 };
        struct avow_error err = { 0 };
        char text[1024];

        snprintf(text, sizeof text, "{\"version\":1,\"snp\":{\"measurements\":\"any\"%s}}",
                 rows[i].more);
        if (avow_policy_parse(avow_bytes_str(text), &p, &err) < 0)
            fail_msg("%s: %s", text, err.text);
        avow_policy_appraise(p, &c, NULL, 0, &v);
        avow_verdict_conclude(&v);
        if (avow_verdict_accepts(&v) != (rows[i].code == NULL))
            fail_msg("%s", text);
        if (rows[i].code)
            assert_string_equal(avow_verdict_why(&v)->code, rows[i].code);
    }
}

/* What a token leaves open is not a no. */
static void what_a_token_does_not_say(void **state)
{
    struct avow_claims c = snp_claims();
    struct avow_verdict v;

    (void)state;
    assert_accepts(SNP(",\"allow-vlek\":false,\"forbid-platform\":[\"alias-check\"]"), &c);
    c.partial = true;
    assert_accepts(SNP(""), &c);
    (void)outcome(SNP(",\"allow-vlek\":false"), &c, NULL, &v);
    assert_true(avow_verdict_undecided(&v));
    assert_string_equal(avow_verdict_why(&v)->code, "vlek");
    (void)outcome(SNP(",\"forbid-platform\":[\"alias-check\"]"), &c, NULL, &v);
    assert_true(avow_verdict_undecided(&v));
    assert_string_equal(avow_verdict_why(&v)->code, "platform-bit");
}

/* A mitigation that a report cannot name is not there; nor is a provider that a VCEK cannot name.
 */
static void mitigations_and_providers(void **state)
{
    struct avow_claims c = snp_claims();
    struct avow_verdict v;

    (void)state;
    c.snp.version = 5;
    c.snp.current_mit = 0xb;
    assert_accepts(SNP(",\"require-mitigations\":[0,1,3]"), &c);
    assert_refuses(SNP(",\"require-mitigations\":[0,2]"), &c, "mitigations");
    (void)outcome(SNP(",\"require-mitigations\":[0,2,63]"), &c, NULL, &v);
    assert_non_null(strstr(reason_of(&v, "mitigations")->text, "mitigation 2 is not in effect"));
    assert_string_equal(reason_of(&v, "mitigations")->source, "snp.require-mitigations");
    c.snp.version = 3;
    assert_refuses(SNP(",\"require-mitigations\":[0]"), &c, "mitigations");
    assert_accepts(SNP(",\"require-mitigations\":[]"), &c);
    assert_refuses(SNP(",\"csp-id\":[\"CN=a\"]"), &c, "csp-id");
    c.snp.vlek = true;
    assert_refuses(SNP(",\"csp-id\":[\"CN=a\"]"), &c, "csp-id");
    assert_refuses(SNP(",\"csp-id\":[\"\"]"), &c, "csp-id");
    snprintf(c.snp.csp_id, sizeof c.snp.csp_id, "CN=a");
    assert_accepts(SNP(",\"csp-id\":[\"CN=b\",\"CN=a\"]"), &c);
    assert_refuses(SNP(",\"csp-id\":[\"CN=ab\"]"), &c, "csp-id");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_token_does_not_say),
        cmocka_unit_test(mitigations_and_providers),
        cmocka_unit_test(snp_rules),
        cmocka_unit_test(tcb_floor_is_by_component),
        cmocka_unit_test(snp_rules_that_may_be_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
