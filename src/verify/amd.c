#include "verify/amd.h"

#include "amd_endorsements_table.h"

const struct avow_amd_endorsement *avow_amd_endorsement(const char *cn)
{
    for (size_t i = 0; i < sizeof endorsements / sizeof endorsements[0]; i++)
        if (strcmp(endorsements[i].cn, cn) == 0)
            return &endorsements[i];
    return NULL;
}
