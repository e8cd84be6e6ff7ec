#include "store/fetch.h"

#include <stdio.h>
#include <time.h>

#include "attest/gather.h"
#include "codec/text.h"
#include "collateral/pck.h"
#include "net/retry.h"
#include "net/turn.h"

#define HOST_MAX 256
#define ERROR_BODY_MAX 160 /* bytes of a server's own words that are shown */
#define DOWN_MAX 8         /* servers that did not answer */

/* ---- the list ---- */

struct entry {
    struct avow_want want;
    bool has_other; /* where to ask if the first does not know it */
    struct avow_want other;
};

struct avow_wants {
    size_t n, cap;
    struct entry *list;
};

int avow_wants_new(struct avow_wants **out, struct avow_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

void avow_wants_free(struct avow_wants *w)
{
    free(w->list);
    free(w);
}

size_t avow_wants_count(const struct avow_wants *w)
{
    return w->n;
}

static bool listed(const struct avow_wants *w, const char *url)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->list[i].want.url, url) == 0)
            return true;
    return false;
}

static int add(struct avow_wants *w, const struct avow_want *one, const struct avow_want *other,
               struct avow_error *err)
{
    if (listed(w, one->url))
        return 0;
    if (w->n == AVOW_FETCH_WANTS_MAX)
        return AVOW_FAIL(err, LIMIT, "more than %u requests", AVOW_FETCH_WANTS_MAX);
    if (w->n == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 16;
        struct entry *list = realloc(w->list, cap * sizeof *list);

        if (!list)
            return AVOW_FAIL(err, NOMEM, "out of memory");
        w->list = list;
        w->cap = cap;
    }
    w->list[w->n] = (struct entry){ .want = *one, .has_other = other != NULL };
    if (other)
        w->list[w->n].other = *other;
    w->n++;
    return 0;
}

int avow_wants_add(struct avow_wants *w, const struct avow_want *one, struct avow_error *err)
{
    return add(w, one, NULL, err);
}

static int add_snp(struct avow_wants *w, const struct avow_vendors *v, const struct avow_need *need,
                   bool essential, struct avow_error *err)
{
    struct avow_want one, other, crl;
    bool two = need->n_products > 1;

    if (!need->n_products)
        return AVOW_FAIL(err, MISSING, "the report's CPUID is of no product line that is known");
    if (need->vlek && !need->has_leaf)
        return AVOW_FAIL(err, MISSING,
                         "the report is signed by a VLEK, whose certificate AMD "
                         "gives to the cloud provider alone: bring it by --with");
    if (need->masked && !need->has_leaf)
        return AVOW_FAIL(err, MISSING,
                         "the report does not say which chip made it (masked): "
                         "bring the VCEK by --with");
    if (!need->has_leaf) {
        AVOW_TRY(avow_want_vcek(v, need, need->products[0], &one, err));
        if (two)
            AVOW_TRY(avow_want_vcek(v, need, need->products[1], &other, err));
        AVOW_TRY(add(w, &one, two ? &other : NULL, err));
    }
    for (size_t i = 0; i < need->n_products && !essential; i++) {
        AVOW_TRY(avow_want_amd_crl(v, need->products[i], need->vlek, &crl, err));
        AVOW_TRY(add(w, &crl, NULL, err));
    }
    return 0;
}

int avow_wants_add_need(struct avow_wants *w, const struct avow_vendors *v,
                        const struct avow_need *need, bool essential, struct avow_error *err)
{
    if (need->hardware == AVOW_TEE_SNP)
        return add_snp(w, v, need, essential, err);
    if (need->hardware == AVOW_TEE_TDX && need->has_fmspc)
        return avow_wants_add_fmspc(w, v, need->fmspc, need->processor, err);
    return AVOW_FAIL(err, MISSING, "%s",
                     need->hardware == AVOW_TEE_TDX
                         ? "the quote does not carry its PCK certificate: which platform made it "
                           "cannot be told"
                         : "the evidence cannot be read: what it needs cannot be told");
}

int avow_wants_add_product(struct avow_wants *w, const struct avow_vendors *v, const char *product,
                           struct avow_error *err)
{
    struct avow_want crl;

    AVOW_TRY(avow_want_amd_crl(v, product, false, &crl, err));
    return add(w, &crl, NULL, err);
}

