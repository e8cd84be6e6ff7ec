/*
 * Who judges evidence, as job files and avowd's configuration say it: `verifier:` one mapping or a
 * list of them, {kind: local} or {kind: azure, url, issuers, ca, max-age}, and `require: all|any`
 * where there are two. An issuer is a URL, or {url, policy-hashes}. docs/formats/job-file.md.
 */
#ifndef AVOW_VERIFIER_SETTINGS_H
#define AVOW_VERIFIER_SETTINGS_H

#include "base/cleanup.h"
#include "codec/yaml.h"

#define AVOW_ISSUERS_MAX 16
#define AVOW_VERIFIER_URL_MAX 512
#define AVOW_POLICY_HASHES_MAX 16            /* of one issuer */
#define AVOW_POLICY_HASH_LEN 43              /* base64url of a SHA-256, without padding */
#define AVOW_VERIFIERS_TEXT_MAX (256u << 10) /* bytes of a document of them */
#define AVOW_TOKEN_AGE_DEFAULT_S 3600
#define AVOW_TOKEN_AGE_MAX_S 28800 /* what Azure lets a token live */

enum avow_require { AVOW_REQUIRE_ALL = 0, AVOW_REQUIRE_ANY };

/* One whose tokens count. Strings are owned. */
struct avow_verifier_issuer {
    char *url;                                   /* without a slash at its end */
    size_t n_policy_hashes;                      /* 0: whatever policy it has */
    char *policy_hashes[AVOW_POLICY_HASHES_MAX]; /* x-ms-policy-hash that are accepted */
};

/* Zeroed: judged here alone. Strings are owned. */
struct avow_verifier_settings {
    bool azure;    /* a service that speaks Azure Attestation's API judges too */
    bool no_local; /* nothing is judged here */
    enum avow_require require;
    char *url; /* without a slash at its end */
    size_t n_issuers;
    struct avow_verifier_issuer issuers[AVOW_ISSUERS_MAX]; /* the url if none was named */
    char *ca;          /* PEM to trust for TLS instead of the system's, or NULL */
    int64_t max_age_s; /* of a token */
};

/* For the keys `verifier` and `require` of a file. */
extern const struct avow_schema avow_verifier_schema, avow_require_schema;

/*
 * Read both values (either may be NULL) of @y, which names places in errors. @out is written only
 * on success; avow_verifier_settings_done it. -AVOW_E_FORMAT, -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_verifier_settings_read(const struct avow_yaml *y, const json_t *verifier,
                                              const json_t *require,
                                              struct avow_verifier_settings *out,
                                              struct avow_error *err);
void avow_verifier_settings_done(struct avow_verifier_settings *s);
AVOW_MUST_USE int avow_verifier_settings_copy(const struct avow_verifier_settings *from,
                                              struct avow_verifier_settings *to,
                                              struct avow_error *err);

/* A document that has nothing but the keys `verifier` (required) and `require`; @name: for errors.
 * As avow_verifier_settings_read, and what avow_yaml_load returns. */
AVOW_MUST_USE int avow_verifier_settings_parse(struct avow_bytes text, const char *name,
                                               struct avow_verifier_settings *out,
                                               struct avow_error *err);
/* Such a document of @s, which was read from one: new reference, NULL when memory is short. */
json_t *avow_verifier_settings_json(const struct avow_verifier_settings *s);
/* Those of one service: its URL, https:// and not longer than AVOW_VERIFIER_URL_MAX, @whose tokens
 * count (URLs; none: its own), @ca or NULL. @what: the option's name, for errors. -AVOW_E_FORMAT,
 * -AVOW_E_LIMIT, -AVOW_E_NOMEM. */
AVOW_MUST_USE int avow_verifier_settings_of(const char *what, const char *service,
                                            const char *const *whose, size_t n_issuers,
                                            const char *ca, struct avow_verifier_settings *out,
                                            struct avow_error *err);

#endif
