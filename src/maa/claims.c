#include "maa/claims.h"

#include <stdio.h>

#include "codec/text.h"
#include "crypto/rsa.h"
#include "evidence/runtime.h"
#include "evidence/snp.h"
#include "maa/fields.h"
#include "verify/azure.h"

#define TDX_PROFILE "https://aka.ms/maa-eat-profile-tdxvm"
#define TYPE "x-ms-attestation-type"
#define RUNTIME "x-ms-runtime"
#define INITTIME "x-ms-inittime"
#define MACHINE "x-avow-machine"
#define ADVISORIES "x-avow-tdx-advisories"
#define PLATFORM "x-avow-snp-platform-info" /* as in maa/fields.c */
#define VLEK "x-avow-snp-vlek"

/* Put @take_value at @key; it is freed if that fails, or NULL. */
static int set(json_t *out, const char *key, json_t *take_value, struct avow_error *err)
{
    if (json_object_set_new(out, key, take_value) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory for the claim %s", key);
    return 0;
}

/* ---- writing ---- */

static json_t *advisories_json(const struct avow_claims *c)
{
    avow_autojson json_t *list = json_array();

    for (uint32_t i = 0; i < c->tdx.n_advisories && i < AVOW_ADVISORIES_MAX; i++)
        if (json_array_append_new(list, json_string(c->tdx.advisories[i])) < 0)
            return NULL;
    return avow_steal(&list);
}

static int put_tdx(const struct avow_claims *c, json_t *out, struct avow_error *err)
{
    AVOW_TRY(maa_fields_put(maa_tdx_fields, c, out, err));
    AVOW_TRY(
        set(out, "attester_tcb_status", json_string(avow_tcb_status_name(c->tdx.tcb_status)), err));
    AVOW_TRY(set(out, "dbgstat", json_string(c->debug ? "enabled" : "disabled"), err));
    AVOW_TRY(set(out, "eat_profile", json_string(TDX_PROFILE), err));
    AVOW_TRY(set(out, "intuse", json_string("generic"), err));
    return set(out, ADVISORIES, advisories_json(c), err);
}

static int put_data(const char *key, const struct avow_maa_data *d, json_t *out,
                    struct avow_error *err)
{
    return d->present && d->json ? set(out, key, json_incref(d->value), err) : 0;
}

static int put_all(const struct avow_claims *c, const struct avow_maa_request *rq, json_t *out,
                   struct avow_error *err)
{
    char machine[2 * sizeof c->machine + 1];

    AVOW_TRY(set(out, TYPE, json_string(avow_maa_type_name(rq->type)), err));
    AVOW_TRY(set(out, "x-ms-ver", json_string("1.0"), err));
    if (rq->type == AVOW_MAA_SEVSNPVM)
        AVOW_TRY(maa_fields_put(maa_snp_fields, c, out, err));
    else
        AVOW_TRY(put_tdx(c, out, err));
    AVOW_TRY(maa_fields_put(maa_common_fields, c, out, err));
    if (c->machine_len) {
        avow_hex(AVOW_BYTES(c->machine, c->machine_len), machine);
        AVOW_TRY(set(out, MACHINE, json_string(machine), err));
    }
    AVOW_TRY(put_data(RUNTIME, &rq->runtime, out, err));
    AVOW_TRY(put_data(INITTIME, &rq->init, out, err));
    return rq->nonce ? set(out, "nonce", json_string(rq->nonce), err) : 0;
}

int avow_maa_claims(const struct avow_claims *c, const struct avow_maa_request *rq,
                    bool paravisor_known, json_t **out, struct avow_error *err)
{
    avow_autojson json_t *claims = json_object();

    if (!c->authentic)
        return AVOW_FAIL(err, REFUSED, "no claims are made of evidence that is not verified");
    if (rq->type == AVOW_MAA_NONE || avow_maa_type_of(c->tee) != rq->type)
        return AVOW_FAIL(err, INVAL, "%s evidence for a request of type %s", avow_tee_name(c->tee),
                         avow_maa_type_name(rq->type));
    if (!claims)
        return AVOW_FAIL(err, NOMEM, "out of memory for claims");
    AVOW_TRY(put_all(c, rq, claims, err));
    if (paravisor_known)
        AVOW_TRY(set(claims, "x-ms-compliance-status", json_string(AVOW_MAA_COMPLIANT_CVM), err));
    *out = avow_steal(&claims);
    return 0;
}

/* ---- reading ---- */

const json_t *avow_maa_claims_tee(const json_t *token)
{
    const char *type = json_string_value(json_object_get(token, TYPE));
    const json_t *inner = NULL;

    if (!type || strcmp(type, "azurevm") != 0)
        return json_is_object(token) ? token : NULL;
    inner = json_object_get(token, "x-ms-isolation-tee");
    return json_is_object(inner) ? inner : NULL;
}

static int read_snp(const json_t *in, struct avow_claims *c, struct avow_error *err)
{
    AVOW_TRY(maa_fields_get(maa_snp_fields, in, c, err));
    c->debug = (c->snp.policy & AVOW_SNP_POLICY_DEBUG) != 0;
    return 0;
}

static int read_advisories(const json_t *in, struct avow_claims *c, struct avow_error *err)
{
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    if (!json_object_get(in, ADVISORIES))
        return 0;
    AVOW_TRY(avow_json_get_array(in, ADVISORIES, AVOW_ADVISORIES_MAX, &list, err));
    json_array_foreach(list, i, item) {
        const char *text = json_string_value(item);

        if (!text || strlen(text) >= sizeof c->tdx.advisories[0])
            return AVOW_FAIL(err, FORMAT, "\"" ADVISORIES "\": item %zu is no short text", i);
        snprintf(c->tdx.advisories[i], sizeof c->tdx.advisories[0], "%s", text);
        avow_printable(c->tdx.advisories[i]);
    }
    c->tdx.n_advisories = (uint32_t)json_array_size(list);
    return 0;
}

static int read_tdx(const json_t *in, struct avow_claims *c, struct avow_error *err)
{
    const char *status = NULL, *debug = NULL;

    AVOW_TRY(maa_fields_get(maa_tdx_fields, in, c, err));
    AVOW_TRY(avow_json_get_str(in, "attester_tcb_status", &status, err));
    c->tdx.tcb_status = avow_tcb_status_from_name(status);
    AVOW_TRY(avow_json_get_str(in, "dbgstat", &debug, err));
    c->debug = strcmp(debug, "disabled") != 0 || c->tdx.td_attributes[0] != 0;
    return read_advisories(in, c, err);
}

static int read_machine(const json_t *in, struct avow_claims *c, struct avow_error *err)
{
    const char *text = NULL;

    AVOW_TRY(avow_json_opt_str(in, MACHINE, &text, err));
    if (!text)
        return 0;
    if (strlen(text) > 2 * sizeof c->machine || avow_unhex(text, c->machine, strlen(text) / 2) < 0)
        return AVOW_FAIL(err, FORMAT, "\"" MACHINE "\" is not up to %zu bytes in hex",
                         sizeof c->machine);
    c->machine_len = (uint8_t)(strlen(text) / 2);
    return 0;
}

static int take_azure(const struct avow_runtime *r, struct avow_claims *c, struct avow_error *err)
{
    c->tee = c->tee == AVOW_TEE_SNP ? AVOW_TEE_AZ_SNP : AVOW_TEE_AZ_TDX;
    return avow_azure_take_runtime(r, c, err);
}

/* MAA checked that the digest of the bytes is in report data; here they are sorted and parsed, so
 * that their digest cannot be taken again, but is known. */
static int read_runtime(const json_t *in, struct avow_claims *c, struct avow_error *err)
{
    const json_t *runtime = json_object_get(in, RUNTIME);
    avow_autofree char *text = NULL;
    struct avow_runtime r;
    int rc = 0;

    if (!runtime)
        return 0;
    if (!json_is_object(runtime))
        return AVOW_FAIL(err, FORMAT, "\"" RUNTIME "\" is not an object");
    c->runtime_bound = true;
    memcpy(c->runtime_sha256, c->report_data, sizeof c->runtime_sha256);
    if (!json_object_get(runtime, "keys"))
        return 0;
    text = json_dumps(runtime, JSON_COMPACT);
    if (!text)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    rc = avow_runtime_parse(avow_bytes_str(text), &r, NULL);
    if (rc == -AVOW_E_MISSING) /* keys of some other kind: not a paravisor's claims */
        return 0;
    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc,
                              "\"" RUNTIME "\" names an attestation key, and cannot be "
                              "read as a paravisor's claims");
    return take_azure(&r, c, err);
}

