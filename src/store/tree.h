/*
 * Tree: a store as a folder of files, for carrying it to where there is no network, and from the
 * folders and files of other tools. What a file is, is told by its content, never by its name.
 */
#ifndef AVOW_STORE_TREE_H
#define AVOW_STORE_TREE_H

#include "store/store.h"

#define AVOW_TREE_DEPTH_MAX 16
#define AVOW_TREE_FILES_MAX 1000000u
#define AVOW_TREE_FILE_MAX (16u << 20) /* bytes */

struct avow_import {
    uint64_t files;       /* looked at */
    uint64_t passed_over; /* of those: nothing in them that belongs into a store */
    uint64_t added;       /* items that were new */
    uint64_t had;         /* items that the store had */
};

/* Called for each file: how many items it brought; @why, where it was passed over, or NULL. */
typedef void (*avow_import_fn)(void *ctx, const char *path, size_t items,
                               const struct avow_error *why);

/*
 * Put what @path holds into @s: a file, or a folder with all that is in it (folders of Trustee's
 * offline store, of avow_store_export, of certificates; PCCS' platform collateral; bundles; all
 * that attest/gather.h reads). @now: unix seconds. Counts are added to @out. -AVOW_E_SYSTEM if
 * @path cannot be read, -AVOW_E_LIMIT; of the store.
 */
AVOW_MUST_USE int avow_store_import(struct avow_store *s, const char *path, int64_t now,
                                    avow_import_fn each, void *ctx, struct avow_import *out,
                                    struct avow_error *err);

/*
 * Write all of @s into the folder @dir (made if it is not there): vcek/HWID/blNN_..._vcek.der as
 * Trustee's offline store has them, vlek/, ca/, crl/, tcb-info/ and qe-identity/. What is there
 * under the same name is replaced. @n: files written. -AVOW_E_SYSTEM.
 */
AVOW_MUST_USE int avow_store_export(struct avow_store *s, const char *dir, uint64_t *n,
                                    struct avow_error *err);

#endif
