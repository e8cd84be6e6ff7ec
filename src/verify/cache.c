#include "verify/cache.h"

#include "collateral/qe_identity.h"
#include "collateral/tcb_info.h"
#include "crypto/hash.h"
#include "crypto/x509.h"

/* An entry is in one chain of its bucket and in the list by last use. */
struct entry {
    struct avow_kept kept; /* first: what callers hold */
    struct entry *chain;
    struct entry *older, *newer;
    uint64_t born, used; /* the verifications that brought it and that used it last */
    size_t size;         /* bytes of what it was read from */
    uint8_t *text;       /* a document's bytes, which its views point into; owned */
};

struct avow_verify_cache {
    size_t max, n;
    size_t bytes; /* of all entries' sizes */
    uint64_t now; /* number of this verification */
    struct entry *oldest, *newest;
    size_t n_buckets; /* a power of two */
    struct entry *buckets[];
};

static void entry_free(struct entry *e)
{
    avow_cert_free(e->kept.cert);
    avow_crl_free(e->kept.crl);
    avow_tcb_info_free(e->kept.info);
    avow_qe_identity_free(e->kept.qe);
    free(e->text); /* after what views it */
    free(e);
}
AVOW_DEFINE_CLEANUP(entry, struct entry, entry_free)

int avow_verify_cache_new(size_t entries, struct avow_verify_cache **out, struct avow_error *err)
{
    size_t max = entries < AVOW_CACHE_ENTRIES_MIN ? AVOW_CACHE_ENTRIES_MIN : entries;
    size_t n_buckets = AVOW_CACHE_ENTRIES_MIN;
    struct avow_verify_cache *c = NULL;

    while (n_buckets < max && n_buckets <= SIZE_MAX / 4 / sizeof(void *))
        n_buckets *= 2;
    c = calloc(1, sizeof *c + n_buckets * sizeof(struct entry *));
    if (!c)
        return AVOW_FAIL(err, NOMEM, "out of memory for a cache of %zu entries", max);
    c->max = max;
    c->n_buckets = n_buckets;
    *out = c;
    return 0;
}

void avow_verify_cache_free(struct avow_verify_cache *c)
{
    struct entry *e = c ? c->oldest : NULL;

    while (e) {
        struct entry *newer = e->newer;

        entry_free(e);
        e = newer;
    }
    free(c);
}

void avow_verify_cache_begin(struct avow_verify_cache *c)
{
    c->now++;
}

/* ---- the list by last use ---- */

static void unlist(struct avow_verify_cache *c, struct entry *e)
{
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
}

