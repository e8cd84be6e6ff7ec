#include <arpa/inet.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/secret.h"
#include "daemon/jobs_internal.h"

#define SHELL_LINES_MAX 50 /* of its log shown to the client */
#define RANK_TEXT_MAX 2048

/* --- frames of the shell ------------------------------------------------------------------ */

static void shell_peer_out(struct job *job, struct avow_bytes payload)
{
    struct avow_rd rd = avow_rd_init(payload);
    uint32_t node = 0;
    int rc = avow_rd_u32be(&rd, &node);

    if (rc < 0 || node >= job->manifest.n_nodes || node == job->self) {
        run_failf(job, true, AVOW_E_PROTOCOL, run_own_name(job), -1,
                  "avow-shell on %s wrote to node %u of %zu", run_own_name(job), node,
                  job->manifest.n_nodes);
        return;
    }
    rc = run_send(job, node, JOB_MSG_PEER, rd.rest);
    if (rc < 0 && rc != -AVOW_E_PEERLOST) /* a lost peer is reported by the formation */
        run_failf(job, true, rc, run_own_name(job), -1, "%s cannot send %zu bytes to %s: %s",
                  run_own_name(job), rd.rest.len, job_node_name(job, node), avow_err_text(rc));
}

static void shell_rank_exit(struct job *job, const json_t *d)
{
    int64_t rank = -1;
    int64_t code = 0;
    int64_t sig = 0;
    const char *text = "";
    json_t *data = NULL;

    if (avow_json_get_int(d, "rank", 0, UINT32_MAX, &rank, NULL) < 0 ||
        avow_json_get_int(d, "exit", 0, 255, &code, NULL) < 0 ||
        avow_json_opt_int(d, "signal", 0, 255, &sig, NULL) < 0 ||
        avow_json_opt_str(d, "text", &text, NULL) < 0 || strlen(text) > RANK_TEXT_MAX) {
        run_failf(job, true, AVOW_E_PROTOCOL, run_own_name(job), -1,
                  "avow-shell on %s reported a rank's end badly", run_own_name(job));
        return;
    }
    telemetry_rank_ended(job, (uint32_t)rank);
    data = json_pack("{s:I,s:I,s:I,s:s}", "rank", (json_int_t)rank, "exit", (json_int_t)code,
                     "signal", (json_int_t)sig, "text", text);
    /* of a job that ended already it completes the record, if it can */
    if (job_emit(job, AVOW_JOB_RANK, data, EMIT_LAZY, NULL) < 0 && !avow_job_ended(job->rec.state))
        run_failf(job, true, AVOW_E_PROTOCOL, run_own_name(job), -1,
                  "avow-shell on %s reported the end of rank %" PRId64 ", which is not its own",
                  run_own_name(job), rank);
}

static void shell_failed(struct job *job, const json_t *d)
{
    struct avow_job_reason r;
    const char *name = "";
    const char *text = "";
    int64_t rank = -1;
    int node = -1;

    (void)!avow_json_opt_str(d, "code", &name, NULL);
    (void)!avow_json_opt_str(d, "text", &text, NULL);
    (void)!avow_json_opt_int(d, "rank", -1, UINT32_MAX, &rank, NULL);
    if (rank >= 0)
        node = avow_manifest_rank_node(&job->manifest, (uint32_t)rank);
    /* codes that only a shell has (config, fabric) are the system's to clients */
    r = run_reason(avow_err_from_name(name) ? avow_err_from_name(name) : AVOW_E_SYSTEM,
                   node >= 0 ? job_node_name(job, (uint32_t)node) : run_own_name(job), rank,
                   *text ? text : "avow-shell gave no reason");
    run_fail(job, &r, true);
}

static void shell_done(struct job *job, const json_t *d)
{
    struct run *r = &job->run;
    bool ok = false;

    if (r->done || avow_json_opt_bool(d, "ok", &ok, NULL) < 0) {
        run_failf(job, true, AVOW_E_PROTOCOL, run_own_name(job), -1,
                  "avow-shell on %s reported the job's end badly", run_own_name(job));
        return;
    }
    r->done = true;
    if (avow_job_ended(job->rec.state))
        return;
    if (!ok) {
        shell_failed(job, d);
        return;
    }
    if (job->rec.state != AVOW_JOB_RUNNING && job->rec.state != AVOW_JOB_SYNCING) {
        run_failf(job, true, AVOW_E_PROTOCOL, run_own_name(job), -1,
                  "avow-shell on %s reported success before the start", run_own_name(job));
        return;
    }
    telemetry_flush(job);
    run_wait(job, WAIT_NONE, 0);
    results_collect(job);
}

