#include "evidence/bundle.h"

#include <stdio.h>

#include "codec/json.h"
#include "codec/text.h"

static const char bundle_type[] = "avow/bundle/1";

#define VIEWS_MAX (9 + AVOW_BUNDLE_CERTS_MAX + AVOW_BUNDLE_CRLS_MAX)

void avow_bundle_done(struct avow_bundle *b)
{
    avow_buf_done(&b->store);
    memset(b, 0, sizeof *b);
}

static size_t list_views(struct avow_bundle *b, struct avow_bytes *views[VIEWS_MAX])
{
    size_t n = 0;

    views[n++] = &b->statement;
    views[n++] = &b->evidence;
    views[n++] = &b->tcb_info;
    views[n++] = &b->qe_identity;
    views[n++] = &b->hcl;
    views[n++] = &b->runtime_data;
    views[n++] = &b->tpm_quote;
    views[n++] = &b->tpm_signature;
    views[n++] = &b->event_log;
    for (size_t i = 0; i < b->n_certs; i++)
        views[n++] = &b->certs[i];
    for (size_t i = 0; i < b->n_crls; i++)
        views[n++] = &b->crls[i];
    return n;
}

/* Put @v into the store; when that moves the store, the views move along. */
static int put(struct avow_bundle *b, struct avow_bytes *slot, struct avow_bytes v,
               struct avow_error *err)
{
    struct avow_bytes *views[VIEWS_MAX];
    size_t n = list_views(b, views);
    uintptr_t before = (uintptr_t)b->store.data;
    size_t off = b->store.len;

    if (!b->store.max)
        b->store.max = AVOW_BUNDLE_MAX;
    if (avow_buf_put_bytes(&b->store, v) < 0)
        return AVOW_FAIL_CODE(err, b->store.failed, "bundle: contents of more than %u bytes",
                              AVOW_BUNDLE_MAX);
    if ((uintptr_t)b->store.data != before)
        for (size_t i = 0; i < n; i++)
            if (views[i]->data)
                views[i]->data = b->store.data + ((uintptr_t)views[i]->data - before);
    *slot = AVOW_BYTES(b->store.data + off, v.len);
    return 0;
}

int avow_bundle_put(struct avow_bundle *b, enum avow_bundle_part part, struct avow_bytes v,
                    struct avow_error *err)
{
    struct avow_bytes view = { 0 };

    if (part == AVOW_PART_CERT && b->n_certs == AVOW_BUNDLE_CERTS_MAX)
        return AVOW_FAIL(err, LIMIT, "bundle: more than %d certificates", AVOW_BUNDLE_CERTS_MAX);
    if (part == AVOW_PART_CRL && b->n_crls == AVOW_BUNDLE_CRLS_MAX)
        return AVOW_FAIL(err, LIMIT, "bundle: more than %d CRLs", AVOW_BUNDLE_CRLS_MAX);
    if (part == AVOW_PART_STATEMENT && v.len > AVOW_STATEMENT_MAX)
        return AVOW_FAIL(err, LIMIT, "bundle: statement of %zu bytes (at most %u)", v.len,
                         AVOW_STATEMENT_MAX);
    AVOW_TRY(put(b, &view, v, err));
    switch (part) {
    case AVOW_PART_STATEMENT:
        b->statement = view;
        break;
    case AVOW_PART_EVIDENCE:
        b->evidence = view;
        break;
    case AVOW_PART_CERT:
        b->certs[b->n_certs++] = view;
        break;
    case AVOW_PART_CRL:
        b->crls[b->n_crls++] = view;
        break;
    case AVOW_PART_TCB_INFO:
        b->tcb_info = view;
        break;
    case AVOW_PART_QE_IDENTITY:
        b->qe_identity = view;
        break;
    case AVOW_PART_HCL:
        b->hcl = view;
        break;
    case AVOW_PART_RUNTIME_DATA:
        b->runtime_data = view;
        break;
    case AVOW_PART_TPM_QUOTE:
        b->tpm_quote = view;
        break;
    case AVOW_PART_TPM_SIGNATURE:
        b->tpm_signature = view;
        break;
    case AVOW_PART_EVENT_LOG:
        b->event_log = view;
        break;
    }
    return 0;
}

