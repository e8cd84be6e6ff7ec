/* avow collateral: the store of endorsements and collateral that evidence is judged with. */
#include "cli/collateral.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "cli/bar.h"
#include "codec/text.h"
#include "evidence/snp.h"
#include "store/tree.h"

static struct avow_vendor_options vendor;
static const char *before, *thim;
static struct avow_list fmspcs, products;

static const struct avow_option options[] = {
    { "store", 0, "FILE", "the store (default: $XDG_DATA_HOME/avow/collateral.db)", NULL,
      &vendor.store, NULL },
    { "kds", 0, "URL", "fetch: ask this server instead of AMD's KDS", NULL, &vendor.kds, NULL },
    { "pcs", 0, "URL", "fetch: ask this PCS or PCCS instead of Intel's", NULL, &vendor.pcs, NULL },
    { "thim", 0, "URL", "fetch: this machine's VCEK from Azure's THIM (imds: its usual address)",
      NULL, &thim, NULL },
    { "fmspc", 0, "HEX...", "fetch: what TDX platforms of these FMSPCs need", NULL, NULL, &fmspcs },
    { "product", 0, "NAME...", "fetch: the CRLs of Milan, Genoa, Turin", NULL, NULL, &products },
    { "update", 0, "WHICH", "fetch: Intel's TCB update channel, standard or early", NULL,
      &vendor.update, NULL },
    { "refresh", 0, NULL, "fetch: also what is valid for long enough", &vendor.refresh, NULL,
      NULL },
    { "ahead", 0, "DAYS", "fetch: anew what expires sooner than this (default: 0; 7 for renewals)",
      NULL, &vendor.ahead, NULL },
    { "kds-interval", 0, "SECONDS", "fetch: between two requests (default: 10 for AMD, else 0)",
      NULL, &vendor.kds_interval, NULL },
    { "timeout", 0, "SECONDS", "fetch: for one request with its retries (default: 60)", NULL,
      &vendor.timeout, NULL },
    { "tries", 0, "N", "fetch: of one request (default: 5)", NULL, &vendor.tries, NULL },
    { "ca", 0, "FILE", "fetch: trust these certificates for TLS (PEM), for a PCCS of one's own",
      NULL, &vendor.ca, NULL },
    { "before", 0, "TIME", "prune: drop what expired before then (default: now)", NULL, &before,
      NULL },
    { NULL, 0, NULL, NULL, NULL, NULL, NULL },
};

/* ---- shared ---- */

int avow_cli_store(const char *path, enum avow_store_mode mode, struct avow_store **out,
                   struct avow_error *err)
{
    avow_autofree char *own = NULL;

    if (path)
        return avow_store_open(path, mode, out, err);
    AVOW_TRY(avow_store_default_path(&own, err));
    if (!own)
        return AVOW_FAIL(err, MISSING,
                         "neither HOME nor XDG_DATA_HOME is set: --store FILE says "
                         "where the store is");
    return avow_store_open(own, mode, out, err);
}

/* "Z", "+02:00" or "-0130", after a fraction of a second that does not count; -1 if it is none. */
static int parse_zone(const char *text, long *offset)
{
    unsigned h = 0, m = 0;
    int n = 0;

    *offset = 0;
    if (*text == '.' && strspn(text + 1, "0123456789"))
        text += 1 + strspn(text + 1, "0123456789");
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return 0;
    if ((*text != '+' && *text != '-') ||
        (sscanf(text + 1, "%2u:%2u%n", &h, &m, &n) != 2 &&
         sscanf(text + 1, "%2u%2u%n", &h, &m, &n) != 2) ||
        text[1 + n] || h > 23 || m > 59)
        return -1;
    *offset = (*text == '-' ? -1 : 1) * (long)(h * 3600 + m * 60);
    return 0;
}

/* Seconds of @tm in UTC; -1 for a day that no month has. */
static int from_tm(struct tm tm, int64_t *out)
{
    int day = tm.tm_mday;

    *out = timegm(&tm);
    return tm.tm_mday == day ? 0 : -1;
}

