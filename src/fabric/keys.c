#include "fabric/keys.h"

#include "base/cleanup.h"
#include "crypto/hash.h"

#define HEADER_LABEL "avow fabric header v1"
#define REPLY_LABEL "avow fabric reply v1"
#define CONNECTION_LABEL "avow fabric v1"
#define HEADER_SIGNED (AVOW_FABRIC_HEADER_LEN - AVOW_FABRIC_MAC_LEN)
#define REPLY_SIGNED (AVOW_FABRIC_REPLY_LEN - AVOW_FABRIC_MAC_LEN)
#define INFO_MAX 256 /* bytes of HKDF info: a label, and at most a header and a nonce */

static int expand(const struct avow_key *prk, struct avow_buf *info, struct avow_key *out)
{
    AVOW_TRY(avow_buf_ok(info, NULL));
    return avow_hkdf_expand(prk, avow_buf_view(info), out->bytes, sizeof out->bytes);
}

static int pair_key(const struct avow_key *prk, const char *label, const uint8_t *job,
                    uint64_t epoch, struct avow_key *out)
{
    avow_auto(avow_buf_done) struct avow_buf info = AVOW_BUF(INFO_MAX);

    avow_buf_put_str(&info, label);
    avow_buf_put(&info, job, AVOW_FABRIC_UUID_LEN);
    avow_buf_put_u64be(&info, epoch);
    return expand(prk, &info, out);
}

int avow_fabric_pair_init(struct avow_fabric_pair *p, const struct avow_key *prk,
                          const uint8_t job[AVOW_FABRIC_UUID_LEN], uint64_t epoch)
{
    p->prk = *prk;
    AVOW_TRY(pair_key(prk, HEADER_LABEL, job, epoch, &p->header));
    return pair_key(prk, REPLY_LABEL, job, epoch, &p->reply);
}

void avow_fabric_pair_wipe(struct avow_fabric_pair *p)
{
    avow_wipe(p, sizeof *p);
}

static int header_mac(const struct avow_fabric_pair *p, const struct avow_fabric_header *h,
                      uint8_t mac[AVOW_FABRIC_MAC_LEN])
{
    uint8_t wire[AVOW_FABRIC_HEADER_LEN];

    avow_fabric_header_emit(h, wire);
    return avow_hmac_sha256(AVOW_BYTES_OF(p->header.bytes), AVOW_BYTES(wire, HEADER_SIGNED), mac);
}

int avow_fabric_header_sign(const struct avow_fabric_pair *p, struct avow_fabric_header *h)
{
    return header_mac(p, h, h->mac);
}

int avow_fabric_header_check(const struct avow_fabric_pair *p, const struct avow_fabric_header *h)
{
    uint8_t mac[AVOW_FABRIC_MAC_LEN];

    AVOW_TRY(header_mac(p, h, mac));
    return avow_ct_equal(mac, h->mac, sizeof mac) ? 0 : -AVOW_E_AUTH;
}

static int reply_mac(const struct avow_fabric_pair *p, const struct avow_fabric_header *h,
                     const struct avow_fabric_reply *r, uint8_t mac[AVOW_FABRIC_MAC_LEN])
{
    uint8_t wire[AVOW_FABRIC_HEADER_LEN + AVOW_FABRIC_REPLY_LEN];

    avow_fabric_header_emit(h, wire);
    avow_fabric_reply_emit(r, wire + AVOW_FABRIC_HEADER_LEN);
    return avow_hmac_sha256(AVOW_BYTES_OF(p->reply.bytes),
                            AVOW_BYTES(wire, AVOW_FABRIC_HEADER_LEN + REPLY_SIGNED), mac);
}

int avow_fabric_reply_sign(const struct avow_fabric_pair *p, const struct avow_fabric_header *h,
                           struct avow_fabric_reply *r)
{
    return reply_mac(p, h, r, r->mac);
}

int avow_fabric_reply_check(const struct avow_fabric_pair *p, const struct avow_fabric_header *h,
                            const struct avow_fabric_reply *r)
{
    uint8_t mac[AVOW_FABRIC_MAC_LEN];

    AVOW_TRY(reply_mac(p, h, r, mac));
    return avow_ct_equal(mac, r->mac, sizeof mac) ? 0 : -AVOW_E_AUTH;
}

int avow_fabric_connection_keys(const struct avow_fabric_pair *p,
                                const struct avow_fabric_header *h,
                                const struct avow_fabric_reply *r, struct avow_key out[2])
{
    for (uint8_t direction = 0; direction < 2; direction++) {
        avow_auto(avow_buf_done) struct avow_buf info = AVOW_BUF(INFO_MAX);

        avow_buf_put_str(&info, CONNECTION_LABEL);
        avow_buf_put(&info, h->job, sizeof h->job);
        avow_buf_put_u64be(&info, h->epoch);
        avow_buf_put_u32be(&info, h->connector);
        avow_buf_put_u32be(&info, h->connector_rank);
        avow_buf_put_u32be(&info, h->acceptor);
        avow_buf_put_u16be(&info, h->acceptor_port);
        avow_buf_put_u16be(&info, h->connector_port);
        avow_buf_put(&info, h->nonce, sizeof h->nonce);
        avow_buf_put(&info, r->nonce, sizeof r->nonce);
        avow_buf_put_u8(&info, direction);
        AVOW_TRY(expand(&p->prk, &info, &out[direction]));
    }
    return 0;
}
