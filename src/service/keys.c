#include "service/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "serve/file.h"
#include "service/keys_internal.h"

#define INDEX "index.json"
#define INDEX_MAX (8u << 20)

struct avow_keys {
    char *dir;
    int64_t last;                                /* number of the newest name */
    size_t n;                                    /* the last one signs */
    struct avow_generation *list[AVOW_KEYS_MAX]; /* oldest first */
};

/* ---- files ---- */

static int path_of(const struct avow_keys *k, const char *name, const char *suffix, char **out,
                   struct avow_error *err)
{
    if (asprintf(out, "%s/%s%s", k->dir, name, suffix) < 0) {
        *out = NULL;
        return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    return 0;
}

static int read_signer(const struct avow_keys *k, const char *name, const char *suffix,
                       struct avow_signer **out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(AVOW_SIGNER_PEM_MAX);
    avow_autofree char *path = NULL;
    int rc = 0;

    AVOW_TRY(path_of(k, name, suffix, &path, err));
    AVOW_TRY(avow_file_read(path, AVOW_FILE_SECRET, &pem, err));
    rc = avow_signer_from_pem(avow_buf_view(&pem), out, err);
    if (rc < 0)
        (void)avow_error_prefix(err, "%s", path);
    return rc;
}

static int write_signer(const struct avow_keys *k, const char *name, const char *suffix,
                        const struct avow_signer *s, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(AVOW_SIGNER_PEM_MAX);
    avow_autofree char *path = NULL;

    AVOW_TRY(path_of(k, name, suffix, &path, err));
    AVOW_TRY(avow_signer_to_pem(s, &pem, err));
    return avow_file_write(path, 0600, avow_buf_view(&pem), err);
}

static void forget_signer(const struct avow_keys *k, const char *name, const char *suffix)
{
    avow_autofree char *path = NULL;

    if (path_of(k, name, suffix, &path, NULL) == 0)
        (void)unlink(path);
}

static int write_index(const struct avow_keys *k, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(INDEX_MAX);
    avow_autofree char *path = NULL;
    avow_autojson json_t *list = json_array();
    avow_autojson json_t *j = NULL;

    for (size_t i = 0; i < k->n; i++) {
        const struct avow_generation *g = k->list[i];

        (void)json_array_append_new(
            list, json_pack("{s:s, s:I, s:I, s:I, s:O, s:O}", "name", g->name, "created",
                            (json_int_t)g->created, "retired", (json_int_t)g->retired, "until",
                            (json_int_t)g->until, "issuer", g->issuer, "jwks", g->jwks));
    }
    if (json_array_size(list) != k->n)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    j = json_pack("{s:i, s:I, s:O}", "version", 1, "last", (json_int_t)k->last, "generations",
                  list);
    if (!j)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_json_canonical(j, &text, err));
    AVOW_TRY(path_of(k, INDEX, "", &path, err));
    return avow_file_write(path, 0600, avow_buf_view(&text), err);
}

/* What the index says of one. */
static int parse_generation(const json_t *j, struct avow_generation *g, struct avow_error *err)
{
    const char *text = NULL;

    AVOW_TRY(avow_json_get_str(j, "name", &text, err));
    if (strlen(text) >= sizeof g->name || strspn(text, "0123456789") != strlen(text))
        return AVOW_FAIL(err, FORMAT, "\"%.20s\" is no generation's name", text);
    memcpy(g->name, text, strlen(text) + 1);
    AVOW_TRY(avow_json_get_int(j, "created", 0, INT64_MAX, &g->created, err));
    AVOW_TRY(avow_json_get_int(j, "retired", 0, INT64_MAX, &g->retired, err));
    AVOW_TRY(avow_json_get_int(j, "until", 0, INT64_MAX, &g->until, err));
    AVOW_TRY(avow_json_get_str(j, "issuer", &text, err));
    AVOW_TRY(avow_json_get_array(j, "jwks", 2, &g->jwks, err));
    json_incref(g->jwks);
    g->issuer = json_incref(json_object_get(j, "issuer"));
    return generation_kids(g, err);
}

