#include "cli/options.h"

#include <string.h>

#include "codec/yaml.h"

#define NAMES_MAX 64

const char *avow_nearest(const char *word, const char *const *words)
{
    const char *nearest = NULL;
    size_t best = 3; /* two slips at most */

    for (; *words; words++) {
        size_t d = avow_word_distance(word, *words);

        if (d < best && d < strlen(*words)) {
            best = d;
            nearest = *words;
        }
    }
    return nearest;
}

static const struct avow_option *find(const struct avow_option *const *tables, const char *name,
                                      size_t len)
{
    for (; *tables; tables++)
        for (const struct avow_option *o = *tables; o->name; o++)
            if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
                return o;
    return NULL;
}

static const struct avow_option *find_letter(const struct avow_option *const *tables, char letter)
{
    for (; *tables; tables++)
        for (const struct avow_option *o = *tables; o->name; o++)
            if (o->letter == letter)
                return o;
    return NULL;
}

static int unknown(const struct avow_option *const *tables, const char *arg, struct avow_error *err)
{
    const char *names[NAMES_MAX + 1] = { NULL };
    const char *near = NULL;
    size_t n = 0;

    for (; *tables; tables++)
        for (const struct avow_option *o = *tables; o->name && n < NAMES_MAX; o++)
            names[n++] = o->name;
    near = avow_nearest(arg + strspn(arg, "-"), names);
    if (near)
        return AVOW_FAIL(err, FORMAT, "unknown option %s (did you mean --%s?)", arg, near);
    return AVOW_FAIL(err, FORMAT, "unknown option %s", arg);
}

/* A lone "-" is standard input, not an option. */
static bool is_option(const char *arg)
{
    return arg[0] == '-' && arg[1];
}

/* @first, or the arguments after argv[*i] up to the next option; at least one. */
static int take_list(const struct avow_option *o, const char *first, int argc, char *const *argv,
                     int *i, struct avow_error *err)
{
    struct avow_list *l = o->list;
    size_t before = l->n;

    if (first && l->n < AVOW_LIST_MAX)
        l->v[l->n++] = first;
    while (!first && *i + 1 < argc && !is_option(argv[*i + 1]) && l->n < AVOW_LIST_MAX)
        l->v[l->n++] = argv[++*i];
    if (l->n == AVOW_LIST_MAX)
        return AVOW_FAIL(err, LIMIT, "option --%s: %d values or more", o->name, AVOW_LIST_MAX);
    if (l->n == before)
        return AVOW_FAIL(err, FORMAT, "option --%s needs a value: %s", o->name, o->value);
    return 0;
}

/* The option at argv[*i] and its value, which may be the next one. */
static int take(const struct avow_option *const *tables, int argc, char *const *argv, int *i,
                struct avow_error *err)
{
    const char *arg = argv[*i];
    bool is_long = arg[1] == '-';
    const char *eq = is_long ? strchr(arg, '=') : NULL;
    size_t len = eq ? (size_t)(eq - arg) - 2 : strlen(arg) - (is_long ? 2 : 1);
    const struct avow_option *o = NULL;

    if (is_long)
        o = find(tables, arg + 2, len);
    else if (len == 1)
        o = find_letter(tables, arg[1]);
    if (!o)
        return unknown(tables, arg, err);
    if (!o->value) {
        if (eq)
            return AVOW_FAIL(err, FORMAT, "option --%s takes no value", o->name);
        *o->flag = true;
        return 0;
    }
    if (o->list)
        return take_list(o, eq ? eq + 1 : NULL, argc, argv, i, err);
    if (eq)
        *o->text = eq + 1;
    else if (*i + 1 < argc)
        *o->text = argv[++*i];
    else
        return AVOW_FAIL(err, FORMAT, "option --%s needs a value: %s", o->name, o->value);
    return 0;
}

int avow_options_parse(const struct avow_option *const *tables, int argc, char *const *argv,
                       struct avow_args *rest, struct avow_error *err)
{
    bool only_args = false;

    rest->n = 0;
    for (int i = 0; i < argc; i++) {
        if (!only_args && strcmp(argv[i], "--") == 0) {
            only_args = true;
        } else if (!only_args && is_option(argv[i])) {
            AVOW_TRY(take(tables, argc, argv, &i, err));
        } else {
            if (rest->n == AVOW_ARGS_MAX)
                return AVOW_FAIL(err, LIMIT, "more than %d arguments", AVOW_ARGS_MAX);
            rest->list[rest->n++] = argv[i];
        }
    }
    return 0;
}
