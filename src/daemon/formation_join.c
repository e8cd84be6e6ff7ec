/* Propose and roster: what this node lets itself be made part of. */
#include <netdb.h>
#include <stdlib.h>

#include "codec/text.h"
#include "crypto/hash.h"
#include "daemon/formation_internal.h"
#include "daemon/log.h"
#include "job/manifest.h"

struct proposal {
    const char *uuid, *manifest, *policy, *member;
    int64_t epoch;
    json_t *members;
};

static int read_proposal(const json_t *body, struct proposal *p, struct avow_error *err)
{
    static const char *const known[] = { "formation", "epoch",   "manifest", "policy",
                                         "member",    "members", NULL };

    AVOW_TRY(avow_json_only(body, known, err));
    AVOW_TRY(avow_json_get_str(body, "formation", &p->uuid, err));
    AVOW_TRY(avow_json_get_int(body, "epoch", 1, INT64_MAX, &p->epoch, err));
    AVOW_TRY(avow_json_get_str(body, "manifest", &p->manifest, err));
    AVOW_TRY(avow_json_get_str(body, "policy", &p->policy, err));
    AVOW_TRY(avow_json_get_str(body, "member", &p->member, err));
    AVOW_TRY(avow_json_get_array(body, "members", AVOW_MEMBERS_MAX, &p->members, err));
    if (!avow_uuid_ok(p->uuid))
        return AVOW_FAIL(err, FORMAT, "formation is not a lower-case UUID");
    if (json_array_size(p->members) < 2)
        return AVOW_FAIL(err, FORMAT, "a formation has at least two members");
    return 0;
}

static int read_seat(const json_t *j, struct avow_seat *s, struct avow_error *err)
{
    static const char *const known[] = { "name", "tee", "address", NULL };
    const char *name = NULL;
    const char *tee = NULL;
    const char *address = NULL;

    if (!json_is_object(j))
        return AVOW_FAIL(err, FORMAT, "a member is not an object");
    AVOW_TRY(avow_json_only(j, known, err));
    AVOW_TRY(avow_json_get_str(j, "name", &name, err));
    AVOW_TRY(avow_json_get_str(j, "tee", &tee, err));
    AVOW_TRY(avow_json_get_str(j, "address", &address, err));
    if (!avow_member_name_ok(name))
        return AVOW_FAIL(err, FORMAT, "\"%.80s\" is not a member's name", name);
    s->tee = avow_tee_from_name(tee);
    if (s->tee == AVOW_TEE_NONE)
        return AVOW_FAIL(err, FORMAT, "member %s: \"%.20s\" is not a TEE", name, tee);
    if (strlen(address) > AVOW_ADDRESS_MAX || !strrchr(address, ':'))
        return AVOW_FAIL(err, FORMAT, "member %s: its address is not host:port", name);
    memcpy(s->name, name, strlen(name) + 1);
    memcpy(s->address, address, strlen(address) + 1);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct avow_seat *)a)->name, ((const struct avow_seat *)b)->name);
}

static int read_seats(struct avow_formation *f, const json_t *members, struct avow_error *err)
{
    json_t *item = NULL;
    size_t i = 0;

    f->n = json_array_size(members);
    f->seats = calloc(f->n, sizeof *f->seats);
    if (!f->seats)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    json_array_foreach(members, i, item)
        AVOW_TRY(read_seat(item, &f->seats[i], err));
    qsort(f->seats, f->n, sizeof *f->seats, by_name);
    for (i = 1; i < f->n; i++)
        if (strcmp(f->seats[i - 1].name, f->seats[i].name) == 0)
            return AVOW_FAIL(err, EXISTS, "two members are called %s", f->seats[i].name);
    return 0;
}

/* The member that we are meant to be must be what we are. */
static int find_self(struct avow_formation *f, const char *member, struct avow_error *err)
{
    const struct avow_identity *id = f->all->cfg.identity;
    enum avow_tee tee = avow_source_ops(id->source)->tee;

    if (strcmp(member, id->name) != 0)
        return AVOW_FAIL(err, REFUSED, "this node is %s, not %.80s", id->name, member);
    for (uint32_t i = 0; i < f->n; i++) {
        if (strcmp(f->seats[i].name, member) != 0)
            continue;
        if (f->seats[i].tee != tee)
            return AVOW_FAIL(err, REFUSED, "%s is %s, not %s", member, avow_tee_name(tee),
                             avow_tee_name(f->seats[i].tee));
        f->self = i;
        return 0;
    }
    return AVOW_FAIL(err, REFUSED, "%s is not among the members", member);
}

