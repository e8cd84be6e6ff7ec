/*
 * An AMD of the test's own, so that everything is signed right and exactly one thing is wrong.
 * Its chain has EC keys, which are made in no time; AMD's RSA-PSS is tried with the real vectors.
 */
#include "../test.h"
#include "crypto/certmake.h"
#include "crypto/x509.h"
#include "verify/snp.h"

#define NOW 1700000000
#define YEAR (365ll * 86400)

struct key {
    struct avow_signer *signer;
    struct avow_buf cert;
};

static struct avow_verify_cache *seen; /* by all forgeries, in vain */
static struct key ark, ask, asvk, vcek, vlek;

/* What is to be wrong; zeroed: nothing. */
struct forgery {
    const char *ark_cn, *ask_cn, *leaf_cn;
    bool ark_no_ca, ask_no_ca;
    int64_t ask_until;
    const char *product; /* of the leaf */
    int fmc;             /* of the leaf; with it a Turin's extension */
    bool no_spl;
    uint8_t leaf_snp; /* SPL of the leaf, 0 = 23 as the report */
    size_t hwid_len;  /* 0 = 64 */
    bool hwid_wrapped, no_hwid;
    uint8_t hwid_first; /* 0 = as the chip */
    bool use_vlek, leaf_is_ca, zero_chip;
    struct {
        size_t at;
        uint8_t value;
    } patch[8]; /* of the report, before it is signed */
    struct avow_buf *crl;
};

static void must(int rc, const struct avow_error *err)
{
    if (rc < 0)
        fail_msg("%s", err->text);
}

static int setup(void **state)
{
    struct key *const keys[] = { &ark, &ask, &asvk, &vcek, &vlek };

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        keys[i]->cert = AVOW_BUF(AVOW_CERT_DER_MAX);
        if (avow_signer_new(AVOW_SIGNER_P384, &keys[i]->signer, NULL) < 0)
            return -1;
    }
    return avow_verify_cache_new(AVOW_CACHE_ENTRIES_MIN, &seen, NULL);
}

static int teardown(void **state)
{
    struct key *const keys[] = { &ark, &ask, &asvk, &vcek, &vlek };

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        avow_signer_free(keys[i]->signer);
        avow_buf_done(&keys[i]->cert);
    }
    avow_verify_cache_free(seen);
    return 0;
}

static void make_ca(struct key *k, const char *cn, const struct key *issuer, bool no_ca,
                    int64_t until)
{
    static const uint8_t serial[] = { 0x01, 0x23 };
    struct avow_name_part name = { "CN", cn };
    struct avow_cert_spec spec = { .subject = &name,
                                   .n_subject = 1,
                                   .serial = AVOW_BYTES_OF(serial),
                                   .from = NOW - YEAR,
                                   .until = until ? until : NOW + YEAR,
                                   .basic_constraints = true,
                                   .ca = !no_ca,
                                   .pathlen = -1,
                                   .key_usage = AVOW_KU_CERT_SIGN | AVOW_KU_CRL_SIGN,
                                   .key_ids = true };
    struct avow_error err = { 0 };

    avow_buf_reset(&k->cert);
    must(avow_cert_make(&spec, k->signer, issuer ? avow_buf_view(&issuer->cert) : AVOW_BYTES("", 0),
                        issuer ? issuer->signer : k->signer, &k->cert, &err),
         &err);
}

