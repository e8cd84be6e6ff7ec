/*
 * Inside of the broker. A rank's process is a client; a connection on its way out of this node is
 * an outbound, one on its way in an inbound. Each belongs to a job and goes with it. A callback of
 * struct avow_broker_events may remove the job: nothing of it is touched after the call.
 */
#ifndef AVOW_FABRIC_BROKER_INTERNAL_H
#define AVOW_FABRIC_BROKER_INTERNAL_H

#include <sys/queue.h>

#include "fabric/broker.h"
#include "fabric/keys.h"
#include "fabric/nonces.h"

#define BROKER_CONNECT_MS 5000                       /* TCP connect to the peer's daemon */
#define BROKER_HEADER_MS 5000                        /* from accept to a whole header */
#define BROKER_RING_MS (AVOW_BELL_CONNECT_MS + 2000) /* from ring request to the bell's answer */
#define BROKER_REPLY_MS (BROKER_RING_MS + 3000)      /* from header sent to a whole reply */
#define BROKER_FETCH_MS 10000    /* a fetch that came before the bell's answer */
#define BROKER_GREETING_MAX 512  /* accepted connections whose header is not in yet */
#define BROKER_CLIENTS_MAX 16384 /* processes of ranks, in one job */
#define BROKER_TEXT_MAX (AVOW_CTL_TEXT_MAX + 128)

struct job;
struct outbound;

/* One process of a rank; or, if shared, the socket that they all inherit. */
struct client {
    LIST_ENTRY(client) entry;
    struct job *job;
    uint32_t rank;
    bool shared;
    int fd;
    struct event *ev;
    struct outbound *out; /* its connect under way, or NULL */
    bool fetching;        /* a fetch waits for the bell's answer */
    uint32_t fetch_id;
    uint16_t fetch_port;
    struct event *fetch_timer;
};

struct outbound {
    struct job *job;
    struct client *client;
    uint32_t id;
    uint32_t peer;
    int fd;
    struct event *ev;
    int64_t deadline_ms;
    bool sent;
    struct avow_fabric_header header;
    uint8_t reply[AVOW_FABRIC_REPLY_LEN];
    size_t got;
};

enum inbound_state {
    INBOUND_GREETING, /* header not in yet: belongs to the broker, not to a job */
    INBOUND_RINGING,  /* the bell was asked */
    INBOUND_WAITING,  /* the listener has the bell's connection; waits to be fetched */
};

struct inbound {
    LIST_ENTRY(inbound) entry;
    enum inbound_state state;
    struct avow_broker *broker;
    struct job *job; /* NULL while greeting */
    int fd;
    struct event *ev;
    int64_t deadline_ms;
    uint8_t wire[AVOW_FABRIC_HEADER_LEN];
    size_t got;
    struct avow_fabric_header header;
    struct avow_fabric_reply reply;
    uint32_t ring;
    uint16_t port; /* the ring's source port */
};

struct peer {
    struct sockaddr_storage addr;
    socklen_t addr_len;
    struct avow_fabric_pair pair;
};

struct job {
    LIST_ENTRY(job) entry;
    struct avow_broker *broker;
    char name[37];
    uint8_t uuid[AVOW_FABRIC_UUID_LEN];
    uint64_t epoch;
    uint32_t self;
    uint32_t n_peers;
    struct peer *peers; /* by node index; the own entry unused */
    int bell_fd;        /* -1 once the bell has gone */
    struct event *bell_ev;
    uint32_t next_ring;
    LIST_HEAD(, client) clients;
    size_t n_clients;
    LIST_HEAD(, inbound) inbounds; /* ringing and waiting */
    size_t n_inbounds;
    struct avow_nonces seen;
};

struct avow_broker {
    struct event_base *base;
    struct avow_broker_events events;
    struct avow_broker_stats stats;
    LIST_HEAD(, job) jobs;
    LIST_HEAD(, inbound) greetings;
    size_t n_greetings;
};

/* broker.c */
int64_t broker_now_ms(void);
/* Wait once for @what on @fd until @deadline_ms; replaces what *ev waited for. */
AVOW_MUST_USE int broker_wait(struct avow_broker *b, struct event **ev, int fd, short what,
                              int64_t deadline_ms, event_callback_fn cb, void *arg);
void broker_unwait(struct event **ev);
void broker_auth_failed(struct avow_broker *b, const struct job *job, uint32_t peer,
                        const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* client.c */
AVOW_MUST_USE int client_new(struct job *job, uint32_t rank, bool shared, int take_fd);
void client_free(struct client *c);
/* Answer @c: @h, @r and @keys (both NULL unless connected) describe the connection, @fd is passed
 * with it (-1: none). Closes the client if it does not take the answer. */
void client_answer(struct client *c, uint32_t id, enum avow_fabric_status status,
                   const struct avow_fabric_header *h, const struct avow_key keys[2], int fd);

/* outbound.c */
void outbound_start(struct client *c, const struct avow_ctl_request *q);
void outbound_free(struct outbound *o);

/* inbound.c */
void inbound_new(struct avow_broker *b, int take_fd);
void inbound_free(struct inbound *in);
/* The bell said something; or went away (@r NULL): then everything that rings is refused. */
void inbound_bell(struct job *job, const struct avow_bell_reply *r);
/* A rank asks for the connection that the bell announced from @port. */
void inbound_fetch(struct client *c, uint32_t id, uint16_t port);

#endif
