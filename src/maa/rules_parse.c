#include "maa/rules_internal.h"

#define MINOR_MAX 2u
#define GROW_FIRST 4u

static const char *const section_names[RULES_SECTIONS] = {
    "configurationrules",
    "authorizationrules",
    "issuancerules",
};

int rules_grow(void *v, size_t n, size_t max, size_t item, const char *what, struct rules_at at,
               struct avow_error *err)
{
    void **array = v;
    void *grown = NULL;

    if (n >= max)
        return RULES_FAIL(err, LIMIT, at, "more than %zu %s", max, what);
    if (n && (n < GROW_FIRST || (n & (n - 1))))
        return 0; /* there is room: the capacity is GROW_FIRST and then powers of two */
    grown = realloc(*array, (n ? 2 * n : GROW_FIRST) * item);
    if (!grown)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    *array = grown;
    memset((char *)grown + n * item, 0, ((n ? 2 * n : GROW_FIRST) - n) * item);
    return 0;
}

int rules_next(struct rules_parser *p, struct avow_error *err)
{
    return rules_lex(&p->lexer, &p->now, err);
}

bool rules_is_mark(const struct rules_parser *p, char mark)
{
    return p->now.kind == RULES_MARK && p->now.text.data[0] == mark;
}

const char *rules_found(const struct rules_parser *p, char room[RULES_FOUND_MAX])
{
    if (p->now.kind == RULES_END)
        return "the end of the text";
    if (p->now.kind == RULES_STRING)
        return "a string";
    snprintf(room, RULES_FOUND_MAX, "\"%.*s\"", p->now.text.len < 32 ? (int)p->now.text.len : 32,
             (const char *)p->now.text.data);
    return room;
}

int rules_expect(struct rules_parser *p, char mark, const char *where, struct avow_error *err)
{
    char room[RULES_FOUND_MAX];

    if (!rules_is_mark(p, mark))
        return RULES_FAIL(err, FORMAT, p->now.at, "\"%c\" is needed %s, not %s", mark, where,
                          rules_found(p, room));
    return rules_next(p, err);
}

/* Names of sections and "version": Microsoft's own examples write them in either case. */
static bool is_word(const struct rules_parser *p, const char *word)
{
    return p->now.kind == RULES_NAME && p->now.text.len == strlen(word) &&
           strncasecmp((const char *)p->now.text.data, word, p->now.text.len) == 0;
}

static int parse_version(struct rules_parser *p, struct avow_error *err)
{
    struct rules_at at = p->now.at;
    int64_t major = 0;
    char room[RULES_FOUND_MAX];

    if (!is_word(p, "version"))
        return RULES_FAIL(err, FORMAT, at, "a policy begins with \"version=1.0;\", not with %s",
                          rules_found(p, room));
    AVOW_TRY(rules_next(p, err));
    AVOW_TRY(rules_expect(p, '=', "after \"version\"", err));
    at = p->now.at;
    major = p->now.kind == RULES_NUMBER ? p->now.number : -1;
    if (major < 0)
        return RULES_FAIL(err, FORMAT, at, "a version such as 1.0 is needed, not %s",
                          rules_found(p, room));
    AVOW_TRY(rules_next(p, err));
    AVOW_TRY(rules_expect(p, '.', "in a version such as 1.0", err));
    if (p->now.kind != RULES_NUMBER || p->now.text.len != 1 || major != 1 ||
        p->now.number > MINOR_MAX)
        return RULES_FAIL(err, VERSION, at, "versions 1.0, 1.1 and 1.2 are known");
    p->policy->minor = (unsigned)p->now.number;
    AVOW_TRY(rules_next(p, err));
    return rules_expect(p, ';', "after the version", err);
}

static int parse_rules(struct rules_parser *p, struct avow_error *err)
{
    struct rules_list *list = &p->policy->sections[p->section];

    while (!rules_is_mark(p, '}')) {
        AVOW_TRY(rules_grow(&list->v, list->n, AVOW_MAA_POLICY_RULES_MAX, sizeof *list->v,
                            "rules in a section", p->now.at, err));
        p->rule = &list->v[list->n++];
        p->visible = 0;
        AVOW_TRY(rules_rule_parse(p, err));
    }
    return rules_next(p, err);
}

static int parse_section(struct rules_parser *p, enum rules_section first, enum rules_section *out,
                         struct avow_error *err)
{
    struct rules_at at = p->now.at;
    char room[RULES_FOUND_MAX];

    for (*out = 0; *out < RULES_SECTIONS && !is_word(p, section_names[*out]); ++*out)
        ;
    if (*out == RULES_SECTIONS)
        return RULES_FAIL(err, FORMAT, at,
                          "configurationrules, authorizationrules or issuancerules is needed, "
                          "not %s",
                          rules_found(p, room));
    if (*out < first)
        return RULES_FAIL(err, FORMAT, at,
                          "%s comes once, and in the order configurationrules, "
                          "authorizationrules, issuancerules",
                          section_names[*out]);
    if (*out == RULES_CONFIGURATION && p->policy->minor < 1)
        return RULES_FAIL(err, FORMAT, at, "configurationrules needs version=1.1");
    if (*out == RULES_ISSUANCE && first <= RULES_AUTHORIZATION)
        return RULES_FAIL(err, FORMAT, at,
                          "authorizationrules is missing before issuancerules: nothing would be "
                          "permitted");
    p->section = *out;
    AVOW_TRY(rules_next(p, err));
    AVOW_TRY(rules_expect(p, '{', "to open a section", err));
    AVOW_TRY(parse_rules(p, err));
    return rules_expect(p, ';', "after the } of a section", err);
}

static int parse(struct rules_parser *p, struct avow_error *err)
{
    enum rules_section first = RULES_CONFIGURATION;
    enum rules_section section = RULES_CONFIGURATION;

    AVOW_TRY(rules_next(p, err));
    AVOW_TRY(parse_version(p, err));
    while (p->now.kind != RULES_END) {
        AVOW_TRY(parse_section(p, first, &section, err));
        first = section + 1;
    }
    if (first <= RULES_AUTHORIZATION)
        return RULES_FAIL(err, FORMAT, p->now.at,
                          "authorizationrules is missing: nothing would be permitted");
    return 0;
}

int avow_maa_policy_parse(struct avow_bytes text, struct avow_maa_policy **out,
                          struct avow_error *err)
{
    avow_auto(avow_cleanup_maa_policy) struct avow_maa_policy *policy = NULL;
    struct rules_parser p = { .lexer = { .text = text, .at = { 1, 1 } } };

    if (text.len > AVOW_MAA_POLICY_MAX)
        return AVOW_FAIL(err, LIMIT, "a policy of %zu bytes (at most %u)", text.len,
                         AVOW_MAA_POLICY_MAX);
    policy = calloc(1, sizeof *policy);
    if (!policy)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    p.policy = policy;
    AVOW_TRY(parse(&p, err));
    *out = avow_steal(&policy);
    return 0;
}

void avow_maa_policy_free(struct avow_maa_policy *p)
{
    if (!p)
        return;
    for (int s = 0; s < RULES_SECTIONS; s++) {
        for (size_t i = 0; i < p->sections[s].n; i++)
            rules_rule_done(&p->sections[s].v[i]);
        free(p->sections[s].v);
    }
    free(p);
}