int avow_maa_claims_read(const json_t *token, struct avow_claims *out, struct avow_error *err)
{
    const json_t *in = avow_maa_claims_tee(token);
    const char *type = NULL;
    int rc = 0;

    memset(out, 0, sizeof *out);
    if (!in)
        return AVOW_FAIL(err, UNSUPPORTED, "a token without claims of confidential hardware");
    AVOW_TRY(avow_json_get_str(in, TYPE, &type, err));
    if (strcmp(type, "sevsnpvm") == 0) {
        out->tee = AVOW_TEE_SNP;
        rc = read_snp(in, out, err);
        out->partial = !json_object_get(in, PLATFORM) || !json_object_get(in, VLEK);
    } else if (strcmp(type, "tdxvm") == 0) {
        out->tee = AVOW_TEE_TDX;
        rc = read_tdx(in, out, err);
    } else {
        rc = AVOW_FAIL(err, UNSUPPORTED, "a token of another type than sevsnpvm and tdxvm");
    }
    if (rc == 0)
        rc = maa_fields_get(maa_common_fields, in, out, err);
    if (rc == 0)
        rc = read_machine(in, out, err);
    if (rc == 0)
        rc = read_runtime(in, out, err);
    if (rc < 0)
        memset(out, 0, sizeof *out);
    return rc;
}