static void shell_json(struct job *job, uint8_t type, struct avow_bytes payload)
{
    avow_autojson json_t *d = NULL;

    if (avow_json_parse(payload, &d, NULL) < 0 || !json_is_object(d)) {
        run_failf(job, true, AVOW_E_PROTOCOL, run_own_name(job), -1,
                  "avow-shell on %s sent a malformed message %u", run_own_name(job), type);
        return;
    }
    if (type == AVOW_SHELL_READY)
        run_shell_ready(job, d);
    else if (type == AVOW_SHELL_RANK_EXIT)
        shell_rank_exit(job, d);
    else
        shell_done(job, d);
}

static void shell_log(struct job *job, struct avow_bytes payload)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(4096);
    struct avow_utf8 u = { 0 };

    if (avow_utf8_put(&u, AVOW_BYTES(payload.data, payload.len < 400 ? payload.len : 400), &text) <
        0)
        return;
    avow_log(AVOW_LOG_INFO, "shell", "job=%s text=\"%s\"", job->rec.job, avow_buf_cstr(&text));
    if (!avow_job_ended(job->rec.state) && job->run.lines++ < SHELL_LINES_MAX)
        job_note(job, "%s: %s", run_own_name(job), avow_buf_cstr(&text));
}

static void on_frame(void *ctx, uint8_t type, struct avow_bytes payload)
{
    struct job *job = ctx;

    switch (type) {
    case AVOW_SHELL_READY:
    case AVOW_SHELL_RANK_EXIT:
    case AVOW_SHELL_DONE:
        shell_json(job, type, payload);
        return;
    case AVOW_SHELL_PEER_OUT:
        if (!avow_job_ended(job->rec.state))
            shell_peer_out(job, payload);
        return;
    case AVOW_SHELL_OUTPUT:
        telemetry_output(job, payload);
        return;
    case AVOW_SHELL_SDK:
        telemetry_sdk(job, payload);
        return;
    case AVOW_SHELL_LOG:
        shell_log(job, payload);
        return;
    default:
        run_failf(job, true, AVOW_E_PROTOCOL, run_own_name(job), -1,
                  "avow-shell on %s sent a message of unknown type %u", run_own_name(job), type);
    }
}

static void on_broken(void *ctx, const char *text)
{
    struct job *job = ctx;

    run_failf(job, true, AVOW_E_PROTOCOL, run_own_name(job), -1, "avow-shell on %s: %s",
              run_own_name(job), text);
    avow_shell_kill(job->run.shell);
}

static void on_ended(void *ctx, const char *how)
{
    struct job *job = ctx;
    struct run *r = &job->run;

    avow_shell_free(r->shell);
    r->shell = NULL;
    if (!r->done)
        run_failf(job, true, AVOW_E_SYSTEM, run_own_name(job), -1, "avow-shell on %s %s",
                  run_own_name(job), how);
    if (job->rec.state == AVOW_JOB_FAILED) {
        run_wait(job, WAIT_NONE, 0);
        if (job->rec.started)
            results_collect(job);
    }
    results_wipe_inputs(job);
}

/* --- start -------------------------------------------------------------------------------- */

static int add_broker_job(struct job *job, struct avow_formation *f, int take_bell,
                          struct avow_error *err)
{
    uint32_t n = (uint32_t)job->manifest.n_nodes;
    struct avow_broker_peer *peers = calloc(n, sizeof *peers);
    struct avow_broker_job b = {
        .epoch = avow_formation_roster(f)->epoch,
        .self = job->self,
        .n_nodes = n,
        .peers = peers,
        .bell_fd = take_bell,
    };
    int rc = peers ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");

    memcpy(b.job, job->rec.job, sizeof b.job);
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        if (i == job->self)
            continue;
        rc = avow_formation_addr(f, i, &peers[i].addr, &peers[i].addr_len);
        if (rc < 0)
            AVOW_FAIL_CODE(err, rc, "no address of node %s", job_node_name(job, i));
        else
            peers[i].prk = *avow_formation_prk(f, i);
    }
    if (rc < 0)
        close(take_bell);
    else
        rc = avow_broker_job_add(job->jobs->cfg.broker, &b, err);
    if (peers)
        avow_wipe(peers, n * sizeof *peers);
    free(peers);
    return rc;
}

static int pair(int ends[2], struct avow_error *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return AVOW_FAIL_SYS(err, "cannot make a socket for the fabric");
    return 0;
}

