#include <errno.h>

#include "maa/rules_jmes_lexer.h"

static int peek(const struct jmes_lexer *l, size_t ahead)
{
    return ahead < l->text.len - l->pos ? l->text.data[l->pos + ahead] : -1;
}

static bool is_name(int c, bool first)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (!first && c >= '0' && c <= '9');
}

/* From one quotation mark to the next of its kind; a backslash keeps what follows. */
static int quoted(struct jmes_lexer *l, char mark, struct avow_bytes *out, struct avow_error *err)
{
    size_t n = 1;

    for (; peek(l, n) != mark; n++) {
        if (peek(l, n) == '\\')
            n++;
        if (peek(l, n) < 0)
            return JMES_FAIL(err, FORMAT, l, "a %c without its second", mark);
    }
    *out = AVOW_BYTES(l->text.data + l->pos + 1, n - 1);
    l->pos += n + 1;
    return 0;
}

static int load(struct jmes_lexer *l, struct avow_bytes text, json_t **out, struct avow_error *err)
{
    *out = json_loadb((const char *)text.data, text.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES,
                      NULL);
    return *out ? 0 : JMES_FAIL(err, FORMAT, l, "a literal that is not JSON");
}

/* `JSON`, in which a backquote is written \` */
static int lex_literal(struct jmes_lexer *l, struct jmes_token *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_MAA_POLICY_VALUE_MAX);
    struct avow_bytes raw = { 0 };

    AVOW_TRY(quoted(l, '`', &raw, err));
    for (size_t i = 0; i < raw.len; i++)
        if (raw.data[i] != '\\' || i + 1 == raw.len || raw.data[i + 1] != '`')
            (void)avow_buf_put_u8(&text, raw.data[i]);
    AVOW_TRY(avow_buf_ok(&text, err));
    out->kind = JMES_T_VALUE;
    return load(l, avow_buf_view(&text), &out->value, err);
}

/* 'text', in which ' and \ are written \' and \\ (JEP 12a); other backslashes stand for themselves.
 */
static int lex_raw(struct jmes_lexer *l, struct jmes_token *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_MAA_POLICY_VALUE_MAX);
    struct avow_bytes raw = { 0 };

    AVOW_TRY(quoted(l, '\'', &raw, err));
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.data[i] == '\\' && (raw.data[i + 1] == '\'' || raw.data[i + 1] == '\\'))
            i++; /* there is one more: quoted() went past it */
        (void)avow_buf_put_u8(&text, raw.data[i]);
    }
    AVOW_TRY(avow_buf_ok(&text, err));
    out->kind = JMES_T_VALUE;
    out->value = json_stringn(avow_buf_cstr(&text), text.len);
    return out->value ? 0 : JMES_FAIL(err, FORMAT, l, "a string that is not UTF-8");
}

static int lex_quoted_name(struct jmes_lexer *l, struct jmes_token *out, struct avow_error *err)
{
    size_t from = l->pos;
    struct avow_bytes raw = { 0 };

    AVOW_TRY(quoted(l, '"', &raw, err));
    out->kind = JMES_T_NAME;
    out->quoted = true;
    AVOW_TRY(load(l, AVOW_BYTES(l->text.data + from, raw.len + 2), &out->value, err));
    return json_is_string(out->value) ? 0 : JMES_FAIL(err, FORMAT, l, "a name is a string");
}

static int lex_number(struct jmes_lexer *l, struct jmes_token *out, struct avow_error *err)
{
    char digits[24];
    size_t n = 1;

    while (peek(l, n) >= '0' && peek(l, n) <= '9')
        n++;
    if (n >= sizeof digits)
        return JMES_FAIL(err, LIMIT, l, "an index of more than 64 bits");
    memcpy(digits, l->text.data + l->pos, n);
    digits[n] = '\0';
    errno = 0;
    out->kind = JMES_T_NUMBER;
    out->number = strtoll(digits, NULL, 10);
    l->pos += n;
    return errno ? JMES_FAIL(err, LIMIT, l, "an index of more than 64 bits") : 0;
}

static int lex_name(struct jmes_lexer *l, struct jmes_token *out, struct avow_error *err)
{
    size_t n = 1;

    while (is_name(peek(l, n), false))
        n++;
    out->kind = JMES_T_NAME;
    out->text = AVOW_BYTES(l->text.data + l->pos, n);
    out->value = json_stringn((const char *)out->text.data, n);
    l->pos += n;
    return out->value ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

/* The longest first. The power is how strongly what is left of the sign is bound to it. */
static const struct sign {
    const char *text;
    enum jmes_token_kind kind;
    enum rules_operator op;
    unsigned power;
} signs[] = {
    { "||", JMES_T_OR, 0, 2 },
    { "&&", JMES_T_AND, 0, 3 },
    { "==", JMES_T_COMPARE, RULES_EQUAL, 5 },
    { "!=", JMES_T_COMPARE, RULES_UNEQUAL, 5 },
    { "<=", JMES_T_COMPARE, RULES_LESS_EQUAL, 5 },
    { ">=", JMES_T_COMPARE, RULES_GREATER_EQUAL, 5 },
    { "<", JMES_T_COMPARE, RULES_LESS, 5 },
    { ">", JMES_T_COMPARE, RULES_GREATER, 5 },
    { "|", JMES_T_PIPE, 0, 1 },
    { "[]", JMES_T_FLATTEN, 0, 9 },
    { "[?", JMES_T_FILTER, 0, 21 },
    { "[", JMES_T_LBRACKET, 0, 55 },
    { ".", JMES_T_DOT, 0, 40 },
    { "*", JMES_T_STAR, 0, 20 },
    { "@", JMES_T_AT, 0, 0 },
    { "!", JMES_T_NOT, 0, 45 },
    { "]", JMES_T_RBRACKET, 0, 0 },
    { "(", JMES_T_LPAREN, 0, 60 },
    { ")", JMES_T_RPAREN, 0, 0 },
    { "{", JMES_T_LBRACE, 0, 50 },
    { "}", JMES_T_RBRACE, 0, 0 },
    { ",", JMES_T_COMMA, 0, 0 },
    { ":", JMES_T_COLON, 0, 0 },
};

static int lex_sign(struct jmes_lexer *l, struct jmes_token *out, struct avow_error *err)
{
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        size_t n = strlen(signs[i].text);

        if (!avow_bytes_equal(avow_bytes_sub(l->text, l->pos, n), avow_bytes_str(signs[i].text)))
            continue;
        out->kind = signs[i].kind;
        out->op = signs[i].op;
        out->power = signs[i].power;
        l->pos += n;
        return 0;
    }
    return JMES_FAIL(err, FORMAT, l, "a character that means nothing there");
}

int jmes_lex(struct jmes_lexer *l, struct jmes_token *out, struct avow_error *err)
{
    int c = 0;

    json_decref(out->value);
    while (peek(l, 0) == ' ' || peek(l, 0) == '\t' || peek(l, 0) == '\r' || peek(l, 0) == '\n')
        l->pos++;
    c = peek(l, 0);
    *out = (struct jmes_token){ .kind = JMES_T_END };
    if (c < 0)
        return 0;
    if (c == '`')
        return lex_literal(l, out, err);
    if (c == '\'')
        return lex_raw(l, out, err);
    if (c == '"')
        return lex_quoted_name(l, out, err);
    if ((c >= '0' && c <= '9') || (c == '-' && peek(l, 1) >= '0' && peek(l, 1) <= '9'))
        return lex_number(l, out, err);
    return is_name(c, true) ? lex_name(l, out, err) : lex_sign(l, out, err);
}
