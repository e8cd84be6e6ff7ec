/* avow collateral fetch: what evidence needs, asked of the vendors. */
#include <inttypes.h>
#include <stdio.h>

#include "attest/gather.h"
#include "cli/bar.h"
#include "cli/collateral.h"
#include "cli/files.h"
#include "cli/signals.h"
#include "codec/text.h"

#define DAY 86400
#define RENEW_AHEAD_DAYS 7 /* Intel's documents live 30 days */
#define SECONDS_MAX 86400
#define DAYS_MAX 3650
#define TRIES_MAX 100

/* ---- options ---- */

static int number(const char *option, const char *text, long max, long *out, struct avow_error *err)
{
    char *end = NULL;

    if (!text)
        return 0;
    *out = strtol(text, &end, 10);
    if (!*text || *end || *out < 0 || *out > max)
        return AVOW_FAIL(err, FORMAT, "--%s: \"%s\" is not 0 to %ld", option, text, max);
    return 0;
}

int avow_cli_fetch_setup(const struct avow_vendor_options *o, struct avow_store *s,
                         struct avow_fetch *out, struct avow_error *err)
{
    long interval = o->kds ? 0 : AVOW_KDS_INTERVAL_MS / 1000;
    long timeout = 0, tries = 0, ahead = 0;

    if (o->update && strcmp(o->update, "standard") != 0 && strcmp(o->update, "early") != 0)
        return AVOW_FAIL(err, FORMAT, "--update: \"%s\" is neither standard nor early", o->update);
    AVOW_TRY(number("kds-interval", o->kds_interval, SECONDS_MAX, &interval, err));
    AVOW_TRY(number("timeout", o->timeout, SECONDS_MAX, &timeout, err));
    AVOW_TRY(number("tries", o->tries, TRIES_MAX, &tries, err));
    AVOW_TRY(number("ahead", o->ahead, DAYS_MAX, &ahead, err));
    *out = (struct avow_fetch){
        .store = s,
        .vendors = { .kds = o->kds, .pcs = o->pcs, .update = o->update },
        .now = avow_unix_ms() / 1000,
        .ahead = ahead * DAY,
        .refresh = o->refresh,
        .timeout_ms = (uint32_t)timeout * 1000,
        .tries = (uint32_t)tries,
        .kds_interval_ms = (uint32_t)interval * 1000,
        .ca_file = o->ca,
        .stop_fd = avow_signals_fd(),
    };
    return 0;
}

/* ---- what is wanted ---- */

struct wanted {
    struct avow_cli *cli;
    struct avow_fetch f;
    struct avow_wants *wants;
    json_t *items; /* what was settled */
    struct avow_table *table;
    struct avow_bar bar;
    size_t n_brought, n_present, n_failed, n_unclear;
};

/* Evidence of which nothing can be asked does not keep the others from being served. */
static void unclear(struct wanted *w, const char *path, const struct avow_error *why)
{
    w->n_unclear++;
    avow_bar_clear(&w->bar);
    if (!w->cli->json)
        (void)fprintf(stderr, "avow: %s: %s\n", path, why->text);
    (void)json_array_append_new(w->items,
                                json_pack("{s:s, s:s, s:s, s:s}", "what", path, "state", "failed",
                                          "error", avow_err_name(why->code), "text", why->text));
}

static int want_evidence(struct wanted *w, const char *path, bool must, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf file = AVOW_BUF(AVOW_FILE_MAX);
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    avow_auto(avow_cleanup_pool) struct avow_pool *pool = NULL;
    struct avow_error why = { 0 };
    struct avow_need need = { 0 };
    int rc = 0;

    AVOW_TRY(avow_read_file(path, &file, err));
    if (!must && !avow_gather_is_evidence(avow_buf_view(&file)))
        return 0; /* of a folder: keys, notes, collateral */
    AVOW_TRY(avow_pool_new(&pool, err));
    rc = avow_gather_file(pool, &b, avow_buf_view(&file), err);
    if (rc == 0 && b.tee == AVOW_TEE_NONE)
        rc = AVOW_FAIL(err, MISSING, "no piece of evidence");
    if (rc < 0) {
        (void)avow_error_prefix(err, "%s", path);
        return rc;
    }
    AVOW_TRY(avow_pool_complete(pool, w->f.now, &b, err));
    AVOW_TRY(avow_need_of(&b, &need, err));
    rc = avow_wants_add_need(w->wants, &w->f.vendors, &need, false, &why);
    if (rc == -AVOW_E_MISSING)
        unclear(w, path, &why);
    else if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "%s", why.text);
    return 0;
}

