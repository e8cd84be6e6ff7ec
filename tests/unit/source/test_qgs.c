#include "qgs_server.h"

#include <linux/vm_sockets.h>
#include <sys/un.h>

static void test_addresses(void **state)
{
    static const char *const bad[] = {
        "",      "vsock:",        "vsock:2",       "vsock:2:4050x", "vsock:x:1",
        "unix:", "unix:relative", "tcp:1.2.3.4:1", "vsock:2:-1",    "vsock:99999999999:1"
    };
    char long_path[200] = "unix:/";
    struct sockaddr_storage a;
    const struct sockaddr_vm *vm = (const struct sockaddr_vm *)&a;
    const struct sockaddr_un *un = (const struct sockaddr_un *)&a;
    socklen_t len = 0;

    (void)state;
    assert_int_equal(qgs_address(QGS_ADDRESS, &a, &len, NULL), 0);
    assert_int_equal(vm->svm_family, AF_VSOCK);
    assert_int_equal(vm->svm_cid, VMADDR_CID_HOST);
    assert_int_equal(vm->svm_port, 4050);
    assert_int_equal(len, sizeof *vm);
    assert_int_equal(qgs_address("unix:/run/qgs", &a, &len, NULL), 0);
    assert_int_equal(un->sun_family, AF_UNIX);
    assert_string_equal(un->sun_path, "/run/qgs");
    memset(long_path + 6, 'a', sizeof long_path - 7);
    assert_int_equal(qgs_address(long_path, &a, &len, NULL), -AVOW_E_FORMAT);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (qgs_address(bad[i], &a, &len, NULL) != -AVOW_E_FORMAT)
            fail_msg("\"%s\" is taken for an address", bad[i]);
}

static int parsed(enum qgs_fault fault, uint32_t error, size_t cut)
{
    struct avow_buf reply = AVOW_BUF(4096);
    struct avow_bytes quote = { 0 };
    struct avow_bytes v = { 0 };
    int rc = 0;

    qgs_server_reply(fault, error, avow_bytes_str("a quote"), &reply);
    v = avow_buf_view(&reply);
    v.len -= cut;
    rc = qgs_reply(v, &quote, NULL);
    if (rc == 0)
        assert_true(avow_bytes_equal(quote, avow_bytes_str("a quote")));
    avow_buf_done(&reply);
    return rc;
}

static void test_replies(void **state)
{
    (void)state;
    assert_int_equal(parsed(QGS_FINE, 0, 0), 0);
    assert_int_equal(parsed(QGS_OTHER_TYPE, 0, 0), -AVOW_E_PROTOCOL);
    assert_int_equal(parsed(QGS_OTHER_VERSION, 0, 0), -AVOW_E_VERSION);
    assert_int_equal(parsed(QGS_WRONG_SIZE, 0, 0), -AVOW_E_PROTOCOL);
    assert_int_equal(parsed(QGS_WRONG_QUOTE_SIZE, 0, 0), -AVOW_E_TRUNCATED);
    assert_int_equal(parsed(QGS_TRAILING, 0, 0), -AVOW_E_PROTOCOL);
    for (size_t cut = 1; cut <= 24 + 7; cut++)
        assert_true(parsed(QGS_FINE, 0, cut) < 0);
    assert_int_equal(parsed(QGS_FINE, 0x12003, 0), -AVOW_E_REFUSED);
}

static void test_error_texts(void **state)
{
    static const struct {
        uint32_t code;
        const char *text;
    } known[] = { { 0x12001, "unexpected" },   { 0x12003, "not one of a TD on this host" },
                  { 0x12004, "this version" }, { 0x12007, "error code is wrong" },
                  { 0x12008, "log of qgsd" },  { 0xFFFFFFFF, "log of qgsd" },
                  { 1, "log of qgsd" } };

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct avow_buf reply = AVOW_BUF(4096);
        struct avow_bytes quote = { 0 };
        struct avow_error err = { 0 };

        qgs_server_reply(QGS_FINE, known[i].code, avow_bytes_str(""), &reply);
        assert_int_equal(qgs_reply(avow_buf_view(&reply), &quote, &err), -AVOW_E_REFUSED);
        if (!strstr(err.text, known[i].text))
            fail_msg("%x: \"%s\"", known[i].code, err.text);
        avow_buf_done(&reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_error_texts),
    };

    return cmocka_run_group_tests_name("source/qgs", tests, NULL, NULL);
}
