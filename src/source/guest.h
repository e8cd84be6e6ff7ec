/*
 * What the sources of real machines share: patience with a deadline, and putting what a device
 * answered into a bundle. Internal to source/. A source is used from one thread.
 */
#ifndef AVOW_SOURCE_GUEST_H
#define AVOW_SOURCE_GUEST_H

#include "source/source.h"

#define GUEST_WAIT_MS 30000u       /* for one piece of evidence, unless told otherwise */
#define GUEST_BLOB_MAX (64u << 10) /* bytes of a report, a quote or a certificate table */
#define GUEST_CERTS_MAX 16         /* in one PEM text of a certificate table */

/* Trying again until a deadline. The devices announce nothing: there is no event to wait for, so
 * the pauses grow from one millisecond. */
struct patience {
    int64_t until_ms; /* monotonic clock */
    unsigned pause_ms;
};

/* @wait_ms: from now on; 0 means GUEST_WAIT_MS. */
struct patience patience_for(unsigned wait_ms);
/* Milliseconds that are left, never negative; fits poll(2). */
int patience_left(const struct patience *p);
/* Pause, then true; false if the deadline is over (or would be, after the pause). */
bool patience_again(struct patience *p);

/* Open a device for reading and writing; @needs: what it takes that there is one, in words.
 * -AVOW_E_NOTFOUND, -AVOW_E_SYSTEM. @fd: owned by the caller. */
AVOW_MUST_USE int guest_open_device(const char *path, const char *needs, int *fd,
                                    struct avow_error *err);

/*
 * An SNP report and the certificate table that the host gave with it (empty: none), into @out. The
 * report must have its length and echo @report_data; the certificates, DER or PEM, are only copied:
 * the verifier judges them. @device: for the text of errors. -AVOW_E_PROTOCOL (not what a device
 * answers), -AVOW_E_FORMAT (the table), -AVOW_E_LIMIT.
 */
AVOW_MUST_USE int guest_put_snp(struct avow_bytes report, struct avow_bytes table,
                                const uint8_t report_data[64], const char *device,
                                struct avow_bundle *out, struct avow_error *err);
/* The certificates of a PEM text. -AVOW_E_FORMAT, -AVOW_E_LIMIT. */
AVOW_MUST_USE int guest_put_pem(struct avow_bytes text, struct avow_bundle *out,
                                struct avow_error *err);
/* All of a file, appended. -AVOW_E_SYSTEM, -AVOW_E_LIMIT. */
AVOW_MUST_USE int guest_read_file(const char *path, struct avow_buf *out, struct avow_error *err);
/* A TD quote; without what pads it. Otherwise the same. */
AVOW_MUST_USE int guest_put_tdx(struct avow_bytes quote, const uint8_t report_data[64],
                                const char *device, struct avow_bundle *out,
                                struct avow_error *err);

/* Evidence over any report data: for imitations of devices and tests. What leaves this folder goes
 * through avow_source_bundle. */
AVOW_MUST_USE int guest_collect(struct avow_source *s, const uint8_t report_data[64],
                                struct avow_bundle *out, struct avow_error *err);

#endif
