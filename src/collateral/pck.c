#include "collateral/pck.h"

/* DER tags */
#define TAG_BOOLEAN 0x01
#define TAG_INTEGER 0x02
#define TAG_OCTETS 0x04
#define TAG_OID 0x06
#define TAG_ENUMERATED 0x0A
#define TAG_SEQUENCE 0x30

#define ALL(first, last) (((1u << ((last) + 1)) - 1) & ~((1u << (first)) - 1))

/* One element with this tag; length definite, minimal and under 64 KiB, as DER demands. */
static int take(struct avow_rd *r, uint8_t tag, struct avow_bytes *out, struct avow_error *err)
{
    uint8_t t = 0;
    uint8_t first = 0;
    uint8_t low = 0;
    uint16_t len = 0;

    if (avow_rd_u8(r, &t) < 0 || avow_rd_u8(r, &first) < 0)
        return AVOW_FAIL(err, FORMAT, "SGX extension ends too early");
    if (t != tag)
        return AVOW_FAIL(err, FORMAT, "SGX extension: tag 0x%02x, not 0x%02x", t, tag);
    len = first;
    if (first == 0x81) {
        if (avow_rd_u8(r, &low) < 0 || low < 0x80)
            return AVOW_FAIL(err, FORMAT, "SGX extension: a length is not minimal");
        len = low;
    } else if (first == 0x82) {
        if (avow_rd_u16be(r, &len) < 0 || len < 0x100)
            return AVOW_FAIL(err, FORMAT, "SGX extension: a length is not minimal");
    } else if (first >= 0x80) {
        return AVOW_FAIL(err, FORMAT, "SGX extension: length byte 0x%02x", first);
    }
    if (avow_rd_bytes(r, len, out) < 0)
        return AVOW_FAIL(err, FORMAT, "SGX extension: %u bytes wanted, %zu left", len, r->rest.len);
    return 0;
}

/* SEQUENCE { OID = AVOW_OID_PCK and @parents and one more number, value }: that number and the
 * value's bytes. */
static int take_member(struct avow_rd *r, struct avow_bytes parents, uint8_t *number,
                       struct avow_rd *value, struct avow_error *err)
{
    static const uint8_t prefix[] = AVOW_OID_PCK_DER;
    struct avow_bytes member = { 0 };
    struct avow_bytes oid = { 0 };

    AVOW_TRY(take(r, TAG_SEQUENCE, &member, err));
    *value = avow_rd_init(member);
    AVOW_TRY(take(value, TAG_OID, &oid, err));
    if (oid.len != sizeof prefix + parents.len + 1 ||
        !avow_bytes_equal(avow_bytes_sub(oid, 0, sizeof prefix), AVOW_BYTES_OF(prefix)) ||
        !avow_bytes_equal(avow_bytes_sub(oid, sizeof prefix, parents.len), parents))
        return AVOW_FAIL(err, FORMAT, "SGX extension: a member's OID is not under " AVOW_OID_PCK);
    *number = oid.data[oid.len - 1];
    return 0;
}

/* The value is the last thing of its member. */
static int value_end(const struct avow_rd *value, struct avow_error *err)
{
    if (avow_rd_end(value) < 0)
        return AVOW_FAIL(err, FORMAT, "SGX extension: bytes after a value");
    return 0;
}

static int get_octets(struct avow_rd *value, uint8_t *out, size_t n, struct avow_error *err)
{
    struct avow_bytes v = { 0 };

    AVOW_TRY(take(value, TAG_OCTETS, &v, err));
    if (v.len != n)
        return AVOW_FAIL(err, FORMAT, "SGX extension: %zu octets, not %zu", v.len, n);
    memcpy(out, v.data, n);
    return value_end(value, err);
}

/* A number of 0 to @max, at most 65535, as DER writes it. */
static int get_number(struct avow_rd *value, uint8_t tag, uint16_t max, uint16_t *out,
                      struct avow_error *err)
{
    struct avow_bytes v = { 0 };
    uint32_t n = 0;

    AVOW_TRY(take(value, tag, &v, err));
    if (v.len == 0 || v.len > 3 || v.data[0] & 0x80 ||
        (v.len > 1 && v.data[0] == 0 && !(v.data[1] & 0x80)))
        return AVOW_FAIL(err, FORMAT, "SGX extension: not a small number in DER");
    for (size_t i = 0; i < v.len; i++)
        n = n << 8 | v.data[i];
    if (n > max)
        return AVOW_FAIL(err, FORMAT, "SGX extension: %u where at most %u is possible", n, max);
    *out = (uint16_t)n;
    return value_end(value, err);
}

static int get_bool(struct avow_rd *value, bool *out, struct avow_error *err)
{
    struct avow_bytes v = { 0 };

    AVOW_TRY(take(value, TAG_BOOLEAN, &v, err));
    if (v.len != 1 || (v.data[0] != 0 && v.data[0] != 0xFF))
        return AVOW_FAIL(err, FORMAT, "SGX extension: not a BOOLEAN in DER");
    *out = v.data[0] != 0;
    return value_end(value, err);
}

/* Notes that member @number of a set was seen; twice is an error. */
static int note(uint32_t *seen, uint8_t number, struct avow_error *err)
{
    if (number > 31)
        return AVOW_FAIL(err, FORMAT, "SGX extension: unknown member %u", number);
    if (*seen & 1u << number)
        return AVOW_FAIL(err, FORMAT, "SGX extension: member %u is given twice", number);
    *seen |= 1u << number;
    return 0;
}

