/* Temporary folders of the tests of simulated machines. */
#ifndef AVOW_TEST_SOURCE_FOLDERS_H
#define AVOW_TEST_SOURCE_FOLDERS_H

#include "../test.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/sim.h"

#define TEST_PATH 256

static inline int test_remove_one(const char *path, const struct stat *st, int kind,
                                  struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

/* A folder and all that is in it; links are not followed. */
static inline void test_remove(const char *path)
{
    assert_int_equal(nftw(path, test_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* A fresh folder; @path has TEST_PATH bytes. */
static inline void test_folder(char *path)
{
    snprintf(path, TEST_PATH, "/tmp/avow-test-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static inline int test_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

/* A vendor's folder with the Intel half alone: the AMD half takes seconds. */
static inline void test_intel_vendor(const char *path, int64_t now)
{
    struct avow_buf roots = AVOW_BUF(AVOW_CERT_DER_MAX);
    int fd = test_open(path);

    assert_int_equal(sim_intel_new(fd, now, &roots, NULL), 0);
    assert_int_equal(folder_write(fd, SIM_ROOTS, 0644, avow_buf_view(&roots), NULL), 0);
    assert_int_equal(folder_write(fd, SIM_VENDOR, 0644, avow_bytes_str("{}"), NULL), 0);
    avow_buf_done(&roots);
    close(fd);
}

#endif
