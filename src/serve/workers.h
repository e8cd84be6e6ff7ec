/*
 * A few worker threads for what would hold up the loop: verification of evidence, names to resolve.
 * Work gets values and returns values; done() runs in the loop thread.
 */
#ifndef AVOW_SERVE_WORKERS_H
#define AVOW_SERVE_WORKERS_H

#include <event2/event.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"

#define AVOW_WORKERS_THREADS_MAX 16
#define AVOW_WORKERS_QUEUE_MAX 8192 /* work items not yet done */

struct avow_workers;

/* @threads 0: as many as the machine has processors, at most AVOW_WORKERS_THREADS_MAX. */
AVOW_MUST_USE int avow_workers_new(struct event_base *base, unsigned threads,
                                   struct avow_workers **out, struct avow_error *err);
/* Waits for work under way; work that has not begun is dropped, but its done() is called still. */
void avow_workers_free(struct avow_workers *p);
AVOW_DEFINE_CLEANUP(workers, struct avow_workers, avow_workers_free)

/*
 * Loop thread only. work(ctx) runs in a worker, then done(ctx, ran) in the loop; @ran is false if
 * the pool was freed first. -AVOW_E_BUSY over AVOW_WORKERS_QUEUE_MAX.
 */
AVOW_MUST_USE int avow_workers_submit(struct avow_workers *p, void (*work)(void *ctx),
                                      void (*done)(void *ctx, bool ran), void *ctx);

#endif
