/*
 * Reference values: lists of values that are allowed, each perhaps within a window of time, so that
 * an old image and its successor overlap for as long as a roll-out takes. Pure.
 */
#ifndef AVOW_POLICY_VALUES_H
#define AVOW_POLICY_VALUES_H

#include "codec/json.h"
#include "policy/policy.h"

#define VALUE_LEN_MAX 48u /* bytes of the longest value of a list */

/* Nothing listed means any. */
struct value_set {
    bool listed;
    size_t n;
    uint8_t v[AVOW_POLICY_VALUES_MAX][VALUE_LEN_MAX];
    int64_t from[AVOW_POLICY_VALUES_MAX], until[AVOW_POLICY_VALUES_MAX]; /* unix s, inclusive */
};

/*
 * The list at @key of @obj: "any", or items that are @len bytes in hex or {value, from, until,
 * note} with times "2026-03-01" or "2026-03-01T12:00:00Z". Absent: any, unless @required.
 * -AVOW_E_FORMAT.
 */
AVOW_MUST_USE int values_read(const json_t *obj, const char *key, size_t len, bool required,
                              struct value_set *out, struct avow_error *err);
/* Whether @value is among those allowed at @now (unix seconds). */
bool values_allow(const struct value_set *set, struct avow_bytes value, int64_t now);
/*
 * One reason with @code: @value, called @what, is among those allowed at @now (unix seconds). The
 * text says which of the list it is, and the windows that let it pass; of a value that is listed
 * but in no open window, which windows it has.
 */
void values_appraise(const struct value_set *set, const char *code, const char *what,
                     struct avow_bytes value, int64_t now, struct avow_verdict *v);

#endif
