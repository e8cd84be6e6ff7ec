/* A QGS of the test's own, on a socket: answers with a quote, or wrongly. */
#ifndef AVOW_TEST_SOURCE_QGS_SERVER_H
#define AVOW_TEST_SOURCE_QGS_SERVER_H

#include <poll.h>
#include <pthread.h>

#include "devices.h"
#include "evidence/hcl.h"
#include "source/qgs.h"

enum qgs_fault {
    QGS_FINE,
    QGS_SILENT,   /* never answers */
    QGS_HANGS_UP, /* before its reply */
    QGS_HALF,     /* after half of it */
    QGS_HUGE,     /* a length of 4 GB */
    QGS_TINY,     /* a length of 3 */
    QGS_DRIBBLES, /* byte by byte */
    QGS_OTHER_TYPE,
    QGS_OTHER_VERSION,
    QGS_WRONG_SIZE, /* inside the message */
    QGS_WRONG_QUOTE_SIZE,
    QGS_TRAILING,
};

struct qgs_server {
    enum qgs_fault fault;
    uint32_t error;             /* code to answer with */
    struct test_device *device; /* makes the quote, of the REPORTDATA in the TDREPORT */
    int listening, stop[2];
    pthread_t thread;
    int requests;
    bool malformed; /* a request was */
};

/* A reply as it stands after the length. */
static inline void qgs_server_reply(enum qgs_fault fault, uint32_t error, struct avow_bytes quote,
                                    struct avow_buf *out)
{
    uint32_t n = (uint32_t)quote.len;

    avow_buf_put_u16le(out, fault == QGS_OTHER_VERSION ? 2 : 1);
    avow_buf_put_u16le(out, 1); /* a minor version is no reason to refuse */
    avow_buf_put_u32le(out, fault == QGS_OTHER_TYPE ? 3 : 1);
    avow_buf_put_u32le(out, (error ? 16 : 24) + (error ? 0 : n) + (fault == QGS_WRONG_SIZE) +
                                (fault == QGS_TRAILING));
    avow_buf_put_u32le(out, error);
    if (error)
        return;
    avow_buf_put_u32le(out, 0);
    avow_buf_put_u32le(out, fault == QGS_WRONG_QUOTE_SIZE ? UINT32_MAX : n);
    avow_buf_put_bytes(out, quote);
    if (fault == QGS_TRAILING)
        avow_buf_put_u8(out, 0);
}

/* The request: length, header, sizes, TDREPORT; false if it is not as qgs_msg_lib makes it. */
static inline bool qgs_server_read(int fd, uint8_t tdreport[1024])
{
    uint8_t head[28];
    const uint8_t expected[28] = { 0, 0, 4, 0x18, 1, 0, 0, 0, 0, 0, 0, 0, 0x18, 4,
                                   0, 0, 0, 0,    0, 0, 0, 4, 0, 0, 0, 0, 0,    0 };

    return recv(fd, head, sizeof head, MSG_WAITALL) == sizeof head &&
           memcmp(head, expected, sizeof head) == 0 &&
           recv(fd, tdreport, 1024, MSG_WAITALL) == 1024;
}

static inline void qgs_server_send(const struct qgs_server *s, int fd, struct avow_bytes reply)
{
    uint32_t said = s->fault == QGS_HUGE ? UINT32_MAX : s->fault == QGS_TINY ? 3 : 0;
    struct avow_buf all = AVOW_BUF(1u << 20);
    size_t step = s->fault == QGS_DRIBBLES ? 97 : SIZE_MAX;

    avow_buf_put_u32be(&all, said ? said : (uint32_t)reply.len);
    avow_buf_put_bytes(&all, reply);
    if (s->fault == QGS_HALF)
        all.len /= 2;
    for (size_t at = 0; at < all.len;) {
        size_t n = all.len - at < step ? all.len - at : step;
        ssize_t sent = send(fd, all.data + at, n, MSG_NOSIGNAL);

        if (sent <= 0)
            break;
        at += (size_t)sent;
    }
    avow_buf_done(&all);
}

static inline void qgs_server_serve(struct qgs_server *s, int fd)
{
    struct avow_buf quote = AVOW_BUF(1u << 20);
    struct avow_buf table = AVOW_BUF(1u << 20);
    struct avow_buf reply = AVOW_BUF(1u << 20);
    struct pollfd gone = { .fd = fd, .events = POLLRDHUP };
    uint8_t tdreport[1024];

    s->requests++;
    s->malformed |= !qgs_server_read(fd, tdreport);
    if (test_device_answer(s->device, tdreport + AVOW_TDREPORT_OFF_REPORTDATA, 0, &quote, &table))
        abort();
    qgs_server_reply(s->fault, s->error, avow_buf_view(&quote), &reply);
    if (s->fault == QGS_SILENT)
        (void)poll(&gone, 1, 10000); /* until the other side has had enough */
    else if (s->fault != QGS_HANGS_UP)
        qgs_server_send(s, fd, avow_buf_view(&reply));
    avow_buf_done(&quote);
    avow_buf_done(&table);
    avow_buf_done(&reply);
}

static inline void *qgs_server_main(void *arg)
{
    struct qgs_server *s = arg;

    for (;;) {
        struct pollfd f[2] = { { .fd = s->listening, .events = POLLIN },
                               { .fd = s->stop[0], .events = POLLIN } };
        int fd = -1;

        if (poll(f, 2, -1) < 0 || f[1].revents)
            return NULL;
        fd = accept(s->listening, NULL, NULL);
        if (fd < 0)
            continue;
        qgs_server_serve(s, fd);
        close(fd);
    }
}

/* False if such a socket cannot be had here. */
static inline bool qgs_server_start(struct qgs_server *s, const char *address)
{
    struct sockaddr_storage a;
    socklen_t len = 0;

    assert_int_equal(qgs_address(address, &a, &len, NULL), 0);
    s->listening = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->listening < 0)
        return false;
    if (bind(s->listening, (struct sockaddr *)&a, len) < 0 || listen(s->listening, 4) < 0) {
        close(s->listening);
        return false;
    }
    assert_int_equal(pipe(s->stop), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, qgs_server_main, s), 0);
    return true;
}

static inline void qgs_server_stop(struct qgs_server *s)
{
    close(s->stop[1]);
    pthread_join(s->thread, NULL);
    close(s->stop[0]);
    close(s->listening);
}

#endif
