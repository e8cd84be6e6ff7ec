/*
 * Roster: who takes part in a formation, in canonical form; and the key schedule that follows from
 * it (docs/protocols/formation.md). Pure.
 */
#ifndef AVOW_GROUP_ROSTER_H
#define AVOW_GROUP_ROSTER_H

#include "base/bytes.h"
#include "base/secret.h"
#include "evidence/tee.h"

#define AVOW_MEMBERS_MAX 1024
#define AVOW_MEMBER_NAME_MAX 63 /* [a-z0-9]([a-z0-9-]*[a-z0-9])? as in RFC 1123 labels */
#define AVOW_ROSTER_MAX (1u << 20)

struct avow_member {
    char name[AVOW_MEMBER_NAME_MAX + 1];
    enum avow_tee tee;
    uint8_t spki[32]; /* SHA-256 of the leaf's SubjectPublicKeyInfo */
    uint8_t x25519[32];
    uint8_t nonce[32];
};

struct avow_roster {
    char formation[37];   /* UUID, lower case */
    uint64_t epoch;       /* from 1 */
    uint8_t manifest[32]; /* SHA-256 of the manifest's canonical JSON */
    uint8_t policy[32];   /* SHA-256 of the policy's canonical JSON */
    size_t n;
    struct avow_member *members; /* sorted by name; owned */
};

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" in lower-case hex; a member's name as above. */
bool avow_uuid_ok(const char *s);
bool avow_member_name_ok(const char *s);

void avow_roster_done(struct avow_roster *r);
/* Sorts the members, then writes the canonical text ("type":"avow/roster/1"). Two members with one
 * name, SPKI, X25519 key or nonce: -AVOW_E_EXISTS. */
AVOW_MUST_USE int avow_roster_emit(struct avow_roster *r, struct avow_buf *out,
                                   struct avow_error *err);
/* Parse untrusted canonical text; every rule of emit is checked, n >= 2. */
AVOW_MUST_USE int avow_roster_parse(struct avow_bytes text, struct avow_roster *out,
                                    struct avow_error *err);
const struct avow_member *avow_roster_find(const struct avow_roster *r, const char *name);
/* Index of a member in the sorted list, or -1. This is also the node index used on the wire. */
int avow_roster_index(const struct avow_roster *r, const char *name);

/* prk = HKDF-Extract(salt = h, X25519(own, peer)). */
AVOW_MUST_USE int avow_pair_prk(const uint8_t h[32], const struct avow_key *own,
                                const uint8_t peer[32], struct avow_key *prk,
                                struct avow_error *err);
/* HMAC(HKDF-Expand(prk, "avow confirm v1" | role), exporter | h); role "server" or "client". */
AVOW_MUST_USE int avow_pair_confirm(const struct avow_key *prk, const char *role,
                                    const uint8_t exporter[32], const uint8_t h[32],
                                    uint8_t mac[32]);

#endif
