/*
 * Event logs of measured boot: TCG's crypto-agile format (TCG PC Client Platform Firmware Profile,
 * 10.2), which the CCEL of a TD has too (its registers are numbered from 1: RTMR0 is 1; 0 is MRTD).
 * Only digests are of interest here: what the events' data says is not judged. Pure, any thread.
 */
#ifndef AVOW_EVIDENCE_EVENTLOG_H
#define AVOW_EVIDENCE_EVENTLOG_H

#include "base/bytes.h"

#define AVOW_EVENTLOG_MAX \
    (4u << 20) /* bytes, with padding: firmware keeps areas of 1 MiB and more */
#define AVOW_EVENTLOG_EVENTS_MAX 16384u
#define AVOW_EVENTLOG_ALGORITHMS_MAX 8u
#define AVOW_EVENTLOG_EVENT_MAX (512u << 10) /* bytes of one event's data */

#define AVOW_EVENT_NO_ACTION 3u /* informs; is not extended */
#define AVOW_ALG_SHA256 0x000Bu
#define AVOW_ALG_SHA384 0x000Cu

struct avow_event {
    uint32_t register_index, type;
    size_t n_digests;
    struct {
        uint16_t alg;
        struct avow_bytes value;
    } digests[AVOW_EVENTLOG_ALGORITHMS_MAX];
    struct avow_bytes data;
};

/* A reader of one log; views point into the bytes that were given. */
struct avow_eventlog {
    struct avow_rd rest;
    size_t total; /* bytes of the log and its padding */
    size_t alike; /* of them at the end, all zeros or all FF: what lies in them is padding */
    uint32_t n_events;
    size_t n_algorithms;
    struct {
        uint16_t alg, size;
    } algorithms[AVOW_EVENTLOG_ALGORITHMS_MAX];
};

/* Whether @in begins with a Spec ID event. */
bool avow_eventlog_likely(struct avow_bytes in);
/* Read the Spec ID event, which names the algorithms. -AVOW_E_FORMAT, -AVOW_E_TRUNCATED,
 * -AVOW_E_LIMIT. */
AVOW_MUST_USE int avow_eventlog_open(struct avow_bytes in, struct avow_eventlog *out,
                                     struct avow_error *err);
/* The next event: 1; the end, by the bytes or by padding (FF or zeros to the end of the area): 0.
 * Negative as above. */
AVOW_MUST_USE int avow_eventlog_next(struct avow_eventlog *l, struct avow_event *out,
                                     struct avow_error *err);
/* @in without the padding that follows its last event; as it is if it cannot be read to its end. */
struct avow_bytes avow_eventlog_trim(struct avow_bytes in);

#endif
