/* A TDREPORT of an imitated driver, made a quote by an imitated QGS on a real socket. */
#include "source/tdx_guest.h"

#include "evidence/tdx.h"
#include "qgs_server.h"

static char vendor[TEST_PATH], machine[TEST_PATH], socket_path[TEST_PATH + 16];
static char address[TEST_PATH + 32];
static struct test_device device;

struct driver {
    int calls, busy, error;
    bool other_data;
};

static int set_up(void **state)
{
    struct avow_sim_vm vm = { .tee = AVOW_TEE_TDX };

    (void)state;
    test_folder(vendor);
    test_folder(machine);
    snprintf(socket_path, sizeof socket_path, "%s/qgs", vendor);
    snprintf(address, sizeof address, "unix:%s", socket_path);
    test_intel_vendor(vendor, (int64_t)time(NULL));
    return avow_sim_vm_new(vendor, machine, &vm, NULL) < 0 ||
           avow_source_open(AVOW_SOURCE_SIM_TDX, machine, &device.sim, NULL) < 0;
}

static int tear_down(void **state)
{
    (void)state;
    avow_source_free(device.sim);
    test_remove(vendor);
    test_remove(machine);
    return 0;
}

static int answer(void *ctx, int fd, unsigned long request, struct tdx_guest_report *arg)
{
    struct driver *d = ctx;

    assert_true(fd >= 0);
    assert_int_equal(request, 0xc4405401);
    d->calls++;
    if (d->busy > 0 && d->busy--) {
        errno = EBUSY;
        return -1;
    }
    if (d->error) {
        errno = d->error;
        return -1;
    }
    memcpy(arg->tdreport + AVOW_TDREPORT_OFF_REPORTDATA, arg->report_data, 64);
    arg->tdreport[AVOW_TDREPORT_OFF_REPORTDATA] ^= d->other_data;
    return 0;
}

static int ask(struct driver *d, const char *qgs, unsigned wait_ms, struct avow_bundle *out,
               struct avow_error *err)
{
    struct tdx_guest_options o = {
        .device = "/dev/null", .qgs = qgs, .wait_ms = wait_ms, .call = answer, .ctx = d
    };
    struct avow_buf text = AVOW_BUF(AVOW_BUNDLE_MAX);
    struct avow_source *s = NULL;
    int rc = 0;

    assert_int_equal(tdx_guest_open(&o, &s, NULL), 0);
    assert_string_equal(avow_source_ops(s)->name, AVOW_SOURCE_TDX_QGS);
    assert_int_equal(avow_source_ops(s)->tee, AVOW_TEE_TDX);
    rc = avow_source_bundle(s, avow_bytes_str(STATEMENT), &text, err);
    if (rc == 0)
        assert_int_equal(avow_bundle_parse(avow_buf_view(&text), out, NULL), 0);
    avow_buf_done(&text);
    avow_source_free(s);
    return rc;
}

static void must_verify(struct driver *d, const char *qgs)
{
    struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };
    struct avow_anchors a;
    struct avow_claims c;

    if (ask(d, qgs, 0, &b, &err) < 0)
        fail_msg("%s", err.text);
    test_add_collateral(device.sim, &b);
    test_anchors(vendor, &a);
    test_verify(&b, &a, (int64_t)time(NULL), &c);
    test_authentic(&c);
    avow_bundle_done(&b);
}

static void test_quote(void **state)
{
    struct qgs_server s = { .device = &device };
    struct driver d = { .busy = 2 };

    (void)state;
    assert_true(qgs_server_start(&s, address));
    must_verify(&d, address);
    assert_int_equal(d.calls, 3);
    s.fault = QGS_DRIBBLES;
    must_verify(&d, address);
    assert_int_equal(s.requests, 2);
    assert_false(s.malformed);
    qgs_server_stop(&s);
    unlink(socket_path);
}

/* As it is used in a guest, with this machine itself in the place of the host. */
static void test_vsock(void **state)
{
    struct qgs_server s = { .device = &device };
    struct driver d = { 0 };

    (void)state;
    if (!qgs_server_start(&s, "vsock:1:47113")) { /* VMADDR_CID_LOCAL */
        fprintf(stderr, "\n*** SKIPPED: no loopback of vsock (module vsock_loopback) ***\n\n");
        skip();
    }
    must_verify(&d, "vsock:1:47113");
    assert_false(s.malformed);
    qgs_server_stop(&s);
}

