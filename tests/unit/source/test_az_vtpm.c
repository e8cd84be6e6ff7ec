/* Azure's machines: swtpm, a simulated paravisor's report, IMDS; judged by the real verifier. */
#include "azure_machine.h"

#include "../eventlog_maker.h"
#include "verify/verify.h"

#define EXIT_SKIPPED 77

static char vendor[TEST_PATH];
static struct azure_machine m;

static int set_up(void **state)
{
    (void)state;
    test_folder(vendor);
    return avow_sim_vendor_new(vendor, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    test_remove(vendor);
    return 0;
}

static int ask(struct avow_source *s, struct avow_bundle *out, struct avow_error *err)
{
    struct avow_buf text = AVOW_BUF(AVOW_BUNDLE_MAX);
    int rc = avow_source_bundle(s, avow_bytes_str(STATEMENT), &text, err);

    if (rc == 0)
        assert_int_equal(avow_bundle_parse(avow_buf_view(&text), out, NULL), 0);
    avow_buf_done(&text);
    return rc;
}

static struct avow_source *opened(const struct az_options *o)
{
    struct avow_source *s = NULL;
    struct avow_error err = { 0 };

    if (az_open(o, &s, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(avow_source_ops(s)->name, AVOW_SOURCE_AZ_VTPM);
    return s;
}

static void verify(const struct avow_bundle *b, struct avow_claims *c)
{
    struct avow_anchors a;
    uint8_t digest[32];

    test_anchors(vendor, &a);
    assert_int_equal(avow_verify(b, &a, (int64_t)time(NULL), NULL, c, NULL), 0);
    test_authentic(c);
    assert_true(c->vtpm.quoted);
    assert_int_equal(avow_sha256(avow_bytes_str(STATEMENT), digest), 0);
    assert_int_equal(c->vtpm.extra_len, 32);
    assert_memory_equal(c->vtpm.extra_data, digest, 32);
    assert_int_equal(c->vtpm.pcr_mask, 0xFFFFFF);
}

static void test_snp(void **state)
{
    avow_autofree char *reply = NULL;
    struct server imds = { 0 };
    char base[128];
    struct az_options o = { .imds = base };
    struct avow_bundle b = { 0 };
    struct avow_source *s = NULL;
    struct avow_claims c;
    struct avow_error err = { 0 };

    (void)state;
    azure_start(&m, vendor, AVOW_TEE_SNP, NULL, 0);
    o.tcti = m.tpm.tcti;
    imds.replies[0] = reply = azure_thim_reply(&m);
    server_start(&imds);
    server_url(&imds, "", base);
    s = opened(&o);
    assert_int_equal(avow_source_ops(s)->tee, AVOW_TEE_AZ_SNP);
    if (ask(s, &b, &err) < 0)
        fail_msg("%s", err.text);
    verify(&b, &c);
    assert_int_equal(c.tee, AVOW_TEE_AZ_SNP);
    avow_bundle_done(&b);
    server_stop(&imds); /* what IMDS said is kept for the same report */
    assert_int_equal(ask(s, &b, NULL), 0);
    verify(&b, &c);
    avow_bundle_done(&b);
    avow_source_free(s);
    azure_stop(&m);
}

static void test_tdx(void **state)
{
    avow_autofree char *reply = NULL;
    struct server imds = { 0 };
    char base[128];
    struct az_options o = { .imds = base };
    struct avow_bundle b = { 0 };
    struct avow_source *s = NULL;
    struct avow_claims c;
    struct avow_error err = { 0 };

    (void)state;
    azure_start(&m, vendor, AVOW_TEE_TDX, NULL, 0);
    o.tcti = m.tpm.tcti;
    imds.replies[0] = reply = azure_quote_reply(m.evidence.evidence);
    server_start(&imds);
    server_url(&imds, "", base);
    s = opened(&o);
    assert_int_equal(avow_source_ops(s)->tee, AVOW_TEE_AZ_TDX);
    if (ask(s, &b, &err) < 0)
        fail_msg("%s", err.text);
    test_add_collateral(m.sim, &b);
    verify(&b, &c);
    assert_int_equal(c.tee, AVOW_TEE_AZ_TDX);
    avow_bundle_done(&b);
    server_stop(&imds);
    avow_source_free(s);
    azure_stop(&m);
}

/* A quote that is not over this machine's TDREPORT is not passed on. */
static void test_other_quote(void **state)
{
    static const uint8_t other[64] = { 1 };
    avow_autofree char *reply = NULL;
    struct server imds = { 0 };
    char base[128];
    struct az_options o = { .imds = base };
    struct avow_bundle b = { 0 };
    struct avow_source *s = NULL;
    struct avow_error err = { 0 };

    (void)state;
    azure_start(&m, vendor, AVOW_TEE_TDX, NULL, 0);
    o.tcti = m.tpm.tcti;
    assert_int_equal(guest_collect(m.sim, other, &b, NULL), 0);
    imds.replies[0] = reply = azure_quote_reply(b.evidence);
    avow_bundle_done(&b);
    server_start(&imds);
    server_url(&imds, "", base);
    s = opened(&o);
    assert_int_equal(ask(s, &b, &err), -AVOW_E_PROTOCOL);
    assert_non_null(strstr(err.text, "IMDS"));
    server_stop(&imds);
    assert_int_equal(ask(s, &b, NULL), -AVOW_E_NETWORK); /* nothing was kept of it */
    avow_source_free(s);
    azure_stop(&m);
}

/* Firmware that measured into PCRs 4 and 5, and its log. */
static void test_event_log(void **state)
{
    avow_autofree char *reply = NULL;
    struct server imds = { 0 };
    char base[128], path[TEST_PATH + 16];
    struct az_options o = { .imds = base, .event_log = path };
    struct avow_buf log = AVOW_BUF(4096);
    struct avow_bundle b = { 0 };
    struct avow_source *s = NULL;
    struct avow_claims c;
    struct patience p;
    struct vtpm v;
    int dir = -1;

    (void)state;
    azure_start(&m, vendor, AVOW_TEE_SNP, NULL, 0);
    o.tcti = m.tpm.tcti;
    swtpm_open(&m.tpm, &p, &v);
    swtpm_extend(&v, 4, 0xA4);
    swtpm_extend(&v, 5, 0xA5);
    vtpm_done(&v);
    log_begin(&log, AVOW_ALG_SHA256, 32);
    log_event(&log, 4, 0x80000003, AVOW_ALG_SHA256, 32, 0xA4, "shim");
    log_event(&log, 5, 0x80000006, AVOW_ALG_SHA256, 32, 0xA5, "partitions");
    dir = test_open(m.dir);
    assert_int_equal(folder_write(dir, "log", 0600, avow_buf_view(&log), NULL), 0);
    snprintf(path, sizeof path, "%s/log", m.dir);
    imds.replies[0] = reply = azure_thim_reply(&m);
    server_start(&imds);
    server_url(&imds, "", base);
    s = opened(&o);
    assert_int_equal(ask(s, &b, NULL), 0);
    verify(&b, &c);
    assert_true(c.log.replayed);
    assert_int_equal(c.log.registers, 1u << 4 | 1u << 5);
    avow_bundle_done(&b);
    assert_int_equal(folder_write(dir, "log", 0600, avow_bytes_str("no log"), NULL), 0);
    assert_int_equal(ask(s, &b, NULL), 0); /* left out */
    assert_int_equal(b.event_log.len, 0);
    avow_bundle_done(&b);
    close(dir);
    server_stop(&imds);
    avow_source_free(s);
    avow_buf_done(&log);
    azure_stop(&m);
}

/* With `fresh`, only a report that has our user data will do. */
static void test_fresh(void **state)
{
    avow_autofree char *reply = NULL;
    struct server imds = { 0 };
    char base[128];
    struct az_options o = { .imds = base, .fresh = true, .wait_ms = 5000 };
    uint8_t user_data[64] = { 0 };
    struct avow_bundle b = { 0 };
    struct avow_buf written = AVOW_BUF(64);
    struct avow_source *s = NULL;
    struct avow_claims c;
    struct avow_error err = { 0 };
    struct patience p;
    struct vtpm v;

    (void)state;
    assert_int_equal(avow_sha256(avow_bytes_str(STATEMENT), user_data), 0);
    azure_start(&m, vendor, AVOW_TEE_SNP, user_data, 0); /* the paravisor has taken it up */
    o.tcti = m.tpm.tcti;
    imds.replies[0] = reply = azure_thim_reply(&m);
    server_start(&imds);
    server_url(&imds, "", base);
    s = opened(&o);
    if (ask(s, &b, &err) < 0)
        fail_msg("%s", err.text);
    verify(&b, &c);
    avow_bundle_done(&b);
    swtpm_open(&m.tpm, &p, &v);
    assert_int_equal(vtpm_nv_read(&v, AZ_NV_USER_DATA, &written, NULL), 0);
    assert_memory_equal(written.data, user_data, 64);
    vtpm_done(&v);
    avow_buf_done(&written);
    avow_source_free(s);
    o.wait_ms = 400;
    s = opened(&o);
    user_data[0] ^= 1; /* a paravisor that makes no new report: never taken for a fresh one */
    assert_int_equal(guest_collect(s, user_data, &b, &err), -AVOW_E_TIMEOUT);
    assert_non_null(strstr(err.text, "user data"));
    avow_bundle_done(&b);
    server_stop(&imds);
    avow_source_free(s);
    azure_stop(&m);
}

/* What a node of `kind: auto` does on Azure. */
static void test_auto(void **state)
{
    static const char tag[] = AVOW_SOURCE_AZURE_TAG "\n";
    struct avow_source_options o = { 0 };
    struct avow_source *s = NULL;
    struct avow_error err = { 0 };
    char path[TEST_PATH + 64];
    int dir = -1;

    (void)state;
    azure_start(&m, vendor, AVOW_TEE_TDX, NULL, 0);
    snprintf(path, sizeof path, "%s/sys", m.dir);
    for (const char *p = "/class/dmi/id"; mkdir(path, 0755) == 0 && *p; p++) {
        size_t n = strcspn(p + 1, "/") + 1;

        snprintf(path + strlen(path), sizeof path - strlen(path), "%.*s", (int)n, p);
        p += n - 1;
    }
    dir = test_open(path);
    assert_int_equal(folder_write(dir, "chassis_asset_tag", 0444, avow_bytes_str(tag), NULL), 0);
    close(dir);
    o.root = m.dir;
    o.tcti = m.tpm.tcti;
    if (avow_source_open_with(AVOW_SOURCE_AUTO, &o, &s, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(avow_source_ops(s)->name, AVOW_SOURCE_AZ_VTPM);
    assert_int_equal(avow_source_ops(s)->tee, AVOW_TEE_AZ_TDX);
    avow_source_free(s);
    azure_stop(&m);
}

static void test_no_azure(void **state)
{
    struct az_options o = { 0 };
    struct avow_source *s = NULL;
    struct avow_error err = { 0 };
    struct swtpm plain;

    (void)state;
    swtpm_start(&plain); /* a TPM without a paravisor's report */
    o.tcti = plain.tcti;
    assert_int_equal(az_open(&o, &s, &err), -AVOW_E_NOTFOUND);
    assert_non_null(strstr(err.text, "0x01400001"));
    swtpm_stop(&plain);
    azure_start(&m, vendor, AVOW_TEE_SNP, NULL, 3); /* a trusted VM, not a confidential one */
    o.tcti = m.tpm.tcti;
    assert_int_equal(az_open(&o, &s, &err), -AVOW_E_UNSUPPORTED);
    azure_stop(&m);
    o.tcti = "device:/nowhere/tpmrm0";
    assert_int_equal(az_open(&o, &s, NULL), -AVOW_E_NOTFOUND);
    assert_null(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snp),         cmocka_unit_test(test_tdx),
        cmocka_unit_test(test_other_quote), cmocka_unit_test(test_event_log),
        cmocka_unit_test(test_fresh),       cmocka_unit_test(test_no_azure),
        cmocka_unit_test(test_auto),
    };

    if (!swtpm_there()) {
        fprintf(stderr, "\n*** SKIPPED: no swtpm here (apt install swtpm) ***\n\n");
        return EXIT_SKIPPED;
    }
    return cmocka_run_group_tests_name("source/az_vtpm", tests, set_up, tear_down);
}
