#include "store/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "attest/gather.h"
#include "base/read.h"
#include "codec/text.h"
#include "evidence/snp.h"

#define BATCH 256 /* files of one transaction */
#define NAME_BYTES_MAX 512

/* ---- import ---- */

struct import {
    struct avow_store *s;
    int64_t now;
    avow_import_fn each;
    void *ctx;
    struct avow_import *out;
    struct avow_error *err;
};

static int read_file(const char *path, struct avow_buf *out, struct avow_error *err)
{
    avow_autofclose FILE *f = fopen(path, "re");

    if (!f)
        return AVOW_FAIL_SYS(err, "%s", path);
    return avow_read_all(f, path, out, err);
}

/* A bundle, or evidence with its endorsements: those are wanted, the evidence is not. */
static int take_from_bundle(struct avow_pool *pool, const struct avow_bundle *b,
                            struct avow_error *err)
{
    for (size_t i = 0; i < b->n_certs; i++)
        AVOW_TRY(avow_pool_put(pool, AVOW_ITEM_CERT, b->certs[i], err));
    for (size_t i = 0; i < b->n_crls; i++)
        AVOW_TRY(avow_pool_put(pool, AVOW_ITEM_CRL, b->crls[i], err));
    if (b->tcb_info.len)
        AVOW_TRY(avow_pool_put(pool, AVOW_ITEM_TCB_INFO, b->tcb_info, err));
    if (b->qe_identity.len)
        AVOW_TRY(avow_pool_put(pool, AVOW_ITEM_QE_IDENTITY, b->qe_identity, err));
    return 0;
}

static int keep(struct import *im, const struct avow_pool *pool, const char *path)
{
    const char *source = path;
    size_t len = strlen(path);

    if (len > AVOW_STORE_SOURCE_MAX)
        source += len - AVOW_STORE_SOURCE_MAX;
    for (size_t i = 0; i < avow_pool_count(pool); i++) {
        bool added = false;

        AVOW_TRY(avow_store_put(im->s, avow_pool_item(pool, i), source, im->now, &added, im->err));
        im->out->added += added;
        im->out->had += !added;
    }
    return 0;
}

/* What a file holds. What is no endorsement is no failure of the import. */
static int gather(const char *path, struct avow_pool *pool, struct avow_error *why)
{
    avow_auto(avow_buf_done) struct avow_buf file = AVOW_BUF(AVOW_TREE_FILE_MAX);
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };

    AVOW_TRY(read_file(path, &file, why));
    AVOW_TRY(avow_gather_file(pool, &b, avow_buf_view(&file), why));
    AVOW_TRY(take_from_bundle(pool, &b, why));
    if (avow_pool_count(pool) == 0)
        return AVOW_FAIL(why, MISSING, "no certificate, CRL, TCB info or QE identity in it");
    return 0;
}

static int import_file(struct import *im, const char *path)
{
    avow_auto(avow_cleanup_pool) struct avow_pool *pool = NULL;
    struct avow_error why = { 0 };
    int rc = 0;

    if (im->out->files == AVOW_TREE_FILES_MAX)
        return AVOW_FAIL(im->err, LIMIT, "more than %u files", AVOW_TREE_FILES_MAX);
    AVOW_TRY(avow_pool_new(&pool, im->err));
    rc = gather(path, pool, &why);
    if (rc == -AVOW_E_NOMEM)
        return AVOW_FAIL(im->err, NOMEM, "out of memory");
    im->out->files++;
    im->out->passed_over += rc < 0;
    if (rc == 0)
        AVOW_TRY(keep(im, pool, path));
    if (im->each)
        im->each(im->ctx, path, rc < 0 ? 0 : avow_pool_count(pool), rc < 0 ? &why : NULL);
    if (im->out->files % BATCH == 0) {
        AVOW_TRY(avow_store_commit(im->s, im->err));
        AVOW_TRY(avow_store_begin(im->s, im->err));
    }
    return 0;
}

static int not_hidden(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static int import_path(struct import *im, const char *path, int depth);

static int import_folder(struct import *im, const char *path, int depth)
{
    struct dirent **list = NULL;
    int n = 0;
    int rc = 0;

    if (depth > AVOW_TREE_DEPTH_MAX)
        return AVOW_FAIL(im->err, LIMIT, "%s: folders more than %d deep", path,
                         AVOW_TREE_DEPTH_MAX);
    n = scandir(path, &list, not_hidden, alphasort);
    if (n < 0)
        return AVOW_FAIL_SYS(im->err, "%s", path);
    for (int i = 0; i < n; i++) {
        char child[PATH_MAX];

        if (rc == 0 && snprintf(child, sizeof child, "%s/%s", path, list[i]->d_name) >= PATH_MAX)
            rc = AVOW_FAIL(im->err, LIMIT, "%s: the path is too long", path);
        if (rc == 0)
            rc = import_path(im, child, depth + 1);
        free(list[i]);
    }
    free(list);
    return rc;
}

static int import_path(struct import *im, const char *path, int depth)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return depth ? 0 : AVOW_FAIL_SYS(im->err, "%s", path);
    if (S_ISDIR(st.st_mode))
        return import_folder(im, path, depth);
    if (S_ISREG(st.st_mode) || depth == 0)
        return import_file(im, path);
    return 0;
}

int avow_store_import(struct avow_store *s, const char *path, int64_t now, avow_import_fn each,
                      void *ctx, struct avow_import *out, struct avow_error *err)
{
    struct import im = { .s = s, .now = now, .each = each, .ctx = ctx, .out = out, .err = err };
    int rc = 0;

    AVOW_TRY(avow_store_begin(s, err));
    rc = import_path(&im, path, 0);
    AVOW_TRY(avow_store_commit(s, rc < 0 ? NULL : err));
    return rc;
}

