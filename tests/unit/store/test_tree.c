/* Folders of files in and out: what goes out comes in again, whatever the files are called. */
#include "store/tree.h"

#include <sys/stat.h>

#include "store_maker.h"

static void import(struct made *m, const char *path, struct avow_import *n)
{
    struct avow_error err = { 0 };

    if (avow_store_import(m->store, path, NOW, NULL, NULL, n, &err) < 0)
        fail_msg("%s", err.text);
}

static void import_class(struct made *m, const char *class, struct avow_import *n)
{
    avow_autofree char *path = NULL;

    assert_true(asprintf(&path, "%s/%s", test_vectors(), class) > 0);
    import(m, path, n);
}

static const char *wanted;
static bool found;

static int look(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st;
    (void)flag;
    (void)at;
    found = found || strstr(path, wanted) != NULL;
    return 0;
}

static bool has_file(const char *dir, const char *end)
{
    wanted = end;
    found = false;
    assert_int_equal(nftw(dir, look, 8, FTW_PHYS), 0);
    return found;
}

static void out_and_in_again(void **state)
{
    struct made a = { 0 }, b = { 0 };
    struct avow_import in = { 0 }, again = { 0 };
    char dir[128];
    uint64_t files = 0;

    (void)state;
    if (!test_vectors())
        skip();
    made_new(&a);
    made_new(&b);
    import_class(&a, "snp", &in);
    import_class(&a, "tdx", &in);
    assert_true(in.added > 60 && in.passed_over > 0);
    (void)snprintf(dir, sizeof dir, "%s/out", a.dir);
    assert_int_equal(avow_store_export(a.store, dir, &files, NULL), 0);
    assert_int_equal(files, in.added);
    import(&b, dir, &again);
    assert_int_equal(again.added, in.added);
    assert_int_equal(again.passed_over, 0);
    assert_int_equal(again.files, files);
    /* Trustee's names */
    assert_true(has_file(dir, "/bl03_tee00_snp08_ucode115_vcek.der"));
    assert_true(has_file(dir, "_fmc01_vcek.der"));
    made_done(&a);
    made_done(&b);
}

/* kds-store/vcek/{hwid}/bl.._tee.._snp.._ucode.._vcek.der, as Trustee's documentation has it. */
static void trustees_store(void **state)
{
    struct made m = { 0 };
    struct avow_import n = { 0 };
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    size_t len = 0;
    char dir[256], path[512];
    FILE *f = NULL;

    (void)state;
    if (!test_vectors())
        skip();
    made_new(&m);
    {
        avow_autofree uint8_t *leaf =
            test_vector("snp", "milan-v2-vcek-coco-az-7c6146", "vcek.der", &len);

        assert_non_null(leaf);
        (void)snprintf(dir, sizeof dir, "%s/vcek", m.dir);
        assert_int_equal(mkdir(dir, 0700), 0);
        (void)snprintf(dir, sizeof dir, "%s/vcek/c38427", m.dir);
        assert_int_equal(mkdir(dir, 0700), 0);
        (void)snprintf(path, sizeof path, "%s/bl03_tee00_snp08_ucode115_vcek.der", dir);
        f = fopen(path, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(leaf, 1, len, f), len);
        fclose(f);
        (void)snprintf(path, sizeof path, "%s/vcek", m.dir);
        import(&m, path, &n);
        assert_int_equal(n.added, 1);
        made_evidence(&b, AVOW_TEE_SNP, "snp", "milan-v2-vcek-coco-az-7c6146", "report.bin");
        assert_int_equal(avow_store_complete(m.store, NOW, &b, NULL), 0);
        assert_int_equal(b.n_certs, 1);
        assert_true(avow_bytes_equal(b.certs[0], AVOW_BYTES(leaf, len)));
    }
    made_done(&m);
}

static void failures(void **state)
{
    struct made m = { 0 };
    struct avow_import n = { 0 };
    struct avow_error err = { 0 };
    char path[128];

    (void)state;
    made_new(&m);
    (void)snprintf(path, sizeof path, "%s/none", m.dir);
    assert_int_equal(avow_store_import(m.store, path, NOW, NULL, NULL, &n, &err), -AVOW_E_SYSTEM);
    assert_non_null(strstr(err.text, "none"));
    (void)snprintf(path, sizeof path, "%s/sub/c.db", m.dir); /* a file that holds nothing of use */
    assert_int_equal(avow_store_import(m.store, path, NOW, NULL, NULL, &n, NULL), 0);
    assert_int_equal(n.passed_over, 1);
    made_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(out_and_in_again),
        cmocka_unit_test(trustees_store),
        cmocka_unit_test(failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
