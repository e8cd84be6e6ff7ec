#include "evidence/eventlog.h"

#define SPEC_ID_OFF 0x20u /* of the signature: register, type, SHA-1, size stand before it */
#define SHA1_LEN 20u

static const char spec_id[] = "Spec ID Event03"; /* with its NUL */

bool avow_eventlog_likely(struct avow_bytes in)
{
    return avow_bytes_equal(avow_bytes_sub(in, SPEC_ID_OFF, sizeof spec_id),
                            AVOW_BYTES(spec_id, sizeof spec_id));
}

/* TCG_EfiSpecIDEvent: signature, platform class, versions, size of UINTN, then the algorithms. */
static int read_algorithms(struct avow_bytes data, struct avow_eventlog *l, struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(data);
    uint32_t n = 0;

    if (avow_rd_skip(&r, sizeof spec_id + 4 + 4) < 0 || avow_rd_u32le(&r, &n) < 0)
        return AVOW_FAIL(err, TRUNCATED, "event log: its Spec ID event ends too early");
    if (n < 1 || n > AVOW_EVENTLOG_ALGORITHMS_MAX)
        return AVOW_FAIL(err, LIMIT, "event log: %u algorithms (1 to %u)", n,
                         AVOW_EVENTLOG_ALGORITHMS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (avow_rd_u16le(&r, &l->algorithms[i].alg) < 0 ||
            avow_rd_u16le(&r, &l->algorithms[i].size) < 0)
            return AVOW_FAIL(err, TRUNCATED, "event log: ends in its list of algorithms");
        if (l->algorithms[i].size < 1 || l->algorithms[i].size > 64)
            return AVOW_FAIL(err, FORMAT, "event log: digests of %u bytes", l->algorithms[i].size);
    }
    l->n_algorithms = n;
    return 0;
}

/* What follows the last event in an area that is larger than the log. Counted once: asked for each
 * event, a log that is nearly all zeros would take minutes. */
static size_t count_alike(struct avow_bytes in)
{
    uint8_t last = in.len ? in.data[in.len - 1] : 1;
    size_t n = 0;

    if (last != 0 && last != 0xFF)
        return 0;
    while (n < in.len && in.data[in.len - 1 - n] == last)
        n++;
    return n;
}

int avow_eventlog_open(struct avow_bytes in, struct avow_eventlog *out, struct avow_error *err)
{
    struct avow_eventlog l = { .rest = avow_rd_init(in),
                               .total = in.len,
                               .alike = count_alike(in) };
    struct avow_bytes data = { 0 };
    uint32_t index = 0, type = 0, size = 0;

    if (in.len > AVOW_EVENTLOG_MAX)
        return AVOW_FAIL(err, LIMIT, "event log of %zu bytes (at most %u)", in.len,
                         AVOW_EVENTLOG_MAX);
    if (!avow_eventlog_likely(in))
        return AVOW_FAIL(err, FORMAT, "event log: does not begin with a Spec ID event");
    /* the first event is in the old format, with one SHA-1 digest */
    if (avow_rd_u32le(&l.rest, &index) < 0 || avow_rd_u32le(&l.rest, &type) < 0 ||
        avow_rd_skip(&l.rest, SHA1_LEN) < 0 || avow_rd_u32le(&l.rest, &size) < 0 ||
        avow_rd_bytes(&l.rest, size, &data) < 0)
        return AVOW_FAIL(err, TRUNCATED, "event log: ends in its first event");
    if (type != AVOW_EVENT_NO_ACTION)
        return AVOW_FAIL(err, FORMAT, "event log: its first event is of type %u", type);
    AVOW_TRY(read_algorithms(data, &l, err));
    *out = l;
    return 0;
}

static size_t digest_size(const struct avow_eventlog *l, uint16_t alg)
{
    for (size_t i = 0; i < l->n_algorithms; i++)
        if (l->algorithms[i].alg == alg)
            return l->algorithms[i].size;
    return 0;
}

static int read_digests(struct avow_eventlog *l, struct avow_event *e, struct avow_error *err)
{
    uint32_t n = 0;

    if (avow_rd_u32le(&l->rest, &n) < 0)
        return AVOW_FAIL(err, TRUNCATED, "event log: ends in event %u", l->n_events + 1);
    if (n > AVOW_EVENTLOG_ALGORITHMS_MAX)
        return AVOW_FAIL(err, LIMIT, "event log: event %u has %u digests", l->n_events + 1, n);
    for (size_t i = 0; i < n; i++) {
        size_t size = 0;

        if (avow_rd_u16le(&l->rest, &e->digests[i].alg) < 0)
            return AVOW_FAIL(err, TRUNCATED, "event log: ends in event %u", l->n_events + 1);
        size = digest_size(l, e->digests[i].alg);
        if (!size)
            return AVOW_FAIL(err, FORMAT,
                             "event log: event %u has a digest of algorithm 0x%04x, "
                             "which the log does not name",
                             l->n_events + 1, e->digests[i].alg);
        if (avow_rd_bytes(&l->rest, size, &e->digests[i].value) < 0)
            return AVOW_FAIL(err, TRUNCATED, "event log: ends in event %u", l->n_events + 1);
    }
    e->n_digests = n;
    return 0;
}

int avow_eventlog_next(struct avow_eventlog *l, struct avow_event *out, struct avow_error *err)
{
    struct avow_event e = { 0 };
    uint32_t size = 0;

    if (l->rest.rest.len <= l->alike)
        return 0;
    if (l->n_events == AVOW_EVENTLOG_EVENTS_MAX)
        return AVOW_FAIL(err, LIMIT, "event log: more than %u events", AVOW_EVENTLOG_EVENTS_MAX);
    if (avow_rd_u32le(&l->rest, &e.register_index) < 0 || avow_rd_u32le(&l->rest, &e.type) < 0)
        return AVOW_FAIL(err, TRUNCATED, "event log: ends in event %u", l->n_events + 1);
    AVOW_TRY(read_digests(l, &e, err));
    if (avow_rd_u32le(&l->rest, &size) < 0)
        return AVOW_FAIL(err, TRUNCATED, "event log: ends in event %u", l->n_events + 1);
    if (size > AVOW_EVENTLOG_EVENT_MAX)
        return AVOW_FAIL(err, LIMIT, "event log: event %u has %u bytes", l->n_events + 1, size);
    if (avow_rd_bytes(&l->rest, size, &e.data) < 0)
        return AVOW_FAIL(err, TRUNCATED, "event log: ends in event %u", l->n_events + 1);
    l->n_events++;
    *out = e;
    return 1;
}

struct avow_bytes avow_eventlog_trim(struct avow_bytes in)
{
    struct avow_eventlog l;
    struct avow_event e;
    int rc = avow_eventlog_open(in, &l, NULL);

    if (rc < 0)
        return in;
    do
        rc = avow_eventlog_next(&l, &e, NULL);
    while (rc == 1);
    return rc < 0 ? in : avow_bytes_sub(in, 0, l.total - l.rest.rest.len);
}
