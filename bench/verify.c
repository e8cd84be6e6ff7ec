/*
 * How long one piece of evidence takes to judge, from bundle text to verdict, against one bare
 * ECDSA verification on the vendor's curve in the same run. Prints one JSON line.
 * Usage: bench_verify WORKDIR [ROUNDS] (WORKDIR: a folder that does not exist yet)
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "attest/attest.h"
#include "crypto/certmake.h"
#include "crypto/hash.h"
#include "crypto/x509.h"
#include "source/source.h"

#define ROUNDS_MAX 100000

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, compare);
    return v[n / 2];
}

static void die(const char *what, const struct avow_error *err)
{
    fprintf(stderr, "bench_verify: %s: %s\n", what, err->text);
    exit(1);
}

/* Median time of judging one simulated bundle; with @cache, one that was judged before; with
 * @parsed, without reading its text. */
static double judge(const char *dir, enum avow_tee tee, const struct avow_anchors *anchors,
                    const struct avow_policy *policy, struct avow_verify_cache *cache, bool parsed,
                    double *times, size_t rounds)
{
    struct avow_error err = { 0 };
    struct avow_sim_vm vm = { .tee = tee };
    avow_auto(avow_cleanup_source) struct avow_source *source = NULL;
    avow_auto(avow_buf_done) struct avow_buf bundle = AVOW_BUF(AVOW_BUNDLE_MAX);
    avow_auto(avow_bundle_done) struct avow_bundle read = { 0 };
    const struct avow_bytes statement = avow_bytes_str("{\"type\":\"bench\"}");
    char path[4096];
    char vendor[4096];

    snprintf(path, sizeof path, "%s/%s%s", dir, avow_tee_name(tee),
             parsed  ? "-parsed"
             : cache ? "-again"
                     : "");
    snprintf(vendor, sizeof vendor, "%s/vendor", dir);
    if (avow_sim_vm_new(vendor, path, &vm, &err) < 0 ||
        avow_source_open(tee == AVOW_TEE_SNP ? "sim-snp" : "sim-tdx", path, &source, &err) < 0 ||
        avow_source_bundle(source, statement, &bundle, &err) < 0)
        die("device", &err);
    if (avow_bundle_parse(avow_buf_view(&bundle), &read, &err) < 0)
        die("bundle", &err);
    for (size_t i = 0; i < rounds; i++) {
        struct avow_verdict verdict = { 0 };
        const struct avow_judge_in in = { .bundle = avow_buf_view(&bundle),
                                          .anchors = anchors,
                                          .policy = policy,
                                          .statement = statement,
                                          .now = (int64_t)time(NULL),
                                          .cache = cache };
        double began = now_us();

        if ((parsed ? avow_judge_bundle(&in, &read, NULL, &verdict, &err)
                    : avow_judge(&in, NULL, &verdict, &err)) < 0)
            die("judge", &err);
        times[i] = now_us() - began;
        if (!avow_verdict_accepts(&verdict)) {
            fprintf(stderr, "bench_verify: refused: %s\n", avow_verdict_why(&verdict)->text);
            exit(1);
        }
    }
    return median(times, rounds);
}

/* Median time of one bare verification with a fresh key. */
static double bare(enum avow_curve curve, double *times, size_t rounds)
{
    struct avow_error err = { 0 };
    avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;
    const struct avow_bytes msg = avow_bytes_str("a report's worth of bytes");
    uint8_t xy[96];
    uint8_t sig[96];
    size_t len = avow_curve_pair_len(curve);

    if (avow_signer_new(curve == AVOW_P256 ? AVOW_SIGNER_P256 : AVOW_SIGNER_P384, &key, &err) < 0 ||
        avow_signer_xy(key, curve, xy, &err) < 0 ||
        avow_signer_ecdsa(key, curve, msg, sig, &err) < 0)
        die("key", &err);
    for (size_t i = 0; i < rounds; i++) {
        double began = now_us();

        if (avow_ecdsa_verify(curve, AVOW_BYTES(xy, len), msg, AVOW_BYTES(sig, len), &err) < 0)
            die("verify", &err);
        times[i] = now_us() - began;
    }
    return median(times, rounds);
}

int main(int argc, char **argv)
{
    static double times[ROUNDS_MAX];
    struct avow_error err = { 0 };
    struct avow_anchors anchors = { 0 };
    avow_auto(avow_cleanup_policy) struct avow_policy *policy = NULL;
    const char *text = "{\"version\":1,\"allow-simulated\":true,\"snp\":{\"measurements\":\"any\"},"
                       "\"tdx\":{\"mrtd\":\"any\"}}";
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 300;
    char path[4096];
    avow_autofree char *pem = calloc(1, 65536);
    size_t n = 0;
    FILE *f = NULL;
    avow_auto(avow_cleanup_verify_cache) struct avow_verify_cache *cache = NULL;
    double snp = 0, tdx = 0, snp_again = 0, tdx_again = 0, p384 = 0, p256 = 0;
    double snp_parsed = 0, tdx_parsed = 0;

    if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX || !pem) {
        fprintf(stderr, "usage: bench_verify WORKDIR [ROUNDS]\n");
        return 2;
    }
    mkdir(argv[1], 0700);
    snprintf(path, sizeof path, "%s/vendor", argv[1]);
    if (avow_sim_vendor_new(path, &err) < 0)
        die("vendor", &err);
    snprintf(path, sizeof path, "%s/vendor/roots.pem", argv[1]);
    f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return 1;
    }
    n = fread(pem, 1, 65535, f);
    fclose(f);
    avow_anchors_builtin(&anchors);
    if (avow_anchors_add_simulated(&anchors, AVOW_BYTES(pem, n), &err) < 0 ||
        avow_policy_parse(avow_bytes_str(text), &policy, &err) < 0 ||
        avow_verify_cache_new(AVOW_CACHE_ENTRIES, &cache, &err) < 0)
        die("set-up", &err);
    snp = judge(argv[1], AVOW_TEE_SNP, &anchors, policy, NULL, false, times, rounds);
    tdx = judge(argv[1], AVOW_TEE_TDX, &anchors, policy, NULL, false, times, rounds);
    snp_again = judge(argv[1], AVOW_TEE_SNP, &anchors, policy, cache, false, times, rounds);
    tdx_again = judge(argv[1], AVOW_TEE_TDX, &anchors, policy, cache, false, times, rounds);
    snp_parsed = judge(argv[1], AVOW_TEE_SNP, &anchors, policy, cache, true, times, rounds);
    tdx_parsed = judge(argv[1], AVOW_TEE_TDX, &anchors, policy, cache, true, times, rounds);
    p384 = bare(AVOW_P384, times, rounds);
    p256 = bare(AVOW_P256, times, rounds);
    printf("{\"rounds\":%zu,\"snp_us\":%.1f,\"tdx_us\":%.1f,\"snp_again_us\":%.1f,"
           "\"tdx_again_us\":%.1f,\"snp_parsed_us\":%.1f,\"tdx_parsed_us\":%.1f,"
           "\"p384_us\":%.1f,\"p256_us\":%.1f}\n",
           rounds, snp, tdx, snp_again, tdx_again, snp_parsed, tdx_parsed, p384, p256);
    return 0;
}