/* fds[0] the bell's, then one for each local rank: the shell's ends. */
static int add_to_broker(struct job *job, struct avow_formation *f, int *fds, size_t n,
                         struct avow_error *err)
{
    int ends[2] = { -1, -1 };

    AVOW_TRY(pair(ends, err));
    fds[0] = ends[1];
    AVOW_TRY(add_broker_job(job, f, ends[0], err));
    for (size_t i = 1; i < n; i++) {
        AVOW_TRY(pair(ends, err));
        fds[i] = ends[1];
        AVOW_TRY(avow_broker_rank_add(job->jobs->cfg.broker, job->rec.job,
                                      job->rec.first_rank + (uint32_t)i - 1, ends[0], err));
    }
    return 0;
}

static json_t *nodes_json(const struct avow_manifest *m)
{
    json_t *list = json_array();

    for (size_t i = 0; i < m->n_nodes; i++)
        json_array_append_new(list, json_pack("{s:s,s:I}", "name", m->nodes[i].name, "ranks",
                                              (json_int_t)m->nodes[i].ranks));
    return list;
}

/*
 * What one file of a rank may grow to: a first guard of the node's disk, while outputs are counted
 * at the end only. Shared memory is files, too, for which the machine's memory is the limit.
 */
static json_int_t file_max(const struct avow_manifest *m)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    uint64_t memory = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;

    return (json_int_t)(m->outputs_max > memory ? m->outputs_max : memory);
}

static json_t *config_json(const struct job *job)
{
    const struct avow_manifest *m = &job->manifest;
    const struct avow_jobs_config *cfg = &job->jobs->cfg;
    struct in_addr vaddr = { .s_addr = htonl(avow_fabric_vaddr(job->self)) };
    char vaddr_text[INET_ADDRSTRLEN];
    json_t *args = json_array();
    json_t *env = json_object();

    inet_ntop(AF_INET, &vaddr, vaddr_text, sizeof vaddr_text);
    for (size_t i = 0; i < m->n_args; i++)
        json_array_append_new(args, json_string(m->args[i]));
    for (size_t i = 0; i < m->n_env; i++)
        json_object_set_new(env, m->env[i].name, json_string(m->env[i].value));
    return json_pack(
        "{s:s,s:I,s:s,s:o,s:o,s:o,s:o,s:o,s:s,s:s,s:i,s:i,s:s,s:s,s:I,s:I,s:b}", "job",
        job->rec.job, "node", (json_int_t)job->self, "name", run_own_name(job), "nodes",
        nodes_json(m), "program", json_sprintf("%s/%s/program", job->jobs->jobs_path, job->rec.job),
        "args", args, "env", env, "workdir",
        json_sprintf("%s/%s/output", job->jobs->jobs_path, job->rec.job), "vaddr", vaddr_text,
        "net", "10.89.0.0/16", "uid", cfg->job_uid, "gid", cfg->job_gid, "preload",
        cfg->preload_path, "hide", job->jobs->jobs_path, "time_limit_ms",
        (json_int_t)m->time_limit_ms, "file_max", file_max(m), "require_namespace", true);
}

static int start_shell(struct job *job, const int *fds, size_t n_fds, struct avow_error *err)
{
    avow_autojson json_t *config = config_json(job);
    char *text = config ? json_dumps(config, JSON_COMPACT) : NULL;
    struct avow_shell_start how = {
        .base = job->jobs->cfg.base,
        .path = job->jobs->cfg.shell_path,
        .config = avow_bytes_str(text),
        .fds = fds,
        .n_fds = n_fds,
        .frame = on_frame,
        .broken = on_broken,
        .ended = on_ended,
        .ctx = job,
    };
    int rc = text ? avow_shell_start(&how, &job->run.shell, err)
                  : AVOW_FAIL(err, NOMEM, "out of memory");

    if (text)
        avow_wipe(text, strlen(text));
    free(text);
    return rc;
}

int run_start(struct job *job, struct avow_error *err)
{
    struct avow_formation *f = job_formation(job);
    size_t n = (size_t)job->rec.n_ranks + 1;
    int *fds = NULL;
    int rc = 0;

    if (!f || !avow_formation_formed(f))
        return AVOW_FAIL(err, STATE, "the formation of the job is gone");
    fds = malloc(n * sizeof *fds);
    if (!fds)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        fds[i] = -1;
    rc = add_to_broker(job, f, fds, n, err);
    if (rc == 0)
        rc = start_shell(job, fds, n, err);
    for (size_t i = 0; i < n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(fds);
    if (rc == 0)
        run_wait(job, WAIT_SHELL, JOBS_SHELL_READY_MS);
    return rc;
}
