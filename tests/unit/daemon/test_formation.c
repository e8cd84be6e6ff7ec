/*
 * Formation between nodes in one process: real simulated devices, the real verifier, TLS over
 * loopback. One thread runs all nodes; the test drives them as their client and attacks their
 * links.
 */
#include "client.h"

#include <ftw.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "attest/attest.h"
#include "channel/statement.h"
#include "codec/text.h"
#include "crypto/hash.h"
#include "daemon/attestation.h"
#include "daemon/formation.h"
#include "daemon/http.h"
#include "daemon/peer.h"
#include "job/manifest.h"
#include "serve/workers.h"

#define NODES_MAX 5
#define WAIT_MS 12000

struct node {
    char name[16];
    enum avow_tee tee;
    struct avow_leaf *leaf;
    struct avow_identity identity;
    struct avow_metrics *metrics;
    struct avow_http *http;
    struct avow_peers *peers;
    struct avow_attestation *attestation;
    struct avow_formations *formations;
    uint16_t api, port;
    struct client client;
    atomic_int messages, lost;
    atomic_uint last_from, last_type, last_len;
};

static char top[] = "/tmp/avow-formation-XXXXXX";
static struct node nodes[NODES_MAX];
static size_t n_nodes;
static struct event_base *base;
static struct avow_workers *pool;
static struct avow_anchors anchors;
static struct event *stop;
static int stop_fd;
static pthread_t loop;
static struct avow_leaf *owner, *other; /* two authorised clients */
static SSL_CTX *owner_ctx;
static char policy[512];
static const char formation[] = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int make_vendor(void **state)
{
    struct avow_error err = { 0 };
    char vendor[64];
    char path[80];
    avow_autofree uint8_t *pem = NULL;
    size_t len = 0;
    uint8_t digest[48];
    char hex[97];

    (void)state;
    if (!mkdtemp(top))
        return -1;
    snprintf(vendor, sizeof vendor, "%s/vendor", top);
    if (avow_sim_vendor_new(vendor, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    avow_anchors_builtin(&anchors);
    snprintf(path, sizeof path, "%s/roots.pem", vendor);
    pem = test_read_file(path, &len);
    if (!pem || avow_anchors_add_simulated(&anchors, AVOW_BYTES(pem, len), &err) < 0 ||
        avow_sha384(avow_bytes_str("avow simulated image:avow-node-1"), digest) < 0)
        return -1;
    avow_hex(AVOW_BYTES_OF(digest), hex);
    snprintf(policy, sizeof policy,
             "{\"allow-simulated\":true,\"snp\":{\"measurements\":[\"%s\"]},"
             "\"tdx\":{\"mrtd\":[\"%s\"]},\"version\":1}",
             hex, hex);
    return 0;
}

static int remove_vendor(void **state)
{
    (void)state;
    return nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static bool authorised(void *ctx, const uint8_t spki[32])
{
    uint8_t own[32];

    (void)ctx;
    avow_leaf_spki(owner, own);
    if (memcmp(own, spki, 32) == 0)
        return true;
    avow_leaf_spki(other, own);
    return memcmp(own, spki, 32) == 0;
}

static void on_incoming(void *ctx, struct avow_link *l, const struct avow_hello *hello,
                        const uint8_t mac[32])
{
    avow_formations_incoming(((struct node *)ctx)->formations, l, hello, mac);
}

static void on_message(void *ctx, struct avow_formation *f, uint32_t from, uint8_t type,
                       struct avow_bytes payload)
{
    struct node *n = ctx;

    atomic_store(&n->last_from, from);
    atomic_store(&n->last_type, type);
    atomic_store(&n->last_len, (unsigned)payload.len);
    atomic_fetch_add(&n->messages, 1);
    if (type == 40)
        (void)!avow_formation_send(f, from, 41, payload);
}

static void on_lost(void *ctx, struct avow_formation *f, uint32_t node, const char *why)
{
    struct node *n = ctx;

    assert_false(avow_formation_formed(f));
    assert_true(node < n_nodes && why[0]);
    atomic_fetch_add(&n->lost, 1);
}

/* A route of the test's own: what jobs do, from the loop. */
static void on_send(void *ctx, struct avow_call *c)
{
    struct node *n = ctx;
    struct avow_formation *f = avow_formation_find(n->formations, formation);
    int64_t to = 0;
    int64_t type = 0;
    int64_t size = 0;
    avow_autofree uint8_t *payload = NULL;
    int rc = -AVOW_E_NOTFOUND;

    assert_int_equal(avow_json_get_int(avow_call_json(c), "to", 0, 100, &to, NULL), 0);
    assert_int_equal(avow_json_get_int(avow_call_json(c), "type", 0, 255, &type, NULL), 0);
    assert_int_equal(avow_json_get_int(avow_call_json(c), "size", 0, 1 << 30, &size, NULL), 0);
    payload = calloc(1, (size_t)size + 1);
    if (f)
        rc = avow_formation_send(f, (uint32_t)to, (uint8_t)type, AVOW_BYTES(payload, (size_t)size));
    avow_call_reply(c, 200, json_pack("{s:i}", "rc", rc));
}

/* A device that answers, with a failure, when the test lets it. */
static sem_t device_may;
static atomic_int device_asked, quotes_refused, quotes_failed;

static int slow_collect(void *self, const uint8_t report_data[64], struct avow_bundle *out,
                        struct avow_error *err)
{
    struct timespec until = { 0 };

    (void)self;
    (void)report_data;
    (void)out;
    atomic_fetch_add(&device_asked, 1);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    assert_int_equal(sem_timedwait(&device_may, &until), 0);
    return AVOW_FAIL(err, MISSING, "the device is out of order");
}

static void slow_free(void *self)
{
    (void)self;
}

static void on_slow_quote(void *ctx, struct avow_buf *bundle, const struct avow_error *err)
{
    (void)ctx;
    assert_null(bundle);
    assert_int_equal(err->code, AVOW_E_MISSING);
    atomic_fetch_add(&quotes_failed, 1);
}

/* A route of the test's own: from here on the node's device is slow, and {"n"} quotes are asked. */
static void on_slow(void *ctx, struct avow_call *c)
{
    static const struct avow_source_ops ops = {
        .name = "slow", .tee = AVOW_TEE_SNP, .collect = slow_collect, .free = slow_free
    };
    struct node *n = ctx;
    int64_t quotes = 0;

    if (avow_source_ops(n->identity.source) != &ops) {
        avow_source_free(n->identity.source);
        n->identity.source = avow_source_new(&ops, NULL);
        assert_non_null(n->identity.source);
    }
    assert_int_equal(avow_json_get_int(avow_call_json(c), "n", 0, 100, &quotes, NULL), 0);
    for (int64_t i = 0; i < quotes; i++)
        if (avow_identity_quote(&n->identity, n->metrics, avow_bytes_str("{}"), on_slow_quote, NULL,
                                NULL) == -AVOW_E_BUSY)
            atomic_fetch_add(&quotes_refused, 1);
    avow_call_reply(c, 200, json_object());
}

static void node_start(struct node *n, const char *name, const struct avow_sim_vm *vm)
{
    struct avow_error err = { 0 };
    char vendor[64], dir[80];
    struct sockaddr_in a = { .sin_family = AF_INET };
    struct avow_http_config http = { .base = base, .authorised = authorised };
    struct avow_peers_config peers = { .base = base, .incoming = on_incoming, .ctx = n };
    struct avow_formations_config cfg = { .base = base, .pool = pool, .anchors = &anchors };
    const struct avow_formation_user user = { .message = on_message, .lost = on_lost, .ctx = n };

    memset(n, 0, sizeof *n);
    n->client.fd = -1;
    snprintf(n->name, sizeof n->name, "%s", name);
    n->tee = vm->tee;
    snprintf(vendor, sizeof vendor, "%s/vendor", top);
    snprintf(dir, sizeof dir, "%s/vm-XXXXXX", top);
    assert_non_null(mkdtemp(dir));
    rmdir(dir);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (avow_sim_vm_new(vendor, dir, vm, &err) < 0 ||
        avow_source_open(vm->tee == AVOW_TEE_SNP ? "sim-snp" : "sim-tdx", dir, &n->identity.source,
                         &err) < 0 ||
        avow_leaf_new(name, &n->leaf, &err) < 0)
        fail_msg("%s", err.text);
    n->identity.name = n->name;
    n->identity.leaf = n->leaf;
    avow_rate_init(&n->identity.quotes, 1000, avow_now_ns());
    assert_int_equal(avow_workers_new(base, 1, &n->identity.quoter, &err), 0);
    n->metrics = avow_metrics_new();
    http.leaf = peers.leaf = n->leaf;
    assert_int_equal(avow_http_new(&http, &n->http, &err), 0);
    assert_int_equal(avow_peers_new(&peers, &n->peers, &err), 0);
    assert_int_equal(avow_attestation_new(n->http, &n->identity, n->metrics, 3600000000000u,
                                          &n->attestation, &err),
                     0);
    cfg.http = n->http;
    cfg.peers = n->peers;
    cfg.identity = &n->identity;
    cfg.metrics = n->metrics;
    assert_int_equal(avow_formations_new(&cfg, &n->formations, &err), 0);
    avow_formations_set_user(n->formations, &user);
    avow_http_route(n->http, "POST", "/test/send", 0, on_send, n);
    avow_http_route(n->http, "POST", "/test/slow", 0, on_slow, n);
    assert_int_equal(avow_http_listen(n->http, (struct sockaddr *)&a, sizeof a, &n->api, &err), 0);
    assert_int_equal(avow_peers_listen(n->peers, (struct sockaddr *)&a, sizeof a, &n->port, &err),
                     0);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(arg);
}

static void *run_loop(void *arg)
{
    event_base_dispatch(arg);
    return NULL;
}

static json_t *call(struct node *n, const char *method, const char *path, json_t *take_body,
                    int status)
{
    avow_autojson json_t *body = take_body;
    avow_autofree char *text = body ? json_dumps(body, 0) : NULL;
    json_t *reply = NULL;
    int got = client_send(&n->client, method, path, text);

    if (got != status)
        fail_msg("%s %s: %d %s", n->name, path, got, client_body(&n->client));
    assert_int_equal(avow_json_parse(avow_bytes_str(client_body(&n->client)), &reply, NULL), 0);
    return reply;
}

/* Threads start once the nodes stand: event bases are not locked. */
static void start_loop(void)
{
    stop_fd = eventfd(0, EFD_CLOEXEC);
    stop = event_new(base, stop_fd, EV_READ, on_stop, base);
    event_add(stop, NULL);
    assert_int_equal(pthread_create(&loop, NULL, run_loop, base), 0);
    for (size_t i = 0; i < n_nodes; i++) {
        json_t *reply = NULL;

        client_close(&nodes[i].client);
        assert_true(client_open(&nodes[i].client, owner_ctx, nodes[i].api));
        reply = call(&nodes[i], "POST", "/v1/attestation/quote",
                     json_pack("{s:s}", "nonce",
                               "0000000000000000000000000000000000000000000000000000000000000001"),
                     200);
        json_decref(reply);
    }
}

static void stop_loop(void)
{
    const uint64_t one = 1;

    assert_int_equal(write(stop_fd, &one, sizeof one), sizeof one);
    pthread_join(loop, NULL);
    event_free(stop);
    close(stop_fd);
}

static void set_up(const struct avow_sim_vm *vms, size_t n)
{
    struct avow_error err = { 0 };

    n_nodes = n;
    base = event_base_new();
    assert_int_equal(avow_workers_new(base, 2, &pool, &err), 0);
    assert_int_equal(avow_leaf_new("owner", &owner, &err), 0);
    assert_int_equal(avow_leaf_new("other", &other, &err), 0);
    assert_int_equal(avow_tls_client_ctx(owner, AVOW_ALPN, &owner_ctx, &err), 0);
    for (size_t i = 0; i < n; i++) {
        char name[16];

        snprintf(name, sizeof name, "node-%zu", i);
        node_start(&nodes[i], name, &vms[i]);
    }
    start_loop();
}

static void tear_down(void)
{
    for (size_t i = 0; i < n_nodes; i++)
        client_close(&nodes[i].client);
    stop_loop();
    avow_workers_free(pool);
    for (size_t i = 0; i < n_nodes; i++)
        avow_workers_free(nodes[i].identity.quoter);
    for (size_t i = 0; i < n_nodes; i++) {
        struct node *n = &nodes[i];

        avow_formations_free(n->formations);
        avow_peers_free(n->peers);
        avow_http_free(n->http);
        avow_attestation_free(n->attestation);
        avow_metrics_free(n->metrics);
        avow_source_free(n->identity.source);
    }
    event_base_loop(base, EVLOOP_NONBLOCK);
    for (size_t i = 0; i < n_nodes; i++)
        avow_leaf_free(nodes[i].leaf);
    event_base_free(base);
    SSL_CTX_free(owner_ctx);
    avow_leaf_free(owner);
    avow_leaf_free(other);
}

static void manifest_text(struct avow_buf *out)
{
    struct avow_manifest m = { .job = "00000000-0000-4000-8000-000000000001",
                               .name = "test",
                               .program = { .name = "train", .size = 1 },
                               .time_limit_ms = 1000,
                               .outputs_max = 1 << 20,
                               .n_nodes = n_nodes };
    struct avow_error err = { 0 };

    m.nodes = calloc(n_nodes, sizeof *m.nodes);
    for (size_t i = 0; i < n_nodes; i++) {
        memcpy(m.nodes[i].name, nodes[i].name, sizeof nodes[i].name);
        snprintf(m.nodes[i].tee, sizeof m.nodes[i].tee, "%s", avow_tee_name(nodes[i].tee));
        m.nodes[i].ranks = 1;
    }
    if (avow_manifest_emit(&m, out, &err) < 0)
        fail_msg("%s", err.text);
    free(m.nodes);
}

/* What is sent to @n to propose formation @uuid. */
static json_t *proposal(const char *uuid, uint64_t epoch, const struct node *n)
{
    avow_auto(avow_buf_done) struct avow_buf manifest = AVOW_BUF(AVOW_MANIFEST_MAX);
    avow_autojson json_t *members = json_array();

    manifest_text(&manifest);
    for (size_t i = 0; i < n_nodes; i++) {
        char address[32];

        snprintf(address, sizeof address, "127.0.0.1:%u", nodes[i].port);
        json_array_append_new(members, json_pack("{s:s,s:s,s:s}", "name", nodes[i].name, "tee",
                                                 avow_tee_name(nodes[i].tee), "address", address));
    }
    return json_pack("{s:s,s:I,s:s,s:s,s:s,s:O}", "formation", uuid, "epoch", (json_int_t)epoch,
                     "manifest", avow_buf_cstr(&manifest), "policy", policy, "member", n->name,
                     "members", members);
}

static void propose(uint64_t epoch, struct avow_roster *r)
{
    avow_auto(avow_buf_done) struct avow_buf manifest = AVOW_BUF(AVOW_MANIFEST_MAX);

    manifest_text(&manifest);
    *r = (struct avow_roster){ .epoch = epoch, .n = n_nodes };
    memcpy(r->formation, formation, sizeof formation);
    r->members = calloc(n_nodes, sizeof *r->members);
    assert_int_equal(avow_sha256(avow_buf_view(&manifest), r->manifest), 0);
    assert_int_equal(avow_sha256(avow_bytes_str(policy), r->policy), 0);
    for (size_t i = 0; i < n_nodes; i++) {
        struct avow_member *m = &r->members[i];
        avow_autojson json_t *reply = call(&nodes[i], "POST", "/v1/mutual-attestation/propose",
                                           proposal(formation, epoch, &nodes[i]), 200);

        memcpy(m->name, nodes[i].name, sizeof nodes[i].name);
        m->tee = nodes[i].tee;
        assert_int_equal(avow_json_get_hex(reply, "spki", m->spki, 32, NULL), 0);
        assert_int_equal(avow_json_get_hex(reply, "x25519", m->x25519, 32, NULL), 0);
        assert_int_equal(avow_json_get_hex(reply, "nonce", m->nonce, 32, NULL), 0);
    }
}

/* {name: bundle} of all nodes over this roster. */
static json_t *gather(struct avow_roster *r)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_ROSTER_MAX);
    struct avow_error err = { 0 };
    json_t *bundles = json_object();

    if (avow_roster_emit(r, &text, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < n_nodes; i++) {
        avow_autojson json_t *reply = call(
            &nodes[i], "POST", "/v1/mutual-attestation/roster",
            json_pack("{s:s,s:s}", "formation", formation, "roster", avow_buf_cstr(&text)), 200);

        json_object_set(bundles, nodes[i].name, json_object_get(reply, "bundle"));
    }
    return bundles;
}

static json_t *verify(struct node *n, json_t *bundles)
{
    return call(n, "POST", "/v1/mutual-attestation/verify",
                json_pack("{s:s,s:O}", "formation", formation, "bundles", bundles), 200);
}

static bool accepted(const json_t *reply)
{
    return json_is_true(json_object_get(reply, "accepted"));
}

struct confirm {
    pthread_t thread;
    struct node *node;
    json_t *reply;
};

static void *confirm_one(void *arg)
{
    struct confirm *c = arg;

    c->reply = call(c->node, "POST", "/v1/mutual-attestation/confirm",
                    json_pack("{s:s}", "formation", formation), 200);
    return NULL;
}

/* On all nodes at once; the replies are the caller's. */
static void confirm_all(struct confirm list[NODES_MAX])
{
    for (size_t i = 0; i < n_nodes; i++) {
        list[i].node = &nodes[i];
        assert_int_equal(pthread_create(&list[i].thread, NULL, confirm_one, &list[i]), 0);
    }
    for (size_t i = 0; i < n_nodes; i++)
        pthread_join(list[i].thread, NULL);
}

static bool formed(const json_t *reply)
{
    return json_is_true(json_object_get(reply, "formed"));
}

static void form(uint64_t epoch)
{
    avow_auto(avow_roster_done) struct avow_roster r = { 0 };
    avow_autojson json_t *bundles = NULL;
    struct confirm list[NODES_MAX];

    propose(epoch, &r);
    bundles = gather(&r);
    for (size_t i = 0; i < n_nodes; i++) {
        avow_autojson json_t *reply = verify(&nodes[i], bundles);

        assert_true(accepted(reply));
    }
    confirm_all(list);
    for (size_t i = 0; i < n_nodes; i++) {
        assert_true(formed(list[i].reply));
        assert_int_equal(json_array_size(json_object_get(list[i].reply, "pairs")), n_nodes - 1);
        json_decref(list[i].reply);
    }
}

static int send_frame(struct node *n, int to, int type, int size)
{
    avow_autojson json_t *reply =
        call(n, "POST", "/test/send",
             json_pack("{s:i,s:i,s:i}", "to", to, "type", type, "size", size), 200);

    return (int)json_integer_value(json_object_get(reply, "rc"));
}

static void wait_for(atomic_int *v, int at_least)
{
    for (int ms = 0; ms < WAIT_MS && atomic_load(v) < at_least; ms += 5)
        usleep(5000);
    assert_true(atomic_load(v) >= at_least);
}

static const struct avow_sim_vm snp = { .tee = AVOW_TEE_SNP };
static const struct avow_sim_vm tdx = { .tee = AVOW_TEE_TDX };

static void two_nodes_form_and_talk(void **state)
{
    const struct avow_sim_vm vms[] = { snp, tdx };

    (void)state;
    set_up(vms, 2);
    form(1);
    assert_int_equal(send_frame(&nodes[0], 1, 40, 1000), 0);
    wait_for(&nodes[1].messages, 1);
    wait_for(&nodes[0].messages, 1);
    assert_int_equal(atomic_load(&nodes[0].last_type), 41);
    assert_int_equal(atomic_load(&nodes[0].last_len), 1000);
    assert_int_equal(atomic_load(&nodes[1].last_from), 0);
    /* the longest frame passes, a longer one is not even sent; nor are others' types */
    assert_int_equal(send_frame(&nodes[1], 0, 50, AVOW_PEER_FRAME_MAX), 0);
    wait_for(&nodes[0].messages, 2);
    assert_int_equal(atomic_load(&nodes[0].last_len), AVOW_PEER_FRAME_MAX);
    assert_int_equal(send_frame(&nodes[1], 0, 50, AVOW_PEER_FRAME_MAX + 1), -AVOW_E_LIMIT);
    assert_int_equal(send_frame(&nodes[1], 0, AVOW_FRAME_CONFIRM, 32), -AVOW_E_INVAL);
    assert_int_equal(send_frame(&nodes[1], 1, 50, 1), -AVOW_E_INVAL);
    assert_int_equal(send_frame(&nodes[1], 2, 50, 1), -AVOW_E_INVAL);
    /* heartbeats keep an idle link alive past the time after which silence means lost */
    usleep((AVOW_PEER_LOST_MS + 500) * 1000);
    assert_int_equal(atomic_load(&nodes[0].lost), 0);
    assert_int_equal(send_frame(&nodes[0], 1, 50, 1), 0);
    tear_down();
}

static void five_nodes_form(void **state)
{
    const struct avow_sim_vm vms[] = { snp, tdx, snp, tdx, snp };

    (void)state;
    set_up(vms, 5);
    form(1);
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++)
            if (i != j)
                assert_int_equal(send_frame(&nodes[i], j, 50, 1), 0);
    for (int i = 0; i < 5; i++)
        wait_for(&nodes[i].messages, 4);
    tear_down();
}

static void delete_loses_the_peer_and_another_epoch_forms(void **state)
{
    const struct avow_sim_vm vms[] = { snp, tdx };
    char path[96];

    (void)state;
    set_up(vms, 2);
    form(1);
    snprintf(path, sizeof path, "/v1/mutual-attestation/%s", formation);
    json_decref(call(&nodes[0], "DELETE", path, NULL, 200));
    json_decref(call(&nodes[0], "DELETE", path, NULL, 404));
    wait_for(&nodes[1].lost, 1);
    assert_int_equal(send_frame(&nodes[1], 0, 50, 1), -AVOW_E_PEERLOST);
    form(2);
    assert_int_equal(send_frame(&nodes[1], 0, 50, 1), 0);
    tear_down();
}

static json_t *expect_refused(struct node *n, json_t *bundles, const char *member, const char *code)
{
    json_t *reply = verify(n, bundles);
    json_t *v = json_object_get(json_object_get(reply, "verdicts"), member);
    json_t *reason = NULL;
    size_t i = 0;

    assert_false(accepted(reply));
    json_array_foreach(json_object_get(v, "reasons"), i, reason)
        if (strcmp(json_string_value(json_object_get(reason, "code")), code) == 0 &&
            json_is_false(json_object_get(reason, "passed")))
            return reply;
    fail_msg("%s was not refused for %s", member, code);
    return NULL;
}

static void debug_vm_is_refused_and_nothing_forms(void **state)
{
    const struct avow_sim_vm vms[] = { snp, { .tee = AVOW_TEE_TDX, .debug = true } };
    avow_auto(avow_roster_done) struct avow_roster r = { 0 };
    avow_autojson json_t *bundles = NULL;

    (void)state;
    set_up(vms, 2);
    propose(1, &r);
    bundles = gather(&r);
    json_decref(expect_refused(&nodes[0], bundles, "node-1", "debug"));
    json_decref(call(&nodes[0], "POST", "/v1/mutual-attestation/confirm",
                     json_pack("{s:s}", "formation", formation), 409));
    assert_int_equal(send_frame(&nodes[0], 1, 50, 1), -AVOW_E_PEERLOST);
    tear_down();
}

static void image_that_is_not_allowed_is_refused(void **state)
{
    const struct avow_sim_vm vms[] = { { .tee = AVOW_TEE_SNP, .image = "evil" }, tdx };
    avow_auto(avow_roster_done) struct avow_roster r = { 0 };
    avow_autojson json_t *bundles = NULL;

    (void)state;
    set_up(vms, 2);
    propose(1, &r);
    bundles = gather(&r);
    json_decref(expect_refused(&nodes[1], bundles, "node-0", "measurement"));
    tear_down();
}

/* The attacker sits in the client: rosters with a key of no order pass as long as each node finds
 * its own entry right. Low-order keys give no secret, so the formation stops there. */
static void low_order_key_is_refused(void **state)
{
    const struct avow_sim_vm vms[] = { snp, tdx };
    avow_auto(avow_roster_done) struct avow_roster r = { 0 };
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_ROSTER_MAX);
    avow_auto(avow_buf_done) struct avow_buf statement = AVOW_BUF(AVOW_STATEMENT_MAX);
    avow_auto(avow_buf_done) struct avow_buf forged = AVOW_BUF(AVOW_BUNDLE_MAX);
    avow_autojson json_t *bundles = json_object();
    avow_autojson json_t *reply = NULL;
    uint8_t h[32];

    (void)state;
    set_up(vms, 2);
    propose(1, &r);
    memset(r.members[1].x25519, 0, 32);
    assert_int_equal(avow_roster_emit(&r, &text, NULL), 0);
    json_decref(call(&nodes[1], "POST", "/v1/mutual-attestation/roster",
                     json_pack("{s:s,s:s}", "formation", formation, "roster", avow_buf_cstr(&text)),
                     403));
    reply =
        call(&nodes[0], "POST", "/v1/mutual-attestation/roster",
             json_pack("{s:s,s:s}", "formation", formation, "roster", avow_buf_cstr(&text)), 200);
    json_object_set(bundles, "node-0", json_object_get(reply, "bundle"));
    /* even with evidence of a genuine device for it */
    assert_int_equal(avow_sha256(avow_buf_view(&text), h), 0);
    assert_int_equal(avow_formation_statement(h, "node-1", &statement, NULL), 0);
    stop_loop(); /* the source belongs to the loop */
    assert_int_equal(
        avow_source_bundle(nodes[1].identity.source, avow_buf_view(&statement), &forged, NULL), 0);
    start_loop();
    json_object_set_new(bundles, "node-1", json_string(avow_buf_cstr(&forged)));
    json_decref(expect_refused(&nodes[0], bundles, "node-1", "x25519"));
    tear_down();
}

