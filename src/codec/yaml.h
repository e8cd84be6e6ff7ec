/*
 * YAML for the files that people write (job, cluster, policy, daemon configuration), read against a
 * schema into JSON. Every error names file, line, column and key. What makes YAML ambiguous or
 * dangerous is refused: anchors, aliases, tags, several documents, duplicate keys, implicit nulls.
 * Pure. Any thread.
 */
#ifndef AVOW_CODEC_YAML_H
#define AVOW_CODEC_YAML_H

#include "codec/json.h"

#define AVOW_YAML_MAX (1u << 20) /* bytes of one file */
#define AVOW_YAML_DEPTH_MAX 16
#define AVOW_YAML_VALUES_MAX 65536u /* scalars, lists and mappings of one file */

enum avow_yaml_type {
    AVOW_YAML_STRING = 1, /* scalar; a bare 12 or 0.5 is the text "12", "0.5" */
    AVOW_YAML_INT,        /* plain decimal */
    AVOW_YAML_BOOL,       /* plain true or false */
    AVOW_YAML_SIZE,       /* "4MiB", "512kB", or plain bytes: an integer of bytes */
    AVOW_YAML_DURATION,   /* "10m", "1h30m", "500ms": an integer of milliseconds */
    AVOW_YAML_MAP,        /* a mapping with the keys of ->keys and no others */
    AVOW_YAML_DICT,       /* a mapping with any keys; every value is ->item */
    AVOW_YAML_LIST,       /* every item is ->item */
    AVOW_YAML_EITHER,     /* scalar: ->scalar, list: ->list, mapping: ->map; those that are NULL are
                             refused */
    AVOW_YAML_ANY, /* anything; plain true, false and decimal integers are typed, else strings */
};

struct avow_schema {
    enum avow_yaml_type type;
    const char *what; /* for people: "a path", "a host and port"; NULL: a word for the type */
    /* INT, SIZE, DURATION: range of the value; STRING: range of the length in bytes; DICT, LIST: of
     * the number of items. max 0 (with min 0): no limit of its own. */
    int64_t min, max;
    const struct avow_schema *item;                /* DICT, LIST */
    const struct avow_schema_key *keys;            /* MAP: ended by a NULL name */
    const struct avow_schema *scalar, *list, *map; /* EITHER */
};

struct avow_schema_key {
    const char *name;
    const struct avow_schema *value;
    bool required;
};

/*
 * Parse one document.
 *
 * @text    untrusted
 * @name    file name for messages: "job.yaml:12:5: unknown key \"itertions\" (did you mean
 *          \"iterations\"?)"
 * @schema  borrowed for the call
 * @out     owned by the caller
 *
 * Returns 0, -AVOW_E_FORMAT, -AVOW_E_MISSING (a required key), -AVOW_E_EXISTS (a duplicate key),
 * -AVOW_E_LIMIT, -AVOW_E_UNSUPPORTED (anchor, alias, tag, second document).
 */
AVOW_MUST_USE int avow_yaml_parse(struct avow_bytes text, const char *name,
                                  const struct avow_schema *schema, json_t **out,
                                  struct avow_error *err);

/* The same, keeping where each value stood, for errors that are found later. */
struct avow_yaml; /* opaque, owned */
AVOW_MUST_USE int avow_yaml_load(struct avow_bytes text, const char *name,
                                 const struct avow_schema *schema, struct avow_yaml **out,
                                 struct avow_error *err);
/* Read the file @path first; @name of messages is @path. -AVOW_E_NOTFOUND, -AVOW_E_SYSTEM. */
AVOW_MUST_USE int avow_yaml_load_file(const char *path, const struct avow_schema *schema,
                                      struct avow_yaml **out, struct avow_error *err);
void avow_yaml_free(struct avow_yaml *y);
AVOW_DEFINE_CLEANUP(yaml, struct avow_yaml, avow_yaml_free)
/* Borrowed from @y. */
json_t *avow_yaml_value(const struct avow_yaml *y);
/*
 * Record @code with "name:line:col: " of @value (found by identity; a value that is not of @y, or
 * true/false, which JSON shares, gives "name: ") in front. Returns the negative code.
 */
int avow_yaml_fail(const struct avow_yaml *y, const json_t *value, int code, struct avow_error *err,
                   const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Edits (insert, delete, replace a character) between two words: for "did you mean". Words of more
 * than 40 characters are never near anything. */
size_t avow_word_distance(const char *a, const char *b);

/* The scalar rules by themselves, for command lines. @text is all of the value. -AVOW_E_FORMAT. */
AVOW_MUST_USE int avow_parse_size(const char *text, int64_t *bytes);
AVOW_MUST_USE int avow_parse_duration(const char *text, int64_t *ms);

#endif