static int parse_tcb_member(struct avow_rd *value, uint8_t number, struct avow_pck *out,
                            struct avow_error *err)
{
    uint16_t n = 0;

    if (number >= 1 && number <= AVOW_PCK_COMPONENTS) {
        AVOW_TRY(get_number(value, TAG_INTEGER, UINT8_MAX, &n, err));
        out->components[number - 1] = (uint8_t)n;
        return 0;
    }
    if (number == AVOW_PCK_TCB_PCESVN)
        return get_number(value, TAG_INTEGER, UINT16_MAX, &out->pcesvn, err);
    if (number == AVOW_PCK_TCB_CPUSVN)
        return get_octets(value, out->cpusvn, sizeof out->cpusvn, err);
    return AVOW_FAIL(err, FORMAT, "SGX extension: unknown TCB member %u", number);
}

static int parse_tcb(struct avow_rd *value, struct avow_pck *out, struct avow_error *err)
{
    static const uint8_t parent[] = { AVOW_PCK_TCB };
    struct avow_bytes list = { 0 };
    struct avow_rd r = { 0 };
    uint32_t seen = 0;

    AVOW_TRY(take(value, TAG_SEQUENCE, &list, err));
    AVOW_TRY(value_end(value, err));
    r = avow_rd_init(list);
    while (r.rest.len) {
        struct avow_rd v = { 0 };
        uint8_t number = 0;

        AVOW_TRY(take_member(&r, AVOW_BYTES_OF(parent), &number, &v, err));
        AVOW_TRY(note(&seen, number, err));
        AVOW_TRY(parse_tcb_member(&v, number, out, err));
    }
    if (seen != ALL(1, AVOW_PCK_TCB_CPUSVN))
        return AVOW_FAIL(err, FORMAT, "SGX extension: the TCB lacks a member");
    return 0;
}

static int parse_configuration(struct avow_rd *value, struct avow_pck *out, struct avow_error *err)
{
    static const uint8_t parent[] = { AVOW_PCK_CONFIGURATION };
    struct avow_bytes list = { 0 };
    struct avow_rd r = { 0 };
    uint32_t seen = 0;

    AVOW_TRY(take(value, TAG_SEQUENCE, &list, err));
    AVOW_TRY(value_end(value, err));
    r = avow_rd_init(list);
    while (r.rest.len) {
        struct avow_rd v = { 0 };
        uint8_t number = 0;

        AVOW_TRY(take_member(&r, AVOW_BYTES_OF(parent), &number, &v, err));
        AVOW_TRY(note(&seen, number, err));
        if (number == AVOW_PCK_CONFIG_DYNAMIC)
            AVOW_TRY(get_bool(&v, &out->dynamic_platform, err));
        else if (number == AVOW_PCK_CONFIG_CACHED_KEYS)
            AVOW_TRY(get_bool(&v, &out->cached_keys, err));
        else if (number == AVOW_PCK_CONFIG_SMT)
            AVOW_TRY(get_bool(&v, &out->smt_enabled, err));
        else
            return AVOW_FAIL(err, FORMAT, "SGX extension: unknown configuration %u", number);
    }
    out->has_configuration = true;
    return 0;
}

static int parse_member(struct avow_rd *value, uint8_t number, struct avow_pck *out,
                        struct avow_error *err)
{
    uint16_t n = 0;

    switch (number) {
    case AVOW_PCK_PPID:
        return get_octets(value, out->ppid, sizeof out->ppid, err);
    case AVOW_PCK_TCB:
        return parse_tcb(value, out, err);
    case AVOW_PCK_PCEID:
        return get_octets(value, out->pceid, sizeof out->pceid, err);
    case AVOW_PCK_FMSPC:
        return get_octets(value, out->fmspc, sizeof out->fmspc, err);
    case AVOW_PCK_SGX_TYPE:
        AVOW_TRY(get_number(value, TAG_ENUMERATED, UINT8_MAX, &n, err));
        out->sgx_type = (uint8_t)n;
        return 0;
    case AVOW_PCK_INSTANCE:
        out->has_instance = true;
        return get_octets(value, out->instance, sizeof out->instance, err);
    case AVOW_PCK_CONFIGURATION:
        return parse_configuration(value, out, err);
    default: /* a wire value */
        return AVOW_FAIL(err, FORMAT, "SGX extension: unknown member %u", number);
    }
}

int avow_pck_parse(struct avow_bytes ext, struct avow_pck *out, struct avow_error *err)
{
    const uint32_t needed = ALL(AVOW_PCK_PPID, AVOW_PCK_SGX_TYPE);
    struct avow_rd r = avow_rd_init(ext);
    struct avow_pck p = { 0 };
    struct avow_bytes list = { 0 };
    uint32_t seen = 0;

    AVOW_TRY(take(&r, TAG_SEQUENCE, &list, err));
    if (avow_rd_end(&r) < 0)
        return AVOW_FAIL(err, FORMAT, "SGX extension: %zu bytes after it", r.rest.len);
    r = avow_rd_init(list);
    while (r.rest.len) {
        struct avow_rd v = { 0 };
        uint8_t number = 0;

        AVOW_TRY(take_member(&r, AVOW_BYTES(NULL, 0), &number, &v, err));
        AVOW_TRY(note(&seen, number, err));
        AVOW_TRY(parse_member(&v, number, &p, err));
    }
    if ((seen & needed) != needed)
        return AVOW_FAIL(err, FORMAT, "SGX extension: a member is missing (mask 0x%x)", seen);
    *out = p;
    return 0;
}
