/* An issuer of tokens, for tests: a key, its set, and a payload that is right in every point. */
#ifndef AVOW_TEST_MAA_ISSUER_H
#define AVOW_TEST_MAA_ISSUER_H

#include "vectors.h"

#include "crypto/certmake.h"
#include "crypto/hash.h"
#include "crypto/jws.h"
#include "maa/claims.h"
#include "maa/token.h"

#define ISSUER "https://verifier.example"
#define MADE_AT 1800000000
#define STATEMENT "{\"nonce\":\"00ff\",\"role\":\"server\",\"type\":\"avow/channel/1\"}"

struct test_issuer {
    struct avow_signer *key;
    struct avow_buf cert;
    struct avow_maa_keys keys;
    char kid[AVOW_MAA_KID_MAX + 1];
};

static inline void issuer_certify(const char *cn, const struct avow_signer *key,
                                  struct avow_buf *der)
{
    const struct avow_name_part name[] = { { "CN", cn } };
    const struct avow_cert_spec spec = {
        .subject = name, .n_subject = 1, .from = 1700000000, .until = 2600000000
    };

    assert_int_equal(avow_cert_make(&spec, key, AVOW_BYTES(NULL, 0), key, der, NULL), 0);
}

/* The set of keys with one key in it, whose certificate names @cn. */
static inline void issuer_make(struct test_issuer *i, const char *cn)
{
    avow_autojson json_t *set = NULL;
    avow_autofree char *text = NULL;
    struct avow_bytes cert;
    json_t *jwk = NULL;

    memset(i, 0, sizeof *i);
    i->cert = AVOW_BUF(AVOW_CERT_DER_MAX);
    assert_int_equal(avow_signer_new(AVOW_SIGNER_RSA2048, &i->key, NULL), 0);
    issuer_certify(cn, i->key, &i->cert);
    cert = avow_buf_view(&i->cert);
    assert_int_equal(avow_maa_jwk(i->key, &cert, 1, &jwk, NULL), 0);
    set = json_pack("{s:[o]}", "keys", jwk);
    text = json_dumps(set, 0);
    assert_int_equal(avow_maa_keys_parse(avow_bytes_str(text), &i->keys, NULL), 0);
    assert_int_equal(i->keys.n, 1);
    snprintf(i->kid, sizeof i->kid, "%s", i->keys.list[0].kid);
}

static inline void issuer_done(struct test_issuer *i)
{
    avow_signer_free(i->key);
    avow_buf_done(&i->cert);
}

/* Claims of a machine that is bound to STATEMENT. */
static inline void issuer_claims(struct avow_claims *c)
{
    memset(c, 0, sizeof *c);
    c->tee = AVOW_TEE_SNP;
    c->authentic = true;
    c->snp.version = 3;
    c->snp.policy = 0x30000;
    c->snp.reported = (struct avow_snp_tcb){ 0, 4, 0, 24, 219 };
    memset(c->measurement, 0x11, sizeof c->measurement);
    snprintf(c->root, sizeof c->root, "AMD ARK-Milan");
    assert_int_equal(avow_sha256(avow_bytes_str(STATEMENT), c->report_data), 0);
}

/* The payload of a token for them; the request had "request-nonce". */
static inline json_t *issuer_payload(const struct avow_claims *c, const char *runtime)
{
    struct avow_maa_request rq = { .type = avow_maa_type_of(c->tee),
                                   .nonce = (char *)(uintptr_t) "request-nonce" };
    struct avow_error err = { 0 };
    json_t *out = NULL;

    if (runtime) {
        rq.runtime.present = rq.runtime.json = true;
        assert_int_equal(avow_json_parse(avow_bytes_str(runtime), &rq.runtime.value, NULL), 0);
    }
    if (avow_maa_claims(c, &rq, false, &out, &err) < 0)
        fail_msg("%s", err.text);
    json_decref(rq.runtime.value);
    json_object_set_new(out, "iss", json_string(ISSUER));
    json_object_set_new(out, "iat", json_integer(MADE_AT));
    json_object_set_new(out, "nbf", json_integer(MADE_AT));
    json_object_set_new(out, "exp", json_integer(MADE_AT + 28800));
    json_object_set_new(out, "jti", json_string("0123456789abcdef"));
    json_object_set_new(out, "x-ms-policy-hash", json_string("the-policy"));
    return out;
}

static inline void issuer_sign(const struct test_issuer *i, const char *kid, const json_t *payload,
                               struct avow_buf *out)
{
    avow_autojson json_t *header = json_pack("{s:s}", "typ", "JWT");

    if (kid)
        json_object_set_new(header, "kid", json_string(kid));
    avow_buf_reset(out);
    assert_int_equal(avow_jws_sign_json(header, payload, i->key, out, NULL), 0);
}

#endif
