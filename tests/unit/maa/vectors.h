/* Microsoft's real requests, tokens and keys. */
#ifndef AVOW_TEST_MAA_VECTORS_H
#define AVOW_TEST_MAA_VECTORS_H

#include "../test.h"
#include "codec/json.h"
#include "crypto/x509.h"
#include "maa/request.h"
#include "maa/verify.h"

#define SNP_REQUEST "extra/maa/azure-samples-sevsnpvm-attest-request.json"
#define SNP_TOKEN "azure-maa/sharedweu-2025-04-08-b6d229.jwt"
#define SNP_NOW 1744085700 /* when Microsoft made the token */
#define TDX_REQUEST "extra/maa/derived-attestation-rs-tdxvm-attest-request.json"
#define TDX_COLLATERAL "tdx/cdai-v4-azure-90c06f"
#define TDX_NOW 1774995607 /* when Intel's own library accepted the quote: INDEX.md */

/* vectors/@name; skip()s the test, loudly, if there are no vectors. */
static inline struct avow_buf maa_vector(const char *name)
{
    struct avow_buf out = AVOW_BUF(1u << 24);
    avow_autofree char *path = NULL;
    avow_autofree uint8_t *data = NULL;
    size_t n = 0;

    if (!test_vectors())
        skip();
    assert_true(asprintf(&path, "%s/%s", test_vectors(), name) > 0);
    data = test_read_file(path, &n);
    if (!data)
        fail_msg("%s cannot be read", path);
    while (n && data[n - 1] == '\n') /* tokens were stored as lines */
        n--;
    avow_buf_put(&out, data, n);
    assert_int_equal(avow_buf_ok(&out, NULL), 0);
    return out;
}

static inline void maa_parse(enum avow_maa_type type, struct avow_bytes body,
                             struct avow_maa_request *out)
{
    struct avow_error err = { 0 };

    if (avow_maa_request_parse(type, body, out, &err) < 0)
        fail_msg("%s", err.text);
}

static inline void maa_put(struct avow_maa_request *r, enum avow_bundle_part part, const char *file)
{
    struct avow_error err = { 0 };
    avow_auto(avow_buf_done) struct avow_buf data = maa_vector(file);

    if (avow_bundle_put(&r->bundle, part, avow_buf_view(&data), &err) < 0)
        fail_msg("%s", err.text);
}

/* What the TDX request's quote is verified with. */
static inline void maa_put_collateral(struct avow_maa_request *r)
{
    avow_auto(avow_buf_done) struct avow_buf pem =
        maa_vector(TDX_COLLATERAL "/tcb_signing_chain.pem");
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(1u << 20);
    struct avow_bytes ders[4];
    size_t n = 0;

    assert_int_equal(avow_pem_to_der(avow_buf_view(&pem), &store, ders, 4, &n, NULL), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(avow_bundle_put(&r->bundle, AVOW_PART_CERT, ders[i], NULL), 0);
    maa_put(r, AVOW_PART_TCB_INFO, TDX_COLLATERAL "/tcb_info.json");
    maa_put(r, AVOW_PART_QE_IDENTITY, TDX_COLLATERAL "/qe_identity.json");
    maa_put(r, AVOW_PART_CRL, TDX_COLLATERAL "/root_ca_crl.der");
    maa_put(r, AVOW_PART_CRL, TDX_COLLATERAL "/pck_crl.der");
}

static inline void maa_snp_request(struct avow_maa_request *r)
{
    avow_auto(avow_buf_done) struct avow_buf body = maa_vector(SNP_REQUEST);

    maa_parse(AVOW_MAA_SEVSNPVM, avow_buf_view(&body), r);
}

static inline void maa_tdx_request(struct avow_maa_request *r)
{
    avow_auto(avow_buf_done) struct avow_buf body = maa_vector(TDX_REQUEST);

    maa_parse(AVOW_MAA_TDXVM, avow_buf_view(&body), r);
    maa_put_collateral(r);
}

static inline void maa_verified(const struct avow_maa_request *r, int64_t now,
                                struct avow_claims *c)
{
    struct avow_anchors anchors;
    struct avow_error err = { 0 };

    avow_anchors_builtin(&anchors);
    if (avow_maa_verify(r, &anchors, now, NULL, c, &err) < 0)
        fail_msg("%s", err.text);
}

static inline const char *maa_failed(const struct avow_claims *c)
{
    for (uint32_t i = 0; i < c->n_checks; i++)
        if (c->checks[i].state != AVOW_CHECK_PASSED)
            return c->checks[i].code;
    return "";
}

#endif
