/*
 * Doctor: what this machine has of what avow needs, found out by trying and looking, never by
 * running other programs. Contacts nobody and leaves nothing behind.
 */
#ifndef AVOW_CLIENT_DOCTOR_H
#define AVOW_CLIENT_DOCTOR_H

#include "codec/json.h"

/* Where things should be; all borrowed. Programs and library: an absolute path, or the bare name of
 * what was looked for in vain; NULL: not of interest. */
struct avow_doctor_paths {
    const char *avowd;
    const char *avow_shell;
    const char *fabric;   /* libavow-fabric.so */
    const char *identity; /* NULL: not of interest */
    const char *root;     /* put before every path of the system's (/proc, /dev, /usr/lib): a tree
                             that tests made. NULL: the system itself */
};

/*
 * @paths may be NULL: only the system is looked at. @findings is a new reference to a list of
 *   {"check","state","found","advice"}
 * state: "ok"; "missing": something that is needed is not there; "warn": avow runs without it, with
 * a loss that advice names. advice is "" where there is nothing to do. The order is fixed.
 *
 * Making namespaces has a deadline (AVOW_PROBE_TIMEOUT_MS each); the rest looks at local files.
 * 0 even if something is missing; an error only where the list itself could not be made.
 */
AVOW_MUST_USE int avow_doctor_run(const struct avow_doctor_paths *paths, json_t **findings,
                                  struct avow_error *err);

/* Whether none of @findings is "missing". */
bool avow_doctor_healthy(const json_t *findings);

#endif
