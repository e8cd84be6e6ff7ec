/*
 * Small files in one folder, read with a bound and replaced whole. Any thread.
 */
#ifndef AVOW_SOURCE_FOLDER_H
#define AVOW_SOURCE_FOLDER_H

#include <sys/types.h>

#include "base/bytes.h"

/* An existing folder. -AVOW_E_NOTFOUND, -AVOW_E_SYSTEM. @fd: owned by the caller. */
AVOW_MUST_USE int folder_open(const char *path, int *fd, struct avow_error *err);
/* The same, made with mode 0700 if it does not exist (its parent must). */
AVOW_MUST_USE int folder_make(const char *path, int *fd, struct avow_error *err);

bool folder_has(int dir, const char *name);
/* Append a regular file's bytes to @out; at most what @out may still take: -AVOW_E_LIMIT. */
AVOW_MUST_USE int folder_read(int dir, const char *name, struct avow_buf *out,
                              struct avow_error *err);
/* Write a file whole (new file, then rename), replacing what was there. */
AVOW_MUST_USE int folder_write(int dir, const char *name, mode_t mode, struct avow_bytes data,
                               struct avow_error *err);
AVOW_MUST_USE int folder_copy(int from, int to, const char *name, size_t max,
                              struct avow_error *err);

#endif
