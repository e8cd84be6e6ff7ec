#include "client/wire.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "codec/text.h"

#define POLL_MS 1000
#define URL_MAX 2048
#define KEEPALIVE_S 10L

/* What is known of the connection that the request now under way is about to use. */
struct connection {
    uint8_t exporter[32]; /* names the connection: no two TLS connections have the same */
    uint8_t server_spki[32];
    uint8_t nonce[32];       /* QUOTE */
    uint8_t ekm[32];         /* QUOTE */
    struct avow_key again;   /* QUOTE: the secret that later connections are tied to */
    uint8_t again_reply[32]; /* AGAIN: what the server has to answer */
};

struct avow_wire {
    CURL *easy;
    CURLM *multi;
    char *address;
    const struct avow_leaf *leaf;
    uint8_t own_spki[32];
    const atomic_bool *stop;

    bool pinned;
    uint8_t pin[32];
    bool attested;
    uint8_t attested_exporter[32];

    struct connection conn;
    const struct avow_wire_request *rq; /* under way */
    struct avow_wire_reply *reply;
    struct avow_error *err; /* of the request under way */
    char again_body[128];
    struct avow_bytes body;  /* what is left to send */
    struct avow_bytes whole; /* the body again from its start */
    bool released;           /* the request may be, or has been, sent */
    int sink_rc;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- the rule ---- */

/* Learn what the connection is. Every failure here means that nothing is sent. */
static int look(struct avow_wire *w, SSL *ssl)
{
    const struct avow_bytes none = { 0 };
    struct connection *c = &w->conn;

    memset(c, 0, sizeof *c);
    AVOW_TRY(avow_tls_check(ssl, AVOW_ALPN, w->err));
    AVOW_TRY(avow_tls_peer_spki(ssl, c->server_spki, w->err));
    if (w->pinned && !avow_ct_equal(c->server_spki, w->pin, 32))
        return AVOW_FAIL(w->err, AUTH,
                         "%s shows another key than the one that was attested a moment ago",
                         w->address);
    return avow_tls_export(ssl, AVOW_EXPORTER_CONNECTION, none, c->exporter, w->err);
}

static int prepare_quote(struct avow_wire *w, SSL *ssl)
{
    const struct avow_bytes none = { 0 };
    struct connection *c = &w->conn;

    memcpy(c->nonce, w->rq->nonce, 32);
    AVOW_TRY(avow_tls_channel_ekm(ssl, AVOW_ROLE_SERVER, c->nonce, c->server_spki, w->own_spki,
                                  c->ekm, w->err));
    return avow_tls_export(ssl, AVOW_EXPORTER_AGAIN, none, c->again.bytes, w->err);
}

static int prepare_again(struct avow_wire *w)
{
    struct connection *c = &w->conn;
    uint8_t mac[32];
    char hex[65];
    int n = 0;

    AVOW_TRY(avow_channel_again_mac(w->rq->again, AVOW_ROLE_CLIENT, c->exporter, mac));
    AVOW_TRY(avow_channel_again_mac(w->rq->again, AVOW_ROLE_SERVER, c->exporter, c->again_reply));
    avow_hex(AVOW_BYTES_OF(mac), hex);
    n = snprintf(w->again_body, sizeof w->again_body, "{\"mac\":\"%s\"}", hex);
    w->whole = w->body = AVOW_BYTES(w->again_body, (size_t)n);
    return 0;
}

/* 0 if the request under way may be sent on the connection behind @ssl. */
static int may_send(struct avow_wire *w, SSL *ssl)
{
    AVOW_TRY(look(w, ssl));
    switch (w->rq->kind) {
    case AVOW_WIRE_QUOTE:
        return prepare_quote(w, ssl);
    case AVOW_WIRE_AGAIN:
        return prepare_again(w);
    case AVOW_WIRE_HEALTH:
        return 0;
    case AVOW_WIRE_JOB:
        break;
    }
    if (w->attested && avow_ct_equal(w->conn.exporter, w->attested_exporter, 32))
        return 0;
    return AVOW_FAIL(w->err, CHANNEL, "the connection to %s is not the attested one", w->address);
}

static int before_request(void *arg, char *remote_ip, char *local_ip, int remote_port,
                          int local_port)
{
    struct avow_wire *w = arg;
    struct curl_tlssessioninfo *tls = NULL;

    (void)remote_ip;
    (void)local_ip;
    (void)remote_port;
    (void)local_port;
    if (curl_easy_getinfo(w->easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK || !tls ||
        tls->backend != CURLSSLBACKEND_OPENSSL || !tls->internals) {
        (void)AVOW_FAIL(w->err, PROTOCOL, "the connection to %s has no TLS", w->address);
        return CURL_PREREQFUNC_ABORT;
    }
    if (may_send(w, (SSL *)tls->internals) < 0)
        return CURL_PREREQFUNC_ABORT;
    w->released = true;
    return CURL_PREREQFUNC_OK;
}

/* ---- curl's other callbacks ---- */

static CURLcode setup_tls(CURL *easy, void *ssl_ctx, void *arg)
{
    struct avow_wire *w = arg;

    (void)easy;
    if (avow_tls_client_setup(ssl_ctx, w->leaf, AVOW_ALPN, w->err) < 0)
        return CURLE_SSL_CONNECT_ERROR;
    /* curl writes traffic keys to the file named by SSLKEYLOGFILE; ours go nowhere */
    SSL_CTX_set_keylog_callback(ssl_ctx, NULL);
    return CURLE_OK;
}

static size_t read_body(char *to, size_t size, size_t n, void *arg)
{
    struct avow_wire *w = arg;
    size_t len = size * n;

    if (len > w->body.len)
        len = w->body.len;
    if (len)
        memcpy(to, w->body.data, len);
    w->body = AVOW_BYTES(w->body.data + len, w->body.len - len);
    return len;
}

static int rewind_body(void *arg, curl_off_t offset, int origin)
{
    struct avow_wire *w = arg;

    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > w->whole.len)
        return CURL_SEEKFUNC_FAIL;
    w->body = AVOW_BYTES(w->whole.data + offset, w->whole.len - (size_t)offset);
    return CURL_SEEKFUNC_OK;
}

static size_t take_piece(char *from, size_t size, size_t n, void *arg)
{
    struct avow_wire *w = arg;
    struct avow_bytes piece = AVOW_BYTES(from, size * n);
    long status = 0;

    (void)curl_easy_getinfo(w->easy, CURLINFO_RESPONSE_CODE, &status);
    if (w->rq->sink && status == 200)
        w->sink_rc = w->rq->sink(w->rq->sink_ctx, piece);
    else if (avow_buf_put_bytes(&w->reply->body, piece) < 0)
        w->sink_rc = -AVOW_E_LIMIT;
    return w->sink_rc < 0 ? CURL_WRITEFUNC_ERROR : piece.len;
}

/* ---- set-up ---- */

#define SET(option, value) (rc = rc != CURLE_OK ? rc : curl_easy_setopt(easy, (option), (value)))

static CURLcode set_security(struct avow_wire *w)
{
    CURL *easy = w->easy;
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_PROTOCOLS_STR, "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* nor one from the environment */
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
    SET(CURLOPT_SSL_ENABLE_ALPN, 0L); /* set by setup_tls */
    SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
    /* off on purpose: leaves are self-signed; their digest and the attestation decide (may_send) */
    SET(CURLOPT_SSL_VERIFYPEER, 0L);
    SET(CURLOPT_SSL_VERIFYHOST, 0L);
    SET(CURLOPT_SSL_CTX_FUNCTION, setup_tls);
    SET(CURLOPT_SSL_CTX_DATA, w);
    SET(CURLOPT_PREREQFUNCTION, before_request);
    SET(CURLOPT_PREREQDATA, w);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    return rc;
}

static CURLcode set_transfer(struct avow_wire *w)
{
    CURL *easy = w->easy;
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)AVOW_WIRE_CONNECT_MS);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
    SET(CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_READFUNCTION, read_body);
    SET(CURLOPT_READDATA, w);
    SET(CURLOPT_SEEKFUNCTION, rewind_body);
    SET(CURLOPT_SEEKDATA, w);
    SET(CURLOPT_WRITEFUNCTION, take_piece);
    SET(CURLOPT_WRITEDATA, w);
    return rc;
}

