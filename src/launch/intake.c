#include "launch/intake.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"

#define FDS_AT_ONCE 253 /* SCM_MAX_FD of the kernel, include/net/scm.h */

void avow_intake_done(struct avow_intake *in)
{
    avow_launch_config_free(in->config);
    in->config = NULL;
    for (size_t i = 0; i < in->n_fds; i++)
        if (in->fds[i] >= 0)
            close(in->fds[i]);
    in->n_fds = 0;
}

static int64_t now_ms(void)
{
    struct timespec t = { 0 };

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int keep_fds(struct avow_intake *in, const struct cmsghdr *c, struct avow_error *err)
{
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int fds[FDS_AT_ONCE];
    bool fit = true;

    memcpy(fds, CMSG_DATA(c), n * sizeof(int));
    for (size_t i = 0; i < n; i++) {
        if (in->n_fds < AVOW_INTAKE_FDS_MAX) {
            in->fds[in->n_fds++] = fds[i];
            continue;
        }
        close(fds[i]);
        fit = false;
    }
    return fit ? 0 : AVOW_FAIL(err, LIMIT, "more than %d descriptors", AVOW_INTAKE_FDS_MAX);
}

/* One recvmsg of at most @n bytes. 0 if nothing came (try again). */
static int receive(int fd, void *buf, size_t n, struct avow_intake *in, size_t *got,
                   struct avow_error *err)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS_AT_ONCE * sizeof(int))];
    struct iovec v = { .iov_base = buf, .iov_len = n };
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    ssize_t k = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    *got = 0;
    if (k < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (k < 0)
        return AVOW_FAIL_SYS(err, "cannot read from avowd");
    if (k == 0)
        return AVOW_FAIL(err, NETWORK, "avowd closed the link");
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            AVOW_TRY(keep_fds(in, c, err));
    if (m.msg_flags & MSG_CTRUNC)
        return AVOW_FAIL(err, LIMIT, "descriptors from avowd were lost");
    *got = (size_t)k;
    return 0;
}

static int read_exactly(int fd, void *buf, size_t n, int64_t end, struct avow_intake *in,
                        struct avow_error *err)
{
    size_t done = 0;

    while (done < n) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int64_t left = end - now_ms();
        size_t got = 0;

        if (left <= 0)
            return AVOW_FAIL(err, TIMEOUT, "avowd does not send the job's configuration");
        if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
            return AVOW_FAIL_SYS(err, "cannot wait for avowd");
        if (!p.revents)
            continue;
        AVOW_TRY(receive(fd, (uint8_t *)buf + done, n - done, in, &got, err));
        done += got;
    }
    return 0;
}

int avow_intake_read(int fd, struct avow_intake *in, struct avow_error *err)
{
    int64_t end = now_ms() + AVOW_INTAKE_TIMEOUT_MS;
    avow_autofree uint8_t *body = NULL;
    uint8_t head[4];
    uint32_t len = 0;
    struct avow_rd r = avow_rd_init(AVOW_BYTES_OF(head));

    *in = (struct avow_intake){ 0 };
    AVOW_TRY(read_exactly(fd, head, sizeof head, end, in, err));
    AVOW_TRY(avow_rd_u32be(&r, &len));
    if (len < 2 || len > AVOW_SHELL_FRAME_MAX)
        return AVOW_FAIL(err, PROTOCOL, "the first frame says it has %u bytes", len);
    body = malloc(len);
    if (!body)
        return AVOW_FAIL(err, NOMEM, "no memory for %u bytes", len);
    AVOW_TRY(read_exactly(fd, body, len, end, in, err));
    if (body[0] != AVOW_SHELL_CONFIG)
        return AVOW_FAIL(err, PROTOCOL, "the first frame is of type %u, not CONFIG", body[0]);
    AVOW_TRY(avow_launch_config_parse(AVOW_BYTES(body + 1, len - 1), &in->config, err));
    if (in->n_fds != 1 + (size_t)avow_launch_self(in->config)->ranks)
        return AVOW_FAIL(err, PROTOCOL, "%zu descriptors came with CONFIG, %u are needed",
                         in->n_fds, 1 + avow_launch_self(in->config)->ranks);
    return 0;
}
