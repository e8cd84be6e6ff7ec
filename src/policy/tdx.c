#include "policy/tdx.h"

#include "codec/text.h"
#include "evidence/tdx.h"

#define ADVISORY_MAX 23u /* bytes of an id, as claims have room for */

void tdx_done(struct tdx_rules *r)
{
    json_decref(r->advisories);
    r->advisories = NULL;
}

/* ---- reading ---- */

static int read_status(const json_t *section, const struct policy_key *k, void *out,
                       struct avow_error *err)
{
    bool *allowed = out;
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    allowed[AVOW_TCB_UP_TO_DATE] = true;
    if (!json_object_get(section, k->name))
        return 0;
    allowed[AVOW_TCB_UP_TO_DATE] = false;
    AVOW_TRY(avow_json_get_array(section, k->name, TDX_STATUSES, &list, err));
    if (json_array_size(list) == 0)
        return AVOW_FAIL(err, FORMAT, "\"tcb-status\" is empty: nothing could be accepted");
    json_array_foreach(list, i, item) {
        enum avow_tcb_status s = avow_tcb_status_from_name(json_string_value(item));

        if (s == AVOW_TCB_UNKNOWN || s == AVOW_TCB_REVOKED || s == AVOW_TCB_NOT_SUPPORTED)
            return AVOW_FAIL(err, FORMAT, "\"tcb-status\"[%zu] is not a status that can be allowed",
                             i);
        allowed[s] = true;
    }
    return 0;
}

static int read_svn(const json_t *section, const struct policy_key *k, void *out,
                    struct avow_error *err)
{
    struct tdx_rules *r = out;

    if (!json_object_get(section, k->name))
        return 0;
    r->min_svn_set = true;
    return avow_json_get_hex(section, k->name, r->min_svn, sizeof r->min_svn, err);
}

/* An empty list is meant: a TCB of which Intel says nothing at all. */
static int read_advisories(const json_t *section, const struct policy_key *k, void *out,
                           struct avow_error *err)
{
    return keys_strings(section, k->name, TDX_ADVISORIES_MAX, ADVISORY_MAX, true, out, err);
}

#define AT(member) offsetof(struct tdx_rules, member)

const struct policy_key tdx_keys[] = {
    { "mrtd", keys_measured, AT(mrtd), 48, NULL },
    { "rtmr0", keys_values, AT(rtmr[0]), 48, "any" },
    { "rtmr1", keys_values, AT(rtmr[1]), 48, "any" },
    { "rtmr2", keys_values, AT(rtmr[2]), 48, "any" },
    { "rtmr3", keys_values, AT(rtmr[3]), 48, "any" },
    { "mrconfigid", keys_values, AT(mrconfigid), 48, "any" },
    { "mrowner", keys_values, AT(mrowner), 48, "any" },
    { "mrownerconfig", keys_values, AT(mrownerconfig), 48, "any" },
    { "mrseam", keys_values, AT(mrseam), 48, "any" },
    { "tcb-status", read_status, AT(status), 0, "[UpToDate]" },
    { "allow-debug", keys_bool, AT(allow_debug), 0, "false" },
    { "allow-migration", keys_bool, AT(allow_migration), 0, "false" },
    { "require-sept-ve-disable", keys_bool, AT(require_sept_ve_disable), 0, "true" },
    { "min-tcb-evaluation", keys_u32, AT(min_tcb_evaluation), 0, "0" },
    { "min-tee-tcb-svn", read_svn, 0, 0, "none" },
    { "allow-advisories", read_advisories, AT(advisories), 0, "all" },
    { "require-attributes", bits_key, AT(attributes), BITS_OF_ATTRIBUTES, "none" },
    { "forbid-attributes", bits_key, AT(attributes), BITS_OF_ATTRIBUTES, "none" },
    { "require-xfam", bits_key, AT(xfam), BITS_OF_XFAM, "none" },
    { "forbid-xfam", bits_key, AT(xfam), BITS_OF_XFAM, "none" },
    { "require-event-log", keys_bool, AT(require_event_log), 0, "false" },
    { NULL, NULL, 0, 0, NULL },
};
_Static_assert(sizeof tdx_keys / sizeof tdx_keys[0] <= KEYS_MAX + 1, "a bit for each key");

int tdx_read(const json_t *doc, const char *name, struct tdx_rules *r, const json_t **at,
             struct avow_error *err)
{
    r->require_sept_ve_disable = true;
    return keys_read(doc, name, tdx_keys, &r->section, r, at, err);
}

/* ---- appraising ---- */

static void appraise_values(const struct tdx_rules *r, const struct avow_claims *c, int64_t now,
                            struct avow_verdict *v)
{
    const struct {
        const char *key;
        const struct value_set *set;
        const uint8_t *value;
    } values[] = {
        { "rtmr0", &r->rtmr[0], c->tdx.rtmr[0] },
        { "rtmr1", &r->rtmr[1], c->tdx.rtmr[1] },
        { "rtmr2", &r->rtmr[2], c->tdx.rtmr[2] },
        { "rtmr3", &r->rtmr[3], c->tdx.rtmr[3] },
        { "mrconfigid", &r->mrconfigid, c->tdx.mrconfigid },
        { "mrowner", &r->mrowner, c->tdx.mrowner },
        { "mrownerconfig", &r->mrownerconfig, c->tdx.mrownerconfig },
        { "mrseam", &r->mrseam, c->tdx.mrseam },
    };

