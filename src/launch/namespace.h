/*
 * The namespaces of a job on one node: network (lo and the job's virtual address, no way out),
 * mount (private /tmp, /dev/shm and /run), IPC, UTS, PID. Single-threaded process only.
 */
#ifndef AVOW_LAUNCH_NAMESPACE_H
#define AVOW_LAUNCH_NAMESPACE_H

#include "launch/config.h"

#define AVOW_NAMESPACE_IFACE "avow0"
/* Where a job finds the library that its ranks preload, whatever the folder that it came from. */
#define AVOW_NAMESPACE_LIB "/tmp/.avow"
#define AVOW_NAMESPACE_PRELOAD AVOW_NAMESPACE_LIB "/libavow-fabric.so"

/*
 * Enter new namespaces. As an ordinary user, or root without CAP_SYS_ADMIN: a user namespace first,
 * in which user and group are mapped to themselves. The next child is the first process (init) of
 * the PID namespace.
 */
AVOW_MUST_USE int avow_namespace_enter(struct avow_error *err);

/*
 * Furnish them; called by init. @c: its preload becomes AVOW_NAMESPACE_PRELOAD. @tun: descriptor to
 * hold open as long as the job lives, or -1. What may be missing without harm to the isolation (a
 * fresh /proc or /sys, for an ordinary user inside a container) is told in @note instead ("" :
 * nothing).
 */
AVOW_MUST_USE int avow_namespace_furnish(struct avow_launch_config *c, int *tun, char *note,
                                         size_t note_max, struct avow_error *err);

/*
 * Become @uid and @gid (-1: stay) for good: no supplementary groups, no capabilities in any set,
 * no_new_privs, no core dumps, no vsock, no io_uring.
 */
AVOW_MUST_USE int avow_privileges_drop(int64_t uid, int64_t gid, struct avow_error *err);

#endif
