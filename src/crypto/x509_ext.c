#include "crypto/x509_ext.h"

#include "crypto/der.h"

#define ARC_LEN 3      /* of id-ce (2.5.29) and one number */
#define USAGE_UNUSED 7 /* bits of a BIT STRING's last byte that may be unused, at most */
#define IPV4_LEN 4
#define IPV6_LEN 16

/* ---- names ---- */

/* SET of one SEQUENCE { OID, text }. */
static bool read_part(struct avow_rd *r, struct avow_bytes *oid, struct avow_bytes *text)
{
    struct avow_rd set, pair;

    return avow_der_enter(r, AVOW_DER_SET, &set) &&
           avow_der_enter(&set, AVOW_DER_SEQUENCE, &pair) && avow_rd_end(&set) == 0 &&
           avow_der_oid(&pair, oid) && avow_der_text(&pair, text) && avow_rd_end(&pair) == 0;
}

bool avow_name_read(struct avow_rd *r, struct avow_bytes *whole, char cn[AVOW_CN_MAX])
{
    static const uint8_t common_name[] = { 0x55, 0x04, 0x03 }; /* 2.5.4.3 */
    struct avow_bytes parts = { 0 };
    struct avow_rd in;
    bool named = false;

    cn[0] = 0;
    if (!avow_der_take(r, AVOW_DER_SEQUENCE, &parts, whole))
        return false;
    in = avow_rd_init(parts);
    for (size_t n = 0; in.rest.len; n++) {
        struct avow_bytes oid = { 0 }, text = { 0 };

        if (n == AVOW_NAME_ATTRIBUTES_MAX || !read_part(&in, &oid, &text))
            return false;
        if (!avow_bytes_equal(oid, AVOW_BYTES_OF(common_name)))
            continue;
        /* a name that can be read in two ways names nobody */
        if (named || text.len >= AVOW_CN_MAX)
            return false;
        named = true;
        memcpy(cn, text.data, text.len);
        cn[text.len] = 0;
    }
    return true;
}

/* ---- the forms of the values ---- */

static bool read_ip(struct avow_bytes v)
{
    return v.len == IPV4_LEN || v.len == IPV6_LEN;
}

static bool is_ascii(struct avow_bytes v)
{
    for (size_t i = 0; i < v.len; i++)
        if (v.data[i] < ' ' || v.data[i] > '~')
            return false;
    return true;
}

/* RFC 5280, 4.2.1.6, of the choices those that are seen: mail, DNS, directory name, URI, IP. */
static bool read_general_name(struct avow_rd *r)
{
    struct avow_bytes v = { 0 };
    struct avow_rd name;
    char cn[AVOW_CN_MAX];

    if (avow_der_enter(r, AVOW_DER_CONTEXT_CONSTRUCTED(4), &name))
        return avow_name_read(&name, NULL, cn) && avow_rd_end(&name) == 0;
    if (avow_der_take(r, AVOW_DER_CONTEXT(7), &v, NULL))
        return read_ip(v);
    return (avow_der_take(r, AVOW_DER_CONTEXT(1), &v, NULL) ||
            avow_der_take(r, AVOW_DER_CONTEXT(2), &v, NULL) ||
            avow_der_take(r, AVOW_DER_CONTEXT(6), &v, NULL)) &&
           is_ascii(v);
}

static bool read_general_names(struct avow_rd *r)
{
    if (r->rest.len == 0)
        return false;
    while (r->rest.len)
        if (!read_general_name(r))
            return false;
    return true;
}

static bool read_alt_names(struct avow_rd *r, struct avow_cert_fields *out)
{
    struct avow_rd names;

    (void)out;
    return avow_der_enter(r, AVOW_DER_SEQUENCE, &names) && read_general_names(&names);
}

static bool read_basic_constraints(struct avow_rd *r, struct avow_cert_fields *out)
{
    struct avow_bytes path = { 0 };
    struct avow_rd in;
    bool ca = false;

    if (!avow_der_enter(r, AVOW_DER_SEQUENCE, &in) ||
        (avow_der_at(&in, AVOW_DER_BOOLEAN) && !avow_der_bool(&in, &ca)))
        return false;
    /* a path length is for CAs only: RFC 5280, 4.2.1.9 */
    if (avow_der_at(&in, AVOW_DER_INTEGER) && (!ca || !avow_der_unsigned(&in, &path)))
        return false;
    out->ca = ca;
    return path.len <= sizeof(int) && avow_rd_end(&in) == 0;
}