/* ---- reading ---- */

static int read_b64(struct avow_bundle *b, const char *key, const json_t *v,
                    enum avow_bundle_part part, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf raw = AVOW_BUF(AVOW_BUNDLE_MAX);
    int rc = 0;

    if (!json_is_string(v))
        return AVOW_FAIL(err, FORMAT, "bundle: \"%s\" is not a string", key);
    rc = avow_unb64_put(&raw, AVOW_BYTES(json_string_value(v), json_string_length(v)));
    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "bundle: \"%s\" is not base64", key);
    if (raw.len == 0)
        return AVOW_FAIL(err, FORMAT, "bundle: \"%s\" is empty", key);
    return avow_bundle_put(b, part, avow_buf_view(&raw), err);
}

static int read_list(struct avow_bundle *b, const json_t *doc, const char *key, size_t max,
                     enum avow_bundle_part part, struct avow_error *err)
{
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    AVOW_TRY(avow_json_get_array(doc, key, max, &list, err));
    json_array_foreach(list, i, item)
        AVOW_TRY(read_b64(b, key, item, part, err));
    return 0;
}

/* Texts that are signed as they stand travel as JSON strings. */
static int read_text(struct avow_bundle *b, const json_t *doc, const char *key,
                     enum avow_bundle_part part, struct avow_error *err)
{
    const char *text = NULL;

    AVOW_TRY(avow_json_opt_str(doc, key, &text, err));
    if (!text)
        return 0;
    if (!*text)
        return AVOW_FAIL(err, FORMAT, "bundle: \"%s\" is empty", key);
    return avow_bundle_put(b, part, avow_bytes_str(text), err);
}

/* Members that are base64 and may be absent. */
static const struct binary {
    const char *key;
    enum avow_bundle_part part;
    size_t offset;   /* of the view in struct avow_bundle */
    bool azure_only; /* nobody else has one */
} binary[] = {
    { "evidence", AVOW_PART_EVIDENCE, offsetof(struct avow_bundle, evidence), false },
    { "hcl-report", AVOW_PART_HCL, offsetof(struct avow_bundle, hcl), true },
    { "runtime-data", AVOW_PART_RUNTIME_DATA, offsetof(struct avow_bundle, runtime_data), false },
    { "tpm-quote", AVOW_PART_TPM_QUOTE, offsetof(struct avow_bundle, tpm_quote), true },
    { "tpm-signature", AVOW_PART_TPM_SIGNATURE, offsetof(struct avow_bundle, tpm_signature), true },
    { "event-log", AVOW_PART_EVENT_LOG, offsetof(struct avow_bundle, event_log), false },
};

#define N_BINARY (sizeof binary / sizeof binary[0])

static int read_opt_b64(struct avow_bundle *b, const json_t *doc, const struct binary *m,
                        struct avow_error *err)
{
    const json_t *v = json_object_get(doc, m->key);

    if (!v)
        return 0;
    if (m->azure_only && !avow_tee_is_azure(b->tee))
        return AVOW_FAIL(err, FORMAT, "bundle: \"%s\" in a bundle of %s", m->key,
                         avow_tee_name(b->tee));
    return read_b64(b, m->key, v, m->part, err);
}

int avow_bundle_put_pcr(struct avow_bundle *b, unsigned i, const uint8_t value[AVOW_BUNDLE_PCR_LEN],
                        struct avow_error *err)
{
    if (i >= AVOW_BUNDLE_PCRS)
        return AVOW_FAIL(err, LIMIT, "PCR %u (0 to %u)", i, AVOW_BUNDLE_PCRS - 1);
    b->pcr_mask |= 1u << i;
    memcpy(b->pcr[i], value, AVOW_BUNDLE_PCR_LEN);
    return 0;
}

