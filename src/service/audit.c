#include "service/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "crypto/hash.h"

#define SCHEMA_VERSION 1
#define APPLICATION_ID 0x41766f61 /* "Avoa" */
#define BUSY_MS 10000
#define SIZE_EVERY 256 /* rows between two looks at the file's size */

static const char schema[] =
    "CREATE TABLE log(id INTEGER PRIMARY KEY, row TEXT NOT NULL, hash BLOB NOT NULL) STRICT;"
    "CREATE TRIGGER log_no_update BEFORE UPDATE ON log BEGIN"
    " SELECT RAISE(ABORT, 'the audit log is append-only'); END;"
    "CREATE TRIGGER log_no_delete BEFORE DELETE ON log BEGIN"
    " SELECT RAISE(ABORT, 'the audit log is append-only'); END;"
    "CREATE TRIGGER log_in_order BEFORE INSERT ON log"
    " WHEN NEW.id <> (SELECT coalesce(max(id), 0) + 1 FROM log) BEGIN"
    " SELECT RAISE(ABORT, 'the audit log is append-only'); END;";

struct avow_audit {
    char *path;
    uint64_t max;
    pthread_mutex_t lock; /* protects all below */
    sqlite3 *db;
    sqlite3_stmt *insert;
    struct avow_audit_head head;
    bool full;
};

static int fail_db(const struct avow_audit *a, struct avow_error *err, const char *what)
{
    int code = a->db ? sqlite3_errcode(a->db) & 0xff : SQLITE_NOMEM;

    if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT)
        return AVOW_FAIL(err, FORMAT, "%s: %s: %s", a->path, what, sqlite3_errmsg(a->db));
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        return AVOW_FAIL(err, BUSY, "%s: %s: another process holds it", a->path, what);
    return AVOW_FAIL(err, SYSTEM, "%s: %s: %s", a->path, what,
                     a->db ? sqlite3_errmsg(a->db) : "out of memory");
}

