/* avow demo: everything on this machine, with simulated VMs. */
#include "cli/demo.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/run.h"
#include "cli/signals.h"

#define NODES_DEFAULT "sev=1,tdx=1"
#define ITERATIONS_DEFAULT 300
#define ITERATIONS_MAX 10000000
#define OUTPUT_DEFAULT "./avow-demo-results"
#define TREE_FDS 16

static const char *nodes_option = NODES_DEFAULT;
static const char *dir_option;
static const char *iterations_option;
static const char *output = OUTPUT_DEFAULT;
static const char *verifier_option = "service";
static bool keep;

static const struct avow_option options[] = {
    { "nodes", 0, "sev=N,tdx=M", "how many nodes of each kind (default " NODES_DEFAULT ")", NULL,
      &nodes_option },
    { "iterations", 0, "N", "iterations of the training (default 300)", NULL, &iterations_option },
    { "verifier", 0, "WHICH", "who judges: service (avow-verifier, the default) or local", NULL,
      &verifier_option },
    { "dir", 0, "DIR", "work in this new folder instead of one in /tmp", NULL, &dir_option },
    { "keep", 0, NULL, "leave the work folder behind", &keep, NULL },
    { "output", 'o', "DIR", "folder for results (default " OUTPUT_DEFAULT ")", NULL, &output },
    { NULL, 0, NULL, NULL, NULL, NULL },
};

int avow_demo_path(char **out, struct avow_error *err, const char *fmt, ...)
{
    va_list ap;
    int n = 0;

    va_start(ap, fmt);
    n = vasprintf(out, fmt, ap);
    va_end(ap);
    if (n >= 0)
        return 0;
    *out = NULL;
    return AVOW_FAIL(err, NOMEM, "out of memory");
}

int avow_demo_folder(const char *path, struct avow_error *err)
{
    if (mkdir(path, 0755) != 0 || chmod(path, 0755) != 0)
        return AVOW_FAIL_SYS(err, "%s", path);
    return 0;
}

int avow_demo_write(const char *path, const struct avow_buf *text, struct avow_error *err)
{
    avow_autofclose FILE *f = fopen(path, "wxe");

    AVOW_TRY(avow_buf_ok(text, err));
    if (!f)
        return AVOW_FAIL_SYS(err, "%s", path);
    if (fwrite(text->data, 1, text->len, f) != text->len || fflush(f) != 0)
        return AVOW_FAIL_SYS(err, "%s", path);
    return 0;
}

void avow_demo_quote(struct avow_buf *out, const char *text)
{
    (void)avow_buf_put_str(out, "\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            (void)avow_buf_put_str(out, "\\");
        (void)avow_buf_put(out, text, 1);
    }
    (void)avow_buf_put_str(out, "\"");
}

/* ---- which nodes ---- */

static int take_count(const char *word, unsigned *sev, unsigned *tdx, struct avow_error *err)
{
    const char *eq = strchr(word, '=');
    char *end = NULL;
    unsigned long v = eq ? strtoul(eq + 1, &end, 10) : 0;

    if (!eq || eq[1] < '0' || eq[1] > '9' || *end)
        return AVOW_FAIL(err, FORMAT, "--nodes: \"%s\" is not sev=N or tdx=N", word);
    if (v > AVOW_DEMO_NODES_MAX)
        return AVOW_FAIL(err, LIMIT, "--nodes: at most %d nodes", AVOW_DEMO_NODES_MAX);
    if (strncmp(word, "sev=", 4) == 0 || strncmp(word, "snp=", 4) == 0)
        *sev = (unsigned)v;
    else if (strncmp(word, "tdx=", 4) == 0)
        *tdx = (unsigned)v;
    else
        return AVOW_FAIL(err, FORMAT, "--nodes: \"%s\" is not sev=N or tdx=N", word);
    return 0;
}

int avow_demo_nodes(struct avow_demo *d, const char *spec, struct avow_error *err)
{
    avow_autofree char *copy = strdup(spec);
    unsigned sev = 0;
    unsigned tdx = 0;
    char *save = NULL;

    if (!copy)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
        AVOW_TRY(take_count(w, &sev, &tdx, err));
    if (sev + tdx < 2 || sev + tdx > AVOW_DEMO_NODES_MAX)
        return AVOW_FAIL(err, LIMIT, "--nodes: %u nodes; 2 to %d are possible", sev + tdx,
                         AVOW_DEMO_NODES_MAX);
    d->n = sev + tdx;
    for (size_t i = 0; i < d->n; i++) {
        struct avow_demo_node *n = &d->nodes[i];

        (void)snprintf(n->name, sizeof n->name, "hospital-%c", (char)('a' + i));
        n->tee = i < sev ? AVOW_TEE_SNP : AVOW_TEE_TDX;
        n->ready = -1;
    }
    return 0;
}

