#include "client/report.h"

#include <errno.h>
#include <sys/stat.h>

#include "codec/text.h"
#include "crypto/hash.h"

#ifndef AVOW_VERSION
#define AVOW_VERSION "unknown"
#endif

static json_t *digest_of(struct avow_bytes b)
{
    uint8_t d[32];
    char hex[65];

    if (!b.len || avow_sha256(b, d) < 0)
        return NULL;
    avow_hex(AVOW_BYTES_OF(d), hex);
    return json_string(hex);
}

static double rounded(double ms)
{
    return (double)(int64_t)(ms * 1000 + 0.5) / 1000;
}

static void set(json_t *obj, const char *key, json_t *take_value)
{
    if (take_value)
        (void)json_object_set_new(obj, key, take_value);
}

json_t *avow_report_node(const struct avow_node *n)
{
    bool evaluated = n->state == AVOW_NODE_EVALUATED;
    char hex[65];
    json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "node", n->name, "address", n->address, "tee",
                          avow_tee_name(evaluated ? n->verdict.tee : n->expect), "attestation",
                          evaluated ? avow_verdict_accepts(&n->verdict) ? "accepted" : "refused"
                          : n->state == AVOW_NODE_UNREACHED ? "unreached"
                                                            : "not-tried");

    if (!o)
        return NULL;
    if (evaluated) {
        set(o, "verdict", avow_verdict_json(&n->verdict));
        set(o, "claims", json_incref(n->claims));
        set(o, "attest_ms", json_real(rounded(n->attest_ms)));
        set(o, "verify_ms", json_real(rounded(n->verify_ms)));
    }
    if (evaluated && avow_verdict_accepts(&n->verdict)) {
        avow_hex(AVOW_BYTES_OF(n->spki), hex);
        set(o, "spki", json_string(hex));
    }
    if (n->error.code)
        set(o, "error",
            json_pack("{s:s, s:s}", "code", avow_err_name(n->error.code), "message",
                      n->error.text));
    return o;
}

/* The manifest's own words about a node: its ranks and inputs. */
static const json_t *manifest_node(const json_t *manifest, const char *name)
{
    size_t i = 0;
    json_t *n = NULL;

    json_array_foreach(json_object_get(manifest, "nodes"), i, n) {
        const char *s = json_string_value(json_object_get(n, "name"));

        if (s && strcmp(s, name) == 0)
            return n;
    }
    return NULL;
}

