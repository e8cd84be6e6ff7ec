#include "verifier/tally.h"

#include <stdio.h>

#include "verifier/refusal.h"

const char *const avow_azure_class_names[AVOW_AZURE_CLASSES] = { "2xx", "3xx", "4xx", "5xx" };
const char *const avow_azure_failure_names[AVOW_AZURE_FAILURES] = {
    "network", "timeout", "tls", "busy", "protocol", "other"
};

void tally_init(struct tally *t)
{
    (void)pthread_mutex_init(&t->lock, NULL);
}

void tally_done(struct tally *t)
{
    (void)pthread_mutex_destroy(&t->lock);
}

/* ---- counting ---- */

static void add_time(struct avow_azure_latency *to, struct avow_latency *l, uint64_t ns)
{
    avow_histogram_add(&to->histogram, (double)ns / 1e9);
    avow_latency_add(l, ns);
}

/* Names are the service's to choose, and become labels and keys: those that do not look like a
 * code, and those that are too many, count together. */
static void add_code(struct avow_azure_stats *s, const char *code)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strlen(code);
    size_t i = 0;

    while (i < s->n_codes && strcmp(s->codes[i].name, code) != 0)
        i++;
    if (i == AVOW_AZURE_CODES_MAX || n > AVOW_AZURE_CODE_MAX || strspn(code, plain) != n) {
        s->other_codes++;
        return;
    }
    if (i == s->n_codes)
        memcpy(s->codes[s->n_codes++].name, code, n + 1);
    s->codes[i].n++;
}

void tally_try(struct tally *t, int rc, const struct avow_http_reply *r, uint64_t ns)
{
    char code[REFUSAL_CODE_MAX + 1] = "", message[REFUSAL_MESSAGE_MAX + 1];
    long class = rc < 0 ? 0 : r->status / 100;

    if (class >= 4)
        refusal_read(r, code, message);
    (void)pthread_mutex_lock(&t->lock);
    t->s.requests++;
    if (class >= 2 && class <= 5)
        t->s.replies[class - 2]++;
    if (rc == 0)
        add_time(&t->s.request, &t->requests, ns);
    t->s.throttled += rc == 0 && r->status == 429;
    if (*code)
        add_code(&t->s, code);
    (void)pthread_mutex_unlock(&t->lock);
}

void tally_token(struct tally *t, bool got, uint64_t ns)
{
    (void)pthread_mutex_lock(&t->lock);
    t->s.tokens += got;
    add_time(&t->s.token, &t->tokens, ns);
    (void)pthread_mutex_unlock(&t->lock);
}

static enum avow_azure_failure failure_of(int rc)
{
    switch (-rc) {
    case AVOW_E_NETWORK:
        return AVOW_AZURE_NETWORK;
    case AVOW_E_TIMEOUT:
        return AVOW_AZURE_TIMEOUT;
    case AVOW_E_UNTRUSTED:
        return AVOW_AZURE_TLS;
    case AVOW_E_BUSY:
        return AVOW_AZURE_BUSY;
    case AVOW_E_PROTOCOL:
    case AVOW_E_FORMAT:
    case AVOW_E_LIMIT:
        return AVOW_AZURE_PROTOCOL;
    default:
        return AVOW_AZURE_OTHER;
    }
}

void tally_failed(struct tally *t, int rc)
{
    (void)pthread_mutex_lock(&t->lock);
    t->s.failed++;
    t->s.failures[failure_of(rc)]++;
    (void)pthread_mutex_unlock(&t->lock);
}

void tally_count(struct tally *t, uint64_t *counter)
{
    (void)pthread_mutex_lock(&t->lock);
    ++*counter;
    (void)pthread_mutex_unlock(&t->lock);
}

/* ---- reading ---- */

static void read_time(const struct avow_latency *l, struct avow_azure_latency *out)
{
    out->p50 = (double)avow_latency_quantile(l, 0.5) / 1e9;
    out->p99 = (double)avow_latency_quantile(l, 0.99) / 1e9;
    out->max = (double)l->max / 1e9;
}

