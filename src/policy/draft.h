/*
 * A policy written from known-good nodes: what their evidence says becomes the reference values,
 * the floors and, where a node needs them, the permissions, each with a comment. Pure but for
 * memory.
 */
#ifndef AVOW_POLICY_DRAFT_H
#define AVOW_POLICY_DRAFT_H

#include "base/cleanup.h"
#include "policy/policy.h"

#define AVOW_DRAFT_NODES_MAX 1024u

struct avow_draft_options {
    bool tight;        /* registers too, and all else that a node may be held to */
    bool pin_machines; /* these machines (on Azure: these VMs too) and no others */
    bool allow_debug;  /* take nodes that the host may look into */
    int64_t now;       /* of the judgement, for the heading; unix seconds */
};

struct avow_draft; /* opaque, owned */

AVOW_MUST_USE int avow_draft_new(const struct avow_draft_options *o, struct avow_draft **out,
                                 struct avow_error *err);
void avow_draft_free(struct avow_draft *d);
AVOW_DEFINE_CLEANUP(draft, struct avow_draft, avow_draft_free)

/*
 * Take in a node. @name: for the comments, such as its file's name. -AVOW_E_REFUSED: not authentic,
 * or debugging without .allow_debug; -AVOW_E_MISSING: .pin_machines, and the evidence does not say
 * which machine; -AVOW_E_LIMIT, -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_draft_add(struct avow_draft *d, const struct avow_claims *c,
                                 const char *name, struct avow_error *err);

/* Append the policy as YAML. -AVOW_E_MISSING: no node yet; -AVOW_E_LIMIT (more different values
 * than a list may have: the text says of which key), -AVOW_E_NOMEM. */
AVOW_MUST_USE int avow_draft_write(const struct avow_draft *d, struct avow_buf *out,
                                   struct avow_error *err);

#endif
