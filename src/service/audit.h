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

/* The last row: what must be kept elsewhere to see that rows were cut off. */
struct avow_audit_head {
    int64_t id, time; /* number, counted from 1 (0: no rows); unix seconds */
    uint8_t hash[32];
};
/* As of the last row that was put, or of the opening. */
void avow_audit_head(struct avow_audit *a, struct avow_audit_head *out);
/* From the file: -AVOW_E_DIGEST if the last row is not what its number and hash say. Of those
 * before it, only the hash of one is looked at. -AVOW_E_MISSING: no rows. */
AVOW_MUST_USE int avow_audit_read_head(struct avow_audit *a, struct avow_audit_head *out,
                                       struct avow_error *err);

/* "12:<64 hex digits>", after which white space and more may come, or what
 * avow_audit_head_json makes. -AVOW_E_FORMAT. ->time is 0 in the first case. */
AVOW_MUST_USE int avow_audit_head_parse(struct avow_bytes text, struct avow_audit_head *out,
                                        struct avow_error *err);
/* {"hash","id","time"}: new reference, NULL when memory is short. */
json_t *avow_audit_head_json(const struct avow_audit_head *h);

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
/* The same, and @kept, a head of before, must be one of the rows: else -AVOW_E_DIGEST, which says
 * whether the log ends before it or has another row there. */
AVOW_MUST_USE int avow_audit_holds(struct avow_audit *a, const struct avow_audit_head *kept,
                                   uint64_t *n, uint8_t last[32], struct avow_error *err);

#endif
