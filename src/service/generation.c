#include <stdio.h>
#include <stdlib.h>

#include "crypto/certmake.h"
#include "crypto/hash.h"
#include "maa/keys.h"
#include "service/keys_internal.h"

#define STATEMENT_TYPE "avow/verifier-key/1"

static int self_sign(const struct avow_signer *key, const char *issuer, int64_t now,
                     struct avow_buf *der, struct avow_error *err)
{
    const struct avow_name_part subject = { "CN", issuer };
    struct avow_cert_spec spec = { .subject = &subject,
                                   .n_subject = 1,
                                   .from = now - AVOW_KEYS_SKEW_S,
                                   .until = now + AVOW_KEYS_CERT_YEARS * 365 * (int64_t)86400,
                                   .basic_constraints = true,
                                   .key_usage = AVOW_KU_DIGITAL_SIGNATURE };
    uint8_t serial[16];

    if (avow_random(serial, sizeof serial) < 0)
        return AVOW_FAIL(err, CRYPTO, "no random bytes");
    serial[0] = (serial[0] & 0x7f) | 0x40; /* RFC 5280 4.1.2.2: positive */
    spec.serial = AVOW_BYTES_OF(serial);
    return avow_cert_make(&spec, key, AVOW_BYTES(NULL, 0), key, der, err);
}

static int put_jwk(struct avow_generation *g, const struct avow_signer *key, struct avow_bytes cert,
                   struct avow_error *err)
{
    json_t *jwk = NULL;

    AVOW_TRY(avow_maa_jwk(key, &cert, cert.len ? 1 : 0, &jwk, err));
    return json_array_append_new(g->jwks, jwk) < 0 ? AVOW_FAIL(err, NOMEM, "out of memory") : 0;
}

struct avow_generation *generation_empty(void)
{
    struct avow_generation *g = calloc(1, sizeof *g);

    if (g)
        g->refs = 1;
    return g;
}

int generation_kids(struct avow_generation *g, struct avow_error *err)
{
    const struct {
        size_t at;
        char *to;
    } kids[] = { { 0, g->rsa_kid }, { 1, g->ec_kid } };

    for (size_t i = 0; i < 2; i++) {
        const char *kid = NULL;

        AVOW_TRY(avow_json_get_str(json_array_get(g->jwks, kids[i].at), "kid", &kid, err));
        if (strlen(kid) != AVOW_KEY_KID - 1)
            return AVOW_FAIL(err, FORMAT, "a key's id has %zu characters", strlen(kid));
        memcpy(kids[i].to, kid, AVOW_KEY_KID);
    }
    return 0;
}

int generation_certify(struct avow_generation *g, const char *issuer, int64_t now,
                       struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);

    json_decref(g->jwks);
    json_decref(g->issuer);
    g->jwks = json_array();
    g->issuer = json_string(issuer);
    if (!g->jwks || !g->issuer)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(self_sign(g->rsa, issuer, now, &der, err));
    AVOW_TRY(put_jwk(g, g->rsa, avow_buf_view(&der), err));
    AVOW_TRY(put_jwk(g, g->ec, AVOW_BYTES(NULL, 0), err));
    return generation_kids(g, err);
}

int avow_generation_new(const char *issuer, int64_t now, struct avow_generation **out,
                        struct avow_error *err)
{
    avow_auto(avow_cleanup_generation) struct avow_generation *g = generation_empty();

    if (!g)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    g->created = now;
    AVOW_TRY(avow_signer_new(AVOW_SIGNER_RSA2048, &g->rsa, err));
    AVOW_TRY(avow_signer_new(AVOW_SIGNER_P256, &g->ec, err));
    AVOW_TRY(generation_certify(g, issuer, now, err));
    *out = avow_steal(&g);
    return 0;
}

struct avow_generation *avow_generation_ref(struct avow_generation *g)
{
    __atomic_add_fetch(&g->refs, 1, __ATOMIC_RELAXED);
    return g;
}

void avow_generation_unref(struct avow_generation *g)
{
    if (!g || __atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    avow_signer_free(g->rsa);
    avow_signer_free(g->ec);
    json_decref(g->issuer);
    json_decref(g->jwks);
    free(g);
}

int avow_generation_statement(const struct avow_generation *g, struct avow_buf *out,
                              struct avow_error *err)
{
    avow_autojson json_t *j = json_pack("{s:O, s:[s, s], s:s}", "issuer", g->issuer, "kids",
                                        g->rsa_kid, g->ec_kid, "type", STATEMENT_TYPE);

    if (!j)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    return avow_json_canonical(j, out, err);
}

int avow_generation_attest(struct avow_generation *g, struct avow_bytes bundle,
                           struct avow_error *err)
{
    avow_autojson json_t *evidence = NULL;
    json_t *jwk = NULL;
    size_t i = 0;

    AVOW_TRY(avow_json_parse(bundle, &evidence, err));
    json_array_foreach(g->jwks, i, jwk)
        if (json_object_set(jwk, "x-avow-evidence", evidence) < 0)
            return AVOW_FAIL(err, NOMEM, "out of memory");
    return 0;
}
