#include "launch/peer.h"

#include "base/cleanup.h"

static int put_blob(struct avow_buf *out, struct avow_bytes v, size_t max)
{
    if (v.len > max)
        return -AVOW_E_LIMIT;
    AVOW_TRY(avow_buf_put_u32be(out, (uint32_t)v.len));
    return avow_buf_put_bytes(out, v);
}

static int put_outcome(struct avow_buf *out, const struct avow_outcome *o)
{
    AVOW_TRY(avow_buf_put_u8(out, o->ok));
    AVOW_TRY(avow_buf_put_u8(out, (uint8_t)o->exit));
    AVOW_TRY(avow_buf_put_u32be(out, (uint32_t)o->rank));
    AVOW_TRY(put_blob(out, avow_bytes_str(o->code), AVOW_OUTCOME_CODE_MAX - 1));
    return put_blob(out, avow_bytes_str(o->text), AVOW_OUTCOME_TEXT_MAX - 1);
}

int avow_peer_emit(const struct avow_peer_msg *m, struct avow_buf *out)
{
    AVOW_TRY(avow_buf_put_u32be(out, AVOW_PEER_MAGIC));
    AVOW_TRY(avow_buf_put_u8(out, (uint8_t)m->type));
    switch (m->type) {
    case AVOW_PEER_FENCE:
        AVOW_TRY(put_blob(out, m->signature, AVOW_PEER_SIGNATURE_MAX));
        return put_blob(out, m->data, AVOW_PEER_DATA_MAX);
    case AVOW_PEER_RELEASE:
        AVOW_TRY(avow_buf_put_u32be(out, (uint32_t)m->status));
        AVOW_TRY(put_blob(out, m->signature, AVOW_PEER_SIGNATURE_MAX));
        return put_blob(out, m->data, AVOW_PEER_DATA_MAX);
    case AVOW_PEER_ASK:
        AVOW_TRY(avow_buf_put_u32be(out, m->id));
        AVOW_TRY(avow_buf_put_u32be(out, m->node));
        return avow_buf_put_u32be(out, m->rank);
    case AVOW_PEER_ANSWER:
        AVOW_TRY(avow_buf_put_u32be(out, m->id));
        AVOW_TRY(avow_buf_put_u32be(out, m->node));
        AVOW_TRY(avow_buf_put_u32be(out, m->rank));
        AVOW_TRY(avow_buf_put_u32be(out, (uint32_t)m->status));
        return put_blob(out, m->data, AVOW_PEER_DATA_MAX);
    case AVOW_PEER_EXIT:
        return avow_buf_put_u32be(out, m->rank);
    case AVOW_PEER_FAIL:
    case AVOW_PEER_END:
        return put_outcome(out, &m->outcome);
    }
    return -AVOW_E_INVAL;
}

static int get_i32(struct avow_rd *r, int32_t *out)
{
    uint32_t v = 0;

    AVOW_TRY(avow_rd_u32be(r, &v));
    *out = (int32_t)v;
    return 0;
}

static int get_blob(struct avow_rd *r, size_t max, struct avow_bytes *out)
{
    uint32_t n = 0;

    AVOW_TRY(avow_rd_u32be(r, &n));
    if (n > max)
        return -AVOW_E_LIMIT;
    return avow_rd_bytes(r, n, out);
}

/* Text that is already as avow_text_clean leaves it. */
static int get_text(struct avow_rd *r, char *out, size_t max)
{
    struct avow_bytes v = { 0 };

    AVOW_TRY(get_blob(r, max - 1, &v));
    avow_text_clean(v, out, max);
    return avow_bytes_equal(v, avow_bytes_str(out)) ? 0 : -AVOW_E_FORMAT;
}

static int get_outcome(struct avow_rd *r, struct avow_outcome *o)
{
    uint8_t ok = 0, exit = 0;

    AVOW_TRY(avow_rd_u8(r, &ok));
    AVOW_TRY(avow_rd_u8(r, &exit));
    AVOW_TRY(get_i32(r, &o->rank));
    AVOW_TRY(get_text(r, o->code, sizeof o->code));
    AVOW_TRY(get_text(r, o->text, sizeof o->text));
    if (ok > 1 || o->rank < -1 || (ok && exit))
        return -AVOW_E_FORMAT;
    o->ok = ok;
    o->exit = exit;
    return 0;
}

static int get_body(struct avow_rd *r, uint8_t type, struct avow_peer_msg *m)
{
    switch (type) {
    case AVOW_PEER_FENCE:
        AVOW_TRY(get_blob(r, AVOW_PEER_SIGNATURE_MAX, &m->signature));
        return get_blob(r, AVOW_PEER_DATA_MAX, &m->data);
    case AVOW_PEER_RELEASE:
        AVOW_TRY(get_i32(r, &m->status));
        AVOW_TRY(get_blob(r, AVOW_PEER_SIGNATURE_MAX, &m->signature));
        return get_blob(r, AVOW_PEER_DATA_MAX, &m->data);
    case AVOW_PEER_ASK:
        AVOW_TRY(avow_rd_u32be(r, &m->id));
        AVOW_TRY(avow_rd_u32be(r, &m->node));
        return avow_rd_u32be(r, &m->rank);
    case AVOW_PEER_ANSWER:
        AVOW_TRY(avow_rd_u32be(r, &m->id));
        AVOW_TRY(avow_rd_u32be(r, &m->node));
        AVOW_TRY(avow_rd_u32be(r, &m->rank));
        AVOW_TRY(get_i32(r, &m->status));
        return get_blob(r, AVOW_PEER_DATA_MAX, &m->data);
    case AVOW_PEER_EXIT:
        return avow_rd_u32be(r, &m->rank);
    case AVOW_PEER_FAIL:
    case AVOW_PEER_END:
        AVOW_TRY(get_outcome(r, &m->outcome));
        return type == AVOW_PEER_FAIL && m->outcome.ok ? -AVOW_E_FORMAT : 0;
    default:
        return -AVOW_E_FORMAT;
    }
}

int avow_peer_parse(struct avow_bytes blob, struct avow_peer_msg *out, struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(blob);
    struct avow_peer_msg m = { 0 };
    uint32_t magic = 0;
    uint8_t type = 0;
    int rc = avow_rd_u32be(&r, &magic);

    if (rc == 0)
        rc = avow_rd_u8(&r, &type);
    if (rc < 0 || magic != AVOW_PEER_MAGIC)
        return AVOW_FAIL(err, PROTOCOL, "%zu bytes from another node's shell are not a message",
                         blob.len);
    rc = get_body(&r, type, &m);
    if (rc == 0)
        rc = avow_rd_end(&r);
    if (rc < 0)
        return AVOW_FAIL(err, PROTOCOL, "a message of type %u from another node's shell: %s", type,
                         avow_err_text(rc));
    m.type = (enum avow_peer_type)type;
    *out = m;
    return 0;
}
