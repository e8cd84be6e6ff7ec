#include "policy/policy_internal.h"

#include "codec/text.h"

#define POLICY_VERSION 1

void avow_policy_free(struct avow_policy *p)
{
    if (!p)
        return;
    snp_done(&p->snp);
    snp_done(&p->az_snp);
    tdx_done(&p->tdx);
    tdx_done(&p->az_tdx);
    azure_done(&p->azure_snp);
    azure_done(&p->azure_tdx);
    free(p->machines.v);
    free(p->machine_ids.v);
    free(p);
}

/* ---- reading ---- */

static int read_version(const json_t *doc, const struct policy_key *k, void *out,
                        struct avow_error *err)
{
    int64_t version = 0;

    (void)out;
    AVOW_TRY(avow_json_get_int(doc, k->name, 0, INT32_MAX, &version, err));
    if (version != POLICY_VERSION)
        return AVOW_FAIL(err, VERSION, "version %lld (%d is known)", (long long)version,
                         POLICY_VERSION);
    return 0;
}

/* Sections are read by themselves, once the top is. */
static int read_section_later(const json_t *doc, const struct policy_key *k, void *out,
                              struct avow_error *err)
{
    const json_t *v = json_object_get(doc, k->name);

    (void)out;
    return v && !json_is_object(v) ? AVOW_FAIL(err, FORMAT, "\"%s\" is not an object", k->name) : 0;
}

static int read_id(struct machine *m, const json_t *v, struct avow_error *err)
{
    const char *hex = json_string_value(v);
    size_t len = hex ? strlen(hex) / 2 : 0;

    if (len < AVOW_POLICY_MACHINE_ID_MIN || len > sizeof m->id || avow_unhex(hex, m->id, len) < 0)
        return AVOW_FAIL(err, FORMAT, "not %d to %zu bytes in hex", AVOW_POLICY_MACHINE_ID_MIN,
                         sizeof m->id);
    m->len = len;
    return 0;
}

