/*
 * Keys of a policy's sections: one table for each section says what may stand in it, how it is
 * read and what holds where it is not written. Pure.
 */
#ifndef AVOW_POLICY_KEYS_H
#define AVOW_POLICY_KEYS_H

#include "codec/json.h"
#include "policy/verdict.h"

#define KEYS_MAX 64u /* of one table: a bit of section.written each */

struct policy_key;

/* Read @k of @section into what it fills; absent leaves or sets the default. -AVOW_E_FORMAT. */
typedef int key_reader(const json_t *section, const struct policy_key *k, void *out,
                       struct avow_error *err);

struct policy_key {
    const char *name;
    key_reader *read;
    size_t offset;     /* of what it fills in the rules of its section */
    size_t arg;        /* for @read: bytes of a value, say */
    const char *unset; /* what holds where it is not written, for people: "any", "false" */
};

/* What is known of a section that was read: enough to say which key demands a rule. */
struct section {
    char name[16]; /* "az-snp"; "" for the top */
    bool present;
    uint64_t written; /* bit i: key i of the table was written */
    const struct policy_key *table;
};

/*
 * Read every key of @table (ended by a NULL name, at most KEYS_MAX) into @rules. @at is set, on
 * failure, to the value nearest to the mistake, borrowed from @doc. Codes of the readers.
 */
AVOW_MUST_USE int keys_read(const json_t *doc, const char *name, const struct policy_key *table,
                            struct section *s, void *rules, const json_t **at,
                            struct avow_error *err);

/* Refuse what is no key of @a nor, unless it is NULL, of @b: the text names the nearest that is.
 * -AVOW_E_FORMAT; @at as above. */
AVOW_MUST_USE int keys_only(const json_t *doc, const struct policy_key *a,
                            const struct policy_key *b, const json_t **at, struct avow_error *err);

/* Reasons that follow are demanded by @key of @s: "snp.vmpl", or "default: snp.vmpl". */
void keys_from(const struct section *s, const char *key, struct avow_verdict *v);

/* Readers. @arg of keys_values and keys_measured: bytes of one value. */
key_reader keys_bool, keys_u32, keys_values;
key_reader keys_measured; /* must be written, if only as "any" */

/* Whether a list of strings at @key is well formed: not empty, at most @max of at most @len bytes.
 */
AVOW_MUST_USE int keys_strings(const json_t *section, const char *key, size_t max, size_t len,
                               bool may_be_empty, json_t **out, struct avow_error *err);

#endif