static void steps_out_of_order_are_refused(void **state)
{
    const struct avow_sim_vm vms[] = { snp, tdx };
    avow_auto(avow_roster_done) struct avow_roster r = { 0 };
    avow_autojson json_t *bundles = NULL;
    avow_autojson json_t *reply = NULL;
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_ROSTER_MAX);

    (void)state;
    set_up(vms, 2);
    json_decref(call(&nodes[0], "POST", "/v1/mutual-attestation/confirm",
                     json_pack("{s:s}", "formation", formation), 404));
    propose(5, &r);
    json_decref(call(&nodes[0], "POST", "/v1/mutual-attestation/verify",
                     json_pack("{s:s,s:{}}", "formation", formation, "bundles"), 409));
    bundles = gather(&r);
    /* the same roster again: the same bundle; another one: refused */
    assert_int_equal(avow_roster_emit(&r, &text, NULL), 0);
    reply =
        call(&nodes[0], "POST", "/v1/mutual-attestation/roster",
             json_pack("{s:s,s:s}", "formation", formation, "roster", avow_buf_cstr(&text)), 200);
    assert_true(json_equal(json_object_get(reply, "bundle"), json_object_get(bundles, "node-0")));
    memset(r.members[1].nonce, 7, 32);
    avow_buf_reset(&text);
    assert_int_equal(avow_roster_emit(&r, &text, NULL), 0);
    json_decref(call(&nodes[0], "POST", "/v1/mutual-attestation/roster",
                     json_pack("{s:s,s:s}", "formation", formation, "roster", avow_buf_cstr(&text)),
                     409));
    json_decref(verify(&nodes[0], bundles));
    json_decref(verify(&nodes[0], bundles)); /* again: the same verdicts */
    json_decref(call(&nodes[0], "POST", "/v1/mutual-attestation/verify",
                     json_pack("{s:s,s:{s:s,s:s}}", "formation", formation, "bundles", "node-0",
                               "{}", "node-1", "{}"),
                     409));
    tear_down();
}

