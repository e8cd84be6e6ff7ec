#include "source/imds.h"

#include "codec/json.h"
#include "codec/text.h"
#include "net/retry.h"

#define AMD_PATH "/metadata/THIM/amd/certification"
#define TDX_PATH "/acc/tdquote"
#define URL_MAX 256
#define TRIES 5
#define CONNECT_MS \
    3000u /* on the machine's own network: who does not answer at once is not there */

/* Send and take an answer of status 200. */
static int ask(const char *base, const char *path, const char *const *headers,
               struct avow_bytes body, const struct patience *p, struct avow_buf *out,
               struct avow_error *err)
{
    char url[URL_MAX];
    const struct avow_http_request rq = { .url = url,
                                          .headers = headers,
                                          .body = body,
                                          .plain = true,
                                          .direct = true,
                                          .connect_ms = CONNECT_MS,
                                          .body_max = IMDS_REPLY_MAX };
    struct avow_retry retry = { .backoff = { .tries = TRIES, .base_ms = 100, .cap_ms = 2000 },
                                .deadline_ms = (uint32_t)patience_left(p) };
    avow_auto(avow_http_reply_done) struct avow_http_reply reply = { 0 };
    int rc = 0;

    if (snprintf(url, sizeof url, "%s%s", base, path) >= URL_MAX)
        return AVOW_FAIL(err, LIMIT, "IMDS: the address %s is too long", base);
    if (!retry.deadline_ms)
        return AVOW_FAIL(err, TIMEOUT, "IMDS: no time is left to ask %s", url);
    rc = avow_http_retry(&rq, &retry, &reply, err);
    if (rc < 0) {
        (void)avow_error_prefix(err, "IMDS: %s", url);
        return rc;
    }
    if (reply.status != 200)
        return AVOW_FAIL(err, REFUSED, "IMDS: %s answered with status %ld%s", url, reply.status,
                         reply.status == 404 ? " (is this a confidential VM of Azure?)" : "");
    avow_buf_put_bytes(out, avow_buf_view(&reply.body));
    return avow_buf_ok(out, err);
}

static int ask_json(const char *base, const char *path, const char *const *headers,
                    struct avow_bytes body, const struct patience *p, json_t **out,
                    struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(IMDS_REPLY_MAX);
    int rc = 0;

    AVOW_TRY(ask(base, path, headers, body, p, &text, err));
    rc = avow_json_parse(avow_buf_view(&text), out, err);
    if (rc == 0 && !json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        rc = AVOW_FAIL(err, FORMAT, "not an object");
    }
    if (rc < 0)
        (void)avow_error_prefix(err, "IMDS: the reply to %s", path);
    return rc;
}

int imds_amd_certs(const char *base, const struct patience *p, struct avow_bundle *out,
                   struct avow_error *err)
{
    static const char *const headers[] = { "Metadata: true", NULL };
    static const char *const keys[] = { "vcekCert", "certificateChain" };
    avow_autojson json_t *j = NULL;

    AVOW_TRY(ask_json(base, AMD_PATH, headers, AVOW_BYTES(NULL, 0), p, &j, err));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *pem = NULL;
        int rc = avow_json_get_str(j, keys[i], &pem, err);

        if (rc == 0)
            rc = guest_put_pem(avow_bytes_str(pem), out, err);
        if (rc < 0) {
            (void)avow_error_prefix(err, "IMDS: the reply to " AMD_PATH ", \"%s\"", keys[i]);
            return rc;
        }
    }
    return 0;
}

int imds_td_quote(const char *base, struct avow_bytes tdreport, const struct patience *p,
                  struct avow_buf *out, struct avow_error *err)
{
    static const char *const headers[] = { "Content-Type: application/json",
                                           "Accept: application/json", NULL };
    avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(IMDS_REPLY_MAX);
    avow_autojson json_t *j = NULL;
    const char *quote = NULL;
    int rc = 0;

    avow_buf_put_str(&body, "{\"report\":\"");
    avow_b64url_put(&body, tdreport);
    avow_buf_put_str(&body, "\"}");
    AVOW_TRY(avow_buf_ok(&body, err));
    AVOW_TRY(ask_json(base, TDX_PATH, headers, avow_buf_view(&body), p, &j, err));
    AVOW_TRY(avow_json_get_str(j, "quote", &quote, err));
    rc = avow_unb64url_put(out, avow_bytes_str(quote));
    return rc < 0 ? AVOW_FAIL_CODE(err, rc, "IMDS: the quote of " TDX_PATH " is no base64url") : 0;
}
