/* What the parts of the verifier share. */
#ifndef AVOW_SERVICE_VERIFIER_INTERNAL_H
#define AVOW_SERVICE_VERIFIER_INTERNAL_H

#include "obs/metrics.h"
#include "serve/quiet.h"
#include "serve/workers.h"
#include "service/audit.h"
#include "service/keys.h"
#include "service/kit.h"
#include "service/nonces.h"
#include "service/policies.h"
#include "service/server.h"
#include "service/throttle.h"
#include "service/verifier.h"

#define VERIFIER_BUILD "avow " AVOW_VERSION

/* What evidence is judged by; workers hold a reference while they use it. */
struct basis {
    unsigned refs;
    struct avow_anchors anchors;
    struct avow_store *store;           /* or NULL */
    struct avow_paravisors *paravisors; /* or NULL */
    uint64_t serial;                    /* of this opening of it */
};

struct avow_service {
    const struct avow_settings *settings;
    struct avow_source_settings device; /* what it was started with; workers read it */
    struct event_base *base;
    char *issuer, *address, *tls_cert, *tls_key;
    struct avow_audit *audit;
    struct avow_keys *keys;
    struct avow_policies *policies;
    struct avow_throttle *throttle;
    struct avow_nonces *nonces;
    struct avow_metrics *metrics;
    struct avow_workers *workers;
    struct avow_server *server;
    struct basis *basis;
    struct avow_kits kits;
    struct avow_clients *admins;
    struct avow_clients *signers; /* of policies; NULL: they need no signature */
    json_t *jwks;                 /* what /certs answers */
    struct event *tick;           /* once a minute */
    bool rotating;
    uint64_t since_ns;
    struct avow_quiet failed; /* what strangers cause */
};

struct basis *basis_ref(struct basis *b);
void basis_unref(struct basis *b);
AVOW_DEFINE_CLEANUP(basis, struct basis, basis_unref)

/* Unix seconds. */
int64_t verifier_now(void);
/* Whether the client of @r showed an administrator's certificate. */
bool verifier_is_admin(const struct avow_service *v, const struct avow_request *r);

/* The routes that read nothing of clients: certs, configuration, health, metrics, nonces. */
void public_routes(struct avow_service *v);

/* ---- attest_api.c ---- */
void attest_routes(struct avow_service *v);
/* Whether the request's api-version is served; false: it was answered. */
bool verifier_check_version(struct avow_request *r);

/* ---- policy_api.c ---- */
void policy_routes(struct avow_service *v);

/* ---- rotation.c ---- */
/* Attest the current keys, if a source is configured. Waits for it. */
AVOW_MUST_USE int rotation_attest(struct avow_service *v, struct avow_error *err);
/* Again what /certs answers. */
AVOW_MUST_USE int rotation_publish(struct avow_service *v, struct avow_error *err);
/* Once a minute: rotate by age, drop what is not needed. */
void rotation_tick(struct avow_service *v);

#endif
