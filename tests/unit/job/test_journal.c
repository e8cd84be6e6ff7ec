#include "job/journal.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../test.h"

#define OWNER_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OWNER_B "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define J1 "11111111-1111-4111-8111-111111111111"
#define J2 "22222222-2222-4222-8222-222222222222"
#define J3 "33333333-3333-4333-8333-333333333333"

struct dir {
    char path[64];
    char db[96];
    char wal[104];
};

static int setup(void **state)
{
    struct dir *d = calloc(1, sizeof *d);

    snprintf(d->path, sizeof d->path, "/tmp/avow-test-journal-XXXXXX");
    if (!mkdtemp(d->path))
        return -1;
    snprintf(d->db, sizeof d->db, "%s/journal.db", d->path);
    snprintf(d->wal, sizeof d->wal, "%s-wal", d->db);
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct dir *d = *state;
    char shm[104];

    snprintf(shm, sizeof shm, "%s-shm", d->db);
    unlink(d->db);
    unlink(d->wal);
    unlink(shm);
    rmdir(d->path);
    free(d);
    return 0;
}

static int append(struct avow_journal *j, const char *job, enum avow_job_event_type type,
                  uint64_t seq, const char *text, struct avow_error *err)
{
    avow_autojson json_t *data = json_loads(text, 0, NULL);
    struct avow_job_event e = { .type = type, .seq = seq, .t = (int64_t)seq, .data = data };

    memcpy(e.job, job, sizeof e.job);
    return avow_journal_append(j, &e, seq % 2 ? AVOW_JOURNAL_SYNC : AVOW_JOURNAL_LAZY, err);
}

static void create(struct avow_journal *j, const char *job, const char *owner)
{
    char text[512];

    snprintf(text, sizeof text,
             "{\"name\":\"h\",\"formation\":\"" J1 "\",\"node\":\"a\",\"owner\":\"%s\","
             "\"first_rank\":0,\"ranks\":1,\"verdicts\":{}}",
             owner);
    assert_int_equal(append(j, job, AVOW_JOB_CREATED, 1, text, NULL), 0);
}

static struct avow_journal *open_it(const struct dir *d)
{
    struct avow_journal *j = NULL;
    struct avow_error err = { 0 };

    if (avow_journal_open(d->db, &j, &err) < 0)
        fail_msg("%s", err.text);
    return j;
}

static int collect(void *ctx, const char *job)
{
    char *digits = ctx;

    digits[strlen(digits)] = job[0]; /* the first digit tells them apart; zeroes follow */
    return 0;
}