int avow_wire_new(const char *address, const struct avow_leaf *leaf, const atomic_bool *stop,
                  struct avow_wire **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_wire) struct avow_wire *w = calloc(1, sizeof *w);

    (void)pthread_once(&once, init_curl);
    if (!w || !(w->address = strdup(address)) || !(w->easy = curl_easy_init()) ||
        !(w->multi = curl_multi_init()))
        return AVOW_FAIL(err, NOMEM, "out of memory");
    w->leaf = leaf;
    w->stop = stop;
    avow_leaf_spki(leaf, w->own_spki);
    if (set_security(w) != CURLE_OK || set_transfer(w) != CURLE_OK ||
        curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, 1L) != CURLM_OK)
        return AVOW_FAIL(err, UNSUPPORTED, "this libcurl lacks what avow needs (%s)",
                         curl_version());
    *out = avow_steal(&w);
    return 0;
}

void avow_wire_free(struct avow_wire *w)
{
    if (!w)
        return;
    curl_easy_cleanup(w->easy);
    curl_multi_cleanup(w->multi);
    free(w->address);
    avow_wipe(w, sizeof *w);
    free(w);
}

void avow_wire_pin(struct avow_wire *w, const uint8_t spki[32])
{
    memcpy(w->pin, spki, 32);
    w->pinned = true;
}

