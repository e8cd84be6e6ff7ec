/*
 * The environment of a rank. Pure; any thread.
 */
#ifndef AVOW_LAUNCH_ENVIRON_H
#define AVOW_LAUNCH_ENVIRON_H

#include "launch/config.h"

/* NULL-terminated "KEY=VALUE" strings, all malloc'ed; realloc'ed when it grows. */
struct avow_environ {
    char **list;
};

void avow_environ_done(struct avow_environ *e);
/* Set, replacing what was there. */
AVOW_MUST_USE int avow_environ_set(struct avow_environ *e, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Borrowed; NULL if it is not set. */
const char *avow_environ_get(const struct avow_environ *e, const char *key);

/* Descriptors that a rank inherits. */
struct avow_rank_fds {
    int pmi, job, fabric;
};

/* What the job says, and the defaults of what it does not say. @e must be empty. */
AVOW_MUST_USE int avow_environ_base(const struct avow_launch_config *c, struct avow_environ *e);
/* What the launcher says, over whatever is there. */
AVOW_MUST_USE int avow_environ_pin(const struct avow_launch_config *c, uint32_t rank,
                                   const struct avow_rank_fds *fds, struct avow_environ *e);

#endif
