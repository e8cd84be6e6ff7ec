#include "verify/claims.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/text.h"
#include "evidence/tdx.h"

static const char *const status_names[] = {
    [AVOW_TCB_UNKNOWN] = "Unknown",
    [AVOW_TCB_UP_TO_DATE] = "UpToDate",
    [AVOW_TCB_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
    [AVOW_TCB_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
    [AVOW_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
    [AVOW_TCB_OUT_OF_DATE] = "OutOfDate",
    [AVOW_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
    [AVOW_TCB_TD_RELAUNCH_ADVISED] = "TDRelaunchAdvised",
    [AVOW_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = "TDRelaunchAdvisedConfigurationNeeded",
    [AVOW_TCB_REVOKED] = "Revoked",
    [AVOW_TCB_NOT_SUPPORTED] = "TCB_NOT_SUPPORTED",
};

#define N_STATUS (sizeof status_names / sizeof status_names[0])

const char *avow_tcb_status_name(enum avow_tcb_status s)
{
    return (size_t)s < N_STATUS ? status_names[s] : status_names[AVOW_TCB_UNKNOWN];
}

enum avow_tcb_status avow_tcb_status_from_name(const char *name)
{
    for (size_t i = 0; name && i < N_STATUS; i++)
        if (strcmp(status_names[i], name) == 0)
            return (enum avow_tcb_status)i;
    return AVOW_TCB_UNKNOWN;
}

__attribute__((format(printf, 4, 0))) static void add(struct avow_claims *c, const char *code,
                                                      enum avow_check_state state, const char *fmt,
                                                      va_list ap)
{
    struct avow_check *k = NULL;

    if (c->n_checks >= AVOW_CHECKS_MAX) {
        k = &c->checks[AVOW_CHECKS_MAX - 1];
        memset(k, 0, sizeof *k);
        k->state = AVOW_CHECK_FAILED;
        snprintf(k->code, sizeof k->code, "limit");
        snprintf(k->text, sizeof k->text, "more than %d checks", AVOW_CHECKS_MAX);
        return;
    }
    k = &c->checks[c->n_checks++];
    k->state = state;
    snprintf(k->code, sizeof k->code, "%s", code);
    vsnprintf(k->text, sizeof k->text, fmt, ap);
    avow_printable(k->text);
}

bool avow_claims_check(struct avow_claims *c, const char *code, bool passed, const char *fmt, ...)
{
    bool room = c->n_checks < AVOW_CHECKS_MAX;
    va_list ap;

    va_start(ap, fmt);
    add(c, code, passed ? AVOW_CHECK_PASSED : AVOW_CHECK_FAILED, fmt, ap);
    va_end(ap);
    return passed && room;
}

bool avow_claims_missing(struct avow_claims *c, const char *code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(c, code, AVOW_CHECK_NOT_RUN, fmt, ap);
    va_end(ap);
    return false;
}

bool avow_claims_all_passed(const struct avow_claims *c)
{
    if (c->n_checks == 0 || c->n_checks > AVOW_CHECKS_MAX)
        return false;
    for (uint32_t i = 0; i < c->n_checks; i++)
        if (c->checks[i].state != AVOW_CHECK_PASSED)
            return false;
    return true;
}

/* Days to a proleptic Gregorian date; years counted from March, so that the leap day is last. */
void avow_claims_time(int64_t t, char out[AVOW_TIME_TEXT])
{
    const int64_t last = 253402300799; /* 9999-12-31T23:59:59Z, X.509's "no end" */
    int64_t days = 0, era = 0, doe = 0, yoe = 0, doy = 0, mp = 0, s = 0;

    if (t < 0 || t > last) {
        snprintf(out, AVOW_TIME_TEXT, "%s", t < 0 ? "before 1970" : "after 9999");
        return;
    }
    days = t / 86400 + 719468; /* since 0000-03-01 */
    s = t % 86400;
    era = days / 146097; /* of 400 years */
    doe = days % 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    snprintf(out, AVOW_TIME_TEXT, "%04d-%02d-%02dT%02d:%02d:%02dZ",
             (int)(yoe + era * 400 + (mp >= 10 ? 1 : 0)), (int)(mp < 10 ? mp + 3 : mp - 9),
             (int)(doy - (153 * mp + 2) / 5 + 1), (int)(s / 3600), (int)(s / 60 % 60),
             (int)(s % 60));
}

bool avow_claims_td_attribute(const struct avow_claims *c, unsigned bit)
{
    return (c->tdx.td_attributes[bit / 8] >> bit % 8 & 1) != 0;
}

bool avow_claims_is_open(const struct avow_claims *c)
{
    return c->debug || c->tdx.td_attributes[AVOW_TDX_ATTR_DEBUG_BYTE] != 0;
}

bool avow_claims_td_may_migrate(const struct avow_claims *c)
{
    return avow_claims_td_attribute(c, AVOW_TDX_ATTR_MIGRATABLE) ||
           !avow_bytes_zero(AVOW_BYTES_OF(c->tdx.mrservicetd));
}
