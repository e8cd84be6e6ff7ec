#include "job/manifest.h"

#include "../test.h"

#define HEX64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define UPPER64 "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff"
#define UUID "0f8fad5b-d9cb-469f-a165-70867728950e"
#define PROGRAM "{\"args\":[\"--x\",\"\"],\"name\":\"train\",\"sha256\":\"" HEX64 "\",\"size\":9}"
#define INPUT(name) "{\"name\":\"" name "\",\"sha256\":\"" HEX64 "\",\"size\":3}"
#define NODE(name, tee, ranks, inputs) \
    "{\"inputs\":[" inputs "],\"name\":\"" name "\",\"ranks\":" ranks ",\"tee\":\"" tee "\"}"
#define MANIFEST(env, name, program, nodes)                                           \
    "{\"env\":{" env "},\"job\":\"" UUID "\",\"name\":\"" name "\",\"nodes\":[" nodes \
    "],\"outputs_max\":1000,\"program\":" program                                     \
    ",\"time_limit_ms\":0,\"type\":\"avow/manifest/1\"}"
#define TWO NODE("a", "snp", "2", INPUT("d.csv")) "," NODE("b", "tdx", "3", "")

static const char good[] = MANIFEST("\"K\":\"v\"", "hospitals", PROGRAM, TWO);

static int parse(const char *text, struct avow_error *err)
{
    avow_auto(avow_manifest_done) struct avow_manifest m = { 0 };

    return avow_manifest_parse(avow_bytes_str(text), &m, err);
}

static void parses_what_the_format_says(void **state)
{
    avow_auto(avow_manifest_done) struct avow_manifest m = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(avow_manifest_parse(avow_bytes_str(good), &m, &err), 0);
    assert_string_equal(m.job, UUID);
    assert_string_equal(m.name, "hospitals");
    assert_string_equal(m.program.name, "train");
    assert_int_equal(m.n_args, 2);
    assert_string_equal(m.args[0], "--x");
    assert_string_equal(m.args[1], "");
    assert_int_equal(m.n_env, 1);
    assert_string_equal(m.env[0].value, "v");
    assert_int_equal(m.outputs_max, 1000);
    assert_int_equal(m.n_nodes, 2);
    assert_string_equal(m.nodes[1].tee, "tdx");
    assert_int_equal(m.nodes[0].inputs[0].size, 3);
    assert_int_equal(m.nodes[0].inputs[0].sha256[1], 0x11);
    assert_int_equal(avow_manifest_node(&m, "b"), 1);
    assert_int_equal(avow_manifest_node(&m, "c"), -1);
    assert_int_equal(avow_manifest_first_rank(&m, 1), 2);
    assert_int_equal(avow_manifest_rank_node(&m, 1), 0);
    assert_int_equal(avow_manifest_rank_node(&m, 4), 1);
    assert_int_equal(avow_manifest_rank_node(&m, 5), -1);
    assert_int_equal(avow_manifest_bytes(&m, 0), 12);
}

static void emits_what_it_parsed(void **state)
{
    avow_auto(avow_manifest_done) struct avow_manifest m = { 0 };
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(AVOW_MANIFEST_MAX);
    struct avow_error err = { 0 };
    struct avow_job_node swap;

    (void)state;
    assert_int_equal(avow_manifest_parse(avow_bytes_str(good), &m, &err), 0);
    swap = m.nodes[0];
    m.nodes[0] = m.nodes[1];
    m.nodes[1] = swap;
    assert_int_equal(avow_manifest_emit(&m, &out, &err), 0);
    assert_string_equal(avow_buf_cstr(&out), good);
}

static void knows_every_tee(void **state)
{
    static const char *const texts[] = { MANIFEST("", "n", PROGRAM, NODE("a", "az-snp", "1", "")),
                                         MANIFEST("", "n", PROGRAM, NODE("a", "az-tdx", "1", "")) };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        avow_auto(avow_manifest_done) struct avow_manifest m = { 0 };
        avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(AVOW_MANIFEST_MAX);

        assert_int_equal(avow_manifest_parse(avow_bytes_str(texts[i]), &m, NULL), 0);
        assert_string_equal(m.nodes[0].tee, i ? "az-tdx" : "az-snp");
        assert_int_equal(avow_manifest_emit(&m, &out, NULL), 0);
        assert_string_equal(avow_buf_cstr(&out), texts[i]);
    }
}

static void emit_refuses_what_parse_refuses(void **state)
{
    avow_auto(avow_manifest_done) struct avow_manifest m = { 0 };
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(AVOW_MANIFEST_MAX);
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(avow_manifest_parse(avow_bytes_str(good), &m, &err), 0);
    m.nodes[1].ranks = 0;
    assert_int_equal(avow_manifest_emit(&m, &out, &err), -AVOW_E_LIMIT);
    assert_int_equal(out.len, 0);
    m.nodes[1].ranks = 1;
    m.args[0][0] = (char)0xff;
    avow_error_clear(&err);
    assert_int_equal(avow_manifest_emit(&m, &out, &err), -AVOW_E_FORMAT);
}

