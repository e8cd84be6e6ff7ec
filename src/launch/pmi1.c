#include "launch/pmi1.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "launch/kvs.h"
#include "launch/peer.h"

#define KVS_NAME "kvs_avow"
#define MAPPING_MAX AVOW_KVS_VALUE_MAX
#define REPLY_MAX (AVOW_KVS_VALUE_MAX + 128)

struct client {
    size_t len;
    char line[AVOW_PMI1_LINE_MAX];
    bool in_barrier;
    bool early;    /* let out of the barrier before its end */
    bool again;    /* let out early, and already in the next one */
    bool has_read; /* a key of another rank */
};

struct avow_pmi1 {
    const struct avow_launch_config *config;
    struct avow_pmi1_ops ops;
    struct avow_kvs *kvs;
    struct avow_buf mapping;
    struct avow_buf fresh; /* pairs put since the last barrier: key NUL value NUL ... */
    uint32_t n_clients;
    uint32_t n_in_barrier;
    uint64_t since_ms; /* when the first rank entered */
    bool put_seen;     /* in this barrier's round */
    struct client clients[];
};

int avow_pmi1_mapping(const struct avow_launch_config *c, struct avow_buf *out)
{
    avow_buf_put_str(out, "(vector");
    for (uint32_t i = 0; i < c->n_nodes;) {
        uint32_t n = 1;

        while (i + n < c->n_nodes && c->nodes[i + n].ranks == c->nodes[i].ranks)
            n++;
        avow_buf_putf(out, ",(%u,%u,%u)", i, n, c->nodes[i].ranks);
        i += n;
    }
    avow_buf_put_str(out, ")");
    return avow_buf_ok(out, NULL);
}

int avow_pmi1_new(const struct avow_launch_config *c, const struct avow_pmi1_ops *ops,
                  struct avow_pmi1 **out, struct avow_error *err)
{
    uint32_t n = avow_launch_self(c)->ranks;
    struct avow_pmi1 *p = calloc(1, sizeof *p + n * sizeof p->clients[0]);
    int rc = 0;

