/* Reading files whole. */
#ifndef AVOW_BASE_READ_H
#define AVOW_BASE_READ_H

#include <stdio.h>

#include "base/bytes.h"

/*
 * Append all that is left of @f (borrowed) to @out, as far as @out's maximum allows. @path is for
 * errors. -AVOW_E_LIMIT (the text names the maximum), -AVOW_E_NOMEM, -AVOW_E_SYSTEM.
 */
AVOW_MUST_USE int avow_read_all(FILE *f, const char *path, struct avow_buf *out,
                                struct avow_error *err);

#endif