void tally_read(struct tally *t, struct avow_azure_stats *out)
{
    (void)pthread_mutex_lock(&t->lock);
    *out = t->s;
    read_time(&t->requests, &out->request);
    read_time(&t->tokens, &out->token);
    (void)pthread_mutex_unlock(&t->lock);
}

/* ---- showing ---- */

static double rounded_ms(double seconds)
{
    return (double)(int64_t)(seconds * 1e6 + 0.5) / 1e3;
}

static json_t *time_json(const struct avow_azure_latency *l)
{
    return json_pack("{s:f, s:f, s:f}", "p50", rounded_ms(l->p50), "p99", rounded_ms(l->p99), "max",
                     rounded_ms(l->max));
}

/* Those that are not zero, by name. */
static json_t *counts_json(const char *const *names, const uint64_t *values, size_t n)
{
    json_t *o = json_object();

    for (size_t i = 0; i < n; i++)
        if (values[i])
            (void)json_object_set_new(o, names[i], json_integer((json_int_t)values[i]));
    return o;
}

static json_t *codes_json(const struct avow_azure_stats *s)
{
    json_t *o = json_object();

    for (size_t i = 0; i < s->n_codes; i++)
        (void)json_object_set_new(o, s->codes[i].name, json_integer((json_int_t)s->codes[i].n));
    if (s->other_codes)
        (void)json_object_set_new(o, AVOW_AZURE_REST, json_integer((json_int_t)s->other_codes));
    return o;
}

json_t *avow_azure_stats_json(const struct avow_azure_stats *s)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "requests",
        (json_int_t)s->requests, "tokens", (json_int_t)s->tokens, "reused", (json_int_t)s->reused,
        "throttled", (json_int_t)s->throttled, "denied", (json_int_t)s->denied, "failed",
        (json_int_t)s->failed, "key_fetches", (json_int_t)s->key_fetches, "replies",
        counts_json(avow_azure_class_names, s->replies, AVOW_AZURE_CLASSES), "failures",
        counts_json(avow_azure_failure_names, s->failures, AVOW_AZURE_FAILURES), "errors",
        codes_json(s), "latency_ms", time_json(&s->request), "token_ms", time_json(&s->token));
}

static void put_count(struct avow_buf *out, const char *word, uint64_t n)
{
    if (n)
        avow_buf_putf(out, ", %llu %s", (unsigned long long)n, word);
}

static void put_errors(struct avow_buf *out, const struct avow_azure_stats *s)
{
    const char *between = "; errors: ";

    for (size_t i = 0; i < s->n_codes; i++) {
        avow_buf_putf(out, "%s%s %llu", between, s->codes[i].name,
                      (unsigned long long)s->codes[i].n);
        between = ", ";
    }
    if (s->other_codes)
        avow_buf_putf(out, "%s" AVOW_AZURE_REST " %llu", between,
                      (unsigned long long)s->other_codes);
    between = "; without an answer for good: ";
    for (size_t i = 0; i < AVOW_AZURE_FAILURES; i++)
        if (s->failures[i]) {
            avow_buf_putf(out, "%s%s %llu", between, avow_azure_failure_names[i],
                          (unsigned long long)s->failures[i]);
            between = ", ";
        }
}

void avow_azure_stats_text(const struct avow_azure_stats *s, struct avow_buf *out)
{
    avow_buf_putf(out, "%llu %s, %llu %s", (unsigned long long)s->requests,
                  s->requests == 1 ? "request" : "requests", (unsigned long long)s->tokens,
                  s->tokens == 1 ? "token" : "tokens");
    put_count(out, "reused", s->reused);
    put_count(out, "throttled", s->throttled);
    put_count(out, "denied", s->denied);
    if (s->token.histogram.count)
        avow_buf_putf(out, "; a token takes %.1f ms (p50), %.1f (p99), %.1f (max)",
                      s->token.p50 * 1e3, s->token.p99 * 1e3, s->token.max * 1e3);
    put_errors(out, s);
}
