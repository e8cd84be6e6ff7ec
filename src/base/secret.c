#include "base/secret.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

void avow_wipe(void *p, size_t n)
{
    if (p && n)
        explicit_bzero(p, n);
}

bool avow_ct_equal(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a;
    const volatile uint8_t *y = b;
    uint8_t d = 0;

    for (size_t i = 0; i < n; i++)
        d = (uint8_t)(d | (x[i] ^ y[i]));
    return d == 0;
}

void avow_key_wipe(struct avow_key *k)
{
    avow_wipe(k, sizeof *k);
}

void avow_process_harden(void)
{
    const struct rlimit none = { 0 };

    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
