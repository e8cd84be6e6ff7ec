#include "attest/pccs.h"

#include "codec/text.h"

#define TEXT_MAX (4u << 20) /* bytes of one part */

struct pccs {
    avow_envelope_fn each;
    void *ctx;
    struct avow_error *err;
};

bool avow_pccs_is(const json_t *doc)
{
    const json_t *c = json_object_get(doc, "collaterals");

    return json_is_object(c) && (json_object_get(c, "tcbinfos") || json_object_get(c, "pckcacrl") ||
                                 json_object_get(c, "pck_certs"));
}

static int give(const struct pccs *p, const char *key, struct avow_bytes text)
{
    struct avow_error why = { 0 };
    int rc = p->each(p->ctx, AVOW_INNER_FILE, text, &why);

    if (rc >= 0 || rc == -AVOW_E_UNSUPPORTED || rc == -AVOW_E_VERSION)
        return 0; /* of SGX, or of a version of its API that knows no TDX */
    return AVOW_FAIL_CODE(p->err, rc, "\"%s\": %s", key, why.text);
}

/* A member that is text: URL-encoded PEM, hex of a CRL, or a document. Absent or empty: nothing. */
static int give_text(const struct pccs *p, const json_t *obj, const char *key)
{
    avow_auto(avow_buf_done) struct avow_buf plain = AVOW_BUF(TEXT_MAX);
    const json_t *v = json_object_get(obj, key);
    const char *text = json_string_value(v);

    if (!v || json_is_null(v) || (text && !*text))
        return 0;
    if (!text)
        return AVOW_FAIL(p->err, FORMAT, "\"%s\": not a text", key);
    if (strncmp(text, "-----BEGIN", 10) != 0)
        return give(p, key, avow_bytes_str(text));
    AVOW_TRY(avow_url_decode(text, &plain, p->err));
    return give(p, key, avow_buf_view(&plain));
}

/* A document that was read: written as Intel's servers write it. */
static int give_document(const struct pccs *p, const json_t *obj, const char *key)
{
    const json_t *v = json_object_get(obj, key);
    avow_autofree char *text = NULL;

    if (!json_is_object(v))
        return give_text(p, obj, key);
    text = json_dumps(v, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (!text)
        return AVOW_FAIL(p->err, NOMEM, "out of memory");
    if (strlen(text) > TEXT_MAX)
        return AVOW_FAIL(p->err, LIMIT, "\"%s\": more than %u bytes", key, TEXT_MAX);
    return give(p, key, avow_bytes_str(text));
}

static int list(const struct pccs *p, const json_t *obj, const char *key, const json_t **out)
{
    *out = json_object_get(obj, key);
    if (*out && !json_is_array(*out))
        return AVOW_FAIL(p->err, FORMAT, "\"%s\": not a list", key);
    if (json_array_size(*out) > AVOW_PCCS_LIST_MAX)
        return AVOW_FAIL(p->err, LIMIT, "\"%s\": more than %d", key, AVOW_PCCS_LIST_MAX);
    return 0;
}

static int give_tcb_infos(const struct pccs *p, const json_t *all)
{
    const json_t *infos = NULL;
    const json_t *one = NULL;
    size_t i = 0;

    AVOW_TRY(list(p, all, "tcbinfos", &infos));
    json_array_foreach(infos, i, one)
        AVOW_TRY(give_document(p, one, "tdx_tcbinfo"));
    return 0;
}

static int give_pck_certs(const struct pccs *p, const json_t *all)
{
    const json_t *platforms = NULL, *certs = NULL;
    const json_t *platform = NULL, *one = NULL;
    size_t i = 0, k = 0;

    AVOW_TRY(list(p, all, "pck_certs", &platforms));
    json_array_foreach(platforms, i, platform) {
        AVOW_TRY(list(p, platform, "certs", &certs));
        json_array_foreach(certs, k, one)
            AVOW_TRY(give_text(p, one, "cert"));
    }
    return 0;
}

/* Chains by the name of the header that they came in; PCK's in an object by CA. */
static int give_chains(const struct pccs *p, const json_t *all)
{
    const json_t *chains = json_object_get(all, "certificates");
    const char *key = NULL, *ca = NULL;
    json_t *v = NULL, *inner = NULL;

    json_object_foreach((json_t *)(uintptr_t)chains, key, v) {
        if (!json_is_object(v))
            AVOW_TRY(give_text(p, chains, key));
        else
            json_object_foreach(v, ca, inner)
                AVOW_TRY(give_text(p, v, ca));
    }
    return 0;
}

int avow_pccs_open(const json_t *doc, avow_envelope_fn each, void *ctx, struct avow_error *err)
{
    const struct pccs p = { .each = each, .ctx = ctx, .err = err };
    const json_t *all = json_object_get(doc, "collaterals");
    const json_t *crls = json_object_get(all, "pckcacrl");

    AVOW_TRY(give_tcb_infos(&p, all));
    AVOW_TRY(give_document(&p, all, "tdqeidentity"));
    AVOW_TRY(give_text(&p, crls, "processorCrl"));
    AVOW_TRY(give_text(&p, crls, "platformCrl"));
    AVOW_TRY(give_text(&p, all, "rootcacrl"));
    AVOW_TRY(give_chains(&p, all));
    return give_pck_certs(&p, all);
}
