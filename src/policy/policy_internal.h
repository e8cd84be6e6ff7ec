/* What a policy is inside, for the files of this folder. */
#ifndef AVOW_POLICY_POLICY_INTERNAL_H
#define AVOW_POLICY_POLICY_INTERNAL_H

#include "policy/azure.h"
#include "policy/policy.h"
#include "policy/snp.h"
#include "policy/tdx.h"

#define MACHINE_ID_MAX 64u /* bytes */

struct machine {
    char member[AVOW_POLICY_MEMBER_MAX + 1]; /* "" in a list of ids */
    uint8_t id[MACHINE_ID_MAX];
    size_t len; /* bytes */
};

struct machine_list {
    size_t n;
    struct machine *v; /* owned */
};

struct avow_policy {
    struct section top;
    bool allow_simulated;
    struct snp_rules snp, az_snp;
    struct tdx_rules tdx, az_tdx;
    struct azure_rules azure_snp, azure_tdx; /* beside az_snp and az_tdx */
    struct machine_list machines;            /* by member */
    struct machine_list machine_ids;         /* of any member that has no machine of its own */
};

extern const struct policy_key top_keys[];

#endif
