/*
 * Wire: one connection to one node, on libcurl, and the only place where a request leaves the
 * client. Its rule: on a connection that is not the attested one nothing is sent but the requests
 * that attest it (quote, again) and healthz. The rule is applied when the connection is up and
 * before the first byte of the request (CURLOPT_PREREQFUNCTION), by the TLS exporter of that very
 * connection, so that a connection replaced behind our back, for whatever reason, carries nothing.
 *
 * A wire is used from one thread at a time; avow_wire_wake from any.
 */
#ifndef AVOW_CLIENT_WIRE_H
#define AVOW_CLIENT_WIRE_H

#include <stdatomic.h>

#include "base/secret.h"
#include "channel/tls.h"

#define AVOW_WIRE_CONNECT_MS 5000
#define AVOW_WIRE_SILENCE_S 35 /* a stream without a byte; nodes say "still here" every 10 s */
#define AVOW_WIRE_REPLY_MAX (64u << 20) /* bytes of a reply kept in memory */

struct avow_wire; /* owned */

enum avow_wire_kind {
    AVOW_WIRE_JOB = 0, /* whatever needs the attested connection */
    AVOW_WIRE_QUOTE,   /* POST /v1/attestation/quote */
    AVOW_WIRE_AGAIN,   /* POST /v1/attestation/again */
    AVOW_WIRE_HEALTH,  /* GET /v1/healthz */
};

struct avow_wire_request {
    enum avow_wire_kind kind;
    const char *method;           /* JOB: "GET", "POST", "PUT", "DELETE" */
    const char *path;             /* JOB: with its query */
    struct avow_bytes body;       /* JOB */
    bool raw;                     /* JOB: the body is file content, not JSON */
    uint8_t nonce[32];            /* QUOTE */
    const struct avow_key *again; /* AGAIN */
    uint32_t timeout_ms;          /* for all of it; 0: none (a stream) */
    /* takes the body of a 200 piece by piece; NULL: it goes to the reply. Negative: stop with that.
     */
    int (*sink)(void *ctx, struct avow_bytes piece);
    void *sink_ctx;
};

struct avow_wire_reply {
    int status;           /* HTTP */
    struct avow_buf body; /* of the caller: AVOW_BUF(AVOW_WIRE_REPLY_MAX), avow_buf_done it */
};

/* @leaf and @stop are borrowed for the wire's life; @address is "host:port". */
AVOW_MUST_USE int avow_wire_new(const char *address, const struct avow_leaf *leaf,
                                const atomic_bool *stop, struct avow_wire **out,
                                struct avow_error *err);
void avow_wire_free(struct avow_wire *w);
AVOW_DEFINE_CLEANUP(wire, struct avow_wire, avow_wire_free)

/* From now on a connection whose server shows another key is refused (-AVOW_E_AUTH). */
void avow_wire_pin(struct avow_wire *w, const uint8_t spki[32]);

/*
 * One request. 0 with any HTTP status. Otherwise nothing useful came back: -AVOW_E_NETWORK,
 * -AVOW_E_TIMEOUT, -AVOW_E_PROTOCOL, -AVOW_E_AUTH (another key than the pinned one),
 * -AVOW_E_CHANNEL (the connection is not the attested one; nothing was sent), -AVOW_E_CANCELLED
 * (@stop), -AVOW_E_LIMIT, or what the sink returned.
 */
AVOW_MUST_USE int avow_wire_do(struct avow_wire *w, const struct avow_wire_request *rq,
                               struct avow_wire_reply *reply, struct avow_error *err);

/* Whether the last failure came before any byte of the request was sent. */
bool avow_wire_unsent(const struct avow_wire *w);

/* After a QUOTE: the channel statement as this side sees the connection; the server's key; and the
 * `again` secret of the connection. */
AVOW_MUST_USE int avow_wire_statement(const struct avow_wire *w, struct avow_buf *out,
                                      struct avow_error *err);
const uint8_t *avow_wire_server_spki(const struct avow_wire *w);
const struct avow_key *avow_wire_again_key(const struct avow_wire *w);
/* After an AGAIN: 0 if @mac is what the server had to answer on this connection. -AVOW_E_AUTH. */
AVOW_MUST_USE int avow_wire_check_again(const struct avow_wire *w, const uint8_t mac[32],
                                        struct avow_error *err);
/* The connection of the last QUOTE or AGAIN is the attested one from now on. Called only after its
 * evidence was accepted, or its mac was checked. */
void avow_wire_attested(struct avow_wire *w);

/* Wait, or until woken. */
void avow_wire_sleep(struct avow_wire *w, uint32_t ms);
/* Make a request or sleep of another thread look at @stop now. */
void avow_wire_wake(struct avow_wire *w);

#endif
