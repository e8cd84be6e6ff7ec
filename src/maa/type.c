#include "maa/type.h"

#include <stddef.h>
#include <strings.h>

static const struct {
    const char *claim, *path;
} names[] = {
    [AVOW_MAA_NONE] = { "none", "" },
    [AVOW_MAA_SEVSNPVM] = { "sevsnpvm", "SevSnpVm" },
    [AVOW_MAA_TDXVM] = { "tdxvm", "TdxVm" },
    [AVOW_MAA_AZUREVM] = { "azurevm", "AzureGuest" },
};

#define N_NAMES (sizeof names / sizeof names[0])

const char *avow_maa_type_name(enum avow_maa_type t)
{
    return names[(size_t)t < N_NAMES ? t : AVOW_MAA_NONE].claim;
}

const char *avow_maa_type_path(enum avow_maa_type t)
{
    return names[(size_t)t < N_NAMES ? t : AVOW_MAA_NONE].path;
}

enum avow_maa_type avow_maa_type_from_name(const char *name)
{
    for (size_t i = AVOW_MAA_SEVSNPVM; name && i < N_NAMES; i++)
        if (strcasecmp(name, names[i].claim) == 0 || strcasecmp(name, names[i].path) == 0)
            return (enum avow_maa_type)i;
    return AVOW_MAA_NONE;
}

enum avow_maa_type avow_maa_type_of(enum avow_tee tee)
{
    switch (avow_tee_hardware(tee)) {
    case AVOW_TEE_SNP:
        return AVOW_MAA_SEVSNPVM;
    case AVOW_TEE_TDX:
        return AVOW_MAA_TDXVM;
    case AVOW_TEE_NONE:
    case AVOW_TEE_AZ_SNP:
    case AVOW_TEE_AZ_TDX:
        break;
    }
    return AVOW_MAA_NONE;
}
