/*
 * A proposal: what a client asks a node to take part in. Read from an untrusted body and checked
 * as far as that goes without keys: the manifest's nodes are the members, and this node is the
 * member that it is said to be. Pure.
 */
#ifndef AVOW_DAEMON_PROPOSAL_H
#define AVOW_DAEMON_PROPOSAL_H

#include <sys/socket.h>

#include "codec/json.h"
#include "group/roster.h"
#include "policy/policy.h"

#define AVOW_ADDRESS_MAX 271 /* "host:port", a host of at most 255 bytes */

/* A member as proposed; sorted by name, so the index is that in the roster. */
struct avow_seat {
    char name[AVOW_MEMBER_NAME_MAX + 1];
    enum avow_tee tee;
    char address[AVOW_ADDRESS_MAX + 1];
    struct sockaddr_storage addr;
    socklen_t addr_len; /* 0: not resolved, or own */
};

struct avow_proposal {
    char uuid[37];
    uint64_t epoch;
    size_t n;
    struct avow_seat *seats;    /* owned */
    uint32_t self;              /* own seat */
    struct avow_buf manifest;   /* canonical text */
    struct avow_policy *policy; /* owned */
    uint8_t manifest_digest[32], policy_digest[32];
};

/*
 * @body is an object. @name and @tee are this node's. @out is written only on success.
 * -AVOW_E_REFUSED if it is not about this node, else what is wrong with the body.
 */
AVOW_MUST_USE int avow_proposal_parse(const json_t *body, const char *name, enum avow_tee tee,
                                      struct avow_proposal *out, struct avow_error *err);
void avow_proposal_done(struct avow_proposal *p);

/* Whether the (well-formed) roster says what was proposed; own keys are not looked at.
 * -AVOW_E_REFUSED. */
AVOW_MUST_USE int avow_proposal_match(const struct avow_proposal *p, const struct avow_roster *r,
                                      struct avow_error *err);

#endif
