/* Report: what a run was, for programs and for the file (docs/formats/report.md). */
#ifndef AVOW_CLIENT_REPORT_H
#define AVOW_CLIENT_REPORT_H

#include "client/client.h"

/*
 * The report of whatever has happened so far. @state: "COMPLETED", "FAILED", "REFUSED",
 * "NOT_FORMED", "CANCELLED" or "ERROR"; @why: what ended it, or NULL. New reference; NULL without
 * memory.
 */
json_t *avow_report(const struct avow_client *c, const char *state, const struct avow_error *why);
/* One node's attestation: {"node","tee","address","state","verdict","claims","ms",...}. */
json_t *avow_report_node(const struct avow_node *n);
/* Write it to @dir/report.json (made if need be), whole or not at all. */
AVOW_MUST_USE int avow_report_write(const json_t *report, const char *dir, char **path,
                                    struct avow_error *err);

#endif
