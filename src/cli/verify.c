/* avow verify: judge evidence from files, offline. */
#include "cli/verify.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "attest/ear.h"
#include "attest/gather.h"
#include "attest/need.h"
#include "cli/collateral.h"
#include "cli/files.h"
#include "cli/show.h"
#include "verify/basis.h"

static const char *policy_path, *roots_path, *at, *bundle_path, *ear_path, *ear_key, *nonce, *jobs;
static const char *verifier, *token_path;
static bool offline;
static struct avow_vendor_options vendor;
static struct avow_list with, issuers;

static const struct avow_option options[] = {
    { "with", 0, "FILE...", "endorsements, collateral and what else belongs to it, in any order",
      NULL, NULL, &with },
    { "at", 0, "TIME", "judge as of then: 2026-01-31, 2026-01-31T12:00:00Z or unix seconds", NULL,
      &at, NULL },
    { "policy", 0, "FILE", "appraise by this policy; without it any measurement is accepted", NULL,
      &policy_path, NULL },
    { "roots", 0, "FILE", "trust these simulated roots too (PEM)", NULL, &roots_path, NULL },
    { "store", 0, "FILE", "take what is missing from this store (default: the user's own)", NULL,
      &vendor.store, NULL },
    { "offline", 0, NULL, "ask nobody for what is missing", &offline, NULL, NULL },
    { "kds", 0, "URL", "ask this server instead of AMD's KDS", NULL, &vendor.kds, NULL },
    { "pcs", 0, "URL", "ask this PCS or PCCS instead of Intel's", NULL, &vendor.pcs, NULL },
    { "ca", 0, "FILE", "trust these certificates for TLS with them and with the service (PEM)",
      NULL, &vendor.ca, NULL },
    { "verifier", 0, "URL|FILE", "have it judged by this service (Azure Attestation's API)", NULL,
      &verifier, NULL },
    { "issuer", 0, "URL...", "whose tokens count (default: the service's)", NULL, NULL, &issuers },
    { "token", 0, "FILE", "write the token that the service gave", NULL, &token_path, NULL },
    { "bundle", 0, "FILE", "write a bundle that can be judged again years later", NULL,
      &bundle_path, NULL },
    { "ear", 0, "FILE", "write the result as a signed EAR token (JWT)", NULL, &ear_path, NULL },
    { "ear-key", 0, "FILE", "sign it with this EC key, P-256 or P-384 (PEM)", NULL, &ear_key,
      NULL },
    { "nonce", 0, "TEXT", "put this eat_nonce into the token (8 to 88 bytes)", NULL, &nonce, NULL },
    { "jobs", 0, "N", "threads for many files (default: all cores)", NULL, &jobs, NULL },
    { NULL, 0, NULL, NULL, NULL, NULL, NULL },
};

AVOW_DEFINE_CLEANUP(setup, struct avow_verify_setup, avow_verify_setup_free)

static int load_policy(struct avow_verify_setup *s, struct avow_error *err)
{
    if (policy_path) {
        s->own_policy = true;
        return avow_policy_load(policy_path, &s->policy, &s->policy_text, err);
    }
    return avow_verify_no_policy(s, err);
}

static int setup(struct avow_verify_setup *s, struct avow_error *err)
{
    AVOW_TRY(avow_verify_setup_init(s, at, roots_path, err));
    if (ear_path && !ear_key)
        return AVOW_FAIL(err, FORMAT, "--ear: --ear-key FILE is needed to sign the token");
    if (token_path && !verifier)
        return AVOW_FAIL(err, FORMAT, "--token: it is a service's: --verifier URL is needed");
    AVOW_TRY(avow_verify_use_service(
        s, &(struct avow_service_options){ verifier, vendor.ca, &issuers }, err));
    AVOW_TRY(load_policy(s, err));
    return avow_verify_use_store(s, vendor.store, err);
}

/* ---- what is shown ---- */

static void add_row(struct avow_table *t, const char *code, bool ran, bool passed,
                    const char *source, const char *text)
{
    avow_table_cell(t, AVOW_PAINT_NONE, "%s", code);
    avow_table_cell(t,
                    passed ? AVOW_PAINT_GOOD
                    : ran  ? AVOW_PAINT_BAD
                           : AVOW_PAINT_WARN,
                    "%s",
                    passed ? "ok"
                    : ran  ? "FAILED"
                           : "NOT RUN");
    avow_table_cell(t, AVOW_PAINT_DIM, "%s", source);
    avow_table_cell(t, AVOW_PAINT_NONE, "%s", text);
}

