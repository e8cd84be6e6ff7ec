/* Simulated devices through the front door: each thing that can be wrong, and its code. */
#include <ftw.h>
#include <time.h>
#include <unistd.h>

#include "../test.h"
#include "attest/attest.h"
#include "codec/text.h"
#include "source/source.h"

#define DAY 86400
#define MEMBERS_POLICY                                                    \
    "{\"version\":1,\"allow-simulated\":%s,\"snp\":{\"measurements\":%s," \
    "\"min-tcb\":{\"snp\":23}},\"tdx\":{\"mrtd\":%s}}"

static char top[] = "/tmp/avow-test-XXXXXX";
static struct avow_verify_cache *cache;
static const char statement[] = "{\"nonce\":\"00\",\"type\":\"test\"}";

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void in_top(char out[128], const char *name)
{
    snprintf(out, 128, "%s/%s", top, name);
}

static int setup(void **state)
{
    struct avow_error err = { 0 };
    char vendor[128];

    (void)state;
    if (!mkdtemp(top))
        return -1;
    in_top(vendor, "vendor");
    if (avow_sim_vendor_new(vendor, &err) < 0 ||
        avow_verify_cache_new(AVOW_CACHE_ENTRIES, &cache, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    avow_verify_cache_free(cache);
    return nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_bundle(const char *name, const struct avow_sim_vm *vm, struct avow_buf *out)
{
    avow_auto(avow_cleanup_source) struct avow_source *s = NULL;
    struct avow_error err = { 0 };
    char vendor[128], dir[128];

    in_top(vendor, "vendor");
    in_top(dir, name);
    if (avow_sim_vm_new(vendor, dir, vm, &err) < 0 ||
        avow_source_open(vm->tee == AVOW_TEE_SNP ? "sim-snp" : "sim-tdx", dir, &s, &err) < 0 ||
        avow_source_bundle(s, avow_bytes_str(statement), out, &err) < 0)
        fail_msg("%s", err.text);
}

static void anchors_with_simulated(struct avow_anchors *a)
{
    avow_autofree uint8_t *pem = NULL;
    struct avow_error err = { 0 };
    char path[128];
    size_t n = 0;

    avow_anchors_builtin(a);
    in_top(path, "vendor/roots.pem");
    pem = test_read_file(path, &n);
    assert_non_null(pem);
    if (avow_anchors_add_simulated(a, AVOW_BYTES(pem, n), &err) < 0)
        fail_msg("%s", err.text);
}

static void policy_text(char *out, size_t size, bool simulated, const char *measurement)
{
    snprintf(out, size, MEMBERS_POLICY, simulated ? "true" : "false", measurement, measurement);
}

/* What differs from a right judgement of a right device. */
struct trial {
    struct avow_sim_vm vm;
    bool production; /* policy without allow-simulated */
    bool other_measurement;
    bool other_statement;
    bool builtin_anchors;
    int64_t later;    /* seconds */
    const char *code; /* NULL: accepted */
};

static void run(const char *name, const struct trial *t)
{
    static const char other[] =
        "[\"00000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000\"]";
    avow_auto(avow_buf_done) struct avow_buf bundle = AVOW_BUF(AVOW_BUNDLE_MAX);
    avow_auto(avow_cleanup_policy) struct avow_policy *policy = NULL;
    struct avow_anchors anchors;
    struct avow_claims claims;
    struct avow_verdict v;
    struct avow_error err = { 0 };
    char text[1024];

    make_bundle(name, &t->vm, &bundle);
    if (t->builtin_anchors)
        avow_anchors_builtin(&anchors);
    else
        anchors_with_simulated(&anchors);
    policy_text(text, sizeof text, !t->production, t->other_measurement ? other : "\"any\"");
    assert_int_equal(avow_policy_parse(avow_bytes_str(text), &policy, &err), 0);
    {
        struct avow_judge_in in = { .bundle = avow_buf_view(&bundle),
                                    .anchors = &anchors,
                                    .policy = policy,
                                    .expect_tee = t->vm.tee,
                                    .statement = avow_bytes_str(
                                        t->other_statement ? "{\"nonce\":\"01\"}" : statement),
                                    .now = time(NULL) + t->later };

        if (avow_judge(&in, &claims, &v, &err) < 0)
            fail_msg("%s", err.text);
        /* what a cache holds changes nothing */
        in.cache = cache;
        for (int i = 0; i < 2; i++) {
            static struct avow_verdict again;

            assert_int_equal(avow_judge(&in, NULL, &again, &err), 0);
            assert_memory_equal(&again, &v, sizeof v);
        }
    }
    if (!t->code) {
        if (!avow_verdict_accepts(&v))
            fail_msg("%s: %s: %s", name, avow_verdict_why(&v)->code, avow_verdict_why(&v)->text);
        assert_true(v.simulated && claims.simulated && claims.authentic);
        return;
    }
    assert_false(avow_verdict_accepts(&v));
    if (strcmp(avow_verdict_why(&v)->code, t->code) != 0)
        fail_msg("%s: %s, not %s: %s", name, avow_verdict_why(&v)->code, t->code,
                 avow_verdict_why(&v)->text);
}

static void run_both(const char *name, struct trial t)
{
    char dir[64];

    snprintf(dir, sizeof dir, "%s-snp", name);
    t.vm.tee = AVOW_TEE_SNP;
    run(dir, &t);
    snprintf(dir, sizeof dir, "%s-tdx", name);
    t.vm.tee = AVOW_TEE_TDX;
    run(dir, &t);
}

static void right_devices_are_accepted(void **state)
{
    (void)state;
    run_both("right", (struct trial){ 0 });
}

static void production_policy_refuses_simulation(void **state)
{
    (void)state;
    run_both("production", (struct trial){ .production = true, .code = "simulated" });
    run_both("builtin", (struct trial){ .builtin_anchors = true, .code = "root" });
}

static void other_values_are_refused(void **state)
{
    (void)state;
    run_both("measured", (struct trial){ .other_measurement = true, .code = "measurement" });
    run_both("stated", (struct trial){ .other_statement = true, .code = "statement" });
    run_both("debug", (struct trial){ .vm.debug = true, .code = "debug" });
    run_both("old", (struct trial){ .vm.old_tcb = true, .code = "tcb-floor" });
}

static void time_is_honoured(void **state)
{
    (void)state;
    run_both("leaf", (struct trial){
                         .vm.not_after = time(NULL) + DAY, .later = 2 * DAY, .code = "expired" });
    run_both("early", (struct trial){ .later = -400ll * DAY, .code = "not-yet-valid" });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_devices_are_accepted),
        cmocka_unit_test(production_policy_refuses_simulation),
        cmocka_unit_test(other_values_are_refused),
        cmocka_unit_test(time_is_honoured),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