/* The 9 bits of RFC 5280, 4.2.1.3; at least one of them is set. AMD writes zero bits at the end,
 * which DER would leave out. */
static bool read_key_usage(struct avow_rd *r, struct avow_cert_fields *out)
{
    struct avow_bytes v = { 0 };
    uint8_t last = 0;

    if (!avow_der_take(r, AVOW_DER_BITS, &v, NULL) || v.len < 2 || v.len > 3 ||
        v.data[0] > USAGE_UNUSED)
        return false;
    last = v.data[v.len - 1];
    if (last & ((1u << v.data[0]) - 1)) /* unused bits are zero */
        return false;
    out->usage = v.data[1];
    return !avow_bytes_zero(avow_bytes_sub(v, 1, v.len - 1));
}

static bool read_subject_key_id(struct avow_rd *r, struct avow_cert_fields *out)
{
    struct avow_bytes id = { 0 };

    (void)out;
    return avow_der_take(r, AVOW_DER_OCTETS, &id, NULL);
}

/* RFC 5280, 4.2.1.1: [0] key id, [1] the issuer's names, [2] serial number; all optional. */
static bool read_authority_key_id(struct avow_rd *r, struct avow_cert_fields *out)
{
    struct avow_bytes v = { 0 };
    struct avow_rd in, names;

    (void)out;
    if (!avow_der_enter(r, AVOW_DER_SEQUENCE, &in))
        return false;
    if (avow_der_at(&in, AVOW_DER_CONTEXT(0)) && !avow_der_take(&in, AVOW_DER_CONTEXT(0), &v, NULL))
        return false;
    if (avow_der_at(&in, AVOW_DER_CONTEXT_CONSTRUCTED(1)) &&
        (!avow_der_enter(&in, AVOW_DER_CONTEXT_CONSTRUCTED(1), &names) ||
         !read_general_names(&names)))
        return false;
    if (in.rest.len == 0)
        return true;
    return avow_der_take(&in, AVOW_DER_CONTEXT(2), &v, NULL) && avow_der_is_unsigned(v) &&
           v.len <= AVOW_SERIAL_MAX && avow_rd_end(&in) == 0;
}

static bool read_ext_key_usage(struct avow_rd *r, struct avow_cert_fields *out)
{
    struct avow_rd in;
    struct avow_bytes oid = { 0 };

    (void)out;
    if (!avow_der_enter(r, AVOW_DER_SEQUENCE, &in) || in.rest.len == 0)
        return false;
    while (in.rest.len)
        if (!avow_der_oid(&in, &oid))
            return false;
    return true;
}

/* RFC 5280, 4.2.1.13; points without reasons or another issuer, named in full. */
static bool read_distribution_points(struct avow_rd *r, struct avow_cert_fields *out)
{
    struct avow_rd in, point, name, names;

    (void)out;
    if (!avow_der_enter(r, AVOW_DER_SEQUENCE, &in) || in.rest.len == 0)
        return false;
    while (in.rest.len)
        if (!avow_der_enter(&in, AVOW_DER_SEQUENCE, &point) ||
            !avow_der_enter(&point, AVOW_DER_CONTEXT_CONSTRUCTED(0), &name) ||
            avow_rd_end(&point) < 0 ||
            !avow_der_enter(&name, AVOW_DER_CONTEXT_CONSTRUCTED(0), &names) ||
            avow_rd_end(&name) < 0 || !read_general_names(&names))
            return false;
    return true;
}

/* Any bytes: who uses the extension reads them. */
static bool pass(struct avow_rd *r, struct avow_cert_fields *out)
{
    (void)out;
    r->rest.len = 0;
    return true;
}

/* ---- extensions ---- */

