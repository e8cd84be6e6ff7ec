#include "evidence/hcl.h"

struct data_header {
    uint32_t size, version, report_type, hash_type, n;
};

static int read_header(struct avow_rd *r, struct avow_hcl *h, struct avow_error *err)
{
    struct avow_bytes magic = { 0 };
    uint32_t size = 0;

    if (avow_rd_bytes(r, 4, &magic) < 0 || avow_rd_u32le(r, &h->version) < 0 ||
        avow_rd_u32le(r, &size) < 0 || avow_rd_u32le(r, &h->request) < 0 ||
        avow_rd_skip(r, AVOW_HCL_OFF_REPORT - AVOW_HCL_OFF_REQUEST - 4) < 0 ||
        avow_rd_bytes(r, AVOW_HCL_REPORT_LEN, &h->report) < 0)
        return AVOW_FAIL(err, TRUNCATED, "HCL report: ends before its data");
    if (!avow_bytes_equal(magic, avow_bytes_str(AVOW_HCL_MAGIC)))
        return AVOW_FAIL(err, FORMAT, "HCL report: does not begin with " AVOW_HCL_MAGIC);
    if (h->version < 1 || h->version > 2)
        return AVOW_FAIL(err, VERSION, "HCL report of version %u (1 and 2 are known)", h->version);
    return 0;
}

static int read_data(struct avow_rd *r, struct avow_hcl *h, struct avow_error *err)
{
    struct data_header d = { 0 };
    uint32_t header = AVOW_HCL_DATA_HEADER_LEN;

    if (avow_rd_u32le(r, &d.size) < 0 || avow_rd_u32le(r, &d.version) < 0 ||
        avow_rd_u32le(r, &d.report_type) < 0 || avow_rd_u32le(r, &d.hash_type) < 0 ||
        avow_rd_u32le(r, &d.n) < 0)
        return AVOW_FAIL(err, TRUNCATED, "HCL report: ends in its data header");
    if (d.version < 1)
        return AVOW_FAIL(err, VERSION, "HCL report: data header of version 0");
    if (d.version >= 2) { /* a bitmap of capabilities stands before the claims */
        header += 4;
        if (avow_rd_skip(r, 4) < 0)
            return AVOW_FAIL(err, TRUNCATED, "HCL report: ends in its capabilities");
    }
    if (d.n > AVOW_HCL_CLAIMS_MAX)
        return AVOW_FAIL(err, LIMIT, "HCL report: %u bytes of claims (at most %u)", d.n,
                         AVOW_HCL_CLAIMS_MAX);
    if (d.size != header + d.n)
        return AVOW_FAIL(err, FORMAT, "HCL report: data of %u bytes with %u of claims", d.size,
                         d.n);
    if (avow_rd_bytes(r, d.n, &h->claims) < 0)
        return AVOW_FAIL(err, TRUNCATED, "HCL report: ends in its claims");
    h->report_type = d.report_type;
    h->hash_type = d.hash_type;
    return 0;
}

int avow_hcl_parse(struct avow_bytes in, struct avow_hcl *out, struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(in);
    struct avow_hcl h = { 0 };

    if (in.len > AVOW_HCL_MAX)
        return AVOW_FAIL(err, LIMIT, "HCL report of %zu bytes (at most %u)", in.len, AVOW_HCL_MAX);
    AVOW_TRY(read_header(&r, &h, err));
    AVOW_TRY(read_data(&r, &h, err));
    *out = h;
    return 0;
}
