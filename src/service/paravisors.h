/*
 * Azure's paravisors that the operator knows: reference values, from a file of his. Evidence whose
 * runtime data is a paravisor's and which equals one entry in every value is what
 * x-ms-compliance-status speaks of; nothing else is. Format: docs/formats/maa.md. Read only once it
 * is loaded: any thread.
 */
#ifndef AVOW_SERVICE_PARAVISORS_H
#define AVOW_SERVICE_PARAVISORS_H

#include "base/cleanup.h"
#include "maa/request.h"
#include "verify/claims.h"

#define AVOW_PARAVISORS_MAX 64
#define AVOW_PARAVISOR_NAME_MAX 64          /* bytes */
#define AVOW_PARAVISORS_FILE_MAX (1u << 20) /* bytes */

struct avow_paravisors; /* opaque, owned */

/* @text: YAML; @name: of the file, for messages, which name line and column. An entry that names no
 * measurement is refused. @out is written only on success. -AVOW_E_FORMAT, -AVOW_E_MISSING,
 * -AVOW_E_EXISTS (a name given twice), -AVOW_E_LIMIT, -AVOW_E_UNSUPPORTED, -AVOW_E_VERSION,
 * -AVOW_E_NOMEM. */
AVOW_MUST_USE int avow_paravisors_parse(struct avow_bytes text, const char *name,
                                        struct avow_paravisors **out, struct avow_error *err);
/* The file @path, which nobody else may write to (-AVOW_E_UNTRUSTED); -AVOW_E_SYSTEM. */
AVOW_MUST_USE int avow_paravisors_load(const char *path, struct avow_paravisors **out,
                                       struct avow_error *err);
void avow_paravisors_free(struct avow_paravisors *p);
AVOW_DEFINE_CLEANUP(paravisors, struct avow_paravisors, avow_paravisors_free)
size_t avow_paravisors_count(const struct avow_paravisors *p); /* NULL: 0 */

/*
 * The name of the entry that @c equals at @now (unix seconds), borrowed from @p; NULL: none. @c: of
 * @rq, as avow_maa_verify left it. Never one unless @c is authentic, report data is SHA-256 of
 * @rq's runtime data and zeros, that data is JSON with an HCLAkPub, nobody may look into the VM or
 * move it, and, of SNP, the report was asked for at VMPL 0. What is simulated equals only entries
 * that say so, and real evidence only others. @p may be NULL.
 */
const char *avow_paravisors_match(const struct avow_paravisors *p, const struct avow_claims *c,
                                  const struct avow_maa_request *rq, int64_t now);

#endif
