#include "policy/policy.h"

#include "../test.h"
#include "codec/text.h"

#define M1                                                                                       \
    "111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111" \
    "111111"
#define M2                                                                                       \
    "222222222222222222222222222222222222222222222222222222222222222222222222222222222222222222" \
    "222222"
#define H1 "1111111111111111111111111111111111111111111111111111111111111111"

static struct avow_policy *policy(const char *text)
{
    struct avow_policy *p = NULL;
    struct avow_error err = { 0 };

    if (avow_policy_parse(avow_bytes_str(text), &p, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return p;
}

static struct avow_claims snp_claims(void)
{
    struct avow_claims c = { .tee = AVOW_TEE_SNP, .authentic = true, .root = "AMD ARK-Genoa" };

    memset(c.measurement, 0x11, sizeof c.measurement);
    c.snp.policy = 0x20000;
    c.snp.reported = (struct avow_snp_tcb){ 0, 10, 0, 23, 84 };
    memset(c.machine, 0xAB, 64);
    c.machine_len = 64;
    return c;
}

static struct avow_claims tdx_claims(void)
{
    struct avow_claims c = { .tee = AVOW_TEE_TDX, .authentic = true, .root = "Intel SGX Root CA" };

    memset(c.measurement, 0x11, sizeof c.measurement);
    c.tdx.td_attributes[3] = 0x10; /* SEPT_VE_DISABLE */
    c.tdx.tcb_status = AVOW_TCB_UP_TO_DATE;
    c.tdx.tcb_evaluation = 17;
    return c;
}

/* NULL: accepted; else the code of the first reason against. */
static const char *outcome(const char *text, const struct avow_claims *c, const char *member,
                           struct avow_verdict *v)
{
    avow_auto(avow_cleanup_policy) struct avow_policy *p = policy(text);

    memset(v, 0, sizeof *v);
    avow_policy_appraise(p, c, member, 0, v);
    avow_verdict_conclude(v);
    assert_int_equal(avow_verdict_accepts(v), avow_verdict_why(v) == NULL);
    return avow_verdict_accepts(v) ? NULL : avow_verdict_why(v)->code;
}

static void assert_accepts(const char *text, const struct avow_claims *c)
{
    struct avow_verdict v;
    const char *code = outcome(text, c, NULL, &v);

    if (code)
        fail_msg("%s: %s: %s", text, code, avow_verdict_why(&v)->text);
}

static void assert_refuses(const char *text, const struct avow_claims *c, const char *code)
{
    struct avow_verdict v;
    const char *got = outcome(text, c, NULL, &v);

    assert_non_null(got);
    assert_string_equal(got, code);
}

#define SNP(more) "{\"version\":1,\"snp\":{\"measurements\":[\"" M1 "\"]" more "}}"
#define TDX(more) "{\"version\":1,\"tdx\":{\"mrtd\":[\"" M2 "\",\"" M1 "\"]" more "}}"

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

static void tdx_rules(void **state)
{
    struct avow_claims c = tdx_claims();

    (void)state;
    assert_accepts(TDX(""), &c);
    assert_refuses("{\"version\":1,\"tdx\":{\"mrtd\":[\"" M2 "\"]}}", &c, "measurement");
    assert_refuses(SNP(""), &c, "tee");
    assert_refuses(TDX(",\"rtmr2\":[\"" M1 "\"]"), &c, "rtmr2");
    memset(c.tdx.rtmr[2], 0x11, 48);
    assert_accepts(TDX(",\"rtmr2\":[\"" M1 "\"]"), &c);
    assert_refuses(TDX(",\"mrconfigid\":[\"" M1 "\"]"), &c, "mrconfigid");
    assert_refuses(TDX(",\"mrowner\":[\"" M1 "\"]"), &c, "mrowner");
    c.tdx.tcb_status = AVOW_TCB_OUT_OF_DATE;
    assert_refuses(TDX(""), &c, "tcb-floor");
    assert_accepts(TDX(",\"tcb-status\":[\"OutOfDate\"]"), &c);
    c.tdx.tcb_status = AVOW_TCB_UP_TO_DATE;
    assert_refuses(TDX(",\"tcb-status\":[\"OutOfDate\"]"), &c, "tcb-floor");
    c.tdx.tcb_status = AVOW_TCB_UNKNOWN;
    assert_refuses(TDX(""), &c, "tcb-floor");
    c = tdx_claims();
    assert_refuses(TDX(",\"min-tcb-evaluation\":18"), &c, "tcb-evaluation");
    assert_accepts(TDX(",\"min-tcb-evaluation\":17"), &c);
    c.tdx.td_attributes[0] = 1;
    assert_refuses(TDX(""), &c, "debug");
    c.tdx.td_attributes[0] = 0x80; /* reserved bits of the same byte */
    assert_refuses(TDX(""), &c, "debug");
    assert_accepts(TDX(",\"allow-debug\":true"), &c);
    c = tdx_claims();
    c.tdx.td_attributes[3] = 0;
    assert_refuses(TDX(""), &c, "sept-ve");
    assert_accepts(TDX(",\"require-sept-ve-disable\":false"), &c);
    c = tdx_claims();
    c.tdx.td_attributes[3] |= 0x20; /* MIGRATABLE */
    assert_refuses(TDX(""), &c, "migration");
    c = tdx_claims();
    c.tdx.mrservicetd[47] = 1;
    assert_refuses(TDX(""), &c, "migration");
    assert_accepts(TDX(",\"allow-migration\":true"), &c);
}

static void machines_are_pinned_by_member(void **state)
{
    char id[129], text[512];
    struct avow_claims c = snp_claims();
    struct avow_verdict v;

    (void)state;
    avow_hex(AVOW_BYTES(c.machine, 64), id);
    snprintf(text, sizeof text,
             "{\"version\":1,\"snp\":{\"measurements\":\"any\"},\"machines\":{\"a\":\"%s\"}}", id);
    assert_null(outcome(text, &c, "a", &v));
    assert_null(outcome(text, &c, "b", &v)); /* not pinned */
    assert_null(outcome(text, &c, NULL, &v));
    c.machine[63] ^= 1;
    assert_string_equal(outcome(text, &c, "a", &v), "machine");
    c = snp_claims();
    c.machine_len = 0; /* masked */
    assert_string_equal(outcome(text, &c, "a", &v), "machine");
    c.machine_len = 8;
    assert_string_equal(outcome(text, &c, "a", &v), "machine");
}

static void bad_documents_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"version\":2}",
        "{\"version\":\"1\"}",
        "{\"version\":1,\"unknown\":1}",
        "{\"version\":1,\"version\":1}",
        "{\"version\":1,\"allow-simulated\":\"yes\"}",
        "{\"version\":1,\"snp\":[]}",
        "{\"version\":1,\"snp\":{}}",
        "{\"version\":1,\"tdx\":{}}",
        "{\"version\":1,\"snp\":{\"measurements\":[]}}",
        "{\"version\":1,\"snp\":{\"measurements\":\"all\"}}",
        "{\"version\":1,\"snp\":{\"measurements\":[\"11\"]}}",
        "{\"version\":1,\"snp\":{\"measurements\":[1]}}",
        "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"min-tcb\":{\"snp\":256}}}",
        "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"min-tcb\":{\"svn\":1}}}",
        "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"vmpl\":[]}}",
        "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"vmpl\":[4]}}",
        "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"vmpl\":[-1]}}",
        "{\"version\":1,\"tdx\":{\"mrtd\":\"any\",\"tcb-status\":[]}}",
        "{\"version\":1,\"tdx\":{\"mrtd\":\"any\",\"tcb-status\":[\"Revoked\"]}}",
        "{\"version\":1,\"tdx\":{\"mrtd\":\"any\",\"tcb-status\":[\"Unknown\"]}}",
        "{\"version\":1,\"tdx\":{\"mrtd\":\"any\",\"tcb-status\":[\"TCB_NOT_SUPPORTED\"]}}",
        "{\"version\":1,\"tdx\":{\"mrtd\":\"any\",\"tcb-status\":[7]}}",
        "{\"version\":1,\"machines\":{\"a\":\"11\"}}",
        "{\"version\":1,\"machines\":{\"a\":1}}",
        "{\"version\":1} trailing",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct avow_policy *p = NULL;
        struct avow_error err = { 0 };

        if (avow_policy_parse(avow_bytes_str(bad[i]), &p, &err) >= 0)
            fail_msg("accepted: %s", bad[i]);
        assert_true(err.text[0]);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snp_rules_that_may_be_set),
        cmocka_unit_test(snp_rules),
        cmocka_unit_test(tcb_floor_is_by_component),
        cmocka_unit_test(tdx_rules),
        cmocka_unit_test(machines_are_pinned_by_member),
        cmocka_unit_test(bad_documents_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
