/* Step two, first half: the nodes prove themselves to each other (docs/protocols/formation.md). */
#include "client/client.h"
#include "codec/text.h"
#include "crypto/hash.h"
#include "group/roster.h"

#define EPOCH 1
#define PROPOSE "/v1/mutual-attestation/propose"
#define ROSTER "/v1/mutual-attestation/roster"
#define VERIFY "/v1/mutual-attestation/verify"
#define CONFIRM "/v1/mutual-attestation/confirm"
#define RELEASE_TIMEOUT_MS 5000
#define CONFIRM_TIMEOUT_MS 15000 /* the node answers within 10 s */

static int no_memory(struct avow_error *err)
{
    return AVOW_FAIL(err, NOMEM, "out of memory");
}

/* ---- propose ---- */

static json_t *member_list(const struct avow_client *c)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < c->n; i++) {
        const struct avow_node *n = &c->nodes[i];

        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", n->name, "tee",
                                                    avow_tee_name(n->expect), "address",
                                                    n->node_address));
    }
    return list;
}

/* What the node says of itself must be what was attested on the channel that it says it on. */
static int check_proposal(struct avow_node *n, const json_t *reply, struct avow_error *err)
{
    const char *name = NULL;
    const char *tee = NULL;
    uint8_t spki[32];

    AVOW_TRY(avow_json_get_str(reply, "name", &name, err));
    AVOW_TRY(avow_json_get_str(reply, "tee", &tee, err));
    AVOW_TRY(avow_json_get_hex(reply, "spki", spki, sizeof spki, err));
    if (strcmp(name, n->name) != 0)
        return AVOW_FAIL(err, PROTOCOL, "the node at %s is called %s, not %s", n->address, name,
                         n->name);
    if (avow_tee_from_name(tee) != n->verdict.tee)
        return AVOW_FAIL(err, PROTOCOL, "says that it is %s, but its evidence is %s", tee,
                         avow_tee_name(n->verdict.tee));
    if (!avow_ct_equal(spki, n->spki, sizeof spki))
        return AVOW_FAIL(err, AUTH, "names another key than the one that it attested");
    return 0;
}

static int propose(struct avow_node *n, void *ctx, struct avow_error *err)
{
    struct avow_client *c = n->client;
    avow_autojson json_t *reply = NULL;
    avow_autojson json_t *body = json_pack(
        "{s:s, s:i, s:s, s:s, s:s, s:O}", "formation", c->formation, "epoch", EPOCH, "manifest",
        avow_buf_cstr(&c->manifest), "policy", avow_buf_cstr(&c->plan->policy_text), "member",
        n->name, "members", (json_t *)ctx);
    struct avow_node_call call = { .method = "POST", .path = PROPOSE, .json = body, .once = true };

    if (!body)
        return no_memory(err);
    AVOW_TRY(avow_node_call(n, &call, &reply, err));
    AVOW_TRY(check_proposal(n, reply, err));
    json_decref(n->formation);
    n->formation = avow_steal(&reply);
    return 0;
}

/* ---- roster ---- */

static int assemble(struct avow_client *c, struct avow_error *err)
{
    avow_auto(avow_roster_done) struct avow_roster r = { .epoch = EPOCH };

    (void)snprintf(r.formation, sizeof r.formation, "%s", c->formation);
    AVOW_TRY(avow_sha256(avow_buf_view(&c->manifest), r.manifest));
    AVOW_TRY(avow_sha256(avow_buf_view(&c->plan->policy_text), r.policy));
    r.members = calloc(c->n, sizeof *r.members);
    if (!r.members)
        return no_memory(err);
    for (size_t i = 0; i < c->n; i++) {
        const struct avow_node *n = &c->nodes[i];
        struct avow_member *m = &r.members[r.n++];

        (void)snprintf(m->name, sizeof m->name, "%s", n->name);
        m->tee = n->verdict.tee;
        memcpy(m->spki, n->spki, 32);
        AVOW_TRY(avow_json_get_hex(n->formation, "x25519", m->x25519, 32, err));
        AVOW_TRY(avow_json_get_hex(n->formation, "nonce", m->nonce, 32, err));
    }
    avow_buf_reset(&c->roster);
    AVOW_TRY(avow_roster_emit(&r, &c->roster, err));
    return avow_sha256(avow_buf_view(&c->roster), c->roster_digest);
}

