#include "crypto/gcm.h"

#include <dlfcn.h>
#include <intel-ipsec-mb.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

struct avow_gcm {
    struct gcm_key_data mb_key; /* 64-byte aligned by its type */
    IMB_MGR *mb; /* NULL: OpenSSL; else shared by the process, only its function table is used */
    EVP_CIPHER_CTX *seal;
    EVP_CIPHER_CTX *open;
};

static IMB_MGR *mb_shared;
static pthread_once_t mb_once = PTHREAD_ONCE_INIT;

/* The manager's layout belongs to the very version that the header describes, and the library's
 * soname does not tell versions apart: anything but the same version is left alone. */
static void mb_load(void)
{
    void *lib = dlopen("libIPSec_MB.so.1", RTLD_NOW | RTLD_LOCAL);
    unsigned (*version)(void) = NULL;
    IMB_MGR *(*alloc)(uint64_t) = NULL;
    void (*init)(IMB_MGR *, IMB_ARCH *) = NULL;

    if (!lib)
        return;
    version = (unsigned (*)(void))dlsym(lib, "imb_get_version");
    alloc = (IMB_MGR * (*)(uint64_t)) dlsym(lib, "alloc_mb_mgr");
    init = (void (*)(IMB_MGR *, IMB_ARCH *))dlsym(lib, "init_mb_mgr_auto");
    if (!version || !alloc || !init || version() != IMB_VERSION_NUM)
        return;
    mb_shared = alloc(0);
    if (mb_shared)
        init(mb_shared, NULL);
}

static int openssl_new(struct avow_gcm *g)
{
    g->seal = EVP_CIPHER_CTX_new();
    g->open = EVP_CIPHER_CTX_new();
    if (!g->seal || !g->open)
        return -AVOW_E_NOMEM;
    return 0;
}

int avow_gcm_new(enum avow_gcm_engine engine, const struct avow_key *key, struct avow_gcm **out)
{
    avow_auto(avow_cleanup_gcm) struct avow_gcm *g = NULL;
    size_t align = _Alignof(struct avow_gcm);
    void *mem = NULL;

    if (posix_memalign(&mem, align < sizeof(void *) ? sizeof(void *) : align, sizeof *g) != 0)
        return -AVOW_E_NOMEM;
    memset(mem, 0, sizeof *g);
    g = mem;
    if (engine != AVOW_GCM_OPENSSL) {
        (void)pthread_once(&mb_once, mb_load);
        g->mb = mb_shared;
    }
    if (!g->mb && engine == AVOW_GCM_IPSEC_MB)
        return -AVOW_E_UNSUPPORTED;
    if (!g->mb)
        AVOW_TRY(openssl_new(g));
    AVOW_TRY(avow_gcm_rekey(g, key));
    *out = avow_steal(&g);
    return 0;
}

void avow_gcm_free(struct avow_gcm *g)
{
    if (!g)
        return;
    EVP_CIPHER_CTX_free(g->seal);
    EVP_CIPHER_CTX_free(g->open);
    avow_wipe(g, sizeof *g);
    free(g);
}

const char *avow_gcm_engine_name(const struct avow_gcm *g)
{
    return g->mb ? "ipsec-mb" : "openssl";
}

static int openssl_failed(void)
{
    ERR_clear_error();
    return -AVOW_E_CRYPTO;
}

int avow_gcm_rekey(struct avow_gcm *g, const struct avow_key *key)
{
    if (g->mb) {
        IMB_AES256_GCM_PRE(g->mb, key->bytes, &g->mb_key);
        return 0;
    }
    if (EVP_EncryptInit_ex(g->seal, EVP_aes_256_gcm(), NULL, key->bytes, NULL) != 1 ||
        EVP_DecryptInit_ex(g->open, EVP_aes_256_gcm(), NULL, key->bytes, NULL) != 1)
        return openssl_failed();
    return 0;
}

