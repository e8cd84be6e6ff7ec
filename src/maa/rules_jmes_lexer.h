/* Tokens of JMESPath, for rules_jmes_parse.c alone. */
#ifndef AVOW_MAA_RULES_JMES_LEXER_H
#define AVOW_MAA_RULES_JMES_LEXER_H

#include "maa/rules_internal.h"

enum jmes_token_kind {
    JMES_T_END,
    JMES_T_NAME,  /* value: a string; quoted ones cannot name a function */
    JMES_T_VALUE, /* value: a literal or raw string */
    JMES_T_NUMBER,
    JMES_T_COMPARE,
    JMES_T_OR,
    JMES_T_AND,
    JMES_T_PIPE,
    JMES_T_FLATTEN,
    JMES_T_FILTER,
    JMES_T_LBRACKET,
    JMES_T_RBRACKET,
    JMES_T_LPAREN,
    JMES_T_RPAREN,
    JMES_T_LBRACE,
    JMES_T_RBRACE,
    JMES_T_DOT,
    JMES_T_STAR,
    JMES_T_AT,
    JMES_T_NOT,
    JMES_T_COMMA,
    JMES_T_COLON,
};

struct jmes_token {
    enum jmes_token_kind kind;
    json_t *value; /* owned */
    struct avow_bytes text;
    bool quoted;
    long long number;
    enum rules_operator op;
    unsigned power; /* 0: ends what is left of it */
};

struct jmes_lexer {
    struct avow_bytes text;
    size_t pos;
    struct rules_at at; /* of the policy's expression */
};

#define JMES_FAIL(err, name, l, fmt, ...) \
    RULES_FAIL(err, name, (l)->at, "JMESPath query, at byte %zu: " fmt, (l)->pos, ##__VA_ARGS__)

/* The next token; @out holds one already and is released. -AVOW_E_FORMAT, -AVOW_E_LIMIT. */
AVOW_MUST_USE int jmes_lex(struct jmes_lexer *l, struct jmes_token *out, struct avow_error *err);

#endif
