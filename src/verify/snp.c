#include "verify/snp.h"

#include <stdio.h>

#include "codec/text.h"
#include "crypto/x509.h"
#include "verify/amd.h"
#include "verify/cache.h"

#define SIM_PREFIX "SIMULATED "
#define BUILTIN_MAX 2 /* certificates that are built in: ASK or ASVK, ARK */
#define HWID_LEN 64u
#define HWID_LEN_TURIN 8u

/* One verification: what has been read and found so far. What only repeats the past (reading a
 * certificate, a signature that held) is asked of the cache; names, uses, dates and revocation are
 * looked at anew. */
struct snp_view {
    const struct avow_bundle *bundle;
    const struct avow_anchors *anchors;
    int64_t now;
    struct avow_claims *c;
    struct avow_snp_report r;
    struct avow_verify_cache *cache; /* owns the certificates */
    size_t n_certs;
    const struct avow_kept *certs[AVOW_BUNDLE_CERTS_MAX + BUILTIN_MAX];
    const struct avow_kept *leaf, *mid, *root; /* among certs */
    const struct avow_anchor *anchor;          /* of root */
    bool vlek, turin;
};

/* Memory and library failures are the caller's; everything else is a fault of the evidence. */
static bool is_ours(int rc)
{
    return rc == -AVOW_E_NOMEM || rc == -AVOW_E_CRYPTO;
}

/* The first bytes of a value, enough for people to tell two apart. */
static const char *brief(struct avow_bytes b, char out[20])
{
    avow_hex(AVOW_BYTES(b.data, b.len < 8 ? b.len : 8), out);
    return out;
}

/* ---- the report alone ---- */

static void take_claims(struct snp_view *v)
{
    struct avow_claims *c = v->c;
    const struct avow_snp_report *r = &v->r;

    memcpy(c->report_data, r->report_data, sizeof c->report_data);
    memcpy(c->measurement, r->measurement, sizeof c->measurement);
    c->debug = (r->policy & AVOW_SNP_POLICY_DEBUG) != 0;
    c->snp.version = r->version;
    c->snp.policy = r->policy;
    c->snp.platform_info = r->platform_info;
    c->snp.vmpl = r->vmpl;
    c->snp.guest_svn = r->guest_svn;
    memcpy(c->snp.family_id, r->family_id, sizeof c->snp.family_id);
    memcpy(c->snp.image_id, r->image_id, sizeof c->snp.image_id);
    memcpy(c->snp.host_data, r->host_data, sizeof c->snp.host_data);
    memcpy(c->snp.id_key_digest, r->id_key_digest, sizeof c->snp.id_key_digest);
    memcpy(c->snp.author_key_digest, r->author_key_digest, sizeof c->snp.author_key_digest);
    c->snp.author_key_en = (r->key_info & AVOW_SNP_KEY_AUTHOR_EN) != 0;
    memcpy(c->snp.report_id, r->report_id, sizeof c->snp.report_id);
    memcpy(c->snp.report_id_ma, r->report_id_ma, sizeof c->snp.report_id_ma);
    c->snp.cpuid_family = r->cpuid_family;
    c->snp.cpuid_model = r->cpuid_model;
    c->snp.cpuid_stepping = r->cpuid_stepping;
    c->snp.current_version =
        (struct avow_snp_firmware){ r->current.major, r->current.minor, r->current.build };
    c->snp.committed_version =
        (struct avow_snp_firmware){ r->committed.major, r->committed.minor, r->committed.build };
    c->snp.launch_mit = r->launch_mit;
    c->snp.current_mit = r->current_mit;
    for (size_t i = 0; i < sizeof r->report_id_ma; i++)
        c->snp.migration_agent = c->snp.migration_agent || r->report_id_ma[i] != 0xFF;
}

