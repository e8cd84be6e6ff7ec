/*
 * The first frame: CONFIG with its descriptors, read before there is an event loop.
 */
#ifndef AVOW_LAUNCH_INTAKE_H
#define AVOW_LAUNCH_INTAKE_H

#include "launch/config.h"
#include "launch/shell.h"

#define AVOW_INTAKE_FDS_MAX (1 + AVOW_SHELL_RANKS_MAX)
#define AVOW_INTAKE_TIMEOUT_MS 30000

struct avow_intake {
    struct avow_launch_config *config;
    int fds[AVOW_INTAKE_FDS_MAX]; /* close-on-exec: the doorbell's, then one for each local rank */
    size_t n_fds;
};

/* Read from @fd. Fails if descriptors and CONFIG do not agree. Release with avow_intake_done, also
 * after a failure. */
AVOW_MUST_USE int avow_intake_read(int fd, struct avow_intake *in, struct avow_error *err);
void avow_intake_done(struct avow_intake *in);

#endif