static int want_files(struct wanted *w, const char *const *files, size_t n, struct avow_error *err)
{
    for (size_t i = 0; i < n; i++) {
        avow_auto(avow_files_done) struct avow_files list = { 0 };
        bool folder = avow_is_folder(files[i]);

        AVOW_TRY(folder ? avow_files_folder(&list, files[i], err)
                        : avow_files_add(&list, NULL, files[i], err));
        for (size_t k = 0; k < list.n; k++)
            AVOW_TRY(want_evidence(w, list.list[k], !folder, err));
    }
    return 0;
}

static int want_names(struct wanted *w, const struct avow_list *fmspcs,
                      const struct avow_list *products, struct avow_error *err)
{
    static const char *const lines[] = { "Milan", "Genoa", "Turin", NULL };

    for (size_t i = 0; i < fmspcs->n; i++) {
        uint8_t fmspc[6];

        if (strlen(fmspcs->v[i]) != 12 || avow_unhex(fmspcs->v[i], fmspc, sizeof fmspc) < 0)
            return AVOW_FAIL(err, FORMAT, "--fmspc: \"%s\" is not 12 hex digits", fmspcs->v[i]);
        AVOW_TRY(avow_wants_add_fmspc(w->wants, &w->f.vendors, fmspc, false, err));
    }
    for (size_t i = 0; i < products->n; i++) {
        size_t k = 0;

        while (lines[k] && strcmp(lines[k], products->v[i]) != 0)
            k++;
        if (!lines[k])
            return AVOW_FAIL(err, FORMAT, "--product: \"%s\" is not Milan, Genoa or Turin",
                             products->v[i]);
        AVOW_TRY(avow_wants_add_product(w->wants, &w->f.vendors, lines[k], err));
    }
    return 0;
}

static int want_thim(struct wanted *w, const char *thim, struct avow_error *err)
{
    struct avow_want one;

    if (!thim)
        return 0;
    AVOW_TRY(avow_want_thim(strcmp(thim, "imds") == 0 ? NULL : thim, &one, err));
    return avow_wants_add(w->wants, &one, err);
}

/* ---- what came ---- */

static void note(void *ctx, const char *text)
{
    struct wanted *w = ctx;
    size_t done = w->n_brought + w->n_present + w->n_failed;

    if (w->bar.live)
        avow_bar_draw(&w->bar, done, avow_wants_count(w->wants), text);
    else if (!w->cli->quiet && !w->cli->json)
        (void)fprintf(stderr, "avow: %s\n", text);
}

static void settled(void *ctx, const struct avow_want *want, enum avow_fetch_state state,
                    const struct avow_error *why)
{
    static const char *const words[] = { "present", "fetched", "stale", "failed" };
    struct wanted *w = ctx;
    json_t *j =
        json_pack("{s:s, s:s, s:s}", "what", want->what, "url", want->url, "state", words[state]);

    w->n_present += state == AVOW_FETCH_PRESENT;
    w->n_brought += state == AVOW_FETCH_BROUGHT || state == AVOW_FETCH_STALE;
    w->n_failed += state == AVOW_FETCH_FAILED;
    if (j && why) {
        (void)json_object_set_new(j, "error", json_string(avow_err_name(why->code)));
        (void)json_object_set_new(j, "text", json_string(why->text));
    }
    (void)json_array_append_new(w->items, j);
    avow_table_cell(w->table, AVOW_PAINT_NONE, "%s", want->what);
    avow_table_cell(w->table,
                    why                         ? AVOW_PAINT_BAD
                    : state == AVOW_FETCH_STALE ? AVOW_PAINT_WARN
                                                : AVOW_PAINT_GOOD,
                    "%s", words[state]);
    avow_table_cell(w->table, AVOW_PAINT_DIM, "%s", why ? why->text : want->url);
    avow_bar_draw(&w->bar, w->n_brought + w->n_present + w->n_failed, avow_wants_count(w->wants),
                  want->what);
}

