#include "attest/ear.h"

#include "codec/text.h"
#include "crypto/hash.h"
#include "crypto/jws.h"

#define NONCE_MIN 8u /* RFC 9711, 4.1 */
#define NONCE_MAX 88u

/* Values of AR4SI (draft-ietf-rats-ar4si, "Trustworthiness Claims"). */
enum {
    NO_CLAIM = 0,
    UNEXPECTED_EVIDENCE = 1,
    RECOGNIZED = 2,    /* instance-identity, executables, configuration, hardware, runtime-opaque */
    BOOT_APPROVED = 3, /* executables: what was loaded at boot */
    UNSAFE = 32,       /* hardware: a TCB with known weaknesses that the policy accepts */
    UNRECOGNIZED_RUNTIME = 33, /* executables */
    CONTRAINDICATED = 96,
    UNRECOGNIZED = 97, /* instance-identity, hardware: not genuine, or not a known one */
    CRYPTO_FAILED = 99,
};

enum tier { TIER_NONE, TIER_AFFIRMING, TIER_WARNING, TIER_CONTRAINDICATED };

static const char *const tier_names[] = { "none", "affirming", "warning", "contraindicated" };

enum category {
    INSTANCE_IDENTITY,
    CONFIGURATION,
    EXECUTABLES,
    FILE_SYSTEM,
    HARDWARE,
    RUNTIME_OPAQUE,
    STORAGE_OPAQUE,
    SOURCED_DATA,
    N_CATEGORIES,
};

static const char *const category_names[N_CATEGORIES] = {
    [INSTANCE_IDENTITY] = "instance-identity",
    [CONFIGURATION] = "configuration",
    [EXECUTABLES] = "executables",
    [FILE_SYSTEM] = "file-system",
    [HARDWARE] = "hardware",
    [RUNTIME_OPAQUE] = "runtime-opaque",
    [STORAGE_OPAQUE] = "storage-opaque",
    [SOURCED_DATA] = "sourced-data",
};

/* What a failed check or rule says of which category; other rules of a policy are configuration. */
static const struct {
    const char *code;
    enum category category;
    int value;
} findings[] = {
    { "signature", HARDWARE, CRYPTO_FAILED },
    { "tcb-signature", HARDWARE, CRYPTO_FAILED },
    { "tpm-signature", HARDWARE, CRYPTO_FAILED },
    { "root", HARDWARE, UNRECOGNIZED },
    { "chain", HARDWARE, UNRECOGNIZED },
    { "product", HARDWARE, UNRECOGNIZED },
    { "chip", HARDWARE, UNRECOGNIZED },
    { "qe-identity", HARDWARE, UNRECOGNIZED },
    { "qe-binding", HARDWARE, CRYPTO_FAILED },
    { "simulated", HARDWARE, UNRECOGNIZED },
    { "revoked", HARDWARE, CONTRAINDICATED },
    { "tcb-status", HARDWARE, CONTRAINDICATED },
    { "tcb-floor", HARDWARE, CONTRAINDICATED },
    { "tcb-evaluation", HARDWARE, CONTRAINDICATED },
    { "advisories", HARDWARE, CONTRAINDICATED },
    { "mitigations", HARDWARE, CONTRAINDICATED },
    { "mrseam", HARDWARE, UNRECOGNIZED },
    { "expired", HARDWARE, CONTRAINDICATED },
    { "not-yet-valid", HARDWARE, CONTRAINDICATED },
    { "tcb", HARDWARE, CONTRAINDICATED },
    { "tcb-order", HARDWARE, CONTRAINDICATED },
    { "fmspc", HARDWARE, CONTRAINDICATED },
    { "tcb-info", HARDWARE, CONTRAINDICATED },
    { "malformed", HARDWARE, UNRECOGNIZED },
    { "version", HARDWARE, UNRECOGNIZED },
    { "measurement", EXECUTABLES, UNRECOGNIZED_RUNTIME },
    { "rtmr0", EXECUTABLES, UNRECOGNIZED_RUNTIME },
    { "rtmr1", EXECUTABLES, UNRECOGNIZED_RUNTIME },
    { "rtmr2", EXECUTABLES, UNRECOGNIZED_RUNTIME },
    { "rtmr3", EXECUTABLES, UNRECOGNIZED_RUNTIME },
    { "pcrs", EXECUTABLES, UNRECOGNIZED_RUNTIME },
    { "event-log", EXECUTABLES, CONTRAINDICATED },
    { "machine", INSTANCE_IDENTITY, UNRECOGNIZED },
    { "machine-ids", INSTANCE_IDENTITY, UNRECOGNIZED },
    { "vm-id", INSTANCE_IDENTITY, UNRECOGNIZED },
};