/* The job's nodes are the formation's members, no more and no fewer. */
static int check_manifest(struct avow_formation *f, const char *text, struct avow_error *err)
{
    avow_auto(avow_manifest_done) struct avow_manifest m = { 0 };

    if (avow_manifest_parse(avow_bytes_str(text), &m, err) < 0)
        return avow_error_prefix(err, "manifest");
    if (m.n_nodes != f->n)
        return AVOW_FAIL(err, FORMAT, "%zu nodes in the manifest, %zu members", m.n_nodes, f->n);
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(m.nodes[i].name, f->seats[i].name) != 0 ||
            strcmp(m.nodes[i].tee, avow_tee_name(f->seats[i].tee)) != 0)
            return AVOW_FAIL(err, FORMAT, "node %s (%s) of the manifest, member %s (%s)",
                             m.nodes[i].name, m.nodes[i].tee, f->seats[i].name,
                             avow_tee_name(f->seats[i].tee));
    avow_buf_put_str(&f->manifest, text);
    AVOW_TRY(avow_buf_ok(&f->manifest, err));
    if (avow_sha256(avow_bytes_str(text), f->manifest_digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    return 0;
}

static int check_policy(struct avow_formation *f, const char *text, struct avow_error *err)
{
    struct avow_bytes bytes = avow_bytes_str(text);

    if (bytes.len > AVOW_POLICY_MAX)
        return AVOW_FAIL(err, LIMIT, "policy of %zu bytes (at most %u)", bytes.len,
                         AVOW_POLICY_MAX);
    if (avow_json_check_canonical(bytes, err) < 0 || avow_policy_parse(bytes, &f->policy, err) < 0)
        return avow_error_prefix(err, "policy");
    if (avow_sha256(bytes, f->policy_digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    return 0;
}

/* Room for it: no older epoch in use, and not too many others. */
static int make_room(struct avow_formations *fs, const struct avow_formation *f,
                     struct avow_error *err)
{
    struct avow_formation *old = avow_formation_find(fs, f->uuid);

    if (old && memcmp(old->owner, f->owner, 32) != 0)
        return AVOW_FAIL(err, EXISTS, "formation %s", f->uuid);
    if (old && old->holds)
        return AVOW_FAIL(err, STATE, "a job still uses formation %s", f->uuid);
    /* the same epoch again is fine as long as no evidence names it */
    if (old && (old->epoch > f->epoch ||
                (old->epoch == f->epoch && old->state != AVOW_FORMATION_PROPOSED)))
        return AVOW_FAIL(err, EXISTS, "formation %s is at epoch %llu", f->uuid,
                         (unsigned long long)old->epoch);
    if (!old && fs->n >= AVOW_FORMATIONS_MAX)
        return AVOW_FAIL(err, BUSY, "%zu formations at once", fs->n);
    if (old)
        avow_formation_delete(old, "another epoch takes its place");
    return 0;
}

/* "host:port", "[v6]:port". May ask the resolver: worker threads only. */
static int resolve(struct avow_seat *s, struct avow_error *err)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG };
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

    for (uint32_t i = 0; i < f->n; i++)
        if (i != f->self && resolve(&f->seats[i], &f->resolve_err) < 0)
            return;
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
                       avow_tee_name(f->seats[f->self].tee), "spki", spki_hex, "x25519", x25519_hex,
                       "nonce", nonce_hex);
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
                 f->uuid, (unsigned long long)f->epoch, f->n);
        if (c)
            avow_call_reply(c, 200, reply);
        else
            json_decref(reply);
    } else {
        if (c && !err.code)
            AVOW_FAIL(&err, STATE, "formation %s was deleted meanwhile", f->uuid);
        if (c)
            avow_call_fail(c, &err);
        avow_formation_delete(f, err.text);
    }
    avow_formation_unref(f);
}

static int propose(struct avow_formations *fs, struct avow_call *c, struct avow_formation *f,
                   struct avow_error *err)
{
    struct proposal p = { 0 };

