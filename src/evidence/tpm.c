#include "evidence/tpm.h"

/* A TPM2B: u16 length, then as many bytes. */
static int read_2b(struct avow_rd *r, size_t max, struct avow_bytes *out, struct avow_error *err)
{
    uint16_t n = 0;

    if (avow_rd_u16be(r, &n) < 0 || avow_rd_bytes(r, n, out) < 0)
        return AVOW_FAIL(err, TRUNCATED, "TPM quote: ends too early");
    if (n > max)
        return AVOW_FAIL(err, LIMIT, "TPM quote: a field of %u bytes (at most %zu)", n, max);
    return 0;
}

static int read_selection(struct avow_rd *r, uint32_t *mask, struct avow_error *err)
{
    struct avow_bytes bitmap = { 0 };
    uint32_t count = 0;
    uint16_t alg = 0;
    uint8_t size = 0;

    if (avow_rd_u32be(r, &count) < 0)
        return AVOW_FAIL(err, TRUNCATED, "TPM quote: ends before its selection");
    if (count != 1)
        return AVOW_FAIL(err, UNSUPPORTED, "TPM quote over %u banks (one is wanted)", count);
    if (avow_rd_u16be(r, &alg) < 0 || avow_rd_u8(r, &size) < 0 ||
        avow_rd_bytes(r, size, &bitmap) < 0)
        return AVOW_FAIL(err, TRUNCATED, "TPM quote: ends in its selection");
    if (alg != AVOW_TPM_ALG_SHA256)
        return AVOW_FAIL(err, UNSUPPORTED, "TPM quote over bank 0x%04x (SHA-256 is 0x000b)", alg);
    if (size > AVOW_TPM_SELECT_MAX)
        return AVOW_FAIL(err, LIMIT, "TPM quote: selection of %u bytes", size);
    *mask = 0;
    for (size_t i = 0; i < bitmap.len; i++)
        *mask |= (uint32_t)bitmap.data[i] << (8 * i);
    return 0;
}

int avow_tpm_quote_parse(struct avow_bytes in, struct avow_tpm_quote *out, struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(in);
    struct avow_tpm_quote q = { 0 };
    struct avow_bytes signer = { 0 };
    uint32_t magic = 0;
    uint16_t type = 0;
    uint8_t safe = 0;

    if (avow_rd_u32be(&r, &magic) < 0 || avow_rd_u16be(&r, &type) < 0)
        return AVOW_FAIL(err, TRUNCATED, "TPM quote: ends too early");
    if (magic != AVOW_TPM_GENERATED || type != AVOW_TPM_ST_ATTEST_QUOTE)
        return AVOW_FAIL(err, FORMAT, "magic 0x%08x and type 0x%04x are not those of a TPM's quote",
                         magic, type);
    AVOW_TRY(read_2b(&r, UINT16_MAX, &signer, err));
    AVOW_TRY(read_2b(&r, AVOW_TPM_EXTRA_DATA_MAX, &q.extra_data, err));
    if (avow_rd_u64be(&r, &q.clock) < 0 || avow_rd_u32be(&r, &q.reset_count) < 0 ||
        avow_rd_u32be(&r, &q.restart_count) < 0 || avow_rd_u8(&r, &safe) < 0 ||
        avow_rd_u64be(&r, &q.firmware) < 0)
        return AVOW_FAIL(err, TRUNCATED, "TPM quote: ends in its clock");
    AVOW_TRY(read_selection(&r, &q.pcr_mask, err));
    AVOW_TRY(read_2b(&r, 64, &q.pcr_digest, err));
    if (q.pcr_digest.len != 32)
        return AVOW_FAIL(err, UNSUPPORTED, "TPM quote: PCR digest of %zu bytes (SHA-256 has 32)",
                         q.pcr_digest.len);
    if (avow_rd_end(&r) < 0)
        return AVOW_FAIL(err, TRAILING, "TPM quote: %zu bytes after its end", r.rest.len);
    *out = q;
    return 0;
}

int avow_tpm_signature_parse(struct avow_bytes in, struct avow_bytes *out, struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(in);
    uint16_t alg = 0, hash = 0, n = 0;

    if (in.len == 256 || in.len == 384 || in.len == 512) {
        *out = in;
        return 0;
    }
    if (avow_rd_u16be(&r, &alg) < 0 || avow_rd_u16be(&r, &hash) < 0 || avow_rd_u16be(&r, &n) < 0 ||
        avow_rd_bytes(&r, n, out) < 0 || avow_rd_end(&r) < 0)
        return AVOW_FAIL(err, FORMAT, "TPM signature: neither raw RSA nor a TPMT_SIGNATURE");
    if (alg != AVOW_TPM_ALG_RSASSA || hash != AVOW_TPM_ALG_SHA256)
        return AVOW_FAIL(err, UNSUPPORTED, "TPM signature of scheme 0x%04x with hash 0x%04x", alg,
                         hash);
    return 0;
}
