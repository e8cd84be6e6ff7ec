/*
 * The platform collateral that Intel's PccsAdminTool writes for a PCCS without a network
 * (platform_collaterals.json): PCK certificates, TCB infos, CRLs and identities of many platforms.
 * Pure but for memory. Source: PccsAdminTool/pccsadmin.py, "fetch".
 */
#ifndef AVOW_ATTEST_PCCS_H
#define AVOW_ATTEST_PCCS_H

#include "attest/envelope.h"

#define AVOW_PCCS_LIST_MAX 65536 /* platforms, or certificates of one */

/* Whether @doc is such a file. */
bool avow_pccs_is(const json_t *doc);

/*
 * Call @each for every part of it as a file (AVOW_INNER_FILE). The tool has read the signed
 * documents and writes them anew; in Intel's own form (no white space, members in their order) they
 * are what was signed. What is of SGX alone is passed over. -AVOW_E_FORMAT, -AVOW_E_LIMIT, or what
 * @each returned.
 */
AVOW_MUST_USE int avow_pccs_open(const json_t *doc, avow_envelope_fn each, void *ctx,
                                 struct avow_error *err);

#endif
