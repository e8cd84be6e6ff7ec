/*
 * Make a bundle of files as people keep them, by what they contain, never by their names: a report
 * or quote, what belongs to it, and the endorsements of any number of machines. Pure but for
 * memory.
 */
#ifndef AVOW_ATTEST_GATHER_H
#define AVOW_ATTEST_GATHER_H

#include "attest/pool.h"
#include "evidence/bundle.h"

#define AVOW_GATHER_FILES_MAX 1024
#define AVOW_GATHER_DEPTH_MAX 4 /* envelopes in envelopes */

/*
 * Sort one file. Into @b goes evidence and what belongs to it alone: a bundle of avow's, an SNP
 * report (also one of a wrong length or with a header in front: the verifier refuses it), a TDX
 * quote (also an SGX quote, for the same reason), an HCL report ("HCLA"), a TPM quote (FF "TCG" 80
 * 18), its signature (256, 384 or 512 bytes of nothing else, or a TPMT_SIGNATURE), PCR values (768
 * bytes: 24 of the SHA-256 bank), an event log (TCG2, CCEL), runtime data (a JSON object that is
 * nothing else that is known here). Into @pool go certificates and CRLs (PEM with any number of
 * each, with CRLF, a NUL at the end or padding after the DER; one DER; a CRL as hex of DER),
 * certificate tables (GHCB), TCB info and QE identity as Intel signs them, with or without white
 * space around. A report may be followed by a certificate table. Base64 text of any of these is
 * opened. Envelopes of other tools: docs/formats/envelopes.md.
 *
 * An HCL report and a TD quote are one az-tdx; an HCL report and the equal SNP report, one az-snp.
 * Any other second piece of evidence: -AVOW_E_EXISTS. -AVOW_E_FORMAT for what is none of these,
 * -AVOW_E_LIMIT, -AVOW_E_NOMEM and so on.
 */
AVOW_MUST_USE int avow_gather_file(struct avow_pool *pool, struct avow_bundle *b,
                                   struct avow_bytes file, struct avow_error *err);

/* Whether @file by itself brings a piece of evidence (report, quote, HCL report, bundle, or an
 * envelope of one). */
bool avow_gather_is_evidence(struct avow_bytes file);

/*
 * All of @files, completed at @now (unix seconds). -AVOW_E_MISSING if there is no evidence among
 * them. The text of an error says which file, counted from 1. @out is zeroed first;
 * avow_bundle_done it on success.
 */
AVOW_MUST_USE int avow_gather(const struct avow_bytes *files, size_t n, int64_t now,
                              struct avow_bundle *out, struct avow_error *err);

#endif