int avow_wants_add_fmspc(struct avow_wants *w, const struct avow_vendors *v, const uint8_t fmspc[6],
                         bool processor, struct avow_error *err)
{
    struct avow_want one;

    AVOW_TRY(avow_want_tcb_info(v, fmspc, &one, err));
    AVOW_TRY(add(w, &one, NULL, err));
    AVOW_TRY(avow_want_qe_identity(v, &one, err));
    AVOW_TRY(add(w, &one, NULL, err));
    AVOW_TRY(avow_want_pck_crl(v, processor, &one, err));
    AVOW_TRY(add(w, &one, NULL, err));
    AVOW_TRY(avow_want_root_crl(v, &one, err));
    return add(w, &one, NULL, err);
}

struct renew {
    struct avow_wants *w;
    const struct avow_vendors *v;
    struct avow_error *err;
};

static int renew_crl(const struct renew *r, const char *issuer)
{
    struct avow_want one;

    if (strncmp(issuer, "ARK-", 4) == 0)
        return avow_wants_add_product(r->w, r->v, issuer + 4, r->err);
    if (strcmp(issuer, AVOW_PCK_PLATFORM_CA_CN) == 0 ||
        strcmp(issuer, AVOW_PCK_PROCESSOR_CA_CN) == 0)
        AVOW_TRY(
            avow_want_pck_crl(r->v, strcmp(issuer, AVOW_PCK_PROCESSOR_CA_CN) == 0, &one, r->err));
    else if (strcmp(issuer, AVOW_SGX_ROOT_CA_CN) == 0)
        AVOW_TRY(avow_want_root_crl(r->v, &one, r->err));
    else
        return 0; /* nobody that is known issues it: a simulated one, say */
    return add(r->w, &one, NULL, r->err);
}

static int renew_row(void *ctx, const struct avow_store_row *row)
{
    const struct renew *r = ctx;
    struct avow_want one;

    switch (row->item.kind) {
    case AVOW_ITEM_CRL:
        return renew_crl(r, row->item.issuer);
    case AVOW_ITEM_TCB_INFO:
        AVOW_TRY(avow_want_tcb_info(r->v, row->item.fmspc, &one, r->err));
        return add(r->w, &one, NULL, r->err);
    case AVOW_ITEM_QE_IDENTITY:
        AVOW_TRY(avow_want_qe_identity(r->v, &one, r->err));
        return add(r->w, &one, NULL, r->err);
    case AVOW_ITEM_CERT:
        break; /* a chip's certificate of a TCB is the same for ever */
    }
    return 0;
}

int avow_wants_add_renewals(struct avow_wants *w, const struct avow_vendors *v,
                            struct avow_store *store, struct avow_error *err)
{
    struct renew r = { .w = w, .v = v, .err = err };

    return avow_store_each(store, renew_row, &r, err);
}

/* ---- one request ---- */

struct job {
    const struct avow_fetch *f;
    const struct avow_want *w;
    struct avow_turn turn;
    uint32_t interval_ms;
};

static int is_present(const struct avow_fetch *f, const struct avow_want *w, int64_t *until,
                      struct avow_error *err)
{
    struct avow_store_key key;

    *until = 0;
    if (!avow_want_key(w, &key))
        return 0;
    return avow_store_until(f->store, &key, f->now, until, err);
}

/* Before each request, the first and those that are tried again. */
static int wait_for_pace(void *ctx, struct avow_error *err)
{
    const struct job *j = ctx;
    int64_t ms = avow_turn_pause_ms(&j->turn);
    char text[128];

    if (ms > 0 && j->f->note) {
        (void)snprintf(text, sizeof text, "AMD allows one request in %u s: %lld s to go",
                       j->interval_ms / 1000, (long long)(ms + 999) / 1000);
        j->f->note(j->f->ctx, text);
    }
    if (ms > 0)
        AVOW_TRY(avow_pause(ms, j->f->stop_fd, err));
    return avow_turn_sent(&j->turn, j->interval_ms, err);
}

/* A server that was not reached has not counted the request. */
static void give_pace_back(void *ctx, bool connected)
{
    const struct job *j = ctx;

    if (!connected && avow_turn_sent(&j->turn, 0, NULL) < 0)
        return; /* then the next one waits for nothing */
}

static void note_retry(void *ctx, const char *why, int64_t ms)
{
    const struct job *j = ctx;
    char text[512];

    if (!j->f->note)
        return;
    (void)snprintf(text, sizeof text, "%.300s; again in %.1f s", why, (double)ms / 1000);
    j->f->note(j->f->ctx, text);
}

