/*
 * What the shells of one job tell each other: opaque blobs to avowd (docs/protocols/shell.md,
 * "Between shells"). Parsed strictly although the sender is attested. Pure; any thread.
 */
#ifndef AVOW_LAUNCH_PEER_H
#define AVOW_LAUNCH_PEER_H

#include "launch/outcome.h"

#define AVOW_PEER_MAGIC 0x41565331u   /* "AVS1" */
#define AVOW_PEER_DATA_MAX (4u << 20) /* bytes of modex data or key-value pairs in one message */
#define AVOW_PEER_SIGNATURE_MAX (300u << 10) /* bytes: a list of every rank fits */
#define AVOW_PEER_BLOB_MAX (AVOW_PEER_DATA_MAX + AVOW_PEER_SIGNATURE_MAX + 64)

enum avow_peer_type {
    AVOW_PEER_FENCE = 1,   /* to the head: this node's part of a collective */
    AVOW_PEER_RELEASE = 2, /* from the head: the collective is complete */
    AVOW_PEER_ASK = 3,     /* modex data of one rank wanted; the head passes it on */
    AVOW_PEER_ANSWER = 4,
    AVOW_PEER_EXIT = 5, /* to the head: a rank ended well */
    AVOW_PEER_FAIL = 6, /* to the head: the job must end */
    AVOW_PEER_END = 7,  /* from the head: the job has ended, with this outcome */
};

struct avow_peer_msg {
    enum avow_peer_type type;
    uint32_t id;                 /* ASK, ANSWER: the asking node's number of the question */
    uint32_t node;               /* ASK, ANSWER: the asking node */
    uint32_t rank;               /* ASK, ANSWER: whose data; EXIT: who */
    int32_t status;              /* ANSWER, RELEASE: a PMIx status, 0 success */
    struct avow_bytes signature; /* FENCE, RELEASE */
    struct avow_bytes data;      /* FENCE, RELEASE, ANSWER */
    struct avow_outcome outcome; /* FAIL, END */
};

/* Append @m to @out. -AVOW_E_LIMIT. */
AVOW_MUST_USE int avow_peer_emit(const struct avow_peer_msg *m, struct avow_buf *out);

/* @out's views point into @blob. -AVOW_E_PROTOCOL. */
AVOW_MUST_USE int avow_peer_parse(struct avow_bytes blob, struct avow_peer_msg *out,
                                  struct avow_error *err);

#endif