/* ---- one request ---- */

static const char *method_of(const struct avow_wire_request *rq)
{
    if (rq->kind == AVOW_WIRE_JOB)
        return rq->method;
    return rq->kind == AVOW_WIRE_HEALTH ? "GET" : "POST";
}

static const char *path_of(const struct avow_wire_request *rq)
{
    switch (rq->kind) {
    case AVOW_WIRE_QUOTE:
        return "/v1/attestation/quote";
    case AVOW_WIRE_AGAIN:
        return "/v1/attestation/again";
    case AVOW_WIRE_HEALTH:
        return "/v1/healthz";
    case AVOW_WIRE_JOB:
        break;
    }
    return rq->path;
}

/* The kinds that may go on an unattested connection say nothing but what is written here. */
static void choose_body(struct avow_wire *w)
{
    const struct avow_wire_request *rq = w->rq;
    char hex[65];
    int n = 0;

    w->whole = AVOW_BYTES("", 0);
    if (rq->kind == AVOW_WIRE_JOB) {
        w->whole = rq->body.data ? rq->body : AVOW_BYTES("", 0);
    } else if (rq->kind == AVOW_WIRE_QUOTE) {
        avow_hex(AVOW_BYTES_OF(rq->nonce), hex);
        n = snprintf(w->again_body, sizeof w->again_body, "{\"nonce\":\"%s\"}", hex);
        w->whole = AVOW_BYTES(w->again_body, (size_t)n);
    } else if (rq->kind == AVOW_WIRE_AGAIN) {
        /* its length is known now, its content only when the connection is: prepare_again */
        w->whole = AVOW_BYTES(w->again_body, strlen("{\"mac\":\"\"}") + 64);
    }
    w->body = w->whole;
}

static CURLcode set_request(struct avow_wire *w, struct curl_slist *headers)
{
    CURL *easy = w->easy;
    CURLcode rc = CURLE_OK;
    const char *method = method_of(w->rq);
    bool get = strcmp(method, "GET") == 0;
    bool put = strcmp(method, "PUT") == 0;
    curl_off_t len = (curl_off_t)w->whole.len;
    char url[URL_MAX];

    if (snprintf(url, sizeof url, "https://%s%s", w->address, path_of(w->rq)) >= (int)sizeof url)
        return CURLE_URL_MALFORMAT;
    SET(CURLOPT_URL, url);
    SET(CURLOPT_TIMEOUT_MS, (long)w->rq->timeout_ms);
    SET(CURLOPT_LOW_SPEED_LIMIT, w->rq->sink ? 1L : 0L);
    SET(CURLOPT_LOW_SPEED_TIME, w->rq->sink ? (long)AVOW_WIRE_SILENCE_S : 0L);
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_CUSTOMREQUEST, NULL);
    SET(CURLOPT_POSTFIELDS, NULL);
    if (get) {
        SET(CURLOPT_HTTPGET, 1L);
    } else if (put) {
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE, len);
    } else {
        SET(CURLOPT_UPLOAD, 0L);
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, len);
        if (strcmp(method, "POST") != 0)
            SET(CURLOPT_CUSTOMREQUEST, method);
    }
    return rc;
}

/* Drive the one transfer of the multi handle to its end, or until @stop. */
static CURLcode drive(struct avow_wire *w)
{
    int running = 1;

    while (running) {
        CURLMsg *msg = NULL;
        int left = 0;

        if (atomic_load_explicit(w->stop, memory_order_relaxed)) /* set before avow_wire_wake */
            return CURLE_ABORTED_BY_CALLBACK;
        if (curl_multi_perform(w->multi, &running) != CURLM_OK)
            return CURLE_FAILED_INIT;
        while ((msg = curl_multi_info_read(w->multi, &left)) != NULL)
            if (msg->msg == CURLMSG_DONE)
                return msg->data.result;
        if (running && curl_multi_poll(w->multi, NULL, 0, POLL_MS, NULL) != CURLM_OK)
            return CURLE_FAILED_INIT;
    }
    return CURLE_FAILED_INIT;
}

