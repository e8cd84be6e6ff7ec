/*
 * Matching of request paths against route patterns, and tables of routes. Pure.
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

#define AVOW_ROUTES_MAX 64

/* What a server answers; its user keeps a handler for each number. */
struct avow_routes {
    size_t n;
    struct avow_route {
        const char *method, *pattern; /* static */
    } list[AVOW_ROUTES_MAX];
};

#define AVOW_ROUTE_NONE (-1)
#define AVOW_ROUTE_OTHER_METHOD (-2)
#define AVOW_ROUTE_ALLOW 64

/* Its number, counted from 0. More than AVOW_ROUTES_MAX abort: routes are compiled in. */
size_t avow_routes_add(struct avow_routes *r, const char *method, const char *pattern);
/* The number of the route of @method and @path, with @out set; AVOW_ROUTE_OTHER_METHOD if the path
 * has routes for other methods alone; AVOW_ROUTE_NONE, too where @path is NULL. */
int avow_routes_find(const struct avow_routes *r, const char *method, const char *path,
                     struct avow_route_params *out);
/* The methods of @path, for the header Allow (RFC 9110, 10.2.1): "GET, HEAD, PUT". HEAD is where
 * GET is. */
void avow_routes_allow(const struct avow_routes *r, const char *path, char out[AVOW_ROUTE_ALLOW]);

#endif