static json_t *nodes_of(const struct avow_client *c, const json_t *manifest, bool *simulated)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < c->n; i++) {
        const struct avow_node *n = &c->nodes[i];
        const json_t *m = manifest_node(manifest, n->name);
        json_t *o = avow_report_node(n);

        *simulated = *simulated || n->verdict.simulated;
        if (!o)
            continue;
        set(o, "ranks", json_incref(json_object_get(m, "ranks")));
        set(o, "inputs", json_incref(json_object_get(m, "inputs")));
        set(o, "outputs", json_incref(n->results));
        set(o, "sync", json_incref(n->sync));
        set(o, "state", json_incref(json_object_get(n->job, "state")));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static double ns_member(const json_t *sync, const char *key)
{
    return json_number_value(json_object_get(sync, key)) / 1e6;
}

/* A sync point is over when the slowest node is: its figures stand for the job. */
static json_t *sync_of(const struct avow_client *c)
{
    const json_t *slowest = NULL;

    for (size_t i = 0; i < c->n; i++) {
        const json_t *s = c->nodes[i].sync;

        if (json_integer_value(json_object_get(s, "count")) > 0 &&
            (!slowest || ns_member(s, "median_ns") > ns_member(slowest, "median_ns")))
            slowest = s;
    }
    if (!slowest)
        return NULL;
    return json_pack("{s:O, s:f, s:f, s:f, s:f}", "count", json_object_get(slowest, "count"),
                     "min_ms", ns_member(slowest, "min_ns"), "median_ms",
                     ns_member(slowest, "median_ns"), "p99_ms", ns_member(slowest, "p99_ns"),
                     "max_ms", ns_member(slowest, "max_ns"));
}

static json_t *phases_of(const struct avow_client *c)
{
    const struct avow_phases *p = &c->phases;

    return json_pack("{s:f, s:f, s:f, s:f, s:f}", "attest", rounded(p->attest_ms), "formation",
                     rounded(p->formation_ms), "submit", rounded(p->submit_ms), "run",
                     rounded(p->run_ms), "fetch", rounded(p->fetch_ms));
}

static void add_progress(const struct avow_client *c, json_t *o)
{
    const json_t *best = NULL;

    for (size_t i = 0; i < c->n; i++) {
        const json_t *v = json_object_get(c->nodes[i].job, "iteration");

        if (!best || json_integer_value(v) > json_integer_value(json_object_get(best, "iteration")))
            best = c->nodes[i].job;
    }
    set(o, "iterations", json_incref(json_object_get(best, "iteration")));
    set(o, "metrics", json_incref(json_object_get(best, "metrics")));
}

static void add_digests(const struct avow_client *c, const json_t *manifest, json_t *o)
{
    json_t *d = json_object();

    if (!d)
        return;
    set(d, "manifest", digest_of(avow_buf_view(&c->manifest)));
    set(d, "roster", digest_of(avow_buf_view(&c->roster)));
    if (c->plan)
        set(d, "policy", digest_of(avow_buf_view(&c->plan->policy_text)));
    set(d, "program", json_incref(json_object_get(json_object_get(manifest, "program"), "sha256")));
    set(o, "digests", d);
    set(o, "program", json_incref(json_object_get(manifest, "program")));
}

json_t *avow_report(const struct avow_client *c, const char *state, const struct avow_error *why)
{
    avow_autojson json_t *manifest = NULL;
    bool simulated = false;
    json_t *o = json_pack("{s:s, s:s, s:s, s:I}", "type", "avow/report/1", "avow", AVOW_VERSION,
                          "state", state, "began", (json_int_t)c->began);

    if (!o)
        return NULL;
    if (c->manifest.len && avow_json_parse(avow_buf_view(&c->manifest), &manifest, NULL) < 0)
        manifest = NULL;
    if (c->job[0])
        set(o, "job", json_string(c->job));
    if (c->formation[0])
        set(o, "formation", json_string(c->formation));
    if (c->plan)
        set(o, "name", json_string(c->plan->name));
    set(o, "nodes", nodes_of(c, manifest, &simulated));
    set(o, "simulated", json_boolean(simulated));
    set(o, "verifier", avow_verifier_json(c->verifier));
    set(o, "pairs", json_incref(c->pairs));
    set(o, "links", json_incref(c->links));
    add_digests(c, manifest, o);
    add_progress(c, o);
    set(o, "sync", sync_of(c));
    set(o, "phases_ms", phases_of(c));
    set(o, "uploaded", json_integer((json_int_t)c->uploaded));
    set(o, "aggregate", json_incref(c->aggregate));
    set(o, "reason", json_incref(json_object_get(c->outcome, "reason")));
    if (why && why->code)
        set(o, "error",
            json_pack("{s:s, s:s}", "code", avow_err_name(why->code), "message", why->text));
    return o;
}

int avow_report_write(const json_t *report, const char *dir, char **path, struct avow_error *err)
{
    avow_autofree char *to = NULL;
    avow_autofree char *tmp = NULL;

    if (asprintf(&to, "%s/report.json", dir) < 0 || asprintf(&tmp, "%s.new", to) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    for (char *p = strchr(to + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = 0;
        if (mkdir(to, 0755) != 0 && errno != EEXIST)
            return AVOW_FAIL_SYS(err, "%s", to);
        *p = '/';
    }
    if (json_dump_file(report, tmp, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(15)) !=
            0 ||
        rename(tmp, to) != 0) {
        (void)unlink(tmp);
        return AVOW_FAIL_SYS(err, "%s cannot be written", to);
    }
    *path = avow_steal(&to);
    return 0;
}
