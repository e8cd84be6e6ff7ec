/*
 * What a node says of itself: healthz, metrics, its OpenAPI document; and a plain listener for
 * /metrics and /healthz on loopback for those who collect metrics. Loop thread only.
 */
#ifndef AVOW_DAEMON_STATUS_H
#define AVOW_DAEMON_STATUS_H

#include <event2/event.h>

#include "daemon/http.h"
#include "obs/metrics.h"

#define AVOW_METRICS_MAX (1u << 20) /* bytes of the text */

struct avow_status_config {
    struct event_base *base;
    struct avow_http *http; /* routes are registered on it */
    struct avow_metrics *metrics;
    const char *node;
    const char *tee; /* "snp", "tdx" */
    bool simulated;
    void (*refresh)(void *ctx); /* before metrics are shown; may be NULL */
    void *ctx;
};

struct avow_status;

AVOW_MUST_USE int avow_status_new(const struct avow_status_config *cfg, struct avow_status **out,
                                  struct avow_error *err);
/* Refuses an address that is not loopback. */
AVOW_MUST_USE int avow_status_listen(struct avow_status *s, const struct sockaddr *addr,
                                     socklen_t len, uint16_t *port, struct avow_error *err);
void avow_status_free(struct avow_status *s);

#endif
