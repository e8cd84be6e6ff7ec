#include <stdio.h>

#include "codec/text.h"
#include "crypto/hash.h"
#include "crypto/jws.h"
#include "service/policies.h"
#include "service/verifier_internal.h"

#define RESULT_LIFE_S 3600 /* as MAA's */

/* Administrators only; false: it was answered. */
static bool admit(const struct avow_service *v, struct avow_request *r)
{
    if (!verifier_check_version(r))
        return false;
    if (verifier_is_admin(v, r))
        return true;
    if (!avow_request_spki(r))
        avow_request_fail(r, 401, "Unauthorized", "policies need an administrator's certificate");
    else
        avow_request_fail(r, 403, "Forbidden", "this certificate is not an administrator's");
    return false;
}

static json_t *b64url(struct avow_bytes v)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(2 * AVOW_MAA_POLICY_JWS_MAX);

    return avow_b64url_put(&text, v) < 0 ? NULL : json_string(avow_buf_cstr(&text));
}

/* {"token": JWS of ours over @take_result}. */
static void reply(struct avow_service *v, struct avow_request *r, json_t *take_result)
{
    avow_auto(avow_buf_done) struct avow_buf token = AVOW_BUF(4 * AVOW_MAA_POLICY_JWS_MAX);
    avow_auto(avow_buf_done) struct avow_buf jku = AVOW_BUF(512);
    avow_autojson json_t *result = take_result;
    avow_autojson json_t *head = NULL;
    const struct avow_generation *g = avow_keys_current(v->keys);
    const int64_t now = verifier_now();
    struct avow_error err = { 0 };

    avow_buf_putf(&jku, "%s/certs", v->issuer);
    head =
        json_pack("{s:s, s:s, s:s}", "jku", avow_buf_cstr(&jku), "kid", g->rsa_kid, "typ", "JWT");
    if (!result || !head ||
        json_object_update_new(result, json_pack("{s:s, s:I, s:I, s:I}", "iss", v->issuer, "iat",
                                                 (json_int_t)now, "nbf", (json_int_t)now, "exp",
                                                 (json_int_t)now + RESULT_LIFE_S)) < 0)
        AVOW_FAIL(&err, NOMEM, "out of memory");
    if (err.code || avow_jws_sign_json(head, result, g->rsa, &token, &err) < 0)
        avow_request_broken(r, 500, err.text);
    else
        avow_request_reply_json(r, 200, json_pack("{s:s}", "token", avow_buf_cstr(&token)));
}

/* What is served; @suffix is cut off. NONE: it was answered. */
static enum avow_maa_type type_of(struct avow_request *r, const char *suffix)
{
    const char *name = avow_request_param(r, "type");
    size_t n = strlen(name);
    size_t n_suffix = strlen(suffix);
    char bare[32];
    enum avow_maa_type type = AVOW_MAA_NONE;

    if (n > n_suffix && strcmp(name + n - n_suffix, suffix) == 0 && n - n_suffix < sizeof bare) {
        snprintf(bare, sizeof bare, "%.*s", (int)(n - n_suffix), name);
        type = avow_maa_type_from_name(bare);
    }
    if (type == AVOW_MAA_SEVSNPVM || type == AVOW_MAA_TDXVM)
        return type;
    avow_request_fail(r, 404, "NotFound", "no such type of attestation: SevSnpVm or TdxVm");
    return AVOW_MAA_NONE;
}

static void on_get(void *ctx, struct avow_request *r)
{
    struct avow_service *v = ctx;
    enum avow_maa_type type = AVOW_MAA_NONE;

    if (!admit(v, r) || (type = type_of(r, "")) == AVOW_MAA_NONE)
        return;
    reply(v, r,
          json_pack("{s:o}", "x-ms-policy",
                    b64url(avow_buf_view(&avow_policies_get(v->policies, type)->jws))));
}

