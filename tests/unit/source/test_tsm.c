/* configfs-tsm, against an imitation of it that is a file system. */
#include "source/tsm.h"

#include <limits.h>

#include "devices.h"
#include "evidence/snp.h"
#include "evidence/tdx.h"
#include "tsm_fs.h"

#define EXIT_SKIPPED 77
#define SHORT_MS 60u

static char vendor[TEST_PATH], snp_dir[TEST_PATH], tdx_dir[TEST_PATH], mounted[TEST_PATH];
static struct test_device snp, tdx;
static struct tsm_fs *fs;

static int set_up(void **state)
{
    struct avow_sim_vm snp_vm = { .tee = AVOW_TEE_SNP };
    struct avow_sim_vm tdx_vm = { .tee = AVOW_TEE_TDX };

    (void)state;
    test_folder(vendor);
    test_folder(snp_dir);
    test_folder(tdx_dir);
    return avow_sim_vendor_new(vendor, NULL) < 0 ||
           avow_sim_vm_new(vendor, snp_dir, &snp_vm, NULL) < 0 ||
           avow_sim_vm_new(vendor, tdx_dir, &tdx_vm, NULL) < 0 ||
           avow_source_open(AVOW_SOURCE_SIM_SNP, snp_dir, &snp.sim, NULL) < 0 ||
           avow_source_open(AVOW_SOURCE_SIM_TDX, tdx_dir, &tdx.sim, NULL) < 0;
}

static int tear_down(void **state)
{
    (void)state;
    avow_source_free(snp.sim);
    avow_source_free(tdx.sim);
    test_remove(vendor);
    test_remove(snp_dir);
    test_remove(tdx_dir);
    return 0;
}

static struct tsm_fs_config snp_config(void)
{
    return (struct tsm_fs_config){ .provider = "sev_guest",
                                   .has_table = true,
                                   .has_levels = true,
                                   .answer = test_device_answer,
                                   .ctx = &snp };
}

static void start(const struct tsm_fs_config *c)
{
    char why[256];

    test_folder(mounted);
    fs = tsm_fs_start(mounted, c, why);
    if (!fs)
        fail_msg("%s", why);
}

static int stop(void **state)
{
    (void)state;
    if (!fs)
        return 0;
    tsm_fs_stop(fs);
    fs = NULL;
    return rmdir(mounted);
}

static struct avow_source *opened(unsigned wait_ms)
{
    struct tsm_options o = { .folder = mounted, .wait_ms = wait_ms };
    struct avow_source *s = NULL;
    struct avow_error err = { 0 };

    if (tsm_open(&o, &s, &err) < 0)
        fail_msg("%s", err.text);
    return s;
}

/* A bundle over STATEMENT, and no entry left behind. */
static int ask(struct avow_source *s, struct avow_bundle *out, struct avow_error *err)
{
    struct avow_buf text = AVOW_BUF(AVOW_BUNDLE_MAX);
    int rc = avow_source_bundle(s, avow_bytes_str(STATEMENT), &text, err);

    if (rc == 0)
        assert_int_equal(avow_bundle_parse(avow_buf_view(&text), out, NULL), 0);
    avow_buf_done(&text);
    assert_int_equal(tsm_fs_seen(fs).present, 0);
    assert_int_equal(tsm_fs_seen(fs).most, 1);
    return rc;
}

static void must(struct avow_source *s, struct avow_bundle *out)
{
    struct avow_error err = { 0 };

    if (ask(s, out, &err) < 0)
        fail_msg("%s", err.text);
}

static void verify(const struct avow_bundle *b)
{
    struct avow_anchors a;
    struct avow_claims c;
    uint8_t expected[64] = { 0 };

    test_anchors(vendor, &a);
    test_verify(b, &a, (int64_t)time(NULL), &c);
    test_authentic(&c);
    assert_int_equal(avow_sha256(avow_bytes_str(STATEMENT), expected), 0);
    assert_memory_equal(c.report_data, expected, 64);
}

static void test_snp(void **state)
{
    struct tsm_fs_config c = snp_config();
    struct avow_bundle b = { 0 };
    struct avow_source *s = NULL;

    (void)state;
    start(&c);
    s = opened(0);
    assert_string_equal(avow_source_ops(s)->name, AVOW_SOURCE_TSM);
    assert_int_equal(avow_source_ops(s)->tee, AVOW_TEE_SNP);
    assert_false(avow_source_ops(s)->simulated);
    must(s, &b);
    assert_int_equal(b.tee, AVOW_TEE_SNP);
    assert_int_equal(b.n_certs, 3); /* of the host's table */
    verify(&b);
    avow_bundle_done(&b);
    snp.pem = true;
    must(s, &b);
    snp.pem = false;
    assert_int_equal(b.n_certs, 3);
    verify(&b);
    assert_int_equal(tsm_fs_seen(fs).made, 3); /* one to open */
    assert_int_equal(tsm_fs_seen(fs).reports, 2);
    avow_bundle_done(&b);
    avow_source_free(s);
}

