#include "fakes.h"

#include <event2/event.h>
#include <unistd.h>

/* --- HTTP --------------------------------------------------------------------------------- */

void avow_http_route(struct avow_http *h, const char *method, const char *pattern, unsigned flags,
                     avow_handler_fn fn, void *ctx)
{
    (void)flags;
    h->routes[h->n++] =
        (struct fake_route){ .method = method, .pattern = pattern, .fn = fn, .ctx = ctx };
}

static bool match(struct avow_call *c, const char *pattern)
{
    const char *p = c->path;

    c->n_params = 0;
    while (*pattern) {
        const char *end = NULL;
        bool rest = false;
        size_t n = 0;

        if (*pattern != '{') {
            if (*pattern++ != *p++)
                return false;
            continue;
        }
        end = strchr(pattern, '}');
        rest = end[-1] == '.';
        n = rest ? strlen(p) : strcspn(p, "/");
        snprintf(c->params[c->n_params].name, 16, "%.*s", (int)(end - pattern - 1 - (rest ? 3 : 0)),
                 pattern + 1);
        snprintf(c->params[c->n_params++].value, 256, "%.*s", (int)n, p);
        p += n;
        pattern = end + 1;
    }
    return *p == 0;
}

void fake_call(struct avow_http *h, struct avow_call *c, const char *method, const char *path)
{
    c->bytes = AVOW_BUF(8 << 20);
    snprintf(c->path, sizeof c->path, "%s", path);
    if (!c->json)
        c->json = json_object();
    for (unsigned i = 0; i < h->n; i++) {
        if (strcmp(h->routes[i].method, method) == 0 && match(c, h->routes[i].pattern)) {
            h->routes[i].fn(h->routes[i].ctx, c);
            assert_true(c->answered || c->deferred);
            return;
        }
    }
    fail_msg("no route %s %s", method, path);
}

void fake_call_release(struct avow_call *c)
{
    json_decref(c->json);
    json_decref(c->reply);
    avow_buf_done(&c->bytes);
    for (unsigned i = 0; i < c->stream.n; i++)
        free(c->stream.events[i]);
    *c = (struct avow_call){ 0 };
}

const char *avow_call_param(const struct avow_call *c, const char *name)
{
    for (unsigned i = 0; i < c->n_params; i++)
        if (strcmp(c->params[i].name, name) == 0)
            return c->params[i].value;
    return NULL;
}

const char *avow_call_query(const struct avow_call *c, const char *name)
{
    static char values[4][64]; /* a handler may hold a few at once */
    static unsigned next;
    char *value = values[next++ % 4];
    const char *at = c->query;
    size_t n = strlen(name);

    for (; at && *at; at = strchr(at, '&') ? strchr(at, '&') + 1 : NULL)
        if (strncmp(at, name, n) == 0 && at[n] == '=') {
            snprintf(value, sizeof values[0], "%.*s", (int)strcspn(at + n + 1, "&"), at + n + 1);
            return value;
        }
    return NULL;
}

const uint8_t *avow_call_client_spki(const struct avow_call *c)
{
    return c->spki;
}

const json_t *avow_call_json(const struct avow_call *c)
{
    return c->json;
}

struct avow_bytes avow_call_body(const struct avow_call *c)
{
    return c->body;
}

static void answer(struct avow_call *c, int status)
{
    assert_false(c->answered); /* exactly once */
    c->answered = true;
    c->status = status;
}

void avow_call_reply(struct avow_call *c, int status, json_t *take_body)
{
    answer(c, status);
    assert_non_null(take_body);
    c->reply = take_body;
}

void avow_call_reply_bytes(struct avow_call *c, int status, const char *content_type,
                           struct avow_bytes body)
{
    (void)content_type;
    answer(c, status);
    assert_int_equal(avow_buf_put_bytes(&c->bytes, body), 0);
}

void avow_call_fail(struct avow_call *c, const struct avow_error *err)
{
    assert_int_not_equal(err->code, 0);
    answer(c, 400);
    c->reply =
        json_pack("{s:{s:s,s:s}}", "error", "code", avow_err_name(err->code), "message", err->text);
    assert_non_null(c->reply);
}

void avow_call_defer(struct avow_call *c, void (*gone)(void *ctx), void *ctx)
{
    c->deferred = true;
    c->gone = gone;
    c->gone_ctx = ctx;
}

struct avow_stream *avow_stream_start(struct avow_call *c, void (*gone)(void *ctx), void *ctx)
{
    answer(c, 200);
    c->stream.gone = gone;
    c->stream.ctx = ctx;
    return &c->stream;
}

int avow_stream_send(struct avow_stream *s, uint64_t id, const char *event, const char *json_text)
{
    assert_false(s->ended);
    if (s->full || s->n == FAKE_STREAM_EVENTS)
        return -AVOW_E_LIMIT;
    if (asprintf(&s->events[s->n], "%llu %s %s", (unsigned long long)id, event, json_text) > 0)
        s->n++;
    return 0;
}

