#include "signatures.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "collateral/document.h"
#include "collateral/pck.h"
#include "crypto/x509.h"
#include "evidence/snp.h"
#include "evidence/tdx.h"

#define CERTS_MAX 32
#define SIGNATURES_MAX 32
#define PSS_SALT 48 /* SHA-384's length: what AMD uses */

struct signature {
    EVP_PKEY *key;
    const EVP_MD *md;
    bool pss;
    unsigned char *msg, *sig;
    size_t msg_len, sig_len;
};

struct signatures {
    size_t n, n_certs;
    struct signature list[SIGNATURES_MAX];
    X509 *certs[CERTS_MAX];
};

static void die(const char *what)
{
    fprintf(stderr, "bench_verify: %s\n", what);
    exit(1);
}

static unsigned char *copy(struct avow_bytes b)
{
    unsigned char *p = OPENSSL_memdup(b.data, b.len);

    if (!p)
        die("out of memory");
    return p;
}

static void add(struct signatures *s, EVP_PKEY *key, const EVP_MD *md, struct avow_bytes msg,
                struct avow_bytes sig)
{
    if (s->n == SIGNATURES_MAX || !key || !EVP_PKEY_up_ref(key))
        die("too many signatures, or no key");
    s->list[s->n++] = (struct signature){ .key = key,
                                          .md = md,
                                          .pss = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA,
                                          .msg = copy(msg),
                                          .msg_len = msg.len,
                                          .sig = copy(sig),
                                          .sig_len = sig.len };
}

/* r || s */
static void add_raw(struct signatures *s, EVP_PKEY *key, const EVP_MD *md, struct avow_bytes msg,
                    struct avow_bytes sig)
{
    int half = (int)(sig.len / 2);
    ECDSA_SIG *es = ECDSA_SIG_new();
    unsigned char *der = NULL;
    int n = 0;

    if (!es || ECDSA_SIG_set0(es, BN_bin2bn(sig.data, half, NULL),
                              BN_bin2bn(sig.data + half, half, NULL)) != 1)
        die("out of memory");
    n = i2d_ECDSA_SIG(es, &der);
    add(s, key, md, msg, AVOW_BYTES(der, (size_t)n));
    OPENSSL_free(der);
    ECDSA_SIG_free(es);
}

static const EVP_MD *digest_of(const X509_ALGOR *alg)
{
    const ASN1_OBJECT *oid = NULL;

    X509_ALGOR_get0(&oid, NULL, NULL, alg);
    return OBJ_obj2nid(oid) == NID_ecdsa_with_SHA256 ? EVP_sha256() : EVP_sha384();
}

static X509 *cert_named(const struct signatures *s, const X509_NAME *name)
{
    for (size_t i = 0; i < s->n_certs; i++)
        if (X509_NAME_cmp(X509_get_subject_name(s->certs[i]), name) == 0)
            return s->certs[i];
    return NULL;
}

/* The certificate whose CN ends in @suffix. */
static EVP_PKEY *key_of(const struct signatures *s, const char *suffix)
{
    for (size_t i = 0; i < s->n_certs; i++) {
        char cn[128] = "";
        int n = X509_NAME_get_text_by_NID(X509_get_subject_name(s->certs[i]), NID_commonName, cn,
                                          sizeof cn);
        size_t len = strlen(suffix);

        if (n >= (int)len && strcmp(cn + n - len, suffix) == 0)
            return X509_get0_pubkey(s->certs[i]);
    }
    fprintf(stderr, "bench_verify: no certificate of \"%s\"\n", suffix);
    exit(1);
}

/* Each certificate once. */
static void add_cert(struct signatures *s, struct avow_bytes der)
{
    const unsigned char *p = der.data;
    X509 *x = d2i_X509(NULL, &p, (long)der.len);

    if (!x || s->n_certs == CERTS_MAX)
        die("not a certificate, or too many");
    if (cert_named(s, X509_get_subject_name(x)))
        X509_free(x);
    else
        s->certs[s->n_certs++] = x;
}

static void add_pem(struct signatures *s, struct avow_bytes pem)
{
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(1u << 20);
    struct avow_bytes ders[CERTS_MAX];
    size_t n = 0;

    if (avow_pem_to_der(pem, &store, ders, CERTS_MAX, &n, NULL) < 0)
        die("no PEM certificates");
    for (size_t i = 0; i < n; i++)
        add_cert(s, ders[i]);
}

/* Every certificate by its issuer, the root by itself. */
static void add_chain(struct signatures *s)
{
    for (size_t i = 0; i < s->n_certs; i++) {
        const ASN1_BIT_STRING *sig = NULL;
        const X509_ALGOR *alg = NULL;
        unsigned char *tbs = NULL;
        X509 *issuer = cert_named(s, X509_get_issuer_name(s->certs[i]));
        int n = i2d_re_X509_tbs(s->certs[i], &tbs);

        if (!issuer || n <= 0)
            die("a certificate has no issuer");
        X509_get0_signature(&sig, &alg, s->certs[i]);
        add(s, X509_get0_pubkey(issuer), digest_of(alg), AVOW_BYTES(tbs, (size_t)n),
            AVOW_BYTES(ASN1_STRING_get0_data(sig), (size_t)ASN1_STRING_length(sig)));
        OPENSSL_free(tbs);
    }
}

