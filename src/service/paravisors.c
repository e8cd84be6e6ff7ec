#include "service/paravisors.h"

#include <stdio.h>

#include "codec/yaml.h"
#include "evidence/runtime.h"
#include "evidence/snp.h"
#include "policy/values.h"
#include "serve/file.h"

#define VERSION 1

struct paravisor {
    char name[AVOW_PARAVISOR_NAME_MAX + 1];
    enum avow_tee tee; /* SNP or TDX */
    bool simulated;
    uint32_t min_guest_svn;         /* SNP */
    struct value_set measured;      /* MEASUREMENT, MRTD */
    struct value_set id_key;        /* SNP */
    struct value_set host_data;     /* SNP */
    struct value_set mrseam;        /* TDX */
    struct value_set mrownerconfig; /* TDX */
};

struct avow_paravisors {
    size_t n;
    struct paravisor *list;
};

/* ---- the file ---- */

static const struct avow_schema one = { .type = AVOW_YAML_INT, .min = VERSION, .max = VERSION };
static const struct avow_schema name = {
    .type = AVOW_YAML_STRING, .what = "a name", .min = 1, .max = AVOW_PARAVISOR_NAME_MAX
};
static const struct avow_schema text = { .type = AVOW_YAML_STRING, .min = 1, .max = 4095 };
static const struct avow_schema yes_or_no = { .type = AVOW_YAML_BOOL };
static const struct avow_schema svn = { .type = AVOW_YAML_INT, .min = 0, .max = UINT32_MAX };

static const struct avow_schema_key window_keys[] = {
    { "value", &text, true },
    { "from", &text, false },
    { "until", &text, false },
    { "note", &text, false },
    { 0 },
};
static const struct avow_schema window = { .type = AVOW_YAML_MAP, .keys = window_keys };
static const struct avow_schema value = { .type = AVOW_YAML_EITHER,
                                          .what = "a value in hex, or {value, from, until, note}",
                                          .scalar = &text,
                                          .map = &window };
static const struct avow_schema values = {
    .type = AVOW_YAML_LIST, .min = 1, .max = AVOW_POLICY_VALUES_MAX, .item = &value
};

static const struct avow_schema_key entry_keys[] = {
    { "name", &name, true },
    { "tee", &name, true },
    { "simulated", &yes_or_no, false },
    { "measurements", &values, false },
    { "id-key-digest", &values, false },
    { "host-data", &values, false },
    { "min-guest-svn", &svn, false },
    { "mrtd", &values, false },
    { "mrseam", &values, false },
    { "mrownerconfig", &values, false },
    { 0 },
};
static const struct avow_schema entry = { .type = AVOW_YAML_MAP, .keys = entry_keys };
static const struct avow_schema entries = {
    .type = AVOW_YAML_LIST, .min = 1, .max = AVOW_PARAVISORS_MAX, .item = &entry
};
static const struct avow_schema_key top_keys[] = {
    { "version", &one, true },
    { "paravisors", &entries, true },
    { 0 },
};
static const struct avow_schema top = { .type = AVOW_YAML_MAP, .keys = top_keys };

/* ---- reading ---- */

struct key {
    const char *name;
    size_t len; /* bytes of a value */
    struct value_set *to;
    bool required;
};

/* Keys of the other TEE in @j would be passed over, and the entry be wider than it reads. */
static int only_of(const json_t *j, enum avow_tee tee, struct avow_error *err)
{
    static const char *const snp[] = { "measurements", "id-key-digest", "host-data",
                                       "min-guest-svn" };
    static const char *const tdx[] = { "mrtd", "mrseam", "mrownerconfig" };
    const char *const *foreign = tee == AVOW_TEE_SNP ? tdx : snp;
    size_t n = tee == AVOW_TEE_SNP ? sizeof tdx / sizeof *tdx : sizeof snp / sizeof *snp;

    for (size_t i = 0; i < n; i++)
        if (json_object_get(j, foreign[i]))
            return AVOW_FAIL(err, FORMAT, "\"%s\" is no value of %s", foreign[i],
                             avow_tee_name(tee));
    return 0;
}

static int read_tee(const json_t *j, enum avow_tee *out, struct avow_error *err)
{
    const char *word = NULL;

    AVOW_TRY(avow_json_get_str(j, "tee", &word, err));
    *out = strcmp(word, "snp") == 0   ? AVOW_TEE_SNP
           : strcmp(word, "tdx") == 0 ? AVOW_TEE_TDX
                                      : AVOW_TEE_NONE;
    return *out == AVOW_TEE_NONE ? AVOW_FAIL(err, FORMAT, "\"tee\" is snp or tdx") : 0;
}

