/* The real SNP evidence as bundles. */
#ifndef AVOW_TEST_SNP_VECTORS_H
#define AVOW_TEST_SNP_VECTORS_H

#include <dirent.h>

#include "crypto/x509.h"
#include "evidence/bundle.h"
#include "evidence/snp.h"
#include "test.h"

#define TEST_DIRS 64

/* Sub-folders of vectors/@class by name; their number. */
static inline size_t test_dirs(const char *class, char names[TEST_DIRS][128])
{
    avow_autofree char *path = NULL;
    DIR *d = NULL;
    const struct dirent *e = NULL;
    size_t n = 0;

    if (asprintf(&path, "%s/%s", test_vectors(), class) < 0)
        return 0;
    d = opendir(path);
    assert_non_null(d);
    while ((e = readdir(d)) != NULL && n < TEST_DIRS)
        if (e->d_name[0] != '.')
            snprintf(names[n++], sizeof names[0], "%.127s", e->d_name);
    closedir(d);
    return n;
}

/* vectors/@class/@dir/@file, or NULL. */
static inline uint8_t *test_vector(const char *class, const char *dir, const char *file,
                                   size_t *len)
{
    avow_autofree char *path = NULL;

    if (asprintf(&path, "%s/%s/%s/%s", test_vectors(), class, dir, file) < 0)
        return NULL;
    return test_read_file(path, len);
}

static inline void test_put(struct avow_bundle *b, enum avow_bundle_part part, const void *data,
                            size_t len)
{
    struct avow_error err = { 0 };

    if (avow_bundle_put(b, part, AVOW_BYTES(data, len), &err) < 0)
        fail_msg("%s", err.text);
}

/* Report, leaf @leaf_file (NULL: vcek.der or vlek.der) and chain; @now = a day after the leaf's
 * validity begins (0 without a leaf). */
static inline void test_snp_bundle(const char *class, const char *dir, const char *leaf_file,
                                   struct avow_bundle *b, int64_t *now)
{
    avow_autofree uint8_t *report = NULL;
    avow_autofree uint8_t *leaf = NULL;
    avow_autofree uint8_t *chain = NULL;
    avow_auto(avow_buf_done) struct avow_buf ders = AVOW_BUF(1u << 20);
    struct avow_bytes view[8];
    size_t n_report = 0, n_leaf = 0, n_chain = 0, n = 0;

    memset(b, 0, sizeof *b);
    b->tee = AVOW_TEE_SNP;
    *now = 0;
    report = test_vector(class, dir, "report.bin", &n_report);
    assert_non_null(report);
    test_put(b, AVOW_PART_EVIDENCE, report, n_report);
    leaf = test_vector(class, dir, leaf_file ? leaf_file : "vcek.der", &n_leaf);
    if (!leaf && !leaf_file)
        leaf = test_vector(class, dir, "vlek.der", &n_leaf);
    if (leaf) {
        avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;
        int64_t until = 0;

        assert_int_equal(avow_cert_parse(AVOW_BYTES(leaf, n_leaf), &c, NULL), 0);
        avow_cert_validity(c, now, &until);
        *now += 86400;
        test_put(b, AVOW_PART_CERT, leaf, n_leaf);
    }
    chain = test_vector(class, dir, "chain.pem", &n_chain);
    if (chain) {
        assert_int_equal(avow_pem_to_der(AVOW_BYTES(chain, n_chain), &ders, view, 8, &n, NULL), 0);
        for (size_t i = 0; i < n; i++)
            test_put(b, AVOW_PART_CERT, view[i].data, view[i].len);
    }
}

#endif
