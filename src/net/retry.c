#include "net/retry.h"

#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "net/turn.h"

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Jitter needs no secrecy: without entropy there is none. */
static uint32_t any_number(void)
{
    uint32_t v = 0;

    return getrandom(&v, sizeof v, GRND_NONBLOCK) == sizeof v ? v : UINT32_MAX / 2;
}

static bool again_helps(int rc, const struct avow_http_reply *r)
{
    return rc < 0 ? avow_backoff_transient(rc) : avow_http_transient(r->status);
}

static int64_t delay(const struct avow_retry *retry, const struct avow_http_reply *r, int rc)
{
    if (rc == 0 && r->retry_after_ms >= 0)
        return r->retry_after_ms;
    return avow_backoff_delay_ms(&retry->backoff, retry->n_tries, any_number());
}

static void say(const struct avow_retry *retry, const struct avow_http_reply *r, int rc,
                const struct avow_error *why, int64_t ms)
{
    char status[32];

    if (!retry->note)
        return;
    (void)snprintf(status, sizeof status, "HTTP %ld", r->status);
    retry->note(retry->ctx, rc < 0 ? why->text : status, ms);
}

int avow_http_retry(const struct avow_http_request *rq, struct avow_retry *retry,
                    struct avow_http_reply *out, struct avow_error *err)
{
    int64_t until = now_ms() + retry->deadline_ms;
    uint32_t each = rq->timeout_ms ? rq->timeout_ms : AVOW_HTTP_TIMEOUT_MS;

    for (retry->n_tries = 1;; retry->n_tries++) {
        struct avow_http_request one = *rq;
        struct avow_error why = { 0 };
        int64_t began = now_ms();
        int64_t left = 0;
        int64_t wait = 0;
        int rc = 0;

        if (retry->before)
            AVOW_TRY(retry->before(retry->ctx, err));
        until += now_ms() - began;
        left = until - now_ms();
        one.timeout_ms = left < 1 ? 1 : left < each ? (uint32_t)left : each;
        rc = avow_http(&one, out, &why);
        if (retry->after)
            retry->after(retry->ctx, out->connected);
        if (retry->tried)
            retry->tried(retry->ctx, rc, out);
        if (!again_helps(rc, out) || retry->n_tries >= retry->backoff.tries)
            return rc < 0 ? AVOW_FAIL_CODE(err, rc, "%s", why.text) : 0;
        wait = delay(retry, out, rc);
        if (wait >= until - now_ms())
            return rc < 0 ? AVOW_FAIL_CODE(err, rc, "%s", why.text) : 0;
        say(retry, out, rc, &why, wait);
        avow_http_reply_done(out);
        AVOW_TRY(avow_pause(wait, rq->stop_fd, err));
    }
}