static void add_crl(struct signatures *s, struct avow_bytes der)
{
    const unsigned char *p = der.data;
    X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)der.len);
    const ASN1_BIT_STRING *sig = NULL;
    const X509_ALGOR *alg = NULL;
    unsigned char *tbs = NULL;
    X509 *issuer = crl ? cert_named(s, X509_CRL_get_issuer(crl)) : NULL;
    int n = issuer ? i2d_re_X509_CRL_tbs(crl, &tbs) : 0;

    if (n <= 0)
        die("a CRL has no issuer");
    X509_CRL_get0_signature(crl, &sig, &alg);
    add(s, X509_get0_pubkey(issuer), digest_of(alg), AVOW_BYTES(tbs, (size_t)n),
        AVOW_BYTES(ASN1_STRING_get0_data(sig), (size_t)ASN1_STRING_length(sig)));
    OPENSSL_free(tbs);
    X509_CRL_free(crl);
}

static void add_document(struct signatures *s, struct avow_bytes text, const char *name)
{
    avow_auto(avow_document_done) struct avow_document d = { 0 };

    if (avow_document_parse(text, name, &d, NULL) < 0)
        die("not a signed document");
    add_raw(s, key_of(s, AVOW_TCB_SIGNING_CN), EVP_sha256(), d.signed_bytes,
            AVOW_BYTES_OF(d.signature));
}

static void add_report(struct signatures *s, struct avow_bytes evidence)
{
    struct avow_snp_report r;
    uint8_t sig[2 * AVOW_SNP_SIG_USED_LEN];

    if (avow_snp_parse(evidence, &r, NULL) < 0)
        die("not a report");
    for (size_t i = 0; i < AVOW_SNP_SIG_USED_LEN; i++) {
        sig[i] = r.r.data[AVOW_SNP_SIG_USED_LEN - 1 - i];
        sig[AVOW_SNP_SIG_USED_LEN + i] = r.s.data[AVOW_SNP_SIG_USED_LEN - 1 - i];
    }
    add_raw(s, key_of(s, AVOW_SNP_CN_VCEK), EVP_sha384(), r.signed_part, AVOW_BYTES_OF(sig));
}

static void add_quote(struct signatures *s, const struct avow_tdx_quote *q)
{
    uint8_t point[65] = { 0x04 };
    EVP_PKEY *key = EVP_PKEY_new();
    EVP_PKEY *leaf = key_of(s, AVOW_PCK_LEAF_CN);

    memcpy(point + 1, q->attestation_key.data, sizeof point - 1);
    if (!key || EVP_PKEY_copy_parameters(key, leaf) != 1 ||
        EVP_PKEY_set1_encoded_public_key(key, point, sizeof point) != 1)
        die("no attestation key");
    add_raw(s, leaf, EVP_sha256(), q->qe_report, q->qe_signature);
    add_raw(s, key, EVP_sha256(), q->signed_part, q->signature);
    EVP_PKEY_free(key);
}

struct signatures *signatures_new(const struct avow_bundle *b, struct avow_bytes roots_pem)
{
    struct signatures *s = calloc(1, sizeof *s);
    struct avow_tdx_quote q = { 0 };

    if (!s)
        die("out of memory");
    if (b->tee == AVOW_TEE_TDX) {
        if (avow_tdx_quote_parse(b->evidence, &q, NULL) < 0)
            die("not a quote");
        add_pem(s, q.cert_data);
    }
    for (size_t i = 0; i < b->n_certs; i++)
        add_cert(s, b->certs[i]);
    if (!cert_named(s, X509_get_issuer_name(s->certs[s->n_certs - 1])))
        add_pem(s, roots_pem);
    add_chain(s);
    for (size_t i = 0; i < b->n_crls; i++)
        add_crl(s, b->crls[i]);
    if (b->tee == AVOW_TEE_SNP) {
        add_report(s, b->evidence);
    } else {
        add_document(s, b->tcb_info, "tcbInfo");
        add_document(s, b->qe_identity, "enclaveIdentity");
        add_quote(s, &q);
    }
    return s;
}

void signatures_free(struct signatures *s)
{
    for (size_t i = 0; i < s->n; i++) {
        EVP_PKEY_free(s->list[i].key);
        OPENSSL_free(s->list[i].msg);
        OPENSSL_free(s->list[i].sig);
    }
    for (size_t i = 0; i < s->n_certs; i++)
        X509_free(s->certs[i]);
    free(s);
}

size_t signatures_count(const struct signatures *s)
{
    return s->n;
}

void signatures_verify(const struct signatures *s, size_t n)
{
    for (size_t i = s->n - n; i < s->n; i++) {
        const struct signature *one = &s->list[i];
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        EVP_PKEY_CTX *how = NULL;

        if (!ctx || EVP_DigestVerifyInit(ctx, &how, one->md, NULL, one->key) != 1 ||
            (one->pss && (EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) != 1 ||
                          EVP_PKEY_CTX_set_rsa_pss_saltlen(how, PSS_SALT) != 1)) ||
            EVP_DigestVerify(ctx, one->sig, one->sig_len, one->msg, one->msg_len) != 1)
            die("a signature does not verify");
        EVP_MD_CTX_free(ctx);
    }
}