static void confirm_times_out_alone(void **state)
{
    const struct avow_sim_vm vms[] = { snp, tdx };
    avow_auto(avow_roster_done) struct avow_roster r = { 0 };
    avow_autojson json_t *bundles = NULL;
    avow_autojson json_t *reply = NULL;
    json_t *pair = NULL;

    (void)state;
    set_up(vms, 2);
    propose(1, &r);
    bundles = gather(&r);
    json_decref(verify(&nodes[1], bundles));
    /* node-0 never confirms: node-1 waits for its connection, but not for ever */
    reply = NULL;
    for (int i = 0; !reply && i < 2; i++) {
        const struct timeval wait = { .tv_sec = 15 };

        assert_int_equal(
            setsockopt(nodes[1].client.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
        reply = call(&nodes[1], "POST", "/v1/mutual-attestation/confirm",
                     json_pack("{s:s}", "formation", formation), 200);
    }
    assert_false(formed(reply));
    pair = json_array_get(json_object_get(reply, "pairs"), 0);
    assert_string_equal(json_string_value(json_object_get(pair, "code")), "timeout");
    tear_down();
}

/* --- attacks on links ------------------------------------------------------------------------ */

static void frame(struct client *c, uint8_t type, const void *payload, size_t len)
{
    uint8_t head[AVOW_FRAME_HEAD] = { (uint8_t)(len >> 24), (uint8_t)(len >> 16),
                                      (uint8_t)(len >> 8), (uint8_t)len, type };

    (void)client_write(c, head, sizeof head);
    (void)client_write(c, payload, len);
}

static void say_hello(struct client *c, uint64_t epoch, const char *member)
{
    avow_auto(avow_buf_done) struct avow_buf payload = AVOW_BUF(256);
    struct avow_hello h = { .epoch = epoch };

    memcpy(h.formation, formation, sizeof formation);
    snprintf(h.member, sizeof h.member, "%s", member);
    assert_int_equal(avow_hello_emit(&h, &payload, NULL), 0);
    frame(c, AVOW_FRAME_HELLO, payload.data, payload.len);
}

static bool is_closed(struct client *c)
{
    uint8_t byte = 0;
    int n = SSL_read(c->ssl, &byte, 1);

    return n <= 0 && SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ;
}

static SSL_CTX *peer_ctx(const struct avow_leaf *leaf)
{
    SSL_CTX *ctx = NULL;

    assert_int_equal(avow_tls_client_ctx(leaf, AVOW_ALPN_PEER, &ctx, NULL), 0);
    return ctx;
}

static void verified_pair(struct avow_roster *r)
{
    const struct avow_sim_vm vms[] = { snp, tdx };
    avow_autojson json_t *bundles = NULL;

    set_up(vms, 2);
    propose(1, r);
    bundles = gather(r);
    for (size_t i = 0; i < n_nodes; i++)
        json_decref(verify(&nodes[i], bundles));
}

static void strangers_on_the_node_port_are_closed(void **state)
{
    avow_auto(avow_roster_done) struct avow_roster r = { 0 };
    struct avow_leaf *stranger = NULL;
    struct client c;
    SSL_CTX *as_stranger = NULL;
    SSL_CTX *as_node0 = NULL;
    SSL_CTX *as_node1 = NULL;
    uint8_t mac[32] = { 1 };
    uint8_t big[AVOW_FRAME_EARLY_MAX + 1] = { 0 };

    (void)state;
    verified_pair(&r);
    assert_int_equal(avow_leaf_new("stranger", &stranger, NULL), 0);
    as_stranger = peer_ctx(stranger);
    as_node0 = peer_ctx(nodes[0].leaf);
    as_node1 = peer_ctx(nodes[1].leaf);
    for (int attack = 0; attack < 9; attack++) {
        SSL_CTX *ctx = attack == 0 ? as_stranger : attack == 1 ? as_node1 : as_node0;

        assert_true(client_open(&c, ctx, nodes[1].port));
        switch (attack) {
        case 0: /* another leaf key than the roster's */
        case 1: /* the node's own key reflected */
            say_hello(&c, 1, "node-0");
            frame(&c, AVOW_FRAME_CONFIRM, mac, sizeof mac);
            break;
        case 3: /* another epoch */
            say_hello(&c, 2, "node-0");
            frame(&c, AVOW_FRAME_CONFIRM, mac, sizeof mac);
            break;
        case 4: /* the member that should be connected to, connects */
            say_hello(&c, 1, "node-1");
            frame(&c, AVOW_FRAME_CONFIRM, mac, sizeof mac);
            break;
        case 5: /* somebody not in the roster */
            say_hello(&c, 1, "node-9");
            frame(&c, AVOW_FRAME_CONFIRM, mac, sizeof mac);
            break;
        case 6: /* no HELLO */
            frame(&c, AVOW_FRAME_CONFIRM, mac, sizeof mac);
            break;
        case 7: /* a job's frame before anything is confirmed */
            say_hello(&c, 1, "node-0");
            frame(&c, 40, mac, sizeof mac);
            break;
        case 2: /* too much */
            frame(&c, AVOW_FRAME_HELLO, big, sizeof big);
            break;
        default: /* at last the right leaf key, but not the pair's secret: a leaked leaf key */
            say_hello(&c, 1, "node-0");
            frame(&c, AVOW_FRAME_CONFIRM, mac, sizeof mac);
            break;
        }
        if (!is_closed(&c))
            fail_msg("attack %d was not closed", attack);
        client_close(&c);
    }
    assert_int_equal(atomic_load(&nodes[1].messages), 0);
    SSL_CTX_free(as_stranger);
    SSL_CTX_free(as_node0);
    SSL_CTX_free(as_node1);
    avow_leaf_free(stranger);
    tear_down();
}

static void silence_is_loss(void **state)
{
    avow_auto(avow_roster_done) struct avow_roster r = { 0 };
    struct client c;
    SSL_CTX *ctx = NULL;
    struct avow_key prk;
    struct avow_formation *f = NULL;
    uint8_t exporter[32], h[32], mac[32], answer[AVOW_FRAME_HEAD + 32];
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_ROSTER_MAX);

    (void)state;
    verified_pair(&r);
    assert_int_equal(avow_roster_emit(&r, &text, NULL), 0);
    assert_int_equal(avow_sha256(avow_buf_view(&text), h), 0);
    /* node-0 itself, as far as node-1 can tell: but it never says a word afterwards */
    stop_loop();
    f = avow_formation_find(nodes[0].formations, formation);
    assert_non_null(f);
    prk = *avow_formation_prk(f, 1);
    start_loop();
    ctx = peer_ctx(nodes[0].leaf);
    assert_true(client_open(&c, ctx, nodes[1].port));
    assert_int_equal(
        avow_tls_export(c.ssl, AVOW_EXPORTER_CONNECTION, AVOW_BYTES(NULL, 0), exporter, NULL), 0);
    assert_int_equal(avow_pair_confirm(&prk, "client", exporter, h, mac), 0);
    say_hello(&c, 1, "node-0");
    frame(&c, AVOW_FRAME_CONFIRM, mac, sizeof mac);
    assert_int_equal(SSL_read(c.ssl, answer, sizeof answer), sizeof answer);
    assert_int_equal(avow_pair_confirm(&prk, "server", exporter, h, mac), 0);
    assert_memory_equal(answer + AVOW_FRAME_HEAD, mac, 32);
    wait_for(&nodes[1].lost, 1);
    client_close(&c);
    SSL_CTX_free(ctx);
    tear_down();
}

static void reserved_frame_breaks_the_link(void **state)
{
    avow_auto(avow_roster_done) struct avow_roster r = { 0 };
    struct client c;
    SSL_CTX *ctx = NULL;
    struct avow_key prk;
    uint8_t exporter[32], h[32], mac[32];
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_ROSTER_MAX);

    (void)state;
    verified_pair(&r);
    assert_int_equal(avow_roster_emit(&r, &text, NULL), 0);
    assert_int_equal(avow_sha256(avow_buf_view(&text), h), 0);
    stop_loop();
    prk = *avow_formation_prk(avow_formation_find(nodes[0].formations, formation), 1);
    start_loop();
    ctx = peer_ctx(nodes[0].leaf);
    assert_true(client_open(&c, ctx, nodes[1].port));
    assert_int_equal(
        avow_tls_export(c.ssl, AVOW_EXPORTER_CONNECTION, AVOW_BYTES(NULL, 0), exporter, NULL), 0);
    assert_int_equal(avow_pair_confirm(&prk, "client", exporter, h, mac), 0);
    say_hello(&c, 1, "node-0");
    frame(&c, AVOW_FRAME_CONFIRM, mac, sizeof mac);
    frame(&c, AVOW_FRAME_HELLO, mac, sizeof mac);
    wait_for(&nodes[1].lost, 1);
    client_close(&c);
    SSL_CTX_free(ctx);
    tear_down();
}

