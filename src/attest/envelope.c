#include "attest/envelope.h"

#include "attest/pccs.h"
#include "attest/protojson.h"
#include "codec/cbor.h"
#include "codec/text.h"
#include "evidence/bundle.h"

#define VALUE_MAX (4u << 20) /* bytes of one decoded value */

struct open {
    avow_envelope_fn each;
    void *ctx;
    struct avow_error *err;
};

enum how {
    PART,      /* binary, or a text that is a file by itself (PEM) */
    NESTED,    /* an object, opened in its turn; or a file */
    TPM,       /* {message, signature, pcrs} */
    RUNTIME,   /* MAA: {data, dataType} */
    COLLECTION /* CMW: base64url of a JSON collection */
};

/* Members of all envelopes. @mark: no other JSON has a member of this name, so it tells. */
static const struct member {
    const char *key;
    enum how how;
    enum avow_envelope_part part;
    bool mark;
} members[] = {
    /* configfs-tsm, as veraison and go-configfs-tsm write it */
    { "outblob", PART, AVOW_INNER_FILE, true },
    { "OutBlob", PART, AVOW_INNER_FILE, true },
    { "auxblob", PART, AVOW_INNER_FILE, false },
    { "AuxBlob", PART, AVOW_INNER_FILE, false },
    /* Trustee and attestation-rs */
    { "hcl_report", PART, AVOW_INNER_FILE, true },
    { "td_quote", PART, AVOW_INNER_FILE, true },
    { "tpm_quote", TPM, AVOW_INNER_FILE, true },
    { "attestation_report", PART, AVOW_INNER_FILE, true },
    { "quote", TPM, AVOW_INNER_FILE, true }, /* of a TPM if an object, else of a TD */
    { "report", PART, AVOW_INNER_FILE, true },
    { "vcek", PART, AVOW_INNER_FILE, false },
    { "cc_eventlog", PART, AVOW_INNER_EVENT_LOG, false },
    { "evidence", NESTED, AVOW_INNER_FILE, true },
    { "endorsements", PART, AVOW_INNER_FILE, false },
    /* MAA's requests */
    { "SnpReport", PART, AVOW_INNER_FILE, true },
    { "VcekCertChain", PART, AVOW_INNER_FILE, false },
    { "runtimeData", RUNTIME, AVOW_INNER_RUNTIME_DATA, false },
    /* Azure's THIM */
    { "vcekCert", PART, AVOW_INNER_FILE, true },
    { "certificateChain", PART, AVOW_INNER_FILE, false },
    /* conceptual message wrappers */
    { "cmw", COLLECTION, AVOW_INNER_FILE, true },
};

#define N_MEMBERS (sizeof members / sizeof members[0])

/* ---- values ---- */

static int decode_array(const json_t *v, struct avow_buf *out, struct avow_error *err)
{
    const json_t *item = NULL;
    size_t i = 0;

    json_array_foreach(v, i, item) {
        if (!json_is_integer(item) || json_integer_value(item) < 0 ||
            json_integer_value(item) > UINT8_MAX)
            return AVOW_FAIL(err, FORMAT, "envelope: item %zu of a list of bytes is none", i);
        avow_buf_put_u8(out, (uint8_t)json_integer_value(item));
    }
    return avow_buf_ok(out, err);
}

static bool is_pem(const char *text)
{
    return strstr(text, "-----BEGIN ") != NULL;
}

static int decode_text(const char *text, size_t len, struct avow_buf *out, struct avow_error *err)
{
    if (is_pem(text))
        return avow_buf_put_str(out, text) < 0 ? avow_buf_ok(out, err) : 0;
    if (strncmp(text, "0x", 2) == 0)
        return avow_unhex_put(out, text + 2) < 0
                   ? AVOW_FAIL(err, FORMAT, "envelope: no hex after 0x")
                   : 0;
    if (avow_unhex_put(out, text) == 0 && len)
        return 0;
    avow_buf_done(out);
    if (avow_unb64_put(out, AVOW_BYTES(text, len)) == 0)
        return 0;
    avow_buf_done(out);
    if (avow_unb64url_put(out, AVOW_BYTES(text, len)) == 0)
        return 0;
    return AVOW_FAIL(err, FORMAT, "envelope: a value is neither hex nor base64 nor PEM");
}

