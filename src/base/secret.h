/*
 * Secrets: wiped on every path, compared in constant time, never printed. Any thread.
 */
#ifndef AVOW_BASE_SECRET_H
#define AVOW_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Overwrite with zeros in a way that the compiler keeps. */
void avow_wipe(void *p, size_t n);

/* Equal, in a time that depends on @n alone. */
bool avow_ct_equal(const void *a, const void *b, size_t n);

/* 32 bytes that wipe themselves: `avow_auto(avow_key_wipe) struct avow_key k = { 0 };` */
struct avow_key {
    uint8_t bytes[32];
};

void avow_key_wipe(struct avow_key *k);

/* Forbid core dumps and ptrace of this process, so that its memory stays its own. */
void avow_process_harden(void);

#endif
