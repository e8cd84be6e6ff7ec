#include "verify/azure.h"

#include "../snp_vectors.h"
#include "verify/verify.h"

/* azure-snp/coco-v2 with its leaf and the quote of its TPM. */
struct machine {
    struct avow_bundle b;
    uint8_t *hcl, *quote, *sig;
    size_t n_hcl, n_quote, n_sig;
    int64_t now;
};

static void part(struct machine *m, enum avow_bundle_part p, const char *file, uint8_t **keep,
                 size_t *n)
{
    *keep = test_vector("azure-snp", "coco-v2", file, n);
    assert_non_null(*keep);
    test_put(&m->b, p, *keep, *n);
}

static void open_machine(struct machine *m)
{
    avow_autofree uint8_t *leaf = NULL;
    avow_autofree uint8_t *pcrs = NULL;
    size_t n = 0;

    memset(m, 0, sizeof *m);
    m->b.tee = AVOW_TEE_AZ_SNP;
    m->now = 1760000000;
    part(m, AVOW_PART_HCL, "hcl_report.bin", &m->hcl, &m->n_hcl);
    part(m, AVOW_PART_TPM_QUOTE, "tpm_quote.msg", &m->quote, &m->n_quote);
    part(m, AVOW_PART_TPM_SIGNATURE, "tpm_quote.sig", &m->sig, &m->n_sig);
    leaf = test_vector("azure-snp", "coco-v2", "vcek.der", &n);
    assert_non_null(leaf);
    test_put(&m->b, AVOW_PART_CERT, leaf, n);
    pcrs = test_vector("azure-snp", "coco-v2", "pcrs_sha256.bin", &n);
    assert_int_equal(n, 768);
    for (unsigned i = 0; i < 24; i++)
        assert_int_equal(avow_bundle_put_pcr(&m->b, i, pcrs + 32 * i, NULL), 0);
}

static void close_machine(struct machine *m)
{
    avow_bundle_done(&m->b);
    free(m->hcl);
    free(m->quote);
    free(m->sig);
}

static void judge(struct machine *m, struct avow_claims *c)
{
    struct avow_anchors anchors;
    struct avow_error err = { 0 };

    avow_anchors_builtin(&anchors);
    assert_int_equal(avow_verify(&m->b, &anchors, m->now, NULL, c, &err), 0);
}

/* The first check that did not pass: its code, and whether it ran. */
static const char *first(struct machine *m, bool *ran)
{
    static struct avow_claims c;

    judge(m, &c);
    for (uint32_t i = 0; i < c.n_checks; i++)
        if (c.checks[i].state != AVOW_CHECK_PASSED) {
            *ran = c.checks[i].state == AVOW_CHECK_FAILED;
            assert_false(c.authentic);
            return c.checks[i].code;
        }
    assert_true(c.authentic);
    *ran = true;
    return "";
}

#define CASE(want, did_run, change)                 \
    do {                                            \
        struct machine m;                           \
        bool ran = false;                           \
        open_machine(&m);                           \
        change;                                     \
        assert_string_equal(first(&m, &ran), want); \
        assert_int_equal(ran, did_run);             \
        close_machine(&m);                          \
    } while (0)

static void everything_holds(void **state)
{
    struct machine m;
    struct avow_claims c;

    (void)state;
    if (!test_vectors())
        skip();
    open_machine(&m);
    judge(&m, &c);
    assert_true(c.authentic && c.az.present && c.vtpm.quoted && c.runtime_bound);
    assert_int_equal(c.tee, AVOW_TEE_AZ_SNP);
    assert_int_equal(c.vtpm.extra_len, 48);
    assert_int_equal(c.vtpm.pcr_mask, 0xFFFFFF);
    assert_int_equal(c.az.secure_boot, AVOW_SAID_YES);
    assert_string_equal(c.az.vm_id, "7DF7B373-B947-4AAA-96E5-C358F2A03D20");
    assert_memory_equal(c.az.user_data, c.vtpm.extra_data, 48); /* the tool put its nonce in both */
    close_machine(&m);
}

static uint8_t *bytes(struct avow_bytes v)
{
    return (uint8_t *)(uintptr_t)v.data;
}

