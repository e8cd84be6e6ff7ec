#include "../test.h"

#include "cli/cli.h"
#include "cli/collateral.h"
#include "cli/show.h"

static void test_exit_codes(void **state)
{
    static const struct {
        int code;
        enum avow_phase phase;
        int want;
    } rows[] = {
        { AVOW_E_NOTFOUND, AVOW_PHASE_FILES, 2 },     { AVOW_E_FORMAT, AVOW_PHASE_FILES, 2 },
        { AVOW_E_NETWORK, AVOW_PHASE_ATTEST, 4 },     { AVOW_E_TIMEOUT, AVOW_PHASE_ATTEST, 4 },
        { AVOW_E_PROTOCOL, AVOW_PHASE_ATTEST, 3 },    { AVOW_E_UNTRUSTED, AVOW_PHASE_ATTEST, 3 },
        { -AVOW_E_CRYPTO, AVOW_PHASE_ATTEST, 3 },     { AVOW_E_STATE, AVOW_PHASE_FORM, 5 },
        { AVOW_E_NETWORK, AVOW_PHASE_FORM, 4 },       { AVOW_E_DIGEST, AVOW_PHASE_JOB, 6 },
        { AVOW_E_NETWORK, AVOW_PHASE_JOB, 4 },        { AVOW_E_CANCELLED, AVOW_PHASE_JOB, 130 },
        { AVOW_E_CANCELLED, AVOW_PHASE_ATTEST, 130 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(avow_exit_for(rows[i].code, rows[i].phase), rows[i].want);
}

static void test_words(void **state)
{
    struct avow_verdict v = { 0 };
    char word[32];
    char line[256];

    (void)state;
    avow_verdict_word(true, true, word);
    assert_string_equal(word, "accepted SIMULATED");
    avow_verdict_word(false, true, word);
    assert_string_equal(word, "REFUSED SIMULATED");
    avow_verdict_line(&v, line, sizeof line);
    assert_string_equal(line, "no reason was given");
    (void)avow_verdict_add(&v, "debug", true, "no");
    (void)avow_verdict_add(&v, "measurement", false, "3f is not among them");
    avow_verdict_conclude(&v);
    avow_verdict_line(&v, line, sizeof line);
    assert_string_equal(line, "measurement: 3f is not among them");
}

static void test_sizes(void **state)
{
    char text[32];

    (void)state;
    avow_size_text(0, text);
    assert_string_equal(text, "0 B");
    avow_size_text(1536, text);
    assert_string_equal(text, "1.5 KiB");
    avow_size_text(UINT64_MAX, text);
    assert_string_equal(text, "16777216.0 TiB");
}

static void test_times(void **state)
{
    static const char *const good[] = { "1760000000", "2025-10-09T08:53:20Z",
                                        "2025-10-09t08:53:20z", "2025-10-09 10:53:20+02:00",
                                        "2025-10-09T07:23:20.125-0130" };
    static const char *const bad[] = { "",
                                       "now",
                                       "-5",
                                       "1e9",
                                       "99999999999999999999",
                                       "2025-13-01",
                                       "2025-02-30",
                                       "2025-10-09T",
                                       "2025-10-09T08:53Z",
                                       "2025-10-09T08:53:20",
                                       "2025-10-09T08:53:20.Z",
                                       "2025-10-09T08:53:20+24:00",
                                       "2025-10-09T08:53:20+02:00x",
                                       "2025-10-09x" };
    int64_t t = 0;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (avow_parse_time(good[i], &t) < 0)
            fail_msg("not read: %s", good[i]);
        assert_int_equal(t, 1760000000);
    }
    assert_int_equal(avow_parse_time("2024-02-29", &t), 0);
    assert_int_equal(t, 1709164800);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (avow_parse_time(bad[i], &t) == 0)
            fail_msg("read: %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
