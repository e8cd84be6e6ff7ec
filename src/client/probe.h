/*
 * Probe: whether this machine can really give a job its namespaces, found out by making them in a
 * process of its own that is gone afterwards. Nothing of it is seen outside that process.
 */
#ifndef AVOW_CLIENT_PROBE_H
#define AVOW_CLIENT_PROBE_H

#include <stdbool.h>

#include "base/err.h"

#define AVOW_PROBE_TIMEOUT_MS 5000

/* Who tries. */
enum avow_probe_as {
    AVOW_PROBE_SELF = 0, /* who this process is: root without a user namespace, others with one */
    AVOW_PROBE_NOBODY,   /* an ordinary user; only root can ask for this */
};

#define AVOW_PROBE_UNTRIED (-1)

/* Each is 0 (works), an errno, or AVOW_PROBE_UNTRIED where an earlier step failed. */
struct avow_probe {
    int user;    /* becoming who tries */
    int unshare; /* network, mount, IPC, UTS and PID namespaces, and a user namespace if need be */
    int mount;   /* a private file system, as each job has one */
    int tun;     /* a TUN interface in the new network namespace */
    int veth;    /* or else a pair of veth interfaces */
};

/* -AVOW_E_TIMEOUT: the process did not end within AVOW_PROBE_TIMEOUT_MS. Any thread. */
AVOW_MUST_USE int avow_probe_run(enum avow_probe_as as, struct avow_probe *out,
                                 struct avow_error *err);

/* Whether a job can have its namespaces: all steps, with either kind of interface. */
bool avow_probe_ok(const struct avow_probe *p);

#endif
