/*
 * How long avow-verifier takes for a request, end to end over loopback, against what of it nobody
 * can leave out: verifying the evidence (its endorsements known) and one RS256 signature, both bare
 * and in the same run; then how many requests a second many connections get. Prints one JSON line.
 * Usage: bench_verifier PORT REQUEST.json ROOTS.pem [ROUNDS [CONNECTIONS [SECONDS]]]
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "crypto/signer.h"
#include "maa/verify.h"

#define ROUNDS 2000
#define ROUNDS_MAX 100000
#define CONNECTIONS 64
#define CONNECTIONS_MAX 1024
#define SECONDS 5
#define REPLY_MAX 65536
#define TIMEOUT_S 30
#define CACHE_ENTRIES 512

static struct avow_buf http = AVOW_BUF(2 << 20); /* the whole request */
static SSL_CTX *tls;
static uint16_t port;
static atomic_bool stop;

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double quantile(double *v, size_t n, double q)
{
    qsort(v, n, sizeof *v, compare);
    return v[(size_t)(q * (double)(n - 1))];
}

static void die(const char *what)
{
    fprintf(stderr, "bench_verifier: %s\n", what);
    exit(1);
}

static void read_file(const char *path, struct avow_buf *out)
{
    FILE *f = fopen(path, "rb");
    uint8_t chunk[4096];
    size_t n = 0;

    if (!f)
        die(path);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        avow_buf_put(out, chunk, n);
    fclose(f);
    if (avow_buf_ok(out, NULL) < 0)
        die(path);
}

/* ---- bare ---- */

static double bare_verify(struct avow_bytes body, struct avow_bytes roots, double *times, size_t n)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request rq = { 0 };
    avow_auto(avow_cleanup_verify_cache) struct avow_verify_cache *cache = NULL;
    avow_autofree struct avow_claims *claims = calloc(1, sizeof *claims);
    struct avow_anchors anchors;
    struct avow_error err = { 0 };

    avow_anchors_builtin(&anchors);
    if (!claims || avow_anchors_add_simulated(&anchors, roots, &err) < 0 ||
        avow_verify_cache_new(CACHE_ENTRIES, &cache, &err) < 0 ||
        avow_maa_request_parse(AVOW_MAA_SEVSNPVM, body, &rq, &err) < 0)
        die(err.text);
    for (size_t i = 0; i < n; i++) {
        double began = now_us();

        if (avow_maa_verify(&rq, &anchors, (int64_t)time(NULL), cache, claims, &err) < 0 ||
            !claims->authentic)
            die("the evidence is not authentic");
        times[i] = now_us() - began;
    }
    return quantile(times, n, 0.5);
}

static double bare_sign(double *times, size_t n)
{
    avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;
    uint8_t message[3000] = { 0 };
    struct avow_error err = { 0 };

    if (avow_signer_new(AVOW_SIGNER_RSA2048, &key, &err) < 0)
        die(err.text);
    for (size_t i = 0; i < n; i++) {
        avow_auto(avow_buf_done) struct avow_buf sig = AVOW_BUF(512);
        double began = now_us();

        if (avow_signer_rs256(key, AVOW_BYTES_OF(message), &sig, &err) < 0)
            die(err.text);
        times[i] = now_us() - began;
    }
    return quantile(times, n, 0.5);
}

/* ---- over loopback ---- */

static SSL *connect_to(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    const struct timeval wait = { .tv_sec = TIMEOUT_S };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    SSL *ssl = SSL_new(tls);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || !ssl || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        connect(fd, (struct sockaddr *)&a, sizeof a) != 0 || SSL_set_fd(ssl, fd) != 1 ||
        SSL_connect(ssl) != 1)
        die("cannot connect");
    return ssl;
}

static void hang_up(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);

    SSL_free(ssl);
    close(fd);
}

