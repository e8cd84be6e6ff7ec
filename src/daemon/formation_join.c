/* Propose and roster: what this node lets itself be made part of. */
#include <netdb.h>
#include <stdlib.h>

#include "codec/text.h"
#include "crypto/hash.h"
#include "daemon/formation_internal.h"
#include "serve/log.h"

/* Formations of this client that no job uses: not formed yet, or idle. */
static size_t count_unused(const struct avow_formations *fs, const uint8_t owner[32])
{
    size_t n = 0;

    for (const struct avow_formation *f = fs->first; f; f = f->next)
        if (!f->holds && memcmp(f->owner, owner, 32) == 0)
            n++;
    return n;
}

/* Room for it: no older epoch in use, and not too many others. */
static int make_room(struct avow_formations *fs, const struct avow_formation *f,
                     struct avow_error *err)
{
    struct avow_formation *old = avow_formation_find(fs, f->proposal.uuid);

    if (old && memcmp(old->owner, f->owner, 32) != 0)
        return AVOW_FAIL(err, EXISTS, "formation %s", f->proposal.uuid);
    if (old && old->holds)
        return AVOW_FAIL(err, STATE, "a job still uses formation %s", f->proposal.uuid);
    /* the same epoch again is fine as long as no evidence names it */
    if (old &&
        (old->proposal.epoch > f->proposal.epoch ||
         (old->proposal.epoch == f->proposal.epoch && old->state != AVOW_FORMATION_PROPOSED)))
        return AVOW_FAIL(err, EXISTS, "formation %s is at epoch %llu", f->proposal.uuid,
                         (unsigned long long)old->proposal.epoch);
    if (!old && fs->n >= AVOW_FORMATIONS_MAX)
        return AVOW_FAIL(err, BUSY, "%zu formations at once", fs->n);
    if (!old && count_unused(fs, f->owner) >= AVOW_FORMATIONS_CLIENT_MAX)
        return AVOW_FAIL(err, BUSY,
                         "this client has %u formations that no job uses; delete one, or wait: "
                         "each is forgotten after %d s without use",
                         AVOW_FORMATIONS_CLIENT_MAX, AVOW_FORMATION_IDLE_S);
    if (old)
        avow_formation_delete(old, "another epoch takes its place");
    return 0;
}

/* "host:port", "[v6]:port". May ask the resolver: worker threads only. */
static int resolve(struct avow_seat *s, struct avow_error *err)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *list = NULL;
    char host[AVOW_ADDRESS_MAX + 1];
    const char *colon = strrchr(s->address, ':');
    size_t n = (size_t)(colon - s->address);
    const char *from = s->address;
    int rc = 0;

    if (n >= 2 && from[0] == '[' && from[n - 1] == ']') {
        from++;
        n -= 2;
    }
    memcpy(host, from, n);
    host[n] = '\0';
    rc = getaddrinfo(host, colon + 1, &hints, &list);
    if (rc != 0)
        return AVOW_FAIL(err, NETWORK, "member %s: %s: %s", s->name, s->address, gai_strerror(rc));
    if (list->ai_addrlen > sizeof s->addr) {
        freeaddrinfo(list);
        return AVOW_FAIL(err, NETWORK, "member %s: %s is no internet address", s->name, s->address);
    }
    memcpy(&s->addr, list->ai_addr, list->ai_addrlen);
    s->addr_len = list->ai_addrlen;
    freeaddrinfo(list);
    return 0;
}

static void resolve_all(void *ctx)
{
    struct avow_formation *f = ctx;
    uint64_t began = avow_now_ns();

    for (uint32_t i = 0; i < f->proposal.n; i++) {
        /* a name server that is always late would hold a worker, which clients share, for hours */
        if (avow_now_ns() - began > (uint64_t)AVOW_RESOLVE_MS * 1000000u) {
            AVOW_FAIL(&f->resolve_err, TIMEOUT, "the members' addresses took more than %d ms",
                      AVOW_RESOLVE_MS);
            return;
        }
        if (i != f->proposal.self && resolve(&f->proposal.seats[i], &f->resolve_err) < 0)
            return;
    }
}

