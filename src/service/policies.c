#include "service/policies.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "codec/text.h"
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

/* As x-ms-policy-signer has it. */
static json_t *signer_json(struct avow_bytes der)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(2 * AVOW_CERT_DER_MAX);

    if (avow_b64_put(&text, der) < 0)
        return NULL;
    return json_pack("{s:{s:s, s:s, s:[s]}}", "jwk", "alg", "RS256", "kty", "RSA", "x5c",
                     avow_buf_cstr(&text));
}

static int open_jws(struct avow_service_policy *p, struct avow_error *err)
{
    avow_auto(avow_maa_policy_text_done) struct avow_maa_policy_text t = { 0 };

    AVOW_TRY(avow_maa_policy_open(avow_buf_view(&p->jws), &t, err));
    if (t.signer) {
        p->signer = signer_json(avow_cert_der(t.signer));
        avow_cert_spki_sha256(t.signer, p->signer_spki);
    }
    if (t.signer && !p->signer)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    return avow_buf_put_bytes(&p->text, avow_buf_view(&t.text)) < 0 ? avow_buf_ok(&p->text, err)
                                                                    : 0;
}

static struct avow_bytes trimmed(struct avow_bytes v)
{
    while (v.len && (v.data[v.len - 1] == '\n' || v.data[v.len - 1] == '\r'))
        v.len--;
    return v;
}

static int read_policy(struct avow_bytes given, bool standard, struct avow_service_policy **out,
                       struct avow_error *err)
{
    avow_auto(avow_cleanup_service_policy) struct avow_service_policy *p = calloc(1, sizeof *p);
    /* a policy has one, whatever comes before "version"; base64url and dots have none */
    const bool bare = given.len && memchr(given.data, ';', given.len);

    if (!p)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    p->refs = 1;
    p->standard = standard;
    p->text = AVOW_BUF(AVOW_MAA_POLICY_MAX);
    p->jws = AVOW_BUF(AVOW_MAA_POLICY_JWS_MAX);
    if (bare) {
        AVOW_TRY(avow_maa_policy_wrap(given, NULL, NULL, 0, &p->jws, err));
    } else {
        avow_buf_put_bytes(&p->jws, trimmed(given));
        AVOW_TRY(avow_buf_ok(&p->jws, err));
    }
    AVOW_TRY(open_jws(p, err));
    AVOW_TRY(avow_maa_policy_parse(avow_buf_view(&p->text), &p->rules, err));
    AVOW_TRY(avow_maa_policy_hash(avow_buf_view(&p->text), p->hash, err));
    *out = avow_steal(&p);
    return 0;
}

int avow_service_policy_read(struct avow_bytes given, struct avow_service_policy **out,
                             struct avow_error *err)
{
    return read_policy(given, false, out, err);
}

static int read_default(struct avow_service_policy **out, struct avow_error *err)
{
    return read_policy(avow_bytes_str(AVOW_POLICY_DEFAULT), true, out, err);
}

/* ---- who signed ---- */

static int by_one_of(bool is_signed, const uint8_t spki[32], const struct avow_clients *signers,
                     struct avow_error *err)
{
    char hex[65];

    if (!is_signed)
        return AVOW_FAIL(err, UNTRUSTED,
                         "not signed, and policies must be signed by one of the %zu policy-signers",
                         signers->n);
    if (avow_clients_has(signers, spki))
        return 0;
    avow_hex(AVOW_BYTES(spki, 32), hex);
    return AVOW_FAIL(err, UNTRUSTED, "signed by sha256:%s, which is none of the %zu policy-signers",
                     hex, signers->n);
}

int avow_service_policy_signed(const struct avow_service_policy *p,
                               const struct avow_clients *signers, struct avow_error *err)
{
    return signers && !p->standard ? by_one_of(p->signer != NULL, p->signer_spki, signers, err) : 0;
}

int avow_service_policy_removal(struct avow_bytes jws, const struct avow_clients *signers,
                                struct avow_error *err)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *signer = NULL;
    uint8_t spki[32] = { 0 };

    if (!signers)
        return 0;
    if (!jws.len)
        return by_one_of(false, spki, signers, err);
    AVOW_TRY(avow_maa_policy_open_removal(trimmed(jws), &signer, err));
    if (signer)
        avow_cert_spki_sha256(signer, spki);
    return by_one_of(signer != NULL, spki, signers, err);
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
        return read_default(to, err);
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

int avow_policies_signed(const struct avow_policies *p, const struct avow_clients *signers,
                         struct avow_error *err)
{
    static const enum avow_maa_type types[TYPES] = { AVOW_MAA_SEVSNPVM, AVOW_MAA_TDXVM };

    for (size_t i = 0; i < TYPES; i++) {
        struct avow_error why = { 0 };
        int rc = avow_service_policy_signed(avow_policies_get(p, types[i]), signers, &why);

        if (rc < 0)
            return AVOW_FAIL_CODE(err, rc, "%s/%s.jws is %s: put a signed one there, or remove it",
                                  p->dir, avow_maa_type_path(types[i]), why.text);
    }
    return 0;
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
        AVOW_TRY(read_default(&standard, err));
        if (unlink(path) != 0 && errno != ENOENT)
            return AVOW_FAIL_SYS(err, "%s", path);
        fresh = standard;
    }
    avow_service_policy_unref(p->list[index_of(type)]);
    p->list[index_of(type)] = avow_service_policy_ref(fresh);
    return 0;
}