/* The right secret, proved for another connection than the one that it is sent on. */
static void spliced_connection_is_refused(void **state)
{
    avow_auto(avow_roster_done) struct avow_roster r = { 0 };
    struct client a, b;
    SSL_CTX *ctx = NULL;
    struct avow_key prk;
    uint8_t exporter[32], h[32], mac[32];
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_ROSTER_MAX);

    (void)state;
    verified_pair(&r);
    assert_int_equal(avow_roster_emit(&r, &text, NULL), 0);
    assert_int_equal(avow_sha256(avow_buf_view(&text), h), 0);
    stop_loop();
    prk = *avow_formation_prk(avow_formation_find(nodes[0].formations, formation), 1);
    start_loop();
    ctx = peer_ctx(nodes[0].leaf);
    assert_true(client_open(&a, ctx, nodes[1].port));
    assert_true(client_open(&b, ctx, nodes[1].port));
    assert_int_equal(
        avow_tls_export(a.ssl, AVOW_EXPORTER_CONNECTION, AVOW_BYTES(NULL, 0), exporter, NULL), 0);
    assert_int_equal(avow_pair_confirm(&prk, "client", exporter, h, mac), 0);
    say_hello(&b, 1, "node-0");
    frame(&b, AVOW_FRAME_CONFIRM, mac, sizeof mac);
    assert_true(is_closed(&b));
    client_close(&a);
    client_close(&b);
    SSL_CTX_free(ctx);
    tear_down();
}

