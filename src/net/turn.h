/*
 * Turn: all processes of a machine ask one server one after the other, and not more often than it
 * allows (AMD's KDS: one request in 10 seconds for each address). A turn is a lock on a small file,
 * which also says when the next request may be sent; whoever gets the turn looks first whether
 * another has brought meanwhile what it wants. Any thread; processes that die give the turn back.
 */
#ifndef AVOW_NET_TURN_H
#define AVOW_NET_TURN_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define AVOW_TURN_HOST_MAX 255
#define AVOW_TURN_WAIT_MAX_MS (24 * 3600 * 1000) /* no file may make anybody wait longer */

struct avow_turn {
    int fd; /* of the lock file; -1: no turn */
};
#define AVOW_TURN_NONE ((struct avow_turn){ .fd = -1 })

/*
 * Wait for the turn at @host ("kdsintf.amd.com:443") among all who use the folder @dir (made if it
 * is not there, mode 0700). @wait_ms: at most. @stop_fd: as in net/http.h. -AVOW_E_TIMEOUT,
 * -AVOW_E_CANCELLED, -AVOW_E_SYSTEM, -AVOW_E_FORMAT (a host that is none).
 */
AVOW_MUST_USE int avow_turn_take(const char *dir, const char *host, uint32_t wait_ms, int stop_fd,
                                 struct avow_turn *out, struct avow_error *err);

/* How long the holder still has to wait until it may send a request: ms, 0: now. */
int64_t avow_turn_pause_ms(const struct avow_turn *t);
/* The holder sends a request now; the next one may follow after @interval_ms. */
AVOW_MUST_USE int avow_turn_sent(const struct avow_turn *t, uint32_t interval_ms,
                                 struct avow_error *err);

/* Give the turn back; nothing if there is none. */
void avow_turn_done(struct avow_turn *t);

/* Wait @ms or until @stop_fd says stop: -AVOW_E_CANCELLED. */
AVOW_MUST_USE int avow_pause(int64_t ms, int stop_fd, struct avow_error *err);

#endif
