#include "verify/tdx.h"

#include "codec/text.h"
#include "collateral/pck.h"
#include "collateral/qe_identity.h"
#include "collateral/tcb_info.h"
#include "crypto/hash.h"
#include "crypto/x509.h"
#include "evidence/tdx.h"
#include "verify/cache.h"
#include "verify/tcb.h"

#define CHAIN_MAX 3u /* certificates in the quote: PCK, its CA, the root */
#define CERTS_MAX (CHAIN_MAX + AVOW_BUNDLE_CERTS_MAX)
#define PEM_CHAIN_MAX (CHAIN_MAX * AVOW_CERT_DER_MAX)

/* One verification: what was read so far. A member that is NULL was missing or could not be read,
 * of which a failed check tells. What only repeats the past (reading a certificate, a signature
 * that held) is asked of the cache; each role, name, date and list of revoked serials is looked at
 * anew. */
struct work {
    const struct avow_bundle *bundle;
    const struct avow_anchors *anchors;
    int64_t now;
    struct avow_claims *c;
    struct avow_error *err; /* only for "could not be evaluated" */

    struct avow_verify_cache *cache; /* owns all that is read here */
    struct avow_tdx_quote quote;
    struct avow_buf chain_der; /* the quote's certificates */
    size_t n_quote_certs;      /* the first of certs */
    size_t n_certs;
    const struct avow_kept *certs[CERTS_MAX];
    size_t n_crls;
    const struct avow_kept *crls[AVOW_BUNDLE_CRLS_MAX];
    const struct avow_kept *leaf, *ca, *root, *signer; /* of certs */
    const struct avow_anchor *anchor;
    struct avow_pck pck;
    bool has_pck;
    const struct avow_kept *info, *qe;
    const struct avow_level *qe_level;
    bool judged; /* the last step was reached with everything that it needs */
};

/* ---- outcomes ---- */

/* Outcomes of a step; negative means that it could not be evaluated. */
enum { FAILED = 0, PASSED = 1 };

/*
 * Record what a call found: @rc 0 is a passed check, a failure of the machine (not of the evidence)
 * is forwarded, any other negative is a failed check with the call's own words from @e.
 */
static int judge(struct work *w, const char *code, int rc, const struct avow_error *e,
                 const char *what)
{
    if (rc == -AVOW_E_NOMEM || rc == -AVOW_E_CRYPTO)
        return AVOW_FAIL_CODE(w->err, rc, "%s: %s", what, e->text);
    if (rc == 0)
        return avow_claims_check(w->c, code, true, "%s", what);
    return avow_claims_check(w->c, code, false, "%s: %s", what, e->text);
}

static void missing(struct work *w, const char *what)
{
    (void)avow_claims_missing(w->c, "missing", "%s", what);
}

/* Validity at now of one certificate, CRL or document; narrows the claims' window. */
static void check_window(struct work *w, const char *what, int64_t from, int64_t until)
{
    char begin[AVOW_TIME_TEXT];
    char end[AVOW_TIME_TEXT];
    char now[AVOW_TIME_TEXT];

    if (from > w->c->valid_from)
        w->c->valid_from = from;
    if (until < w->c->valid_until)
        w->c->valid_until = until;
    avow_claims_time(from, begin);
    avow_claims_time(until, end);
    avow_claims_time(w->now, now);
    (void)avow_claims_check(w->c, "not-yet-valid", from <= w->now, "%s is valid from %s (now %s)",
                            what, begin, now);
    (void)avow_claims_check(w->c, "expired", w->now <= until, "%s is valid until %s (now %s)", what,
                            end, now);
}

/* ---- the quote ---- */