static void formation_belongs_to_its_client(void **state)
{
    avow_auto(avow_roster_done) struct avow_roster r = { 0 };
    struct client mine;
    SSL_CTX *ctx = NULL;
    char path[96];

    (void)state;
    verified_pair(&r);
    assert_int_equal(avow_tls_client_ctx(other, AVOW_ALPN, &ctx, NULL), 0);
    mine = nodes[0].client;
    assert_true(client_open(&nodes[0].client, ctx, nodes[0].api));
    json_decref(call(&nodes[0], "POST", "/v1/attestation/quote",
                     json_pack("{s:s}", "nonce",
                               "0000000000000000000000000000000000000000000000000000000000000003"),
                     200));
    json_decref(call(&nodes[0], "POST", "/v1/mutual-attestation/confirm",
                     json_pack("{s:s}", "formation", formation), 404));
    snprintf(path, sizeof path, "/v1/mutual-attestation/%s", formation);
    json_decref(call(&nodes[0], "DELETE", path, NULL, 404));
    client_close(&nodes[0].client);
    nodes[0].client = mine;
    json_decref(call(&nodes[0], "DELETE", path, NULL, 200));
    SSL_CTX_free(ctx);
    tear_down();
}

/* --- attestation ----------------------------------------------------------------------------- */

