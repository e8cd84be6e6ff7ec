/* cmocka's header needs these four before it, in this order. */
#ifndef AVOW_TEST_H
#define AVOW_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"

/* Whole file into a fresh buffer (free() it); NULL if it cannot be read. A NUL follows. */
static inline uint8_t *test_read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    uint8_t *p = NULL;
    long n = 0;

    if (!f)
        return NULL;
    if (fseek(f, 0, SEEK_END) == 0 && (n = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0 &&
        (p = calloc(1, (size_t)n + 1)) != NULL && fread(p, 1, (size_t)n, f) != (size_t)n) {
        free(p);
        p = NULL;
    }
    fclose(f);
    if (p)
        *len = (size_t)n;
    return p;
}

/* Folder of the real evidence, or NULL: then say SKIPPED, loudly, and skip(). */
static inline const char *test_vectors(void)
{
    const char *dir = getenv("AVOW_VECTORS");
    char path[4096];
    FILE *f = NULL;

    if (!dir)
        return NULL;
    snprintf(path, sizeof path, "%s/INDEX.md", dir);
    f = fopen(path, "r");
    if (!f) {
        fprintf(stderr, "\n*** SKIPPED: no real evidence at %s ***\n\n", dir);
        return NULL;
    }
    fclose(f);
    return dir;
}

#endif
