/* /dev/sev-guest, with a driver and a host of the test's own behind its ioctls. */
#include "source/sev_guest.h"

#include "devices.h"
#include "evidence/snp.h"

struct driver {
    struct test_device device;
    int calls, plain; /* ioctls; of them SNP_GET_REPORT */
    int busy;         /* answer the first so many with "busy" */
    int error;        /* then this errno, with these: */
    uint32_t vmm, fw;
    bool extended_only;    /* only for SNP_GET_EXT_REPORT */
    uint32_t needs;        /* bytes that the host's table takes, if more than is offered */
    uint32_t status, size; /* of MSG_REPORT_RSP; size 0: the right one */
    bool no_table;
};

static char vendor[TEST_PATH], machine[TEST_PATH];
static struct avow_source *sim;

static int set_up(void **state)
{
    struct avow_sim_vm vm = { .tee = AVOW_TEE_SNP };

    (void)state;
    test_folder(vendor);
    test_folder(machine);
    return avow_sim_vendor_new(vendor, NULL) < 0 ||
           avow_sim_vm_new(vendor, machine, &vm, NULL) < 0 ||
           avow_source_open(AVOW_SOURCE_SIM_SNP, machine, &sim, NULL) < 0;
}

static int tear_down(void **state)
{
    (void)state;
    avow_source_free(sim);
    test_remove(vendor);
    test_remove(machine);
    return 0;
}

static int fails(struct snp_guest_request_ioctl *arg, int error, uint32_t vmm, uint32_t fw)
{
    arg->vmm_error = vmm;
    arg->fw_error = fw;
    errno = error;
    return -1;
}

/* The rules of the driver's get_ext_report(). */
static int take_table(struct driver *d, struct snp_guest_request_ioctl *arg,
                      struct avow_bytes table)
{
    struct snp_ext_report_req *req = (void *)(uintptr_t)arg->req_data; /* NOLINT */

    if (req->certs_len % 4096 || !req->certs_address || req->certs_address % 4096)
        return fails(arg, EINVAL, 0, 0);
    if (req->certs_len < d->needs || req->certs_len < table.len) {
        req->certs_len = d->needs;
        return fails(arg, ENOSPC, SNP_GUEST_VMM_ERR_INVALID_LEN, 0);
    }
    if (!d->no_table)
        memcpy((void *)(uintptr_t)req->certs_address, table.data, table.len); /* NOLINT */
    return 0;
}

static int answer(void *ctx, int fd, unsigned long request, struct snp_guest_request_ioctl *arg)
{
    struct driver *d = ctx;
    struct snp_report_req *req = (void *)(uintptr_t)arg->req_data;    /* NOLINT: first in both */
    struct snp_report_resp *resp = (void *)(uintptr_t)arg->resp_data; /* NOLINT */
    struct avow_buf report = AVOW_BUF(1u << 20);
    struct avow_buf table = AVOW_BUF(1u << 20);
    struct avow_buf message = AVOW_BUF(sizeof resp->data);
    bool extended = request == SNP_GET_EXT_REPORT;
    int rc = 0;

    assert_true(fd >= 0);
    assert_true(extended || request == SNP_GET_REPORT);
    assert_int_equal(arg->msg_version, 1);
    d->calls++;
    d->plain += !extended;
    if (d->busy > 0 && d->busy--)
        return fails(arg, EAGAIN, SNP_GUEST_VMM_ERR_BUSY, 0);
    if (d->error && (extended || !d->extended_only))
        return fails(arg, d->error, d->vmm, d->fw);
    assert_int_equal(test_device_answer(&d->device, req->user_data, req->vmpl, &report, &table), 0);
    if (extended)
        rc = take_table(d, arg, avow_buf_view(&table));
    avow_buf_put_u32le(&message, d->status);
    avow_buf_put_u32le(&message, d->size ? d->size : (uint32_t)report.len);
    avow_buf_put_zero(&message, 24);
    avow_buf_put_bytes(&message, avow_buf_view(&report));
    if (rc == 0)
        memcpy(resp->data, message.data, message.len);
    avow_buf_done(&report);
    avow_buf_done(&table);
    avow_buf_done(&message);
    return rc;
}

static int ask(struct driver *d, unsigned wait_ms, struct avow_bundle *out, struct avow_error *err)
{
    struct sev_guest_options o = {
        .device = "/dev/null", .call = answer, .ctx = d, .wait_ms = wait_ms
    };
    struct avow_buf text = AVOW_BUF(AVOW_BUNDLE_MAX);
    struct avow_source *s = NULL;
    int rc = 0;

    if (!d->device.report.len)
        d->device.sim = sim;
    assert_int_equal(sev_guest_open(&o, &s, NULL), 0);
    assert_string_equal(avow_source_ops(s)->name, AVOW_SOURCE_SEV_GUEST);
    assert_int_equal(avow_source_ops(s)->tee, AVOW_TEE_SNP);
    rc = avow_source_bundle(s, avow_bytes_str(STATEMENT), &text, err);
    if (rc == 0)
        assert_int_equal(avow_bundle_parse(avow_buf_view(&text), out, NULL), 0);
    avow_buf_done(&text);
    avow_source_free(s);
    return rc;
}

