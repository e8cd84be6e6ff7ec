/* The clock by which services, and who asks them, measure. Any thread. */
#ifndef AVOW_BASE_CLOCK_H
#define AVOW_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_BOOTTIME: what is counted ages while the machine is suspended, too. */
static inline uint64_t avow_now_ns(void)
{
    struct timespec t = { 0 };

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
