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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tdx_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
