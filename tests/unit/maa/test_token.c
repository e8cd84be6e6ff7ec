#include "issuer.h"

#include "codec/text.h"

static struct test_issuer good, other;
static struct avow_maa_issuer issuers[2];
static const char *const hashes[] = { "another-policy", "the-policy" };
static struct avow_maa_token_in in;
static struct avow_maa_token_info info;
static struct avow_claims made, claims;
static struct avow_verdict v;
static json_t *payload;
static struct avow_buf token = AVOW_BUF(4 * AVOW_JWS_MAX);

static int make_issuers(void **state)
{
    (void)state;
    issuer_make(&good, ISSUER);
    issuer_make(&other, "https://other.example");
    return 0;
}

static int drop_issuers(void **state)
{
    (void)state;
    issuer_done(&good);
    issuer_done(&other);
    avow_buf_done(&token);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    issuer_claims(&made);
    payload = issuer_payload(&made, STATEMENT);
    issuers[0] = (struct avow_maa_issuer){ ISSUER "/", &good.keys, hashes, 2 };
    issuers[1] = (struct avow_maa_issuer){ "https://other.example", &other.keys, NULL, 0 };
    in = (struct avow_maa_token_in){
        .issuers = issuers,
        .n_issuers = 2,
        .type = AVOW_MAA_SEVSNPVM,
        .now = MADE_AT + 30,
        .skew_s = AVOW_MAA_SKEW_DEFAULT,
        .max_age_s = 300,
        .nonce = "request-nonce",
        .statement = avow_bytes_str(STATEMENT),
    };
    issuer_sign(&good, good.kid, payload, &token);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    json_decref(payload);
    return 0;
}

static void appraise(void)
{
    struct avow_error err = { 0 };

    in.token = avow_buf_view(&token);
    if (avow_maa_token_appraise(&in, &info, &claims, &v, &err) < 0)
        fail_msg("%s", err.text);
}

/* Refused, and for this reason first of all. */
static void refused_as(const char *code)
{
    appraise();
    assert_false(avow_verdict_accepts(&v));
    assert_non_null(avow_verdict_why(&v));
    if (strcmp(avow_verdict_why(&v)->code, code) != 0)
        fail_msg("%s instead of %s: %s", avow_verdict_why(&v)->code, code,
                 avow_verdict_why(&v)->text);
}

static void refused_with(const char *claim, json_t *take_value, const char *code)
{
    json_object_set_new(payload, claim, take_value);
    issuer_sign(&good, good.kid, payload, &token);
    refused_as(code);
}

static void a_good_token_is_accepted(void **state)
{
    (void)state;
    appraise();
    if (!avow_verdict_accepts(&v))
        fail_msg("%s: %s", avow_verdict_why(&v)->code, avow_verdict_why(&v)->text);
    assert_true(claims.authentic && info.verified);
    assert_false(info.want_keys);
    assert_int_equal(info.issuer, 0);
    assert_int_equal(info.type, AVOW_MAA_SEVSNPVM);
    assert_string_equal(info.jti, "0123456789abcdef");
    assert_string_equal(info.policy_hash, "the-policy");
    assert_int_equal(info.exp, MADE_AT + 28800);
    assert_int_equal(claims.valid_until, MADE_AT + 28800);
    assert_int_equal(claims.snp.reported.microcode, 219);
    assert_memory_equal(claims.report_data, made.report_data, 64);
    assert_true(claims.n_checks >= 9);
}

static void other_issuers_are_refused(void **state)
{
    (void)state;
    refused_with("iss", json_string("https://evil.example"), "token-issuer");
    assert_false(info.verified || info.want_keys); /* nothing is fetched for it */
    refused_with("iss", json_string(ISSUER ".evil.example"), "token-issuer");
    refused_with("iss", json_string("https://verifier"), "token-issuer");
    refused_with("iss", json_string(""), "token-issuer");
    refused_with("iss", json_integer(1), "token-issuer");
    json_object_del(payload, "iss");
    issuer_sign(&good, good.kid, payload, &token);
    refused_as("token-issuer");
    /* an allowed issuer, with another allowed issuer's key */
    refused_with("iss", json_string("https://other.example"), "token-kid");
}

