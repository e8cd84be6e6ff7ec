/*
 * The audit log: what was asked, answered and changed, one row each, in SQLite. Rows cannot be
 * changed or removed through SQL (triggers), and each carries SHA-256(hash of the row before |
 * canonical JSON of the row), so that who edits the file behind SQLite's back must redo all that
 * follows; `avow-verifier audit check` finds any break. Rows hold digests and names, no evidence
 * and no tokens. Any thread. Format: docs/protocols/verifier.md.
 */
#ifndef AVOW_SERVICE_AUDIT_H
#define AVOW_SERVICE_AUDIT_H

#include "codec/json.h"

#define AVOW_AUDIT_ROW_MAX (512u << 10) /* bytes of one row's JSON */

struct avow_audit; /* opaque, owned */

enum avow_audit_mode { AVOW_AUDIT_READ, AVOW_AUDIT_WRITE };

/* WRITE makes the file (0600) if it is not there. @max: bytes of the file; 0: any.
 * -AVOW_E_NOTFOUND (READ), -AVOW_E_FORMAT (no audit log), -AVOW_E_VERSION, -AVOW_E_SYSTEM. */
AVOW_MUST_USE int avow_audit_open(const char *path, enum avow_audit_mode mode, uint64_t max,
                                  struct avow_audit **out, struct avow_error *err);
void avow_audit_close(struct avow_audit *a);
AVOW_DEFINE_CLEANUP(audit, struct avow_audit, avow_audit_close)

/* Append one row at @now (unix seconds). @event: a word; @take_detail: an object of strings,
 * integers and booleans, consumed; NULL is -AVOW_E_NOMEM. -AVOW_E_LIMIT when the log is full. */
AVOW_MUST_USE int avow_audit_put(struct avow_audit *a, int64_t now, const char *event,
                                 json_t *take_detail, struct avow_error *err);

struct avow_audit_row {
    int64_t id;
    const char *json; /* canonical: {"detail":{..},"event":..,"id":..,"time":..} */
    const uint8_t *hash;
};
/* Every row, in order, as far as the chain holds; -AVOW_E_DIGEST names the first row that breaks
 * it (a changed, missing or inserted one). @fn may be NULL; non-zero ends it and is returned. @n:
 * rows that hold; @last: hash of the last one; both may be NULL. */
typedef int (*avow_audit_fn)(void *ctx, const struct avow_audit_row *row);
AVOW_MUST_USE int avow_audit_each(struct avow_audit *a, avow_audit_fn fn, void *ctx, uint64_t *n,
                                  uint8_t last[32], struct avow_error *err);

#endif