static enum tier tier_of(int value)
{
    if (value >= CONTRAINDICATED)
        return TIER_CONTRAINDICATED;
    if (value >= UNSAFE)
        return TIER_WARNING;
    return value >= RECOGNIZED ? TIER_AFFIRMING : TIER_NONE;
}

static void worsen(int *value, int to)
{
    if (tier_of(to) > tier_of(*value) || (tier_of(to) == tier_of(*value) && to > *value))
        *value = to;
}

static void add_finding(int vector[N_CATEGORIES], const char *code)
{
    for (size_t i = 0; i < sizeof findings / sizeof findings[0]; i++)
        if (strcmp(findings[i].code, code) == 0) {
            worsen(&vector[findings[i].category], findings[i].value);
            return;
        }
    worsen(&vector[CONFIGURATION], CONTRAINDICATED);
}

/* The hardware's TCB is one that Intel calls up to date, or (AMD publishes no list) authentic. */
static int hardware_value(const struct avow_claims *c)
{
    if (avow_tee_hardware(c->tee) == AVOW_TEE_TDX && c->tdx.tcb_status != AVOW_TCB_UP_TO_DATE)
        return UNSAFE;
    return RECOGNIZED;
}

/* With a TPM, its registers are the guest's: "cpu" then vouches for the paravisor alone. */
static void cpu_vector(const struct avow_ear_in *in, int vector[N_CATEGORIES])
{
    const struct avow_claims *c = in->claims;

    if (!c->authentic)
        return;
    vector[HARDWARE] = hardware_value(c);
    vector[CONFIGURATION] = c->debug ? CONTRAINDICATED : RECOGNIZED;
    vector[RUNTIME_OPAQUE] = c->debug ? CONTRAINDICATED : RECOGNIZED;
    if (in->measurement_pinned)
        vector[EXECUTABLES] =
            in->registers_pinned && !avow_tee_is_azure(c->tee) ? RECOGNIZED : BOOT_APPROVED;
    if (in->machine_pinned)
        vector[INSTANCE_IDENTITY] = RECOGNIZED;
}

static json_t *appraisal_json(const struct avow_ear_in *in, const int vector[N_CATEGORIES],
                              json_t *take_claims)
{
    avow_autojson json_t *claims = take_claims;
    avow_autojson json_t *v = json_object();
    avow_autojson json_t *id = NULL;
    avow_auto(avow_buf_done) struct avow_buf policy = AVOW_BUF(128);
    uint8_t digest[32];
    enum tier status = TIER_NONE;

    if (!v || !claims || avow_sha256(in->policy, digest) < 0)
        return NULL;
    for (size_t i = 0; i < N_CATEGORIES; i++) {
        if (tier_of(vector[i]) > status)
            status = tier_of(vector[i]);
        if (json_object_set_new(v, category_names[i], json_integer(vector[i])) < 0)
            return NULL;
    }
    if (avow_verdict_undecided(in->verdict))
        status = TIER_NONE;
    else if (!avow_verdict_accepts(in->verdict))
        status = TIER_CONTRAINDICATED;
    avow_buf_put_str(&policy, "ni:///sha-256;");
    if (avow_b64url_put(&policy, AVOW_BYTES_OF(digest)) < 0)
        return NULL;
    id = json_pack("[s]", avow_buf_cstr(&policy));
    return json_pack("{s:s, s:O, s:O, s:O}", "ear_status", tier_names[status],
                     "ear_trustworthiness_vector", v, "ear_appraisal_policy_ids", id,
                     "ear_attester_claims", claims);
}