/* The log has every policy that ever was in force, before it is. */
static int change(struct avow_service *v, struct avow_request *r, enum avow_maa_type type,
                  struct avow_service_policy *fresh, struct avow_error *err)
{
    const struct avow_service_policy *before = avow_policies_get(v->policies, type);
    char by[65], signer[65] = "";

    avow_hex(AVOW_BYTES(avow_request_spki(r), 32), by);
    if (fresh && fresh->signer)
        avow_hex(AVOW_BYTES_OF(fresh->signer_spki), signer);
    AVOW_TRY(avow_audit_put(
        v->audit, verifier_now(), "policy",
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "administrator", by, "before",
                  before->hash, "hash", fresh ? fresh->hash : "default", "jws",
                  fresh ? avow_buf_cstr(&fresh->jws) : "", "request", avow_request_id(r), "signer",
                  signer, "type", avow_maa_type_name(type)),
        err));
    AVOW_TRY(avow_policies_set(v->policies, type, fresh, err));
    avow_log(AVOW_LOG_NOTICE, "policy", "type=%s hash=%s administrator=%s",
             avow_maa_type_name(type), avow_policies_get(v->policies, type)->hash, by);
    return 0;
}

static void finish_change(struct avow_service *v, struct avow_request *r, enum avow_maa_type type,
                          struct avow_service_policy *fresh)
{
    struct avow_error err = { 0 };
    uint8_t digest[32] = { 0 };
    json_t *result = NULL;

    if (change(v, r, type, fresh, &err) < 0 ||
        (fresh && avow_sha256(avow_buf_view(&fresh->jws), digest) < 0)) {
        avow_request_broken(r, err.code && err.code != AVOW_E_CRYPTO ? 503 : 500, err.text);
        return;
    }
    result = json_pack("{s:s}", "x-ms-policy-result", fresh ? "Updated" : "Removed");
    if (fresh)
        (void)json_object_set_new(result, "x-ms-policy-token-hash", b64url(AVOW_BYTES_OF(digest)));
    if (fresh && fresh->signer)
        (void)json_object_set(result, "x-ms-policy-signer", fresh->signer);
    reply(v, r, result);
}

static void on_put(void *ctx, struct avow_request *r)
{
    struct avow_service *v = ctx;
    avow_auto(avow_cleanup_service_policy) struct avow_service_policy *fresh = NULL;
    enum avow_maa_type type = AVOW_MAA_NONE;
    struct avow_error err = { 0 };

    if (!admit(v, r) || (type = type_of(r, "")) == AVOW_MAA_NONE)
        return;
    if (avow_service_policy_read(avow_request_body(r), &fresh, &err) < 0)
        avow_request_fail(r, 400, "PolicyParsingError", "%s", err.text);
    else if (avow_service_policy_signed(fresh, v->signers, &err) < 0)
        avow_request_fail(r, 403, "Forbidden", "the policy is %s", err.text);
    else
        finish_change(v, r, type, fresh);
}

static void on_reset(void *ctx, struct avow_request *r)
{
    struct avow_service *v = ctx;
    enum avow_maa_type type = AVOW_MAA_NONE;
    struct avow_error err = { 0 };
    int rc = 0;

    if (!admit(v, r) || (type = type_of(r, ":reset")) == AVOW_MAA_NONE)
        return;
    rc = avow_service_policy_removal(avow_request_body(r), v->signers, &err);
    if (rc == -AVOW_E_UNTRUSTED)
        avow_request_fail(r, 403, "Forbidden", "the request to reset is %s", err.text);
    else if (rc < 0)
        avow_request_fail(r, 400, "InvalidParameter", "%s", err.text);
    else
        finish_change(v, r, type, NULL);
}

void policy_routes(struct avow_service *v)
{
    avow_server_route(v->server, "GET", "/policies/{type}", on_get, v);
    avow_server_route(v->server, "PUT", "/policies/{type}", on_put, v);
    avow_server_route(v->server, "POST", "/policies/{type}", on_reset, v);
}
