#include "launch/pmix_host.h"

#include <errno.h>
#include <fcntl.h>
#include <pmix.h>
#include <pmix_server.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "launch/collective.h"
#include "launch/topology.h"

#define REGISTER_TIMEOUT_S 20
#define FIXED_KEYS 24 /* job-level keys besides one for each rank */
#define RANK_KEYS 8

enum note_kind {
    NOTE_CONNECTED,
    NOTE_FINALIZED,
    NOTE_ABORTED,
    NOTE_SPAWN,
    NOTE_FENCE,
    NOTE_MODEX,
    NOTE_LOCAL_MODEX,
};

/* One call of libpmix, on its way from its thread to the loop's. */
struct avow_pmix_call {
    enum note_kind kind;
    uint32_t rank;
    int status;
    uint32_t id, node; /* local modex: the question's */
    uint32_t *ranks;   /* fence */
    size_t n_ranks;
    char *data;
    size_t len;
    pmix_modex_cbfunc_t answer;
    pmix_op_cbfunc_t done;
    void *cbdata;
};

/* libpmix has one server in a process, and its calls carry no context. Written before the server
 * starts, then read only. */
static struct {
    const struct avow_launch_config *config;
    struct avow_pmix_ops ops;
    pmix_nspace_t nspace;
    int pipe[2];
} host = { .pipe = { -1, -1 } };

static void call_free(struct avow_pmix_call *call)
{
    free(call->ranks);
    free(call->data);
    free(call);
}

static struct avow_pmix_call *note_new(enum note_kind kind, const pmix_proc_t *proc)
{
    struct avow_pmix_call *call = calloc(1, sizeof *call);

    if (call) {
        call->kind = kind;
        call->rank = proc ? proc->rank : 0;
    }
    return call;
}

/* Hand a note over to the loop. The pipe holds thousands of pointers, and each rank has only a few
 * calls open; if it is full all the same, the caller waits. */
static void note_post(struct avow_pmix_call *call)
{
    ssize_t n = 0;

    do
        n = write(host.pipe[1], &call, sizeof call);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof call)
        abort(); /* the loop is gone: so is the job */
}

static bool ours(const pmix_proc_t *proc)
{
    return proc && PMIX_CHECK_NSPACE(proc->nspace, host.nspace) &&
           (proc->rank == PMIX_RANK_WILDCARD || proc->rank < host.config->n_ranks);
}

/* Calls of libpmix, in its own thread ------------------------------------------------------- */

static pmix_status_t note_simple(enum note_kind kind, const pmix_proc_t *proc)
{
    struct avow_pmix_call *call = NULL;

    if (!ours(proc) || proc->rank == PMIX_RANK_WILDCARD)
        return PMIX_ERR_BAD_PARAM;
    call = note_new(kind, proc);
    if (!call)
        return PMIX_ERR_NOMEM;
    note_post(call);
    return PMIX_OPERATION_SUCCEEDED;
}

static pmix_status_t on_connected(const pmix_proc_t *proc, void *object, pmix_info_t info[],
                                  size_t n, pmix_op_cbfunc_t done, void *cbdata)
{
    (void)object, (void)info, (void)n, (void)done, (void)cbdata;
    return note_simple(NOTE_CONNECTED, proc);
}

static pmix_status_t on_finalized(const pmix_proc_t *proc, void *object, pmix_op_cbfunc_t done,
                                  void *cbdata)
{
    (void)object, (void)done, (void)cbdata;
    return note_simple(NOTE_FINALIZED, proc);
}

static pmix_status_t on_abort(const pmix_proc_t *proc, void *object, int status, const char msg[],
                              pmix_proc_t procs[], size_t n, pmix_op_cbfunc_t done, void *cbdata)
{
    struct avow_pmix_call *call = ours(proc) ? note_new(NOTE_ABORTED, proc) : NULL;

    (void)object, (void)msg, (void)procs, (void)n;
    if (!call)
        return PMIX_ERR_BAD_PARAM;
    call->status = status;
    call->done = done;
    call->cbdata = cbdata;
    note_post(call);
    return PMIX_SUCCESS;
}