static void test_tdx(void **state)
{
    struct tsm_fs_config c = { .provider = "tdx_guest", .answer = test_device_answer, .ctx = &tdx };
    struct avow_bundle b = { 0 };
    struct avow_source *s = NULL;

    (void)state;
    start(&c);
    s = opened(0);
    assert_int_equal(avow_source_ops(s)->tee, AVOW_TEE_TDX);
    must(s, &b);
    assert_int_equal(b.tee, AVOW_TEE_TDX);
    test_add_collateral(tdx.sim, &b);
    verify(&b);
    avow_bundle_done(&b);
    avow_source_free(s);
}

static struct avow_bytes vector(const char *name)
{
    char path[4096];
    size_t n = 0;
    uint8_t *p = NULL;

    snprintf(path, sizeof path, "%s/%s", test_vectors(), name);
    p = test_read_file(path, &n);
    if (!p)
        fail_msg("%s cannot be read", path);
    return AVOW_BYTES(p, n);
}

/* What configfs-tsm of a real Genoa gave: outblob and auxblob. */
static void test_captured_snp(void **state)
{
    struct test_device d = { 0 };
    struct tsm_fs_config c = snp_config();
    struct avow_bundle b = { 0 };
    struct avow_source *s = NULL;
    struct avow_error err = { 0 };
    struct avow_anchors a;
    struct avow_claims claims;

    (void)state;
    if (!test_vectors())
        skip();
    d.report = vector("snp-ext/veraison-tsm-report-genoa-v3/outblob.bin");
    d.table = vector("snp-ext/veraison-tsm-report-genoa-v3/auxblob_certtable.bin");
    c.ctx = &d;
    start(&c);
    s = opened(0);
    if (guest_collect(s, d.report.data + AVOW_SNP_OFF_REPORT_DATA, &b, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(avow_bytes_equal(b.evidence, d.report));
    assert_true(b.n_certs >= 1);
    avow_anchors_builtin(&a);
    assert_int_equal(avow_snp_verify(&b, &a, (int64_t)time(NULL), &claims, NULL), 0);
    assert_true(claims.authentic); /* the host's table has all that is needed */
    assert_false(claims.simulated);
    avow_bundle_done(&b);
    /* over other report data than was asked: a replay, or somebody else's */
    assert_int_equal(ask(s, &b, &err), -AVOW_E_PROTOCOL);
    assert_non_null(strstr(err.text, "other report data"));
    avow_source_free(s);
    free((void *)(uintptr_t)d.report.data);
    free((void *)(uintptr_t)d.table.data);
}

static void test_captured_tdx(void **state)
{
    struct test_device d = { 0 };
    struct tsm_fs_config c = { .provider = "tdx_guest", .answer = test_device_answer, .ctx = &d };
    struct avow_tdx_quote q;
    struct avow_bundle b = { 0 };
    struct avow_source *s = NULL;

    (void)state;
    if (!test_vectors())
        skip();
    d.report = vector("tdx/automata-v4-00806f-2025-10/quote.bin");
    assert_int_equal(avow_tdx_quote_parse(d.report, &q, NULL), 0);
    start(&c);
    s = opened(0);
    assert_int_equal(guest_collect(s, q.body.report_data, &b, NULL), 0);
    assert_true(
        avow_bytes_equal(b.evidence, AVOW_BYTES(d.report.data, d.report.len - q.padding.len)));
    avow_bundle_done(&b);
    avow_source_free(s);
    free((void *)(uintptr_t)d.report.data);
}

/* Everything that passes: asked again until it does. */
static void test_retries(void **state)
{
    struct tsm_fs_config c = snp_config();
    struct avow_bundle b = { 0 };
    struct avow_source *s = NULL;

    (void)state;
    c.busy_reads = 3;
    c.again_reads = 2;
    c.broken_reads = 2;
    c.lost_writes = 2;
    start(&c);
    s = opened(0);
    must(s, &b);
    verify(&b);
    avow_bundle_done(&b);
    avow_source_free(s);
}

static void test_busy_for_ever(void **state)
{
    struct tsm_fs_config c = snp_config();
    struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };
    struct avow_source *s = NULL;

    (void)state;
    c.busy_reads = INT_MAX;
    start(&c);
    s = opened(SHORT_MS);
    assert_int_equal(ask(s, &b, &err), -AVOW_E_TIMEOUT);
    assert_non_null(strstr(err.text, "outblob"));
    assert_int_equal(tsm_fs_seen(fs).reports, 0);
    avow_source_free(s);
}

/* Another one's inblob in our entry: before or after the report, it is noticed, and asked anew. */
static void test_another_writer(void **state)
{
    struct tsm_fs_config c = snp_config();
    struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };
    struct avow_source *s = NULL;

    (void)state;
    c.meddle_before = c.meddle_after = 1;
    start(&c);
    s = opened(0);
    must(s, &b);
    verify(&b);
    avow_bundle_done(&b);
    assert_true(tsm_fs_seen(fs).reports >= 2);
    c = snp_config();
    c.meddle_after = INT_MAX;
    tsm_fs_set(fs, &c);
    assert_int_equal(ask(s, &b, &err), -AVOW_E_BUSY);
    assert_non_null(strstr(err.text, "others write"));
    avow_source_free(s);
}