static void check_report(struct snp_view *v)
{
    const struct avow_snp_report *r = &v->r;
    bool padded = avow_bytes_zero(avow_bytes_sub(r->r, AVOW_SNP_SIG_USED_LEN, 24)) &&
                  avow_bytes_zero(avow_bytes_sub(r->s, AVOW_SNP_SIG_USED_LEN, 24));

    avow_claims_check(v->c, "reserved", r->reserved == 0,
                      r->reserved ? "the reserved byte at 0x%zx of the report is not zero"
                                  : "reserved bytes of the report are zero",
                      r->reserved);
    avow_claims_check(v->c, "report-fields",
                      r->signature_algo == AVOW_SNP_SIGNATURE_ALGO_P384 &&
                          r->vmpl <= AVOW_SNP_VMPL_MAX &&
                          (r->key_info & ~AVOW_SNP_KEY_KNOWN) == 0 && padded,
                      "signature algorithm %u (1), VMPL %u (0 to 3), key info 0x%x, "
                      "signature padding %s",
                      r->signature_algo, r->vmpl, r->key_info, padded ? "zero" : "not zero");
    avow_claims_check(v->c, "policy-bits",
                      (r->policy & AVOW_SNP_POLICY_ONE) != 0 &&
                          (r->policy & ~AVOW_SNP_POLICY_KNOWN) == 0,
                      "guest policy 0x%llx: bit 17 is 1 and bits 26 to 63 are 0 in every real one",
                      (unsigned long long)r->policy);
}

/* Which key signed; false if none did. */
static bool check_signing_key(struct snp_view *v)
{
    uint32_t key = v->r.key_info >> AVOW_SNP_KEY_SIGNING_SHIFT & AVOW_SNP_KEY_SIGNING_MASK;
    bool masked = (v->r.key_info & AVOW_SNP_KEY_MASK_CHIP) != 0;
    bool known = key == AVOW_SNP_SIGNED_VCEK || key == AVOW_SNP_SIGNED_VLEK;

    v->vlek = key == AVOW_SNP_SIGNED_VLEK;
    v->c->snp.vlek = v->vlek;
    return avow_claims_check(v->c, "signing-key", known && !masked,
                             "the report says signed by key %u (0 is VCEK, 1 VLEK), chip key %s",
                             key, masked ? "masked" : "not masked");
}

/* ---- the chain ---- */

static int parse_certs(struct snp_view *v, struct avow_error *err)
{
    for (size_t i = 0; i < v->bundle->n_certs; i++) {
        struct avow_error why = { 0 };
        int rc = avow_verify_cache_read(v->cache, AVOW_KEPT_CERT, v->bundle->certs[i],
                                        &v->certs[v->n_certs], &why);

        if (is_ours(rc))
            return AVOW_FAIL_CODE(err, rc, "%s", why.text);
        if (rc == 0)
            v->n_certs++;
        else
            avow_claims_check(v->c, "malformed", false, "certificate %zu: %s", i + 1, why.text);
    }
    return 0;
}

static bool valid_at(const struct avow_kept *c, int64_t now)
{
    int64_t from = 0, until = 0;

    avow_cert_validity(c->cert, &from, &until);
    return now >= from && now <= until;
}

/* The leaf of the kind that the report names. One key may be certified twice with other dates
 * (AMD's KDS does so): the one that is valid now is preferred. */
static bool find_leaf(struct snp_view *v)
{
    const char *cn = v->vlek ? AVOW_SNP_CN_VLEK : AVOW_SNP_CN_VCEK;

    for (size_t i = 0; i < v->n_certs; i++) {
        if (strcmp(avow_cert_subject_cn(v->certs[i]->cert), cn) != 0)
            continue;
        if (!v->leaf || (!valid_at(v->leaf, v->now) && valid_at(v->certs[i], v->now)))
            v->leaf = v->certs[i];
    }
    if (!v->leaf)
        return avow_claims_missing(v->c, "missing",
                                   "the bundle has no %s certificate for this report", cn);
    return true;
}

/* Whether @issuer's key signed @child, now or in an earlier verification. */
static int signed_by(struct snp_view *v, const struct avow_kept *child,
                     const struct avow_kept *issuer, struct avow_error *why)
{
    uint8_t name[32];

    AVOW_TRY(avow_verify_cache_name(issuer, child->kind, child->digest, name, why));
    if (avow_verify_cache_knows(v->cache, name))
        return 0;
    if (child->kind == AVOW_KEPT_CRL)
        AVOW_TRY(avow_crl_signed_by(child->crl, issuer->cert, why));
    else
        AVOW_TRY(avow_cert_signed_by(child->cert, issuer->cert, why));
    return avow_verify_cache_learn(v->cache, name, why);
}

