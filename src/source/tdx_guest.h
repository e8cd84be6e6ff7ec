/*
 * TDX by its own means, for kernels without configfs-tsm (Linux 6.2 and later): a TDREPORT of
 * /dev/tdx_guest, turned into a quote by QGS. Source: <linux/tdx-guest.h> of the kernel, which
 * Debian 12 does not have: what is needed of it is repeated here. Internal to source/.
 */
#ifndef AVOW_SOURCE_TDX_GUEST_H
#define AVOW_SOURCE_TDX_GUEST_H

#include <sys/ioctl.h>

#include "source/qgs.h"

#define TDX_GUEST_DEVICE "/dev/tdx_guest"

struct tdx_guest_report { /* struct tdx_report_req */
    uint8_t report_data[64];
    uint8_t tdreport[AVOW_TDREPORT_LEN];
};
#define TDX_GUEST_GET_REPORT _IOWR('T', 1, struct tdx_guest_report) /* TDX_CMD_GET_REPORT0 */

/* As ioctl(2); tests answer in the device's place. */
typedef int tdx_guest_ioctl(void *ctx, int fd, unsigned long request, struct tdx_guest_report *arg);

struct tdx_guest_options {
    const char *device;    /* NULL: TDX_GUEST_DEVICE */
    const char *qgs;       /* NULL: QGS_ADDRESS */
    unsigned wait_ms;      /* for each quote; 0: GUEST_WAIT_MS */
    tdx_guest_ioctl *call; /* NULL: ioctl(2) */
    void *ctx;
};

/* QGS is not asked yet. -AVOW_E_NOTFOUND (no such device), -AVOW_E_SYSTEM (no access),
 * -AVOW_E_FORMAT (the address). */
AVOW_MUST_USE int tdx_guest_open(const struct tdx_guest_options *o, struct avow_source **out,
                                 struct avow_error *err);

#endif