static void test_privilege_levels(void **state)
{
    struct tsm_fs_config c = snp_config();
    struct tsm_options o = { .folder = mounted, .has_privlevel = true, .privlevel = 1 };
    struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };
    struct avow_source *s = NULL;

    (void)state;
    c.floor = 2;
    start(&c);
    s = opened(0);
    must(s, &b);
    assert_int_equal(tsm_fs_seen(fs).privlevel, 2); /* the floor, where nothing was said */
    avow_bundle_done(&b);
    avow_source_free(s);
    assert_int_equal(tsm_open(&o, &s, NULL), 0);
    assert_int_equal(ask(s, &b, &err), -AVOW_E_REFUSED);
    assert_non_null(strstr(err.text, "level 1 is refused: 2 to 3"));
    avow_source_free(s);
    o.privlevel = 3;
    assert_int_equal(tsm_open(&o, &s, NULL), 0);
    must(s, &b);
    assert_int_equal(tsm_fs_seen(fs).privlevel, 3);
    avow_bundle_done(&b);
    avow_source_free(s);
}

static void test_no_levels(void **state)
{
    struct tsm_fs_config c = snp_config();
    struct tsm_options o = { .folder = mounted, .has_privlevel = true };
    struct avow_bundle b = { 0 };
    struct avow_source *s = NULL;

    (void)state;
    c.has_levels = false;
    start(&c);
    s = opened(0);
    must(s, &b);
    avow_bundle_done(&b);
    avow_source_free(s);
    assert_int_equal(tsm_open(&o, &s, NULL), 0);
    assert_int_equal(ask(s, &b, NULL), -AVOW_E_UNSUPPORTED);
    avow_source_free(s);
}

static void test_providers(void **state)
{
    struct tsm_fs_config c = snp_config();
    struct tsm_options o = { .folder = mounted };
    struct avow_source *s = NULL;
    struct avow_error err = { 0 };
    struct avow_bundle b = { 0 };

    (void)state;
    c.provider = "arm_cca_guest";
    start(&c);
    assert_int_equal(tsm_open(&o, &s, &err), -AVOW_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "arm_cca_guest"));
    assert_int_equal(tsm_fs_seen(fs).present, 0);
    c.provider = NULL;
    tsm_fs_set(fs, &c);
    memset(&err, 0, sizeof err);
    assert_int_equal(tsm_open(&o, &s, &err), -AVOW_E_MISSING);
    assert_non_null(strstr(err.text, "sev-guest"));
    assert_null(s);
    c = snp_config();
    tsm_fs_set(fs, &c);
    s = opened(0);
    c.provider = "tdx_guest"; /* the driver was exchanged: not what we announced */
    tsm_fs_set(fs, &c);
    assert_int_equal(ask(s, &b, NULL), -AVOW_E_STATE);
    avow_source_free(s);
    o.folder = "/nowhere/at/all";
    s = NULL;
    memset(&err, 0, sizeof err);
    assert_int_equal(tsm_open(&o, &s, &err), -AVOW_E_NOTFOUND);
    assert_non_null(strstr(err.text, "Linux 6.7"));
    assert_null(s);
}