/* AMD's own certificate of this subject, where the bundle brings none. */
static int add_builtin(struct snp_view *v, const char *cn, struct avow_error *err)
{
    const struct avow_amd_endorsement *e = NULL;
    struct avow_error why = { 0 };
    int rc = 0;

    for (size_t i = 0; i < v->n_certs; i++)
        if (strcmp(avow_cert_subject_cn(v->certs[i]->cert), cn) == 0)
            return 0;
    e = avow_amd_endorsement(cn);
    if (!e || v->n_certs == sizeof v->certs / sizeof v->certs[0])
        return 0;
    rc = avow_verify_cache_read(v->cache, AVOW_KEPT_CERT, e->der, &v->certs[v->n_certs], &why);
    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc == -AVOW_E_NOMEM ? rc : -AVOW_E_CRYPTO, "\"%s\": %s", cn,
                              why.text);
    v->n_certs++;
    return 0;
}

/* The certificate that issued @child: by name, then by signature. @out is NULL if there is none. */
static int find_issuer(struct snp_view *v, const struct avow_kept *child,
                       const struct avow_kept **out, struct avow_error *err)
{
    const char *issuer = avow_cert_issuer_cn(child->cert);
    struct avow_error why = { 0 };

    *out = NULL;
    AVOW_TRY(add_builtin(v, issuer, err));
    for (size_t i = 0; i < v->n_certs && !*out; i++) {
        int rc = 0;

        if (v->certs[i] == child || strcmp(avow_cert_subject_cn(v->certs[i]->cert), issuer) != 0)
            continue;
        rc = signed_by(v, child, v->certs[i], &why);
        if (is_ours(rc))
            return AVOW_FAIL_CODE(err, rc, "%s", why.text);
        if (rc == 0)
            *out = v->certs[i];
    }
    if (!*out && why.code)
        avow_claims_check(v->c, "signature", false, "%s", why.text);
    else if (!*out)
        avow_claims_missing(v->c, "missing",
                            "the bundle has no certificate of \"%s\", which issued \"%s\"", issuer,
                            avow_cert_subject_cn(child->cert));
    return 0;
}

/* The root is a trust anchor. */
static bool check_root(struct snp_view *v)
{
    uint8_t spki[32];
    char hex[20];

    avow_cert_spki_sha256(v->root->cert, spki);
    v->anchor = avow_anchors_find(v->anchors, AVOW_TEE_SNP, spki);
    if (!v->anchor)
        return avow_claims_check(
            v->c, "root", false, "the chain ends in \"%s\" with key %s.., which is no trust anchor",
            avow_cert_subject_cn(v->root->cert), brief(AVOW_BYTES_OF(spki), hex));
    v->c->simulated = v->anchor->simulated;
    memcpy(v->c->root, v->anchor->name, sizeof v->c->root);
    memcpy(v->c->snp.product, v->anchor->product, sizeof v->c->snp.product);
    v->turin = strcmp(v->anchor->product, "Turin") == 0;
    return avow_claims_check(v->c, "root", true, "the chain ends in %s", v->anchor->name);
}

static bool cn_is(const struct snp_view *v, const struct avow_cert *c, const char *prefix)
{
    const char *cn = avow_cert_subject_cn(c);
    size_t n = strlen(prefix);

    if (v->anchor->simulated && strncmp(cn, SIM_PREFIX, sizeof SIM_PREFIX - 1) == 0)
        cn += sizeof SIM_PREFIX - 1;
    return strncmp(cn, prefix, n) == 0 && strcmp(cn + n, v->anchor->product) == 0;
}

static int check_chain(struct snp_view *v, struct avow_error *err)
{
    const struct avow_cert *leaf = v->leaf->cert, *mid = v->mid->cert, *root = v->root->cert;
    struct avow_error why = { 0 };
    int rc = signed_by(v, v->root, v->root, &why);
    bool names = cn_is(v, root, "ARK-") && cn_is(v, mid, v->vlek ? "SEV-VLEK-" : "SEV-");
    bool uses = avow_cert_may(root, AVOW_USE_SIGN_CERTS) &&
                avow_cert_may(mid, AVOW_USE_SIGN_CERTS) && !avow_cert_is_ca(leaf);

    if (is_ours(rc))
        return AVOW_FAIL_CODE(err, rc, "%s", why.text);
    avow_claims_check(v->c, "signature", rc == 0, "%s",
                      rc == 0 ? "every certificate is signed by the next" : why.text);
    avow_claims_check(v->c, "chain", names && uses, "%s <- %s <- %s, for %s: %s",
                      avow_cert_subject_cn(leaf), avow_cert_subject_cn(mid),
                      avow_cert_subject_cn(root), v->anchor->product,
                      !names  ? "not the names of one product line"
                      : !uses ? "not certificates for this use"
                              : "names and uses are right");
    return 0;
}

