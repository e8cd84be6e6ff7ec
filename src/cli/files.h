/* Files that a command is given: one read whole, and the files of folders. */
#ifndef AVOW_CLI_FILES_H
#define AVOW_CLI_FILES_H

#include "base/bytes.h"
#include "base/cleanup.h"

#define AVOW_FILE_MAX (16u << 20) /* bytes of one file */
#define AVOW_FILES_MAX 1000000u

/* Append the file at @path ("-": standard input) to @out. -AVOW_E_SYSTEM, -AVOW_E_LIMIT. */
AVOW_MUST_USE int avow_read_file(const char *path, struct avow_buf *out, struct avow_error *err);

bool avow_is_folder(const char *path);

struct avow_files {
    size_t n, cap;
    char **list; /* owned */
};
void avow_files_done(struct avow_files *p);

/* Append "@dir/@name", or @name if @dir is NULL. -AVOW_E_LIMIT, -AVOW_E_NOMEM. */
AVOW_MUST_USE int avow_files_add(struct avow_files *p, const char *dir, const char *name,
                                 struct avow_error *err);
/* Every regular file of a folder that is not hidden, by name. -AVOW_E_SYSTEM; as above. */
AVOW_MUST_USE int avow_files_folder(struct avow_files *p, const char *dir, struct avow_error *err);

#endif
