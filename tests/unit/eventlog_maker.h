/* Event logs for tests: a Spec ID event with one algorithm, then events with one digest each. */
#ifndef AVOW_TEST_EVENTLOG_MAKER_H
#define AVOW_TEST_EVENTLOG_MAKER_H

#include "evidence/eventlog.h"
#include "test.h"

static inline void log_begin(struct avow_buf *b, uint16_t alg, uint16_t size)
{
    avow_buf_put_u32le(b, 0);
    avow_buf_put_u32le(b, AVOW_EVENT_NO_ACTION);
    avow_buf_put_zero(b, 20);
    avow_buf_put_u32le(b, 33);
    avow_buf_put(b, "Spec ID Event03", 16);
    avow_buf_put_zero(b, 8);
    avow_buf_put_u32le(b, 1);
    avow_buf_put_u16le(b, alg);
    avow_buf_put_u16le(b, size);
    avow_buf_put_u8(b, 0); /* vendor information */
}

/* One event whose digest is @size times @fill. */
static inline void log_event(struct avow_buf *b, uint32_t index, uint32_t type, uint16_t alg,
                             size_t size, uint8_t fill, const char *data)
{
    avow_buf_put_u32le(b, index);
    avow_buf_put_u32le(b, type);
    avow_buf_put_u32le(b, 1);
    avow_buf_put_u16le(b, alg);
    for (size_t i = 0; i < size; i++)
        avow_buf_put_u8(b, fill);
    avow_buf_put_u32le(b, (uint32_t)strlen(data));
    avow_buf_put_str(b, data);
}

#endif
