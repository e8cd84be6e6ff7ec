#include "source/qgs.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/un.h>

#define VERSION_MAJOR 1u
#define LENGTH_LEN 4u
#define REQUEST_MAX (LENGTH_LEN + QGS_HEADER_LEN + 8u + AVOW_TDREPORT_LEN)

int qgs_address(const char *text, struct sockaddr_storage *out, socklen_t *len,
                struct avow_error *err)
{
    struct sockaddr_un *un = (struct sockaddr_un *)out;
    struct sockaddr_vm *vm = (struct sockaddr_vm *)out;
    unsigned cid = 0;
    unsigned port = 0;
    size_t n = strlen(text);
    int end = 0;

    memset(out, 0, sizeof *out);
    if (strncmp(text, "unix:/", 6) == 0 && n - 5 < sizeof un->sun_path) {
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, text + 5, n - 5);
        *len = sizeof *un;
        return 0;
    }
    if (strncmp(text, "vsock:", 6) == 0 && text[6 + strspn(text + 6, "0123456789:")] == '\0' &&
        sscanf(text, "vsock:%9u:%9u%n", &cid, &port, &end) == 2 && !text[end]) {
        vm->svm_family = AF_VSOCK;
        vm->svm_cid = cid;
        vm->svm_port = port;
        *len = sizeof *vm;
        return 0;
    }
    return AVOW_FAIL(err, FORMAT, "\"%s\" is no address of a QGS (vsock:CID:PORT, unix:/PATH)",
                     text);
}

/* ---- messages ---- */

static const char *explain(uint32_t code)
{
    static const char *const known[] = { /* qgs_msg_error_t */
                                         "an unexpected error; see the log of qgsd on the host",
                                         "out of memory",
                                         "the TDREPORT is not one of a TD on this host",
                                         "it does not know this version of the protocol",
                                         "it does not know this type of message",
                                         "a size is wrong",
                                         "an error code is wrong"
    };
    uint32_t i = code - 0x00012001u;

    return i < sizeof known / sizeof *known ? known[i] : "see the log of qgsd on the host";
}

int qgs_reply(struct avow_bytes reply, struct avow_bytes *quote, struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(reply);
    uint16_t major = 0;
    uint16_t minor = 0;
    uint32_t type = 0;
    uint32_t size = 0;
    uint32_t code = 0;
    uint32_t id_size = 0;
    uint32_t quote_size = 0;

    if (avow_rd_u16le(&r, &major) < 0 || avow_rd_u16le(&r, &minor) < 0 ||
        avow_rd_u32le(&r, &type) < 0 || avow_rd_u32le(&r, &size) < 0 ||
        avow_rd_u32le(&r, &code) < 0)
        return AVOW_FAIL(err, TRUNCATED, "QGS: a reply of %zu bytes", reply.len);
    if (major != VERSION_MAJOR)
        return AVOW_FAIL(err, VERSION, "QGS: a reply of version %u.%u (served: %u)", major, minor,
                         VERSION_MAJOR);
    if (type != QGS_GET_QUOTE_RESP || size != reply.len)
        return AVOW_FAIL(err, PROTOCOL, "QGS: a reply of type %u that says %u bytes and has %zu",
                         type, size, reply.len);
    if (code)
        return AVOW_FAIL(err, REFUSED, "QGS made no quote (error 0x%x): %s", code, explain(code));
    if (avow_rd_u32le(&r, &id_size) < 0 || avow_rd_u32le(&r, &quote_size) < 0 ||
        avow_rd_skip(&r, id_size) < 0 || avow_rd_bytes(&r, quote_size, quote) < 0)
        return AVOW_FAIL(err, TRUNCATED, "QGS: a reply of %zu bytes", reply.len);
    if (avow_rd_end(&r) < 0 || quote_size == 0)
        return AVOW_FAIL(err, PROTOCOL, "QGS: a quote of %u bytes in a reply of %zu", quote_size,
                         reply.len);
    return 0;
}

static void put_request(struct avow_bytes tdreport, struct avow_buf *out)
{
    uint32_t size = (uint32_t)(QGS_HEADER_LEN + 8 + tdreport.len);

    avow_buf_put_u32be(out, size);
    avow_buf_put_u16le(out, VERSION_MAJOR);
    avow_buf_put_u16le(out, 0);
    avow_buf_put_u32le(out, QGS_GET_QUOTE_REQ);
    avow_buf_put_u32le(out, size);
    avow_buf_put_u32le(out, 0); /* error code */
    avow_buf_put_u32le(out, (uint32_t)tdreport.len);
    avow_buf_put_u32le(out, 0); /* ids of quoting enclaves to choose from: any */
    avow_buf_put_bytes(out, tdreport);
}

