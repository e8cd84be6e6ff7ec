#include <stdlib.h>

#include "base/cleanup.h"
#include "launch/host_internal.h"
#include "launch/shell.h"

#define HEAD_BYTES 4

static void on_message(struct avow_host *h, uint32_t from, const struct avow_peer_msg *m);

static void send_to(struct avow_host *h, uint32_t node, const struct avow_peer_msg *m)
{
    uint8_t head[HEAD_BYTES] = { (uint8_t)(node >> 24), (uint8_t)(node >> 16), (uint8_t)(node >> 8),
                                 (uint8_t)node };
    avow_auto(avow_buf_done) struct avow_buf blob = AVOW_BUF(AVOW_PEER_BLOB_MAX);
    struct avow_error err = { 0 };
    int rc = 0;

    if (node == h->config->node) {
        on_message(h, node, m);
        return;
    }
    rc = avow_peer_emit(m, &blob);
    if (rc == 0) {
        avow_link_send(h->link, AVOW_SHELL_PEER_OUT, AVOW_BYTES_OF(head), avow_buf_view(&blob));
        return;
    }
    (void)AVOW_FAIL_CODE(&err, rc, "a message to node %u: %s", node, avow_err_text(rc));
    /* an outcome always fits, so this does not come back here */
    avow_host_fail_err(h, "limit", &err);
}

void avow_host_fail_err(struct avow_host *h, const char *code, const struct avow_error *err)
{
    struct avow_outcome o;

    avow_outcome_fail(&o, code, 1, -1, "node %s: %s", avow_launch_self(h->config)->name, err->text);
    avow_host_fail(h, &o);
}

/* Outcome -----------------------------------------------------------------------------------------
 */

/* Head: the first decision counts; every node is told. */
static void decide(struct avow_host *h, const struct avow_outcome *o)
{
    struct avow_peer_msg m = { .type = AVOW_PEER_END, .outcome = *o };

    if (h->decided)
        return;
    h->decided = true;
    for (uint32_t i = 0; i < h->config->n_nodes; i++)
        if (i != h->config->node)
            send_to(h, i, &m);
    avow_host_end(h, o);
}

/* A signal or a program that does not start has no cause in another rank; a status may. */
static bool is_stronger(const struct avow_outcome *a, const struct avow_outcome *b)
{
    return a->exit >= AVOW_EXIT_EXEC && b->exit < AVOW_EXIT_EXEC;
}

void avow_host_on_cause(evutil_socket_t fd, short what, void *ctx)
{
    struct avow_host *h = ctx;

    (void)fd, (void)what;
    decide(h, &h->suspect);
}

/*
 * Head: a rank that dies makes others fail (MPICH aborts when a connection breaks), and their word
 * may be here first: wait a moment for the cause. What is not a rank's failure decides at once.
 */
static void consider(struct avow_host *h, const struct avow_outcome *o)
{
    struct timeval wait = { .tv_usec = AVOW_HOST_CAUSE_MS * 1000 };

    if (o->rank < 0 || h->config->n_ranks == 1) {
        decide(h, o);
        return;
    }
    if (!h->suspected || is_stronger(o, &h->suspect))
        h->suspect = *o;
    if (!h->suspected)
        event_add(h->on_cause, &wait);
    h->suspected = true;
}

void avow_host_fail(struct avow_host *h, const struct avow_outcome *o)
{
    struct avow_peer_msg m = { .type = AVOW_PEER_FAIL, .outcome = *o };

    if (avow_host_is_head(h)) {
        consider(h, o);
        return;
    }
    if (h->ended)
        return;
    send_to(h, AVOW_HOST_HEAD, &m);
}

static void count_exit(struct avow_host *h, uint32_t rank)
{
    struct avow_outcome ok = { .ok = true, .rank = -1 };

    if (h->exited[rank])
        return;
    h->exited[rank] = 1;
    if (++h->n_exited == h->config->n_ranks)
        decide(h, &ok);
}

