#include "verify/eventlog.h"

#include "codec/text.h"
#include "crypto/hash.h"
#include "evidence/eventlog.h"

#define REGISTERS_MAX AVOW_PCRS
#define VALUE_MAX 48u
#define RTMRS 4u

static const char startup_locality[] = "StartupLocality"; /* with its NUL; one byte follows */

struct replay {
    bool tdx;
    uint16_t alg;
    size_t len; /* bytes of a digest */
    uint32_t touched;
    uint8_t value[REGISTERS_MAX][VALUE_MAX];
};

/* PCR 0 begins with the locality that started the TPM (TCG PFP, 10.4.5.3). */
static void start(struct replay *r, const struct avow_event *e)
{
    if (!r->tdx && e->register_index == 0 && e->data.len == sizeof startup_locality + 1 &&
        avow_bytes_equal(avow_bytes_sub(e->data, 0, sizeof startup_locality),
                         AVOW_BYTES(startup_locality, sizeof startup_locality)))
        r->value[0][r->len - 1] = e->data.data[sizeof startup_locality];
}

/* The register's number here; false for one that is not replayed. */
static bool index_of(const struct replay *r, const struct avow_event *e, uint32_t *i)
{
    *i = e->register_index - (r->tdx ? 1u : 0u);
    return r->tdx ? e->register_index >= 1 && e->register_index <= RTMRS
                  : e->register_index < AVOW_PCRS;
}

static int extend(struct replay *r, const struct avow_event *e, struct avow_error *err)
{
    uint8_t text[2 * VALUE_MAX];
    uint32_t i = 0;

    if (!index_of(r, e, &i))
        return 0;
    for (size_t k = 0; k < e->n_digests; k++) {
        if (e->digests[k].alg != r->alg || e->digests[k].value.len != r->len)
            continue;
        memcpy(text, r->value[i], r->len);
        memcpy(text + r->len, e->digests[k].value.data, r->len);
        if ((r->tdx ? avow_sha384(AVOW_BYTES(text, 2 * r->len), r->value[i])
                    : avow_sha256(AVOW_BYTES(text, 2 * r->len), r->value[i])) < 0)
            return AVOW_FAIL(err, CRYPTO, "a hash failed");
        r->touched |= 1u << i;
    }
    return 0;
}

/* False if the register differs. */
static bool compare(const struct replay *r, uint32_t i, struct avow_claims *c)
{
    const uint8_t *signed_value = r->tdx ? c->tdx.rtmr[i] : c->vtpm.pcr[i];
    char have[20], want[20];

    if (avow_bytes_equal(AVOW_BYTES(r->value[i], r->len), AVOW_BYTES(signed_value, r->len)))
        return true;
    avow_hex(AVOW_BYTES(r->value[i], 8), have);
    avow_hex(AVOW_BYTES(signed_value, 8), want);
    return avow_claims_check(c, "event-log", false, "the log gives %s%u %s.., and %s.. was signed",
                             r->tdx ? "RTMR" : "PCR ", i, have, want);
}

static void judge(const struct replay *r, uint32_t n_events, struct avow_claims *c)
{
    uint32_t comparable = r->touched & (r->tdx ? (1u << RTMRS) - 1 : c->vtpm.pcr_mask);
    bool all = true;
    unsigned n = 0;

    for (uint32_t i = 0; i < REGISTERS_MAX; i++)
        if (comparable >> i & 1) {
            all = compare(r, i, c) && all;
            n++;
        }
    if (!n) {
        (void)avow_claims_check(c, "event-log", false,
                                "the log has %u events, and none for a register that was signed "
                                "with %s",
                                n_events, r->tdx ? "SHA-384" : "SHA-256");
        return;
    }
    if (!all)
        return;
    c->log.replayed = true;
    c->log.n_events = n_events;
    c->log.registers = comparable;
    (void)avow_claims_check(c, "event-log", true,
                            "%u events replay to the %u registers that they extend", n_events, n);
}

int avow_eventlog_verify(struct avow_bytes log, struct avow_claims *c, struct avow_error *err)
{
    struct replay r = { .tdx = !c->vtpm.quoted };
    struct avow_eventlog l = { 0 };
    struct avow_event e = { 0 };
    struct avow_error why = { 0 };
    int rc = 0;

    if (r.tdx && avow_tee_hardware(c->tee) != AVOW_TEE_TDX) {
        (void)avow_claims_missing(c, "event-log",
                                  "registers to replay the log into: an SNP report has none, and "
                                  "there is no TPM quote");
        return 0;
    }
    r.alg = r.tdx ? AVOW_ALG_SHA384 : AVOW_ALG_SHA256;
    r.len = r.tdx ? 48 : 32;
    rc = avow_eventlog_open(log, &l, &why);
    while (rc >= 0 && (rc = avow_eventlog_next(&l, &e, &why)) == 1) {
        if (e.type == AVOW_EVENT_NO_ACTION)
            start(&r, &e);
        else
            AVOW_TRY(extend(&r, &e, err));
    }
    if (rc < 0)
        (void)avow_claims_check(c, "event-log", false, "%s", why.text);
    else
        judge(&r, l.n_events, c);
    return 0;
}
