#include "cli/show.h"

#include <stdio.h>

#define PAIRS_SHOWN_MAX 42 /* rows; of a larger group only refusals and a count are shown */

void avow_verdict_word(bool accepted, bool simulated, char out[32])
{
    (void)snprintf(out, 32, "%s%s", accepted ? "accepted" : "REFUSED",
                   simulated ? " SIMULATED" : "");
}

void avow_verdict_line(const struct avow_verdict *v, char *out, size_t n)
{
    const struct avow_reason *why = avow_verdict_why(v);

    if (!avow_verdict_accepts(v) && why)
        (void)snprintf(out, n, "%s: %s", why->code, why->text);
    else if (!avow_verdict_accepts(v))
        (void)snprintf(out, n, "no reason was given");
    else
        (void)snprintf(out, n, "all %u checks passed", v->n_reasons);
}

static enum avow_paint paint_of(bool accepted, bool simulated)
{
    return !accepted ? AVOW_PAINT_BAD : simulated ? AVOW_PAINT_WARN : AVOW_PAINT_GOOD;
}

static void node_row(struct avow_table *t, const struct avow_node *n)
{
    const struct avow_verdict *v = &n->verdict;
    bool accepted = avow_verdict_accepts(v);
    char word[32];
    char why[512];

    avow_table_cell(t, AVOW_PAINT_NONE, "%s", n->name);
    if (n->state != AVOW_NODE_EVALUATED) {
        avow_table_cell(t, AVOW_PAINT_NONE, "%s", n->expect ? avow_tee_name(n->expect) : "?");
        avow_table_cell(t, AVOW_PAINT_BAD, "no verdict");
        avow_table_cell(t, AVOW_PAINT_NONE, "%s: %s", avow_err_name(n->error.code), n->error.text);
    } else {
        avow_verdict_word(accepted, v->simulated, word);
        avow_verdict_line(v, why, sizeof why);
        avow_table_cell(t, AVOW_PAINT_NONE, "%s", avow_tee_name(v->tee));
        avow_table_cell(t, paint_of(accepted, v->simulated), "%s", word);
        avow_table_cell(t, AVOW_PAINT_NONE, "%s", why);
    }
    avow_table_cell(t, AVOW_PAINT_NONE, "%.1f", n->attest_ms);
}

void avow_show_verifier(const struct avow_cli *cli, const struct avow_client *c)
{
    if (c->verifier)
        avow_say(cli, "  judged by %s: %s\n", avow_verifier_word(c->verifier),
                 avow_verifier_url(c->verifier));
}

void avow_show_asked(const struct avow_cli *cli, const struct avow_client *c)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(4096);
    struct avow_azure_stats s;

    if (!avow_verifier_stats(c->verifier, &s))
        return;
    avow_azure_stats_text(&s, &text);
    avow_say(cli, "  %s\n", avow_buf_cstr(&text));
}

void avow_show_nodes(const struct avow_cli *cli, const struct avow_client *c)
{
    static const char *const heads[] = { "NODE", "TEE", "VERDICT", "WHY", ">MS", NULL };
    struct avow_table *t = avow_table_new(heads);

    for (size_t i = 0; i < c->n; i++)
        node_row(t, &c->nodes[i]);
    avow_print_table(cli, t);
}

static void refusal(const struct avow_cli *cli, const char *who, const struct avow_verdict *v)
{
    struct avow_error e = { 0 };

    for (uint32_t i = 0; i < v->n_reasons && i < AVOW_REASONS_MAX; i++) {
        const char *source = v->reasons[i].source;

        if (v->reasons[i].passed)
            continue;
        (void)avow_error_set(&e, AVOW_E_REFUSED, 0, __FILE__, __LINE__, "%s: %scheck %s: %s%s%s%s",
                             who, v->simulated ? "SIMULATED: " : "", v->reasons[i].code,
                             v->reasons[i].text, *source ? " (policy: " : "", source,
                             *source ? ")" : "");
        avow_print_error(cli, &e);
        avow_error_clear(&e);
    }
}

void avow_show_refusals(const struct avow_cli *cli, const struct avow_client *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct avow_node *n = &c->nodes[i];
        struct avow_error e = n->error;
        char who[96];

        (void)snprintf(who, sizeof who, "node %s", n->name);
        if (n->state == AVOW_NODE_EVALUATED && !avow_verdict_accepts(&n->verdict))
            refusal(cli, who, &n->verdict);
        else if (e.code) {
            (void)avow_error_prefix(&e, "node %s", n->name);
            avow_print_error(cli, &e);
        }
    }
}

struct pair {
    const char *verifier, *member;
    struct avow_verdict verdict;
    double ms;
};

static bool pair_of(const json_t *row, struct pair *out)
{
    out->verifier = json_string_value(json_object_get(row, "verifier"));
    out->member = json_string_value(json_object_get(row, "member"));
    out->ms = json_number_value(json_object_get(row, "ms"));
    memset(&out->verdict, 0, sizeof out->verdict);
    return out->verifier && out->member &&
           avow_verdict_from_json(json_object_get(row, "verdict"), &out->verdict, NULL) == 0;
}

static void pair_row(struct avow_table *t, const struct pair *p)
{
    bool accepted = avow_verdict_accepts(&p->verdict);
    char word[32];
    char why[512];

    avow_verdict_word(accepted, p->verdict.simulated, word);
    avow_verdict_line(&p->verdict, why, sizeof why);
    avow_table_cell(t, AVOW_PAINT_NONE, "%s", p->verifier);
    avow_table_cell(t, AVOW_PAINT_NONE, "%s", p->member);
    avow_table_cell(t, paint_of(accepted, p->verdict.simulated), "%s", word);
    avow_table_cell(t, AVOW_PAINT_NONE, "%s", why);
    avow_table_cell(t, AVOW_PAINT_NONE, "%.1f", p->ms);
}

void avow_show_pairs(const struct avow_cli *cli, const struct avow_client *c)
{
    static const char *const heads[] = { "VERIFIER", "MEMBER", "VERDICT", "WHY", ">MS", NULL };
    struct avow_table *t = avow_table_new(heads);
    bool few = json_array_size(c->pairs) <= PAIRS_SHOWN_MAX;
    size_t i = 0;
    size_t hidden = 0;
    json_t *row = NULL;

    json_array_foreach(c->pairs, i, row) {
        struct pair p;

        if (!pair_of(row, &p))
            continue;
        if (few || !avow_verdict_accepts(&p.verdict))
            pair_row(t, &p);
        else
            hidden++;
    }
    avow_print_table(cli, t);
    if (hidden)
        avow_say(cli, "  and %zu pairs that accept each other\n", hidden);
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "?";
}

void avow_show_pair_refusals(const struct avow_cli *cli, const struct avow_client *c)
{
    size_t i = 0;
    json_t *row = NULL;

    json_array_foreach(c->pairs, i, row) {
        struct pair p;
        char who[192];

        if (!pair_of(row, &p) || avow_verdict_accepts(&p.verdict))
            continue;
        (void)snprintf(who, sizeof who, "node %s refuses node %s", p.verifier, p.member);
        refusal(cli, who, &p.verdict);
    }
    json_array_foreach(c->links, i, row) {
        struct avow_error e = { 0 };

        if (strcmp(text_of(row, "state"), "confirmed") == 0)
            continue;
        (void)AVOW_FAIL_CODE(&e, AVOW_E_REFUSED, "node %s and node %s: not confirmed: %s (%s)",
                             text_of(row, "node"), text_of(row, "peer"), text_of(row, "message"),
                             text_of(row, "code"));
        avow_print_error(cli, &e);
    }
}
