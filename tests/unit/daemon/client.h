/* A blocking HTTPS client for tests of the daemon: every wait ends after a few seconds. */
#ifndef TEST_DAEMON_CLIENT_H
#define TEST_DAEMON_CLIENT_H

#include "../test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CLIENT_WAIT_S 8

struct client {
    int fd;
    SSL *ssl;
    char *reply; /* the last one: head and body */
    size_t len;
};

static inline int client_socket(uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    const struct timeval wait = { .tv_sec = CLIENT_WAIT_S };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static inline void client_close(struct client *c)
{
    if (c->ssl)
        SSL_free(c->ssl);
    if (c->fd >= 0)
        close(c->fd);
    free(c->reply);
    ERR_clear_error();
    *c = (struct client){ .fd = -1 };
}

/* False if the handshake failed. */
static inline bool client_open(struct client *c, SSL_CTX *ctx, uint16_t port)
{
    *c = (struct client){ .fd = client_socket(port) };
    c->ssl = SSL_new(ctx);
    assert_non_null(c->ssl);
    assert_int_equal(SSL_set_fd(c->ssl, c->fd), 1);
    return SSL_connect(c->ssl) == 1;
}

static inline size_t client_body_length(const char *head)
{
    const char *p = strcasestr(head, "\r\nContent-Length:");

    return p ? (size_t)strtoul(p + 17, NULL, 10) : 0;
}

/* Reads one reply; its status, or 0 if the connection ended first. */
static inline int client_read(struct client *c)
{
    char *end = NULL;

    free(c->reply);
    c->reply = calloc(1, 1 << 20);
    assert_non_null(c->reply);
    c->len = 0;
    for (;;) {
        int n = 0;

        end = strstr(c->reply, "\r\n\r\n");
        if (end && c->len >= (size_t)(end + 4 - c->reply) + client_body_length(c->reply))
            break;
        n = SSL_read(c->ssl, c->reply + c->len, (1 << 20) - 1 - (int)c->len);
        if (n <= 0)
            return 0;
        c->len += (size_t)n;
    }
    if (strncmp(c->reply, "HTTP/1.1 ", 9) != 0)
        return -1;
    return (int)strtol(c->reply + 9, NULL, 10);
}

static inline const char *client_body(const struct client *c)
{
    const char *end = c->reply ? strstr(c->reply, "\r\n\r\n") : NULL;

    return end ? end + 4 : "";
}

static inline bool client_write(struct client *c, const void *data, size_t len)
{
    const uint8_t *p = data;

    while (len) {
        int n = SSL_write(c->ssl, p, len > 1 << 20 ? 1 << 20 : (int)len);

        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static inline int client_send(struct client *c, const char *method, const char *path,
                              const char *body)
{
    char head[1024];

    snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: node\r\nContent-Length: %zu\r\n\r\n",
             method, path, body ? strlen(body) : 0);
    if (!client_write(c, head, strlen(head)) || (body && !client_write(c, body, strlen(body))))
        return 0;
    return client_read(c);
}

#endif
