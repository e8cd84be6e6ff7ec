/* Writes what collateral/pck.h reads. DER of X.690; every length here is below 65536. */
#include "source/sim.h"

#define DER_MAX 1024
#define TAG_BOOLEAN 0x01
#define TAG_INTEGER 0x02
#define TAG_OCTETS 0x04
#define TAG_OID 0x06
#define TAG_ENUMERATED 0x0A
#define TAG_SEQUENCE 0x30

static const uint8_t oid_prefix[] = AVOW_OID_PCK_DER;

static void put_tlv(struct avow_buf *out, uint8_t tag, struct avow_bytes content)
{
    avow_buf_put_u8(out, tag);
    if (content.len < 0x80) {
        avow_buf_put_u8(out, (uint8_t)content.len);
    } else if (content.len < 0x100) {
        avow_buf_put_u8(out, 0x81);
        avow_buf_put_u8(out, (uint8_t)content.len);
    } else {
        avow_buf_put_u8(out, 0x82);
        avow_buf_put_u16be(out, (uint16_t)content.len);
    }
    avow_buf_put_bytes(out, content);
}

/* SEQUENCE { AVOW_OID_PCK.a[.b], value }; @b 0: not there. Arcs below 128 are one byte. */
static void put_member(struct avow_buf *out, unsigned a, unsigned b, uint8_t tag,
                       struct avow_bytes content)
{
    avow_auto(avow_buf_done) struct avow_buf in = AVOW_BUF(DER_MAX);
    uint8_t oid[sizeof oid_prefix + 2];
    size_t n = sizeof oid_prefix;

    memcpy(oid, oid_prefix, n);
    oid[n++] = (uint8_t)a;
    if (b)
        oid[n++] = (uint8_t)b;
    put_tlv(&in, TAG_OID, AVOW_BYTES(oid, n));
    put_tlv(&in, tag, content);
    if (in.failed)
        out->failed = in.failed;
    put_tlv(out, TAG_SEQUENCE, avow_buf_view(&in));
}

static void put_integer(struct avow_buf *out, unsigned a, unsigned b, uint16_t value)
{
    uint8_t bytes[3] = { 0, (uint8_t)(value >> 8), (uint8_t)value };
    size_t skip = 0;

    /* shortest form whose top bit is clear */
    while (skip < 2 && bytes[skip] == 0 && bytes[skip + 1] < 0x80)
        skip++;
    put_member(out, a, b, TAG_INTEGER, AVOW_BYTES(bytes + skip, sizeof bytes - skip));
}

static void put_tcb(struct avow_buf *out, const struct avow_pck *p)
{
    avow_auto(avow_buf_done) struct avow_buf tcb = AVOW_BUF(DER_MAX);

    for (unsigned i = 0; i < AVOW_PCK_COMPONENTS; i++)
        put_integer(&tcb, AVOW_PCK_TCB, i + 1, p->components[i]);
    put_integer(&tcb, AVOW_PCK_TCB, AVOW_PCK_TCB_PCESVN, p->pcesvn);
    put_member(&tcb, AVOW_PCK_TCB, AVOW_PCK_TCB_CPUSVN, TAG_OCTETS, AVOW_BYTES_OF(p->cpusvn));
    if (tcb.failed)
        out->failed = tcb.failed;
    put_member(out, AVOW_PCK_TCB, 0, TAG_SEQUENCE, avow_buf_view(&tcb));
}

static void put_configuration(struct avow_buf *out, const struct avow_pck *p)
{
    static const uint8_t bits[] = { 0x00, 0xFF }; /* X.690 11.1: TRUE is FF in DER */
    const struct {
        unsigned arc;
        bool value;
    } flags[] = { { AVOW_PCK_CONFIG_DYNAMIC, p->dynamic_platform },
                  { AVOW_PCK_CONFIG_CACHED_KEYS, p->cached_keys },
                  { AVOW_PCK_CONFIG_SMT, p->smt_enabled } };
    avow_auto(avow_buf_done) struct avow_buf in = AVOW_BUF(DER_MAX);

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        put_member(&in, AVOW_PCK_CONFIGURATION, flags[i].arc, TAG_BOOLEAN,
                   AVOW_BYTES(&bits[flags[i].value], 1));
    if (in.failed)
        out->failed = in.failed;
    put_member(out, AVOW_PCK_CONFIGURATION, 0, TAG_SEQUENCE, avow_buf_view(&in));
}

int sim_pck_extension(const struct avow_pck *p, struct avow_buf *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf in = AVOW_BUF(DER_MAX);

    put_member(&in, AVOW_PCK_PPID, 0, TAG_OCTETS, AVOW_BYTES_OF(p->ppid));
    put_tcb(&in, p);
    put_member(&in, AVOW_PCK_PCEID, 0, TAG_OCTETS, AVOW_BYTES_OF(p->pceid));
    put_member(&in, AVOW_PCK_FMSPC, 0, TAG_OCTETS, AVOW_BYTES_OF(p->fmspc));
    put_member(&in, AVOW_PCK_SGX_TYPE, 0, TAG_ENUMERATED, AVOW_BYTES(&p->sgx_type, 1));
    if (p->has_instance)
        put_member(&in, AVOW_PCK_INSTANCE, 0, TAG_OCTETS, AVOW_BYTES_OF(p->instance));
    if (p->has_configuration)
        put_configuration(&in, p);
    AVOW_TRY(avow_buf_ok(&in, err));
    put_tlv(out, TAG_SEQUENCE, avow_buf_view(&in));
    return avow_buf_ok(out, err);
}
