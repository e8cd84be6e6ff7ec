#include "source/tdx_guest.h"

#include <errno.h>

#include "evidence/hcl.h"

_Static_assert(TDX_GUEST_GET_REPORT == 0xc4405401u, "as <linux/tdx-guest.h> makes it");

struct tdx_guest {
    struct tdx_guest_options o;
    char *device, *qgs;
    int fd;
};

static int real_ioctl(void *ctx, int fd, unsigned long request, struct tdx_guest_report *arg)
{
    (void)ctx;
    return ioctl(fd, request, arg);
}

static int get_tdreport(const struct tdx_guest *g, const uint8_t report_data[64],
                        struct patience *p, struct tdx_guest_report *out, struct avow_error *err)
{
    struct avow_bytes echo =
        avow_bytes_sub(AVOW_BYTES_OF(out->tdreport), AVOW_TDREPORT_OFF_REPORTDATA, 64);

    int error = 0;

    do {
        memset(out, 0, sizeof *out);
        memcpy(out->report_data, report_data, sizeof out->report_data);
        error = g->o.call(g->o.ctx, g->fd, TDX_GUEST_GET_REPORT, out) == 0 ? 0 : errno;
    } while ((error == EINTR || error == EBUSY || error == EAGAIN) && patience_again(p));
    errno = error;
    if (error)
        return AVOW_FAIL_SYS(err, "%s: no TDREPORT", g->device);
    if (!avow_bytes_equal(echo, AVOW_BYTES(report_data, 64)))
        return AVOW_FAIL(err, PROTOCOL, "%s: the TDREPORT is over other report data than was asked",
                         g->device);
    return 0;
}

static int collect(void *self, const uint8_t report_data[64], struct avow_bundle *out,
                   struct avow_error *err)
{
    const struct tdx_guest *g = self;
    struct patience p = patience_for(g->o.wait_ms);
    struct tdx_guest_report report;
    avow_auto(avow_buf_done) struct avow_buf quote = AVOW_BUF(GUEST_BLOB_MAX);

    AVOW_TRY(get_tdreport(g, report_data, &p, &report, err));
    AVOW_TRY(qgs_quote(g->qgs, AVOW_BYTES_OF(report.tdreport), &p, &quote, err));
    return guest_put_tdx(avow_buf_view(&quote), report_data, g->qgs, out, err);
}

static void tdx_guest_free(void *self)
{
    struct tdx_guest *g = self;

    if (!g)
        return;
    if (g->fd >= 0)
        close(g->fd);
    free(g->device);
    free(g->qgs);
    free(g);
}

AVOW_DEFINE_CLEANUP(tdx_guest, struct tdx_guest, tdx_guest_free)

static const struct avow_source_ops ops = {
    .name = AVOW_SOURCE_TDX_QGS, .tee = AVOW_TEE_TDX, .collect = collect, .free = tdx_guest_free
};

int tdx_guest_open(const struct tdx_guest_options *o, struct avow_source **out,
                   struct avow_error *err)
{
    avow_auto(avow_cleanup_tdx_guest) struct tdx_guest *g = calloc(1, sizeof *g);
    struct sockaddr_storage addr;
    socklen_t len = 0;

    if (!g)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    g->o = *o;
    g->fd = -1;
    if (!g->o.call)
        g->o.call = real_ioctl;
    g->device = strdup(o->device ? o->device : TDX_GUEST_DEVICE);
    g->qgs = strdup(o->qgs ? o->qgs : QGS_ADDRESS);
    if (!g->device || !g->qgs)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(qgs_address(g->qgs, &addr, &len, err));
    AVOW_TRY(guest_open_device(g->device, "a TDX guest with the module tdx-guest", &g->fd, err));
    *out = avow_source_new(&ops, avow_steal(&g));
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}
