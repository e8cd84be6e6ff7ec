#include "folders.h"
#include "verify/anchors.h"

static char dir[TEST_PATH];

static int set_up(void **state)
{
    (void)state;
    test_folder(dir);
    return avow_sim_vendor_new(dir, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    test_remove(dir);
    return 0;
}

static struct avow_cert *cert(const char *name)
{
    struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);
    struct avow_cert *c = NULL;
    int fd = test_open(dir);

    assert_int_equal(folder_read(fd, name, &der, NULL), 0);
    assert_int_equal(avow_cert_parse(avow_buf_view(&der), &c, NULL), 0);
    avow_buf_done(&der);
    close(fd);
    return c;
}

static void check_signed(const char *name, const char *issuer, const char *cn, bool ca)
{
    struct avow_cert *c = cert(name), *by = cert(issuer);

    assert_int_equal(avow_cert_signed_by(c, by, NULL), 0);
    assert_string_equal(avow_cert_subject_cn(c), cn);
    assert_int_equal(avow_cert_is_ca(c), ca);
    avow_cert_free(c);
    avow_cert_free(by);
}

static void test_chains(void **state)
{
    (void)state;
    check_signed(SIM_ARK, SIM_ARK, "SIMULATED ARK-Genoa", true);
    check_signed(SIM_ASK, SIM_ARK, "SIMULATED SEV-Genoa", true);
    check_signed(SIM_ROOT, SIM_ROOT, "SIMULATED Intel SGX Root CA", true);
    check_signed(SIM_PLATFORM, SIM_ROOT, "SIMULATED Intel SGX PCK Platform CA", true);
    check_signed(SIM_SIGNING, SIM_ROOT, "SIMULATED Intel SGX TCB Signing", false);
}

static void test_roots_are_anchors(void **state)
{
    struct avow_buf pem = AVOW_BUF(AVOW_CERT_DER_MAX);
    struct avow_anchors a = { 0 };
    int fd = test_open(dir);

    (void)state;
    assert_int_equal(folder_read(fd, SIM_ROOTS, &pem, NULL), 0);
    assert_int_equal(avow_anchors_add_simulated(&a, avow_buf_view(&pem), NULL), 0);
    assert_int_equal(a.n, 2);
    assert_true(a.list[0].simulated && a.list[1].simulated);
    assert_int_equal(a.list[0].tee, AVOW_TEE_SNP);
    assert_string_equal(a.list[0].product, "Genoa");
    assert_int_equal(a.list[1].tee, AVOW_TEE_TDX);
    avow_buf_done(&pem);
    close(fd);
}

static void test_files_say_simulated(void **state)
{
    static const char *const names[] = { SIM_README, SIM_VENDOR };
    int fd = test_open(dir);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct avow_buf text = AVOW_BUF(4096);

        assert_int_equal(folder_read(fd, names[i], &text, NULL), 0);
        assert_non_null(strstr(avow_buf_cstr(&text), "SIMULATED"));
        avow_buf_done(&text);
    }
    close(fd);
}

static void test_keys_are_private(void **state)
{
    DIR *d = opendir(dir);
    const struct dirent *e = NULL;
    struct stat st;
    int n = 0;

    (void)state;
    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        if (!strstr(e->d_name, ".key"))
            continue;
        assert_int_equal(fstatat(dirfd(d), e->d_name, &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        n++;
    }
    assert_int_equal(n, 5);
    closedir(d);
}

static void test_never_twice(void **state)
{
    (void)state;
    assert_int_equal(avow_sim_vendor_new(dir, NULL), -AVOW_E_EXISTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_roots_are_anchors),
        cmocka_unit_test(test_files_say_simulated),
        cmocka_unit_test(test_keys_are_private),
        cmocka_unit_test(test_never_twice),
    };

    return cmocka_run_group_tests_name("source/sim_vendor", tests, set_up, tear_down);
}
