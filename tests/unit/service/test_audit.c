#include "../test.h"

#include <sqlite3.h>

#include "service/audit.h"

#define NOW 1700000000
#define ROWS 5

static char dir[] = "/tmp/avow-test-audit-XXXXXX";
static char path[64];

static int set_up_all(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/audit.db", dir);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    return rmdir(dir);
}

static int clean(void **state)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    char name[80];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
    return 0;
}

static void write_rows(int n)
{
    avow_auto(avow_cleanup_audit) struct avow_audit *a = NULL;

    assert_int_equal(avow_audit_open(path, AVOW_AUDIT_WRITE, 0, &a, NULL), 0);
    for (int i = 0; i < n; i++)
        assert_int_equal(
            avow_audit_put(a, NOW + i, "token", json_pack("{s:i, s:b}", "n", i, "ok", 1), NULL), 0);
}

/* Behind the triggers' back, as who holds the file can. */
static int sql(const char *text)
{
    sqlite3 *db = NULL;
    int rc = 0;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    rc = sqlite3_exec(db, text, NULL, NULL, NULL);
    sqlite3_close(db);
    return rc;
}

static int check(uint64_t *n, struct avow_error *err)
{
    avow_auto(avow_cleanup_audit) struct avow_audit *a = NULL;

    assert_int_equal(avow_audit_open(path, AVOW_AUDIT_READ, 0, &a, NULL), 0);
    return avow_audit_each(a, NULL, NULL, n, NULL, err);
}

static int count_row(void *ctx, const struct avow_audit_row *row)
{
    int *n = ctx;

    assert_int_equal(row->id, *n + 1);
    assert_non_null(strstr(row->json, "\"event\":\"token\""));
    (*n)++;
    return 0;
}

static void chained(void **state)
{
    avow_auto(avow_cleanup_audit) struct avow_audit *a = NULL;
    uint64_t n = 0;
    int seen = 0;

    (void)state;
    write_rows(ROWS);
    write_rows(ROWS); /* opened again, the chain goes on */
    assert_int_equal(avow_audit_open(path, AVOW_AUDIT_READ, 0, &a, NULL), 0);
    assert_int_equal(avow_audit_each(a, count_row, &seen, &n, NULL, NULL), 0);
    assert_int_equal(n, 2 * ROWS);
    assert_int_equal(seen, 2 * ROWS);
}

static void append_only(void **state)
{
    uint64_t n = 0;

    (void)state;
    write_rows(ROWS);
    assert_int_not_equal(sql("UPDATE log SET row = 'x' WHERE id = 2"), SQLITE_OK);
    assert_int_not_equal(sql("DELETE FROM log WHERE id = 5"), SQLITE_OK);
    assert_int_not_equal(sql("INSERT INTO log VALUES(9, 'x', x'00')"), SQLITE_OK);
    assert_int_equal(check(&n, NULL), 0);
    assert_int_equal(n, ROWS);
}

static void tampering_is_found(void **state)
{
    static const struct {
        const char *sql, *says;
    } attacks[] = {
        { "UPDATE log SET row = replace(row, '\"n\":2', '\"n\":7') WHERE id = 3", "row 3 was" },
        { "UPDATE log SET hash = zeroblob(32) WHERE id = 3", "row 3 was" },
        { "DELETE FROM log WHERE id = 2", "row 2 is missing" },
        { "UPDATE log SET row = (SELECT row FROM log WHERE id = 2),"
          " hash = (SELECT hash FROM log WHERE id = 2) WHERE id = 3",
          "row 3 was" },
        { "UPDATE log SET id = 9 WHERE id = 5", "row 5 is missing" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        struct avow_error err = { 0 };
        uint64_t n = 0;

        clean(NULL);
        write_rows(ROWS);
        assert_int_equal(sql("DROP TRIGGER log_no_update; DROP TRIGGER log_no_delete"), SQLITE_OK);
        assert_int_equal(sql(attacks[i].sql), SQLITE_OK);
        assert_int_equal(check(&n, &err), -AVOW_E_DIGEST);
        assert_non_null(strstr(err.text, attacks[i].says));
    }
}

static int head_of(struct avow_audit_head *head, struct avow_error *err)
{
    avow_auto(avow_cleanup_audit) struct avow_audit *a = NULL;

    assert_int_equal(avow_audit_open(path, AVOW_AUDIT_READ, 0, &a, NULL), 0);
    return avow_audit_read_head(a, head, err);
}

static int holds(const struct avow_audit_head *kept, struct avow_error *err)
{
    avow_auto(avow_cleanup_audit) struct avow_audit *a = NULL;
    uint64_t n = 0;
    uint8_t last[32];

    assert_int_equal(avow_audit_open(path, AVOW_AUDIT_READ, 0, &a, NULL), 0);
    return avow_audit_holds(a, kept, &n, last, err);
}

static void head_is_the_last_row(void **state)
{
    avow_auto(avow_cleanup_audit) struct avow_audit *a = NULL;
    struct avow_audit_head read = { 0 };
    struct avow_audit_head cached = { 0 };

    (void)state;
    assert_int_equal(avow_audit_open(path, AVOW_AUDIT_WRITE, 0, &a, NULL), 0);
    assert_int_equal(head_of(&read, NULL), -AVOW_E_MISSING);
    avow_audit_head(a, &cached);
    assert_int_equal(cached.id, 0);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(avow_audit_put(a, NOW + i, "token", json_object(), NULL), 0);
        avow_audit_head(a, &cached);
        assert_int_equal(head_of(&read, NULL), 0);
        assert_int_equal(read.id, i);
        assert_int_equal(read.time, NOW + i);
        assert_memory_equal(&read, &cached, sizeof read);
    }
    avow_audit_close(avow_steal(&a));
    assert_int_equal(avow_audit_open(path, AVOW_AUDIT_WRITE, 0, &a, NULL), 0);
    avow_audit_head(a, &cached); /* opened again */
    assert_memory_equal(&read, &cached, sizeof read);
}