static void check_validity(struct snp_view *v)
{
    const struct avow_kept *const chain[] = { v->leaf, v->mid, v->root };
    char t_now[AVOW_TIME_TEXT], t_from[AVOW_TIME_TEXT], t_until[AVOW_TIME_TEXT];
    bool all = true;

    avow_claims_time(v->now, t_now);
    v->c->valid_from = INT64_MIN;
    v->c->valid_until = INT64_MAX;
    for (size_t i = 0; i < 3; i++) {
        int64_t from = 0, until = 0;

        avow_cert_validity(chain[i]->cert, &from, &until);
        if (from > v->c->valid_from)
            v->c->valid_from = from;
        if (until < v->c->valid_until)
            v->c->valid_until = until;
        if (valid_at(chain[i], v->now))
            continue;
        avow_claims_time(from, t_from);
        avow_claims_time(until, t_until);
        all = avow_claims_check(v->c, v->now < from ? "not-yet-valid" : "expired", false,
                                "certificate \"%s\" is valid from %s until %s, and it is %s",
                                avow_cert_subject_cn(chain[i]->cert), t_from, t_until, t_now);
    }
    avow_claims_time(v->c->valid_until, t_until);
    if (all)
        avow_claims_check(v->c, "expired", true, "all certificates are valid until %s", t_until);
}

/* ---- revocation ---- */

static int use_crl(struct snp_view *v, const struct avow_kept *kept, struct avow_error *err)
{
    const struct avow_crl *crl = kept->crl;
    struct avow_error why = { 0 };
    char t_until[AVOW_TIME_TEXT];
    int64_t from = 0, until = 0;
    int rc = avow_cert_may(v->root->cert, AVOW_USE_SIGN_CRLS)
                 ? signed_by(v, kept, v->root, &why)
                 : AVOW_FAIL(&why, UNTRUSTED, "the root may not sign CRLs");

    if (is_ours(rc))
        return AVOW_FAIL_CODE(err, rc, "%s", why.text);
    if (rc < 0) {
        avow_claims_check(v->c, "revoked", false, "CRL of \"%s\": %s", avow_crl_issuer_cn(crl),
                          why.text);
        return 0;
    }
    avow_crl_validity(crl, &from, &until);
    avow_claims_time(until, t_until);
    if (v->now < from || v->now > until) {
        avow_claims_check(v->c, v->now < from ? "not-yet-valid" : "expired", false,
                          "CRL of \"%s\", next update %s", avow_crl_issuer_cn(crl), t_until);
        return 0;
    }
    if (until < v->c->valid_until)
        v->c->valid_until = until;
    if (from > v->c->valid_from)
        v->c->valid_from = from;
    v->c->revocation_checked = true;
    avow_claims_check(v->c, "revoked", !avow_crl_revokes(crl, v->mid->cert),
                      "certificate \"%s\" against the CRL of \"%s\", next update %s",
                      avow_cert_subject_cn(v->mid->cert), avow_crl_issuer_cn(crl), t_until);
    return 0;
}

/* AMD's CRLs are signed by the ARK and list ASKs and ASVKs (leaves all have serial number 0). */
static int check_revocation(struct snp_view *v, struct avow_error *err)
{
    const char *root = avow_cert_subject_cn(v->root->cert);
    bool any = false;

    for (size_t i = 0; i < v->bundle->n_crls; i++) {
        const struct avow_kept *crl = NULL;
        struct avow_error why = { 0 };
        int rc = avow_verify_cache_read(v->cache, AVOW_KEPT_CRL, v->bundle->crls[i], &crl, &why);

        if (is_ours(rc))
            return AVOW_FAIL_CODE(err, rc, "%s", why.text);
        if (rc < 0) {
            avow_claims_check(v->c, "malformed", false, "CRL %zu: %s", i + 1, why.text);
            continue;
        }
        if (strcmp(avow_crl_issuer_cn(crl->crl), root) != 0)
            continue;
        any = true;
        AVOW_TRY(use_crl(v, crl, err));
    }
    if (!any)
        avow_claims_check(v->c, "revoked", true, "not checked: the bundle has no CRL of \"%s\"",
                          root);
    return 0;
}

/* ---- leaf and report together ---- */

