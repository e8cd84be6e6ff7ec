#include "verify/tdx.h"

#include "../tdx_maker.h"
#include "../tdx_vectors.h"

static const struct avow_check *first_failed(const struct avow_claims *c)
{
    for (uint32_t i = 0; i < c->n_checks; i++)
        if (c->checks[i].state != AVOW_CHECK_PASSED)
            return &c->checks[i];
    return NULL;
}

/* Filled by whatever these tests verify: results must be the same with it as without. */
static struct avow_verify_cache *shared;

static void verify_with(const struct avow_bundle *b, const struct avow_anchors *a, int64_t now,
                        struct avow_claims *c)
{
    static struct avow_claims again;

    MADE_OK(avow_tdx_verify(b, a, now, c, &err));
    for (int i = 0; i < 2; i++) {
        MADE_OK(avow_tdx_verify_cached(b, a, now, shared, &again, &err));
        assert_memory_equal(&again, c, sizeof again);
    }
}

static void verify(const struct avow_bundle *b, int64_t now, struct avow_claims *c)
{
    struct avow_anchors anchors;

    avow_anchors_builtin(&anchors);
    verify_with(b, &anchors, now, c);
}

static void expect(const struct tdx_vector *v)
{
    bool supported = strcmp(v->tcb, "TCB_NOT_SUPPORTED") != 0;
    struct avow_claims c;
    const char *status = NULL;

    verify(&v->bundle, tdx_mid(v), &c);
    status = avow_tcb_status_name(c.tdx.tcb_status);
    if (strcmp(status, supported ? v->tcb : "TCB_NOT_SUPPORTED") != 0)
        fail_msg("%s: %s, not %s", v->name, status, v->tcb);
    if (c.authentic != supported)
        fail_msg("%s: %s: %s", v->name, first_failed(&c) ? first_failed(&c)->code : "all passed",
                 first_failed(&c) ? first_failed(&c)->text : "");
    if (!supported) {
        assert_string_equal(first_failed(&c)->code, "tcb-status");
        assert_string_equal(c.checks[c.n_checks - 1].code, "tcb-status");
    }
    assert_false(c.simulated);
    assert_string_equal(c.root, "Intel SGX Root CA");
    /* the window of meta.json does not know of the CRLs that are not the bundle's own */
    assert_true(c.valid_from >= v->from && c.valid_until <= v->until);
    assert_true(c.valid_from <= tdx_mid(v) && tdx_mid(v) <= c.valid_until);
    assert_true(v->borrowed_crl || (c.valid_from == v->from && c.valid_until == v->until));
}

static void every_real_bundle_has_its_status(void **state)
{
    char names[TEST_DIRS][128];
    size_t n = 0, judged = 0;

    (void)state;
    if (!test_vectors())
        skip();
    n = tdx_dirs("tdx", names);
    for (size_t i = 0; i < n; i++) {
        struct tdx_vector v;

        if (tdx_load("tdx", names[i], &v) && v.has_collateral) {
            expect(&v);
            judged++;
        }
        avow_bundle_done(&v.bundle);
    }
    assert_true(judged >= 14);
}

/* ---- made evidence ---- */

/* Make, trust its root as simulated (or as genuine), verify. */
static void make_and_verify(const struct made_spec *s, int64_t now, bool simulated,
                            struct avow_claims *c)
{
    struct avow_anchors anchors = { .n = 1 };
    struct avow_anchor *a = &anchors.list[0];
    avow_auto(made_done) struct made m = { 0 };
    avow_auto(avow_cleanup_cert) struct avow_cert *root = NULL;
    struct avow_error err = { 0 };

    made_new(s, &m);
    assert_int_equal(avow_cert_parse(avow_buf_view(&m.root), &root, &err), 0);
    *a = (struct avow_anchor){ .tee = AVOW_TEE_TDX, .simulated = simulated, .name = "made" };
    avow_cert_spki_sha256(root, a->spki_sha256);
    verify_with(&m.bundle, &anchors, now, c);
}

