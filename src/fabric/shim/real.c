#include "fabric/shim/real.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct real_functions real_functions;

void real_load(void)
{
    /* Two threads may both come here: they store the same values. A name that this C library does
     * not have stays NULL; whoever calls it has a symbol from a newer one. */
#define X(type, name, args)                         \
    {                                               \
        void *p = dlsym(RTLD_NEXT, #name);          \
        memcpy(&real_functions.name, &p, sizeof p); \
    }
    REAL_FUNCTIONS(X)
#undef X
    atomic_store_explicit(&real_functions.ready, true, memory_order_release);
}