static void must_verify(struct driver *d, size_t certs)
{
    struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };
    struct avow_anchors a;
    struct avow_claims c;

    if (ask(d, 0, &b, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(b.n_certs, certs);
    if (!certs) {
        avow_bundle_done(&b);
        return;
    }
    test_anchors(vendor, &a);
    test_verify(&b, &a, (int64_t)time(NULL), &c);
    test_authentic(&c);
    avow_bundle_done(&b);
}

static void test_extended(void **state)
{
    struct driver d = { 0 };

    (void)state;
    must_verify(&d, 3);
    assert_int_equal(d.calls, 1);
    d = (struct driver){ .device = { .pem = true } };
    must_verify(&d, 3);
}

static void test_larger_table(void **state)
{
    struct driver d = { .needs = 5u << 12 };

    (void)state;
    must_verify(&d, 3);
    assert_int_equal(d.calls, 2);
    d = (struct driver){ .needs = 1u << 20 }; /* more than we take: without certificates then */
    must_verify(&d, 0);
    assert_int_equal(d.plain, 1);
    d = (struct driver){ .needs = SEV_GUEST_TABLE_LEN + 1 }; /* no pages: not a length to believe */
    must_verify(&d, 0);
}

static void test_no_table(void **state)
{
    struct driver d = { .no_table = true };

    (void)state;
    must_verify(&d, 0);
    assert_int_equal(d.plain, 0);
    d = (struct driver){ .error = EIO, .vmm = 3, .extended_only = true };
    must_verify(&d, 0);
    assert_int_equal(d.plain, 1);
    d = (struct driver){ .error = EINVAL, .extended_only = true };
    must_verify(&d, 0);
}

static void test_busy(void **state)
{
    struct driver d = { .busy = 4 };
    struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    must_verify(&d, 3);
    assert_int_equal(d.calls, 5);
    d = (struct driver){ .busy = 1 << 20 };
    assert_int_equal(ask(&d, 60, &b, &err), -AVOW_E_BUSY);
    assert_non_null(strstr(err.text, "busy"));
    assert_in_range(d.calls, 3, 10);
    assert_int_equal(d.plain, 0);
}

static void expect_text(struct driver d, int code, const char *text)
{
    struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };

    assert_int_equal(ask(&d, 0, &b, &err), -code);
    if (!strstr(err.text, text))
        fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

static void test_errors(void **state)
{
    (void)state;
    expect_text((struct driver){ .error = ENOTTY }, AVOW_E_SYSTEM, "only a new start of the VM");
    expect_text((struct driver){ .error = EIO, .vmm = 7 }, AVOW_E_SYSTEM, "VMM error 7");
    expect_text((struct driver){ .error = EIO, .fw = 0x16 }, AVOW_E_SYSTEM, "firmware refused");
    expect_text((struct driver){ .error = EINVAL }, AVOW_E_SYSTEM, "VMPL 0");
    expect_text((struct driver){ .error = EIO, .fw = 0xFF }, AVOW_E_SYSTEM, "no report");
    expect_text((struct driver){ .status = 0x16 }, AVOW_E_PROTOCOL, "status 0x16");
    expect_text((struct driver){ .size = 1183 }, AVOW_E_PROTOCOL, "1183");
    expect_text((struct driver){ .size = 0xFFFFFFFF }, AVOW_E_PROTOCOL, "4294967295");
}

/* A report that a real processor made, over other data than ours: not passed on. */
static void test_captured(void **state)
{
    struct driver d = { 0 };
    char path[4096];
    uint8_t *p = NULL;
    size_t n = 0;

    (void)state;
    if (!test_vectors())
        skip();
    snprintf(path, sizeof path, "%s/snp-ext/veraison-tsm-report-genoa-v3/outblob.bin",
             test_vectors());
    p = test_read_file(path, &n);
    assert_non_null(p);
    d.device.report = AVOW_BYTES(p, n);
    expect_text(d, AVOW_E_PROTOCOL, "other report data");
    free(p);
}

static void test_open_errors(void **state)
{
    struct sev_guest_options o = { .device = "/nowhere/sev-guest" };
    struct avow_source *s = NULL;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(sev_guest_open(&o, &s, &err), -AVOW_E_NOTFOUND);
    assert_non_null(strstr(err.text, "module sev-guest"));
    assert_null(s);
}

/* Not our imitation but the kernel's own answer to a device that is none. */
static void test_real_ioctl(void **state)
{
    struct sev_guest_options o = { .device = "/dev/null" };
    struct avow_bundle b = { 0 };
    struct avow_source *s = NULL;
    uint8_t zero[64] = { 0 };

    (void)state;
    assert_int_equal(sev_guest_open(&o, &s, NULL), 0);
    assert_int_equal(guest_collect(s, zero, &b, NULL), -AVOW_E_SYSTEM);
    avow_source_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extended),    cmocka_unit_test(test_larger_table),
        cmocka_unit_test(test_no_table),    cmocka_unit_test(test_busy),
        cmocka_unit_test(test_errors),      cmocka_unit_test(test_captured),
        cmocka_unit_test(test_open_errors), cmocka_unit_test(test_real_ioctl),
    };

    return cmocka_run_group_tests_name("source/sev_guest", tests, set_up, tear_down);
}
