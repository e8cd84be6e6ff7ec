#include "cli/progress.h"

#include <stdio.h>
#include <sys/ioctl.h>

#define REDRAW_MS 100
#define LINE_MS 1000 /* between two lines of progress where nothing can be redrawn */
#define BAR_MAX 30
#define PROGRESS_LINE_MAX 512
#define TEXT_MAX (64u << 10)

void avow_progress_init(struct avow_progress *p, struct avow_cli *cli)
{
    *p = (struct avow_progress){ .cli = cli, .states = json_object(), .began_ms = avow_now_ms() };
}

void avow_progress_done(struct avow_progress *p)
{
    avow_progress_clear(p);
    json_decref(p->states);
    p->states = NULL;
}

static bool live(const struct avow_progress *p)
{
    return p->cli->live && !p->cli->no_progress && !p->cli->quiet && !p->cli->json;
}

void avow_progress_clear(struct avow_progress *p)
{
    if (p->drawn)
        (void)fputs("\r\033[K", stdout);
    p->drawn = false;
    (void)fflush(stdout);
}

static const char *string_at(const json_t *o, const char *key, const char *otherwise)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : otherwise;
}

/* The state of the whole: that of the node which is least far, FAILED before all. */
static const char *overall(const struct avow_progress *p)
{
    static const char *const order[] = { "FAILED", "PENDING", "SYNCING", "RUNNING", "COMPLETED" };
    const char *node = NULL;
    json_t *state = NULL;

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        json_object_foreach(p->states, node, state)
            if (strcmp(json_string_value(state), order[i]) == 0)
                return order[i];
    return "PENDING";
}

static void put_bar(const struct avow_progress *p, struct avow_buf *out, int width)
{
    int filled = 0;

    if (p->total <= 0) {
        (void)avow_buf_putf(out, " %lld", (long long)p->iteration);
        return;
    }
    filled = (int)(p->iteration * width / p->total);
    (void)avow_buf_putf(out, " %lld/%lld [", (long long)p->iteration, (long long)p->total);
    for (int i = 0; i < width; i++)
        (void)avow_buf_put_str(out, i < filled ? "=" : i == filled ? ">" : " ");
    (void)avow_buf_putf(out, "] %3d%%", (int)(p->iteration * 100 / p->total));
}

void avow_progress_line(const struct avow_progress *p, int width, double now_ms,
                        struct avow_buf *out)
{
    const char *node = NULL;
    json_t *state = NULL;
    int shown = 0;

    (void)avow_buf_putf(out, "%-9s", overall(p));
    if (p->iteration)
        put_bar(p, out, width > 100 ? BAR_MAX : 10);
    (void)avow_buf_putf(out, "%s%s", p->metrics[0] ? "  " : "", p->metrics);
    if (p->sync_ms > 0)
        (void)avow_buf_putf(out, "  sync %.2f ms", p->sync_ms);
    (void)avow_buf_putf(out, "  %.1f s", (now_ms - p->began_ms) / 1e3);
    json_object_foreach(p->states, node, state)
        if (shown++ < AVOW_PROGRESS_STATES_SHOWN)
            (void)avow_buf_putf(out, "  %s:%s", node, json_string_value(state));
    if (shown > AVOW_PROGRESS_STATES_SHOWN)
        (void)avow_buf_putf(out, "  +%d", shown - AVOW_PROGRESS_STATES_SHOWN);
    if (width > 0 && out->len > (size_t)width - 1) {
        out->len = (size_t)width - 1;
        out->data[out->len] = 0;
    }
}

static void draw(struct avow_progress *p, bool now)
{
    avow_auto(avow_buf_done) struct avow_buf line = AVOW_BUF(PROGRESS_LINE_MAX);
    struct winsize w = { 0 };
    double ms = avow_now_ms();

    if (!live(p) || (!now && ms - p->drawn_ms < REDRAW_MS))
        return;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col < 40)
        w.ws_col = 80;
    avow_progress_line(p, w.ws_col, ms, &line);
    (void)printf("\r\033[K%s", avow_buf_cstr(&line));
    (void)fflush(stdout);
    p->drawn = true;
    p->drawn_ms = ms;
}

static void say_line(struct avow_progress *p, const char *text)
{
    avow_progress_clear(p);
    avow_say(p->cli, "%s\n", text);
}

/* ---- the events ---- */

static void on_retry(struct avow_progress *p, const char *node, const json_t *d)
{
    avow_autofree char *why = avow_clean_text(string_at(d, "message", ""));

    avow_progress_clear(p);
    if (p->cli->quiet)
        return;
    (void)fflush(stdout);
    (void)fprintf(stderr, "avow: node %s: %s: try %lld of %lld failed: %s; again in %.2f s\n", node,
                  string_at(d, "what", "?"),
                  (long long)json_integer_value(json_object_get(d, "failed")),
                  (long long)json_integer_value(json_object_get(d, "tries")), why ? why : "",
                  json_number_value(json_object_get(d, "delay_ms")) / 1e3);
}