/* Extensions of a leaf; their bytes live in @bytes. */
static size_t leaf_exts(const struct forgery *f, struct avow_cert_ext exts[16],
                        uint8_t bytes[16][80])
{
    static const char *const oids[] = { AVOW_SNP_OID_SPL_BOOTLOADER, AVOW_SNP_OID_SPL_TEE,
                                        AVOW_SNP_OID_SPL_SNP, AVOW_SNP_OID_SPL_MICROCODE };
    const uint8_t values[] = { 10, 0, f->leaf_snp ? f->leaf_snp : 23, 84 };
    const char *product = f->product ? f->product : "Genoa";
    size_t hwid = f->hwid_len ? f->hwid_len : 64;
    size_t n = 0;

    for (size_t i = f->no_spl ? 1 : 0; i < 4; i++, n++) {
        memcpy(bytes[n], ((uint8_t[]){ 2, 1, values[i] }), 3);
        exts[n] = (struct avow_cert_ext){ .oid = oids[i], .value = AVOW_BYTES(bytes[n], 3) };
    }
    if (f->fmc) {
        memcpy(bytes[n], ((uint8_t[]){ 2, 1, (uint8_t)f->fmc }), 3);
        exts[n] =
            (struct avow_cert_ext){ .oid = AVOW_SNP_OID_SPL_FMC, .value = AVOW_BYTES(bytes[n], 3) };
        n++;
    }
    bytes[n][0] = 0x16;
    bytes[n][1] = (uint8_t)strlen(product);
    memcpy(bytes[n] + 2, product, strlen(product));
    exts[n] = (struct avow_cert_ext){ .oid = AVOW_SNP_OID_PRODUCT,
                                      .value = AVOW_BYTES(bytes[n], 2 + strlen(product)) };
    n++;
    if (!f->no_hwid && !(f->use_vlek && !f->hwid_first)) {
        size_t head = f->hwid_wrapped ? 2 : 0;

        bytes[n][0] = 4;
        bytes[n][1] = (uint8_t)hwid;
        memset(bytes[n] + head, 0xC1, hwid);
        if (f->hwid_first)
            bytes[n][head] = f->hwid_first;
        exts[n] = (struct avow_cert_ext){ .oid = AVOW_SNP_OID_HWID,
                                          .value = AVOW_BYTES(bytes[n], head + hwid) };
        n++;
    }
    return n;
}

static void make_leaf(const struct forgery *f, struct key *k, const struct key *issuer)
{
    struct avow_name_part name = { "CN", f->leaf_cn    ? f->leaf_cn
                                         : f->use_vlek ? AVOW_SNP_CN_VLEK
                                                       : AVOW_SNP_CN_VCEK };
    struct avow_cert_ext exts[16];
    uint8_t bytes[16][80];
    struct avow_cert_spec spec = { .subject = &name,
                                   .n_subject = 1,
                                   .from = NOW - YEAR,
                                   .until = NOW + YEAR,
                                   .basic_constraints = f->leaf_is_ca,
                                   .ca = f->leaf_is_ca,
                                   .pathlen = -1,
                                   .exts = exts,
                                   .n_exts = leaf_exts(f, exts, bytes) };
    struct avow_error err = { 0 };

    avow_buf_reset(&k->cert);
    must(avow_cert_make(&spec, k->signer, avow_buf_view(&issuer->cert), issuer->signer, &k->cert,
                        &err),
         &err);
}

static void make_report(const struct forgery *f, const struct key *signer,
                        uint8_t raw[AVOW_SNP_REPORT_LEN])
{
    static const uint8_t tcb[] = { 10, 0, 0, 0, 0, 0, 23, 84 };
    static const size_t tcbs[] = { AVOW_SNP_OFF_CURRENT_TCB, AVOW_SNP_OFF_REPORTED_TCB,
                                   AVOW_SNP_OFF_COMMITTED_TCB, AVOW_SNP_OFF_LAUNCH_TCB };
    uint8_t sig[96];
    struct avow_error err = { 0 };

    memset(raw, 0, AVOW_SNP_REPORT_LEN);
    raw[AVOW_SNP_OFF_VERSION] = 3;
    raw[AVOW_SNP_OFF_POLICY + 2] = 2;
    raw[AVOW_SNP_OFF_SIGNATURE_ALGO] = AVOW_SNP_SIGNATURE_ALGO_P384;
    raw[AVOW_SNP_OFF_KEY_INFO] = f->use_vlek ? 1 << AVOW_SNP_KEY_SIGNING_SHIFT : 0;
    memset(raw + AVOW_SNP_OFF_REPORT_ID_MA, 0xFF, 32);
    for (size_t i = 0; i < 4; i++)
        memcpy(raw + tcbs[i], tcb, sizeof tcb);
    raw[AVOW_SNP_OFF_CPUID_FAMILY] = 0x19;
    raw[AVOW_SNP_OFF_CPUID_MODEL] = 0x11;
    memset(raw + AVOW_SNP_OFF_CHIP_ID, f->zero_chip ? 0 : 0xC1, 64);
    for (size_t i = 0; i < 8 && f->patch[i].at; i++)
        raw[f->patch[i].at] = f->patch[i].value;
    must(avow_signer_ecdsa(signer->signer, AVOW_P384, AVOW_BYTES(raw, AVOW_SNP_SIGNED_LEN), sig,
                           &err),
         &err);
    for (size_t i = 0; i < 48; i++) {
        raw[AVOW_SNP_OFF_R + i] = sig[47 - i];
        raw[AVOW_SNP_OFF_S + i] = sig[95 - i];
    }
}

