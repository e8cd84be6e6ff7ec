/* A hospital's site: its files, and which of the ranks work on them. */
#ifndef HOSPITALS_SITE_H
#define HOSPITALS_SITE_H

#include <mpi.h>
#include <stdio.h>

enum { FEATURES = 30, LABEL = FEATURES, COLUMNS = FEATURES + 1 };

struct table {
    double (*row)[COLUMNS]; /* features, then 0 or 1 */
    int n;                  /* rows kept */
    int total;              /* rows in the file */
};

/* Say why and end the job. */
void fail(const char *what, const char *where);

/* The ranks of this node share its files: they are those with the same node and input folder. */
MPI_Comm ranks_of_node(void);

/* Every @step-th row of a file of the input folder, from @from on. */
struct table read_rows(const char *name, int from, int step);

FILE *open_file(const char *folder, const char *name, const char *mode);
void close_file(FILE *f, const char *name);
/* "name":[30 numbers], in a form that reads back as the same numbers */
void write_list(FILE *f, const char *name, const double *values);

/* The value after option @name, a finite number from @min on; else @value. */
double option(int argc, char **argv, const char *name, double min, double value);

#endif
