#include "cli/files.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/read.h"

int avow_read_file(const char *path, struct avow_buf *out, struct avow_error *err)
{
    avow_autofclose FILE *f =
        strcmp(path, "-") == 0 ? fdopen(dup(STDIN_FILENO), "r") : fopen(path, "re");

    if (!f)
        return errno == ENOENT ? AVOW_FAIL(err, NOTFOUND, "%s: there is no such file", path)
                               : AVOW_FAIL_SYS(err, "%s", path);
    return avow_read_all(f, path, out, err);
}

void avow_files_done(struct avow_files *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->list[i]);
    free(p->list);
}

int avow_files_add(struct avow_files *p, const char *dir, const char *name, struct avow_error *err)
{
    char *path = NULL;

    if (p->n == AVOW_FILES_MAX)
        return AVOW_FAIL(err, LIMIT, "%s: more than %u files", dir, AVOW_FILES_MAX);
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 256;
        char **list = realloc(p->list, cap * sizeof *list);

        if (!list)
            return AVOW_FAIL(err, NOMEM, "out of memory");
        p->list = list;
        p->cap = cap;
    }
    if (asprintf(&path, "%s%s%s", dir ? dir : "", dir ? "/" : "", name) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    p->list[p->n++] = path;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int avow_files_folder(struct avow_files *p, const char *dir, struct avow_error *err)
{
    DIR *d = opendir(dir);
    size_t first = p->n;
    const struct dirent *e = NULL;
    int rc = 0;

    if (!d)
        return AVOW_FAIL_SYS(err, "%s", dir);
    while (rc == 0 && (e = readdir(d)) != NULL) {
        struct stat st;

        if (e->d_name[0] != '.' && fstatat(dirfd(d), e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
            rc = avow_files_add(p, dir, e->d_name, err);
    }
    (void)closedir(d);
    if (rc == 0 && p->n > first)
        qsort(p->list + first, p->n - first, sizeof *p->list, by_name);
    return rc;
}

bool avow_is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}
