/* A real TPM 2.0 in software (swtpm), in a process and a folder of the test's own. */
#ifndef AVOW_TEST_SOURCE_SWTPM_H
#define AVOW_TEST_SOURCE_SWTPM_H

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <tss2/tss2_tctildr.h>

#include "folders.h"
#include "source/vtpm.h"

#define SWTPM_WAIT_MS 10000u

struct swtpm {
    char dir[TEST_PATH], tcti[TEST_PATH + 32];
    pid_t pid;
};

struct swtpm_key { /* RSA, as Azure's AK */
    uint8_t n[256];
};

static inline bool swtpm_there(void)
{
    return access("/usr/bin/swtpm", X_OK) == 0 || access("/usr/local/bin/swtpm", X_OK) == 0;
}

static inline void swtpm_exec(const struct swtpm *t)
{
    char server[TEST_PATH + 32], ctrl[TEST_PATH + 48], state[TEST_PATH + 16];

    snprintf(server, sizeof server, "type=unixio,path=%s/tpm", t->dir);
    snprintf(ctrl, sizeof ctrl, "type=unixio,path=%s/tpm.ctrl", t->dir);
    snprintf(state, sizeof state, "dir=%s", t->dir);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!freopen("/dev/null", "w", stderr)) /* it reports each connection */
        _exit(126);
    execlp("swtpm", "swtpm", "socket", "--tpm2", "--server", server, "--ctrl", ctrl, "--tpmstate",
           state, "--flags", "not-need-init,startup-clear", (char *)NULL);
    _exit(127);
}

/* Once it listens to both: a TPM that has one client has no other. */
static inline void swtpm_start(struct swtpm *t)
{
    struct patience p = patience_for(SWTPM_WAIT_MS);
    struct vtpm v = { 0 };
    bool up = false;

    test_folder(t->dir);
    snprintf(t->tcti, sizeof t->tcti, "swtpm:path=%s/tpm", t->dir);
    t->pid = fork();
    if (t->pid == 0)
        swtpm_exec(t);
    do
        up = vtpm_open(t->tcti, &p, &v, NULL) == 0;
    while (!up && patience_again(&p));
    vtpm_done(&v);
    if (!up)
        fail_msg("swtpm does not start");
}

static inline void swtpm_stop(struct swtpm *t)
{
    (void)kill(t->pid, SIGTERM);
    (void)waitpid(t->pid, NULL, 0);
    test_remove(t->dir);
}

static inline void swtpm_open(const struct swtpm *t, struct patience *p, struct vtpm *v)
{
    struct avow_error err = { 0 };

    *p = patience_for(SWTPM_WAIT_MS);
    if (vtpm_open(t->tcti, p, v, &err) < 0)
        fail_msg("%s", err.text);
}

static inline TPM2B_PUBLIC swtpm_ak(uint16_t scheme)
{
    TPM2B_PUBLIC p = { .publicArea = { .type = TPM2_ALG_RSA,
                                       .nameAlg = TPM2_ALG_SHA256,
                                       .objectAttributes =
                                           TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT |
                                           TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                           TPMA_OBJECT_SENSITIVEDATAORIGIN |
                                           TPMA_OBJECT_USERWITHAUTH } };

    p.publicArea.parameters.rsaDetail =
        (TPMS_RSA_PARMS){ .symmetric.algorithm = TPM2_ALG_NULL,
                          .scheme = { .scheme = scheme, .details.anySig.hashAlg = TPM2_ALG_SHA256 },
                          .keyBits = 2048 };
    return p;
}

/* Make a signing key and keep it at @handle, as the paravisor does. @variant: another one is
 * another key. */
static inline void swtpm_make_key(struct vtpm *v, uint32_t handle, uint16_t scheme, uint8_t variant,
                                  struct swtpm_key *out)
{
    TPM2B_SENSITIVE_CREATE sensitive = { 0 };
    TPM2B_PUBLIC template = swtpm_ak(scheme);
    TPM2B_DATA outside = { 0 };
    TPML_PCR_SELECTION pcrs = { 0 };
    TPM2B_PUBLIC *public = NULL;
    ESYS_TR key = ESYS_TR_NONE;
    ESYS_TR kept = ESYS_TR_NONE;

    if (variant) {
        template.publicArea.unique.rsa.size = 1;
        template.publicArea.unique.rsa.buffer[0] = variant;
    }
    assert_int_equal(Esys_CreatePrimary(v->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                        ESYS_TR_NONE, &sensitive, &template, &outside, &pcrs, &key,
                                        &public, NULL, NULL, NULL),
                     0);
    assert_int_equal(public->publicArea.unique.rsa.size, sizeof out->n);
    memcpy(out->n, public->publicArea.unique.rsa.buffer, sizeof out->n);
    assert_int_equal(Esys_EvictControl(v->esys, ESYS_TR_RH_OWNER, key, ESYS_TR_PASSWORD,
                                       ESYS_TR_NONE, ESYS_TR_NONE, handle, &kept),
                     0);
    assert_int_equal(Esys_FlushContext(v->esys, key), 0);
    Esys_Free(public);
}

static inline void swtpm_make_ak(struct vtpm *v, uint32_t handle, uint16_t scheme,
                                 struct swtpm_key *out)
{
    swtpm_make_key(v, handle, scheme, 0, out);
}

/* An NV index of @size bytes that holds @data and then zeros; readable with @attributes. */
static inline void swtpm_make_nv(struct vtpm *v, uint32_t index, uint32_t attributes,
                                 struct avow_bytes data, size_t size)
{
    TPM2B_AUTH auth = { 0 };
    TPM2B_NV_PUBLIC public = { .nvPublic = { .nvIndex = index,
                                             .nameAlg = TPM2_ALG_SHA256,
                                             .attributes = attributes | TPMA_NV_OWNERWRITE,
                                             .dataSize = (UINT16)size } };
    ESYS_TR nv = ESYS_TR_NONE;

    assert_int_equal(Esys_NV_DefineSpace(v->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                         ESYS_TR_NONE, &auth, &public, &nv),
                     0);
    for (size_t at = 0; at < size; at += 512) {
        TPM2B_MAX_NV_BUFFER b = { .size = (UINT16)(size - at < 512 ? size - at : 512) };

        for (size_t i = 0; i < b.size && at + i < data.len; i++)
            b.buffer[i] = data.data[at + i];
        assert_int_equal(Esys_NV_Write(v->esys, ESYS_TR_RH_OWNER, nv, ESYS_TR_PASSWORD,
                                       ESYS_TR_NONE, ESYS_TR_NONE, &b, (UINT16)at),
                         0);
    }
}

/* Extend a PCR of the SHA-256 bank by 32 bytes of @fill. */
static inline void swtpm_extend(struct vtpm *v, unsigned pcr, uint8_t fill)
{
    TPML_DIGEST_VALUES d = { .count = 1, .digests = { { .hashAlg = TPM2_ALG_SHA256 } } };

    memset(d.digests[0].digest.sha256, fill, 32);
    assert_int_equal(Esys_PCR_Extend(v->esys, ESYS_TR_PCR0 + pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                     ESYS_TR_NONE, &d),
                     0);
}

#endif
