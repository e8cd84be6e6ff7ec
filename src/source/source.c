#include "source/source.h"

#include "crypto/hash.h"
#include "source/guest.h"

struct avow_source {
    const struct avow_source_ops *ops;
    void *self;
    avow_source_endorse_fn endorse; /* or NULL */
    void *endorse_ctx;
};

struct avow_source *avow_source_new(const struct avow_source_ops *ops, void *take_self)
{
    struct avow_source *s = calloc(1, sizeof *s);

    if (!s) {
        ops->free(take_self);
        return NULL;
    }
    s->ops = ops;
    s->self = take_self;
    return s;
}

void avow_source_free(struct avow_source *s)
{
    if (!s)
        return;
    s->ops->free(s->self);
    free(s);
}

const struct avow_source_ops *avow_source_ops(const struct avow_source *s)
{
    return s->ops;
}

int guest_collect(struct avow_source *s, const uint8_t report_data[64], struct avow_bundle *out,
                  struct avow_error *err)
{
    out->tee = s->ops->tee;
    return s->ops->collect(s->self, report_data, out, err);
}

void avow_source_endorse(struct avow_source *s, avow_source_endorse_fn fn, void *ctx)
{
    s->endorse = fn;
    s->endorse_ctx = ctx;
}

int avow_source_bundle(struct avow_source *s, struct avow_bytes statement, struct avow_buf *out,
                       struct avow_error *err)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    uint8_t report_data[64] = { 0 };

    if (statement.len == 0 || statement.len > AVOW_STATEMENT_MAX)
        return AVOW_FAIL(err, LIMIT, "statement of %zu bytes (1 to %u)", statement.len,
                         AVOW_STATEMENT_MAX);
    if (avow_sha256(statement, report_data) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 of the statement failed");
    AVOW_TRY(guest_collect(s, report_data, &b, err));
    AVOW_TRY(avow_bundle_put(&b, AVOW_PART_STATEMENT, statement, err));
    if (s->endorse)
        AVOW_TRY(s->endorse(s->endorse_ctx, &b, err));
    return avow_bundle_emit(&b, out, err);
}
