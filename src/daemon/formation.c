#include "daemon/formation.h"

#include <stdlib.h>

#include "daemon/formation_internal.h"
#include "serve/log.h"

#define SWEEP_S 5

const char *avow_formation_state_name(enum avow_formation_state s)
{
    switch (s) {
    case AVOW_FORMATION_RESOLVING:
        return "resolving";
    case AVOW_FORMATION_PROPOSED:
        return "proposed";
    case AVOW_FORMATION_QUOTING:
        return "quoting";
    case AVOW_FORMATION_ROSTERED:
        return "rostered";
    case AVOW_FORMATION_VERIFYING:
        return "verifying";
    case AVOW_FORMATION_VERIFIED:
        return "verified";
    case AVOW_FORMATION_CONFIRMING:
        return "confirming";
    case AVOW_FORMATION_FORMED:
        return "formed";
    case AVOW_FORMATION_FAILED:
        return "failed";
    }
    return "unknown";
}

struct avow_formation *avow_formation_ref(struct avow_formation *f)
{
    f->refs++;
    return f;
}

static void formation_free(struct avow_formation *f)
{
    avow_pairs_free(f);
    avow_key_wipe(&f->x25519);
    event_del(&f->confirm_deadline);
    avow_judged_free(f->judged, f->proposal.n);
    json_decref(f->verdicts);
    avow_roster_done(&f->roster);
    avow_buf_done(&f->bundle);
    avow_proposal_done(&f->proposal);
    free(f);
}

void avow_formation_unref(struct avow_formation *f)
{
    if (--f->refs == 0)
        formation_free(f);
}

static void take_off_table(struct avow_formation *f)
{
    struct avow_formation **p = &f->all->first;

    while (*p != f)
        p = &(*p)->next;
    *p = f->next;
    f->all->n--;
}

void avow_formation_delete(struct avow_formation *f, const char *why)
{
    struct avow_error err = { 0 };
    struct avow_call *c = f->call;

    if (f->deleted)
        return;
    f->deleted = true;
    avow_log(AVOW_LOG_INFO, "formation-deleted", "formation=%s epoch=%llu state=%s why=\"%s\"",
             f->proposal.uuid, (unsigned long long)f->proposal.epoch,
             avow_formation_state_name(f->state), why);
    take_off_table(f);
    event_del(&f->confirm_deadline);
    avow_pairs_free(f);
    avow_key_wipe(&f->x25519);
    f->call = NULL;
    if (c) {
        AVOW_FAIL(&err, STATE, "formation %s was deleted meanwhile", f->proposal.uuid);
        avow_call_fail(c, &err);
    }
    avow_formation_unref(f);
}

static void on_caller_gone(void *ctx)
{
    struct avow_formation *f = ctx;

    f->call = NULL;
}

void avow_formation_wait(struct avow_formation *f, struct avow_call *c)
{
    f->call = c;
    avow_call_defer(c, on_caller_gone, f);
}

struct avow_formation *avow_formation_find(struct avow_formations *fs, const char *uuid)
{
    for (struct avow_formation *f = fs->first; f; f = f->next)
        if (strcmp(f->proposal.uuid, uuid) == 0)
            return f;
    return NULL;
}

/* Another client's formation is not even said to exist. */
static int find_owned(struct avow_formations *fs, struct avow_call *c, const char *uuid,
                      struct avow_formation **out, struct avow_error *err)
{
    struct avow_formation *f = NULL;

    if (!avow_uuid_ok(uuid))
        return AVOW_FAIL(err, FORMAT, "formation is not a lower-case UUID");
    f = avow_formation_find(fs, uuid);
    if (!f || memcmp(f->owner, avow_call_client_spki(c), 32) != 0)
        return AVOW_FAIL(err, NOTFOUND, "formation %s", uuid);
    f->touched_ns = avow_now_ns();
    *out = f;
    return 0;
}

int avow_formation_of_call(struct avow_formations *fs, struct avow_call *c, unsigned states,
                           struct avow_formation **out, struct avow_error *err)
{
    const char *uuid = NULL;

    AVOW_TRY(avow_json_get_str(avow_call_json(c), "formation", &uuid, err));
    AVOW_TRY(find_owned(fs, c, uuid, out, err));
    if (!(states & 1u << (*out)->state) || (*out)->call)
        return AVOW_FAIL(err, STATE, "formation %s is %s", uuid,
                         avow_formation_state_name((*out)->state));
    return 0;
}

