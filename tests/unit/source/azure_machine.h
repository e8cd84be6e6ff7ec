/*
 * A confidential VM of Azure, made of simulated parts: hardware of a simulated vendor, the
 * paravisor's report over the key of a real TPM in software, and IMDS as a script of replies.
 */
#ifndef AVOW_TEST_SOURCE_AZURE_MACHINE_H
#define AVOW_TEST_SOURCE_AZURE_MACHINE_H

#include "../net/server.h"
#include "codec/json.h"
#include "codec/text.h"
#include "devices.h"
#include "evidence/hcl.h"
#include "evidence/tdx.h"
#include "source/az_vtpm.h"
#include "swtpm.h"

#define AZ_NV_LEN 2048u /* Azure: 2600; in 2022: 2048, which is what swtpm takes */

struct azure_machine {
    char vendor[TEST_PATH], dir[TEST_PATH];
    enum avow_tee hardware;
    struct avow_source *sim;
    struct swtpm tpm;
    struct avow_bundle evidence; /* the hardware's, over the paravisor's claims */
    struct avow_buf hcl;
};

/* The runtime claims, as OpenHCL writes them. @user_data may be NULL: zeros. */
static inline void azure_claims(const struct swtpm_key *ak, const uint8_t user_data[64],
                                struct avow_buf *out)
{
    static const uint8_t none[64];

    avow_buf_put_str(out, "{\"keys\":[{\"kid\":\"HCLAkPub\",\"key_ops\":[\"sign\"],\"kty\":\"RSA\","
                          "\"e\":\"AQAB\",\"n\":\"");
    avow_b64url_put(out, AVOW_BYTES_OF(ak->n));
    avow_buf_put_str(out, "\"}],\"vm-configuration\":{\"console-enabled\":true,\"secure-boot\":"
                          "true,\"tpm-enabled\":true,\"vmUniqueId\":\"0\"},\"user-data\":\"");
    avow_hex_put(out, AVOW_BYTES(user_data ? user_data : none, 64));
    avow_buf_put_str(out, "\"}");
}

/* What the paravisor has of a TD's hardware: a TDREPORT with what the quote says. */
static inline void azure_tdreport(const struct avow_bundle *b, uint8_t out[1184])
{
    struct avow_tdx_quote q;

    assert_int_equal(avow_tdx_quote_parse(b->evidence, &q, NULL), 0);
    memset(out, 0, 1184);
    out[0] = 0x81;
    memcpy(out + AVOW_TDREPORT_OFF_REPORTDATA, q.body.report_data, 64);
    memcpy(out + AVOW_TDREPORT_OFF_TDINFO, q.body.td_attributes, 8);
    memcpy(out + AVOW_TDREPORT_OFF_XFAM, q.body.xfam, 8);
    memcpy(out + AVOW_TDREPORT_OFF_MRTD, q.body.mrtd, 48);
    memcpy(out + AVOW_TDREPORT_OFF_MRCONFIGID, q.body.mrconfigid, 48);
    memcpy(out + AVOW_TDREPORT_OFF_MROWNER, q.body.mrowner, 48);
    memcpy(out + AVOW_TDREPORT_OFF_MROWNERCONFIG, q.body.mrownerconfig, 48);
    for (int i = 0; i < 4; i++)
        memcpy(out + AVOW_TDREPORT_OFF_RTMR0 + 48 * i, q.body.rtmr[i], 48);
}

static inline void azure_hcl(struct azure_machine *m, struct avow_bytes claims, uint32_t type)
{
    uint8_t report_data[64] = { 0 }, report[1184];

    assert_int_equal(avow_sha256(claims, report_data), 0);
    assert_int_equal(guest_collect(m->sim, report_data, &m->evidence, NULL), 0);
    if (m->hardware == AVOW_TEE_SNP)
        memcpy(report, m->evidence.evidence.data, sizeof report);
    else
        azure_tdreport(&m->evidence, report);
    m->hcl = AVOW_BUF(AVOW_HCL_MAX);
    avow_buf_put(&m->hcl, "HCLA", 4);
    avow_buf_put_u32le(&m->hcl, 2);
    avow_buf_put_u32le(&m->hcl, (uint32_t)(0x20 + 1184 + 20 + claims.len));
    avow_buf_put_u32le(&m->hcl, AVOW_HCL_AK_CERT);
    avow_buf_put_zero(&m->hcl, 16);
    avow_buf_put(&m->hcl, report, sizeof report);
    avow_buf_put_u32le(&m->hcl, (uint32_t)(20 + claims.len));
    avow_buf_put_u32le(&m->hcl, 1);
    avow_buf_put_u32le(&m->hcl, type);
    avow_buf_put_u32le(&m->hcl, AVOW_HCL_SHA256);
    avow_buf_put_u32le(&m->hcl, (uint32_t)claims.len);
    avow_buf_put_bytes(&m->hcl, claims);
}

