/* Bundles of simulated machines before the very verifier that judges real ones. */
#ifndef AVOW_TEST_SOURCE_VERIFIED_H
#define AVOW_TEST_SOURCE_VERIFIED_H

#include <time.h>

#include "crypto/hash.h"
#include "folders.h"
#include "verify/anchors.h"
#include "verify/snp.h"
#include "verify/tdx.h"

#define STATEMENT "{\"type\":\"test\"}"

static inline void test_anchors(const char *vendor, struct avow_anchors *a)
{
    struct avow_buf pem = AVOW_BUF(AVOW_CERT_DER_MAX);
    struct avow_error err = { 0 };
    int fd = test_open(vendor);

    avow_anchors_builtin(a);
    assert_int_equal(folder_read(fd, SIM_ROOTS, &pem, NULL), 0);
    if (avow_anchors_add_simulated(a, avow_buf_view(&pem), &err) < 0)
        fail_msg("%s", err.text);
    avow_buf_done(&pem);
    close(fd);
}

/* Make a machine at @dir and a bundle over STATEMENT, read back from its JSON text. */
static inline void test_bundle(const char *vendor, const char *dir, const struct avow_sim_vm *vm,
                               struct avow_bundle *out)
{
    const char *kind = vm->tee == AVOW_TEE_SNP ? AVOW_SOURCE_SIM_SNP : AVOW_SOURCE_SIM_TDX;
    struct avow_source *s = NULL;
    struct avow_buf text = AVOW_BUF(AVOW_BUNDLE_MAX);
    struct avow_error err = { 0 };

    if (avow_sim_vm_new(vendor, dir, vm, &err) < 0 || avow_source_open(kind, dir, &s, &err) < 0 ||
        avow_source_bundle(s, avow_bytes_str(STATEMENT), &text, &err) < 0 ||
        avow_bundle_parse(avow_buf_view(&text), out, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(avow_source_ops(s)->simulated);
    assert_string_equal(avow_source_ops(s)->name, kind);
    assert_int_equal(out->tee, vm->tee);
    assert_true(avow_bytes_equal(out->statement, avow_bytes_str(STATEMENT)));
    avow_source_free(s);
    avow_buf_done(&text);
}

static inline void test_verify(const struct avow_bundle *b, const struct avow_anchors *a,
                               int64_t now, struct avow_claims *c)
{
    if (b->tee == AVOW_TEE_SNP)
        assert_int_equal(avow_snp_verify(b, a, now, c, NULL), 0);
    else
        assert_int_equal(avow_tdx_verify(b, a, now, c, NULL), 0);
}

/* A bundle of a machine as @vm says, verified now under the simulated anchors. */
static inline void test_claims(const char *vendor, const char *dir, const struct avow_sim_vm *vm,
                               struct avow_claims *c)
{
    struct avow_bundle b = { 0 };
    struct avow_anchors a;

    test_anchors(vendor, &a);
    test_bundle(vendor, dir, vm, &b);
    test_verify(&b, &a, (int64_t)time(NULL), c);
    avow_bundle_done(&b);
}

static inline const struct avow_check *test_failed(const struct avow_claims *c, const char *code)
{
    for (uint32_t i = 0; i < c->n_checks; i++)
        if (c->checks[i].state == AVOW_CHECK_FAILED && strcmp(c->checks[i].code, code) == 0)
            return &c->checks[i];
    return NULL;
}

static inline void test_authentic(const struct avow_claims *c)
{
    for (uint32_t i = 0; i < c->n_checks; i++)
        if (c->checks[i].state != AVOW_CHECK_PASSED)
            fail_msg("%s: %s", c->checks[i].code, c->checks[i].text);
    assert_true(c->authentic);
    assert_true(c->simulated);
}

/* What is the same for both kinds: binding, measurement, name of the root. */
static inline void test_common_claims(const struct avow_claims *c, const char *image,
                                      const char *root)
{
    uint8_t measurement[48], report_data[64] = { 0 };

    test_authentic(c);
    assert_int_equal(avow_sim_measurement(image, measurement, NULL), 0);
    assert_memory_equal(c->measurement, measurement, 48);
    assert_int_equal(avow_sha256(avow_bytes_str(STATEMENT), report_data), 0);
    assert_memory_equal(c->report_data, report_data, 64);
    assert_string_equal(c->root, root);
}

/* Without the simulated anchors: refused for its root. After its leaf has expired: for that. */
static inline void test_refusals(const char *vendor, const char *dir, enum avow_tee tee)
{
    int64_t now = (int64_t)time(NULL);
    struct avow_sim_vm vm = { .tee = tee, .not_after = now - 60 };
    struct avow_anchors a;
    struct avow_bundle b = { 0 };
    struct avow_claims c;

    test_bundle(vendor, dir, &vm, &b);
    avow_anchors_builtin(&a);
    test_verify(&b, &a, now - 120, &c);
    assert_non_null(test_failed(&c, "root"));
    assert_false(c.authentic);
    test_anchors(vendor, &a);
    test_verify(&b, &a, now - 120, &c);
    test_authentic(&c);
    test_verify(&b, &a, now, &c);
    assert_non_null(test_failed(&c, "expired"));
    assert_false(c.authentic);
    avow_bundle_done(&b);
}

#endif