static void quote_is_bound_to_its_connection(void **state)
{
    const struct avow_sim_vm vms[] = { snp, tdx };
    avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;
    struct avow_error err = { 0 };
    uint8_t nonce[32] = { 0 };
    uint8_t own[32], node[32], ekm[32];

    (void)state;
    nonce[31] = 1;
    set_up(vms, 2);
    assert_int_equal(avow_policy_parse(avow_bytes_str(policy), &p, &err), 0);
    avow_leaf_spki(owner, own);
    for (size_t i = 0; i < 2; i++) {
        struct node *n = &nodes[i];
        avow_auto(avow_buf_done) struct avow_buf statement = AVOW_BUF(AVOW_STATEMENT_MAX);
        avow_autojson json_t *reply =
            call(n, "POST", "/v1/attestation/quote",
                 json_pack("{s:s}", "nonce",
                           "0000000000000000000000000000000000000000000000000000000000000001"),
                 200);
        static struct avow_verdict v;
        struct avow_judge_in in = {
            .bundle = avow_bytes_str(json_string_value(json_object_get(reply, "bundle"))),
            .anchors = &anchors,
            .policy = p,
            .expect_tee = n->tee,
            .now = time(NULL),
        };

        avow_leaf_spki(n->leaf, node);
        assert_int_equal(
            avow_tls_channel_ekm(n->client.ssl, AVOW_ROLE_SERVER, nonce, node, own, ekm, &err), 0);
        assert_int_equal(
            avow_channel_statement(AVOW_ROLE_SERVER, nonce, ekm, node, own, &statement, &err), 0);
        in.statement = avow_buf_view(&statement);
        memset(&v, 0, sizeof v);
        assert_int_equal(avow_judge(&in, NULL, &v, &err), 0);
        assert_true(avow_verdict_accepts(&v));
        /* for another nonce it does not serve */
        nonce[0] ^= 1;
        avow_buf_reset(&statement);
        assert_int_equal(
            avow_channel_statement(AVOW_ROLE_SERVER, nonce, ekm, node, own, &statement, &err), 0);
        nonce[0] ^= 1;
        in.statement = avow_buf_view(&statement);
        memset(&v, 0, sizeof v);
        assert_int_equal(avow_judge(&in, NULL, &v, &err), 0);
        assert_false(avow_verdict_accepts(&v));
    }
    tear_down();
}