static void show_summary(const struct avow_cli *cli, const struct avow_verify_item *item)
{
    const struct avow_verdict *v = &item->verdict;
    const struct avow_reason *why = avow_verdict_why(v);
    char word[32];

    avow_verdict_word(avow_verdict_accepts(v), v->simulated, word);
    avow_say(cli, "%s %s%s\n", avow_tee_name(v->tee), word,
             avow_verdict_undecided(v) ? ": it could not be evaluated" : "");
    if (why)
        avow_say(cli, "  %s: %s\n  -> %s\n", why->code, why->text, avow_check_hint(why->code));
}

static void show(const struct avow_cli *cli, const struct avow_verify_setup *s,
                 const struct avow_verify_item *item)
{
    static const char *const heads[] = { "CHECK", "", "DEMANDED BY", "WHAT WAS COMPARED", NULL };
    struct avow_table *t = avow_table_new(heads);
    const struct avow_claims *c = &item->claims;
    const struct avow_verdict *v = &item->verdict;

    for (uint32_t i = 0; i < c->n_checks && i < AVOW_CHECKS_MAX; i++)
        add_row(t, c->checks[i].code, c->checks[i].state != AVOW_CHECK_NOT_RUN,
                c->checks[i].state == AVOW_CHECK_PASSED,
                avow_check_basis(c->tee, c->checks[i].code), c->checks[i].text);
    for (uint32_t i = 0; i < v->n_reasons && i < AVOW_REASONS_MAX; i++) {
        char source[AVOW_VERIFY_SOURCE_MAX];

        if (avow_verify_is_check(c, &v->reasons[i]))
            continue;
        avow_verify_source(s, c, &v->reasons[i], source);
        add_row(t, v->reasons[i].code, v->reasons[i].ran, v->reasons[i].passed, source,
                v->reasons[i].text);
    }
    avow_print_table(cli, t);
    show_summary(cli, item);
}

/* ---- what is written ---- */

static int write_ear(const struct avow_verify_setup *s, const struct avow_verify_item *item,
                     struct avow_bytes bundle, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(AVOW_SIGNER_PEM_MAX);
    avow_auto(avow_buf_done) struct avow_buf token = AVOW_BUF(AVOW_EAR_MAX);
    avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;
    avow_autojson json_t *claims = NULL;
    const struct avow_policy_pins pins = avow_policy_pins(s->policy, item->claims.tee, NULL);
    const struct avow_ear_in in = {
        .claims = &item->claims,
        .verdict = &item->verdict,
        .build = "avow " AVOW_VERSION,
        .policy = avow_buf_view(&s->policy_text),
        .measurement_pinned = pins.measurement,
        .registers_pinned = pins.registers,
        .machine_pinned = pins.machine || pins.vm,
        .bundle = bundle,
        .nonce = nonce,
        .now = avow_unix_ms() / 1000,
    };

    AVOW_TRY(avow_read_file(ear_key, &pem, err));
    AVOW_TRY(avow_signer_from_pem(avow_buf_view(&pem), &key, err));
    claims = avow_ear_claims(&in);
    if (!claims)
        return AVOW_FAIL(err, FORMAT, "--nonce: 8 to 88 bytes are needed");
    AVOW_TRY(avow_ear_sign(claims, key, &token, err));
    return avow_verify_write(ear_path, avow_buf_view(&token), err);
}

static int write_results(const struct avow_verify_setup *s, const struct avow_verify_item *item,
                         struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_BUNDLE_MAX);

    if (!bundle_path && !ear_path)
        return 0;
    AVOW_TRY(avow_bundle_emit(&item->bundle, &text, err));
    if (bundle_path)
        AVOW_TRY(avow_verify_write(bundle_path, avow_buf_view(&text), err));
    return ear_path ? write_ear(s, item, avow_buf_view(&text), err) : 0;
}

/* ---- one ---- */

