#include "verifier/keyring.h"

static int read_keys(struct keep *keep, const struct avow_verifier_issuer *from, size_t i,
                     struct keyring *k, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(KEEP_KEYS_MAX);
    int rc = keep_keys_get(keep, from->url, &text, &k->fetched[i]);

    k->issuers[i] = (struct avow_maa_issuer){
        .url = from->url,
        .policy_hashes = (const char *const *)from->policy_hashes,
        .n_policy_hashes = from->n_policy_hashes,
    };
    if (rc == -AVOW_E_NOTFOUND)
        return 0;
    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "out of memory");
    rc = avow_maa_keys_parse(avow_buf_view(&text), &k->keys[i], err);
    if (rc < 0) {
        (void)avow_error_prefix(err, "%s/certs", from->url);
        return rc;
    }
    k->issuers[i].keys = &k->keys[i];
    return 0;
}

int keyring_read(struct keep *keep, const struct avow_verifier_settings *s, struct keyring *k,
                 struct avow_error *err)
{
    memset(k, 0, sizeof *k);
    for (size_t i = 0; i < s->n_issuers; i++)
        AVOW_TRY(read_keys(keep, &s->issuers[i], i, k, err));
    return 0;
}

bool keyring_outdated(const struct keyring *k, const struct avow_maa_token_info *info, int64_t now)
{
    int64_t life = info->want_keys ? KEYRING_REFETCH_S : KEYRING_LIFE_S;

    if ((!info->want_keys && !info->verified) || info->issuer >= AVOW_ISSUERS_MAX)
        return false;
    return !k->fetched[info->issuer] || now - k->fetched[info->issuer] >= life;
}
