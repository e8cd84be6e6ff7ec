/* The public face (include/avow/client.h) of what the parts of this folder do. */
#include <avow/client.h>

#include "client/client.h"
#include "client/report.h"

struct avow_owner {
    struct avow_client *client;
    struct avow_plan *plan;
    struct avow_error err;
    avow_owner_event_fn fn;
    void *ctx;
};

_Static_assert((int)AVOW_RESULT_OK == AVOW_CLIENT_OK, "same outcomes");
_Static_assert((int)AVOW_RESULT_REFUSED == AVOW_CLIENT_REFUSED, "same outcomes");
_Static_assert((int)AVOW_RESULT_NOT_FORMED == AVOW_CLIENT_NOT_FORMED, "same outcomes");
_Static_assert((int)AVOW_RESULT_FAILED == AVOW_CLIENT_FAILED, "same outcomes");

static void on_event(void *ctx, const char *node, const char *type, const json_t *data)
{
    struct avow_owner *c = ctx;
    char *text = NULL;

    if (!c->fn)
        return;
    text = json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(15));
    if (text)
        c->fn(c->ctx, node, type, text);
    free(text);
}

int avow_owner_open(struct avow_owner **out, const char *job_file, const char *cluster)
{
    struct avow_owner *c = calloc(1, sizeof *c);
    struct avow_client_options options = { .event = on_event, .ctx = c };

    *out = c;
    if (!c)
        return -AVOW_E_NOMEM;
    AVOW_TRY(avow_plan_load(job_file, cluster, &c->plan, &c->err));
    AVOW_TRY(avow_client_new(&options, &c->client, &c->err));
    return avow_client_use_plan(c->client, c->plan, &c->err);
}

void avow_owner_close(struct avow_owner *c)
{
    if (!c)
        return;
    avow_client_free(c->client);
    avow_plan_free(c->plan);
    free(c);
}

/* Whether a step may begin; forgets the failure of the one before. */
static int begin(struct avow_owner *c)
{
    if (!c->client)
        return -(c->err.code ? c->err.code : AVOW_E_STATE); /* it was never opened */
    avow_error_clear(&c->err);
    return 0;
}

int avow_verify_server_attestation(struct avow_owner *c)
{
    AVOW_TRY(begin(c));
    return avow_client_attest(c->client, &c->err);
}

int avow_submit_job(struct avow_owner *c)
{
    int rc = 0;

    AVOW_TRY(begin(c));
    rc = avow_client_form(c->client, &c->err);
    if (rc != 0)
        return rc;
    rc = avow_client_submit(c->client, &c->err);
    if (rc != 0)
        avow_client_release(c->client);
    return rc;
}

int avow_monitor_job(struct avow_owner *c, avow_owner_event_fn fn, void *ctx)
{
    int rc = 0;

    AVOW_TRY(begin(c));
    if (!c->client->job[0])
        return AVOW_FAIL(&c->err, STATE, "no job was submitted");
    c->fn = fn;
    c->ctx = ctx;
    rc = avow_client_monitor(c->client, &c->err);
    c->fn = NULL;
    return rc;
}

int avow_fetch_results(struct avow_owner *c, const char *dir)
{
    AVOW_TRY(begin(c));
    if (!c->client->job[0])
        return AVOW_FAIL(&c->err, STATE, "no job was submitted");
    AVOW_TRY(avow_client_fetch(c->client, dir, &c->err));
    avow_client_release(c->client);
    return 0;
}

int avow_cancel_job(struct avow_owner *c, const char *reason)
{
    AVOW_TRY(begin(c));
    if (!c->client->job[0])
        return AVOW_FAIL(&c->err, STATE, "no job was submitted");
    return avow_client_cancel(c->client, reason, &c->err);
}

void avow_owner_stop(struct avow_owner *c)
{
    if (c && c->client)
        avow_client_stop(c->client);
}

const char *avow_owner_job(const struct avow_owner *c)
{
    return c->client ? c->client->job : "";
}

char *avow_owner_report(const struct avow_owner *c)
{
    avow_autojson json_t *report = NULL;
    const char *state = NULL;

    if (!c->client)
        return NULL;
    state = json_string_value(json_object_get(c->client->outcome, "state"));
    report = avow_report(c->client, state ? state : "UNKNOWN", &c->err);
    return report ? json_dumps(report, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(15))
                  : NULL;
}

const char *avow_owner_error(const struct avow_owner *c)
{
    return c->err.text;
}

const char *avow_owner_error_hint(const struct avow_owner *c)
{
    return c->err.code ? avow_err_hint(c->err.code) : "";
}

const char *avow_owner_error_code(const struct avow_owner *c)
{
    return c->err.code ? avow_err_name(c->err.code) : "";
}
