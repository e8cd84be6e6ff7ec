/*
 * avow verify of many: threads take files in order, judge them with a cache of their own, and hand
 * the text of each result to the printer, which prints in order. What waits to be printed is
 * bounded, so memory does not grow with the number of files.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "attest/gather.h"
#include "cli/bar.h"
#include "cli/files.h"
#include "cli/verify.h"
#include "codec/text.h"

#define WINDOW 256u                   /* results that may wait for an earlier one */
#define RESULT_MAX (4u << 20)         /* bytes of one result's text */
#define TICK_NS (100ll * 1000 * 1000) /* the bar is drawn this often at least */

struct slot {
    bool ready;
    int exit;
    bool unbound;
    struct avow_buf text;
};

struct batch {
    const struct avow_cli *cli;
    const struct avow_verify_setup *setup;
    const char *const *paths;
    size_t n;

    pthread_mutex_t lock;      /* of all below */
    pthread_cond_t ready;      /* a slot was filled */
    pthread_cond_t room;       /* a slot was printed */
    size_t next, printed;      /* to be taken; to be printed */
    struct slot slots[WINDOW]; /* of file i: slots[i % WINDOW] */
    size_t by_exit[AVOW_EXIT_UNKNOWN + 1];
    size_t n_unbound;
};

static const char *word(int exit)
{
    static const char *const words[] = { "accepted", "refused", "unreadable", "undecided" };

    return words[exit];
}

static void put_line(const struct batch *b, const char *path, const struct avow_verify_item *item,
                     int exit, const struct avow_error *err, struct avow_buf *out)
{
    const struct avow_reason *why = avow_verdict_why(&item->verdict);
    avow_autofree char *name = avow_clean_text(path);

    if (b->cli->quiet)
        return;
    avow_buf_putf(out, "%-10s %-7s %s%s", word(exit),
                  err->code ? "-" : avow_tee_name(item->verdict.tee), name ? name : "",
                  item->claims.simulated ? "  SIMULATED" : "");
    if (err->code)
        avow_buf_putf(out, "  %s", err->text);
    else if (why)
        avow_buf_putf(out, "  %s: %s", why->code, why->text);
    avow_buf_put_str(out, "\n");
}

/* @text as JSON, "?" for what is not printable ASCII if it is not UTF-8 (names of files need not
 * be). */
static json_t *text_json(const char *text)
{
    json_t *j = json_string(text);
    avow_autofree char *copy = j ? NULL : strdup(text);

    if (!copy)
        return j;
    avow_printable(copy);
    return json_string(copy);
}

static void put_json(const struct batch *b, const char *path, const struct avow_verify_item *item,
                     int exit, const struct avow_error *err, struct avow_buf *out)
{
    avow_autojson json_t *j =
        err->code ? json_pack("{s:s, s:s, s:s, s:o}", "type", "avow/verify/2", "verdict", "refused",
                              "error", avow_err_name(err->code), "text", text_json(err->text))
                  : avow_verify_json(b->setup, item);
    avow_autofree char *text = NULL;

    if (j && json_object_set_new(j, "file", text_json(path)) == 0 &&
        json_object_set_new(j, "exit", json_integer(exit)) == 0)
        text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
    avow_buf_put_str(out, text ? text : "{\"error\":\"nomem\"}");
    avow_buf_put_str(out, "\n");
}

static int judge_file(const struct batch *b, const char *path, struct avow_verify_cache *cache,
                      struct avow_verify_item *item, struct avow_error *err)
{
    avow_auto(avow_cleanup_pool) struct avow_pool *own = NULL;
    avow_auto(avow_buf_done) struct avow_buf file = AVOW_BUF(AVOW_FILE_MAX);

    AVOW_TRY(avow_read_file(path, &file, err));
    if (avow_verify_is_token(avow_buf_view(&file)))
        return avow_verify_token(b->setup, avow_buf_view(&file), item, err);
    AVOW_TRY(avow_pool_new(&own, err));
    avow_pool_keep_broken(own);
    AVOW_TRY(avow_gather_file(own, &item->bundle, avow_buf_view(&file), err));
    if (item->bundle.tee == AVOW_TEE_NONE)
        return AVOW_FAIL(err, MISSING, "no piece of evidence");
    return avow_verify_judge(b->setup, own, cache, item, err);
}

/* Judge file @i into its slot. */
static void work_one(struct batch *b, size_t i, struct avow_verify_cache *cache,
                     struct avow_verify_item *item)
{
    struct avow_error err = { 0 };
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(RESULT_MAX);
    struct slot *slot = &b->slots[i % WINDOW];
    int rc = 0;
    int exit = AVOW_EXIT_USAGE;

    memset(&item->claims, 0, sizeof item->claims);
    memset(&item->verdict, 0, sizeof item->verdict);
    item->is_token = false;
    rc = judge_file(b, b->paths[i], cache, item, &err);
    if (rc == 0)
        exit = avow_verify_exit(&item->verdict);
    else if (rc == -AVOW_E_NOMEM || rc == -AVOW_E_CRYPTO)
        exit = AVOW_EXIT_UNKNOWN;
    if (b->cli->json)
        put_json(b, b->paths[i], item, exit, &err, &text);
    else
        put_line(b, b->paths[i], item, exit, &err, &text);
    avow_bundle_done(&item->bundle);
    pthread_mutex_lock(&b->lock);
    slot->text = text;
    text = AVOW_BUF(RESULT_MAX);
    slot->exit = exit;
    slot->unbound = avow_verify_unbound(&item->verdict);
    slot->ready = true;
    pthread_cond_signal(&b->ready);
    pthread_mutex_unlock(&b->lock);
}

