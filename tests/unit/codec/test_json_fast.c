#include "codec/json_fast.h"

#include "../test.h"
#include "codec/json.h"

/* Read by both, with the same value. */
static void plain_json_is_read(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        " { } \n",
        "{\"a\":1,\"b\":[true,false,null,\"x\"],\"c\":{\"d\":-5}}",
        "[0,-1,999999999999999999,-999999999999999999]",
        "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"\",\" ~\"]",
        "\t[\r\n1 , 2 ]",
        "[[[[[[]]]]]]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        avow_autojson json_t *ours = avow_json_fast(avow_bytes_str(texts[i]));
        avow_autojson json_t *theirs = json_loads(texts[i], JSON_REJECT_DUPLICATES, NULL);

        if (!ours || !theirs || !json_equal(ours, theirs))
            fail_msg("%s", texts[i]);
    }
}

/* Wrong, or rare: left to jansson. */
static void the_rest_is_declined(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "1",
        "\"a\"",
        "{",
        "[",
        "[1",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "{,\"a\":1}",
        "[01]",
        "[-]",
        "[-0]",
        "[1.5]",
        "[1e3]",
        "[+1]",
        "[.5]",
        "[tru]",
        "[trueX]",
        "[\"a]",
        "[\"\\\"]",
        "[\"\\u0041\"]",
        "[\"\\x\"]",
        "[\"\n\"]",
        "[\"\x7F\"]",
        "[\"\xC3\xB6\"]",
        "[]]",
        "[] x",
        "{\"a\":1,\"a\":2}",
        "[1000000000000000000]",
        "[NaN]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (avow_json_fast(avow_bytes_str(texts[i])))
            fail_msg("\"%s\" is read", texts[i]);
    assert_null(avow_json_fast(AVOW_BYTES(NULL, 0)));
    assert_null(avow_json_fast(AVOW_BYTES("[]\0", 3)));
    assert_null(avow_json_fast(AVOW_BYTES("[\0]", 3)));
}

static void depth_is_bounded(void **state)
{
    char deep[2 * (AVOW_JSON_FAST_DEPTH + 2) + 1];

    (void)state;
    for (size_t n = AVOW_JSON_FAST_DEPTH; n <= AVOW_JSON_FAST_DEPTH + 2; n++) {
        avow_autojson json_t *v = NULL;

        memset(deep, '[', n);
        memset(deep + n, ']', n);
        v = avow_json_fast(AVOW_BYTES(deep, 2 * n));
        assert_int_equal(v != NULL, n <= AVOW_JSON_FAST_DEPTH + 1);
    }
}

/* Every byte of a document changed in several ways: what ours reads, jansson reads alike. */
static void changes_are_read_alike(void **state)
{
    static const char doc[] = "{\"type\":\"avow/bundle/1\",\"n\":[1,-20,true,null,false],"
                              "\"text\":\"{\\\"a\\\":1}\\n\",\"o\":{\"k\":0,\"l\":\"\"}}";
    static const char with[] = "\"\\{}[]:,0-.eEtu \x01\x80";
    char text[sizeof doc];
    size_t read = 0;

    (void)state;
    for (size_t i = 0; i < sizeof doc - 1; i++)
        for (size_t k = 0; k < sizeof with; k++) { /* its NUL too */
            avow_autojson json_t *ours = NULL;
            avow_autojson json_t *theirs = NULL;

            memcpy(text, doc, sizeof doc);
            text[i] = with[k];
            ours = avow_json_fast(AVOW_BYTES(text, sizeof doc - 1));
            if (!ours)
                continue;
            read++;
            theirs = json_loadb(text, sizeof doc - 1, JSON_REJECT_DUPLICATES, NULL);
            if (!theirs || !json_equal(ours, theirs))
                fail_msg("%s", text);
        }
    assert_true(read > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_json_is_read),
        cmocka_unit_test(the_rest_is_declined),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(changes_are_read_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
