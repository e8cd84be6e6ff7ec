/*
 * Pairs: their secrets, the links that confirm them, and what becomes of the links afterwards. Of
 * each pair the member whose name sorts first connects (role "client").
 */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/formation_internal.h"
#include "serve/log.h"

static void pair_connect(struct avow_pair *p);

int avow_pairs_make(struct avow_formation *f, uint32_t *who, struct avow_error *err)
{
    /* links may have come before: then the pairs are there, without a secret */
    for (uint32_t i = 0; i < f->proposal.n; i++) {
        *who = i;
        if (i != f->proposal.self)
            AVOW_TRY(avow_pair_prk(f->h, &f->x25519, f->roster.members[i].x25519, &f->pairs[i].prk,
                                   err));
    }
    avow_key_wipe(&f->x25519);
    return 0;
}

void avow_pairs_free(struct avow_formation *f)
{
    for (uint32_t i = 0; f->pairs && i < f->proposal.n; i++) {
        if (f->pairs[i].link)
            avow_link_close(f->pairs[i].link);
        event_del(&f->pairs[i].retry);
        avow_key_wipe(&f->pairs[i].prk);
    }
    free(f->pairs);
    f->pairs = NULL;
}

static const char *peer_name(const struct avow_pair *p)
{
    return p->formation->proposal.seats[p->index].name;
}

static bool has_ended(const struct avow_formation *f)
{
    for (uint32_t i = 0; i < f->proposal.n; i++)
        if (i != f->proposal.self && f->pairs[i].state == AVOW_PAIR_WAITING)
            return false;
    return true;
}

static bool all_confirmed(const struct avow_formation *f)
{
    for (uint32_t i = 0; i < f->proposal.n; i++)
        if (i != f->proposal.self && f->pairs[i].state != AVOW_PAIR_CONFIRMED)
            return false;
    return true;
}

static json_t *pair_json(const struct avow_pair *p)
{
    if (p->state == AVOW_PAIR_CONFIRMED)
        return json_pack("{s:s,s:s,s:f}", "peer", peer_name(p), "state", "confirmed", "ms", p->ms);
    return json_pack("{s:s,s:s,s:s,s:s,s:f}", "peer", peer_name(p), "state", "failed", "code",
                     avow_err_name(p->code), "message", p->text, "ms", p->ms);
}

static void answer_confirm(struct avow_formation *f, struct avow_call *c)
{
    struct avow_error err = { 0 };
    json_t *pairs = json_array();
    bool ok = pairs != NULL;

    for (uint32_t i = 0; i < f->proposal.n; i++)
        if (i != f->proposal.self)
            ok = ok && json_array_append_new(pairs, pair_json(&f->pairs[i])) == 0;
    if (!ok) {
        json_decref(pairs);
        AVOW_FAIL(&err, NOMEM, "out of memory");
        avow_call_fail(c, &err);
        return;
    }
    avow_call_reply(c, 200,
                    json_pack("{s:b,s:o}", "formed", avow_formation_formed(f), "pairs", pairs));
}

/* After a pair changed: is the formation formed, or failed, and who waits to hear it? */
static void look_at_pairs(struct avow_formation *f)
{
    struct avow_call *c = f->call;

    if (!has_ended(f))
        return;
    if (f->state == AVOW_FORMATION_VERIFIED || f->state == AVOW_FORMATION_CONFIRMING) {
        bool formed = all_confirmed(f);

        f->state = formed ? AVOW_FORMATION_FORMED : AVOW_FORMATION_FAILED;
        f->touched_ns = avow_now_ns();
        event_del(&f->confirm_deadline);
        avow_log(formed ? AVOW_LOG_NOTICE : AVOW_LOG_WARNING,
                 formed ? "formation-formed" : "formation-failed",
                 "formation=%s epoch=%llu members=%zu simulated=%d", f->proposal.uuid,
                 (unsigned long long)f->proposal.epoch, f->proposal.n, f->simulated);
        avow_metrics_count(f->all->cfg.metrics, "formations", "Formations by outcome",
                           formed ? "result=formed" : "result=failed", 1);
    }
    f->call = NULL;
    if (c)
        answer_confirm(f, c);
}

static void pair_failed(struct avow_pair *p, int code, const char *text)
{
    struct avow_formation *f = p->formation;

    event_del(&p->retry);
    p->state = AVOW_PAIR_FAILED;
    p->code = code;
    p->ms = p->since_ns ? (double)(avow_now_ns() - p->since_ns) / 1e6 : 0;
    snprintf(p->text, sizeof p->text, "%.191s", text);
    avow_log(AVOW_LOG_WARNING, "pair-failed", "formation=%s peer=%s code=%s text=\"%s\"",
             f->proposal.uuid, peer_name(p), avow_err_name(code), text);
    avow_metrics_count(f->all->cfg.metrics, "pairs", "Pairs of nodes by outcome", "result=failed",
                       1);
}

