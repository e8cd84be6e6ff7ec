/*
 * The fabric on one machine, medians: sealing and opening of records with each engine; then one
 * socket between two nodes (network namespaces, two brokers, the shim) against a plain one over
 * loopback, which is what both run on. Usage: bench_fabric SHIM
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fabric/record.h"
#include "two_nodes.h"

#define PORT 5000
#define ROUNDS 21
#define LATENCY_STEPS 2000
#define BULK_BYTES (64u << 20)
#define BULK_STEP (1u << 20)
#define LIMIT_MS 60000

static double now_s(void)
{
    struct timespec t = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return (*x > *y) - (*x < *y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_value);
    return v[n / 2];
}

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

/* ---- records ---- */

static void bench_records(enum avow_gcm_engine engine, const char *name)
{
    static const struct avow_key key = { { 1 } };
    static uint8_t plain[AVOW_RECORD_MAX];
    static uint8_t wire[AVOW_RECORD_MAX + AVOW_RECORD_OVERHEAD];
    const size_t sizes[] = { 64, 1024, 16384, 65536 };

    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        struct avow_bytes part = AVOW_BYTES(plain, sizes[k]);
        size_t n = (16u << 20) / (sizes[k] + 1000);
        double both[ROUNDS];
        double seal[ROUNDS];

        for (int i = 0; i < ROUNDS; i++) {
            struct avow_record tx = { 0 };
            struct avow_record rx = { 0 };
            double sealing = 0;
            double began = 0;
            size_t len = 0;

            if (avow_record_init(&tx, engine, &key, AVOW_RECORD_REKEY) < 0 ||
                avow_record_init(&rx, engine, &key, AVOW_RECORD_REKEY) < 0) {
                printf("%-9s not here\n", name);
                return;
            }
            began = now_s();
            for (size_t j = 0; j < n; j++)
                must(avow_record_seal(&tx, &part, 1, wire, &len) == 0, "seal");
            sealing = now_s() - began;
            avow_record_done(&tx);
            must(avow_record_init(&tx, engine, &key, AVOW_RECORD_REKEY) == 0, "init");
            began = now_s();
            for (size_t j = 0; j < n; j++) {
                must(avow_record_seal(&tx, &part, 1, wire, &len) == 0, "seal");
                must(avow_record_open(&rx, AVOW_BYTES(wire, len), plain) == 0, "open");
            }
            both[i] = (now_s() - began) / (double)n;
            seal[i] = sealing / (double)n;
            avow_record_done(&tx);
            avow_record_done(&rx);
        }
        {
            double s = median(seal, ROUNDS);
            double b = median(both, ROUNDS);

            printf("%-9s %6zu B  seal %8.3f us %6.2f GB/s   seal and open %8.3f us\n", name,
                   sizes[k], s * 1e6, (double)sizes[k] / s * 1e-9, b * 1e6);
        }
    }
}

/* ---- sockets ---- */

static void send_all(int s, const uint8_t *p, size_t n)
{
    while (n) {
        ssize_t k = write(s, p, n);

        must(k > 0, "write");
        p += k;
        n -= (size_t)k;
    }
}

static void recv_all(int s, uint8_t *p, size_t n)
{
    while (n) {
        ssize_t k = read(s, p, n);

        must(k > 0, "read");
        p += k;
        n -= (size_t)k;
    }
}

static void serve(int s)
{
    static uint8_t buf[BULK_STEP];

    for (;;) {
        uint32_t size = 0;

        recv_all(s, (uint8_t *)&size, sizeof size);
        if (size == 0)
            return;
        if (size < BULK_STEP) {
            for (int i = 0; i < LATENCY_STEPS; i++) {
                recv_all(s, buf, size);
                send_all(s, buf, size);
            }
            continue;
        }
        for (size_t got = 0; got < BULK_BYTES; got += BULK_STEP)
            recv_all(s, buf, BULK_STEP);
        send_all(s, buf, 1);
    }
}

static double ask(int s, uint32_t size)
{
    static uint8_t buf[BULK_STEP];
    double began = now_s();

    send_all(s, (uint8_t *)&size, sizeof size);
    if (size < BULK_STEP) {
        for (int i = 0; i < LATENCY_STEPS; i++) {
            send_all(s, buf, size);
            recv_all(s, buf, size);
        }
        return (now_s() - began) / LATENCY_STEPS / 2;
    }
    for (size_t sent = 0; sent < BULK_BYTES; sent += BULK_STEP)
        send_all(s, buf, BULK_STEP);
    recv_all(s, buf, 1);
    return BULK_BYTES / (now_s() - began);
}