static int read_generation(struct avow_keys *k, const json_t *j, struct avow_error *err)
{
    avow_auto(avow_cleanup_generation) struct avow_generation *g = generation_empty();

    if (!g || k->n == AVOW_KEYS_MAX)
        return AVOW_FAIL(err, LIMIT, "at most %d generations", AVOW_KEYS_MAX);
    AVOW_TRY(parse_generation(j, g, err));
    if (!g->retired) {
        AVOW_TRY(read_signer(k, g->name, ".rsa.pem", &g->rsa, err));
        AVOW_TRY(read_signer(k, g->name, ".ec.pem", &g->ec, err));
    }
    k->list[k->n++] = avow_steal(&g);
    return 0;
}

/* 0 and no generations if there is no index. */
static int read_index(struct avow_keys *k, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(INDEX_MAX);
    avow_autofree char *path = NULL;
    avow_autojson json_t *j = NULL;
    json_t *list = NULL;
    json_t *one = NULL;
    size_t i = 0;
    struct avow_error e = { 0 };
    int rc = 0;

    AVOW_TRY(path_of(k, INDEX, "", &path, err));
    rc = avow_file_read(path, AVOW_FILE_SECRET, &text, &e);
    if (rc < 0 && e.sys == ENOENT)
        return 0;
    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "%s", e.text);
    rc = avow_json_parse(avow_buf_view(&text), &j, err);
    if (rc == 0)
        rc = avow_json_get_int(j, "last", 1, INT64_MAX, &k->last, err);
    if (rc == 0)
        rc = avow_json_get_array(j, "generations", AVOW_KEYS_MAX, &list, err);
    json_array_foreach(list, i, one)
        if (rc == 0)
            rc = read_generation(k, one, err);
    if (rc == 0 && (k->n == 0 || k->list[k->n - 1]->retired))
        rc = AVOW_FAIL(err, FORMAT, "no generation signs");
    if (rc < 0)
        (void)avow_error_prefix(err, "%s", path);
    return rc;
}

int avow_keys_peek(const char *dir, char kid[AVOW_KEY_KID], struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(INDEX_MAX);
    avow_auto(avow_cleanup_generation) struct avow_generation *g = generation_empty();
    const struct avow_keys k = { .dir = (char *)(uintptr_t)dir };
    avow_autofree char *path = NULL;
    avow_autojson json_t *j = NULL;
    json_t *list = NULL;

    if (!g)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(path_of(&k, INDEX, "", &path, err));
    AVOW_TRY(avow_file_read(path, AVOW_FILE_ANYBODYS, &text, err)); /* root asks for others, too */
    if (avow_json_parse(avow_buf_view(&text), &j, err) < 0 ||
        avow_json_get_array(j, "generations", AVOW_KEYS_MAX, &list, err) < 0 ||
        parse_generation(json_array_get(list, json_array_size(list) - 1), g, err) < 0)
        return avow_error_prefix(err, "%s", path);
    memcpy(kid, g->rsa_kid, AVOW_KEY_KID);
    return 0;
}

/* ---- generations ---- */

static void drop(struct avow_keys *k, size_t i)
{
    avow_generation_unref(k->list[i]);
    memmove(&k->list[i], &k->list[i + 1], (k->n - i - 1) * sizeof *k->list);
    k->n--;
}

static int put_first(struct avow_keys *k, const char *issuer, int64_t now, struct avow_error *err)
{
    avow_auto(avow_cleanup_generation) struct avow_generation *g = NULL;

    AVOW_TRY(avow_generation_new(issuer, now, &g, err));
    return avow_keys_adopt(k, g, now, 0, err);
}

