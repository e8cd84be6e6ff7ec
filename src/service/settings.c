#include "service/settings.h"

#include <stdio.h>
#include <string.h>

#include "codec/yaml.h"
#include "serve/address.h"
#include "serve/file.h"
#include "store/store.h"

#define ROOTS_MAX (1u << 20)
#define ISSUER_MAX 64 /* it becomes the CN of certificates (RFC 5280, ub-common-name) */

static const struct avow_schema text = { .type = AVOW_YAML_STRING, .min = 1, .max = 4095 };
static const struct avow_schema address = {
    .type = AVOW_YAML_STRING, .what = "an address such as 0.0.0.0:7443", .min = 3, .max = 271
};
static const struct avow_schema url = { .type = AVOW_YAML_STRING,
                                        .what = "a URL such as https://verifier.example:7443",
                                        .min = 9,
                                        .max = ISSUER_MAX };
static const struct avow_schema token_life = { .type = AVOW_YAML_DURATION,
                                               .min = 60000,
                                               .max = 7 * 86400000LL };
static const struct avow_schema key_life = { .type = AVOW_YAML_DURATION,
                                             .min = 60000,
                                             .max = 3650 * 86400000LL };
static const struct avow_schema nonce_life = { .type = AVOW_YAML_DURATION,
                                               .min = 1000,
                                               .max = 86400000 };
static const struct avow_schema rate = { .type = AVOW_YAML_INT, .min = 1, .max = 1000000 };
static const struct avow_schema count = { .type = AVOW_YAML_INT, .min = 1, .max = 16384 };
static const struct avow_schema threads = { .type = AVOW_YAML_INT, .min = 1, .max = 16 };
static const struct avow_schema bytes = { .type = AVOW_YAML_SIZE,
                                          .min = 1 << 20,
                                          .max = INT64_MAX };
static const struct avow_schema_key tls_keys[] = {
    { "certificate", &text, true },
    { "key", &text, true },
    { 0 },
};
static const struct avow_schema tls = { .type = AVOW_YAML_MAP, .keys = tls_keys };

static const struct avow_schema_key keys[] = {
    { "listen", &address, false },
    { "state", &text, false },
    { "issuer", &url, false },
    { "tls", &tls, false },
    { "collateral", &text, false },
    { "simulated-roots", &text, false },
    { "administrators", &text, false },
    { "policy-signers", &text, false },
    { "paravisors", &text, false },
    { "tee", &avow_source_schema, false },
    { "token-life", &token_life, false },
    { "key-life", &key_life, false },
    { "nonce-life", &nonce_life, false },
    { "rate", &rate, false },
    { "connections", &count, false },
    { "connections-per-client", &count, false },
    { "workers", &threads, false },
    { "audit-max", &bytes, false },
    { 0 },
};
static const struct avow_schema schema = { .type = AVOW_YAML_MAP, .keys = keys };

void avow_settings_done(struct avow_settings *s)
{
    char *const texts[] = { s->listen,     s->state,         s->issuer,          s->tls_cert,
                            s->tls_key,    s->collateral,    s->simulated_roots, s->administrators,
                            s->paravisors, s->policy_signers };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    avow_source_settings_done(&s->tee);
    memset(s, 0, sizeof *s);
}

int avow_settings_set(char **to, const char *value, struct avow_error *err)
{
    char *copy = strdup(value);

    if (!copy)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    free(*to);
    *to = copy;
    return 0;
}

static int take_text(const json_t *j, const char *key, const char *otherwise, char **out,
                     struct avow_error *err)
{
    const char *v = otherwise;

    AVOW_TRY(avow_json_opt_str(j, key, &v, err));
    return v ? avow_settings_set(out, v, err) : 0;
}

static int take_texts(const json_t *j, struct avow_settings *s, struct avow_error *err)
{
    const json_t *files = json_object_get(j, "tls");

    AVOW_TRY(take_text(j, "listen", AVOW_SETTINGS_LISTEN, &s->listen, err));
    AVOW_TRY(take_text(j, "state", AVOW_SETTINGS_STATE, &s->state, err));
    AVOW_TRY(take_text(j, "issuer", NULL, &s->issuer, err));
    AVOW_TRY(take_text(j, "collateral", NULL, &s->collateral, err));
    AVOW_TRY(take_text(j, "simulated-roots", NULL, &s->simulated_roots, err));
    AVOW_TRY(take_text(j, "administrators", NULL, &s->administrators, err));
    AVOW_TRY(take_text(j, "policy-signers", NULL, &s->policy_signers, err));
    AVOW_TRY(take_text(j, "paravisors", NULL, &s->paravisors, err));
    if (files) {
        AVOW_TRY(take_text(files, "certificate", NULL, &s->tls_cert, err));
        AVOW_TRY(take_text(files, "key", NULL, &s->tls_key, err));
    }
    return 0;
}

static int take_number(const json_t *j, const char *key, int64_t otherwise, int64_t *out,
                       struct avow_error *err)
{
    *out = otherwise;
    return avow_json_opt_int(j, key, 1, INT64_MAX, out, err);
}

