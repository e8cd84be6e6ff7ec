/* avow verify: judge evidence from files, offline. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "attest/gather.h"
#include "cli/show.h"

#define FILE_BYTES_MAX (16u << 20)

static const char *policy_path;
static const char *roots_path;
static const char *at;

static const struct avow_option options[] = {
    { "policy", 0, "FILE", "appraise by this policy; without it any measurement is accepted", NULL,
      &policy_path },
    { "roots", 0, "FILE", "trust these simulated roots too (PEM)", NULL, &roots_path },
    { "at", 0, "TIME", "judge as of then: 2026-01-31, 2026-01-31T12:00:00Z or unix seconds", NULL,
      &at },
    { NULL, 0, NULL, NULL, NULL, NULL },
};

/* What the vendors themselves demand, and nothing about what runs inside. */
static const char vendor_policy[] =
    "{\"snp\":{\"measurements\":\"any\"},\"tdx\":{\"mrtd\":\"any\"},\"version\":1}";

static int read_file(const char *path, struct avow_buf *out, struct avow_error *err)
{
    avow_autofclose FILE *f =
        strcmp(path, "-") == 0 ? fdopen(dup(STDIN_FILENO), "r") : fopen(path, "re");
    uint8_t chunk[8192];
    size_t n = 0;

    if (!f)
        return AVOW_FAIL_SYS(err, "%s", path);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        if (avow_buf_put(out, chunk, n) < 0)
            return AVOW_FAIL(err, LIMIT, "%s: more than %u bytes", path, FILE_BYTES_MAX);
    return ferror(f) ? AVOW_FAIL_SYS(err, "%s", path) : 0;
}

static int parse_time(const char *text, int64_t *out)
{
    struct tm tm = { 0 };
    const char *end = NULL;
    char *num_end = NULL;
    long long v = strtoll(text, &num_end, 10);

    if (*text && !*num_end) {
        *out = v;
        return 0;
    }
    end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (!end || *end) {
        tm = (struct tm){ 0 };
        end = strptime(text, "%Y-%m-%d", &tm);
    }
    if (!end || *end)
        return -AVOW_E_FORMAT;
    *out = timegm(&tm);
    return 0;
}

struct job {
    struct avow_buf files[AVOW_GATHER_FILES_MAX];
    size_t n;
    struct avow_buf bundle;
    struct avow_policy *policy;
    struct avow_anchors anchors;
    struct avow_claims claims;
    struct avow_verdict verdict;
    int64_t now;
};

static void job_free(struct job *j)
{
    for (size_t i = 0; i < j->n; i++)
        avow_buf_done(&j->files[i]);
    avow_buf_done(&j->bundle);
    avow_policy_free(j->policy);
    free(j);
}
AVOW_DEFINE_CLEANUP(job, struct job, job_free)

static int gather(struct job *j, const struct avow_args *args, struct avow_error *err)
{
    struct avow_bytes views[AVOW_GATHER_FILES_MAX];
    avow_auto(avow_bundle_done) struct avow_bundle bundle = { 0 };

    for (size_t i = 0; i < args->n; i++) {
        j->files[i] = AVOW_BUF(FILE_BYTES_MAX);
        j->n++;
        AVOW_TRY(read_file(args->list[i], &j->files[i], err));
        views[i] = avow_buf_view(&j->files[i]);
    }
    AVOW_TRY(avow_gather(views, j->n, &bundle, err));
    j->bundle = AVOW_BUF(AVOW_BUNDLE_MAX);
    return avow_bundle_emit(&bundle, &j->bundle, err);
}

static int prepare(struct job *j, const struct avow_args *args, struct avow_error *err)
{
    j->now = avow_unix_ms() / 1000;
    if (at && parse_time(at, &j->now) < 0)
        return AVOW_FAIL(err, FORMAT, "--at: \"%s\" is not a time", at);
    avow_anchors_builtin(&j->anchors);
    if (roots_path)
        AVOW_TRY(avow_roots_load(roots_path, &j->anchors, err));
    if (policy_path)
        AVOW_TRY(avow_policy_load(policy_path, &j->policy, NULL, err));
    else
        AVOW_TRY(avow_policy_parse(avow_bytes_str(vendor_policy), &j->policy, err));
    return gather(j, args, err);
}

