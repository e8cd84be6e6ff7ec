#include "maa/request.h"

#include <stdio.h>

#include "codec/text.h"
#include "crypto/x509.h"
#include "evidence/snp.h"
#include "evidence/tdx.h"

#define SNP_CERTS_MAX 8 /* in VcekCertChain: VCEK, ASK, ARK */
#define REAL_TEXT_MAX 32

void avow_maa_request_done(struct avow_maa_request *r)
{
    avow_bundle_done(&r->bundle);
    avow_buf_done(&r->runtime.bytes);
    avow_buf_done(&r->init.bytes);
    json_decref(r->runtime.value);
    json_decref(r->init.value);
    free(r->nonce);
    free(r->draft);
    *r = (struct avow_maa_request){ 0 };
}

/* Either alphabet, with or without padding: Microsoft's clients do not agree. */
static int decode(const char *text, struct avow_buf *out)
{
    size_t len = strlen(text);
    avow_autofree char *url = malloc(len + 1);

    if (!url)
        return -AVOW_E_NOMEM;
    for (size_t i = 0; i <= len; i++)
        url[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    return avow_unb64url_put(out, AVOW_BYTES(url, len));
}

static int get_binary(const json_t *obj, const char *key, struct avow_buf *out,
                      struct avow_error *err)
{
    const char *text = NULL;
    int rc = 0;

    AVOW_TRY(avow_json_get_str(obj, key, &text, err));
    rc = decode(text, out);
    if (rc == -AVOW_E_LIMIT)
        return AVOW_FAIL(err, LIMIT, "\"%s\" has more than %zu bytes", key, out->max);
    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "\"%s\" is not base64", key);
    return 0;
}

/* Say in which member it was; the code stays, even where nothing is recorded. */
static int within(int rc, const char *key, struct avow_error *err)
{
    if (rc < 0)
        (void)avow_error_prefix(err, "\"%s\"", key);
    return rc;
}

/* ---- runtimeData, initTimeData ---- */

static int read_data(const json_t *doc, const char *key, struct avow_maa_data *d,
                     struct avow_error *err)
{
    json_t *obj = json_object_get(doc, key);
    const char *type = NULL;

    if (!obj || json_is_null(obj))
        return 0;
    if (!json_is_object(obj))
        return AVOW_FAIL(err, FORMAT, "\"%s\" is not an object", key);
    d->bytes = AVOW_BUF(AVOW_MAA_DATA_MAX);
    AVOW_TRY(within(get_binary(obj, "data", &d->bytes, err), key, err));
    AVOW_TRY(within(avow_json_get_str(obj, "dataType", &type, err), key, err));
    d->json = strcmp(type, "JSON") == 0;
    if (!d->json && strcmp(type, "Binary") != 0)
        return AVOW_FAIL(err, FORMAT, "\"%s\": dataType is neither JSON nor Binary", key);
    d->present = true;
    if (!d->json)
        return 0;
    AVOW_TRY(within(avow_json_parse(avow_buf_view(&d->bytes), &d->value, err), key, err));
    if (!json_is_object(d->value))
        return AVOW_FAIL(err, FORMAT, "\"%s\" says JSON and is not an object", key);
    return 0;
}

/* ---- nonce, draft policy ---- */