/* A DER INTEGER of 0 to 255. */
static bool read_spl(struct avow_bytes der, uint8_t *out)
{
    if (der.len == 3 && der.data[0] == 2 && der.data[1] == 1 && der.data[2] < 0x80) {
        *out = der.data[2];
        return true;
    }
    if (der.len == 4 && der.data[0] == 2 && der.data[1] == 2 && der.data[2] == 0 &&
        der.data[3] >= 0x80) {
        *out = der.data[3];
        return true;
    }
    return false;
}

/* The TCB_VERSION that the leaf was issued for, put together from its SPL extensions. */
static bool leaf_tcb(const struct snp_view *v, uint8_t out[AVOW_SNP_TCB_LEN])
{
    static const struct {
        const char *oid;
        int at, at_turin; /* byte of TCB_VERSION; -1 = not in this layout */
        bool optional;    /* reserved components: absent is zero */
    } spls[] = {
        { AVOW_SNP_OID_SPL_BOOTLOADER, AVOW_SNP_TCB_BOOTLOADER, AVOW_SNP_TURIN_TCB_BOOTLOADER,
          false },
        { AVOW_SNP_OID_SPL_TEE, AVOW_SNP_TCB_TEE, AVOW_SNP_TURIN_TCB_TEE, false },
        { AVOW_SNP_OID_SPL_SNP, AVOW_SNP_TCB_SNP, AVOW_SNP_TURIN_TCB_SNP, false },
        { AVOW_SNP_OID_SPL_4, 2, -1, true },
        { AVOW_SNP_OID_SPL_5, 3, 4, true },
        { AVOW_SNP_OID_SPL_6, 4, 5, true },
        { AVOW_SNP_OID_SPL_7, 5, 6, true },
        { AVOW_SNP_OID_SPL_MICROCODE, AVOW_SNP_TCB_MICROCODE, AVOW_SNP_TCB_MICROCODE, false },
        { AVOW_SNP_OID_SPL_FMC, -1, AVOW_SNP_TURIN_TCB_FMC, false },
    };

    memset(out, 0, AVOW_SNP_TCB_LEN);
    for (size_t i = 0; i < sizeof spls / sizeof spls[0]; i++) {
        int at = v->turin ? spls[i].at_turin : spls[i].at;
        struct avow_bytes ext = { 0 };
        int rc = avow_cert_extension(v->leaf->cert, spls[i].oid, &ext);

        if (rc == -AVOW_E_NOTFOUND && (at < 0 || spls[i].optional))
            continue;
        if (rc < 0 || at < 0 || !read_spl(ext, &out[at]))
            return false;
    }
    return true;
}

struct avow_snp_tcb avow_snp_tcb_decode(const uint8_t raw[AVOW_SNP_TCB_LEN], bool turin)
{
    if (turin)
        return (struct avow_snp_tcb){ .fmc = raw[AVOW_SNP_TURIN_TCB_FMC],
                                      .bootloader = raw[AVOW_SNP_TURIN_TCB_BOOTLOADER],
                                      .tee = raw[AVOW_SNP_TURIN_TCB_TEE],
                                      .snp = raw[AVOW_SNP_TURIN_TCB_SNP],
                                      .microcode = raw[AVOW_SNP_TCB_MICROCODE] };
    return (struct avow_snp_tcb){ .bootloader = raw[AVOW_SNP_TCB_BOOTLOADER],
                                  .tee = raw[AVOW_SNP_TCB_TEE],
                                  .snp = raw[AVOW_SNP_TCB_SNP],
                                  .microcode = raw[AVOW_SNP_TCB_MICROCODE] };
}

/* Every component of @a at most that of @b: bytes are components in both layouts. */
static bool at_most(const uint8_t a[AVOW_SNP_TCB_LEN], const uint8_t b[AVOW_SNP_TCB_LEN])
{
    for (size_t i = 0; i < AVOW_SNP_TCB_LEN; i++)
        if (a[i] > b[i])
            return false;
    return true;
}

static uint32_t version_number(struct avow_snp_version v)
{
    return (uint32_t)v.major << 16 | (uint32_t)v.minor << 8 | v.build;
}

