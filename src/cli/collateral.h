/* avow collateral, and what other commands share of it: the user's store, and fetching. */
#ifndef AVOW_CLI_COLLATERAL_H
#define AVOW_CLI_COLLATERAL_H

#include "cli/cli.h"
#include "store/fetch.h"

/* Options of every command that asks vendors; all borrowed, NULL where they are not given. */
struct avow_vendor_options {
    const char *store, *kds, *pcs, *update, *ca;
    const char *kds_interval, *timeout, *tries; /* seconds, seconds, number */
    const char *ahead;                          /* days */
    bool refresh;
};

/* Open the store at @path, or the user's own (NULL). -AVOW_E_MISSING where that is not known; of
 * avow_store_open. */
AVOW_MUST_USE int avow_cli_store(const char *path, enum avow_store_mode mode,
                                 struct avow_store **out, struct avow_error *err);

/* Set @out up from options. -AVOW_E_FORMAT names the option. */
AVOW_MUST_USE int avow_cli_fetch_setup(const struct avow_vendor_options *o, struct avow_store *s,
                                       struct avow_fetch *out, struct avow_error *err);

/* "2026-01-31T12:00:00Z" and what RFC 3339 allows besides ("2026-01-31 13:00:00.5+01:00"), a date
 * (midnight, UTC), or unix seconds. -AVOW_E_FORMAT. */
AVOW_MUST_USE int avow_parse_time(const char *text, int64_t *out);
/* "2026-01-31 12:00" in UTC. */
void avow_time_text(int64_t t, char out[32]);

/* avow collateral fetch; @args are those after "fetch". An enum avow_exit. */
int avow_collateral_fetch(struct avow_cli *cli, const struct avow_vendor_options *o,
                          const char *const *files, size_t n, const struct avow_list *fmspcs,
                          const struct avow_list *products, const char *thim);

#endif
