/* IMDS, with a server that answers with what Azure's answered. */
#include "source/imds.h"

#include "../net/server.h"
#include "codec/json.h"
#include "codec/text.h"

static const char not_found[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
static const char busy[] = "HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\n\r\n";
static const char moved[] = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                            "Content-Length: 0\r\n\r\n";

static char *reply_of(const char *text)
{
    char *reply = NULL;

    assert_true(asprintf(&reply, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(text),
                         text) > 0);
    return reply;
}

static int certs(struct server *s, unsigned wait_ms, struct avow_bundle *out,
                 struct avow_error *err)
{
    struct patience p = patience_for(wait_ms);
    char base[128];
    int rc = 0;

    server_start(s);
    server_url(s, "", base);
    rc = imds_amd_certs(base, &p, out, err);
    server_stop(s);
    return rc;
}

/* A reply of Azure's THIM to a real Milan: the leaf, ASK and ARK. */
static void test_captured_certs(void **state)
{
    char path[4096];
    avow_autofree char *text = NULL;
    avow_autofree char *reply = NULL;
    size_t n = 0;
    struct server s = { 0 };
    struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    snprintf(path, sizeof path, "%s/azure-thim/sidecar-milan-v2/uvm_host_amd_certificate.json",
             test_vectors());
    text = (char *)test_read_file(path, &n);
    assert_non_null(text);
    reply = reply_of(text);
    s.replies[0] = busy; /* and asked again */
    s.replies[1] = reply;
    if (certs(&s, 0, &b, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(b.n_certs, 3);
    assert_non_null(strstr(s.seen, "GET /metadata/THIM/amd/certification HTTP/1.1"));
    assert_non_null(strstr(s.seen, "Metadata: true"));
    avow_bundle_done(&b);
}

static void test_bad_certs(void **state)
{
    static const struct {
        const char *json;
        int code;
    } cases[] = {
        { "{}", AVOW_E_FORMAT },
        { "[]", AVOW_E_FORMAT },
        { "not JSON", AVOW_E_FORMAT },
        { "{\"vcekCert\":\"no PEM\",\"certificateChain\":\"\"}", AVOW_E_FORMAT },
        { "{\"vcekCert\":7,\"certificateChain\":\"\"}", AVOW_E_FORMAT },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        avow_autofree char *reply = reply_of(cases[i].json);
        struct server s = { .replies = { reply } };
        struct avow_bundle b = { 0 };
        struct avow_error err = { 0 };
        int rc = certs(&s, 0, &b, &err);

        if (rc != -cases[i].code || !strstr(err.text, "IMDS"))
            fail_msg("case %zu: %d \"%s\"", i, rc, err.text);
        avow_bundle_done(&b);
    }
}

static void test_bad_servers(void **state)
{
    struct server none = { .replies = { not_found } };
    struct server redirects = { .replies = { moved } };
    struct server floods = { .replies = { "HTTP/1.1 200 OK\r\n\r\n" }, .flood = 1u << 20 };
    struct server always_busy = { .replies = { busy, busy, busy, busy, busy, busy } };
    struct patience p = patience_for(0);
    struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(certs(&none, 0, &b, &err), -AVOW_E_REFUSED);
    assert_non_null(strstr(err.text, "confidential VM of Azure"));
    assert_int_equal(certs(&redirects, 0, &b, NULL), -AVOW_E_REFUSED); /* never followed */
    assert_int_equal(certs(&floods, 0, &b, NULL), -AVOW_E_LIMIT);
    assert_int_equal(certs(&always_busy, 0, &b, NULL), -AVOW_E_REFUSED);
    assert_int_equal(imds_amd_certs("http://127.0.0.1:1", &p, &b, NULL), -AVOW_E_NETWORK);
    p = patience_for(1);
    (void)usleep(3000);
    assert_int_equal(imds_amd_certs("http://127.0.0.1:1", &p, &b, NULL), -AVOW_E_TIMEOUT);
    assert_int_equal(b.n_certs, 0);
}

static int quote(const char *text, struct avow_bytes tdreport, struct avow_buf *out,
                 struct server *s)
{
    struct patience p = patience_for(0);
    avow_autofree char *reply = reply_of(text);
    char base[128];
    int rc = 0;

    *s = (struct server){ .replies = { reply } };
    server_start(s);
    server_url(s, "", base);
    rc = imds_td_quote(base, tdreport, &p, out, NULL);
    server_stop(s);
    return rc;
}

static void test_quotes(void **state)
{
    uint8_t tdreport[1024] = { 0x81, 0xFB, 0xFF };
    struct avow_buf got = AVOW_BUF(64);
    struct server s;

    (void)state;
    assert_int_equal(quote("{\"quote\":\"YSBxdW90ZQ\"}", AVOW_BYTES_OF(tdreport), &got, &s), 0);
    assert_string_equal(avow_buf_cstr(&got), "a quote");
    assert_non_null(strstr(s.seen, "POST /acc/tdquote HTTP/1.1"));
    assert_non_null(strstr(s.seen, "Content-Type: application/json"));
    assert_non_null(strstr(s.seen, "{\"report\":\"gfv_AAAA")); /* base64url */
    avow_buf_reset(&got);
    assert_int_equal(quote("{\"quote\":\"YSBxdW90ZQ==\"}", AVOW_BYTES_OF(tdreport), &got, &s), 0);
    assert_int_equal(quote("{\"quote\":\"YS+/\"}", AVOW_BYTES_OF(tdreport), &got, &s),
                     -AVOW_E_FORMAT);
    assert_int_equal(quote("{\"error\":\"no\"}", AVOW_BYTES_OF(tdreport), &got, &s),
                     -AVOW_E_FORMAT);
    avow_buf_done(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captured_certs),
        cmocka_unit_test(test_bad_certs),
        cmocka_unit_test(test_bad_servers),
        cmocka_unit_test(test_quotes),
    };

    return cmocka_run_group_tests_name("source/imds", tests, NULL, NULL);
}