static json_t *submods_json(const struct avow_ear_in *in)
{
    const struct avow_claims *c = in->claims;
    int cpu[N_CATEGORIES] = { 0 };
    int vtpm[N_CATEGORIES] = { 0 };
    avow_autojson json_t *claims = avow_claims_json(c);
    avow_autojson json_t *registers = NULL;
    avow_autojson json_t *out = json_object();

    cpu_vector(in, cpu);
    for (uint32_t i = 0; i < in->verdict->n_reasons; i++)
        if (!in->verdict->reasons[i].passed && in->verdict->reasons[i].ran)
            add_finding(cpu, in->verdict->reasons[i].code);
    if (!out || !claims)
        return NULL;
    registers = json_incref(json_object_get(claims, "vtpm"));
    (void)json_object_del(claims, "vtpm");
    if (json_object_set_new(out, "cpu", appraisal_json(in, cpu, json_incref(claims))) < 0)
        return NULL;
    if (!c->vtpm.quoted)
        return avow_steal(&out);
    if (c->authentic && in->registers_pinned)
        vtpm[EXECUTABLES] = cpu[EXECUTABLES] == BOOT_APPROVED ? RECOGNIZED : cpu[EXECUTABLES];
    if (json_object_set_new(out, "vtpm", appraisal_json(in, vtpm, json_incref(registers))) < 0)
        return NULL;
    return avow_steal(&out);
}

/* A CMW record (draft-ietf-rats-msg-wrap): media type and bytes. */
static json_t *raw_json(struct avow_bytes bundle)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(2 * AVOW_BUNDLE_MAX);

    if (avow_b64url_put(&text, bundle) < 0)
        return NULL;
    return json_pack("[s, s]", "application/vnd.avow.bundle+json", avow_buf_cstr(&text));
}

json_t *avow_ear_claims(const struct avow_ear_in *in)
{
    avow_autojson json_t *j =
        json_pack("{s:s, s:I, s:{s:s, s:s}, s:o}", "eat_profile", AVOW_EAR_PROFILE, "iat",
                  (json_int_t)in->now, "ear_verifier_id", "developer", AVOW_EAR_DEVELOPER, "build",
                  in->build, "submods", submods_json(in));

    if (!j)
        return NULL;
    if (in->nonce && (strlen(in->nonce) < NONCE_MIN || strlen(in->nonce) > NONCE_MAX ||
                      json_object_set_new(j, "eat_nonce", json_string(in->nonce)) < 0))
        return NULL;
    if (in->bundle.len && json_object_set_new(j, "ear_raw_evidence", raw_json(in->bundle)) < 0)
        return NULL;
    return avow_steal(&j);
}

/* ---- JWS ---- */

int avow_ear_sign(const json_t *claims, const struct avow_signer *key, struct avow_buf *out,
                  struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf kid = AVOW_BUF(64);
    avow_autojson json_t *header = NULL;

    if (avow_signer_is_rsa(key))
        return AVOW_FAIL(err, INVAL, "an EAR is signed by a key on P-256 or P-384");
    AVOW_TRY(avow_jwk_thumbprint(key, &kid, err));
    header = json_pack("{s:s, s:s}", "kid", avow_buf_cstr(&kid), "typ", "eat+jwt");
    if (!header)
        return AVOW_FAIL(err, NOMEM, "out of memory for a token");
    return avow_jws_sign_json(header, claims, key, out, err);
}
