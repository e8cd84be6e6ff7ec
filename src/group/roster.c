#include "group/roster.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "codec/json.h"
#include "codec/text.h"
#include "crypto/hash.h"

#define TYPE "avow/roster/1"
#define CONFIRM_LABEL "avow confirm v1"

bool avow_uuid_ok(const char *s)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    size_t i = 0;

    for (; form[i]; i++)
        if (form[i] == 'x' ? !s[i] || !strchr("0123456789abcdef", s[i]) : s[i] != '-')
            return false;
    return s[i] == '\0';
}

bool avow_member_name_ok(const char *s)
{
    size_t n = strlen(s);

    return n > 0 && n <= AVOW_MEMBER_NAME_MAX && s[0] != '-' && s[n - 1] != '-' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

void avow_roster_done(struct avow_roster *r)
{
    free(r->members);
    memset(r, 0, sizeof *r);
}

static int by_name(const void *a, const void *b)
{
    const struct avow_member *x = a;
    const struct avow_member *y = b;

    return strcmp(x->name, y->name);
}

static int by_digest(const void *a, const void *b)
{
    return memcmp(*(const uint8_t *const *)a, *(const uint8_t *const *)b, 32);
}

/* No two members may have the same 32 bytes at @offset. */
static int check_distinct(const struct avow_roster *r, size_t offset, const char *what,
                          struct avow_error *err)
{
    avow_autofree const uint8_t **v = calloc(r->n, sizeof *v);

    if (!v)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    for (size_t i = 0; i < r->n; i++)
        v[i] = (const uint8_t *)&r->members[i] + offset;
    qsort(v, r->n, sizeof *v, by_digest);
    for (size_t i = 1; i < r->n; i++)
        if (memcmp(v[i - 1], v[i], 32) == 0)
            return AVOW_FAIL(err, EXISTS, "two members of the roster have one %s", what);
    return 0;
}

/* Every rule but the order of the members. */
static int check(const struct avow_roster *r, struct avow_error *err)
{
    if (!avow_uuid_ok(r->formation))
        return AVOW_FAIL(err, FORMAT, "formation is not a lower-case UUID");
    if (r->epoch < 1 || r->epoch > INT64_MAX)
        return AVOW_FAIL(err, FORMAT, "epoch is counted from 1");
    if (r->n < 2 || r->n > AVOW_MEMBERS_MAX)
        return AVOW_FAIL(err, LIMIT, "%zu members (2 to %d)", r->n, AVOW_MEMBERS_MAX);
    for (size_t i = 0; i < r->n; i++) {
        const struct avow_member *m = &r->members[i];

        if (!avow_member_name_ok(m->name))
            return AVOW_FAIL(err, FORMAT, "\"%s\" is not a member's name", m->name);
        if (avow_tee_hardware(m->tee) == AVOW_TEE_NONE)
            return AVOW_FAIL(err, FORMAT, "member %s has no TEE kind", m->name);
        if (i && strcmp(r->members[i - 1].name, m->name) == 0)
            return AVOW_FAIL(err, EXISTS, "two members of the roster are called %s", m->name);
        if (i && strcmp(r->members[i - 1].name, m->name) > 0)
            return AVOW_FAIL(err, FORMAT, "the roster is not sorted by name at %s", m->name);
    }
    AVOW_TRY(check_distinct(r, offsetof(struct avow_member, spki), "spki", err));
    AVOW_TRY(check_distinct(r, offsetof(struct avow_member, x25519), "x25519", err));
    return check_distinct(r, offsetof(struct avow_member, nonce), "nonce", err);
}

static void put_hex(struct avow_buf *out, const char *key, const uint8_t v[32], const char *after)
{
    avow_buf_putf(out, "\"%s\":\"", key);
    avow_hex_put(out, AVOW_BYTES(v, 32));
    avow_buf_putf(out, "\"%s", after);
}

/* Keys in the order of canonical JSON; no value needs an escape once check() has passed. */
static int emit(const struct avow_roster *r, struct avow_buf *out, struct avow_error *err)
{
    AVOW_TRY(check(r, err));
    avow_buf_putf(out, "{\"epoch\":%llu,\"formation\":\"%s\",", (unsigned long long)r->epoch,
                  r->formation);
    put_hex(out, "manifest", r->manifest, ",\"members\":[");
    for (size_t i = 0; i < r->n; i++) {
        const struct avow_member *m = &r->members[i];

        avow_buf_putf(out, "%s{\"name\":\"%s\",", i ? "," : "", m->name);
        put_hex(out, "nonce", m->nonce, ",");
        put_hex(out, "spki", m->spki, ",");
        avow_buf_putf(out, "\"tee\":\"%s\",", avow_tee_name(m->tee));
        put_hex(out, "x25519", m->x25519, "}");
    }
    avow_buf_put_str(out, "],");
    put_hex(out, "policy", r->policy, ",\"type\":\"" TYPE "\"}");
    return avow_buf_ok(out, err);
}

int avow_roster_emit(struct avow_roster *r, struct avow_buf *out, struct avow_error *err)
{
    if (r->n)
        qsort(r->members, r->n, sizeof *r->members, by_name);
    return emit(r, out, err);
}

static int parse_member(const json_t *j, struct avow_member *m, struct avow_error *err)
{
    static const char *const known[] = { "name", "nonce", "spki", "tee", "x25519", NULL };
    const char *name = NULL;
    const char *tee = NULL;

    if (!json_is_object(j))
        return AVOW_FAIL(err, FORMAT, "a member of the roster is not an object");
    AVOW_TRY(avow_json_only(j, known, err));
    AVOW_TRY(avow_json_get_str(j, "name", &name, err));
    AVOW_TRY(avow_json_get_str(j, "tee", &tee, err));
    if (!avow_member_name_ok(name))
        return AVOW_FAIL(err, FORMAT, "\"%.80s\" is not a member's name", name);
    memcpy(m->name, name, strlen(name) + 1);
    m->tee = avow_tee_from_name(tee);
    AVOW_TRY(avow_json_get_hex(j, "nonce", m->nonce, 32, err));
    AVOW_TRY(avow_json_get_hex(j, "spki", m->spki, 32, err));
    return avow_json_get_hex(j, "x25519", m->x25519, 32, err);
}

static int parse_members(const json_t *j, struct avow_roster *r, struct avow_error *err)
{
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    AVOW_TRY(avow_json_get_array(j, "members", AVOW_MEMBERS_MAX, &list, err));
    r->members = calloc(json_array_size(list) + 1, sizeof *r->members);
    if (!r->members)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    r->n = json_array_size(list);
    json_array_foreach(list, i, item)
        AVOW_TRY(parse_member(item, &r->members[i], err));
    return 0;
}

static int parse(const json_t *j, struct avow_roster *r, struct avow_error *err)
{
    static const char *const known[] = { "epoch",  "formation", "manifest", "members",
                                         "policy", "type",      NULL };
    const char *type = NULL;
    const char *formation = NULL;
    int64_t epoch = 0;

    if (!json_is_object(j))
        return AVOW_FAIL(err, FORMAT, "the roster is not an object");
    AVOW_TRY(avow_json_get_str(j, "type", &type, err));
    if (strcmp(type, TYPE) != 0)
        return AVOW_FAIL(err, VERSION, "roster of type \"%.40s\", not \"" TYPE "\"", type);
    AVOW_TRY(avow_json_only(j, known, err));
    AVOW_TRY(avow_json_get_str(j, "formation", &formation, err));
    AVOW_TRY(avow_json_get_int(j, "epoch", 1, INT64_MAX, &epoch, err));
    if (!avow_uuid_ok(formation))
        return AVOW_FAIL(err, FORMAT, "formation is not a lower-case UUID");
    memcpy(r->formation, formation, sizeof r->formation);
    r->epoch = (uint64_t)epoch;
    AVOW_TRY(avow_json_get_hex(j, "manifest", r->manifest, 32, err));
    AVOW_TRY(avow_json_get_hex(j, "policy", r->policy, 32, err));
    return parse_members(j, r, err);
}

int avow_roster_parse(struct avow_bytes text, struct avow_roster *out, struct avow_error *err)
{
    avow_auto(avow_roster_done) struct avow_roster r = { 0 };
    avow_auto(avow_buf_done) struct avow_buf again = AVOW_BUF(AVOW_ROSTER_MAX);
    avow_autojson json_t *j = NULL;

    if (text.len > AVOW_ROSTER_MAX)
        return AVOW_FAIL(err, LIMIT, "roster of %zu bytes (at most %u)", text.len, AVOW_ROSTER_MAX);
    AVOW_TRY(avow_json_parse(text, &j, err));
    AVOW_TRY(parse(j, &r, err));
    AVOW_TRY(emit(&r, &again, err));
    /* there is one way to write a roster, or its digest would not name it */
    if (!avow_bytes_equal(text, avow_buf_view(&again)))
        return AVOW_FAIL(err, FORMAT, "the roster is not in canonical form");
    *out = r;
    r.members = NULL;
    return 0;
}

int avow_roster_index(const struct avow_roster *r, const char *name)
{
    size_t low = 0;
    size_t high = r->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = strcmp(name, r->members[mid].name);

        if (c == 0)
            return (int)mid;
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return -1;
}

const struct avow_member *avow_roster_find(const struct avow_roster *r, const char *name)
{
    int i = avow_roster_index(r, name);

    return i < 0 ? NULL : &r->members[i];
}

int avow_pair_prk(const uint8_t h[32], const struct avow_key *own, const uint8_t peer[32],
                  struct avow_key *prk, struct avow_error *err)
{
    avow_auto(avow_key_wipe) struct avow_key shared = { 0 };
    int rc = avow_x25519(own, peer, &shared);

    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "X25519 with the peer's key gives no secret");
    rc = avow_hkdf_extract(AVOW_BYTES(h, 32), AVOW_BYTES_OF(shared.bytes), prk);
    return rc < 0 ? AVOW_FAIL_CODE(err, rc, "HKDF failed") : 0;
}

int avow_pair_confirm(const struct avow_key *prk, const char *role, const uint8_t exporter[32],
                      const uint8_t h[32], uint8_t mac[32])
{
    avow_auto(avow_key_wipe) struct avow_key key = { 0 };
    avow_auto(avow_buf_done) struct avow_buf info = AVOW_BUF(64);
    uint8_t in[64];

    if (strcmp(role, "server") != 0 && strcmp(role, "client") != 0)
        return -AVOW_E_INVAL;
    avow_buf_put_str(&info, CONFIRM_LABEL);
    avow_buf_put_str(&info, role);
    AVOW_TRY(avow_buf_ok(&info, NULL));
    AVOW_TRY(avow_hkdf_expand(prk, avow_buf_view(&info), key.bytes, sizeof key.bytes));
    memcpy(in, exporter, 32);
    memcpy(in + 32, h, 32);
    return avow_hmac_sha256(AVOW_BYTES_OF(key.bytes), AVOW_BYTES_OF(in), mac);
}