static int translate(struct avow_wire *w, CURLcode rc, const char *detail)
{
    const char *text = detail[0] ? detail : curl_easy_strerror(rc);

    if (w->err->code)
        return -w->err->code; /* said by one of the callbacks */
    if (w->sink_rc < 0)
        return AVOW_FAIL_CODE(w->err, w->sink_rc, "%s: reply not taken: %s", w->address,
                              avow_err_text(w->sink_rc));
    if (atomic_load_explicit(w->stop, memory_order_relaxed))
        return AVOW_FAIL(w->err, CANCELLED, "interrupted");
    if (rc == CURLE_OPERATION_TIMEDOUT)
        return AVOW_FAIL(w->err, TIMEOUT, "%s: %s", w->address, text);
    if (rc == CURLE_SSL_CONNECT_ERROR && !strstr(text, "reset") && !strstr(text, "SYSCALL"))
        return AVOW_FAIL(w->err, PROTOCOL, "%s: %s", w->address, text);
    if (rc == CURLE_OUT_OF_MEMORY)
        return AVOW_FAIL(w->err, NOMEM, "out of memory");
    if (rc == CURLE_UNSUPPORTED_PROTOCOL || rc == CURLE_WEIRD_SERVER_REPLY ||
        rc == CURLE_URL_MALFORMAT || rc == CURLE_FAILED_INIT)
        return AVOW_FAIL(w->err, PROTOCOL, "%s: %s", w->address, text);
    return AVOW_FAIL(w->err, NETWORK, "%s: %s", w->address, text);
}

static void cleanup_headers(struct curl_slist **h)
{
    curl_slist_free_all(*h);
}

static int transfer(struct avow_wire *w)
{
    avow_auto(cleanup_headers) struct curl_slist *headers = NULL;
    char detail[CURL_ERROR_SIZE] = "";
    CURLcode rc = CURLE_OK;
    long status = 0;

    /* "Expect:" - a part of 4 MiB is sent at once, not after a round trip */
    headers = curl_slist_append(NULL, "Expect:");
    if (headers)
        (void)curl_slist_append(headers, w->rq->raw ? "Content-Type: application/octet-stream"
                                                    : "Content-Type: application/json");
    (void)curl_easy_setopt(w->easy, CURLOPT_ERRORBUFFER, detail);
    rc = set_request(w, headers);
    if (rc == CURLE_OK && curl_multi_add_handle(w->multi, w->easy) != CURLM_OK)
        rc = CURLE_FAILED_INIT;
    if (rc == CURLE_OK) {
        rc = drive(w);
        (void)curl_easy_getinfo(w->easy, CURLINFO_RESPONSE_CODE, &status);
        (void)curl_multi_remove_handle(w->multi, w->easy);
    }
    (void)curl_easy_setopt(w->easy, CURLOPT_HTTPHEADER, NULL);
    (void)curl_easy_setopt(w->easy, CURLOPT_ERRORBUFFER, NULL);
    if (rc != CURLE_OK)
        return translate(w, rc, detail);
    w->reply->status = (int)status;
    return 0;
}

int avow_wire_do(struct avow_wire *w, const struct avow_wire_request *rq,
                 struct avow_wire_reply *reply, struct avow_error *err)
{
    struct avow_error inner = { 0 };
    int rc = 0;

    w->rq = rq;
    w->reply = reply;
    w->err = &inner; /* empty, whatever the caller's holds: callbacks and translate look at it */
    w->released = false;
    w->sink_rc = 0;
    reply->status = 0;
    avow_buf_reset(&reply->body);
    choose_body(w);
    rc = transfer(w);
    if (rc < 0 && err && !err->code)
        *err = inner;
    w->rq = NULL;
    w->reply = NULL;
    w->err = NULL;
    return rc;
}

bool avow_wire_unsent(const struct avow_wire *w)
{
    return !w->released;
}

/* ---- what the last request's connection was ---- */

int avow_wire_statement(const struct avow_wire *w, struct avow_buf *out, struct avow_error *err)
{
    const struct connection *c = &w->conn;

    return avow_channel_statement(AVOW_ROLE_SERVER, c->nonce, c->ekm, c->server_spki, w->own_spki,
                                  out, err);
}

const uint8_t *avow_wire_server_spki(const struct avow_wire *w)
{
    return w->conn.server_spki;
}

const struct avow_key *avow_wire_again_key(const struct avow_wire *w)
{
    return &w->conn.again;
}

int avow_wire_check_again(const struct avow_wire *w, const uint8_t mac[32], struct avow_error *err)
{
    if (!avow_ct_equal(mac, w->conn.again_reply, 32))
        return AVOW_FAIL(err, AUTH, "%s does not hold the secret of the attested connection",
                         w->address);
    return 0;
}

void avow_wire_attested(struct avow_wire *w)
{
    memcpy(w->attested_exporter, w->conn.exporter, 32);
    w->attested = true;
}

void avow_wire_sleep(struct avow_wire *w, uint32_t ms)
{
    struct timespec start;
    struct timespec now;
    uint32_t passed = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    while (passed < ms && !atomic_load_explicit(w->stop, memory_order_relaxed)) {
        (void)curl_multi_poll(w->multi, NULL, 0, (int)(ms - passed), NULL);
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        passed = (uint32_t)((now.tv_sec - start.tv_sec) * 1000 +
                            (now.tv_nsec - start.tv_nsec) / 1000000);
    }
}

void avow_wire_wake(struct avow_wire *w)
{
    (void)curl_multi_wakeup(w->multi);
}