/* ---- export ---- */

struct export
{
    const char *dir;
    uint64_t n;
    char last[NAME_BYTES_MAX]; /* the newest of a name comes first and has it */
    struct avow_error *err;
};

static int make_folders(const char *dir, const char *rest, struct avow_error *err)
{
    char path[PATH_MAX];

    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return AVOW_FAIL_SYS(err, "%s", dir);
    for (const char *slash = strchr(rest, '/'); slash; slash = strchr(slash + 1, '/')) {
        (void)snprintf(path, sizeof path, "%s/%.*s", dir, (int)(slash - rest), rest);
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            return AVOW_FAIL_SYS(err, "%s", path);
    }
    return 0;
}

static int write_whole(const char *path, struct avow_bytes data, struct avow_error *err)
{
    char part[PATH_MAX + 8];
    avow_autofclose FILE *f = NULL;

    (void)snprintf(part, sizeof part, "%s.part", path);
    f = fopen(part, "we");
    if (!f || fwrite(data.data, 1, data.len, f) != data.len || fflush(f) != 0 ||
        rename(part, path) < 0)
        return AVOW_FAIL_SYS(err, "%s", path);
    return 0;
}

/* A CN as part of a file's name. */
static void plain(const char *cn, char *out, size_t size)
{
    size_t n = 0;

    for (; *cn && n + 1 < size; cn++)
        out[n++] = (char)((*cn >= 'a' && *cn <= 'z') || (*cn >= 'A' && *cn <= 'Z') ||
                                  (*cn >= '0' && *cn <= '9') || *cn == '-'
                              ? *cn
                              : '_');
    out[n] = 0;
}

/* Trustee: bl{:02}_tee{:02}_snp{:02}_ucode{:02}[_fmc{:02}]_vcek.der, one folder for each chip. */
static void leaf_name(const struct avow_item *it, const char *brief, char *out, size_t size)
{
    char hwid[2 * 64 + 1];
    bool turin = it->hwid_len == AVOW_NEED_HWID_TURIN;
    char fmc[16] = "";

    avow_hex(AVOW_BYTES(it->hwid, it->hwid_len), hwid);
    if (turin)
        (void)snprintf(fmc, sizeof fmc, "_fmc%02u", it->tcb[AVOW_SNP_TURIN_TCB_FMC]);
    if (!it->hwid_len)
        (void)snprintf(out, size, "vlek/%s.der", brief);
    else
        (void)snprintf(out, size, "vcek/%s/bl%02u_tee%02u_snp%02u_ucode%02u%s_vcek.der", hwid,
                       it->tcb[turin ? AVOW_SNP_TURIN_TCB_BOOTLOADER : AVOW_SNP_TCB_BOOTLOADER],
                       it->tcb[turin ? AVOW_SNP_TURIN_TCB_TEE : AVOW_SNP_TCB_TEE],
                       it->tcb[turin ? AVOW_SNP_TURIN_TCB_SNP : AVOW_SNP_TCB_SNP],
                       it->tcb[AVOW_SNP_TCB_MICROCODE], fmc);
}

static void name_of(const struct avow_item *it, char *out, size_t size)
{
    char brief[17], cn[AVOW_ITEM_NAME_MAX], fmspc[13];

    avow_hex(AVOW_BYTES(it->digest, 8), brief);
    plain(it->kind == AVOW_ITEM_CRL ? it->issuer : it->subject, cn, sizeof cn);
    avow_hex(AVOW_BYTES_OF(it->fmspc), fmspc);
    switch (it->kind) {
    case AVOW_ITEM_CERT:
        if (it->has_tcb)
            leaf_name(it, brief, out, size);
        else
            (void)snprintf(out, size, "ca/%s-%s.der", cn, brief);
        break;
    case AVOW_ITEM_CRL:
        (void)snprintf(out, size, "crl/%s-%s.crl", cn, brief);
        break;
    case AVOW_ITEM_TCB_INFO:
        (void)snprintf(out, size, "tcb-info/%s-%u-%s.json", fmspc, it->evaluation, brief);
        break;
    case AVOW_ITEM_QE_IDENTITY:
        (void)snprintf(out, size, "qe-identity/%u-%s.json", it->evaluation, brief);
        break;
    }
}

static int export_row(void *ctx, const struct avow_store_row *row)
{
    struct export *ex = ctx;
    char name[NAME_BYTES_MAX] = "", path[PATH_MAX], brief[17];

    name_of(&row->item, name, sizeof name);
    if (strcmp(name, ex->last) == 0) { /* AMD has issued some VCEKs twice */
        avow_hex(AVOW_BYTES(row->item.digest, 8), brief);
        (void)snprintf(name + strlen(name) - 4, sizeof name - strlen(name) + 4, "-%s.der", brief);
    } else {
        memcpy(ex->last, name, sizeof ex->last);
    }
    AVOW_TRY(make_folders(ex->dir, name, ex->err));
    if (snprintf(path, sizeof path, "%s/%s", ex->dir, name) >= PATH_MAX)
        return AVOW_FAIL(ex->err, LIMIT, "%s: the path is too long", ex->dir);
    AVOW_TRY(write_whole(path, row->item.data, ex->err));
    ex->n++;
    return 0;
}

int avow_store_export(struct avow_store *s, const char *dir, uint64_t *n, struct avow_error *err)
{
    struct export ex = { .dir = dir, .err = err };
    int rc = 0;

    AVOW_TRY(make_folders(dir, "", err));
    rc = avow_store_each(s, export_row, &ex, err);
    *n = ex.n;
    return rc;
}