static int take_numbers(const json_t *j, struct avow_settings *s, struct avow_error *err)
{
    const struct {
        const char *key;
        int64_t otherwise;
        uint32_t *out;
    } counts[] = {
        { "rate", AVOW_SETTINGS_RATE, &s->rate },
        { "connections", AVOW_SETTINGS_CONNECTIONS, &s->connections },
        { "connections-per-client", AVOW_SETTINGS_CONNECTIONS_PER_CLIENT,
          &s->connections_per_client },
        { "workers", 0, &s->workers },
    };
    const struct {
        const char *key;
        int64_t otherwise;
        int64_t *out;
    } times[] = { { "token-life", AVOW_SETTINGS_TOKEN_LIFE_S, &s->token_life_s },
                  { "key-life", AVOW_SETTINGS_KEY_LIFE_S, &s->key_life_s },
                  { "nonce-life", AVOW_SETTINGS_NONCE_LIFE_S, &s->nonce_life_s } };
    int64_t v = 0;

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        AVOW_TRY(take_number(j, counts[i].key, counts[i].otherwise, &v, err));
        *counts[i].out = (uint32_t)v;
    }
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        AVOW_TRY(take_number(j, times[i].key, times[i].otherwise * 1000, &v, err));
        *times[i].out = v / 1000;
    }
    AVOW_TRY(take_number(j, "audit-max", (int64_t)AVOW_SETTINGS_AUDIT_MAX, &v, err));
    s->audit_max = (uint64_t)v;
    return 0;
}

/* A relying party compares it as text: nothing that could be written in two ways, or be Azure. */
static int check_issuer(const struct avow_yaml *y, const struct avow_settings *s,
                        struct avow_error *err)
{
    const json_t *at = json_object_get(avow_yaml_value(y), "issuer");
    size_t n = s->issuer ? strlen(s->issuer) : 0;

    if (!s->issuer)
        return 0;
    if (strncmp(s->issuer, "https://", 8) != 0 || s->issuer[n - 1] == '/' ||
        strpbrk(s->issuer, "?# \"\\<>") || s->issuer[8] == '/')
        return avow_yaml_fail(
            y, at, AVOW_E_FORMAT, err,
            "issuer: must be https://HOST[:PORT][/PATH] without \"/\" at its end");
    if (strcasestr(s->issuer, ".attest.azure."))
        return avow_yaml_fail(y, at, AVOW_E_FORMAT, err, "issuer: this service is not Azure's");
    return 0;
}

static int check(const struct avow_yaml *y, const struct avow_settings *s, struct avow_error *err)
{
    struct sockaddr_storage addr;
    socklen_t len = 0;
    char host[256];

    AVOW_TRY(check_issuer(y, s, err));
    return avow_address_parse(s->listen, &addr, &len, host, err);
}

int avow_settings_load(const char *path, struct avow_settings *out, struct avow_error *err)
{
    avow_auto(avow_cleanup_yaml) struct avow_yaml *y = NULL;
    avow_auto(avow_settings_done) struct avow_settings s = { 0 };

    if (path)
        AVOW_TRY(avow_yaml_load_file(path, &schema, &y, err));
    else
        AVOW_TRY(avow_yaml_load(avow_bytes_str("{}"), "defaults", &schema, &y, err));
    AVOW_TRY(take_texts(avow_yaml_value(y), &s, err));
    AVOW_TRY(avow_source_settings_read(y, json_object_get(avow_yaml_value(y), "tee"), &s.tee, err));
    AVOW_TRY(take_numbers(avow_yaml_value(y), &s, err));
    AVOW_TRY(check(y, &s, err));
    *out = s;
    memset(&s, 0, sizeof s);
    return 0;
}

int avow_settings_path(const struct avow_settings *s, const char *name, char **out,
                       struct avow_error *err)
{
    if (asprintf(out, "%s/%s", s->state, name) < 0) {
        *out = NULL;
        return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    return 0;
}

int avow_settings_anchors(const struct avow_settings *s, struct avow_anchors *out,
                          struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(ROOTS_MAX);
    int rc = 0;

    avow_anchors_builtin(out);
    if (!s->simulated_roots)
        return 0;
    AVOW_TRY(avow_file_read(s->simulated_roots, AVOW_FILE_ANYBODYS, &pem, err));
    rc = avow_anchors_add_simulated(out, avow_buf_view(&pem), err);
    if (rc < 0)
        (void)avow_error_prefix(err, "%s", s->simulated_roots);
    return rc;
}

int avow_settings_administrators(const struct avow_settings *s, struct avow_clients *out,
                                 struct avow_error *err)
{
    out->n = 0;
    return s->administrators ? avow_clients_load(s->administrators, out, err) : 0;
}

int avow_settings_policy_signers(const struct avow_settings *s, struct avow_clients **out,
                                 struct avow_error *err)
{
    avow_autofree struct avow_clients *signers = NULL;

    *out = NULL;
    if (!s->policy_signers)
        return 0;
    signers = calloc(1, sizeof *signers);
    if (!signers)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_clients_load(s->policy_signers, signers, err));
    *out = avow_steal(&signers);
    return 0;
}

int avow_settings_paravisors(const struct avow_settings *s, struct avow_paravisors **out,
                             struct avow_error *err)
{
    *out = NULL;
    return s->paravisors ? avow_paravisors_load(s->paravisors, out, err) : 0;
}

int avow_settings_check(const struct avow_settings *s, struct avow_error *err)
{
    avow_auto(avow_cleanup_paravisors) struct avow_paravisors *paravisors = NULL;
    avow_autofree struct avow_clients *signers = NULL;
    avow_auto(avow_cleanup_store) struct avow_store *store = NULL;
    avow_autofree struct avow_clients *admins = calloc(1, sizeof *admins);
    struct avow_anchors anchors;
    struct sockaddr_storage addr;
    socklen_t len = 0;
    char host[256];

    if (!admins)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(
        avow_address_parse(s->listen, &addr, &len, host, err)); /* the option, if not the file */
    AVOW_TRY(avow_settings_administrators(s, admins, err));
    AVOW_TRY(avow_settings_anchors(s, &anchors, err));
    AVOW_TRY(avow_settings_policy_signers(s, &signers, err));
    AVOW_TRY(avow_settings_paravisors(s, &paravisors, err));
    return s->collateral ? avow_store_open(s->collateral, AVOW_STORE_READ, &store, err) : 0;
}
