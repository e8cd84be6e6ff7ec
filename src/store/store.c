#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#define SCHEMA_VERSION 1
#define APPLICATION_ID 0x41766f63 /* "Avoc" */
#define BUSY_MS 10000             /* another process writes: milliseconds in practice */

enum statement { PUT, COMMON, LEAVES, LEAVES_VLEK, TCB_INFO, UNTIL, EACH, PRUNE, N_STATEMENTS };

#define COLUMNS                                                                              \
    "SELECT kind, data, digest, subject, issuer, hwid, tcb, fmspc, evaluation, valid_from, " \
    "valid_until, source, added FROM items "

/* Numbers are enum avow_item_kind: 1 certificate, 2 CRL, 3 TCB info, 4 QE identity. */
static const char *const sql[N_STATEMENTS] = {
    [PUT] = "INSERT INTO items(kind, data, digest, subject, issuer, hwid, tcb, fmspc, evaluation,"
            " valid_from, valid_until, source, added) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
            " ?10, ?11, ?12, ?13) ON CONFLICT(digest) DO NOTHING",
    [COMMON] = COLUMNS "WHERE kind = 4 OR (kind = 1 AND tcb IS NULL) OR (kind = 2 AND"
                       " (issuer NOT LIKE 'ARK-%' OR (valid_from <= ?2 AND valid_until >= ?2)))"
                       " ORDER BY valid_from DESC, id LIMIT ?1",
    [LEAVES] = COLUMNS "WHERE hwid = ?1 ORDER BY tcb = ?2 DESC, id LIMIT ?3",
    [LEAVES_VLEK] = COLUMNS "WHERE kind = 1 AND hwid IS NULL AND tcb IS NOT NULL"
                            " ORDER BY tcb = ?2 DESC, id LIMIT ?3",
    [TCB_INFO] = COLUMNS "WHERE kind = 3 AND fmspc = ?1 ORDER BY valid_from DESC, id LIMIT ?3",
    [UNTIL] = "SELECT coalesce(max(valid_until), 0) FROM items WHERE kind = ?1 AND valid_from <= ?2"
              " AND valid_until >= ?2 AND (?3 IS NULL OR issuer = ?3)"
              " AND (?4 IS NULL OR hwid = ?4) AND (?5 IS NULL OR tcb = ?5)"
              " AND (?6 IS NULL OR fmspc = ?6)",
    [EACH] = COLUMNS "ORDER BY kind, issuer, subject, fmspc, hwid, tcb, valid_from DESC, id",
    [PRUNE] = "DELETE FROM items WHERE valid_until < ?1",
};

static const char schema[] =
    "CREATE TABLE items(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, data BLOB NOT NULL,"
    " digest BLOB NOT NULL UNIQUE, subject TEXT NOT NULL, issuer TEXT NOT NULL, hwid BLOB,"
    " tcb BLOB, fmspc BLOB, evaluation INTEGER NOT NULL, valid_from INTEGER NOT NULL,"
    " valid_until INTEGER NOT NULL, source TEXT NOT NULL, added INTEGER NOT NULL) STRICT;"
    "CREATE INDEX leaf ON items(hwid, tcb) WHERE hwid IS NOT NULL;"
    "CREATE INDEX document ON items(kind, fmspc, issuer);";

struct avow_store {
    char *path;
    pthread_mutex_t lock; /* protects the statements: bind, step and reset belong together */
    sqlite3 *db;
    sqlite3_stmt *stmt[N_STATEMENTS];
};

/* ---- opening ---- */

static int fail_db(const struct avow_store *s, struct avow_error *err, const char *what)
{
    int code = s->db ? sqlite3_errcode(s->db) & 0xff : SQLITE_NOMEM;
    const char *text = s->db ? sqlite3_errmsg(s->db) : "out of memory";

    switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return AVOW_FAIL(err, BUSY, "%s: %s: another process holds it", s->path, what);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return AVOW_FAIL(err, FORMAT, "%s: %s: %s", s->path, what, text);
    case SQLITE_NOMEM:
        return AVOW_FAIL(err, NOMEM, "%s: %s: out of memory", s->path, what);
    default:
        return AVOW_FAIL(err, SYSTEM, "%s: %s: %s", s->path, what, text);
    }
}

