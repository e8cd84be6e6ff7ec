/*
 * The shell's end of its socket to avowd: frames in, frames out through a bounded queue. Loop
 * thread only.
 */
#ifndef AVOW_LAUNCH_LINK_H
#define AVOW_LAUNCH_LINK_H

#include <event2/event.h>

#include "launch/frame.h"

#define AVOW_LINK_QUEUE_MAX (64u << 20) /* bytes: a slower reader than this ends the job */
#define AVOW_LINK_HIGH (1u << 20)       /* bytes queued above which ranks' output is not read */
#define AVOW_LINK_LOW (256u << 10)      /* bytes below which it is read again */

struct avow_link;

struct avow_link_ops {
    void (*frame)(void *ctx, const struct avow_frame *f);
    /* The other end is gone, or broke the protocol (@err). Called once. */
    void (*closed)(void *ctx, const struct avow_error *err);
    /* The queue went from above HIGH to below LOW. */
    void (*drained)(void *ctx);
    void *ctx;
};

AVOW_MUST_USE int avow_link_new(struct event_base *base, int take_fd,
                                const struct avow_link_ops *ops, struct avow_link **out,
                                struct avow_error *err);
void avow_link_free(struct avow_link *l);

/* Queue a frame made of @head and @body. A queue that is full ends the link (ops.closed). */
void avow_link_send(struct avow_link *l, uint8_t type, struct avow_bytes head,
                    struct avow_bytes body);
/* True from HIGH until LOW. */
bool avow_link_congested(const struct avow_link *l);
/* Write what is queued, waiting at most @timeout_ms. */
AVOW_MUST_USE int avow_link_flush(struct avow_link *l, int timeout_ms, struct avow_error *err);

#endif
