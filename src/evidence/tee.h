/* The kinds of trusted execution environment that evidence can come from. */
#ifndef AVOW_EVIDENCE_TEE_H
#define AVOW_EVIDENCE_TEE_H

enum avow_tee { AVOW_TEE_NONE = 0, AVOW_TEE_SNP = 1, AVOW_TEE_TDX = 2 };

/* "snp", "tdx", "none"; and back (NONE for anything else). */
const char *avow_tee_name(enum avow_tee tee);
enum avow_tee avow_tee_from_name(const char *name);

#endif