static int add_pair(struct avow_client *c, const char *verifier, const char *member,
                    json_t *take_verdict, double ms)
{
    json_t *row = json_pack("{s:s, s:s, s:o, s:f}", "verifier", verifier, "member", member,
                            "verdict", take_verdict, "ms", ms);
    int rc = 0;

    (void)pthread_mutex_lock(&c->lock);
    rc = row ? json_array_append_new(c->pairs, row) : -1;
    (void)pthread_mutex_unlock(&c->lock);
    return rc == 0 ? 0 : -AVOW_E_NOMEM;
}

/* This client judges the bundle too: it is over a roster that holds a UUID which it made itself. */
static int judge_bundle(struct avow_node *n, struct avow_error *err)
{
    struct avow_client *c = n->client;
    avow_auto(avow_buf_done) struct avow_buf statement = AVOW_BUF(AVOW_STATEMENT_MAX);
    struct avow_verdict verdict = { 0 };
    double began = avow_now_ms();
    struct avow_judge_in in = {
        .bundle = avow_buf_view(&n->bundle),
        .anchors = &c->anchors,
        .policy = c->policy,
        .member = n->name,
        .expect_tee = n->expect,
        .now = avow_unix_ms() / 1000,
        .cache = n->cache,
    };
    int rc = 0;

    AVOW_TRY(avow_formation_statement(c->roster_digest, n->name, &statement, err));
    in.statement = avow_buf_view(&statement);
    (void)pthread_mutex_lock(&n->lock);
    rc = avow_verifier_judge(c->verifier, &in, NULL, &verdict, err);
    (void)pthread_mutex_unlock(&n->lock);
    AVOW_TRY(rc);
    AVOW_TRY(add_pair(c, AVOW_PLAN_NAME_CLIENT, n->name, avow_verdict_json(&verdict),
                      avow_now_ms() - began));
    if (avow_verdict_accepts(&verdict))
        return 0;
    n->verdict = verdict;
    return AVOW_CLIENT_REFUSED;
}

static int send_roster(struct avow_node *n, void *ctx, struct avow_error *err)
{
    struct avow_client *c = n->client;
    avow_autojson json_t *reply = NULL;
    avow_autojson json_t *body =
        json_pack("{s:s, s:s}", "formation", c->formation, "roster", avow_buf_cstr(&c->roster));
    struct avow_node_call call = { .method = "POST", .path = ROSTER, .json = body, .once = true };
    const char *bundle = NULL;

    (void)ctx;
    if (!body)
        return no_memory(err);
    AVOW_TRY(avow_node_call(n, &call, &reply, err));
    AVOW_TRY(avow_json_get_str(reply, "bundle", &bundle, err));
    avow_buf_reset(&n->bundle);
    if (avow_buf_put_str(&n->bundle, bundle) < 0)
        return AVOW_FAIL(err, LIMIT, "its bundle has more than %u bytes", AVOW_BUNDLE_MAX);
    return judge_bundle(n, err);
}

/* ---- verify ---- */

static int verify(struct avow_node *n, void *ctx, struct avow_error *err)
{
    struct avow_client *c = n->client;
    struct avow_node_call call = { .method = "POST", .path = VERIFY, .json = ctx, .once = true };
    avow_autojson json_t *reply = NULL;
    json_t *verdicts = NULL;
    const json_t *accepted = NULL;
    bool all = true;

    AVOW_TRY(avow_node_call(n, &call, &reply, err));
    AVOW_TRY(avow_json_get_obj(reply, "verdicts", &verdicts, err));
    accepted = json_object_get(reply, "accepted");
    for (size_t i = 0; i < c->n; i++) {
        const char *member = c->nodes[i].name;
        json_t *verdict = json_object_get(verdicts, member);
        double ms = json_number_value(json_object_get(json_object_get(reply, "ms"), member));
        struct avow_verdict v = { 0 };

        if (strcmp(member, n->name) == 0)
            continue;
        if (!verdict || avow_verdict_from_json(verdict, &v, NULL) < 0)
            return AVOW_FAIL(err, PROTOCOL, "gave no verdict about %s", member);
        all = all && avow_verdict_accepts(&v);
        AVOW_TRY(add_pair(c, n->name, member, json_incref(verdict), ms));
    }
    return all && json_is_true(accepted) ? 0 : AVOW_CLIENT_NOT_FORMED;
}

static int send_bundles(struct avow_client *c, struct avow_error *err)
{
    avow_autojson json_t *bundles = json_object();
    avow_autojson json_t *body = NULL;

    for (size_t i = 0; bundles && i < c->n; i++)
        if (json_object_set_new(bundles, c->nodes[i].name,
                                json_string(avow_buf_cstr(&c->nodes[i].bundle))) != 0)
            return no_memory(err);
    body = json_pack("{s:s, s:O}", "formation", c->formation, "bundles", bundles);
    return body ? avow_client_each(c, false, verify, body, err) : no_memory(err);
}

