/* The body of a proposal, as node "a", which is SNP. */
#include <stdlib.h>

#include "daemon/proposal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    avow_auto(avow_proposal_done) struct avow_proposal p = { 0 };
    avow_autojson json_t *body = NULL;
    struct avow_error err = { 0 };
    int rc = 0;

    if (avow_json_parse(AVOW_BYTES(data, size), &body, NULL) < 0 || !json_is_object(body))
        return 0;
    rc = avow_proposal_parse(body, "a", AVOW_TEE_SNP, &p, &err);
    if (rc < 0) {
        check(err.code == -rc && !p.seats && !p.policy);
        return 0;
    }
    check(p.n >= 2 && p.self < p.n && p.policy && p.manifest.len);
    check(strcmp(p.seats[p.self].name, "a") == 0 && p.seats[p.self].tee == AVOW_TEE_SNP);
    return 0;
}
