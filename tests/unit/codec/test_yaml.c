#include "../test.h"

#include "codec/yaml.h"

static const struct avow_schema string = { .type = AVOW_YAML_STRING };
static const struct avow_schema name = { .type = AVOW_YAML_STRING, .min = 1, .max = 8 };
static const struct avow_schema count = { .type = AVOW_YAML_INT, .min = 1, .max = 100 };
static const struct avow_schema flag = { .type = AVOW_YAML_BOOL };
static const struct avow_schema size = { .type = AVOW_YAML_SIZE, .min = 1, .max = 1 << 30 };
static const struct avow_schema limit = { .type = AVOW_YAML_DURATION,
                                          .min = 1000,
                                          .max = 86400000 };
static const struct avow_schema any = { .type = AVOW_YAML_ANY };
static const struct avow_schema list = {
    .type = AVOW_YAML_LIST, .item = &string, .min = 1, .max = 3
};
static const struct avow_schema dict = { .type = AVOW_YAML_DICT, .item = &string };
static const struct avow_schema any_map = { .type = AVOW_YAML_DICT, .item = &any };
static const struct avow_schema either = {
    .type = AVOW_YAML_EITHER, .what = "a path or a mapping", .scalar = &string, .map = &any_map
};
static const struct avow_schema_key keys[] = {
    { "name", &name, true },  { "iterations", &count, false }, { "verbose", &flag, false },
    { "size", &size, false }, { "time-limit", &limit, false }, { "args", &list, false },
    { "env", &dict, false },  { "policy", &either, false },    { "any", &any, false },
    { NULL, NULL, false },
};
static const struct avow_schema root = { .type = AVOW_YAML_MAP, .keys = keys };

static int parse(const char *text, json_t **out, struct avow_error *err)
{
    return avow_yaml_parse(avow_bytes_str(text), "job.yaml", &root, out, err);
}

static void test_values(void **state)
{
    static const char text[] = "name: demo\n"
                               "iterations: 12\n"
                               "verbose: true\n"
                               "size: 4MiB\n"
                               "time-limit: 1h30m\n"
                               "args: [200, 0.5, 'x y']\n"
                               "env: {OMP_NUM_THREADS: 2}\n"
                               "policy:\n"
                               "  version: 1\n"
                               "  allow-simulated: true\n"
                               "  snp: {measurements: any}\n"
                               "any: [1, \"1\", 007, [a]]\n";
    static const char want[] =
        "{\"any\":[1,\"1\",\"007\",[\"a\"]],\"args\":[\"200\",\"0.5\",\"x y\"],\"env\":"
        "{\"OMP_NUM_THREADS\":\"2\"},\"iterations\":12,\"name\":\"demo\",\"policy\":{"
        "\"allow-simulated\":true,\"snp\":{\"measurements\":\"any\"},\"version\":1},"
        "\"size\":4194304,\"time-limit\":5400000,\"verbose\":true}";
    struct avow_error err = { 0 };
    avow_autojson json_t *v = NULL;
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(4096);

    (void)state;
    assert_int_equal(parse(text, &v, &err), 0);
    assert_int_equal(avow_json_canonical(v, &out, &err), 0);
    assert_string_equal(avow_buf_cstr(&out), want);
}

