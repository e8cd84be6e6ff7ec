/* CONFIG: what is accepted keeps its promises. */
#include <stdlib.h>

#include "launch/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_launch_config *c = NULL;
    uint32_t rank = 0;

    if (avow_launch_config_parse(AVOW_BYTES(data, size), &c, NULL) < 0)
        return 0;
    if (c->node >= c->n_nodes || c->program[0] != '/' || !c->argv[0] || !c->env)
        abort();
    for (uint32_t i = 0; i < c->n_nodes; i++)
        for (uint32_t k = 0; k < c->nodes[i].ranks; k++)
            if (avow_launch_node_of(c, rank++) != i)
                abort();
    if (rank != c->n_ranks)
        abort();
    avow_launch_config_free(c);
    return 0;
}
