/*
 * libavow-client: run a job on confidential VMs from your own program. Three steps, each a
 * function: verify the servers' attestation, submit the job, monitor it; then fetch the results.
 * The program `avow` is built on the same.
 *
 * ISO C99. One thread calls these functions on one client; avow_owner_stop may come from any.
 * A function returns 0, a positive outcome (enum avow_owner_result), or a negative error code
 * (docs/errors.md), about which avow_owner_error* say more.
 *
 *     struct avow_owner *c = NULL;
 *     if (avow_owner_open(&c, "job.yaml", NULL) == 0 &&
 *         avow_verify_server_attestation(c) == AVOW_RESULT_OK &&
 *         avow_submit_job(c) == AVOW_RESULT_OK &&
 *         avow_monitor_job(c, on_event, NULL) == AVOW_RESULT_OK)
 *             avow_fetch_results(c, "results");
 *     avow_owner_close(c);
 */
#ifndef AVOW_CLIENT_H
#define AVOW_CLIENT_H

#include <stddef.h>

#ifndef AVOW_API
#if defined(__GNUC__)
#define AVOW_API __attribute__((visibility("default")))
#else
#define AVOW_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The owner of a job: opaque, owned by the caller. */
struct avow_owner;

/* Outcomes. Refusal is an outcome, not an error. */
enum avow_owner_result {
    AVOW_RESULT_OK = 0,
    AVOW_RESULT_REFUSED = 1,    /* a node's evidence was evaluated here, and refused */
    AVOW_RESULT_NOT_FORMED = 2, /* one node refused another */
    AVOW_RESULT_FAILED = 3      /* the job ended otherwise than COMPLETED */
};

/*
 * Something happened. @node is NULL if it is about all of them; @type is "retry", "attested",
 * "formed", "upload", "started", "fetched", or a node's own: "state", "progress", "output", "rank",
 * "note", "lost" (docs/protocols/node-api.md); @json is an object. All borrowed for the call. Calls
 * never overlap, but may come on threads of the library's own.
 */
typedef void (*avow_owner_event_fn)(void *ctx, const char *node, const char *type,
                                    const char *json);

/*
 * Read a job file (docs/formats/job-file.md) and make a client for it. @cluster: a file that says
 * where the nodes are, or NULL. No node is contacted. *@out is set on success and on failure (but
 * for lack of memory, then NULL), so that avow_owner_error* can be asked; avow_owner_close it.
 */
AVOW_API int avow_owner_open(struct avow_owner **out, const char *job_file, const char *cluster);
AVOW_API void avow_owner_close(struct avow_owner *c);

/*
 * Step one. Open a channel to every node, in parallel, ask each for evidence over a fresh nonce,
 * and judge it by the job's policy, on this machine. Nothing else is sent to any node.
 * 0: all accepted. AVOW_RESULT_REFUSED: at least one was refused.
 */
AVOW_API int avow_verify_server_attestation(struct avow_owner *c);

/*
 * Step two. Form the group (the nodes attest each other), send each node the program and its own
 * inputs, and start the job. -18 (state) unless step one accepted all nodes.
 * 0, AVOW_RESULT_REFUSED, AVOW_RESULT_NOT_FORMED.
 */
AVOW_API int avow_submit_job(struct avow_owner *c);

/* Step three. Follow the job to its end. @fn may be NULL. 0: COMPLETED. AVOW_RESULT_FAILED. */
AVOW_API int avow_monitor_job(struct avow_owner *c, avow_owner_event_fn fn, void *ctx);

/* Fetch every node's results into @dir/NODE/, each checked against its digest, and aggregate. */
AVOW_API int avow_fetch_results(struct avow_owner *c, const char *dir);

/* Cancel the job on all nodes. */
AVOW_API int avow_cancel_job(struct avow_owner *c, const char *reason);

/* Make the call under way return with -21 (cancelled). Any thread. */
AVOW_API void avow_owner_stop(struct avow_owner *c);

/* Id of the job, "" before step two. Owned by the client. */
AVOW_API const char *avow_owner_job(const struct avow_owner *c);
/* All that is known so far, as JSON (docs/formats/report.md); free() it. NULL without memory. */
AVOW_API char *avow_owner_report(const struct avow_owner *c);

/* The last failure: a sentence, what to do, and the stable name of its code ("" if there was none).
 * Owned by the client, valid until its next call. */
AVOW_API const char *avow_owner_error(const struct avow_owner *c);
AVOW_API const char *avow_owner_error_hint(const struct avow_owner *c);
AVOW_API const char *avow_owner_error_code(const struct avow_owner *c);

#ifdef __cplusplus
}
#endif

#endif
