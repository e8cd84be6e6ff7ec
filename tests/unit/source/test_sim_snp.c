#include "verified.h"

static char vendor[TEST_PATH];
static char machine[TEST_PATH];

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

static int machine_up(void **state)
{
    (void)state;
    test_folder(machine);
    return 0;
}

static int machine_down(void **state)
{
    (void)state;
    test_remove(machine);
    return 0;
}

static void test_genuine(void **state)
{
    struct avow_sim_vm vm = { .tee = AVOW_TEE_SNP, .image = "an-image" };
    struct avow_claims c;

    (void)state;
    test_claims(vendor, machine, &vm, &c);
    test_common_claims(&c, "an-image", "SIMULATED ARK-Genoa");
    assert_false(c.debug);
    assert_int_equal(c.machine_len, 64);
    assert_int_equal(c.snp.version, 3);
    assert_string_equal(c.snp.product, "Genoa");
    assert_int_equal(c.snp.vmpl, 0);
    assert_true(c.snp.policy == 0x30000);
    assert_true(c.snp.platform_info == 0x25);
    assert_false(c.snp.migration_agent);
    assert_int_equal(c.snp.reported.bootloader, sim_snp_tcb_new.bootloader);
    assert_int_equal(c.snp.reported.snp, sim_snp_tcb_new.snp);
    assert_int_equal(c.snp.reported.microcode, sim_snp_tcb_new.microcode);
}

static void test_debug(void **state)
{
    struct avow_sim_vm vm = { .tee = AVOW_TEE_SNP, .debug = true };
    struct avow_claims c;

    (void)state;
    test_claims(vendor, machine, &vm, &c);
    test_common_claims(&c, NULL, "SIMULATED ARK-Genoa");
    assert_true(c.debug);
}

static void test_old_tcb(void **state)
{
    struct avow_sim_vm vm = { .tee = AVOW_TEE_SNP, .old_tcb = true };
    struct avow_claims c;

    (void)state;
    test_claims(vendor, machine, &vm, &c);
    test_authentic(&c);
    assert_true(c.snp.reported.snp < sim_snp_tcb_new.snp);
    assert_int_equal(c.snp.reported.microcode, sim_snp_tcb_old.microcode);
    assert_int_equal(c.snp.launch.microcode, sim_snp_tcb_old.microcode);
}

static void test_refused(void **state)
{
    (void)state;
    test_refusals(vendor, machine, AVOW_TEE_SNP);
}

/* Evidence of one machine with the certificate of another. */
static void test_swapped_chip(void **state)
{
    struct avow_sim_vm vm = { .tee = AVOW_TEE_SNP };
    char other[TEST_PATH];
    struct avow_bundle a = { 0 }, b = { 0 };
    struct avow_anchors anchors;
    struct avow_claims c;

    (void)state;
    test_folder(other);
    test_anchors(vendor, &anchors);
    test_bundle(vendor, machine, &vm, &a);
    test_bundle(vendor, other, &vm, &b);
    a.certs[0] = b.certs[0];
    test_verify(&a, &anchors, (int64_t)time(NULL), &c);
    assert_non_null(test_failed(&c, "signature"));
    assert_non_null(test_failed(&c, "chip"));
    avow_bundle_done(&a);
    avow_bundle_done(&b);
    test_remove(other);
}

static void test_open_errors(void **state)
{
    struct avow_sim_vm vm = { .tee = AVOW_TEE_SNP };
    struct avow_source *s = NULL;
    int fd = test_open(machine);

    (void)state;
    assert_int_equal(avow_source_open(AVOW_SOURCE_SIM_SNP, machine, &s, NULL), -AVOW_E_NOTFOUND);
    assert_int_equal(avow_sim_vm_new(vendor, machine, &vm, NULL), 0);
    assert_int_equal(avow_source_open(AVOW_SOURCE_SIM_TDX, machine, &s, NULL), -AVOW_E_FORMAT);
    assert_int_equal(unlinkat(fd, SIM_CHIP_KEY, 0), 0);
    assert_int_equal(avow_source_open(AVOW_SOURCE_SIM_SNP, machine, &s, NULL), -AVOW_E_NOTFOUND);
    assert_null(s);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_up, machine_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_genuine), TEST(test_debug),        TEST(test_old_tcb),
        TEST(test_refused), TEST(test_swapped_chip), TEST(test_open_errors),
    };

    return cmocka_run_group_tests_name("source/sim_snp", tests, set_up, tear_down);
}
