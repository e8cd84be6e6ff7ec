/*
 * Two nodes' jobs in one process: real journal, files, state machine, worker and child processes;
 * links, HTTP, broker and shell are stand-ins (fakes.h, fake_shell.c).
 */
#include "daemon/jobs.h"

#include <dirent.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec/text.h"
#include "crypto/hash.h"
#include "fakes.h"
#include "job/manifest.h"

#define JOB "11111111-1111-4111-8111-111111111111"
#define FORMATION "22222222-2222-4222-8222-222222222222"
#define PROGRAM "#!/bin/sh\nexit 0\n"
#define INPUT "1,2,3\n"
#define DEADLINE_S 20

struct node {
    struct avow_http http;
    struct avow_formations formations;
    struct avow_formation f;
    struct avow_broker broker;
    struct avow_metrics *metrics;
    struct avow_jobs *jobs;
    char state[128];
};

struct world {
    struct event_base *base;
    struct node nodes[FAKE_NODES];
    char dir[64];
};

/* --- set-up ------------------------------------------------------------------------------- */

static void name_file(struct avow_job_file *f, const char *name, const char *text)
{
    snprintf(f->name, sizeof f->name, "%s", name);
    f->size = strlen(text);
    assert_int_equal(avow_sha256(avow_bytes_str(text), f->sha256), 0);
}

static void make_manifest(const char *how, struct avow_buf *out)
{
    struct avow_job_file inputs[2][2] = { 0 };
    struct avow_job_node nodes[2] = {
        { .name = "a", .tee = "snp", .ranks = 2, .n_inputs = 2, .inputs = inputs[0] },
        { .name = "b", .tee = "tdx", .ranks = 1, .n_inputs = 1, .inputs = inputs[1] },
    };
    char arg[32];
    char *args[] = { arg };
    struct avow_manifest m = { .job = JOB,
                               .name = "test",
                               .args = args,
                               .n_args = 1,
                               .outputs_max = 100,
                               .nodes = nodes,
                               .n_nodes = 2 };
    struct avow_error err = { 0 };

    snprintf(arg, sizeof arg, "%s", how);
    name_file(&m.program, "train", PROGRAM);
    name_file(&inputs[0][0], "d.csv", INPUT);
    name_file(&inputs[0][1], "empty", "");
    name_file(&inputs[1][0], "d.csv", INPUT);
    if (avow_manifest_emit(&m, out, &err) < 0)
        fail_msg("%s", err.text);
}

static void make_formation(struct world *w, uint32_t i, const char *how)
{
    static struct avow_member members[2] = { { .name = "a", .tee = AVOW_TEE_SNP },
                                             { .name = "b", .tee = AVOW_TEE_TDX } };
    struct avow_formation *f = &w->nodes[i].f;

    *f = (struct avow_formation){ .base = w->base, .all = &w->nodes[i].formations, .self = i };
    f->manifest = AVOW_BUF(AVOW_MANIFEST_MAX);
    f->roster =
        (struct avow_roster){ .formation = FORMATION, .epoch = 1, .n = 2, .members = members };
    f->formed = true;
    f->verdicts =
        json_pack("{s:{s:s},s:{s:s}}", "a", "decision", "accepted", "b", "decision", "accepted");
    memset(f->owner, 0xaa, sizeof f->owner);
    memset(&f->prk, 0x5a, sizeof f->prk);
    make_manifest(how, &f->manifest);
    f->peers[1 - i] = &w->nodes[1 - i].f;
    w->nodes[i].formations.f = f;
}

static int open_node(struct world *w, uint32_t i, struct avow_error *err)
{
    struct node *n = &w->nodes[i];
    struct avow_jobs_config cfg = {
        .base = w->base,
        .http = &n->http,
        .formations = &n->formations,
        .broker = &n->broker,
        .metrics = n->metrics,
        .state_dir = n->state,
        .shell_path = FAKE_SHELL,
        .preload_path = "/usr/lib/libavow-fabric.so",
        .node_name = i ? "b" : "a",
        .job_uid = -1,
        .job_gid = -1,
        .files_max = 1 << 20,
        .jobs_max = 2,
    };

    n->http.n = 0;
    return avow_jobs_new(&cfg, &n->jobs, err);
}

static void make_world(struct world *w, const char *how)
{
    struct avow_error err = { 0 };

    *w = (struct world){ .base = event_base_new() };
    snprintf(w->dir, sizeof w->dir, "/tmp/avow-test-jobs-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    for (uint32_t i = 0; i < FAKE_NODES; i++) {
        struct node *n = &w->nodes[i];

        snprintf(n->state, sizeof n->state, "%s/%c", w->dir, i ? 'b' : 'a');
        n->metrics = avow_metrics_new();
        make_formation(w, i, how);
        if (open_node(w, i, &err) < 0)
            fail_msg("%s", err.text);
    }
}