static int decode(const json_t *v, const char *key, struct avow_buf *out, struct avow_error *err)
{
    int rc = 0;

    if (json_is_array(v))
        rc = decode_array(v, out, err);
    else if (json_is_string(v))
        rc = decode_text(json_string_value(v), json_string_length(v), out, err);
    else
        rc = AVOW_FAIL(err, FORMAT, "envelope: neither a text nor a list of bytes");
    if (rc < 0)
        (void)avow_error_prefix(err, "\"%s\"", key);
    return rc;
}

static int give(const struct open *o, const char *key, const json_t *v,
                enum avow_envelope_part part)
{
    avow_auto(avow_buf_done) struct avow_buf raw = AVOW_BUF(VALUE_MAX);
    int rc = 0;

    if (json_is_null(v) || (json_is_string(v) && !json_string_length(v)))
        return 0; /* not there: auxblob of a host that gives no certificates */
    AVOW_TRY(decode(v, key, &raw, o->err));
    rc = o->each(o->ctx, part, avow_buf_view(&raw), o->err);
    if (rc < 0)
        (void)avow_error_prefix(o->err, "\"%s\"", key);
    return rc;
}

/* ---- objects ---- */

static int give_pcrs(const struct open *o, const json_t *list)
{
    avow_auto(avow_buf_done) struct avow_buf all = AVOW_BUF(VALUE_MAX);
    const json_t *item = NULL;
    size_t i = 0;

    if (json_array_size(list) != AVOW_BUNDLE_PCRS)
        return AVOW_FAIL(o->err, FORMAT, "\"pcrs\": not %u values", AVOW_BUNDLE_PCRS);
    json_array_foreach(list, i, item) {
        avow_auto(avow_buf_done) struct avow_buf one = AVOW_BUF(VALUE_MAX);

        AVOW_TRY(decode(item, "pcrs", &one, o->err));
        if (one.len != AVOW_BUNDLE_PCR_LEN)
            return AVOW_FAIL(o->err, FORMAT, "\"pcrs\": value %zu is not %u bytes", i,
                             AVOW_BUNDLE_PCR_LEN);
        avow_buf_put_bytes(&all, avow_buf_view(&one));
    }
    AVOW_TRY(avow_buf_ok(&all, o->err));
    return o->each(o->ctx, AVOW_INNER_PCRS, avow_buf_view(&all), o->err);
}

static int give_tpm(const struct open *o, const char *key, const json_t *v)
{
    if (!json_is_object(v))
        return give(o, key, v, AVOW_INNER_FILE);
    AVOW_TRY(give(o, "message", json_object_get(v, "message"), AVOW_INNER_TPM_QUOTE));
    AVOW_TRY(give(o, "signature", json_object_get(v, "signature"), AVOW_INNER_TPM_SIGNATURE));
    return give_pcrs(o, json_object_get(v, "pcrs"));
}

static int give_collection(const struct open *o, const json_t *v)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(VALUE_MAX);
    avow_autojson json_t *doc = NULL;
    const char *key = NULL;
    json_t *item = NULL;

    AVOW_TRY(decode(v, "cmw", &text, o->err));
    AVOW_TRY(avow_json_parse(avow_buf_view(&text), &doc, o->err));
    if (!json_is_object(doc))
        return AVOW_FAIL(o->err, FORMAT, "\"cmw\": no collection");
    json_object_foreach(doc, key, item)
        if (json_is_array(item) && json_array_size(item) >= 2)
            AVOW_TRY(give(o, key, json_array_get(item, 1), AVOW_INNER_FILE));
    return 0;
}

static const struct member *find_member(const char *key)
{
    for (size_t i = 0; i < N_MEMBERS; i++)
        if (strcmp(members[i].key, key) == 0)
            return &members[i];
    return NULL;
}

static int open_object(const struct open *o, const json_t *doc, int depth);

static int give_member(const struct open *o, const struct member *m, const json_t *v, int depth)
{
    switch (m->how) {
    case PART:
        return give(o, m->key, v, m->part);
    case NESTED:
        return json_is_object(v) ? open_object(o, v, depth + 1) : give(o, m->key, v, m->part);
    case TPM:
        return give_tpm(o, m->key, v);
    case RUNTIME:
        return give(o, m->key, json_object_get(v, "data"), m->part);
    case COLLECTION:
        return give_collection(o, v);
    }
    return 0;
}