static void ask(SSL *ssl)
{
    char reply[REPLY_MAX];
    size_t len = 0;
    size_t want = 0;

    if (SSL_write(ssl, http.data, (int)http.len) != (int)http.len)
        die("cannot write");
    while (!want || len < want) {
        const char *end = NULL;
        int n = SSL_read(ssl, reply + len, (int)(sizeof reply - 1 - len));

        if (n <= 0)
            die("cannot read");
        len += (size_t)n;
        reply[len] = '\0';
        end = want ? NULL : strstr(reply, "\r\n\r\n");
        if (end) {
            const char *length = strcasestr(reply, "\r\nContent-Length:");

            if (strncmp(reply, "HTTP/1.1 200", 12) != 0 || !length)
                die(reply);
            want = (size_t)(end - reply) + 4 + strtoul(length + 17, NULL, 10);
        }
    }
}

static void *hammer(void *arg)
{
    size_t *n = arg;
    SSL *ssl = connect_to();

    while (!atomic_load(&stop)) {
        ask(ssl);
        (*n)++;
    }
    hang_up(ssl);
    return NULL;
}

static double throughput(size_t connections, unsigned seconds)
{
    static size_t counts[CONNECTIONS_MAX];
    pthread_t threads[CONNECTIONS_MAX];
    const struct timespec wait = { .tv_sec = seconds };
    double began = now_us();
    size_t all = 0;

    for (size_t i = 0; i < connections; i++)
        if (pthread_create(&threads[i], NULL, hammer, &counts[i]) != 0)
            die("no thread");
    nanosleep(&wait, NULL); /* how long it is measured */
    atomic_store(&stop, true);
    for (size_t i = 0; i < connections; i++) {
        pthread_join(threads[i], NULL);
        all += counts[i];
    }
    return (double)all / (now_us() - began) * 1e6;
}

static void make_http(struct avow_bytes body)
{
    avow_buf_putf(&http,
                  "POST /attest/SevSnpVm?api-version=2025-06-01 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                  "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                  body.len);
    avow_buf_put_bytes(&http, body);
    if (avow_buf_ok(&http, NULL) < 0)
        die("the request is too long");
}

int main(int argc, char **argv)
{
    avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(1 << 20);
    avow_auto(avow_buf_done) struct avow_buf roots = AVOW_BUF(1 << 20);
    size_t rounds = argc > 4 ? strtoul(argv[4], NULL, 10) : ROUNDS;
    size_t connections = argc > 5 ? strtoul(argv[5], NULL, 10) : CONNECTIONS;
    unsigned seconds = argc > 6 ? (unsigned)strtoul(argv[6], NULL, 10) : SECONDS;
    double *times = calloc(ROUNDS_MAX, sizeof *times);
    double verify = 0, sign = 0, median = 0, p99 = 0;
    SSL *ssl = NULL;

    if (argc < 4 || !times || rounds == 0 || rounds > ROUNDS_MAX || connections == 0 ||
        connections > CONNECTIONS_MAX)
        die("usage: bench_verifier PORT REQUEST.json ROOTS.pem [ROUNDS [CONNECTIONS [SECONDS]]]");
    port = (uint16_t)strtoul(argv[1], NULL, 10);
    read_file(argv[2], &body);
    read_file(argv[3], &roots);
    make_http(avow_buf_view(&body));
    tls = SSL_CTX_new(TLS_client_method());
    ssl = tls ? connect_to() : NULL;
    if (!ssl)
        die("no TLS");
    for (size_t i = 0; i < 20; i++)
        ask(ssl); /* endorsements become known */
    for (size_t i = 0; i < rounds; i++) {
        double began = now_us();

        ask(ssl);
        times[i] = now_us() - began;
    }
    median = quantile(times, rounds, 0.5);
    p99 = quantile(times, rounds, 0.99);
    hang_up(ssl);
    verify = bare_verify(avow_buf_view(&body), avow_buf_view(&roots), times, rounds);
    sign = bare_sign(times, rounds);
    printf("{\"request_us\":%.1f,\"request_p99_us\":%.1f,\"verify_us\":%.1f,\"sign_us\":%.1f,"
           "\"per_second\":%.0f,\"connections\":%zu}\n",
           median, p99, verify, sign, throughput(connections, seconds), connections);
    SSL_CTX_free(tls);
    avow_buf_done(&http);
    free(times);
    return 0;
}