/* NULL: authentic; else the code of the first failed check (static storage). */
static const char *forge(struct forgery f)
{
    static struct avow_claims c, cached;
    struct key *leaf = f.use_vlek ? &vlek : &vcek;
    struct key *mid = f.use_vlek ? &asvk : &ask;
    uint8_t raw[AVOW_SNP_REPORT_LEN];
    struct avow_bundle b = { .tee = AVOW_TEE_SNP, .evidence = AVOW_BYTES_OF(raw), .n_certs = 3 };
    struct avow_anchors anchors = { .n = 1,
                                    .list = { { .tee = AVOW_TEE_SNP,
                                                .simulated = true,
                                                .product = "Genoa",
                                                .name = "SIMULATED ARK-Genoa" } } };
    avow_auto(avow_cleanup_cert) struct avow_cert *root = NULL;
    struct avow_error err = { 0 };

    make_ca(&ark, f.ark_cn ? f.ark_cn : "SIMULATED ARK-Genoa", NULL, f.ark_no_ca, 0);
    make_ca(mid,
            f.ask_cn     ? f.ask_cn
            : f.use_vlek ? "SIMULATED SEV-VLEK-Genoa"
                         : "SIMULATED SEV-Genoa",
            &ark, f.ask_no_ca, f.ask_until);
    make_leaf(&f, leaf, mid);
    make_report(&f, leaf, raw);
    must(avow_cert_parse(avow_buf_view(&ark.cert), &root, &err), &err);
    avow_cert_spki_sha256(root, anchors.list[0].spki_sha256);
    b.certs[0] = avow_buf_view(&leaf->cert);
    b.certs[1] = avow_buf_view(&mid->cert);
    b.certs[2] = avow_buf_view(&ark.cert);
    if (f.crl)
        b.crls[b.n_crls++] = avow_buf_view(f.crl);
    must(avow_snp_verify(&b, &anchors, NOW, &c, &err), &err);
    must(avow_snp_verify_cached(&b, &anchors, NOW, seen, &cached, &err), &err);
    assert_memory_equal(&c, &cached, sizeof c);
    assert_int_equal(c.authentic, avow_claims_all_passed(&c));
    for (uint32_t i = 0; i < c.n_checks; i++)
        if (c.checks[i].state != AVOW_CHECK_PASSED)
            return c.checks[i].code;
    assert_true(c.authentic && c.simulated);
    return NULL;
}

static void assert_refused(struct forgery f, const char *code)
{
    const char *got = forge(f);

    if (!got || strcmp(got, code) != 0)
        fail_msg("%s, not %s", got ? got : "authentic", code);
}

#define PATCH(...) .patch = { __VA_ARGS__ }

