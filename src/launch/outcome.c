#include "launch/outcome.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/cleanup.h"

/* Length of the well-formed UTF-8 sequence at @p (RFC 3629, table in section 4), 0 if there is
 * none. */
static size_t utf8_len(const uint8_t *p, size_t n)
{
    uint8_t low = 0x80, high = 0xbf;
    size_t len = 0;

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        len = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        len = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        len = 4;
    if (len == 0 || len > n)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    if (p[0] == 0xed)
        high = 0x9f;
    if (p[0] == 0xf0)
        low = 0x90;
    if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return len;
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

void avow_text_clean(struct avow_bytes in, char *out, size_t max)
{
    size_t n = 0;

    if (max == 0)
        return;
    while (in.len > 0 && blank(in.data[in.len - 1]))
        in.len--;
    while (in.len > 0 && blank(in.data[0]))
        in = avow_bytes_sub(in, 1, in.len - 1);
    for (size_t i = 0; i < in.len;) {
        size_t len = utf8_len(in.data + i, in.len - i);
        const char *put = (const char *)in.data + i;
        size_t put_len = len;

        if (in.data[i] == '\n') {
            put = " | ";
            put_len = 3;
        } else if (in.data[i] == '\t') {
            put = " ";
        } else if (len == 0 || in.data[i] < 0x20 || in.data[i] == 0x7f) {
            put = "?";
            put_len = 1;
        }
        if (put_len > max - 1 - n)
            break;
        memcpy(out + n, put, put_len);
        n += put_len;
        i += len ? len : 1;
    }
    out[n] = '\0';
}

void avow_outcome_fail(struct avow_outcome *out, const char *code, int exit, int32_t rank,
                       const char *fmt, ...)
{
    char text[2 * AVOW_OUTCOME_TEXT_MAX];
    va_list ap;

    *out = (struct avow_outcome){ .ok = false, .exit = exit, .rank = rank };
    snprintf(out->code, sizeof out->code, "%s", code);
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    avow_text_clean(avow_bytes_str(text), out->text, sizeof out->text);
}

int avow_rank_exit_code(const struct avow_rank_end *e)
{
    if (e->exec_errno)
        return AVOW_EXIT_EXEC;
    if (e->aborted)
        return (e->abort_code & 0xff) ? (e->abort_code & 0xff) : 1;
    if (WIFSIGNALED(e->status))
        return 128 + WTERMSIG(e->status);
    if (WEXITSTATUS(e->status))
        return WEXITSTATUS(e->status);
    return e->connected && !e->finalized ? 1 : 0;
}

/* "; its last output: ..." or "". */
static void quote_tail(struct avow_bytes tail, char *out, size_t max)
{
    char last[AVOW_TAIL_MAX];

    avow_text_clean(tail, last, sizeof last);
    out[0] = '\0';
    if (last[0])
        snprintf(out, max, "; its last output: \"%s\"", last);
}

void avow_rank_judge(const struct avow_rank_end *e, const struct avow_rank_job *job,
                     struct avow_bytes tail, struct avow_outcome *out)
{
    char who[96], said[AVOW_TAIL_MAX + 32];
    int code = avow_rank_exit_code(e);
    int32_t rank = (int32_t)e->rank;

    snprintf(who, sizeof who, "rank %d on %s", rank, job->node);
    quote_tail(tail, said, sizeof said);
    *out = (struct avow_outcome){ .ok = true, .rank = -1 };
    if (e->exec_errno)
        avow_outcome_fail(out, "rank", code, rank, "%s: cannot execute %s: %s", who, job->program,
                          strerror(e->exec_errno));
    else if (e->aborted)
        avow_outcome_fail(out, "rank", code, rank, "%s called MPI_Abort(%d)%s", who, e->abort_code,
                          said);
    else if (WIFSIGNALED(e->status))
        avow_outcome_fail(out, "rank", code, rank, "%s was killed by signal %d (%s)%s", who,
                          WTERMSIG(e->status), strsignal(WTERMSIG(e->status)), said);
    else if (WEXITSTATUS(e->status))
        avow_outcome_fail(out, "rank", code, rank, "%s exited with status %d%s", who,
                          WEXITSTATUS(e->status), said);
    else if (e->connected && !e->finalized)
        avow_outcome_fail(out, "rank", code, rank, "%s exited without calling MPI_Finalize%s", who,
                          said);
    else if (!e->connected && job->n_ranks > 1 && !job->allow_non_mpi)
        avow_outcome_fail(out, "singleton", 1, rank,
                          "%s ended without ever connecting to the launcher's PMIx or PMI server: "
                          "the ranks do not see each other, each would have computed alone as rank "
                          "0 of 1 instead of as one of %u. Is %s an MPI program, linked with Open "
                          "MPI (4.1 or later) or MPICH?%s",
                          who, job->n_ranks, job->program, said);
}
