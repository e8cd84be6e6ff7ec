#include "policy/bits.h"

#define NAMES_MAX 64

/*
 * AMD 56860, "Guest Policy" and ATTESTATION_REPORT.PLATFORM_INFO. TDATTRIBUTES: Intel TDX module
 * ABI, "ATTRIBUTES", as arch/x86/include/asm/shared/tdx.h of Linux 6.15 has them. XFAM: Intel SDM
 * 1, 13.1, XCR0 and IA32_XSS.
 */
static const struct name {
    enum bit_word word;
    const char *name;
    unsigned bit;
} names[] = {
    { BITS_OF_POLICY, "smt", 16 },
    { BITS_OF_POLICY, "migrate-ma", 18 },
    { BITS_OF_POLICY, "debug", 19 },
    { BITS_OF_POLICY, "single-socket", 20 },
    { BITS_OF_POLICY, "cxl", 21 },
    { BITS_OF_POLICY, "aes-256-xts", 22 },
    { BITS_OF_POLICY, "rapl-disabled", 23 },
    { BITS_OF_POLICY, "ciphertext-hiding", 24 },
    { BITS_OF_POLICY, "page-swap-disabled", 25 },
    { BITS_OF_PLATFORM, "smt", 0 },
    { BITS_OF_PLATFORM, "tsme", 1 },
    { BITS_OF_PLATFORM, "ecc", 2 },
    { BITS_OF_PLATFORM, "rapl-disabled", 3 },
    { BITS_OF_PLATFORM, "ciphertext-hiding", 4 },
    { BITS_OF_PLATFORM, "alias-check", 5 },
    { BITS_OF_PLATFORM, "tio", 7 },
    { BITS_OF_ATTRIBUTES, "debug", 0 },
    { BITS_OF_ATTRIBUTES, "hgs-plus-prof", 4 },
    { BITS_OF_ATTRIBUTES, "perf-prof", 5 },
    { BITS_OF_ATTRIBUTES, "pmt-prof", 6 },
    { BITS_OF_ATTRIBUTES, "icssd", 16 },
    { BITS_OF_ATTRIBUTES, "lass", 27 },
    { BITS_OF_ATTRIBUTES, "sept-ve-disable", 28 },
    { BITS_OF_ATTRIBUTES, "migratable", 29 },
    { BITS_OF_ATTRIBUTES, "pks", 30 },
    { BITS_OF_ATTRIBUTES, "kl", 31 },
    { BITS_OF_ATTRIBUTES, "tpa", 62 },
    { BITS_OF_ATTRIBUTES, "perfmon", 63 },
    { BITS_OF_XFAM, "x87", 0 },
    { BITS_OF_XFAM, "sse", 1 },
    { BITS_OF_XFAM, "avx", 2 },
    { BITS_OF_XFAM, "avx512-opmask", 5 },
    { BITS_OF_XFAM, "avx512-zmm-hi256", 6 },
    { BITS_OF_XFAM, "avx512-hi16-zmm", 7 },
    { BITS_OF_XFAM, "pt", 8 },
    { BITS_OF_XFAM, "pkru", 9 },
    { BITS_OF_XFAM, "pasid", 10 },
    { BITS_OF_XFAM, "cet-u", 11 },
    { BITS_OF_XFAM, "cet-s", 12 },
    { BITS_OF_XFAM, "uintr", 14 },
    { BITS_OF_XFAM, "lbr", 15 },
    { BITS_OF_XFAM, "amx-tilecfg", 17 },
    { BITS_OF_XFAM, "amx-tiledata", 18 },
};

#define N_NAMES (sizeof names / sizeof names[0])

static const char *const required_key[] = { "require-policy", "require-platform",
                                            "require-attributes", "require-xfam" };
static const char *const forbidden_key[] = { "forbid-policy", "forbid-platform",
                                             "forbid-attributes", "forbid-xfam" };
static const char *const codes[] = { "policy-bit", "platform-bit", "td-attribute", "xfam" };

static int read_list(const json_t *section, const char *key, enum bit_word word, uint64_t *out,
                     struct avow_error *err)
{
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    if (!json_object_get(section, key))
        return 0;
    AVOW_TRY(avow_json_get_array(section, key, NAMES_MAX, &list, err));
    json_array_foreach(list, i, item) {
        const char *name = json_string_value(item);
        bool found = false;

        for (size_t k = 0; k < N_NAMES && name; k++)
            if (names[k].word == word && strcmp(names[k].name, name) == 0) {
                *out |= 1ull << names[k].bit;
                found = true;
            }
        if (!found)
            return AVOW_FAIL(err, FORMAT, "\"%s\"[%zu]: \"%s\" is the name of no bit", key, i,
                             name ? name : "");
    }
    return 0;
}

int bits_read(const json_t *section, enum bit_word word, struct bit_rules *r,
              struct avow_error *err)
{
    *r = (struct bit_rules){ 0 };
    AVOW_TRY(read_list(section, required_key[word], word, &r->required, err));
    AVOW_TRY(read_list(section, forbidden_key[word], word, &r->forbidden, err));
    if (r->required & r->forbidden)
        return AVOW_FAIL(err, FORMAT, "\"%s\" and \"%s\" name the same bit", required_key[word],
                         forbidden_key[word]);
    return 0;
}

int bits_key(const json_t *section, const struct policy_key *k, void *out, struct avow_error *err)
{
    return bits_read(section, (enum bit_word)k->arg, out, err);
}

void bits_appraise(const struct bit_rules *r, enum bit_word word, uint64_t value,
                   const struct section *s, struct avow_verdict *v)
{
    uint64_t wrong = (r->required & ~value) | (r->forbidden & value);

    if (!(r->required | r->forbidden))
        return;
    keys_from(s, r->required ? required_key[word] : forbidden_key[word], v);
    for (size_t i = 0; i < N_NAMES; i++)
        if (names[i].word == word && wrong >> names[i].bit & 1) {
            bool set = (value >> names[i].bit & 1) != 0;

            keys_from(s, set ? forbidden_key[word] : required_key[word], v);
            (void)avow_verdict_add(v, codes[word], false, "\"%s\" is %s, and must %sbe",
                                   names[i].name, set ? "set" : "not set", set ? "not " : "");
            return;
        }
    (void)avow_verdict_add(v, codes[word], true,
                           "0x%llx has what is required (0x%llx) and nothing "
                           "that is forbidden (0x%llx)",
                           (unsigned long long)value, (unsigned long long)r->required,
                           (unsigned long long)r->forbidden);
}