static void refuses_with_the_key_named(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *says;
    } rows[] = {
        { "[]", AVOW_E_FORMAT, "object" },
        { "{}", AVOW_E_FORMAT, "type" },
        { "{\"type\":\"avow/manifest/2\"}", AVOW_E_VERSION, "manifest/2" },
        { MANIFEST("", "a/b", PROGRAM, TWO), AVOW_E_FORMAT, "a/b" },
        { MANIFEST("\"LD_PRELOAD\":\"x\"", "n", PROGRAM, TWO), AVOW_E_FORMAT, "LD_PRELOAD" },
        { MANIFEST("\"K\":1", "n", PROGRAM, TWO), AVOW_E_FORMAT, "K" },
        { MANIFEST("", "n", "{}", TWO), AVOW_E_FORMAT, "name" },
        { MANIFEST("", "n", "7", TWO), AVOW_E_FORMAT, "program" },
        { MANIFEST("", "n", PROGRAM, ""), AVOW_E_FORMAT, "nodes" },
        { MANIFEST("", "n", PROGRAM, "3"), AVOW_E_FORMAT, "nodes[0]" },
        { MANIFEST("", "n", PROGRAM, NODE("a", "sgx", "1", "")), AVOW_E_FORMAT, "sgx" },
        { MANIFEST("", "n", PROGRAM, NODE("A", "snp", "1", "")), AVOW_E_FORMAT, "\"A\"" },
        { MANIFEST("", "n", PROGRAM, NODE("a", "snp", "0", "")), AVOW_E_LIMIT, "ranks" },
        { MANIFEST("", "n", PROGRAM, NODE("a", "snp", "1025", "")), AVOW_E_LIMIT, "ranks" },
        { MANIFEST("", "n", PROGRAM, NODE("b", "snp", "1", "") "," NODE("a", "snp", "1", "")),
          AVOW_E_FORMAT, "sorted" },
        { MANIFEST("", "n", PROGRAM, NODE("a", "snp", "1", "") "," NODE("a", "snp", "1", "")),
          AVOW_E_FORMAT, "twice" },
        { MANIFEST("", "n", PROGRAM, NODE("a", "snp", "1", INPUT("../x"))), AVOW_E_FORMAT, "../x" },
        { MANIFEST("", "n", PROGRAM, NODE("a", "snp", "1", INPUT("x") "," INPUT("x"))),
          AVOW_E_FORMAT, "twice" },
        { MANIFEST("", "n", PROGRAM,
                   NODE("a", "snp", "1", INPUT("x") "," INPUT("x-y") "," INPUT("x/y"))),
          AVOW_E_FORMAT, "below" },
        { MANIFEST("", "n", "{\"args\":[],\"name\":\"t\",\"sha256\":\"" UPPER64 "\",\"size\":1}",
                   TWO),
          AVOW_E_FORMAT, "lower case" },
        { " " MANIFEST("", "n", PROGRAM, TWO), AVOW_E_FORMAT, "canonical" },
        { MANIFEST("", "n", "{\"args\":[],\"name\":\"t\",\"sha256\":\"00\",\"size\":1}", TWO),
          AVOW_E_FORMAT, "sha256" },
        { MANIFEST("", "n", "{\"args\":[],\"name\":\"a/t\",\"sha256\":\"" HEX64 "\",\"size\":1}",
                   TWO),
          AVOW_E_FORMAT, "path" },
        { MANIFEST("", "n", "{\"args\":[],\"name\":\"t\",\"sha256\":\"" HEX64 "\",\"size\":-1}",
                   TWO),
          AVOW_E_LIMIT, "size" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_error err = { 0 };

        assert_int_equal(parse(rows[i].text, &err), -rows[i].code);
        if (!strstr(err.text, rows[i].says))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, err.text, rows[i].says);
    }
}

static void refuses_every_truncation_and_unknown_key(void **state)
{
    char text[sizeof good + 16];
    struct avow_error err = { 0 };

    (void)state;
    for (size_t n = 0; n + 1 < sizeof good; n++) {
        memcpy(text, good, n);
        text[n] = 0;
        assert_true(parse(text, NULL) < 0);
    }
    memcpy(text, "{\"a\":1,", 7);
    memcpy(text + 7, good + 1, sizeof good - 1);
    assert_int_equal(parse(text, &err), -AVOW_E_FORMAT);
    assert_non_null(strstr(err.text, "unknown key \"a\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_what_the_format_says),
        cmocka_unit_test(emits_what_it_parsed),
        cmocka_unit_test(knows_every_tee),
        cmocka_unit_test(emit_refuses_what_parse_refuses),
        cmocka_unit_test(refuses_with_the_key_named),
        cmocka_unit_test(refuses_every_truncation_and_unknown_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
