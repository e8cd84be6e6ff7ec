/*
 * Settings of avow-verifier: one YAML file (packaging/avow-verifier.yaml shows every key), of which
 * nothing is required; --state and --listen win over it.
 */
#ifndef AVOW_SERVICE_SETTINGS_H
#define AVOW_SERVICE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "serve/clients.h"
#include "service/paravisors.h"
#include "source/settings.h"
#include "verify/anchors.h"

#define AVOW_SETTINGS_LISTEN "127.0.0.1:7443"
#define AVOW_SETTINGS_STATE "/var/lib/avow-verifier"
#define AVOW_SETTINGS_TOKEN_LIFE_S 28800 /* as MAA's */
#define AVOW_SETTINGS_KEY_LIFE_S (90 * 86400)
#define AVOW_SETTINGS_NONCE_LIFE_S 300
#define AVOW_SETTINGS_RATE 100 /* requests a second of one client address */
#define AVOW_SETTINGS_CONNECTIONS 512
#define AVOW_SETTINGS_CONNECTIONS_PER_CLIENT 128
#define AVOW_SETTINGS_AUDIT_MAX ((uint64_t)16 << 30)

/* Strings are owned; NULL if optional and absent. */
struct avow_settings {
    char *listen;
    char *state;              /* folder */
    char *issuer;             /* NULL: https://HOST:PORT of what it listens on */
    char *tls_cert, *tls_key; /* NULL: tls.crt and tls.key in the state folder */
    char *collateral;         /* store; NULL: collateral.db in the state folder, if it is there */
    char *simulated_roots;
    char *administrators; /* file of fingerprints; NULL: nobody may see or set policies */
    char *policy_signers; /* file of fingerprints; NULL: policies need no signature */
    char *paravisors;     /* file of reference values; NULL: no paravisor is known */
    struct avow_source_settings tee; /* without a kind the signing key is not attested */
    int64_t token_life_s, key_life_s, nonce_life_s;
    uint32_t rate;
    uint32_t connections, connections_per_client;
    uint32_t workers; /* 0: one for each processor */
    uint64_t audit_max;
};

/* @path NULL: what holds without a file. @out is written only on success. */
AVOW_MUST_USE int avow_settings_load(const char *path, struct avow_settings *out,
                                     struct avow_error *err);
void avow_settings_done(struct avow_settings *s);
/* Replace a text by a copy of @value. */
AVOW_MUST_USE int avow_settings_set(char **text, const char *value, struct avow_error *err);
/* @name inside the state folder: free() it. */
AVOW_MUST_USE int avow_settings_path(const struct avow_settings *s, const char *name, char **out,
                                     struct avow_error *err);
/* The vendors' roots, and the simulated ones if they are configured. */
AVOW_MUST_USE int avow_settings_anchors(const struct avow_settings *s, struct avow_anchors *out,
                                        struct avow_error *err);
/* Nobody, if no file is configured. */
AVOW_MUST_USE int avow_settings_administrators(const struct avow_settings *s,
                                               struct avow_clients *out, struct avow_error *err);
/* Whose signature a policy needs: owned by the caller. NULL if no file is configured: none. */
AVOW_MUST_USE int avow_settings_policy_signers(const struct avow_settings *s,
                                               struct avow_clients **out, struct avow_error *err);
/* The paravisors that are known: owned by the caller. NULL if no file is configured. */
AVOW_MUST_USE int avow_settings_paravisors(const struct avow_settings *s,
                                           struct avow_paravisors **out, struct avow_error *err);
/* Whether what they name can be read and makes sense. */
AVOW_MUST_USE int avow_settings_check(const struct avow_settings *s, struct avow_error *err);

#endif