    AVOW_TRY(read_proposal(avow_call_json(c), &p, err));
    memcpy(f->uuid, p.uuid, sizeof f->uuid);
    f->epoch = (uint64_t)p.epoch;
    memcpy(f->owner, avow_call_client_spki(c), 32);
    AVOW_TRY(read_seats(f, p.members, err));
    AVOW_TRY(find_self(f, p.member, err));
    AVOW_TRY(check_manifest(f, p.manifest, err));
    AVOW_TRY(check_policy(f, p.policy, err));
    AVOW_TRY(make_room(fs, f, err));
    if (avow_pool_submit(fs->cfg.pool, resolve_all, on_resolved, f) < 0)
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
    f->manifest = AVOW_BUF(AVOW_MANIFEST_MAX);
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

static int check_roster(const struct avow_formation *f, const struct avow_roster *r,
                        struct avow_error *err)
{
    if (strcmp(r->formation, f->uuid) != 0 || r->epoch != f->epoch)
        return AVOW_FAIL(err, REFUSED, "roster of formation %s epoch %llu, proposed: epoch %llu",
                         r->formation, (unsigned long long)r->epoch, (unsigned long long)f->epoch);
    if (!avow_ct_equal(r->manifest, f->manifest_digest, 32))
        return AVOW_FAIL(err, REFUSED, "the roster names another manifest than was proposed");
    if (!avow_ct_equal(r->policy, f->policy_digest, 32))
        return AVOW_FAIL(err, REFUSED, "the roster names another policy than was proposed");
    if (r->n != f->n)
        return AVOW_FAIL(err, REFUSED, "%zu members in the roster, %zu were proposed", r->n, f->n);
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->members[i].name, f->seats[i].name) != 0 ||
            r->members[i].tee != f->seats[i].tee)
            return AVOW_FAIL(err, REFUSED, "member %s (%s) in the roster, %s (%s) was proposed",
                             r->members[i].name, avow_tee_name(r->members[i].tee), f->seats[i].name,
                             avow_tee_name(f->seats[i].tee));
    return check_own_entry(f, &r->members[f->self], err);
}

/* One roster, one bundle: whoever asks again with the same text gets the same. */
static int join(struct avow_formation *f, const char *text, struct avow_error *err)
{
    avow_auto(avow_roster_done) struct avow_roster r = { 0 };
    avow_auto(avow_buf_done) struct avow_buf statement = AVOW_BUF(AVOW_STATEMENT_MAX);
    uint8_t h[32];

    AVOW_TRY(avow_roster_parse(avow_bytes_str(text), &r, err));
    AVOW_TRY(check_roster(f, &r, err));
    if (avow_sha256(avow_bytes_str(text), h) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    if (f->state == AVOW_FORMATION_ROSTERED) {
        if (!avow_ct_equal(h, f->h, sizeof h))
            return AVOW_FAIL(err, STATE, "formation %s has another roster already", f->uuid);
        return 0;
    }
    AVOW_TRY(avow_formation_statement(h, f->seats[f->self].name, &statement, err));
    avow_buf_reset(&f->bundle);
    AVOW_TRY(avow_identity_bundle(f->all->cfg.identity, f->all->cfg.metrics,
                                  avow_buf_view(&statement), &f->bundle, err));
    if (avow_pairs_new(f) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    memcpy(f->h, h, sizeof h);
    f->roster = r;
    r.members = NULL;
    f->state = AVOW_FORMATION_ROSTERED;
    return 0;
}

static int on_roster(struct avow_formations *fs, struct avow_call *c, json_t **reply,
                     struct avow_error *err)
{
    static const char *const known[] = { "formation", "roster", NULL };
    struct avow_formation *f = NULL;
    const char *text = NULL;

    AVOW_TRY(avow_json_only(avow_call_json(c), known, err));
    AVOW_TRY(avow_json_get_str(avow_call_json(c), "roster", &text, err));
    AVOW_TRY(avow_formation_of_call(
        fs, c, 1u << AVOW_FORMATION_PROPOSED | 1u << AVOW_FORMATION_ROSTERED, &f, err));
    AVOW_TRY(join(f, text, err));
    *reply = json_pack("{s:s%}", "bundle", avow_buf_cstr(&f->bundle), f->bundle.len);
    return *reply ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

void avow_formation_on_roster(void *ctx, struct avow_call *c)
{
    struct avow_error err = { 0 };
    json_t *reply = NULL;

    if (on_roster(ctx, c, &reply, &err) < 0) {
        avow_log(AVOW_LOG_WARNING, "roster-refused", "code=%s text=\"%s\"", avow_err_name(err.code),
                 err.text);
        avow_call_fail(c, &err);
        return;
    }
    avow_call_reply(c, 200, reply);
}
