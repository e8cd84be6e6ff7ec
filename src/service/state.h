/*
 * The state folder of a verifier, which one process at a time uses: two would break the audit log's
 * chain and each other's keys. Its lock is one of POSIX's (fcntl), of which the kernel says who
 * holds it. Any thread, but one process takes a folder once.
 */
#ifndef AVOW_SERVICE_STATE_H
#define AVOW_SERVICE_STATE_H

#include <sys/types.h>

#include "base/err.h"

#define ROTATION_FAILED "rotation.failed" /* file: why the last rotation that failed did so */

/* Makes folder @dir (0700) if it is not there, and takes it until @lock is closed. -AVOW_E_BUSY,
 * -AVOW_E_UNTRUSTED (others may write there), -AVOW_E_FORMAT (no folder), -AVOW_E_SYSTEM. */
AVOW_MUST_USE int avow_state_take(const char *dir, int *lock, struct avow_error *err);
/* Who has taken it. -AVOW_E_NOTFOUND: nobody; -AVOW_E_UNSUPPORTED: a process that has no number
 * here (another PID namespace); -AVOW_E_SYSTEM. */
AVOW_MUST_USE int avow_state_holder(const char *dir, pid_t *pid, struct avow_error *err);

#endif