int avow_keys_open(const char *dir, const char *issuer, int64_t now, struct avow_keys **out,
                   bool *made, struct avow_error *err)
{
    avow_auto(avow_cleanup_keys) struct avow_keys *k = calloc(1, sizeof *k);
    struct avow_generation *g = NULL;

    if (!k)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    k->dir = strdup(dir);
    if (!k->dir)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return AVOW_FAIL_SYS(err, "%s", dir);
    AVOW_TRY(read_index(k, err));
    *made = k->n == 0;
    if (*made)
        AVOW_TRY(put_first(k, issuer, now, err));
    g = avow_keys_current(k);
    if (strcmp(json_string_value(g->issuer), issuer) != 0) {
        AVOW_TRY(generation_certify(g, issuer, now, err));
        AVOW_TRY(write_index(k, err));
    }
    *out = avow_steal(&k);
    return 0;
}

void avow_keys_free(struct avow_keys *k)
{
    if (!k)
        return;
    while (k->n)
        drop(k, k->n - 1);
    free(k->dir);
    free(k);
}

struct avow_generation *avow_keys_current(const struct avow_keys *k)
{
    return k->list[k->n - 1];
}

size_t avow_keys_count(const struct avow_keys *k)
{
    return k->n;
}

/* Its public half: what signs may be held by others, who know nothing of retirement. */
static struct avow_generation *retire(const struct avow_generation *g, int64_t now,
                                      int64_t token_life_s)
{
    struct avow_generation *old = generation_empty();

    if (!old)
        return NULL;
    *old = *g;
    old->refs = 1;
    old->rsa = old->ec = NULL;
    old->retired = now;
    old->until = now + token_life_s + AVOW_KEYS_SKEW_S;
    json_incref(old->issuer);
    json_incref(old->jwks);
    return old;
}

int avow_keys_adopt(struct avow_keys *k, struct avow_generation *g, int64_t now,
                    int64_t token_life_s, struct avow_error *err)
{
    struct avow_generation *before = k->n ? avow_keys_current(k) : NULL;
    struct avow_generation *old = NULL;
    int rc = 0;

    (void)avow_keys_prune(k, now);
    if (k->n == AVOW_KEYS_MAX)
        return AVOW_FAIL(err, BUSY, "%d generations are listed still", AVOW_KEYS_MAX);
    (void)snprintf(g->name, sizeof g->name, "%04lld", (long long)k->last + 1);
    AVOW_TRY(write_signer(k, g->name, ".rsa.pem", g->rsa, err));
    AVOW_TRY(write_signer(k, g->name, ".ec.pem", g->ec, err));
    if (before) {
        old = retire(before, now, token_life_s);
        if (!old)
            return AVOW_FAIL(err, NOMEM, "out of memory");
        k->list[k->n - 1] = old;
    }
    k->list[k->n++] = avow_generation_ref(g);
    k->last++;
    rc = write_index(k, err);
    if (rc < 0) { /* as before, on the disk and here */
        drop(k, k->n - 1);
        k->last--;
        if (before) {
            avow_generation_unref(old);
            k->list[k->n - 1] = before;
        }
        return rc;
    }
    if (before) {
        forget_signer(k, before->name, ".rsa.pem");
        forget_signer(k, before->name, ".ec.pem");
        avow_generation_unref(before);
    }
    return 0;
}

bool avow_keys_prune(struct avow_keys *k, int64_t now)
{
    bool any = false;

    for (size_t i = k->n; i-- > 0;) {
        if (!k->list[i]->retired || k->list[i]->until > now)
            continue;
        drop(k, i);
        any = true;
    }
    if (any)
        (void)write_index(k, NULL); /* listed there too long does no harm */
    return any;
}

json_t *avow_keys_jwks(const struct avow_keys *k)
{
    avow_autojson json_t *list = json_array();

    for (size_t i = k->n; i-- > 0;) /* the one that signs first */
        if (!list || json_array_extend(list, k->list[i]->jwks) < 0)
            return NULL;
    return json_pack("{s:O}", "keys", list);
}