int avow_parse_time(const char *text, int64_t *out)
{
    struct tm tm = { 0 };
    char *num_end = NULL;
    const char *end = NULL;
    long offset = 0;

    if (*text && strspn(text, "0123456789") == strlen(text)) {
        errno = 0;
        *out = strtoll(text, &num_end, 10);
        return errno ? -AVOW_E_FORMAT : 0;
    }
    end = strptime(text, "%Y-%m-%d", &tm);
    if (end && (*end == 'T' || *end == 't' || *end == ' ')) {
        end = strptime(end + 1, "%H:%M:%S", &tm);
        if (!end || parse_zone(end, &offset) < 0)
            return -AVOW_E_FORMAT;
        end += strlen(end);
    }
    if (!end || *end || from_tm(tm, out) < 0)
        return -AVOW_E_FORMAT;
    *out -= offset;
    return 0;
}

void avow_time_text(int64_t t, char out[32])
{
    time_t when = (time_t)t;
    struct tm tm;

    if (!gmtime_r(&when, &tm) || strftime(out, 32, "%Y-%m-%d %H:%M", &tm) == 0)
        (void)snprintf(out, 32, "%" PRId64, t);
}

static int fail(const struct avow_cli *cli, const struct avow_error *err)
{
    avow_print_error(cli, err);
    return err->code == AVOW_E_CANCELLED ? AVOW_EXIT_INTERRUPTED : AVOW_EXIT_USAGE;
}

/* ---- list ---- */

struct listing {
    struct avow_table *table;
    json_t *items;
    int64_t now;
    size_t n, n_expired;
};

static const char *kind_of(const struct avow_item *it)
{
    switch (it->kind) {
    case AVOW_ITEM_CERT:
        return it->hwid_len ? "vcek" : it->has_tcb ? "vlek" : "certificate";
    case AVOW_ITEM_CRL:
        return "crl";
    case AVOW_ITEM_TCB_INFO:
        return "tcb-info";
    case AVOW_ITEM_QE_IDENTITY:
        return "qe-identity";
    }
    return "?";
}

static const char *state_of(const struct avow_item *it, int64_t now)
{
    return now < it->from ? "not yet" : now > it->until ? "expired" : "valid";
}

static void name_of(const struct avow_item *it, char *out, size_t size)
{
    char hex[2 * 64 + 1];

    switch (it->kind) {
    case AVOW_ITEM_CERT:
        avow_hex(AVOW_BYTES(it->hwid, it->hwid_len), hex);
        (void)snprintf(out, size, it->hwid_len ? "%s chip %.16s.. snp %u ucode %u" : "%s",
                       it->issuer, hex,
                       it->tcb[it->hwid_len == 8 ? AVOW_SNP_TURIN_TCB_SNP : AVOW_SNP_TCB_SNP],
                       it->tcb[AVOW_SNP_TCB_MICROCODE]);
        if (!it->hwid_len)
            (void)snprintf(out, size, "%s", it->subject);
        break;
    case AVOW_ITEM_CRL:
        (void)snprintf(out, size, "%s", it->issuer);
        break;
    case AVOW_ITEM_TCB_INFO:
        avow_hex(AVOW_BYTES_OF(it->fmspc), hex);
        (void)snprintf(out, size, "FMSPC %s, evaluation %u", hex, it->evaluation);
        break;
    case AVOW_ITEM_QE_IDENTITY:
        (void)snprintf(out, size, "TD_QE, evaluation %u", it->evaluation);
        break;
    }
}

