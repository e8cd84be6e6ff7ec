/* A real report and real quotes, taken apart as Google's libraries do and put together again. */
#include "attest/protojson.h"

#include "../snp_vectors.h"
#include "codec/text.h"
#include "evidence/tdx.h"

struct got {
    uint8_t *file; /* owned */
    size_t len;
    size_t n;
};

static int keep_first(void *ctx, enum avow_envelope_part part, struct avow_bytes data,
                      struct avow_error *err)
{
    struct got *g = ctx;

    (void)err;
    assert_int_equal(part, AVOW_INNER_FILE);
    if (g->n++ == 0) {
        g->file = malloc(data.len);
        assert_non_null(g->file);
        memcpy(g->file, data.data, data.len);
        g->len = data.len;
    }
    return 0;
}

static json_t *b64(const uint8_t *data, size_t len)
{
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(1 << 20);

    assert_int_equal(avow_b64_put(&out, AVOW_BYTES(data, len)), 0);
    return json_string(avow_buf_cstr(&out));
}

static uint64_t le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

/* protojson: 64 bits as text, zeros left out; names of the .proto file or of JSON. */
static void set_number(json_t *to, bool proto, const char *snake, const char *camel, uint64_t v,
                       bool wide)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    if (v)
        json_object_set_new(to, proto ? camel : snake,
                            wide ? json_string(text) : json_integer((json_int_t)v));
}

static json_t *report_json(const uint8_t *r, bool proto)
{
    static const struct {
        const char *snake, *camel;
        size_t at, len;
    } fields[] = {
        { "family_id", "familyId", 0x10, 16 },
        { "image_id", "imageId", 0x20, 16 },
        { "report_data", "reportData", 0x50, 64 },
        { "measurement", "measurement", 0x90, 48 },
        { "host_data", "hostData", 0xC0, 32 },
        { "id_key_digest", "idKeyDigest", 0xE0, 48 },
        { "author_key_digest", "authorKeyDigest", 0x110, 48 },
        { "report_id", "reportId", 0x140, 32 },
        { "report_id_ma", "reportIdMa", 0x160, 32 },
        { "chip_id", "chipId", 0x1A0, 64 },
        { "signature", "signature", 0x2A0, 512 },
    };
    static const struct {
        const char *snake, *camel;
        size_t at, len;
    } numbers[] = {
        { "version", "version", 0, 4 },
        { "guest_svn", "guestSvn", 4, 4 },
        { "policy", "policy", 8, 8 },
        { "vmpl", "vmpl", 0x30, 4 },
        { "signature_algo", "signatureAlgo", 0x34, 4 },
        { "current_tcb", "currentTcb", 0x38, 8 },
        { "platform_info", "platformInfo", 0x40, 8 },
        { "signer_info", "signerInfo", 0x48, 4 },
        { "reported_tcb", "reportedTcb", 0x180, 8 },
        { "committed_tcb", "committedTcb", 0x1E0, 8 },
        { "current_build", "currentBuild", 0x1E8, 1 },
        { "current_minor", "currentMinor", 0x1E9, 1 },
        { "current_major", "currentMajor", 0x1EA, 1 },
        { "committed_build", "committedBuild", 0x1EC, 1 },
        { "committed_minor", "committedMinor", 0x1ED, 1 },
        { "committed_major", "committedMajor", 0x1EE, 1 },
        { "launch_tcb", "launchTcb", 0x1F0, 8 },
        { "launch_mit_vector", "launchMitVector", 0x1F8, 8 },
        { "current_mit_vector", "currentMitVector", 0x200, 8 },
    };
    json_t *j = json_object();
    uint64_t family = r[0x188], model = r[0x189];

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        json_object_set_new(j, proto ? fields[i].camel : fields[i].snake,
                            b64(r + fields[i].at, fields[i].len));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        set_number(j, proto, numbers[i].snake, numbers[i].camel,
                   le(r + numbers[i].at, numbers[i].len), numbers[i].len == 8);
    if (family)
        set_number(j, proto, "cpuid1eax_fms", "cpuid1eaxFms",
                   (family - 0xF) << 20 | (model >> 4) << 16 | 0xF00 | (model & 0xF) << 4 |
                       r[0x18A],
                   false);
    return j;
}

