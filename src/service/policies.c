#include "service/policies.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "codec/text.h"
#include "crypto/hash.h"
#include "crypto/jws.h"
#include "serve/file.h"

#define TYPES 2u

struct avow_policies {
    char *dir;
    struct avow_service_policy *list[TYPES];
};

/* ---- one policy ---- */

struct avow_service_policy *avow_service_policy_ref(struct avow_service_policy *p)
{
    __atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
    return p;
}

void avow_service_policy_unref(struct avow_service_policy *p)
{
    if (!p || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (p->rules)
        avow_maa_policy_free(p->rules);
    avow_buf_done(&p->text);
    avow_buf_done(&p->jws);
    json_decref(p->signer);
    free(p);
}

/* base64url(SHA-256(base64url(text))): of the encoded text, as MAA does it. */
static int hash_of(struct avow_bytes text, char out[AVOW_POLICY_HASH], struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf encoded = AVOW_BUF(2 * AVOW_MAA_POLICY_MAX);
    avow_auto(avow_buf_done) struct avow_buf hash = AVOW_BUF(AVOW_POLICY_HASH);
    uint8_t digest[32];

    avow_b64url_put(&encoded, text);
    AVOW_TRY(avow_buf_ok(&encoded, err));
    if (avow_sha256(avow_buf_view(&encoded), digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    avow_b64url_put(&hash, AVOW_BYTES_OF(digest));
    AVOW_TRY(avow_buf_ok(&hash, err));
    memcpy(out, hash.data, AVOW_POLICY_HASH - 1);
    out[AVOW_POLICY_HASH - 1] = '\0';
    return 0;
}

/* Put bare text into an unsecured JWS. */
static int wrap(struct avow_bytes text, struct avow_buf *jws, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf encoded = AVOW_BUF(2 * AVOW_MAA_POLICY_MAX);
    avow_autojson json_t *payload = NULL;
    avow_autofree char *dump = NULL;

    avow_b64url_put(&encoded, text);
    AVOW_TRY(avow_buf_ok(&encoded, err));
    payload = json_pack("{s:s}", "AttestationPolicy", avow_buf_cstr(&encoded));
    dump = payload ? json_dumps(payload, JSON_COMPACT) : NULL;
    if (!dump)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    return avow_jws_unsecured(NULL, avow_bytes_str(dump), jws, err);
}

/* The certificate that a signed policy names must have signed it. */
static int check_signer(struct avow_service_policy *p, const struct avow_jws *jws,
                        struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);
    avow_auto(avow_cleanup_cert) struct avow_cert *cert = NULL;
    json_t *x5c = json_object_get(jws->header, "x5c");
    const char *first = json_string_value(json_array_get(x5c, 0));

    if (jws->alg == AVOW_JWS_NONE)
        return jws->signature.len ? AVOW_FAIL(err, FORMAT, "alg is none, yet there is a signature")
                                  : 0;
    if (!first)
        return AVOW_FAIL(err, FORMAT, "a signed policy has its certificate in x5c");
    if (avow_unb64_put(&der, avow_bytes_str(first)) < 0)
        return AVOW_FAIL(err, FORMAT, "x5c is not base64");
    AVOW_TRY(avow_cert_parse(avow_buf_view(&der), &cert, err));
    AVOW_TRY(avow_jws_verify_cert(jws, cert, err));
    p->signer =
        json_pack("{s:{s:s, s:s, s:O}}", "jwk", "kty", jws->alg == AVOW_JWS_RS256 ? "RSA" : "EC",
                  "alg", jws->alg_text, "x5c", x5c);
    return p->signer ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

static int open_jws(struct avow_service_policy *p, struct avow_error *err)
{
    avow_auto(avow_jws_done) struct avow_jws jws = { 0 };
    avow_autojson json_t *payload = NULL;
    const char *encoded = NULL;

    AVOW_TRY(avow_jws_parse(avow_buf_view(&p->jws), &jws, err));
    AVOW_TRY(check_signer(p, &jws, err));
    AVOW_TRY(avow_jws_claims(&jws, &payload, err));
    AVOW_TRY(avow_json_get_str(payload, "AttestationPolicy", &encoded, err));
    if (avow_unb64url_put(&p->text, avow_bytes_str(encoded)) < 0)
        return AVOW_FAIL(err, FORMAT, "AttestationPolicy is no base64url of at most %u bytes",
                         AVOW_MAA_POLICY_MAX);
    return 0;
}

static struct avow_bytes trimmed(struct avow_bytes v)
{
    while (v.len && (v.data[v.len - 1] == '\n' || v.data[v.len - 1] == '\r'))
        v.len--;
    return v;
}

int avow_service_policy_read(struct avow_bytes given, struct avow_service_policy **out,
                             struct avow_error *err)
{
    avow_auto(avow_cleanup_service_policy) struct avow_service_policy *p = calloc(1, sizeof *p);
    const bool bare = given.len >= 7 && strncmp((const char *)given.data, "version", 7) == 0;

    if (!p)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    p->refs = 1;
    p->text = AVOW_BUF(AVOW_MAA_POLICY_MAX);
    p->jws = AVOW_BUF(AVOW_MAA_POLICY_JWS_MAX);
    if (bare) {
        AVOW_TRY(wrap(given, &p->jws, err));
    } else {
        avow_buf_put_bytes(&p->jws, trimmed(given));
        AVOW_TRY(avow_buf_ok(&p->jws, err));
    }
    AVOW_TRY(open_jws(p, err));
    AVOW_TRY(avow_maa_policy_parse(avow_buf_view(&p->text), &p->rules, err));
    AVOW_TRY(hash_of(avow_buf_view(&p->text), p->hash, err));
    *out = avow_steal(&p);
    return 0;
}

/* ---- the folder ---- */

static size_t index_of(enum avow_maa_type type)
{
    return type == AVOW_MAA_TDXVM ? 1 : 0;
}

static int path_of(const struct avow_policies *p, enum avow_maa_type type, char **out,
                   struct avow_error *err)
{
    if (asprintf(out, "%s/%s.jws", p->dir, avow_maa_type_path(type)) < 0) {
        *out = NULL;
        return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    return 0;
}

static int load(struct avow_policies *p, enum avow_maa_type type, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf jws = AVOW_BUF(AVOW_MAA_POLICY_JWS_MAX);
    avow_autofree char *path = NULL;
    struct avow_error e = { 0 };
    struct avow_service_policy **to = &p->list[index_of(type)];
    int rc = 0;

    AVOW_TRY(path_of(p, type, &path, err));
    rc = avow_file_read(path, AVOW_FILE_OURS, &jws, &e);
    if (rc < 0 && e.sys == ENOENT)
        return avow_service_policy_read(avow_bytes_str(AVOW_POLICY_DEFAULT), to, err);
    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "%s", e.text);
    rc = avow_service_policy_read(avow_buf_view(&jws), to, err);
    if (rc < 0)
        (void)avow_error_prefix(err, "%s", path);
    return rc;
}

int avow_policies_open(const char *dir, struct avow_policies **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_policies) struct avow_policies *p = calloc(1, sizeof *p);

    if (!p)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    p->dir = strdup(dir);
    if (!p->dir)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return AVOW_FAIL_SYS(err, "%s", dir);
    AVOW_TRY(load(p, AVOW_MAA_SEVSNPVM, err));
    AVOW_TRY(load(p, AVOW_MAA_TDXVM, err));
    *out = avow_steal(&p);
    return 0;
}

void avow_policies_free(struct avow_policies *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < TYPES; i++)
        avow_service_policy_unref(p->list[i]);
    free(p->dir);
    free(p);
}

struct avow_service_policy *avow_policies_get(const struct avow_policies *p,
                                              enum avow_maa_type type)
{
    return p->list[index_of(type)];
}

int avow_policies_set(struct avow_policies *p, enum avow_maa_type type,
                      struct avow_service_policy *fresh, struct avow_error *err)
{
    avow_auto(avow_cleanup_service_policy) struct avow_service_policy *standard = NULL;
    avow_autofree char *path = NULL;

    AVOW_TRY(path_of(p, type, &path, err));
    if (fresh) {
        AVOW_TRY(avow_file_write(path, 0600, avow_buf_view(&fresh->jws), err));
    } else {
        AVOW_TRY(avow_service_policy_read(avow_bytes_str(AVOW_POLICY_DEFAULT), &standard, err));
        if (unlink(path) != 0 && errno != ENOENT)
            return AVOW_FAIL_SYS(err, "%s", path);
        fresh = standard;
    }
    avow_service_policy_unref(p->list[index_of(type)]);
    p->list[index_of(type)] = avow_service_policy_ref(fresh);
    return 0;
}
