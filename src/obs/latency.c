#include "obs/latency.h"

#include <stddef.h>

/* Values below 64 have a cell each; above, the 6 bits after the leading one choose the step. */
static size_t cell_of(uint64_t ns)
{
    unsigned top = 0;
    size_t i = 0;

    if (ns < AVOW_LATENCY_STEPS)
        return (size_t)ns;
    top = 63u - (unsigned)__builtin_clzll(ns);
    i = (size_t)(top - 5) * AVOW_LATENCY_STEPS + (size_t)((ns >> (top - 6)) - AVOW_LATENCY_STEPS);
    return i < AVOW_LATENCY_CELLS ? i : AVOW_LATENCY_CELLS - 1;
}

/* The middle of a cell. */
static uint64_t value_of(size_t cell)
{
    unsigned shift = 0;

    if (cell < AVOW_LATENCY_STEPS)
        return cell;
    shift = (unsigned)(cell / AVOW_LATENCY_STEPS) - 1;
    return ((uint64_t)(AVOW_LATENCY_STEPS + cell % AVOW_LATENCY_STEPS) << shift) +
           (shift ? (uint64_t)1 << (shift - 1) : 0);
}

void avow_latency_add(struct avow_latency *l, uint64_t ns)
{
    uint32_t *cell = &l->cells[cell_of(ns)];

    if (l->count == 0 || ns < l->min)
        l->min = ns;
    if (ns > l->max)
        l->max = ns;
    l->count++;
    l->sum += (double)ns;
    if (*cell < UINT32_MAX)
        ++*cell;
}

uint64_t avow_latency_quantile(const struct avow_latency *l, double q)
{
    uint64_t want = 0;
    uint64_t seen = 0;
    uint64_t v = l->max;

    if (l->count == 0)
        return 0;
    want = (uint64_t)(q * (double)l->count);
    if ((double)want < q * (double)l->count)
        want++; /* rounded up: at least this many values are at most the answer */
    if (want <= 1)
        return l->min;
    if (want >= l->count)
        return l->max;
    for (size_t i = 0; i < AVOW_LATENCY_CELLS; i++) {
        seen += l->cells[i];
        if (seen >= want) {
            v = value_of(i);
            break;
        }
    }
    return v < l->min ? l->min : v > l->max ? l->max : v;
}
