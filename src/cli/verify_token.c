/* avow verify of a token that was stored: judged by keys that stand beside it, as of some time. */
#include <stdio.h>

#include "attest/unwrap.h"
#include "cli/files.h"
#include "cli/verify.h"
#include "maa/token.h"

/* ---- told apart by content ---- */

/* Three parts of base64url, the first of which is an object: "{\"" is eyJ. */
static bool is_compact(struct avow_bytes t)
{
    static const char base64url[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t dots = 0;

    if (t.len < 8 || !avow_bytes_equal(avow_bytes_sub(t, 0, 3), avow_bytes_str("eyJ")))
        return false;
    for (size_t i = 0; i < t.len; i++) {
        if (t.data[i] == '.')
            dots++;
        else if (!t.data[i] || !strchr(base64url, t.data[i]))
            return false;
    }
    return dots == 2;
}

/* Append the token in @file: itself, or a service's answer {"token": ...}. */
static bool find_token(struct avow_bytes file, struct avow_buf *out)
{
    struct avow_bytes t = avow_unwrap_trim(file);
    avow_autojson json_t *doc = NULL;
    const char *text = NULL;

    if (t.len && t.data[0] == '{' && t.len < 2 * AVOW_MAA_TOKEN_MAX &&
        avow_json_parse(t, &doc, NULL) == 0 && json_object_size(doc) == 1) {
        text = json_string_value(json_object_get(doc, "token"));
        t = text ? avow_unwrap_trim(avow_bytes_str(text)) : t;
    }
    return is_compact(t) && avow_buf_put_bytes(out, t) == 0;
}

bool avow_verify_is_token(struct avow_bytes file)
{
    avow_auto(avow_buf_done) struct avow_buf token = AVOW_BUF(AVOW_FILE_MAX);

    return find_token(file, &token);
}

/* ---- keys ---- */

int avow_verify_add_keys(struct avow_verify_setup *s, const char *path, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf file = AVOW_BUF(AVOW_FILE_MAX);
    avow_autojson json_t *doc = NULL;
    json_t *list = NULL;

    AVOW_TRY(avow_read_file(path, &file, err));
    if (avow_json_parse(avow_buf_view(&file), &doc, err) < 0)
        return avow_error_prefix(err, "%s: not a JWK set, as an issuer's /certs gives", path);
    if (avow_json_get_array(doc, "keys", AVOW_MAA_KEYS_MAX, &list, err) < 0)
        return avow_error_prefix(err, "%s: not a JWK set", path);
    if (!s->keys)
        s->keys = json_pack("{s:[]}", "keys");
    if (!s->keys || json_array_extend(json_object_get(s->keys, "keys"), list) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    return 0;
}

/* ---- judging ---- */

static int read_keys(const struct avow_verify_setup *s, struct avow_maa_keys *keys,
                     struct avow_error *err)
{
    avow_autofree char *text = NULL;

    if (!s->service.n_issuers)
        return AVOW_FAIL(err, MISSING, "a token: --issuer URL says whose tokens count");
    if (!s->keys)
        return AVOW_FAIL(err, MISSING,
                         "a token: its issuer's keys are needed: --with FILE, what %s/certs gives",
                         s->service.issuers[0].url);
    text = json_dumps(s->keys, JSON_COMPACT);
    return text ? avow_maa_keys_parse(avow_bytes_str(text), keys, err)
                : AVOW_FAIL(err, NOMEM, "out of memory");
}

static int appraise(const struct avow_verify_setup *s, struct avow_bytes token,
                    const struct avow_maa_keys *keys, struct avow_verify_item *item,
                    struct avow_error *err)
{
    struct avow_maa_issuer issuers[AVOW_ISSUERS_MAX];
    struct avow_maa_token_in in = {
        .token = token,
        .issuers = issuers,
        .n_issuers = s->service.n_issuers,
        .now = s->now,
        .skew_s = AVOW_MAA_SKEW_DEFAULT,
        .unbound_ok = true,
        .policy = s->policy,
        .member = s->member,
    };

    for (size_t i = 0; i < s->service.n_issuers; i++) {
        const struct avow_verifier_issuer *from = &s->service.issuers[i];

        issuers[i] = (struct avow_maa_issuer){
            .url = from->url,
            .keys = keys,
            .policy_hashes = (const char *const *)from->policy_hashes,
            .n_policy_hashes = from->n_policy_hashes,
        };
    }
    AVOW_TRY(avow_maa_token_appraise(&in, &item->token, &item->claims, &item->verdict, err));
    if (!avow_policy_pins(s->policy, item->claims.tee, s->member).measurement)
        return 0;
    in.any_paravisor = true; /* the policy says which one */
    return avow_maa_token_appraise(&in, &item->token, &item->claims, &item->verdict, err);
}

int avow_verify_token(const struct avow_verify_setup *s, struct avow_bytes file,
                      struct avow_verify_item *item, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf token = AVOW_BUF(AVOW_FILE_MAX);
    avow_autofree struct avow_maa_keys *keys = calloc(1, sizeof *keys);

    if (!keys || !find_token(file, &token))
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(read_keys(s, keys, err));
    item->is_token = true;
    return appraise(s, avow_buf_view(&token), keys, item, err);
}

json_t *avow_verify_token_json(const struct avow_verify_setup *s,
                               const struct avow_verify_item *item)
{
    const struct avow_maa_token_info *t = &item->token;

    if (!t->verified)
        return json_pack("{s:b}", "verified", 0);
    return json_pack("{s:b, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "verified", 1, "issuer",
                     s->service.issuers[t->issuer].url, "type", avow_maa_type_name(t->type), "jti",
                     t->jti, "policy_hash", t->policy_hash, "iat", (json_int_t)t->iat, "nbf",
                     (json_int_t)t->nbf, "exp", (json_int_t)t->exp);
}
