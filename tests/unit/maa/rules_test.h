/* Policies in tests: read them, evaluate them, look at what came out. */
#ifndef AVOW_TEST_RULES_H
#define AVOW_TEST_RULES_H

#include "maa/rules_internal.h"

#include "../test.h"

#define PERMIT "authorizationrules{=>permit();};"
#define V10 "version=1.0;"
#define V12 "version=1.2;"

/* A text that must be refused: with this code, and these words. */
struct refusal {
    const char *text;
    int code;
    const char *says;
};

static inline void check_refusals(const struct refusal *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct avow_maa_policy *p = NULL;
        struct avow_error err = { 0 };
        int rc = avow_maa_policy_parse(avow_bytes_str(rows[i].text), &p, &err);

        if (rc != -rows[i].code || !strstr(err.text, rows[i].says))
            fail_msg("%s\n gives %d: %s\n not %d: %s", rows[i].text, rc, err.text, -rows[i].code,
                     rows[i].says);
        assert_null(p);
        assert_int_equal(err.code, rows[i].code);
    }
}

static inline struct avow_maa_policy *parse_ok(const char *text)
{
    struct avow_maa_policy *p = NULL;
    struct avow_error err = { 0 };

    if (avow_maa_policy_parse(avow_bytes_str(text), &p, &err) < 0)
        fail_msg("%s\n %s", text, err.text);
    return p;
}

static inline json_t *json_of(const char *text)
{
    json_t *v = NULL;

    if (!text)
        return NULL;
    v = json_loads(text, JSON_DECODE_ANY, NULL);
    if (!v)
        fail_msg("a mistake of the test: %s", text);
    return v;
}

/* Evaluate; the code, with @out for avow_maa_policy_out_done. */
static inline int run(const char *text, const char *service, const char *custom,
                      struct avow_maa_policy_out *out, struct avow_error *err)
{
    avow_auto(avow_cleanup_maa_policy) struct avow_maa_policy *p = parse_ok(text);
    avow_autojson json_t *s = json_of(service);
    avow_autojson json_t *c = json_of(custom);
    struct avow_maa_policy_in in = { .service = s, .custom = c };

    return avow_maa_policy_run(p, &in, out, err);
}

static inline void check_json(const char *what, const json_t *have, const char *want)
{
    avow_autojson json_t *w = json_of(want);
    avow_autofree char *text = have ? json_dumps(have, JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;

    if (!json_equal(have, w))
        fail_msg("%s\n gives %s\n not %s", what, text ? text : "nothing", want);
}

/* Permitted, and @issued. */
static inline void check_issued(const char *text, const char *service, const char *issued)
{
    avow_auto(avow_maa_policy_out_done) struct avow_maa_policy_out out = { 0 };
    struct avow_error err = { 0 };

    if (run(text, service, NULL, &out, &err) < 0)
        fail_msg("%s\n %s", text, err.text);
    assert_true(out.permitted);
    check_json(text, out.issued, issued);
}

/* Evaluation fails so, and nothing is permitted. */
static inline void check_failure(const char *text, const char *service, int code, const char *says)
{
    avow_auto(avow_maa_policy_out_done) struct avow_maa_policy_out out = { 0 };
    struct avow_error err = { 0 };
    int rc = run(text, service, NULL, &out, &err);

    if (rc != -code || !strstr(err.text, says))
        fail_msg("%s\n gives %d: %s\n not %d: %s", text, rc, err.text, -code, says);
    assert_false(out.permitted);
}

/* Whether the one condition @c holds over @service. */
static inline bool holds_over(const char *c, const char *service)
{
    avow_auto(avow_maa_policy_out_done) struct avow_maa_policy_out out = { 0 };
    struct avow_error err = { 0 };
    char text[2048];

    snprintf(text, sizeof text, V12 "authorizationrules{%s=>permit();};", c);
    if (run(text, service, NULL, &out, &err) < 0)
        fail_msg("%s\n %s", text, err.text);
    return out.permitted;
}

#endif
