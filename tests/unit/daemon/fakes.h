/*
 * Stand-ins, found at link time, for what jobs stand on: HTTP calls and streams, formations whose
 * links are within the process, a broker that counts. A test drives the handlers that were
 * registered as routes.
 */
#ifndef AVOW_TEST_FAKES_H
#define AVOW_TEST_FAKES_H

#include "daemon/formation.h"
#include "daemon/http.h"
#include "fabric/broker.h"

#include "../test.h"

#define FAKE_NODES 2
#define FAKE_STREAM_EVENTS 512

struct avow_stream {
    char *events[FAKE_STREAM_EVENTS]; /* "id type json" */
    unsigned n;
    bool ended;
    bool full; /* refuses events */
    void (*gone)(void *ctx);
    void *ctx;
};

struct avow_call {
    const char *method;
    char path[512];
    struct {
        char name[16];
        char value[256];
    } params[4];
    unsigned n_params;
    const char *query; /* "a=1&b=2" */
    uint8_t spki[32];
    json_t *json;
    struct avow_bytes body;
    /* the answer */
    bool answered;
    bool deferred;
    int status;
    json_t *reply; /* JSON replies and errors */
    struct avow_buf bytes;
    struct avow_stream stream;
    void (*gone)(void *ctx);
    void *gone_ctx;
};

struct fake_route {
    const char *method;
    const char *pattern;
    avow_handler_fn fn;
    void *ctx;
};

struct avow_http {
    struct fake_route routes[32];
    unsigned n;
};

struct avow_formations {
    struct avow_formation_user user;
    struct avow_formation *f;
};

struct avow_formation {
    struct event_base *base;
    struct avow_formations *all;
    struct avow_formation *peers[FAKE_NODES]; /* the same formation on the other nodes */
    struct avow_roster roster;
    uint32_t self;
    bool formed;
    bool down; /* links are lost */
    struct avow_buf manifest;
    json_t *verdicts;
    uint8_t owner[32];
    struct avow_key prk;
    int held;
    unsigned sent[256]; /* by type */
};

struct avow_broker {
    struct avow_broker_stats stats;
    int jobs;
    int ranks;
    int bell;
    int rank_fds[64];
};

/* Call a route; the call must be released. */
void fake_call(struct avow_http *h, struct avow_call *c, const char *method, const char *path);
void fake_call_release(struct avow_call *c);
/* Links of @f go down as if node @lost was killed: the user hears of it from the loop. */
void fake_lose(struct avow_formation *f, uint32_t lost);
void fake_broker_release(struct avow_broker *b);

#endif