static void cut_off_rows_are_missed(void **state)
{
    struct avow_audit_head kept = { 0 };
    struct avow_audit_head other = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    write_rows(ROWS);
    assert_int_equal(head_of(&kept, NULL), 0);
    assert_int_equal(holds(&kept, NULL), 0);
    write_rows(2); /* it goes on, and the row is still there */
    assert_int_equal(holds(&kept, NULL), 0);
    other = kept;
    other.hash[0] ^= 1;
    assert_int_equal(holds(&other, &err), -AVOW_E_DIGEST);
    assert_non_null(strstr(err.text, "row 5 is not the one"));
    assert_int_equal(sql("DROP TRIGGER log_no_delete; DELETE FROM log WHERE id >= 5"), SQLITE_OK);
    assert_int_equal(check(&(uint64_t){ 0 }, NULL), 0); /* the chain alone does not tell */
    avow_error_clear(&err);
    assert_int_equal(holds(&kept, &err), -AVOW_E_DIGEST);
    assert_non_null(strstr(err.text, "row 5 is gone: the log ends with row 4"));
}

static void changed_heads_are_found(void **state)
{
    static const char *const attacks[] = {
        "UPDATE log SET row = replace(row, 'token', 'bread') WHERE id = 5",
        "UPDATE log SET row = 'no JSON' WHERE id = 5",
        "UPDATE log SET hash = zeroblob(32) WHERE id = 5",
        "UPDATE log SET hash = zeroblob(32) WHERE id = 4",
        "DELETE FROM log WHERE id = 4",
    };

    (void)state;
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        struct avow_audit_head head = { 0 };

        clean(NULL);
        write_rows(ROWS);
        assert_int_equal(sql("DROP TRIGGER log_no_update; DROP TRIGGER log_no_delete"), SQLITE_OK);
        assert_int_equal(sql(attacks[i]), SQLITE_OK);
        assert_int_equal(head_of(&head, NULL), -AVOW_E_DIGEST);
        assert_int_equal(head.id, 0);
    }
}

static void full(void **state)
{
    avow_auto(avow_cleanup_audit) struct avow_audit *a = NULL;
    int rc = 0;

    (void)state;
    assert_int_equal(avow_audit_open(path, AVOW_AUDIT_WRITE, 1, &a, NULL), 0);
    for (int i = 0; rc == 0 && i < 1024; i++)
        rc = avow_audit_put(a, NOW, "token", json_pack("{s:i}", "n", i), NULL);
    assert_int_equal(rc, -AVOW_E_LIMIT);
}

static void not_a_log(void **state)
{
    avow_auto(avow_cleanup_audit) struct avow_audit *a = NULL;

    (void)state;
    assert_int_equal(avow_audit_open(path, AVOW_AUDIT_READ, 0, &a, NULL), -AVOW_E_NOTFOUND);
    assert_int_equal(sql("CREATE TABLE t(x)"), SQLITE_OK);
    assert_int_equal(avow_audit_open(path, AVOW_AUDIT_WRITE, 0, &a, NULL), -AVOW_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(chained, clean, clean),
        cmocka_unit_test_setup_teardown(append_only, clean, clean),
        cmocka_unit_test_setup_teardown(tampering_is_found, clean, clean),
        cmocka_unit_test_setup_teardown(head_is_the_last_row, clean, clean),
        cmocka_unit_test_setup_teardown(cut_off_rows_are_missed, clean, clean),
        cmocka_unit_test_setup_teardown(changed_heads_are_found, clean, clean),
        cmocka_unit_test_setup_teardown(full, clean, clean),
        cmocka_unit_test_setup_teardown(not_a_log, clean, clean),
    };

    return cmocka_run_group_tests_name("audit", tests, set_up_all, tear_down_all);
}
