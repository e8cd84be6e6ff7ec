#include "evidence/tee.h"

#include <stddef.h>
#include <string.h>

const char *avow_tee_name(enum avow_tee tee)
{
    switch (tee) {
    case AVOW_TEE_SNP:
        return "snp";
    case AVOW_TEE_TDX:
        return "tdx";
    case AVOW_TEE_NONE:
        break;
    }
    return "none";
}

enum avow_tee avow_tee_from_name(const char *name)
{
    if (name && strcmp(name, "snp") == 0)
        return AVOW_TEE_SNP;
    if (name && strcmp(name, "tdx") == 0)
        return AVOW_TEE_TDX;
    return AVOW_TEE_NONE;
}
