/* Fan-out: the same work for many nodes at once, on a bounded number of threads. */
#ifndef AVOW_CLIENT_FANOUT_H
#define AVOW_CLIENT_FANOUT_H

#include <stdbool.h>
#include <stddef.h>

#define AVOW_FANOUT_THREADS_MAX 64

/*
 * Call fn(ctx, i) once for each i below @n, at most AVOW_FANOUT_THREADS_MAX at once (or all of them
 * if @all: for work that waits for each other), and return when all have. Any thread.
 */
void avow_fanout(size_t n, bool all, void (*fn)(void *ctx, size_t i), void *ctx);

#endif
