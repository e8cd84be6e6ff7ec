/*
 * Frames of the shell protocol (launch/shell.h): u32be length of what follows, u8 type, payload.
 * Any thread.
 */
#ifndef AVOW_LAUNCH_FRAME_H
#define AVOW_LAUNCH_FRAME_H

#include "base/bytes.h"

#define AVOW_FRAME_HEAD 5 /* bytes of length and type */

struct avow_frame {
    uint8_t type;
    struct avow_bytes body; /* borrowed from the input */
};

/*
 * Take one frame off the front of @in (which shrinks). Returns 1 with @out filled, 0 when more
 * bytes are needed (nothing consumed), -AVOW_E_PROTOCOL for a length of 0 or above
 * AVOW_SHELL_FRAME_MAX.
 */
AVOW_MUST_USE int avow_frame_take(struct avow_bytes *in, struct avow_frame *out,
                                  struct avow_error *err);

/* Append the head of a frame whose body of @len bytes the caller appends next. -AVOW_E_LIMIT. */
AVOW_MUST_USE int avow_frame_head(struct avow_buf *b, uint8_t type, size_t len);

/* Append a whole frame, or nothing. -AVOW_E_LIMIT. */
AVOW_MUST_USE int avow_frame_put(struct avow_buf *b, uint8_t type, struct avow_bytes body);

#endif