static pmix_status_t on_fence(const pmix_proc_t procs[], size_t n, const pmix_info_t info[],
                              size_t n_info, char *data, size_t len, pmix_modex_cbfunc_t answer,
                              void *cbdata)
{
    struct avow_pmix_call *call = note_new(NOTE_FENCE, NULL);

    (void)info, (void)n_info;
    if (call)
        call->ranks = calloc(n ? n : 1, sizeof *call->ranks);
    if (!call || !call->ranks) {
        free(call);
        return PMIX_ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        if (!ours(&procs[i])) {
            call_free(call);
            return PMIX_ERR_BAD_PARAM;
        }
        call->ranks[i] = procs[i].rank == PMIX_RANK_WILDCARD ? AVOW_RANK_ALL : procs[i].rank;
    }
    call->n_ranks = n;
    call->data = data; /* the host's to free: pmix_server.h, "fence_nb" */
    call->len = len;
    call->answer = answer;
    call->cbdata = cbdata;
    note_post(call);
    return PMIX_SUCCESS;
}

static pmix_status_t on_modex(const pmix_proc_t *proc, const pmix_info_t info[], size_t n,
                              pmix_modex_cbfunc_t answer, void *cbdata)
{
    struct avow_pmix_call *call = ours(proc) ? note_new(NOTE_MODEX, proc) : NULL;

    (void)info, (void)n;
    if (!call || proc->rank == PMIX_RANK_WILDCARD) {
        free(call);
        return PMIX_ERR_NOT_FOUND;
    }
    call->answer = answer;
    call->cbdata = cbdata;
    note_post(call);
    return PMIX_SUCCESS;
}

static void on_local_modex(pmix_status_t status, char *data, size_t len, void *cbdata)
{
    struct avow_pmix_call *call = cbdata;

    call->status = status;
    if (status == PMIX_SUCCESS && len > 0) {
        call->data = malloc(len);
        if (call->data) {
            memcpy(call->data, data, len);
            call->len = len;
        } else {
            call->status = PMIX_ERR_NOMEM;
        }
    }
    note_post(call);
}

/* Without an answer Open MPI 4.1 hangs: its root gets an error, the other ranks wait for it. */
static pmix_status_t on_spawn(const pmix_proc_t *proc, const pmix_info_t info[], size_t n,
                              const pmix_app_t apps[], size_t n_apps, pmix_spawn_cbfunc_t done,
                              void *cbdata)
{
    (void)info, (void)n, (void)apps, (void)n_apps, (void)done, (void)cbdata;
    (void)note_simple(NOTE_SPAWN, proc);
    return PMIX_ERR_NOT_SUPPORTED;
}

static pmix_status_t on_register_events(pmix_status_t *codes, size_t n, const pmix_info_t info[],
                                        size_t n_info, pmix_op_cbfunc_t done, void *cbdata)
{
    (void)codes, (void)n, (void)info, (void)n_info, (void)done, (void)cbdata;
    return PMIX_OPERATION_SUCCEEDED;
}

static pmix_status_t on_deregister_events(pmix_status_t *codes, size_t n, pmix_op_cbfunc_t done,
                                          void *cbdata)
{
    (void)codes, (void)n, (void)done, (void)cbdata;
    return PMIX_OPERATION_SUCCEEDED;
}

static pmix_status_t on_notify(pmix_status_t code, const pmix_proc_t *source,
                               pmix_data_range_t range, pmix_info_t info[], size_t n,
                               pmix_op_cbfunc_t done, void *cbdata)
{
    (void)code, (void)source, (void)range, (void)info, (void)n, (void)done, (void)cbdata;
    return PMIX_OPERATION_SUCCEEDED;
}

