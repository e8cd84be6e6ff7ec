/*
 * JSON on jansson: strict reading (duplicates refused, depth and size bounded), canonical writing
 * (sorted keys, no white space, strings and integers only), and typed member access. Any thread.
 */
#ifndef AVOW_CODEC_JSON_H
#define AVOW_CODEC_JSON_H

#include <jansson.h>

#include "base/bytes.h"
#include "base/cleanup.h"

#define AVOW_JSON_MAX (16u << 20) /* bytes of one document */

static inline void avow_cleanup_json(json_t **j)
{
    json_decref(*j);
}
#define avow_autojson __attribute__((cleanup(avow_cleanup_json)))

/*
 * Parse one document; duplicates of a key, trailing bytes and NUL in strings are errors.
 * @out owned by the caller. -AVOW_E_FORMAT (text names line and column), -AVOW_E_LIMIT.
 */
AVOW_MUST_USE int avow_json_parse(struct avow_bytes text, json_t **out, struct avow_error *err);

/*
 * The canonical form: keys sorted by bytes, no white space; only objects, arrays, strings, integers
 * and booleans (a real number or null is -AVOW_E_FORMAT: there is one way to write a value).
 * Appends to @out.
 */
AVOW_MUST_USE int avow_json_canonical(const json_t *v, struct avow_buf *out,
                                      struct avow_error *err);

/* 0 if @text is exactly the canonical form of what it says; else -AVOW_E_FORMAT. */
AVOW_MUST_USE int avow_json_check_canonical(struct avow_bytes text, struct avow_error *err);

/*
 * Members of an object. @key must exist and have the type (AVOW_E_FORMAT names the key otherwise).
 * Strings are borrowed from @obj. The _opt forms leave @out alone and return 0 when it is absent.
 */
AVOW_MUST_USE int avow_json_get_str(const json_t *obj, const char *key, const char **out,
                                    struct avow_error *err);
AVOW_MUST_USE int avow_json_opt_str(const json_t *obj, const char *key, const char **out,
                                    struct avow_error *err);
AVOW_MUST_USE int avow_json_get_int(const json_t *obj, const char *key, int64_t min, int64_t max,
                                    int64_t *out, struct avow_error *err);
AVOW_MUST_USE int avow_json_opt_int(const json_t *obj, const char *key, int64_t min, int64_t max,
                                    int64_t *out, struct avow_error *err);
AVOW_MUST_USE int avow_json_opt_bool(const json_t *obj, const char *key, bool *out,
                                     struct avow_error *err);
AVOW_MUST_USE int avow_json_get_obj(const json_t *obj, const char *key, json_t **out,
                                    struct avow_error *err);
AVOW_MUST_USE int avow_json_get_array(const json_t *obj, const char *key, size_t max_items,
                                      json_t **out, struct avow_error *err);
/* A hex string of exactly @n bytes. */
AVOW_MUST_USE int avow_json_get_hex(const json_t *obj, const char *key, void *out, size_t n,
                                    struct avow_error *err);
/* Refuse any key that is not in @known (NULL-terminated): text names the key. */
AVOW_MUST_USE int avow_json_only(const json_t *obj, const char *const *known,
                                 struct avow_error *err);

#endif