static void test_errors(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *message;
    } rows[] = {
        { "name: a\n\nitertions: 3\n", AVOW_E_FORMAT,
          "job.yaml:3:1: unknown key \"itertions\" (did you mean \"iterations\"?)" },
        { "name: a\nwhatever: 3\n", AVOW_E_FORMAT,
          "job.yaml:2:1: unknown key \"whatever\" (known here: name, iterations, verbose, size, "
          "time-limit, args, env, policy, any)" },
        { "name: a\niterations: many\n", AVOW_E_FORMAT,
          "job.yaml:2:13: iterations: \"many\" is not a whole number" },
        { "name: a\niterations: 1.5\n", AVOW_E_FORMAT,
          "job.yaml:2:13: iterations: \"1.5\" is not a whole number" },
        { "name: a\niterations: \"3\"\n", AVOW_E_FORMAT,
          "job.yaml:2:13: iterations: \"3\" is not a whole number" },
        { "name: a\niterations: 0\n", AVOW_E_LIMIT,
          "job.yaml:2:13: iterations: 0 is outside 1..100" },
        { "name: a\niterations: 99999999999999999999\n", AVOW_E_FORMAT,
          "job.yaml:2:13: iterations: \"99999999999999999999\" is not a whole number" },
        { "name: a\niterations: [1]\n", AVOW_E_FORMAT,
          "job.yaml:2:13: iterations is a list where a whole number is wanted" },
        { "name: a\nverbose: yes\n", AVOW_E_FORMAT,
          "job.yaml:2:10: verbose: \"yes\" is not true or false" },
        { "name: a\nsize: 4XB\n", AVOW_E_FORMAT,
          "job.yaml:2:7: size: \"4XB\" is not a size such as 512MiB" },
        { "name: a\nsize: 4GiB\n", AVOW_E_LIMIT,
          "job.yaml:2:7: size: 4GiB is outside 1..1073741824 bytes" },
        { "name: a\ntime-limit: 600\n", AVOW_E_FORMAT,
          "job.yaml:2:13: time-limit: \"600\" is not a time with its unit such as 10m or 90s" },
        { "name: a\ntime-limit: 5ms\n", AVOW_E_LIMIT,
          "job.yaml:2:13: time-limit: 5ms is outside 1000..86400000 ms" },
        { "name: a\nargs: x\n", AVOW_E_FORMAT, "job.yaml:2:7: args: \"x\" is not a list" },
        { "name: a\nargs: [a, b, c, d]\n", AVOW_E_LIMIT,
          "job.yaml:2:7: args has 4 items; 1 to 3 are allowed" },
        { "name: a\nenv: [a]\n", AVOW_E_FORMAT,
          "job.yaml:2:6: env is a list where a mapping is wanted" },
        { "name: a\npolicy: [a]\n", AVOW_E_FORMAT,
          "job.yaml:2:9: policy is a list where a path or a mapping is wanted" },
        { "name: a\nargs:\n  - {x: 1}\n", AVOW_E_FORMAT,
          "job.yaml:3:5: args is a mapping where text is wanted" },
        { "iterations: 3\n", AVOW_E_MISSING, "job.yaml:1:1: key \"name\" is missing" },
        { "name: a\nname: b\n", AVOW_E_EXISTS, "job.yaml:2:1: duplicate key \"name\"" },
        { "name:\n", AVOW_E_FORMAT, "job.yaml:1:6: name has no value; text is wanted" },
        { "name: ~\n", AVOW_E_FORMAT, "job.yaml:1:7: name has no value; text is wanted" },
        { "name: \"a\\0b\"\n", AVOW_E_FORMAT, "job.yaml:1:7: name: a NUL character in the text" },
        { "name: abcdefghi\n", AVOW_E_LIMIT, "job.yaml:1:7: name: text of 9 bytes, outside 1..8" },
        { "name: &x a\n", AVOW_E_UNSUPPORTED,
          "job.yaml:1:7: anchors (&name) and tags (!name) are not allowed" },
        { "name: *x\n", AVOW_E_UNSUPPORTED, "job.yaml:1:7: aliases (*name) are not allowed" },
        { "name: !!str a\n", AVOW_E_UNSUPPORTED,
          "job.yaml:1:7: anchors (&name) and tags (!name) are not allowed" },
        { "name: a\n---\nname: b\n", AVOW_E_UNSUPPORTED,
          "job.yaml:2:1: a second document; one file holds one" },
        { "", AVOW_E_FORMAT, "job.yaml:1:1: the file is empty" },
        { "just text\n", AVOW_E_FORMAT, "job.yaml:1:1: the file: \"just text\" is not a mapping" },
        { "? [a, b]\n: c\n", AVOW_E_FORMAT, "job.yaml:1:3: a key must be a word, not a list" },
        { "name: a\n\tb: c\n", AVOW_E_FORMAT, NULL },
        { "name: [a\n", AVOW_E_FORMAT, NULL },
        { "name: \xff\n", AVOW_E_FORMAT, NULL },
        { "\xff\xfen\0a\0", AVOW_E_FORMAT, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_error err = { 0 };
        avow_autojson json_t *v = NULL;

        assert_int_equal(parse(rows[i].text, &v, &err), -rows[i].code);
        assert_null(v);
        assert_int_equal(strncmp(err.text, "job.yaml:", 9), 0);
        if (rows[i].message)
            assert_string_equal(err.text, rows[i].message);
    }
}

