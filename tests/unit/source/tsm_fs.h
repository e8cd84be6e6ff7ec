/*
 * An imitation of configfs-tsm, as the kernel's drivers/virt/coco/tsm.c behaves: a FUSE file system
 * in a thread of the test. Attributes are read whole when a file is first read; what is written to
 * inblob is taken on closing, where nobody hears of an error; the generation moves with each
 * write; a report is made when outblob or auxblob is first read after that.
 */
#ifndef AVOW_TEST_SOURCE_TSM_FS_H
#define AVOW_TEST_SOURCE_TSM_FS_H

#include "base/bytes.h"

/* Fill @report, and @table unless the provider has none. 0 or a positive errno. */
typedef int tsm_fs_answer(void *ctx, const uint8_t inblob[64], unsigned privlevel,
                          struct avow_buf *report, struct avow_buf *table);

struct tsm_fs_config {
    const char *provider; /* NULL: none, no entry can be made */
    bool has_table;       /* auxblob is there */
    bool has_levels;      /* privlevel and privlevel_floor are there */
    unsigned floor;
    tsm_fs_answer *answer;
    void *ctx;
    /* What goes wrong; each is used up. */
    int busy_reads;    /* outblob: EBUSY, as where a report is already under way */
    int again_reads;   /* outblob: EWOULDBLOCK */
    int broken_reads;  /* outblob: EINTR */
    int lost_writes;   /* inblob: EBUSY on closing, so nobody hears of it */
    int meddle_before; /* another one writes inblob after we did, before the report is made */
    int meddle_after;  /* ... after the report was made */
};

struct tsm_fs;

/* NULL if it cannot be mounted here (no /dev/fuse, not root): @why says it. @dir: an empty folder;
 * it is the root of the imitation, in the place of /sys/kernel/config/tsm/report. */
struct tsm_fs *tsm_fs_start(const char *dir, const struct tsm_fs_config *c, char why[256]);
void tsm_fs_stop(struct tsm_fs *fs);

struct tsm_fs_seen {
    int made, present, most; /* entries: ever, now, at one time */
    int reports;             /* made */
    unsigned privlevel;      /* of the last report */
};
struct tsm_fs_seen tsm_fs_seen(struct tsm_fs *fs);
/* Change what goes wrong, or the answers, while it runs. */
void tsm_fs_set(struct tsm_fs *fs, const struct tsm_fs_config *c);

#endif
