#include "cli/table.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define GAP 2
#define OUT_OF_ROOM "..."

struct cell {
    char *text;
    enum avow_paint paint;
};

struct avow_table {
    const char *const *heads;
    size_t n_columns;
    size_t n_cells;
    size_t cap;
    struct cell *cells;
    bool failed;
};

struct avow_table *avow_table_new(const char *const *heads)
{
    struct avow_table *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->heads = heads;
    while (t->n_columns < AVOW_TABLE_COLUMNS_MAX && heads[t->n_columns])
        t->n_columns++;
    return t;
}

void avow_table_free(struct avow_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_cells; i++)
        free(t->cells[i].text);
    free(t->cells);
    free(t);
}

char *avow_clean_text(const char *text)
{
    char *out = strdup(text);

    for (char *p = out; p && *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    return out;
}

void avow_table_cell(struct avow_table *t, enum avow_paint paint, const char *fmt, ...)
{
    avow_autofree char *raw = NULL;
    va_list ap;
    int n = 0;

    if (!t)
        return;
    va_start(ap, fmt);
    n = vasprintf(&raw, fmt, ap);
    va_end(ap);
    if (n < 0)
        raw = NULL;
    if (t->n_cells == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 32;
        struct cell *p = reallocarray(t->cells, cap, sizeof *p);

        if (!p) {
            t->failed = true;
            return;
        }
        t->cells = p;
        t->cap = cap;
    }
    t->cells[t->n_cells] =
        (struct cell){ .text = raw ? avow_clean_text(raw) : NULL, .paint = paint };
    t->failed = t->failed || !t->cells[t->n_cells].text;
    t->n_cells++;
}

const char *avow_paint_code(enum avow_paint p)
{
    switch (p) {
    case AVOW_PAINT_GOOD:
        return "\033[32m";
    case AVOW_PAINT_BAD:
        return "\033[1;31m";
    case AVOW_PAINT_WARN:
        return "\033[33m";
    case AVOW_PAINT_DIM:
        return "\033[2m";
    case AVOW_PAINT_NONE:
        break;
    }
    return "";
}

/* Characters, not bytes: UTF-8 continuation bytes take no column. */
static size_t columns_of(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* Bytes of the first @n characters. */
static size_t bytes_of(const char *s, size_t n)
{
    size_t i = 0;

    while (s[i] && (n || ((unsigned char)s[i] & 0xc0) == 0x80)) {
        n -= ((unsigned char)s[i] & 0xc0) != 0x80;
        i++;
    }
    return i;
}

static bool is_right(const char *head)
{
    return head[0] == '>';
}

static void measure(const struct avow_table *t, size_t widths[AVOW_TABLE_COLUMNS_MAX])
{
    for (size_t c = 0; c < t->n_columns; c++)
        widths[c] = columns_of(t->heads[c] + is_right(t->heads[c]));
    for (size_t i = 0; i < t->n_cells; i++) {
        size_t w = columns_of(t->cells[i].text);
        size_t c = i % t->n_columns;

        widths[c] = w > widths[c] ? w : widths[c];
    }
}

/* Shrink the widest column (there is nearly always one of prose) until a line fits. */
static void squeeze(const struct avow_table *t, size_t widths[AVOW_TABLE_COLUMNS_MAX], int indent,
                    int width)
{
    size_t sum = (size_t)indent + GAP * (t->n_columns - 1);
    size_t widest = 0;
    size_t over = 0;

    for (size_t c = 0; c < t->n_columns; c++) {
        sum += widths[c];
        widest = widths[c] > widths[widest] ? c : widest;
    }
    if (width <= 0 || sum <= (size_t)width)
        return;
    over = sum - (size_t)width;
    widths[widest] = widths[widest] > over + 20 ? widths[widest] - over : 20;
}

static void put_cell(struct avow_buf *out, const char *text, size_t width, bool right, bool last,
                     const char *code)
{
    size_t w = columns_of(text);
    bool cut = w > width;
    size_t bytes = cut ? bytes_of(text, width - strlen(OUT_OF_ROOM)) : strlen(text);
    size_t pad = cut ? 0 : width - w;

    if (right)
        for (size_t i = 0; i < pad; i++)
            (void)avow_buf_put_str(out, " ");
    (void)avow_buf_put_str(out, code);
    (void)avow_buf_put(out, text, bytes);
    if (cut)
        (void)avow_buf_put_str(out, OUT_OF_ROOM);
    if (*code)
        (void)avow_buf_put_str(out, AVOW_PAINT_RESET);
    if (!right && !last)
        for (size_t i = 0; i < pad; i++)
            (void)avow_buf_put_str(out, " ");
    (void)avow_buf_put_str(out, last ? "\n" : "  ");
}

int avow_table_render(const struct avow_table *t, int indent, int width, bool color,
                      struct avow_buf *out)
{
    size_t widths[AVOW_TABLE_COLUMNS_MAX] = { 0 };
    size_t n_rows = 0;

    if (!t || t->failed)
        return -AVOW_E_NOMEM;
    n_rows = t->n_cells / t->n_columns;
    measure(t, widths);
    squeeze(t, widths, indent, width);
    for (size_t r = 0; r < n_rows + 1; r++) {
        for (int i = 0; i < indent; i++)
            (void)avow_buf_put_str(out, " ");
        for (size_t c = 0; c < t->n_columns; c++) {
            const char *head = t->heads[c];
            const struct cell *cell = r ? &t->cells[(r - 1) * t->n_columns + c] : NULL;
            enum avow_paint paint = cell ? cell->paint : AVOW_PAINT_DIM;

            put_cell(out, cell ? cell->text : head + is_right(head), widths[c], is_right(head),
                     c + 1 == t->n_columns, color ? avow_paint_code(paint) : "");
        }
    }
    return avow_buf_ok(out, NULL);
}
