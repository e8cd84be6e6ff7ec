/* Tables of text with aligned columns. Pure. */
#ifndef AVOW_CLI_TABLE_H
#define AVOW_CLI_TABLE_H

#include "base/bytes.h"

#define AVOW_TABLE_COLUMNS_MAX 12

enum avow_paint {
    AVOW_PAINT_NONE = 0,
    AVOW_PAINT_GOOD,
    AVOW_PAINT_BAD,
    AVOW_PAINT_WARN,
    AVOW_PAINT_DIM
};

struct avow_table; /* owned */

/* @heads: names of the columns, NULL-terminated; one that starts with '>' is aligned right. */
struct avow_table *avow_table_new(const char *const *heads);
void avow_table_free(struct avow_table *t);
/* Append a cell to the current row, left to right; a row is full when it has all columns. Control
 * characters of @text become '?': what a node says must not steer the terminal. */
void avow_table_cell(struct avow_table *t, enum avow_paint paint, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Render with @indent spaces; the last column is cut so that lines fit @width (0: no limit).
 * -AVOW_E_NOMEM, -AVOW_E_LIMIT. */
AVOW_MUST_USE int avow_table_render(const struct avow_table *t, int indent, int width, bool color,
                                    struct avow_buf *out);

/* Copy of @text without control characters; free() it. */
char *avow_clean_text(const char *text);
/* The escape sequence of a paint, "" for none. */
const char *avow_paint_code(enum avow_paint p);
#define AVOW_PAINT_RESET "\033[0m"

#endif
