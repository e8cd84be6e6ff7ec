#include "serve/rate.h"

#define TOKEN 1000000000u /* parts; so one nanosecond brings per_second parts */

void avow_rate_init(struct avow_rate *r, uint32_t per_second, uint64_t now_ns)
{
    r->per_second = per_second;
    r->parts = (uint64_t)per_second * TOKEN;
    r->last_ns = now_ns;
}

bool avow_rate_take(struct avow_rate *r, uint64_t now_ns)
{
    uint64_t full = (uint64_t)r->per_second * TOKEN;
    uint64_t passed = now_ns > r->last_ns ? now_ns - r->last_ns : 0;

    /* after a second it is full whatever it was */
    r->parts = passed >= TOKEN ? full : r->parts + passed * r->per_second;
    if (r->parts > full)
        r->parts = full;
    r->last_ns = now_ns;
    if (r->parts < TOKEN)
        return false;
    r->parts -= TOKEN;
    return true;
}
