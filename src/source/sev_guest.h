/*
 * /dev/sev-guest: the SEV-SNP guest driver's own interface (Linux 5.19 and later), for kernels
 * without configfs-tsm. Source: <linux/sev-guest.h> and drivers/virt/coco/sev-guest of the kernel;
 * AMD 56860 (MSG_REPORT_RSP), 56421 (GHCB: extended guest request). Internal to source/.
 */
#ifndef AVOW_SOURCE_SEV_GUEST_H
#define AVOW_SOURCE_SEV_GUEST_H

#include <linux/sev-guest.h>
#include <sys/ioctl.h>

#include "source/source.h"

#define SEV_GUEST_DEVICE "/dev/sev-guest"
#define SEV_GUEST_TABLE_LEN (16u << 10) /* SEV_FW_BLOB_MAX_SIZE: the driver refuses more */
#define SEV_GUEST_RSP_HEADER 32u        /* MSG_REPORT_RSP: status, size, reserved; then a report */

/* As ioctl(2); tests answer in the device's place. */
typedef int sev_guest_ioctl(void *ctx, int fd, unsigned long request,
                            struct snp_guest_request_ioctl *arg);

struct sev_guest_options {
    const char *device; /* NULL: SEV_GUEST_DEVICE */
    unsigned vmpl;      /* to have in the report; at least the guest's own */
    unsigned wait_ms;   /* for each report; 0: GUEST_WAIT_MS. The driver itself may block longer */
    sev_guest_ioctl *call; /* NULL: ioctl(2) */
    void *ctx;
};

/* -AVOW_E_NOTFOUND (no such device), -AVOW_E_SYSTEM (no access). */
AVOW_MUST_USE int sev_guest_open(const struct sev_guest_options *o, struct avow_source **out,
                                 struct avow_error *err);

#endif