void avow_host_exited(struct avow_host *h, uint32_t rank)
{
    struct avow_peer_msg m = { .type = AVOW_PEER_EXIT, .rank = rank };

    send_to(h, AVOW_HOST_HEAD, &m);
}

/* Collectives -------------------------------------------------------------------------------------
 */

void avow_host_collect(struct avow_host *h, struct avow_pmix_call *call, const uint32_t *ranks,
                       size_t n, struct avow_bytes data)
{
    avow_auto(avow_buf_done) struct avow_buf signature = AVOW_BUF(AVOW_PEER_SIGNATURE_MAX);
    struct avow_peer_msg m = { .type = AVOW_PEER_FENCE, .data = data };
    struct avow_error err = { 0 };
    int rc =
        avow_coll_sign(h->config, call ? AVOW_COLL_FENCE : AVOW_COLL_BARRIER, ranks, n, &signature);

    if (rc < 0)
        rc = AVOW_FAIL_CODE(&err, rc, "a collective of %zu ranks", n);
    else
        rc = avow_coll_local_wait(h->waiting, avow_buf_view(&signature), call, &err);
    if (rc < 0) {
        if (call)
            avow_pmix_answer(call, AVOW_PMIX_FAILED, AVOW_BYTES(NULL, 0));
        avow_host_fail_err(h, "protocol", &err);
        return;
    }
    m.signature = avow_buf_view(&signature);
    send_to(h, AVOW_HOST_HEAD, &m);
}

/* Head: a node's part came in. */
static void on_fence(struct avow_host *h, uint32_t from, const struct avow_peer_msg *m)
{
    struct avow_coll_done done = { .data = AVOW_BUF(0) };
    struct avow_peer_msg release = { .type = AVOW_PEER_RELEASE, .signature = m->signature };
    struct avow_error err = { 0 };
    int rc = avow_coll_head_add(h->head, from, m->signature, m->data, &done, &err);

    if (rc < 0)
        avow_host_fail_err(h, "protocol", &err);
    if (rc != 1)
        return;
    release.data = avow_buf_view(&done.data);
    for (uint32_t i = 0; i < h->config->n_nodes; i++)
        if (avow_node_set_has(&done.nodes, i))
            send_to(h, i, &release);
    avow_buf_done(&done.data);
}

static void on_release(struct avow_host *h, const struct avow_peer_msg *m)
{
    struct avow_error err = { 0 };
    void *token = NULL;
    int rc = avow_coll_local_take(h->waiting, m->signature, &token, &err);

    if (rc == 0 && token)
        avow_pmix_answer(token, m->status, m->data);
    else if (rc == 0)
        rc = avow_pmi1_release(h->pmi1, m->data, avow_host_now_ms(), &err);
    if (rc < 0)
        avow_host_fail_err(h, "protocol", &err);
}

/* Direct modex ------------------------------------------------------------------------------------
 */

static int asked_add(struct avow_host *h, struct avow_pmix_call *call, uint32_t *id)
{
    struct avow_pmix_call **more = NULL;

    for (*id = 0; *id < h->n_asked; (*id)++)
        if (!h->asked[*id]) {
            h->asked[*id] = call;
            return 0;
        }
    if (h->n_asked >= AVOW_HOST_ASKED_MAX)
        return -AVOW_E_LIMIT;
    more = realloc(h->asked, (h->n_asked + 1) * sizeof(*more));
    if (!more)
        return -AVOW_E_NOMEM;
    h->asked = more;
    h->asked[h->n_asked++] = call;
    return 0;
}

void avow_host_ask(struct avow_host *h, struct avow_pmix_call *call, uint32_t rank)
{
    struct avow_peer_msg m = { .type = AVOW_PEER_ASK, .node = h->config->node, .rank = rank };

    if (asked_add(h, call, &m.id) < 0) {
        avow_pmix_answer(call, AVOW_PMIX_FAILED, AVOW_BYTES(NULL, 0));
        return;
    }
    send_to(h, AVOW_HOST_HEAD, &m);
}

