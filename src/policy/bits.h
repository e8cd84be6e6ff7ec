/* Bits of an SNP guest's policy and platform, of a TD's attributes and XFAM, required or forbidden
 * by name. Pure. */
#ifndef AVOW_POLICY_BITS_H
#define AVOW_POLICY_BITS_H

#include "policy/keys.h"

struct bit_rules {
    uint64_t required, forbidden;
};

enum bit_word { BITS_OF_POLICY, BITS_OF_PLATFORM, BITS_OF_ATTRIBUTES, BITS_OF_XFAM };

/* Lists of names under the two keys. An unknown name, or one that is required and forbidden:
 * -AVOW_E_FORMAT. */
AVOW_MUST_USE int bits_read(const json_t *section, enum bit_word word, struct bit_rules *r,
                            struct avow_error *err);
/* A reader of the table: @arg is the word, what is filled a struct bit_rules. Either of the two
 * keys reads both. */
key_reader bits_key;
/* One reason if there is a rule: "policy-bit", "platform-bit", "td-attribute" or "xfam"; names the
 * first that is wrong, and
 * the key of @s that demands it. */
void bits_appraise(const struct bit_rules *r, enum bit_word word, uint64_t value,
                   const struct section *s, struct avow_verdict *v);

#endif