/* The other side proved that it holds the pair's secret, on this very connection. */
static void pair_confirmed(struct avow_pair *p)
{
    struct avow_formation *f = p->formation;

    event_del(&p->retry);
    avow_link_up(p->link);
    p->state = AVOW_PAIR_CONFIRMED;
    p->ms = (double)(avow_now_ns() - p->since_ns) / 1e6;
    avow_log(AVOW_LOG_INFO, "pair-confirmed", "formation=%s peer=%s ms=%.2f", f->proposal.uuid,
             peer_name(p), p->ms);
    avow_metrics_count(f->all->cfg.metrics, "pairs", "Pairs of nodes by outcome",
                       "result=confirmed", 1);
    look_at_pairs(f);
}

static void fail_link(struct avow_pair *p, int code, const char *text)
{
    avow_link_close(p->link);
    p->link = NULL;
    pair_failed(p, code, text);
    look_at_pairs(p->formation);
}

static int pair_mac(const struct avow_pair *p, const char *role, uint8_t mac[32],
                    struct avow_error *err)
{
    uint8_t exporter[32];

    AVOW_TRY(avow_tls_export(avow_link_ssl(p->link), AVOW_EXPORTER_CONNECTION, AVOW_BYTES(NULL, 0),
                             exporter, err));
    if (avow_pair_confirm(&p->prk, role, exporter, p->formation->h, mac) < 0)
        return AVOW_FAIL(err, CRYPTO, "HMAC failed");
    return 0;
}

static int check_pin(const struct avow_formation *f, uint32_t index, struct avow_link *l,
                     struct avow_error *err)
{
    uint8_t spki[32];

    AVOW_TRY(avow_tls_peer_spki(avow_link_ssl(l), spki, err));
    if (!avow_ct_equal(spki, f->roster.members[index].spki, sizeof spki))
        return AVOW_FAIL(err, AUTH, "the key at the address of %s is not that of the roster",
                         f->proposal.seats[index].name);
    return 0;
}

