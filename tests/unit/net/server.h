/* A plain HTTP server on loopback that plays a script: one reply for each connection, in order. */
#ifndef AVOW_TEST_NET_SERVER_H
#define AVOW_TEST_NET_SERVER_H

#include "../test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_REPLIES 16

struct server {
    int listener;
    int port;
    pthread_t thread;
    const char *replies[SERVER_REPLIES]; /* whole, with their headers; NULL at the end */
    size_t flood;                        /* bytes of "a" sent after the last reply */
    atomic_int served;
    char seen[4096]; /* the last request */
};

static inline bool server_read(struct server *s, int fd)
{
    size_t n = 0;

    while (n + 1 < sizeof s->seen) {
        ssize_t got = read(fd, s->seen + n, sizeof s->seen - 1 - n);
        const char *end = NULL;
        const char *len = NULL;

        if (got <= 0)
            return false;
        n += (size_t)got;
        s->seen[n] = 0;
        end = strstr(s->seen, "\r\n\r\n");
        len = strstr(s->seen, "Content-Length: ");
        if (end && n >= (size_t)(end + 4 - s->seen) + (len ? strtoul(len + 16, NULL, 10) : 0))
            return true;
    }
    return false;
}

static inline void *server_main(void *arg)
{
    struct server *s = arg;

    for (size_t i = 0; i < SERVER_REPLIES && s->replies[i]; i++) {
        int fd = accept(s->listener, NULL, NULL);

        if (fd < 0)
            break;
        if (server_read(s, fd)) {
            (void)!write(fd, s->replies[i], strlen(s->replies[i]));
            for (size_t k = 0; k < s->flood; k += 1024) {
                char block[1024];

                memset(block, 'a', sizeof block);
                if (send(fd, block, sizeof block, MSG_NOSIGNAL) < 0)
                    break;
            }
            atomic_fetch_add(&s->served, 1);
        }
        close(fd);
    }
    return NULL;
}

static inline void server_start(struct server *s)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;

    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

static inline void server_stop(struct server *s)
{
    (void)shutdown(s->listener, SHUT_RDWR);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->listener);
}

static inline void server_url(const struct server *s, const char *path, char out[128])
{
    (void)snprintf(out, 128, "http://127.0.0.1:%d%s", s->port, path);
}

#endif
