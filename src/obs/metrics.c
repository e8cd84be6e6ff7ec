#include "obs/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SERIES_MAX 512
#define LABEL_MAX 128

/* Half decades from 100 us to 100 s. */
static const struct {
    double le;
    const char *text; /* as it is printed: the same in every exposition */
} buckets[AVOW_HISTOGRAM_BUCKETS] = {
    { 0.0001, "0.0001" }, { 0.0003, "0.0003" }, { 0.001, "0.001" }, { 0.003, "0.003" },
    { 0.01, "0.01" },     { 0.03, "0.03" },     { 0.1, "0.1" },     { 0.3, "0.3" },
    { 1, "1.0" },         { 3, "3.0" },         { 10, "10.0" },     { 30, "30.0" },
    { 100, "100.0" },
};

enum kind { COUNTER, GAUGE, HISTOGRAM };

struct series {
    enum kind kind;
    const char *name;
    const char *help;
    char label[LABEL_MAX]; /* "key=value" or "" */
    uint64_t count;        /* counter */
    double value;          /* gauge */
    struct avow_histogram histogram;
};

struct avow_metrics {
    struct series *list;
    size_t n;
    size_t cap;
    uint64_t dropped;
};

struct avow_metrics *avow_metrics_new(void)
{
    return calloc(1, sizeof(struct avow_metrics));
}

void avow_metrics_free(struct avow_metrics *m)
{
    if (!m)
        return;
    free(m->list);
    free(m);
}

static struct series *find(struct avow_metrics *m, enum kind kind, const char *name,
                           const char *label)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->list[i].kind == kind && strcmp(m->list[i].name, name) == 0 &&
            strcmp(m->list[i].label, label) == 0)
            return &m->list[i];
    return NULL;
}

/* One family has one kind: a name that is used with another is dropped, not mixed up. */
static bool other_kind(const struct avow_metrics *m, enum kind kind, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->list[i].kind != kind && strcmp(m->list[i].name, name) == 0)
            return true;
    return false;
}

static struct series *series(struct avow_metrics *m, enum kind kind, const char *name,
                             const char *help, const char *label)
{
    struct series *s = NULL;
    struct series *grown = NULL;

    if (!m)
        return NULL;
    s = find(m, kind, name, label ? label : "");
    if (s)
        return s;
    if (m->n == SERIES_MAX || (label && strlen(label) >= LABEL_MAX) || other_kind(m, kind, name)) {
        m->dropped++;
        return NULL;
    }
    if (m->n == m->cap) {
        grown = realloc(m->list, (m->cap ? m->cap * 2 : 32) * sizeof *m->list);
        if (!grown) {
            m->dropped++;
            return NULL;
        }
        m->list = grown;
        m->cap = m->cap ? m->cap * 2 : 32;
    }
    s = &m->list[m->n++];
    *s = (struct series){ .kind = kind, .name = name, .help = help };
    if (label)
        memcpy(s->label, label, strlen(label) + 1);
    return s;
}

void avow_metrics_count(struct avow_metrics *m, const char *name, const char *help,
                        const char *label, uint64_t add)
{
    struct series *s = series(m, COUNTER, name, help, label);

    if (s)
        s->count += add;
}

void avow_metrics_set(struct avow_metrics *m, const char *name, const char *help, const char *label,
                      double value)
{
    struct series *s = series(m, GAUGE, name, help, label);

    if (s)
        s->value = value;
}

void avow_metrics_observe(struct avow_metrics *m, const char *name, const char *help,
                          const char *label, double seconds)
{
    struct series *s = series(m, HISTOGRAM, name, help, label);

    if (s)
        avow_histogram_add(&s->histogram, seconds);
}

void avow_metrics_total(struct avow_metrics *m, const char *name, const char *help,
                        const char *label, uint64_t total)
{
    struct series *s = series(m, COUNTER, name, help, label);

    if (s)
        s->count = total;
}

void avow_metrics_histogram(struct avow_metrics *m, const char *name, const char *help,
                            const char *label, const struct avow_histogram *h)
{
    struct series *s = series(m, HISTOGRAM, name, help, label);

    if (s)
        s->histogram = *h;
}

void avow_histogram_add(struct avow_histogram *h, double seconds)
{
    if (!(seconds >= 0))
        return;
    h->count++;
    h->sum += seconds;
    for (size_t i = 0; i < AVOW_HISTOGRAM_BUCKETS; i++) {
        if (seconds <= buckets[i].le) {
            h->bucket[i]++;
            return;
        }
    }
}

