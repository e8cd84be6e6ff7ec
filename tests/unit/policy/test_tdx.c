#include "policy/tdx.h"

#include "policy_rules.h"

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

/* Rules of TDX that are silent unless they are set. */
static void tdx_rules_that_may_be_set(void **state)
{
    static const struct {
        const char *more, *code, *source; /* code NULL: accepted */
    } rows[] = {
        { ",\"mrseam\":[\"" M1 "\"],\"mrownerconfig\":[\"" M2 "\"]", NULL, NULL },
        { ",\"mrseam\":[\"" M2 "\"]", "mrseam", "tdx.mrseam" },
        { ",\"mrownerconfig\":[\"" M1 "\"]", "mrownerconfig", "tdx.mrownerconfig" },
        { ",\"min-tee-tcb-svn\":\"05010200000000000000000000000000\"", NULL, NULL },
        { ",\"min-tee-tcb-svn\":\"05010300000000000000000000000000\"", "tcb-floor",
          "tdx.min-tee-tcb-svn" },
        { ",\"min-tee-tcb-svn\":\"04020000000000000000000000000000\"", "tcb-floor",
          "tdx.min-tee-tcb-svn" },
        { ",\"allow-advisories\":[\"INTEL-SA-00002\",\"INTEL-SA-00001\"]", NULL, NULL },
        { ",\"allow-advisories\":[\"INTEL-SA-00001\"]", "advisories", "tdx.allow-advisories" },
        { ",\"allow-advisories\":[]", "advisories", "tdx.allow-advisories" },
        { ",\"require-attributes\":[\"sept-ve-disable\",\"perfmon\"],"
          "\"forbid-attributes\":[\"pks\",\"debug\"]",
          NULL, NULL },
        { ",\"require-attributes\":[\"pks\"]", "td-attribute", "tdx.require-attributes" },
        { ",\"require-attributes\":[\"sept-ve-disable\"],\"forbid-attributes\":[\"perfmon\"]",
          "td-attribute", "tdx.forbid-attributes" },
        { ",\"require-xfam\":[\"x87\",\"sse\"],\"forbid-xfam\":[\"amx-tiledata\"]", NULL, NULL },
        { ",\"forbid-xfam\":[\"sse\"]", "xfam", "tdx.forbid-xfam" },
        { ",\"require-event-log\":true", "event-log", "tdx.require-event-log" },
        { ",\"require-event-log\":false", NULL, NULL },
    };
    struct avow_claims c = tdx_claims();

    (void)state;
    memset(c.tdx.mrseam, 0x11, 48);
    memset(c.tdx.mrownerconfig, 0x22, 48);
    memcpy(c.tdx.tee_tcb_svn, "\x05\x01\x02", 3);
    c.tdx.td_attributes[7] = 0x80; /* PERFMON */
    c.tdx.xfam[0] = 3;
    c.tdx.n_advisories = 2;
    snprintf(c.tdx.advisories[0], sizeof c.tdx.advisories[0], "INTEL-SA-00001");
    snprintf(c.tdx.advisories[1], sizeof c.tdx.advisories[1], "INTEL-SA-00002");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[1024];
        struct avow_verdict v;
        const char *code = NULL;

        snprintf(text, sizeof text, "{\"version\":1,\"tdx\":{\"mrtd\":\"any\"%s}}", rows[i].more);
        code = outcome(text, &c, NULL, &v);
        if (!code != !rows[i].code || (code && strcmp(code, rows[i].code) != 0))
            fail_msg("%s: %s", text, code ? code : "accepted");
        if (code)
            assert_string_equal(avow_verdict_why(&v)->source, rows[i].source);
    }
}

/* A log that was not given decides nothing; one that replays to a register does. */
static void an_event_log_may_be_required(void **state)
{
    struct avow_claims c = tdx_claims();
    struct avow_verdict v;

    (void)state;
    (void)outcome(TDX(",\"require-event-log\":true"), &c, NULL, &v);
    assert_true(avow_verdict_undecided(&v));
    c.log.replayed = true;
    assert_refuses(TDX(",\"require-event-log\":true"), &c, "event-log");
    c.log.registers = 0xf;
    assert_accepts(TDX(",\"require-event-log\":true"), &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tdx_rules_that_may_be_set),
        cmocka_unit_test(an_event_log_may_be_required),
        cmocka_unit_test(tdx_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