static void what_was_written_is_loaded_again(void **state)
{
    struct dir *d = *state;
    struct avow_journal *j = open_it(d);
    struct avow_job_record r = { 0 };
    struct avow_error err = { 0 };
    struct stat st;

    create(j, J1, OWNER_A);
    assert_int_equal(append(j, J1, AVOW_JOB_STARTED, 2, "{}", NULL), 0);
    assert_int_equal(append(j, J1, AVOW_JOB_GO, 5, "{}", NULL), 0);
    assert_int_equal(append(j, J1, AVOW_JOB_GO, 5, "{}", &err), -AVOW_E_EXISTS);
    avow_journal_close(j);
    assert_int_equal(stat(d->db, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    j = open_it(d);
    assert_int_equal(avow_journal_load(j, J1, &r, NULL), 0);
    assert_int_equal(r.state, AVOW_JOB_RUNNING);
    assert_int_equal(r.seq, 5);
    avow_job_record_done(&r);
    assert_int_equal(avow_journal_load(j, J2, &r, NULL), -AVOW_E_NOTFOUND);
    assert_int_equal(avow_journal_load(j, "' OR 1=1 --", &r, NULL), -AVOW_E_NOTFOUND);
    avow_journal_close(j);
}

static void lists_by_owner_and_by_end(void **state)
{
    struct avow_journal *j = open_it(*state);
    uint8_t a[32] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa,
                      0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x00, 0x11, 0x22, 0x33, 0x44, 0x55,
                      0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
    char got[8] = "";

    create(j, J1, OWNER_A);
    create(j, J2, OWNER_B);
    create(j, J3, OWNER_A);
    assert_int_equal(
        append(j, J1, AVOW_JOB_FAIL, 2, "{\"reason\":{\"code\":\"rank\",\"message\":\"m\"}}", NULL),
        0);
    assert_int_equal(avow_journal_jobs(j, a, 100, collect, got, NULL), 0);
    assert_string_equal(got, "31");
    memset(got, 0, sizeof got);
    assert_int_equal(avow_journal_jobs(j, NULL, 2, collect, got, NULL), 0);
    assert_string_equal(got, "32");
    memset(got, 0, sizeof got);
    assert_int_equal(avow_journal_unended(j, collect, got, NULL), 0);
    assert_string_equal(got, "32");
    avow_journal_close(j);
}

static void history_cannot_be_changed(void **state)
{
    struct dir *d = *state;
    struct avow_journal *j = open_it(d);
    sqlite3 *db = NULL;

    create(j, J1, OWNER_A);
    avow_journal_close(j);
    assert_int_equal(sqlite3_open(d->db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE events SET t = 9", NULL, NULL, NULL),
                     SQLITE_CONSTRAINT);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM events", NULL, NULL, NULL), SQLITE_CONSTRAINT);
    sqlite3_close(db);
}

static void refuses_what_is_no_journal(void **state)
{
    struct dir *d = *state;
    struct avow_journal *j = NULL;
    struct avow_error err = { 0 };
    sqlite3 *db = NULL;
    FILE *f = fopen(d->db, "w");

    for (int i = 0; i < 4096; i++)
        fputc('x', f);
    fclose(f);
    assert_int_equal(avow_journal_open(d->db, &j, &err), -AVOW_E_FORMAT);
    unlink(d->db);

    assert_int_equal(sqlite3_open(d->db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE x(y)", NULL, NULL, NULL), SQLITE_OK);
    avow_error_clear(&err);
    assert_int_equal(avow_journal_open(d->db, &j, &err), -AVOW_E_FORMAT);
    sqlite3_close(db);
    unlink(d->db);

    avow_journal_close(open_it(d));
    assert_int_equal(sqlite3_open(d->db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 2", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    avow_error_clear(&err);
    assert_int_equal(avow_journal_open(d->db, &j, &err), -AVOW_E_VERSION);
    unlink(d->db);

    assert_int_equal(symlink("/tmp/elsewhere", d->db), 0);
    avow_error_clear(&err);
    assert_int_equal(avow_journal_open(d->db, &j, &err), -AVOW_E_SYSTEM);
    unlink(d->db);
}

static void a_bad_event_is_named(void **state)
{
    struct dir *d = *state;
    struct avow_journal *j = open_it(d);
    struct avow_job_record r = { 0 };
    struct avow_error err = { 0 };

    create(j, J1, OWNER_A);
    assert_int_equal(append(j, J1, AVOW_JOB_DONE, 2, "{\"files\":[]}", NULL), 0);
    assert_int_equal(avow_journal_load(j, J1, &r, &err), -AVOW_E_STATE);
    assert_non_null(strstr(err.text, J1));
    assert_non_null(strstr(err.text, "event 2"));
    avow_journal_close(j);
}

static int count(void *ctx, const struct avow_job_event *e)
{
    uint64_t *last = ctx;

    assert_true(e->seq == *last + 1); /* a prefix: nothing is missing in between */
    *last = e->seq;
    return 0;
}

static void copy_cut(const char *from, const char *to, size_t n)
{
    size_t len = 0;
    uint8_t *p = test_read_file(from, &len);
    FILE *f = fopen(to, "w");

    assert_non_null(p);
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n < len ? n : len, f), n < len ? n : len);
    fclose(f);
    free(p);
}

/* A crash may leave any prefix of the write-ahead log: the journal is then a prefix of the events.
 */
static void a_cut_log_gives_a_prefix(void **state)
{
    struct dir *d = *state;
    struct dir cut = { 0 };
    struct avow_journal *j = open_it(d);
    struct stat st;
    uint64_t best = 0;

    create(j, J1, OWNER_A);
    for (uint64_t seq = 2; seq <= 12; seq++)
        assert_int_equal(append(j, J1, AVOW_JOB_NOTE, seq, "{\"text\":\"n\"}", NULL), 0);
    assert_int_equal(stat(d->wal, &st), 0);
    memcpy(cut.path, d->path, sizeof cut.path);
    snprintf(cut.db, sizeof cut.db, "%s/c.db", d->path);
    snprintf(cut.wal, sizeof cut.wal, "%s-wal", cut.db);
    /* prime to the page size, so that cuts fall everywhere in frames and headers */
    for (off_t n = 0; n <= st.st_size; n += 997) {
        struct avow_journal *c = NULL;
        uint64_t last = 0;

        copy_cut(d->db, cut.db, SIZE_MAX);
        copy_cut(d->wal, cut.wal, (size_t)n);
        c = open_it(&cut);
        assert_int_equal(avow_journal_replay(c, J1, 0, count, &last, NULL), 0);
        assert_true(last >= best); /* more of the log is never less of the journal */
        best = last;
        avow_journal_close(c);
        unlink(cut.db);
        unlink(cut.wal);
    }
    assert_true(best >= 11);
    avow_journal_close(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_loaded_again, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_by_owner_and_by_end, setup, teardown),
        cmocka_unit_test_setup_teardown(history_cannot_be_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_event_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cut_log_gives_a_prefix, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
