/* Requests to MAA, written. */
#include "codec/text.h"
#include "crypto/certmake.h"
#include "evidence/hcl.h"
#include "evidence/snp.h"
#include "maa/request.h"

#define CHAIN_LEN 3 /* VCEK or VLEK, ASK or ASVK, ARK */

static int set_b64url(json_t *obj, const char *key, struct avow_bytes v, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(2 * AVOW_MAA_REQUEST_MAX);

    avow_b64url_put(&text, v);
    AVOW_TRY(avow_buf_ok(&text, err));
    if (json_object_set_new(obj, key, json_string(avow_buf_cstr(&text))) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory for a request");
    return 0;
}

/* ---- SNP ---- */

/* The certificate whose subject is @cn, or with NULL a leaf; NULL if there is none. */
static struct avow_cert *find_cert(const struct avow_bundle *b, const char *cn)
{
    for (size_t i = 0; i < b->n_certs; i++) {
        avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;
        const char *subject = NULL;

        if (avow_cert_parse(b->certs[i], &c, NULL) < 0)
            continue;
        subject = avow_cert_subject_cn(c);
        if (cn ? strcmp(subject, cn) == 0
               : strcmp(subject, AVOW_SNP_CN_VCEK) == 0 || strcmp(subject, AVOW_SNP_CN_VLEK) == 0)
            return avow_steal(&c);
    }
    return NULL;
}

/* MAA wants the chain in order, leaf first. */
static int put_chain(const struct avow_bundle *b, struct avow_buf *pem, struct avow_error *err)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *c = find_cert(b, NULL);

    for (int i = 0; i < CHAIN_LEN; i++) {
        struct avow_cert *issuer = NULL;

        if (!c)
            return AVOW_FAIL(err, MISSING, "the certificate of %s, which MAA wants with the report",
                             i == 0   ? "the signing key (VCEK or VLEK)"
                             : i == 1 ? "its issuer (ASK or ASVK)"
                                      : "AMD's root (ARK)");
        AVOW_TRY(avow_cert_to_pem(avow_cert_der(c), pem, err));
        if (i + 1 < CHAIN_LEN)
            issuer = find_cert(b, avow_cert_issuer_cn(c));
        avow_cert_free(c);
        c = issuer;
    }
    return 0;
}

static int put_snp(const struct avow_bundle *b, struct avow_bytes report, json_t *doc,
                   struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(AVOW_MAA_REQUEST_MAX);
    avow_autojson json_t *inner = json_object();
    avow_autofree char *text = NULL;

    if (report.len != AVOW_SNP_REPORT_LEN)
        return AVOW_FAIL(err, MISSING, "an SNP report of %u bytes", AVOW_SNP_REPORT_LEN);
    AVOW_TRY(put_chain(b, &pem, err));
    AVOW_TRY(set_b64url(inner, "SnpReport", report, err));
    AVOW_TRY(set_b64url(inner, "VcekCertChain", avow_buf_view(&pem), err));
    text = json_dumps(inner, JSON_COMPACT);
    if (!text)
        return AVOW_FAIL(err, NOMEM, "out of memory for a request");
    return set_b64url(doc, "report", avow_bytes_str(text), err);
}

/* ---- either ---- */

/* What Azure's paravisor wrapped: the report and the runtime claims. */
static int unwrap(const struct avow_bundle *b, struct avow_bytes *evidence,
                  struct avow_bytes *runtime, struct avow_error *err)
{
    struct avow_hcl hcl;

    *evidence = b->evidence;
    *runtime = b->runtime_data;
    if (!b->hcl.len)
        return 0;
    AVOW_TRY(avow_hcl_parse(b->hcl, &hcl, err));
    if (b->tee == AVOW_TEE_AZ_SNP)
        *evidence = hcl.report;
    *runtime = hcl.claims;
    return 0;
}

static int put_runtime(struct avow_bytes data, bool json, json_t *doc, struct avow_error *err)
{
    avow_autojson json_t *value = NULL;
    json_t *obj = NULL;

    if (data.len > AVOW_MAA_DATA_MAX)
        return AVOW_FAIL(err, LIMIT, "runtime data of %zu bytes (at most %u)", data.len,
                         AVOW_MAA_DATA_MAX);
    if (json) {
        AVOW_TRY(avow_json_parse(data, &value, err));
        if (!json_is_object(value))
            return AVOW_FAIL(err, FORMAT, "the runtime data is no JSON object");
    }
    obj = json_pack("{s:s}", "dataType", json ? "JSON" : "Binary");
    if (!obj || json_object_set_new(doc, "runtimeData", obj) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory for a request");
    return set_b64url(obj, "data", data, err);
}

int avow_maa_request_build(const struct avow_bundle *b, struct avow_bytes runtime, bool json,
                           const char *nonce, enum avow_maa_type *type, struct avow_buf *out,
                           struct avow_error *err)
{
    avow_autojson json_t *doc = json_object();
    avow_autofree char *text = NULL;
    struct avow_bytes evidence = { 0 }, own = { 0 };
    bool of_azure = avow_tee_is_azure(b->tee) && !runtime.len;

    *type = avow_maa_type_of(b->tee);
    AVOW_TRY(unwrap(b, &evidence, &own, err));
    if (*type == AVOW_MAA_SEVSNPVM)
        AVOW_TRY(put_snp(b, evidence, doc, err));
    else if (*type == AVOW_MAA_TDXVM && evidence.len)
        AVOW_TRY(set_b64url(doc, "quote", evidence, err));
    else
        return AVOW_FAIL(err, MISSING, "an SNP report or a TD quote");
    if (of_azure)
        runtime = own;
    if (runtime.len)
        AVOW_TRY(put_runtime(runtime, json || of_azure, doc, err));
    if (nonce && json_object_set_new(doc, "nonce", json_string(nonce)) < 0)
        return AVOW_FAIL(err, FORMAT, "the nonce is not UTF-8");
    text = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text)
        return AVOW_FAIL(err, NOMEM, "out of memory for a request");
    avow_buf_put_str(out, text);
    return avow_buf_ok(out, err);
}