static int add_row(struct listing *l, const struct avow_store_row *row)
{
    const struct avow_item *it = &row->item;
    const char *state = state_of(it, l->now);
    char name[256], from[32], until[32];

    name_of(it, name, sizeof name);
    avow_time_text(it->from, from);
    avow_time_text(it->until, until);
    avow_table_cell(l->table, AVOW_PAINT_NONE, "%s", kind_of(it));
    avow_table_cell(l->table, AVOW_PAINT_NONE, "%s", name);
    avow_table_cell(l->table, AVOW_PAINT_DIM, "%s", from);
    avow_table_cell(l->table, AVOW_PAINT_NONE, "%s", until);
    avow_table_cell(l->table, *state == 'v' ? AVOW_PAINT_GOOD : AVOW_PAINT_WARN, "%s", state);
    avow_table_cell(l->table, AVOW_PAINT_DIM, "%s", row->source);
    return 0;
}

static int add_json(struct listing *l, const struct avow_store_row *row)
{
    const struct avow_item *it = &row->item;
    char digest[65], hwid[129], tcb[17], fmspc[13];
    bool info = it->kind == AVOW_ITEM_TCB_INFO;
    bool document = info || it->kind == AVOW_ITEM_QE_IDENTITY;
    json_t *j = NULL;

    avow_hex(AVOW_BYTES_OF(it->digest), digest);
    avow_hex(AVOW_BYTES(it->hwid, it->hwid_len), hwid);
    avow_hex(AVOW_BYTES_OF(it->tcb), tcb);
    avow_hex(AVOW_BYTES_OF(it->fmspc), fmspc);
    j = json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:I, s:I}", "kind", kind_of(it), "subject",
                  it->subject, "issuer", it->issuer, "from", (json_int_t)it->from, "until",
                  (json_int_t)it->until, "state", state_of(it, l->now), "source", row->source,
                  "added", (json_int_t)row->added, "bytes", (json_int_t)it->data.len);
    if (!j || json_object_set_new(j, "sha256", json_string(digest)) < 0 ||
        (it->hwid_len && json_object_set_new(j, "hwid", json_string(hwid)) < 0) ||
        (it->has_tcb && json_object_set_new(j, "tcb", json_string(tcb)) < 0) ||
        (info && json_object_set_new(j, "fmspc", json_string(fmspc)) < 0) ||
        (document && json_object_set_new(j, "evaluation", json_integer(it->evaluation)) < 0)) {
        json_decref(j);
        return -AVOW_E_NOMEM;
    }
    return json_array_append_new(l->items, j) < 0 ? -AVOW_E_NOMEM : 0;
}

static int list_row(void *ctx, const struct avow_store_row *row)
{
    struct listing *l = ctx;

    l->n++;
    l->n_expired += row->item.until < l->now;
    return l->items ? add_json(l, row) : add_row(l, row);
}

static int list(struct avow_cli *cli)
{
    static const char *const heads[] = { "KIND", "OF", "FROM", "UNTIL", "", "SOURCE", NULL };
    avow_auto(avow_cleanup_store) struct avow_store *s = NULL;
    avow_autojson json_t *items = cli->json ? json_array() : NULL;
    struct listing l = { .items = items, .now = avow_unix_ms() / 1000 };
    struct avow_error err = { 0 };

    if (avow_cli_store(vendor.store, AVOW_STORE_READ, &s, &err) < 0)
        return fail(cli, &err);
    l.table = cli->json ? NULL : avow_table_new(heads);
    if (avow_store_each(s, list_row, &l, &err) < 0) {
        avow_table_free(l.table);
        return fail(cli, &err);
    }
    if (cli->json) {
        avow_autojson json_t *doc = json_pack("{s:s, s:s, s:O}", "type", "avow/collateral/1",
                                              "store", avow_store_path(s), "items", items);

        if (doc)
            avow_print_json(doc);
        return AVOW_EXIT_OK;
    }
    avow_print_table(cli, l.table);
    avow_say(cli, "%zu items, %zu expired, in %s\n", l.n, l.n_expired, avow_store_path(s));
    return AVOW_EXIT_OK;
}

/* ---- import ---- */

struct importing {
    const struct avow_cli *cli;
    struct avow_bar bar;
    uint64_t done;
    json_t *passed_over;
};

