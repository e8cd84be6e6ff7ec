/*
 * Counters, gauges and histograms, and their OpenMetrics text. Loop thread only; what other threads
 * count they keep themselves, and the loop takes it over as it is (avow_metrics_total,
 * avow_metrics_histogram).
 */
#ifndef AVOW_OBS_METRICS_H
#define AVOW_OBS_METRICS_H

#include "base/bytes.h"

#define AVOW_HISTOGRAM_BUCKETS 13 /* 100 us .. 100 s in half decades */

/* A value; a zeroed one is empty. */
struct avow_histogram {
    uint64_t count;
    double sum;                              /* seconds */
    uint64_t bucket[AVOW_HISTOGRAM_BUCKETS]; /* not cumulative; what is longer is in none */
};
/* Pure. Negative values and NaN are passed over. */
void avow_histogram_add(struct avow_histogram *h, double seconds);

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
/* A counter that is kept elsewhere and never goes down: @total is what it has come to. */
void avow_metrics_total(struct avow_metrics *m, const char *name, const char *help,
                        const char *label, uint64_t total);
/* Seconds; buckets 100 us .. 100 s in half decades. */
void avow_metrics_observe(struct avow_metrics *m, const char *name, const char *help,
                          const char *label, double seconds);
/* A histogram that is kept elsewhere: @h is what it has come to. */
void avow_metrics_histogram(struct avow_metrics *m, const char *name, const char *help,
                            const char *label, const struct avow_histogram *h);
/* OpenMetrics 1.0 text, ends with "# EOF". */
int avow_metrics_text(const struct avow_metrics *m, struct avow_buf *out);

#endif