void avow_host_answer(struct avow_host *h, uint32_t id, uint32_t node, uint32_t rank, int status,
                      struct avow_bytes data)
{
    struct avow_peer_msg m = { .type = AVOW_PEER_ANSWER,
                               .id = id,
                               .node = node,
                               .rank = rank,
                               .status = status,
                               .data = data };

    send_to(h, AVOW_HOST_HEAD, &m);
}

static bool on_ask(struct avow_host *h, uint32_t from, const struct avow_peer_msg *m)
{
    uint32_t holder = 0;

    if (m->rank >= h->config->n_ranks || m->node >= h->config->n_nodes)
        return false;
    holder = avow_launch_node_of(h->config, m->rank);
    if (avow_host_is_head(h) && from != m->node)
        return false;
    if (holder == h->config->node)
        avow_pmix_ask(m->id, m->node, m->rank);
    else if (avow_host_is_head(h))
        send_to(h, holder, m);
    else
        return false;
    return true;
}

static bool on_answer(struct avow_host *h, uint32_t from, const struct avow_peer_msg *m)
{
    struct avow_pmix_call *call = NULL;

    if (m->rank >= h->config->n_ranks || m->node >= h->config->n_nodes)
        return false;
    if (avow_host_is_head(h) && from != avow_launch_node_of(h->config, m->rank))
        return false;
    if (m->node != h->config->node) {
        if (!avow_host_is_head(h))
            return false;
        send_to(h, m->node, m);
        return true;
    }
    if (m->id >= h->n_asked || !h->asked[m->id])
        return false;
    call = h->asked[m->id];
    h->asked[m->id] = NULL;
    avow_pmix_answer(call, m->status, m->data);
    return true;
}

/* All messages ------------------------------------------------------------------------------------
 */

/* False: not from that node, or not here. */
static bool accept_message(struct avow_host *h, uint32_t from, const struct avow_peer_msg *m)
{
    bool head = avow_host_is_head(h), from_head = from == AVOW_HOST_HEAD;

    switch (m->type) {
    case AVOW_PEER_FENCE:
        if (head && !h->decided)
            on_fence(h, from, m);
        return head;
    case AVOW_PEER_RELEASE:
        if (from_head)
            on_release(h, m);
        return from_head;
    case AVOW_PEER_ASK:
        return (head || from_head) && on_ask(h, from, m);
    case AVOW_PEER_ANSWER:
        return (head || from_head) && on_answer(h, from, m);
    case AVOW_PEER_EXIT:
        if (!head || m->rank >= h->config->n_ranks ||
            avow_launch_node_of(h->config, m->rank) != from)
            return false;
        count_exit(h, m->rank);
        return true;
    case AVOW_PEER_FAIL:
        if (head)
            consider(h, &m->outcome);
        return head;
    case AVOW_PEER_END:
        if (from_head)
            avow_host_end(h, &m->outcome);
        return from_head;
    }
    return false;
}

static void on_message(struct avow_host *h, uint32_t from, const struct avow_peer_msg *m)
{
    struct avow_error err = { 0 };

    if (accept_message(h, from, m))
        return;
    (void)AVOW_FAIL(&err, PROTOCOL, "a message of type %d that node %u may not send here", m->type,
                    from);
    avow_host_fail_err(h, "protocol", &err);
}

void avow_host_peer_in(struct avow_host *h, uint32_t from, struct avow_bytes blob)
{
    struct avow_peer_msg m;
    struct avow_error err = { 0 };

    if (h->ended)
        return;
    if (from >= h->config->n_nodes || from == h->config->node) {
        (void)AVOW_FAIL(&err, PROTOCOL, "a message from node %u of %u", from, h->config->n_nodes);
        avow_host_fail_err(h, "protocol", &err);
    } else if (avow_peer_parse(blob, &m, &err) < 0) {
        avow_host_fail_err(h, "protocol", &err);
    } else {
        on_message(h, from, &m);
    }
}