static void made_evidence_is_authentic(void **state)
{
    struct made_spec s = made_spec();
    struct avow_claims c;

    (void)state;
    make_and_verify(&s, MADE_NOW, true, &c);
    if (!c.authentic)
        fail_msg("%s: %s", first_failed(&c)->code, first_failed(&c)->text);
    assert_true(c.simulated);
    assert_string_equal(c.root, "made");
    assert_int_equal(c.tdx.tcb_status, AVOW_TCB_UP_TO_DATE);
    assert_memory_equal(c.machine, made_instance, 16);
    assert_int_equal(c.machine_len, 16);
    assert_memory_equal(c.tdx.fmspc, s.fmspc, 6);
    assert_int_equal(c.tdx.tcb_evaluation, 17);
    assert_int_equal(c.valid_from, MADE_NOW - MADE_DAY);
    assert_int_equal(c.valid_until, MADE_NOW + MADE_DAY);
    assert_false(c.debug);
    assert_int_equal(c.tdx.n_advisories, 0);
}

/* The codes of the failed checks, each once, in the order met, with a space between. */
static void failed_codes(const struct avow_claims *c, char out[256])
{
    out[0] = 0;
    for (uint32_t i = 0; i < c->n_checks; i++) {
        const char *code = c->checks[i].code;
        size_t n = strlen(out);

        if (c->checks[i].state != AVOW_CHECK_PASSED && !strstr(out, code))
            snprintf(out + n, 256 - n, "%s%s", n ? " " : "", code);
    }
}

static void expect_codes(const char *what, const struct avow_claims *c, const char *codes)
{
    char got[256];

    failed_codes(c, got);
    if (strcmp(got, codes) != 0)
        fail_msg("%s: failed \"%s\", not \"%s\"", what, got, codes);
    assert_int_equal(c->authentic, codes[0] == 0);
}