static int run(struct avow_store *s, const char *text, struct avow_error *err)
{
    return sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail_db(s, err, "write");
}

static int pragma_int(struct avow_store *s, const char *text, int *out, struct avow_error *err)
{
    sqlite3_stmt *st = NULL;
    int rc = 0;

    if (sqlite3_prepare_v2(s->db, text, -1, &st, NULL) != SQLITE_OK ||
        sqlite3_step(st) != SQLITE_ROW)
        rc = fail_db(s, err, "read");
    else
        *out = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return rc;
}

/* Under the write lock, so that two processes do not make the tables both. */
static int make_schema(struct avow_store *s, struct avow_error *err)
{
    char text[sizeof schema + 128];
    int objects = 0;
    int rc = 0;

    AVOW_TRY(run(s, "BEGIN IMMEDIATE", err));
    rc = pragma_int(s, "SELECT count(*) FROM sqlite_master", &objects, err);
    if (rc == 0 && !objects) {
        (void)snprintf(text, sizeof text, "%s PRAGMA application_id = %d; PRAGMA user_version = %d",
                       schema, APPLICATION_ID, SCHEMA_VERSION);
        rc = run(s, text, err);
    }
    (void)sqlite3_exec(s->db, rc == 0 ? "COMMIT" : "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

static int check_schema(struct avow_store *s, enum avow_store_mode mode, struct avow_error *err)
{
    int id = 0, version = 0, objects = 0;

    AVOW_TRY(pragma_int(s, "SELECT count(*) FROM sqlite_master", &objects, err));
    if (!objects && mode == AVOW_STORE_WRITE)
        AVOW_TRY(make_schema(s, err));
    AVOW_TRY(pragma_int(s, "PRAGMA application_id", &id, err));
    AVOW_TRY(pragma_int(s, "PRAGMA user_version", &version, err));
    if (id != APPLICATION_ID)
        return AVOW_FAIL(err, FORMAT, "%s: the file is no store of collateral", s->path);
    if (version != SCHEMA_VERSION)
        return AVOW_FAIL(err, VERSION, "%s: version %d (this avow reads %d)", s->path, version,
                         SCHEMA_VERSION);
    return 0;
}

static int prepare(struct avow_store *s, struct avow_error *err)
{
    for (int i = 0; i < N_STATEMENTS; i++)
        if (sqlite3_prepare_v3(s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[i], NULL) !=
            SQLITE_OK)
            return fail_db(s, err, "prepare");
    return 0;
}

static int make_folder(const char *path, struct avow_error *err)
{
    avow_autofree char *dir = strdup(path);
    char *slash = dir ? strrchr(dir, '/') : NULL;

    if (!dir)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (!slash || slash == dir)
        return 0;
    *slash = 0;
    if (mkdir(dir, 0700) < 0 && errno == ENOENT) { /* ~/.local/share of a new account */
        AVOW_TRY(make_folder(dir, err));
        (void)mkdir(dir, 0700);
    }
    return access(dir, X_OK) == 0 ? 0 : AVOW_FAIL_SYS(err, "%s", dir);
}

static int open_file(struct avow_store *s, enum avow_store_mode mode, struct avow_error *err)
{
    int flags =
        mode == AVOW_STORE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;

    if (mode == AVOW_STORE_WRITE)
        AVOW_TRY(make_folder(s->path, err));
    else if (access(s->path, F_OK) < 0)
        return AVOW_FAIL(err, NOTFOUND, "%s: %s", s->path, strerror(errno));
    if (sqlite3_open_v2(s->path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return fail_db(s, err, "open");
    (void)sqlite3_busy_timeout(s->db, BUSY_MS);
    AVOW_TRY(check_schema(s, mode, err));
    return prepare(s, err);
}

int avow_store_open(const char *path, enum avow_store_mode mode, struct avow_store **out,
                    struct avow_error *err)
{
    avow_auto(avow_cleanup_store) struct avow_store *s = calloc(1, sizeof *s);

    if (!s)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    (void)pthread_mutex_init(&s->lock, NULL);
    s->path = strdup(path);
    if (!s->path)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(open_file(s, mode, err));
    *out = avow_steal(&s);
    return 0;
}

void avow_store_close(struct avow_store *s)
{
    for (int i = 0; i < N_STATEMENTS; i++)
        sqlite3_finalize(s->stmt[i]);
    (void)sqlite3_close(s->db);
    (void)pthread_mutex_destroy(&s->lock);
    free(s->path);
    free(s);
}

int avow_store_default_path(char **out, struct avow_error *err)
{
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    int n = 0;

    *out = NULL;
    if (data && *data == '/')
        n = asprintf(out, "%s/avow/collateral.db", data);
    else if (home && *home)
        n = asprintf(out, "%s/.local/share/avow/collateral.db", home);
    if (n < 0)
        *out = NULL;
    return n < 0 ? AVOW_FAIL(err, NOMEM, "out of memory") : 0;
}

const char *avow_store_path(const struct avow_store *s)
{
    return s->path;
}

/* ---- statements ---- */

static sqlite3_stmt *begin(struct avow_store *s, enum statement which)
{
    (void)pthread_mutex_lock(&s->lock);
    (void)sqlite3_clear_bindings(s->stmt[which]);
    return s->stmt[which];
}

static void end(struct avow_store *s, sqlite3_stmt *st)
{
    (void)sqlite3_reset(st);
    (void)pthread_mutex_unlock(&s->lock);
}

/* An empty one is NULL in the database. */
static int bind_bytes(sqlite3_stmt *st, int i, struct avow_bytes v)
{
    return v.len ? sqlite3_bind_blob64(st, i, v.data, v.len, SQLITE_STATIC)
                 : sqlite3_bind_null(st, i);
}

static int bind_item(sqlite3_stmt *st, const struct avow_item *it)
{
    bool leaf = it->kind == AVOW_ITEM_CERT && it->has_tcb;
    bool info = it->kind == AVOW_ITEM_TCB_INFO;
    int rc = sqlite3_bind_int(st, 1, (int)it->kind);

    rc |= bind_bytes(st, 2, it->data);
    rc |= bind_bytes(st, 3, AVOW_BYTES_OF(it->digest));
    rc |= sqlite3_bind_text(st, 4, it->subject, -1, SQLITE_STATIC);
    rc |= sqlite3_bind_text(st, 5, it->issuer, -1, SQLITE_STATIC);
    rc |= bind_bytes(st, 6, AVOW_BYTES(it->hwid, it->hwid_len));
    rc |= bind_bytes(st, 7, leaf ? AVOW_BYTES_OF(it->tcb) : AVOW_BYTES(NULL, 0));
    rc |= bind_bytes(st, 8, info ? AVOW_BYTES_OF(it->fmspc) : AVOW_BYTES(NULL, 0));
    rc |= sqlite3_bind_int64(st, 9, it->evaluation);
    rc |= sqlite3_bind_int64(st, 10, it->from);
    rc |= sqlite3_bind_int64(st, 11, it->until);
    return rc;
}

int avow_store_put(struct avow_store *s, const struct avow_item *item, const char *source,
                   int64_t now, bool *added, struct avow_error *err)
{
    sqlite3_stmt *st = NULL;
    int rc = 0;

    if (strlen(source) > AVOW_STORE_SOURCE_MAX)
        return AVOW_FAIL(err, LIMIT, "a source of more than %d bytes", AVOW_STORE_SOURCE_MAX);
    st = begin(s, PUT);
    if (bind_item(st, item) || sqlite3_bind_text(st, 12, source, -1, SQLITE_STATIC) ||
        sqlite3_bind_int64(st, 13, now) || sqlite3_step(st) != SQLITE_DONE)
        rc = fail_db(s, err, "put");
    else if (added)
        *added = sqlite3_changes(s->db) > 0;
    end(s, st);
    return rc;
}

int avow_store_begin(struct avow_store *s, struct avow_error *err)
{
    return run(s, "BEGIN IMMEDIATE", err);
}

int avow_store_commit(struct avow_store *s, struct avow_error *err)
{
    return run(s, "COMMIT", err);
}

/* ---- rows ---- */

static struct avow_bytes column(sqlite3_stmt *st, int i)
{
    const void *data = sqlite3_column_blob(st, i);

    return AVOW_BYTES(data, (size_t)sqlite3_column_bytes(st, i));
}

static void copy(void *to, size_t size, struct avow_bytes from)
{
    if (size && from.len == size)
        memcpy(to, from.data, size);
}

static void text(char out[AVOW_ITEM_NAME_MAX], sqlite3_stmt *st, int i)
{
    const unsigned char *t = sqlite3_column_text(st, i);

    (void)snprintf(out, AVOW_ITEM_NAME_MAX, "%s", t ? (const char *)t : "");
}

static void read_row(sqlite3_stmt *st, struct avow_store_row *row)
{
    struct avow_item *it = &row->item;
    struct avow_bytes hwid = column(st, 5);

    *row = (struct avow_store_row){ 0 };
    it->kind = (enum avow_item_kind)sqlite3_column_int(st, 0);
    it->data = column(st, 1);
    copy(it->digest, sizeof it->digest, column(st, 2));
    text(it->subject, st, 3);
    text(it->issuer, st, 4);
    if (hwid.len <= sizeof it->hwid) {
        it->hwid_len = (uint8_t)hwid.len;
        copy(it->hwid, hwid.len, hwid);
    }
    it->has_tcb = column(st, 6).len == sizeof it->tcb;
    copy(it->tcb, sizeof it->tcb, column(st, 6));
    copy(it->fmspc, sizeof it->fmspc, column(st, 7));
    it->evaluation = (uint32_t)sqlite3_column_int64(st, 8);
    it->from = sqlite3_column_int64(st, 9);
    it->until = sqlite3_column_int64(st, 10);
    row->source = (const char *)sqlite3_column_text(st, 11);
    row->added = sqlite3_column_int64(st, 12);
}

static int walk(struct avow_store *s, sqlite3_stmt *st, avow_store_fn fn, void *ctx,
                struct avow_error *err)
{
    struct avow_store_row row;
    int rc = 0;
    int step = 0;

    while (rc == 0 && (step = sqlite3_step(st)) == SQLITE_ROW) {
        read_row(st, &row);
        rc = fn(ctx, &row);
    }
    return rc == 0 && step != SQLITE_DONE ? fail_db(s, err, "read") : rc;
}

int avow_store_each(struct avow_store *s, avow_store_fn fn, void *ctx, struct avow_error *err)
{
    sqlite3_stmt *st = begin(s, EACH);
    int rc = walk(s, st, fn, ctx, err);

    end(s, st);
    return rc;
}

struct fill {
    struct avow_pool *pool;
    struct avow_error *err;
};

/* The file may have been changed by anybody: what is in it is parsed again. */
static int into_pool(void *ctx, const struct avow_store_row *row)
{
    const struct fill *f = ctx;

    return avow_pool_put(f->pool, row->item.kind, row->item.data, f->err);
}

static int fill(struct avow_store *s, enum statement which, struct avow_bytes one,
                struct avow_bytes two, struct avow_pool *pool, struct avow_error *err)
{
    struct fill f = { .pool = pool, .err = err };
    sqlite3_stmt *st = begin(s, which);
    int rc = 0;

    if (bind_bytes(st, 1, one) || bind_bytes(st, 2, two) ||
        sqlite3_bind_int(st, 3, AVOW_STORE_OWN_MAX))
        rc = fail_db(s, err, "read");
    else
        rc = walk(s, st, into_pool, &f, err);
    end(s, st);
    if (rc < 0)
        (void)avow_error_prefix(err, "%s", s->path);
    return rc;
}

int avow_store_fill_common(struct avow_store *s, int64_t now, struct avow_pool *pool,
                           struct avow_error *err)
{
    struct fill f = { .pool = pool, .err = err };
    sqlite3_stmt *st = begin(s, COMMON);
    int rc = 0;

    if (sqlite3_bind_int(st, 1, AVOW_STORE_COMMON_MAX) || sqlite3_bind_int64(st, 2, now))
        rc = fail_db(s, err, "read");
    else
        rc = walk(s, st, into_pool, &f, err);
    end(s, st);
    if (rc < 0)
        (void)avow_error_prefix(err, "%s", s->path);
    return rc;
}

int avow_store_fill(struct avow_store *s, const struct avow_need *need, struct avow_pool *pool,
                    struct avow_error *err)
{
    struct avow_bytes none = { 0 };

    if (need->hardware == AVOW_TEE_SNP && need->vlek)
        return fill(s, LEAVES_VLEK, none, AVOW_BYTES_OF(need->tcb), pool, err);
    if (need->hardware == AVOW_TEE_SNP && need->hwid_len)
        return fill(s, LEAVES, AVOW_BYTES(need->hwid, need->hwid_len), AVOW_BYTES_OF(need->tcb),
                    pool, err);
    if (need->hardware == AVOW_TEE_TDX && need->has_fmspc)
        return fill(s, TCB_INFO, AVOW_BYTES_OF(need->fmspc), none, pool, err);
    return 0;
}

int avow_store_complete(struct avow_store *s, int64_t now, struct avow_bundle *b,
                        struct avow_error *err)
{
    avow_auto(avow_cleanup_pool) struct avow_pool *pool = NULL;
    struct avow_need need = { 0 };

    AVOW_TRY(avow_need_of(b, &need, err));
    if (need.hardware == AVOW_TEE_NONE)
        return 0;
    AVOW_TRY(avow_pool_new(&pool, err));
    AVOW_TRY(avow_store_fill(s, &need, pool, err));
    AVOW_TRY(avow_store_fill_common(s, now, pool, err));
    return avow_pool_complete(pool, now, b, err);
}

int avow_store_until(struct avow_store *s, const struct avow_store_key *key, int64_t now,
                     int64_t *until, struct avow_error *err)
{
    sqlite3_stmt *st = begin(s, UNTIL);
    int rc = 0;

    if (sqlite3_bind_int(st, 1, (int)key->kind) || sqlite3_bind_int64(st, 2, now) ||
        sqlite3_bind_text(st, 3, key->issuer, -1, SQLITE_STATIC) || bind_bytes(st, 4, key->hwid) ||
        bind_bytes(st, 5, key->tcb) || bind_bytes(st, 6, key->fmspc) ||
        sqlite3_step(st) != SQLITE_ROW)
        rc = fail_db(s, err, "read");
    else
        *until = sqlite3_column_int64(st, 0);
    end(s, st);
    return rc;
}

int avow_store_prune(struct avow_store *s, int64_t before, uint64_t *n, struct avow_error *err)
{
    sqlite3_stmt *st = begin(s, PRUNE);
    int rc = 0;

    *n = 0;
    if (sqlite3_bind_int64(st, 1, before) || sqlite3_step(st) != SQLITE_DONE)
        rc = fail_db(s, err, "prune");
    else
        *n = (uint64_t)sqlite3_changes(s->db);
    end(s, st);
    return rc;
}
