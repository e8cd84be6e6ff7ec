/*
 * Server-sent events (WHATWG HTML, 9.2), as far as the node API uses them: id, event, data. Pure.
 */
#ifndef AVOW_CLIENT_SSE_H
#define AVOW_CLIENT_SSE_H

#include "base/bytes.h"

#define AVOW_SSE_EVENT_MAX (256u << 10) /* bytes of one event's text */

struct avow_sse_event {
    uint64_t id;      /* 0 if the event had none */
    const char *type; /* "message" if the event had none */
    const char *data; /* lines joined by \n */
};

/* Called for each event; views die with the call. Negative ends the parse with that code. */
typedef int (*avow_sse_fn)(void *ctx, const struct avow_sse_event *e);

struct avow_sse {
    struct avow_buf line; /* not yet ended */
    struct avow_buf data;
    char type[32];
    uint64_t id;
    bool has_data;
    bool after_cr; /* a \n that follows belongs to the \r before it */
};

void avow_sse_init(struct avow_sse *s);
void avow_sse_done(struct avow_sse *s);
/* Any piece of the stream. -AVOW_E_LIMIT, or what @fn returned. */
AVOW_MUST_USE int avow_sse_feed(struct avow_sse *s, struct avow_bytes piece, avow_sse_fn fn,
                                void *ctx);

#endif
