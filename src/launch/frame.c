#include "launch/frame.h"

#include "launch/shell.h"

int avow_frame_take(struct avow_bytes *in, struct avow_frame *out, struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(*in);
    uint32_t len = 0;

    if (avow_rd_u32be(&r, &len) < 0)
        return 0;
    if (len == 0 || len > AVOW_SHELL_FRAME_MAX)
        return AVOW_FAIL(err, PROTOCOL, "a shell frame says it has %u bytes; 1 to %u are allowed",
                         len, AVOW_SHELL_FRAME_MAX);
    if (r.rest.len < len)
        return 0;
    AVOW_TRY(avow_rd_u8(&r, &out->type));
    AVOW_TRY(avow_rd_bytes(&r, len - 1, &out->body));
    *in = r.rest;
    return 1;
}

int avow_frame_head(struct avow_buf *b, uint8_t type, size_t len)
{
    if (len >= AVOW_SHELL_FRAME_MAX || b->max - b->len < AVOW_FRAME_HEAD + len)
        return -AVOW_E_LIMIT;
    AVOW_TRY(avow_buf_put_u32be(b, (uint32_t)len + 1));
    return avow_buf_put_u8(b, type);
}

int avow_frame_put(struct avow_buf *b, uint8_t type, struct avow_bytes body)
{
    AVOW_TRY(avow_frame_head(b, type, body.len));
    return avow_buf_put_bytes(b, body);
}
