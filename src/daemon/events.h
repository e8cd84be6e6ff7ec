/*
 * The event stream of one job: the latest events in memory, older ones from the journal, and the
 * clients that follow. Each follower has a place of its own in the stream, so a slow one holds up
 * nobody; one that falls behind what is kept gets `lost`. Loop thread only.
 */
#ifndef AVOW_DAEMON_EVENTS_H
#define AVOW_DAEMON_EVENTS_H

#include <event2/event.h>
#include <sys/queue.h>

#include "daemon/http.h"
#include "job/journal.h"

#define AVOW_HUB_BYTES_MAX (1u << 20) /* of events kept for one job */
#define AVOW_HUB_EVENTS_MAX 4096
#define AVOW_HUB_FOLLOWERS_MAX 64
#define AVOW_HUB_RETRY_MS 50 /* a follower whose queue was full is tried again after that */

struct avow_hub_event;
struct avow_hub_follower;

struct avow_hub {
    struct event_base *base;
    struct avow_journal *journal; /* borrowed */
    char job[AVOW_JOB_UUID_LEN + 1];
    TAILQ_HEAD(, avow_hub_event) kept;
    LIST_HEAD(, avow_hub_follower) followers;
    size_t bytes;
    unsigned n_kept;
    unsigned n_followers;
    uint64_t forgotten; /* events up to this seq are only in the journal, if there */
    bool ended;         /* no more events will come */
};

/* @forgotten: seq up to which events are in the journal only (0 for a new job). */
void avow_hub_init(struct avow_hub *h, struct event_base *base, struct avow_journal *journal,
                   const char *job, uint64_t forgotten);
/* Ends all streams. */
void avow_hub_done(struct avow_hub *h);
/* @type is a static string; @data is borrowed. Events after the end are not taken. */
void avow_hub_publish(struct avow_hub *h, uint64_t seq, const char *type, const json_t *data);
/* The last event was published: followers that have it are let go. */
void avow_hub_end(struct avow_hub *h);
/* Answer @call with the stream of events after @since. */
void avow_hub_follow(struct avow_hub *h, struct avow_call *call, uint64_t since);

#endif
