#include "verifier/settings.h"

#include <stdio.h>
#include <stdlib.h>

static const struct avow_schema word = { .type = AVOW_YAML_STRING, .min = 1, .max = 32 };
static const struct avow_schema url = {
    .type = AVOW_YAML_STRING, .what = "an https:// address", .min = 9, .max = AVOW_VERIFIER_URL_MAX
};
static const struct avow_schema path = {
    .type = AVOW_YAML_STRING, .what = "a path", .min = 1, .max = 4096
};
static const struct avow_schema hash = { .type = AVOW_YAML_STRING,
                                         .what = "an x-ms-policy-hash: 43 characters of base64url",
                                         .min = AVOW_POLICY_HASH_LEN,
                                         .max = AVOW_POLICY_HASH_LEN };
static const struct avow_schema hashes = {
    .type = AVOW_YAML_LIST, .item = &hash, .min = 1, .max = AVOW_POLICY_HASHES_MAX
};
static const struct avow_schema_key issuer_keys[] = {
    { "url", &url, true },
    { "policy-hashes", &hashes, false },
    { NULL, NULL, false },
};
static const struct avow_schema pinned = { .type = AVOW_YAML_MAP, .keys = issuer_keys };
static const struct avow_schema issuer = { .type = AVOW_YAML_EITHER,
                                           .what = "an https:// address, or {url, policy-hashes}",
                                           .scalar = &url,
                                           .map = &pinned };
static const struct avow_schema issuers = {
    .type = AVOW_YAML_LIST, .item = &issuer, .min = 1, .max = AVOW_ISSUERS_MAX
};
static const struct avow_schema age = { .type = AVOW_YAML_DURATION,
                                        .min = 1000,
                                        .max = AVOW_TOKEN_AGE_MAX_S * (int64_t)1000 };

static const struct avow_schema_key keys[] = {
    { "kind", &word, true }, { "url", &url, false },     { "issuers", &issuers, false },
    { "ca", &path, false },  { "max-age", &age, false }, { NULL, NULL, false },
};
static const struct avow_schema one = { .type = AVOW_YAML_MAP, .keys = keys };
static const struct avow_schema two = { .type = AVOW_YAML_LIST, .item = &one, .min = 1, .max = 2 };

const struct avow_schema avow_verifier_schema = {
    .type = AVOW_YAML_EITHER, .what = "a verifier or a list of them", .list = &two, .map = &one
};
const struct avow_schema avow_require_schema = {
    .type = AVOW_YAML_STRING, .what = "all or any", .min = 3, .max = 3
};

struct reading {
    const struct avow_yaml *y;
    struct avow_verifier_settings *s;
    bool local;
    struct avow_error *err;
};

static int take(struct reading *r, const char *text, char **out)
{
    size_t n = strlen(text);

    while (n && text[n - 1] == '/')
        n--;
    *out = strndup(text, n);
    return *out ? 0 : AVOW_FAIL(r->err, NOMEM, "out of memory");
}

/* Evidence says which machine it is of, and tokens are believed for TLS' sake too. */
static int take_url(struct reading *r, const json_t *v, char **out)
{
    if (strncmp(json_string_value(v), "https://", 8) != 0)
        return avow_yaml_fail(r->y, v, AVOW_E_FORMAT, r->err, "\"%s\" does not begin with https://",
                              json_string_value(v));
    return take(r, json_string_value(v), out);
}

