#include <ctype.h>
#include <errno.h>

#include "maa/rules_internal.h"

static int peek(const struct rules_lexer *l, size_t ahead)
{
    return ahead < l->text.len - l->pos ? l->text.data[l->pos + ahead] : -1;
}

static void step(struct rules_lexer *l, size_t n)
{
    for (; n; n--) {
        if (l->text.data[l->pos++] == '\n') {
            l->at.line++;
            l->at.column = 1;
        } else {
            l->at.column++;
        }
    }
}

/* White space and comments, which begin with // and end with the line. */
static void skip(struct rules_lexer *l)
{
    for (;;) {
        int c = peek(l, 0);

        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            step(l, 1);
        } else if (c == '/' && peek(l, 1) == '/') {
            while (peek(l, 0) >= 0 && peek(l, 0) != '\n')
                step(l, 1);
        } else {
            return;
        }
    }
}

static bool is_name(int c, bool first)
{
    return c == '_' || (c > 0 && c < 0x80 && (isalpha(c) || (!first && isdigit(c))));
}

static int lex_string(struct rules_lexer *l, struct rules_token *out, struct avow_error *err)
{
    size_t n = 1;
    int c = 0;

    for (; (c = peek(l, n)) != '"'; n++) {
        if (c < 0 || c == '\n')
            return RULES_FAIL(err, FORMAT, out->at, "a string that does not end on its line");
        if (c < 0x20 && c != '\t')
            return RULES_FAIL(err, FORMAT, out->at, "a string with control character %d in it", c);
        if (c == '\\' && peek(l, n + 1) >= 0)
            n++;
    }
    out->kind = RULES_STRING;
    out->text = AVOW_BYTES(l->text.data + l->pos + 1, n - 1);
    step(l, n + 1);
    return 0;
}

static int lex_number(struct rules_lexer *l, struct rules_token *out, struct avow_error *err)
{
    char digits[24];
    size_t n = 0;

    do
        n++;
    while (peek(l, n) >= '0' && peek(l, n) <= '9');
    out->kind = RULES_NUMBER;
    out->text = AVOW_BYTES(l->text.data + l->pos, n);
    if (is_name(peek(l, n), false))
        return RULES_FAIL(err, FORMAT, out->at,
                          "integers are decimal: a letter follows the digits");
    if (n >= sizeof digits)
        return RULES_FAIL(err, LIMIT, out->at, "an integer of more than 64 bits");
    memcpy(digits, out->text.data, n);
    digits[n] = '\0';
    errno = 0;
    out->number = strtoll(digits, NULL, 10);
    if (errno)
        return RULES_FAIL(err, LIMIT, out->at, "an integer of more than 64 bits");
    step(l, n);
    return 0;
}

static void lex_name(struct rules_lexer *l, struct rules_token *out)
{
    size_t n = 1;

    while (is_name(peek(l, n), false))
        n++;
    out->kind = RULES_NAME;
    out->text = AVOW_BYTES(l->text.data + l->pos, n);
    step(l, n);
}

/* The longest first: => before =, and so on. */
static const struct sign {
    const char *text;
    enum rules_token_kind kind;
    enum rules_operator op;
} signs[] = {
    { "=>", RULES_ARROW, 0 },
    { "&&", RULES_AND, 0 },
    { "==", RULES_OPERATOR, RULES_EQUAL },
    { "!=", RULES_OPERATOR, RULES_UNEQUAL },
    { "<=", RULES_OPERATOR, RULES_LESS_EQUAL },
    { ">=", RULES_OPERATOR, RULES_GREATER_EQUAL },
    { "<", RULES_OPERATOR, RULES_LESS },
    { ">", RULES_OPERATOR, RULES_GREATER },
    { "[", RULES_MARK, 0 },
    { "]", RULES_MARK, 0 },
    { "(", RULES_MARK, 0 },
    { ")", RULES_MARK, 0 },
    { "{", RULES_MARK, 0 },
    { "}", RULES_MARK, 0 },
    { ",", RULES_MARK, 0 },
    { ";", RULES_MARK, 0 },
    { ":", RULES_MARK, 0 },
    { ".", RULES_MARK, 0 },
    { "!", RULES_MARK, 0 },
    { "=", RULES_MARK, 0 },
};

static int lex_sign(struct rules_lexer *l, struct rules_token *out, struct avow_error *err)
{
    int c = peek(l, 0);

    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        size_t n = strlen(signs[i].text);

        if (!avow_bytes_equal(avow_bytes_sub(l->text, l->pos, n), avow_bytes_str(signs[i].text)))
            continue;
        out->kind = signs[i].kind;
        out->op = signs[i].op;
        out->text = AVOW_BYTES(l->text.data + l->pos, n);
        step(l, n);
        return 0;
    }
    if (c == '|' && peek(l, 1) == '|')
        return RULES_FAIL(err, FORMAT, out->at,
                          "conditions are joined by && alone; for \"or\" write a rule for each");
    if (c >= 0x80)
        return RULES_FAIL(err, FORMAT, out->at,
                          "a character outside of ASCII; quotation marks are the plain \"");
    if (c <= 0x20 || c == 0x7f)
        return RULES_FAIL(err, FORMAT, out->at, "control character %d", c);
    return RULES_FAIL(err, FORMAT, out->at, "'%c' means nothing here", c);
}

int rules_lex(struct rules_lexer *l, struct rules_token *out, struct avow_error *err)
{
    int c = 0;

    skip(l);
    *out = (struct rules_token){ .kind = RULES_END, .at = l->at };
    c = peek(l, 0);
    if (c < 0)
        return 0;
    if (c == '"')
        return lex_string(l, out, err);
    if ((c >= '0' && c <= '9') || (c == '-' && peek(l, 1) >= '0' && peek(l, 1) <= '9'))
        return lex_number(l, out, err);
    if (!is_name(c, true))
        return lex_sign(l, out, err);
    lex_name(l, out);
    return 0;
}

int rules_string(const struct rules_token *t, json_t **out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_MAA_POLICY_MAX);

    for (size_t i = 0; i < t->text.len; i++) {
        uint8_t c = t->text.data[i];

        if (c == '\\') {
            c = t->text.data[++i]; /* there is one: the lexer went past it */
            if (c != '"' && c != '\\')
                return RULES_FAIL(err, FORMAT, t->at,
                                  "a backslash in a string comes before \" or \\ alone");
        }
        (void)avow_buf_put_u8(&text, c);
    }
    AVOW_TRY(avow_buf_ok(&text, err));
    *out = json_stringn(avow_buf_cstr(&text), text.len);
    return *out ? 0 : RULES_FAIL(err, FORMAT, t->at, "a string that is not UTF-8");
}