static void on_delete(void *ctx, struct avow_call *c)
{
    struct avow_formation *f = NULL;
    struct avow_error err = { 0 };

    if (find_owned(ctx, c, avow_call_param(c, "formation"), &f, &err) == 0 && f->holds)
        AVOW_FAIL(&err, STATE, "a job still uses formation %s", f->proposal.uuid);
    if (err.code) {
        avow_call_fail(c, &err);
        return;
    }
    avow_formation_delete(f, "its owner asked for it");
    avow_call_reply(c, 200, json_object());
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct avow_formations *fs = arg;
    struct avow_formation *next = NULL;
    uint64_t now = avow_now_ns();

    (void)fd;
    (void)what;
    for (struct avow_formation *f = fs->first; f; f = next) {
        next = f->next;
        if (!f->holds && now - f->touched_ns > (uint64_t)AVOW_FORMATION_IDLE_S * 1000000000u)
            avow_formation_delete(f, "not used for a long time");
    }
}

int avow_formations_new(const struct avow_formations_config *cfg, struct avow_formations **out,
                        struct avow_error *err)
{
    const struct timeval every = { .tv_sec = SWEEP_S };
    struct avow_formations *fs = calloc(1, sizeof *fs);
    struct avow_http *h = cfg->http;

    if (!fs)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    fs->cfg = *cfg;
    avow_caches_init(&fs->caches);
    avow_quiet_init(&fs->not_linked, cfg->base, AVOW_LOG_WARNING, "link-refused");
    event_assign(&fs->sweep, cfg->base, -1, EV_PERSIST, on_sweep, fs);
    event_add(&fs->sweep, &every);
    avow_http_route(h, "POST", "/v1/mutual-attestation/propose", 0, avow_formation_on_propose, fs);
    avow_http_route(h, "POST", "/v1/mutual-attestation/roster", 0, avow_formation_on_roster, fs);
    avow_http_route(h, "POST", "/v1/mutual-attestation/verify", 0, avow_formation_on_verify, fs);
    avow_http_route(h, "POST", "/v1/mutual-attestation/confirm", 0, avow_formation_on_confirm, fs);
    avow_http_route(h, "DELETE", "/v1/mutual-attestation/{formation}", 0, on_delete, fs);
    *out = fs;
    return 0;
}

void avow_formations_free(struct avow_formations *fs)
{
    if (!fs)
        return;
    while (fs->first)
        avow_formation_delete(fs->first, "the daemon stops");
    event_del(&fs->sweep);
    avow_quiet_done(&fs->not_linked);
    avow_caches_done(&fs->caches);
    free(fs);
}

void avow_formations_set_user(struct avow_formations *fs, const struct avow_formation_user *u)
{
    fs->user = *u;
}

bool avow_formation_formed(const struct avow_formation *f)
{
    return f->state == AVOW_FORMATION_FORMED;
}

const struct avow_roster *avow_formation_roster(const struct avow_formation *f)
{
    return &f->roster;
}

uint32_t avow_formation_self(const struct avow_formation *f)
{
    return f->proposal.self;
}

struct avow_bytes avow_formation_manifest(const struct avow_formation *f)
{
    return avow_buf_view(&f->proposal.manifest);
}

bool avow_formation_simulated(const struct avow_formation *f)
{
    return f->simulated;
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
    return f->pairs && node < f->proposal.n && node != f->proposal.self ? &f->pairs[node].prk
                                                                        : NULL;
}

int avow_formation_addr(const struct avow_formation *f, uint32_t node,
                        struct sockaddr_storage *addr, socklen_t *len)
{
    if (node >= f->proposal.n || !f->proposal.seats[node].addr_len)
        return -AVOW_E_NOTFOUND;
    *addr = f->proposal.seats[node].addr;
    *len = f->proposal.seats[node].addr_len;
    return 0;
}

int avow_formation_send(struct avow_formation *f, uint32_t node, uint8_t type,
                        struct avow_bytes payload)
{
    if (!f->pairs || node >= f->proposal.n || node == f->proposal.self ||
        type < AVOW_FRAME_USER_MIN)
        return -AVOW_E_INVAL;
    if (f->pairs[node].state != AVOW_PAIR_CONFIRMED || !f->pairs[node].link)
        return -AVOW_E_PEERLOST;
    return avow_link_send(f->pairs[node].link, type, payload);
}

void avow_formation_hold(struct avow_formation *f)
{
    f->holds++;
    avow_formation_ref(f);
}

void avow_formation_release(struct avow_formation *f)
{
    f->holds--;
    f->touched_ns = avow_now_ns();
    avow_formation_unref(f);
}