/* The number of the next file, or b->n; waits while too many results wait to be printed. */
static size_t take(struct batch *b)
{
    size_t i = 0;

    pthread_mutex_lock(&b->lock);
    while (b->next < b->n && b->next >= b->printed + WINDOW)
        pthread_cond_wait(&b->room, &b->lock);
    i = b->next;
    if (i < b->n)
        b->next++;
    pthread_mutex_unlock(&b->lock);
    return i;
}

static void *work(void *ctx)
{
    struct batch *b = ctx;
    avow_auto(avow_cleanup_verify_cache) struct avow_verify_cache *cache = NULL;
    avow_autofree struct avow_verify_item *item = calloc(1, sizeof *item);
    struct avow_error err = { 0 };

    /* without a cache it is slower, no more */
    if (avow_verify_cache_new(AVOW_CACHE_ENTRIES, &cache, &err) < 0)
        cache = NULL;
    if (!item)
        return NULL;
    for (size_t i = take(b); i < b->n; i = take(b))
        work_one(b, i, cache, item);
    return NULL;
}

static void draw(struct batch *b, struct avow_bar *bar)
{
    char note[96];

    snprintf(note, sizeof note, "%zu accepted, %zu refused, %zu undecided, %zu unreadable",
             b->by_exit[AVOW_EXIT_OK], b->by_exit[AVOW_EXIT_REFUSED], b->by_exit[AVOW_EXIT_UNKNOWN],
             b->by_exit[AVOW_EXIT_USAGE]);
    avow_bar_draw(bar, b->printed, b->n, note);
}

/* Print results in order as they come. Called with the lock held. */
static void print_all(struct batch *b, struct avow_bar *bar, bool to_terminal)
{
    while (b->printed < b->n) {
        struct slot *slot = &b->slots[b->printed % WINDOW];
        struct timespec until;

        if (!slot->ready) {
            draw(b, bar);
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += TICK_NS;
            until.tv_sec += until.tv_nsec / 1000000000;
            until.tv_nsec %= 1000000000;
            (void)pthread_cond_timedwait(&b->ready, &b->lock, &until);
            continue;
        }
        if (to_terminal)
            avow_bar_clear(bar);
        (void)fwrite(slot->text.data, 1, slot->text.len, stdout);
        avow_buf_done(&slot->text);
        b->by_exit[slot->exit]++;
        b->n_unbound += slot->unbound;
        slot->ready = false;
        b->printed++;
        pthread_cond_broadcast(&b->room);
        draw(b, bar);
    }
    avow_bar_clear(bar);
}

static int worst(const size_t by_exit[AVOW_EXIT_UNKNOWN + 1])
{
    static const int order[] = { AVOW_EXIT_REFUSED, AVOW_EXIT_USAGE, AVOW_EXIT_UNKNOWN };

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (by_exit[order[i]])
            return order[i];
    return AVOW_EXIT_OK;
}

int avow_verify_batch(const struct avow_cli *cli, const struct avow_verify_setup *s,
                      const char *const *paths, size_t n, unsigned jobs)
{
    avow_autofree struct batch *b = calloc(1, sizeof *b);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[AVOW_VERIFY_JOBS_MAX];
    struct avow_bar bar;
    size_t started = 0;

    if (!b)
        return AVOW_EXIT_UNKNOWN;
    if (!jobs && s->verifier) /* these wait for the service more than they work */
        jobs = AVOW_AZURE_PARALLEL;
    if (!jobs)
        jobs = cores > 0 ? (unsigned)cores : 1;
    if (jobs > AVOW_VERIFY_JOBS_MAX)
        jobs = AVOW_VERIFY_JOBS_MAX;
    *b = (struct batch){ .cli = cli, .setup = s, .paths = paths, .n = n };
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->ready, NULL);
    pthread_cond_init(&b->room, NULL);
    avow_bar_init(&bar, cli, "verify");
    while (started < jobs && started < n && pthread_create(&threads[started], NULL, work, b) == 0)
        started++;
    if (started) {
        pthread_mutex_lock(&b->lock);
        print_all(b, &bar, isatty(STDOUT_FILENO));
        pthread_mutex_unlock(&b->lock);
    }
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    pthread_cond_destroy(&b->room);
    pthread_cond_destroy(&b->ready);
    pthread_mutex_destroy(&b->lock);
    (void)fflush(stdout);
    avow_say(cli, "%zu judged: %zu accepted, %zu refused, %zu undecided, %zu unreadable\n", n,
             b->by_exit[AVOW_EXIT_OK], b->by_exit[AVOW_EXIT_REFUSED], b->by_exit[AVOW_EXIT_UNKNOWN],
             b->by_exit[AVOW_EXIT_USAGE]);
    if (b->n_unbound)
        avow_say(cli,
                 "binding of %zu not checked: nothing is said about when and for whom they "
                 "were made\n",
                 b->n_unbound);
    avow_verify_say_service(cli, s);
    return started ? worst(b->by_exit) : AVOW_EXIT_UNKNOWN;
}
