/*
 * Matching of request paths against route patterns. Pure.
 */
#ifndef AVOW_SERVE_ROUTE_H
#define AVOW_SERVE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#define AVOW_ROUTE_PARAMS_MAX 4
#define AVOW_ROUTE_VALUE_MAX 255 /* bytes of one parameter, decoded */

struct avow_route_param {
    const char *name; /* points into the pattern */
    size_t name_len;
    char value[AVOW_ROUTE_VALUE_MAX + 1];
};

struct avow_route_params {
    size_t n;
    struct avow_route_param list[AVOW_ROUTE_PARAMS_MAX];
};

/*
 * True if @path (as received: percent-encoded, untrusted) is an instance of @pattern: literal
 * segments and {name} segments, the last may be {name...} for the rest of the path. Parameters are
 * decoded and never empty; an encoded '/' in a single segment, a control character, or a bad
 * escape matches nothing.
 */
bool avow_route_match(const char *pattern, const char *path, struct avow_route_params *out);
/* The value of a parameter, or NULL. */
const char *avow_route_value(const struct avow_route_params *p, const char *name);

#endif