static void test_depth(void **state)
{
    struct avow_error err = { 0 };
    avow_autojson json_t *v = NULL;
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(1024);

    (void)state;
    (void)avow_buf_put_str(&text, "name: a\nany: ");
    for (int i = 0; i < AVOW_YAML_DEPTH_MAX + 1; i++)
        (void)avow_buf_put_str(&text, "[");
    assert_int_equal(parse(avow_buf_cstr(&text), &v, &err), -AVOW_E_LIMIT);
}

static void test_size_limit(void **state)
{
    struct avow_error err = { 0 };
    avow_autojson json_t *v = NULL;
    avow_autofree char *text = malloc(AVOW_YAML_MAX + 2);

    (void)state;
    assert_non_null(text);
    memset(text, '#', AVOW_YAML_MAX + 1);
    text[AVOW_YAML_MAX + 1] = 0;
    assert_int_equal(parse(text, &v, &err), -AVOW_E_LIMIT);
}

/* Cut anywhere, a good file is read, or refused with a place; never both, never a crash. */
static void test_truncated(void **state)
{
    static const char text[] =
        "name: demo\nargs: [200, 'x y']\nenv: {A: \"2\"}\nany:\n  - {b: [1]}\n";

    (void)state;
    for (size_t n = 0; n < sizeof text; n++) {
        struct avow_error err = { 0 };
        avow_autojson json_t *v = NULL;
        int rc = avow_yaml_parse(AVOW_BYTES(text, n), "cut", &root, &v, &err);

        assert_true((rc == 0) == (v != NULL));
        if (rc < 0)
            assert_int_equal(strncmp(err.text, "cut:", 4), 0);
    }
}

static void test_positions(void **state)
{
    struct avow_error err = { 0 };
    avow_auto(avow_cleanup_yaml) struct avow_yaml *y = NULL;
    json_t *v = NULL;

    (void)state;
    assert_int_equal(
        avow_yaml_load(avow_bytes_str("name: a\nenv:\n  X: missing.csv\n"), "j", &root, &y, &err),
        0);
    v = json_object_get(json_object_get(avow_yaml_value(y), "env"), "X");
    assert_int_equal(avow_yaml_fail(y, v, AVOW_E_NOTFOUND, &err, "no file %s", "missing.csv"),
                     -AVOW_E_NOTFOUND);
    assert_string_equal(err.text, "j:3:6: no file missing.csv");
    avow_error_clear(&err);
    assert_int_equal(avow_yaml_load_file("/nonexistent/job.yaml", &root, &y, &err),
                     -AVOW_E_NOTFOUND);
}

static void test_units(void **state)
{
    static const char *const bad_sizes[] = {
        "", "MiB", "-1", "1 2", "1e3", "9999999999TiB", "99999999999999999999"
    };
    static const char *const bad_times[] = { "", "10", "m", "1h 30m", "-5s", "1y" };
    int64_t v = 0;

    (void)state;
    assert_int_equal(avow_parse_size("0", &v), 0);
    assert_int_equal(avow_parse_size("3 kB", &v), 0);
    assert_int_equal(v, 3000);
    for (size_t i = 0; i < sizeof bad_sizes / sizeof bad_sizes[0]; i++)
        assert_int_equal(avow_parse_size(bad_sizes[i], &v), -AVOW_E_FORMAT);
    assert_int_equal(avow_parse_duration("1m500ms", &v), 0);
    assert_int_equal(v, 60500);
    for (size_t i = 0; i < sizeof bad_times / sizeof bad_times[0]; i++)
        assert_int_equal(avow_parse_duration(bad_times[i], &v), -AVOW_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),    cmocka_unit_test(test_errors),
        cmocka_unit_test(test_depth),     cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_positions),
        cmocka_unit_test(test_units),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
