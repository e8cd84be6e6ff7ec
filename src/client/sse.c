#include "client/sse.h"

#include <stdio.h>
#include <stdlib.h>

void avow_sse_init(struct avow_sse *s)
{
    *s = (struct avow_sse){ .line = AVOW_BUF(AVOW_SSE_EVENT_MAX),
                            .data = AVOW_BUF(AVOW_SSE_EVENT_MAX) };
}

void avow_sse_done(struct avow_sse *s)
{
    avow_buf_done(&s->line);
    avow_buf_done(&s->data);
}

static int dispatch(struct avow_sse *s, avow_sse_fn fn, void *ctx)
{
    struct avow_sse_event e = { .id = s->id, .type = s->type, .data = avow_buf_cstr(&s->data) };
    int rc = 0;

    if (!s->type[0])
        e.type = "message";
    if (s->has_data)
        rc = fn(ctx, &e);
    avow_buf_reset(&s->data);
    s->type[0] = 0;
    s->id = 0;
    s->has_data = false;
    return rc;
}

static int take_line(struct avow_sse *s, avow_sse_fn fn, void *ctx)
{
    const char *line = avow_buf_cstr(&s->line);
    const char *colon = strchr(line, ':');
    size_t n = colon ? (size_t)(colon - line) : strlen(line);
    const char *value = colon ? colon + 1 : "";

    if (!*line)
        return dispatch(s, fn, ctx);
    if (*value == ' ')
        value++;
    if (n == 4 && strncmp(line, "data", n) == 0) {
        if (s->has_data)
            AVOW_TRY(avow_buf_put_str(&s->data, "\n"));
        s->has_data = true;
        return avow_buf_put_str(&s->data, value);
    }
    if (n == 5 && strncmp(line, "event", n) == 0)
        (void)snprintf(s->type, sizeof s->type, "%s", value);
    else if (n == 2 && strncmp(line, "id", n) == 0)
        s->id = strtoull(value, NULL, 10);
    return 0; /* comments, retry and what is yet to be invented */
}

int avow_sse_feed(struct avow_sse *s, struct avow_bytes piece, avow_sse_fn fn, void *ctx)
{
    for (size_t i = 0; i < piece.len; i++) {
        uint8_t c = piece.data[i];
        bool skip = c == '\n' && s->after_cr;

        s->after_cr = c == '\r';
        if (skip)
            continue;
        if (c != '\n' && c != '\r') {
            AVOW_TRY(avow_buf_put_u8(&s->line, c));
            continue;
        }
        AVOW_TRY(take_line(s, fn, ctx));
        avow_buf_reset(&s->line);
    }
    return 0;
}
