#include "../test.h"

#include "client/aggregate.h"

static json_t *doc(const char *text)
{
    json_t *v = NULL;
    struct avow_error err = { 0 };

    assert_int_equal(avow_json_parse(avow_bytes_str(text), &v, &err), 0);
    return v;
}

struct fixture {
    json_t *docs[4];
    struct avow_aggregate_in in[2];
};

static struct fixture two(const char *a, const char *b, const char *sha_a, const char *sha_b)
{
    struct fixture f = { 0 };

    f.docs[0] = a ? doc(a) : NULL;
    f.docs[1] = b ? doc(b) : NULL;
    f.docs[2] = json_pack("[{s:s, s:i, s:s}]", "name", "model.json", "size", 1, "sha256", sha_a);
    f.docs[3] = json_pack("[{s:s, s:i, s:s}]", "name", "model.json", "size", 1, "sha256", sha_b);
    f.in[0] = (struct avow_aggregate_in){ "a", f.docs[0], f.docs[2] };
    f.in[1] = (struct avow_aggregate_in){ "b", f.docs[1], f.docs[3] };
    return f;
}

static void done(struct fixture *f)
{
    for (size_t i = 0; i < 4; i++)
        json_decref(f->docs[i]);
}

static void test_all_kinds(void **state)
{
    struct fixture f =
        two("{\"n\":3,\"ok\":2,\"loss\":0.5,\"deep\":{\"x\":1.5},\"v\":\"s\"}",
            "{\"n\":5,\"ok\":4,\"loss\":0.5,\"deep\":{\"x\":-1},\"v\":\"s\"}", "aa", "aa");
    avow_autojson json_t *spec = doc(
        "{\"sum\":[\"n\",\"deep.x\"],\"mean\":[\"n\"],\"min\":[\"deep.x\"],\"max\":[\"deep.x\"],"
        "\"ratio\":{\"accuracy\":[\"ok\",\"n\"]},\"same\":[\"loss\",\"v\"],"
        "\"same-files\":[\"model.json\"]}");
    avow_autojson json_t *want =
        doc("{\"sum\":{\"n\":8,\"deep.x\":0.5},\"mean\":{\"n\":4},\"min\":{\"deep.x\":-1},"
            "\"max\":{\"deep.x\":1.5},\"ratio\":{\"accuracy\":0.75},\"same\":{\"loss\":0.5,"
            "\"v\":\"s\"},\"same-files\":{\"model.json\":\"aa\"},\"differs\":[]}");
    avow_autojson json_t *out = NULL;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(avow_aggregate(spec, f.in, 2, &out, &err), 0);
    assert_true(json_equal(out, want));
    done(&f);
}

static void test_differences(void **state)
{
    struct fixture f = two("{\"loss\":0.5}", "{\"loss\":0.25}", "aa", "bb");
    avow_autojson json_t *spec = doc("{\"same\":[\"loss\"],\"same-files\":[\"model.json\"]}");
    avow_autojson json_t *out = NULL;
    struct avow_error err = { 0 };
    const json_t *differs = NULL;

    (void)state;
    assert_int_equal(avow_aggregate(spec, f.in, 2, &out, &err), 0);
    differs = json_object_get(out, "differs");
    assert_int_equal(json_array_size(differs), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(differs, 0), "what")),
                        "loss");
    assert_string_equal(json_string_value(json_object_get(json_array_get(differs, 1), "b")), "b");
    done(&f);
}

static void test_errors(void **state)
{
    static const struct {
        const char *b, *spec, *text;
        int code;
    } rows[] = {
        { "{\"n\":1}", "{\"sum\":[\"m\"]}", "summary.json of node b has no \"m\"",
          AVOW_E_NOTFOUND },
        { "{\"m\":\"x\"}", "{\"sum\":[\"m\"]}", "summary.json of node b: \"m\" is not a number",
          AVOW_E_FORMAT },
        { NULL, "{\"file\":\"s.json\",\"sum\":[\"m\"]}", "node b has no result s.json",
          AVOW_E_NOTFOUND },
        { "{\"m\":-1}", "{\"ratio\":{\"r\":[\"m\",\"m\"]}}", "ratio r: the sum of \"m\" is 0",
          AVOW_E_FORMAT },
        { "{\"m\":1}", "{\"same-files\":[\"other\"]}", "node a has no result other",
          AVOW_E_NOTFOUND },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture f = two("{\"m\":1}", rows[i].b, "aa", "aa");
        avow_autojson json_t *spec = doc(rows[i].spec);
        avow_autojson json_t *out = NULL;
        struct avow_error err = { 0 };

        assert_int_equal(avow_aggregate(spec, f.in, 2, &out, &err), -rows[i].code);
        assert_string_equal(err.text, rows[i].text);
        assert_null(out);
        done(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_kinds),
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