/* A device that answers with something else. */
static void test_bad_answers(void **state)
{
    static uint8_t bytes[GUEST_BLOB_MAX + 1];
    struct test_device d = { .report = AVOW_BYTES(bytes, AVOW_SNP_REPORT_LEN - 1) };
    struct tsm_fs_config c = snp_config();
    struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };
    struct avow_source *s = NULL;
    uint8_t zero[64] = { 0 };

    (void)state;
    c.ctx = &d;
    start(&c);
    s = opened(0);
    assert_int_equal(guest_collect(s, zero, &b, &err), -AVOW_E_PROTOCOL); /* short */
    assert_non_null(strstr(err.text, "1183"));
    d.report = AVOW_BYTES(bytes, 0);
    assert_int_equal(guest_collect(s, zero, &b, NULL), -AVOW_E_PROTOCOL);
    d.report = AVOW_BYTES_OF(bytes);
    assert_int_equal(guest_collect(s, zero, &b, NULL), -AVOW_E_LIMIT);
    d.report = AVOW_BYTES(bytes, AVOW_SNP_REPORT_LEN);
    assert_int_equal(guest_collect(s, zero, &b, NULL), 0); /* without a table: no certificates */
    assert_int_equal(b.n_certs, 0);
    avow_bundle_done(&b);
    d.table = AVOW_BYTES(bytes, 4096); /* zeros: the host has none */
    assert_int_equal(guest_collect(s, zero, &b, NULL), 0);
    assert_int_equal(b.n_certs, 0);
    avow_bundle_done(&b);
    d.table = AVOW_BYTES(test_guid_vcek, 16); /* no end */
    memset(&err, 0, sizeof err);
    assert_int_equal(guest_collect(s, zero, &b, &err), -AVOW_E_TRUNCATED);
    assert_non_null(strstr(err.text, "the host's certificates"));
    avow_bundle_done(&b);
    assert_int_equal(tsm_fs_seen(fs).present, 0);
    avow_source_free(s);
}

static void test_bad_quote(void **state)
{
    struct test_device d = { .report = AVOW_BYTES("no quote", 8) };
    struct tsm_fs_config c = { .provider = "tdx_guest", .answer = test_device_answer, .ctx = &d };
    struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };
    struct avow_source *s = NULL;

    (void)state;
    start(&c);
    s = opened(0);
    assert_true(ask(s, &b, &err) < 0);
    assert_non_null(strstr(err.text, "no quote that could be read"));
    avow_source_free(s);
}

/* What a node of `kind: auto` does: the imitation in its place below a root. */
static void test_auto(void **state)
{
    static const char *const folders[] = { "sys", "kernel", "config", "tsm", "report" };
    struct tsm_fs_config c = snp_config();
    struct avow_source_options o = { .has_privilege_level = true, .privilege_level = 2 };
    struct avow_bundle b = { 0 };
    struct avow_source *s = NULL;
    char root[TEST_PATH], path[TEST_PATH + 64], why[256];

    (void)state;
    test_folder(root);
    snprintf(path, sizeof path, "%s", root);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path + strlen(path), sizeof path - strlen(path), "/%s", folders[i]);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    fs = tsm_fs_start(path, &c, why);
    assert_non_null(fs);
    o.root = root;
    assert_int_equal(avow_source_open_with(AVOW_SOURCE_AUTO, &o, &s, NULL), 0);
    assert_string_equal(avow_source_ops(s)->name, AVOW_SOURCE_TSM);
    must(s, &b);
    assert_int_equal(tsm_fs_seen(fs).privlevel, 2);
    avow_bundle_done(&b);
    avow_source_free(s);
    tsm_fs_stop(fs);
    fs = NULL;
    test_remove(root);
}

static void test_no_table(void **state)
{
    struct tsm_fs_config c = snp_config();
    struct avow_bundle b = { 0 };
    struct avow_source *s = NULL;

    (void)state;
    c.has_table = false;
    start(&c);
    s = opened(0);
    must(s, &b);
    assert_int_equal(b.n_certs, 0);
    assert_int_equal(b.evidence.len, AVOW_SNP_REPORT_LEN);
    avow_bundle_done(&b);
    avow_source_free(s);
}

/* Exit status 77 and loud words where FUSE is not to be had. */
static bool have_fuse(void)
{
    struct tsm_fs_config c = snp_config();
    char why[256];
    struct tsm_fs *f = NULL;

    test_folder(mounted);
    f = tsm_fs_start(mounted, &c, why);
    tsm_fs_stop(f);
    (void)rmdir(mounted);
    if (!f)
        fprintf(stderr, "\n*** SKIPPED: configfs-tsm: %s ***\n\n", why);
    return f != NULL;
}

#define TEST(f) cmocka_unit_test_teardown(f, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_snp),
        TEST(test_tdx),
        TEST(test_captured_snp),
        TEST(test_captured_tdx),
        TEST(test_retries),
        TEST(test_busy_for_ever),
        TEST(test_another_writer),
        TEST(test_privilege_levels),
        TEST(test_no_levels),
        TEST(test_providers),
        TEST(test_bad_answers),
        TEST(test_bad_quote),
        TEST(test_no_table),
        TEST(test_auto),
    };

    if (!have_fuse())
        return EXIT_SKIPPED;
    return cmocka_run_group_tests_name("source/tsm", tests, set_up, tear_down);
}