/* ---- the folder ---- */

static int make_dir(struct avow_demo *d, struct avow_error *err)
{
    char template[] = "/tmp/avow-demo-XXXXXX";

    if (dir_option) {
        if (avow_demo_folder(dir_option, err) < 0)
            return avow_error_prefix(err, "--dir");
        d->made_dir = true;
        d->dir = realpath(dir_option, NULL);
        return d->dir ? 0 : AVOW_FAIL_SYS(err, "%s", dir_option);
    }
    if (!mkdtemp(template))
        return AVOW_FAIL_SYS(err, "%s", template);
    d->made_dir = true;
    d->dir = strdup(template);
    /* the jobs' own user passes through to its files */
    if (!d->dir || chmod(d->dir, 0755) != 0)
        return AVOW_FAIL_SYS(err, "%s", template);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

static void close_demo(struct avow_demo *d)
{
    avow_demo_stop(d);
    if (d->dir && d->made_dir && !keep)
        (void)nftw(d->dir, remove_one, TREE_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    free(d->dir);
}

/* ---- run ---- */

static int prepare(struct avow_demo *d, unsigned iterations, struct avow_plan **plan,
                   struct avow_error *err)
{
    avow_autofree char *job = NULL;
    size_t sev = 0;

    for (size_t i = 0; i < d->n; i++)
        sev += d->nodes[i].tee == AVOW_TEE_SNP;
    AVOW_TRY(make_dir(d, err));
    avow_say(d->cli, "SIMULATED: %zu SEV-SNP and %zu TDX machines on this one, in %s\n", sev,
             d->n - sev, d->dir);
    if (!d->verifier.local)
        avow_say(d->cli,
                 "An avow-verifier on this machine judges them, by Azure Attestation's API\n");
    AVOW_TRY(avow_demo_policy(d, err));
    AVOW_TRY(avow_demo_start(d, err));
    AVOW_TRY(avow_demo_job(d, iterations, &job, err));
    if (keep)
        avow_say(d->cli, "Kept: %s and the files beside it\n", job);
    return avow_plan_load(job, NULL, plan, err);
}

static int run(struct avow_cli *cli, const struct avow_args *args)
{
    struct avow_demo d = { .cli = cli, .verifier.ready = -1 };
    struct avow_plan *plan = NULL;
    struct avow_error err = { 0 };
    avow_autofree char *identity = NULL;
    unsigned long iterations = ITERATIONS_DEFAULT;
    char *end = NULL;
    int code = AVOW_EXIT_USAGE;

    if (args->n)
        return avow_usage(&avow_cmd_demo, "no argument is wanted");
    if (iterations_option)
        iterations = strtoul(iterations_option, &end, 10);
    if (iterations_option && (*end || !iterations || iterations > ITERATIONS_MAX))
        return avow_usage(&avow_cmd_demo, "--iterations: 1 to %d", ITERATIONS_MAX);
    d.verifier.local = strcmp(verifier_option, "local") == 0;
    if (!d.verifier.local && strcmp(verifier_option, "service") != 0)
        return avow_usage(&avow_cmd_demo, "--verifier: \"%s\" is neither service nor local",
                          verifier_option);
    if (avow_demo_nodes(&d, nodes_option, &err) < 0)
        return avow_usage(&avow_cmd_demo, "%s", err.text);
    if (prepare(&d, (unsigned)iterations, &plan, &err) < 0 ||
        avow_demo_path(&identity, &err, "%s/client.pem", d.dir) < 0) {
        avow_print_error(cli, &err);
        code = avow_signals_came() ? AVOW_EXIT_INTERRUPTED : AVOW_EXIT_UNKNOWN;
        avow_plan_free(plan);
    } else {
        cli->identity = identity;
        cli->no_record = !keep;
        code = avow_run_plan(cli, plan, output);
    }
    close_demo(&d);
    return code;
}

const struct avow_command avow_cmd_demo = {
    .name = "demo",
    .args = "",
    .summary = "the main job, end to end, on simulated confidential VMs",
    .help = "Makes simulated machines of both kinds, starts a node daemon for each and a verifier\n"
            "that judges for all of them as Azure Attestation would (--verifier local: everybody\n"
            "judges for himself), and then does what `avow run` does: the hospitals of\n"
            "examples/hospitals train one classifier without showing each other a patient.\n"
            "Everything that is shown says SIMULATED.\n\n"
            "Exit status: as avow run; 3 if the demo cannot be set up.\n\n"
            "Examples:\n"
            "  avow demo\n"
            "  avow demo --nodes sev=3,tdx=2 --iterations 1000\n"
            "  avow demo --keep --dir ./cluster\n",
    .options = options,
    .run = run,
};
