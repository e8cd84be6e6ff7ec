#include "net/backoff.h"

#include "base/err.h"

uint32_t avow_backoff_delay_ms(const struct avow_backoff *b, unsigned failed, uint32_t random)
{
    uint64_t step = b->base_ms;

    for (unsigned i = 1; i < failed && step < b->cap_ms; i++)
        step *= 2;
    if (step > b->cap_ms)
        step = b->cap_ms;
    return (uint32_t)((step + 1) * random >> 32);
}

bool avow_backoff_transient(int code)
{
    if (code < 0)
        code = -code;
    return code == AVOW_E_NETWORK || code == AVOW_E_TIMEOUT || code == AVOW_E_BUSY;
}