static void unsigned_tokens_are_refused(void **state)
{
    avow_autofree char *text = json_dumps(payload, JSON_COMPACT);

    (void)state;
    avow_buf_reset(&token);
    assert_int_equal(avow_jws_unsecured(NULL, avow_bytes_str(text), &token, NULL), 0);
    refused_as("token-alg");
    assert_false(claims.authentic);
}

/* The classic confusion: the public key, which everyone has, as the secret of an HMAC. */
static void the_public_key_is_no_secret(void **state)
{
    avow_autofree char *text = json_dumps(payload, JSON_COMPACT);
    avow_auto(avow_buf_done) struct avow_buf long_key = AVOW_BUF(AVOW_CERT_DER_MAX * 2);
    struct avow_key mac_key = { 0 };
    uint8_t mac[32];

    (void)state;
    assert_int_equal(avow_cert_to_pem(avow_buf_view(&good.cert), &long_key, NULL), 0);
    assert_int_equal(avow_sha256(avow_buf_view(&long_key), mac_key.bytes), 0);
    avow_buf_reset(&token);
    avow_b64url_put(&token, avow_bytes_str("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"));
    avow_buf_put_str(&token, ".");
    avow_b64url_put(&token, avow_bytes_str(text));
    assert_int_equal(avow_hmac_sha256(avow_buf_view(&long_key), avow_buf_view(&token), mac), 0);
    avow_buf_put_str(&token, ".");
    avow_b64url_put(&token, AVOW_BYTES_OF(mac));
    refused_as("token-alg");
}

static void keys_are_not_exchanged(void **state)
{
    (void)state;
    /* signed by another key under the right name */
    issuer_sign(&other, good.kid, payload, &token);
    refused_as("token-signature");
    assert_false(info.verified || info.want_keys);
    /* under a name that is not known: the keys may have changed since */
    issuer_sign(&good, "no-such-key", payload, &token);
    refused_as("token-kid");
    assert_true(info.want_keys && avow_verdict_undecided(&v));
    assert_int_equal(info.issuer, 0);
    issuers[0].keys = NULL;
    issuer_sign(&good, good.kid, payload, &token);
    refused_as("token-kid");
    assert_true(info.want_keys);
}

static void tokens_without_kid_are_tried(void **state)
{
    (void)state;
    issuer_sign(&good, NULL, payload, &token);
    appraise();
    assert_true(avow_verdict_accepts(&v));
    issuer_sign(&other, NULL, payload, &token);
    refused_as("token-signature");
}

static void keys_that_do_not_fit_are_refused(void **state)
{
    struct avow_maa_keys keys = good.keys;

    (void)state;
    issuers[0].keys = &keys;
    keys.list[0].usable = false;
    snprintf(keys.list[0].why, sizeof keys.list[0].why, "n is not that of the certificate in x5c");
    refused_as("token-key");
    assert_non_null(strstr(avow_verdict_why(&v)->text, "x5c"));
    /* the certificate is another provider's, with this one's URL allowed */
    keys = other.keys;
    snprintf(keys.list[0].kid, sizeof keys.list[0].kid, "%s", good.kid);
    refused_as("token-key");
    assert_false(info.verified);
}

static void changed_tokens_are_refused(void **state)
{
    (void)state;
    for (size_t at = 0; at < token.len; at += 41) {
        uint8_t was = token.data[at];

        token.data[at] = was == 'A' ? 'B' : 'A';
        appraise();
        assert_false(avow_verdict_accepts(&v));
        assert_false(claims.authentic || info.verified);
        token.data[at] = was;
    }
    appraise();
    assert_true(avow_verdict_accepts(&v));
}

