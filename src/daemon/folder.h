/*
 * Files below a job's folder, always by a descriptor of the folder and never through a symbolic
 * link: what is in there was named by a client or made by a job. Any thread.
 */
#ifndef AVOW_DAEMON_FOLDER_H
#define AVOW_DAEMON_FOLDER_H

#include <stdint.h>
#include <sys/types.h>

#include "codec/json.h"

/* Who may read what the daemon puts there: group @gid if it is not -1. */
struct avow_folder_owner {
    int uid, gid; /* -1: the daemon's own */
};

/*
 * A new folder @name below @dir, with "input" (readable for the owner's group) and "output" (the
 * owner's own). @fd gets a descriptor of it. -AVOW_E_EXISTS, -AVOW_E_SYSTEM.
 */
AVOW_MUST_USE int avow_folder_new(int dir, const char *name, const struct avow_folder_owner *owner,
                                  int *fd, struct avow_error *err);
/* An existing folder below @dir. -AVOW_E_NOTFOUND, -AVOW_E_SYSTEM. */
AVOW_MUST_USE int avow_folder_open(int dir, const char *name, int *fd, struct avow_error *err);

/*
 * Open regular file @name (avow_job_file_name_ok) for writing; folders on the way and the file are
 * made as needed, readable (and for @executable executable) for @owner's group.
 */
AVOW_MUST_USE int avow_folder_write(int dir, const char *name, bool executable,
                                    const struct avow_folder_owner *owner, int *fd,
                                    struct avow_error *err);
/* Open regular file @name for reading. -AVOW_E_NOTFOUND also for what is not a regular file, or
 * belongs to somebody else than @dir does: a job may have made a hard link to it. */
AVOW_MUST_USE int avow_folder_read(int dir, const char *name, int *fd, struct avow_error *err);

struct avow_folder_list {
    json_t *files; /* [{"name","size","sha256"}], sorted by name; owned */
    uint64_t bytes;
    uint32_t
        skipped; /* entries that are not regular files of the folder's owner with allowed names */
};
/*
 * Every regular file below folder @name of @dir with its digest. -AVOW_E_LIMIT with more than
 * @files_max files or @bytes_max bytes.
 */
AVOW_MUST_USE int avow_folder_digest(int dir, const char *name, uint32_t files_max,
                                     uint64_t bytes_max, struct avow_folder_list *out,
                                     struct avow_error *err);

/* Remove file or folder @name with all below it; what does not exist is removed already. */
AVOW_MUST_USE int avow_folder_remove(int dir, const char *name, struct avow_error *err);

#endif