static void check_tcb(struct snp_view *v)
{
    const struct avow_snp_report *r = &v->r;
    uint8_t leaf[AVOW_SNP_TCB_LEN];
    char hex_leaf[20], hex_report[20], hex_current[20], hex_committed[20];
    bool known = leaf_tcb(v, leaf);

    avow_claims_check(
        v->c, "tcb", known && avow_bytes_equal(AVOW_BYTES_OF(leaf), AVOW_BYTES_OF(r->reported_tcb)),
        "certificate is for TCB %s, the report says %s (bytes of TCB_VERSION)",
        known ? brief(AVOW_BYTES_OF(leaf), hex_leaf) : "unreadable",
        brief(AVOW_BYTES_OF(r->reported_tcb), hex_report));
    avow_claims_check(
        v->c, "tcb-order",
        at_most(r->committed_tcb, r->current_tcb) && at_most(r->reported_tcb, r->current_tcb) &&
            version_number(r->committed) <= version_number(r->current),
        "TCB reported %s and committed %s, current %s; firmware committed %u.%u.%u, "
        "current %u.%u.%u",
        brief(AVOW_BYTES_OF(r->reported_tcb), hex_report),
        brief(AVOW_BYTES_OF(r->committed_tcb), hex_committed),
        brief(AVOW_BYTES_OF(r->current_tcb), hex_current), r->committed.major, r->committed.minor,
        r->committed.build, r->current.major, r->current.minor, r->current.build);
    v->c->snp.current = avow_snp_tcb_decode(r->current_tcb, v->turin);
    v->c->snp.reported = avow_snp_tcb_decode(r->reported_tcb, v->turin);
    v->c->snp.committed = avow_snp_tcb_decode(r->committed_tcb, v->turin);
    v->c->snp.launch = avow_snp_tcb_decode(r->launch_tcb, v->turin);
}

/* Raw bytes as AMD writes them, or the same in an OCTET STRING. */
static struct avow_bytes unwrap_hwid(struct avow_bytes ext, size_t want)
{
    if (ext.len == want + 2 && ext.data[0] == 4 && ext.data[1] == want)
        return avow_bytes_sub(ext, 2, want);
    return ext;
}

/* The provider that a VLEK belongs to: IA5String of less than 128 bytes. */
static void take_csp_id(struct snp_view *v)
{
    struct avow_bytes ext = { 0 };

    if (avow_cert_extension(v->leaf->cert, AVOW_SNP_OID_CSP_ID, &ext) < 0 || ext.len < 2 ||
        ext.data[0] != 0x16 || ext.data[1] != ext.len - 2 || ext.len - 2 > AVOW_CSP_ID_MAX)
        return;
    memcpy(v->c->snp.csp_id, ext.data + 2, ext.len - 2);
    avow_printable(v->c->snp.csp_id);
}

static void check_chip(struct snp_view *v)
{
    struct avow_bytes chip = AVOW_BYTES_OF(v->r.chip_id);
    size_t want = v->turin ? HWID_LEN_TURIN : HWID_LEN;
    struct avow_bytes hwid = { 0 };
    bool masked = avow_bytes_zero(chip);
    int rc = avow_cert_extension(v->leaf->cert, AVOW_SNP_OID_HWID, &hwid);
    char hex_chip[20], hex_leaf[20];

    if (!masked) {
        memcpy(v->c->machine, chip.data, chip.len);
        v->c->machine_len = (uint8_t)want;
    }
    if (v->vlek) {
        take_csp_id(v);
        avow_claims_check(v->c, "chip", rc == -AVOW_E_NOTFOUND,
                          "a VLEK belongs to a provider, not to a chip: it has %s hardware id",
                          rc == -AVOW_E_NOTFOUND ? "no" : "a");
        return;
    }
    if (rc == 0)
        hwid = unwrap_hwid(hwid, want);
    avow_claims_check(v->c, "chip",
                      rc == 0 && !masked && avow_bytes_equal(hwid, avow_bytes_sub(chip, 0, want)) &&
                          avow_bytes_zero(avow_bytes_sub(chip, want, HWID_LEN - want)),
                      "certificate is for chip %s.., the report says %s%s",
                      rc == 0 ? brief(hwid, hex_leaf) : "(none)",
                      masked ? "none (masked)" : brief(chip, hex_chip), masked ? "" : "..");
}

/* The leaf's own product name ("Milan-B0", "Genoa") must begin with the line of its chain. */
static bool leaf_product_is(const struct snp_view *v, const char *product)
{
    struct avow_bytes ext = { 0 };
    size_t n = strlen(product);

    if (avow_cert_extension(v->leaf->cert, AVOW_SNP_OID_PRODUCT, &ext) < 0)
        return false;
    return ext.len >= 2 + n && ext.data[0] == 0x16 && ext.data[1] == ext.len - 2 &&
           avow_bytes_equal(avow_bytes_sub(ext, 2, n), avow_bytes_str(product)) &&
           (ext.len == 2 + n || ext.data[2 + n] == '-');
}