/* What a server says about itself, without what a terminal would act on. */
static void words(const struct avow_http_reply *r, char out[ERROR_BODY_MAX + 1])
{
    size_t n = r->body.len < ERROR_BODY_MAX ? r->body.len : ERROR_BODY_MAX;

    for (size_t i = 0; i < n; i++)
        out[i] = (char)(r->body.data[i] >= ' ' && r->body.data[i] < 0x7F ? r->body.data[i] : ' ');
    out[n] = 0;
}

static int judge_status(const struct avow_want *w, const struct avow_http_reply *r,
                        struct avow_error *err)
{
    char text[ERROR_BODY_MAX + 1];

    if (r->status == 200)
        return 0;
    words(r, text);
    if (r->status == 404)
        return AVOW_FAIL(err, NOTFOUND, "%s: the server does not have it (404)", w->url);
    if (r->status == 429)
        return AVOW_FAIL(err, BUSY, "%s: too many requests from this address (429)", w->url);
    if (avow_http_transient(r->status))
        return AVOW_FAIL(err, BUSY, "%s: the server cannot answer now (%ld): %s", w->url, r->status,
                         text);
    return AVOW_FAIL(err, REFUSED, "%s: HTTP %ld: %s", w->url, r->status, text);
}

static int ask(struct job *j, struct avow_http_reply *reply, struct avow_error *err)
{
    static const char *const metadata[] = { "Metadata: true", NULL };
    const struct avow_fetch *f = j->f;
    bool local = j->w->kind == AVOW_WANT_THIM;
    const struct avow_http_request rq = {
        .url = j->w->url,
        .headers = local ? metadata : NULL,
        .plain = strncmp(j->w->url, "http://", 7) == 0, /* somebody wrote it so */
        .direct = local,
        .ca_file = f->ca_file,
        .body_max = AVOW_FETCH_BODY_MAX,
        .stop_fd = f->stop_fd,
    };
    struct avow_retry retry = {
        .backoff = AVOW_BACKOFF_DEFAULT,
        .deadline_ms = f->timeout_ms ? f->timeout_ms : AVOW_FETCH_TIMEOUT_MS,
        .before = wait_for_pace,
        .after = give_pace_back,
        .note = note_retry,
        .ctx = j,
    };

    retry.backoff.tries = f->tries ? f->tries : AVOW_FETCH_TRIES;
    AVOW_TRY(avow_http_retry(&rq, &retry, reply, err));
    return judge_status(j->w, reply, err);
}

/* The signer's chain: PEM, URL-encoded, in a header (Intel PCS API v4). */
static int take_chain(const struct avow_want *w, const struct avow_http_reply *r,
                      struct avow_pool *pool, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_HTTP_HEADERS_MAX);
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(AVOW_HTTP_HEADERS_MAX);
    avow_auto(avow_bundle_done) struct avow_bundle none = { 0 };

    if (!w->chain_header || (!avow_http_header(r, w->chain_header, &text) &&
                             (w->kind != AVOW_WANT_TCB_INFO ||
                              !avow_http_header(r, "sgx-tcb-info-issuer-chain", &text))))
        return 0;
    AVOW_TRY(avow_url_decode(avow_buf_cstr(&text), &pem, err));
    return avow_gather_file(pool, &none, avow_buf_view(&pem), err);
}

static int keep(const struct avow_fetch *f, const struct avow_want *w, const struct avow_pool *pool,
                enum avow_fetch_state *state, struct avow_error *err)
{
    bool found = false, valid = false;

    for (size_t i = 0; i < avow_pool_count(pool); i++) {
        const struct avow_item *it = avow_pool_item(pool, i);

        if (!avow_want_is(w, it))
            continue;
        found = true;
        valid = valid || (it->from <= f->now && f->now <= it->until);
    }
    *state = valid ? AVOW_FETCH_BROUGHT : AVOW_FETCH_STALE;
    if (!found)
        return AVOW_FAIL(err, PROTOCOL, "%s: the answer is not the %s", w->url, w->what);
    for (size_t i = 0; i < avow_pool_count(pool); i++)
        AVOW_TRY(avow_store_put(f->store, avow_pool_item(pool, i), w->url, (int64_t)time(NULL),
                                NULL, err));
    return 0;
}

static int take(const struct avow_fetch *f, const struct avow_want *w,
                const struct avow_http_reply *r, enum avow_fetch_state *state,
                struct avow_error *err)
{
    avow_auto(avow_cleanup_pool) struct avow_pool *pool = NULL;
    avow_auto(avow_bundle_done) struct avow_bundle none = { 0 };
    int rc = 0;

