#include "codec/text.h"
#include "folders.h"

static char dir[TEST_PATH];

static int set_up(void **state)
{
    (void)state;
    test_folder(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_remove(dir);
    return 0;
}

static void test_measurement(void **state)
{
    /* printf %s "avow simulated image:avow-node-1" | sha384sum */
    static const char expected[] =
        "1887b7127e685ebc5f5a8f4e219f57eb96ce7b05947ad6ccf6c40b2850d56dd5"
        "3e5866662e46c5a1f184102dafd52bdd";
    char name[SIM_IMAGE_MAX + 2];
    char hex[97];
    uint8_t a[48], b[48];

    (void)state;
    assert_int_equal(avow_sim_measurement(NULL, a, NULL), 0);
    avow_hex(AVOW_BYTES_OF(a), hex);
    assert_string_equal(hex, expected);
    assert_int_equal(avow_sim_measurement("avow-node-1", b, NULL), 0);
    assert_memory_equal(a, b, 48);
    assert_int_equal(avow_sim_measurement("avow-node-2", b, NULL), 0);
    assert_memory_not_equal(a, b, 48);
    assert_int_equal(avow_sim_measurement("", b, NULL), -AVOW_E_LIMIT);
    assert_int_equal(avow_sim_measurement("new\nline", b, NULL), -AVOW_E_FORMAT);
    memset(name, 'x', sizeof name);
    name[SIM_IMAGE_MAX + 1] = 0;
    assert_int_equal(avow_sim_measurement(name, b, NULL), -AVOW_E_LIMIT);
    name[SIM_IMAGE_MAX] = 0;
    assert_int_equal(avow_sim_measurement(name, b, NULL), 0);
}

static void test_round_trip(void **state)
{
    struct sim_device d = { .tee = AVOW_TEE_SNP,
                            .image = "an \"image\"",
                            .measurement = { 1, 2, 3 },
                            .debug = true,
                            .machine = { 4, 5, 6 } };
    struct sim_device got;
    int fd = test_open(dir);

    (void)state;
    d.machine[63] = 7;
    assert_int_equal(sim_device_write(fd, &d, NULL), 0);
    assert_int_equal(sim_device_read(fd, &got, NULL), 0);
    assert_int_equal(got.tee, d.tee);
    assert_string_equal(got.image, d.image);
    assert_memory_equal(got.measurement, d.measurement, 48);
    assert_memory_equal(got.machine, d.machine, 64);
    assert_true(got.debug && !got.old_tcb);
    d.tee = AVOW_TEE_TDX;
    d.old_tcb = true;
    assert_int_equal(sim_device_write(fd, &d, NULL), 0);
    assert_int_equal(sim_device_read(fd, &got, NULL), 0);
    assert_true(got.tee == AVOW_TEE_TDX && got.old_tcb);
    assert_int_equal(got.machine[63], 0); /* a platform instance has 16 bytes */
    close(fd);
}

static void test_bad_files(void **state)
{
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "{\"type\":\"avow/sim-machine/2\"}",
        "{\"type\":\"avow/sim-machine/1\",\"tee\":\"sgx\"}",
        "{\"type\":\"avow/sim-machine/1\",\"tee\":\"tdx\",\"image\":\"\"}",
        "{\"type\":\"avow/sim-machine/1\",\"tee\":\"tdx\",\"image\":\"i\",\"machine\":\"00\"}",
        "{\"type\":\"avow/sim-machine/1\",\"surprise\":1}",
    };
    struct sim_device got;
    int fd = test_open(dir);

    (void)state;
    assert_int_equal(sim_device_read(fd, &got, NULL), -AVOW_E_NOTFOUND);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct avow_error err = { 0 };

        assert_int_equal(folder_write(fd, SIM_DEVICE, 0644, avow_bytes_str(texts[i]), NULL), 0);
        assert_true(sim_device_read(fd, &got, &err) < 0);
        assert_non_null(strstr(err.text, SIM_DEVICE));
    }
    close(fd);
}

static void test_keys(void **state)
{
    struct avow_signer *a = NULL, *b = NULL;
    struct stat st;
    uint8_t xy[2][64];
    int fd = test_open(dir);

    (void)state;
    assert_int_equal(sim_key_new(fd, "k", AVOW_SIGNER_P256, &a, NULL), 0);
    assert_int_equal(fstatat(fd, "k", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(sim_key_read(fd, "k", &b, NULL), 0);
    assert_int_equal(avow_signer_xy(a, AVOW_P256, xy[0], NULL), 0);
    assert_int_equal(avow_signer_xy(b, AVOW_P256, xy[1], NULL), 0);
    assert_memory_equal(xy[0], xy[1], 64);
    avow_signer_free(a);
    avow_signer_free(b);
    assert_int_equal(folder_write(fd, "k", 0600, avow_bytes_str("no key"), NULL), 0);
    assert_int_equal(sim_key_read(fd, "k", &b, NULL), -AVOW_E_FORMAT);
    close(fd);
}

static void test_vm_errors(void **state)
{
    struct avow_sim_vm vm = { .tee = AVOW_TEE_TDX };
    char machine[TEST_PATH + 16], nowhere[TEST_PATH + 16];

    (void)state;
    snprintf(machine, sizeof machine, "%s/m", dir);
    snprintf(nowhere, sizeof nowhere, "%s/nowhere", dir);
    assert_int_equal(avow_sim_vm_new(nowhere, machine, &vm, NULL), -AVOW_E_NOTFOUND);
    assert_int_equal(avow_sim_vm_new(dir, machine, &vm, NULL), -AVOW_E_NOTFOUND);
    test_intel_vendor(dir, 1800000000);
    assert_int_equal(avow_sim_vm_new(dir, machine, &vm, NULL), 0);
    assert_int_equal(avow_sim_vm_new(dir, machine, &vm, NULL), -AVOW_E_EXISTS);
    vm.tee = AVOW_TEE_NONE;
    assert_int_equal(avow_sim_vm_new(dir, nowhere, &vm, NULL), -AVOW_E_INVAL);
    vm = (struct avow_sim_vm){ .tee = AVOW_TEE_TDX, .image = "\x7f" };
    assert_int_equal(avow_sim_vm_new(dir, nowhere, &vm, NULL), -AVOW_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measurement),
        cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_vm_errors, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("source/sim_device", tests, NULL, NULL);
}
