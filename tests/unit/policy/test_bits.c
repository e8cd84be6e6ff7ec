#include "policy/bits.h"

#include "../test.h"

static const struct section section = { .name = "snp" };

static int read_bits(const char *text, enum bit_word word, struct bit_rules *r)
{
    avow_autojson json_t *j = NULL;

    assert_int_equal(avow_json_parse(avow_bytes_str(text), &j, NULL), 0);
    return bits_read(j, word, r, NULL);
}

static void names_are_bits(void **state)
{
    struct bit_rules r;

    (void)state;
    assert_int_equal(read_bits("{\"require-policy\":[\"ciphertext-hiding\",\"single-socket\"],"
                               "\"forbid-policy\":[\"debug\"]}",
                               BITS_OF_POLICY, &r),
                     0);
    assert_int_equal(r.required, 1u << 24 | 1u << 20);
    assert_int_equal(r.forbidden, 1u << 19);
    assert_int_equal(read_bits("{\"require-platform\":[\"alias-check\"]}", BITS_OF_PLATFORM, &r),
                     0);
    assert_int_equal(r.required, 1u << 5);
    assert_int_equal(read_bits("{\"require-policy\":[\"tsme\"]}", BITS_OF_POLICY, &r),
                     -AVOW_E_FORMAT);
    assert_int_equal(read_bits("{\"require-policy\":[1]}", BITS_OF_POLICY, &r), -AVOW_E_FORMAT);
    assert_int_equal(
        read_bits("{\"require-policy\":[\"smt\"],\"forbid-policy\":[\"smt\"]}", BITS_OF_POLICY, &r),
        -AVOW_E_FORMAT);
}

static bool appraise(struct bit_rules r, uint64_t value, const char *says)
{
    struct avow_verdict v = { 0 };

    bits_appraise(&r, BITS_OF_POLICY, value, &section, &v);
    assert_int_equal(v.n_reasons, 1);
    assert_string_equal(v.reasons[0].code, "policy-bit");
    if (says)
        assert_non_null(strstr(v.reasons[0].text, says));
    return v.reasons[0].passed;
}

static void bits_decide(void **state)
{
    const struct bit_rules r = { .required = 1u << 24, .forbidden = 1u << 16 };
    struct avow_verdict v = { 0 };

    (void)state;
    assert_true(appraise(r, 1u << 24 | 1u << 17, NULL));
    assert_false(appraise(r, 1u << 17, "\"ciphertext-hiding\" is not set, and must be"));
    assert_false(appraise(r, 1u << 24 | 1u << 16, "\"smt\" is set, and must not be"));
    bits_appraise(&(struct bit_rules){ 0 }, BITS_OF_POLICY, 0, &section, &v);
    assert_int_equal(v.n_reasons, 0); /* no rule, no reason */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_bits),
        cmocka_unit_test(bits_decide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