static void reports(void **state)
{
    static const char *const dirs[] = { "milan-v3-vcek-oak-40a277", "genoa-v5-vcek-cdai-7ea4da",
                                        "turin-v5-vcek-mstee-az-85da70",
                                        "milan-v2-vcek-automata-597d1f" };

    (void)state;
    if (!test_vectors())
        skip();
    for (size_t i = 0; i < 2 * sizeof dirs / sizeof dirs[0]; i++) {
        bool proto = i % 2;
        size_t n = 0, n_leaf = 0;
        avow_autofree uint8_t *r = test_vector("snp", dirs[i / 2], "report.bin", &n);
        avow_autofree uint8_t *leaf = test_vector("snp", dirs[i / 2], "vcek.der", &n_leaf);
        avow_autojson json_t *doc = json_pack(
            "{s:o, s:{s:o}, s:{s:s}}", "report", report_json(r, proto),
            proto ? "certificateChain" : "certificate_chain", proto ? "vcekCert" : "vcek_cert",
            b64(leaf, n_leaf), "product", "name", "SEV_PRODUCT_MILAN");
        avow_autojson json_t *outer = json_pack("{s:O}", "sevSnpAttestation", doc);
        struct got g = { 0 }, h = { 0 };

        assert_non_null(doc);
        assert_true(avow_protojson_is(doc));
        assert_int_equal(avow_protojson_open(doc, keep_first, &g, NULL), 0);
        assert_int_equal(g.n, 2);
        assert_int_equal(g.len, n);
        assert_memory_equal(g.file, r, n);
        assert_true(avow_protojson_is(outer));
        assert_int_equal(avow_protojson_open(outer, keep_first, &h, NULL), 0);
        assert_memory_equal(h.file, r, n);
        free(g.file);
        free(h.file);
    }
}

static json_t *body_json(const uint8_t *b, bool v15)
{
    json_t *j =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:[o, o, o, o], s:o}",
                  "teeTcbSvn", b64(b, 16), "mrSeam", b64(b + 0x10, 48), "mrSignerSeam",
                  b64(b + 0x40, 48), "seamAttributes", b64(b + 0x70, 8), "tdAttributes",
                  b64(b + 0x78, 8), "xfam", b64(b + 0x80, 8), "mrTd", b64(b + 0x88, 48),
                  "mrConfigId", b64(b + 0xB8, 48), "mrOwner", b64(b + 0xE8, 48), "mrOwnerConfig",
                  b64(b + 0x118, 48), "rtmrs", b64(b + 0x148, 48), b64(b + 0x178, 48),
                  b64(b + 0x1A8, 48), b64(b + 0x1D8, 48), "reportData", b64(b + 0x208, 64));

    assert_non_null(j);
    if (v15) {
        json_object_set_new(j, "teeTcbSvn2", b64(b + 0x248, 16));
        json_object_set_new(j, "mrServiceTd", b64(b + 0x258, 48));
    }
    return j;
}

static json_t *qe_json(const uint8_t *p)
{
    size_t auth = (size_t)le(p + 384 + 64, 2);
    const uint8_t *chain = p + 384 + 64 + 2 + auth;
    size_t chain_len = (size_t)le(chain + 2, 4);
    json_t *report = json_pack(
        "{s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o}", "cpuSvn", b64(p, 16),
        "miscSelect", (json_int_t)le(p + 0x10, 4), "reserved1", b64(p + 0x14, 28), "attributes",
        b64(p + 0x30, 16), "mrEnclave", b64(p + 0x40, 32), "reserved2", b64(p + 0x60, 32),
        "mrSigner", b64(p + 0x80, 32), "reserved3", b64(p + 0xA0, 96), "isvProdId",
        (json_int_t)le(p + 0x100, 2), "isvSvn", (json_int_t)le(p + 0x102, 2), "reserved4",
        b64(p + 0x104, 60), "reportData", b64(p + 0x140, 64));

    return json_pack("{s:o, s:o, s:{s:I, s:o}, s:{s:I, s:I, s:o}}", "qeReport", report,
                     "qeReportSignature", b64(p + 384, 64), "qeAuthData", "parsedDataSize",
                     (json_int_t)auth, "data", b64(p + 384 + 64 + 2, auth),
                     "pckCertificateChainData", "certificateDataType", (json_int_t)le(chain, 2),
                     "size", (json_int_t)chain_len, "pckCertChain", b64(chain + 6, chain_len));
}

