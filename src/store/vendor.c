#include "store/vendor.h"

#include <stdio.h>

#include "codec/text.h"
#include "collateral/pck.h"
#include "evidence/snp.h"

#define PCS_PATH "/sgx/certification/v4"
#define WHAT_HEX 4 /* bytes of a chip's number that are shown */

struct base {
    char text[AVOW_VENDOR_BASE_MAX + 1];
};

static int take_base(const char *url, const char *vendor, const char *drop, struct base *out,
                     struct avow_error *err)
{
    const char *from = url ? url : vendor;
    size_t n = strlen(from);
    size_t m = strlen(drop);

    if (strncmp(from, "https://", 8) != 0 && strncmp(from, "http://", 7) != 0)
        return AVOW_FAIL(err, FORMAT, "\"%s\" is no http:// or https:// address", from);
    while (n && from[n - 1] == '/')
        n--;
    if (m && n > m && strncmp(from + n - m, drop, m) == 0)
        n -= m;
    if (n > AVOW_VENDOR_BASE_MAX)
        return AVOW_FAIL(err, LIMIT, "an address of %zu bytes (at most %d)", n,
                         AVOW_VENDOR_BASE_MAX);
    memcpy(out->text, from, n);
    out->text[n] = 0;
    return 0;
}

static int say(int n, size_t size, struct avow_error *err)
{
    return n < 0 || (size_t)n >= size ? AVOW_FAIL(err, LIMIT, "an address that is too long") : 0;
}

/* ---- AMD ---- */

static struct avow_want want(enum avow_want_kind kind)
{
    return (struct avow_want){ .kind = kind };
}

/* SPLs in the order of KDS' documentation; Turin has one more, and its own layout. */
static int spl_query(const uint8_t tcb[8], bool turin, char *out, size_t size)
{
    if (turin)
        return snprintf(out, size, "fmcSPL=%02u&blSPL=%02u&teeSPL=%02u&snpSPL=%02u&ucodeSPL=%02u",
                        tcb[AVOW_SNP_TURIN_TCB_FMC], tcb[AVOW_SNP_TURIN_TCB_BOOTLOADER],
                        tcb[AVOW_SNP_TURIN_TCB_TEE], tcb[AVOW_SNP_TURIN_TCB_SNP],
                        tcb[AVOW_SNP_TCB_MICROCODE]);
    return snprintf(out, size, "blSPL=%02u&teeSPL=%02u&snpSPL=%02u&ucodeSPL=%02u",
                    tcb[AVOW_SNP_TCB_BOOTLOADER], tcb[AVOW_SNP_TCB_TEE], tcb[AVOW_SNP_TCB_SNP],
                    tcb[AVOW_SNP_TCB_MICROCODE]);
}

int avow_want_vcek(const struct avow_vendors *v, const struct avow_need *need, const char *product,
                   struct avow_want *out, struct avow_error *err)
{
    bool turin = strcmp(product, "Turin") == 0;
    char hex[2 * AVOW_NEED_HWID_MAX + 1];
    char spl[96];
    struct base kds;

    *out = want(AVOW_WANT_VCEK);
    AVOW_TRY(take_base(v->kds, AVOW_KDS_URL, "", &kds, err));
    out->hwid_len = need->hwid_len;
    memcpy(out->hwid, need->hwid, sizeof out->hwid);
    memcpy(out->tcb, need->tcb, sizeof out->tcb);
    avow_hex(AVOW_BYTES(need->hwid, need->hwid_len), hex);
    (void)spl_query(need->tcb, turin, spl, sizeof spl);
    (void)snprintf(out->what, sizeof out->what, "VCEK of %s chip %.*s.. at %s", product,
                   2 * WHAT_HEX, hex, spl);
    return say(
        snprintf(out->url, sizeof out->url, "%s/vcek/v1/%s/%s?%s", kds.text, product, hex, spl),
        sizeof out->url, err);
}

int avow_want_amd_crl(const struct avow_vendors *v, const char *product, bool vlek,
                      struct avow_want *out, struct avow_error *err)
{
    struct base kds;

    *out = want(AVOW_WANT_AMD_CRL);
    AVOW_TRY(take_base(v->kds, AVOW_KDS_URL, "", &kds, err));
    (void)snprintf(out->issuer, sizeof out->issuer, "ARK-%s", product);
    (void)snprintf(out->what, sizeof out->what, "CRL of ARK-%s", product);
    return say(snprintf(out->url, sizeof out->url, "%s/%s/v1/%s/crl", kds.text,
                        vlek ? "vlek" : "vcek", product),
               sizeof out->url, err);
}

int avow_want_thim(const char *url, struct avow_want *out, struct avow_error *err)
{
    struct base base;

    *out = want(AVOW_WANT_THIM);
    AVOW_TRY(take_base(url, AVOW_THIM_URL, "", &base, err));
    (void)snprintf(out->what, sizeof out->what, "this machine's VCEK, from Azure's THIM");
    return say(snprintf(out->url, sizeof out->url, "%s", base.text), sizeof out->url, err);
}

/* ---- Intel ---- */

static int pcs_base(const struct avow_vendors *v, struct base *out, struct avow_error *err)
{
    return take_base(v->pcs, AVOW_PCS_URL, PCS_PATH, out, err);
}

static const char *update(const struct avow_vendors *v, char out[32], char before)
{
    out[0] = 0;
    if (v->update)
        (void)snprintf(out, 32, "%cupdate=%s", before, v->update);
    return out;
}

int avow_want_tcb_info(const struct avow_vendors *v, const uint8_t fmspc[6], struct avow_want *out,
                       struct avow_error *err)
{
    char hex[13], when[32];
    struct base pcs;

