#include "fabric/wire.h"

static const uint8_t header_magic[3] = { 'A', 'V', 'F' };
static const uint8_t reply_magic[3] = { 'A', 'V', 'R' };

struct cursor {
    uint8_t *p;
};

static void put(struct cursor *c, const void *data, size_t n)
{
    memcpy(c->p, data, n);
    c->p += n;
}

static void put_be(struct cursor *c, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        c->p[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    c->p += n;
}

void avow_fabric_header_emit(const struct avow_fabric_header *h,
                             uint8_t out[AVOW_FABRIC_HEADER_LEN])
{
    struct cursor c = { out };

    put(&c, header_magic, sizeof header_magic);
    put_be(&c, AVOW_FABRIC_VERSION, 1);
    put(&c, h->job, sizeof h->job);
    put_be(&c, h->epoch, 8);
    put_be(&c, h->connector, 4);
    put_be(&c, h->connector_rank, 4);
    put_be(&c, h->acceptor, 4);
    put_be(&c, h->acceptor_port, 2);
    put_be(&c, h->connector_port, 2);
    put(&c, h->nonce, sizeof h->nonce);
    put(&c, h->mac, sizeof h->mac);
}

static int parse_magic(struct avow_rd *r, const uint8_t magic[3])
{
    struct avow_bytes seen = { 0 };
    uint8_t version = 0;

    AVOW_TRY(avow_rd_bytes(r, 3, &seen));
    if (!avow_bytes_equal(seen, AVOW_BYTES(magic, 3)))
        return -AVOW_E_FORMAT;
    AVOW_TRY(avow_rd_u8(r, &version));
    return version == AVOW_FABRIC_VERSION ? 0 : -AVOW_E_VERSION;
}

int avow_fabric_header_parse(struct avow_bytes in, struct avow_fabric_header *h)
{
    struct avow_rd r = avow_rd_init(in);

    AVOW_TRY(parse_magic(&r, header_magic));
    AVOW_TRY(avow_rd_copy(&r, h->job, sizeof h->job));
    AVOW_TRY(avow_rd_u64be(&r, &h->epoch));
    AVOW_TRY(avow_rd_u32be(&r, &h->connector));
    AVOW_TRY(avow_rd_u32be(&r, &h->connector_rank));
    AVOW_TRY(avow_rd_u32be(&r, &h->acceptor));
    AVOW_TRY(avow_rd_u16be(&r, &h->acceptor_port));
    AVOW_TRY(avow_rd_u16be(&r, &h->connector_port));
    AVOW_TRY(avow_rd_copy(&r, h->nonce, sizeof h->nonce));
    AVOW_TRY(avow_rd_copy(&r, h->mac, sizeof h->mac));
    return avow_rd_end(&r);
}

void avow_fabric_reply_emit(const struct avow_fabric_reply *r, uint8_t out[AVOW_FABRIC_REPLY_LEN])
{
    struct cursor c = { out };

    put(&c, reply_magic, sizeof reply_magic);
    put_be(&c, AVOW_FABRIC_VERSION, 1);
    put_be(&c, r->status, 4);
    put(&c, r->nonce, sizeof r->nonce);
    put(&c, r->mac, sizeof r->mac);
}

int avow_fabric_reply_parse(struct avow_bytes in, struct avow_fabric_reply *r)
{
    struct avow_rd rd = avow_rd_init(in);

    AVOW_TRY(parse_magic(&rd, reply_magic));
    AVOW_TRY(avow_rd_u32be(&rd, &r->status));
    AVOW_TRY(avow_rd_copy(&rd, r->nonce, sizeof r->nonce));
    AVOW_TRY(avow_rd_copy(&rd, r->mac, sizeof r->mac));
    return avow_rd_end(&rd);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int avow_fabric_uuid_parse(const char *text, uint8_t out[AVOW_FABRIC_UUID_LEN])
{
    size_t n = 0;

    if (!text || strlen(text) != 36)
        return -AVOW_E_FORMAT;
    for (size_t i = 0; i < 36;) {
        int hi = 0;
        int lo = 0;

        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i++] != '-')
                return -AVOW_E_FORMAT;
            continue;
        }
        hi = hex_digit(text[i]);
        lo = hex_digit(text[i + 1]);
        if (hi < 0 || lo < 0)
            return -AVOW_E_FORMAT;
        out[n++] = (uint8_t)(hi << 4 | lo);
        i += 2;
    }
    return 0;
}