static json_t *quote_json(const uint8_t *q, size_t len)
{
    bool v5 = q[0] == 5;
    size_t body_len = v5 ? (size_t)le(q + 0x32, 4) : 584;
    size_t at = (v5 ? 0x36 : 0x30) + body_len;
    const uint8_t *data = q + at + 4;
    size_t data_len = (size_t)le(q + at, 4);
    json_t *header =
        json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "version", (json_int_t)le(q, 2),
                  "attestationKeyType", (json_int_t)le(q + 2, 2), "teeType",
                  (json_int_t)le(q + 4, 4), "pceSvn", b64(q + 8, 2), "qeSvn", b64(q + 10, 2),
                  "qeVendorId", b64(q + 12, 16), "userData", b64(q + 28, 20));
    json_t *signed_data =
        json_pack("{s:o, s:o, s:{s:I, s:I, s:o}}", "signature", b64(data, 64),
                  "ecdsaAttestationKey", b64(data + 64, 64), "certificationData",
                  "certificateDataType", (json_int_t)le(data + 128, 2), "size",
                  (json_int_t)le(data + 130, 4), "qeReportCertificationData", qe_json(data + 134));
    json_t *doc = json_pack("{s:o, s:I, s:o, s:o}", "header", header, "signedDataSize",
                            (json_int_t)data_len, "signedData", signed_data, "extraBytes",
                            b64(data + data_len, len - at - 4 - data_len));

    assert_non_null(doc);
    if (v5)
        json_object_set_new(doc, "tdQuoteBodyDescriptor",
                            json_pack("{s:I, s:I, s:o}", "tdQuoteBodyType",
                                      (json_int_t)le(q + 0x30, 2), "tdQuoteBodySize",
                                      (json_int_t)body_len, "tdQuoteBodyV5",
                                      body_json(q + 0x36, body_len == 648)));
    else
        json_object_set_new(doc, "tdQuoteBody", body_json(q + 0x30, false));
    return doc;
}

static void quotes(void **state)
{
    static const char *const dirs[] = { "coco-v4-debug-50806f", "coco-v5-90c06f",
                                        "coco-v4-gnr-00a06d08" };

    (void)state;
    if (!test_vectors())
        skip();
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        size_t n = 0;
        avow_autofree uint8_t *q = test_vector("tdx", dirs[i], "quote.bin", &n);
        avow_autojson json_t *doc = q ? quote_json(q, n) : NULL;
        struct got g = { 0 };
        struct avow_error err = { 0 };

        assert_non_null(doc);
        assert_true(avow_protojson_is(doc));
        if (avow_protojson_open(doc, keep_first, &g, &err) < 0)
            fail_msg("%s: %s", dirs[i], err.text);
        assert_int_equal(g.len, n);
        assert_memory_equal(g.file, q, n);
        free(g.file);
    }
}

static void malformed(void **state)
{
    size_t n = 0;
    avow_autofree uint8_t *r = NULL;
    avow_autojson json_t *doc = NULL;
    json_t *report = NULL;
    struct got g = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    r = test_vector("snp", "milan-v3-vcek-oak-40a277", "report.bin", &n);
    doc = json_pack("{s:o}", "report", report_json(r, true));
    report = json_object_get(doc, "report");
    json_object_set_new(report, "hostData", json_string("AAAA"));
    assert_int_equal(avow_protojson_open(doc, keep_first, &g, &err), -AVOW_E_FORMAT);
    assert_non_null(strstr(err.text, "host_data"));
    json_object_set_new(report, "hostData", b64(r, 32));
    json_object_set_new(report, "vmpl", json_integer(-1));
    assert_int_equal(avow_protojson_open(doc, keep_first, &g, NULL), -AVOW_E_FORMAT);
    json_object_set_new(report, "vmpl", json_string("4294967296"));
    assert_int_equal(avow_protojson_open(doc, keep_first, &g, NULL), -AVOW_E_FORMAT);
    json_object_set_new(report, "vmpl", json_string("1x"));
    assert_int_equal(avow_protojson_open(doc, keep_first, &g, NULL), -AVOW_E_FORMAT);
    json_object_del(report, "vmpl");
    json_object_del(report, "signature");
    assert_int_equal(avow_protojson_open(doc, keep_first, &g, NULL), -AVOW_E_FORMAT);
    assert_int_equal(g.n, 0);
    assert_false(avow_protojson_is(report));
    assert_false(avow_protojson_is(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports),
        cmocka_unit_test(quotes),
        cmocka_unit_test(malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
