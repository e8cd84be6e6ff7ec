#include "source/vtpm.h"

#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#include "crypto/hash.h"
#include "evidence/tpm.h"

#define CHUNK 512u /* bytes of an NV index at once: every TPM takes that many (PC Client PTP) */
#define QUOTE_ROUNDS 5
#define USER_DATA_ATTRIBUTES \
    (TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD | TPMA_NV_AUTHWRITE | TPMA_NV_AUTHREAD)

#define NO_SESSIONS ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE
#define PASSWORD ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE

/* Send a command, then take its answer: _Async and _Finish of tpm2-tss, with what is left of the
 * time. Finish may have to be called again where the TPM itself said "again". */
#define COMMAND(v, async, finish)                                           \
    __extension__({                                                         \
        TSS2_RC rc_ = (async);                                              \
        while (rc_ == TSS2_RC_SUCCESS) {                                    \
            (void)Esys_SetTimeout((v)->esys, patience_left((v)->patience)); \
            rc_ = (finish);                                                 \
            if (!is_again(rc_) || !patience_again((v)->patience))           \
                break;                                                      \
            rc_ = TSS2_RC_SUCCESS;                                          \
        }                                                                   \
        rc_;                                                                \
    })

static bool is_again(TSS2_RC rc)
{
    return rc != TSS2_RC_SUCCESS && (rc & 0xFFFF) == TSS2_BASE_RC_TRY_AGAIN &&
           (rc & TSS2_RC_LAYER_MASK) != TSS2_TPM_RC_LAYER;
}

/* TPM_RC_HANDLE, for whichever parameter: there is no such object. */
static bool is_no_such(TSS2_RC rc)
{
    return (rc & TSS2_RC_LAYER_MASK) == TSS2_TPM_RC_LAYER &&
           (rc & ~(TPM2_RC_N_MASK | TPM2_RC_P)) == TPM2_RC_HANDLE;
}

static int fail(const struct vtpm *v, TSS2_RC rc, const char *what, struct avow_error *err)
{
    if (is_again(rc))
        return AVOW_FAIL(err, TIMEOUT, "TPM %s: %s: no answer in time", v->name, what);
    if (is_no_such(rc))
        return AVOW_FAIL(err, NOTFOUND, "TPM %s: %s: the TPM has no such thing", v->name, what);
    return AVOW_FAIL(err, SYSTEM, "TPM %s: %s: %s", v->name, what, Tss2_RC_Decode(rc));
}

int vtpm_open(const char *tcti, struct patience *p, struct vtpm *out, struct avow_error *err)
{
    TSS2_RC rc = 0;

    *out = (struct vtpm){ .name = tcti ? tcti : VTPM_TCTI, .patience = p };
    (void)setenv("TSS2_LOG", "all+none", 0); /* otherwise it writes to stderr; an operator's wins */
    rc = Tss2_TctiLdr_Initialize(out->name, &out->tcti);
    if (rc != TSS2_RC_SUCCESS)
        return AVOW_FAIL(
            err, NOTFOUND,
            "TPM %s cannot be opened: %s; it needs a virtual TPM, and to be root or in "
            "the group tss",
            out->name, Tss2_RC_Decode(rc));
    rc = Esys_Initialize(&out->esys, out->tcti, NULL);
    if (rc == TSS2_RC_SUCCESS)
        return 0;
    vtpm_done(out);
    return fail(out, rc, "start", err);
}

void vtpm_done(struct vtpm *v)
{
    if (v->esys)
        Esys_Finalize(&v->esys);
    if (v->tcti)
        Tss2_TctiLdr_Finalize(&v->tcti);
}

/* An object of the TPM, by its handle, for as long as the connection lasts. */
static TSS2_RC find(struct vtpm *v, uint32_t handle, ESYS_TR *out)
{
    return COMMAND(v, Esys_TR_FromTPMPublic_Async(v->esys, handle, NO_SESSIONS),
                   Esys_TR_FromTPMPublic_Finish(v->esys, out));
}

static int find_or_fail(struct vtpm *v, uint32_t handle, ESYS_TR *out, struct avow_error *err)
{
    char what[32];
    TSS2_RC rc = find(v, handle, out);

    snprintf(what, sizeof what, "object 0x%08x", handle);
    return rc == TSS2_RC_SUCCESS ? 0 : fail(v, rc, what, err);
}

/* ---- NV ---- */

static int nv_public(struct vtpm *v, ESYS_TR nv, uint32_t *attributes, size_t *size,
                     struct avow_error *err)
{
    TPM2B_NV_PUBLIC *public = NULL;
    TPM2B_NAME *name = NULL;
    TSS2_RC rc = COMMAND(v, Esys_NV_ReadPublic_Async(v->esys, nv, NO_SESSIONS),
                         Esys_NV_ReadPublic_Finish(v->esys, &public, &name));

