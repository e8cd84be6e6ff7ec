#include "launch/collective.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "launch/peer.h"

#define JOB_LEN 36

struct entry {
    struct entry *next;
    struct avow_buf signature;
    struct avow_buf data;           /* head only */
    struct avow_node_set want, got; /* head only */
    void *token;                    /* local only */
};

struct list {
    struct entry *first;
    size_t n;
};

struct avow_coll_head {
    const struct avow_launch_config *config;
    struct list list;
};

struct avow_coll_local {
    struct list list;
};

static void entry_free(struct entry *e)
{
    if (!e)
        return;
    avow_buf_done(&e->signature);
    avow_buf_done(&e->data);
    free(e);
}

static void list_done(struct list *l)
{
    while (l->first) {
        struct entry *e = l->first;

        l->first = e->next;
        entry_free(e);
    }
}

/* Where the pointer to the entry of @signature is; points to NULL if there is none. */
static struct entry **list_find(struct list *l, struct avow_bytes signature)
{
    struct entry **p = &l->first;

    while (*p && !avow_bytes_equal(avow_buf_view(&(*p)->signature), signature))
        p = &(*p)->next;
    return p;
}

static int list_add(struct list *l, struct avow_bytes signature, struct entry **out,
                    struct avow_error *err)
{
    struct entry *e = NULL;

    if (l->n >= AVOW_COLLECTIVES_MAX)
        return AVOW_FAIL(err, LIMIT, "more than %d collectives at once", AVOW_COLLECTIVES_MAX);
    e = calloc(1, sizeof *e);
    if (!e)
        return AVOW_FAIL(err, NOMEM, "no memory for a collective");
    e->signature = AVOW_BUF(AVOW_PEER_SIGNATURE_MAX);
    e->data = AVOW_BUF(AVOW_PEER_DATA_MAX);
    if (avow_buf_put_bytes(&e->signature, signature) < 0) {
        entry_free(e);
        return AVOW_FAIL(err, LIMIT, "a collective's signature of %zu bytes", signature.len);
    }
    e->next = l->first;
    l->first = e;
    l->n++;
    *out = e;
    return 0;
}

/* Take the entry out of the list; the caller's now. */
static struct entry *list_take(struct list *l, struct entry **p)
{
    struct entry *e = *p;

    *p = e->next;
    l->n--;
    return e;
}

int avow_coll_sign(const struct avow_launch_config *c, enum avow_coll_kind kind,
                   const uint32_t *ranks, size_t n, struct avow_buf *out)
{
    avow_buf_put(out, c->job, JOB_LEN);
    avow_buf_put_u8(out, (uint8_t)kind);
    avow_buf_put_u32be(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        avow_buf_put_u32be(out, ranks[i]);
    return avow_buf_ok(out, NULL);
}

static void set_add(struct avow_node_set *s, uint32_t node)
{
    s->bits[node / 64] |= 1ull << (node % 64);
}

static int read_ranks(const struct avow_launch_config *c, struct avow_rd *r, uint32_t n,
                      struct avow_node_set *nodes)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t rank = 0;

        AVOW_TRY(avow_rd_u32be(r, &rank));
        if (rank == AVOW_RANK_ALL && n == 1)
            for (uint32_t k = 0; k < c->n_nodes; k++)
                set_add(nodes, k);
        else if (rank < c->n_ranks)
            set_add(nodes, avow_launch_node_of(c, rank));
        else
            return -AVOW_E_FORMAT;
    }
    return avow_rd_end(r);
}

int avow_coll_read(const struct avow_launch_config *c, struct avow_bytes signature,
                   enum avow_coll_kind *kind, struct avow_node_set *nodes, struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(signature);
    struct avow_bytes job = { 0 };
    uint8_t k = 0;
    uint32_t n = 0;

    *nodes = (struct avow_node_set){ 0 };
    if (avow_rd_bytes(&r, JOB_LEN, &job) < 0 || !avow_bytes_equal(job, AVOW_BYTES(c->job, JOB_LEN)))
        return AVOW_FAIL(err, PROTOCOL, "a collective of another job");
    if (avow_rd_u8(&r, &k) < 0 || (k != AVOW_COLL_FENCE && k != AVOW_COLL_BARRIER) ||
        avow_rd_u32be(&r, &n) < 0 || n == 0 || read_ranks(c, &r, n, nodes) < 0)
        return AVOW_FAIL(err, PROTOCOL, "a collective's signature of %zu bytes is malformed",
                         signature.len);
    *kind = (enum avow_coll_kind)k;
    return 0;
}

int avow_coll_head_new(const struct avow_launch_config *c, struct avow_coll_head **out,
                       struct avow_error *err)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return AVOW_FAIL(err, NOMEM, "no memory for collectives");
    (*out)->config = c;
    return 0;
}

void avow_coll_head_free(struct avow_coll_head *h)
{
    if (!h)
        return;
    list_done(&h->list);
    free(h);
}

int avow_coll_head_add(struct avow_coll_head *h, uint32_t from, struct avow_bytes signature,
                       struct avow_bytes data, struct avow_coll_done *out, struct avow_error *err)
{
    struct entry **p = list_find(&h->list, signature);
    struct entry *e = *p;

    if (!e) {
        enum avow_coll_kind kind = AVOW_COLL_FENCE;
        struct avow_node_set want;

        AVOW_TRY(avow_coll_read(h->config, signature, &kind, &want, err));
        AVOW_TRY(list_add(&h->list, signature, &e, err));
        e->want = want;
        p = &h->list.first;
    }
    if (from >= h->config->n_nodes || !avow_node_set_has(&e->want, from) ||
        avow_node_set_has(&e->got, from))
        return AVOW_FAIL(err, PROTOCOL, "node %u has no part, or already took it, in a collective",
                         from);
    if (avow_buf_put_bytes(&e->data, data) < 0)
        return AVOW_FAIL(err, LIMIT, "the data of one collective exceed %u bytes",
                         AVOW_PEER_DATA_MAX);
    set_add(&e->got, from);
    if (!avow_bytes_equal(AVOW_BYTES(&e->got, sizeof e->got), AVOW_BYTES(&e->want, sizeof e->want)))
        return 0;
    e = list_take(&h->list, p);
    out->nodes = e->want;
    out->data = e->data;
    e->data = AVOW_BUF(0);
    entry_free(e);
    return 1;
}

int avow_coll_local_new(struct avow_coll_local **out, struct avow_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "no memory for collectives");
}

void avow_coll_local_free(struct avow_coll_local *l)
{
    if (!l)
        return;
    list_done(&l->list);
    free(l);
}

int avow_coll_local_wait(struct avow_coll_local *l, struct avow_bytes signature, void *token,
                         struct avow_error *err)
{
    struct entry *e = NULL;

    if (*list_find(&l->list, signature))
        return AVOW_FAIL(err, STATE, "the same collective was entered twice");
    AVOW_TRY(list_add(&l->list, signature, &e, err));
    e->token = token;
    return 0;
}

int avow_coll_local_take(struct avow_coll_local *l, struct avow_bytes signature, void **token,
                         struct avow_error *err)
{
    struct entry **p = list_find(&l->list, signature);
    struct entry *e = NULL;

    if (!*p)
        return AVOW_FAIL(err, PROTOCOL, "a release of a collective that nobody here waits for");
    e = list_take(&l->list, p);
    *token = e->token;
    entry_free(e);
    return 0;
}
