/* What evidence needs, fetched from a server on loopback that has the vendors' real bytes. */
#include "store/fetch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "store_maker.h"

#define TDX "coco-v5-90c06f"
#define TDX_NOW 1774995607
#define MILAN "milan-v3-vcek-oak-40a277"
#define MILAN_V2 "milan-v2-vcek-automata-597d1f"
#define FILES_MAX 8

/* Answers a path that contains ->mark with the file, all others with 404. */
struct vendor {
    int listener;
    int port;
    pthread_t thread;
    struct {
        const char *mark;
        uint8_t *data; /* owned */
        size_t len;
        const char *header; /* or NULL */
    } files[FILES_MAX];
    size_t n;
    atomic_int asked, found;
    atomic_int busy; /* answer 503 as often */
};

static void serve_one(struct vendor *v, int fd)
{
    char rq[4096];
    size_t n = 0;

    while (n + 1 < sizeof rq) {
        ssize_t got = read(fd, rq + n, sizeof rq - 1 - n);

        if (got <= 0)
            return;
        n += (size_t)got;
        rq[n] = 0;
        if (strstr(rq, "\r\n\r\n"))
            break;
    }
    atomic_fetch_add(&v->asked, 1);
    if (atomic_load(&v->busy) > 0) {
        atomic_fetch_sub(&v->busy, 1);
        (void)dprintf(fd, "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    for (size_t i = 0; i < v->n; i++)
        if (strstr(rq, v->files[i].mark)) {
            (void)dprintf(fd,
                          "HTTP/1.1 200 OK\r\nConnection: close\r\n%s%sContent-Length: %zu\r\n\r\n",
                          v->files[i].header ? v->files[i].header : "",
                          v->files[i].header ? "\r\n" : "", v->files[i].len);
            (void)!write(fd, v->files[i].data, v->files[i].len);
            atomic_fetch_add(&v->found, 1);
            return;
        }
    (void)dprintf(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

static void *serve(void *arg)
{
    struct vendor *v = arg;

    for (;;) {
        int fd = accept(v->listener, NULL, NULL);

        if (fd < 0)
            return NULL;
        serve_one(v, fd);
        close(fd);
    }
}

static void vendor_start(struct vendor *v)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;

    v->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(v->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(v->listener, 16), 0);
    assert_int_equal(getsockname(v->listener, (struct sockaddr *)&a, &len), 0);
    v->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&v->thread, NULL, serve, v), 0);
}

static void vendor_stop(struct vendor *v)
{
    (void)shutdown(v->listener, SHUT_RDWR);
    (void)pthread_join(v->thread, NULL);
    (void)close(v->listener);
    for (size_t i = 0; i < v->n; i++)
        free(v->files[i].data);
}

static void vendor_has(struct vendor *v, const char *mark, const char *class, const char *dir,
                       const char *file)
{
    v->files[v->n].mark = mark;
    v->files[v->n].data = test_vector(class, dir, file, &v->files[v->n].len);
    assert_non_null(v->files[v->n].data);
    v->n++;
}

struct settled {
    int n[4];
    char why[AVOW_ERROR_TEXT_MAX];
};

static void settled(void *ctx, const struct avow_want *w, enum avow_fetch_state state,
                    const struct avow_error *why)
{
    struct settled *s = ctx;

    (void)w;
    s->n[state]++;
    if (why)
        (void)snprintf(s->why, sizeof s->why, "%s", why->text);
}

static int fetch(struct made *m, const struct vendor *v, const struct avow_bundle *b, int64_t now,
                 uint32_t kds_interval_ms, struct settled *s)
{
    avow_auto(avow_cleanup_wants) struct avow_wants *wants = NULL;
    char url[64];
    struct avow_fetch f = { .store = m->store,
                            .vendors = { .kds = url, .pcs = url },
                            .now = now,
                            .kds_interval_ms = kds_interval_ms,
                            .tries = 3,
                            .settled = settled,
                            .ctx = s };
    struct avow_need need = { 0 };
    struct avow_error err = { 0 };

    *s = (struct settled){ 0 };
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", v->port);
    assert_int_equal(avow_need_of(b, &need, &err), 0);
    assert_int_equal(avow_wants_new(&wants, &err), 0);
    if (avow_wants_add_need(wants, &f.vendors, &need, true, &err) < 0)
        fail_msg("%s", err.text);
    return avow_fetch(&f, wants, &err);
}

static void a_vcek_is_fetched_once(void **state)
{
    struct vendor v = { 0 };
    struct made m = { 0 };
    struct settled s;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    made_new(&m);
    vendor_has(&v, "/vcek/v1/Milan/", "snp", MILAN, "vcek.der");
    vendor_start(&v);
    atomic_store(&v.busy, 2);
    made_evidence(&b, AVOW_TEE_SNP, "snp", MILAN, "report.bin");
    assert_int_equal(fetch(&m, &v, &b, NOW, 0, &s), 0);
    assert_int_equal(s.n[AVOW_FETCH_BROUGHT], 1);
    assert_int_equal(atomic_load(&v.asked), 3); /* twice busy */
    assert_int_equal(fetch(&m, &v, &b, NOW, 0, &s), 0);
    assert_int_equal(s.n[AVOW_FETCH_PRESENT], 1);
    assert_int_equal(atomic_load(&v.asked), 3);
    assert_int_equal(avow_store_complete(m.store, NOW, &b, NULL), 0);
    assert_int_equal(b.n_certs, 1);
    vendor_stop(&v);
    made_done(&m);
}

/* A version 2 report does not say whether it is of Milan or Genoa: who does not know it says so. */
static void the_other_product_line_is_asked(void **state)
{
    struct vendor v = { 0 };
    struct made m = { 0 };
    struct settled s;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    made_new(&m);
    vendor_has(&v, "/vcek/v1/Genoa/", "snp", MILAN_V2, "vcek.der");
    vendor_start(&v);
    made_evidence(&b, AVOW_TEE_SNP, "snp", MILAN_V2, "report.bin");
    assert_int_equal(fetch(&m, &v, &b, NOW, 0, &s), 0);
    assert_int_equal(s.n[AVOW_FETCH_BROUGHT], 1);
    assert_int_equal(atomic_load(&v.asked), 2);
    vendor_stop(&v);
    made_done(&m);
}

static void another_chips_certificate_is_refused(void **state)
{
    struct vendor v = { 0 };
    struct made m = { 0 };
    struct settled s;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    made_new(&m);
    vendor_has(&v, "/vcek/v1/Milan/", "snp", "milan-v3-vcek-dstack-a20e02", "vcek.der");
    vendor_start(&v);
    made_evidence(&b, AVOW_TEE_SNP, "snp", MILAN, "report.bin");
    assert_int_equal(fetch(&m, &v, &b, NOW, 0, &s), -AVOW_E_PROTOCOL);
    assert_int_equal(s.n[AVOW_FETCH_FAILED], 1);
    assert_non_null(strstr(s.why, "not the VCEK"));
    assert_int_equal(avow_store_complete(m.store, NOW, &b, NULL), 0);
    assert_int_equal(b.n_certs, 0); /* nothing was kept */
    vendor_stop(&v);
    made_done(&m);
}

/* The chain comes URL-encoded in a header. */
static char *chain_header(const char *name)
{
    size_t n = 0;
    avow_autofree uint8_t *pem = test_vector("tdx", TDX, "tcb_signing_chain.pem", &n);
    char *out = calloc(1, 3 * n + 64);
    size_t at = 0;

    assert_non_null(pem);
    assert_non_null(out);
    at = (size_t)snprintf(out, 64, "%s", name);
    for (size_t i = 0; i < n; i++)
        if ((pem[i] >= 'A' && pem[i] <= 'Z') || (pem[i] >= 'a' && pem[i] <= 'z') ||
            (pem[i] >= '0' && pem[i] <= '9') || pem[i] == '-')
            out[at++] = (char)pem[i];
        else
            at += (size_t)snprintf(out + at, 4, "%%%02X", pem[i]);
    return out;
}

static void what_a_quote_needs(void **state)
{
    struct vendor v = { 0 };
    struct made m = { 0 };
    struct settled s;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    avow_autofree char *header = NULL;
    size_t signers = 0;

    (void)state;
    if (!test_vectors())
        skip();
    header = chain_header("TCB-Info-Issuer-Chain: ");
    made_new(&m);
    vendor_has(&v, "/tdx/certification/v4/tcb?fmspc=90c06f000000", "tdx", TDX, "tcb_info.json");
    v.files[0].header = header;
    vendor_has(&v, "/tdx/certification/v4/qe/identity", "tdx", TDX, "qe_identity.json");
    vendor_has(&v, "/sgx/certification/v4/pckcrl?ca=platform", "tdx", TDX, "pck_crl.der");
    vendor_has(&v, "/sgx/certification/v4/rootcacrl", "tdx", TDX, "root_ca_crl.der");
    vendor_start(&v);
    made_evidence(&b, AVOW_TEE_TDX, "tdx", TDX, "quote.bin");
    assert_int_equal(fetch(&m, &v, &b, TDX_NOW, 0, &s), 0);
    assert_int_equal(s.n[AVOW_FETCH_BROUGHT], 4);
    assert_int_equal(avow_store_complete(m.store, TDX_NOW, &b, NULL), 0);
    assert_true(b.tcb_info.len && b.qe_identity.len);
    assert_int_equal(b.n_crls, 2);
    for (size_t i = 0; i < b.n_certs; i++) {
        avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;

        assert_int_equal(avow_cert_parse(b.certs[i], &c, NULL), 0);
        signers += strcmp(avow_cert_subject_cn(c), "Intel SGX TCB Signing") == 0;
    }
    assert_int_equal(signers, 1);
    /* later, the cache that answers still has what it had */
    assert_int_equal(fetch(&m, &v, &b, TDX_NOW + 366 * 86400, 0, &s), 0);
    assert_int_equal(s.n[AVOW_FETCH_STALE], 4);
    vendor_stop(&v);
    made_done(&m);
}

static void one_missing_document_does_not_stop_the_rest(void **state)
{
    struct vendor v = { 0 };
    struct made m = { 0 };
    struct settled s;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    made_new(&m);
    vendor_has(&v, "/tdx/certification/v4/qe/identity", "tdx", TDX, "qe_identity.json");
    vendor_start(&v);
    made_evidence(&b, AVOW_TEE_TDX, "tdx", TDX, "quote.bin");
    assert_int_equal(fetch(&m, &v, &b, TDX_NOW, 0, &s), -AVOW_E_NOTFOUND);
    assert_int_equal(s.n[AVOW_FETCH_BROUGHT], 1);
    assert_int_equal(s.n[AVOW_FETCH_FAILED], 3);
    vendor_stop(&v);
    made_done(&m);
}

/* AMD's pace holds for requests of a second kind too, and none that failed to connect counts. */
static void a_server_that_is_down_is_asked_once(void **state)
{
    struct vendor v = { .port = 1 };
    struct made m = { 0 };
    struct settled s;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    made_new(&m);
    made_evidence(&b, AVOW_TEE_TDX, "tdx", TDX, "quote.bin");
    assert_int_equal(fetch(&m, &v, &b, TDX_NOW, 600000, &s), -AVOW_E_NETWORK);
    assert_int_equal(s.n[AVOW_FETCH_FAILED], 4);
    assert_non_null(strstr(s.why, "not asked"));
    avow_bundle_done(&b);
    made_evidence(&b, AVOW_TEE_SNP, "snp", MILAN, "report.bin");
    assert_int_equal(fetch(&m, &v, &b, NOW, 600000, &s), -AVOW_E_NETWORK); /* at once */
    assert_int_equal(s.n[AVOW_FETCH_FAILED], 1);
    made_done(&m);
}

static void what_nobody_gives(void **state)
{
    avow_auto(avow_cleanup_wants) struct avow_wants *wants = NULL;
    struct avow_vendors v = { 0 };
    struct avow_need need = { .hardware = AVOW_TEE_SNP, .n_products = 1, .products = { "Milan" } };
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(avow_wants_new(&wants, NULL), 0);
    need.vlek = true;
    assert_int_equal(avow_wants_add_need(wants, &v, &need, true, &err), -AVOW_E_MISSING);
    assert_non_null(strstr(err.text, "provider"));
    need.vlek = false;
    need.masked = true;
    assert_int_equal(avow_wants_add_need(wants, &v, &need, true, NULL), -AVOW_E_MISSING);
    need = (struct avow_need){ .hardware = AVOW_TEE_TDX };
    assert_int_equal(avow_wants_add_need(wants, &v, &need, true, NULL), -AVOW_E_MISSING);
    assert_int_equal(avow_wants_count(wants), 0);
    assert_int_equal(avow_wants_add_product(wants, &v, "Milan", NULL), 0);
    assert_int_equal(avow_wants_add_product(wants, &v, "Milan", NULL), 0); /* once */
    assert_int_equal(avow_wants_count(wants), 1);
}

static void renewals(void **state)
{
    avow_auto(avow_cleanup_wants) struct avow_wants *wants = NULL;
    struct avow_vendors v = { 0 };
    struct made m = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    made_new(&m);
    made_put(&m, AVOW_ITEM_CERT, "snp", MILAN, "vcek.der");
    made_put(&m, AVOW_ITEM_TCB_INFO, "tdx", TDX, "tcb_info.json");
    made_put(&m, AVOW_ITEM_CRL, "tdx", TDX, "pck_crl.der");
    made_put(&m, AVOW_ITEM_CRL, "tdx", TDX, "root_ca_crl.der");
    assert_int_equal(avow_wants_new(&wants, NULL), 0);
    assert_int_equal(avow_wants_add_renewals(wants, &v, m.store, NULL), 0);
    assert_int_equal(avow_wants_count(wants), 3); /* a chip's certificate is for ever */
    made_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vcek_is_fetched_once),
        cmocka_unit_test(the_other_product_line_is_asked),
        cmocka_unit_test(another_chips_certificate_is_refused),
        cmocka_unit_test(what_a_quote_needs),
        cmocka_unit_test(one_missing_document_does_not_stop_the_rest),
        cmocka_unit_test(a_server_that_is_down_is_asked_once),
        cmocka_unit_test(what_nobody_gives),
        cmocka_unit_test(renewals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