static void right_ones_are_authentic(void **state)
{
    (void)state;
    assert_null(forge((struct forgery){ 0 }));
    assert_null(forge((struct forgery){ .use_vlek = true }));
    assert_null(forge((struct forgery){ .hwid_wrapped = true }));
    assert_null(forge((struct forgery){ .product = "Genoa-B1" }));
    assert_null(forge((struct forgery){ .ask_cn = "SEV-Genoa", .ark_cn = "ARK-Genoa" }));
    /* Bergamo and Siena belong to Genoa's line; version 2 has no CPUID */
    assert_null(forge((struct forgery){ PATCH({ AVOW_SNP_OFF_CPUID_MODEL, 0xA0 }) }));
    /* microcode, loaded without a commit, may be ahead of what was reported */
    assert_null(forge((struct forgery){ PATCH({ AVOW_SNP_OFF_CURRENT_TCB + 7, 90 }) }));
}

static void names_and_uses_of_the_chain(void **state)
{
    (void)state;
    assert_refused((struct forgery){ .ark_cn = "ARK-Milan" }, "chain");
    assert_refused((struct forgery){ .ask_cn = "SEV-Milan" }, "chain");
    assert_refused((struct forgery){ .ask_cn = "SEV-Genoa2" }, "chain");
    assert_refused((struct forgery){ .ask_cn = "SEV-VLEK-Genoa" }, "chain");
    assert_refused((struct forgery){ .ask_cn = "SEV-Genoa", .use_vlek = true }, "chain");
    assert_refused((struct forgery){ .ark_no_ca = true }, "chain");
    assert_refused((struct forgery){ .ask_no_ca = true }, "chain");
    assert_refused((struct forgery){ .leaf_is_ca = true }, "chain");
    assert_refused((struct forgery){ .leaf_cn = "SEV-VCEK2" }, "missing");
    assert_refused((struct forgery){ .leaf_cn = AVOW_SNP_CN_VLEK }, "missing");
    assert_refused((struct forgery){ .ask_until = NOW - 1 }, "expired");
}

static void leaf_and_report_belong_together(void **state)
{
    (void)state;
    assert_refused((struct forgery){ .leaf_snp = 22 }, "tcb");
    assert_refused((struct forgery){ .leaf_snp = 24 }, "tcb");
    assert_refused((struct forgery){ .no_spl = true }, "tcb");
    assert_refused((struct forgery){ .fmc = 1 }, "tcb");
    assert_refused((struct forgery){ .no_hwid = true }, "chip");
    assert_refused((struct forgery){ .hwid_len = 63 }, "chip");
    assert_refused((struct forgery){ .hwid_len = 8 }, "chip");
    assert_refused((struct forgery){ .hwid_first = 0xC0 }, "chip");
    assert_refused((struct forgery){ .hwid_first = 0xC1, .use_vlek = true }, "chip");
    assert_refused((struct forgery){ .product = "Milan" }, "product");
    assert_refused((struct forgery){ .product = "Gen" }, "product");
    assert_refused((struct forgery){ .product = "Genoa2" }, "product");
    assert_refused((struct forgery){ PATCH({ AVOW_SNP_OFF_CPUID_MODEL, 0x01 }) }, "product");
    assert_refused((struct forgery){ PATCH({ AVOW_SNP_OFF_CPUID_FAMILY, 0x1A }) }, "product");
    assert_refused((struct forgery){ PATCH({ AVOW_SNP_OFF_CPUID_MODEL, 0x20 }) }, "product");
}

static void masked_chip_loses_a_vcek_its_binding(void **state)
{
    (void)state;
    assert_refused((struct forgery){ .zero_chip = true }, "chip");
    assert_null(forge((struct forgery){ .zero_chip = true, .use_vlek = true })); /* as AWS does */
    assert_refused((struct forgery){ PATCH({ AVOW_SNP_OFF_KEY_INFO, AVOW_SNP_KEY_MASK_CHIP }) },
                   "signing-key");
}

