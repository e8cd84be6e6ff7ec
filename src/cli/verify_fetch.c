/* What avow verify asks of vendors: only where evidence cannot be judged without, never of many. */
#include <stdio.h>

#include "cli/verify.h"

#define TRIES 2 /* a person waits */
#define TIMEOUT_MS 10000

struct fetching {
    const struct avow_cli *cli;
};

static void note(void *ctx, const char *text)
{
    const struct fetching *f = ctx;

    if (!f->cli->quiet)
        (void)fprintf(stderr, "avow: %s\n", text);
}

static void settled(void *ctx, const struct avow_want *w, enum avow_fetch_state state,
                    const struct avow_error *why)
{
    const struct fetching *f = ctx;

    if (f->cli->quiet || state == AVOW_FETCH_PRESENT)
        return;
    if (why)
        (void)fprintf(stderr, "avow: %s: not fetched: %s\n", w->what, why->text);
    else
        (void)fprintf(stderr, "avow: %s: fetched from %s\n", w->what, w->url);
}

/* The bundle gets what is new; of two that would do the pool takes the better. */
static int fetch_and_complete(struct avow_fetch *f, const struct avow_need *need,
                              struct avow_bundle *b, int64_t at, struct avow_error *err)
{
    avow_auto(avow_cleanup_wants) struct avow_wants *wants = NULL;
    int rc = 0;

    AVOW_TRY(avow_wants_new(&wants, err));
    AVOW_TRY(avow_wants_add_need(wants, &f->vendors, need, true, err));
    rc = avow_fetch(f, wants, err);
    if (rc == -AVOW_E_NOMEM)
        return rc;
    return avow_store_complete(f->store, at, b, NULL);
}

int avow_verify_fetch(const struct avow_cli *cli, const struct avow_vendor_options *o,
                      const struct avow_verify_setup *s, bool past, struct avow_verify_item *item,
                      struct avow_error *err)
{
    avow_auto(avow_cleanup_store) struct avow_store *store = NULL;
    struct fetching ctx = { .cli = cli };
    struct avow_error why = { 0 };
    struct avow_need need = { 0 };
    struct avow_fetch f;

    AVOW_TRY(avow_need_of(&item->bundle, &need, err));
    if (need.hardware == AVOW_TEE_NONE || (past && need.hardware == AVOW_TEE_TDX))
        return 0;
    if (avow_cli_store(o->store, AVOW_STORE_WRITE, &store, &why) < 0 ||
        avow_cli_fetch_setup(o, store, &f, &why) < 0) {
        note(&ctx, why.text);
        return 0;
    }
    f.timeout_ms = TIMEOUT_MS;
    f.tries = TRIES;
    f.note = note;
    f.settled = settled;
    f.ctx = &ctx;
    if (fetch_and_complete(&f, &need, &item->bundle, s->now, &why) == -AVOW_E_NOMEM)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (why.code == AVOW_E_MISSING)
        note(&ctx, why.text);
    memset(&item->claims, 0, sizeof item->claims);
    memset(&item->verdict, 0, sizeof item->verdict);
    return avow_verify_judge(s, NULL, NULL, item, err);
}
