/*
 * The few rtnetlink requests that a job's network namespace needs (rtnetlink(7)), and its TUN
 * device. Every request waits for the kernel's acknowledgement. Acts on the caller's namespace.
 */
#ifndef AVOW_LAUNCH_NETLINK_H
#define AVOW_LAUNCH_NETLINK_H

#include <netinet/in.h>

#include "base/err.h"

AVOW_MUST_USE int avow_netlink_open(int *out, struct avow_error *err);
/* Set the interface up. */
AVOW_MUST_USE int avow_netlink_up(int fd, const char *name, struct avow_error *err);
/*
 * Wait until the interface is RUNNING, which the kernel decides some time after UP. UCX does not
 * use it before. -AVOW_E_TIMEOUT.
 */
AVOW_MUST_USE int avow_netlink_wait_running(const char *name, int timeout_ms,
                                            struct avow_error *err);
/* A pair of veth interfaces, both in this namespace. */
AVOW_MUST_USE int avow_netlink_veth(int fd, const char *name, const char *peer,
                                    struct avow_error *err);
/* Add @addr/32 to the interface. */
AVOW_MUST_USE int avow_netlink_addr(int fd, const char *name, struct in_addr addr,
                                    struct avow_error *err);
/* Connecting to @net/@prefix fails with EACCES at once, unless a closer route exists. */
AVOW_MUST_USE int avow_netlink_prohibit(int fd, struct in_addr net, unsigned prefix,
                                        struct avow_error *err);

/*
 * Make the TUN interface @name; it exists, with a carrier, as long as @out is open (UCX needs
 * RUNNING: reference experiment "TUN held open"). -AVOW_E_SYSTEM with errno in err->sys.
 */
AVOW_MUST_USE int avow_tun_open(const char *name, int *out, struct avow_error *err);

#endif
