/* The real TDX evidence as bundles. */
#ifndef AVOW_TEST_TDX_VECTORS_H
#define AVOW_TEST_TDX_VECTORS_H

#include <dirent.h>

#include "codec/json.h"
#include "collateral/document.h"
#include "crypto/x509.h"
#include "evidence/bundle.h"
#include "test.h"

#define TEST_DIRS 64
#define TEST_DER_MAX (1u << 20)

struct tdx_vector {
    char name[128];
    struct avow_bundle bundle;
    bool has_collateral; /* TCB info and QE identity */
    bool borrowed_crl;   /* a CRL is of vectors/intel-crl, not the bundle's own */
    char tcb[64];        /* meta.json's "tcb" */
    int64_t from, until; /* meta.json's "window" */
};

/* Sub-folders of vectors/@class; their number. */
static inline size_t tdx_dirs(const char *class, char names[TEST_DIRS][128])
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

static inline uint8_t *tdx_file(const char *class, const char *dir, const char *file, size_t *len)
{
    avow_autofree char *path = NULL;

    if (asprintf(&path, "%s/%s/%.255s/%s", test_vectors(), class, dir, file) < 0)
        return NULL;
    return test_read_file(path, len);
}

static inline bool tdx_put_file(struct tdx_vector *v, const char *class, const char *file,
                                enum avow_bundle_part part)
{
    struct avow_error err = { 0 };
    size_t len = 0;
    avow_autofree uint8_t *data = tdx_file(class, v->name, file, &len);

    if (data && avow_bundle_put(&v->bundle, part, AVOW_BYTES(data, len), &err) < 0)
        fail_msg("%s/%s: %s", v->name, file, err.text);
    return data != NULL;
}

static inline void tdx_put_pem(struct tdx_vector *v, const char *class, const char *file)
{
    struct avow_error err = { 0 };
    size_t len = 0, n = 0;
    avow_autofree uint8_t *pem = tdx_file(class, v->name, file, &len);
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(TEST_DER_MAX);
    struct avow_bytes ders[4];

    if (!pem)
        return;
    if (avow_pem_to_der(AVOW_BYTES(pem, len), &store, ders, 4, &n, &err) < 0)
        fail_msg("%s/%s: %s", v->name, file, err.text);
    for (size_t i = 0; i < n; i++)
        if (avow_bundle_put(&v->bundle, AVOW_PART_CERT, ders[i], &err) < 0)
            fail_msg("%s/%s: %s", v->name, file, err.text);
}

/* A CRL of vectors/intel-crl whose name begins with @prefix and that is valid at @now: for bundles
 * that were stored without it. */
static inline void tdx_put_crl_of(struct tdx_vector *v, const char *prefix, int64_t now)
{
    avow_autofree char *path = NULL;
    struct avow_error err = { 0 };
    const struct dirent *e = NULL;
    DIR *d = NULL;
    bool found = false;

    if (asprintf(&path, "%s/intel-crl", test_vectors()) < 0)
        return;
    d = opendir(path);
    assert_non_null(d);
    while (!found && (e = readdir(d)) != NULL) {
        avow_auto(avow_cleanup_crl) struct avow_crl *crl = NULL;
        avow_autofree uint8_t *data = NULL;
        int64_t from = 0, until = 0;
        size_t len = 0;

        if (strncmp(e->d_name, prefix, strlen(prefix)) != 0 || strstr(e->d_name, "TESTCA"))
            continue;
        data = tdx_file("intel-crl", "", e->d_name, &len);
        assert_non_null(data);
        assert_int_equal(avow_crl_parse(AVOW_BYTES(data, len), &crl, &err), 0);
        avow_crl_validity(crl, &from, &until);
        found = from <= now && now <= until;
        if (found)
            assert_int_equal(
                avow_bundle_put(&v->bundle, AVOW_PART_CRL, AVOW_BYTES(data, len), &err), 0);
    }
    closedir(d);
    if (!found)
        fail_msg("%s: no CRL %s* for it", v->name, prefix);
    v->borrowed_crl = true;
}

static inline int64_t tdx_mid(const struct tdx_vector *v)
{
    return v->from + (v->until - v->from) / 2;
}

static inline void tdx_read_meta(struct tdx_vector *v, const char *class)
{
    struct avow_error err = { 0 };
    avow_autojson json_t *meta = NULL;
    size_t len = 0;
    avow_autofree uint8_t *text = tdx_file(class, v->name, "meta.json", &len);
    const char *s = NULL;
    char date[32] = "";

    assert_non_null(text);
    if (avow_json_parse(AVOW_BYTES(text, len), &meta, &err) < 0)
        fail_msg("%s: %s", v->name, err.text);
    s = json_string_value(json_object_get(meta, "tcb"));
    snprintf(v->tcb, sizeof v->tcb, "%s", s ? s : "");
    s = json_string_value(json_object_get(meta, "window"));
    if (!s || strlen(s) != 42 || strncmp(s + 20, "..", 2) != 0)
        return;
    snprintf(date, sizeof date, "%.20s", s);
    assert_int_equal(avow_document_date(date, &v->from, &err), 0);
    assert_int_equal(avow_document_date(s + 22, &v->until, &err), 0);
}

/* vectors/@class/@dir; false if it has no quote.bin. Done with avow_bundle_done(&v->bundle). */
static inline bool tdx_load(const char *class, const char *dir, struct tdx_vector *v)
{
    memset(v, 0, sizeof *v);
    snprintf(v->name, sizeof v->name, "%.127s", dir);
    v->bundle.tee = AVOW_TEE_TDX;
    if (!tdx_put_file(v, class, "quote.bin", AVOW_PART_EVIDENCE))
        return false;
    tdx_read_meta(v, class);
    v->has_collateral = tdx_put_file(v, class, "tcb_info.json", AVOW_PART_TCB_INFO) &&
                        tdx_put_file(v, class, "qe_identity.json", AVOW_PART_QE_IDENTITY);
    tdx_put_pem(v, class, "tcb_signing_chain.pem");
    if (!tdx_put_file(v, class, "root_ca_crl.der", AVOW_PART_CRL) && v->has_collateral)
        tdx_put_crl_of(v, "root_", tdx_mid(v));
    if (!tdx_put_file(v, class, "pck_crl.der", AVOW_PART_CRL) && v->has_collateral)
        tdx_put_crl_of(v, "pck_platform_", tdx_mid(v));
    return true;
}

#endif