    *out = want(AVOW_WANT_TCB_INFO);
    AVOW_TRY(pcs_base(v, &pcs, err));
    memcpy(out->fmspc, fmspc, sizeof out->fmspc);
    out->chain_header = "tcb-info-issuer-chain";
    avow_hex(AVOW_BYTES(fmspc, 6), hex);
    (void)snprintf(out->what, sizeof out->what, "TDX TCB info of FMSPC %s", hex);
    return say(snprintf(out->url, sizeof out->url, "%s/tdx/certification/v4/tcb?fmspc=%s%s",
                        pcs.text, hex, update(v, when, '&')),
               sizeof out->url, err);
}

int avow_want_qe_identity(const struct avow_vendors *v, struct avow_want *out,
                          struct avow_error *err)
{
    char when[32];
    struct base pcs;

    *out = want(AVOW_WANT_QE_IDENTITY);
    AVOW_TRY(pcs_base(v, &pcs, err));
    out->chain_header = "sgx-enclave-identity-issuer-chain";
    (void)snprintf(out->what, sizeof out->what, "identity of Intel's TD quoting enclave");
    return say(snprintf(out->url, sizeof out->url, "%s/tdx/certification/v4/qe/identity%s",
                        pcs.text, update(v, when, '?')),
               sizeof out->url, err);
}

int avow_want_pck_crl(const struct avow_vendors *v, bool processor, struct avow_want *out,
                      struct avow_error *err)
{
    struct base pcs;

    *out = want(AVOW_WANT_PCK_CRL);
    AVOW_TRY(pcs_base(v, &pcs, err));
    out->chain_header = "sgx-pck-crl-issuer-chain";
    (void)snprintf(out->issuer, sizeof out->issuer, "%s",
                   processor ? AVOW_PCK_PROCESSOR_CA_CN : AVOW_PCK_PLATFORM_CA_CN);
    (void)snprintf(out->what, sizeof out->what, "CRL of %s", out->issuer);
    return say(snprintf(out->url, sizeof out->url, "%s" PCS_PATH "/pckcrl?ca=%s&encoding=der",
                        pcs.text, processor ? "processor" : "platform"),
               sizeof out->url, err);
}

/* Intel keeps it elsewhere than the rest; a PCCS has it beside the rest. */
int avow_want_root_crl(const struct avow_vendors *v, struct avow_want *out, struct avow_error *err)
{
    struct base pcs;

    *out = want(AVOW_WANT_ROOT_CRL);
    AVOW_TRY(pcs_base(v, &pcs, err));
    (void)snprintf(out->issuer, sizeof out->issuer, AVOW_SGX_ROOT_CA_CN);
    (void)snprintf(out->what, sizeof out->what, "CRL of %s", out->issuer);
    if (strcmp(pcs.text, AVOW_PCS_URL) == 0)
        return say(snprintf(out->url, sizeof out->url, AVOW_PCS_ROOT_CRL_URL), sizeof out->url,
                   err);
    return say(snprintf(out->url, sizeof out->url, "%s" PCS_PATH "/rootcacrl", pcs.text),
               sizeof out->url, err);
}

/* ---- what came ---- */

bool avow_want_key(const struct avow_want *w, struct avow_store_key *key)
{
    *key = (struct avow_store_key){ .issuer = *w->issuer ? w->issuer : NULL };
    switch (w->kind) {
    case AVOW_WANT_VCEK:
        key->kind = AVOW_ITEM_CERT;
        key->hwid = AVOW_BYTES(w->hwid, w->hwid_len);
        key->tcb = AVOW_BYTES_OF(w->tcb);
        return true;
    case AVOW_WANT_AMD_CRL:
    case AVOW_WANT_PCK_CRL:
    case AVOW_WANT_ROOT_CRL:
        key->kind = AVOW_ITEM_CRL;
        return true;
    case AVOW_WANT_TCB_INFO:
        key->kind = AVOW_ITEM_TCB_INFO;
        key->fmspc = AVOW_BYTES_OF(w->fmspc);
        return true;
    case AVOW_WANT_QE_IDENTITY:
        key->kind = AVOW_ITEM_QE_IDENTITY;
        return true;
    case AVOW_WANT_THIM:
        break;
    }
    return false;
}

bool avow_want_is(const struct avow_want *w, const struct avow_item *item)
{
    switch (w->kind) {
    case AVOW_WANT_VCEK:
        return item->kind == AVOW_ITEM_CERT && item->has_tcb &&
               avow_bytes_equal(AVOW_BYTES(item->hwid, item->hwid_len),
                                AVOW_BYTES(w->hwid, w->hwid_len)) &&
               avow_bytes_equal(AVOW_BYTES_OF(item->tcb), AVOW_BYTES_OF(w->tcb));
    case AVOW_WANT_AMD_CRL:
    case AVOW_WANT_PCK_CRL:
    case AVOW_WANT_ROOT_CRL:
        return item->kind == AVOW_ITEM_CRL && strcmp(item->issuer, w->issuer) == 0;
    case AVOW_WANT_TCB_INFO:
        return item->kind == AVOW_ITEM_TCB_INFO &&
               avow_bytes_equal(AVOW_BYTES_OF(item->fmspc), AVOW_BYTES_OF(w->fmspc));
    case AVOW_WANT_QE_IDENTITY:
        return item->kind == AVOW_ITEM_QE_IDENTITY;
    case AVOW_WANT_THIM:
        return item->kind == AVOW_ITEM_CERT && item->has_tcb;
    }
    return false;
}
