/* Frames from avowd: never past the end, always forward. */
#include <stdlib.h>

#include "launch/frame.h"
#include "launch/shell.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_bytes in = AVOW_BYTES(data, size);
    struct avow_frame f;

    for (;;) {
        size_t before = in.len;
        int rc = avow_frame_take(&in, &f, NULL);

        if (rc <= 0)
            return 0;
        if (before - in.len != AVOW_FRAME_HEAD + f.body.len || f.body.len >= AVOW_SHELL_FRAME_MAX)
            abort();
    }
}