static int openssl_seal(EVP_CIPHER_CTX *c, const uint8_t *iv, struct avow_bytes aad,
                        const struct avow_bytes *parts, size_t n, uint8_t *out, uint8_t *tag)
{
    int len = 0;

    if (EVP_EncryptInit_ex(c, NULL, NULL, NULL, iv) != 1 ||
        EVP_EncryptUpdate(c, NULL, &len, aad.data, (int)aad.len) != 1)
        return openssl_failed();
    for (size_t i = 0; i < n; i++) {
        if (parts[i].len == 0)
            continue;
        if (EVP_EncryptUpdate(c, out, &len, parts[i].data, (int)parts[i].len) != 1)
            return openssl_failed();
        out += parts[i].len;
    }
    if (EVP_EncryptFinal_ex(c, out, &len) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, AVOW_GCM_TAG_LEN, tag) != 1)
        return openssl_failed();
    return 0;
}

int avow_gcm_seal(struct avow_gcm *g, const uint8_t iv[AVOW_GCM_IV_LEN], struct avow_bytes aad,
                  const struct avow_bytes *parts, size_t n, uint8_t *out,
                  uint8_t tag[AVOW_GCM_TAG_LEN])
{
    struct gcm_context_data ctx;

    for (size_t i = 0; i < n; i++)
        if (parts[i].len > INT32_MAX)
            return -AVOW_E_LIMIT;
    if (!g->mb)
        return openssl_seal(g->seal, iv, aad, parts, n, out, tag);
    IMB_AES256_GCM_INIT(g->mb, &g->mb_key, &ctx, iv, aad.data, aad.len);
    for (size_t i = 0; i < n; i++) {
        if (parts[i].len == 0)
            continue;
        IMB_AES256_GCM_ENC_UPDATE(g->mb, &g->mb_key, &ctx, out, parts[i].data, parts[i].len);
        out += parts[i].len;
    }
    IMB_AES256_GCM_ENC_FINALIZE(g->mb, &g->mb_key, &ctx, tag, AVOW_GCM_TAG_LEN);
    return 0;
}

static int openssl_open(EVP_CIPHER_CTX *c, const uint8_t *iv, struct avow_bytes aad,
                        struct avow_bytes in, uint8_t *out, const uint8_t *tag)
{
    uint8_t expected[AVOW_GCM_TAG_LEN]; /* the control call takes a non-const pointer */
    int len = 0;

    memcpy(expected, tag, sizeof expected);
    if (EVP_DecryptInit_ex(c, NULL, NULL, NULL, iv) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, sizeof expected, expected) != 1 ||
        EVP_DecryptUpdate(c, NULL, &len, aad.data, (int)aad.len) != 1)
        return openssl_failed();
    if (in.len && EVP_DecryptUpdate(c, out, &len, in.data, (int)in.len) != 1)
        return openssl_failed();
    if (EVP_DecryptFinal_ex(c, out + in.len, &len) != 1) {
        ERR_clear_error();
        return -AVOW_E_AUTH;
    }
    return 0;
}

int avow_gcm_open(struct avow_gcm *g, const uint8_t iv[AVOW_GCM_IV_LEN], struct avow_bytes aad,
                  struct avow_bytes in, uint8_t *out, const uint8_t tag[AVOW_GCM_TAG_LEN])
{
    uint8_t computed[AVOW_GCM_TAG_LEN];
    struct gcm_context_data ctx;

    if (in.len > INT32_MAX)
        return -AVOW_E_LIMIT;
    if (!g->mb)
        return openssl_open(g->open, iv, aad, in, out, tag);
    IMB_AES256_GCM_INIT(g->mb, &g->mb_key, &ctx, iv, aad.data, aad.len);
    if (in.len)
        IMB_AES256_GCM_DEC_UPDATE(g->mb, &g->mb_key, &ctx, out, in.data, in.len);
    IMB_AES256_GCM_DEC_FINALIZE(g->mb, &g->mb_key, &ctx, computed, sizeof computed);
    return avow_ct_equal(computed, tag, sizeof computed) ? 0 : -AVOW_E_AUTH;
}
