#include "verify/tcb.h"

#include "../test.h"

/* One platform level of all zeroes, one module of major version 1: everything is covered. */
struct set {
    struct avow_tcb_info info;
    struct avow_tcb_level level;
    struct avow_tdx_module module;
    struct avow_level qe;
    uint8_t zero[48];
    uint8_t svn[16];
    struct avow_tcb_input in;
};

static void set_up(struct set *s, enum avow_level_status platform, enum avow_level_status module,
                   enum avow_level_status qe)
{
    memset(s, 0, sizeof *s);
    s->level.level.status = platform;
    s->module.major = 1;
    s->module.n_levels = 1;
    s->module.levels[0].level.status = module;
    memset(s->module.attributes_mask, 0xFF, sizeof s->module.attributes_mask);
    s->qe.status = qe;
    s->svn[1] = 1;
    s->info.n_levels = 1;
    s->info.levels = &s->level;
    s->info.n_modules = 1;
    s->info.modules = &s->module;
    s->in = (struct avow_tcb_input){
        .info = &s->info,
        .qe = &s->qe,
        .components = s->zero,
        .tee_tcb_svn = s->svn,
        .mrsignerseam = s->zero,
        .seam_attributes = s->zero,
    };
}

static enum avow_tcb_status evaluate(const struct set *s)
{
    struct avow_tcb_result r;

    avow_tcb_evaluate(&s->in, &r);
    assert_int_equal(r.why != NULL, r.status == AVOW_TCB_NOT_SUPPORTED);
    return r.status;
}

/* Intel's table, written down as it reads. */
static enum avow_tcb_status expected(enum avow_level_status p, bool out_of_date, bool revoked)
{
    static const struct {
        enum avow_level_status level;
        enum avow_tcb_status alone, with_out_of_date;
    } rows[] = {
        { AVOW_LEVEL_UP_TO_DATE, AVOW_TCB_UP_TO_DATE, AVOW_TCB_OUT_OF_DATE },
        { AVOW_LEVEL_SW_HARDENING_NEEDED, AVOW_TCB_SW_HARDENING_NEEDED, AVOW_TCB_OUT_OF_DATE },
        { AVOW_LEVEL_CONFIGURATION_NEEDED, AVOW_TCB_CONFIGURATION_NEEDED,
          AVOW_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED },
        { AVOW_LEVEL_CONFIGURATION_AND_SW_HARDENING_NEEDED,
          AVOW_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
          AVOW_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED },
        { AVOW_LEVEL_OUT_OF_DATE, AVOW_TCB_OUT_OF_DATE, AVOW_TCB_OUT_OF_DATE },
        { AVOW_LEVEL_OUT_OF_DATE_CONFIGURATION_NEEDED, AVOW_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
          AVOW_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED },
        { AVOW_LEVEL_REVOKED, AVOW_TCB_REVOKED, AVOW_TCB_REVOKED },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].level == p)
            return revoked ? AVOW_TCB_REVOKED
                           : (out_of_date ? rows[i].with_out_of_date : rows[i].alone);
    return AVOW_TCB_REVOKED; /* a status that is no status */
}

static void statuses_converge(void **state)
{
    static const enum avow_level_status three[] = { AVOW_LEVEL_UP_TO_DATE, AVOW_LEVEL_OUT_OF_DATE,
                                                    AVOW_LEVEL_REVOKED };

    (void)state;
    for (unsigned p = AVOW_LEVEL_UNKNOWN; p <= AVOW_LEVEL_REVOKED; p++)
        for (size_t m = 0; m < 3; m++)
            for (size_t q = 0; q < 3; q++) {
                struct set s;

                set_up(&s, (enum avow_level_status)p, three[m], three[q]);
                assert_int_equal(evaluate(&s), expected((enum avow_level_status)p, m == 1 || q == 1,
                                                        m == 2 || q == 2));
            }
}

static void a_need_of_module_or_enclave_is_not_forgotten(void **state)
{
    struct set s;

    (void)state;
    set_up(&s, AVOW_LEVEL_UP_TO_DATE, AVOW_LEVEL_CONFIGURATION_NEEDED, AVOW_LEVEL_UP_TO_DATE);
    assert_int_equal(evaluate(&s), AVOW_TCB_CONFIGURATION_NEEDED);
    set_up(&s, AVOW_LEVEL_CONFIGURATION_NEEDED, AVOW_LEVEL_UP_TO_DATE,
           AVOW_LEVEL_SW_HARDENING_NEEDED);
    assert_int_equal(evaluate(&s), AVOW_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED);
    set_up(&s, AVOW_LEVEL_UP_TO_DATE, AVOW_LEVEL_OUT_OF_DATE_CONFIGURATION_NEEDED,
           AVOW_LEVEL_UP_TO_DATE);
    assert_int_equal(evaluate(&s), AVOW_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED);
}

/* Every component decides, in both directions; the first two of TDX only for major version 0. */
static void every_component_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        uint8_t components[16] = { 0 };
        struct set s;

        set_up(&s, AVOW_LEVEL_UP_TO_DATE, AVOW_LEVEL_UP_TO_DATE, AVOW_LEVEL_UP_TO_DATE);
        s.in.components = components;
        s.level.sgx[i] = 200;
        components[i] = 199;
        assert_int_equal(evaluate(&s), AVOW_TCB_NOT_SUPPORTED);
        components[i] = 200;
        assert_int_equal(evaluate(&s), AVOW_TCB_UP_TO_DATE);
        s.level.tdx[i] = 9;
        assert_int_equal(evaluate(&s), i < 2 ? AVOW_TCB_UP_TO_DATE : AVOW_TCB_NOT_SUPPORTED);
        s.svn[1] = 0;
        assert_int_equal(evaluate(&s), AVOW_TCB_NOT_SUPPORTED);
        s.svn[i] = i == 1 ? 0 : 9;
        if (i == 1)
            s.level.tdx[1] = 0;
        assert_int_equal(evaluate(&s), AVOW_TCB_UP_TO_DATE);
    }
}

