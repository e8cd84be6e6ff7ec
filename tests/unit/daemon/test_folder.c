#include "daemon/folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../test.h"

static const struct avow_folder_owner self = { .uid = -1, .gid = -1 };

struct place {
    char path[64];
    int dir;
    int job;
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    snprintf(p->path, sizeof p->path, "/tmp/avow-test-folder-XXXXXX");
    if (!mkdtemp(p->path))
        return -1;
    p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    p->job = -1;
    if (avow_folder_new(p->dir, "job", &self, &p->job, NULL) < 0)
        return -1;
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    int rc = avow_folder_remove(p->dir, "job", NULL);

    close(p->job);
    close(p->dir);
    if (rmdir(p->path) != 0)
        rc = -1;
    free(p);
    return rc;
}

static void put(int dir, const char *name, const char *text)
{
    int fd = -1;
    struct avow_error err = { 0 };

    if (avow_folder_write(dir, name, false, &self, &fd, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void writes_and_reads(void **state)
{
    struct place *p = *state;
    char text[8] = "";
    struct stat st;
    int fd = -1;

    put(p->job, "input/a/b/c.csv", "1,2");
    assert_int_equal(avow_folder_read(p->job, "input/a/b/c.csv", &fd, NULL), 0);
    assert_int_equal(read(fd, text, sizeof text), 3);
    assert_string_equal(text, "1,2");
    close(fd);
    assert_int_equal(avow_folder_write(p->job, "program", true, &self, &fd, NULL), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    close(fd);
    assert_int_equal(avow_folder_new(p->dir, "job", &self, &fd, NULL), -AVOW_E_EXISTS);
}

static void for_another_user(void **state)
{
    struct place *p = *state;
    const struct avow_folder_owner nobody = { .uid = 65534, .gid = 65534 };
    struct stat st;
    int job = -1;
    int fd = -1;

    if (geteuid() != 0)
        skip();
    assert_int_equal(avow_folder_new(p->dir, "other", &nobody, &job, NULL), 0);
    assert_int_equal(fstatat(job, "output", &st, 0), 0);
    assert_int_equal(st.st_uid, 65534);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(fstatat(job, "input", &st, 0), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(st.st_gid, 65534);
    assert_int_equal(st.st_mode & 0777, 0750);
    assert_int_equal(avow_folder_write(job, "program", true, &nobody, &fd, NULL), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(st.st_gid, 65534);
    assert_int_equal(st.st_mode & 0777, 0750);
    close(fd);
    close(job);
    assert_int_equal(avow_folder_remove(p->dir, "other", NULL), 0);
}

static void no_way_out(void **state)
{
    struct place *p = *state;
    int fd = -1;

    assert_int_equal(symlinkat("/etc", p->job, "output/etc"), 0);
    assert_int_equal(symlinkat("/etc/passwd", p->job, "output/passwd"), 0);
    assert_int_equal(mkfifoat(p->job, "output/pipe", 0600), 0);
    assert_int_equal(avow_folder_read(p->job, "output/etc/passwd", &fd, NULL), -AVOW_E_NOTFOUND);
    assert_int_equal(avow_folder_read(p->job, "output/passwd", &fd, NULL), -AVOW_E_NOTFOUND);
    assert_int_equal(avow_folder_read(p->job, "output/pipe", &fd, NULL), -AVOW_E_NOTFOUND);
    assert_int_equal(avow_folder_read(p->job, "output", &fd, NULL), -AVOW_E_NOTFOUND);
    assert_int_equal(avow_folder_read(p->job, "../job/program", &fd, NULL), -AVOW_E_FORMAT);
    assert_int_equal(avow_folder_write(p->job, "/etc/x", false, &self, &fd, NULL), -AVOW_E_FORMAT);
    assert_true(avow_folder_write(p->job, "output/passwd", false, &self, &fd, NULL) < 0);
    assert_true(avow_folder_write(p->job, "output/etc/x", false, &self, &fd, NULL) < 0);
}

/* Links that a job made to files of others: only root can set the stage. */
static void hard_links_to_others(void **state)
{
    struct place *p = *state;
    const struct avow_folder_owner job = { .uid = 65534, .gid = 65534 };
    struct avow_folder_list l = { 0 };
    struct avow_error err = { 0 };
    int made = -1;
    int output = -1;
    int fd = -1;

    if (geteuid() != 0) {
        fprintf(stderr, "\n*** SKIPPED: hard links to others' files need root ***\n\n");
        skip();
    }
    assert_int_equal(avow_folder_new(p->dir, "other", &job, &made, NULL), 0);
    put(made, "program", "root's own");
    put(made, "output/mine", "the job's own");
    assert_int_equal(fchownat(made, "output/mine", 65534, 65534, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(linkat(made, "program", made, "output/theirs", 0), 0);
    assert_int_equal(avow_folder_digest(made, "output", 10, 100, &l, &err), 0);
    assert_int_equal(json_array_size(l.files), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(l.files, 0), "name")),
                        "mine");
    assert_int_equal(l.skipped, 1);
    json_decref(l.files);
    assert_int_equal(avow_folder_open(made, "output", &output, NULL), 0);
    assert_int_equal(avow_folder_read(output, "theirs", &fd, NULL), -AVOW_E_NOTFOUND);
    assert_int_equal(avow_folder_read(output, "mine", &fd, NULL), 0);
    close(fd);
    close(output);
    close(made);
    assert_int_equal(avow_folder_remove(p->dir, "other", NULL), 0);
}

static void digests_results(void **state)
{
    struct place *p = *state;
    struct avow_folder_list l = { 0 };
    struct avow_error err = { 0 };
    const json_t *first = NULL;

    put(p->job, "output/z", "abc");
    put(p->job, "output/a/b", "");
    assert_int_equal(symlinkat("/etc/passwd", p->job, "output/link"), 0);
    assert_int_equal(mkdirat(p->job, "output/with space", 0700), 0);
    assert_int_equal(mkfifoat(p->job, "output/pipe", 0600), 0);
    assert_int_equal(avow_folder_digest(p->job, "output", 10, 100, &l, &err), 0);
    assert_int_equal(json_array_size(l.files), 2);
    assert_int_equal(l.bytes, 3);
    assert_int_equal(l.skipped, 3);
    first = json_array_get(l.files, 0);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "a/b");
    assert_string_equal(json_string_value(json_object_get(json_array_get(l.files, 1), "sha256")),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    json_decref(l.files);
    assert_int_equal(avow_folder_digest(p->job, "output", 1, 100, &l, &err), -AVOW_E_LIMIT);
    avow_error_clear(&err);
    assert_int_equal(avow_folder_digest(p->job, "output", 10, 2, &l, &err), -AVOW_E_LIMIT);
    assert_non_null(strstr(err.text, "outputs_max"));
}

/* Deeper than there are descriptors, with names that are taken, and folders that forbid it. */
static void removes_whatever_a_job_left(void **state)
{
    struct place *p = *state;
    int at = openat(p->job, "output", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    put(p->job, "output/f/g/h", "x");
    assert_int_equal(fchmodat(p->job, "output/f/g", 0, 0), 0);
    assert_int_equal(mkdirat(p->dir, ".removed-2", 0700), 0);
    assert_int_equal(mkdirat(p->dir, ".removed-2/full", 0700), 0);
    for (int i = 0; i < 2000; i++) {
        int next = -1;

        assert_int_equal(mkdirat(at, "d", 0700), 0);
        next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(at);
        at = next;
    }
    close(at);
    assert_int_equal(avow_folder_remove(p->dir, "job", NULL), 0);
    assert_int_equal(faccessat(p->dir, "job", F_OK, 0), -1);
    assert_int_equal(avow_folder_remove(p->dir, "job", NULL), 0);
    /* teardown checks that nothing is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_and_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(for_another_user, setup, teardown),
        cmocka_unit_test_setup_teardown(no_way_out, setup, teardown),
        cmocka_unit_test_setup_teardown(hard_links_to_others, setup, teardown),
        cmocka_unit_test_setup_teardown(digests_results, setup, teardown),
        cmocka_unit_test_setup_teardown(removes_whatever_a_job_left, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