    keys_from(&r->section, "mrtd", v);
    values_appraise(&r->mrtd, "measurement", "MRTD", AVOW_BYTES(c->measurement, 48), now, v);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (!values[i].set->listed)
            continue;
        keys_from(&r->section, values[i].key, v);
        values_appraise(values[i].set, values[i].key, values[i].key,
                        AVOW_BYTES(values[i].value, 48), now, v);
    }
}

static void appraise_tcb(const struct tdx_rules *r, const struct avow_claims *c,
                         struct avow_verdict *v)
{
    enum avow_tcb_status s = c->tdx.tcb_status;
    bool allowed = (unsigned)s < TDX_STATUSES && r->status[s];

    keys_from(&r->section, "tcb-status", v);
    avow_verdict_add(v, "tcb-floor", allowed, "Intel's status of this TCB is %s, %s",
                     avow_tcb_status_name(s), allowed ? "allowed" : "which is not allowed");
    keys_from(&r->section, "min-tcb-evaluation", v);
    avow_verdict_add(v, "tcb-evaluation", c->tdx.tcb_evaluation >= r->min_tcb_evaluation,
                     "collateral of TCB evaluation %u, at least %u", c->tdx.tcb_evaluation,
                     r->min_tcb_evaluation);
}

static void appraise_svn(const struct tdx_rules *r, const struct avow_claims *c,
                         struct avow_verdict *v)
{
    char have[33], want[33];
    bool reaches = true;

    if (!r->min_svn_set)
        return;
    keys_from(&r->section, "min-tee-tcb-svn", v);
    for (size_t i = 0; i < sizeof r->min_svn; i++)
        reaches = reaches && c->tdx.tee_tcb_svn[i] >= r->min_svn[i];
    avow_hex(AVOW_BYTES_OF(c->tdx.tee_tcb_svn), have);
    avow_hex(AVOW_BYTES_OF(r->min_svn), want);
    avow_verdict_add(v, "tcb-floor", reaches, "TEE_TCB_SVN %s, at least %s in each byte", have,
                     want);
}

static bool tolerates(const json_t *list, const char *id)
{
    const json_t *item = NULL;
    size_t i = 0;

    json_array_foreach(list, i, item)
        if (strcmp(json_string_value(item), id) == 0)
            return true;
    return false;
}

/* What Intel says is wrong with this TCB must be known to the policy, whatever the status. */
static void appraise_advisories(const struct tdx_rules *r, const struct avow_claims *c,
                                struct avow_verdict *v)
{
    size_t n = json_array_size(r->advisories);

    if (!r->advisories)
        return;
    keys_from(&r->section, "allow-advisories", v);
    for (uint32_t i = 0; i < c->tdx.n_advisories && i < AVOW_ADVISORIES_MAX; i++)
        if (!tolerates(r->advisories, c->tdx.advisories[i])) {
            avow_verdict_add(v, "advisories", false, "%s is not among the %zu allowed (of %u)",
                             c->tdx.advisories[i], n, c->tdx.n_advisories);
            return;
        }
    avow_verdict_add(v, "advisories", true, "%u advisories, each among the %zu allowed",
                     c->tdx.n_advisories, n);
}

static uint64_t word(const uint8_t le[8])
{
    uint64_t w = 0;

    for (unsigned i = 0; i < 8; i++)
        w |= (uint64_t)le[i] << 8 * i;
    return w;
}

static void appraise_flag(const struct tdx_rules *r, const char *key, const char *code, bool set,
                          bool allowed, const char *what, struct avow_verdict *v)
{
    keys_from(&r->section, key, v);
    avow_verdict_add(v, code, !set || allowed, "%s: %s", what,
                     !set      ? "no"
                     : allowed ? "yes, allowed"
                               : "yes, which the policy does not allow");
}

static void appraise_flags(const struct tdx_rules *r, const struct avow_claims *c,
                           struct avow_verdict *v)
{
    bool sept_ve_disable = avow_claims_td_attribute(c, AVOW_TDX_ATTR_SEPT_VE_DISABLE);

    appraise_flag(r, "allow-debug", "debug", avow_claims_is_open(c), r->allow_debug,
                  "the host may read or profile the TD (TUD attributes)", v);
    appraise_flag(r, "allow-migration", "migration", avow_claims_td_may_migrate(c),
                  r->allow_migration, "the TD may migrate or has a service TD", v);
    keys_from(&r->section, "require-sept-ve-disable", v);
    avow_verdict_add(v, "sept-ve", sept_ve_disable || !r->require_sept_ve_disable,
                     "SEPT_VE_DISABLE is %s%s", sept_ve_disable ? "set" : "not set",
                     r->require_sept_ve_disable ? ", and must be" : ", and need not be");
}

void tdx_appraise(const struct tdx_rules *r, const struct avow_claims *c, int64_t now,
                  struct avow_verdict *v)
{
    appraise_values(r, c, now, v);
    appraise_tcb(r, c, v);
    appraise_svn(r, c, v);
    appraise_advisories(r, c, v);
    appraise_flags(r, c, v);
    bits_appraise(&r->attributes, BITS_OF_ATTRIBUTES, word(c->tdx.td_attributes), &r->section, v);
    bits_appraise(&r->xfam, BITS_OF_XFAM, word(c->tdx.xfam), &r->section, v);
}
