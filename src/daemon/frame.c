#include "base/cleanup.h"
#include "daemon/peer.h"

#define UUID_LEN 36

int avow_frame_parse(struct avow_bytes in, size_t max, uint8_t *type, struct avow_bytes *payload,
                     size_t *used)
{
    struct avow_rd r = avow_rd_init(in);
    uint32_t len = 0;

    AVOW_TRY(avow_rd_u32be(&r, &len));
    if (len > max)
        return -AVOW_E_LIMIT;
    AVOW_TRY(avow_rd_u8(&r, type));
    AVOW_TRY(avow_rd_bytes(&r, len, payload));
    *used = AVOW_FRAME_HEAD + (size_t)len;
    return 0;
}

int avow_hello_parse(struct avow_bytes payload, struct avow_hello *out, struct avow_error *err)
{
    struct avow_hello h = { 0 };
    struct avow_rd r = avow_rd_init(payload);
    uint8_t n = 0;

    if (avow_rd_copy(&r, h.formation, UUID_LEN) < 0 || avow_rd_u64be(&r, &h.epoch) < 0 ||
        avow_rd_u8(&r, &n) < 0)
        return AVOW_FAIL(err, TRUNCATED, "HELLO ends too early");
    if (n > AVOW_MEMBER_NAME_MAX)
        return AVOW_FAIL(err, LIMIT, "HELLO with a name of %u bytes", n);
    if (avow_rd_copy(&r, h.member, n) < 0)
        return AVOW_FAIL(err, TRUNCATED, "HELLO ends too early");
    if (avow_rd_end(&r) < 0)
        return AVOW_FAIL(err, TRAILING, "bytes after HELLO");
    /* a NUL among the bytes makes the text shorter than the rules allow or than was said */
    if (!avow_uuid_ok(h.formation) || !avow_member_name_ok(h.member) || strlen(h.member) != n ||
        h.epoch < 1 || h.epoch > INT64_MAX)
        return AVOW_FAIL(err, FORMAT, "HELLO does not name a formation, an epoch and a member");
    *out = h;
    return 0;
}

int avow_hello_emit(const struct avow_hello *h, struct avow_buf *out, struct avow_error *err)
{
    size_t n = strlen(h->member);

    if (!avow_uuid_ok(h->formation) || !avow_member_name_ok(h->member) || h->epoch < 1)
        return AVOW_FAIL(err, INVAL, "HELLO needs a formation, an epoch and a member");
    avow_buf_put(out, h->formation, UUID_LEN);
    avow_buf_put_u64be(out, h->epoch);
    avow_buf_put_u8(out, (uint8_t)n);
    avow_buf_put(out, h->member, n);
    return avow_buf_ok(out, err);
}
