#include "attest/pcrs.h"

#include <stdlib.h>
#include <strings.h>

#include "attest/unwrap.h"
#include "codec/text.h"

#define LINE_MAX_LEN 256u
#define ALG_SHA256 0x000Bu /* TPM_ALG_SHA256 */

/* Structures of tss2_tpm2_types.h as a little-endian machine lays them out: TPMS_PCR_SELECTION is
 * u16 hash, u8 size, u8[4] and one byte of padding; TPM2B_DIGEST u16 size and u8[64]. */
#define SELECTIONS 16u
#define SELECTION_LEN 8u
#define SELECTION_BITS 3u /* bytes: 24 PCRs */
#define DIGESTS 8u        /* in one TPML_DIGEST */
#define DIGEST_MAX 64u

/* ---- text ---- */

/* The next line without white space around it; false at the end, or if it is no text. */
static bool next_line(struct avow_rd *r, char line[LINE_MAX_LEN], bool *ok)
{
    struct avow_bytes b = { 0 };

    if (!avow_text_line(&r->rest, &b))
        return false;
    b = avow_unwrap_trim(b);
    *ok = b.len < LINE_MAX_LEN && (!b.len || !memchr(b.data, 0, b.len));
    if (*ok && b.len)
        memcpy(line, b.data, b.len);
    line[*ok ? b.len : 0] = 0;
    return *ok;
}

/* "10: 0xHEX" or "0 : 0xHEX"; the value counts in the SHA-256 bank only. */
static bool read_value(const char *line, bool counts, struct avow_pcrs *out)
{
    char *end = NULL;
    unsigned long i = line[0] >= '0' && line[0] <= '9' ? strtoul(line, &end, 10) : AVOW_PCRS_N;

    if (i >= AVOW_PCRS_N)
        return false;
    end += strspn(end, " ");
    if (*end++ != ':')
        return false;
    end += strspn(end, " ");
    if (strncasecmp(end, "0x", 2) == 0)
        end += 2;
    if (!counts)
        return strspn(end, "0123456789abcdefABCDEF") == strlen(end);
    if (out->mask >> i & 1 || avow_unhex(end, out->value[i], AVOW_PCRS_LEN) < 0)
        return false;
    out->mask |= 1u << i;
    return true;
}

bool avow_pcrs_from_text(struct avow_bytes text, struct avow_pcrs *out)
{
    struct avow_rd r = avow_rd_init(text);
    char line[LINE_MAX_LEN] = "";
    bool bank = false, ok = true, any = false;

    memset(out, 0, sizeof *out);
    while (next_line(&r, line, &ok)) {
        size_t n = strlen(line);

        if (!n)
            continue;
        if (line[n - 1] == ':' && strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_") == n - 1) {
            any = true;
            bank = strcmp(line, "sha256:") == 0;
        } else if (!any || !read_value(line, bank, out)) {
            return false;
        }
    }
    return ok && out->mask;
}

/* ---- serialized ---- */

/* The PCRs that are selected: exactly one selection, of SHA-256. */
static bool read_selection(struct avow_rd *r, uint32_t *mask)
{
    struct avow_bytes rest = { 0 }, bits = { 0 };
    uint32_t n = 0;
    uint16_t hash = 0;
    uint8_t len = 0;

    if (avow_rd_u32le(r, &n) < 0 || n != 1 || avow_rd_u16le(r, &hash) < 0 || hash != ALG_SHA256 ||
        avow_rd_u8(r, &len) < 0 || len != SELECTION_BITS || avow_rd_bytes(r, len, &bits) < 0 ||
        avow_rd_bytes(r, (SELECTIONS * SELECTION_LEN) - 3 - SELECTION_BITS, &rest) < 0)
        return false;
    *mask = bits.data[0] | (uint32_t)bits.data[1] << 8 | (uint32_t)bits.data[2] << 16;
    return true;
}

/* A TPML_DIGEST: its digests belong to the PCRs of @mask from *@next on. */
static bool read_digests(struct avow_rd *r, uint32_t mask, unsigned *next, struct avow_pcrs *out)
{
    uint32_t n = 0;

    if (avow_rd_u32le(r, &n) < 0 || n > DIGESTS)
        return false;
    for (uint32_t i = 0; i < DIGESTS; i++) {
        struct avow_bytes d = { 0 };
        uint16_t len = 0;

        if (avow_rd_u16le(r, &len) < 0 || avow_rd_bytes(r, DIGEST_MAX, &d) < 0)
            return false;
        if (i >= n)
            continue;
        while (*next < AVOW_PCRS_N && !(mask >> *next & 1))
            ++*next;
        if (*next == AVOW_PCRS_N || len != AVOW_PCRS_LEN)
            return false;
        memcpy(out->value[*next], d.data, AVOW_PCRS_LEN);
        out->mask |= 1u << (*next)++;
    }
    return true;
}

bool avow_pcrs_from_serialized(struct avow_bytes file, struct avow_pcrs *out)
{
    struct avow_rd r = avow_rd_init(file);
    uint32_t mask = 0, n = 0;
    unsigned next = 0;

    memset(out, 0, sizeof *out);
    if (!read_selection(&r, &mask) || avow_rd_u32le(&r, &n) < 0 || n > AVOW_PCRS_N)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!read_digests(&r, mask, &next, out))
            return false;
    return avow_rd_end(&r) == 0 && out->mask && out->mask == mask;
}