    if (!p)
        return AVOW_FAIL(err, NOMEM, "no memory for the PMI server");
    p->config = c;
    p->ops = *ops;
    p->n_clients = n;
    p->mapping = AVOW_BUF(MAPPING_MAX);
    p->fresh = AVOW_BUF(AVOW_PEER_DATA_MAX);
    rc = avow_kvs_new(&p->kvs, err);
    /* a mapping that is too long is not given: MPICH then asks every rank for its host name */
    if (rc == 0 && avow_pmi1_mapping(c, &p->mapping) < 0) {
        avow_buf_done(&p->mapping);
        p->mapping = AVOW_BUF(MAPPING_MAX);
    }
    if (rc < 0) {
        avow_pmi1_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void avow_pmi1_free(struct avow_pmi1 *p)
{
    if (!p)
        return;
    avow_kvs_free(p->kvs);
    avow_buf_done(&p->mapping);
    avow_buf_done(&p->fresh);
    free(p);
}

static void reply(struct avow_pmi1 *p, uint32_t local, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void reply(struct avow_pmi1 *p, uint32_t local, const char *fmt, ...)
{
    char line[REPLY_MAX];
    va_list ap;
    int n = 0;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof line - 1, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof line - 1)
        return;
    line[n++] = '\n';
    p->ops.reply(p->ops.ctx, local, AVOW_BYTES(line, (size_t)n));
}

/* The value of @name in "a=b c=d": false if it is absent or does not fit. */
static bool field(const char *line, const char *name, char *out, size_t max)
{
    size_t n = strlen(name);

    for (const char *p = line; p; p = strchr(p, ' ')) {
        p += *p == ' ';
        if (strncmp(p, name, n) == 0 && p[n] == '=') {
            size_t len = strcspn(p + n + 1, " ");

            if (len >= max)
                return false;
            memcpy(out, p + n + 1, len);
            out[len] = '\0';
            return true;
        }
    }
    return false;
}

static int parse_int(const char *s, int fallback)
{
    char *end = NULL;
    long v = strtol(s, &end, 10);

    return *s && !*end && v >= INT32_MIN && v <= INT32_MAX ? (int)v : fallback;
}

static void on_put(struct avow_pmi1 *p, uint32_t local, const char *line)
{
    char key[AVOW_KVS_KEY_MAX], value[AVOW_KVS_VALUE_MAX];
    size_t before = p->fresh.len;

    if (!field(line, "key", key, sizeof key) || !key[0] ||
        !field(line, "value", value, sizeof value)) {
        reply(p, local, "cmd=put_result rc=-1 msg=bad_key_or_value");
        return;
    }
    if (p->fresh.max - before < strlen(key) + strlen(value) + 2) {
        reply(p, local, "cmd=put_result rc=-1 msg=no_room");
        return;
    }
    avow_buf_put(&p->fresh, key, strlen(key) + 1);
    avow_buf_put(&p->fresh, value, strlen(value) + 1);
    p->put_seen = true;
    reply(p, local, "cmd=put_result rc=0 msg=success");
}

static void on_get(struct avow_pmi1 *p, uint32_t local, const char *line)
{
    char key[AVOW_KVS_KEY_MAX];
    const char *value = NULL;

    if (!field(line, "key", key, sizeof key))
        key[0] = '\0';
    if (strcmp(key, "PMI_process_mapping") == 0 && p->mapping.len > 0) {
        reply(p, local, "cmd=get_result rc=0 msg=success value=%s", avow_buf_cstr(&p->mapping));
        return;
    }
    value = avow_kvs_get(p->kvs, key);
    if (!value) {
        reply(p, local, "cmd=get_result rc=-1 msg=key_not_found value=unknown");
        return;
    }
    p->clients[local].has_read = true;
    reply(p, local, "cmd=get_result rc=0 msg=success value=%s", value);
}

static void enter(struct avow_pmi1 *p, uint32_t local, uint64_t now_ms)
{
    struct client *c = &p->clients[local];

    if (c->in_barrier) {
        c->again = c->early;
        return;
    }
    c->in_barrier = true;
    if (p->n_in_barrier++ == 0)
        p->since_ms = now_ms;
    if (p->n_in_barrier == p->n_clients) {
        p->ops.barrier(p->ops.ctx, avow_buf_view(&p->fresh));
        avow_buf_reset(&p->fresh);
    }
}

static int on_abort(struct avow_pmi1 *p, uint32_t local, const char *line)
{
    char code[16] = "";

    if (!field(line, "exitcode", code, sizeof code))
        code[0] = '\0';
    p->ops.aborted(p->ops.ctx, local, parse_int(code, 1));
    return 0;
}

static int on_line(struct avow_pmi1 *p, uint32_t local, const char *line, uint64_t now_ms,
                   struct avow_error *err)
{
    char cmd[64];

    if (!field(line, "cmd", cmd, sizeof cmd) && !field(line, "mcmd", cmd, sizeof cmd)) {
        /* "mcmd=spawn" comes as several lines, of which only the first says so */
        return AVOW_FAIL(err, PROTOCOL, "a PMI line without a command");
    }
    if (strcmp(cmd, "init") == 0) {
        p->ops.connected(p->ops.ctx, local);
        reply(p, local, "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0");
    } else if (strcmp(cmd, "get_maxes") == 0) {
        reply(p, local, "cmd=maxes kvsname_max=256 keylen_max=64 vallen_max=%d",
              AVOW_KVS_VALUE_MAX - 1);
    } else if (strcmp(cmd, "get_appnum") == 0) {
        reply(p, local, "cmd=appnum appnum=0");
    } else if (strcmp(cmd, "get_universe_size") == 0) {
        reply(p, local, "cmd=universe_size size=%u", p->config->n_ranks);
    } else if (strcmp(cmd, "get_my_kvsname") == 0) {
        reply(p, local, "cmd=my_kvsname kvsname=%s", KVS_NAME);
    } else if (strcmp(cmd, "put") == 0) {
        on_put(p, local, line);
    } else if (strcmp(cmd, "get") == 0) {
        on_get(p, local, line);
    } else if (strcmp(cmd, "barrier_in") == 0) {
        enter(p, local, now_ms);
    } else if (strcmp(cmd, "finalize") == 0) {
        p->ops.finalized(p->ops.ctx, local);
        reply(p, local, "cmd=finalize_ack");
    } else if (strcmp(cmd, "abort") == 0) {
        return on_abort(p, local, line);
    } else if (strcmp(cmd, "spawn") == 0) {
        p->ops.spawn(p->ops.ctx, local);
        return AVOW_FAIL(err, UNSUPPORTED, "MPI_Comm_spawn is not supported");
    } else {
        reply(p, local, "cmd=%s_result rc=-1 msg=not_supported", cmd);
    }
    return 0;
}

int avow_pmi1_input(struct avow_pmi1 *p, uint32_t local, struct avow_bytes in, uint64_t now_ms,
                    struct avow_error *err)
{
    struct client *c = NULL;

    if (local >= p->n_clients)
        return AVOW_FAIL(err, INVAL, "no local rank %u", local);
    c = &p->clients[local];
    for (size_t i = 0; i < in.len; i++) {
        char ch = (char)in.data[i];

        if (ch == '\n') {
            c->line[c->len] = '\0';
            c->len = 0;
            AVOW_TRY(on_line(p, local, c->line, now_ms, err));
            continue;
        }
        /* values go to other ranks inside lines of text: nothing but printable ASCII */
        if (ch < 0x20 || ch > 0x7e)
            return AVOW_FAIL(err, PROTOCOL, "byte 0x%02x in a PMI line", in.data[i]);
        if (c->len + 1 >= sizeof c->line)
            return AVOW_FAIL(err, LIMIT, "a PMI line longer than %zu bytes", sizeof c->line - 1);
        c->line[c->len++] = ch;
    }
    return 0;
}

static int next_text(struct avow_rd *r, const char **out)
{
    struct avow_bytes v = { 0 };
    const uint8_t *end = r->rest.len ? memchr(r->rest.data, 0, r->rest.len) : NULL;

    if (!end)
        return -AVOW_E_TRUNCATED;
    AVOW_TRY(avow_rd_bytes(r, (size_t)(end - r->rest.data) + 1, &v));
    for (size_t i = 0; i + 1 < v.len; i++)
        if (v.data[i] <= 0x20 || v.data[i] > 0x7e)
            return -AVOW_E_FORMAT;
    *out = (const char *)v.data;
    return 0;
}

static int store(struct avow_pmi1 *p, struct avow_bytes data)
{
    struct avow_rd r = avow_rd_init(data);

    while (r.rest.len > 0) {
        const char *key = NULL, *value = NULL;

        AVOW_TRY(next_text(&r, &key));
        AVOW_TRY(next_text(&r, &value));
        AVOW_TRY(avow_kvs_put(p->kvs, key, value));
    }
    return 0;
}

int avow_pmi1_release(struct avow_pmi1 *p, struct avow_bytes data, uint64_t now_ms,
                      struct avow_error *err)
{
    int rc = store(p, data);

    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "the ranks' PMI keys and values: %s", avow_err_text(rc));
    p->put_seen = false;
    p->n_in_barrier = 0;
    for (uint32_t i = 0; i < p->n_clients; i++) {
        struct client *c = &p->clients[i];
        bool told = c->early;

        c->in_barrier = c->early = false;
        if (!told)
            reply(p, i, "cmd=barrier_out rc=0");
    }
    for (uint32_t i = 0; i < p->n_clients; i++)
        if (p->clients[i].again) {
            p->clients[i].again = false;
            enter(p, i, now_ms);
        }
    return 0;
}

void avow_pmi1_tick(struct avow_pmi1 *p, uint64_t now_ms)
{
    if (p->config->pmi1_stall_ms == 0 || p->n_in_barrier == 0 || p->put_seen ||
        now_ms - p->since_ms < (uint64_t)p->config->pmi1_stall_ms)
        return;
    for (uint32_t i = 0; i < p->n_clients; i++) {
        struct client *c = &p->clients[i];

        if (c->in_barrier && !c->early && c->has_read) {
            c->early = true;
            reply(p, i, "cmd=barrier_out rc=0");
        }
    }
}
