#include "evidence/tee.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = {
    [AVOW_TEE_NONE] = "none",     [AVOW_TEE_SNP] = "snp",       [AVOW_TEE_TDX] = "tdx",
    [AVOW_TEE_AZ_SNP] = "az-snp", [AVOW_TEE_AZ_TDX] = "az-tdx",
};

#define N_NAMES (sizeof names / sizeof names[0])

const char *avow_tee_name(enum avow_tee tee)
{
    return (size_t)tee < N_NAMES ? names[tee] : names[AVOW_TEE_NONE];
}

enum avow_tee avow_tee_from_name(const char *name)
{
    for (size_t i = 1; name && i < N_NAMES; i++)
        if (strcmp(names[i], name) == 0)
            return (enum avow_tee)i;
    return AVOW_TEE_NONE;
}

enum avow_tee avow_tee_hardware(enum avow_tee tee)
{
    switch (tee) {
    case AVOW_TEE_SNP:
    case AVOW_TEE_AZ_SNP:
        return AVOW_TEE_SNP;
    case AVOW_TEE_TDX:
    case AVOW_TEE_AZ_TDX:
        return AVOW_TEE_TDX;
    case AVOW_TEE_NONE:
        break;
    }
    return AVOW_TEE_NONE;
}
