#include "channel/statement.h"

#include "base/cleanup.h"
#include "codec/text.h"
#include "crypto/hash.h"

#define CTX_LABEL "avow channel v1"
#define NAME_MAX_LEN 63 /* RFC 1123 label, as a member's name must be */

const char *avow_role_name(enum avow_role r)
{
    switch (r) {
    case AVOW_ROLE_SERVER:
        return "server";
    case AVOW_ROLE_CLIENT:
        return "client";
    case AVOW_ROLE_NONE:
        break;
    }
    return "none";
}

static bool role_valid(enum avow_role r)
{
    return r == AVOW_ROLE_SERVER || r == AVOW_ROLE_CLIENT;
}

int avow_channel_ctx(enum avow_role attester, const uint8_t nonce[32],
                     const uint8_t attester_spki[32], const uint8_t verifier_spki[32],
                     uint8_t ctx[32])
{
    avow_auto(avow_buf_done) struct avow_buf in = AVOW_BUF(256);

    if (!role_valid(attester))
        return -AVOW_E_INVAL;
    avow_buf_put_str(&in, CTX_LABEL);
    avow_buf_put_str(&in, avow_role_name(attester));
    avow_buf_put(&in, nonce, 32);
    avow_buf_put(&in, attester_spki, 32);
    avow_buf_put(&in, verifier_spki, 32);
    AVOW_TRY(avow_buf_ok(&in, NULL));
    return avow_sha256(avow_buf_view(&in), ctx);
}

static void put_hex_member(struct avow_buf *out, const char *key, const uint8_t v[32])
{
    avow_buf_putf(out, "\"%s\":\"", key);
    avow_hex_put(out, AVOW_BYTES(v, 32));
    avow_buf_put_str(out, "\",");
}

int avow_channel_statement(enum avow_role attester, const uint8_t nonce[32], const uint8_t ekm[32],
                           const uint8_t attester_spki[32], const uint8_t verifier_spki[32],
                           struct avow_buf *out, struct avow_error *err)
{
    uint8_t ekm_digest[32];
    int rc = 0;

    if (!role_valid(attester))
        return AVOW_FAIL(err, INVAL, "a channel statement needs a role");
    rc = avow_sha256(AVOW_BYTES(ekm, 32), ekm_digest);
    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "SHA-256 failed");
    /* the keys are in the order of canonical JSON */
    avow_buf_put_str(out, "{");
    put_hex_member(out, "ekm", ekm_digest);
    put_hex_member(out, "nonce", nonce);
    put_hex_member(out, "peer-spki", verifier_spki);
    avow_buf_putf(out, "\"role\":\"%s\",", avow_role_name(attester));
    put_hex_member(out, "spki", attester_spki);
    avow_buf_put_str(out, "\"type\":\"avow/channel/1\"}");
    return avow_buf_ok(out, err);
}

int avow_channel_again_mac(const struct avow_key *again, enum avow_role sender,
                           const uint8_t exporter[32], uint8_t mac[32])
{
    avow_auto(avow_buf_done) struct avow_buf in = AVOW_BUF(64);

    if (!role_valid(sender))
        return -AVOW_E_INVAL;
    avow_buf_put_str(&in, avow_role_name(sender));
    avow_buf_put(&in, exporter, 32);
    AVOW_TRY(avow_buf_ok(&in, NULL));
    return avow_hmac_sha256(AVOW_BYTES_OF(again->bytes), avow_buf_view(&in), mac);
}

int avow_formation_statement(const uint8_t roster[32], const char *member, struct avow_buf *out,
                             struct avow_error *err)
{
    size_t n = strlen(member);

    /* nothing that JSON would escape: the text below is canonical as it stands */
    if (n == 0 || n > NAME_MAX_LEN || strspn(member, "abcdefghijklmnopqrstuvwxyz0123456789-") != n)
        return AVOW_FAIL(err, INVAL, "member name \"%.80s\" is not a host label", member);
    avow_buf_putf(out, "{\"member\":\"%s\",", member);
    put_hex_member(out, "roster", roster);
    avow_buf_put_str(out, "\"type\":\"avow/formation/1\"}");
    return avow_buf_ok(out, err);
}