static int exit_for(int rc)
{
    if (rc == 0)
        return AVOW_EXIT_OK;
    if (rc == -AVOW_E_CANCELLED)
        return AVOW_EXIT_INTERRUPTED;
    if (rc == -AVOW_E_NETWORK || rc == -AVOW_E_TIMEOUT || rc == -AVOW_E_UNTRUSTED)
        return AVOW_EXIT_NETWORK;
    return AVOW_EXIT_UNKNOWN;
}

static int report(struct wanted *w, int rc, const struct avow_error *err)
{
    avow_autojson json_t *doc = NULL;
    int exit = exit_for(rc);

    avow_bar_clear(&w->bar);
    avow_print_table(w->cli, avow_steal(&w->table));
    avow_say(w->cli, "%zu fetched, %zu present, %zu failed, in %s\n", w->n_brought, w->n_present,
             w->n_failed, avow_store_path(w->f.store));
    if (w->cli->json) {
        doc = json_pack("{s:s, s:s, s:I, s:I, s:I, s:O}", "type", "avow/collateral-fetch/1",
                        "store", avow_store_path(w->f.store), "fetched", (json_int_t)w->n_brought,
                        "present", (json_int_t)w->n_present, "failed",
                        (json_int_t)(w->n_failed + w->n_unclear), "items", w->items);
        if (doc)
            avow_print_json(doc);
    }
    if (rc < 0 && !w->cli->json)
        avow_print_error(w->cli, err);
    return exit == AVOW_EXIT_OK && w->n_unclear ? AVOW_EXIT_UNKNOWN : exit;
}

static void wanted_done(struct wanted *w)
{
    if (w->wants)
        avow_wants_free(w->wants);
    json_decref(w->items);
    avow_table_free(w->table);
}

int avow_collateral_fetch(struct avow_cli *cli, const struct avow_vendor_options *o,
                          const char *const *files, size_t n, const struct avow_list *fmspcs,
                          const struct avow_list *products, const char *thim)
{
    static const char *const heads[] = { "WHAT", "STATE", "FROM", NULL };
    avow_auto(avow_cleanup_store) struct avow_store *s = NULL;
    avow_auto(wanted_done) struct wanted w = { .cli = cli, .items = json_array() };
    bool renew = !n && !fmspcs->n && !products->n && !thim;
    struct avow_error err = { 0 };
    int rc = avow_cli_store(o->store, AVOW_STORE_WRITE, &s, &err);

    avow_bar_init(&w.bar, cli, "fetch");
    w.table = avow_table_new(heads);
    if (rc == 0)
        rc = avow_cli_fetch_setup(o, s, &w.f, &err);
    if (rc == 0)
        rc = avow_wants_new(&w.wants, &err);
    if (rc == 0 && renew) {
        w.f.ahead = o->ahead ? w.f.ahead : RENEW_AHEAD_DAYS * DAY;
        rc = avow_wants_add_renewals(w.wants, &w.f.vendors, s, &err);
    }
    if (rc == 0)
        rc = want_files(&w, files, n, &err);
    if (rc == 0)
        rc = want_names(&w, fmspcs, products, &err);
    if (rc == 0)
        rc = want_thim(&w, thim, &err);
    if (rc < 0) {
        avow_bar_clear(&w.bar);
        avow_print_error(cli, &err);
        return AVOW_EXIT_USAGE;
    }
    w.f.note = note;
    w.f.settled = settled;
    w.f.ctx = &w;
    rc = avow_fetch(&w.f, w.wants, &err);
    return report(&w, rc, &err);
}