static void imported(void *ctx, const char *path, size_t items, const struct avow_error *why)
{
    struct importing *im = ctx;

    im->done++;
    avow_bar_draw(&im->bar, im->done, im->done + 1, path);
    (void)items;
    if (!why)
        return;
    (void)json_array_append_new(im->passed_over,
                                json_pack("{s:s, s:s}", "file", path, "why", why->text));
    avow_bar_clear(&im->bar);
    if (!im->cli->quiet && !im->cli->json)
        (void)fprintf(stderr, "avow: %s: passed over: %s\n", path, why->text);
}

static void show_import(const struct avow_cli *cli, const struct avow_import *n,
                        const struct avow_store *s, json_t *passed_over)
{
    avow_autojson json_t *doc = NULL;

    avow_say(cli,
             "%" PRIu64 " new, %" PRIu64 " already there, from %" PRIu64 " files (%" PRIu64
             " passed over), in %s\n",
             n->added, n->had, n->files, n->passed_over, avow_store_path(s));
    if (!cli->json)
        return;
    doc = json_pack("{s:s, s:s, s:I, s:I, s:I, s:O}", "type", "avow/collateral-import/1", "store",
                    avow_store_path(s), "added", (json_int_t)n->added, "present",
                    (json_int_t)n->had, "files", (json_int_t)n->files, "passed_over", passed_over);
    if (doc)
        avow_print_json(doc);
}

static int import(struct avow_cli *cli, const char *const *paths, size_t n)
{
    avow_auto(avow_cleanup_store) struct avow_store *s = NULL;
    avow_autojson json_t *passed_over = json_array();
    struct importing im = { .cli = cli, .passed_over = passed_over };
    struct avow_import counts = { 0 };
    struct avow_error err = { 0 };
    int rc = avow_cli_store(vendor.store, AVOW_STORE_WRITE, &s, &err);

    avow_bar_init(&im.bar, cli, "import");
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = avow_store_import(s, paths[i], avow_unix_ms() / 1000, imported, &im, &counts, &err);
    avow_bar_clear(&im.bar);
    if (rc < 0)
        return fail(cli, &err);
    show_import(cli, &counts, s, passed_over);
    return counts.added + counts.had ? AVOW_EXIT_OK : AVOW_EXIT_USAGE;
}

/* ---- export, prune ---- */

static int export(struct avow_cli *cli, const char *dir)
{
    avow_auto(avow_cleanup_store) struct avow_store *s = NULL;
    avow_autojson json_t *doc = NULL;
    struct avow_error err = { 0 };
    uint64_t n = 0;

    if (avow_cli_store(vendor.store, AVOW_STORE_READ, &s, &err) < 0 ||
        avow_store_export(s, dir, &n, &err) < 0)
        return fail(cli, &err);
    avow_say(cli, "%" PRIu64 " files in %s; there: avow collateral import %s\n", n, dir, dir);
    if (cli->json) {
        doc = json_pack("{s:s, s:s, s:s, s:I}", "type", "avow/collateral-export/1", "store",
                        avow_store_path(s), "folder", dir, "files", (json_int_t)n);
        if (doc)
            avow_print_json(doc);
    }
    return AVOW_EXIT_OK;
}

static int prune(struct avow_cli *cli)
{
    avow_auto(avow_cleanup_store) struct avow_store *s = NULL;
    avow_autojson json_t *doc = NULL;
    struct avow_error err = { 0 };
    int64_t when = avow_unix_ms() / 1000;
    uint64_t n = 0;

    if (before && avow_parse_time(before, &when) < 0)
        return avow_usage(&avow_cmd_collateral, "--before: \"%s\" is not a time", before);
    if (avow_cli_store(vendor.store, AVOW_STORE_READ, &s, &err) < 0) /* none is made to be empty */
        return fail(cli, &err);
    avow_store_close(avow_steal(&s));
    if (avow_cli_store(vendor.store, AVOW_STORE_WRITE, &s, &err) < 0 ||
        avow_store_prune(s, when, &n, &err) < 0)
        return fail(cli, &err);
    avow_say(cli, "%" PRIu64 " dropped from %s\n", n, avow_store_path(s));
    if (cli->json) {
        doc = json_pack("{s:s, s:s, s:I}", "type", "avow/collateral-prune/1", "store",
                        avow_store_path(s), "dropped", (json_int_t)n);
        if (doc)
            avow_print_json(doc);
    }
    return AVOW_EXIT_OK;
}

