/*
 * Records: one direction of one connection as a sequence of sealed records
 * (docs/protocols/fabric.md, "Records"): u32be length | ciphertext | tag 16. The length is the
 * associated data, a counter that both ends keep is the nonce, and the key is replaced by its
 * successor after a fixed number of records. So a record that is changed, left out, repeated or
 * moved does not open. A record of length 0 is the end of the stream. One thread at a time.
 */
#ifndef AVOW_FABRIC_RECORD_H
#define AVOW_FABRIC_RECORD_H

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/gcm.h"

#define AVOW_RECORD_MAX 65536u /* bytes of plaintext in one record */
#define AVOW_RECORD_HEAD 4u
#define AVOW_RECORD_OVERHEAD (AVOW_RECORD_HEAD + AVOW_GCM_TAG_LEN)
/*
 * Records under one key. 2^20 records of 2^16 bytes are 2^32 AES blocks: the advantage that GCM
 * gives away by then is about 2^64 / 2^129 (RFC 8446, 5.5 allows itself 2^-57 for as much data).
 */
#define AVOW_RECORD_REKEY (1u << 20)

struct avow_record { /* caller-owned; avow_record_done wipes it */
    struct avow_gcm *gcm;
    struct avow_key key;
    uint64_t counter; /* of the next record, never reset */
    uint32_t rekey_every;
};

AVOW_MUST_USE int avow_record_init(struct avow_record *r, enum avow_gcm_engine engine,
                                   const struct avow_key *key, uint32_t rekey_every);
void avow_record_done(struct avow_record *r);

/*
 * Seal the @n @parts as one record into @out, which has room for their sum + AVOW_RECORD_OVERHEAD.
 * -AVOW_E_LIMIT over AVOW_RECORD_MAX. The counter has moved on even if the record is never sent.
 */
AVOW_MUST_USE int avow_record_seal(struct avow_record *r, const struct avow_bytes *parts, size_t n,
                                   uint8_t *out, size_t *out_len);

/*
 * Bytes that the record at the front of @in takes on the wire: 0 and *@total; *@total is 0 when
 * fewer than AVOW_RECORD_HEAD bytes are there. -AVOW_E_AUTH if the length is over AVOW_RECORD_MAX:
 * no peer that holds the key sends that.
 */
AVOW_MUST_USE int avow_record_size(struct avow_bytes in, size_t *total);

/* Open one whole record to @out (its size - AVOW_RECORD_OVERHEAD bytes). -AVOW_E_AUTH: the stream
 * is not what the peer sent, end it; nothing of @out may be used. */
AVOW_MUST_USE int avow_record_open(struct avow_record *r, struct avow_bytes record, uint8_t *out);

#endif
