/*
 * How binary evidence is told from everything else, by its content: wide enough that damaged
 * evidence is still taken for what it was, so that the verifier refuses it and says why. Pure.
 */
#ifndef AVOW_ATTEST_SHAPE_H
#define AVOW_ATTEST_SHAPE_H

#include "base/bytes.h"

/* The beginning of a TDX or SGX quote: Intel's QE vendor id (DCAP, all versions), or version, key
 * type and TEE type; also behind its length as u32 (QGS's messages). */
bool avow_shape_quote(struct avow_bytes f);

/* An SNP report: of its length, or one that begins like one (cut, lengthened); also behind the 32
 * bytes of the firmware's response. */
bool avow_shape_report(struct avow_bytes f);

/* A TDREPORT (REPORTMACSTRUCT, Intel TDX module specification). */
bool avow_shape_tdreport(struct avow_bytes f);

/* An HCL report ("HCLA"), long enough to have a header and a report. */
bool avow_shape_hcl(struct avow_bytes f);

#endif