/* A quote that a real TD got; a server that pads it, as some do. */
static void test_captured(void **state)
{
    struct test_device captured = { 0 };
    struct qgs_server s = { .device = &captured };
    struct driver d = { 0 };
    struct tdx_guest_options o = {
        .device = "/dev/null", .qgs = address, .call = answer, .ctx = &d
    };
    struct avow_tdx_quote q;
    struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };
    struct avow_source *source = NULL;
    char path[4096];
    uint8_t *p = NULL;
    size_t n = 0;

    (void)state;
    if (!test_vectors())
        skip();
    snprintf(path, sizeof path, "%s/tdx/automata-v4-00806f-2025-10/quote.bin", test_vectors());
    p = test_read_file(path, &n);
    assert_non_null(p);
    captured.report = AVOW_BYTES(p, n);
    assert_int_equal(avow_tdx_quote_parse(captured.report, &q, NULL), 0);
    assert_true(qgs_server_start(&s, address));
    assert_int_equal(tdx_guest_open(&o, &source, NULL), 0);
    assert_int_equal(guest_collect(source, q.body.report_data, &b, NULL), 0);
    assert_memory_equal(b.evidence.data, p, b.evidence.len);
    assert_int_equal(b.evidence.len, n - q.padding.len);
    avow_bundle_done(&b);
    assert_int_equal(ask(&d, address, 0, &b, &err), -AVOW_E_PROTOCOL);
    assert_non_null(strstr(err.text, "other report data"));
    avow_source_free(source);
    qgs_server_stop(&s);
    unlink(socket_path);
    free(p);
}

static void test_bad_servers(void **state)
{
    static const struct {
        enum qgs_fault fault;
        uint32_t error;
        int code;
    } cases[] = {
        { QGS_SILENT, 0, AVOW_E_TIMEOUT },
        { QGS_HANGS_UP, 0, AVOW_E_TRUNCATED },
        { QGS_HALF, 0, AVOW_E_TRUNCATED },
        { QGS_HUGE, 0, AVOW_E_LIMIT },
        { QGS_TINY, 0, AVOW_E_LIMIT },
        { QGS_OTHER_TYPE, 0, AVOW_E_PROTOCOL },
        { QGS_OTHER_VERSION, 0, AVOW_E_VERSION },
        { QGS_WRONG_SIZE, 0, AVOW_E_PROTOCOL },
        { QGS_WRONG_QUOTE_SIZE, 0, AVOW_E_TRUNCATED },
        { QGS_TRAILING, 0, AVOW_E_PROTOCOL },
        { QGS_FINE, 0x12001, AVOW_E_REFUSED },
    };
    struct qgs_server s = { .device = &device };
    struct driver d = { 0 };

    (void)state;
    assert_true(qgs_server_start(&s, address));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct avow_bundle b = { 0 };
        int rc = 0;

        s.fault = cases[i].fault;
        s.error = cases[i].error;
        rc = ask(&d, address, cases[i].fault == QGS_SILENT ? 60 : 5000, &b, NULL);
        if (rc != -cases[i].code)
            fail_msg("case %zu: %s", i, avow_err_name(rc));
    }
    qgs_server_stop(&s);
    unlink(socket_path);
}

static void test_no_server(void **state)
{
    struct driver d = { 0 };
    struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(ask(&d, "unix:/nowhere/qgs", 0, &b, &err), -AVOW_E_NETWORK);
    assert_non_null(strstr(err.text, "does qgsd run"));
}

static void test_driver_fails(void **state)
{
    struct driver d = { .error = EIO };
    struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(ask(&d, address, 0, &b, &err), -AVOW_E_SYSTEM);
    assert_non_null(strstr(err.text, "no TDREPORT"));
    d = (struct driver){ .other_data = true };
    assert_int_equal(ask(&d, address, 0, &b, NULL), -AVOW_E_PROTOCOL);
    d = (struct driver){ .busy = 1 << 20 };
    assert_int_equal(ask(&d, address, 60, &b, NULL), -AVOW_E_SYSTEM);
}

static void test_open_errors(void **state)
{
    struct tdx_guest_options o = { .device = "/nowhere/tdx_guest" };
    struct avow_source *s = NULL;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(tdx_guest_open(&o, &s, &err), -AVOW_E_NOTFOUND);
    assert_non_null(strstr(err.text, "module tdx-guest"));
    o = (struct tdx_guest_options){ .device = "/dev/null", .qgs = "nonsense" };
    assert_int_equal(tdx_guest_open(&o, &s, NULL), -AVOW_E_FORMAT);
    assert_null(s);
    o.qgs = NULL;
    assert_int_equal(tdx_guest_open(&o, &s, NULL), 0);
    avow_source_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quote),       cmocka_unit_test(test_vsock),
        cmocka_unit_test(test_captured),    cmocka_unit_test(test_bad_servers),
        cmocka_unit_test(test_no_server),   cmocka_unit_test(test_driver_fails),
        cmocka_unit_test(test_open_errors),
    };

    return cmocka_run_group_tests_name("source/tdx_guest", tests, set_up, tear_down);
}