void avow_stream_end(struct avow_stream *s)
{
    assert_false(s->ended);
    s->ended = true;
}

/* --- formations --------------------------------------------------------------------------- */

struct delivery {
    struct avow_formation *to;
    uint32_t from;
    uint8_t type;
    size_t len;
    uint8_t data[];
};

struct loss {
    struct avow_formation *f;
    uint32_t node;
};

struct avow_formation *avow_formation_find(struct avow_formations *fs, const char *uuid)
{
    return fs->f && strcmp(fs->f->roster.formation, uuid) == 0 ? fs->f : NULL;
}

bool avow_formation_formed(const struct avow_formation *f)
{
    return f->formed;
}

const struct avow_roster *avow_formation_roster(const struct avow_formation *f)
{
    return &f->roster;
}

uint32_t avow_formation_self(const struct avow_formation *f)
{
    return f->self;
}

struct avow_bytes avow_formation_manifest(const struct avow_formation *f)
{
    return avow_buf_view(&f->manifest);
}

bool avow_formation_simulated(const struct avow_formation *f)
{
    (void)f;
    return true;
}

const json_t *avow_formation_verdicts(const struct avow_formation *f)
{
    return f->verdicts;
}

const uint8_t *avow_formation_owner(const struct avow_formation *f)
{
    return f->owner;
}

const struct avow_key *avow_formation_prk(const struct avow_formation *f, uint32_t node)
{
    assert_int_not_equal(node, f->self);
    return &f->prk;
}

int avow_formation_addr(const struct avow_formation *f, uint32_t node,
                        struct sockaddr_storage *addr, socklen_t *len)
{
    assert_int_not_equal(node, f->self);
    addr->ss_family = AF_INET;
    *len = sizeof(struct sockaddr_in);
    return 0;
}

void avow_formations_set_user(struct avow_formations *fs, const struct avow_formation_user *u)
{
    fs->user = *u;
}

static void deliver(evutil_socket_t fd, short what, void *arg)
{
    struct delivery *d = arg;
    const struct avow_formation_user *u = &d->to->all->user;

    (void)fd;
    (void)what;
    if (!d->to->down && u->message)
        u->message(u->ctx, d->to, d->from, d->type, AVOW_BYTES(d->data, d->len));
    free(d);
}

int avow_formation_send(struct avow_formation *f, uint32_t node, uint8_t type,
                        struct avow_bytes payload)
{
    struct delivery *d = NULL;

    assert_true(node < FAKE_NODES && node != f->self);
    f->sent[type]++;
    if (f->down || !f->peers[node])
        return -AVOW_E_PEERLOST;
    d = malloc(sizeof *d + payload.len);
    *d = (struct delivery){ .to = f->peers[node], .from = f->self, .type = type };
    d->len = payload.len;
    memcpy(d->data, payload.data, payload.len);
    return event_base_once(f->base, -1, EV_TIMEOUT, deliver, d, NULL);
}

static void lose(evutil_socket_t fd, short what, void *arg)
{
    struct loss *l = arg;

    (void)fd;
    (void)what;
    l->f->all->user.lost(l->f->all->user.ctx, l->f, l->node, "silent for 1500 ms");
    free(l);
}

void fake_lose(struct avow_formation *f, uint32_t lost)
{
    struct loss *l = malloc(sizeof *l);

    *l = (struct loss){ f, lost };
    f->peers[lost] = NULL;
    event_base_once(f->base, -1, EV_TIMEOUT, lose, l, NULL);
}

void avow_formation_hold(struct avow_formation *f)
{
    f->held++;
}

void avow_formation_release(struct avow_formation *f)
{
    f->held--;
    assert_true(f->held >= 0);
}

/* --- broker ------------------------------------------------------------------------------- */

void fake_broker_release(struct avow_broker *b)
{
    if (b->jobs)
        close(b->bell);
    while (b->ranks)
        close(b->rank_fds[--b->ranks]);
    b->jobs = 0;
}

const struct avow_broker_stats *avow_broker_stats(const struct avow_broker *b)
{
    return &b->stats;
}

int avow_broker_job_add(struct avow_broker *b, const struct avow_broker_job *job,
                        struct avow_error *err)
{
    (void)err;
    assert_int_equal(job->n_nodes, FAKE_NODES);
    assert_int_not_equal(job->peers[1 - job->self].addr_len, 0);
    assert_int_equal(job->peers[job->self].addr_len, 0);
    assert_int_equal(job->peers[1 - job->self].prk.bytes[3], 0x5a);
    b->jobs++;
    b->bell = job->bell_fd;
    return 0;
}

void avow_broker_job_remove(struct avow_broker *b, const char *job)
{
    (void)job;
    fake_broker_release(b);
}

int avow_broker_rank_add(struct avow_broker *b, const char *job, uint32_t rank, int take_fd,
                         struct avow_error *err)
{
    (void)job;
    (void)rank;
    (void)err;
    b->rank_fds[b->ranks++] = take_fd;
    return 0;
}
