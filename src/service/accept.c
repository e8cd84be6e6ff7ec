#include "service/accept.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define Q_ONE 1000
#define BLANK " \t"

/* How a type is wanted. */
struct wish {
    int q;        /* thousandths; 0: not at all */
    int specific; /* 0: no range, 1: of all, 2: of all of the kind, 3: of the type itself */
    size_t at;    /* of its range in the header */
};

/* The length up to one of @ends that is in no quoted string. */
static size_t span(const char *s, const char *ends)
{
    bool quoted = false;
    size_t n = 0;

    for (; s[n] && (quoted || !strchr(ends, s[n])); n++) {
        if (s[n] == '"')
            quoted = !quoted;
        else if (quoted && s[n] == '\\' && s[n + 1])
            n++;
    }
    return n;
}

/* A qvalue (RFC 9110, 12.4.2): 0 or 1, and up to three digits. */
static int read_q(const char *s, size_t len)
{
    int q = 0;
    int unit = 100;

    if (!len || (s[0] != '0' && s[0] != '1') || (len > 1 && s[1] != '.') || len > 5)
        return Q_ONE;
    q = (s[0] - '0') * Q_ONE;
    for (size_t i = 2; i < len; i++, unit /= 10) {
        if (s[i] < '0' || s[i] > '9')
            return Q_ONE;
        q += (s[i] - '0') * unit;
    }
    return q < Q_ONE ? q : Q_ONE;
}

/* @s is the rest of a range after its type. */
static int q_of(const char *s)
{
    while (*s == ';') {
        size_t len = 0;

        s += 1 + strspn(s + 1, BLANK);
        len = span(s, ",;");
        if (len > 2 && strncasecmp(s, "q=", 2) == 0)
            return read_q(s + 2, strcspn(s + 2, BLANK ",;"));
        s += len;
    }
    return Q_ONE;
}

static int specific_of(const char *range, size_t len, const char *type)
{
    const size_t kind = strcspn(type, "/") + 1;

    if (len == strlen(type) && strncasecmp(range, type, len) == 0)
        return 3;
    if (len == kind + 1 && range[kind] == '*' && strncasecmp(range, type, kind) == 0)
        return 2;
    return len == 3 && strncmp(range, "*/*", 3) == 0;
}

static struct wish wish_for(const char *accept, const char *type)
{
    struct wish best = { 0 };

    for (const char *s = accept; *s;) {
        size_t len = 0;
        int specific = 0;

        s += strspn(s, BLANK ",");
        len = strcspn(s, BLANK ",;");
        specific = specific_of(s, len, type);
        if (specific > best.specific)
            best = (struct wish){ .q = q_of(s + len + strspn(s + len, BLANK)),
                                  .specific = specific,
                                  .at = (size_t)(s - accept) };
        s += span(s, ",");
    }
    return best;
}

bool avow_accept_prefers(const char *accept, const char *type, const char *standard)
{
    const struct wish a = wish_for(accept ? accept : "", type);
    const struct wish b = wish_for(accept ? accept : "", standard);

    if (a.q != b.q)
        return a.q > b.q;
    return a.q > 0 && a.specific == 3 && (b.specific < 3 || a.at < b.at);
}
