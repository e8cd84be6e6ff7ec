#include "verifier/settings.h"

#include <stdlib.h>

static const struct avow_schema word = { .type = AVOW_YAML_STRING, .min = 1, .max = 32 };
static const struct avow_schema url = {
    .type = AVOW_YAML_STRING, .what = "an https:// address", .min = 9, .max = AVOW_VERIFIER_URL_MAX
};
static const struct avow_schema path = {
    .type = AVOW_YAML_STRING, .what = "a path", .min = 1, .max = 4096
};
static const struct avow_schema urls = {
    .type = AVOW_YAML_LIST, .item = &url, .min = 1, .max = AVOW_ISSUERS_MAX
};
static const struct avow_schema age = { .type = AVOW_YAML_DURATION,
                                        .min = 1000,
                                        .max = AVOW_TOKEN_AGE_MAX_S * (int64_t)1000 };

static const struct avow_schema_key keys[] = {
    { "kind", &word, true }, { "url", &url, false },     { "issuers", &urls, false },
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
        AVOW_TRY(take_url(r, item, &r->s->issuers[r->s->n_issuers++]));
    if (!r->s->n_issuers)
        AVOW_TRY(take(r, r->s->url, &r->s->issuers[r->s->n_issuers++]));
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
    for (size_t i = 0; i < s->n_issuers; i++)
        free(s->issuers[i]);
    *s = (struct avow_verifier_settings){ 0 };
}

static int copy_text(const char *from, char **to, struct avow_error *err)
{
    *to = from ? strdup(from) : NULL;
    return from && !*to ? AVOW_FAIL(err, NOMEM, "out of memory") : 0;
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
    for (size_t i = 0; i < from->n_issuers && rc == 0; i++) {
        rc = copy_text(from->issuers[i], &to->issuers[i], err);
        to->n_issuers += rc == 0;
    }
    if (rc < 0)
        avow_verifier_settings_done(to);
    return rc;
}
