#include "service/nonces.h"

#include <pthread.h>

#include "codec/text.h"
#include "crypto/hash.h"

#define RANDOM_LEN 12u
#define HEAD_LEN (RANDOM_LEN + 4u) /* and the time of its end: unix seconds, big-endian */
#define NONCE_LEN 32u
#define PROBE_MAX 16u

struct used {
    uint64_t word; /* of the random bytes; 0: free */
    int64_t until;
};

struct avow_nonces {
    struct avow_key key;
    int64_t life_s;
    pthread_mutex_t lock; /* protects the table */
    struct used table[AVOW_NONCES_USED_MAX];
};

int avow_nonces_new(int64_t life_s, struct avow_nonces **out, struct avow_error *err)
{
    struct avow_nonces *n = calloc(1, sizeof *n);

    if (!n)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    n->life_s = life_s;
    pthread_mutex_init(&n->lock, NULL);
    if (avow_random(n->key.bytes, sizeof n->key.bytes) < 0) {
        free(n);
        return AVOW_FAIL(err, CRYPTO, "no random bytes");
    }
    *out = n;
    return 0;
}

void avow_nonces_free(struct avow_nonces *n)
{
    if (!n)
        return;
    avow_key_wipe(&n->key);
    pthread_mutex_destroy(&n->lock);
    free(n);
}

static int mac(const struct avow_nonces *n, const uint8_t head[HEAD_LEN], uint8_t out[32])
{
    return avow_hmac_sha256(AVOW_BYTES_OF(n->key.bytes), AVOW_BYTES(head, HEAD_LEN), out);
}

int avow_nonces_make(struct avow_nonces *n, int64_t now, char text[AVOW_NONCE_TEXT],
                     int64_t *expires, struct avow_error *err)
{
    uint8_t v[NONCE_LEN], tag[32];

    *expires = now + n->life_s;
    if (avow_random(v, RANDOM_LEN) < 0)
        return AVOW_FAIL(err, CRYPTO, "no random bytes");
    for (unsigned i = 0; i < 4; i++)
        v[RANDOM_LEN + i] = (uint8_t)((uint64_t)*expires >> (24 - 8 * i));
    if (mac(n, v, tag) < 0)
        return AVOW_FAIL(err, CRYPTO, "HMAC failed");
    memcpy(v + HEAD_LEN, tag, NONCE_LEN - HEAD_LEN);
    avow_hex(AVOW_BYTES_OF(v), text);
    return 0;
}

/* Whether it is ours and still good; then its end and its word. */
static bool open_nonce(const struct avow_nonces *n, const char *text, int64_t now, int64_t *until,
                       uint64_t *word)
{
    uint8_t v[NONCE_LEN], tag[32];

    if (strlen(text) != AVOW_NONCE_TEXT - 1 || avow_unhex(text, v, sizeof v) < 0 ||
        mac(n, v, tag) < 0 || !avow_ct_equal(tag, v + HEAD_LEN, NONCE_LEN - HEAD_LEN))
        return false;
    *until = 0;
    for (unsigned i = 0; i < 4; i++)
        *until = *until << 8 | v[RANDOM_LEN + i];
    memcpy(word, v, sizeof *word);
    if (*word == 0)
        *word = 1;
    return *until > now;
}

/* The entry of @word, or one to put it in; NULL if there is none. */
static struct used *find(struct avow_nonces *n, uint64_t word, int64_t now, bool *there)
{
    struct used *room = NULL;

    *there = false;
    for (unsigned i = 0; i < PROBE_MAX; i++) {
        struct used *u = &n->table[(word + i) % AVOW_NONCES_USED_MAX];

        if (u->word == word && u->until > now) {
            *there = true;
            return u;
        }
        if (!room && (!u->word || u->until <= now))
            room = u;
    }
    return room;
}

enum avow_nonce_state avow_nonces_take(struct avow_nonces *n, const char *text, int64_t now)
{
    struct used as = { 0 };
    struct used *room = NULL;
    bool there = false;

    if (!open_nonce(n, text, now, &as.until, &as.word))
        return AVOW_NONCE_UNKNOWN;
    pthread_mutex_lock(&n->lock);
    room = find(n, as.word, now, &there);
    if (room && !there)
        *room = as;
    pthread_mutex_unlock(&n->lock);
    return there ? AVOW_NONCE_USED : room ? AVOW_NONCE_FRESH : AVOW_NONCE_FULL;
}
