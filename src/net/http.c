#include "net/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#define POLL_MS 1000 /* curl says sooner when it has something to do */
#define RETRY_AFTER_MAX_S 86400

struct transfer {
    const struct avow_http_request *rq;
    struct avow_http_reply *reply;
    struct avow_error *err;
    CURL *easy;
    CURLM *multi;
    struct curl_slist *headers;
    char detail[CURL_ERROR_SIZE];
};

static void transfer_done(struct transfer *t)
{
    if (t->multi && t->easy)
        (void)curl_multi_remove_handle(t->multi, t->easy);
    curl_easy_cleanup(t->easy);
    curl_multi_cleanup(t->multi);
    curl_slist_free_all(t->headers);
}

void avow_http_reply_done(struct avow_http_reply *r)
{
    avow_buf_done(&r->body);
    avow_buf_done(&r->headers);
}

/* ---- what curl calls ---- */

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;

    if (avow_buf_put(&t->reply->body, data, size * n) == 0)
        return size * n;
    (void)AVOW_FAIL(t->err, LIMIT, "%s: a reply of more than %zu bytes", t->rq->url,
                    t->reply->body.max);
    return 0; /* fewer than were given: curl ends the transfer */
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* "Name: value\r\n" as "name: value\n". A new status line (after 100 Continue) starts over. */
static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    struct avow_buf *out = &t->reply->headers;
    size_t len = size * n;
    size_t end = len;
    const char *colon = memchr(data, ':', len);

    if (len > 5 && strncmp(data, "HTTP/", 5) == 0)
        avow_buf_reset(out);
    while (end && (data[end - 1] == '\r' || data[end - 1] == '\n'))
        end--;
    if (!colon || memchr(data, 0, len))
        return len;
    for (size_t i = 0; i < end; i++)
        avow_buf_put_u8(out, (uint8_t)(data + i < colon ? lower(data[i]) : data[i]));
    avow_buf_put_u8(out, '\n');
    if (!out->failed)
        return len;
    (void)AVOW_FAIL(t->err, LIMIT, "%s: headers of more than %u bytes", t->rq->url,
                    AVOW_HTTP_REPLY_HEADERS_MAX);
    return 0;
}

/* ---- setting up ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

#define SET(option, value) (rc = rc != CURLE_OK ? rc : curl_easy_setopt(easy, (option), (value)))

static CURLcode set_tls(CURL *easy, const struct avow_http_request *rq)
{
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_PROTOCOLS_STR, rq->plain ? "http,https" : "https");
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (rq->ca_file) {
        SET(CURLOPT_CAINFO, rq->ca_file);
        SET(CURLOPT_CAPATH, NULL);
    }
    if (rq->cert_file) {
        SET(CURLOPT_SSLCERT, rq->cert_file);
        SET(CURLOPT_SSLKEY, rq->cert_file);
    }
    return rc;
}

static CURLcode set_limits(CURL *easy, const struct avow_http_request *rq)
{
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_TIMEOUT_MS, (long)(rq->timeout_ms ? rq->timeout_ms : AVOW_HTTP_TIMEOUT_MS));
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(rq->connect_ms ? rq->connect_ms : AVOW_HTTP_CONNECT_MS));
    if (rq->direct)
        SET(CURLOPT_NOPROXY, "*");
    return rc;
}

static CURLcode set_request(struct transfer *t)
{
    const struct avow_http_request *rq = t->rq;
    CURL *easy = t->easy;
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_URL, rq->url);
    SET(CURLOPT_HTTPHEADER, t->headers);
    SET(CURLOPT_USERAGENT, "avow");
    if (rq->body.data) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, rq->body.data);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body.len);
    }
    if (rq->method)
        SET(CURLOPT_CUSTOMREQUEST, rq->method);
    SET(CURLOPT_ERRORBUFFER, t->detail);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, t);
    return rc;
}

static int add_headers(struct transfer *t)
{
    for (const char *const *h = t->rq->headers; h && *h; h++) {
        struct curl_slist *more = curl_slist_append(t->headers, *h);

        if (!more)
            return AVOW_FAIL(t->err, NOMEM, "out of memory");
        t->headers = more;
    }
    return 0;
}

static int prepare(struct transfer *t)
{
    CURLcode rc = CURLE_OK;

    (void)pthread_once(&once, start_curl);
    t->easy = curl_easy_init();
    t->multi = curl_multi_init();
    if (!t->easy || !t->multi)
        return AVOW_FAIL(t->err, NOMEM, "out of memory");
    AVOW_TRY(add_headers(t));
    rc = set_tls(t->easy, t->rq);
    rc = rc == CURLE_OK ? set_limits(t->easy, t->rq) : rc;
    rc = rc == CURLE_OK ? set_request(t) : rc;
    if (rc != CURLE_OK || curl_multi_add_handle(t->multi, t->easy) != CURLM_OK)
        return AVOW_FAIL(t->err, SYSTEM, "%s: libcurl: %s", t->rq->url, curl_easy_strerror(rc));
    return 0;
}

/* ---- driving ---- */

static bool stopped(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return fd > 0 && poll(&p, 1, 0) > 0;
}