static void time_is_kept(void **state)
{
    (void)state;
    in.now = MADE_AT + 28800 + 60;
    in.max_age_s = 0;
    refused_as("token-expired");
    assert_true(info.verified);
    assert_false(claims.authentic); /* said by the issuer, and not to be believed any more */
    in.now--;                       /* the last second that the skew allows */
    appraise();
    assert_true(avow_verdict_accepts(&v));
    in.now = MADE_AT - 61;
    refused_as("token-early");
    in.now++;
    appraise();
    assert_true(avow_verdict_accepts(&v));
    in.now = MADE_AT + 400;
    in.max_age_s = 300;
    refused_as("token-age");
    in.max_age_s = 400;
    appraise();
    assert_true(avow_verdict_accepts(&v));
    in.now = MADE_AT;
    refused_with("exp", json_integer(MADE_AT),
                 "token-expired"); /* within the skew, but never valid */
    json_object_set_new(payload, "exp", json_integer(MADE_AT + 28800));
    refused_with("nbf", json_integer(MADE_AT + 1000), "token-early");
    json_object_del(payload, "nbf");
    refused_with("exp", json_string("tomorrow"), "token-claims");
    json_object_del(payload, "exp");
    issuer_sign(&good, good.kid, payload, &token);
    refused_as("token-claims");
}

static void what_was_asked_for_is_answered(void **state)
{
    (void)state;
    in.type = AVOW_MAA_TDXVM;
    refused_as("token-type");
    in.type = AVOW_MAA_NONE;
    appraise();
    assert_true(avow_verdict_accepts(&v));
    in.nonce = "another-nonce";
    refused_as("token-nonce");
    in.nonce = NULL;
    refused_with("x-ms-policy-hash", json_string("a-policy-that-permits-all"), "token-policy");
    json_object_del(payload, "x-ms-policy-hash");
    issuer_sign(&good, good.kid, payload, &token);
    refused_as("token-policy");
    issuers[0].n_policy_hashes = 0;
    appraise();
    assert_true(avow_verdict_accepts(&v));
}

static void duplicate_claims_are_refused(void **state)
{
    avow_autofree char *text = json_dumps(payload, JSON_COMPACT);
    avow_auto(avow_buf_done) struct avow_buf twice = AVOW_BUF(AVOW_MAA_TOKEN_MAX);
    avow_autojson json_t *header = json_pack("{s:s}", "kid", good.kid);

    (void)state;
    avow_buf_put(&twice, text, strlen(text) - 1);
    avow_buf_put_str(&twice, ",\"iss\":\"" ISSUER "\"}");
    avow_buf_reset(&token);
    assert_int_equal(avow_jws_sign(header, avow_buf_view(&twice), good.key, &token, NULL), 0);
    refused_as("token-claims");
    assert_non_null(strstr(avow_verdict_why(&v)->text, "duplicate"));
}

static void long_tokens_are_not_read(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf header = AVOW_BUF(2u << 20);

    (void)state;
    avow_buf_put_str(&header, "{\"alg\":\"RS256\",\"pad\":\"");
    while (header.len < 1u << 20)
        avow_buf_put_str(&header, "aaaaaaaaaaaaaaaa");
    avow_buf_put_str(&header, "\"}");
    avow_buf_reset(&token);
    avow_b64url_put(&token, avow_buf_view(&header));
    avow_buf_put_str(&token, ".e30.AA");
    refused_as("token-limit");
    header.len = 20u << 10; /* within what a token may have, and beyond what a header may */
    avow_buf_reset(&token);
    avow_b64url_put(&token, avow_buf_view(&header));
    avow_buf_put_str(&token, ".e30.AA");
    refused_as("token-limit");
    avow_buf_reset(&token);
    refused_as("token");
    avow_buf_put_str(&token, "a.b");
    refused_as("token");
}