static void swap_pcrs(struct avow_bundle *b, unsigned i, unsigned k)
{
    uint8_t keep[32];

    memcpy(keep, b->pcr[i], 32);
    memcpy(b->pcr[i], b->pcr[k], 32);
    memcpy(b->pcr[k], keep, 32);
}

static void what_does_not_hold_is_named(void **state)
{
    (void)state;
    if (!test_vectors())
        skip();
    CASE("", true, (void)0);
    CASE("runtime-data", true, bytes(m.b.hcl)[0x4D4 + 40] ^= 1);
    CASE("hcl", true, bytes(m.b.hcl)[0] = 'X');
    CASE("hcl", true, bytes(m.b.hcl)[AVOW_HCL_OFF_REQUEST] = AVOW_HCL_KEY_RELEASE);
    CASE("hcl", true, bytes(m.b.hcl)[0x4C8] = AVOW_HCL_TDX);
    CASE("hcl", true, m.b.hcl.len = 0x4D4 + 1000);
    CASE("runtime-data", true, bytes(m.b.hcl)[0x4CC] = AVOW_HCL_SHA384);
    CASE("runtime-data", true, bytes(m.b.hcl)[0x4CC] = 9);
    CASE("runtime-data", true, test_put(&m.b, AVOW_PART_RUNTIME_DATA, "{}", 2));
    CASE("hcl", true, test_put(&m.b, AVOW_PART_EVIDENCE, "other", 5));
    CASE("signature", true, bytes(m.b.hcl)[0x20 + 0x90] ^= 1);
    CASE("tpm-quote", true, bytes(m.b.tpm_quote)[0] = 0);
    CASE("tpm-quote", true, m.b.tpm_quote.len--);
    CASE("tpm-signature", true, bytes(m.b.tpm_quote)[50] ^= 1);
    CASE("tpm-signature", true, bytes(m.b.tpm_signature)[5] ^= 1);
    CASE("tpm-signature", true, m.b.tpm_signature.len--);
    CASE("pcrs", true, m.b.pcr[7][0] ^= 1);
    CASE("pcrs", true, m.b.pcr_mask &= ~1u);
    CASE("pcrs", true, swap_pcrs(&m.b, 4, 7));
    /* one register fewer in the quote's own selection (its last 37 bytes: selection, digest) */
    CASE("tpm-signature", true, bytes(m.b.tpm_quote)[m.b.tpm_quote.len - 37] &= 0x7F);
}

#define TDX_AZURE "flashbots-2025-12"
#define TDX_COLLATERAL "flashbots-v4-azure-90c06f-2026-02"
#define TDX_NOW 1771500000 /* 2026-02-19 */

static void put_file(struct avow_bundle *b, enum avow_bundle_part p, const char *class,
                     const char *dir, const char *file)
{
    size_t n = 0;
    avow_autofree uint8_t *data = test_vector(class, dir, file, &n);

    assert_non_null(data);
    test_put(b, p, data, n);
}

static void open_td(struct machine *m)
{
    size_t n = 0, n_certs = 0;
    avow_autofree uint8_t *pcrs = test_vector("azure-tdx", TDX_AZURE, "pcrs_sha256.bin", &n);
    avow_autofree uint8_t *pem = NULL;
    avow_auto(avow_buf_done) struct avow_buf ders = AVOW_BUF(1 << 20);
    struct avow_bytes certs[4];

    memset(m, 0, sizeof *m);
    m->b.tee = AVOW_TEE_AZ_TDX;
    m->now = TDX_NOW;
    assert_int_equal(n, 768);
    put_file(&m->b, AVOW_PART_HCL, "azure-tdx", TDX_AZURE, "hcl_report.bin");
    put_file(&m->b, AVOW_PART_EVIDENCE, "azure-tdx", TDX_AZURE, "td_quote.bin");
    put_file(&m->b, AVOW_PART_TPM_QUOTE, "azure-tdx", TDX_AZURE, "tpm_quote.msg");
    put_file(&m->b, AVOW_PART_TPM_SIGNATURE, "azure-tdx", TDX_AZURE, "tpm_quote.sig");
    for (unsigned i = 0; i < 24; i++)
        assert_int_equal(avow_bundle_put_pcr(&m->b, i, pcrs + 32 * i, NULL), 0);
    put_file(&m->b, AVOW_PART_TCB_INFO, "tdx", TDX_COLLATERAL, "tcb_info.json");
    put_file(&m->b, AVOW_PART_QE_IDENTITY, "tdx", TDX_COLLATERAL, "qe_identity.json");
    put_file(&m->b, AVOW_PART_CRL, "tdx", TDX_COLLATERAL, "root_ca_crl.der");
    put_file(&m->b, AVOW_PART_CRL, "tdx", TDX_COLLATERAL, "pck_crl.der");
    pem = test_vector("tdx", TDX_COLLATERAL, "tcb_signing_chain.pem", &n);
    assert_non_null(pem);
    assert_int_equal(avow_pem_to_der(AVOW_BYTES(pem, n), &ders, certs, 4, &n_certs, NULL), 0);
    for (size_t i = 0; i < n_certs; i++)
        test_put(&m->b, AVOW_PART_CERT, certs[i].data, certs[i].len);
}