    if (rc != TSS2_RC_SUCCESS)
        return fail(v, rc, "NV_ReadPublic", err);
    *attributes = public->nvPublic.attributes;
    *size = public->nvPublic.dataSize;
    Esys_Free(public);
    Esys_Free(name);
    return 0;
}

int vtpm_nv_read(struct vtpm *v, uint32_t index, struct avow_buf *out, struct avow_error *err)
{
    ESYS_TR nv = ESYS_TR_NONE;
    ESYS_TR auth = ESYS_TR_NONE;
    uint32_t attributes = 0;
    size_t size = 0;

    AVOW_TRY(find_or_fail(v, index, &nv, err));
    AVOW_TRY(nv_public(v, nv, &attributes, &size, err));
    auth = attributes & TPMA_NV_OWNERREAD ? ESYS_TR_RH_OWNER : nv;
    for (size_t at = 0; at < size;) {
        UINT16 n = (UINT16)(size - at < CHUNK ? size - at : CHUNK);
        TPM2B_MAX_NV_BUFFER *data = NULL;
        TSS2_RC rc = COMMAND(v, Esys_NV_Read_Async(v->esys, auth, nv, PASSWORD, n, (UINT16)at),
                             Esys_NV_Read_Finish(v->esys, &data));

        if (rc != TSS2_RC_SUCCESS)
            return fail(v, rc, "NV_Read", err);
        at += data->size ? data->size : size; /* an answer without data must not keep us here */
        avow_buf_put(out, data->buffer, data->size);
        Esys_Free(data);
    }
    if (avow_buf_ok(out, err) < 0)
        return avow_error_prefix(err, "TPM %s: index 0x%08x of %zu bytes", v->name, index, size);
    return 0;
}

static int nv_define(struct vtpm *v, uint32_t index, size_t size, ESYS_TR *out,
                     struct avow_error *err)
{
    TPM2B_AUTH auth = { 0 };
    TPM2B_NV_PUBLIC public = { .nvPublic = { .nvIndex = index,
                                             .nameAlg = TPM2_ALG_SHA256,
                                             .attributes = USER_DATA_ATTRIBUTES,
                                             .dataSize = (UINT16)size } };
    TSS2_RC rc =
        COMMAND(v, Esys_NV_DefineSpace_Async(v->esys, ESYS_TR_RH_OWNER, PASSWORD, &auth, &public),
                Esys_NV_DefineSpace_Finish(v->esys, out));

    return rc == TSS2_RC_SUCCESS ? 0 : fail(v, rc, "NV_DefineSpace", err);
}

int vtpm_nv_write(struct vtpm *v, uint32_t index, struct avow_bytes data, struct avow_error *err)
{
    TPM2B_MAX_NV_BUFFER buffer = { .size = (UINT16)data.len };
    ESYS_TR nv = ESYS_TR_NONE;
    ESYS_TR auth = ESYS_TR_NONE;
    uint32_t attributes = 0;
    size_t size = 0;
    TSS2_RC rc = 0;

    if (data.len == 0 || data.len > CHUNK)
        return AVOW_FAIL(err, LIMIT, "%zu bytes for an NV index (1 to %u)", data.len, CHUNK);
    rc = find(v, index, &nv);
    if (is_no_such(rc))
        AVOW_TRY(nv_define(v, index, data.len, &nv, err));
    else if (rc != TSS2_RC_SUCCESS)
        return fail(v, rc, "looking for the NV index", err);
    AVOW_TRY(nv_public(v, nv, &attributes, &size, err));
    auth = attributes & TPMA_NV_OWNERWRITE ? ESYS_TR_RH_OWNER : nv;
    memcpy(buffer.buffer, data.data, data.len);
    rc = COMMAND(v, Esys_NV_Write_Async(v->esys, auth, nv, PASSWORD, &buffer, 0),
                 Esys_NV_Write_Finish(v->esys));
    return rc == TSS2_RC_SUCCESS ? 0 : fail(v, rc, "NV_Write", err);
}

/* ---- quotes ---- */

void vtpm_quote_done(struct vtpm_quote *q)
{
    avow_buf_done(&q->attest);
    avow_buf_done(&q->signature);
}

/* All PCRs but those in @have. */
static TPML_PCR_SELECTION selection(uint32_t have)
{
    uint32_t want = ((1u << VTPM_PCRS) - 1) & ~have;

    return (TPML_PCR_SELECTION){
        .count = 1,
        .pcrSelections = { { .hash = TPM2_ALG_SHA256,
                             .sizeofSelect = VTPM_PCRS / 8,
                             .pcrSelect = { (BYTE)want, (BYTE)(want >> 8), (BYTE)(want >> 16) } } }
    };
}