static int keep(const char *text, size_t max, const char *key, char **out, struct avow_error *err)
{
    if (strlen(text) > max)
        return AVOW_FAIL(err, LIMIT, "\"%s\" has %zu bytes (at most %zu)", key, strlen(text), max);
    *out = strdup(text);
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

/* The specification says string; Microsoft's sidecar sends a number. */
static int read_nonce(const json_t *doc, struct avow_maa_request *r, struct avow_error *err)
{
    const json_t *v = json_object_get(doc, "nonce");
    char digits[REAL_TEXT_MAX];
    const char *text = NULL;

    if (!v || json_is_null(v))
        return 0;
    if (json_is_integer(v)) {
        snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        return keep(digits, AVOW_MAA_NONCE_MAX, "nonce", &r->nonce, err);
    }
    if (!json_is_string(v))
        return AVOW_FAIL(err, FORMAT, "\"nonce\" is neither a string nor an integer");
    AVOW_TRY(avow_json_get_str(doc, "nonce", &text, err));
    return keep(text, AVOW_MAA_NONCE_MAX, "nonce", &r->nonce, err);
}

static int read_draft(const json_t *doc, struct avow_maa_request *r, struct avow_error *err)
{
    static const char key[] = "draftPolicyForAttestation";
    const char *text = NULL;

    if (json_is_null(json_object_get(doc, key)))
        return 0;
    AVOW_TRY(avow_json_opt_str(doc, key, &text, err));
    return text ? keep(text, AVOW_MAA_POLICY_JWS_MAX, key, &r->draft, err) : 0;
}

/* ---- evidence ---- */

static int read_chain(const json_t *inner, struct avow_bundle *b, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(AVOW_MAA_REQUEST_MAX);
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(AVOW_MAA_REQUEST_MAX);
    struct avow_bytes ders[SNP_CERTS_MAX];
    size_t n = 0;

    AVOW_TRY(get_binary(inner, "VcekCertChain", &pem, err));
    AVOW_TRY(within(avow_pem_to_der(avow_buf_view(&pem), &store, ders, SNP_CERTS_MAX, &n, err),
                    "VcekCertChain", err));
    for (size_t i = 0; i < n; i++)
        AVOW_TRY(avow_bundle_put(b, AVOW_PART_CERT, ders[i], err));
    return 0;
}

static int read_snp(const json_t *doc, struct avow_bundle *b, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_MAA_REQUEST_MAX);
    avow_auto(avow_buf_done) struct avow_buf report = AVOW_BUF(AVOW_MAA_DATA_MAX);
    avow_autojson json_t *inner = NULL;

    b->tee = AVOW_TEE_SNP;
    AVOW_TRY(get_binary(doc, "report", &text, err));
    AVOW_TRY(within(avow_json_parse(avow_buf_view(&text), &inner, err), "report", err));
    AVOW_TRY(get_binary(inner, "SnpReport", &report, err));
    if (report.len != AVOW_SNP_REPORT_LEN)
        return AVOW_FAIL(err, FORMAT,
                         "\"SnpReport\" has %zu bytes: the report alone, without the header of the "
                         "firmware's answer, has %u",
                         report.len, AVOW_SNP_REPORT_LEN);
    AVOW_TRY(avow_bundle_put(b, AVOW_PART_EVIDENCE, avow_buf_view(&report), err));
    return read_chain(inner, b, err);
}

static int read_tdx(const json_t *doc, struct avow_bundle *b, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf quote = AVOW_BUF(AVOW_TDX_QUOTE_MAX);

    b->tee = AVOW_TEE_TDX;
    AVOW_TRY(get_binary(doc, "quote", &quote, err));
    return avow_bundle_put(b, AVOW_PART_EVIDENCE, avow_buf_view(&quote), err);
}

static int read_request(const json_t *doc, struct avow_maa_request *r, struct avow_error *err)
{
    if (!json_is_object(doc))
        return AVOW_FAIL(err, FORMAT, "the request is not an object");
    if (r->type == AVOW_MAA_SEVSNPVM) {
        AVOW_TRY(read_snp(doc, &r->bundle, err));
        AVOW_TRY(read_draft(doc, r, err));
    } else {
        AVOW_TRY(read_tdx(doc, &r->bundle, err));
    }
    AVOW_TRY(read_data(doc, "runtimeData", &r->runtime, err));
    AVOW_TRY(read_data(doc, "initTimeData", &r->init, err));
    return read_nonce(doc, r, err);
}

int avow_maa_request_parse(enum avow_maa_type type, struct avow_bytes body,
                           struct avow_maa_request *out, struct avow_error *err)
{
    avow_autojson json_t *doc = NULL;
    int rc = 0;

    *out = (struct avow_maa_request){ .type = type };
    if (type != AVOW_MAA_SEVSNPVM && type != AVOW_MAA_TDXVM)
        rc = AVOW_FAIL(err, INVAL, "no request of type %s", avow_maa_type_name(type));
    else if (body.len > AVOW_MAA_REQUEST_MAX)
        rc = AVOW_FAIL(err, LIMIT, "request of %zu bytes (at most %u)", body.len,
                       AVOW_MAA_REQUEST_MAX);
    else if ((rc = avow_json_parse(body, &doc, err)) == 0)
        rc = read_request(doc, out, err);
    if (rc < 0)
        avow_maa_request_done(out);
    return rc;
}