static pmix_status_t on_job_control(const pmix_proc_t *proc, const pmix_proc_t targets[], size_t n,
                                    const pmix_info_t info[], size_t n_info,
                                    pmix_info_cbfunc_t done, void *cbdata)
{
    (void)proc, (void)targets, (void)n, (void)info, (void)n_info, (void)done, (void)cbdata;
    return PMIX_OPERATION_SUCCEEDED;
}

/* What is NULL here (publish, connect, ...) is PMIX_ERR_NOT_SUPPORTED for a client. */
static pmix_server_module_t module = {
    .client_connected2 = on_connected,
    .client_finalized = on_finalized,
    .abort = on_abort,
    .fence_nb = on_fence,
    .direct_modex = on_modex,
    .spawn = on_spawn,
    .register_events = on_register_events,
    .deregister_events = on_deregister_events,
    .notify_event = on_notify,
    .job_control = on_job_control,
};

/* The loop's side ---------------------------------------------------------------------------- */

int avow_pmix_fd(void)
{
    return host.pipe[0];
}

/* Deliver one note; fences and modex calls live on until they are answered. */
static void deliver(struct avow_pmix_call *call)
{
    const struct avow_pmix_ops *ops = &host.ops;

    switch (call->kind) {
    case NOTE_CONNECTED:
        ops->connected(ops->ctx, call->rank);
        break;
    case NOTE_FINALIZED:
        ops->finalized(ops->ctx, call->rank);
        break;
    case NOTE_ABORTED:
        ops->aborted(ops->ctx, call->rank, call->status);
        if (call->done)
            call->done(PMIX_SUCCESS, call->cbdata);
        break;
    case NOTE_SPAWN:
        ops->spawn(ops->ctx, call->rank);
        break;
    case NOTE_FENCE:
        ops->fence(ops->ctx, call, call->ranks, call->n_ranks, AVOW_BYTES(call->data, call->len));
        return;
    case NOTE_MODEX:
        ops->modex(ops->ctx, call, call->rank);
        return;
    case NOTE_LOCAL_MODEX:
        ops->local_modex(ops->ctx, call->id, call->node, call->rank, call->status,
                         AVOW_BYTES(call->data, call->len));
        break;
    }
    call_free(call);
}

void avow_pmix_dispatch(void)
{
    struct avow_pmix_call *call = NULL;

    while (read(host.pipe[0], &call, sizeof call) == (ssize_t)sizeof call)
        deliver(call);
}

void avow_pmix_answer(struct avow_pmix_call *call, int status, struct avow_bytes data)
{
    char *copy = NULL;

    if (status == PMIX_SUCCESS && data.len > 0) {
        copy = malloc(data.len);
        if (copy)
            memcpy(copy, data.data, data.len);
        else
            status = PMIX_ERR_NOMEM;
    }
    call->answer(status, copy, copy ? data.len : 0, call->cbdata, free, copy);
    call_free(call);
}

void avow_pmix_ask(uint32_t id, uint32_t node, uint32_t rank)
{
    pmix_proc_t proc;
    struct avow_pmix_call *call = note_new(NOTE_LOCAL_MODEX, NULL);
    pmix_status_t rc = PMIX_SUCCESS;

    if (!call) {
        host.ops.local_modex(host.ops.ctx, id, node, rank, PMIX_ERR_NOMEM, AVOW_BYTES(NULL, 0));
        return;
    }
    call->id = id;
    call->node = node;
    call->rank = rank;
    PMIX_LOAD_PROCID(&proc, host.nspace, rank);
    rc = PMIx_server_dmodex_request(&proc, on_local_modex, call);
    if (rc != PMIX_SUCCESS)
        on_local_modex(rc, NULL, 0, call);
}

