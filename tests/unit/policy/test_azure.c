#include "policy/policy.h"

#include "../test.h"

#define PCR "00000000000000000000000000000000000000000000000000000000000000ab"
#define ANY "\"measurements\":\"any\""

static struct avow_claims machine(void)
{
    struct avow_claims c = { .tee = AVOW_TEE_AZ_SNP, .authentic = true };

    c.az.present = c.vtpm.quoted = true;
    c.az.secure_boot = AVOW_SAID_YES;
    c.az.console_enabled = AVOW_SAID_YES;
    snprintf(c.az.vm_id, sizeof c.az.vm_id, "%s", "ABCD-1");
    c.vtpm.pcr_mask = 0xFFFFFF;
    c.vtpm.pcr[4][31] = 0xab;
    return c;
}

static void appraise(const char *section, const struct avow_claims *c, struct avow_verdict *v)
{
    avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;
    char text[1024];
    struct avow_error err = { 0 };

    memset(v, 0, sizeof *v);
    snprintf(text, sizeof text, "{\"version\":1,%s}", section);
    if (avow_policy_parse(avow_bytes_str(text), &p, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    avow_policy_appraise(p, c, NULL, 0, v);
    avow_verdict_conclude(v);
}

static void rules(void **state)
{
    static const struct {
        const char *section, *code; /* code NULL: accepted */
    } rows[] = {
        { "\"az-snp\":{" ANY "}", NULL },
        { "\"snp\":{" ANY "}", "tee" },
        { "\"az-tdx\":{\"mrtd\":\"any\"}", "tee" },
        { "\"az-snp\":{" ANY ",\"require-secure-boot\":true,\"pcrs\":{\"4\":[\"" PCR
          "\"]},\"vm-ids\":[\"x\",\"abcd-1\"]}",
          NULL },
        { "\"az-snp\":{" ANY ",\"pcrs\":{\"5\":[\"" PCR "\"]}}", "pcrs" },
        { "\"az-snp\":{" ANY ",\"vm-ids\":[\"abcd-2\"]}", "vm-id" },
        { "\"az-snp\":{" ANY ",\"allow-console\":false}", "console" },
        { "\"az-snp\":{" ANY ",\"require-tpm-persisted\":true}", "tpm-persisted" },
        { "\"az-snp\":{" ANY ",\"require-event-log\":true}", "event-log" },
        { "\"az-snp\":{" ANY ",\"pcrs\":{\"4\":\"any\",\"9\":\"any\"}}", NULL },
        { "\"az-snp\":{" ANY ",\"pcrs\":{\"4\":[{\"value\":\"" PCR
          "\",\"until\":\"2026-01-01\"}]}}",
          NULL },
        { "\"az-snp\":{" ANY ",\"pcrs\":{\"4\":[{\"value\":\"" PCR "\",\"from\":\"2026-01-01\"}]}}",
          "pcrs" },
    };
    const struct avow_claims c = machine();

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_verdict v;

        appraise(rows[i].section, &c, &v);
        assert_int_equal(avow_verdict_accepts(&v), rows[i].code == NULL);
        if (rows[i].code)
            assert_string_equal(avow_verdict_why(&v)->code, rows[i].code);
    }
}

static void what_nobody_says_is_no_yes(void **state)
{
    struct avow_claims c = machine();
    struct avow_verdict v;

    (void)state;
    c.az.secure_boot = AVOW_SAID_NOTHING;
    appraise("\"az-snp\":{" ANY ",\"require-secure-boot\":true}", &c, &v);
    assert_string_equal(avow_verdict_why(&v)->code, "secure-boot");
    c.vtpm.quoted = false;
    appraise("\"az-snp\":{" ANY ",\"pcrs\":{\"4\":[\"" PCR "\"]}}", &c, &v);
    assert_true(avow_verdict_undecided(&v)); /* no quote: not a finding, but no acceptance */
    assert_false(avow_verdict_accepts(&v));
    c.az.vm_id[0] = 0;
    appraise("\"az-snp\":{" ANY ",\"vm-ids\":[\"\"]}", &c, &v);
    assert_false(avow_verdict_accepts(&v));
}

static void mistakes_are_named(void **state)
{
    static const char *const rows[] = {
        "\"az-snp\":{}",
        "\"az-snp\":{" ANY ",\"pcrs\":[]}",
        "\"az-snp\":{" ANY ",\"pcrs\":{\"24\":[\"" PCR "\"]}}",
        "\"az-snp\":{" ANY ",\"pcrs\":{\"04\":[\"" PCR "\"]}}",
        "\"az-snp\":{" ANY ",\"pcrs\":{\"4\":[]}}",
        "\"az-snp\":{" ANY ",\"pcrs\":{\"4\":[\"ab\"]}}",
        "\"az-snp\":{" ANY ",\"vm-ids\":[]}",
        "\"az-snp\":{" ANY ",\"vm-ids\":[1]}",
        "\"az-snp\":{" ANY ",\"mrtd\":\"any\"}",
        "\"snp\":{" ANY ",\"pcrs\":{}}", /* a bare machine has no TPM that is bound */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;
        char text[1024];

        snprintf(text, sizeof text, "{\"version\":1,%s}", rows[i]);
        if (avow_policy_parse(avow_bytes_str(text), &p, NULL) != -AVOW_E_FORMAT)
            fail_msg("%s", text);
    }
}

static void each_register_names_its_key(void **state)
{
    struct avow_claims c = machine();
    struct avow_verdict v;

    (void)state;
    c.az.tpm_persisted = AVOW_SAID_YES;
    c.log.replayed = true;
    c.log.registers = 1u << 4;
    appraise("\"az-snp\":{" ANY ",\"require-tpm-persisted\":true,\"require-event-log\":true,"
             "\"pcrs\":{\"5\":[\"" PCR "\"]}}",
             &c, &v);
    assert_string_equal(avow_verdict_why(&v)->source, "az-snp.pcrs.5");
    assert_string_equal(v.reasons[0].code, "pcrs");
    for (uint32_t i = 1; i < v.n_reasons; i++)
        assert_true(v.reasons[i].passed);
    /* both kinds have the key; on az-tdx it is said once */
    c.tee = AVOW_TEE_AZ_TDX;
    c.tdx.tcb_status = AVOW_TCB_UP_TO_DATE;
    c.tdx.td_attributes[3] = 0x10;
    c.log.replayed = false;
    appraise("\"az-tdx\":{\"mrtd\":\"any\",\"require-event-log\":true}", &c, &v);
    assert_string_equal(v.reasons[0].code, "event-log");
    assert_true(v.reasons[1].passed && avow_verdict_undecided(&v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_register_names_its_key),
        cmocka_unit_test(rules),
        cmocka_unit_test(what_nobody_says_is_no_yes),
        cmocka_unit_test(mistakes_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
