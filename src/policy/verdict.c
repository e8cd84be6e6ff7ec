#include "policy/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/text.h"

const struct avow_reason *avow_verdict_why(const struct avow_verdict *v)
{
    for (uint32_t i = 0; i < v->n_reasons && i < AVOW_REASONS_MAX; i++)
        if (!v->reasons[i].passed)
            return &v->reasons[i];
    return NULL;
}

__attribute__((format(printf, 5, 0))) static bool
add(struct avow_verdict *v, const char *code, bool ran, bool passed, const char *fmt, va_list ap)
{
    struct avow_reason *r = NULL;

    if (v->n_reasons >= AVOW_REASONS_MAX) {
        r = &v->reasons[AVOW_REASONS_MAX - 1];
        memset(r, 0, sizeof *r);
        r->ran = true;
        snprintf(r->code, sizeof r->code, "limit");
        snprintf(r->text, sizeof r->text, "more than %d reasons", AVOW_REASONS_MAX);
        return false;
    }
    r = &v->reasons[v->n_reasons++];
    memset(r, 0, sizeof *r);
    r->passed = passed;
    r->ran = ran;
    snprintf(r->code, sizeof r->code, "%s", code);
    avow_printable(r->code); /* may come from a peer's JSON */
    memcpy(r->source, v->source, sizeof r->source);
    vsnprintf(r->text, sizeof r->text, fmt, ap);
    avow_printable(r->text);
    return passed;
}

void avow_verdict_from(struct avow_verdict *v, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(v->source, sizeof v->source, fmt, ap);
    va_end(ap);
    avow_printable(v->source);
}

bool avow_verdict_add(struct avow_verdict *v, const char *code, bool passed, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    passed = add(v, code, true, passed, fmt, ap);
    va_end(ap);
    return passed;
}

bool avow_verdict_missing(struct avow_verdict *v, const char *code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)add(v, code, false, false, fmt, ap);
    va_end(ap);
    return false;
}

bool avow_verdict_undecided(const struct avow_verdict *v)
{
    if (avow_verdict_accepts(v) || v->n_reasons == 0)
        return false;
    for (uint32_t i = 0; i < v->n_reasons && i < AVOW_REASONS_MAX; i++)
        if (!v->reasons[i].passed && v->reasons[i].ran)
            return false;
    return true;
}

void avow_verdict_conclude(struct avow_verdict *v)
{
    uint32_t front = 0;

    if (v->n_reasons > AVOW_REASONS_MAX)
        v->n_reasons = AVOW_REASONS_MAX;
    for (uint32_t i = 0; i < v->n_reasons; i++) {
        struct avow_reason r = v->reasons[i];

        if (r.passed)
            continue;
        memmove(&v->reasons[front + 1], &v->reasons[front], (i - front) * sizeof r);
        v->reasons[front++] = r;
    }
    v->decision = v->n_reasons > 0 && front == 0 ? AVOW_ACCEPTED : AVOW_REFUSED;
}