/* TLS stands: pin the peer, then say who we are and prove it. */
static int introduce(struct avow_pair *p, struct avow_error *err)
{
    struct avow_formation *f = p->formation;
    avow_auto(avow_buf_done) struct avow_buf payload = AVOW_BUF(AVOW_FRAME_EARLY_MAX);
    struct avow_hello hello = { .epoch = f->proposal.epoch };
    uint8_t mac[32];

    memcpy(hello.formation, f->proposal.uuid, sizeof hello.formation);
    memcpy(hello.member, f->proposal.seats[f->proposal.self].name, sizeof hello.member);
    AVOW_TRY(check_pin(f, p->index, p->link, err));
    AVOW_TRY(avow_hello_emit(&hello, &payload, err));
    AVOW_TRY(pair_mac(p, "client", mac, err));
    if (avow_link_send(p->link, AVOW_FRAME_HELLO, avow_buf_view(&payload)) < 0 ||
        avow_link_send(p->link, AVOW_FRAME_CONFIRM, AVOW_BYTES_OF(mac)) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    return 0;
}

static void on_ready(void *ctx, struct avow_link *l)
{
    struct avow_pair *p = ctx;
    struct avow_error err = { 0 };

    (void)l;
    if (introduce(p, &err) < 0)
        fail_link(p, err.code, err.text);
}

/* We connected: the answer to our CONFIRM. */
static void on_answer(struct avow_pair *p, uint8_t type, struct avow_bytes payload)
{
    struct avow_error err = { 0 };
    uint8_t mac[32];

    if (type != AVOW_FRAME_CONFIRM || payload.len != sizeof mac) {
        fail_link(p, AVOW_E_PROTOCOL, "an unexpected frame in place of CONFIRM");
        return;
    }
    if (pair_mac(p, "server", mac, &err) < 0) {
        fail_link(p, err.code, err.text);
        return;
    }
    if (!avow_ct_equal(mac, payload.data, sizeof mac)) {
        fail_link(p, AVOW_E_AUTH, "the peer does not hold the pair's secret");
        return;
    }
    pair_confirmed(p);
}

static void on_frame(void *ctx, struct avow_link *l, uint8_t type, struct avow_bytes payload)
{
    struct avow_pair *p = ctx;
    struct avow_formation *f = p->formation;
    const struct avow_formation_user *user = &f->all->user;

    if (p->state == AVOW_PAIR_CONFIRMED && type >= AVOW_FRAME_USER_MIN) {
        if (user->message)
            user->message(user->ctx, f, p->index, type, payload);
    } else if (p->state == AVOW_PAIR_WAITING && f->proposal.self < p->index) {
        on_answer(p, type, payload);
    } else {
        /* the link goes as if it had been lost */
        p->link = NULL;
        avow_link_close(l);
        pair_failed(p, AVOW_E_PROTOCOL, "an unexpected frame");
        if (f->state == AVOW_FORMATION_FORMED)
            f->state = AVOW_FORMATION_FAILED;
        look_at_pairs(f);
        if (user->lost)
            user->lost(user->ctx, f, p->index, p->text);
    }
}

static void on_lost(struct avow_pair *p, const char *why)
{
    struct avow_formation *f = p->formation;
    const struct avow_formation_user *user = &f->all->user;
    char text[192];

    snprintf(text, sizeof text, "link to %s lost: %s", peer_name(p), why);
    pair_failed(p, AVOW_E_PEERLOST, text);
    f->state = AVOW_FORMATION_FAILED;
    avow_metrics_count(f->all->cfg.metrics, "peers_lost", "Confirmed links that broke", NULL, 1);
    look_at_pairs(f);
    if (user->lost)
        user->lost(user->ctx, f, p->index, text);
}

static void on_closed(void *ctx, struct avow_link *l, bool early, const char *why)
{
    const struct timeval soon = { .tv_usec = AVOW_CONNECT_RETRY_MS * 1000 };
    struct avow_pair *p = ctx;

    (void)l;
    p->link = NULL;
    p->has_mac = false;
    if (p->state == AVOW_PAIR_CONFIRMED) {
        on_lost(p, why);
        return;
    }
    snprintf(p->text, sizeof p->text, "%.191s", why); /* in case that the deadline comes */
    if (p->state != AVOW_PAIR_WAITING || p->formation->proposal.self > p->index)
        return; /* whoever connects to us may try again */
    if (early) {
        event_add(&p->retry, &soon);
        return;
    }
    pair_failed(p, AVOW_E_NETWORK, why);
    look_at_pairs(p->formation);
}

static const struct avow_link_events pair_events = {
    .ready = on_ready,
    .frame = on_frame,
    .closed = on_closed,
};

static void pair_connect(struct avow_pair *p)
{
    const struct timeval soon = { .tv_usec = AVOW_CONNECT_RETRY_MS * 1000 };
    struct avow_formation *f = p->formation;
    const struct avow_seat *s = &f->proposal.seats[p->index];
    struct avow_error err = { 0 };

    if (p->link || p->state != AVOW_PAIR_WAITING)
        return;
    if (avow_link_connect(f->all->cfg.peers, (const struct sockaddr *)&s->addr, s->addr_len,
                          &pair_events, p, &p->link, &err) < 0) {
        snprintf(p->text, sizeof p->text, "%.191s", err.text);
        event_add(&p->retry, &soon);
    }
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pair_connect(arg);
}

/* The peer connected to us and its CONFIRM is here; ours can be made only after verification. */
static void answer(struct avow_pair *p)
{
    struct avow_error err = { 0 };
    uint8_t mac[32];

    if (pair_mac(p, "client", mac, &err) < 0) {
        fail_link(p, err.code, err.text);
        return;
    }
    if (!avow_ct_equal(mac, p->mac, sizeof mac)) {
        fail_link(p, AVOW_E_AUTH, "the peer does not hold the pair's secret");
        return;
    }
    if (pair_mac(p, "server", mac, &err) < 0 ||
        avow_link_send(p->link, AVOW_FRAME_CONFIRM, AVOW_BYTES_OF(mac)) < 0) {
        fail_link(p, err.code ? err.code : AVOW_E_NOMEM, err.code ? err.text : "out of memory");
        return;
    }
    pair_confirmed(p);
}

void avow_pairs_answer(struct avow_formation *f)
{
    for (uint32_t i = 0; f->pairs && i < f->proposal.n; i++)
        if (f->pairs[i].link && f->pairs[i].has_mac && f->pairs[i].state == AVOW_PAIR_WAITING)
            answer(&f->pairs[i]);
}

static int find_incoming(struct avow_formations *fs, struct avow_link *l,
                         const struct avow_hello *hello, struct avow_pair **out,
                         struct avow_error *err)
{
    struct avow_formation *f = avow_formation_find(fs, hello->formation);
    int index = -1;

    if (!f || f->proposal.epoch != hello->epoch || !f->pairs)
        return AVOW_FAIL(err, NOTFOUND, "%s names formation %s epoch %llu, which is not here",
                         hello->member, hello->formation, (unsigned long long)hello->epoch);
    index = avow_roster_index(&f->roster, hello->member);
    if (index < 0 || (uint32_t)index >= f->proposal.self)
        return AVOW_FAIL(err, PROTOCOL, "it is not %s that connects to %s", hello->member,
                         f->proposal.seats[f->proposal.self].name);
    AVOW_TRY(check_pin(f, (uint32_t)index, l, err));
    *out = &f->pairs[index];
    if ((*out)->link || (*out)->state != AVOW_PAIR_WAITING)
        return AVOW_FAIL(err, STATE, "%s connected twice", hello->member);
    return 0;
}

void avow_formations_incoming(void *fs, struct avow_link *l, const struct avow_hello *hello,
                              const uint8_t mac[32])
{
    struct avow_pair *p = NULL;
    struct avow_error err = { 0 };

    if (find_incoming(fs, l, hello, &p, &err) < 0) {
        avow_quiet_log(&((struct avow_formations *)fs)->not_linked, "code=%s text=\"%s\"",
                       avow_err_name(err.code), err.text);
        avow_link_close(l);
        return;
    }
    avow_link_adopt(l, &pair_events, p);
    p->link = l;
    p->has_mac = true;
    memcpy(p->mac, mac, 32);
    if (!p->since_ns)
        p->since_ns = avow_now_ns();
    if (p->formation->state >= AVOW_FORMATION_VERIFIED)
        answer(p);
}

int avow_pairs_new(struct avow_formation *f)
{
    if (f->pairs)
        return 0;
    f->pairs = calloc(f->proposal.n, sizeof *f->pairs);
    if (!f->pairs)
        return -AVOW_E_NOMEM;
    for (uint32_t i = 0; i < f->proposal.n; i++) {
        f->pairs[i].formation = f;
        f->pairs[i].index = i;
        event_assign(&f->pairs[i].retry, f->all->cfg.base, -1, 0, on_retry, &f->pairs[i]);
    }
    return 0;
}

/* Whatever is still open has failed. */
static void give_up(struct avow_formation *f, int code, const char *why)
{
    for (uint32_t i = 0; i < f->proposal.n; i++) {
        struct avow_pair *p = &f->pairs[i];
        char text[256];

        if (i == f->proposal.self || p->state != AVOW_PAIR_WAITING)
            continue;
        snprintf(text, sizeof text, "%s%s%s", why, p->text[0] ? ": " : "", p->text);
        if (p->link)
            avow_link_close(p->link);
        p->link = NULL;
        pair_failed(p, code, text);
    }
    look_at_pairs(f);
}

void avow_formation_on_confirm_deadline(evutil_socket_t fd, short what, void *formation)
{
    (void)fd;
    (void)what;
    give_up(formation, AVOW_E_TIMEOUT, "not confirmed in time");
}

static void start(struct avow_formation *f)
{
    const struct timeval deadline = { .tv_sec = AVOW_CONFIRM_MS / 1000 };
    uint64_t now = avow_now_ns();

    f->state = AVOW_FORMATION_CONFIRMING;
    event_add(&f->confirm_deadline, &deadline);
    for (uint32_t i = 0; i < f->proposal.n; i++) {
        if (!f->pairs[i].since_ns)
            f->pairs[i].since_ns = now;
        if (i > f->proposal.self)
            pair_connect(&f->pairs[i]);
    }
}

void avow_formation_on_confirm(void *ctx, struct avow_call *c)
{
    static const char *const known[] = { "formation", NULL };
    struct avow_formation *f = NULL;
    struct avow_error err = { 0 };

    if (avow_json_only(avow_call_json(c), known, &err) < 0 ||
        avow_formation_of_call(ctx, c,
                               1u << AVOW_FORMATION_VERIFIED | 1u << AVOW_FORMATION_CONFIRMING |
                                   1u << AVOW_FORMATION_FORMED | 1u << AVOW_FORMATION_FAILED,
                               &f, &err) < 0) {
        avow_call_fail(c, &err);
        return;
    }
    if (f->state == AVOW_FORMATION_FAILED)
        give_up(f, AVOW_E_STATE, "another pair failed before");
    if (has_ended(f)) {
        answer_confirm(f, c);
        return;
    }
    avow_formation_wait(f, c);
    if (f->state == AVOW_FORMATION_VERIFIED)
        start(f);
}