/* {"0":"<64 hex>", ...} */
static int read_pcrs(struct avow_bundle *b, const json_t *v, struct avow_error *err)
{
    const char *key = NULL;
    json_t *item = NULL;

    if (!v)
        return 0;
    if (!json_is_object(v) || !avow_tee_is_azure(b->tee))
        return AVOW_FAIL(err, FORMAT, "bundle: \"pcrs\" is not an object, or of a bare machine");
    json_object_foreach((json_t *)(uintptr_t)v, key, item) {
        uint8_t digest[AVOW_BUNDLE_PCR_LEN];
        const char *hex = json_string_value(item);
        unsigned i = 0;

        if (key[0] < '0' || key[0] > '9' || strlen(key) > 2 || (key[1] && key[0] == '0') ||
            (key[1] && (key[1] < '0' || key[1] > '9')))
            return AVOW_FAIL(err, FORMAT, "bundle: \"pcrs\": a key is no register");
        i = (unsigned)(key[0] - '0');
        if (key[1])
            i = 10 * i + (unsigned)(key[1] - '0');
        if (!hex || avow_unhex(hex, digest, sizeof digest) < 0)
            return AVOW_FAIL(err, FORMAT, "bundle: \"pcrs\": %s is not %u bytes in hex", key,
                             AVOW_BUNDLE_PCR_LEN);
        AVOW_TRY(avow_bundle_put_pcr(b, i, digest, err));
    }
    return 0;
}

static int read_members(const json_t *doc, struct avow_bundle *b, struct avow_error *err)
{
    static const char *const known[] = { "type",          "tee",          "statement",
                                         "evidence",      "certs",        "crls",
                                         "tcb-info",      "qe-identity",  "hcl-report",
                                         "pcrs",          "runtime-data", "tpm-quote",
                                         "tpm-signature", "event-log",    NULL };
    const char *text = NULL;

    if (!json_is_object(doc))
        return AVOW_FAIL(err, FORMAT, "bundle: not a JSON object");
    AVOW_TRY(avow_json_get_str(doc, "type", &text, err));
    if (strcmp(text, bundle_type) != 0)
        return AVOW_FAIL(err, VERSION, "bundle: type is not \"%s\"", bundle_type);
    AVOW_TRY(avow_json_only(doc, known, err));
    AVOW_TRY(avow_json_get_str(doc, "tee", &text, err));
    b->tee = avow_tee_from_name(text);
    if (b->tee == AVOW_TEE_NONE)
        return AVOW_FAIL(err, FORMAT,
                         "bundle: \"tee\" is none of \"snp\", \"tdx\", \"az-snp\", \"az-tdx\"");
    if (!json_object_get(doc, "evidence") && !json_object_get(doc, "hcl-report"))
        return AVOW_FAIL(err, FORMAT, "bundle: \"evidence\" is missing");
    AVOW_TRY(read_text(b, doc, "statement", AVOW_PART_STATEMENT, err));
    for (size_t i = 0; i < N_BINARY; i++)
        AVOW_TRY(read_opt_b64(b, doc, &binary[i], err));
    AVOW_TRY(read_pcrs(b, json_object_get(doc, "pcrs"), err));
    AVOW_TRY(read_list(b, doc, "certs", AVOW_BUNDLE_CERTS_MAX, AVOW_PART_CERT, err));
    AVOW_TRY(read_list(b, doc, "crls", AVOW_BUNDLE_CRLS_MAX, AVOW_PART_CRL, err));
    AVOW_TRY(read_text(b, doc, "tcb-info", AVOW_PART_TCB_INFO, err));
    return read_text(b, doc, "qe-identity", AVOW_PART_QE_IDENTITY, err);
}