/* Evidence that is right but for @change fails just the checks @codes ("" = none). */
#define ROW(codes, change)                       \
    do {                                         \
        struct made_spec s = made_spec();        \
        struct avow_claims c;                    \
        change;                                  \
        make_and_verify(&s, MADE_NOW, true, &c); \
        expect_codes(#change, &c, codes);        \
    } while (0)

static void what_is_absent_is_missing(void **state)
{
    (void)state;
    ROW("missing", s.no_root = true);
    ROW("missing", s.no_ca = true);
    ROW("missing", s.no_leaf = true);
    ROW("missing", s.no_signer = true);
    ROW("missing", s.no_root_crl = true);
    ROW("missing", s.no_pck_crl = true);
    ROW("missing", s.no_tcb_info = true);
    ROW("missing", s.no_qe_identity = true);
    ROW("", s.chain_in_bundle = true);
    ROW("malformed missing", s.extra_cert = true);
    ROW("malformed", s.no_extension = true);
}

static void certificates_must_have_their_roles(void **state)
{
    (void)state;
    ROW("signature", s.leaf_is_ca = true);
    ROW("signature", s.ca_may_not_sign = true);
    ROW("signature", s.root_may_not_sign_crls = true);
    ROW("revoked", s.revoke_leaf = true);
    ROW("revoked", s.revoke_ca = true);
    ROW("revoked", s.revoke_signer = true);
    ROW("missing", s.leaf_cn = "Intel SGX PCK Certificate 2");
    ROW("missing", s.ca_cn = "Intel SGX PCK Other CA");
    ROW("missing", s.signer_cn = "Intel SGX PCK Certificate");
    ROW("missing", s.root_cn = "Intel SGX Root CA 2");
    ROW("", s.ca_cn = AVOW_PCK_PROCESSOR_CA_CN);
    ROW("", s.prefix = "");
}

static void everything_must_be_valid_now(void **state)
{
    (void)state;
    ROW("expired", s.root.until = MADE_NOW - 1);
    ROW("expired", s.ca.until = MADE_NOW - 1);
    ROW("expired", s.leaf.until = MADE_NOW - 1);
    ROW("expired", s.signer.until = MADE_NOW - 1);
    ROW("expired", s.root_crl.until = MADE_NOW - 1);
    ROW("expired", s.pck_crl.until = MADE_NOW - 1);
    ROW("expired", s.tcb_info.until = MADE_NOW - 1);
    ROW("expired", s.qe_identity.until = MADE_NOW - 1);
    ROW("not-yet-valid", s.root.from = MADE_NOW + 1);
    ROW("not-yet-valid", s.ca.from = MADE_NOW + 1);
    ROW("not-yet-valid", s.leaf.from = MADE_NOW + 1);
    ROW("not-yet-valid", s.signer.from = MADE_NOW + 1);
    ROW("not-yet-valid", s.root_crl.from = MADE_NOW + 1);
    ROW("not-yet-valid", s.pck_crl.from = MADE_NOW + 1);
    ROW("not-yet-valid", s.tcb_info.from = MADE_NOW + 1);
    ROW("not-yet-valid", s.qe_identity.from = MADE_NOW + 1);
    ROW("", s.leaf.until = MADE_NOW);
    ROW("", s.tcb_info.until = MADE_NOW);
    ROW("", s.tcb_info.from = MADE_NOW);
}

static void the_quoting_enclave_must_be_intels(void **state)
{
    (void)state;
    ROW("qe-identity", s.qe_attributes0 = 0x13);
    ROW("qe-identity", s.qe_attributes0 = 0x10);
    ROW("", s.qe_attributes0 = 0x15); /* a bit that the mask leaves out */
    ROW("qe-identity", s.qe_mrsigner0 = 1);
    ROW("qe-identity", s.qe_misc0 = 1);
    ROW("qe-identity", s.qe_prod = 1);
    ROW("qe-identity", s.qe_svn = 1);
    ROW("qe-binding", s.qe_tail = 1);
    ROW("qe-identity", s.qe_id = "QE");
    ROW("tcb-info", s.info_id = "SGX");
}

static void documents_must_be_of_this_platform(void **state)
{
    struct made_spec s = made_spec();
    struct made_spec other = made_spec();
    struct made m = { 0 }, n = { 0 };
    struct avow_anchors anchors = { .n = 1 };
    avow_auto(avow_cleanup_cert) struct avow_cert *root = NULL;
    struct avow_claims c;

    (void)state;
    /* All that differs is the document that the same vendor signed for another platform. */
    for (int i = 0; i < 2; i++) {
        avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(MADE_TEXT_MAX);
        avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(MADE_TEXT_MAX);

        made_new(&s, &m);
        MADE_OK(avow_cert_parse(avow_buf_view(&m.root), &root, &err));
        anchors.list[0] = (struct avow_anchor){ .tee = AVOW_TEE_TDX, .simulated = true };
        avow_cert_spki_sha256(root, anchors.list[0].spki_sha256);
        avow_cert_free(avow_steal(&root));
        other.fmspc[5] ^= i == 0;
        other.pceid[1] ^= i == 1;
        made_info_body(&other, &body);
        made_sign(m.signer_key, AVOW_TCB_INFO_NAME, avow_buf_view(&body), &text);
        m.bundle.tcb_info = avow_buf_view(&text);
        verify_with(&m.bundle, &anchors, MADE_NOW, &c);
        expect_codes("another platform's TCB info", &c, "fmspc");
        made_done(&m);
        other = made_spec();
    }
    /* Documents, CRLs and TCB signer of another vendor. */
    made_new(&s, &m);
    made_new(&s, &n);
    MADE_OK(avow_cert_parse(avow_buf_view(&m.root), &root, &err));
    avow_cert_spki_sha256(root, anchors.list[0].spki_sha256);
    m.bundle.tcb_info = n.bundle.tcb_info;
    verify_with(&m.bundle, &anchors, MADE_NOW, &c);
    expect_codes("another vendor's TCB info", &c, "tcb-signature");
    m.bundle.certs[0] = n.bundle.certs[0];
    verify_with(&m.bundle, &anchors, MADE_NOW, &c);
    expect_codes("another vendor's signer", &c, "signature tcb-signature");
    m.bundle.crls[1] = n.bundle.crls[1];
    verify_with(&n.bundle, &anchors, MADE_NOW, &c);
    expect_codes("another vendor", &c, "root");
    assert_false(c.simulated);
    made_done(&m);
    made_done(&n);
}

static void the_leafs_issuer_is_chosen(void **state)
{
    struct made_spec s = made_spec();
    struct made m = { 0 }, n = { 0 };
    struct avow_anchors anchors = { .n = 1 };
    avow_auto(avow_cleanup_cert) struct avow_cert *root = NULL;
    struct avow_claims c;

    (void)state;
    s.chain_in_bundle = true;
    made_new(&s, &n);
    s.ca_cn = AVOW_PCK_PROCESSOR_CA_CN;
    made_new(&s, &m);
    /* another Platform CA comes first */
    m.bundle.certs[m.bundle.n_certs++] = m.bundle.certs[0];
    m.bundle.certs[0] = avow_buf_view(&n.ca);
    MADE_OK(avow_cert_parse(avow_buf_view(&m.root), &root, &err));
    anchors.list[0] = (struct avow_anchor){ .tee = AVOW_TEE_TDX, .simulated = true };
    avow_cert_spki_sha256(root, anchors.list[0].spki_sha256);
    verify_with(&m.bundle, &anchors, MADE_NOW, &c);
    expect_codes("both CAs in the bundle", &c, "");
    made_done(&m);
    made_done(&n);
}

static void simulated_names_need_a_simulated_anchor(void **state)
{
    struct made_spec s = made_spec();
    struct avow_claims c;

    (void)state;
    make_and_verify(&s, MADE_NOW, false, &c);
    expect_codes("simulated names, genuine anchor", &c, "root");
    s.prefix = "";
    make_and_verify(&s, MADE_NOW, false, &c);
    expect_codes("genuine names, genuine anchor", &c, "");
    assert_false(c.simulated);
}

/* ---- TCB status ---- */

#define STATUS(expected, codes, change)                                        \
    do {                                                                       \
        struct made_spec s = made_spec();                                      \
        struct avow_claims c;                                                  \
        change;                                                                \
        make_and_verify(&s, MADE_NOW, true, &c);                               \
        expect_codes(#change, &c, codes);                                      \
        assert_string_equal(avow_tcb_status_name(c.tdx.tcb_status), expected); \
    } while (0)

static void levels_are_matched_in_order(void **state)
{
    (void)state;
    STATUS("OutOfDate", "", s.components[15] = 2);
    STATUS("OutOfDate", "", s.pcesvn = 10);
    STATUS("OutOfDate", "", s.svn[2] = 2);
    STATUS("TCB_NOT_SUPPORTED", "tcb-status", s.components[0] = 0);
    STATUS("TCB_NOT_SUPPORTED", "tcb-status", s.pcesvn = 4);
    STATUS("TCB_NOT_SUPPORTED", "tcb-status", s.svn[2] = 0);
    STATUS("SWHardeningNeeded", "", s.platform[0] = "SWHardeningNeeded");
    STATUS("Revoked", "tcb-status", s.platform[0] = "Revoked");
    ROW("tcb-info", s.platform[0] = "TDRelaunchAdvised"); /* never a level's own word */
}

static void module_and_enclave_converge(void **state)
{
    (void)state;
    STATUS("OutOfDate", "", s.svn[0] = 4);
    STATUS("TCB_NOT_SUPPORTED", "tcb-status", s.svn[0] = 2);
    STATUS("TCB_NOT_SUPPORTED", "tcb-status", s.svn[1] = 2);
    STATUS("TCB_NOT_SUPPORTED", "tcb-status", s.mrsignerseam0 = 1);
    STATUS("TCB_NOT_SUPPORTED", "tcb-status", s.seam_attributes0 = 1);
    STATUS("OutOfDate", "", s.module = "OutOfDate"; s.platform[0] = "SWHardeningNeeded");
    STATUS("OutOfDateConfigurationNeeded", "", s.module = "OutOfDate";
           s.platform[0] = "ConfigurationNeeded");
    STATUS("OutOfDate", "", s.qe_svn = 3);
    STATUS("Revoked", "tcb-status", s.qe = "Revoked");
    STATUS("Revoked", "tcb-status", s.module = "Revoked"; s.platform[0] = "OutOfDate");
    /* major version 0: no identity, and all sixteen TDX components count */
    STATUS("UpToDate", "", s.svn[1] = 0);
    STATUS("TCB_NOT_SUPPORTED", "tcb-status", s.svn[1] = 0; s.mrsignerseam0 = 1);
}

static void version_15_is_judged_twice(void **state)
{
    (void)state;
    STATUS("UpToDate", "", s.version = 5; s.body_type = AVOW_TDX_BODY_10; s.svn2[2] = 0);
    STATUS("UpToDate", "", s.version = 5; s.body_type = AVOW_TDX_BODY_15);
    STATUS("UpToDate", "", s.version = 5; s.body_type = AVOW_TDX_BODY_15_EXT);
    STATUS("TDRelaunchAdvised", "", s.version = 5; s.body_type = AVOW_TDX_BODY_15; s.svn[0] = 4);
    STATUS("TDRelaunchAdvisedConfigurationNeeded", "", s.version = 5;
           s.body_type = AVOW_TDX_BODY_15; s.svn[0] = 4; s.platform[0] = "ConfigurationNeeded");
    STATUS("OutOfDate", "", s.version = 5; s.body_type = AVOW_TDX_BODY_15; s.svn[0] = 4;
           s.svn2[0] = 4);
    STATUS("OutOfDate", "", s.version = 5; s.body_type = AVOW_TDX_BODY_15; s.svn2[0] = 4);
    STATUS("TCB_NOT_SUPPORTED", "tcb-status", s.version = 5; s.body_type = AVOW_TDX_BODY_15;
           s.svn2[0] = 1);
}

static void claims_are_those_of_the_evidence(void **state)
{
    struct made_spec s = made_spec();
    struct avow_claims c;

    (void)state;
    s.version = 5;
    s.body_type = AVOW_TDX_BODY_15;
    s.td_attributes0 = 1;
    s.processor = true;
    s.qe_evaluation = 16;
    s.n_advisories = 3;
    s.qe_svn = 3;
    s.svn2[0] = 4;
    make_and_verify(&s, MADE_NOW, true, &c);
    expect_codes("all of it", &c, "");
    assert_true(c.debug);
    assert_memory_equal(c.machine, made_ppid, 16); /* no platform instance: PPID */
    assert_int_equal(c.tdx.tcb_evaluation, 16);    /* the lower of the two */
    assert_int_equal(c.tdx.quote_version, 5);
    assert_true(c.tdx.has_svn2);
    assert_memory_equal(c.tdx.tee_tcb_svn, s.svn, 16);
    assert_memory_equal(c.tdx.tee_tcb_svn2, s.svn2, 16);
    for (size_t i = 0; i < 48; i++) {
        assert_int_equal(c.measurement[i], (AVOW_TDX_OFF_MRTD + i) % 251 + 1);
        assert_int_equal(c.tdx.rtmr[3][i], (AVOW_TDX_OFF_RTMR0 + 3 * 48 + i) % 251 + 1);
        assert_int_equal(c.tdx.mrservicetd[i], (AVOW_TDX_OFF_MRSERVICETD + i) % 251 + 1);
    }
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(c.report_data[i], (AVOW_TDX_OFF_REPORTDATA + i) % 251 + 1);
    /* union without doubles: three of the platform, of the old module and of the old QE level */
    assert_int_equal(c.tdx.n_advisories, 5);
    s.n_advisories = AVOW_LEVEL_ADVISORIES_MAX;
    make_and_verify(&s, MADE_NOW, true, &c);
    expect_codes("more advisories than can be told", &c, "tcb-info");
}

/* ---- real evidence, changed ---- */

#define LATE_NOW 1780272000 /* 2026-06-01: every PCK certificate of the vectors is valid */

static void real_quotes_alone_lack_collateral_only(void **state)
{
    char names[TEST_DIRS][128];
    size_t n = 0, judged = 0;

    (void)state;
    if (!test_vectors())
        skip();
    n = tdx_dirs("tdx", names);
    for (size_t i = 0; i < n; i++) {
        struct tdx_vector v;
        struct avow_claims c;

        if (tdx_load("tdx", names[i], &v) && !v.has_collateral) {
            verify(&v.bundle, LATE_NOW, &c);
            expect_codes(v.name, &c, "missing");
            assert_string_equal(c.root, "Intel SGX Root CA");
            judged++;
        }
        avow_bundle_done(&v.bundle);
    }
    assert_true(judged >= 11);
}

static void bad_real_quotes_are_refused(void **state)
{
    struct tdx_vector v;
    struct avow_claims c;

    (void)state;
    if (!test_vectors())
        skip();
    assert_true(tdx_load("tdx-bad", "cc-api-preprod-root", &v));
    verify(&v.bundle, LATE_NOW, &c);
    expect_codes(v.name, &c, "missing root");
    avow_bundle_done(&v.bundle);
    assert_true(tdx_load("tdx-bad", "fraunhofer-invalidTdxQuote", &v));
    verify(&v.bundle, LATE_NOW, &c);
    assert_false(c.authentic);
    assert_string_not_equal(first_failed(&c)->code, "missing");
    avow_bundle_done(&v.bundle);
    assert_true(tdx_load("sgx", "phala-sgx-v3", &v));
    verify(&v.bundle, LATE_NOW, &c);
    expect_codes(v.name, &c, "malformed");
    avow_bundle_done(&v.bundle);
}

/* Intel's sample has its own root, its chain in DER, component SVNs in the TCB info that are no
 * bytes, and another MRSIGNER in the QE report than in the identity; its MISCSELECT tells the byte
 * order. */
static void intels_sample_fails_for_its_contents(void **state)
{
    static const char class[] = "tdx";
    struct tdx_vector v = { .name = "intel-qvl-sample-testroot" };
    struct avow_anchors anchors = { .n = 1 };
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(TEST_DER_MAX);
    avow_auto(avow_cleanup_cert) struct avow_cert *root = NULL;
    avow_autofree uint8_t *pem = NULL;
    struct avow_bytes der = { 0 };
    struct avow_claims c;
    size_t len = 0, n = 0;

    (void)state;
    if (!test_vectors())
        skip();
    pem = tdx_file(class, v.name, "trustedRootCaCert.pem", &len);
    assert_non_null(pem);
    MADE_OK(avow_pem_to_der(AVOW_BYTES(pem, len), &store, &der, 1, &n, &err));
    MADE_OK(avow_cert_parse(der, &root, &err));
    anchors.list[0] = (struct avow_anchor){ .tee = AVOW_TEE_TDX, .name = "sample" };
    avow_cert_spki_sha256(root, anchors.list[0].spki_sha256);
    assert_true(tdx_put_file(&v, class, "quote.dat", AVOW_PART_EVIDENCE));
    assert_true(tdx_put_file(&v, class, "tcbInfo.json", AVOW_PART_TCB_INFO));
    assert_true(tdx_put_file(&v, class, "qeIdentity.json", AVOW_PART_QE_IDENTITY));
    assert_true(tdx_put_file(&v, class, "rootCaCrl.der", AVOW_PART_CRL));
    assert_true(tdx_put_file(&v, class, "intermediateCaCrl.der", AVOW_PART_CRL));
    tdx_put_pem(&v, class, "pckCert.pem");
    tdx_put_pem(&v, class, "pckSignChain.pem");
    tdx_put_pem(&v, class, "tcbSignChain.pem");
    verify_with(&v.bundle, &anchors, LATE_NOW, &c);
    expect_codes(v.name, &c, "tcb-info qe-identity");
    assert_non_null(strstr(c.checks[c.n_checks - 1].text, "MRSIGNER differs"));
    verify(&v.bundle, LATE_NOW, &c);
    expect_codes("with Intel's own root", &c, "root tcb-info qe-identity");
    avow_bundle_done(&v.bundle);
}

/* A copy of @b whose @part is @text. */
static struct avow_bundle with(const struct avow_bundle *b, enum avow_bundle_part part,
                               struct avow_bytes text)
{
    struct avow_bundle out = *b;

    if (part == AVOW_PART_EVIDENCE)
        out.evidence = text;
    else if (part == AVOW_PART_TCB_INFO)
        out.tcb_info = text;
    else
        out.qe_identity = text;
    return out;
}

/* Each @step-th byte of [from, from+len) of @part has one bit flipped: never authentic. */
static void flip(const struct tdx_vector *v, enum avow_bundle_part part, struct avow_bytes text,
                 size_t from, size_t len, size_t step)
{
    avow_autofree uint8_t *copy = malloc(text.len);
    struct avow_bundle b = with(&v->bundle, part, AVOW_BYTES(copy, text.len));
    struct avow_claims c;

    assert_non_null(copy);
    memcpy(copy, text.data, text.len);
    for (size_t i = from; i < from + len; i += step) {
        copy[i] ^= (uint8_t)(1u << (i / step % 8));
        verify(&b, tdx_mid(v), &c);
        if (c.authentic)
            fail_msg("%s: authentic with byte %zu of part %d flipped", v->name, i, (int)part);
        copy[i] = text.data[i];
    }
    verify(&b, tdx_mid(v), &c);
    assert_true(c.authentic);
}

/* The object that is signed, and a digit of the signature. */
static void flip_document(const struct tdx_vector *v, enum avow_bundle_part part,
                          struct avow_bytes text, const char *name)
{
    avow_auto(avow_document_done) struct avow_document d = { 0 };
    const uint8_t *signature = memmem(text.data, text.len, "\"signature\":\"", 13);

    MADE_OK(avow_document_parse(text, name, &d, &err));
    assert_non_null(signature);
    flip(v, part, text, (size_t)(d.signed_bytes.data - text.data), d.signed_bytes.len, 71);
    flip(v, part, text, (size_t)(signature + 13 - text.data), 1, 1);
}

static void signed_bytes_cannot_change(void **state)
{
    static const char *const names[] = { "google-v5-90c06f-with-2026-03-collateral",
                                         "cdai-v4-azure-90c06f" };

    (void)state;
    if (!test_vectors())
        skip();
    for (size_t i = 0; i < 2; i++) {
        struct tdx_vector v;
        struct avow_tdx_quote q;

        assert_true(tdx_load("tdx", names[i], &v));
        MADE_OK(avow_tdx_quote_parse(v.bundle.evidence, &q, &err));
        flip(&v, AVOW_PART_EVIDENCE, v.bundle.evidence, 0,
             (size_t)(q.cert_data.data - v.bundle.evidence.data), 19);
        flip_document(&v, AVOW_PART_TCB_INFO, v.bundle.tcb_info, AVOW_TCB_INFO_NAME);
        flip_document(&v, AVOW_PART_QE_IDENTITY, v.bundle.qe_identity, AVOW_QE_IDENTITY_NAME);
        avow_bundle_done(&v.bundle);
    }
}

static void collateral_of_others_is_refused(void **state)
{
    static struct tdx_vector v[TEST_DIRS];
    char names[TEST_DIRS][128];
    size_t n = 0, loaded = 0;

    (void)state;
    if (!test_vectors())
        skip();
    n = tdx_dirs("tdx", names);
    for (size_t i = 0; i < n; i++)
        if (tdx_load("tdx", names[i], &v[loaded]) && v[loaded].has_collateral)
            loaded++;
        else
            avow_bundle_done(&v[loaded].bundle);
    for (size_t i = 0; i < loaded; i++) {
        for (size_t j = 0; j < loaded; j++) {
            /* v[j] in every way, but the quote is v[i]'s */
            struct avow_bundle b = with(&v[j].bundle, AVOW_PART_EVIDENCE, v[i].bundle.evidence);
            struct avow_claims c;

            verify(&b, tdx_mid(&v[j]), &c);
            if (c.authentic) {
                avow_auto(avow_cleanup_tcb_info) struct avow_tcb_info *t = NULL;

                MADE_OK(avow_tcb_info_parse(v[j].bundle.tcb_info, &t, &err));
                assert_memory_equal(t->fmspc, c.tdx.fmspc, 6);
            }
        }
    }
    for (size_t i = 0; i < loaded; i++)
        avow_bundle_done(&v[i].bundle);
}

static int set_up(void **state)
{
    (void)state;
    return avow_verify_cache_new(AVOW_CACHE_ENTRIES_MIN, &shared, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    avow_verify_cache_free(shared);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_real_bundle_has_its_status),
        cmocka_unit_test(made_evidence_is_authentic),
        cmocka_unit_test(what_is_absent_is_missing),
        cmocka_unit_test(certificates_must_have_their_roles),
        cmocka_unit_test(everything_must_be_valid_now),
        cmocka_unit_test(the_quoting_enclave_must_be_intels),
        cmocka_unit_test(documents_must_be_of_this_platform),
        cmocka_unit_test(the_leafs_issuer_is_chosen),
        cmocka_unit_test(simulated_names_need_a_simulated_anchor),
        cmocka_unit_test(levels_are_matched_in_order),
        cmocka_unit_test(module_and_enclave_converge),
        cmocka_unit_test(version_15_is_judged_twice),
        cmocka_unit_test(claims_are_those_of_the_evidence),
        cmocka_unit_test(real_quotes_alone_lack_collateral_only),
        cmocka_unit_test(bad_real_quotes_are_refused),
        cmocka_unit_test(intels_sample_fails_for_its_contents),
        cmocka_unit_test(signed_bytes_cannot_change),
        cmocka_unit_test(collateral_of_others_is_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