AVOW_DEFINE_CLEANUP(item, struct avow_verify_item, avow_verify_item_free)

/* A token that was stored: what stands behind --with are its issuers' keys. */
static int judge_stored(struct avow_verify_setup *s, struct avow_bytes file,
                        struct avow_verify_item *item, struct avow_error *err)
{
    if (bundle_path || ear_path || token_path)
        return AVOW_FAIL(err, FORMAT,
                         "--bundle, --ear and --token are for evidence, and this is a "
                         "token");
    for (size_t i = 0; i < with.n; i++)
        AVOW_TRY(avow_verify_add_keys(s, with.v[i], err));
    return avow_verify_token(s, file, item, err);
}

/* What a service judges it judges now, and from afar. */
static int check_service(const struct avow_verify_setup *s, struct avow_error *err)
{
    if (s->verifier && at)
        return AVOW_FAIL(err, FORMAT, "--at: a service judges as of now");
    if (s->verifier && offline)
        return AVOW_FAIL(err, FORMAT, "--offline: %s could not be asked",
                         avow_verifier_url(s->verifier));
    return 0;
}

/* What the service itself brings is not asked of vendors: it needs the chip's certificate alone. */
static bool fetching_helps(const struct avow_verify_setup *s, const struct avow_verify_item *item)
{
    struct avow_need need = { 0 };

    if (offline || !avow_verdict_undecided(&item->verdict))
        return false;
    if (!s->verifier || !s->service.no_local)
        return true;
    return avow_need_of(&item->bundle, &need, NULL) == 0 && need.hardware == AVOW_TEE_SNP &&
           !need.has_leaf;
}

static int judge_evidence(const struct avow_cli *cli, struct avow_verify_setup *s,
                          const struct avow_args *args, struct avow_verify_item *item, int *exit,
                          struct avow_error *err)
{
    int rc = 0;

    for (size_t i = 1; i < args->n; i++)
        AVOW_TRY(avow_verify_gather(s->pool, &item->bundle, args->list[i], err));
    for (size_t i = 0; i < with.n; i++)
        AVOW_TRY(avow_verify_gather(s->pool, &item->bundle, with.v[i], err));
    if (item->bundle.tee == AVOW_TEE_NONE)
        return AVOW_FAIL(err, MISSING,
                         "%s: no report, quote, HCL report, bundle or envelope of one",
                         args->list[0]);
    AVOW_TRY(check_service(s, err));
    rc = avow_verify_judge(s, NULL, NULL, item, err);
    if (rc == 0 && fetching_helps(s, item))
        rc = avow_verify_fetch(cli, &vendor, s, at != NULL, item, err);
    if (rc < 0)
        *exit = AVOW_EXIT_UNKNOWN;
    return rc;
}

static int judge_one(const struct avow_cli *cli, struct avow_verify_setup *s,
                     const struct avow_args *args, struct avow_verify_item *item, int *exit,
                     struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf file = AVOW_BUF(AVOW_FILE_MAX);
    struct avow_error why = { 0 };
    int rc = 0;

    AVOW_TRY(avow_read_file(args->list[0], &file, err));
    if (args->n == 1 && avow_verify_is_token(avow_buf_view(&file))) {
        rc = judge_stored(s, avow_buf_view(&file), item, err);
        if (rc == -AVOW_E_NOMEM || rc == -AVOW_E_CRYPTO)
            *exit = AVOW_EXIT_UNKNOWN;
        return rc;
    }
    rc = avow_gather_file(s->pool, &item->bundle, avow_buf_view(&file), &why);
    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "%s: %s", args->list[0], why.text);
    return judge_evidence(cli, s, args, item, exit, err);
}

static void print_json(const struct avow_verify_setup *s, const struct avow_verify_item *item)
{
    avow_autojson json_t *doc = avow_verify_json(s, item);

    if (doc && s->verifier && !item->is_token)
        (void)json_object_set_new(doc, "verifier", avow_verifier_json(s->verifier));
    if (doc)
        avow_print_json(doc);
}

static void print_text(const struct avow_cli *cli, const struct avow_verify_setup *s,
                       const struct avow_verify_item *item)
{
    show(cli, s, item);
    if (!s->verifier && !item->is_token)
        return;
    if (avow_verify_unbound(&item->verdict))
        avow_say(cli, "  binding not checked: a token about this says nothing of when and for whom "
                      "the evidence was made\n");
    if (!item->is_token)
        avow_verify_say_service(cli, s);
}