static void again_opens_a_later_connection(void **state)
{
    const struct avow_sim_vm vms[] = { snp, tdx };
    struct avow_key again;
    uint8_t exporter[32], mac[32];
    char hex[65];

    (void)state;
    set_up(vms, 2);
    assert_int_equal(avow_tls_export(nodes[0].client.ssl, AVOW_EXPORTER_AGAIN, AVOW_BYTES(NULL, 0),
                                     again.bytes, NULL),
                     0);
    for (int wrong = 2; wrong >= 0; wrong--) {
        json_t *reply = NULL;

        client_close(&nodes[0].client);
        assert_true(client_open(&nodes[0].client, owner_ctx, nodes[0].api));
        assert_int_equal(avow_tls_export(nodes[0].client.ssl, AVOW_EXPORTER_CONNECTION,
                                         AVOW_BYTES(NULL, 0), exporter, NULL),
                         0);
        /* 1: the node's own role, reflected; 2: another connection's */
        exporter[0] ^= wrong == 2;
        assert_int_equal(avow_channel_again_mac(&again,
                                                wrong == 1 ? AVOW_ROLE_SERVER : AVOW_ROLE_CLIENT,
                                                exporter, mac),
                         0);
        avow_hex(AVOW_BYTES_OF(mac), hex);
        reply = call(&nodes[0], "POST", "/v1/attestation/again", json_pack("{s:s}", "mac", hex),
                     wrong ? 403 : 200);
        if (wrong) {
            json_decref(reply);
            json_decref(call(&nodes[0], "POST", "/test/send", json_object(), 403));
            continue;
        }
        assert_int_equal(avow_channel_again_mac(&again, AVOW_ROLE_SERVER, exporter, mac), 0);
        avow_hex(AVOW_BYTES_OF(mac), hex);
        assert_string_equal(json_string_value(json_object_get(reply, "mac")), hex);
        json_decref(reply);
        assert_int_equal(send_frame(&nodes[0], 1, 50, 1), -AVOW_E_NOTFOUND);
    }
    tear_down();
}