static void list_newest(struct avow_verify_cache *c, struct entry *e)
{
    e->used = c->now;
    e->newer = NULL;
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

/* ---- the table ---- */

static struct entry **bucket(struct avow_verify_cache *c, const uint8_t digest[32])
{
    uint64_t h = 0;

    memcpy(&h, digest, sizeof h); /* any eight bytes of a digest are as good */
    return &c->buckets[h & (c->n_buckets - 1)];
}

static struct entry *find(struct avow_verify_cache *c, enum avow_kept_kind kind,
                          const uint8_t digest[32])
{
    struct entry *e = *bucket(c, digest);

    while (e && (e->kept.kind != kind ||
                 !avow_bytes_equal(AVOW_BYTES_OF(e->kept.digest), AVOW_BYTES(digest, 32))))
        e = e->chain;
    if (e) {
        unlist(c, e);
        list_newest(c, e);
    }
    return e;
}

static void drop(struct avow_verify_cache *c, struct entry *e)
{
    struct entry **at = bucket(c, e->kept.digest);

    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
    unlist(c, e);
    c->n--;
    c->bytes -= e->size;
    entry_free(e);
}

/* Make room by dropping what was used longest ago, but nothing that this verification uses. */
static int insert(struct avow_verify_cache *c, struct entry *e, struct avow_error *err)
{
    struct entry **at = bucket(c, e->kept.digest);

    while (c->n >= c->max || c->bytes + e->size > AVOW_CACHE_BYTES_MAX) {
        if (!c->oldest || c->oldest->used == c->now)
            return AVOW_FAIL(err, LIMIT, "one verification needs more than %zu entries", c->max);
        drop(c, c->oldest);
    }
    e->born = c->now;
    e->chain = *at;
    *at = e;
    list_newest(c, e);
    c->n++;
    c->bytes += e->size;
    return 0;
}

void avow_verify_cache_end(struct avow_verify_cache *c, bool keep)
{
    struct entry *e = keep ? NULL : c->newest;

    while (e && e->used == c->now) {
        struct entry *older = e->older;

        if (e->born == c->now)
            drop(c, e);
        e = older;
    }
}

/* ---- reading ---- */

static int read_document(struct entry *e, struct avow_bytes text, struct avow_error *err)
{
    e->text = malloc(text.len ? text.len : 1);
    if (!e->text)
        return AVOW_FAIL(err, NOMEM, "out of memory for a document of %zu bytes", text.len);
    memcpy(e->text, text.data, text.len);
    if (e->kept.kind == AVOW_KEPT_TCB_INFO)
        return avow_tcb_info_parse(AVOW_BYTES(e->text, text.len), &e->kept.info, err);
    return avow_qe_identity_parse(AVOW_BYTES(e->text, text.len), &e->kept.qe, err);
}

static int read_entry(struct entry *e, struct avow_bytes text, struct avow_error *err)
{
    switch (e->kept.kind) {
    case AVOW_KEPT_CERT:
        return avow_cert_parse(text, &e->kept.cert, err);
    case AVOW_KEPT_CRL:
        return avow_crl_parse(text, &e->kept.crl, err);
    case AVOW_KEPT_TCB_INFO:
    case AVOW_KEPT_QE_IDENTITY:
        return read_document(e, text, err);
    case AVOW_KEPT_SIGNATURE:
        break;
    }
    return AVOW_FAIL(err, INVAL, "a signature is not read");
}

int avow_verify_cache_read(struct avow_verify_cache *c, enum avow_kept_kind kind,
                           struct avow_bytes text, const struct avow_kept **out,
                           struct avow_error *err)
{
    avow_auto(avow_cleanup_entry) struct entry *e = NULL;
    uint8_t digest[32] = { 0 };
    const struct entry *known = NULL;

    if (avow_sha256(text, digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    known = find(c, kind, digest);
    if (known) {
        *out = &known->kept;
        return 0;
    }
    e = calloc(1, sizeof *e);
    if (!e)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    e->kept.kind = kind;
    e->size = text.len;
    memcpy(e->kept.digest, digest, sizeof digest);
    AVOW_TRY(read_entry(e, text, err));
    AVOW_TRY(insert(c, e, err));
    *out = &avow_steal(&e)->kept;
    return 0;
}

/* ---- signatures ---- */

int avow_verify_cache_name(const struct avow_kept *by, enum avow_kept_kind what_kind,
                           const uint8_t what[32], uint8_t name[32], struct avow_error *err)
{
    uint8_t text[2 + 32 + 32] = { (uint8_t)by->kind, (uint8_t)what_kind };

    memcpy(text + 2, by->digest, 32);
    memcpy(text + 34, what, 32);
    if (avow_sha256(AVOW_BYTES_OF(text), name) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    return 0;
}

bool avow_verify_cache_knows(struct avow_verify_cache *c, const uint8_t name[32])
{
    return find(c, AVOW_KEPT_SIGNATURE, name) != NULL;
}

int avow_verify_cache_learn(struct avow_verify_cache *c, const uint8_t name[32],
                            struct avow_error *err)
{
    avow_auto(avow_cleanup_entry) struct entry *e = NULL;

    if (find(c, AVOW_KEPT_SIGNATURE, name))
        return 0;
    e = calloc(1, sizeof *e);
    if (!e)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    e->kept.kind = AVOW_KEPT_SIGNATURE;
    memcpy(e->kept.digest, name, 32);
    AVOW_TRY(insert(c, e, err));
    (void)avow_steal(&e);
    return 0;
}
