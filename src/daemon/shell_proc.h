/*
 * One avow-shell process and the frames exchanged with it (launch/shell.h). Loop thread only.
 */
#ifndef AVOW_DAEMON_SHELL_PROC_H
#define AVOW_DAEMON_SHELL_PROC_H

#include <event2/event.h>

#include "base/bytes.h"
#include "launch/shell.h"

/* Bytes for the shell that it has not read; a shell that is this far behind has stopped. */
#define AVOW_SHELL_QUEUE_MAX (64u << 20)

struct avow_shell;

struct avow_shell_start {
    struct event_base *base;
    const char *path;         /* the program */
    struct avow_bytes config; /* payload of the CONFIG frame */
    const int *fds;           /* go with it; stay the caller's */
    size_t n_fds;
    /* A well-formed frame; may call avow_shell_send and avow_shell_kill, not _free. */
    void (*frame)(void *ctx, uint8_t type, struct avow_bytes payload);
    /* It broke the protocol; no more frames will come. */
    void (*broken)(void *ctx, const char *text);
    /* The process and its group are gone: @how is "exited with status 3", "was killed by signal 9".
     * The last call; may free the shell. */
    void (*ended)(void *ctx, const char *how);
    void *ctx;
};

/* In a process group of its own, with descriptors 0..3 only and a minimal environment. */
AVOW_MUST_USE int avow_shell_start(const struct avow_shell_start *how, struct avow_shell **out,
                                   struct avow_error *err);
/* Queue a frame with payload @a then @b. -AVOW_E_LIMIT: AVOW_SHELL_FRAME_MAX or QUEUE_MAX. */
AVOW_MUST_USE int avow_shell_send(struct avow_shell *s, uint8_t type, struct avow_bytes a,
                                  struct avow_bytes b);
/* SIGKILL to the whole group, now; ended follows. */
void avow_shell_kill(struct avow_shell *s);
/* Kills and reaps what still runs, without further calls. */
void avow_shell_free(struct avow_shell *s);

#endif