static void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    const struct dirent *e = NULL;

    assert_non_null(strstr(path, "/tmp/avow-test-jobs-"));
    while (d && (e = readdir(d)) != NULL) {
        char sub[512];

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
        if (unlink(sub) != 0)
            remove_tree(sub);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static void end_world(struct world *w)
{
    for (uint32_t i = 0; i < FAKE_NODES; i++) {
        struct node *n = &w->nodes[i];

        avow_jobs_free(n->jobs);
        fake_broker_release(&n->broker);
        avow_metrics_free(n->metrics);
        json_decref(n->f.verdicts);
        avow_buf_done(&n->f.manifest);
    }
    /* messages that were still under way are delivered to nobody */
    for (uint32_t i = 0; i < FAKE_NODES; i++)
        w->nodes[i].f.down = true;
    event_base_loop(w->base, EVLOOP_NONBLOCK);
    event_base_free(w->base);
    remove_tree(w->dir);
}

/* --- the client --------------------------------------------------------------------------- */

static void call(struct world *w, uint32_t node, struct avow_call *c, const char *method,
                 const char *path)
{
    if (avow_bytes_zero(AVOW_BYTES_OF(c->spki)))
        memset(c->spki, 0xaa, sizeof c->spki);
    fake_call(&w->nodes[node].http, c, method, path);
    for (int i = 0; i < 5000 && !c->answered; i++) {
        const struct timeval tick = { .tv_usec = 2000 };

        event_base_loopexit(w->base, &tick);
        event_base_dispatch(w->base);
    }
    assert_true(c->answered);
}

static const char *text_of(const json_t *v, const char *key)
{
    const char *s = json_string_value(json_object_get(v, key));

    return s ? s : "";
}

static const char *error_of(const struct avow_call *c)
{
    return text_of(json_object_get(c->reply, "error"), "code");
}

static int submit(struct world *w, uint32_t node)
{
    struct avow_call c = { .json = json_pack("{s:s,s:s}", "job", JOB, "formation", FORMATION) };
    int status = 0;

    call(w, node, &c, "POST", "/v1/job/submit");
    status = c.status;
    fake_call_release(&c);
    return status;
}

static void put(struct world *w, uint32_t node, const char *name, const char *text, size_t chunk)
{
    for (size_t at = 0; at < strlen(text); at += chunk) {
        size_t n = strlen(text) - at < chunk ? strlen(text) - at : chunk;
        struct avow_call c = { .body = AVOW_BYTES(text + at, n) };
        char path[256];
        char query[32];

        snprintf(path, sizeof path, "/v1/jobs/" JOB "/files/%s", name);
        snprintf(query, sizeof query, "offset=%zu", at);
        c.query = query;
        call(w, node, &c, "PUT", path);
        assert_int_equal(c.status, 200);
        assert_int_equal(json_integer_value(json_object_get(c.reply, "have")), at + n);
        assert_int_equal(json_is_true(json_object_get(c.reply, "complete")),
                         at + n == strlen(text));
        fake_call_release(&c);
    }
}

static void upload(struct world *w)
{
    for (uint32_t i = 0; i < FAKE_NODES; i++) {
        assert_int_equal(submit(w, i), 201);
        put(w, i, "program", PROGRAM, 7);
        put(w, i, "input/d.csv", INPUT, 1000);
    }
}

static void start(struct world *w)
{
    for (uint32_t i = 0; i < FAKE_NODES; i++) {
        struct avow_call c = { 0 };

        call(w, i, &c, "POST", "/v1/jobs/" JOB "/start");
        assert_int_equal(c.status, 202);
        fake_call_release(&c);
    }
}

static json_t *job_json(struct world *w, uint32_t node)
{
    struct avow_call c = { 0 };
    json_t *v = NULL;

    call(w, node, &c, "GET", "/v1/jobs/" JOB);
    assert_int_equal(c.status, 200);
    v = json_incref(c.reply);
    fake_call_release(&c);
    return v;
}

/* Run the loop until the job is in @state on @node; the caller owns what is returned. */
static json_t *wait_state(struct world *w, uint32_t node, const char *state)
{
    for (int i = 0; i < DEADLINE_S * 100; i++) {
        const struct timeval tick = { .tv_usec = 10000 };
        json_t *v = job_json(w, node);

        if (strcmp(text_of(v, "state"), state) == 0)
            return v;
        if (strcmp(text_of(v, "state"), "FAILED") == 0)
            fail_msg("FAILED: %s", text_of(json_object_get(v, "reason"), "message"));
        json_decref(v);
        event_base_loopexit(w->base, &tick);
        event_base_dispatch(w->base);
    }
    fail_msg("not %s in time", state);
    return NULL;
}

/* Both nodes FAILED with @code and the same reason; the reason, to be released. */
static json_t *both_fail(struct world *w, const char *code, const char *node)
{
    json_t *reasons[2];

    for (uint32_t i = 0; i < FAKE_NODES; i++) {
        json_t *v = wait_state(w, i, "FAILED");

        reasons[i] = json_incref(json_object_get(v, "reason"));
        json_decref(v);
    }
    if (strcmp(text_of(reasons[0], "code"), code) != 0)
        fail_msg("%s: %s", text_of(reasons[0], "code"), text_of(reasons[0], "message"));
    assert_string_equal(text_of(reasons[0], "node"), node);
    assert_true(json_equal(reasons[0], reasons[1]));
    json_decref(reasons[1]);
    return reasons[0];
}

/* Until a request is not answered by @code any more. */
static void call_settled(struct world *w, uint32_t node, struct avow_call *c, const char *method,
                         const char *path, const char *code)
{
    for (int i = 0; i < DEADLINE_S * 100; i++) {
        const struct timeval tick = { .tv_usec = 10000 };

        call(w, node, c, method, path);
        if (strcmp(error_of(c), code) != 0)
            return;
        fake_call_release(c);
        event_base_loopexit(w->base, &tick);
        event_base_dispatch(w->base);
    }
    fail_msg("%s in vain", path);
}

static bool has_event(const struct avow_stream *s, const char *type, const char *text)
{
    for (unsigned i = 0; i < s->n; i++) {
        const char *sp = strchr(s->events[i], ' ');

        if (strncmp(sp + 1, type, strlen(type)) == 0 && sp[1 + strlen(type)] == ' ' &&
            strstr(sp, text))
            return true;
    }
    return false;
}

static void ids_rise(const struct avow_stream *s)
{
    unsigned long long last = 0;

    for (unsigned i = 0; i < s->n; i++) {
        unsigned long long id = strtoull(s->events[i], NULL, 10);

        assert_true(id > last || strstr(s->events[i], " lost "));
        last = id;
    }
}

/* Nothing runs, nothing is held, keys are away. */
static void all_released(struct world *w)
{
    for (uint32_t i = 0; i < FAKE_NODES; i++) {
        assert_int_equal(w->nodes[i].f.held, 0);
        assert_int_equal(w->nodes[i].broker.jobs, 0);
        assert_int_equal(w->nodes[i].broker.ranks, 0);
    }
}

static bool exists(const struct world *w, uint32_t node, const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/jobs/" JOB "/%s", w->nodes[node].state, name);
    return access(path, F_OK) == 0;
}

static bool gone(struct world *w, uint32_t node, const char *name)
{
    for (int i = 0; i < DEADLINE_S * 100 && exists(w, node, name); i++) {
        const struct timeval tick = { .tv_usec = 10000 };

        event_base_loopexit(w->base, &tick);
        event_base_dispatch(w->base);
    }
    return !exists(w, node, name);
}

/* --- tests -------------------------------------------------------------------------------- */

static void a_job_completes(void **state)
{
    struct world w;
    struct avow_call events = { 0 };
    struct avow_call c = { 0 };
    json_t *v = NULL;
    const json_t *file = NULL;

    (void)state;
    make_world(&w, "ok");
    upload(&w);
    assert_int_equal(w.nodes[0].f.held, 1);
    call(&w, 1, &events, "GET", "/v1/jobs/" JOB "/events");
    start(&w);
    for (uint32_t i = 0; i < FAKE_NODES; i++)
        json_decref(wait_state(&w, i, "COMPLETED"));
    all_released(&w);

    v = job_json(&w, 1);
    assert_int_equal(json_integer_value(json_object_get(v, "iteration")), 2);
    assert_int_equal(json_integer_value(json_object_get(v, "total")), 9);
    assert_true(json_real_value(json_object_get(json_object_get(v, "metrics"), "loss")) == 0.25);
    assert_null(json_object_get(v, "reason"));
    assert_string_equal(text_of(json_array_get(json_object_get(v, "ranks"), 0), "state"), "exited");
    json_decref(v);

    assert_true(events.stream.ended);
    ids_rise(&events.stream);
    assert_true(has_event(&events.stream, "state", "\"PENDING\""));
    assert_true(has_event(&events.stream, "state", "\"RUNNING\""));
    assert_true(has_event(&events.stream, "state", "\"COMPLETED\""));
    assert_true(has_event(&events.stream, "progress", "\"iteration\":2"));
    assert_true(has_event(&events.stream, "progress", "\"loss\":0.25"));
    assert_true(has_event(&events.stream, "output", "h\xc3\xa4llo\xef\xbf\xbd\\n"));
    assert_true(has_event(&events.stream, "rank", "\"exit\":0"));
    assert_true(has_event(&events.stream, "note", "the shell is here"));
    assert_non_null(strstr(events.stream.events[events.stream.n - 1], "COMPLETED"));
    fake_call_release(&events);

    call(&w, 0, &c, "GET", "/v1/jobs/" JOB "/sync");
    assert_int_equal(json_integer_value(json_object_get(c.reply, "count")), 2);
    assert_int_equal(json_integer_value(json_object_get(c.reply, "min_ns")), 2000000);
    assert_int_equal(json_integer_value(json_object_get(c.reply, "max_ns")), 4000000);
    fake_call_release(&c);

    call(&w, 0, &c, "GET", "/v1/jobs/" JOB "/results");
    file = json_array_get(json_object_get(c.reply, "files"), 0);
    assert_string_equal(text_of(file, "name"), "model.txt");
    assert_int_equal(json_integer_value(json_object_get(file, "size")), 6);
    fake_call_release(&c);
    c.query = "offset=2";
    call(&w, 0, &c, "GET", "/v1/jobs/" JOB "/results/model.txt");
    assert_string_equal(avow_buf_cstr(&c.bytes), "= 1\n");
    fake_call_release(&c);
    call(&w, 0, &c, "GET", "/v1/jobs/" JOB "/results/../program");
    assert_string_equal(error_of(&c), "notfound");
    fake_call_release(&c);
    c.query = "rank=0&stream=stdout&offset=1";
    call(&w, 0, &c, "GET", "/v1/jobs/" JOB "/output");
    assert_string_equal(avow_buf_cstr(&c.bytes), "\xc3\xa4llo\xff\n");
    fake_call_release(&c);
    c.query = "rank=2";
    call(&w, 0, &c, "GET", "/v1/jobs/" JOB "/output");
    assert_string_equal(error_of(&c), "notfound"); /* node b's */
    fake_call_release(&c);

    /* the owner's data does not stay longer than it is needed */
    assert_true(gone(&w, 0, "program") && gone(&w, 0, "input"));
    assert_true(exists(&w, 0, "output/model.txt"));
    call(&w, 0, &c, "DELETE", "/v1/jobs/" JOB);
    assert_int_equal(c.status, 200);
    fake_call_release(&c);
    assert_false(exists(&w, 0, ""));
    call(&w, 0, &c, "GET", "/v1/jobs/" JOB "/results");
    assert_string_equal(error_of(&c), "notfound");
    fake_call_release(&c);
    end_world(&w);
}

static void a_failed_rank_fails_the_job_everywhere(void **state)
{
    struct world w;
    struct avow_call c = { 0 };
    json_t *r = NULL;
    json_t *v = NULL;

    (void)state;
    make_world(&w, "fail");
    upload(&w);
    start(&w);
    r = both_fail(&w, "rank", "b");
    assert_int_equal(json_integer_value(json_object_get(r, "rank")), 2);
    assert_string_equal(text_of(r, "message"), "rank 2 on b exited with status 7");
    json_decref(r);
    v = job_json(&w, 1);
    assert_int_equal(
        json_integer_value(json_object_get(json_array_get(json_object_get(v, "ranks"), 0), "exit")),
        7);
    json_decref(v);
    all_released(&w);
    call_settled(&w, 0, &c, "GET", "/v1/jobs/" JOB "/results", "busy");
    assert_int_equal(c.status, 200);
    fake_call_release(&c);
    end_world(&w);
}

static void a_crashed_shell_fails_the_job_everywhere(void **state)
{
    struct world w;
    json_t *r = NULL;

    (void)state;
    make_world(&w, "crash");
    upload(&w);
    start(&w);
    r = both_fail(&w, "system", "b");
    assert_non_null(strstr(text_of(r, "message"), "signal 9"));
    json_decref(r);
    end_world(&w);
}

static void a_shell_that_talks_nonsense_is_ended(void **state)
{
    struct world w;

    (void)state;
    make_world(&w, "garbage");
    upload(&w);
    start(&w);
    json_decref(both_fail(&w, "protocol", "b"));
    end_world(&w);
}

static void without_namespaces_there_is_no_job(void **state)
{
    struct world w;

    (void)state;
    make_world(&w, "nonamespace");
    upload(&w);
    start(&w);
    json_decref(both_fail(&w, "namespace", "a"));
    end_world(&w);
}

static void too_many_results_fail_the_job(void **state)
{
    struct world w;
    json_t *v = NULL;

    (void)state;
    make_world(&w, "toomuch");
    upload(&w);
    start(&w);
    v = wait_state(&w, 0, "FAILED");
    assert_string_equal(text_of(json_object_get(v, "reason"), "code"), "limit");
    assert_non_null(strstr(text_of(json_object_get(v, "reason"), "message"), "outputs_max"));
    json_decref(v);
    end_world(&w);
}

static void a_cancelled_job_ends_everywhere(void **state)
{
    struct world w;
    struct avow_call c = { .json = json_pack("{s:s}", "reason", "enough") };
    json_t *r = NULL;

    (void)state;
    make_world(&w, "loop");
    upload(&w);
    start(&w);
    json_decref(wait_state(&w, 0, "RUNNING"));
    json_decref(wait_state(&w, 1, "RUNNING"));
    call(&w, 1, &c, "POST", "/v1/jobs/" JOB "/cancel");
    assert_int_equal(c.status, 202);
    assert_string_equal(text_of(c.reply, "state"), "FAILED");
    fake_call_release(&c);
    r = both_fail(&w, "cancelled", "");
    assert_non_null(strstr(text_of(r, "message"), "enough"));
    json_decref(r);
    all_released(&w);
    end_world(&w);
}

static void a_lost_node_fails_the_job(void **state)
{
    struct world w;
    json_t *v = NULL;
    const json_t *r = NULL;

    (void)state;
    make_world(&w, "loop");
    upload(&w);
    start(&w);
    json_decref(wait_state(&w, 0, "RUNNING"));
    fake_lose(&w.nodes[0].f, 1);
    v = wait_state(&w, 0, "FAILED");
    r = json_object_get(v, "reason");
    assert_string_equal(text_of(r, "code"), "peerlost");
    assert_string_equal(text_of(r, "node"), "b");
    assert_non_null(strstr(text_of(r, "message"), "silent"));
    json_decref(v);
    assert_int_equal(w.nodes[0].f.held, 0);
    end_world(&w);
}

static void failed_authentication_fails_the_job(void **state)
{
    struct world w;
    json_t *r = NULL;

    (void)state;
    make_world(&w, "loop");
    upload(&w);
    start(&w);
    json_decref(wait_state(&w, 0, "RUNNING"));
    json_decref(wait_state(&w, 1, "RUNNING"));
    avow_jobs_auth_failed(w.nodes[0].jobs, "", 1, "unknown job");
    avow_jobs_auth_failed(w.nodes[0].jobs, JOB, 1, "rank 0 on a, rank 2 on b: wrong key");
    r = both_fail(&w, "auth", "b");
    assert_non_null(strstr(text_of(r, "message"), "rank 0 on a"));
    json_decref(r);
    end_world(&w);
}

static void a_restarted_daemon_knows_its_jobs(void **state)
{
    struct world w;
    struct avow_call c = { 0 };
    json_t *v = NULL;
    char copy[128];
    pid_t pid = 0;
    int status = 0;

    (void)state;
    make_world(&w, "loop");
    upload(&w);
    start(&w);
    json_decref(wait_state(&w, 0, "RUNNING"));
    /* as a crash leaves it: a copy of the state folder in mid-run */
    snprintf(copy, sizeof copy, "%s/a.crashed", w.dir);
    pid = fork();
    if (pid == 0) {
        execl("/bin/cp", "cp", "-a", w.nodes[0].state, copy, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    avow_jobs_free(w.nodes[0].jobs);
    fake_broker_release(&w.nodes[0].broker);
    snprintf(w.nodes[0].state, sizeof w.nodes[0].state, "%s/a.crashed", w.dir);
    assert_true(exists(&w, 0, "input/d.csv"));
    w.nodes[0].formations.f = NULL; /* keys were in memory only */
    assert_int_equal(open_node(&w, 0, NULL), 0);

    v = job_json(&w, 0);
    assert_string_equal(text_of(v, "state"), "FAILED");
    assert_string_equal(text_of(json_object_get(v, "reason"), "code"), "state");
    assert_string_equal(text_of(json_object_get(v, "reason"), "message"),
                        "avowd was restarted while the job was RUNNING");
    json_decref(v);
    assert_false(exists(&w, 0, "")); /* its files are gone */
    call(&w, 0, &c, "GET", "/v1/jobs");
    assert_int_equal(json_array_size(json_object_get(c.reply, "jobs")), 1);
    fake_call_release(&c);
    call(&w, 0, &c, "GET", "/v1/jobs/" JOB "/events");
    assert_true(c.stream.ended);
    ids_rise(&c.stream);
    assert_true(has_event(&c.stream, "state", "\"RUNNING\""));
    assert_true(has_event(&c.stream, "state", "restarted"));
    fake_call_release(&c);
    /* it can also be asked for what came after something that it had only seen live */
    c.query = "since=1000";
    call(&w, 0, &c, "GET", "/v1/jobs/" JOB "/events");
    assert_int_equal(c.stream.n, 1);
    assert_true(has_event(&c.stream, "state", "restarted"));
    fake_call_release(&c);
    end_world(&w);
}

static void results_survive_a_restart(void **state)
{
    struct world w;
    struct avow_call c = { 0 };

    (void)state;
    make_world(&w, "ok");
    upload(&w);
    start(&w);
    json_decref(wait_state(&w, 0, "COMPLETED"));
    avow_jobs_free(w.nodes[0].jobs);
    assert_int_equal(open_node(&w, 0, NULL), 0);
    json_decref(wait_state(&w, 0, "COMPLETED"));
    assert_false(exists(&w, 0, "input"));
    call(&w, 0, &c, "GET", "/v1/jobs/" JOB "/results/model.txt");
    assert_string_equal(avow_buf_cstr(&c.bytes), "w = 1\n");
    fake_call_release(&c);
    call(&w, 0, &c, "GET", "/v1/jobs/" JOB "/sync");
    assert_int_equal(json_integer_value(json_object_get(c.reply, "count")), 2);
    fake_call_release(&c);
    end_world(&w);
}

static void a_stopped_daemon_ends_its_jobs(void **state)
{
    struct world w;
    json_t *v = NULL;

    (void)state;
    make_world(&w, "loop");
    upload(&w);
    start(&w);
    json_decref(wait_state(&w, 0, "RUNNING"));
    json_decref(wait_state(&w, 1, "RUNNING"));
    avow_jobs_free(w.nodes[0].jobs);
    assert_int_equal(w.nodes[0].f.held, 0);
    v = wait_state(&w, 1, "FAILED"); /* it was told */
    assert_non_null(strstr(text_of(json_object_get(v, "reason"), "message"), "stopped"));
    json_decref(v);
    assert_int_equal(open_node(&w, 0, NULL), 0);
    v = job_json(&w, 0);
    assert_string_equal(text_of(json_object_get(v, "reason"), "code"), "cancelled");
    json_decref(v);
    end_world(&w);
}

static void uploads_follow_the_rules(void **state)
{
    struct world w;
    struct avow_call c = { 0 };

    (void)state;
    make_world(&w, "ok");
    assert_int_equal(submit(&w, 0), 201);
    assert_int_equal(submit(&w, 0), 200);

    call(&w, 0, &c, "POST", "/v1/jobs/" JOB "/start");
    assert_string_equal(error_of(&c), "state");
    fake_call_release(&c);

    c.body = avow_bytes_str("x");
    call(&w, 0, &c, "PUT", "/v1/jobs/" JOB "/files/input/other");
    assert_string_equal(error_of(&c), "notfound");
    fake_call_release(&c);

    c.body = avow_bytes_str("x");
    c.query = "offset=3";
    call(&w, 0, &c, "PUT", "/v1/jobs/" JOB "/files/input/d.csv");
    assert_int_equal(c.status, 409);
    assert_string_equal(error_of(&c), "state");
    assert_int_equal(json_integer_value(json_object_get(c.reply, "have")), 0);
    fake_call_release(&c);

    c.body = avow_bytes_str("1,2,3\nand more");
    call(&w, 0, &c, "PUT", "/v1/jobs/" JOB "/files/input/d.csv");
    assert_string_equal(error_of(&c), "limit");
    fake_call_release(&c);

    c.query = "offset=-1";
    call(&w, 0, &c, "PUT", "/v1/jobs/" JOB "/files/input/d.csv");
    assert_string_equal(error_of(&c), "format");
    fake_call_release(&c);

    /* one byte is wrong: refused, and it may be sent again */
    c.body = avow_bytes_str("1,2,4\n");
    call(&w, 0, &c, "PUT", "/v1/jobs/" JOB "/files/input/d.csv");
    assert_string_equal(error_of(&c), "digest");
    fake_call_release(&c);
    put(&w, 0, "input/d.csv", INPUT, 2);

    call(&w, 0, &c, "DELETE", "/v1/jobs/" JOB);
    assert_string_equal(error_of(&c), "state");
    fake_call_release(&c);
    end_world(&w);
}

static void a_client_sees_only_its_own(void **state)
{
    static const char *const gets[] = {
        "", "/events", "/output", "/sync", "/results", "/results/x"
    };
    struct world w;
    struct avow_call c = { 0 };

    (void)state;
    make_world(&w, "ok");
    assert_int_equal(submit(&w, 0), 201);
    for (size_t i = 0; i < sizeof gets / sizeof gets[0]; i++) {
        char path[128];

        snprintf(path, sizeof path, "/v1/jobs/" JOB "%s", gets[i]);
        memset(c.spki, 0xbb, sizeof c.spki);
        call(&w, 0, &c, "GET", path);
        assert_string_equal(error_of(&c), "notfound");
        fake_call_release(&c);
    }
    memset(c.spki, 0xbb, sizeof c.spki);
    call(&w, 0, &c, "POST", "/v1/jobs/" JOB "/cancel");
    assert_string_equal(error_of(&c), "notfound");
    fake_call_release(&c);
    memset(c.spki, 0xbb, sizeof c.spki);
    call(&w, 0, &c, "GET", "/v1/jobs");
    assert_int_equal(json_array_size(json_object_get(c.reply, "jobs")), 0);
    fake_call_release(&c);
    memset(c.spki, 0xbb, sizeof c.spki);
    c.json = json_pack("{s:s,s:s}", "job", JOB, "formation", FORMATION);
    call(&w, 0, &c, "POST", "/v1/job/submit");
    assert_string_equal(error_of(&c), "exists");
    fake_call_release(&c);
    end_world(&w);
}

static void submissions_follow_the_rules(void **state)
{
    struct world w;
    struct avow_call c = { 0 };

    (void)state;
    make_world(&w, "ok");
    w.nodes[0].f.formed = false;
    c.json = json_pack("{s:s,s:s}", "job", JOB, "formation", FORMATION);
    call(&w, 0, &c, "POST", "/v1/job/submit");
    assert_string_equal(error_of(&c), "state");
    fake_call_release(&c);
    w.nodes[0].f.formed = true;

    c.json = json_pack("{s:s,s:s}", "job", JOB, "formation", JOB);
    call(&w, 0, &c, "POST", "/v1/job/submit");
    assert_string_equal(error_of(&c), "notfound");
    fake_call_release(&c);

    c.json = json_pack("{s:s,s:s}", "job", FORMATION, "formation", FORMATION);
    call(&w, 0, &c, "POST", "/v1/job/submit");
    assert_string_equal(error_of(&c), "format"); /* the manifest is of another job */
    fake_call_release(&c);
    assert_false(exists(&w, 0, "../" FORMATION));

    c.json = json_pack("{s:s,s:s,s:i}", "job", JOB, "formation", FORMATION, "x", 1);
    call(&w, 0, &c, "POST", "/v1/job/submit");
    assert_string_equal(error_of(&c), "format");
    fake_call_release(&c);

    assert_int_equal(submit(&w, 0), 201);
    c.json = json_pack("{s:s,s:s}", "job", FORMATION, "formation", FORMATION);
    call(&w, 0, &c, "POST", "/v1/job/submit");
    assert_string_equal(error_of(&c), "busy"); /* one job at a time in a formation */
    fake_call_release(&c);
    end_world(&w);
}

static void floods_are_bounded(void **state)
{
    struct world w;
    struct avow_call events = { 0 };
    struct avow_call c = { 0 };
    size_t shown = 0;

    (void)state;
    make_world(&w, "flood");
    upload(&w);
    call(&w, 0, &events, "GET", "/v1/jobs/" JOB "/events");
    start(&w);
    json_decref(wait_state(&w, 0, "COMPLETED"));
    for (unsigned i = 0; i < events.stream.n; i++)
        if (strstr(events.stream.events[i], " output "))
            shown += strlen(events.stream.events[i]);
    assert_true(shown <= 4 * 66000); /* 64 KiB a second, and it does not take four */
    assert_true(has_event(&events.stream, "note", "are not shown here"));
    fake_call_release(&events);
    c.query = "rank=0";
    call(&w, 0, &c, "GET", "/v1/jobs/" JOB "/output");
    assert_int_equal(c.bytes.len, 1 << 20); /* the last MiB */
    fake_call_release(&c);
    end_world(&w);
}

static void a_slow_follower_holds_up_nobody(void **state)
{
    struct world w;
    struct avow_call slow = { 0 };

    (void)state;
    make_world(&w, "ok");
    upload(&w);
    call(&w, 0, &slow, "GET", "/v1/jobs/" JOB "/events");
    slow.stream.full = true;
    start(&w);
    json_decref(wait_state(&w, 0, "COMPLETED"));
    assert_false(slow.stream.ended);
    slow.stream.full = false;
    for (int i = 0; i < 1000 && !slow.stream.ended; i++) {
        const struct timeval tick = { .tv_usec = 10000 };

        event_base_loopexit(w.base, &tick);
        event_base_dispatch(w.base);
    }
    assert_true(slow.stream.ended);
    ids_rise(&slow.stream);
    assert_true(has_event(&slow.stream, "state", "\"COMPLETED\""));
    fake_call_release(&slow);
    end_world(&w);
}

/* As root with a user for jobs: a state folder that this user cannot reach is refused at once. */
static void the_jobs_user_must_get_through(void **state)
{
    struct world w;
    struct avow_error err = { 0 };
    struct avow_jobs_config cfg = { 0 };
    struct avow_jobs *jobs = NULL;
    char dir[160];

    (void)state;
    make_world(&w, "ok"); /* in a folder that only we may enter */
    snprintf(dir, sizeof dir, "%s/c", w.dir);
    cfg = (struct avow_jobs_config){
        .base = w.base,
        .http = &w.nodes[0].http,
        .formations = &w.nodes[0].formations,
        .broker = &w.nodes[0].broker,
        .metrics = w.nodes[0].metrics,
        .state_dir = dir,
        .shell_path = FAKE_SHELL,
        .preload_path = "/usr/lib/libavow-fabric.so",
        .node_name = "a",
        .job_uid = 65533,
        .job_gid = 65533,
    };
    assert_int_equal(avow_jobs_new(&cfg, &jobs, &err), -AVOW_E_SYSTEM);
    assert_non_null(strstr(err.text, w.dir));
    assert_non_null(strstr(err.text, "700"));
    assert_int_equal(chmod(w.dir, 0711), 0);
    avow_error_clear(&err);
    if (avow_jobs_new(&cfg, &jobs, &err) < 0)
        fail_msg("%s", err.text);
    avow_jobs_free(jobs);
    end_world(&w);
}

/* Every route is in docs/openapi.yaml with its method. */
static void the_api_document_has_every_route(void **state)
{
    struct world w;
    const char *root = getenv("AVOW_SOURCE");
    avow_autofree char *text = NULL;
    char path[512];
    size_t len = 0;

    (void)state;
    assert_non_null(root);
    snprintf(path, sizeof path, "%s/docs/openapi.yaml", root);
    text = (char *)test_read_file(path, &len);
    assert_non_null(text);
    make_world(&w, "ok");
    for (unsigned i = 0; i < w.nodes[0].http.n; i++) {
        const struct fake_route *r = &w.nodes[0].http.routes[i];
        const char *dots = strstr(r->pattern, "...}");
        size_t n = dots ? (size_t)(dots - r->pattern) : strlen(r->pattern);
        const char *method = strcmp(r->method, "GET") == 0      ? "    get:\n"
                             : strcmp(r->method, "PUT") == 0    ? "    put:\n"
                             : strcmp(r->method, "DELETE") == 0 ? "    delete:\n"
                                                                : "    post:\n";
        const char *at = NULL;
        const char *next = NULL;

        snprintf(path, sizeof path, "\n  %.*s%s:\n", (int)n, r->pattern, dots ? "}" : "");
        at = strstr(text, path);
        if (!at)
            fail_msg("docs/openapi.yaml lacks %s", path);
        at += strlen(path);
        next = strstr(at, "\n  /");
        at = strstr(at, method);
        if (!at || (next && at > next))
            fail_msg("docs/openapi.yaml lacks %s of %s", r->method, path);
    }
    end_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_completes),
        cmocka_unit_test(a_failed_rank_fails_the_job_everywhere),
        cmocka_unit_test(a_crashed_shell_fails_the_job_everywhere),
        cmocka_unit_test(a_shell_that_talks_nonsense_is_ended),
        cmocka_unit_test(without_namespaces_there_is_no_job),
        cmocka_unit_test(too_many_results_fail_the_job),
        cmocka_unit_test(a_cancelled_job_ends_everywhere),
        cmocka_unit_test(a_lost_node_fails_the_job),
        cmocka_unit_test(failed_authentication_fails_the_job),
        cmocka_unit_test(a_restarted_daemon_knows_its_jobs),
        cmocka_unit_test(results_survive_a_restart),
        cmocka_unit_test(a_stopped_daemon_ends_its_jobs),
        cmocka_unit_test(uploads_follow_the_rules),
        cmocka_unit_test(a_client_sees_only_its_own),
        cmocka_unit_test(submissions_follow_the_rules),
        cmocka_unit_test(floods_are_bounded),
        cmocka_unit_test(the_jobs_user_must_get_through),
        cmocka_unit_test(the_api_document_has_every_route),
        cmocka_unit_test(a_slow_follower_holds_up_nobody),
    };

    signal(SIGPIPE, SIG_IGN); /* as avowd does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