int avow_bundle_parse(struct avow_bytes text, struct avow_bundle *out, struct avow_error *err)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    avow_autojson json_t *doc = NULL;

    memset(out, 0, sizeof *out);
    if (text.len > AVOW_BUNDLE_MAX)
        return AVOW_FAIL(err, LIMIT, "bundle of %zu bytes (at most %u)", text.len, AVOW_BUNDLE_MAX);
    AVOW_TRY(avow_json_parse(text, &doc, err));
    AVOW_TRY(read_members(doc, &b, err));
    if (b.statement.len) {
        int rc = avow_json_check_canonical(b.statement, err);

        if (rc < 0) {
            (void)avow_error_prefix(err, "bundle: statement");
            return rc;
        }
    }
    *out = b;
    memset(&b, 0, sizeof b);
    return 0;
}

/* ---- writing ---- */

static int set_new(json_t *doc, const char *key, json_t *take_value, struct avow_error *err)
{
    if (!take_value)
        return AVOW_FAIL(err, FORMAT, "bundle: \"%s\" is not UTF-8 text", key);
    if (json_object_set_new(doc, key, take_value) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    return 0;
}

static json_t *b64(struct avow_bytes v)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(2 * AVOW_BUNDLE_MAX);

    if (avow_b64_put(&text, v) < 0)
        return NULL;
    return json_string(avow_buf_cstr(&text));
}

static int set_text(json_t *doc, const char *key, struct avow_bytes v, struct avow_error *err)
{
    if (v.len == 0)
        return 0;
    if (memchr(v.data, 0, v.len))
        return AVOW_FAIL(err, FORMAT, "bundle: \"%s\" contains a NUL", key);
    return set_new(doc, key, json_stringn((const char *)v.data, v.len), err);
}

static int set_list(json_t *doc, const char *key, const struct avow_bytes *items, size_t n,
                    struct avow_error *err)
{
    json_t *list = json_array();

    AVOW_TRY(set_new(doc, key, list, err));
    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(list, b64(items[i])) < 0)
            return AVOW_FAIL(err, NOMEM, "out of memory");
    return 0;
}

static int set_pcrs(json_t *doc, const struct avow_bundle *b, struct avow_error *err)
{
    json_t *pcrs = NULL;

    if (!b->pcr_mask)
        return 0;
    pcrs = json_object();
    AVOW_TRY(set_new(doc, "pcrs", pcrs, err));
    for (unsigned i = 0; i < AVOW_BUNDLE_PCRS; i++) {
        char key[12];
        char hex[2 * AVOW_BUNDLE_PCR_LEN + 1];

        if (!(b->pcr_mask >> i & 1))
            continue;
        snprintf(key, sizeof key, "%u", i);
        avow_hex(AVOW_BYTES_OF(b->pcr[i]), hex);
        AVOW_TRY(set_new(pcrs, key, json_string(hex), err));
    }
    return 0;
}

int avow_bundle_emit(const struct avow_bundle *b, struct avow_buf *out, struct avow_error *err)
{
    avow_autojson json_t *doc = json_object();

    if (!doc)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (b->tee == AVOW_TEE_NONE || (b->evidence.len == 0 && b->hcl.len == 0))
        return AVOW_FAIL(err, INVAL, "bundle: no evidence");
    AVOW_TRY(set_new(doc, "type", json_string(bundle_type), err));
    AVOW_TRY(set_new(doc, "tee", json_string(avow_tee_name(b->tee)), err));
    AVOW_TRY(set_text(doc, "statement", b->statement, err));
    for (size_t i = 0; i < N_BINARY; i++) {
        struct avow_bytes v = { 0 };

        memcpy(&v, (const uint8_t *)b + binary[i].offset, sizeof v);
        if (v.len)
            AVOW_TRY(set_new(doc, binary[i].key, b64(v), err));
    }
    AVOW_TRY(set_pcrs(doc, b, err));
    AVOW_TRY(set_list(doc, "certs", b->certs, b->n_certs, err));
    AVOW_TRY(set_list(doc, "crls", b->crls, b->n_crls, err));
    AVOW_TRY(set_text(doc, "tcb-info", b->tcb_info, err));
    AVOW_TRY(set_text(doc, "qe-identity", b->qe_identity, err));
    return avow_json_canonical(doc, out, err);
}