static int write_token(const struct avow_cli *cli, const struct avow_buf *token,
                       struct avow_error *err)
{
    if (!token_path)
        return 0;
    if (token->len)
        return avow_verify_write(token_path, avow_buf_view(token), err);
    if (!cli->quiet)
        (void)fprintf(stderr, "avow: %s: not written: the service gave no token\n", token_path);
    return 0;
}

static int run_one(struct avow_cli *cli, struct avow_verify_setup *s, const struct avow_args *args)
{
    avow_auto(avow_cleanup_item) struct avow_verify_item *item = calloc(1, sizeof *item);
    avow_auto(avow_buf_done) struct avow_buf token = AVOW_BUF(AVOW_MAA_TOKEN_MAX);
    struct avow_error err = { 0 };
    int exit = AVOW_EXIT_USAGE;

    if (!item)
        return AVOW_EXIT_UNKNOWN;
    avow_verify_keep_token(s, &token);
    if (judge_one(cli, s, args, item, &exit, &err) < 0) {
        avow_print_error(cli, &err);
        return exit;
    }
    if (cli->json)
        print_json(s, item);
    else
        print_text(cli, s, item);
    if (!s->own_policy && !cli->quiet)
        (void)fputs("avow: no --policy: no measurement was checked; this says what made the "
                    "evidence, not what runs inside\n",
                    stderr);
    if (write_token(cli, &token, &err) < 0 || write_results(s, item, &err) < 0) {
        avow_print_error(cli, &err);
        return AVOW_EXIT_USAGE;
    }
    return avow_verify_exit(&item->verdict);
}

/* ---- many ---- */

static bool is_evidence(const char *path)
{
    avow_auto(avow_buf_done) struct avow_buf file = AVOW_BUF(AVOW_FILE_MAX);

    return avow_read_file(path, &file, NULL) == 0 &&
           (avow_verify_is_token(avow_buf_view(&file)) ||
            avow_gather_is_evidence(avow_buf_view(&file)));
}

/* A folder, or two files that are evidence, are many; one piece of evidence may have several files
 * (an HCL report and a TD quote are one), but then they stand behind --with. */
static bool is_batch(const struct avow_args *args)
{
    if (avow_is_folder(args->list[0]))
        return true;
    return args->n > 1 && is_evidence(args->list[0]) && is_evidence(args->list[1]);
}

/* Keys of issuers, where tokens are to be judged by some: else it is somebody's runtime data. */
static bool is_jwks(struct avow_verify_setup *s, const char *path)
{
    return issuers.n && !verifier && avow_verify_add_keys(s, path, NULL) == 0;
}

static int gather_many(struct avow_verify_setup *s, const struct avow_args *args,
                       struct avow_files *p, unsigned *n_jobs, struct avow_error *err)
{
    char *end = NULL;

    if (bundle_path || ear_path || token_path)
        return AVOW_FAIL(err, FORMAT, "--bundle, --ear and --token are for one piece of evidence");
    AVOW_TRY(check_service(s, err));
    if (jobs) {
        unsigned long n = strtoul(jobs, &end, 10);

        if (!*jobs || *end || n < 1 || n > AVOW_VERIFY_JOBS_MAX)
            return AVOW_FAIL(err, FORMAT, "--jobs: \"%s\" is not 1 to %d", jobs,
                             AVOW_VERIFY_JOBS_MAX);
        *n_jobs = (unsigned)n;
    }
    for (size_t i = 0; i < args->n; i++)
        AVOW_TRY(avow_is_folder(args->list[i]) ? avow_files_folder(p, args->list[i], err)
                                               : avow_files_add(p, NULL, args->list[i], err));
    if (!p->n)
        return AVOW_FAIL(err, MISSING, "%s: no file in this folder", args->list[0]);
    for (size_t i = 0; i < with.n; i++)
        if (!is_jwks(s, with.v[i]))
            AVOW_TRY(avow_verify_gather(s->pool, &s->with, with.v[i], err));
    if (s->with.tee != AVOW_TEE_NONE)
        return AVOW_FAIL(err, EXISTS, "--with: a piece of evidence beside %zu others", p->n);
    return 0;
}

