/*
 * Bytes that a program printed, as UTF-8 that any JSON reader takes: what is not UTF-8, and NUL,
 * becomes U+FFFD. A sequence that is cut by the end of a chunk is kept for the next one. Pure.
 */
#ifndef AVOW_JOB_UTF8_H
#define AVOW_JOB_UTF8_H

#include "base/bytes.h"

struct avow_utf8 {
    uint8_t cut[3]; /* the beginning of a sequence */
    uint8_t n;
};

/* Append @in, cleaned, to @out: at most 3 * (@in.len + 3) bytes. */
int avow_utf8_put(struct avow_utf8 *u, struct avow_bytes in, struct avow_buf *out);

#endif
