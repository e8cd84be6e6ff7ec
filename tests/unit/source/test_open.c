/* Which source is opened where: trees that stand for machines. */
#include "folders.h"
#include "source/sev_guest.h"
#include "source/tdx_guest.h"

static char root[TEST_PATH];

static int set_up(void **state)
{
    (void)state;
    test_folder(root);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_remove(root);
    return 0;
}

/* All folders above @path, below the root. */
static void folders(const char *path)
{
    char full[TEST_PATH * 2];
    size_t n = strlen(root);

    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *p = full + n + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        (void)mkdir(full, 0755);
        *p = '/';
    }
}

/* A device that can be opened and answers nothing. */
static void device(const char *path)
{
    char full[TEST_PATH * 2];

    folders(path);
    snprintf(full, sizeof full, "%s%s", root, path);
    assert_int_equal(symlink("/dev/null", full), 0);
}

static void file(const char *path, const char *text)
{
    char full[TEST_PATH * 2];
    FILE *f = NULL;

    folders(path);
    snprintf(full, sizeof full, "%s%s", root, path);
    f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static const char *found(const char *kind)
{
    const struct avow_source_options o = { .root = root };
    struct avow_source *s = NULL;
    struct avow_error err = { 0 };
    const char *name = NULL;

    if (avow_source_open_with(kind, &o, &s, &err) < 0)
        fail_msg("%s", err.text);
    name = avow_source_ops(s)->name;
    avow_source_free(s);
    return name;
}

static int fails(const char *kind, const char *text)
{
    const struct avow_source_options o = { .root = root };
    struct avow_source *s = NULL;
    struct avow_error err = { 0 };
    int rc = avow_source_open_with(kind, &o, &s, &err);

    assert_true(rc < 0);
    assert_null(s);
    if (!strstr(err.text, text))
        fail_msg("\"%s\" does not say \"%s\"", err.text, text);
    return rc;
}

static void test_kinds(void **state)
{
    static const char *const kinds[] = { "auto",    "configfs-tsm", "sev-guest", "tdx-qgs",
                                         "az-vtpm", "sim-snp",      "sim-tdx" };

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        assert_true(avow_source_kind_ok(kinds[i]));
        assert_non_null(strstr(AVOW_SOURCE_KINDS, kinds[i]));
        (void)fails(kinds[i], strncmp(kinds[i], "sim-", 4) == 0 ? "folder"
                              : strcmp(kinds[i], "auto") == 0   ? "nothing that gives evidence"
                                                                : root);
    }
    assert_false(avow_source_kind_ok("sgx"));
    assert_int_equal(fails("sgx", "auto, configfs-tsm"), -AVOW_E_UNSUPPORTED);
}

static void test_nothing(void **state)
{
    (void)state;
    assert_int_equal(fails("auto", "avow doctor"), -AVOW_E_NOTFOUND);
}

static void test_auto_devices(void **state)
{
    (void)state;
    device(TDX_GUEST_DEVICE);
    assert_string_equal(found("auto"), AVOW_SOURCE_TDX_QGS);
    assert_string_equal(found("tdx-qgs"), AVOW_SOURCE_TDX_QGS);
    device(SEV_GUEST_DEVICE);
    assert_string_equal(found("auto"), AVOW_SOURCE_SEV_GUEST);
    assert_string_equal(found("sev-guest"), AVOW_SOURCE_SEV_GUEST);
}

/* A folder where the kernel would make entries, but no kernel behind it: that is said, and not
 * passed over for another device. */
static void test_auto_says_what_is_broken(void **state)
{
    (void)state;
    device(SEV_GUEST_DEVICE);
    folders("/sys/kernel/config/tsm/report/x");
    (void)fails("auto", "provider");
}

static void test_azure(void **state)
{
    (void)state;
    assert_false(avow_source_on_azure(root));
    file("/sys/class/dmi/id/chassis_asset_tag", "7783-7084-3265-9085-8269-3286-777\n");
    assert_false(avow_source_on_azure(root));
    file("/sys/class/dmi/id/chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77\n");
    assert_true(avow_source_on_azure(root));
    (void)fails("az-vtpm", "TPM device:");
    device(SEV_GUEST_DEVICE); /* on Azure, and without a TPM: what else there is */
    assert_string_equal(found("auto"), AVOW_SOURCE_SEV_GUEST);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_kinds),        TEST(test_nothing),
        TEST(test_auto_devices), TEST(test_auto_says_what_is_broken),
        TEST(test_azure),
    };

    return cmocka_run_group_tests_name("source/open", tests, NULL, NULL);
}