static int make_own_entry(struct avow_formation *f, json_t **reply, struct avow_error *err)
{
    const struct avow_identity *id = f->all->cfg.identity;
    uint8_t spki[32];
    char spki_hex[65];
    char x25519_hex[65];
    char nonce_hex[65];

    if (avow_x25519_new(&f->x25519, f->x25519_pub) < 0 ||
        avow_random(f->nonce, sizeof f->nonce) < 0)
        return AVOW_FAIL(err, CRYPTO, "no fresh key");
    avow_leaf_spki(id->leaf, spki);
    avow_hex(AVOW_BYTES_OF(spki), spki_hex);
    avow_hex(AVOW_BYTES_OF(f->x25519_pub), x25519_hex);
    avow_hex(AVOW_BYTES_OF(f->nonce), nonce_hex);
    *reply = json_pack("{s:s,s:s,s:s,s:s,s:s}", "name", id->name, "tee",
                       avow_tee_name(f->proposal.seats[f->proposal.self].tee), "spki", spki_hex,
                       "x25519", x25519_hex, "nonce", nonce_hex);
    return *reply ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

static void on_resolved(void *ctx, bool ran)
{
    struct avow_formation *f = ctx;
    struct avow_call *c = f->call;
    struct avow_error err = f->resolve_err;
    json_t *reply = NULL;

    f->call = NULL;
    if (!f->deleted && ran && !err.code && make_own_entry(f, &reply, &err) == 0) {
        f->state = AVOW_FORMATION_PROPOSED;
        avow_log(AVOW_LOG_INFO, "formation-proposed", "formation=%s epoch=%llu members=%zu",
                 f->proposal.uuid, (unsigned long long)f->proposal.epoch, f->proposal.n);
        if (c)
            avow_call_reply(c, 200, reply);
        else
            json_decref(reply);
    } else {
        if (c && !err.code)
            AVOW_FAIL(&err, STATE, "formation %s was deleted meanwhile", f->proposal.uuid);
        if (c)
            avow_call_fail(c, &err);
        avow_formation_delete(f, err.text);
    }
    avow_formation_unref(f);
}

static int propose(struct avow_formations *fs, struct avow_call *c, struct avow_formation *f,
                   struct avow_error *err)
{
    const struct avow_identity *id = fs->cfg.identity;

    memcpy(f->owner, avow_call_client_spki(c), 32);
    AVOW_TRY(avow_proposal_parse(avow_call_json(c), id->name, avow_source_ops(id->source)->tee,
                                 &f->proposal, err));
    AVOW_TRY(make_room(fs, f, err));
    if (avow_workers_submit(fs->cfg.pool, resolve_all, on_resolved, f) < 0)
        return AVOW_FAIL(err, BUSY, "too much work at once");
    avow_formation_ref(f);
    return 0;
}

void avow_formation_on_propose(void *ctx, struct avow_call *c)
{
    struct avow_formations *fs = ctx;
    struct avow_formation *f = calloc(1, sizeof *f);
    struct avow_error err = { 0 };

    if (!f) {
        AVOW_FAIL(&err, NOMEM, "out of memory");
        avow_call_fail(c, &err);
        return;
    }
    f->refs = 1;
    f->all = fs;
    f->state = AVOW_FORMATION_RESOLVING;
    f->touched_ns = avow_now_ns();
    f->bundle = AVOW_BUF(AVOW_BUNDLE_MAX);
    event_assign(&f->confirm_deadline, fs->cfg.base, -1, 0, avow_formation_on_confirm_deadline, f);
    if (propose(fs, c, f, &err) < 0) {
        avow_log(AVOW_LOG_WARNING, "proposal-refused", "code=%s text=\"%s\"",
                 avow_err_name(err.code), err.text);
        avow_call_fail(c, &err);
        avow_formation_unref(f);
        return;
    }
    f->next = fs->first;
    fs->first = f;
    fs->n++;
    avow_formation_wait(f, c);
}

static int check_own_entry(const struct avow_formation *f, const struct avow_member *m,
                           struct avow_error *err)
{
    uint8_t spki[32];
    const char *what = NULL;

    avow_leaf_spki(f->all->cfg.identity->leaf, spki);
    if (!avow_ct_equal(m->spki, spki, sizeof spki))
        what = "spki";
    else if (!avow_ct_equal(m->x25519, f->x25519_pub, sizeof f->x25519_pub))
        what = "x25519";
    else if (!avow_ct_equal(m->nonce, f->nonce, sizeof f->nonce))
        what = "nonce";
    if (what)
        return AVOW_FAIL(err, REFUSED, "the roster's %s of %s is not this node's own", what,
                         m->name);
    return 0;
}

static void answer_roster(struct avow_formation *f, struct avow_call *c)
{
    struct avow_error err = { 0 };
    json_t *reply = json_pack("{s:s%}", "bundle", avow_buf_cstr(&f->bundle), f->bundle.len);

    if (reply) {
        avow_call_reply(c, 200, reply);
        return;
    }
    AVOW_FAIL(&err, NOMEM, "out of memory");
    avow_call_fail(c, &err);
}

static void refuse_roster(struct avow_call *c, const struct avow_error *err)
{
    avow_log(AVOW_LOG_WARNING, "roster-refused", "code=%s text=\"%s\"", avow_err_name(err->code),
             err->text);
    if (c)
        avow_call_fail(c, err);
}

/* As if there had been no roster. */
static void forget_roster(struct avow_formation *f)
{
    avow_roster_done(&f->roster);
    avow_buf_reset(&f->bundle);
    f->state = AVOW_FORMATION_PROPOSED;
}

static void on_evidence(void *ctx, struct avow_buf *bundle, const struct avow_error *why)
{
    struct avow_formation *f = ctx;
    struct avow_call *c = f->call;
    struct avow_error err = *why;

    if (!f->deleted) {
        f->call = NULL;
        f->touched_ns = avow_now_ns();
        if (bundle &&
            (avow_buf_put_bytes(&f->bundle, avow_buf_view(bundle)) < 0 || avow_pairs_new(f) < 0))
            AVOW_FAIL(&err, NOMEM, "out of memory");
        if (err.code) {
            forget_roster(f);
            refuse_roster(c, &err);
        } else {
            f->state = AVOW_FORMATION_ROSTERED;
            if (c)
                answer_roster(f, c);
        }
    }
    avow_formation_unref(f);
}

/* Own evidence over the roster with digest @h, which is known to be right. */
static int begin_quote(struct avow_formation *f, const uint8_t h[32], struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf statement = AVOW_BUF(AVOW_STATEMENT_MAX);
    const struct avow_formations_config *cfg = &f->all->cfg;

    AVOW_TRY(
        avow_formation_statement(h, f->proposal.seats[f->proposal.self].name, &statement, err));
    avow_buf_reset(&f->bundle);
    AVOW_TRY(avow_identity_quote(cfg->identity, cfg->metrics, avow_buf_view(&statement),
                                 on_evidence, f, err));
    avow_formation_ref(f);
    return 0;
}

/* One roster, one bundle: whoever asks again with the same text gets the same. */
static int join(struct avow_formation *f, struct avow_call *c, const char *text,
                struct avow_error *err)
{
    avow_auto(avow_roster_done) struct avow_roster r = { 0 };
    uint8_t h[32];

    AVOW_TRY(avow_roster_parse(avow_bytes_str(text), &r, err));
    AVOW_TRY(avow_proposal_match(&f->proposal, &r, err));
    AVOW_TRY(check_own_entry(f, &r.members[f->proposal.self], err));
    if (avow_sha256(avow_bytes_str(text), h) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    if (f->state == AVOW_FORMATION_ROSTERED) {
        if (!avow_ct_equal(h, f->h, sizeof h))
            return AVOW_FAIL(err, STATE, "formation %s has another roster already",
                             f->proposal.uuid);
        answer_roster(f, c);
        return 0;
    }
    AVOW_TRY(begin_quote(f, h, err));
    memcpy(f->h, h, sizeof h);
    f->roster = r;
    r.members = NULL;
    f->state = AVOW_FORMATION_QUOTING;
    avow_formation_wait(f, c);
    return 0;
}

static int on_roster(struct avow_formations *fs, struct avow_call *c, struct avow_error *err)
{
    static const char *const known[] = { "formation", "roster", NULL };
    struct avow_formation *f = NULL;
    const char *text = NULL;

    AVOW_TRY(avow_json_only(avow_call_json(c), known, err));
    AVOW_TRY(avow_json_get_str(avow_call_json(c), "roster", &text, err));
    AVOW_TRY(avow_formation_of_call(
        fs, c, 1u << AVOW_FORMATION_PROPOSED | 1u << AVOW_FORMATION_ROSTERED, &f, err));
    return join(f, c, text, err);
}

void avow_formation_on_roster(void *ctx, struct avow_call *c)
{
    struct avow_error err = { 0 };

    if (on_roster(ctx, c, &err) < 0)
        refuse_roster(c, &err);
}