static int read_entry(const json_t *j, struct paravisor *p, struct avow_error *err)
{
    const char *word = NULL;
    int64_t n = 0;
    const struct key snp[] = { { "measurements", 48, &p->measured, true },
                               { "id-key-digest", 48, &p->id_key, false },
                               { "host-data", 32, &p->host_data, false } };
    const struct key tdx[] = { { "mrtd", 48, &p->measured, true },
                               { "mrseam", 48, &p->mrseam, false },
                               { "mrownerconfig", 48, &p->mrownerconfig, false } };

    AVOW_TRY(avow_json_get_str(j, "name", &word, err));
    snprintf(p->name, sizeof p->name, "%s", word);
    AVOW_TRY(read_tee(j, &p->tee, err));
    AVOW_TRY(only_of(j, p->tee, err));
    AVOW_TRY(avow_json_opt_bool(j, "simulated", &p->simulated, err));
    AVOW_TRY(avow_json_opt_int(j, "min-guest-svn", 0, UINT32_MAX, &n, err));
    p->min_guest_svn = (uint32_t)n;
    for (size_t i = 0; i < sizeof snp / sizeof *snp; i++) {
        const struct key *k = p->tee == AVOW_TEE_SNP ? &snp[i] : &tdx[i];

        if (k->required && !json_object_get(j, k->name))
            return AVOW_FAIL(err, MISSING, "\"%s\" is missing: anything would be this paravisor",
                             k->name);
        AVOW_TRY(values_read(j, k->name, k->len, false, k->to, err));
    }
    return 0;
}

static bool has_name(const struct avow_paravisors *p, size_t before)
{
    for (size_t i = 0; i < before; i++)
        if (strcmp(p->list[i].name, p->list[before].name) == 0)
            return true;
    return false;
}

static int read_entries(const struct avow_yaml *y, struct avow_paravisors *p,
                        struct avow_error *err)
{
    const json_t *list = json_object_get(avow_yaml_value(y), "paravisors");
    json_t *item = NULL;
    size_t i = 0;

    p->list = calloc(json_array_size(list), sizeof *p->list);
    if (!p->list)
        return AVOW_FAIL(err, NOMEM, "out of memory for paravisors");
    json_array_foreach(list, i, item) {
        struct avow_error why = { 0 };
        int rc = read_entry(item, &p->list[i], &why);

        if (rc < 0)
            return avow_yaml_fail(y, item, -rc, err, "%s", why.text);
        if (has_name(p, i))
            return avow_yaml_fail(y, item, AVOW_E_EXISTS, err, "\"%s\" is there already",
                                  p->list[i].name);
        p->n++;
    }
    return 0;
}

int avow_paravisors_parse(struct avow_bytes yaml, const char *file, struct avow_paravisors **out,
                          struct avow_error *err)
{
    avow_auto(avow_cleanup_yaml) struct avow_yaml *y = NULL;
    avow_auto(avow_cleanup_paravisors) struct avow_paravisors *p = calloc(1, sizeof *p);

    if (!p)
        return AVOW_FAIL(err, NOMEM, "out of memory for paravisors");
    AVOW_TRY(avow_yaml_load(yaml, file, &top, &y, err));
    AVOW_TRY(read_entries(y, p, err));
    *out = avow_steal(&p);
    return 0;
}

int avow_paravisors_load(const char *path, struct avow_paravisors **out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf yaml = AVOW_BUF(AVOW_PARAVISORS_FILE_MAX);

    AVOW_TRY(avow_file_read(path, AVOW_FILE_OURS, &yaml, err));
    return avow_paravisors_parse(avow_buf_view(&yaml), path, out, err);
}

void avow_paravisors_free(struct avow_paravisors *p)
{
    if (!p)
        return;
    free(p->list);
    free(p);
}

size_t avow_paravisors_count(const struct avow_paravisors *p)
{
    return p ? p->n : 0;
}

/* ---- matching ---- */

/* Nobody outside may look into the VM or move it, and of SNP the paravisor itself asked for the
 * report, not what runs above it. */
static bool is_closed(const struct avow_claims *c)
{
    if (avow_claims_is_open(c))
        return false;
    return c->tee == AVOW_TEE_SNP
               ? c->snp.vmpl == 0 && !(c->snp.policy & AVOW_SNP_POLICY_MIGRATE_MA)
               : !avow_claims_td_may_migrate(c);
}

/* Whether it is a paravisor's runtime data that the hardware's report is about. */
static bool speaks(const struct avow_claims *c, const struct avow_maa_request *rq)
{
    struct avow_runtime runtime;

    return c->authentic && c->runtime_bound && rq->runtime.present && rq->runtime.json &&
           avow_bytes_zero(AVOW_BYTES(c->report_data + 32, sizeof c->report_data - 32)) &&
           avow_runtime_parse(avow_buf_view(&rq->runtime.bytes), &runtime, NULL) == 0;
}

static bool is_this(const struct paravisor *p, const struct avow_claims *c, int64_t now)
{
    if (p->tee != c->tee || p->simulated != c->simulated ||
        !values_allow(&p->measured, AVOW_BYTES_OF(c->measurement), now))
        return false;
    if (p->tee == AVOW_TEE_SNP)
        return c->snp.guest_svn >= p->min_guest_svn &&
               values_allow(&p->id_key, AVOW_BYTES_OF(c->snp.id_key_digest), now) &&
               values_allow(&p->host_data, AVOW_BYTES_OF(c->snp.host_data), now);
    return values_allow(&p->mrseam, AVOW_BYTES_OF(c->tdx.mrseam), now) &&
           values_allow(&p->mrownerconfig, AVOW_BYTES_OF(c->tdx.mrownerconfig), now);
}

const char *avow_paravisors_match(const struct avow_paravisors *p, const struct avow_claims *c,
                                  const struct avow_maa_request *rq, int64_t now)
{
    if (!p || !is_closed(c) || !speaks(c, rq))
        return NULL;
    for (size_t i = 0; i < p->n; i++)
        if (is_this(&p->list[i], c, now))
            return p->list[i].name;
    return NULL;
}
