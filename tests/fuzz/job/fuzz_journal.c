/*
 * Rows of a journal, as an attacker of the disk might write them: lines "type seq t data". What
 * replay accepts can be shown, and obeys the record's invariants.
 */
#include <stdint.h>
#include <stdlib.h>

#include "job/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define JOB "0f8fad5b-d9cb-469f-a165-70867728950e"

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void show(const struct avow_job_record *r, const struct avow_job_event *e)
{
    avow_autojson json_t *job = avow_job_record_json(r);
    avow_autojson json_t *data = NULL;
    const char *type = avow_job_event_public(e, &data);

    check(job != NULL);
    check(!type == !data);
    check(avow_job_ended(r->state) || r->reason.code == 0);
    check(r->state != AVOW_JOB_FAILED || r->reason.code > 0);
    check(r->state != AVOW_JOB_COMPLETED || r->files);
    check(r->n_ranks > 0 && r->ranks && r->metrics && r->verdicts);
}

static void line(struct avow_job_record *r, const char *text, size_t len)
{
    struct avow_job_event e = { .job = JOB };
    avow_autojson json_t *data = NULL;
    struct avow_error err = { 0 };
    uint64_t seq = r->seq;
    enum avow_job_state state = r->state;

    if (len < 4 || avow_json_parse(AVOW_BYTES(text + 3, len - 3), &data, NULL) < 0)
        return;
    e.type = (enum avow_job_event_type)(text[0] - 'a');
    e.seq = r->seq + (uint64_t)(text[1] - '0');
    e.t = text[2] - '0';
    e.data = data;
    if (avow_job_record_apply(r, &e, &err) < 0) {
        check(err.code != 0 && r->seq == seq && r->state == state);
        return;
    }
    check(r->seq > seq);
    show(r, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    avow_auto(avow_job_record_done) struct avow_job_record r = { 0 };
    const char *p = (const char *)data;

    while (size) {
        const char *end = memchr(p, '\n', size);
        size_t n = end ? (size_t)(end - p) : size;

        line(&r, p, n);
        p += n + (end ? 1 : 0);
        size -= n + (end ? 1 : 0);
    }
    return 0;
}
