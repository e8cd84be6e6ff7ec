#include "daemon/events.h"

struct avow_hub_event {
    TAILQ_ENTRY(avow_hub_event) link;
    uint64_t seq;
    const char *type;
    size_t len;
    char text[];
};

struct avow_hub_follower {
    LIST_ENTRY(avow_hub_follower) link;
    struct avow_hub *hub;
    struct avow_stream *stream;
    struct event *retry;
    uint64_t at;  /* seq of the last event that it has */
    bool live;    /* it has been at the end of the stream: what it misses from now on is lost */
    bool stopped; /* its queue is full */
};

void avow_hub_init(struct avow_hub *h, struct event_base *base, struct avow_journal *journal,
                   const char *job, uint64_t forgotten)
{
    *h = (struct avow_hub){ .base = base, .journal = journal, .forgotten = forgotten };
    memcpy(h->job, job, sizeof h->job);
    TAILQ_INIT(&h->kept);
    LIST_INIT(&h->followers);
}

static void follower_free(struct avow_hub_follower *f)
{
    LIST_REMOVE(f, link);
    f->hub->n_followers--;
    event_free(f->retry);
    free(f);
}

static void follower_end(struct avow_hub_follower *f)
{
    struct avow_stream *s = f->stream;

    follower_free(f);
    avow_stream_end(s);
}

static void forget_oldest(struct avow_hub *h)
{
    struct avow_hub_event *e = TAILQ_FIRST(&h->kept);

    TAILQ_REMOVE(&h->kept, e, link);
    h->forgotten = e->seq;
    h->bytes -= e->len;
    h->n_kept--;
    free(e);
}

void avow_hub_done(struct avow_hub *h)
{
    while (!LIST_EMPTY(&h->followers))
        follower_end(LIST_FIRST(&h->followers));
    while (!TAILQ_EMPTY(&h->kept))
        forget_oldest(h);
}

static void on_gone(void *ctx)
{
    follower_free(ctx);
}

/* --- sending ------------------------------------------------------------------------------ */

/* False when the follower's queue is full. */
static bool send_to(struct avow_hub_follower *f, uint64_t seq, const char *type, const char *text)
{
    if (avow_stream_send(f->stream, seq, type, text) < 0) {
        f->stopped = true;
        return false;
    }
    f->at = seq;
    return true;
}

static int send_row(void *ctx, const struct avow_job_event *e)
{
    struct avow_hub_follower *f = ctx;
    avow_autojson json_t *data = NULL;
    avow_autofree char *text = NULL;
    const char *type = NULL;

    if (e->seq > f->hub->forgotten)
        return 1; /* the rest is in memory */
    type = avow_job_event_public(e, &data);
    text = type ? json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    return text && !send_to(f, e->seq, type, text);
}

/* What is not kept in memory: from the journal, as far as it is there. */
static bool send_forgotten(struct avow_hub_follower *f)
{
    uint64_t upto = f->hub->forgotten;

    if (f->at >= upto)
        return true;
    if (f->live) {
        if (avow_stream_send(f->stream, f->at, "lost", "{}") < 0) {
            f->stopped = true;
            return false;
        }
        f->live = false;
    }
    /* a journal that cannot be read has nothing to send; what is in memory still goes out */
    if (avow_journal_replay(f->hub->journal, f->hub->job, f->at, send_row, f, NULL) > 0 &&
        f->stopped)
        return false;
    f->at = upto;
    return true;
}

static bool send_kept(struct avow_hub_follower *f)
{
    const struct avow_hub_event *e = NULL;

    TAILQ_FOREACH(e, &f->hub->kept, link) {
        if (e->seq > f->at && !send_to(f, e->seq, e->type, e->text))
            return false;
    }
    f->live = true;
    return true;
}

/* Send what it lacks; frees it when that was the end of the stream. */
static void pump(struct avow_hub_follower *f)
{
    const struct timeval again = { .tv_usec = AVOW_HUB_RETRY_MS * 1000 };

    f->stopped = false;
    if (send_forgotten(f) && send_kept(f)) {
        if (f->hub->ended)
            follower_end(f);
        return;
    }
    event_add(f->retry, &again);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pump(arg);
}

static void pump_all(struct avow_hub *h)
{
    struct avow_hub_follower *f = LIST_FIRST(&h->followers);

    while (f) {
        struct avow_hub_follower *next = LIST_NEXT(f, link);

        if (!f->stopped)
            pump(f);
        f = next;
    }
}

void avow_hub_publish(struct avow_hub *h, uint64_t seq, const char *type, const json_t *data)
{
    avow_autofree char *text =
        h->ended ? NULL : json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(15));
    size_t len = text ? strlen(text) + 1 : 0;
    struct avow_hub_event *e = text ? malloc(sizeof *e + len) : NULL;

    if (!e)
        return;
    *e = (struct avow_hub_event){ .seq = seq, .type = type, .len = len };
    memcpy(e->text, text, len);
    TAILQ_INSERT_TAIL(&h->kept, e, link);
    h->bytes += len;
    h->n_kept++;
    while (h->n_kept > 1 && (h->bytes > AVOW_HUB_BYTES_MAX || h->n_kept > AVOW_HUB_EVENTS_MAX))
        forget_oldest(h);
    pump_all(h);
}

void avow_hub_end(struct avow_hub *h)
{
    h->ended = true;
    pump_all(h);
}

void avow_hub_follow(struct avow_hub *h, struct avow_call *call, uint64_t since)
{
    struct avow_error err = { 0 };
    struct avow_hub_follower *f = NULL;

    if (h->n_followers >= AVOW_HUB_FOLLOWERS_MAX) {
        AVOW_FAIL(&err, BUSY, "%u clients follow this job already", h->n_followers);
        avow_call_fail(call, &err);
        return;
    }
    f = calloc(1, sizeof *f);
    if (f)
        f->retry = event_new(h->base, -1, 0, on_retry, f);
    if (f && f->retry)
        f->stream = avow_stream_start(call, on_gone, f);
    if (!f || !f->stream) {
        if (f && f->retry)
            event_free(f->retry);
        free(f);
        AVOW_FAIL(&err, NOMEM, "out of memory");
        avow_call_fail(call, &err);
        return;
    }
    f->hub = h;
    f->at = since;
    LIST_INSERT_HEAD(&h->followers, f, link);
    h->n_followers++;
    pump(f);
}