#define TD_CASE(want, change)                       \
    do {                                            \
        struct machine m;                           \
        bool ran = false;                           \
        open_td(&m);                                \
        change;                                     \
        assert_string_equal(first(&m, &ran), want); \
        assert_true(ran);                           \
        close_machine(&m);                          \
    } while (0)

static void a_td_on_azure(void **state)
{
    (void)state;
    if (!test_vectors())
        skip();
    TD_CASE("", (void)0);
    TD_CASE("signature", bytes(m.b.evidence)[0x30 + 0x88] ^= 1); /* MRTD in the quote */
    TD_CASE("hcl", bytes(m.b.hcl)[0x20 + AVOW_TDREPORT_OFF_REPORTDATA] ^= 1);
    for (size_t off = 0; off < AVOW_TDREPORT_OFF_RTMR0 + 192 - AVOW_TDREPORT_OFF_TDINFO; off += 4)
        TD_CASE("hcl", bytes(m.b.hcl)[0x20 + AVOW_TDREPORT_OFF_TDINFO + off] ^= 1);
    TD_CASE("runtime-data", bytes(m.b.hcl)[0x4D4 + 40] ^= 1);
    TD_CASE("tpm-signature", bytes(m.b.tpm_quote)[50] ^= 1);
    TD_CASE("pcrs", swap_pcrs(&m.b, 0, 1));
}

static void what_is_missing_is_no_finding(void **state)
{
    (void)state;
    if (!test_vectors())
        skip();
    CASE("missing", false, m.b.n_certs = 0);
    CASE("tpm-signature", false, m.b.tpm_signature.len = 0);
    CASE("pcrs", false, m.b.pcr_mask = 0);
    CASE("tpm-quote", false, m.b.tpm_quote.len = 0);
    CASE("", true, m.b.tpm_quote.len = m.b.tpm_signature.len = 0; m.b.pcr_mask = 0);
    CASE("missing", false, m.b.tee = AVOW_TEE_AZ_TDX; bytes(m.b.hcl)[0x4C8] = AVOW_HCL_TDX);
    CASE("missing", false, m.b.evidence = avow_bytes_sub(m.b.hcl, 0x20, 1184); m.b.hcl.len = 0);
}

/* A bare report with its runtime data, hashed in each way. */
static void runtime_data_is_bound(void **state)
{
    struct avow_claims c = { 0 };
    bool bound = true;
    const struct avow_bytes data = avow_bytes_str("abc");
    static const uint8_t sha256_abc[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                          0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                          0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                          0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };

    (void)state;
    memcpy(c.report_data, sha256_abc, 32);
    assert_int_equal(avow_runtime_bind(data, 0, &c, &bound, NULL), 0);
    assert_true(bound && c.runtime_bound);
    assert_int_equal(avow_runtime_bind(data, AVOW_HCL_SHA512, &c, &bound, NULL), 0);
    assert_false(bound);
    c.report_data[63] = 1; /* the rest is zero */
    assert_int_equal(avow_runtime_bind(data, 0, &c, &bound, NULL), 0);
    assert_false(bound);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_holds),      cmocka_unit_test(what_does_not_hold_is_named),
        cmocka_unit_test(a_td_on_azure),         cmocka_unit_test(what_is_missing_is_no_finding),
        cmocka_unit_test(runtime_data_is_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
