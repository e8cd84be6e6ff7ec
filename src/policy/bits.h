/* Bits of an SNP guest's policy and of its platform, required or forbidden by name. Pure. */
#ifndef AVOW_POLICY_BITS_H
#define AVOW_POLICY_BITS_H

#include "codec/json.h"
#include "policy/verdict.h"

struct bit_rules {
    uint64_t required, forbidden;
};

enum bit_word { BITS_OF_POLICY, BITS_OF_PLATFORM };

/* Lists of names under the two keys. An unknown name, or one that is required and forbidden:
 * -AVOW_E_FORMAT. */
AVOW_MUST_USE int bits_read(const json_t *section, enum bit_word word, struct bit_rules *r,
                            struct avow_error *err);
/* One reason if there is a rule: "policy-bit" or "platform-bit"; names the first that is wrong. */
void bits_appraise(const struct bit_rules *r, enum bit_word word, uint64_t value,
                   struct avow_verdict *v);

#endif