/* key="value" with the escapes of the exposition format; @more is put behind it. */
static void put_labels(struct avow_buf *out, const char *label, const char *more)
{
    const char *eq = strchr(label, '=');

    if (!eq && !more[0])
        return;
    avow_buf_put_str(out, "{");
    if (eq) {
        avow_buf_put(out, label, (size_t)(eq - label));
        avow_buf_put_str(out, "=\"");
        for (const char *c = eq + 1; *c; c++) {
            if (*c == '\\' || *c == '"')
                avow_buf_put_str(out, "\\");
            if (*c == '\n')
                avow_buf_put_str(out, "\\n");
            else
                avow_buf_put(out, c, 1);
        }
        avow_buf_put_str(out, more[0] ? "\"," : "\"");
    }
    avow_buf_put_str(out, more);
    avow_buf_put_str(out, "}");
}

/* OpenMetrics numbers: no locale, and never "inf" in lower case. */
static void put_number(struct avow_buf *out, double v)
{
    if (isnan(v))
        avow_buf_put_str(out, " NaN\n");
    else if (isinf(v))
        avow_buf_put_str(out, v > 0 ? " +Inf\n" : " -Inf\n");
    else
        avow_buf_putf(out, " %.9g\n", v);
}

static void put_histogram(struct avow_buf *out, const struct series *s)
{
    const struct avow_histogram *h = &s->histogram;
    uint64_t sum = 0;

    for (size_t i = 0; i <= AVOW_HISTOGRAM_BUCKETS; i++) {
        char le[32];

        sum = i < AVOW_HISTOGRAM_BUCKETS ? sum + h->bucket[i] : h->count;
        snprintf(le, sizeof le, "le=\"%s\"", i < AVOW_HISTOGRAM_BUCKETS ? buckets[i].text : "+Inf");
        avow_buf_putf(out, "avow_%s_seconds_bucket", s->name);
        put_labels(out, s->label, le);
        avow_buf_putf(out, " %" PRIu64 "\n", sum);
    }
    avow_buf_putf(out, "avow_%s_seconds_count", s->name);
    put_labels(out, s->label, "");
    avow_buf_putf(out, " %" PRIu64 "\navow_%s_seconds_sum", h->count, s->name);
    put_labels(out, s->label, "");
    put_number(out, h->sum);
}

static void put_series(struct avow_buf *out, const struct series *s)
{
    switch (s->kind) {
    case COUNTER:
        avow_buf_putf(out, "avow_%s_total", s->name);
        put_labels(out, s->label, "");
        avow_buf_putf(out, " %" PRIu64 "\n", s->count);
        return;
    case GAUGE:
        avow_buf_putf(out, "avow_%s", s->name);
        put_labels(out, s->label, "");
        put_number(out, s->value);
        return;
    case HISTOGRAM:
        put_histogram(out, s);
        return;
    }
}

static void put_family(struct avow_buf *out, const struct series *s)
{
    static const char *const types[] = { "counter", "gauge", "histogram" };
    const char *unit = s->kind == HISTOGRAM ? "_seconds" : "";

    avow_buf_putf(out, "# TYPE avow_%s%s %s\n", s->name, unit, types[s->kind]);
    if (s->kind == HISTOGRAM)
        avow_buf_putf(out, "# UNIT avow_%s_seconds seconds\n", s->name);
    avow_buf_putf(out, "# HELP avow_%s%s %s\n", s->name, unit, s->help);
}

int avow_metrics_text(const struct avow_metrics *m, struct avow_buf *out)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct series *s = &m->list[i];
        bool first = true;

        /* A family's samples stand together, in the order of their first use. */
        for (size_t k = 0; k < i && first; k++)
            first = strcmp(m->list[k].name, s->name) != 0;
        if (!first)
            continue;
        put_family(out, s);
        for (size_t k = i; k < m->n; k++)
            if (strcmp(m->list[k].name, s->name) == 0)
                put_series(out, &m->list[k]);
    }
    avow_buf_put_str(out, "# TYPE avow_metrics_dropped counter\n"
                          "# HELP avow_metrics_dropped Updates of series that were not kept.\n");
    avow_buf_putf(out, "avow_metrics_dropped_total %" PRIu64 "\n# EOF\n", m->dropped);
    return out->failed;
}
