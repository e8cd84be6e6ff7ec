/*
 * Inside of the launch host: shared by host.c, host_ranks.c and host_peers.c. Loop thread only.
 */
#ifndef AVOW_LAUNCH_HOST_INTERNAL_H
#define AVOW_LAUNCH_HOST_INTERNAL_H

#include <event2/event.h>

#include "launch/collective.h"
#include "launch/host.h"
#include "launch/link.h"
#include "launch/outcome.h"
#include "launch/peer.h"
#include "launch/pmi1.h"
#include "launch/pmix_host.h"
#include "launch/tail.h"

#define AVOW_HOST_HEAD 0        /* node index of the head: every collective goes through it */
#define AVOW_HOST_TERM_MS 500   /* from SIGTERM to SIGKILL */
#define AVOW_HOST_ABORT_MS 300  /* a rank that called MPI_Abort has this long to end itself */
#define AVOW_HOST_DRAIN_MS 1000 /* for output that grandchildren still hold open */
#define AVOW_HOST_CAUSE_MS \
    200 /* from a rank's failure to the decision: others may show its cause */
#define AVOW_HOST_FLUSH_MS 5000   /* for the last frames */
#define AVOW_HOST_ASKED_MAX 65536 /* modex questions open at once */

struct avow_host;

enum avow_host_stream { AVOW_STREAM_OUT = 0, AVOW_STREAM_ERR = 1 };

struct avow_host_pipe {
    struct avow_host_rank *owner;
    enum avow_host_stream stream;
    int fd; /* -1: at its end */
    struct event *readable;
};

struct avow_host_rank {
    struct avow_host *host;
    uint32_t local;
    pid_t pid; /* 0: not running */
    bool started;
    bool reaped;
    bool ended_by_us; /* by a signal, after the job had ended */
    bool finished;    /* reaped, and its output is forwarded */
    struct avow_rank_end end;
    struct avow_host_pipe out[2];
    int pmi, job;
    struct event *pmi_readable, *job_readable;
    struct event *timer;   /* after MPI_Abort: kill; after the end: stop waiting for output */
    struct avow_tail tail; /* of its stderr */
};

struct avow_host {
    struct avow_host_start start;
    const struct avow_launch_config *config;
    struct event_base *base;
    struct avow_link *link;
    struct event *on_child, *on_pmix, *on_monitor, *on_limit, *on_kill, *on_tick, *on_cause;
    int child_fd;
    struct avow_pmi1 *pmi1;
    struct avow_coll_local *waiting;
    /* ranks */
    struct avow_host_rank *ranks;
    uint32_t n_ranks;
    uint32_t n_finished;
    uint64_t sdk_dropped;
    bool going;
    bool paused;   /* output is not read because avowd is slow */
    bool failed;   /* a failure was told to the head */
    bool ended;    /* the outcome is known here */
    bool reported; /* DONE is queued */
    bool link_lost;
    struct avow_outcome outcome;
    /* questions to other nodes, by id */
    struct avow_pmix_call **asked;
    uint32_t n_asked;
    /* head only */
    struct avow_coll_head *head;
    uint8_t *exited; /* by global rank */
    uint32_t n_exited;
    bool decided;
    bool suspected; /* a rank failed; on_cause decides */
    struct avow_outcome suspect;
};

static inline bool avow_host_is_head(const struct avow_host *h)
{
    return h->config->node == AVOW_HOST_HEAD;
}

/* host.c */
void avow_host_log(struct avow_host *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
uint64_t avow_host_now_ms(void);
/* The job has ended with @o: end the local ranks, and report when they are gone. The first call
 * counts. */
void avow_host_end(struct avow_host *h, const struct avow_outcome *o);
/* Report and leave the loop if everything has ended. */
void avow_host_check_done(struct avow_host *h);

/* host_peers.c */
void avow_host_on_cause(evutil_socket_t fd, short what, void *ctx);
void avow_host_peer_in(struct avow_host *h, uint32_t from, struct avow_bytes blob);
/* This node says that the job must end with failure @o. */
void avow_host_fail(struct avow_host *h, const struct avow_outcome *o);
/* The same for a failure of the launcher itself or of a peer. */
void avow_host_fail_err(struct avow_host *h, const char *code, const struct avow_error *err);
/* A local rank ended well. */
void avow_host_exited(struct avow_host *h, uint32_t rank);
/* Enter a collective; @call NULL: the PMI-1 barrier. */
void avow_host_collect(struct avow_host *h, struct avow_pmix_call *call, const uint32_t *ranks,
                       size_t n, struct avow_bytes data);
void avow_host_ask(struct avow_host *h, struct avow_pmix_call *call, uint32_t rank);
void avow_host_answer(struct avow_host *h, uint32_t id, uint32_t node, uint32_t rank, int status,
                      struct avow_bytes data);

/* host_ranks.c */
AVOW_MUST_USE int avow_host_ranks_new(struct avow_host *h, struct avow_error *err);
void avow_host_ranks_free(struct avow_host *h);
AVOW_MUST_USE int avow_host_ranks_spawn(struct avow_host *h, struct avow_error *err);
void avow_host_ranks_signal(struct avow_host *h, int sig);
/* A child was reaped; false if it is no rank's. */
bool avow_host_ranks_reaped(struct avow_host *h, pid_t pid, int status);
void avow_host_ranks_resume(struct avow_host *h);
/* By global rank; NULL if it is not local. */
struct avow_host_rank *avow_host_rank_find(struct avow_host *h, uint32_t rank);
void avow_host_rank_aborted(struct avow_host *h, uint32_t rank, int code);
void avow_host_rank_spawned(struct avow_host *h, uint32_t rank);
void avow_host_rank_reply(struct avow_host *h, uint32_t local, struct avow_bytes line);

#endif