static int take_hash(struct reading *r, const json_t *v, struct avow_verifier_issuer *to)
{
    static const char base64url[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *text = json_string_value(v);

    if (text[strspn(text, base64url)])
        return avow_yaml_fail(r->y, v, AVOW_E_FORMAT, r->err,
                              "\"%s\" is not an x-ms-policy-hash: it is base64url without padding",
                              text);
    to->policy_hashes[to->n_policy_hashes] = strdup(text);
    if (!to->policy_hashes[to->n_policy_hashes])
        return AVOW_FAIL(r->err, NOMEM, "out of memory");
    to->n_policy_hashes++;
    return 0;
}

/* Of two entries for one issuer the first alone would count: a pin behind a plain URL would be
 * none. */
static int read_issuer(struct reading *r, const json_t *v)
{
    struct avow_verifier_issuer *to = &r->s->issuers[r->s->n_issuers++];
    const json_t *address = json_is_object(v) ? json_object_get(v, "url") : v;
    const json_t *item = NULL;
    size_t i = 0;

    AVOW_TRY(take_url(r, address, &to->url));
    for (size_t k = 0; k + 1 < r->s->n_issuers; k++)
        if (strcmp(r->s->issuers[k].url, to->url) == 0)
            return avow_yaml_fail(r->y, address, AVOW_E_EXISTS, r->err, "issuer %s a second time",
                                  to->url);
    json_array_foreach(json_object_get(v, "policy-hashes"), i, item)
        AVOW_TRY(take_hash(r, item, to));
    return 0;
}

static int read_azure(struct reading *r, const json_t *v)
{
    const json_t *list = json_object_get(v, "issuers");
    const json_t *ca = json_object_get(v, "ca");
    const json_t *max_age = json_object_get(v, "max-age");
    const json_t *item = NULL;
    size_t i = 0;

    if (r->s->azure)
        return avow_yaml_fail(r->y, v, AVOW_E_FORMAT, r->err, "a second verifier of kind azure");
    r->s->azure = true;
    if (!json_object_get(v, "url"))
        return avow_yaml_fail(r->y, v, AVOW_E_FORMAT, r->err, "kind azure needs a url");
    AVOW_TRY(take_url(r, json_object_get(v, "url"), &r->s->url));
    json_array_foreach(list, i, item)
        AVOW_TRY(read_issuer(r, item));
    if (!r->s->n_issuers)
        AVOW_TRY(take(r, r->s->url, &r->s->issuers[r->s->n_issuers++].url));
    if (ca) {
        r->s->ca = strdup(json_string_value(ca));
        if (!r->s->ca)
            return AVOW_FAIL(r->err, NOMEM, "out of memory");
    }
    r->s->max_age_s = max_age ? json_integer_value(max_age) / 1000 : AVOW_TOKEN_AGE_DEFAULT_S;
    return 0;
}

static int read_local(struct reading *r, const json_t *v)
{
    if (r->local)
        return avow_yaml_fail(r->y, v, AVOW_E_FORMAT, r->err, "a second verifier of kind local");
    if (json_object_size(v) > 1)
        return avow_yaml_fail(r->y, v, AVOW_E_FORMAT, r->err, "kind local has no other keys");
    r->local = true;
    return 0;
}

static int read_one(struct reading *r, const json_t *v)
{
    const json_t *kind = json_object_get(v, "kind");

    if (strcmp(json_string_value(kind), "local") == 0)
        return read_local(r, v);
    if (strcmp(json_string_value(kind), "azure") == 0)
        return read_azure(r, v);
    return avow_yaml_fail(r->y, kind, AVOW_E_FORMAT, r->err,
                          "there is no verifier of kind \"%s\" (local, azure)",
                          json_string_value(kind));
}

static int read_require(struct reading *r, const json_t *v)
{
    if (!v || strcmp(json_string_value(v), "all") == 0)
        return 0;
    if (strcmp(json_string_value(v), "any") != 0)
        return avow_yaml_fail(r->y, v, AVOW_E_FORMAT, r->err, "require: \"%s\" is not all or any",
                              json_string_value(v));
    r->s->require = AVOW_REQUIRE_ANY;
    return 0;
}

static int read_all(struct reading *r, const json_t *verifier, const json_t *require)
{
    const json_t *item = NULL;
    size_t i = 0;

    if (json_is_array(verifier))
        json_array_foreach(verifier, i, item)
            AVOW_TRY(read_one(r, item));
    else if (verifier)
        AVOW_TRY(read_one(r, verifier));
    r->s->no_local = verifier && !r->local;
    return read_require(r, require);
}

int avow_verifier_settings_read(const struct avow_yaml *y, const json_t *verifier,
                                const json_t *require, struct avow_verifier_settings *out,
                                struct avow_error *err)
{
    struct avow_verifier_settings s = { 0 };
    struct reading r = { .y = y, .s = &s, .err = err };
    int rc = read_all(&r, verifier, require);

    if (rc < 0) {
        avow_verifier_settings_done(&s);
        return rc;
    }
    *out = s;
    return 0;
}

void avow_verifier_settings_done(struct avow_verifier_settings *s)
{
    free(s->url);
    free(s->ca);
    for (size_t i = 0; i < s->n_issuers; i++) {
        free(s->issuers[i].url);
        for (size_t k = 0; k < s->issuers[i].n_policy_hashes; k++)
            free(s->issuers[i].policy_hashes[k]);
    }
    *s = (struct avow_verifier_settings){ 0 };
}

static int copy_text(const char *from, char **to, struct avow_error *err)
{
    *to = from ? strdup(from) : NULL;
    return from && !*to ? AVOW_FAIL(err, NOMEM, "out of memory") : 0;
}

static int copy_issuer(const struct avow_verifier_issuer *from, struct avow_verifier_issuer *to,
                       struct avow_error *err)
{
    *to = (struct avow_verifier_issuer){ 0 };
    AVOW_TRY(copy_text(from->url, &to->url, err));
    for (; to->n_policy_hashes < from->n_policy_hashes; to->n_policy_hashes++)
        AVOW_TRY(copy_text(from->policy_hashes[to->n_policy_hashes],
                           &to->policy_hashes[to->n_policy_hashes], err));
    return 0;
}

int avow_verifier_settings_copy(const struct avow_verifier_settings *from,
                                struct avow_verifier_settings *to, struct avow_error *err)
{
    int rc = 0;

    *to = *from;
    to->url = to->ca = NULL;
    to->n_issuers = 0;
    rc = copy_text(from->url, &to->url, err);
    if (rc == 0)
        rc = copy_text(from->ca, &to->ca, err);
    for (; to->n_issuers < from->n_issuers && rc == 0; to->n_issuers++)
        rc = copy_issuer(&from->issuers[to->n_issuers], &to->issuers[to->n_issuers], err);
    if (rc < 0)
        avow_verifier_settings_done(to);
    return rc;
}

/* ---- as a document ---- */

static const struct avow_schema_key document_keys[] = {
    { "verifier", &avow_verifier_schema, true },
    { "require", &avow_require_schema, false },
    { NULL, NULL, false },
};
static const struct avow_schema document = { .type = AVOW_YAML_MAP, .keys = document_keys };

int avow_verifier_settings_parse(struct avow_bytes text, const char *name,
                                 struct avow_verifier_settings *out, struct avow_error *err)
{
    avow_auto(avow_cleanup_yaml) struct avow_yaml *y = NULL;
    const json_t *doc = NULL;

    if (text.len > AVOW_VERIFIERS_TEXT_MAX)
        return AVOW_FAIL(err, LIMIT, "%s: more than %u bytes", name, AVOW_VERIFIERS_TEXT_MAX);
    AVOW_TRY(avow_yaml_load(text, name, &document, &y, err));
    doc = avow_yaml_value(y);
    return avow_verifier_settings_read(y, json_object_get(doc, "verifier"),
                                       json_object_get(doc, "require"), out, err);
}

static json_t *issuer_json(const struct avow_verifier_issuer *i)
{
    avow_autojson json_t *list = NULL;

    if (!i->n_policy_hashes)
        return json_string(i->url);
    list = json_array();
    for (size_t k = 0; k < i->n_policy_hashes; k++)
        if (json_array_append_new(list, json_string(i->policy_hashes[k])) < 0)
            return NULL;
    return json_pack("{s:s, s:O}", "url", i->url, "policy-hashes", list);
}

static json_t *azure_json(const struct avow_verifier_settings *s)
{
    avow_autojson json_t *list = json_array();
    char life[32];

    for (size_t i = 0; i < s->n_issuers; i++)
        if (json_array_append_new(list, issuer_json(&s->issuers[i])) < 0)
            return NULL;
    (void)snprintf(life, sizeof life, "%llds", (long long)s->max_age_s);
    return json_pack("{s:s, s:s, s:O, s:s*, s:s}", "kind", "azure", "url", s->url, "issuers", list,
                     "ca", s->ca, "max-age", life);
}

json_t *avow_verifier_settings_json(const struct avow_verifier_settings *s)
{
    avow_autojson json_t *list = json_array();

    if (!s->no_local && json_array_append_new(list, json_pack("{s:s}", "kind", "local")) < 0)
        return NULL;
    if (s->azure && json_array_append_new(list, azure_json(s)) < 0)
        return NULL;
    return json_pack("{s:O, s:s}", "verifier", list, "require",
                     s->require == AVOW_REQUIRE_ANY ? "any" : "all");
}

/* ---- as options ---- */

static int option_url(const char *what, const char *text, char **out, struct avow_error *err)
{
    struct reading r = { .err = err };

    if (strncmp(text, "https://", 8) != 0 || !text[8])
        return AVOW_FAIL(err, FORMAT, "%s: \"%.64s\" does not begin with https://", what, text);
    if (strlen(text) > AVOW_VERIFIER_URL_MAX)
        return AVOW_FAIL(err, LIMIT, "%s: more than %d characters", what, AVOW_VERIFIER_URL_MAX);
    return take(&r, text, out);
}

static int take_options(const char *what, const char *service, const char *const *whose, size_t n,
                        const char *ca, struct avow_verifier_settings *s, struct avow_error *err)
{
    AVOW_TRY(option_url(what, service, &s->url, err));
    if (n > AVOW_ISSUERS_MAX)
        return AVOW_FAIL(err, LIMIT, "--issuer: more than %d", AVOW_ISSUERS_MAX);
    for (size_t i = 0; i < n; i++)
        AVOW_TRY(option_url("--issuer", whose[i], &s->issuers[s->n_issuers++].url, err));
    if (!n)
        AVOW_TRY(option_url(what, service, &s->issuers[s->n_issuers++].url, err));
    return copy_text(ca, &s->ca, err);
}

int avow_verifier_settings_of(const char *what, const char *service, const char *const *whose,
                              size_t n_issuers, const char *ca, struct avow_verifier_settings *out,
                              struct avow_error *err)
{
    struct avow_verifier_settings s = { .azure = true,
                                        .no_local = true,
                                        .max_age_s = AVOW_TOKEN_AGE_DEFAULT_S };
    int rc = take_options(what, service, whose, n_issuers, ca, &s, err);

    if (rc < 0)
        avow_verifier_settings_done(&s);
    else
        *out = s;
    return rc;
}