/* @vendor: a vendor's folder. @vm: its hardware, and what the paravisor measures. @user_data: in
 * the claims already. @type: 0: the right one. */
static inline void azure_start_vm(struct azure_machine *m, const char *vendor,
                                  const struct avow_sim_vm *vm, const uint8_t user_data[64],
                                  uint32_t type)
{
    const enum avow_tee hardware = vm->tee;
    struct avow_buf claims = AVOW_BUF(4096);
    struct swtpm_key ak;
    struct patience p;
    struct vtpm v;

    *m = (struct azure_machine){ .hardware = hardware };
    snprintf(m->vendor, sizeof m->vendor, "%s", vendor);
    test_folder(m->dir);
    assert_int_equal(avow_sim_vm_new(vendor, m->dir, vm, NULL), 0);
    assert_int_equal(
        avow_source_open(hardware == AVOW_TEE_SNP ? AVOW_SOURCE_SIM_SNP : AVOW_SOURCE_SIM_TDX,
                         m->dir, &m->sim, NULL),
        0);
    swtpm_start(&m->tpm);
    swtpm_open(&m->tpm, &p, &v);
    swtpm_make_ak(&v, AZ_AK, TPM2_ALG_RSASSA, &ak);
    azure_claims(&ak, user_data, &claims);
    azure_hcl(m, avow_buf_view(&claims),
              type                       ? type
              : hardware == AVOW_TEE_SNP ? (uint32_t)AVOW_HCL_SNP
                                         : (uint32_t)AVOW_HCL_TDX);
    swtpm_make_nv(&v, AZ_NV_HCL, TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD, avow_buf_view(&m->hcl),
                  AZ_NV_LEN);
    vtpm_done(&v);
    avow_buf_done(&claims);
}

static inline void azure_start(struct azure_machine *m, const char *vendor, enum avow_tee hardware,
                               const uint8_t user_data[64], uint32_t type)
{
    azure_start_vm(m, vendor, &(struct avow_sim_vm){ .tee = hardware }, user_data, type);
}

static inline void azure_stop(struct azure_machine *m)
{
    swtpm_stop(&m->tpm);
    avow_source_free(m->sim);
    avow_bundle_done(&m->evidence);
    avow_buf_done(&m->hcl);
    test_remove(m->dir);
}

/* ---- IMDS: bodies, and whole replies; free() them ---- */

static inline char *azure_reply(json_t *take)
{
    char *text = json_dumps(take, 0);
    char *reply = NULL;

    assert_true(asprintf(&reply,
                         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                         "Content-Length: %zu\r\n\r\n%s",
                         strlen(text), text) > 0);
    free(text);
    json_decref(take);
    return reply;
}

/* GET /metadata/THIM/amd/certification */
static inline json_t *azure_thim_json(const struct azure_machine *m)
{
    struct avow_buf leaf = AVOW_BUF(AVOW_CERT_DER_MAX);
    struct avow_buf chain = AVOW_BUF(2 * AVOW_CERT_DER_MAX);
    json_t *body = NULL;

    assert_int_equal(avow_cert_to_pem(m->evidence.certs[0], &leaf, NULL), 0);
    assert_int_equal(avow_cert_to_pem(m->evidence.certs[1], &chain, NULL), 0);
    assert_int_equal(avow_cert_to_pem(m->evidence.certs[2], &chain, NULL), 0);
    body = json_pack("{s:s, s:s, s:s, s:s}", "vcekCert", avow_buf_cstr(&leaf), "tcbm",
                     "540A000000000017", "certificateChain", avow_buf_cstr(&chain), "cacheControl",
                     "86400");
    avow_buf_done(&leaf);
    avow_buf_done(&chain);
    return body;
}

static inline char *azure_thim_reply(const struct azure_machine *m)
{
    return azure_reply(azure_thim_json(m));
}

/* POST /acc/tdquote */
static inline json_t *azure_quote_json(struct avow_bytes quote)
{
    struct avow_buf text = AVOW_BUF(1u << 20);
    json_t *body = NULL;

    avow_b64url_put(&text, quote);
    body = json_pack("{s:s}", "quote", avow_buf_cstr(&text));
    avow_buf_done(&text);
    return body;
}

static inline char *azure_quote_reply(struct avow_bytes quote)
{
    return azure_reply(azure_quote_json(quote));
}

#endif