static void claims_of_the_wrong_type_are_refused(void **state)
{
    (void)state;
    refused_with("x-ms-sevsnpvm-is-debuggable", json_string("false"), "token-claims");
    json_object_del(payload, "x-ms-sevsnpvm-is-debuggable");
    issuer_sign(&good, good.kid, payload, &token);
    refused_as("token-claims"); /* what is not said is not taken to be false */
}

static void the_defaults_are_strict(void **state)
{
    (void)state;
    json_object_del(payload, "x-avow-snp-policy");
    refused_with("x-ms-sevsnpvm-is-debuggable", json_true(), "debug");
    json_object_set_new(payload, "x-ms-sevsnpvm-is-debuggable", json_false());
    refused_with("x-ms-sevsnpvm-migration-allowed", json_true(), "migration");
    json_object_set_new(payload, "x-ms-sevsnpvm-migration-allowed", json_false());
    refused_with("x-ms-sevsnpvm-vmpl", json_integer(1), "vmpl");
    json_object_set_new(payload, "x-ms-sevsnpvm-vmpl", json_integer(0));
    refused_with("x-avow-simulated", json_true(), "simulated");
    assert_true(v.simulated);
}

static void a_td_must_be_up_to_date(void **state)
{
    (void)state;
    json_decref(payload);
    made.tee = AVOW_TEE_TDX;
    made.tdx.tcb_status = AVOW_TCB_UP_TO_DATE;
    payload = issuer_payload(&made, STATEMENT);
    in.type = AVOW_MAA_TDXVM;
    issuer_sign(&good, good.kid, payload, &token);
    appraise();
    assert_true(avow_verdict_accepts(&v));
    assert_int_equal(claims.tee, AVOW_TEE_TDX);
    refused_with("attester_tcb_status", json_string("OutOfDate"), "tcb-floor");
    refused_with("attester_tcb_status", json_string("Fine"), "tcb-floor");
    json_object_set_new(payload, "attester_tcb_status", json_string("UpToDate"));
    refused_with("dbgstat", json_string("enabled"), "debug");
}

/* A guest that is not Azure's and says that it has a TPM: nobody found its paravisor to be known.
 */
static void a_paravisor_must_be_known(void **state)
{
    static const char runtime[] =
        "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAB\"}]}";
    avow_auto(avow_buf_done) struct avow_buf n = AVOW_BUF(1024);
    json_t *value = json_loads(runtime, 0, NULL);
    struct avow_rsa_key rsa;

    (void)state;
    assert_int_equal(avow_signer_rsa(good.key, &rsa, NULL), 0);
    avow_b64url_put(&n, avow_rsa_n(&rsa));
    json_object_set_new(json_array_get(json_object_get(value, "keys"), 0), "n",
                        json_string(avow_buf_cstr(&n)));
    json_object_set_new(value, "vm-configuration", json_pack("{s:b}", "secure-boot", 1));
    in.statement = AVOW_BYTES(NULL, 0);
    in.unbound_ok = true;
    refused_with("x-ms-runtime", value, "paravisor");
    in.any_paravisor = true;
    appraise();
    assert_true(avow_verdict_accepts(&v));
    assert_int_equal(claims.tee, AVOW_TEE_AZ_SNP);
    in.any_paravisor = false;
    json_object_set_new(payload, "x-ms-compliance-status", json_string("azure-compliant-cvm"));
    issuer_sign(&good, good.kid, payload, &token);
    appraise();
    assert_true(avow_verdict_accepts(&v));
    in.statement = avow_bytes_str(STATEMENT);
    refused_as("binding");
    assert_true(avow_verdict_undecided(&v));
}

