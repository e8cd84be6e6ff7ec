/* A path against patterns of each kind. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "serve/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const patterns[] = { "/v1/jobs", "/v1/jobs/{job}", "/v1/jobs/{job}/start",
                                            "/v1/jobs/{job}/results/{name...}", "/{a}/{b}/{c}" };
    avow_autofree char *path = calloc(1, size + 1);
    struct avow_route_params p = { 0 };

    if (!path)
        return 0;
    memcpy(path, data, size);
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        if (!avow_route_match(patterns[i], path, &p))
            continue;
        check(p.n <= AVOW_ROUTE_PARAMS_MAX);
        for (size_t k = 0; k < p.n; k++) {
            check(p.list[k].value[0] && strlen(p.list[k].value) <= AVOW_ROUTE_VALUE_MAX);
            for (const char *c = p.list[k].value; *c; c++)
                check((unsigned char)*c >= 0x20 && *c != 0x7f);
        }
    }
    return 0;
}