static int open_object(const struct open *o, const json_t *doc, int depth)
{
    const char *key = NULL;
    json_t *v = NULL;

    if (depth > AVOW_ENVELOPE_DEPTH_MAX)
        return AVOW_FAIL(o->err, LIMIT, "envelope: more than %d objects in one another",
                         AVOW_ENVELOPE_DEPTH_MAX);
    json_object_foreach((json_t *)(uintptr_t)doc, key, v) {
        const struct member *m = find_member(key);

        if (m)
            AVOW_TRY(give_member(o, m, v, depth));
    }
    return 0;
}

/* ---- DCAP collateral: what sgx_ql_qve_collateral_t holds, as JSON ---- */

static int give_document(const struct open *o, const json_t *doc, const char *name,
                         const char *key_body, const char *key_signature)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(VALUE_MAX);
    const char *body = json_string_value(json_object_get(doc, key_body));
    const char *signature = json_string_value(json_object_get(doc, key_signature));

    if (!body)
        return 0;
    if (!signature)
        return AVOW_FAIL(o->err, FORMAT, "\"%s\" without \"%s\"", key_body, key_signature);
    avow_buf_putf(&text, "{\"%s\":", name);
    avow_buf_put_str(&text, body); /* the bytes that are signed, as they are */
    avow_buf_putf(&text, ",\"signature\":\"%s\"}", signature);
    AVOW_TRY(avow_buf_ok(&text, o->err));
    return o->each(o->ctx, AVOW_INNER_FILE, avow_buf_view(&text), o->err);
}

static int open_dcap(const struct open *o, const json_t *doc)
{
    static const char *const files[] = {
        "pck_crl_issuer_chain",  "root_ca_crl",           "pck_crl",
        "tcb_info_issuer_chain", "pck_certificate_chain", "qe_identity_issuer_chain"
    };

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (json_object_get(doc, files[i]))
            AVOW_TRY(give(o, files[i], json_object_get(doc, files[i]), AVOW_INNER_FILE));
    AVOW_TRY(give_document(o, doc, "tcbInfo", "tcb_info", "tcb_info_signature"));
    return give_document(o, doc, "enclaveIdentity", "qe_identity", "qe_identity_signature");
}

/* ---- CBOR ---- */

static int cbor_pair(void *ctx, struct avow_bytes key, struct avow_bytes value,
                     struct avow_error *err)
{
    const struct open *o = ctx;

    if (value.len && (avow_bytes_equal(key, avow_bytes_str("outblob")) ||
                      avow_bytes_equal(key, avow_bytes_str("auxblob"))))
        return o->each(o->ctx, AVOW_INNER_FILE, value, err);
    return 0;
}

static int open_cbor(const struct open *o, struct avow_bytes text)
{
    if (!avow_cbor_likely_map(text) || !memmem(text.data, text.len, "outblob", 7))
        return 0;
    AVOW_TRY(avow_cbor_map(text, cbor_pair, (void *)(uintptr_t)o, o->err));
    return 1;
}

int avow_envelope_open(struct avow_bytes text, const json_t *doc, avow_envelope_fn each, void *ctx,
                       struct avow_error *err)
{
    const struct open o = { .each = each, .ctx = ctx, .err = err };
    bool known = false;

    if (!doc)
        return open_cbor(&o, text);
    if (!json_is_object(doc))
        return 0;
    if (avow_protojson_is(doc)) {
        AVOW_TRY(avow_protojson_open(doc, each, ctx, err));
        return 1;
    }
    if (avow_pccs_is(doc)) {
        AVOW_TRY(avow_pccs_open(doc, each, ctx, err));
        return 1;
    }
    if (json_object_get(doc, "tcb_info_issuer_chain")) {
        AVOW_TRY(open_dcap(&o, doc));
        return 1;
    }
    if (json_object_get(doc, "message") && json_object_get(doc, "pcrs")) {
        AVOW_TRY(give_tpm(&o, "quote", doc)); /* a TPM quote by itself */
        return 1;
    }
    for (size_t i = 0; i < N_MEMBERS; i++)
        known = known || (members[i].mark && json_object_get(doc, members[i].key));
    if (!known)
        return 0;
    AVOW_TRY(open_object(&o, doc, 1));
    return 1;
}
