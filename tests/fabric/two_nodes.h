/*
 * Two nodes on one machine: two brokers in the calling process, and for each node a network
 * namespace with the job's virtual address, a doorbell, and a command run in it with the shim
 * preloaded. For tests and measurements. Needs root, or user namespaces.
 */
#ifndef TWO_NODES_H
#define TWO_NODES_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stdint.h>

#include "fabric/broker.h"

#define TWO_NODES_TEXT_MAX 512

/* Somebody on the path from node 0 to node 1. @direction 0: from 0 to 1, 1: back. Moves what it
 * will of @in to @out. @connection counts from 0. */
typedef void (*two_nodes_tamper_fn)(void *ctx, unsigned connection, int direction,
                                    struct evbuffer *in, struct evbuffer *out);

struct two_nodes {
    const char *shim;     /* path of libavow-fabric.so */
    char *const *argv[2]; /* the command of each node */
    bool no_shim[2];      /* run it without the shim */
    bool no_fabric[2];    /* run it with the shim but no way to the broker */
    bool wrong_secret;    /* the nodes do not hold the same secret */
    two_nodes_tamper_fn tamper;
    void *tamper_ctx;
    int timeout_ms; /* for everything; then both commands are killed */
};

struct two_nodes_result {
    int status[2]; /* wait status of the commands; -1: killed at the time limit */
    struct avow_broker_stats stats[2];
    unsigned auth_failures[2];        /* reported by each broker */
    char text[2][TWO_NODES_TEXT_MAX]; /* the last of them */
};

/* 0, or -1 with a line on stderr when the set-up itself failed. */
int two_nodes_run(const struct two_nodes *t, struct two_nodes_result *r);
/* Whether this process may make network namespaces and TUN devices. */
bool two_nodes_possible(void);

#endif
