/*
 * The verifier: state folder, keys, audit log and API of avow-verifier, put together. Protocol:
 * docs/protocols/verifier.md. Loop thread only.
 */
#ifndef AVOW_SERVICE_VERIFIER_H
#define AVOW_SERVICE_VERIFIER_H

#include <event2/event.h>

#include "base/cleanup.h"
#include "service/settings.h"

struct avow_service; /* opaque, owned */

/* Makes what the state folder, which the caller has taken (service/state.h), lacks, and listens.
 * @settings outlives it; so does @base. */
AVOW_MUST_USE int avow_service_new(struct event_base *base, const struct avow_settings *settings,
                                   struct avow_service **out, struct avow_error *err);
/* The loop must run once more (EVLOOP_NONBLOCK) before its base is freed. */
void avow_service_free(struct avow_service *v);
AVOW_DEFINE_CLEANUP(service, struct avow_service, avow_service_free)

/* One line of JSON for who started it: {"certificate","issuer","listen"}. */
AVOW_MUST_USE int avow_service_ready(const struct avow_service *v, struct avow_buf *out,
                                     struct avow_error *err);
/* Take over from @fresh what can change while it runs: TLS files, administrators, roots,
 * collateral, rate, lives. @fresh outlives it. On failure all stays. */
AVOW_MUST_USE int avow_service_reload(struct avow_service *v, const struct avow_settings *fresh,
                                      struct avow_error *err);
/* Start to make a new generation of keys, which then signs. Nothing if one is being made. */
void avow_service_rotate(struct avow_service *v);

#endif
