#include "job/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "codec/text.h"

#define SCHEMA_VERSION 1
#define APPLICATION_ID 0x41766f77 /* "Avow" */
#define BUSY_MS 2000              /* a backup tool may read for a moment */

enum statement { APPEND, REPLAY, JOBS, JOBS_OF, UNENDED, N_STATEMENTS };

static const char *const sql[N_STATEMENTS] = {
    [APPEND] = "INSERT INTO events(job, seq, t, type, data, owner) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [REPLAY] = "SELECT seq, t, type, data FROM events WHERE job = ?1 AND seq > ?2 ORDER BY seq",
    [JOBS] = "SELECT job FROM events WHERE type = 'created' ORDER BY id DESC LIMIT ?1",
    [JOBS_OF] = "SELECT job FROM events WHERE type = 'created' AND owner = ?2"
                " ORDER BY id DESC LIMIT ?1",
    [UNENDED] = "SELECT job FROM events AS c WHERE type = 'created' AND NOT EXISTS (SELECT 1 FROM"
                " events AS e WHERE e.job = c.job AND e.type IN ('done', 'fail')) ORDER BY id DESC",
};

/* The triggers keep history as it was, whoever opens the file. */
static const char schema[] =
    "CREATE TABLE events(id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL,"
    " seq INTEGER NOT NULL, t INTEGER NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL,"
    " owner BLOB, UNIQUE(job, seq)) STRICT;"
    "CREATE INDEX created ON events(owner, id) WHERE type = 'created';"
    "CREATE INDEX ended ON events(job) WHERE type IN ('done', 'fail');"
    "CREATE TRIGGER no_update BEFORE UPDATE ON events BEGIN"
    " SELECT RAISE(ABORT, 'the journal is append-only'); END;"
    "CREATE TRIGGER no_delete BEFORE DELETE ON events BEGIN"
    " SELECT RAISE(ABORT, 'the journal is append-only'); END;";

struct avow_journal {
    sqlite3 *db;
    sqlite3_stmt *stmt[N_STATEMENTS];
    enum avow_journal_durability durability; /* what PRAGMA synchronous says now */
};

static int fail_db(sqlite3 *db, struct avow_error *err, const char *what)
{
    int code = db ? sqlite3_errcode(db) & 0xff : SQLITE_NOMEM;

    switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return AVOW_FAIL(err, BUSY, "journal: %s: another process holds it", what);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return AVOW_FAIL(err, FORMAT, "journal: %s: %s", what, sqlite3_errmsg(db));
    case SQLITE_CONSTRAINT:
        return AVOW_FAIL(err, EXISTS, "journal: %s: %s", what, sqlite3_errmsg(db));
    case SQLITE_NOMEM:
        return AVOW_FAIL(err, NOMEM, "journal: %s: out of memory", what);
    default:
        return AVOW_FAIL(err, SYSTEM, "journal: %s: %s", what, sqlite3_errmsg(db));
    }
}

static int run(sqlite3 *db, const char *text, struct avow_error *err)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        return fail_db(db, err, "set-up");
    return 0;
}

static int pragma_int(sqlite3 *db, const char *text, int *out, struct avow_error *err)
{
    sqlite3_stmt *s = NULL;

    if (sqlite3_prepare_v2(db, text, -1, &s, NULL) != SQLITE_OK || sqlite3_step(s) != SQLITE_ROW) {
        int rc = fail_db(db, err, "read");

        sqlite3_finalize(s);
        return rc;
    }
    *out = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return 0;
}

static int check_schema(sqlite3 *db, struct avow_error *err)
{
    int id = 0;
    int version = 0;
    int objects = 0;
    char text[sizeof schema + 128];

    AVOW_TRY(pragma_int(db, "PRAGMA application_id", &id, err));
    AVOW_TRY(pragma_int(db, "PRAGMA user_version", &version, err));
    AVOW_TRY(pragma_int(db, "SELECT count(*) FROM sqlite_master", &objects, err));
    if (id == APPLICATION_ID && version == SCHEMA_VERSION)
        return 0;
    if (id == APPLICATION_ID)
        return AVOW_FAIL(err, VERSION, "journal: version %d (this avowd reads %d)", version,
                         SCHEMA_VERSION);
    if (objects || id)
        return AVOW_FAIL(err, FORMAT, "journal: the file is another program's database");
    snprintf(text, sizeof text,
             "BEGIN IMMEDIATE; %s PRAGMA application_id = %d;"
             " PRAGMA user_version = %d; COMMIT",
             schema, APPLICATION_ID, SCHEMA_VERSION);
    return run(db, text, err);
}

