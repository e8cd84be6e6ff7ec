/*
 * What authenticates a fabric connection: MACs of header and reply, and the connection's two keys,
 * all from the pair's secret of the epoch (docs/protocols/fabric.md, "Keys"). Pure. Any thread.
 */
#ifndef AVOW_FABRIC_KEYS_H
#define AVOW_FABRIC_KEYS_H

#include "base/secret.h"
#include "fabric/wire.h"

/* Keys for one pair of nodes in one job and epoch. */
struct avow_fabric_pair {
    struct avow_key prk;
    struct avow_key header; /* MAC key of headers */
    struct avow_key reply;  /* MAC key of replies */
};

AVOW_MUST_USE int avow_fabric_pair_init(struct avow_fabric_pair *p, const struct avow_key *prk,
                                        const uint8_t job[AVOW_FABRIC_UUID_LEN], uint64_t epoch);
void avow_fabric_pair_wipe(struct avow_fabric_pair *p);

/* Fill in / check the MAC over all of the header before it. -AVOW_E_AUTH. */
AVOW_MUST_USE int avow_fabric_header_sign(const struct avow_fabric_pair *p,
                                          struct avow_fabric_header *h);
AVOW_MUST_USE int avow_fabric_header_check(const struct avow_fabric_pair *p,
                                           const struct avow_fabric_header *h);
/* The same for a reply: its MAC covers the whole header that it answers. */
AVOW_MUST_USE int avow_fabric_reply_sign(const struct avow_fabric_pair *p,
                                         const struct avow_fabric_header *h,
                                         struct avow_fabric_reply *r);
AVOW_MUST_USE int avow_fabric_reply_check(const struct avow_fabric_pair *p,
                                          const struct avow_fabric_header *h,
                                          const struct avow_fabric_reply *r);

/* The keys of the connection that @h asked for and @r granted, as seen by its two ends:
 * @out[0] connector to acceptor, @out[1] the other way. */
AVOW_MUST_USE int avow_fabric_connection_keys(const struct avow_fabric_pair *p,
                                              const struct avow_fabric_header *h,
                                              const struct avow_fabric_reply *r,
                                              struct avow_key out[2]);

#endif
