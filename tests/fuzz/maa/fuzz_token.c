/*
 * Tokens: what nobody signed is never accepted, whatever set of keys it comes with. The same bytes
 * as a payload, behind the signature that cannot be made: what is read is written as the same.
 */
#include <stdlib.h>

#include "maa/binding.h"
#include "maa/claims.h"
#include "maa/fields.h"

#define NOW 1796000000
#define ISSUER "https://v.example" /* as in the seeds */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void as_token(struct avow_bytes text, const struct avow_maa_keys *keys)
{
    const struct avow_maa_issuer issuer = { .url = ISSUER, .keys = keys };
    const struct avow_maa_token_in in = {
        .token = text, .issuers = &issuer, .n_issuers = 1, .now = NOW, .unbound_ok = true
    };
    static struct avow_claims c;
    static struct avow_verdict v;
    struct avow_maa_token_info info;

    check(avow_maa_token_appraise(&in, &info, &c, &v, NULL) == 0);
    check(!avow_verdict_accepts(&v) && avow_verdict_why(&v));
    check(!info.verified && !c.authentic);
}

static void as_payload(struct avow_bytes text)
{
    static struct avow_claims c, again;
    static struct avow_verdict v;
    const struct avow_maa_token_in in = { .statement = avow_bytes_str("{}") };
    avow_autojson json_t *payload = NULL;
    avow_autojson json_t *out = json_object();
    const struct maa_field *table = NULL;

    if (avow_json_parse(text, &payload, NULL) < 0 || avow_maa_claims_read(payload, &c, NULL) < 0)
        return;
    check(!c.authentic && c.tee != AVOW_TEE_NONE);
    table = avow_tee_hardware(c.tee) == AVOW_TEE_SNP ? maa_snp_fields : maa_tdx_fields;
    check(maa_fields_put(table, &c, out, NULL) == 0);
    memset(&again, 0, sizeof again);
    check(maa_fields_get(table, out, &again, NULL) == 0);
    check(memcmp(&again.snp, &c.snp, sizeof c.snp) == 0);
    check(memcmp(again.tdx.rtmr, c.tdx.rtmr, sizeof c.tdx.rtmr) == 0);
    memset(&v, 0, sizeof v);
    check(maa_check_binding(&in, payload, &c, &v, NULL) == 0 && v.n_reasons > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct avow_maa_keys keys; /* of the last input that was a set */
    static struct avow_maa_keys read;
    const struct avow_bytes text = AVOW_BYTES(data, size);

    if (avow_maa_keys_parse(text, &read, NULL) == 0) {
        check(read.n <= AVOW_MAA_KEYS_MAX);
        keys = read;
    }
    as_token(text, &keys);
    as_payload(text);
    return 0;
}
