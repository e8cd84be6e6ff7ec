#include "policy/draft.h"

#include "codec/yaml.h"
#include "policy_rules.h"

static struct avow_draft *draft(bool tight, bool pin_machines, bool allow_debug)
{
    const struct avow_draft_options o = {
        .tight = tight, .pin_machines = pin_machines, .allow_debug = allow_debug, .now = 1767225600
    };
    struct avow_draft *d = NULL;

    assert_int_equal(avow_draft_new(&o, &d, NULL), 0);
    return d;
}

static void add(struct avow_draft *d, const struct avow_claims *c, const char *name)
{
    struct avow_error err = { 0 };

    if (avow_draft_add(d, c, name, &err) < 0)
        fail_msg("%s: %s", name, err.text);
}

/* The policy that was written, read as any policy is. @says: in its text, or NULL. */
static struct avow_policy *written(const struct avow_draft *d, const char *says, const char * not )
{
    static const struct avow_schema any = { .type = AVOW_YAML_ANY };
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_POLICY_MAX);
    avow_autojson json_t *doc = NULL;
    struct avow_policy *p = NULL;
    struct avow_error err = { 0 };

    if (avow_draft_write(d, &text, &err) < 0 ||
        avow_yaml_parse(avow_buf_view(&text), "draft", &any, &doc, &err) < 0 ||
        avow_policy_from_json(doc, &p, &err) < 0)
        fail_msg("%s\n%s", err.text, avow_buf_cstr(&text));
    if (says && !strstr(avow_buf_cstr(&text), says))
        fail_msg("no \"%s\" in\n%s", says, avow_buf_cstr(&text));
    if (not &&strstr(avow_buf_cstr(&text), not ))
        fail_msg("\"%s\" in\n%s", not, avow_buf_cstr(&text));
    return p;
}

/* NULL: accepted; else the source of the first reason against. */
static const char *refused_by(const struct avow_policy *p, const struct avow_claims *c)
{
    static struct avow_verdict v;

    memset(&v, 0, sizeof v);
    avow_policy_appraise(p, c, NULL, 0, &v);
    avow_verdict_conclude(&v);
    return avow_verdict_accepts(&v) ? NULL : avow_verdict_why(&v)->source;
}

static struct avow_claims azure_claims(void)
{
    struct avow_claims c = snp_claims();

    c.tee = AVOW_TEE_AZ_SNP;
    c.az.present = c.vtpm.quoted = true;
    c.az.secure_boot = AVOW_SAID_YES;
    c.vtpm.pcr_mask = 0x11;
    c.vtpm.pcr[4][0] = 7;
    snprintf(c.az.vm_id, sizeof c.az.vm_id, "VM-1");
    return c;
}

static void what_was_seen_is_accepted_and_nothing_else(void **state)
{
    avow_auto(avow_cleanup_draft) struct avow_draft *d = draft(false, false, false);
    avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;
    struct avow_claims a = snp_claims(), b = snp_claims(), t = tdx_claims(), other;

    (void)state;
    memset(b.measurement, 0x33, 48);
    b.snp.reported = (struct avow_snp_tcb){ 0, 9, 0, 25, 84 };
    t.tdx.tcb_status = AVOW_TCB_SW_HARDENING_NEEDED;
    t.tdx.td_attributes[3] = 0x20; /* no SEPT_VE_DISABLE, MIGRATABLE */
    add(d, &a, "a\nb: c");
    add(d, &b, "b");
    add(d, &t, "t");
    p = written(d, "tcb-status: [SWHardeningNeeded]", "simulated");
    assert_null(refused_by(p, &a));
    assert_null(refused_by(p, &b));
    assert_null(refused_by(p, &t));
    other = a;
    memset(other.measurement, 0x44, 48);
    assert_string_equal(refused_by(p, &other), "snp.measurements");
    other = a;
    other.snp.reported.bootloader = 8; /* the floor is the least of each component */
    assert_string_equal(refused_by(p, &other), "snp.min-tcb");
    other = a;
    other.snp.vlek = true;
    assert_string_equal(refused_by(p, &other), "snp.allow-vlek");
    other = a;
    other.debug = true;
    assert_string_equal(refused_by(p, &other), "default: snp.allow-debug");
    other = t;
    other.tdx.tcb_evaluation--;
    assert_string_equal(refused_by(p, &other), "tdx.min-tcb-evaluation");
    other = t;
    other.tdx.tcb_status = AVOW_TCB_OUT_OF_DATE;
    assert_string_equal(refused_by(p, &other), "tdx.tcb-status");
    other = azure_claims();
    assert_string_equal(refused_by(p, &other), "default: az-snp");
}