static int reserve(struct machine_list *list, size_t n, struct avow_error *err)
{
    if (n > AVOW_POLICY_MACHINES_MAX)
        return AVOW_FAIL(err, LIMIT, "%zu of them (at most %d)", n, AVOW_POLICY_MACHINES_MAX);
    list->v = calloc(n + 1, sizeof *list->v);
    return list->v ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

static int read_machines(const json_t *doc, const struct policy_key *k, void *out,
                         struct avow_error *err)
{
    const json_t *map = json_object_get(doc, k->name);
    struct machine_list *list = out;
    const char *key = NULL;
    json_t *item = NULL;

    if (!map)
        return 0;
    if (!json_is_object(map))
        return AVOW_FAIL(err, FORMAT, "\"machines\" is not an object");
    AVOW_TRY(reserve(list, json_object_size(map), err));
    json_object_foreach((json_t *)(uintptr_t)map, key, item) {
        struct machine *m = &list->v[list->n++];

        if (strlen(key) > AVOW_POLICY_MEMBER_MAX)
            return AVOW_FAIL(err, LIMIT, "\"machines\": a name of more than %d bytes",
                             AVOW_POLICY_MEMBER_MAX);
        memcpy(m->member, key, strlen(key) + 1);
        if (read_id(m, item, err) < 0)
            return avow_error_prefix(err, "\"machines\": \"%s\"", key);
    }
    return 0;
}

static int read_machine_ids(const json_t *doc, const struct policy_key *k, void *out,
                            struct avow_error *err)
{
    struct machine_list *list = out;
    json_t *ids = NULL;
    json_t *item = NULL;
    size_t i = 0;

    if (!json_object_get(doc, k->name))
        return 0;
    AVOW_TRY(avow_json_get_array(doc, k->name, AVOW_POLICY_MACHINES_MAX, &ids, err));
    if (json_array_size(ids) == 0)
        return AVOW_FAIL(err, FORMAT, "\"machine-ids\" is empty: nothing could be accepted");
    AVOW_TRY(reserve(list, json_array_size(ids), err));
    json_array_foreach(ids, i, item)
        if (read_id(&list->v[list->n++], item, err) < 0)
            return avow_error_prefix(err, "\"machine-ids\"[%zu]", i);
    return 0;
}

#define AT(member) offsetof(struct avow_policy, member)

const struct policy_key top_keys[] = {
    { "version", read_version, 0, 0, NULL },
    { "allow-simulated", keys_bool, AT(allow_simulated), 0, "false" },
    { "snp", read_section_later, 0, 0, "refused" },
    { "tdx", read_section_later, 0, 0, "refused" },
    { "az-snp", read_section_later, 0, 0, "refused" },
    { "az-tdx", read_section_later, 0, 0, "refused" },
    { "machines", read_machines, AT(machines), 0, "none pinned" },
    { "machine-ids", read_machine_ids, AT(machine_ids), 0, "any" },
    { NULL, NULL, 0, 0, NULL },
};

/* Put the section's name in front of what was wrong in it. */
static int in_section(int rc, const char *section, struct avow_error *err)
{
    if (rc < 0)
        (void)avow_error_prefix(err, "policy: %s", section);
    return rc;
}

static int read_snp(const json_t *doc, const char *name, struct snp_rules *r,
                    struct azure_rules *azure, const json_t **at, struct avow_error *err)
{
    const json_t *section = json_object_get(doc, name);

    if (!section)
        return 0;
    AVOW_TRY(keys_only(section, snp_keys, azure ? azure_keys : NULL, at, err));
    AVOW_TRY(snp_read(section, name, r, at, err));
    return azure ? azure_read(section, name, azure, at, err) : 0;
}

static int read_tdx(const json_t *doc, const char *name, struct tdx_rules *r,
                    struct azure_rules *azure, const json_t **at, struct avow_error *err)
{
    const json_t *section = json_object_get(doc, name);

    if (!section)
        return 0;
    AVOW_TRY(keys_only(section, tdx_keys, azure ? azure_keys : NULL, at, err));
    AVOW_TRY(tdx_read(section, name, r, at, err));
    return azure ? azure_read(section, name, azure, at, err) : 0;
}

static int read_top(const json_t *doc, struct avow_policy *p, const json_t **at,
                    struct avow_error *err)
{
    AVOW_TRY(keys_only(doc, top_keys, NULL, at, err));
    return keys_read(doc, "", top_keys, &p->top, p, at, err);
}

int avow_policy_read(const json_t *doc, struct avow_policy **out, const json_t **at,
                     struct avow_error *err)
{
    avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;

    *at = doc;
    if (!json_is_object(doc))
        return AVOW_FAIL(err, FORMAT, "policy: not an object");
    p = calloc(1, sizeof *p);
    if (!p)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(in_section(read_top(doc, p, at, err), "top", err));
    AVOW_TRY(in_section(read_snp(doc, "snp", &p->snp, NULL, at, err), "snp", err));
    AVOW_TRY(in_section(read_tdx(doc, "tdx", &p->tdx, NULL, at, err), "tdx", err));
    AVOW_TRY(
        in_section(read_snp(doc, "az-snp", &p->az_snp, &p->azure_snp, at, err), "az-snp", err));
    AVOW_TRY(
        in_section(read_tdx(doc, "az-tdx", &p->az_tdx, &p->azure_tdx, at, err), "az-tdx", err));
    *out = avow_steal(&p);
    return 0;
}

int avow_policy_from_json(const json_t *doc, struct avow_policy **out, struct avow_error *err)
{
    const json_t *at = NULL;

    return avow_policy_read(doc, out, &at, err);
}

int avow_policy_parse(struct avow_bytes json_text, struct avow_policy **out, struct avow_error *err)
{
    avow_autojson json_t *doc = NULL;

    if (json_text.len > AVOW_POLICY_MAX)
        return AVOW_FAIL(err, LIMIT, "policy of %zu bytes (at most %u)", json_text.len,
                         AVOW_POLICY_MAX);
    AVOW_TRY(in_section(avow_json_parse(json_text, &doc, err), "top", err));
    return avow_policy_from_json(doc, out, err);
}

/* ---- appraising ---- */

static const struct machine *pin_of(const struct avow_policy *p, const char *member)
{
    for (size_t i = 0; member && i < p->machines.n; i++)
        if (strcmp(p->machines.v[i].member, member) == 0)
            return &p->machines.v[i];
    return NULL;
}

static bool is_machine(const struct machine *m, const struct avow_claims *c)
{
    return avow_bytes_equal(AVOW_BYTES(c->machine, c->machine_len), AVOW_BYTES(m->id, m->len));
}

/* A member that has a machine of its own is held to that; every other one to the list. */
static void appraise_machine(const struct avow_policy *p, const struct avow_claims *c,
                             const char *member, struct avow_verdict *v)
{
    const struct machine *m = pin_of(p, member);
    char want[20], have[20] = "not known";
    bool known = false;

    if (c->machine_len)
        avow_hex(AVOW_BYTES(c->machine, c->machine_len < 8 ? c->machine_len : 8), have);
    if (m) {
        keys_from(&p->top, "machines", v);
        avow_hex(AVOW_BYTES(m->id, 8), want); /* AVOW_POLICY_MACHINE_ID_MIN */
        avow_verdict_add(v, "machine", is_machine(m, c),
                         "\"%s\" is pinned to machine %s.., and this is %s%s", member, want, have,
                         c->machine_len ? ".." : "");
        return;
    }
    for (size_t i = 0; i < p->machine_ids.n; i++)
        known = known || is_machine(&p->machine_ids.v[i], c);
    keys_from(&p->top, "machine-ids", v);
    if (p->machine_ids.n)
        avow_verdict_add(v, "machine-ids", known, "machine %s%s is %samong the %zu allowed", have,
                         c->machine_len ? ".." : "", known ? "" : "not ", p->machine_ids.n);
}

static void appraise_log(const struct section *s, bool required, const struct avow_claims *c,
                         struct avow_verdict *v)
{
    keys_from(s, "require-event-log", v);
    if (required && !c->log.replayed)
        avow_verdict_missing(v, "event-log", "an event log, which the policy requires");
    else if (required)
        avow_verdict_add(v, "event-log", c->log.registers != 0,
                         "%u events replay to registers 0x%x", c->log.n_events, c->log.registers);
}

/* Whether anything of this kind is accepted at all; and what is not verified has no values to
 * compare. */
static bool appraise_kind(const struct avow_policy *p, const struct avow_claims *c,
                          const struct section *s, struct avow_verdict *v)
{
    avow_verdict_from(v, "%s", "");
    if (!avow_verdict_add(v, "authentic", c->authentic, "%s",
                          c->authentic ? "every check of the vendor's evidence passed"
                                       : "the evidence is not verified"))
        return false;
    keys_from(&p->top, "allow-simulated", v);
    avow_verdict_add(v, "simulated", !c->simulated || p->allow_simulated, "%s%s",
                     c->simulated ? "SIMULATED evidence, root " : "real evidence, root ", c->root);
    keys_from(&p->top, avow_tee_name(c->tee), v);
    return avow_verdict_add(v, "tee", s && s->present, "the policy %s %s evidence",
                            s && s->present ? "accepts" : "has no section for",
                            avow_tee_name(c->tee));
}

void avow_policy_appraise(const struct avow_policy *p, const struct avow_claims *c,
                          const char *member, int64_t now, struct avow_verdict *v)
{
    const struct snp_rules *snp = c->tee == AVOW_TEE_AZ_SNP ? &p->az_snp : &p->snp;
    const struct tdx_rules *tdx = c->tee == AVOW_TEE_AZ_TDX ? &p->az_tdx : &p->tdx;
    bool is_snp = avow_tee_hardware(c->tee) == AVOW_TEE_SNP;
    bool is_tdx = avow_tee_hardware(c->tee) == AVOW_TEE_TDX;
    const struct azure_rules *azure = is_snp ? &p->azure_snp : &p->azure_tdx;
    const struct section *section = is_snp ? &snp->section : is_tdx ? &tdx->section : NULL;

    v->tee = c->tee;
    v->simulated = v->simulated || c->simulated;
    if (appraise_kind(p, c, section, v)) {
        if (is_snp)
            snp_appraise(snp, c, now, v);
        else
            tdx_appraise(tdx, c, now, v);
        if (avow_tee_is_azure(c->tee)) {
            azure_appraise(azure, c, now, v);
            appraise_log(&azure->section, azure->require_event_log, c, v);
        } else if (is_tdx) {
            appraise_log(&tdx->section, tdx->require_event_log, c, v);
        }
        appraise_machine(p, c, member, v);
    }
    avow_verdict_from(v, "%s", "");
}
