/*
 * Replay of an event log: what the registers would hold after the events of the log, against what
 * the hardware or the TPM signed. Pure, any thread. Source: TCG PC Client Platform Firmware
 * Profile; Intel GHCI for TDX (CCEL: register 1 to 4 are RTMR0 to RTMR3, extended with SHA-384).
 */
#ifndef AVOW_VERIFY_EVENTLOG_H
#define AVOW_VERIFY_EVENTLOG_H

#include "base/bytes.h"
#include "verify/claims.h"

/*
 * Into RTMRs with SHA-384 for a TD, into PCRs with SHA-256 where a TPM's quote is at hand (claims
 * must be filled). Every register that the log has an event for must equal; one without any is not
 * judged, since what extends it later need not be in a firmware's log. Records "event-log": passed,
 * failed with the register's name, or not run where the evidence has no registers; fills ->log.
 * Negative: -AVOW_E_CRYPTO.
 */
AVOW_MUST_USE int avow_eventlog_verify(struct avow_bytes log, struct avow_claims *c,
                                       struct avow_error *err);

#endif