static void a_policy_takes_their_place(void **state)
{
    static const char any[] = "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"vmpl\":[1]}}";
    static const char crl[] =
        "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"vmpl\":[1],\"require-crl\":true}}";
    avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;
    avow_auto(avow_cleanup_policy) struct avow_policy *strict = NULL;

    (void)state;
    assert_int_equal(avow_policy_parse(avow_bytes_str(any), &p, NULL), 0);
    assert_int_equal(avow_policy_parse(avow_bytes_str(crl), &strict, NULL), 0);
    in.policy = p;
    refused_as("vmpl");
    json_object_set_new(payload, "x-ms-sevsnpvm-vmpl", json_integer(1));
    issuer_sign(&good, good.kid, payload, &token);
    appraise();
    assert_true(avow_verdict_accepts(&v));
    in.policy = strict; /* what the token does not say is not assumed */
    refused_as("crl");
    in.policy = p;
    refused_with("x-avow-simulated", json_true(), "simulated");
}

/* What a policy of the issuer's made up does not count; what is said against the evidence does. */
static void claims_of_avows_own_may_be_invented(void **state)
{
    static const char machine[] = "00112233";
    struct avow_maa_keys plain = good.keys;

    (void)state;
    json_object_set_new(payload, "x-avow-machine", json_string(machine));
    json_object_set_new(payload, "x-avow-root", json_string("AMD ARK-Milan"));
    issuer_sign(&good, good.kid, payload, &token);
    plain.list[0].own_claims = false;
    issuers[0] = (struct avow_maa_issuer){ ISSUER, &plain, NULL, 0 };
    appraise();
    assert_true(avow_verdict_accepts(&v));
    assert_int_equal(claims.machine_len, 0);
    assert_string_equal(claims.root, "by word of " ISSUER);
    refused_with("x-avow-simulated", json_true(), "simulated");
    json_object_set_new(payload, "x-avow-simulated", json_false());
    issuer_sign(&good, good.kid, payload, &token);
    issuers[0].policy_hashes = hashes; /* a policy that was looked at */
    issuers[0].n_policy_hashes = 2;
    appraise();
    assert_true(avow_verdict_accepts(&v));
    assert_int_equal(claims.machine_len, 4);
    issuers[0] = (struct avow_maa_issuer){ ISSUER, &good.keys, NULL, 0 }; /* avow-verifier's key */
    appraise();
    assert_true(avow_verdict_accepts(&v));
    assert_int_equal(claims.machine_len, 4);
    assert_string_equal(claims.root, "AMD ARK-Milan");
}

/* A token got for another nonce is the answer to another question: report data is over it. */
static void tokens_for_another_nonce_are_refused(void **state)
{
    static const char theirs[] =
        "{\"nonce\":\"11ff\",\"role\":\"server\",\"type\":\"avow/channel/1\"}";

    (void)state;
    in.statement = avow_bytes_str(theirs);
    refused_as("statement");
    /* nor does it help to write the other statement into it: the hardware signed another digest */
    refused_with("x-ms-runtime", json_loads(theirs, 0, NULL), "binding");
    in.statement = AVOW_BYTES(NULL, 0); /* unbound tokens are bearer tokens: not by default */
    refused_as("binding");
    in.unbound_ok = true;
    appraise();
    assert_true(avow_verdict_accepts(&v));
}

static void callers_mistakes_are_errors(void **state)
{
    (void)state;
    in.token = avow_buf_view(&token);
    in.skew_s = AVOW_MAA_SKEW_MAX + 1;
    assert_int_equal(avow_maa_token_appraise(&in, NULL, &claims, &v, NULL), -AVOW_E_INVAL);
    in.skew_s = 0;
    in.n_issuers = 0;
    assert_int_equal(avow_maa_token_appraise(&in, NULL, &claims, &v, NULL), -AVOW_E_INVAL);
    assert_false(avow_verdict_accepts(&v));
}

/* ---- Microsoft's own ---- */

