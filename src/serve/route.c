#include "serve/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/text.h"

/* One character, decoded, from at most @len; its encoded length, or 0 if it is not allowed. */
static size_t decode(const char *in, size_t len, char *out)
{
    int hi = 0;
    int lo = 0;
    int v = (unsigned char)in[0];
    size_t used = 1;

    if (in[0] == '%') {
        if (len < 3 || (hi = avow_hex_digit(in[1])) < 0 || (lo = avow_hex_digit(in[2])) < 0)
            return 0;
        v = hi * 16 + lo;
        used = 3;
    }
    if (v < 0x20 || v == 0x7f || (v == '/' && used == 3))
        return 0;
    *out = (char)v;
    return used;
}

static bool take_value(const char *in, size_t len, char *out)
{
    size_t n = 0;

    while (len) {
        size_t used = n < AVOW_ROUTE_VALUE_MAX ? decode(in, len, &out[n]) : 0;

        if (!used)
            return false;
        in += used;
        len -= used;
        n++;
    }
    out[n] = '\0';
    return n > 0;
}

/* @segment is "{name}" or "{name...}". */
static bool take_param(const char *segment, size_t segment_len, const char *in, size_t len,
                       struct avow_route_params *out)
{
    struct avow_route_param *p = &out->list[out->n];
    size_t name_len = segment_len - 2;

    if (out->n == AVOW_ROUTE_PARAMS_MAX)
        return false;
    if (name_len > 3 && memcmp(segment + segment_len - 4, "...", 3) == 0)
        name_len -= 3;
    p->name = segment + 1;
    p->name_len = name_len;
    if (!take_value(in, len, p->value))
        return false;
    out->n++;
    return true;
}

static bool is_rest(const char *segment, size_t len)
{
    return len > 5 && segment[0] == '{' && memcmp(segment + len - 4, "...}", 4) == 0;
}

bool avow_route_match(const char *pattern, const char *path, struct avow_route_params *out)
{
    out->n = 0;
    while (*pattern == '/' && *path == '/') {
        size_t n_pattern = strcspn(++pattern, "/");
        size_t n_path = strcspn(++path, "/");

        if (is_rest(pattern, n_pattern))
            return take_param(pattern, n_pattern, path, strlen(path), out);
        if (pattern[0] == '{') {
            if (!take_param(pattern, n_pattern, path, n_path, out))
                return false;
        } else if (n_pattern != n_path || memcmp(pattern, path, n_path) != 0) {
            return false;
        }
        pattern += n_pattern;
        path += n_path;
    }
    return *pattern == '\0' && *path == '\0';
}

const char *avow_route_value(const struct avow_route_params *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (strlen(name) == p->list[i].name_len &&
            memcmp(name, p->list[i].name, p->list[i].name_len) == 0)
            return p->list[i].value;
    return NULL;
}

size_t avow_routes_add(struct avow_routes *r, const char *method, const char *pattern)
{
    if (r->n == AVOW_ROUTES_MAX)
        abort();
    r->list[r->n] = (struct avow_route){ .method = method, .pattern = pattern };
    return r->n++;
}

int avow_routes_find(const struct avow_routes *r, const char *method, const char *path,
                     struct avow_route_params *out)
{
    int found = AVOW_ROUTE_NONE;

    for (size_t i = 0; path && i < r->n; i++) {
        if (!avow_route_match(r->list[i].pattern, path, out))
            continue;
        if (strcmp(r->list[i].method, method) == 0)
            return (int)i;
        found = AVOW_ROUTE_OTHER_METHOD;
    }
    return found;
}

void avow_routes_allow(const struct avow_routes *r, const char *path, char out[AVOW_ROUTE_ALLOW])
{
    struct avow_route_params unused = { 0 };
    size_t n = 0;

    *out = '\0';
    for (size_t i = 0; path && i < r->n && n < AVOW_ROUTE_ALLOW; i++)
        if (avow_route_match(r->list[i].pattern, path, &unused))
            n += (size_t)snprintf(out + n, AVOW_ROUTE_ALLOW - n, "%s%s", n ? ", " : "",
                                  strcmp(r->list[i].method, "GET") == 0 ? "GET, HEAD"
                                                                        : r->list[i].method);
}
