/* Small files that a service is pointed to. Any thread. */
#ifndef AVOW_SERVE_FILE_H
#define AVOW_SERVE_FILE_H

#include "base/bytes.h"

enum avow_file_owner {
    AVOW_FILE_ANYBODYS, /* public data that is checked by what it says */
    AVOW_FILE_OURS,     /* root or this user owns it, and nobody else can write to it */
    AVOW_FILE_SECRET,   /* this user owns it, and nobody else can read it */
};

/* Append the file's content to @out. -AVOW_E_UNTRUSTED for one that others could have changed or
 * read; -AVOW_E_SYSTEM (->sys: ENOENT if there is none), -AVOW_E_LIMIT. */
AVOW_MUST_USE int avow_file_read(const char *path, enum avow_file_owner owner, struct avow_buf *out,
                                 struct avow_error *err);
/* Write @data as @path with permission bits @mode: whole or not at all, and on the disk when this
 * returns. -AVOW_E_SYSTEM. */
AVOW_MUST_USE int avow_file_write(const char *path, unsigned mode, struct avow_bytes data,
                                  struct avow_error *err);

#endif