static int drive(struct transfer *t, CURLcode *result)
{
    struct curl_waitfd stop = { .fd = t->rq->stop_fd, .events = CURL_WAIT_POLLIN };
    int running = 1;

    while (running) {
        const CURLMsg *msg = NULL;
        int left = 0;

        if (stopped(t->rq->stop_fd))
            return AVOW_FAIL(t->err, CANCELLED, "interrupted");
        if (curl_multi_perform(t->multi, &running) != CURLM_OK)
            break;
        while ((msg = curl_multi_info_read(t->multi, &left)) != NULL)
            if (msg->msg == CURLMSG_DONE) {
                *result = msg->data.result;
                return 0;
            }
        if (running &&
            curl_multi_poll(t->multi, &stop, t->rq->stop_fd > 0 ? 1 : 0, POLL_MS, NULL) != CURLM_OK)
            break;
    }
    return AVOW_FAIL(t->err, SYSTEM, "%s: libcurl gave up", t->rq->url);
}

static int translate(const struct transfer *t, CURLcode rc)
{
    const char *text = t->detail[0] ? t->detail : curl_easy_strerror(rc);

    if (t->err->code)
        return -t->err->code; /* said by one of the callbacks */
    if (rc == CURLE_OPERATION_TIMEDOUT)
        return AVOW_FAIL(t->err, TIMEOUT, "%s: %s", t->rq->url, text);
    if (rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CACERT_BADFILE)
        return AVOW_FAIL(t->err, UNTRUSTED, "%s: %s", t->rq->url, text);
    if (rc == CURLE_URL_MALFORMAT || rc == CURLE_UNSUPPORTED_PROTOCOL)
        return AVOW_FAIL(t->err, FORMAT, "%s: %s", t->rq->url, text);
    if (rc == CURLE_OUT_OF_MEMORY)
        return AVOW_FAIL(t->err, NOMEM, "out of memory");
    if (rc == CURLE_WEIRD_SERVER_REPLY || rc == CURLE_HTTP2)
        return AVOW_FAIL(t->err, PROTOCOL, "%s: %s", t->rq->url, text);
    return AVOW_FAIL(t->err, NETWORK, "%s: %s", t->rq->url, text);
}

static int64_t retry_after(const struct avow_http_reply *r)
{
    avow_auto(avow_buf_done) struct avow_buf v = AVOW_BUF(64);
    char *end = NULL;
    long long s = 0;

    if (!avow_http_header(r, "retry-after", &v))
        return -1;
    s = strtoll(avow_buf_cstr(&v), &end, 10);
    if (!*end && s < 0) /* no form of it; "at once" would be the worst reading */
        return -1;
    if (*end || end == avow_buf_cstr(&v)) { /* the other form: a date (RFC 9110, 10.2.3) */
        time_t at = curl_getdate(avow_buf_cstr(&v), NULL);

        if (at < 0)
            return -1;
        s = at - time(NULL);
    }
    s = s < 0 ? 0 : s > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : s;
    return s * 1000;
}

int avow_http(const struct avow_http_request *rq, struct avow_http_reply *out,
              struct avow_error *err)
{
    struct avow_error own = { 0 };
    avow_auto(transfer_done) struct transfer t = { .rq = rq, .reply = out, .err = &own };
    CURLcode result = CURLE_OK;
    curl_off_t connected = 0;
    int rc = 0;

    *out = (struct avow_http_reply){ .body = AVOW_BUF(rq->body_max ? rq->body_max
                                                                   : AVOW_HTTP_REPLY_MAX),
                                     .headers = AVOW_BUF(AVOW_HTTP_REPLY_HEADERS_MAX),
                                     .retry_after_ms = -1 };
    rc = prepare(&t);
    if (rc == 0)
        rc = drive(&t, &result);
    if (t.easy && curl_easy_getinfo(t.easy, CURLINFO_CONNECT_TIME_T, &connected) == CURLE_OK)
        out->connected = connected > 0;
    if (rc == 0 && result != CURLE_OK)
        rc = translate(&t, result);
    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "%s", own.text);
    (void)curl_easy_getinfo(t.easy, CURLINFO_RESPONSE_CODE, &out->status);
    out->retry_after_ms = retry_after(out);
    return 0;
}

bool avow_http_header(const struct avow_http_reply *r, const char *name, struct avow_buf *out)
{
    const char *line = avow_buf_cstr(&r->headers);
    size_t n = strlen(name);

    while (*line) {
        const char *end = strchr(line, '\n');

        if (strncmp(line, name, n) == 0 && line[n] == ':') {
            for (line += n + 1; *line == ' ' || *line == '\t';)
                line++;
            return end && avow_buf_put(out, line, (size_t)(end - line)) == 0;
        }
        if (!end)
            return false;
        line = end + 1;
    }
    return false;
}

bool avow_http_transient(long status)
{
    return status == 408 || status == 425 || status == 429 || status == 500 || status == 502 ||
           status == 503 || status == 504;
}

int avow_url_host(const char *url, char *out, size_t size, struct avow_error *err)
{
    const char *from = strstr(url, "://");
    size_t n = from ? strcspn(from + 3, "/?#") : 0;

    if (!n)
        return AVOW_FAIL(err, FORMAT, "\"%s\" is no URL with a host", url);
    if (n >= size)
        return AVOW_FAIL(err, LIMIT, "\"%s\": a host of %zu bytes", url, n);
    memcpy(out, from + 3, n);
    out[n] = 0;
    return 0;
}
