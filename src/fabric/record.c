#include "fabric/record.h"

#include "crypto/hash.h"

static void put_be(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

static uint32_t get_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int avow_record_init(struct avow_record *r, enum avow_gcm_engine engine, const struct avow_key *key,
                     uint32_t rekey_every)
{
    *r = (struct avow_record){ .key = *key, .rekey_every = rekey_every };
    if (rekey_every == 0)
        return -AVOW_E_INVAL;
    return avow_gcm_new(engine, key, &r->gcm);
}

void avow_record_done(struct avow_record *r)
{
    avow_gcm_free(r->gcm);
    avow_wipe(r, sizeof *r);
}

/* The nonce of the next record; replaces the key first where its time has come. */
static int next_nonce(struct avow_record *r, uint8_t iv[AVOW_GCM_IV_LEN])
{
    if (r->counter == UINT64_MAX)
        return -AVOW_E_LIMIT;
    if (r->counter && r->counter % r->rekey_every == 0) {
        avow_auto(avow_key_wipe) struct avow_key next = { 0 };

        AVOW_TRY(avow_hkdf_expand(&r->key, avow_bytes_str("avow fabric rekey v1"), next.bytes,
                                  sizeof next.bytes));
        AVOW_TRY(avow_gcm_rekey(r->gcm, &next));
        r->key = next;
    }
    memset(iv, 0, 4);
    put_be(iv + 4, r->counter, 8);
    r->counter++;
    return 0;
}

int avow_record_seal(struct avow_record *r, const struct avow_bytes *parts, size_t n, uint8_t *out,
                     size_t *out_len)
{
    uint8_t iv[AVOW_GCM_IV_LEN];
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        if (parts[i].len > AVOW_RECORD_MAX - len)
            return -AVOW_E_LIMIT;
        len += parts[i].len;
    }
    AVOW_TRY(next_nonce(r, iv));
    put_be(out, len, AVOW_RECORD_HEAD);
    AVOW_TRY(avow_gcm_seal(r->gcm, iv, AVOW_BYTES(out, AVOW_RECORD_HEAD), parts, n,
                           out + AVOW_RECORD_HEAD, out + AVOW_RECORD_HEAD + len));
    *out_len = len + AVOW_RECORD_OVERHEAD;
    return 0;
}

int avow_record_size(struct avow_bytes in, size_t *total)
{
    uint32_t len = 0;

    *total = 0;
    if (in.len < AVOW_RECORD_HEAD)
        return 0;
    len = get_be32(in.data);
    if (len > AVOW_RECORD_MAX)
        return -AVOW_E_AUTH;
    *total = (size_t)len + AVOW_RECORD_OVERHEAD;
    return 0;
}

int avow_record_open(struct avow_record *r, struct avow_bytes record, uint8_t *out)
{
    uint8_t iv[AVOW_GCM_IV_LEN];
    size_t total = 0;
    size_t len = 0;

    AVOW_TRY(avow_record_size(record, &total));
    if (total == 0 || total != record.len)
        return -AVOW_E_AUTH;
    len = total - AVOW_RECORD_OVERHEAD;
    AVOW_TRY(next_nonce(r, iv));
    return avow_gcm_open(r->gcm, iv, AVOW_BYTES(record.data, AVOW_RECORD_HEAD),
                         AVOW_BYTES(record.data + AVOW_RECORD_HEAD, len), out,
                         record.data + AVOW_RECORD_HEAD + len);
}
