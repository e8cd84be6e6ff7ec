/*
 * Broker: avowd's part of the fabric (docs/protocols/fabric.md). For every connection between ranks
 * of different nodes it makes a TCP connection to the peer's node port, proves with the pair's
 * secret that it may, derives fresh keys for this one connection, and passes socket and keys to the
 * rank. Lives in the daemon's event loop; loop thread only.
 */
#ifndef AVOW_FABRIC_BROKER_H
#define AVOW_FABRIC_BROKER_H

#include <event2/event.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/secret.h"
#include "fabric/wire.h"

#define AVOW_FABRIC_MAGIC0 'A' /* first byte of a fabric header; a TLS record begins with 0x16 */

struct avow_broker;

struct avow_broker_peer {
    struct sockaddr_storage addr; /* the peer avowd's node port; len 0 for the own entry */
    socklen_t addr_len;
    struct avow_key prk; /* the pair's secret of this epoch */
};

struct avow_broker_job {
    char job[37]; /* UUID */
    uint64_t epoch;
    uint32_t self; /* own node index */
    uint32_t n_nodes;
    const struct avow_broker_peer *peers; /* n_nodes, by node index; copied */
    int bell_fd; /* seqpacket to avow_bell_serve inside the job's namespace; taken */
};

/* What the broker reports; called in the loop. */
struct avow_broker_events {
    /* An authentication failure, on any connection of this job: end the job. Both ends are named
     * in @text. @job "" if the header named no known job (then only count and log it). */
    void (*auth_failed)(void *ctx, const char *job, uint32_t peer_node, const char *text);
    void *ctx;
};

struct avow_broker_stats {
    uint64_t connects, accepts, refused, auth_failures, replays, timeouts;
};

AVOW_MUST_USE int avow_broker_new(struct event_base *base, const struct avow_broker_events *ev,
                                  struct avow_broker **out, struct avow_error *err);
void avow_broker_free(struct avow_broker *b);
const struct avow_broker_stats *avow_broker_stats(const struct avow_broker *b);

AVOW_MUST_USE int avow_broker_job_add(struct avow_broker *b, const struct avow_broker_job *job,
                                      struct avow_error *err);
/* Closes and wipes everything of the job; unknown job: no effect. */
void avow_broker_job_remove(struct avow_broker *b, const char *job);
/*
 * Take one end of a rank's control socket (AF_UNIX SOCK_SEQPACKET; the other end is inherited by
 * the rank, its number in the environment variable AVOW_FABRIC_FD). @rank is the global rank.
 */
AVOW_MUST_USE int avow_broker_rank_add(struct avow_broker *b, const char *job, uint32_t rank,
                                       int take_fd, struct avow_error *err);
/* Take an accepted connection of the node port whose first byte is AVOW_FABRIC_MAGIC0: look with
 * MSG_PEEK, every byte must still be in the socket. */
void avow_broker_accept(struct avow_broker *b, int take_fd);

#endif