static void show(const struct avow_cli *cli, const struct job *j)
{
    static const char *const heads[] = { "CHECK", "", "WHAT WAS COMPARED", NULL };
    struct avow_table *t = avow_table_new(heads);
    const struct avow_verdict *v = &j->verdict;
    char word[32];

    for (uint32_t i = 0; i < v->n_reasons && i < AVOW_REASONS_MAX; i++) {
        const struct avow_reason *r = &v->reasons[i];

        avow_table_cell(t, AVOW_PAINT_NONE, "%s", r->code);
        avow_table_cell(t, r->passed ? AVOW_PAINT_GOOD : AVOW_PAINT_BAD, "%s",
                        r->passed ? "ok" : "FAILED");
        avow_table_cell(t, AVOW_PAINT_NONE, "%s", r->text);
    }
    avow_print_table(cli, t);
    avow_verdict_word(avow_verdict_accepts(v), v->simulated, word);
    avow_say(cli, "%s %s%s\n", avow_tee_name(v->tee), word,
             policy_path ? "" : " (no --policy: what runs inside was not appraised)");
}

static void report(const struct job *j)
{
    avow_autojson json_t *doc = json_pack("{s:s, s:o, s:o, s:I}", "type", "avow/verify/1",
                                          "verdict", avow_verdict_json(&j->verdict), "claims",
                                          avow_claims_json(&j->claims), "at", (json_int_t)j->now);

    if (doc)
        avow_print_json(doc);
}

static int run(struct avow_cli *cli, const struct avow_args *args)
{
    avow_auto(avow_cleanup_job) struct job *j = calloc(1, sizeof *j);
    struct avow_error err = { 0 };
    struct avow_judge_in in = { 0 };

    if (!j || !args->n)
        return avow_usage(&avow_cmd_verify, "the files to judge are needed");
    if (args->n > AVOW_GATHER_FILES_MAX)
        return avow_usage(&avow_cmd_verify, "at most %d files", AVOW_GATHER_FILES_MAX);
    if (prepare(j, args, &err) < 0) {
        avow_print_error(cli, &err);
        return AVOW_EXIT_USAGE;
    }
    in = (struct avow_judge_in){ .bundle = avow_buf_view(&j->bundle),
                                 .anchors = &j->anchors,
                                 .policy = j->policy,
                                 .unbound_ok = true,
                                 .now = j->now };
    if (avow_judge(&in, &j->claims, &j->verdict, &err) < 0) {
        avow_print_error(cli, &err);
        return AVOW_EXIT_UNKNOWN;
    }
    if (cli->json)
        report(j);
    else
        show(cli, j);
    return avow_verdict_accepts(&j->verdict) ? AVOW_EXIT_OK : AVOW_EXIT_REFUSED;
}

const struct avow_command avow_cmd_verify = {
    .name = "verify",
    .args = "FILE...",
    .summary = "judge evidence from files, offline",
    .help =
        "The files are one piece of evidence (an SEV-SNP report or a TDX quote) and what belongs\n"
        "to it: certificates and CRLs (PEM or DER), TCB info and QE identity (JSON); or one\n"
        "bundle of avow's. They are told apart by what is in them. Nothing is fetched.\n\n"
        "Without a statement of the verifier's own, this says who made the evidence and what it\n"
        "claims, not that it is fresh.\n\n"
        "Exit status: 0 accepted, 1 refused, 2 usage or a file that cannot be read, 3 could not\n"
        "be evaluated.\n\n"
        "Examples:\n"
        "  avow verify report.bin vcek.der ask.pem ark.pem crl.der\n"
        "  avow verify bundle.json --policy policy.yaml --at 2026-01-31\n",
    .options = options,
    .run = run,
};