static void tight_holds_to_registers(void **state)
{
    avow_auto(avow_cleanup_draft) struct avow_draft *d = draft(true, true, false);
    avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;
    struct avow_claims t = tdx_claims(), z = azure_claims(), z2 = azure_claims(), other;

    (void)state;
    t.machine_len = 16;
    t.tdx.n_advisories = 1;
    snprintf(t.tdx.advisories[0], sizeof t.tdx.advisories[0], "INTEL-SA-00001");
    z2.vtpm.pcr_mask = 0x10; /* PCR 0 was not quoted by both */
    z2.vtpm.pcr[4][0] = 8;
    add(d, &t, "t");
    add(d, &z, "z");
    add(d, &z2, "z2");
    p = written(d, "require-secure-boot: true", "\"0\":");
    assert_null(refused_by(p, &t));
    assert_null(refused_by(p, &z));
    assert_null(refused_by(p, &z2));
    other = t;
    other.tdx.rtmr[3][0] = 1;
    assert_string_equal(refused_by(p, &other), "tdx.rtmr3");
    other = t;
    snprintf(other.tdx.advisories[0], sizeof other.tdx.advisories[0], "INTEL-SA-00002");
    assert_string_equal(refused_by(p, &other), "tdx.allow-advisories");
    other = t;
    other.machine[0] ^= 1;
    assert_string_equal(refused_by(p, &other), "machine-ids");
    other = z;
    other.vtpm.pcr[4][0] = 9;
    assert_string_equal(refused_by(p, &other), "az-snp.pcrs.4");
    other = z;
    other.az.vm_id[3] = '2';
    assert_string_equal(refused_by(p, &other), "az-snp.vm-ids");
    other = z;
    other.az.secure_boot = AVOW_SAID_NOTHING;
    assert_string_equal(refused_by(p, &other), "az-snp.require-secure-boot");
}

static void what_is_no_good_node(void **state)
{
    avow_auto(avow_cleanup_draft) struct avow_draft *d = draft(false, true, false);
    avow_auto(avow_cleanup_draft) struct avow_draft *debug = draft(false, false, true);
    avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;
    struct avow_claims c = snp_claims();
    struct avow_error err = { 0 };
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_POLICY_MAX);

    (void)state;
    assert_int_equal(avow_draft_write(d, &text, &err), -AVOW_E_MISSING);
    c.authentic = false;
    assert_int_equal(avow_draft_add(d, &c, "c", NULL), -AVOW_E_REFUSED);
    c = snp_claims();
    c.machine_len = 0;
    assert_int_equal(avow_draft_add(d, &c, "c", NULL), -AVOW_E_MISSING);
    c = azure_claims();
    c.az.vm_id[0] = 0;
    assert_int_equal(avow_draft_add(d, &c, "c", NULL), -AVOW_E_MISSING);
    c = tdx_claims();
    c.machine_len = 16;
    c.tdx.td_attributes[0] = 0x10; /* profiling */
    err = (struct avow_error){ 0 };
    assert_int_equal(avow_draft_add(d, &c, "c", &err), -AVOW_E_REFUSED);
    assert_non_null(strstr(err.text, "--allow-debug"));
    add(debug, &c, "c");
    p = written(debug, "THE HOST MAY READ", NULL);
    assert_null(refused_by(p, &c));
}

static void simulated_nodes_are_said_loudly(void **state)
{
    avow_auto(avow_cleanup_draft) struct avow_draft *d = draft(false, false, false);
    avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;
    struct avow_claims c = snp_claims();

    (void)state;
    c.simulated = true;
    add(d, &c, "c");
    p = written(d, "!!! SIMULATED !!!", NULL);
    assert_null(refused_by(p, &c));
}

/* As many different values as a list may have, and one more. */
static void nodes_that_are_not_of_a_kind(void **state)
{
    avow_auto(avow_cleanup_draft) struct avow_draft *d = draft(false, false, false);
    avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_POLICY_MAX);
    struct avow_claims c = snp_claims();
    struct avow_error err = { 0 };

    (void)state;
    for (int i = 0; i < AVOW_POLICY_VALUES_MAX; i++) {
        c.measurement[0] = (uint8_t)i;
        add(d, &c, "c");
        add(d, &c, "again");
    }
    p = written(d, "of 128 nodes", NULL);
    assert_null(refused_by(p, &c));
    c.measurement[1] = 0xff;
    add(d, &c, "c");
    assert_int_equal(avow_draft_write(d, &text, &err), -AVOW_E_LIMIT);
    assert_non_null(strstr(err.text, "\"measurements\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_seen_is_accepted_and_nothing_else),
        cmocka_unit_test(tight_holds_to_registers),
        cmocka_unit_test(what_is_no_good_node),
        cmocka_unit_test(simulated_nodes_are_said_loudly),
        cmocka_unit_test(nodes_that_are_not_of_a_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