static const struct known {
    uint8_t oid[ARC_LEN];
    bool (*read)(struct avow_rd *r, struct avow_cert_fields *out); /* NULL: refused */
} known[] = {
    { { 0x55, 0x1D, 14 }, read_subject_key_id },
    { { 0x55, 0x1D, 15 }, read_key_usage },
    { { 0x55, 0x1D, 17 }, read_alt_names }, /* subject */
    { { 0x55, 0x1D, 18 }, read_alt_names }, /* issuer */
    { { 0x55, 0x1D, 19 }, read_basic_constraints },
    { { 0x55, 0x1D, 30 }, NULL }, /* name constraints */
    { { 0x55, 0x1D, 31 }, read_distribution_points },
    { { 0x55, 0x1D, 32 }, pass }, /* policies */
    { { 0x55, 0x1D, 35 }, read_authority_key_id },
    { { 0x55, 0x1D, 37 }, read_ext_key_usage },
};

#define N_KNOWN (sizeof known / sizeof known[0])

/* Others that OpenSSL gives a meaning which nothing here would obey: the Netscape certificate type,
 * and addresses, AS numbers and proxies (RFC 3779 and 3820) of id-pe (1.3.6.1.5.5.7.1). */
static bool is_foreign(struct avow_bytes oid)
{
    static const uint8_t netscape[] = { 0x60, 0x86, 0x48, 0x01, 0x86, 0xF8, 0x42, 0x01, 0x01 };
    static const uint8_t id_pe[] = { 0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01 };
    uint8_t last = oid.data[oid.len - 1];

    if (avow_bytes_equal(oid, AVOW_BYTES_OF(netscape)))
        return true;
    return oid.len == sizeof id_pe + 1 &&
           avow_bytes_equal(avow_bytes_sub(oid, 0, sizeof id_pe), AVOW_BYTES_OF(id_pe)) &&
           (last == 7 || last == 8 || last == 14);
}

bool avow_extension_next(struct avow_rd *r, struct avow_extension *out)
{
    struct avow_rd in;

    *out = (struct avow_extension){ 0 };
    return avow_der_enter(r, AVOW_DER_SEQUENCE, &in) && avow_der_oid(&in, &out->oid) &&
           (!avow_der_at(&in, AVOW_DER_BOOLEAN) || avow_der_bool(&in, &out->critical)) &&
           avow_der_take(&in, AVOW_DER_OCTETS, &out->value, NULL) && avow_rd_end(&in) == 0;
}

static int read_one(const struct avow_extension *e, uint32_t *seen, struct avow_cert_fields *out,
                    struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(e->value);

    for (size_t i = 0; i < N_KNOWN; i++) {
        if (!avow_bytes_equal(e->oid, AVOW_BYTES_OF(known[i].oid)))
            continue;
        if (*seen & 1u << i)
            return AVOW_FAIL(err, FORMAT, "certificate: extension 2.5.29.%u is given twice",
                             known[i].oid[2]);
        *seen |= 1u << i;
        if (!known[i].read)
            return AVOW_FAIL(err, FORMAT, "certificate: extension 2.5.29.%u is not supported",
                             known[i].oid[2]);
        if (!known[i].read(&r, out) || avow_rd_end(&r) < 0)
            return AVOW_FAIL(err, FORMAT, "certificate: extension 2.5.29.%u is malformed",
                             known[i].oid[2]);
        return 0;
    }
    if (e->critical)
        return AVOW_FAIL(err, FORMAT, "certificate: a critical extension is not known");
    if (is_foreign(e->oid))
        return AVOW_FAIL(err, FORMAT, "certificate: an extension is not supported");
    return 0;
}

int avow_extensions_read(struct avow_bytes list, struct avow_cert_fields *out,
                         struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(list);
    uint32_t seen = 0;

    for (size_t n = 0; r.rest.len; n++) {
        struct avow_extension e = { 0 };

        if (n == AVOW_X509_EXTENSIONS_MAX || !avow_extension_next(&r, &e))
            return AVOW_FAIL(err, FORMAT, "certificate: malformed extensions (number %zu)", n + 1);
        AVOW_TRY(read_one(&e, &seen, out, err));
    }
    out->extensions = list;
    return 0;
}
