#include "verifier/keep.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/cleanup.h"

struct issuer {
    char *name; /* owned */
    struct avow_buf keys;
    int64_t fetched;
};

struct token {
    uint8_t digest[32];
    char *text; /* owned; NULL: a free place */
    size_t len;
};

struct jti {
    uint64_t name;      /* a digest of it: two that fall together refuse a good token, no more */
    uint8_t digest[32]; /* of what it was taken for */
};

struct keep {
    pthread_mutex_t lock; /* of all below */
    size_t n_issuers;
    struct issuer issuers[KEEP_ISSUERS_MAX];
    size_t n_tokens, next; /* places; the one that is taken next */
    struct token *tokens;
    size_t n_jtis; /* seen; the places are used in turn */
    struct jti jtis[KEEP_JTIS_MAX];
};

int keep_new(size_t tokens, struct keep **out, struct avow_error *err)
{
    struct keep *k = calloc(1, sizeof *k);

    if (k)
        k->tokens = calloc(tokens, sizeof *k->tokens);
    if (!k || !k->tokens) {
        free(k);
        return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    k->n_tokens = tokens;
    (void)pthread_mutex_init(&k->lock, NULL);
    *out = k;
    return 0;
}

void keep_free(struct keep *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->n_issuers; i++) {
        free(k->issuers[i].name);
        avow_buf_done(&k->issuers[i].keys);
    }
    for (size_t i = 0; i < k->n_tokens; i++)
        free(k->tokens[i].text);
    free(k->tokens);
    (void)pthread_mutex_destroy(&k->lock);
    free(k);
}

static struct issuer *find_issuer(struct keep *k, const char *name)
{
    for (size_t i = 0; i < k->n_issuers; i++)
        if (strcmp(k->issuers[i].name, name) == 0)
            return &k->issuers[i];
    return NULL;
}

/* A new place for @name, or NULL. */
static struct issuer *add_issuer(struct keep *k, const char *name)
{
    struct issuer *i = &k->issuers[k->n_issuers];

    if (k->n_issuers == KEEP_ISSUERS_MAX)
        return NULL;
    i->name = strdup(name);
    if (!i->name)
        return NULL;
    i->keys = AVOW_BUF(KEEP_KEYS_MAX);
    k->n_issuers++;
    return i;
}

int keep_keys_put(struct keep *k, const char *issuer, struct avow_bytes keys, int64_t now,
                  struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf copy = AVOW_BUF(KEEP_KEYS_MAX);
    struct issuer *i = NULL;

    if (avow_buf_put_bytes(&copy, keys) < 0)
        return avow_buf_ok(&copy, err);
    (void)pthread_mutex_lock(&k->lock);
    i = find_issuer(k, issuer);
    i = i ? i : add_issuer(k, issuer);
    if (i) {
        struct avow_buf old = i->keys;

        i->keys = copy;
        i->fetched = now;
        copy = old;
    }
    (void)pthread_mutex_unlock(&k->lock);
    return i ? 0 : AVOW_FAIL(err, LIMIT, "keys of more than %d issuers", KEEP_ISSUERS_MAX);
}

int keep_keys_get(struct keep *k, const char *issuer, struct avow_buf *out, int64_t *fetched)
{
    const struct issuer *i = NULL;
    int rc = -AVOW_E_NOTFOUND;

    (void)pthread_mutex_lock(&k->lock);
    i = find_issuer(k, issuer);
    if (i) {
        rc = avow_buf_put_bytes(out, avow_buf_view(&i->keys));
        *fetched = i->fetched;
    }
    (void)pthread_mutex_unlock(&k->lock);
    return rc;
}

static struct token *find_token(struct keep *k, const uint8_t digest[32])
{
    for (size_t i = 0; i < k->n_tokens; i++)
        if (k->tokens[i].text &&
            avow_bytes_equal(AVOW_BYTES_OF(k->tokens[i].digest), AVOW_BYTES(digest, 32)))
            return &k->tokens[i];
    return NULL;
}

void keep_token_put(struct keep *k, const uint8_t digest[32], struct avow_bytes token)
{
    char *text = malloc(token.len ? token.len : 1);
    struct token *t = NULL;

    if (!text)
        return;
    memcpy(text, token.data, token.len);
    (void)pthread_mutex_lock(&k->lock);
    t = find_token(k, digest);
    if (!t) {
        t = &k->tokens[k->next];
        k->next = (k->next + 1) % k->n_tokens;
    }
    free(t->text);
    t->text = text;
    t->len = token.len;
    memcpy(t->digest, digest, sizeof t->digest);
    (void)pthread_mutex_unlock(&k->lock);
}

bool keep_token_get(struct keep *k, const uint8_t digest[32], struct avow_buf *out)
{
    const struct token *t = NULL;
    bool found = false;

    (void)pthread_mutex_lock(&k->lock);
    t = find_token(k, digest);
    found = t && avow_buf_put(out, t->text, t->len) == 0;
    (void)pthread_mutex_unlock(&k->lock);
    return found;
}

void keep_token_drop(struct keep *k, const uint8_t digest[32])
{
    struct token *t = NULL;

    (void)pthread_mutex_lock(&k->lock);
    t = find_token(k, digest);
    if (t) {
        free(t->text);
        t->text = NULL;
    }
    (void)pthread_mutex_unlock(&k->lock);
}

/* FNV-1a, 64 bits: names are the issuer's, whose signature was verified. */
static uint64_t name_of(const char *jti)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *jti; jti++)
        h = (h ^ (uint8_t)*jti) * 0x100000001b3u;
    return h;
}

bool keep_jti(struct keep *k, const char *jti, const uint8_t digest[32])
{
    uint64_t name = name_of(jti);
    size_t n = 0, i = 0;
    bool good = true;

    if (!*jti)
        return true;
    (void)pthread_mutex_lock(&k->lock);
    n = k->n_jtis < KEEP_JTIS_MAX ? k->n_jtis : KEEP_JTIS_MAX;
    while (i < n && k->jtis[i].name != name)
        i++;
    if (i < n) {
        good = avow_bytes_equal(AVOW_BYTES_OF(k->jtis[i].digest), AVOW_BYTES(digest, 32));
    } else {
        struct jti *place = &k->jtis[k->n_jtis++ % KEEP_JTIS_MAX];

        place->name = name;
        memcpy(place->digest, digest, 32);
    }
    (void)pthread_mutex_unlock(&k->lock);
    return good;
}
