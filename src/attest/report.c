/* Verdicts and claims as JSON. */
#include <stdio.h>

#include "attest/attest.h"
#include "codec/text.h"

/* ---- verdicts ---- */

static json_t *reason_json(const struct avow_reason *r)
{
    return json_pack("{s:s, s:b, s:b, s:s}", "code", r->code, "passed", r->passed ? 1 : 0, "ran",
                     r->ran ? 1 : 0, "text", r->text);
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
    bool ran = true; /* not said before there were checks that could not run */

    if (!json_is_object(j) || !json_is_boolean(json_object_get(j, "passed")))
        return AVOW_FAIL(err, FORMAT, "verdict: a reason is not {code, passed, text}");
    AVOW_TRY(avow_json_get_str(j, "code", &code, err));
    AVOW_TRY(avow_json_get_str(j, "text", &text, err));
    AVOW_TRY(avow_json_opt_bool(j, "passed", &passed, err));
    AVOW_TRY(avow_json_opt_bool(j, "ran", &ran, err));
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
    avow_verdict_conclude(&v);
    if (strcmp(decision, avow_verdict_accepts(&v) ? "accepted" : "refused") != 0)
        return AVOW_FAIL(err, FORMAT, "verdict: the decision does not follow from its reasons");
    *out = v;
    return 0;
}

/* ---- claims ---- */

static json_t *hex(const void *data, size_t n)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(1024);

    if (avow_hex_put(&text, AVOW_BYTES(data, n)) < 0)
        return NULL;
    return json_string(avow_buf_cstr(&text));
}

static json_t *hex64(uint64_t v)
{
    char text[24];

    snprintf(text, sizeof text, "0x%llx", (unsigned long long)v);
    return json_string(text);
}

static json_t *tcb_json(const struct avow_snp_tcb *t)
{
    return json_pack("{s:i, s:i, s:i, s:i, s:i}", "fmc", t->fmc, "bootloader", t->bootloader, "tee",
                     t->tee, "snp", t->snp, "microcode", t->microcode);
}

static json_t *snp_json(const struct avow_claims *c)
{
    json_t *j = json_pack(
        "{s:i, s:s, s:b, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:b, s:b}", "version",
        (int)c->snp.version, "product", c->snp.product, "vlek", c->snp.vlek ? 1 : 0, "policy",
        hex64(c->snp.policy), "platform-info", hex64(c->snp.platform_info), "vmpl",
        (json_int_t)c->snp.vmpl, "guest-svn", (json_int_t)c->snp.guest_svn, "family-id",
        hex(c->snp.family_id, 16), "image-id", hex(c->snp.image_id, 16), "host-data",
        hex(c->snp.host_data, 32), "id-key-digest", hex(c->snp.id_key_digest, 48),
        "author-key-digest", hex(c->snp.author_key_digest, 48), "author-key-en",
        c->snp.author_key_en ? 1 : 0, "migration-agent", c->snp.migration_agent ? 1 : 0);
    json_t *tcb = json_pack("{s:o, s:o, s:o, s:o}", "current", tcb_json(&c->snp.current),
                            "reported", tcb_json(&c->snp.reported), "committed",
                            tcb_json(&c->snp.committed), "launch", tcb_json(&c->snp.launch));

    if (!j || json_object_set_new(j, "tcb", tcb) < 0) {
        json_decref(j);
        return NULL;
    }
    return j;
}

static json_t *tdx_json(const struct avow_claims *c)
{
    avow_autojson json_t *advisories = json_array();
    json_t *rtmr = json_pack("[o, o, o, o]", hex(c->tdx.rtmr[0], 48), hex(c->tdx.rtmr[1], 48),
                             hex(c->tdx.rtmr[2], 48), hex(c->tdx.rtmr[3], 48));

    for (uint32_t i = 0; i < c->tdx.n_advisories && i < AVOW_ADVISORIES_MAX; i++)
        if (json_array_append_new(advisories, json_string(c->tdx.advisories[i])) < 0) {
            json_decref(rtmr);
            return NULL;
        }
    return json_pack(
        "{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:s, "
        "s:I, s:O}",
        "quote-version", (int)c->tdx.quote_version, "tee-tcb-svn", hex(c->tdx.tee_tcb_svn, 16),
        "tee-tcb-svn2", c->tdx.has_svn2 ? hex(c->tdx.tee_tcb_svn2, 16) : json_string(""), "mrseam",
        hex(c->tdx.mrseam, 48), "mrsignerseam", hex(c->tdx.mrsignerseam, 48), "mrconfigid",
        hex(c->tdx.mrconfigid, 48), "mrowner", hex(c->tdx.mrowner, 48), "mrownerconfig",
        hex(c->tdx.mrownerconfig, 48), "mrservicetd", hex(c->tdx.mrservicetd, 48), "rtmr", rtmr,
        "td-attributes", hex(c->tdx.td_attributes, 8), "xfam", hex(c->tdx.xfam, 8), "fmspc",
        hex(c->tdx.fmspc, 6), "pceid", (int)c->tdx.pceid, "tcb-status",
        avow_tcb_status_name(c->tdx.tcb_status), "tcb-evaluation",
        (json_int_t)c->tdx.tcb_evaluation, "advisories", advisories);
}

static json_t *checks_json(const struct avow_claims *c)
{
    static const char *const states[] = { "not-run", "failed", "passed" };
    avow_autojson json_t *list = json_array();

    for (uint32_t i = 0; i < c->n_checks && i < AVOW_CHECKS_MAX; i++) {
        const struct avow_check *k = &c->checks[i];

        if (json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "code", k->code, "state",
                                                  states[k->state], "text", k->text)) < 0)
            return NULL;
    }
    return avow_steal(&list);
}

json_t *avow_claims_json(const struct avow_claims *c)
{
    json_t *j =
        json_pack("{s:s, s:b, s:b, s:s, s:o, s:o, s:b, s:o, s:I, s:I, s:o}", "tee",
                  avow_tee_name(c->tee), "authentic", c->authentic ? 1 : 0, "simulated",
                  c->simulated ? 1 : 0, "root", c->root, "report-data", hex(c->report_data, 64),
                  "measurement", hex(c->measurement, 48), "debug", c->debug ? 1 : 0, "machine",
                  hex(c->machine, c->machine_len), "valid-from", (json_int_t)c->valid_from,
                  "valid-until", (json_int_t)c->valid_until, "checks", checks_json(c));

    if (j && c->tee != AVOW_TEE_NONE &&
        json_object_set_new(j, avow_tee_name(c->tee),
                            c->tee == AVOW_TEE_SNP ? snp_json(c) : tdx_json(c)) < 0) {
        json_decref(j);
        return NULL;
    }
    return j;
}
