#include "verify/tcb.h"

/* What a status is made of; convergence is the union. Being out of date takes the place of a need
 * of software hardening, as in Intel's words. */
#define FLAG_HARDENING 1u
#define FLAG_CONFIGURATION 2u
#define FLAG_OUT_OF_DATE 4u
#define FLAG_REVOKED 8u

static unsigned flags_of(enum avow_level_status s)
{
    switch (s) {
    case AVOW_LEVEL_UP_TO_DATE:
        return 0;
    case AVOW_LEVEL_SW_HARDENING_NEEDED:
        return FLAG_HARDENING;
    case AVOW_LEVEL_CONFIGURATION_NEEDED:
        return FLAG_CONFIGURATION;
    case AVOW_LEVEL_CONFIGURATION_AND_SW_HARDENING_NEEDED:
        return FLAG_CONFIGURATION | FLAG_HARDENING;
    case AVOW_LEVEL_OUT_OF_DATE:
        return FLAG_OUT_OF_DATE;
    case AVOW_LEVEL_OUT_OF_DATE_CONFIGURATION_NEEDED:
        return FLAG_OUT_OF_DATE | FLAG_CONFIGURATION;
    case AVOW_LEVEL_REVOKED:
    case AVOW_LEVEL_UNKNOWN: /* never parsed */
        break;
    }
    return FLAG_REVOKED;
}

static enum avow_tcb_status status_of(unsigned flags)
{
    if (flags & FLAG_REVOKED)
        return AVOW_TCB_REVOKED;
    if (flags & FLAG_OUT_OF_DATE)
        return flags & FLAG_CONFIGURATION ? AVOW_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED
                                          : AVOW_TCB_OUT_OF_DATE;
    if (flags & FLAG_CONFIGURATION)
        return flags & FLAG_HARDENING ? AVOW_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED
                                      : AVOW_TCB_CONFIGURATION_NEEDED;
    return flags & FLAG_HARDENING ? AVOW_TCB_SW_HARDENING_NEEDED : AVOW_TCB_UP_TO_DATE;
}

/* Whether each of @n values from @first on is at least that of the level. */
static bool covers(const uint8_t *have, const uint8_t *least, size_t first, size_t n)
{
    for (size_t i = first; i < n; i++)
        if (have[i] < least[i])
            return false;
    return true;
}

static const struct avow_level *find_platform(const struct avow_tcb_input *in)
{
    /* With module identities (major version not 0), the first two say which module it is, and the
     * module's own levels judge them. */
    size_t first = in->tee_tcb_svn[1] > 0 ? 2 : 0;

    for (size_t i = 0; i < in->info->n_levels; i++) {
        const struct avow_tcb_level *l = &in->info->levels[i];

        if (covers(in->components, l->sgx, 0, AVOW_TCB_COMPONENTS) && in->pcesvn >= l->pcesvn &&
            covers(in->tee_tcb_svn, l->tdx, first, AVOW_TCB_COMPONENTS))
            return &l->level;
    }
    return NULL;
}

static bool module_is(const struct avow_tcb_input *in, const struct avow_tdx_module *m)
{
    for (size_t i = 0; i < sizeof m->attributes; i++)
        if ((in->seam_attributes[i] & m->attributes_mask[i]) != m->attributes[i])
            return false;
    return avow_bytes_equal(AVOW_BYTES(in->mrsignerseam, AVOW_TDX_MODULE_MR_LEN),
                            AVOW_BYTES_OF(m->mrsigner));
}

/* NULL, or why the module is not one that the document knows; its level, if there are any. */
static const char *judge_module(const struct avow_tcb_input *in, const struct avow_level **level)
{
    const struct avow_tdx_module *m = avow_tcb_info_module(in->info, in->tee_tcb_svn[1]);

    *level = NULL;
    if (!m)
        return "the TCB info has no identity for this TDX module's major version";
    if (!module_is(in, m))
        return "MRSIGNERSEAM or SEAMATTRIBUTES are not those of the TDX module's identity";
    if (in->tee_tcb_svn[1] == 0)
        return NULL;
    *level = avow_svn_level_find(m->levels, m->n_levels, in->tee_tcb_svn[0]);
    return *level ? NULL : "no level of the TDX module covers its version";
}

void avow_tcb_evaluate(const struct avow_tcb_input *in, struct avow_tcb_result *out)
{
    const struct avow_level *platform = find_platform(in);
    const struct avow_level *module = NULL;
    const char *why = judge_module(in, &module);

    *out = (struct avow_tcb_result){ .status = AVOW_TCB_NOT_SUPPORTED, .why = why };
    if (why)
        return;
    if (!platform) {
        out->why = "no TCB level covers the platform's versions";
        return;
    }
    out->parts[0] = platform;
    out->parts[1] = module;
    out->parts[2] = in->qe;
    out->status = status_of(flags_of(platform->status) | (module ? flags_of(module->status) : 0) |
                            flags_of(in->qe->status));
}

/* A higher rank is worse. */
static int rank(enum avow_tcb_status s)
{
    switch (s) {
    case AVOW_TCB_UP_TO_DATE:
    case AVOW_TCB_SW_HARDENING_NEEDED:
    case AVOW_TCB_CONFIGURATION_NEEDED:
    case AVOW_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED:
        return 0;
    case AVOW_TCB_TD_RELAUNCH_ADVISED:
    case AVOW_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED:
        return 1;
    case AVOW_TCB_OUT_OF_DATE:
    case AVOW_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED:
        return 2;
    case AVOW_TCB_NOT_SUPPORTED:
        return 3;
    case AVOW_TCB_REVOKED:
    case AVOW_TCB_UNKNOWN:
        break;
    }
    return 4;
}

static bool names_configuration(enum avow_tcb_status s)
{
    return s == AVOW_TCB_CONFIGURATION_NEEDED ||
           s == AVOW_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED ||
           s == AVOW_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED ||
           s == AVOW_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED;
}

enum avow_tcb_status avow_tcb_with_current(enum avow_tcb_status launch, enum avow_tcb_status now)
{
    if (rank(now) > rank(launch))
        return now;
    if (rank(launch) == rank(AVOW_TCB_OUT_OF_DATE) && rank(now) == 0)
        return names_configuration(launch) || names_configuration(now)
                   ? AVOW_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
                   : AVOW_TCB_TD_RELAUNCH_ADVISED;
    return launch;
}