static void fill_claims(struct avow_claims *c, const struct avow_tdx_quote *q)
{
    const struct avow_tdx_body *b = &q->body;

    memcpy(c->report_data, b->report_data, sizeof c->report_data);
    memcpy(c->measurement, b->mrtd, sizeof c->measurement);
    c->debug = b->td_attributes[AVOW_TDX_ATTR_DEBUG_BYTE] != 0;
    c->tdx.quote_version = q->version;
    memcpy(c->tdx.tee_tcb_svn, b->tee_tcb_svn, sizeof c->tdx.tee_tcb_svn);
    memcpy(c->tdx.mrseam, b->mrseam, sizeof c->tdx.mrseam);
    memcpy(c->tdx.mrsignerseam, b->mrsignerseam, sizeof c->tdx.mrsignerseam);
    memcpy(c->tdx.mrconfigid, b->mrconfigid, sizeof c->tdx.mrconfigid);
    memcpy(c->tdx.mrowner, b->mrowner, sizeof c->tdx.mrowner);
    memcpy(c->tdx.mrownerconfig, b->mrownerconfig, sizeof c->tdx.mrownerconfig);
    for (size_t i = 0; i < AVOW_TDX_RTMRS; i++)
        memcpy(c->tdx.rtmr[i], b->rtmr[i], sizeof c->tdx.rtmr[i]);
    memcpy(c->tdx.td_attributes, b->td_attributes, sizeof c->tdx.td_attributes);
    memcpy(c->tdx.xfam, b->xfam, sizeof c->tdx.xfam);
    memcpy(c->tdx.seam_attributes, b->seam_attributes, sizeof c->tdx.seam_attributes);
    if (b->tee_tcb_svn2) {
        c->tdx.has_svn2 = true;
        memcpy(c->tdx.tee_tcb_svn2, b->tee_tcb_svn2, sizeof c->tdx.tee_tcb_svn2);
        memcpy(c->tdx.mrservicetd, b->mrservicetd, sizeof c->tdx.mrservicetd);
    }
}

static int read_quote(struct work *w)
{
    struct avow_error e = { 0 };
    int rc = avow_tdx_quote_parse(w->bundle->evidence, &w->quote, &e);

    rc = judge(w, "malformed", rc, &e, "layout of the TDX quote");
    if (rc == PASSED)
        fill_claims(w->c, &w->quote);
    return rc;
}

/* QE report data: SHA-256(attestation key || authentication data), then 32 zero bytes. */
static int check_binding(struct work *w)
{
    const struct avow_tdx_quote *q = &w->quote;
    struct avow_bytes data = avow_bytes_sub(q->qe_report, AVOW_SGX_OFF_REPORTDATA, 64);
    size_t len = q->attestation_key.len + q->qe_auth.len;
    avow_autofree uint8_t *text = malloc(len);
    uint8_t digest[32] = { 0 };
    bool same = false;

    if (!text)
        return AVOW_FAIL(w->err, NOMEM, "out of memory for %zu bytes", len);
    memcpy(text, q->attestation_key.data, q->attestation_key.len);
    memcpy(text + q->attestation_key.len, q->qe_auth.data, q->qe_auth.len);
    if (avow_sha256(AVOW_BYTES(text, len), digest) < 0)
        return AVOW_FAIL(w->err, CRYPTO, "SHA-256 failed");
    same = avow_bytes_equal(avow_bytes_sub(data, 0, 32), AVOW_BYTES_OF(digest)) &&
           avow_bytes_zero(avow_bytes_sub(data, 32, 32));
    (void)avow_claims_check(w->c, "qe-binding", same,
                            "QE report data is SHA-256 of the attestation key and %zu bytes of "
                            "authentication data",
                            q->qe_auth.len);
    return 0;
}

/* A quoting enclave's report is the same in all its quotes: the key that it certifies lives long.
 */
