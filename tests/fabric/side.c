/*
 * fabric_side CASE: the two ends of each socket-level test, run by test_sockets in the namespaces
 * of two nodes with the shim preloaded. Node 0 runs the client of the case, node 1 the server.
 * Exits with 0 if everything was as it should be. Knows nothing of the fabric: plain sockets.
 */
#include <aio.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT 5000
#define WAIT_MS 10000

static const char *case_name;
static bool is_server;

#define CHECK(x)                                                                            \
    do {                                                                                    \
        if (!(x)) {                                                                         \
            fprintf(stderr, "%s %s, line %d: %s (errno %d, %s)\n", case_name,               \
                    is_server ? "server" : "client", __LINE__, #x, errno, strerror(errno)); \
            exit(1);                                                                        \
        }                                                                                   \
    } while (0)

/* ---- small parts ---- */

static struct sockaddr_in peer_addr(uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    const char *peer = getenv("AVOW_TEST_PEER");

    CHECK(peer && inet_pton(AF_INET, peer, &a.sin_addr) == 1);
    return a;
}

static int listen_at(uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    int one = 1;
    int s = socket(AF_INET, SOCK_STREAM, 0);

    CHECK(s >= 0 && setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK(bind(s, (struct sockaddr *)&a, sizeof a) == 0 && listen(s, 512) == 0);
    return s;
}

static void pause_ms(int ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

    (void)nanosleep(&t, NULL);
}

/* Connects; waits for the server to be there. */
static int dial(int type_flags)
{
    struct sockaddr_in a = peer_addr(PORT);
    bool server_is_up = false;

    for (int i = 0; i < 200; i++) {
        int s = socket(AF_INET, SOCK_STREAM | type_flags, 0);

        CHECK(s >= 0);
        if (connect(s, (struct sockaddr *)&a, sizeof a) == 0)
            return s;
        CHECK(errno == ECONNREFUSED);
        close(s);
        pause_ms(20);
    }
    CHECK(server_is_up);
    return -1;
}

static int accept_one(void)
{
    int l = listen_at(PORT);
    int s = accept(l, NULL, NULL);

    CHECK(s >= 0);
    close(l);
    return s;
}

static void set_nonblock(int s)
{
    CHECK(fcntl(s, F_SETFL, fcntl(s, F_GETFL) | O_NONBLOCK) == 0);
}

static void write_all(int s, const void *data, size_t n)
{
    const char *p = data;

    while (n) {
        ssize_t k = write(s, p, n);

        CHECK(k > 0);
        p += k;
        n -= (size_t)k;
    }
}

static void read_all(int s, void *data, size_t n)
{
    char *p = data;

    while (n) {
        ssize_t k = read(s, p, n);

        CHECK(k > 0);
        p += k;
        n -= (size_t)k;
    }
}

static void expect_text(int s, const char *text)
{
    char buf[256] = "";

    read_all(s, buf, strlen(text));
    CHECK(strcmp(buf, text) == 0);
}

static void expect_end(int s)
{
    char byte = 0;

    CHECK(read(s, &byte, 1) == 0);
    CHECK(read(s, &byte, 1) == 0);
}

static uint8_t pattern(size_t i, unsigned seed)
{
    return (uint8_t)(i * 131 + (i >> 8) * 17 + (i >> 16) * 5 + seed);
}

/* ---- echo: blocking, names at both ends, an orderly end ---- */

static void echo_client(void)
{
    struct sockaddr_in a = { 0 };
    struct sockaddr_in want = peer_addr(PORT);
    socklen_t len = sizeof a;
    int s = dial(0);

    CHECK(getpeername(s, (struct sockaddr *)&a, &len) == 0 && len == sizeof a);
    CHECK(a.sin_addr.s_addr == want.sin_addr.s_addr && a.sin_port == want.sin_port);
    CHECK(getsockname(s, (struct sockaddr *)&a, &len) == 0);
    CHECK(a.sin_addr.s_addr == inet_addr(getenv("AVOW_FABRIC_SELF")) && a.sin_port != 0);
    write_all(s, &a.sin_port, sizeof a.sin_port);
    write_all(s, "hello", 5);
    expect_text(s, "HELLO");
    close(s);
}

static void echo_server(void)
{
    struct sockaddr_in a = { 0 };
    struct sockaddr_in b = { 0 };
    socklen_t len = sizeof a;
    uint16_t port = 0;
    int l = listen_at(PORT);
    int s = accept(l, (struct sockaddr *)&a, &len);

    CHECK(s >= 0 && len == sizeof a && a.sin_addr.s_addr == peer_addr(0).sin_addr.s_addr);
    CHECK(getpeername(s, (struct sockaddr *)&b, &len) == 0 && memcmp(&a, &b, sizeof a) == 0);
    CHECK(getsockname(s, (struct sockaddr *)&b, &len) == 0 && b.sin_port == htons(PORT));
    read_all(s, &port, sizeof port);
    CHECK(port == a.sin_port);
    expect_text(s, "hello");
    write_all(s, "HELLO", 5);
    expect_end(s);
    CHECK(fcntl(s, F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(s, F_SETFD, 0) == 0 && fcntl(s, F_GETFD) & FD_CLOEXEC);
    close(s);
    close(l);
}

/* ---- nonblock: connect without waiting, and the same again ---- */

static void nonblock_client(void)
{
    struct sockaddr_in a = peer_addr(PORT);
    struct pollfd p = { .events = POLLOUT };
    int error = -1;
    int one = 1;
    int got = 0;
    socklen_t len = sizeof error;
    int s = dial(0); /* the server is there */

    close(s);
    s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    CHECK(connect(s, (struct sockaddr *)&a, sizeof a) == 0 || errno == EINPROGRESS);
    p.fd = s;
    CHECK(poll(&p, 1, WAIT_MS) == 1 && p.revents == POLLOUT);
    CHECK(getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0);
    CHECK(connect(s, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(connect(s, (struct sockaddr *)&a, sizeof a) == -1 && errno == EISCONN);
    CHECK(fcntl(s, F_GETFL) & O_NONBLOCK);
    CHECK(getsockopt(s, IPPROTO_TCP, TCP_NODELAY, &got, &len) == 0 && got == 1);
    CHECK(read(s, &error, 1) == -1 && errno == EAGAIN);
    a.sin_family = AF_UNSPEC;
    CHECK(connect(s, (struct sockaddr *)&a, sizeof a) == -1 && errno == EOPNOTSUPP);
    write_all(s, "x", 1);
    p.events = POLLIN;
    CHECK(poll(&p, 1, WAIT_MS) == 1);
    expect_text(s, "y");
    close(s);
}

static void nonblock_server(void)
{
    int one = 1;
    int got = 0;
    socklen_t len = sizeof got;
    struct pollfd p = { .events = POLLIN };
    int l = listen_at(PORT);
    int s = -1;

    CHECK(setsockopt(l, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    set_nonblock(l);
    p.fd = l;
    for (int i = 0; i < 2; i++) {
        CHECK(poll(&p, 1, WAIT_MS) == 1);
        s = accept4(l, NULL, NULL, i ? SOCK_NONBLOCK : 0);
        CHECK(s >= 0 && !!(fcntl(s, F_GETFL) & O_NONBLOCK) == i);
        CHECK(getsockopt(s, IPPROTO_TCP, TCP_NODELAY, &got, &len) == 0 && got == 1);
        if (i == 0)
            expect_end(s);
        if (i == 0)
            close(s);
    }
    CHECK(accept(l, NULL, NULL) == -1 && errno == EAGAIN);
    p.fd = s;
    CHECK(poll(&p, 1, WAIT_MS) == 1);
    expect_text(s, "x");
    write_all(s, "y", 1);
    p.events = POLLIN | POLLRDHUP;
    CHECK(poll(&p, 1, WAIT_MS) == 1);
    expect_end(s);
}

/* ---- refused: every way not to get there ---- */

static int try_connect(const char *host, uint16_t port, int type)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    int s = socket(AF_INET, type, 0);
    int r = 0;

    CHECK(s >= 0 && inet_pton(AF_INET, host, &a.sin_addr) == 1);
    r = connect(s, (struct sockaddr *)&a, sizeof a) == 0 ? 0 : errno;
    close(s);
    return r;
}

static void refused_client(void)
{
    struct sockaddr_in a = peer_addr(PORT);
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
    int u = socket(AF_INET, SOCK_DGRAM, 0);
    int s = socket(AF_INET6, SOCK_STREAM, 0);

    CHECK(try_connect(getenv("AVOW_TEST_PEER"), 4999, SOCK_STREAM) == ECONNREFUSED);
    CHECK(try_connect("10.89.0.9", PORT, SOCK_STREAM) == EHOSTUNREACH);
    CHECK(try_connect("10.89.255.255", PORT, SOCK_STREAM) == EHOSTUNREACH);
    CHECK(try_connect("192.0.2.1", PORT, SOCK_STREAM) == EACCES);
    CHECK(try_connect(getenv("AVOW_TEST_PEER"), PORT, SOCK_DGRAM) == EACCES);
    CHECK(try_connect("127.0.0.1", PORT, SOCK_STREAM) ==
          ECONNREFUSED); /* the kernel's own answer */
    CHECK(try_connect(getenv("AVOW_FABRIC_SELF"), PORT, SOCK_STREAM) == ECONNREFUSED);
    CHECK(sendto(u, "x", 1, 0, (struct sockaddr *)&a, sizeof a) == -1 && errno == EACCES);
    CHECK(inet_pton(AF_INET6, "2001:db8::1", &six.sin6_addr) == 1);
    CHECK(connect(s, (struct sockaddr *)&six, sizeof six) == -1 && errno == EACCES);
}

static void refused_server(void)
{
}

/* ---- ready: what was read ahead is reported by poll, select and epoll ---- */

#define READY_BYTES 1000
#define READY_STEP 10

static int wait_poll(int s, int ms)
{
    struct pollfd p = { .fd = s, .events = POLLIN };
    int r = poll(&p, 1, ms);

    CHECK(r <= 0 || p.revents == POLLIN);
    return r;
}

static int wait_ppoll(int s, int ms)
{
    struct pollfd p = { .fd = s, .events = POLLIN };
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

    return ppoll(&p, 1, &t, NULL);
}

static int wait_select(int s, int ms)
{
    struct timeval t = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000L };
    fd_set r;
    int n = 0;

    FD_ZERO(&r);
    FD_SET(s, &r);
    n = select(s + 1, &r, NULL, NULL, &t);
    CHECK(n <= 0 || FD_ISSET(s, &r));
    return n;
}

static int wait_pselect(int s, int ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
    fd_set r;

    FD_ZERO(&r);
    FD_SET(s, &r);
    return pselect(s + 1, &r, NULL, NULL, &t, NULL);
}

static int epoll_flags;
static int epoll_fd = -1;
static int epoll_outer = -1;

static int wait_epoll(int s, int ms)
{
    struct epoll_event ev = { .events = EPOLLIN | (unsigned)epoll_flags, .data.u64 = 0xfeedu };
    int r = 0;

    if (epoll_fd < 0) {
        epoll_fd = epoll_create1(0);
        CHECK(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s, &ev) == 0);
    }
    if (epoll_flags & (int)EPOLLONESHOT)
        CHECK(epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s, &ev) == 0);
    r = epoll_wait(epoll_fd, &ev, 1, ms);
    CHECK(r <= 0 || (ev.data.u64 == 0xfeedu && ev.events & EPOLLIN));
    if (r == 1 && epoll_flags & (int)EPOLLONESHOT)
        CHECK(epoll_wait(epoll_fd, &ev, 1, 0) == 0); /* shot: not again before it is armed */
    return r;
}

/* An epoll inside an epoll, and poll on an epoll. */
static int wait_nested(int s, int ms)
{
    struct epoll_event ev = { .events = EPOLLIN };
    struct pollfd p = { .events = POLLIN };

    if (epoll_fd < 0) {
        epoll_fd = epoll_create1(0);
        CHECK(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s, &ev) == 0);
        epoll_outer = epoll_create1(0);
        CHECK(epoll_ctl(epoll_outer, EPOLL_CTL_ADD, epoll_fd, &ev) == 0);
    }
    p.fd = epoll_outer;
    if (poll(&p, 1, ms) <= 0)
        return 0;
    return epoll_wait(epoll_outer, &ev, 1, 0);
}

/* @wait before every read of READY_STEP bytes; then nothing must be reported any more. */
static void drain(int s, int (*wait)(int, int), unsigned seed)
{
    uint8_t buf[READY_STEP];

    for (size_t at = 0; at < READY_BYTES; at += READY_STEP) {
        CHECK(wait(s, WAIT_MS) == 1);
        CHECK(read(s, buf, sizeof buf) == READY_STEP);
        for (size_t i = 0; i < READY_STEP; i++)
            CHECK(buf[i] == pattern(at + i, seed));
    }
    CHECK(wait(s, 0) == 0);
    CHECK(read(s, buf, 1) == -1 && errno == EAGAIN);
    if (epoll_fd >= 0)
        close(epoll_fd);
    if (epoll_outer >= 0)
        close(epoll_outer);
    epoll_fd = epoll_outer = -1;
}

static void ready_client(void)
{
    int (*const waits[])(int, int) = { wait_poll,  wait_ppoll, wait_select, wait_pselect,
                                       wait_epoll, wait_epoll, wait_epoll,  wait_nested };
    const int flags[] = { 0, 0, 0, 0, 0, (int)EPOLLET, (int)EPOLLONESHOT, 0 };
    int s = dial(0);
    unsigned seed = 0;

    set_nonblock(s);
    for (; seed < sizeof waits / sizeof *waits; seed++) {
        epoll_flags = flags[seed];
        write_all(s, "g", 1);
        drain(s, waits[seed], seed);
    }
    /* not read to its end, not registered before: ADD and MOD report what is there already */
    write_all(s, "g", 1);
    {
        struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
        uint8_t byte = 0;
        int e = epoll_create1(0);

        CHECK(wait_poll(s, WAIT_MS) == 1 && read(s, &byte, 1) == 1);
        CHECK(epoll_ctl(e, EPOLL_CTL_ADD, s, &ev) == 0 && epoll_wait(e, &ev, 1, 0) == 1);
        ev.events = EPOLLIN | EPOLLET;
        CHECK(epoll_ctl(e, EPOLL_CTL_MOD, s, &ev) == 0 && epoll_wait(e, &ev, 1, 0) == 1);
        CHECK(epoll_wait(e, &ev, 1, 0) == 0); /* an edge, not a level */
        CHECK(epoll_ctl(e, EPOLL_CTL_DEL, s, NULL) == 0 && epoll_wait(e, &ev, 1, 0) == 0);
        close(e);
    }
    close(s);
}

static void ready_server(void)
{
    uint8_t data[READY_BYTES];
    int s = accept_one();
    char byte = 0;

    for (unsigned seed = 0; read(s, &byte, 1) == 1; seed++) {
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = pattern(i, seed);
        CHECK(write(s, data, sizeof data) == READY_BYTES);
    }
    close(s);
}

/* ---- before: an epoll registration older than the connection ---- */

static void before_client(void)
{
    struct sockaddr_in a = peer_addr(PORT);
    struct epoll_event ev = { .events = EPOLLOUT | EPOLLIN, .data.u64 = 42 };
    int e = epoll_create(1);
    int s = dial(0);
    int t = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    CHECK(epoll_ctl(e, EPOLL_CTL_ADD, t, &ev) == 0);
    CHECK(connect(t, (struct sockaddr *)&a, sizeof a) == 0 || errno == EINPROGRESS);
    ev.data.u64 = 0;
    CHECK(epoll_wait(e, &ev, 1, WAIT_MS) == 1 && ev.data.u64 == 42 && ev.events == EPOLLOUT);
    write_all(t, "a", 1);
    for (int i = 0; i < 500 && !(ev.events & EPOLLIN); i++) {
        CHECK(epoll_wait(e, &ev, 1, WAIT_MS) == 1);
        pause_ms(1);
    }
    CHECK(ev.events & EPOLLIN);
    expect_text(t, "b");
    close(t);
    CHECK(epoll_wait(e, &ev, 1, 0) == 0);
    close(s);
}

static void before_server(void)
{
    int l = listen_at(PORT);
    int s = accept(l, NULL, NULL);
    int t = accept(l, NULL, NULL);

    CHECK(s >= 0 && t >= 0);
    expect_text(t, "a");
    write_all(t, "b", 1);
    expect_end(t);
    expect_end(s);
}

/* ---- dup: copies of descriptors ---- */

static void dup_client(void)
{
    int s = dial(0);
    int a = dup(s);
    int b = dup2(s, 200);
    int c = fcntl(s, F_DUPFD, 300);
    int d = dup3(s, 201, O_CLOEXEC);
    struct sockaddr_in name = { 0 };
    socklen_t len = sizeof name;

    CHECK(a >= 0 && b == 200 && c >= 300 && d == 201);
    CHECK(fcntl(a, F_GETFD) & FD_CLOEXEC && fcntl(c, F_GETFD) & FD_CLOEXEC);
    CHECK(dup2(s, STDOUT_FILENO) == -1 && errno == EOPNOTSUPP);
    CHECK(getpeername(c, (struct sockaddr *)&name, &len) == 0 && name.sin_port == htons(PORT));
    write_all(s, "1", 1);
    write_all(a, "2", 1);
    write_all(b, "3", 1);
    write_all(c, "4", 1);
    close(s);
    close(b);
    close(d);
    expect_text(a, "ab");
    expect_text(c, "cd");
    CHECK(dup2(c, a) == a);
    close(c);
    write_all(a, "5", 1);
    expect_text(a, "e");
    CHECK(dup2(STDERR_FILENO, a) == a); /* the last one: an orderly end for the server */
    CHECK(getpeername(a, (struct sockaddr *)&name, &len) == -1);
}

static void dup_server(void)
{
    int s = accept_one();

    expect_text(s, "1234");
    write_all(s, "abcd", 4);
    expect_text(s, "5");
    write_all(s, "e", 1);
    expect_end(s);
}

/* ---- fork: a child cannot use the parent's connection, and can make its own ---- */

static void fork_client(void)
{
    int s = dial(0);
    int status = 0;
    pid_t pid = 0;

    write_all(s, "before", 6);
    expect_text(s, "part");
    (void)signal(SIGPIPE, SIG_IGN);
    pid = fork();
    if (pid == 0) {
        char byte = 'c';
        struct iovec v = { .iov_base = &byte, .iov_len = 1 };
        int own = -1;

        CHECK(write(s, &byte, 1) == -1 && errno == EPIPE);
        CHECK(syscall(SYS_write, s, &byte, 1) == -1); /* not in clear either */
        CHECK(readv(s, &v, 1) == -1 && errno == ENOTCONN);
        own = dial(0);
        write_all(own, "child", 5);
        expect_text(own, "ok");
        close(own);
        exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    expect_text(s, "rest");
    write_all(s, "after", 5);
    close(s);
}

static void fork_server(void)
{
    int l = listen_at(PORT);
    int s = accept(l, NULL, NULL);
    int t = -1;

    CHECK(s >= 0);
    expect_text(s, "before");
    write_all(s, "partrest", 8);
    t = accept(l, NULL, NULL);
    CHECK(t >= 0);
    expect_text(t, "child");
    write_all(t, "ok", 2);
    expect_end(t);
    expect_text(s, "after");
    expect_end(s);
}

/* ---- a copy of the process made behind the C library's back has the keys, but not their use ----
 */

static void rawfork_client(void)
{
    int s = dial(0);
    int status = 0;
    long pid = 0;

    write_all(s, "before", 6);
    (void)signal(SIGPIPE, SIG_IGN);
    pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); /* no pthread_atfork handler runs */
    if (pid == 0) {
        char byte = 'c';
        bool silent = write(s, &byte, 1) == -1 && errno == EPIPE && read(s, &byte, 1) == -1 &&
                      errno == ENOTCONN && socket(AF_INET, SOCK_STREAM, 0) >= 0;

        (void)shutdown(s, SHUT_WR);
        _exit(silent ? 0 : 1);
    }
    CHECK(waitpid((pid_t)pid, &status, 0) == pid && status == 0);
    write_all(s, "after", 5);
    expect_text(s, "rest");
    close(s);
}

static void rawfork_server(void)
{
    int s = accept_one();

    expect_text(s, "beforeafter");
    write_all(s, "rest", 4);
    expect_end(s);
}

/* ---- low descriptors: what printf writes does not pass the shim ---- */

static void low_client(void)
{
    struct sockaddr_in a = peer_addr(PORT);
    int s = dial(0);
    int t = -1;

    CHECK(s > STDERR_FILENO);
    (void)close(STDIN_FILENO);
    (void)close(STDOUT_FILENO);
    t = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(t == STDIN_FILENO);
    CHECK(connect(t, (struct sockaddr *)&a, sizeof a) == -1 && errno == EOPNOTSUPP);
    t = dup(s);
    CHECK(t > STDERR_FILENO);
    CHECK(fcntl(s, F_DUPFD, 0) > STDERR_FILENO);
    CHECK(printf("in clear") == 8 && fflush(stdout) == EOF && errno == EBADF);
    write_all(t, "through a copy", 14);
    expect_text(s, "ok");
    (void)shutdown(s, SHUT_WR);
}

static void low_server(void)
{
    int l = listen_at(PORT);
    int s = -1;

    (void)close(STDIN_FILENO);
    s = accept(l, NULL, NULL);
    CHECK(s > STDERR_FILENO);
    expect_text(s, "through a copy");
    write_all(s, "ok", 2);
    expect_end(s);
}

/* ---- exec: a started program cannot speak in clear on an inherited connection ---- */

static void exec_client(void)
{
    posix_spawn_file_actions_t acts;
    char name[] = "/proc/self/exe";
    char one[] = "inherited";
    char *argv[] = { name, one, NULL };
    int s = dial(0);
    int status = 0;
    pid_t pid = 0;

    write_all(s, "before", 6);
    CHECK(posix_spawn_file_actions_init(&acts) == 0);
    CHECK(posix_spawn_file_actions_adddup2(&acts, s, 90) == EOPNOTSUPP);
    pid = vfork(); /* which shares our memory, but not our descriptors */
    if (pid == 0) {
        (void)syscall(SYS_dup2, s, 90);
        (void)close(s);
        (void)execv(name, argv);
        _exit(126);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    write_all(s, "after", 5);
    close(s);
}

static void exec_server(void)
{
    int s = accept_one();

    expect_text(s, "beforeafter");
    expect_end(s);
}

static void inherited(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    CHECK(syscall(SYS_write, 90, "in clear", 8) == -1 && errno == EPIPE);
    CHECK(write(90, "in clear", 8) == -1 && errno == EPIPE);
}

/* ---- forms: PEEK, WAITALL, vectors, messages, FIONREAD ---- */

static void forms_client(void)
{
    char buf[64] = "";
    char small[3] = "";
    struct iovec v[3] = { { .iov_base = buf, .iov_len = 2 },
                          { .iov_base = small, .iov_len = 3 },
                          { .iov_base = buf + 2, .iov_len = 10 } };
    struct msghdr m = { .msg_iov = v, .msg_iovlen = 3 };
    struct mmsghdr mm[2] = { { .msg_hdr = { .msg_iov = &v[0], .msg_iovlen = 1 } },
                             { .msg_hdr = { .msg_iov = &v[1], .msg_iovlen = 1 } } };
    int n = 0;
    int s = dial(0);

    /* the server sends "0123456789", then "abcdefghij", in two records */
    CHECK(recv(s, buf, 20, MSG_PEEK | MSG_WAITALL) == 20);
    CHECK(memcmp(buf, "0123456789abcdefghij", 20) == 0);
    CHECK(recv(s, buf, 4, MSG_PEEK) == 4 && recv(s, buf, 4, 0) == 4 && !memcmp(buf, "0123", 4));
    CHECK(ioctl(s, FIONREAD, &n) == 0 && n == 16);
    CHECK(recv(s, buf, 12, MSG_PEEK) == 12 && !memcmp(buf, "456789abcdef", 12));
    CHECK(readv(s, v, 3) == 15 && !memcmp(small, "678", 3) && !memcmp(buf, "459abcdefghi", 12));
    CHECK(recvfrom(s, buf, 10, MSG_DONTWAIT, NULL, NULL) == 1 && buf[0] == 'j');
    CHECK(recv(s, buf, 10, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    write_all(s, "g", 1);
    CHECK(recv(s, buf, 20, MSG_WAITALL) == 20 && !memcmp(buf, "0123456789abcdefghij", 20));
    write_all(s, "g", 1);
    m.msg_flags = 77;
    CHECK(recvmsg(s, &m, MSG_WAITALL) == 15 && m.msg_flags == 0 && !memcmp(small, "234", 3));
    CHECK(recvmmsg(s, mm, 2, MSG_DONTWAIT, NULL) == 2 && mm[0].msg_len == 2 && mm[1].msg_len == 3);
    CHECK(!memcmp(small, "hij", 3));
    CHECK(recv(s, buf, 1, MSG_OOB) == -1 && send(s, "!", 1, MSG_OOB) == -1);
    CHECK(writev(s, v, 0) == 0 && send(s, "", 0, 0) == 0);
    CHECK(sendmmsg(s, mm, 2, 0) == 2 && sendmsg(s, &m, MSG_NOSIGNAL) == 15);
    CHECK(dprintf(s, "%d bottles", 99) == 10);
    close(s);
}

static void forms_server(void)
{
    char byte = 0;
    char buf[20];
    int s = accept_one();

    for (int i = 0; i < 3; i++) {
        if (i)
            read_all(s, &byte, 1);
        write_all(s, "0123456789", 10);
        write_all(s, "abcdefghij", 10);
    }
    read_all(s, buf, 20);
    CHECK(!memcmp(buf,
                  "fg" /* mm[0] */ "hij" /* mm[1] */ "fg"
                  "hij",
                  10));
    expect_text(s, "99 bottles");
    expect_end(s);
}

/* ---- bulk: both directions at once, one thread each side, short writes ---- */

#define BULK_BYTES (24u << 20)

static void bulk(int s, unsigned tx_seed, unsigned rx_seed, size_t step)
{
    static uint8_t out[100003];
    static uint8_t in[70001];
    size_t sent = 0;
    size_t got = 0;

    set_nonblock(s);
    while (sent < BULK_BYTES || got < BULK_BYTES) {
        struct pollfd p = { .fd = s,
                            .events = (short)((sent < BULK_BYTES ? POLLOUT : 0) |
                                              (got < BULK_BYTES ? POLLIN : 0)) };

        CHECK(poll(&p, 1, WAIT_MS) == 1);
        if (p.revents & POLLOUT) {
            size_t n = step < BULK_BYTES - sent ? step : BULK_BYTES - sent;
            ssize_t k = 0;

            for (size_t i = 0; i < n; i++)
                out[i] = pattern(sent + i, tx_seed);
            k = write(s, out, n);
            CHECK(k > 0 || (k == -1 && errno == EAGAIN));
            sent += k > 0 ? (size_t)k : 0;
        }
        if (p.revents & POLLIN) {
            ssize_t k = read(s, in, sizeof in);

            CHECK(k > 0 || (k == -1 && errno == EAGAIN));
            for (ssize_t i = 0; i < k; i++)
                CHECK(in[i] == pattern(got + (size_t)i, rx_seed));
            got += k > 0 ? (size_t)k : 0;
        }
    }
}

static void bulk_client(void)
{
    int s = dial(0);
    int small = 8192;

    CHECK(setsockopt(s, SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    bulk(s, 1, 2, 100003);
    close(s);
}

static void bulk_server(void)
{
    int s = accept_one();

    bulk(s, 2, 1, 3001);
    CHECK(fcntl(s, F_SETFL, fcntl(s, F_GETFL) & ~O_NONBLOCK) == 0);
    expect_end(s);
}

/* ---- full: what a full socket takes is delivered, byte by byte writes included ---- */

static void full_client(void)
{
    uint8_t *buf = malloc(1 << 16);
    size_t sent = 0;
    size_t told = 0;
    size_t step[] = { 60000, 1, 2, 17, 5000 };
    int small = 4096;
    int s = dial(0);

    CHECK(buf && setsockopt(s, SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    set_nonblock(s);
    for (unsigned i = 0; i < 40000 && told < 20; i++) { /* until it was full 20 times */
        size_t n = step[i % 5];
        ssize_t k = 0;

        for (size_t j = 0; j < n; j++)
            buf[j] = pattern(sent + j, 9);
        k = write(s, buf, n);
        if (k < 0) {
            CHECK(errno == EAGAIN);
            told++;
            k = write(s, buf, n); /* asking again at once does no harm */
            CHECK(k > 0 || errno == EAGAIN);
            sent += k > 0 ? (size_t)k : 0;
            if (told == 1)
                CHECK(send(s, "g", 0, 0) == 0);
            pause_ms(5);
            continue;
        }
        sent += (size_t)k;
    }
    CHECK(told == 20);
    CHECK(fcntl(s, F_SETFL, fcntl(s, F_GETFL) & ~O_NONBLOCK) == 0);
    buf[0] = pattern(sent, 9); /* the byte that may be owed, and then the end */
    buf[1] = pattern(sent + 1, 9);
    write_all(s, buf, 2);
    sent += 2;
    CHECK(shutdown(s, SHUT_WR) == 0);
    CHECK(send(s, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
    read_all(s, &told, sizeof told);
    CHECK(told == sent);
    expect_end(s);
    free(buf);
}

static void full_server(void)
{
    uint8_t buf[5000];
    size_t got = 0;
    ssize_t n = 0;
    int s = accept_one();

    pause_ms(300); /* let it fill */
    while ((n = read(s, buf, sizeof buf)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            CHECK(buf[i] == pattern(got + (size_t)i, 9));
        got += (size_t)n;
    }
    CHECK(n == 0);
    write_all(s, &got, sizeof got);
    close(s);
}

/* ---- half: one direction ends, the other goes on ---- */

/* Ends both directions under a thread that reads. */
static void *half_shutter(void *arg)
{
    pause_ms(50);
    CHECK(shutdown(*(int *)arg, SHUT_RDWR) == 0);
    return NULL;
}

static void half_client(void)
{
    int s = dial(0);
    pthread_t t;

    CHECK(pthread_create(&t, NULL, half_shutter, &s) == 0);
    expect_end(s);
    CHECK(pthread_join(t, NULL) == 0);
    close(s);
    s = dial(0);

    write_all(s, "question", 8);
    CHECK(shutdown(s, SHUT_WR) == 0);
    expect_text(s, "answer");
    expect_end(s);
}

static void half_server(void)
{
    int l = listen_at(PORT);
    int s = accept(l, NULL, NULL);

    CHECK(s >= 0);
    expect_end(s);
    s = accept(l, NULL, NULL);
    CHECK(s >= 0);
    expect_text(s, "question");
    expect_end(s);
    write_all(s, "answer", 6);
    exit(0); /* without close: the end is orderly all the same */
}

/* ---- last: everything written before close arrives ---- */

#define LAST_BYTES 3000000

static void last_client(void)
{
    uint8_t *buf = malloc(LAST_BYTES);

    CHECK(buf);
    for (size_t i = 0; i < LAST_BYTES; i++)
        buf[i] = pattern(i, 3);
    for (int round = 0; round < 3; round++) {
        int s = dial(0);

        write_all(s, buf, LAST_BYTES);
        if (round == 0)
            close(s);
        if (round == 1)
            CHECK(close_range((unsigned)s, (unsigned)s, 0) == 0);
        /* the third ends with the process */
    }
    free(buf);
}

static void last_server(void)
{
    uint8_t buf[65536];
    int l = listen_at(PORT);

    for (int round = 0; round < 3; round++) {
        int s = accept(l, NULL, NULL);
        size_t got = 0;
        ssize_t n = 0;

        CHECK(s >= 0);
        pause_ms(50);
        while ((n = read(s, buf, sizeof buf)) > 0) {
            for (ssize_t i = 0; i < n; i++)
                CHECK(buf[i] == pattern(got + (size_t)i, 3));
            got += (size_t)n;
        }
        CHECK(n == 0 && got == LAST_BYTES);
        close(s);
    }
}

/* ---- exit: many connections whose peer does not read hold up the end of a process as one does
 * ----
 */

#define STUCK 6
#define STUCK_END_MS 6000 /* one takes 2 s; one after the other would take 12 s */

/* Until nothing more goes, and some time after that: the peer's buffers are full, too. */
static void fill(int s)
{
    static const char data[60000];

    set_nonblock(s);
    for (int full = 0; full < 3; full++) {
        while (write(s, data, sizeof data) > 0)
            full = 0;
        CHECK(errno == EAGAIN);
        pause_ms(50);
    }
}

static void exit_client(void)
{
    struct timespec began = { 0 };
    struct timespec ended = { 0 };
    int ready[2];
    int status = 0;
    int control = dial(0);
    pid_t pid = 0;
    char byte = 0;

    write_all(control, "c", 1);
    CHECK(pipe(ready) == 0);
    pid = fork();
    if (pid == 0) {
        int s[STUCK];

        for (int i = 0; i < STUCK; i++) {
            s[i] = dial(0);
            fill(s[i]);
        }
        write_all(dial(0), "last", 4); /* its end can go at once, and does, though time is up */
        CHECK(write(ready[1], "r", 1) == 1);
        exit(0);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    CHECK((ended.tv_sec - began.tv_sec) * 1000 + (ended.tv_nsec - began.tv_nsec) / 1000000 <
          STUCK_END_MS);
    write_all(control, "d", 1);
    expect_end(control);
}

static void exit_server(void)
{
    int l = listen_at(PORT);
    int control = accept(l, NULL, NULL);
    int last = -1;

    CHECK(control >= 0);
    expect_text(control, "c");
    for (int i = 0; i < STUCK; i++)
        CHECK(accept(l, NULL, NULL) >= 0);
    last = accept(l, NULL, NULL);
    CHECK(last >= 0);
    expect_text(control, "d");
    expect_text(last, "last");
    expect_end(last);
    close(control);
}

/* ---- killed: a peer that dies is not an orderly end ---- */

static void killed_client(void)
{
    int s = dial(0);

    write_all(s, "last words", 10);
    expect_text(s, "k");
    (void)kill(getpid(), SIGKILL);
}

static void killed_server(void)
{
    char byte = 0;
    int s = accept_one();

    expect_text(s, "last words");
    write_all(s, "k", 1);
    CHECK(read(s, &byte, 1) == -1 && errno == ECONNRESET);
}

/* ---- threads: many connections, and one with a reader and a writer ---- */

#define THREADS 4
#define THREAD_BYTES 2000000

static void *thread_writer(void *arg)
{
    int s = *(int *)arg;
    uint8_t buf[4096];

    for (size_t at = 0; at < THREAD_BYTES; at += sizeof buf) {
        for (size_t i = 0; i < sizeof buf; i++)
            buf[i] = pattern(at + i, 5);
        write_all(s, buf, sizeof buf);
    }
    CHECK(shutdown(s, SHUT_WR) == 0);
    return NULL;
}

static void thread_read(int s)
{
    uint8_t buf[3000];
    size_t got = 0;
    ssize_t n = 0;

    while ((n = read(s, buf, sizeof buf)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            CHECK(buf[i] == pattern(got + (size_t)i, 5));
        got += (size_t)n;
    }
    CHECK(n == 0 && got >= THREAD_BYTES);
}

static void thread_both_ways(int s)
{
    pthread_t writer;

    CHECK(pthread_create(&writer, NULL, thread_writer, &s) == 0);
    thread_read(s);
    CHECK(pthread_join(writer, NULL) == 0);
    close(s);
}

static void *thread_client(void *arg)
{
    (void)arg;
    thread_both_ways(dial(0));
    return NULL;
}

static void *thread_server(void *arg)
{
    thread_both_ways((int)(intptr_t)arg);
    return NULL;
}

static void threads_client(void)
{
    pthread_t t[THREADS];

    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&t[i], NULL, thread_client, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
}

static void threads_server(void)
{
    pthread_t t[THREADS];
    int l = listen_at(PORT);

    for (int i = 0; i < THREADS; i++) {
        int s = accept(l, NULL, NULL);

        CHECK(s >= 0);
        CHECK(pthread_create(&t[i], NULL, thread_server, (void *)(intptr_t)s) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
}

/* ---- deny: ways around the records ---- */

static void deny_client(void)
{
    int s = dial(0);
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    int p[2];
    int u[2];
    struct iovec v = { .iov_base = p, .iov_len = 1 };
    struct aiocb job = { .aio_fildes = s, .aio_buf = p, .aio_nbytes = 1 };
    struct aiocb *jobs[] = { NULL, &job };
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct msghdr m = { .msg_iov = &v,
                        .msg_iovlen = 1,
                        .msg_control = control.room,
                        .msg_controllen = sizeof control.room };

    CHECK(zero >= 0 && pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, u) == 0);
    CHECK(sendfile(s, zero, NULL, 10) == -1 && errno == EINVAL);
    CHECK(splice(p[0], NULL, s, NULL, 10, 0) == -1 && errno == EINVAL);
    CHECK(splice(s, NULL, p[1], NULL, 10, 0) == -1 && errno == EINVAL);
    CHECK(fdopen(s, "w") == NULL && errno == EOPNOTSUPP);
    CHECK(pwritev2(s, &v, 1, -1, 0) == -1 && errno == EOPNOTSUPP);
    CHECK(aio_write(&job) == -1 && errno == EOPNOTSUPP);
    CHECK(aio_read(&job) == -1 && errno == EOPNOTSUPP);
    job.aio_lio_opcode = LIO_WRITE;
    CHECK(lio_listio(LIO_WAIT, jobs, 2, NULL) == -1 && errno == EOPNOTSUPP);
    job.aio_fildes = zero;
    CHECK(aio_read(&job) == 0 && aio_suspend((const struct aiocb *const *)jobs, 2, NULL) == 0);
    CHECK(aio_error(&job) == 0 && aio_return(&job) == 1);
    CHECK(syscall(425, 1, NULL) == -1 && errno == ENOSYS); /* io_uring_setup */
    control.align = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                      .cmsg_type = SCM_RIGHTS,
                                      .cmsg_len = CMSG_LEN(sizeof s) };
    memcpy(CMSG_DATA(&control.align), &s, sizeof s);
    CHECK(sendmsg(u[0], &m, 0) == -1 && errno == EOPNOTSUPP);
    memcpy(CMSG_DATA(&control.align), &zero, sizeof zero);
    CHECK(sendmsg(u[0], &m, 0) == 1);
    close(s);
}

static void deny_server(void)
{
    expect_end(accept_one());
}

/* ---- listen: dual-stack, the node's own clients, and a backlog that waits ---- */

static void listen_client(void)
{
    int s[20];

    for (int i = 0; i < 20; i++) {
        s[i] = dial(0);
        write_all(s[i], "early", 5);
    }
    for (int i = 0; i < 20; i++)
        expect_text(s[i], "late");
    for (int i = 0; i < 20; i++)
        close(s[i]);
}

static void listen_server(void)
{
    struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
    struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    struct sockaddr_in6 from = { 0 };
    socklen_t len = sizeof from;
    char text[INET6_ADDRSTRLEN];
    int zero = 0;
    int l = socket(AF_INET6, SOCK_STREAM, 0);
    int own = socket(AF_INET, SOCK_STREAM, 0);
    int s[20];

    CHECK(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero) == 0);
    CHECK(bind(l, (struct sockaddr *)&a, sizeof a) == 0 && listen(l, 64) == 0);
    CHECK(inet_pton(AF_INET, getenv("AVOW_FABRIC_SELF"), &local.sin_addr) == 1);
    pause_ms(500); /* the clients connect and write into the backlog */
    for (int i = 0; i < 20; i++) {
        s[i] = accept(l, (struct sockaddr *)&from, &len);
        CHECK(s[i] >= 0 && len == sizeof from && from.sin6_family == AF_INET6);
        CHECK(inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof text) &&
              strncmp(text, "::ffff:", 7) == 0 && strcmp(text + 7, getenv("AVOW_TEST_PEER")) == 0);
        expect_text(s[i], "early");
    }
    for (int i = 0; i < 20; i++)
        write_all(s[i], "late", 4);
    for (int i = 0; i < 20; i++)
        expect_end(s[i]);
    /* inside the node: the kernel's own connection, not ours */
    CHECK(connect(own, (struct sockaddr *)&local, sizeof local) == 0);
    s[0] = accept(l, NULL, NULL);
    CHECK(s[0] >= 0);
    write_all(own, "near", 4);
    expect_text(s[0], "near");
}

/* ---- gone: a listener that closes without accepting ---- */

static void gone_client(void)
{
    char byte = 0;
    int s = dial(0);

    CHECK(read(s, &byte, 1) == -1 && errno == ECONNRESET);
}

static void gone_server(void)
{
    struct pollfd p = { .fd = listen_at(PORT), .events = POLLIN };

    CHECK(poll(&p, 1, WAIT_MS) == 1);
    pause_ms(200); /* the client hears that it is connected */
    close(p.fd);
    pause_ms(200);
}

/* ---- stream: for somebody on the path to work on ---- */

static void stream_client(void)
{
    int s = dial(0);

    for (int i = 0; i < 50; i++) {
        char line[32];

        (void)snprintf(line, sizeof line, "line %03d of the secret text", i);
        CHECK(send(s, line, 27, MSG_NOSIGNAL) == 27 || errno == EPIPE || errno == ECONNRESET);
        pause_ms(1);
    }
    (void)shutdown(s, SHUT_WR);
    expect_text(s, "seen");
}

static void stream_server(void)
{
    int s = accept_one();
    char line[32];
    char buf[32];
    ssize_t n = 0;

    for (int i = 0; i < 50; i++) {
        (void)snprintf(line, sizeof line, "line %03d of the secret text", i);
        for (size_t at = 0; at < 27; at += (size_t)n) {
            n = read(s, buf + at, 27 - at);
            if (n <= 0) {
                fprintf(stderr, "stream ends after %d lines: %s\n", i,
                        n ? strerror(errno) : "an orderly end");
                exit(n ? 3 : 4);
            }
        }
        CHECK(memcmp(line, buf, 27) == 0);
    }
    expect_end(s);
    write_all(s, "seen", 4);
    close(s);
}

/* ---- blocked: the fabric cannot be reached: nothing may leave ---- */

static void blocked_client(void)
{
    CHECK(try_connect(getenv("AVOW_TEST_PEER"), PORT, SOCK_STREAM) == EACCES);
    CHECK(try_connect(getenv("AVOW_TEST_PEER"), PORT, SOCK_STREAM) == EACCES);
    CHECK(try_connect("127.0.0.1", PORT, SOCK_STREAM) == ECONNREFUSED);
}

/* ---- denied: the broker says no in a way that is not a refusal ---- */

static void denied_client(void)
{
    int r = try_connect(getenv("AVOW_TEST_PEER"), PORT, SOCK_STREAM);

    CHECK(r == ECONNABORTED || r == ECONNRESET);
}

struct side_case {
    const char *name;
    void (*client)(void);
    void (*server)(void);
};

static const struct side_case cases[] = {
    { "echo", echo_client, echo_server },          { "nonblock", nonblock_client, nonblock_server },
    { "refused", refused_client, refused_server }, { "ready", ready_client, ready_server },
    { "before", before_client, before_server },    { "dup", dup_client, dup_server },
    { "fork", fork_client, fork_server },          { "exec", exec_client, exec_server },
    { "rawfork", rawfork_client, rawfork_server }, { "low", low_client, low_server },
    { "inherited", inherited, inherited },         { "forms", forms_client, forms_server },
    { "bulk", bulk_client, bulk_server },          { "full", full_client, full_server },
    { "half", half_client, half_server },          { "last", last_client, last_server },
    { "exit", exit_client, exit_server },          { "killed", killed_client, killed_server },
    { "threads", threads_client, threads_server }, { "deny", deny_client, deny_server },
    { "listen", listen_client, listen_server },    { "gone", gone_client, gone_server },
    { "stream", stream_client, stream_server },    { "blocked", blocked_client, refused_server },
    { "denied", denied_client, refused_server },
};

int main(int argc, char **argv)
{
    const char *self = getenv("AVOW_FABRIC_SELF");

    is_server = self && strcmp(self, "10.89.0.2") == 0;
    for (size_t i = 0; argc == 2 && i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(argv[1], cases[i].name) != 0)
            continue;
        case_name = cases[i].name;
        (is_server ? cases[i].server : cases[i].client)();
        return 0;
    }
    fprintf(stderr, "usage: fabric_side CASE\n");
    return 2;
}
