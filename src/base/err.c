#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int code;
    const char *name;
    const char *text;
    const char *hint;
} codes[] = {
#define X(name, number, text, hint) { number, #name, text, hint },
#include "base/err.def"
#undef X
};

#define N_CODES (sizeof codes / sizeof codes[0])

static char lower_names[N_CODES][16];

__attribute__((constructor)) static void fill_lower_names(void)
{
    for (size_t i = 0; i < N_CODES; i++)
        for (size_t j = 0; codes[i].name[j] && j < sizeof lower_names[0] - 1; j++)
            lower_names[i][j] = (char)tolower((unsigned char)codes[i].name[j]);
}

static size_t find(int code)
{
    if (code < 0)
        code = -code;
    for (size_t i = 0; i < N_CODES; i++)
        if (codes[i].code == code)
            return i;
    return N_CODES;
}

const char *avow_err_name(int code)
{
    size_t i = find(code);

    return i < N_CODES ? lower_names[i] : code ? "unknown" : "ok";
}

const char *avow_err_text(int code)
{
    size_t i = find(code);

    return i < N_CODES ? codes[i].text : code ? "unknown error" : "success";
}

const char *avow_err_hint(int code)
{
    size_t i = find(code);

    return i < N_CODES ? codes[i].hint : "";
}

int avow_err_from_name(const char *name)
{
    for (size_t i = 0; name && i < N_CODES; i++)
        if (strcmp(lower_names[i], name) == 0)
            return codes[i].code;
    return 0;
}

int avow_error_set(struct avow_error *err, int code, int sys, const char *file, int line,
                   const char *fmt, ...)
{
    int n = 0;
    va_list ap;

    if (code < 0)
        code = -code;
    if (!err || err->code)
        return -code;
    err->code = code;
    err->sys = sys;
    err->file = file;
    err->line = line;
    va_start(ap, fmt);
    n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    if (sys && n >= 0 && (size_t)n < sizeof err->text) {
        char buf[96];

        snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s",
                 strerror_r(sys, buf, sizeof buf));
    }
    return -code;
}

int avow_error_prefix(struct avow_error *err, const char *fmt, ...)
{
    char old[AVOW_ERROR_TEXT_MAX];
    int n = 0;
    va_list ap;

    /* whoever returns this reports a failure: it must not turn into success for lack of detail */
    if (!err)
        return -AVOW_E_FORMAT;
    memcpy(old, err->text, sizeof old);
    va_start(ap, fmt);
    n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof err->text)
        snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", old);
    return err->code ? -err->code : -AVOW_E_FORMAT;
}

void avow_error_clear(struct avow_error *err)
{
    if (err)
        memset(err, 0, sizeof *err);
}
