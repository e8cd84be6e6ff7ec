/*
 * configfs-tsm: the kernel's one way to a report for SEV-SNP and TDX (Linux 6.7 and later).
 * Source: Documentation/ABI/testing/configfs-tsm and drivers/virt/coco/tsm.c of the kernel.
 * Internal to source/.
 */
#ifndef AVOW_SOURCE_TSM_H
#define AVOW_SOURCE_TSM_H

#include "source/source.h"

#define TSM_FOLDER "/sys/kernel/config/tsm/report"
#define TSM_PRIVLEVEL_MAX 3u /* a VMPL */

struct tsm_options {
    const char *folder; /* NULL: TSM_FOLDER */
    bool has_privlevel; /* else the provider's floor */
    unsigned privlevel;
    unsigned wait_ms; /* for each piece of evidence; 0: GUEST_WAIT_MS. The kernel itself may block
                         longer: an SNP host that says "busy" is asked again for a minute */
};

/*
 * Makes an entry to ask who provides reports, so that what is missing is told now.
 * -AVOW_E_NOTFOUND (no such folder), -AVOW_E_MISSING (no provider), -AVOW_E_UNSUPPORTED (a provider
 * that is not served), -AVOW_E_SYSTEM.
 */
AVOW_MUST_USE int tsm_open(const struct tsm_options *o, struct avow_source **out,
                           struct avow_error *err);

#endif
