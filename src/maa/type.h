/* The kinds of attestation of Microsoft Azure Attestation (MAA) that avow knows. Pure. */
#ifndef AVOW_MAA_TYPE_H
#define AVOW_MAA_TYPE_H

#include "evidence/tee.h"

enum avow_maa_type {
    AVOW_MAA_NONE = 0,
    AVOW_MAA_SEVSNPVM,
    AVOW_MAA_TDXVM,
    AVOW_MAA_AZUREVM, /* tokens of MAA's guest library, which hold one of the others; read only */
};

/* The claim x-ms-attestation-type: "sevsnpvm", "tdxvm", "azurevm"; "none". */
const char *avow_maa_type_name(enum avow_maa_type t);
/* In paths: "SevSnpVm", "TdxVm", "AzureGuest"; "" for none. */
const char *avow_maa_type_path(enum avow_maa_type t);
/* Of a claim or a path's part, whatever its case (MAA takes any); NONE for anything else. */
enum avow_maa_type avow_maa_type_from_name(const char *name);
/* The one that appraises this evidence; NONE for NONE. */
enum avow_maa_type avow_maa_type_of(enum avow_tee tee);

#endif