/* ---- the socket ---- */

/* Until @fd is ready for @events. */
static int ready(int fd, short events, const struct patience *p, struct avow_error *err)
{
    struct pollfd f = { .fd = fd, .events = events };
    int n = 0;

    while ((n = poll(&f, 1, patience_left(p))) < 0 && errno == EINTR)
        ;
    if (n < 0)
        return AVOW_FAIL_SYS(err, "poll");
    return n ? 0 : AVOW_FAIL(err, TIMEOUT, "QGS did not answer in time");
}

static int connect_to(const char *address, struct patience *p, int *fd, struct avow_error *err)
{
    struct sockaddr_storage addr;
    socklen_t len = 0;
    int error = 0;
    socklen_t n = sizeof error;

    AVOW_TRY(qgs_address(address, &addr, &len, err));
    *fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return AVOW_FAIL_SYS(err, "%s: this kernel makes no such socket (module vsock)", address);
    while (connect(*fd, (const struct sockaddr *)&addr, len) < 0) {
        if (errno == EINPROGRESS) {
            AVOW_TRY(ready(*fd, POLLOUT, p, err));
            if (getsockopt(*fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 || !error)
                return 0;
            errno = error;
        }
        if ((errno == EAGAIN || errno == EINTR) && patience_again(p))
            continue; /* a unix socket whose queue is full */
        return AVOW_FAIL(err, NETWORK, "%s: %s; does qgsd run on the host?", address,
                         strerrordesc_np(errno));
    }
    return 0;
}

static int send_all(int fd, struct avow_bytes v, const struct patience *p, struct avow_error *err)
{
    while (v.len) {
        ssize_t n = send(fd, v.data, v.len, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN)
            AVOW_TRY(ready(fd, POLLOUT, p, err));
        else if (n < 0 && errno != EINTR)
            return AVOW_FAIL(err, NETWORK, "sending to QGS: %s", strerrordesc_np(errno));
        else if (n > 0)
            v = AVOW_BYTES(v.data + n, v.len - (size_t)n);
    }
    return 0;
}

/* Exactly @want bytes more. */
static int receive(int fd, size_t want, const struct patience *p, struct avow_buf *out,
                   struct avow_error *err)
{
    uint8_t chunk[4096];

    while (want) {
        ssize_t n = recv(fd, chunk, want < sizeof chunk ? want : sizeof chunk, 0);

        if (n == 0)
            return AVOW_FAIL(err, TRUNCATED, "QGS hung up %zu bytes before the end of its reply",
                             want);
        if (n < 0 && errno == EAGAIN)
            AVOW_TRY(ready(fd, POLLIN, p, err));
        else if (n < 0 && errno != EINTR)
            return AVOW_FAIL(err, NETWORK, "reading from QGS: %s", strerrordesc_np(errno));
        else if (n > 0) {
            avow_buf_put(out, chunk, (size_t)n);
            want -= (size_t)n;
        }
    }
    return avow_buf_ok(out, err);
}

static int receive_reply(int fd, const struct patience *p, struct avow_buf *out,
                         struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf length = AVOW_BUF(LENGTH_LEN);
    struct avow_rd r;
    uint32_t n = 0;

    AVOW_TRY(receive(fd, LENGTH_LEN, p, &length, err));
    r = avow_rd_init(avow_buf_view(&length));
    AVOW_TRY(avow_rd_u32be(&r, &n));
    if (n < QGS_HEADER_LEN || n > GUEST_BLOB_MAX)
        return AVOW_FAIL(err, LIMIT, "QGS: a reply of %u bytes (%u to %u)", n, QGS_HEADER_LEN,
                         GUEST_BLOB_MAX);
    return receive(fd, n, p, out, err);
}

int qgs_quote(const char *address, struct avow_bytes tdreport, struct patience *p,
              struct avow_buf *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf request = AVOW_BUF(REQUEST_MAX);
    avow_auto(avow_buf_done) struct avow_buf reply = AVOW_BUF(GUEST_BLOB_MAX);
    avow_autoclose int fd = -1;
    struct avow_bytes quote = { 0 };

    put_request(tdreport, &request);
    AVOW_TRY(avow_buf_ok(&request, err));
    AVOW_TRY(connect_to(address, p, &fd, err));
    AVOW_TRY(send_all(fd, avow_buf_view(&request), p, err));
    AVOW_TRY(receive_reply(fd, p, &reply, err));
    AVOW_TRY(qgs_reply(avow_buf_view(&reply), &quote, err));
    avow_buf_put_bytes(out, quote);
    return avow_buf_ok(out, err);
}
