/* Showing what the client found: verdicts, pairs, retries, results. */
#ifndef AVOW_CLI_SHOW_H
#define AVOW_CLI_SHOW_H

#include "cli/cli.h"

/* Who judges, unless it is this program alone. */
void avow_show_verifier(const struct avow_cli *cli, const struct avow_client *c);
/* What a service that judges was asked, what it answered, how long that took: one line. */
void avow_show_asked(const struct avow_cli *cli, const struct avow_client *c);
/* NODE TEE VERDICT WHY MS. SIMULATED stands wherever a verdict does. */
void avow_show_nodes(const struct avow_cli *cli, const struct avow_client *c);
/* One line for each node that is not accepted, on stderr: "avow: node N: check CODE: TEXT". */
void avow_show_refusals(const struct avow_cli *cli, const struct avow_client *c);
/* VERIFIER MEMBER VERDICT WHY MS, and the pairs that did not confirm. */
void avow_show_pairs(const struct avow_cli *cli, const struct avow_client *c);
/* On stderr, for each refusal between nodes and each link that failed: who, whom, check, value. */
void avow_show_pair_refusals(const struct avow_cli *cli, const struct avow_client *c);
/* "accepted SIMULATED" and the like. */
void avow_verdict_word(bool accepted, bool simulated, char out[32]);
/* One line of why a verdict is what it is. */
void avow_verdict_line(const struct avow_verdict *v, char *out, size_t n);

#endif