static void quotes_are_limited(void **state)
{
    const struct avow_sim_vm vms[] = { snp, tdx };
    json_t *body = json_pack("{s:s}", "nonce",
                             "0000000000000000000000000000000000000000000000000000000000000002");

    (void)state;
    set_up(vms, 2);
    stop_loop();
    avow_rate_init(&nodes[0].identity.quotes, 2, avow_now_ns());
    start_loop(); /* asks for one */
    json_decref(call(&nodes[0], "POST", "/v1/attestation/quote", json_incref(body), 200));
    json_decref(call(&nodes[0], "POST", "/v1/attestation/quote", json_incref(body), 429));
    json_decref(body);
    tear_down();
}

/* Asks for a quote and goes away. */
static void ask_and_leave(struct node *n)
{
    static const char request[] =
        "POST /v1/attestation/quote HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 76\r\n\r\n{\"nonce\":"
        "\"0000000000000000000000000000000000000000000000000000000000000004\"}";
    struct client c;

    assert_true(client_open(&c, owner_ctx, n->api));
    assert_int_equal(SSL_write(c.ssl, request, sizeof request - 1), sizeof request - 1);
    client_close(&c);
}

/* The loop goes on while the device takes its time: no link is lost, and no more is queued than
 * the limit says. */
static void a_slow_device_holds_up_nobody(void **state)
{
    const struct avow_sim_vm vms[] = { snp, tdx };

    (void)state;
    set_up(vms, 2);
    assert_int_equal(sem_init(&device_may, 0, 0), 0);
    form(1);
    json_decref(call(&nodes[0], "POST", "/test/slow",
                     json_pack("{s:i}", "n", AVOW_QUOTES_WAITING_MAX - 1), 200));
    wait_for(&device_asked, 1);
    ask_and_leave(&nodes[0]);
    for (int ms = 0; ms < 2 * AVOW_PEER_LOST_MS; ms += 100) {
        int before = atomic_load(&nodes[1].messages);

        assert_int_equal(send_frame(&nodes[0], 1, 50, 10), 0);
        wait_for(&nodes[1].messages, before + 1);
        usleep(100000);
    }
    assert_int_equal(atomic_load(&device_asked), 1); /* one at a time */
    assert_int_equal(atomic_load(&quotes_refused), 0);
    json_decref(call(&nodes[0], "POST", "/test/slow", json_pack("{s:i}", "n", 1), 200));
    assert_int_equal(atomic_load(&quotes_refused), 1);
    for (unsigned i = 0; i < AVOW_QUOTES_WAITING_MAX; i++)
        sem_post(&device_may);
    wait_for(&device_asked, AVOW_QUOTES_WAITING_MAX);
    wait_for(&quotes_failed, AVOW_QUOTES_WAITING_MAX - 1);
    assert_int_equal(atomic_load(&nodes[0].lost) + atomic_load(&nodes[1].lost), 0);
    tear_down();
    sem_destroy(&device_may);
}

/* One client cannot take all the room, and gets back what it gives up. */
static void unused_formations_of_a_client_are_limited(void **state)
{
    const struct avow_sim_vm vms[] = { snp, tdx };
    const char path[] = "/v1/mutual-attestation/propose";
    char uuid[37];
    char one[80];
    json_t *reply = NULL;

    (void)state;
    set_up(vms, 2);
    for (unsigned i = 0; i < AVOW_FORMATIONS_CLIENT_MAX; i++) {
        snprintf(uuid, sizeof uuid, "6ba7b810-9dad-41d1-80b4-%012x", i);
        json_decref(call(&nodes[0], "POST", path, proposal(uuid, 1, &nodes[0]), 200));
    }
    /* another epoch of one of them takes no more room */
    json_decref(call(&nodes[0], "POST", path, proposal(uuid, 2, &nodes[0]), 200));
    reply = call(&nodes[0], "POST", path, proposal(formation, 1, &nodes[0]), 429);
    assert_non_null(strstr(client_body(&nodes[0].client), "8 formations that no job uses"));
    json_decref(reply);
    snprintf(one, sizeof one, "/v1/mutual-attestation/%s", uuid);
    json_decref(call(&nodes[0], "DELETE", one, NULL, 200));
    json_decref(call(&nodes[0], "POST", path, proposal(formation, 1, &nodes[0]), 200));
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quote_is_bound_to_its_connection),
        cmocka_unit_test(again_opens_a_later_connection),
        cmocka_unit_test(quotes_are_limited),
        cmocka_unit_test(two_nodes_form_and_talk),
        cmocka_unit_test(five_nodes_form),
        cmocka_unit_test(delete_loses_the_peer_and_another_epoch_forms),
        cmocka_unit_test(debug_vm_is_refused_and_nothing_forms),
        cmocka_unit_test(image_that_is_not_allowed_is_refused),
        cmocka_unit_test(low_order_key_is_refused),
        cmocka_unit_test(steps_out_of_order_are_refused),
        cmocka_unit_test(confirm_times_out_alone),
        cmocka_unit_test(strangers_on_the_node_port_are_closed),
        cmocka_unit_test(silence_is_loss),
        cmocka_unit_test(reserved_frame_breaks_the_link),
        cmocka_unit_test(spliced_connection_is_refused),
        cmocka_unit_test(formation_belongs_to_its_client),
        cmocka_unit_test(unused_formations_of_a_client_are_limited),
        cmocka_unit_test(a_slow_device_holds_up_nobody),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, make_vendor, remove_vendor);
}
