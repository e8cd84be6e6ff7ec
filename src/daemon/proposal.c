#include "daemon/proposal.h"

#include <stdlib.h>

#include "crypto/hash.h"
#include "job/manifest.h"

/* The body's members, borrowed from it. */
struct fields {
    const char *uuid, *manifest, *policy, *member;
    int64_t epoch;
    json_t *members;
};

static int read_fields(const json_t *body, struct fields *p, struct avow_error *err)
{
    static const char *const known[] = { "formation", "epoch",   "manifest", "policy",
                                         "member",    "members", NULL };

    AVOW_TRY(avow_json_only(body, known, err));
    AVOW_TRY(avow_json_get_str(body, "formation", &p->uuid, err));
    AVOW_TRY(avow_json_get_int(body, "epoch", 1, INT64_MAX, &p->epoch, err));
    AVOW_TRY(avow_json_get_str(body, "manifest", &p->manifest, err));
    AVOW_TRY(avow_json_get_str(body, "policy", &p->policy, err));
    AVOW_TRY(avow_json_get_str(body, "member", &p->member, err));
    AVOW_TRY(avow_json_get_array(body, "members", AVOW_MEMBERS_MAX, &p->members, err));
    if (!avow_uuid_ok(p->uuid))
        return AVOW_FAIL(err, FORMAT, "formation is not a lower-case UUID");
    if (json_array_size(p->members) < 2)
        return AVOW_FAIL(err, FORMAT, "a formation has at least two members");
    return 0;
}

static int read_seat(const json_t *j, struct avow_seat *s, struct avow_error *err)
{
    static const char *const known[] = { "name", "tee", "address", NULL };
    const char *name = NULL;
    const char *tee = NULL;
    const char *address = NULL;

    if (!json_is_object(j))
        return AVOW_FAIL(err, FORMAT, "a member is not an object");
    AVOW_TRY(avow_json_only(j, known, err));
    AVOW_TRY(avow_json_get_str(j, "name", &name, err));
    AVOW_TRY(avow_json_get_str(j, "tee", &tee, err));
    AVOW_TRY(avow_json_get_str(j, "address", &address, err));
    if (!avow_member_name_ok(name))
        return AVOW_FAIL(err, FORMAT, "\"%.80s\" is not a member's name", name);
    s->tee = avow_tee_from_name(tee);
    if (s->tee == AVOW_TEE_NONE)
        return AVOW_FAIL(err, FORMAT, "member %s: \"%.20s\" is not a TEE", name, tee);
    if (strlen(address) > AVOW_ADDRESS_MAX || !strrchr(address, ':'))
        return AVOW_FAIL(err, FORMAT, "member %s: its address is not host:port", name);
    memcpy(s->name, name, strlen(name) + 1);
    memcpy(s->address, address, strlen(address) + 1);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct avow_seat *)a)->name, ((const struct avow_seat *)b)->name);
}

static int read_seats(struct avow_proposal *p, const json_t *members, struct avow_error *err)
{
    json_t *item = NULL;
    size_t i = 0;

    p->n = json_array_size(members);
    p->seats = calloc(p->n, sizeof *p->seats);
    if (!p->seats)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    json_array_foreach(members, i, item)
        AVOW_TRY(read_seat(item, &p->seats[i], err));
    qsort(p->seats, p->n, sizeof *p->seats, by_name);
    for (i = 1; i < p->n; i++)
        if (strcmp(p->seats[i - 1].name, p->seats[i].name) == 0)
            return AVOW_FAIL(err, EXISTS, "two members are called %s", p->seats[i].name);
    return 0;
}

/* The member that we are meant to be must be what we are. */
static int find_self(struct avow_proposal *p, const char *member, const char *name,
                     enum avow_tee tee, struct avow_error *err)
{
    if (strcmp(member, name) != 0)
        return AVOW_FAIL(err, REFUSED, "this node is %s, not %.80s", name, member);
    for (uint32_t i = 0; i < p->n; i++) {
        if (strcmp(p->seats[i].name, member) != 0)
            continue;
        if (p->seats[i].tee != tee)
            return AVOW_FAIL(err, REFUSED, "%s is %s, not %s", member, avow_tee_name(tee),
                             avow_tee_name(p->seats[i].tee));
        p->self = i;
        return 0;
    }
    return AVOW_FAIL(err, REFUSED, "%s is not among the members", member);
}

