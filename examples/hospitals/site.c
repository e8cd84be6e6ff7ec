#include "site.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <avow/job.h>

enum { PATH_LEN = 4096, LINE_LEN = 1024 };

void fail(const char *what, const char *where)
{
    fprintf(stderr, "train: %s: %s\n", what, where);
    MPI_Abort(MPI_COMM_WORLD, 1);
    exit(1);
}

FILE *open_file(const char *folder, const char *name, const char *mode)
{
    char path[PATH_LEN];
    FILE *f = NULL;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, mode);
    if (!f)
        fail("cannot open", path);
    return f;
}

void close_file(FILE *f, const char *name)
{
    int bad = ferror(f);

    if (fclose(f) != 0 || bad)
        fail("cannot read or write", name);
}

void write_list(FILE *f, const char *name, const double *values)
{
    fprintf(f, "\"%s\":[", name);
    for (int c = 0; c < FEATURES; c++)
        fprintf(f, "%s%.17g", c ? "," : "", values[c]);
    fprintf(f, "],\n ");
}

MPI_Comm ranks_of_node(void)
{
    char key[PATH_LEN] = "";
    char *all = NULL;
    int rank = 0, size = 0, first = 0;
    MPI_Comm node;

    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    snprintf(key, sizeof key, "%s:%s", avow_job_node(), avow_job_input());
    all = malloc((size_t)size * sizeof key);
    if (!all)
        fail("out of memory", "ranks");
    MPI_Allgather(key, sizeof key, MPI_CHAR, all, sizeof key, MPI_CHAR, MPI_COMM_WORLD);
    while (strcmp(all + (size_t)first * sizeof key, key) != 0)
        first++;
    free(all);
    MPI_Comm_split(MPI_COMM_WORLD, first, rank, &node);
    return node;
}

struct table read_rows(const char *name, int from, int step)
{
    struct table t = { 0 };
    char line[LINE_LEN];
    FILE *f = open_file(avow_job_input(), name, "r");

    while (fgets(line, sizeof line, f)) {
        double values[COLUMNS];
        char *at = line;

        for (int c = 0; c < COLUMNS; c++) {
            char *end = NULL;

            values[c] = strtod(at, &end);
            if (end == at || !isfinite(values[c]) ||
                (c < LABEL ? *end != ',' : *end && *end != '\r' && *end != '\n'))
                fail("a row is not 30 features and a label", name);
            at = end + 1;
        }
        if (t.total++ % step != from)
            continue;
        t.row = realloc(t.row, ((size_t)t.n + 1) * sizeof *t.row);
        if (!t.row)
            fail("out of memory", name);
        memcpy(t.row[t.n++], values, sizeof values);
    }
    close_file(f, name);
    return t;
}

double option(int argc, char **argv, const char *name, double min, double value)
{
    for (int i = 1; i < argc; i += 2) {
        char *end = NULL;

        if (strcmp(argv[i], "--iterations") != 0 && strcmp(argv[i], "--rate") != 0 &&
            strcmp(argv[i], "--l2") != 0)
            fail("unknown option", argv[i]);
        if (i + 1 == argc)
            fail("a value is missing after", argv[i]);
        if (strcmp(argv[i], name) != 0)
            continue;
        value = strtod(argv[i + 1], &end);
        if (end == argv[i + 1] || *end || !(value >= min && value <= 1e9))
            fail("not a sensible value", argv[i + 1]);
    }
    return value;
}