static void fields_of_the_report(void **state)
{
    (void)state;
    assert_refused((struct forgery){ PATCH({ AVOW_SNP_OFF_VERSION + 1, 1 }) }, "version");
    assert_refused((struct forgery){ PATCH({ 0x4C, 1 }) }, "reserved");
    assert_refused((struct forgery){ PATCH({ AVOW_SNP_OFF_LAUNCH_MIT, 1 }) }, "reserved");
    assert_refused((struct forgery){ PATCH({ AVOW_SNP_OFF_SIGNATURE_ALGO, 2 }) }, "report-fields");
    assert_refused((struct forgery){ PATCH({ AVOW_SNP_OFF_VMPL, 4 }) }, "report-fields");
    assert_refused((struct forgery){ PATCH({ AVOW_SNP_OFF_KEY_INFO, 0x20 }) }, "report-fields");
    assert_refused((struct forgery){ PATCH({ AVOW_SNP_OFF_POLICY + 2, 0 }) }, "policy-bits");
    assert_refused((struct forgery){ PATCH({ AVOW_SNP_OFF_POLICY + 3, 4 }) }, "policy-bits");
    assert_refused(
        (struct forgery){
            PATCH({ AVOW_SNP_OFF_KEY_INFO, AVOW_SNP_SIGNED_NONE << AVOW_SNP_KEY_SIGNING_SHIFT }) },
        "signing-key");
    assert_refused(
        (struct forgery){ PATCH({ AVOW_SNP_OFF_KEY_INFO, 2 << AVOW_SNP_KEY_SIGNING_SHIFT }) },
        "signing-key");
    /* a VLEK that is presented as a VCEK */
    assert_refused((struct forgery){ .use_vlek = true, PATCH({ AVOW_SNP_OFF_KEY_INFO, 0 }) },
                   "missing");
    assert_refused((struct forgery){ PATCH({ AVOW_SNP_OFF_COMMITTED_TCB + 6, 24 }) }, "tcb-order");
    assert_refused((struct forgery){ PATCH({ AVOW_SNP_OFF_CURRENT_TCB + 7, 83 }) }, "tcb-order");
    assert_refused((struct forgery){ PATCH({ AVOW_SNP_OFF_COMMITTED_VERSION, 1 }) }, "tcb-order");
}

static void crl_revokes_the_intermediate(void **state)
{
    static const uint8_t serial[] = { 0x01, 0x23 }, other[] = { 0x01, 0x24 };
    const struct {
        struct avow_bytes serial;
        int64_t from, until;
        const struct key *issuer, *signer;
        const char *code;
    } rows[] = {
        { AVOW_BYTES_OF(other), NOW - 9, NOW + 9, &ark, &ark, NULL },
        { AVOW_BYTES_OF(serial), NOW - 9, NOW + 9, &ark, &ark, "revoked" },
        { AVOW_BYTES_OF(other), NOW - 9, NOW - 1, &ark, &ark, "expired" },
        { AVOW_BYTES_OF(other), NOW + 1, NOW + 9, &ark, &ark, "not-yet-valid" },
        { AVOW_BYTES_OF(other), NOW - 9, NOW + 9, &ark, &ask, "revoked" }, /* forged */
        { AVOW_BYTES_OF(serial), NOW - 9, NOW + 9, &ask, &ask, NULL },     /* another issuer's */
    };

    (void)state;
    assert_null(forge((struct forgery){ 0 })); /* makes the certificates */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_auto(avow_buf_done) struct avow_buf crl = AVOW_BUF(AVOW_CRL_DER_MAX);
        struct avow_error err = { 0 };
        const char *code = NULL;

        must(avow_crl_make(avow_buf_view(&rows[i].issuer->cert), rows[i].signer->signer,
                           rows[i].from, rows[i].until, &rows[i].serial, 1, &crl, &err),
             &err);
        code = forge((struct forgery){ .crl = &crl });
        if (!rows[i].code)
            assert_null(code);
        else
            assert_string_equal(code, rows[i].code);
        crl.len--;
        assert_refused((struct forgery){ .crl = &crl }, "malformed");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_ones_are_authentic),
        cmocka_unit_test(names_and_uses_of_the_chain),
        cmocka_unit_test(leaf_and_report_belong_together),
        cmocka_unit_test(masked_chip_loses_a_vcek_its_binding),
        cmocka_unit_test(fields_of_the_report),
        cmocka_unit_test(crl_revokes_the_intermediate),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