/* The job's nodes are the formation's members, no more and no fewer. */
static int check_manifest(struct avow_proposal *p, const char *text, struct avow_error *err)
{
    avow_auto(avow_manifest_done) struct avow_manifest m = { 0 };

    if (avow_manifest_parse(avow_bytes_str(text), &m, err) < 0)
        return avow_error_prefix(err, "manifest");
    if (m.n_nodes != p->n)
        return AVOW_FAIL(err, FORMAT, "%zu nodes in the manifest, %zu members", m.n_nodes, p->n);
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(m.nodes[i].name, p->seats[i].name) != 0 ||
            strcmp(m.nodes[i].tee, avow_tee_name(p->seats[i].tee)) != 0)
            return AVOW_FAIL(err, FORMAT, "node %s (%s) of the manifest, member %s (%s)",
                             m.nodes[i].name, m.nodes[i].tee, p->seats[i].name,
                             avow_tee_name(p->seats[i].tee));
    avow_buf_put_str(&p->manifest, text);
    AVOW_TRY(avow_buf_ok(&p->manifest, err));
    if (avow_sha256(avow_bytes_str(text), p->manifest_digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    return 0;
}

static int check_policy(struct avow_proposal *p, const char *text, struct avow_error *err)
{
    struct avow_bytes bytes = avow_bytes_str(text);

    if (bytes.len > AVOW_POLICY_MAX)
        return AVOW_FAIL(err, LIMIT, "policy of %zu bytes (at most %u)", bytes.len,
                         AVOW_POLICY_MAX);
    if (avow_json_check_canonical(bytes, err) < 0 || avow_policy_parse(bytes, &p->policy, err) < 0)
        return avow_error_prefix(err, "policy");
    if (avow_sha256(bytes, p->policy_digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    return 0;
}

void avow_proposal_done(struct avow_proposal *p)
{
    free(p->seats);
    avow_buf_done(&p->manifest);
    avow_policy_free(p->policy);
    memset(p, 0, sizeof *p);
}

int avow_proposal_parse(const json_t *body, const char *name, enum avow_tee tee,
                        struct avow_proposal *out, struct avow_error *err)
{
    avow_auto(avow_proposal_done) struct avow_proposal p = { 0 };
    struct fields f = { 0 };

    AVOW_TRY(read_fields(body, &f, err));
    memcpy(p.uuid, f.uuid, sizeof p.uuid);
    p.epoch = (uint64_t)f.epoch;
    p.manifest = AVOW_BUF(AVOW_MANIFEST_MAX);
    AVOW_TRY(read_seats(&p, f.members, err));
    AVOW_TRY(find_self(&p, f.member, name, tee, err));
    AVOW_TRY(check_manifest(&p, f.manifest, err));
    AVOW_TRY(check_policy(&p, f.policy, err));
    *out = p;
    memset(&p, 0, sizeof p);
    return 0;
}

int avow_proposal_match(const struct avow_proposal *p, const struct avow_roster *r,
                        struct avow_error *err)
{
    if (strcmp(r->formation, p->uuid) != 0 || r->epoch != p->epoch)
        return AVOW_FAIL(err, REFUSED, "roster of formation %s epoch %llu, proposed: epoch %llu",
                         r->formation, (unsigned long long)r->epoch, (unsigned long long)p->epoch);
    if (!avow_ct_equal(r->manifest, p->manifest_digest, 32))
        return AVOW_FAIL(err, REFUSED, "the roster names another manifest than was proposed");
    if (!avow_ct_equal(r->policy, p->policy_digest, 32))
        return AVOW_FAIL(err, REFUSED, "the roster names another policy than was proposed");
    if (r->n != p->n)
        return AVOW_FAIL(err, REFUSED, "%zu members in the roster, %zu were proposed", r->n, p->n);
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->members[i].name, p->seats[i].name) != 0 ||
            r->members[i].tee != p->seats[i].tee)
            return AVOW_FAIL(err, REFUSED, "member %s (%s) in the roster, %s (%s) was proposed",
                             r->members[i].name, avow_tee_name(r->members[i].tee), p->seats[i].name,
                             avow_tee_name(p->seats[i].tee));
    return 0;
}
