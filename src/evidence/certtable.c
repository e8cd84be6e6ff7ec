#include "evidence/certtable.h"

#define GUID_LEN 16u
#define ENTRY_LEN 24u

/* GUIDs of the GHCB specification. Their bytes are in the order of the text, as the table of the
 * vector snp-ext/veraison-tsm-report-genoa-v3 shows. */
static const struct {
    enum avow_certtable_kind kind;
    uint8_t guid[GUID_LEN];
} kinds[] = {
    { AVOW_CERTTABLE_VCEK,
      { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac,
        0xcd } },
    { AVOW_CERTTABLE_VLEK,
      { 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8,
        0xa1 } },
    { AVOW_CERTTABLE_ASK,
      { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7,
        0x82 } },
    { AVOW_CERTTABLE_ARK,
      { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0,
        0xae } },
    { AVOW_CERTTABLE_CRL,
      { 0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d, 0x97, 0xff, 0xd1, 0x9f, 0x88, 0xdc, 0x67,
        0xea } },
};

static enum avow_certtable_kind kind_of(struct avow_bytes guid)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (avow_bytes_equal(guid, AVOW_BYTES_OF(kinds[i].guid)))
            return kinds[i].kind;
    return AVOW_CERTTABLE_OTHER;
}

bool avow_certtable_likely(struct avow_bytes table)
{
    struct avow_bytes guid = avow_bytes_sub(table, 0, GUID_LEN);

    return guid.data && kind_of(guid) != AVOW_CERTTABLE_OTHER;
}

static bool overlap(struct avow_bytes a, struct avow_bytes b)
{
    return a.data < b.data + b.len && b.data < a.data + a.len;
}

/* One entry; *more is false at the zero entry that ends the list. */
static int read_entry(struct avow_rd *r, struct avow_bytes table, struct avow_certtable_entry *out,
                      bool *more, struct avow_error *err)
{
    struct avow_bytes guid = { 0 };
    uint32_t offset = 0, len = 0;

    if (avow_rd_bytes(r, GUID_LEN, &guid) < 0 || avow_rd_u32le(r, &offset) < 0 ||
        avow_rd_u32le(r, &len) < 0)
        return AVOW_FAIL(err, TRUNCATED, "certificate table: no end of its entries");
    *more = !avow_bytes_zero(guid) || offset || len;
    if (!*more)
        return 0;
    out->kind = kind_of(guid);
    out->data = avow_bytes_sub(table, offset, len);
    if (!out->data.data || len == 0)
        return AVOW_FAIL(err, FORMAT,
                         "certificate table: an entry of %u bytes at %u, in a table of %zu", len,
                         offset, table.len);
    return 0;
}

int avow_certtable_parse(struct avow_bytes table,
                         struct avow_certtable_entry out[AVOW_CERTTABLE_MAX], size_t *n,
                         struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(table);
    size_t count = 0;

    *n = 0;
    for (;;) {
        struct avow_certtable_entry e = { 0 };
        bool more = false;

        AVOW_TRY(read_entry(&r, table, &e, &more, err));
        if (!more)
            break;
        if (count == AVOW_CERTTABLE_MAX)
            return AVOW_FAIL(err, LIMIT, "certificate table: more than %d entries",
                             AVOW_CERTTABLE_MAX);
        for (size_t i = 0; i < count; i++)
            if (overlap(out[i].data, e.data))
                return AVOW_FAIL(err, FORMAT, "certificate table: entries %zu and %zu overlap",
                                 i + 1, count + 1);
        out[count++] = e;
    }
    for (size_t i = 0; i < count; i++)
        if (out[i].data.data < r.rest.data)
            return AVOW_FAIL(err, FORMAT,
                             "certificate table: entry %zu lies in the list of entries", i + 1);
    *n = count;
    return 0;
}
