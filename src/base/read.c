#include "base/read.h"

#include <errno.h>

#define CHUNK 16384

int avow_read_all(FILE *f, const char *path, struct avow_buf *out, struct avow_error *err)
{
    uint8_t chunk[CHUNK];
    size_t n = 0;

    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) {
        int rc = avow_buf_put(out, chunk, n);

        if (rc == -AVOW_E_LIMIT)
            return AVOW_FAIL(err, LIMIT, "%s: more than %zu bytes", path, out->max);
        if (rc < 0)
            return avow_buf_ok(out, err);
    }
    return ferror(f) ? AVOW_FAIL_SYS(err, "%s", path) : 0;
}