static int check_qe_signed(struct work *w, struct avow_error *err)
{
    const struct avow_tdx_quote *q = &w->quote;
    struct avow_bytes both = AVOW_BYTES(q->qe_report.data, q->qe_report.len + q->qe_signature.len);
    uint8_t digest[32] = { 0 };
    uint8_t name[32] = { 0 };

    /* The signature follows the report (evidence/tdx.h). */
    if (avow_sha256(both, digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    AVOW_TRY(avow_verify_cache_name(w->leaf, AVOW_KEPT_SIGNATURE, digest, name, err));
    if (avow_verify_cache_knows(w->cache, name))
        return 0;
    AVOW_TRY(avow_cert_ecdsa_verify(w->leaf->cert, AVOW_P256, q->qe_report, q->qe_signature, err));
    return avow_verify_cache_learn(w->cache, name, err);
}

static int check_quote(struct work *w)
{
    const struct avow_tdx_quote *q = &w->quote;
    struct avow_error e = { 0 };
    int rc = 0;

    if (w->leaf) {
        rc = check_qe_signed(w, &e);
        AVOW_TRY(judge(w, "signature", rc, &e, "QE report, by the PCK certificate"));
    }
    AVOW_TRY(check_binding(w));
    avow_error_clear(&e);
    rc = avow_ecdsa_verify(AVOW_P256, q->attestation_key, q->signed_part, q->signature, &e);
    AVOW_TRY(judge(w, "signature", rc, &e, "quote, by the attestation key"));
    return 0;
}

/* ---- certificates ---- */

static int add_cert(struct work *w, struct avow_bytes der, const char *what)
{
    struct avow_error e = { 0 };
    int rc = avow_verify_cache_read(w->cache, AVOW_KEPT_CERT, der, &w->certs[w->n_certs], &e);

    if (rc < 0)
        return judge(w, "malformed", rc, &e, what) < 0 ? rc : 0;
    w->n_certs++;
    return 0;
}

/*
 * The quote's own chain first, then the bundle's. A quote whose certification data is not PEM (seen
 * in Intel's sample, which has DER there) gets its PCK chain from the bundle.
 */
static int read_certs(struct work *w)
{
    struct avow_bytes ders[CHAIN_MAX] = { 0 };
    struct avow_error e = { 0 };
    size_t n = 0;
    int rc = avow_pem_to_der(w->quote.cert_data, &w->chain_der, ders, CHAIN_MAX, &n, &e);

    if (rc == -AVOW_E_FORMAT)
        n = 0;
    else if (rc < 0)
        return judge(w, "malformed", rc, &e, "PCK chain of the quote") < 0 ? rc : 0;
    for (size_t i = 0; i < n; i++)
        AVOW_TRY(add_cert(w, ders[i], "certificate of the quote's PCK chain"));
    w->n_quote_certs = w->n_certs;
    for (size_t i = 0; i < w->bundle->n_certs && i < AVOW_BUNDLE_CERTS_MAX; i++)
        AVOW_TRY(add_cert(w, w->bundle->certs[i], "certificate of the bundle"));
    return 0;
}

static bool is_simulated(const char *cn)
{
    return strncmp(cn, AVOW_SIMULATED_PREFIX, strlen(AVOW_SIMULATED_PREFIX)) == 0;
}

/* @cn is @name, or "SIMULATED " and @name; which of the two is right depends on the anchor. */
static bool is_named(const char *cn, const char *name)
{
    return strcmp(is_simulated(cn) ? cn + strlen(AVOW_SIMULATED_PREFIX) : cn, name) == 0;
}

/* The certificate of [from, to) with this name: the first that is valid now, or else the first. */
static const struct avow_kept *find_cert(const struct work *w, size_t from, size_t to,
                                         const char *name)
{
    const struct avow_kept *first = NULL;

    for (size_t i = from; i < to; i++) {
        const char *cn = avow_cert_subject_cn(w->certs[i]->cert);
        int64_t begin = 0, end = 0;

        if (!is_named(cn, name))
            continue;
        avow_cert_validity(w->certs[i]->cert, &begin, &end);
        if (begin <= w->now && w->now <= end)
            return w->certs[i];
        if (!first)
            first = w->certs[i];
    }
    return first;
}

/* The leaf's issuer is meant where a bundle holds both CAs. */
static const struct avow_kept *find_ca(const struct work *w, size_t to)
{
    const struct avow_kept *platform = find_cert(w, 0, to, AVOW_PCK_PLATFORM_CA_CN);
    const struct avow_kept *processor = find_cert(w, 0, to, AVOW_PCK_PROCESSOR_CA_CN);

    if (!platform || !processor || !w->leaf)
        return platform ? platform : processor;
    return is_named(avow_cert_issuer_cn(w->leaf->cert), AVOW_PCK_PROCESSOR_CA_CN) ? processor
                                                                                  : platform;
}

static void find_chain(struct work *w)
{
    /* A quote with a chain of its own is judged by that chain. */
    size_t to = w->n_quote_certs ? w->n_quote_certs : w->n_certs;

    w->leaf = find_cert(w, 0, to, AVOW_PCK_LEAF_CN);
    w->ca = find_ca(w, to);
    w->root = find_cert(w, 0, to, AVOW_SGX_ROOT_CA_CN);
    if (!w->root)
        w->root = find_cert(w, w->n_quote_certs, w->n_certs, AVOW_SGX_ROOT_CA_CN);
    w->signer = find_cert(w, w->n_quote_certs, w->n_certs, AVOW_TCB_SIGNING_CN);
    if (!w->leaf)
        missing(w, "PCK certificate");
    if (!w->ca)
        missing(w, "PCK Platform or Processor CA certificate");
    if (!w->root)
        missing(w, "Intel SGX Root CA certificate");
    if (!w->signer)
        missing(w, "TCB signing certificate");
}

static void check_root(struct work *w)
{
    const struct avow_kept *const chain[] = { w->leaf, w->ca, w->root, w->signer };
    uint8_t digest[32] = { 0 };
    bool named = true;

    avow_cert_spki_sha256(w->root->cert, digest);
    w->anchor = avow_anchors_find(w->anchors, AVOW_TEE_TDX, digest);
    (void)avow_claims_check(w->c, "root", w->anchor != NULL,
                            "the chain ends in \"%s\", key %02x%02x%02x%02x...: %s",
                            avow_cert_subject_cn(w->root->cert), digest[0], digest[1], digest[2],
                            digest[3], w->anchor ? w->anchor->name : "not a trust anchor");
    if (!w->anchor)
        return;
    w->c->simulated = w->anchor->simulated;
    snprintf(w->c->root, sizeof w->c->root, "%s", w->anchor->name);
    for (size_t i = 0; i < sizeof chain / sizeof chain[0]; i++)
        if (chain[i] && is_simulated(avow_cert_subject_cn(chain[i]->cert)))
            named = w->anchor->simulated;
    (void)avow_claims_check(w->c, "root", named, "%s anchor, and certificates named for it",
                            w->anchor->simulated ? "simulated" : "genuine");
}

/* Whether @issuer could have certified @cert, a CA or not as it should be, and did. */
static int check_signed(struct work *w, const struct avow_kept *cert,
                        const struct avow_kept *issuer, bool ca, struct avow_error *err)
{
    uint8_t name[32] = { 0 };

    if (avow_cert_is_ca(cert->cert) != ca)
        return AVOW_FAIL(err, UNTRUSTED, "it %s a CA", ca ? "is not" : "is");
    if (!avow_cert_may(issuer->cert, AVOW_USE_SIGN_CERTS))
        return AVOW_FAIL(err, UNTRUSTED, "\"%s\" may not sign certificates",
                         avow_cert_subject_cn(issuer->cert));
    AVOW_TRY(avow_verify_cache_name(issuer, cert->kind, cert->digest, name, err));
    if (avow_verify_cache_knows(w->cache, name))
        return 0;
    AVOW_TRY(avow_cert_signed_by(cert->cert, issuer->cert, err));
    return avow_verify_cache_learn(w->cache, name, err);
}

static int check_cert(struct work *w, const struct avow_kept *cert, const struct avow_kept *issuer,
                      bool ca)
{
    struct avow_error e = { 0 };
    char what[96] = "";
    int64_t from = 0, until = 0;

    if (!cert)
        return 0;
    snprintf(what, sizeof what, "certificate \"%.64s\"", avow_cert_subject_cn(cert->cert));
    avow_cert_validity(cert->cert, &from, &until);
    check_window(w, what, from, until);
    if (!issuer)
        return 0;
    AVOW_TRY(judge(w, "signature", check_signed(w, cert, issuer, ca, &e), &e, what));
    return 0;
}

static int read_pck(struct work *w)
{
    struct avow_error e = { 0 };
    struct avow_bytes ext = { 0 };
    struct avow_claims *c = w->c;
    int rc = avow_cert_extension(w->leaf->cert, AVOW_OID_PCK, &ext);

    if (rc < 0)
        (void)AVOW_FAIL_CODE(&e, rc, "not there, or more than once");
    else
        rc = avow_pck_parse(ext, &w->pck, &e);
    AVOW_TRY(rc = judge(w, "malformed", rc, &e, "SGX extension of the PCK certificate"));
    if (rc == FAILED)
        return 0;
    w->has_pck = true;
    memcpy(c->tdx.fmspc, w->pck.fmspc, sizeof c->tdx.fmspc);
    c->tdx.pceid = (uint16_t)(w->pck.pceid[0] << 8 | w->pck.pceid[1]);
    if (w->pck.has_instance)
        memcpy(c->machine, w->pck.instance, sizeof w->pck.instance);
    else
        memcpy(c->machine, w->pck.ppid, sizeof w->pck.ppid);
    c->machine_len = sizeof w->pck.ppid;
    return 0;
}

static int check_chain(struct work *w)
{
    find_chain(w);
    if (w->root)
        check_root(w);
    AVOW_TRY(check_cert(w, w->root, w->root, true));
    AVOW_TRY(check_cert(w, w->ca, w->root, true));
    AVOW_TRY(check_cert(w, w->leaf, w->ca, false));
    AVOW_TRY(check_cert(w, w->signer, w->root, false));
    return w->leaf ? read_pck(w) : 0;
}

/* ---- CRLs ---- */

static int read_crls(struct work *w)
{
    for (size_t i = 0; i < w->bundle->n_crls && i < AVOW_BUNDLE_CRLS_MAX; i++) {
        struct avow_error e = { 0 };
        int rc = avow_verify_cache_read(w->cache, AVOW_KEPT_CRL, w->bundle->crls[i],
                                        &w->crls[w->n_crls], &e);

        if (rc < 0)
            AVOW_TRY(judge(w, "malformed", rc, &e, "CRL of the bundle"));
        else
            w->n_crls++;
    }
    return 0;
}

/* The CRL that @issuer issued: the first that is valid now, or else the first. */
static const struct avow_kept *find_crl(const struct work *w, const struct avow_cert *issuer)
{
    const struct avow_kept *first = NULL;

    for (size_t i = 0; i < w->n_crls; i++) {
        const struct avow_crl *crl = w->crls[i]->crl;
        int64_t from = 0, until = 0;

        if (strcmp(avow_crl_issuer_cn(crl), avow_cert_subject_cn(issuer)) != 0)
            continue;
        avow_crl_validity(crl, &from, &until);
        if (from <= w->now && w->now <= until)
            return w->crls[i];
        if (!first)
            first = w->crls[i];
    }
    return first;
}

static int check_crl_signed(struct work *w, const struct avow_kept *crl,
                            const struct avow_kept *issuer, struct avow_error *err)
{
    uint8_t name[32] = { 0 };

    if (!avow_cert_may(issuer->cert, AVOW_USE_SIGN_CRLS))
        return AVOW_FAIL(err, UNTRUSTED, "\"%s\" may not sign CRLs",
                         avow_cert_subject_cn(issuer->cert));
    AVOW_TRY(avow_verify_cache_name(issuer, crl->kind, crl->digest, name, err));
    if (avow_verify_cache_knows(w->cache, name))
        return 0;
    AVOW_TRY(avow_crl_signed_by(crl->crl, issuer->cert, err));
    return avow_verify_cache_learn(w->cache, name, err);
}

/* The CRL of @issuer is there, signed and valid, and lists none of @certs (NULL: not there). */
static int check_crl(struct work *w, const struct avow_kept *issuer,
                     const struct avow_kept *const *certs, size_t n)
{
    const struct avow_kept *crl = issuer ? find_crl(w, issuer->cert) : NULL;
    struct avow_error e = { 0 };
    char what[96] = "";
    int64_t from = 0, until = 0;

    if (!issuer)
        return 0; /* recorded as missing */
    snprintf(what, sizeof what, "CRL of \"%.64s\"", avow_cert_subject_cn(issuer->cert));
    if (!crl) {
        missing(w, what);
        return 0;
    }
    avow_crl_validity(crl->crl, &from, &until);
    check_window(w, what, from, until);
    AVOW_TRY(judge(w, "signature", check_crl_signed(w, crl, issuer, &e), &e, what));
    for (size_t i = 0; i < n; i++)
        if (certs[i])
            (void)avow_claims_check(w->c, "revoked", !avow_crl_revokes(crl->crl, certs[i]->cert),
                                    "%s, asked for certificate \"%.64s\"", what,
                                    avow_cert_subject_cn(certs[i]->cert));
    return 0;
}

static int check_crls(struct work *w)
{
    const struct avow_kept *by_root[] = { w->ca, w->signer };
    const struct avow_kept *by_ca[] = { w->leaf };

    AVOW_TRY(read_crls(w));
    AVOW_TRY(check_crl(w, w->root, by_root, 2));
    AVOW_TRY(check_crl(w, w->ca, by_ca, 1));
    w->c->revocation_checked =
        w->root && w->ca && find_crl(w, w->root->cert) && find_crl(w, w->ca->cert);
    return 0;
}

/* ---- TCB info and QE identity ---- */

static int check_document_signed(struct work *w, const struct avow_kept *kept,
                                 const struct avow_document *d, struct avow_error *err)
{
    uint8_t name[32] = { 0 };

    AVOW_TRY(avow_verify_cache_name(w->signer, kept->kind, kept->digest, name, err));
    if (avow_verify_cache_knows(w->cache, name))
        return 0;
    AVOW_TRY(avow_cert_ecdsa_verify(w->signer->cert, AVOW_P256, d->signed_bytes,
                                    AVOW_BYTES_OF(d->signature), err));
    return avow_verify_cache_learn(w->cache, name, err);
}

static int check_document(struct work *w, const struct avow_kept *kept,
                          const struct avow_document *d, const char *what)
{
    struct avow_error e = { 0 };

    if (!w->signer)
        return 0; /* recorded as missing */
    AVOW_TRY(judge(w, "tcb-signature", check_document_signed(w, kept, d, &e), &e, what));
    return 0;
}

static void check_fmspc(struct work *w, const struct avow_tcb_info *info)
{
    char theirs[2 * AVOW_FMSPC_LEN + 1] = "";
    char ours[2 * AVOW_FMSPC_LEN + 1] = "";
    bool same = avow_bytes_equal(AVOW_BYTES_OF(info->fmspc), AVOW_BYTES_OF(w->pck.fmspc)) &&
                avow_bytes_equal(AVOW_BYTES_OF(info->pceid), AVOW_BYTES_OF(w->pck.pceid));

    avow_hex(AVOW_BYTES_OF(info->fmspc), theirs);
    avow_hex(AVOW_BYTES_OF(w->pck.fmspc), ours);
    (void)avow_claims_check(
        w->c, "fmspc", same, "TCB info is of FMSPC %s, PCE %02x%02x; the platform is %s, %02x%02x",
        theirs, info->pceid[0], info->pceid[1], ours, w->pck.pceid[0], w->pck.pceid[1]);
}

static int read_tcb_info(struct work *w)
{
    const struct avow_tcb_info *info = NULL;
    struct avow_error e = { 0 };
    int rc = 0;

    if (!w->bundle->tcb_info.len) {
        missing(w, "TCB info");
        return 0;
    }
    rc = avow_verify_cache_read(w->cache, AVOW_KEPT_TCB_INFO, w->bundle->tcb_info, &w->info, &e);
    AVOW_TRY(judge(w, "tcb-info", rc, &e, "TCB info for TDX, version 3"));
    if (!w->info)
        return 0;
    info = w->info->info;
    w->c->tdx.tcb_evaluation = info->evaluation;
    check_window(w, "TCB info", info->issue_date, info->next_update);
    AVOW_TRY(check_document(w, w->info, &info->document, "TCB info"));
    if (w->has_pck)
        check_fmspc(w, info);
    return 0;
}

static uint16_t get_u16le(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static bool masked_equal(const uint8_t *have, const uint8_t *mask, const uint8_t *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((have[i] & mask[i]) != want[i])
            return false;
    return true;
}

/* NULL, or which value of the QE report is not the identity's. */
static const char *compare_qe(const struct avow_qe_identity *q, const uint8_t *report)
{
    const uint8_t *attributes = report + AVOW_SGX_OFF_ATTRIBUTES;

    if (!masked_equal(report + AVOW_SGX_OFF_MISCSELECT, q->miscselect_mask, q->miscselect,
                      sizeof q->miscselect))
        return "MISCSELECT differs";
    if (!masked_equal(attributes, q->attributes_mask, q->attributes, sizeof q->attributes))
        return "ATTRIBUTES differ";
    if (attributes[0] & AVOW_SGX_ATTR_DEBUG)
        return "it is a debug enclave";
    if (!avow_bytes_equal(AVOW_BYTES(report + AVOW_SGX_OFF_MRSIGNER, AVOW_SGX_MRSIGNER_LEN),
                          AVOW_BYTES_OF(q->mrsigner)))
        return "MRSIGNER differs";
    if (get_u16le(report + AVOW_SGX_OFF_ISVPRODID) != q->isvprodid)
        return "ISVPRODID differs";
    return NULL;
}

static void check_qe_report(struct work *w, const struct avow_qe_identity *qe)
{
    const uint8_t *report = w->quote.qe_report.data;
    uint16_t svn = get_u16le(report + AVOW_SGX_OFF_ISVSVN);
    const char *why = compare_qe(qe, report);

    w->qe_level = avow_svn_level_find(qe->levels, qe->n_levels, svn);
    if (!why && !w->qe_level)
        why = "no level covers its ISVSVN";
    (void)avow_claims_check(w->c, "qe-identity", why == NULL,
                            "QE report against the QE identity, ISVSVN %u: %s", svn,
                            why ? why : "equal");
}

static int read_qe_identity(struct work *w)
{
    const struct avow_qe_identity *qe = NULL;
    struct avow_error e = { 0 };
    int rc = 0;

    if (!w->bundle->qe_identity.len) {
        missing(w, "QE identity");
        return 0;
    }
    rc =
        avow_verify_cache_read(w->cache, AVOW_KEPT_QE_IDENTITY, w->bundle->qe_identity, &w->qe, &e);
    AVOW_TRY(judge(w, "qe-identity", rc, &e, "QE identity for TDX, version 2"));
    if (!w->qe)
        return 0;
    qe = w->qe->qe;
    /* A floor that a policy sets is for both documents. */
    if (w->info && qe->evaluation < w->c->tdx.tcb_evaluation)
        w->c->tdx.tcb_evaluation = qe->evaluation;
    check_window(w, "QE identity", qe->issue_date, qe->next_update);
    AVOW_TRY(check_document(w, w->qe, &qe->document, "QE identity"));
    check_qe_report(w, qe);
    return 0;
}

/* ---- TCB status ---- */

static bool has_advisory(const struct avow_claims *c, const char *name)
{
    for (uint32_t i = 0; i < c->tdx.n_advisories; i++)
        if (strcmp(c->tdx.advisories[i], name) == 0)
            return true;
    return false;
}

/* False if there is no room for all of them. */
static bool add_advisories(struct avow_claims *c, const struct avow_level *level)
{
    size_t n = level ? json_array_size(level->advisories) : 0;

    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(level->advisories, i));

        if (has_advisory(c, name))
            continue;
        if (c->tdx.n_advisories == AVOW_ADVISORIES_MAX)
            return false;
        snprintf(c->tdx.advisories[c->tdx.n_advisories++], sizeof c->tdx.advisories[0], "%s", name);
    }
    return true;
}

static bool add_result(struct avow_claims *c, const struct avow_tcb_result *r)
{
    bool ok = true;

    for (size_t i = 0; i < AVOW_TCB_PARTS; i++)
        ok = add_advisories(c, r->parts[i]) && ok;
    return ok;
}

static void check_tcb(struct work *w)
{
    const struct avow_tdx_body *b = &w->quote.body;
    struct avow_claims *c = w->c;
    struct avow_tcb_result r = { 0 };
    struct avow_tcb_input in = {
        .info = w->info ? w->info->info : NULL,
        .qe = w->qe_level,
        .components = w->pck.components,
        .pcesvn = w->pck.pcesvn,
        .tee_tcb_svn = b->tee_tcb_svn,
        .mrsignerseam = b->mrsignerseam,
        .seam_attributes = b->seam_attributes,
    };
    const char *why = NULL;
    bool complete = true;

    if (!w->info || !w->qe_level || !w->has_pck)
        return; /* recorded where it was read */
    avow_tcb_evaluate(&in, &r);
    c->tdx.tcb_status = r.status;
    why = r.why;
    complete = add_result(c, &r);
    if (b->tee_tcb_svn2) {
        in.tee_tcb_svn = b->tee_tcb_svn2;
        avow_tcb_evaluate(&in, &r);
        c->tdx.tcb_status = avow_tcb_with_current(c->tdx.tcb_status, r.status);
        why = why ? why : r.why;
        complete = add_result(c, &r) && complete;
    }
    if (!complete)
        (void)avow_claims_check(c, "tcb-info", false, "more than %u advisories",
                                (unsigned)AVOW_ADVISORIES_MAX);
    (void)avow_claims_check(
        c, "tcb-status",
        c->tdx.tcb_status != AVOW_TCB_UNKNOWN && c->tdx.tcb_status != AVOW_TCB_NOT_SUPPORTED &&
            c->tdx.tcb_status != AVOW_TCB_REVOKED,
        "TCB is %s%s%s", avow_tcb_status_name(c->tdx.tcb_status), why ? ": " : "", why ? why : "");
    w->judged = true;
}

static int run(struct work *w)
{
    int rc = read_quote(w);

    if (rc != PASSED)
        return rc;
    AVOW_TRY(read_certs(w));
    AVOW_TRY(check_chain(w));
    AVOW_TRY(check_quote(w));
    AVOW_TRY(check_crls(w));
    AVOW_TRY(read_tcb_info(w));
    AVOW_TRY(read_qe_identity(w));
    check_tcb(w);
    return 0;
}

int avow_tdx_verify_cached(const struct avow_bundle *b, const struct avow_anchors *a, int64_t now,
                           struct avow_verify_cache *cache, struct avow_claims *out,
                           struct avow_error *err)
{
    struct work w = {
        .bundle = b,
        .anchors = a,
        .now = now,
        .c = out,
        .err = err,
        .cache = cache,
        .chain_der = AVOW_BUF(PEM_CHAIN_MAX),
    };
    int rc = 0;

    memset(out, 0, sizeof *out);
    out->tee = AVOW_TEE_TDX;
    out->valid_until = INT64_MAX;
    avow_verify_cache_begin(cache);
    rc = run(&w);
    avow_buf_done(&w.chain_der);
    if (rc < 0)
        memset(out, 0, sizeof *out);
    else
        out->authentic = w.judged && w.anchor && avow_claims_all_passed(out);
    avow_verify_cache_end(cache, out->authentic);
    return rc < 0 ? rc : 0;
}

int avow_tdx_verify(const struct avow_bundle *b, const struct avow_anchors *a, int64_t now,
                    struct avow_claims *out, struct avow_error *err)
{
    avow_auto(avow_cleanup_verify_cache) struct avow_verify_cache *cache = NULL;

    memset(out, 0, sizeof *out);
    AVOW_TRY(avow_verify_cache_new(AVOW_CACHE_ENTRIES_MIN, &cache, err));
    return avow_tdx_verify_cached(b, a, now, cache, out, err);
}
