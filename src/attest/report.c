/* Verdicts as JSON. */
#include "attest/attest.h"

/* ---- verdicts ---- */

static json_t *reason_json(const struct avow_reason *r)
{
    return json_pack("{s:s, s:b, s:b, s:s, s:s}", "code", r->code, "passed", r->passed ? 1 : 0,
                     "ran", r->ran ? 1 : 0, "text", r->text, "source", r->source);
}

json_t *avow_verdict_json(const struct avow_verdict *v)
{
    avow_autojson json_t *reasons = json_array();

    if (!reasons)
        return NULL;
    for (uint32_t i = 0; i < v->n_reasons && i < AVOW_REASONS_MAX; i++)
        if (json_array_append_new(reasons, reason_json(&v->reasons[i])) < 0)
            return NULL;
    return json_pack("{s:s, s:s, s:b, s:O}", "decision",
                     avow_verdict_accepts(v) ? "accepted" : "refused", "tee", avow_tee_name(v->tee),
                     "simulated", v->simulated ? 1 : 0, "reasons", reasons);
}

static int read_reason(const json_t *j, struct avow_verdict *out, struct avow_error *err)
{
    const char *code = NULL;
    const char *text = NULL;
    bool passed = false;
    const char *source = ""; /* not said before reasons named the policy's keys */
    bool ran = true;         /* not said before there were checks that could not run */

    if (!json_is_object(j) || !json_is_boolean(json_object_get(j, "passed")))
        return AVOW_FAIL(err, FORMAT, "verdict: a reason is not {code, passed, text}");
    AVOW_TRY(avow_json_get_str(j, "code", &code, err));
    AVOW_TRY(avow_json_get_str(j, "text", &text, err));
    AVOW_TRY(avow_json_opt_str(j, "source", &source, err));
    AVOW_TRY(avow_json_opt_bool(j, "passed", &passed, err));
    AVOW_TRY(avow_json_opt_bool(j, "ran", &ran, err));
    avow_verdict_from(out, "%s", source);
    if (ran)
        avow_verdict_add(out, code, passed, "%s", text);
    else
        avow_verdict_missing(out, code, "%s", text);
    return 0;
}

int avow_verdict_from_json(const json_t *j, struct avow_verdict *out, struct avow_error *err)
{
    struct avow_verdict v = { 0 };
    const char *decision = NULL;
    const char *tee = NULL;
    json_t *reasons = NULL;
    json_t *item = NULL;
    size_t i = 0;

    memset(out, 0, sizeof *out);
    AVOW_TRY(avow_json_get_str(j, "decision", &decision, err));
    AVOW_TRY(avow_json_get_str(j, "tee", &tee, err));
    AVOW_TRY(avow_json_get_array(j, "reasons", AVOW_REASONS_MAX, &reasons, err));
    if (!json_is_boolean(json_object_get(j, "simulated")))
        return AVOW_FAIL(err, FORMAT, "verdict: \"simulated\" is not true or false");
    v.simulated = json_is_true(json_object_get(j, "simulated"));
    v.tee = avow_tee_from_name(tee);
    json_array_foreach(reasons, i, item)
        AVOW_TRY(read_reason(item, &v, err));
    avow_verdict_from(&v, "%s", "");
    avow_verdict_conclude(&v);
    if (strcmp(decision, avow_verdict_accepts(&v) ? "accepted" : "refused") != 0)
        return AVOW_FAIL(err, FORMAT, "verdict: the decision does not follow from its reasons");
    *out = v;
    return 0;
}