static int prepare(struct avow_journal *j, struct avow_error *err)
{
    for (int i = 0; i < N_STATEMENTS; i++)
        if (sqlite3_prepare_v3(j->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &j->stmt[i], NULL) !=
            SQLITE_OK)
            return fail_db(j->db, err, "prepare");
    return 0;
}

/* SQLite makes files with 0644 less the umask: make it first, with the mode that it is to have; the
 * -wal and -shm files take the mode of the main one. */
static int make_private(const char *path, struct avow_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;
    int rc = 0;

    if (fd < 0)
        return AVOW_FAIL_SYS(err, "journal: cannot open %s", path);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        rc = AVOW_FAIL(err, FORMAT, "journal: %s is not a regular file", path);
    else if ((st.st_mode & 077) && fchmod(fd, 0600) < 0)
        rc = AVOW_FAIL_SYS(err, "journal: cannot make %s private", path);
    close(fd);
    return rc;
}

int avow_journal_open(const char *path, struct avow_journal **out, struct avow_error *err)
{
    __attribute__((cleanup(avow_cleanup_journal))) struct avow_journal *j = calloc(1, sizeof *j);
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;

    if (!j)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(make_private(path, err));
    if (sqlite3_open_v2(path, &j->db, flags, NULL) != SQLITE_OK)
        return fail_db(j->db, err, "open");
    sqlite3_busy_timeout(j->db, BUSY_MS);
    sqlite3_limit(j->db, SQLITE_LIMIT_LENGTH, (int)AVOW_JSON_MAX + 4096);
    AVOW_TRY(run(j->db,
                 "PRAGMA trusted_schema = OFF; PRAGMA journal_mode = WAL;"
                 " PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON",
                 err));
    AVOW_TRY(check_schema(j->db, err));
    AVOW_TRY(prepare(j, err));
    j->durability = AVOW_JOURNAL_SYNC;
    *out = avow_steal(&j);
    return 0;
}

void avow_journal_close(struct avow_journal *j)
{
    if (!j)
        return;
    for (int i = 0; i < N_STATEMENTS; i++)
        sqlite3_finalize(j->stmt[i]);
    sqlite3_close(j->db);
    free(j);
}

static int set_durability(struct avow_journal *j, enum avow_journal_durability d,
                          struct avow_error *err)
{
    if (j->durability == d)
        return 0;
    AVOW_TRY(run(
        j->db, d == AVOW_JOURNAL_SYNC ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
        err));
    j->durability = d;
    return 0;
}

static void bind_owner(sqlite3_stmt *s, int index, const json_t *data)
{
    const char *hex = json_string_value(json_object_get(data, "owner"));

    if (hex)
        sqlite3_bind_blob(s, index, hex, (int)strlen(hex), SQLITE_TRANSIENT);
}

int avow_journal_append(struct avow_journal *j, const struct avow_job_event *e,
                        enum avow_journal_durability d, struct avow_error *err)
{
    sqlite3_stmt *s = j->stmt[APPEND];
    avow_autofree char *text = json_dumps(e->data, JSON_COMPACT | JSON_SORT_KEYS);
    int rc = 0;

    if (!text)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(set_durability(j, d, err));
    sqlite3_bind_text(s, 1, e->job, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, (sqlite3_int64)e->seq);
    sqlite3_bind_int64(s, 3, e->t);
    sqlite3_bind_text(s, 4, avow_job_event_name(e->type), -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 5, text, -1, SQLITE_STATIC);
    if (e->type == AVOW_JOB_CREATED)
        bind_owner(s, 6, e->data);
    if (sqlite3_step(s) != SQLITE_DONE)
        rc = fail_db(j->db, err, "append");
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return rc;
}

/* One row as an event; @data keeps what the event borrows. */
static int read_row(sqlite3_stmt *s, struct avow_job_event *e, json_t **data,
                    struct avow_error *err)
{
    const char *type = (const char *)sqlite3_column_text(s, 2);
    const char *text = (const char *)sqlite3_column_text(s, 3);
    int n = sqlite3_column_bytes(s, 3);
    int t = type ? avow_job_event_from_name(type) : -1;

