/*
 * How long one piece of evidence takes to judge, from bundle text to verdict, against OpenSSL alone
 * verifying the same signatures in the same run, interleaved. Prints one JSON line of medians.
 * Usage: bench_verify WORKDIR [ROUNDS] (WORKDIR: a folder that does not exist yet)
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "attest/attest.h"
#include "signatures.h"
#include "source/source.h"

#define ROUNDS_MAX 100000
#define PEM_MAX 65536
#define PATH_LEN 4096

/* What is measured. "Text": reading the bundle's JSON is part of it. Warm: judged before, with the
 * same cache. The last two are OpenSSL alone: all signatures, and those of the evidence itself (a
 * report's one, a quote's two). */
enum what { COLD_TEXT, COLD, WARM_TEXT, WARM, SIGNATURES, OWN_SIGNATURES, N_WHAT };

static const char *const what_names[N_WHAT] = {
    [COLD_TEXT] = "us",   [COLD] = "cold_parsed_us",      [WARM_TEXT] = "again_us",
    [WARM] = "parsed_us", [SIGNATURES] = "signatures_us", [OWN_SIGNATURES] = "own_signatures_us",
};

/* One simulated device's bundle and what judging it takes. */
struct scene {
    enum avow_tee tee;
    const char *dir;
    struct avow_buf text, roots;
    struct avow_bundle read;
    struct avow_judge_in in;
    struct avow_verify_cache *cache;
    struct signatures *signatures;
    size_t own; /* signatures of the evidence itself */
    double *times[N_WHAT];
};

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

static void scene_set(struct scene *s, size_t rounds)
{
    struct avow_error err = { 0 };
    struct avow_sim_vm vm = { .tee = s->tee };
    avow_auto(avow_cleanup_source) struct avow_source *source = NULL;
    char path[PATH_LEN];
    char vendor[PATH_LEN];

    s->text = AVOW_BUF(AVOW_BUNDLE_MAX);
    s->in.statement = avow_bytes_str("{\"type\":\"bench\"}");
    s->in.now = (int64_t)time(NULL);
    s->own = s->tee == AVOW_TEE_SNP ? 1 : 2;
    snprintf(path, sizeof path, "%s/%s", s->dir, avow_tee_name(s->tee));
    snprintf(vendor, sizeof vendor, "%s/vendor", s->dir);
    if (avow_sim_vm_new(vendor, path, &vm, &err) < 0 ||
        avow_source_open(s->tee == AVOW_TEE_SNP ? "sim-snp" : "sim-tdx", path, &source, &err) < 0 ||
        avow_source_bundle(source, s->in.statement, &s->text, &err) < 0)
        die("device", &err);
    s->in.bundle = avow_buf_view(&s->text);
    if (avow_bundle_parse(s->in.bundle, &s->read, &err) < 0 ||
        avow_verify_cache_new(AVOW_CACHE_ENTRIES, &s->cache, &err) < 0)
        die("bundle", &err);
    s->signatures = signatures_new(&s->read, avow_buf_view(&s->roots));
    for (size_t i = 0; i < N_WHAT; i++)
        if (!(s->times[i] = calloc(rounds, sizeof(double))))
            die("out of memory", &err);
}

static void scene_done(struct scene *s)
{
    avow_buf_done(&s->text);
    avow_bundle_done(&s->read);
    avow_verify_cache_free(s->cache);
    signatures_free(s->signatures);
    for (size_t i = 0; i < N_WHAT; i++)
        free(s->times[i]);
}

static void judge(const struct scene *s, bool text, struct avow_verify_cache *cache)
{
    struct avow_error err = { 0 };
    struct avow_verdict verdict = { 0 };
    struct avow_judge_in in = s->in;

    in.cache = cache;
    if ((text ? avow_judge(&in, NULL, &verdict, &err)
              : avow_judge_bundle(&in, &s->read, NULL, &verdict, &err)) < 0)
        die("judge", &err);
    if (!avow_verdict_accepts(&verdict)) {
        fprintf(stderr, "bench_verify: refused: %s\n", avow_verdict_why(&verdict)->text);
        exit(1);
    }
}

static double measure(const struct scene *s, enum what what)
{
    double began = now_us();

    switch (what) {
    case COLD_TEXT:
        judge(s, true, NULL);
        break;
    case COLD:
        judge(s, false, NULL);
        break;
    case WARM_TEXT:
        judge(s, true, s->cache);
        break;
    case WARM:
        judge(s, false, s->cache);
        break;
    case SIGNATURES:
        signatures_verify(s->signatures, signatures_count(s->signatures));
        break;
    case OWN_SIGNATURES:
        signatures_verify(s->signatures, s->own);
        break;
    case N_WHAT:
        break;
    }
    return now_us() - began;
}

static void report(struct scene *s, size_t rounds)
{
    const char *tee = avow_tee_name(s->tee);

    printf(",\"%s_signatures\":%zu", tee, signatures_count(s->signatures));
    for (enum what w = 0; w < N_WHAT; w++)
        printf(",\"%s_%s\":%.1f", tee, what_names[w], median(s->times[w], rounds));
}

static void read_roots(const char *dir, struct avow_buf *out)
{
    struct avow_error err = { 0 };
    char path[PATH_LEN];
    avow_autofree char *pem = calloc(1, PEM_MAX);
    avow_autofclose FILE *f = NULL;

    snprintf(path, sizeof path, "%s/vendor", dir);
    if (avow_sim_vendor_new(path, &err) < 0)
        die("vendor", &err);
    snprintf(path, sizeof path, "%s/vendor/roots.pem", dir);
    f = fopen(path, "rb");
    if (!f || !pem || avow_buf_put(out, pem, fread(pem, 1, PEM_MAX, f)) < 0) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    struct avow_error err = { 0 };
    struct avow_anchors anchors = { 0 };
    avow_auto(avow_buf_done) struct avow_buf roots = AVOW_BUF(PEM_MAX);
    avow_auto(avow_cleanup_policy) struct avow_policy *policy = NULL;
    const char *text = "{\"version\":1,\"allow-simulated\":true,\"snp\":{\"measurements\":\"any\"},"
                       "\"tdx\":{\"mrtd\":\"any\"}}";
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 300;
    struct scene scenes[2] = { { .tee = AVOW_TEE_SNP }, { .tee = AVOW_TEE_TDX } };

    if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_verify WORKDIR [ROUNDS]\n");
        return 2;
    }
    mkdir(argv[1], 0700);
    read_roots(argv[1], &roots);
    avow_anchors_builtin(&anchors);
    if (avow_anchors_add_simulated(&anchors, avow_buf_view(&roots), &err) < 0 ||
        avow_policy_parse(avow_bytes_str(text), &policy, &err) < 0)
        die("set-up", &err);
    for (size_t k = 0; k < 2; k++) {
        scenes[k].dir = argv[1];
        scenes[k].roots = roots;
        scenes[k].in.anchors = &anchors;
        scenes[k].in.policy = policy;
        scene_set(&scenes[k], rounds);
    }
    for (size_t i = 0; i < rounds; i++)
        for (size_t k = 0; k < 2; k++)
            for (enum what w = 0; w < N_WHAT; w++)
                scenes[k].times[w][i] = measure(&scenes[k], w);
    printf("{\"rounds\":%zu", rounds);
    for (size_t k = 0; k < 2; k++) {
        report(&scenes[k], rounds);
        scene_done(&scenes[k]);
    }
    printf("}\n");
    return 0;
}
