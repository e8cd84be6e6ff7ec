/*
 * Outcome of a rank and of the whole job, and the rules that judge a rank's end
 * (docs/protocols/shell.md, "How a rank's end is judged"). Pure; any thread.
 */
#ifndef AVOW_LAUNCH_OUTCOME_H
#define AVOW_LAUNCH_OUTCOME_H

#include "base/bytes.h"

#define AVOW_OUTCOME_CODE_MAX 24
#define AVOW_OUTCOME_TEXT_MAX 2048
#define AVOW_TAIL_MAX 1024 /* bytes of a rank's last stderr lines in an outcome's text */

#define AVOW_EXIT_TIMEOUT 124   /* as timeout(1) */
#define AVOW_EXIT_EXEC 127      /* as sh(1) */
#define AVOW_EXIT_CANCELLED 143 /* as a program ended by SIGTERM */

struct avow_outcome {
    bool ok;                          /* zero value: failed */
    int exit;                         /* 0..255 */
    int32_t rank;                     /* -1: no single rank */
    char code[AVOW_OUTCOME_CODE_MAX]; /* stable name: rank, singleton, timeout, cancelled, ... */
    char text[AVOW_OUTCOME_TEXT_MAX]; /* valid UTF-8 */
};

/* What is known of a rank that has ended. */
struct avow_rank_end {
    uint32_t rank;
    int status;     /* as from waitpid; meaningless if exec_errno */
    int exec_errno; /* not 0: the program was never started */
    bool connected; /* to PMIx or PMI-1, at any time */
    bool finalized;
    bool aborted; /* called MPI_Abort or PMIx_Abort */
    int abort_code;
};

/* 0..255: the exit status that a shell would show (128+n for signal n). */
int avow_rank_exit_code(const struct avow_rank_end *e);

/* The job that a rank is judged as a part of. */
struct avow_rank_job {
    uint32_t n_ranks;
    bool allow_non_mpi;
    const char *node; /* name of the rank's node */
    const char *program;
};

/*
 * Judge the end of a rank. @tail: the rank's last bytes of stderr (untrusted, may be empty), quoted
 * in the text. Fills @out; out->ok says whether the rank ended well.
 */
void avow_rank_judge(const struct avow_rank_end *e, const struct avow_rank_job *job,
                     struct avow_bytes tail, struct avow_outcome *out);

/* Fill @out as a failure. */
void avow_outcome_fail(struct avow_outcome *out, const char *code, int exit, int32_t rank,
                       const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/*
 * Copy at most @max-1 bytes of @in as printable UTF-8: control and invalid bytes become '?', line
 * ends become " | ", blanks at both ends go. Always NUL-terminated.
 */
void avow_text_clean(struct avow_bytes in, char *out, size_t max);

#endif