    if (t < 0)
        return AVOW_FAIL(err, FORMAT, "unknown event type \"%.40s\"", type ? type : "");
    e->type = (enum avow_job_event_type)t;
    e->seq = (uint64_t)sqlite3_column_int64(s, 0);
    e->t = sqlite3_column_int64(s, 1);
    AVOW_TRY(avow_json_parse(AVOW_BYTES(text, (size_t)n), data, err));
    e->data = *data;
    return 0;
}

static int replay_rows(struct avow_journal *j, sqlite3_stmt *s, const char *job, avow_journal_fn fn,
                       void *ctx, struct avow_error *err)
{
    struct avow_job_event e = { 0 };
    int step = 0;

    memcpy(e.job, job, sizeof e.job);
    while ((step = sqlite3_step(s)) == SQLITE_ROW) {
        avow_autojson json_t *data = NULL;
        int rc = 0;

        if (read_row(s, &e, &data, err) < 0)
            return avow_error_prefix(err, "journal, job %s event %lld: ", job,
                                     (long long)sqlite3_column_int64(s, 0));
        rc = fn(ctx, &e);
        if (rc)
            return rc;
    }
    return step == SQLITE_DONE ? 0 : fail_db(j->db, err, "replay");
}

int avow_journal_replay(struct avow_journal *j, const char *job, uint64_t since, avow_journal_fn fn,
                        void *ctx, struct avow_error *err)
{
    sqlite3_stmt *s = j->stmt[REPLAY];
    struct avow_error local = { 0 };
    int rc = 0;

    if (!avow_job_uuid_ok(job))
        return 0;
    sqlite3_bind_text(s, 1, job, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, since > INT64_MAX ? INT64_MAX : (sqlite3_int64)since);
    rc = replay_rows(j, s, job, fn, ctx, err ? err : &local);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return rc;
}

struct load {
    struct avow_job_record *record;
    struct avow_error *err;
};

static int load_one(void *ctx, const struct avow_job_event *e)
{
    struct load *l = ctx;

    if (avow_job_record_apply(l->record, e, l->err) < 0)
        return avow_error_prefix(l->err, "journal, job %s event %llu: ", e->job,
                                 (unsigned long long)e->seq);
    return 0;
}

int avow_journal_load(struct avow_journal *j, const char *job, struct avow_job_record *out,
                      struct avow_error *err)
{
    avow_auto(avow_job_record_done) struct avow_job_record r = { 0 };
    struct avow_error local = { 0 };
    struct load l = { .record = &r, .err = err ? err : &local };

    AVOW_TRY(avow_journal_replay(j, job, 0, load_one, &l, l.err));
    if (r.state == AVOW_JOB_NONE)
        return AVOW_FAIL(err, NOTFOUND, "no job %.40s", job);
    *out = r;
    r = (struct avow_job_record){ 0 };
    return 0;
}

static int each_job(struct avow_journal *j, sqlite3_stmt *s, avow_journal_job_fn fn, void *ctx,
                    struct avow_error *err)
{
    int step = 0;
    int rc = 0;

    while (rc == 0 && (step = sqlite3_step(s)) == SQLITE_ROW) {
        const char *job = (const char *)sqlite3_column_text(s, 0);

        if (job && avow_job_uuid_ok(job))
            rc = fn(ctx, job);
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = fail_db(j->db, err, "list");
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return rc;
}

int avow_journal_jobs(struct avow_journal *j, const uint8_t owner[32], uint32_t max,
                      avow_journal_job_fn fn, void *ctx, struct avow_error *err)
{
    sqlite3_stmt *s = j->stmt[owner ? JOBS_OF : JOBS];
    char hex[65];

    sqlite3_bind_int64(s, 1, max);
    if (owner) {
        avow_hex(AVOW_BYTES(owner, 32), hex);
        sqlite3_bind_blob(s, 2, hex, 64, SQLITE_TRANSIENT);
    }
    return each_job(j, s, fn, ctx, err);
}

int avow_journal_unended(struct avow_journal *j, avow_journal_job_fn fn, void *ctx,
                         struct avow_error *err)
{
    return each_job(j, j->stmt[UNENDED], fn, ctx, err);
}