/* ---- the command ---- */

static int run(struct avow_cli *cli, const struct avow_args *args)
{
    static const char *const verbs[] = { "fetch", "import", "export", "list", "prune", NULL };
    const char *verb = args->n ? args->list[0] : NULL;
    const char *const *rest = args->list + 1;
    size_t n = args->n ? args->n - 1 : 0;
    const char *near = NULL;

    if (!verb)
        return avow_usage(&avow_cmd_collateral, "fetch, import, export, list or prune is needed");
    if (strcmp(verb, "fetch") == 0)
        return avow_collateral_fetch(cli, &vendor, rest, n, &fmspcs, &products, thim);
    if (strcmp(verb, "import") == 0)
        return n ? import(cli, rest, n)
                 : avow_usage(&avow_cmd_collateral, "import: files or folders are needed");
    if (strcmp(verb, "export") == 0)
        return n == 1 ? export(cli, rest[0])
                      : avow_usage(&avow_cmd_collateral, "export: one folder is needed");
    if (strcmp(verb, "list") == 0 || strcmp(verb, "prune") == 0) {
        if (n)
            return avow_usage(&avow_cmd_collateral, "%s: no argument is wanted", verb);
        return *verb == 'l' ? list(cli) : prune(cli);
    }
    near = avow_nearest(verb, verbs);
    if (near)
        return avow_usage(&avow_cmd_collateral, "there is no \"%s\" (did you mean %s?)", verb,
                          near);
    return avow_usage(&avow_cmd_collateral, "there is no \"%s\"", verb);
}

const struct avow_command avow_cmd_collateral = {
    .name = "collateral",
    .args = "fetch|import|export|list|prune [ARGUMENT...]",
    .summary = "endorsements and collateral: fetch, carry and list them",
    .help =
        "A store (one SQLite file) of what evidence is judged with: AMD's VCEKs, VLEKs and CRLs,\n"
        "Intel's TCB infos, identities, CRLs and chains. `avow verify` uses it by itself.\n\n"
        "  fetch [EVIDENCE...]  bring what this evidence needs (files or folders), from AMD's\n"
        "                       KDS, Intel's PCS, a PCCS or Azure's THIM; without evidence,\n"
        "                       --fmspc, --product and --thim: renew what the store has\n"
        "  import PATH...       take from files and folders, told apart by content: PEM, DER,\n"
        "                       Intel's JSON, bundles, Trustee's offline store, PCCS' platform\n"
        "                       collateral, a folder that export wrote\n"
        "  export FOLDER        write all as files, for a place without a network\n"
        "  list                 what is there, for how long, and where it came from\n"
        "  prune                drop what has expired\n\n"
        "AMD answers one request in 10 seconds for each address: requests of all processes of\n"
        "this user wait for their turn. What was brought once is not asked for again.\n\n"
        "Exit status: 0 all is there, 2 usage or a file that cannot be read, 3 a vendor does not\n"
        "have it or answered something else, 4 a server cannot be reached, 130 interrupted.\n\n"
        "Examples:\n"
        "  avow collateral fetch report.bin\n"
        "  avow collateral fetch nodes/ --pcs https://localhost:8081 --ca pccs.pem\n"
        "  avow collateral fetch --fmspc 50806f000000 --product Milan Genoa\n"
        "  avow collateral export usb/ ; avow collateral import usb/\n"
        "  avow collateral list --json | jq '.items[] | select(.state != \"valid\")'\n",
    .options = options,
    .run = run,
};