static int quote_once(struct vtpm *v, ESYS_TR key, struct avow_bytes extra, struct vtpm_quote *out,
                      struct avow_error *err)
{
    const TPMT_SIG_SCHEME scheme = { .scheme = TPM2_ALG_RSASSA,
                                     .details.rsassa.hashAlg = TPM2_ALG_SHA256 };
    TPML_PCR_SELECTION all = selection(0);
    TPM2B_DATA nonce = { .size = (UINT16)extra.len };
    TPM2B_ATTEST *attest = NULL;
    TPMT_SIGNATURE *sig = NULL;
    TSS2_RC rc = 0;
    uint16_t signed_with = 0;

    if (extra.len)
        memcpy(nonce.buffer, extra.data, extra.len);
    rc = COMMAND(v, Esys_Quote_Async(v->esys, key, PASSWORD, &nonce, &scheme, &all),
                 Esys_Quote_Finish(v->esys, &attest, &sig));
    if (rc != TSS2_RC_SUCCESS)
        return fail(v, rc, "Quote", err);
    avow_buf_reset(&out->attest);
    avow_buf_reset(&out->signature);
    avow_buf_put(&out->attest, attest->attestationData, attest->size);
    signed_with = sig->sigAlg;
    if (signed_with == TPM2_ALG_RSASSA)
        avow_buf_put(&out->signature, sig->signature.rsassa.sig.buffer,
                     sig->signature.rsassa.sig.size);
    Esys_Free(attest);
    Esys_Free(sig);
    if (signed_with != TPM2_ALG_RSASSA)
        return AVOW_FAIL(err, UNSUPPORTED, "TPM %s: its key signs with algorithm 0x%04x", v->name,
                         signed_with);
    AVOW_TRY(avow_buf_ok(&out->attest, err));
    return avow_buf_ok(&out->signature, err);
}

/* Some PCRs that are not in *@have yet: a TPM gives eight at once. */
static int read_some(struct vtpm *v, uint32_t *have, struct vtpm_quote *out, struct avow_error *err)
{
    TPML_PCR_SELECTION want = selection(*have);
    TPML_PCR_SELECTION *got = NULL;
    TPML_DIGEST *values = NULL;
    UINT32 counter = 0;
    size_t n = 0;
    bool sound = true;
    TSS2_RC rc = COMMAND(v, Esys_PCR_Read_Async(v->esys, NO_SESSIONS, &want),
                         Esys_PCR_Read_Finish(v->esys, &counter, &got, &values));

    if (rc != TSS2_RC_SUCCESS)
        return fail(v, rc, "PCR_Read", err);
    for (unsigned i = 0; i < VTPM_PCRS && got->count == 1; i++) {
        if (!(got->pcrSelections[0].pcrSelect[i / 8] >> (i % 8) & 1))
            continue;
        sound = sound && n < values->count && values->digests[n].size == VTPM_PCR_LEN;
        if (sound)
            memcpy(out->pcrs[i], values->digests[n].buffer, VTPM_PCR_LEN);
        *have |= 1u << i;
        n++;
    }
    Esys_Free(got);
    Esys_Free(values);
    return n && sound ? 0
                      : AVOW_FAIL(err, UNSUPPORTED, "TPM %s: it has no PCRs of SHA-256", v->name);
}

/* Whether the PCRs are those that were quoted. */
static int same_pcrs(const struct vtpm_quote *q, bool *same, struct avow_error *err)
{
    struct avow_tpm_quote parsed = { 0 };
    uint8_t digest[32];

    AVOW_TRY(avow_tpm_quote_parse(avow_buf_view(&q->attest), &parsed, err));
    if (avow_sha256(AVOW_BYTES(q->pcrs, sizeof q->pcrs), digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    *same = parsed.pcr_mask == (1u << VTPM_PCRS) - 1 &&
            avow_bytes_equal(parsed.pcr_digest, AVOW_BYTES_OF(digest));
    return 0;
}

int vtpm_quote(struct vtpm *v, uint32_t handle, struct avow_bytes extra, struct vtpm_quote *out,
               struct avow_error *err)
{
    ESYS_TR key = ESYS_TR_NONE;

    if (extra.len > AVOW_TPM_EXTRA_DATA_MAX)
        return AVOW_FAIL(err, LIMIT, "%zu bytes of extra data (at most %u)", extra.len,
                         AVOW_TPM_EXTRA_DATA_MAX);
    AVOW_TRY(find_or_fail(v, handle, &key, err));
    for (int i = 0; i < QUOTE_ROUNDS; i++) {
        uint32_t have = 0;
        bool same = false;

        AVOW_TRY(quote_once(v, key, extra, out, err));
        while (have != (1u << VTPM_PCRS) - 1)
            AVOW_TRY(read_some(v, &have, out, err));
        AVOW_TRY(same_pcrs(out, &same, err));
        if (same)
            return 0;
    }
    return AVOW_FAIL(err, BUSY, "TPM %s: its PCRs change between quote and reading", v->name);
}
