/*
 * Counters, gauges and histograms, and their OpenMetrics text. Loop thread only.
 */
#ifndef AVOW_OBS_METRICS_H
#define AVOW_OBS_METRICS_H

#include "base/bytes.h"

struct avow_metrics;

struct avow_metrics *avow_metrics_new(void);
void avow_metrics_free(struct avow_metrics *m);

/*
 * @name without prefix or suffix ("attestations"); becomes avow_attestations_total for counters.
 * @label: NULL or "key=value" (one label). Names and help are static strings. A series is made at
 * first use; at most 512 series (then a counter avow_metrics_dropped_total counts the rest).
 */
void avow_metrics_count(struct avow_metrics *m, const char *name, const char *help,
                        const char *label, uint64_t add);
void avow_metrics_set(struct avow_metrics *m, const char *name, const char *help, const char *label,
                      double value);
/* Seconds; buckets 100 us .. 100 s in half decades. */
void avow_metrics_observe(struct avow_metrics *m, const char *name, const char *help,
                          const char *label, double seconds);
/* OpenMetrics 1.0 text, ends with "# EOF". */
int avow_metrics_text(const struct avow_metrics *m, struct avow_buf *out);

#endif