static void pcesvn_counts(void **state)
{
    struct set s;

    (void)state;
    set_up(&s, AVOW_LEVEL_UP_TO_DATE, AVOW_LEVEL_UP_TO_DATE, AVOW_LEVEL_UP_TO_DATE);
    s.level.pcesvn = 0x0100;
    s.in.pcesvn = 0x00FF;
    assert_int_equal(evaluate(&s), AVOW_TCB_NOT_SUPPORTED);
    s.in.pcesvn = 0x0100;
    assert_int_equal(evaluate(&s), AVOW_TCB_UP_TO_DATE);
}

static void the_module_is_identified(void **state)
{
    uint8_t other[48] = { 0 };
    struct set s;

    (void)state;
    set_up(&s, AVOW_LEVEL_UP_TO_DATE, AVOW_LEVEL_UP_TO_DATE, AVOW_LEVEL_UP_TO_DATE);
    s.in.mrsignerseam = other;
    other[47] = 1;
    assert_int_equal(evaluate(&s), AVOW_TCB_NOT_SUPPORTED);
    s.module.mrsigner[47] = 1;
    assert_int_equal(evaluate(&s), AVOW_TCB_UP_TO_DATE);
    s.in.seam_attributes = other + 40;
    assert_int_equal(evaluate(&s), AVOW_TCB_NOT_SUPPORTED);
    s.module.attributes_mask[7] = 0xFE;
    assert_int_equal(evaluate(&s), AVOW_TCB_UP_TO_DATE);
    s.module.levels[0].isvsvn = 3;
    s.svn[0] = 2;
    assert_int_equal(evaluate(&s), AVOW_TCB_NOT_SUPPORTED);
    s.svn[0] = 3;
    assert_int_equal(evaluate(&s), AVOW_TCB_UP_TO_DATE);
    s.svn[1] = 2;
    assert_int_equal(evaluate(&s), AVOW_TCB_NOT_SUPPORTED);
    /* major version 0 is judged by tdxModule, whose mrsigner here is zero */
    s.svn[1] = 0;
    assert_int_equal(evaluate(&s), AVOW_TCB_NOT_SUPPORTED);
    s.in.mrsignerseam = s.zero;
    assert_int_equal(evaluate(&s), AVOW_TCB_UP_TO_DATE);
}

static void launch_and_now(void **state)
{
    static const struct {
        enum avow_tcb_status launch, now, result;
    } rows[] = {
        { AVOW_TCB_UP_TO_DATE, AVOW_TCB_UP_TO_DATE, AVOW_TCB_UP_TO_DATE },
        { AVOW_TCB_OUT_OF_DATE, AVOW_TCB_UP_TO_DATE, AVOW_TCB_TD_RELAUNCH_ADVISED },
        { AVOW_TCB_OUT_OF_DATE, AVOW_TCB_SW_HARDENING_NEEDED, AVOW_TCB_TD_RELAUNCH_ADVISED },
        { AVOW_TCB_OUT_OF_DATE, AVOW_TCB_CONFIGURATION_NEEDED,
          AVOW_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED },
        { AVOW_TCB_OUT_OF_DATE, AVOW_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
          AVOW_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED },
        { AVOW_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED, AVOW_TCB_UP_TO_DATE,
          AVOW_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED },
        { AVOW_TCB_OUT_OF_DATE, AVOW_TCB_OUT_OF_DATE, AVOW_TCB_OUT_OF_DATE },
        { AVOW_TCB_OUT_OF_DATE, AVOW_TCB_NOT_SUPPORTED, AVOW_TCB_NOT_SUPPORTED },
        { AVOW_TCB_OUT_OF_DATE, AVOW_TCB_REVOKED, AVOW_TCB_REVOKED },
        { AVOW_TCB_UP_TO_DATE, AVOW_TCB_OUT_OF_DATE, AVOW_TCB_OUT_OF_DATE },
        { AVOW_TCB_UP_TO_DATE, AVOW_TCB_NOT_SUPPORTED, AVOW_TCB_NOT_SUPPORTED },
        { AVOW_TCB_UP_TO_DATE, AVOW_TCB_REVOKED, AVOW_TCB_REVOKED },
        { AVOW_TCB_REVOKED, AVOW_TCB_UP_TO_DATE, AVOW_TCB_REVOKED },
        { AVOW_TCB_NOT_SUPPORTED, AVOW_TCB_UP_TO_DATE, AVOW_TCB_NOT_SUPPORTED },
        { AVOW_TCB_UP_TO_DATE, AVOW_TCB_UNKNOWN, AVOW_TCB_UNKNOWN },
        { AVOW_TCB_UNKNOWN, AVOW_TCB_UP_TO_DATE, AVOW_TCB_UNKNOWN },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(avow_tcb_with_current(rows[i].launch, rows[i].now), rows[i].result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_converge),
        cmocka_unit_test(a_need_of_module_or_enclave_is_not_forgotten),
        cmocka_unit_test(every_component_counts),
        cmocka_unit_test(pcesvn_counts),
        cmocka_unit_test(the_module_is_identified),
        cmocka_unit_test(launch_and_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
