/*
 * A node: everything that avowd is made of, put together and taken apart in the right order.
 * Loop thread only.
 */
#ifndef AVOW_DAEMON_NODE_H
#define AVOW_DAEMON_NODE_H

#include <event2/event.h>

#include "daemon/config.h"

struct avow_node; /* owned */

/* Reads what @cfg names, makes the node's key, listens. @cfg outlives the node. */
AVOW_MUST_USE int avow_node_new(struct event_base *base, const struct avow_config *cfg,
                                struct avow_node **out, struct avow_error *err);
/* Ends jobs, closes everything; runs @base once more. */
void avow_node_free(struct avow_node *n);
AVOW_DEFINE_CLEANUP(node, struct avow_node, avow_node_free)

/* {"api":"host:port","nodes":"host:port","spki":hex,"name","tee","simulated"} on one line with its
 * end, appended to @out. */
AVOW_MUST_USE int avow_node_ready(const struct avow_node *n, struct avow_buf *out,
                                  struct avow_error *err);
/* Read the authorised clients again; on failure the old list stays. */
AVOW_MUST_USE int avow_node_reload(struct avow_node *n, struct avow_error *err);

#endif