static void check_product(struct snp_view *v)
{
    const char *line = avow_snp_product(&v->r);
    bool cpuid = v->r.version < 3 || (line && strcmp(line, v->anchor->product) == 0);
    bool leaf = leaf_product_is(v, v->anchor->product);

    avow_claims_check(v->c, "product", cpuid && leaf,
                      "chain of %s; the certificate's product %s; CPUID %02x/%02x/%02x is %s",
                      v->anchor->product, leaf ? "agrees" : "differs", v->r.cpuid_family,
                      v->r.cpuid_model, v->r.cpuid_stepping,
                      v->r.version < 3 ? "not in version 2"
                      : line           ? line
                                       : "not known");
}

static int check_signature(struct snp_view *v, struct avow_error *err)
{
    uint8_t sig[2 * AVOW_SNP_SIG_USED_LEN];
    struct avow_error why = { 0 };
    int rc = 0;

    for (size_t i = 0; i < AVOW_SNP_SIG_USED_LEN; i++) {
        sig[i] = v->r.r.data[AVOW_SNP_SIG_USED_LEN - 1 - i];
        sig[AVOW_SNP_SIG_USED_LEN + i] = v->r.s.data[AVOW_SNP_SIG_USED_LEN - 1 - i];
    }
    rc = avow_cert_ecdsa_verify(v->leaf->cert, AVOW_P384, v->r.signed_part, AVOW_BYTES_OF(sig),
                                &why);
    if (is_ours(rc))
        return AVOW_FAIL_CODE(err, rc, "%s", why.text);
    avow_claims_check(v->c, "signature", rc == 0, "the report's signature %s the key of %s%s%s",
                      rc == 0 ? "verifies with" : "does not verify with",
                      avow_cert_subject_cn(v->leaf->cert), rc == 0 ? "" : ": ", why.text);
    return 0;
}

static int verify_steps(struct snp_view *v, struct avow_error *err)
{
    struct avow_error why = { 0 };
    int rc = avow_snp_parse(v->bundle->evidence, &v->r, &why);

    if (rc < 0) {
        avow_claims_check(v->c, rc == -AVOW_E_VERSION ? "version" : "malformed", false, "%s",
                          why.text);
        return 0;
    }
    take_claims(v);
    check_report(v);
    if (!check_signing_key(v))
        return 0;
    AVOW_TRY(parse_certs(v, err));
    if (!find_leaf(v))
        return 0;
    AVOW_TRY(find_issuer(v, v->leaf, &v->mid, err));
    if (!v->mid)
        return 0;
    AVOW_TRY(find_issuer(v, v->mid, &v->root, err));
    if (!v->root || !check_root(v))
        return 0;
    AVOW_TRY(check_chain(v, err));
    check_validity(v);
    AVOW_TRY(check_revocation(v, err));
    check_product(v);
    check_tcb(v);
    check_chip(v);
    AVOW_TRY(check_signature(v, err));
    v->c->authentic = avow_claims_all_passed(v->c);
    return 0;
}

int avow_snp_verify_cached(const struct avow_bundle *b, const struct avow_anchors *a, int64_t now,
                           struct avow_verify_cache *cache, struct avow_claims *out,
                           struct avow_error *err)
{
    struct snp_view v = { .bundle = b, .anchors = a, .now = now, .c = out, .cache = cache };
    int rc = 0;

    memset(out, 0, sizeof *out);
    out->tee = AVOW_TEE_SNP;
    avow_verify_cache_begin(cache);
    rc = verify_steps(&v, err);
    avow_verify_cache_end(cache, rc == 0 && out->authentic);
    return rc;
}

int avow_snp_verify(const struct avow_bundle *b, const struct avow_anchors *a, int64_t now,
                    struct avow_claims *out, struct avow_error *err)
{
    avow_auto(avow_cleanup_verify_cache) struct avow_verify_cache *cache = NULL;

    memset(out, 0, sizeof *out);
    AVOW_TRY(avow_verify_cache_new(AVOW_CACHE_ENTRIES_MIN, &cache, err));
    return avow_snp_verify_cached(b, a, now, cache, out, err);
}