static void measure(int s, const char *name)
{
    const uint32_t sizes[] = { 8, 1024, 16384 };
    uint32_t end = 0;
    double v[ROUNDS];

    printf("%-22s", name);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        for (int i = 0; i < ROUNDS; i++)
            v[i] = ask(s, sizes[k]);
        printf("  %5u B %7.2f us", sizes[k], median(v, ROUNDS) * 1e6);
    }
    for (int i = 0; i < ROUNDS; i++)
        v[i] = ask(s, BULK_STEP);
    printf("  bulk %6.0f MB/s\n", median(v, ROUNDS) * 1e-6);
    send_all(s, (uint8_t *)&end, sizeof end);
}

static int listen_at(uint32_t addr, uint16_t *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons(*port),
                             .sin_addr.s_addr = htonl(addr) };
    socklen_t len = sizeof a;
    int s = socket(AF_INET, SOCK_STREAM, 0);

    must(bind(s, (struct sockaddr *)&a, sizeof a) == 0 && listen(s, 8) == 0 &&
             getsockname(s, (struct sockaddr *)&a, &len) == 0,
         "listen");
    *port = ntohs(a.sin_port);
    return s;
}

static int no_delay(int s)
{
    int one = 1;

    must(s >= 0 && setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0, "socket");
    return s;
}

static int dial(uint32_t addr, uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(addr) };
    const struct timespec pause = { .tv_nsec = 20000000 };

    for (int i = 0; i < 200; i++) {
        int s = socket(AF_INET, SOCK_STREAM, 0);

        if (connect(s, (struct sockaddr *)&a, sizeof a) == 0)
            return no_delay(s);
        close(s);
        (void)nanosleep(&pause, NULL);
    }
    must(false, "connect");
    return -1;
}

static void bench_loopback(void)
{
    uint16_t port = 0;
    int l = listen_at(INADDR_LOOPBACK, &port);
    pid_t pid = fork();

    if (pid == 0) {
        serve(no_delay(accept(l, NULL, NULL)));
        _exit(0);
    }
    measure(dial(INADDR_LOOPBACK, port), "plain, loopback");
    (void)waitpid(pid, NULL, 0);
}

static void bench_node(void)
{
    const char *aead = getenv("AVOW_FABRIC_AEAD");
    uint16_t port = PORT;

    if (strcmp(getenv("AVOW_FABRIC_SELF"), "10.89.0.2") == 0)
        serve(no_delay(accept(listen_at(INADDR_ANY, &port), NULL, NULL)));
    else
        measure(dial(ntohl(inet_addr(getenv("AVOW_TEST_PEER"))), PORT),
                aead ? "two nodes, openssl" : "two nodes, ipsec-mb");
}

static void bench_two_nodes(const char *shim, char *self)
{
    char *argv[] = { self, NULL };
    struct two_nodes t = { .shim = shim, .argv = { argv, argv }, .timeout_ms = LIMIT_MS };
    struct two_nodes_result r = { 0 };

    if (two_nodes_run(&t, &r) != 0 || r.status[0] != 0 || r.status[1] != 0)
        printf("two nodes: failed\n");
}

int main(int argc, char **argv)
{
    char self[] = "/proc/self/exe";

    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 1 && getenv("AVOW_FABRIC_SELF")) {
        bench_node();
        return 0;
    }
    if (argc != 2) {
        fprintf(stderr, "usage: bench_fabric libavow-fabric.so\n");
        return 2;
    }
    bench_records(AVOW_GCM_IPSEC_MB, "ipsec-mb");
    bench_records(AVOW_GCM_OPENSSL, "openssl");
    if (!two_nodes_possible()) {
        printf("two nodes: no network namespaces or no /dev/net/tun here\n");
        return 0;
    }
    bench_loopback();
    bench_two_nodes(argv[1], self);
    (void)setenv("AVOW_FABRIC_AEAD", "openssl", 1);
    bench_two_nodes(argv[1], self);
    return 0;
}