static int run_many(struct avow_cli *cli, struct avow_verify_setup *s, const struct avow_args *args)
{
    avow_auto(avow_files_done) struct avow_files p = { 0 };
    struct avow_error err = { 0 };
    unsigned n_jobs = 0;

    if (gather_many(s, args, &p, &n_jobs, &err) < 0) {
        avow_print_error(cli, &err);
        return AVOW_EXIT_USAGE;
    }
    if (!s->own_policy && !cli->quiet)
        (void)fputs("avow: no --policy: no measurement is checked\n", stderr);
    return avow_verify_batch(cli, s, (const char *const *)p.list, p.n, n_jobs);
}

/* A script that could not get the result must not take the status for it. */
static int written(const struct avow_cli *cli, int exit)
{
    struct avow_error err = { 0 };

    if (fflush(stdout) == 0 && !ferror(stdout))
        return exit;
    (void)AVOW_FAIL(&err, SYSTEM, "standard output: the result could not be written");
    avow_print_error(cli, &err);
    return AVOW_EXIT_USAGE;
}

static int run(struct avow_cli *cli, const struct avow_args *args)
{
    avow_auto(avow_cleanup_setup) struct avow_verify_setup *s = calloc(1, sizeof *s);
    struct avow_error err = { 0 };

    if (!s || !args->n)
        return avow_usage(&avow_cmd_verify, "the evidence to judge is needed");
    if (setup(s, &err) < 0) {
        avow_print_error(cli, &err);
        return AVOW_EXIT_USAGE;
    }
    return written(cli, is_batch(args) ? run_many(cli, s, args) : run_one(cli, s, args));
}

const struct avow_command avow_cmd_verify = {
    .name = "verify",
    .args = "EVIDENCE... [--with FILE...]",
    .summary = "judge evidence from files",
    .help =
        "EVIDENCE is an SEV-SNP report, a TDX quote, an Azure HCL report, a bundle of avow's, or\n"
        "an envelope that another tool wrote; --with takes what belongs to it, in any order:\n"
        "certificates and CRLs (PEM or DER), certificate tables, TCB info and QE identity,\n"
        "runtime data, a TPM quote with its signature and PCR values, an event log. All of it is\n"
        "told apart by content. What is still missing comes from the user's store (see avow\n"
        "collateral) and, without --offline, from the vendor into it; judging never touches the\n"
        "network. Several pieces of evidence, or a folder, are judged each by itself on all\n"
        "cores, from the store alone: a line for each, or with --json one object a line.\n\n"
        "--verifier has the evidence judged by a service that speaks Azure Attestation's API\n"
        "(or by whom a file says, with the keys verifier and require of a job file); its token\n"
        "is judged by the whole checklist and the policy, and must be about this evidence.\n"
        "EVIDENCE may be such a token itself, stored (a JWT): --with takes its issuer's /certs,\n"
        "--issuer says whose tokens count, --at as of when; nobody is asked.\n\n"
        "Without --policy: authentic, no debugging, TCB up to date; any measurement. Without a\n"
        "statement of the verifier's own, this says who made the evidence and what it claims,\n"
        "not that it is fresh.\n\n"
        "Exit status: 0 accepted, 1 refused, 2 usage or a file that cannot be read, 3 could not\n"
        "be evaluated (an endorsement is missing, say); of many, the first of 1, 2, 3 that\n"
        "occurs.\n\n"
        "Examples:\n"
        "  avow verify report.bin --with vcek.der chain.pem\n"
        "  avow verify quote.bin --with collateral.json --at 2026-01-31\n"
        "  avow verify hcl_report.bin --with vcek.der chain.pem quote.msg quote.sig pcrs.bin\n"
        "  avow verify report.bin --with vcek.der --bundle kept.json; avow verify kept.json\n"
        "  avow verify bundles/ --policy policy.yaml --json | jq -c .verdict\n"
        "  avow verify bundles/ --verifier https://sharedeus2.eus2.attest.azure.net\n"
        "  avow verify token.jwt --with certs.json --issuer https://contoso.weu.attest.azure.net\n",
    .options = options,
    .run = run,
};
