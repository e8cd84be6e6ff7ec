/* Documents with one thing changed: each edit must be what makes them refused. */
#ifndef AVOW_TEST_EDIT_H
#define AVOW_TEST_EDIT_H

#include <dirent.h>

#include "../tdx_maker.h"

/* @text with the first @from put as @to, in @out. */
static inline void edit(struct avow_bytes text, const char *from, const char *to,
                        struct avow_buf *out)
{
    const uint8_t *at = memmem(text.data, text.len, from, strlen(from));
    size_t before = 0;

    if (!at)
        fail_msg("\"%s\" is not in the document", from);
    before = (size_t)(at - text.data);
    avow_buf_reset(out);
    avow_buf_put(out, text.data, before);
    avow_buf_put_str(out, to);
    avow_buf_put(out, at + strlen(from), text.len - before - strlen(from));
    assert_int_equal(avow_buf_ok(out, NULL), 0);
}

/* {"@name":@body,"signature":"00..."} */
static inline void envelope(const char *name, struct avow_bytes body, struct avow_buf *out)
{
    avow_buf_reset(out);
    avow_buf_putf(out, "{\"%s\":", name);
    avow_buf_put_bytes(out, body);
    avow_buf_putf(out, ",\"signature\":\"%0128d\"}", 0);
    assert_int_equal(avow_buf_ok(out, NULL), 0);
}

/* Every file of vectors/@class whose name begins with @prefix. */
static inline size_t each_file(const char *class, const char *prefix,
                               void (*fn)(const char *name, struct avow_bytes text))
{
    char path[4096];
    const struct dirent *e = NULL;
    DIR *d = NULL;
    size_t n = 0;

    snprintf(path, sizeof path, "%s/%s", test_vectors(), class);
    d = opendir(path);
    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        avow_autofree uint8_t *text = NULL;
        size_t len = 0;

        if (strncmp(e->d_name, prefix, strlen(prefix)) != 0 || !strstr(e->d_name, ".json"))
            continue;
        snprintf(path, sizeof path, "%s/%s/%.255s", test_vectors(), class, e->d_name);
        text = test_read_file(path, &len);
        assert_non_null(text);
        fn(e->d_name, AVOW_BYTES(text, len));
        n++;
    }
    closedir(d);
    return n;
}

/* The TCB signing certificate of vectors/intel-roots (one key in all of them). */
static inline struct avow_cert *tcb_signer(void)
{
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(1u << 20);
    char path[4096];
    struct avow_cert *cert = NULL;
    struct avow_bytes der = { 0 };
    size_t len = 0, n = 0;
    avow_autofree uint8_t *pem = NULL;

    snprintf(path, sizeof path, "%s/intel-roots/tcb_signing_2025-05-06_2032-05-06.pem",
             test_vectors());
    pem = test_read_file(path, &len);
    assert_non_null(pem);
    MADE_OK(avow_pem_to_der(AVOW_BYTES(pem, len), &store, &der, 1, &n, &err));
    MADE_OK(avow_cert_parse(der, &cert, &err));
    return cert;
}

static inline int signature_of(const struct avow_document *d)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *cert = tcb_signer();

    return avow_cert_ecdsa_verify(cert, AVOW_P256, d->signed_bytes, AVOW_BYTES_OF(d->signature),
                                  NULL);
}

#endif
