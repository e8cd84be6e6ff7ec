/*
 * Aggregation: one set of numbers from what every node wrote (job file, section `aggregate`). Pure.
 */
#ifndef AVOW_CLIENT_AGGREGATE_H
#define AVOW_CLIENT_AGGREGATE_H

#include "codec/json.h"

#define AVOW_AGGREGATE_FILE "summary.json" /* if the section names none */

struct avow_aggregate_in {
    const char *node;
    const json_t *summary; /* what its file says, or NULL if it has none */
    const json_t *results; /* [{"name","size","sha256"}] */
};

/*
 * @spec  the section as written: file, sum, mean, min, max, same (lists of keys), ratio
 *        (name: [numerator, denominator], each summed first), same-files
 * @out   {"sum":{key:value},...,"same-files":{name:sha256},"differs":[{"what","a","b"}]}
 *
 * A dotted key reaches into objects. -AVOW_E_FORMAT or -AVOW_E_NOTFOUND names node, file and key.
 * Values that should be the same and are not are listed under "differs": the caller decides.
 */
AVOW_MUST_USE int avow_aggregate(const json_t *spec, const struct avow_aggregate_in *in, size_t n,
                                 json_t **out, struct avow_error *err);

#endif