static void on_state(struct avow_progress *p, const char *node, const json_t *d)
{
    const char *state = string_at(d, "state", "?");
    const json_t *reason = json_object_get(d, "reason");
    char line[PROGRESS_LINE_MAX];
    bool syncing = strcmp(state, "SYNCING") == 0;
    const char *before = string_at(p->states, node, "");
    bool back = strcmp(before, "SYNCING") == 0 && strcmp(state, "RUNNING") == 0;

    (void)json_object_set_new(p->states, node, json_string(state));
    if (live(p)) {
        draw(p, false);
        return;
    }
    if ((syncing && p->syncing_said) || back)
        return;
    p->syncing_said = p->syncing_said || syncing;
    if (reason)
        (void)snprintf(line, sizeof line, "  %s: %s (%s: %s)", node, state,
                       string_at(reason, "code", "?"), string_at(reason, "message", ""));
    else
        (void)snprintf(line, sizeof line, "  %s: %s", node, state);
    say_line(p, line);
}

static void describe_metrics(struct avow_progress *p, json_t *metrics)
{
    const char *name = NULL;
    json_t *v = NULL;
    size_t at = 0;

    p->metrics[0] = 0;
    json_object_foreach(metrics, name, v) {
        int n = snprintf(p->metrics + at, sizeof p->metrics - at, "%s%s %.4g", at ? "  " : "", name,
                         json_number_value(v));

        if (n < 0 || (size_t)n >= sizeof p->metrics - at)
            break;
        at += (size_t)n;
    }
}

static void on_progress(struct avow_progress *p, const char *node, const json_t *d)
{
    double ms = avow_now_ms();
    bool last = false;
    char total[32] = "";
    char line[PROGRESS_LINE_MAX];

    if (!p->leader[0])
        (void)snprintf(p->leader, sizeof p->leader, "%s", node);
    if (strcmp(p->leader, node) != 0)
        return;
    p->iteration = json_integer_value(json_object_get(d, "iteration"));
    p->total = json_integer_value(json_object_get(d, "total"));
    if (json_object_get(d, "sync_ns"))
        p->sync_ms = json_number_value(json_object_get(d, "sync_ns")) / 1e6;
    describe_metrics(p, json_object_get(d, "metrics"));
    last = p->total > 0 && p->iteration >= p->total;
    if (live(p)) {
        draw(p, last);
        return;
    }
    if (!last && ms - p->drawn_ms < LINE_MS)
        return;
    p->drawn_ms = ms;
    if (p->total > 0)
        (void)snprintf(total, sizeof total, " of %lld", (long long)p->total);
    (void)snprintf(line, sizeof line, "  iteration %lld%s%s%s  sync %.2f ms",
                   (long long)p->iteration, total, p->metrics[0] ? "  " : "", p->metrics,
                   p->sync_ms);
    say_line(p, line);
}

/* Text of a rank, each line with where it comes from. */
static void on_output(struct avow_progress *p, const char *node, const json_t *d)
{
    const char *text = string_at(d, "text", "");
    long long rank = (long long)json_integer_value(json_object_get(d, "rank"));

    avow_progress_clear(p);
    while (*text) {
        size_t n = strcspn(text, "\n");
        avow_autofree char *line = strndup(text, n < TEXT_MAX ? n : TEXT_MAX);
        avow_autofree char *clean = line ? avow_clean_text(line) : NULL;

        if (clean && *clean)
            avow_say(p->cli, "  rank %lld on %s: %s\n", rank, node, clean);
        text += n + (text[n] == '\n');
    }
    draw(p, false);
}

static void on_rank(struct avow_progress *p, const char *node, const json_t *d)
{
    long long rank = (long long)json_integer_value(json_object_get(d, "rank"));
    long long sig = (long long)json_integer_value(json_object_get(d, "signal"));
    long long status = (long long)json_integer_value(json_object_get(d, "exit"));
    avow_autofree char *text = avow_clean_text(string_at(d, "text", ""));
    bool known = text && *text;

    if ((!sig && !status) || p->cli->json)
        return;
    avow_progress_clear(p);
    (void)fprintf(stderr, "avow: rank %lld on node %s: %s %lld%s%s\n", rank, node,
                  sig ? "killed by signal" : "exit status", sig ? sig : status,
                  known ? "; last output: " : "", known ? text : "");
}

static void on_upload(struct avow_progress *p, const char *node, const json_t *d)
{
    json_int_t have = json_integer_value(json_object_get(d, "have"));
    json_int_t size = json_integer_value(json_object_get(d, "size"));
    double ms = avow_now_ms();

    if (!live(p) || ms - p->drawn_ms < REDRAW_MS || size <= 0)
        return;
    (void)printf("\r\033[K  sending %.40s to %.40s %3d%%", string_at(d, "name", ""), node,
                 (int)(have * 100 / size));
    (void)fflush(stdout);
    p->drawn = true;
    p->drawn_ms = ms;
}

static void on_note(struct avow_progress *p, const char *node, const json_t *d)
{
    avow_autofree char *text = avow_clean_text(string_at(d, "text", ""));
    char line[PROGRESS_LINE_MAX];

    (void)snprintf(line, sizeof line, "  %s: %s", node, text ? text : "");
    say_line(p, line);
    draw(p, false);
}

void avow_progress_event(void *ctx, const char *node, const char *type, const json_t *data)
{
    static const struct {
        const char *type;
        void (*fn)(struct avow_progress *p, const char *node, const json_t *d);
    } handlers[] = {
        { "retry", on_retry },   { "state", on_state }, { "progress", on_progress },
        { "output", on_output }, { "rank", on_rank },   { "upload", on_upload },
        { "note", on_note },
    };
    struct avow_progress *p = ctx;

    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (strcmp(handlers[i].type, type) == 0)
            handlers[i].fn(p, node ? node : "", data);
}
