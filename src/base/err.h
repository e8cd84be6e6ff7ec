/*
 * Errors: a negative code from one list, and optional detail in a struct that the caller owns.
 *
 * A function that can fail returns 0, or -AVOW_E_*; a positive value is an outcome documented by
 * that very function. A refusal by an appraisal is not an error: see policy/verdict.h.
 * Any thread.
 */
#ifndef AVOW_BASE_ERR_H
#define AVOW_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

enum avow_err {
    AVOW_OK = 0,
#define X(name, number, text, hint) AVOW_E_##name = number,
#include "base/err.def"
#undef X
};

#define AVOW_ERROR_TEXT_MAX 384

/* Owned by the caller, usually on the stack and zeroed; the first failure fills it. */
struct avow_error {
    int code;         /* AVOW_E_*, positive; 0 = nothing recorded */
    int sys;          /* errno at the origin, or 0 */
    const char *file; /* source file of the origin, static storage */
    int line;
    char text[AVOW_ERROR_TEXT_MAX]; /* a sentence for people, without the hint */
};

#define AVOW_MUST_USE __attribute__((warn_unused_result))

/* Forward a failure unchanged. */
#define AVOW_TRY(call)             \
    do {                           \
        int avow_try_rc_ = (call); \
        if (avow_try_rc_ < 0)      \
            return avow_try_rc_;   \
    } while (0)

/*
 * Record a failure and return its negative code: `return AVOW_FAIL(err, FORMAT, "row %d", n);`.
 * @err may be NULL; only the first failure is kept. errno is recorded by AVOW_FAIL_SYS.
 */
#define AVOW_FAIL(err, name, ...) \
    avow_error_set((err), AVOW_E_##name, 0, __FILE__, __LINE__, __VA_ARGS__)
#define AVOW_FAIL_SYS(err, ...) \
    avow_error_set((err), AVOW_E_SYSTEM, errno, __FILE__, __LINE__, __VA_ARGS__)
/* The same with a code that is known only at run time (negative or positive). */
#define AVOW_FAIL_CODE(err, code, ...) \
    avow_error_set((err), (code), 0, __FILE__, __LINE__, __VA_ARGS__)

int avow_error_set(struct avow_error *err, int code, int sys, const char *file, int line,
                   const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/*
 * Put "context: " in front of the recorded text; keeps the code. Returns -err->code, and
 * -AVOW_E_FORMAT where @err is NULL or records nothing: never 0. To keep the code in that case too,
 * return the one at hand instead.
 */
int avow_error_prefix(struct avow_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void avow_error_clear(struct avow_error *err);

/* Stable lower-case name ("truncated"), sentence and hint of a code (sign ignored); never NULL. */
const char *avow_err_name(int code);
const char *avow_err_text(int code);
const char *avow_err_hint(int code);
/* The positive code of a stable name, or 0 when there is none such. */
int avow_err_from_name(const char *name);

#endif
