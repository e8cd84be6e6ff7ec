/*
 * Statistics of durations in constant memory: exact count, minimum, maximum and sum; quantiles to
 * within 1/128 of the value (64 linear steps in each power of two, as in HDR histograms). Pure.
 */
#ifndef AVOW_OBS_LATENCY_H
#define AVOW_OBS_LATENCY_H

#include <stdint.h>

#define AVOW_LATENCY_STEPS 64 /* in each power of two */
#define AVOW_LATENCY_POWERS                                              \
    42 /* to 2^47 ns: about 39 hours; longer ones count in the last step \
        */
#define AVOW_LATENCY_CELLS (AVOW_LATENCY_STEPS * AVOW_LATENCY_POWERS)

struct avow_latency {
    uint64_t count;
    uint64_t min, max; /* ns; 0 when count is 0 */
    double sum;        /* ns */
    uint32_t cells[AVOW_LATENCY_CELLS];
};

/* A zeroed struct is empty. */
void avow_latency_add(struct avow_latency *l, uint64_t ns);
/* The value that @q (0..1) of all are at most: 0 when empty, exact for the first and the last. */
uint64_t avow_latency_quantile(const struct avow_latency *l, double q);

#endif
