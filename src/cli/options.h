/*
 * Options of the command line: --name, --name VALUE, --name=VALUE, -x, --; in any order. An option
 * that takes a list takes every argument up to the next option, and may be repeated.
 */
#ifndef AVOW_CLI_OPTIONS_H
#define AVOW_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define AVOW_ARGS_MAX 65536 /* arguments that are not options */
#define AVOW_LIST_MAX 1024  /* values of one option that takes a list */

struct avow_list {
    size_t n;
    const char *v[AVOW_LIST_MAX]; /* borrowed from argv */
};

struct avow_option {
    const char *name;  /* without the dashes; NULL ends a table */
    char letter;       /* or 0 */
    const char *value; /* what the value is called in the help; NULL: a flag */
    const char *help;
    bool *flag;             /* set to true */
    const char **text;      /* set to the value; borrowed from argv */
    struct avow_list *list; /* or appended to this */
};

struct avow_args {
    size_t n;
    const char *list[AVOW_ARGS_MAX];
};

/*
 * Take the options of @tables (NULL-terminated) out of @argv; what is left goes to @rest.
 * -AVOW_E_FORMAT: an unknown option (with the nearest known one), a value missing or too many.
 */
AVOW_MUST_USE int avow_options_parse(const struct avow_option *const *tables, int argc,
                                     char *const *argv, struct avow_args *rest,
                                     struct avow_error *err);

/* The word of @words (NULL-terminated) nearest to @word, if it is near; or NULL. */
const char *avow_nearest(const char *word, const char *const *words);

#endif