int avow_pmix_env(uint32_t rank, char ***env, struct avow_error *err)
{
    pmix_proc_t proc;
    pmix_status_t rc = PMIX_SUCCESS;

    PMIX_LOAD_PROCID(&proc, host.nspace, rank);
    rc = PMIx_server_setup_fork(&proc, env);
    if (rc != PMIX_SUCCESS)
        return AVOW_FAIL(err, SYSTEM, "PMIx has no environment for rank %u: %s", rank,
                         PMIx_Error_string(rc));
    return 0;
}

const char *avow_pmix_version(void)
{
    return PMIx_Get_version();
}

/* Registration: blocking, before any rank exists ------------------------------------------------
 */

struct waiter {
    pthread_mutex_t lock; /* protects the two below */
    pthread_cond_t changed;
    bool done;
    pmix_status_t status;
};

static void on_done(pmix_status_t status, void *cbdata)
{
    struct waiter *w = cbdata;

    pthread_mutex_lock(&w->lock);
    w->done = true;
    w->status = status;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

/* After a timeout the waiter may still be used by libpmix: so it is static. */
static struct waiter waiter = { .lock = PTHREAD_MUTEX_INITIALIZER,
                                .changed = PTHREAD_COND_INITIALIZER };

static void waiter_reset(void)
{
    pthread_mutex_lock(&waiter.lock);
    waiter.done = false;
    pthread_mutex_unlock(&waiter.lock);
}

static int waiter_wait(pmix_status_t rc, const char *what, struct avow_error *err)
{
    struct timespec end = { 0 };

    if (rc == PMIX_OPERATION_SUCCEEDED)
        return 0;
    if (rc == PMIX_SUCCESS) {
        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += REGISTER_TIMEOUT_S;
        pthread_mutex_lock(&waiter.lock);
        while (!waiter.done && pthread_cond_timedwait(&waiter.changed, &waiter.lock, &end) == 0)
            ;
        rc = waiter.done ? waiter.status : PMIX_ERR_TIMEOUT;
        pthread_mutex_unlock(&waiter.lock);
    }
    if (rc == PMIX_SUCCESS || rc == PMIX_OPERATION_SUCCEEDED)
        return 0;
    return AVOW_FAIL(err, SYSTEM, "PMIx cannot %s: %s", what, PMIx_Error_string(rc));
}

static void add(pmix_info_t *list, size_t *n, const char *key, const void *value,
                pmix_data_type_t type)
{
    PMIX_INFO_LOAD(&list[*n], key, value, type);
    (*n)++;
}

static int add_maps(pmix_info_t *list, size_t *n, struct avow_error *err)
{
    const struct avow_launch_config *c = host.config;
    avow_auto(avow_buf_done) struct avow_buf nodes = AVOW_BUF(1u << 20);
    avow_auto(avow_buf_done) struct avow_buf ranks = AVOW_BUF(1u << 20);
    avow_autofree char *node_map = NULL, *rank_map = NULL;

    for (uint32_t i = 0; i < c->n_nodes; i++) {
        avow_buf_putf(&nodes, "%s%s", i ? "," : "", c->nodes[i].name);
        for (uint32_t k = 0; k < c->nodes[i].ranks; k++)
            avow_buf_putf(&ranks, "%s%u", k ? "," : i ? ";" : "", c->nodes[i].first + k);
    }
    AVOW_TRY(avow_buf_ok(&nodes, err));
    AVOW_TRY(avow_buf_ok(&ranks, err));
    if (PMIx_generate_regex(avow_buf_cstr(&nodes), &node_map) != PMIX_SUCCESS ||
        PMIx_generate_ppn(avow_buf_cstr(&ranks), &rank_map) != PMIX_SUCCESS)
        return AVOW_FAIL(err, SYSTEM, "PMIx cannot encode the map of nodes and ranks");
    add(list, n, PMIX_NODE_MAP, node_map, PMIX_REGEX);
    add(list, n, PMIX_PROC_MAP, rank_map, PMIX_REGEX);
    return 0;
}

static int add_sizes(pmix_info_t *list, size_t *n, struct avow_error *err)
{
    const struct avow_launch_config *c = host.config;
    const struct avow_launch_node *self = avow_launch_self(c);
    avow_auto(avow_buf_done) struct avow_buf peers = AVOW_BUF(1u << 16);
    uint32_t one = 1;
    bool oversubscribed = (long)self->ranks > sysconf(_SC_NPROCESSORS_ONLN);

    add(list, n, PMIX_UNIV_SIZE, &c->n_ranks, PMIX_UINT32);
    add(list, n, PMIX_JOB_SIZE, &c->n_ranks, PMIX_UINT32);
    add(list, n, PMIX_MAX_PROCS, &c->n_ranks, PMIX_UINT32);
    add(list, n, PMIX_JOB_NUM_APPS, &one, PMIX_UINT32);
    add(list, n, PMIX_NUM_NODES, &c->n_nodes, PMIX_UINT32);
    add(list, n, PMIX_LOCAL_SIZE, &self->ranks, PMIX_UINT32);
    add(list, n, PMIX_NODE_SIZE, &self->ranks, PMIX_UINT32);
    add(list, n, PMIX_LOCALLDR, &self->first, PMIX_PROC_RANK);
    if (oversubscribed)
        add(list, n, PMIX_NODE_OVERSUBSCRIBED, &oversubscribed, PMIX_BOOL);
    for (uint32_t k = 0; k < self->ranks; k++)
        avow_buf_putf(&peers, "%s%u", k ? "," : "", self->first + k);
    AVOW_TRY(avow_buf_ok(&peers, err));
    add(list, n, PMIX_LOCAL_PEERS, avow_buf_cstr(&peers), PMIX_STRING);
    return 0;
}

/* All or nothing: where PMIX_PROC_DATA is given it wins over the maps. */
static int add_rank(pmix_info_t *list, size_t *n, uint32_t rank, struct avow_error *err)
{
    const struct avow_launch_config *c = host.config;
    uint32_t node = avow_launch_node_of(c, rank), app = 0;
    uint16_t local = (uint16_t)(rank - c->nodes[node].first);
    pmix_data_array_t *array = NULL;
    pmix_info_t *a = NULL;
    size_t k = 0;

    PMIX_DATA_ARRAY_CREATE(array, RANK_KEYS, PMIX_INFO);
    if (!array || !array->array)
        return AVOW_FAIL(err, NOMEM, "no memory for the ranks' data");
    a = array->array;
    add(a, &k, PMIX_RANK, &rank, PMIX_PROC_RANK); /* must be the first */
    add(a, &k, PMIX_GLOBAL_RANK, &rank, PMIX_PROC_RANK);
    add(a, &k, PMIX_APP_RANK, &rank, PMIX_PROC_RANK);
    add(a, &k, PMIX_APPNUM, &app, PMIX_UINT32);
    add(a, &k, PMIX_LOCAL_RANK, &local, PMIX_UINT16);
    add(a, &k, PMIX_NODE_RANK, &local, PMIX_UINT16);
    add(a, &k, PMIX_NODEID, &node, PMIX_UINT32);
    add(a, &k, PMIX_HOSTNAME, c->nodes[node].name, PMIX_STRING);
    PMIX_LOAD_KEY(list[*n].key, PMIX_PROC_DATA);
    list[*n].value.type = PMIX_DATA_ARRAY;
    list[*n].value.data.darray = array;
    (*n)++;
    return 0;
}

static int fill_job(pmix_info_t *list, size_t *n, const char *dir, struct avow_error *err)
{
    avow_autofree char *xml = avow_topology_xml();
    bool yes = true;

    AVOW_TRY(add_maps(list, n, err));
    AVOW_TRY(add_sizes(list, n, err));
    add(list, n, PMIX_JOBID, host.nspace, PMIX_STRING);
    add(list, n, PMIX_TMPDIR, dir, PMIX_STRING);
    add(list, n, PMIX_NSDIR, dir, PMIX_STRING);
    add(list, n, PMIX_TDIR_RMCLEAN, &yes, PMIX_BOOL);
    add(list, n, PMIX_MAPBY, "slot", PMIX_STRING);
    if (xml)
        add(list, n, PMIX_HWLOC_XML_V2, xml, PMIX_STRING);
    for (uint32_t rank = 0; rank < host.config->n_ranks; rank++)
        AVOW_TRY(add_rank(list, n, rank, err));
    return 0;
}

static int register_job(const char *dir, struct avow_error *err)
{
    const struct avow_launch_node *self = avow_launch_self(host.config);
    pmix_info_t *list = NULL;
    size_t n = 0, max = FIXED_KEYS + host.config->n_ranks;
    int rc = 0;

    PMIX_INFO_CREATE(list, max);
    if (!list)
        return AVOW_FAIL(err, NOMEM, "no memory for the job's PMIx keys");
    rc = fill_job(list, &n, dir, err);
    waiter_reset();
    if (rc == 0)
        rc = waiter_wait(
            PMIx_server_register_nspace(host.nspace, (int)self->ranks, list, n, on_done, &waiter),
            "register the job", err);
    PMIX_INFO_FREE(list, max);
    AVOW_TRY(rc);
    for (uint32_t k = 0; k < self->ranks; k++) {
        pmix_proc_t proc;

        PMIX_LOAD_PROCID(&proc, host.nspace, self->first + k);
        waiter_reset();
        AVOW_TRY(waiter_wait(
            PMIx_server_register_client(&proc, geteuid(), getegid(), NULL, on_done, &waiter),
            "register a rank", err));
    }
    waiter_reset();
    return waiter_wait(PMIx_server_setup_local_support(host.nspace, NULL, 0, on_done, &waiter),
                       "set up local support", err);
}

int avow_pmix_start(const struct avow_launch_config *c, const char *dir,
                    const struct avow_pmix_ops *ops, struct avow_error *err)
{
    pmix_info_t list[8] = { 0 };
    size_t n = 0;
    bool no = false;
    pmix_status_t rc = PMIX_SUCCESS;
    char nspace[PMIX_MAX_NSLEN + 1];

    host.config = c;
    host.ops = *ops;
    snprintf(nspace, sizeof nspace, "avow-%s", c->job);
    PMIX_LOAD_NSPACE(host.nspace, nspace);
    if (pipe2(host.pipe, O_CLOEXEC) < 0 || fcntl(host.pipe[0], F_SETFL, O_NONBLOCK) < 0)
        return AVOW_FAIL_SYS(err, "cannot make a pipe");
    add(list, &n, PMIX_SERVER_NSPACE, "avow-shell", PMIX_STRING);
    add(list, &n, PMIX_SERVER_RANK, &c->node, PMIX_PROC_RANK);
    add(list, &n, PMIX_SERVER_TMPDIR, dir, PMIX_STRING);
    add(list, &n, PMIX_SYSTEM_TMPDIR, dir, PMIX_STRING);
    add(list, &n, PMIX_HOSTNAME, avow_launch_self(c)->name, PMIX_STRING);
    add(list, &n, PMIX_SERVER_TOOL_SUPPORT, &no, PMIX_BOOL);
    add(list, &n, PMIX_SERVER_REMOTE_CONNECTIONS, &no, PMIX_BOOL);
    rc = PMIx_server_init(&module, list, n);
    for (size_t i = 0; i < n; i++)
        PMIX_INFO_DESTRUCT(&list[i]);
    if (rc != PMIX_SUCCESS)
        return AVOW_FAIL(err, SYSTEM, "cannot start the PMIx server: %s", PMIx_Error_string(rc));
    return register_job(dir, err);
}