    AVOW_TRY(avow_pool_new(&pool, err));
    rc = avow_gather_file(pool, &none, avow_buf_view(&r->body), err);
    if (rc == 0)
        rc = take_chain(w, r, pool, err);
    if (rc < 0) {
        (void)avow_error_prefix(err, "%s", w->url);
        return rc;
    }
    return keep(f, w, pool, state, err);
}

/* With the turn: what another process brought meanwhile is not asked for again. */
static int bring(struct job *j, int64_t had, enum avow_fetch_state *state, struct avow_error *err)
{
    avow_auto(avow_http_reply_done) struct avow_http_reply reply = { 0 };
    int64_t until = 0;

    AVOW_TRY(is_present(j->f, j->w, &until, err));
    if (until > had) {
        *state = AVOW_FETCH_PRESENT;
        return 0;
    }
    AVOW_TRY(ask(j, &reply, err));
    return take(j->f, j->w, &reply, state, err);
}

static int folder_of_turns(const struct avow_fetch *f, char **out, struct avow_error *err)
{
    if (asprintf(out, "%s.turns", avow_store_path(f->store)) >= 0)
        return 0;
    *out = NULL;
    return AVOW_FAIL(err, NOMEM, "out of memory");
}

static bool is_amd(const struct avow_want *w)
{
    return w->kind == AVOW_WANT_VCEK || w->kind == AVOW_WANT_AMD_CRL;
}

static int fetch_one(const struct avow_fetch *f, const struct avow_want *w,
                     enum avow_fetch_state *state, struct avow_error *err)
{
    struct job j = { .f = f, .w = w, .turn = AVOW_TURN_NONE };
    avow_autofree char *dir = NULL;
    char host[HOST_MAX];
    int64_t until = 0;
    int rc = 0;

    AVOW_TRY(is_present(f, w, &until, err));
    if (until && !f->refresh && until >= f->now + f->ahead) {
        *state = AVOW_FETCH_PRESENT;
        return 0;
    }
    j.interval_ms = is_amd(w) ? f->kds_interval_ms : 0;
    AVOW_TRY(avow_url_host(w->url, host, sizeof host, err));
    AVOW_TRY(folder_of_turns(f, &dir, err));
    AVOW_TRY(avow_turn_take(dir, host, AVOW_FETCH_TURN_MS, f->stop_fd, &j.turn, err));
    rc = bring(&j, until, state, err);
    avow_turn_done(&j.turn);
    return rc;
}

/* ---- the list, brought ---- */

struct down {
    size_t n;
    char hosts[DOWN_MAX][HOST_MAX];
};

static bool is_down(const struct down *d, const char *url)
{
    char host[HOST_MAX];

    if (avow_url_host(url, host, sizeof host, NULL) < 0)
        return false;
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->hosts[i], host) == 0)
            return true;
    return false;
}

static void set_down(struct down *d, const char *url, int rc)
{
    bool dead = rc == -AVOW_E_NETWORK || rc == -AVOW_E_TIMEOUT || rc == -AVOW_E_UNTRUSTED;

    if (dead && d->n < DOWN_MAX && !is_down(d, url) &&
        avow_url_host(url, d->hosts[d->n], HOST_MAX, NULL) == 0)
        d->n++;
}

static int fetch_entry(const struct avow_fetch *f, const struct entry *e, struct down *down,
                       struct avow_error *err)
{
    const struct avow_want *w = &e->want;
    enum avow_fetch_state state = AVOW_FETCH_FAILED;
    struct avow_error why = { 0 };
    int rc = 0;

    if (is_down(down, w->url))
        rc = AVOW_FAIL(&why, NETWORK, "%s: not asked: the server did not answer before", w->url);
    else
        rc = fetch_one(f, w, &state, &why);
    if (rc == -AVOW_E_NOTFOUND && e->has_other) {
        why = (struct avow_error){ 0 };
        w = &e->other;
        rc = fetch_one(f, w, &state, &why);
    }
    set_down(down, w->url, rc);
    if (f->settled)
        f->settled(f->ctx, w, rc < 0 ? AVOW_FETCH_FAILED : state, rc < 0 ? &why : NULL);
    return rc < 0 ? AVOW_FAIL_CODE(err, rc, "%s", why.text) : 0;
}

int avow_fetch(const struct avow_fetch *f, const struct avow_wants *w, struct avow_error *err)
{
    struct down down = { 0 };
    int first = 0;

    for (size_t i = 0; i < w->n; i++) {
        int rc = fetch_entry(f, &w->list[i], &down, first ? NULL : err);

        if (rc == -AVOW_E_CANCELLED)
            return rc;
        if (!first)
            first = rc;
    }
    return first;
}