/* ---- confirm ---- */

static int add_link(struct avow_node *n, const json_t *pair, struct avow_error *err)
{
    struct avow_client *c = n->client;
    const char *peer = NULL;
    const char *state = NULL;
    json_t *row = NULL;

    AVOW_TRY(avow_json_get_str(pair, "peer", &peer, err));
    AVOW_TRY(avow_json_get_str(pair, "state", &state, err));
    row = json_copy((json_t *)(uintptr_t)pair);
    if (!row || json_object_set_new(row, "node", json_string(n->name)) != 0)
        return no_memory(err);
    (void)pthread_mutex_lock(&c->lock);
    (void)json_array_append_new(c->links, row);
    (void)pthread_mutex_unlock(&c->lock);
    return strcmp(state, "confirmed") == 0 ? 0 : AVOW_CLIENT_NOT_FORMED;
}

static int confirm(struct avow_node *n, void *ctx, struct avow_error *err)
{
    struct avow_client *c = n->client;
    avow_autojson json_t *reply = NULL;
    struct avow_node_call call = { .method = "POST",
                                   .path = CONFIRM,
                                   .json = ctx,
                                   .timeout_ms = CONFIRM_TIMEOUT_MS,
                                   .once = true };
    json_t *pairs = NULL;
    json_t *pair = NULL;
    size_t i = 0;
    int rc = 0;

    AVOW_TRY(avow_node_call(n, &call, &reply, err));
    AVOW_TRY(avow_json_get_array(reply, "pairs", AVOW_PLAN_NODES_MAX, &pairs, err));
    json_array_foreach(pairs, i, pair) {
        int one = add_link(n, pair, err);

        AVOW_TRY(one);
        rc = one > rc ? one : rc;
    }
    if (json_array_size(pairs) + 1 != c->n || !json_is_true(json_object_get(reply, "formed")))
        rc = AVOW_CLIENT_NOT_FORMED;
    return rc;
}

/* ---- together ---- */

static int release_one(struct avow_node *n, void *ctx, struct avow_error *err)
{
    struct avow_node_call call = {
        .method = "DELETE", .path = ctx, .timeout_ms = RELEASE_TIMEOUT_MS, .single = true
    };

    if (n->lost)
        return 0;
    return avow_node_call(n, &call, NULL, err);
}

void avow_client_release(struct avow_client *c)
{
    bool stopped = atomic_exchange_explicit(&c->stop, false, memory_order_relaxed);
    char path[96];
    int rc = 0;

    if (!c->proposed)
        return;
    c->proposed = false;
    (void)snprintf(path, sizeof path, "/v1/mutual-attestation/%s", c->formation);
    rc = avow_client_each(c, false, release_one, path, NULL);
    (void)rc; /* a node that does not hear it lets the formation expire */
    if (stopped)
        atomic_store_explicit(&c->stop, true, memory_order_relaxed);
}

static int form(struct avow_client *c, struct avow_error *err)
{
    avow_autojson json_t *members = member_list(c);
    avow_autojson json_t *name = json_pack("{s:s}", "formation", c->formation);
    int rc = 0;

    if (!members || !name)
        return no_memory(err);
    AVOW_TRY(avow_client_each(c, false, propose, members, err));
    AVOW_TRY(assemble(c, err));
    rc = avow_client_each(c, false, send_roster, NULL, err);
    if (rc == 0)
        rc = send_bundles(c, err);
    if (rc == 0)
        rc = avow_client_each(c, true, confirm, name, err);
    return rc;
}

int avow_client_form(struct avow_client *c, struct avow_error *err)
{
    double began = avow_now_ms();
    int rc = 0;

    for (size_t i = 0; i < c->n; i++)
        if (!avow_verdict_accepts(&c->nodes[i].verdict))
            return AVOW_FAIL(err, STATE, "node %s was not accepted", c->nodes[i].name);
    if (!c->job[0])
        AVOW_TRY(avow_uuid_new(c->job, err));
    AVOW_TRY(avow_uuid_new(c->formation, err));
    avow_buf_reset(&c->manifest);
    AVOW_TRY(avow_plan_manifest(c->plan, c->job, &c->manifest, err));
    (void)json_array_clear(c->pairs);
    (void)json_array_clear(c->links);
    c->proposed = true;
    rc = form(c, err);
    c->phases.formation_ms = avow_now_ms() - began;
    if (rc != 0)
        avow_client_release(c);
    else
        avow_client_emit(c, NULL, "formed", json_object());
    return rc;
}