static void real(const char *token_file, const char *keys_file, const char *url, int64_t at)
{
    static struct avow_maa_keys keys;
    avow_auto(avow_buf_done) struct avow_buf text = maa_vector(token_file);
    avow_auto(avow_buf_done) struct avow_buf set = maa_vector(keys_file);

    assert_int_equal(avow_maa_keys_parse(avow_buf_view(&set), &keys, NULL), 0);
    issuers[0] = (struct avow_maa_issuer){ .url = url, .keys = &keys };
    in = (struct avow_maa_token_in){ .issuers = issuers,
                                     .n_issuers = 1,
                                     .type = AVOW_MAA_AZUREVM,
                                     .now = at,
                                     .skew_s = 60,
                                     .unbound_ok = true };
    avow_buf_reset(&token);
    avow_buf_put_bytes(&token, avow_buf_view(&text));
    appraise();
}

static void microsofts_tokens_are_accepted(void **state)
{
    static const char eus2[] = "https://sharedeus2.eus2.attest.azure.net";
    static const char eus2_keys[] = "azure-maa/jwks.sharedeus2.eus2.attest.azure.net.json";

    (void)state;
    real("azure-maa/sharedeus2-2025-12-15-3cb236.jwt", eus2_keys, eus2, 1765826648 + 60);
    if (!avow_verdict_accepts(&v))
        fail_msg("%s: %s", avow_verdict_why(&v)->code, avow_verdict_why(&v)->text);
    assert_int_equal(claims.tee, AVOW_TEE_AZ_SNP);
    assert_int_equal(info.exp - info.iat, 28800);
    real("azure-maa/sharedeus2-2024-12-20-544bd7.jwt", eus2_keys, eus2, 1734719094);
    assert_true(avow_verdict_accepts(&v));
    in.now = 1734747894 + 60;
    refused_as("token-expired");
    in.statement = avow_bytes_str(STATEMENT); /* which no TPM's quote was seen to be about */
    in.now = 1734719094;
    refused_as("binding");
    assert_true(avow_verdict_undecided(&v));
    real("extra/tokens/maa-azurevm-cvmlib-1680173374.jwt",
         "azure-maa/jwks.sharedweu.weu.attest.azure.net.json",
         "https://sharedweu.weu.attest.azure.net", 1680173374);
    assert_true(info.verified);
    /* genuine, and of hardware that avow has no rules for */
    real("azure-maa/sharedeus-sgx-1695737747.jwt", "azure-maa/jwks.teaclave.0.json",
         "https://sharedeus.eus.attest.azure.net", 1695737747);
    assert_true(info.verified);
    assert_false(avow_verdict_accepts(&v));
    /* the same key under another provider's URL */
    real("azure-maa/sharedeus2-2024-12-20-544bd7.jwt", eus2_keys, eus2, 1734719094);
    issuers[0].url = "https://sharedweu.weu.attest.azure.net";
    refused_as("token-issuer");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_good_token_is_accepted),
        CASE(other_issuers_are_refused),
        CASE(unsigned_tokens_are_refused),
        CASE(the_public_key_is_no_secret),
        CASE(keys_are_not_exchanged),
        CASE(tokens_without_kid_are_tried),
        CASE(keys_that_do_not_fit_are_refused),
        CASE(changed_tokens_are_refused),
        CASE(time_is_kept),
        CASE(what_was_asked_for_is_answered),
        CASE(duplicate_claims_are_refused),
        CASE(long_tokens_are_not_read),
        CASE(claims_of_the_wrong_type_are_refused),
        CASE(the_defaults_are_strict),
        CASE(a_td_must_be_up_to_date),
        CASE(a_paravisor_must_be_known),
        CASE(a_policy_takes_their_place),
        CASE(claims_of_avows_own_may_be_invented),
        CASE(tokens_for_another_nonce_are_refused),
        CASE(callers_mistakes_are_errors),
        CASE(microsofts_tokens_are_accepted),
    };

    return cmocka_run_group_tests(tests, make_issuers, drop_issuers);
}
