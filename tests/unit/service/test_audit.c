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
        cmocka_unit_test_setup_teardown(full, clean, clean),
        cmocka_unit_test_setup_teardown(not_a_log, clean, clean),
    };

    return cmocka_run_group_tests_name("audit", tests, set_up_all, tear_down_all);
}