static int run(struct avow_audit *a, const char *text, struct avow_error *err)
{
    return sqlite3_exec(a->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail_db(a, err, "write");
}

static int pragma_int(struct avow_audit *a, const char *text, int *out, struct avow_error *err)
{
    sqlite3_stmt *st = NULL;
    int rc = 0;

    if (sqlite3_prepare_v2(a->db, text, -1, &st, NULL) != SQLITE_OK ||
        sqlite3_step(st) != SQLITE_ROW)
        rc = fail_db(a, err, "read");
    else
        *out = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return rc;
}

static int check_schema(struct avow_audit *a, enum avow_audit_mode mode, struct avow_error *err)
{
    char text[sizeof schema + 128];
    int id = 0, version = 0, objects = 0;

    AVOW_TRY(pragma_int(a, "SELECT count(*) FROM sqlite_master", &objects, err));
    if (!objects && mode == AVOW_AUDIT_WRITE) {
        (void)snprintf(text, sizeof text,
                       "BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d;"
                       " COMMIT",
                       schema, APPLICATION_ID, SCHEMA_VERSION);
        AVOW_TRY(run(a, text, err));
    }
    AVOW_TRY(pragma_int(a, "PRAGMA application_id", &id, err));
    AVOW_TRY(pragma_int(a, "PRAGMA user_version", &version, err));
    if (id != APPLICATION_ID)
        return AVOW_FAIL(err, FORMAT, "%s: the file is no audit log", a->path);
    if (version != SCHEMA_VERSION)
        return AVOW_FAIL(err, VERSION, "%s: version %d (this avow reads %d)", a->path, version,
                         SCHEMA_VERSION);
    return 0;
}

/* Where the chain goes on. A row that is no JSON any more is for the check of the chain to find. */
static int read_last(struct avow_audit *a, struct avow_error *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(a->db,
                                "SELECT id, hash, CASE WHEN json_valid(row)"
                                " THEN json_extract(row, '$.time') END"
                                " FROM log ORDER BY id DESC LIMIT 1",
                                -1, &st, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW && sqlite3_column_bytes(st, 1) == 32) {
        a->head.id = sqlite3_column_int64(st, 0);
        memcpy(a->head.hash, sqlite3_column_blob(st, 1), 32);
        a->head.time = sqlite3_column_int64(st, 2);
    }
    sqlite3_finalize(st);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : fail_db(a, err, "read");
}

static int open_db(struct avow_audit *a, enum avow_audit_mode mode, struct avow_error *err)
{
    const int flags =
        mode == AVOW_AUDIT_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    struct stat st = { 0 };

    if (mode == AVOW_AUDIT_READ && stat(a->path, &st) != 0)
        return AVOW_FAIL(err, NOTFOUND, "%s: there is no audit log", a->path);
    if (mode == AVOW_AUDIT_WRITE) { /* SQLite would make it with the umask's mode */
        avow_autoclose int fd = open(a->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
            return AVOW_FAIL_SYS(err, "%s", a->path);
    }
    if (sqlite3_open_v2(a->path, &a->db, flags, NULL) != SQLITE_OK)
        return fail_db(a, err, "open");
    sqlite3_busy_timeout(a->db, BUSY_MS);
    if (mode == AVOW_AUDIT_WRITE)
        AVOW_TRY(run(a, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", err));
    AVOW_TRY(check_schema(a, mode, err));
    if (mode == AVOW_AUDIT_READ)
        return 0;
    if (sqlite3_prepare_v3(a->db, "INSERT INTO log(id, row, hash) VALUES(?1, ?2, ?3)", -1,
                           SQLITE_PREPARE_PERSISTENT, &a->insert, NULL) != SQLITE_OK)
        return fail_db(a, err, "open");
    return read_last(a, err);
}

int avow_audit_open(const char *path, enum avow_audit_mode mode, uint64_t max,
                    struct avow_audit **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_audit) struct avow_audit *a = calloc(1, sizeof *a);

    if (!a)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    pthread_mutex_init(&a->lock, NULL);
    a->max = max;
    a->path = strdup(path);
    if (!a->path)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(open_db(a, mode, err));
    *out = avow_steal(&a);
    return 0;
}

void avow_audit_close(struct avow_audit *a)
{
    if (!a)
        return;
    sqlite3_finalize(a->insert);
    sqlite3_close(a->db);
    pthread_mutex_destroy(&a->lock);
    free(a->path);
    free(a);
}

static int chain(const uint8_t before[32], struct avow_bytes row, uint8_t out[32])
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_AUDIT_ROW_MAX + 32);

    avow_buf_put(&text, before, 32);
    avow_buf_put_bytes(&text, row);
    AVOW_TRY(avow_buf_ok(&text, NULL));
    return avow_sha256(avow_buf_view(&text), out);
}

/* A log that has become too long stays so until somebody makes room: nothing is dropped. */
static bool is_full(struct avow_audit *a)
{
    struct stat st = { 0 };

    if (a->max && a->head.id % SIZE_EVERY == 0)
        a->full = stat(a->path, &st) == 0 && (uint64_t)st.st_size > a->max;
    return a->full;
}

static int insert(struct avow_audit *a, int64_t now, const json_t *row, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_AUDIT_ROW_MAX);
    uint8_t hash[32];
    int rc = 0;

    AVOW_TRY(avow_json_canonical(row, &text, err));
    if (chain(a->head.hash, avow_buf_view(&text), hash) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    sqlite3_bind_int64(a->insert, 1, a->head.id + 1);
    sqlite3_bind_text(a->insert, 2, avow_buf_cstr(&text), (int)text.len, SQLITE_STATIC);
    sqlite3_bind_blob(a->insert, 3, hash, sizeof hash, SQLITE_STATIC);
    if (sqlite3_step(a->insert) != SQLITE_DONE)
        rc = fail_db(a, err, "append");
    (void)sqlite3_reset(a->insert);
    (void)sqlite3_clear_bindings(a->insert);
    if (rc == 0) {
        a->head.id++;
        a->head.time = now;
        memcpy(a->head.hash, hash, sizeof hash);
    }
    return rc;
}

static int put_locked(struct avow_audit *a, int64_t now, const char *event, json_t *detail,
                      struct avow_error *err)
{
    avow_autojson json_t *row = NULL;

    if (is_full(a))
        return AVOW_FAIL(err, LIMIT, "%s: the audit log is full (audit-max)", a->path);
    row = json_pack("{s:O, s:s, s:I, s:I}", "detail", detail, "event", event, "id",
                    (json_int_t)a->head.id + 1, "time", (json_int_t)now);
    return row ? insert(a, now, row, err) : AVOW_FAIL(err, NOMEM, "out of memory");
}

int avow_audit_put(struct avow_audit *a, int64_t now, const char *event, json_t *take_detail,
                   struct avow_error *err)
{
    avow_autojson json_t *detail = take_detail;
    int rc = 0;

    if (!detail)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    pthread_mutex_lock(&a->lock);
    rc = put_locked(a, now, event, detail, err);
    pthread_mutex_unlock(&a->lock);
    return rc;
}

void avow_audit_head(struct avow_audit *a, struct avow_audit_head *out)
{
    pthread_mutex_lock(&a->lock);
    *out = a->head;
    pthread_mutex_unlock(&a->lock);
}

/* The row is what its number, its JSON and its hash say together. */
static int check_row(const struct avow_audit *a, sqlite3_stmt *st, int64_t expected,
                     const uint8_t before[32], struct avow_audit_row *out, struct avow_error *err)
{
    avow_autojson json_t *row = NULL;
    const char *text = (const char *)sqlite3_column_text(st, 1);
    size_t len = (size_t)sqlite3_column_bytes(st, 1);
    int64_t id = -1;
    uint8_t hash[32];

    out->id = sqlite3_column_int64(st, 0);
    out->json = text;
    out->hash = sqlite3_column_blob(st, 2);
    if (out->id != expected)
        return AVOW_FAIL(err, DIGEST, "%s: row %lld is missing", a->path, (long long)expected);
    if (!text || len > AVOW_AUDIT_ROW_MAX || sqlite3_column_bytes(st, 2) != 32 ||
        chain(before, AVOW_BYTES(text, len), hash) < 0 ||
        !avow_bytes_equal(AVOW_BYTES_OF(hash), AVOW_BYTES(out->hash, 32)))
        return AVOW_FAIL(err, DIGEST, "%s: row %lld was changed, or one before it", a->path,
                         (long long)expected);
    if (avow_json_parse(AVOW_BYTES(text, len), &row, NULL) < 0 ||
        avow_json_get_int(row, "id", 0, INT64_MAX, &id, NULL) < 0 || id != expected)
        return AVOW_FAIL(err, DIGEST, "%s: row %lld says that it is another", a->path,
                         (long long)expected);
    return 0;
}

int avow_audit_each(struct avow_audit *a, avow_audit_fn fn, void *ctx, uint64_t *n,
                    uint8_t last[32], struct avow_error *err)
{
    sqlite3_stmt *st = NULL;
    struct avow_audit_row row = { 0 };
    uint8_t before[32] = { 0 };
    int64_t count = 0;
    int step = 0;
    int rc = 0;

    if (sqlite3_prepare_v2(a->db, "SELECT id, row, hash FROM log ORDER BY id", -1, &st, NULL) !=
        SQLITE_OK)
        return fail_db(a, err, "read");
    while (rc == 0 && (step = sqlite3_step(st)) == SQLITE_ROW) {
        rc = check_row(a, st, count + 1, before, &row, err);
        if (rc < 0)
            break;
        count++;
        memcpy(before, row.hash, 32);
        if (fn)
            rc = fn(ctx, &row);
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = fail_db(a, err, "read");
    sqlite3_finalize(st);
    if (n)
        *n = (uint64_t)count;
    if (last)
        memcpy(last, before, 32);
    return rc;
}

int avow_audit_read_head(struct avow_audit *a, struct avow_audit_head *out, struct avow_error *err)
{
    avow_autojson json_t *json = NULL;
    sqlite3_stmt *st = NULL;
    struct avow_audit_row row = { 0 };
    uint8_t before[32] = { 0 };
    int rc = 0;

    AVOW_TRY(read_last(a, err));
    if (a->head.id == 0)
        return AVOW_FAIL(err, MISSING, "%s: there are no rows", a->path);
    if (sqlite3_prepare_v2(
            a->db, "SELECT id, row, hash FROM log WHERE id BETWEEN ?1 AND ?1 + 1 ORDER BY id", -1,
            &st, NULL) != SQLITE_OK)
        return fail_db(a, err, "read");
    sqlite3_bind_int64(st, 1, a->head.id - 1);
    if (a->head.id > 1 && sqlite3_step(st) == SQLITE_ROW && sqlite3_column_bytes(st, 2) == 32)
        memcpy(before, sqlite3_column_blob(st, 2), 32);
    if (sqlite3_step(st) != SQLITE_ROW)
        rc = AVOW_FAIL(err, DIGEST, "%s: row %lld is missing", a->path, (long long)a->head.id - 1);
    if (rc == 0)
        rc = check_row(a, st, a->head.id, before, &row, err);
    if (rc == 0)
        rc = avow_json_parse(avow_bytes_str(row.json), &json, err);
    if (rc == 0)
        rc = avow_json_get_int(json, "time", 0, INT64_MAX, &out->time, err);
    if (rc == 0) {
        out->id = row.id;
        memcpy(out->hash, row.hash, 32);
    }
    sqlite3_finalize(st);
    return rc;
}

struct search {
    const struct avow_audit_head *kept;
    bool found, same;
};

static int look(void *ctx, const struct avow_audit_row *row)
{
    struct search *s = ctx;

    if (row->id != s->kept->id)
        return 0;
    s->found = true;
    s->same = avow_bytes_equal(AVOW_BYTES(row->hash, 32), AVOW_BYTES_OF(s->kept->hash));
    return 0;
}

int avow_audit_holds(struct avow_audit *a, const struct avow_audit_head *kept, uint64_t *n,
                     uint8_t last[32], struct avow_error *err)
{
    struct search s = { .kept = kept };

    AVOW_TRY(avow_audit_each(a, look, &s, n, last, err));
    if (!s.found)
        return AVOW_FAIL(err, DIGEST, "%s: row %lld is gone: the log ends with row %llu", a->path,
                         (long long)kept->id, (unsigned long long)*n);
    if (!s.same)
        return AVOW_FAIL(err, DIGEST,
                         "%s: row %lld is not the one whose hash was kept: the log was made anew",
                         a->path, (long long)kept->id);
    return 0;
}
