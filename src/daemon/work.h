/*
 * Work off the loop: one thread that runs what would hold the loop up (digests of large files,
 * fsync, removing folders), in order. Loop thread only, but for the @run functions.
 */
#ifndef AVOW_DAEMON_WORK_H
#define AVOW_DAEMON_WORK_H

#include <event2/event.h>

#include "base/err.h"

#define AVOW_WORK_QUEUE_MAX 4096

struct avow_work;

AVOW_MUST_USE int avow_work_new(struct event_base *base, struct avow_work **out,
                                struct avow_error *err);
/* Waits for what runs; everything queued is run too, and every @done is called. */
void avow_work_free(struct avow_work *w);
/*
 * @run(ctx) in the thread, then @done(ctx) in the loop. The thread may touch @ctx only in between.
 * -AVOW_E_BUSY when the queue is full: then neither is called.
 */
AVOW_MUST_USE int avow_work_submit(struct avow_work *w, void (*run)(void *ctx),
                                   void (*done)(void *ctx), void *ctx);

#endif
