#include "source/sev_guest.h"

#include <errno.h>

#include "evidence/snp.h"
#include "source/guest.h"

/* <linux/sev-guest.h> of Debian 12 (Linux 6.1) has what is used here; its SNP_GUEST_VMM_ERR() needs
 * kernel types, so the two halves of exitinfo2 are looked at instead. */
#define MSG_VERSION 1
#define PAGE 4096u
#define FIRMWARE_NOT_CALLED 0xFFu /* <linux/psp-sev.h> of newer kernels: SEV_RET_NO_FW_CALL */

_Static_assert(sizeof(struct snp_report_resp) >= SEV_GUEST_RSP_HEADER + AVOW_SNP_REPORT_LEN,
               "a report fits into the answer");

struct sev_guest {
    struct sev_guest_options o;
    char *device;
    int fd;
    uint8_t *table; /* page-aligned, GUEST_BLOB_MAX bytes */
};

static int real_ioctl(void *ctx, int fd, unsigned long request, struct snp_guest_request_ioctl *arg)
{
    (void)ctx;
    return ioctl(fd, request, arg);
}

static bool is_busy(int error, const struct snp_guest_request_ioctl *arg)
{
    return error == EINTR || error == EBUSY || error == EAGAIN ||
           arg->vmm_error == SNP_GUEST_VMM_ERR_BUSY;
}

/* What the driver's errno and exitinfo2 mean, and what can be done. */
static int explain(const struct sev_guest *g, int error, const struct snp_guest_request_ioctl *arg,
                   struct avow_error *err)
{
    errno = error;
    if (error == ENOTTY)
        return AVOW_FAIL_SYS(err,
                             "%s: no answer: the key between guest and firmware was wiped after an "
                             "earlier failure (see dmesg); only a new start of the VM helps",
                             g->device);
    if (is_busy(error, arg))
        return AVOW_FAIL(err, BUSY, "%s: the host was busy until time was up", g->device);
    if (arg->vmm_error)
        return AVOW_FAIL_SYS(err, "%s: the host refused the request (VMM error %u)", g->device,
                             arg->vmm_error);
    if (arg->fw_error && arg->fw_error != FIRMWARE_NOT_CALLED)
        return AVOW_FAIL_SYS(err, "%s: the firmware refused the request (error 0x%x)", g->device,
                             arg->fw_error);
    if (error == EINVAL)
        return AVOW_FAIL_SYS(err, "%s: the driver refused the request (VMPL %u)", g->device,
                             g->o.vmpl);
    return AVOW_FAIL_SYS(err, "%s: no report", g->device);
}

/* One request, again while the host is busy. 0 or a positive errno; @arg says more. */
static int request(const struct sev_guest *g, unsigned long number, void *req,
                   struct snp_report_resp *resp, struct patience *p,
                   struct snp_guest_request_ioctl *arg)
{
    int error = 0;

    do {
        *arg = (struct snp_guest_request_ioctl){ .msg_version = MSG_VERSION,
                                                 .req_data = (uintptr_t)req,
                                                 .resp_data = (uintptr_t)resp };
        memset(resp, 0, sizeof *resp);
        if (g->o.call(g->o.ctx, g->fd, number, arg) == 0)
            return 0;
        error = errno;
    } while (is_busy(error, arg) && patience_again(p));
    return error;
}

/* With the host's certificates; *table_len: of g->table. */
static int request_extended(struct sev_guest *g, const struct snp_report_req *plain,
                            struct snp_report_resp *resp, struct patience *p,
                            struct snp_guest_request_ioctl *arg, size_t *table_len)
{
    struct snp_ext_report_req req = { .data = *plain,
                                      .certs_address = (uintptr_t)g->table,
                                      .certs_len = SEV_GUEST_TABLE_LEN };
    int error = 0;

    memset(g->table, 0, GUEST_BLOB_MAX);
    error = request(g, SNP_GET_EXT_REPORT, &req, resp, p, arg);
    if (error && arg->vmm_error == SNP_GUEST_VMM_ERR_INVALID_LEN &&
        req.certs_len > SEV_GUEST_TABLE_LEN && req.certs_len <= GUEST_BLOB_MAX &&
        req.certs_len % PAGE == 0) /* the driver wrote how much the host has */
        error = request(g, SNP_GET_EXT_REPORT, &req, resp, p, arg);
    *table_len = error ? 0 : req.certs_len;
    return error;
}

/* Whether a plain report may be had where an extended one was not: the host has no table, or one
 * that the driver does not take. */
static bool plain_may_help(int error, const struct snp_guest_request_ioctl *arg)
{
    return !is_busy(error, arg) && (arg->vmm_error || error == EINVAL || error == ENOSPC);
}

static int put(const struct sev_guest *g, const struct snp_report_resp *resp, size_t table_len,
               const uint8_t report_data[64], struct avow_bundle *out, struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(AVOW_BYTES(resp->data, sizeof resp->data));
    struct avow_bytes report = { 0 };
    uint32_t status = 0;
    uint32_t size = 0;

    AVOW_TRY(avow_rd_u32le(&r, &status));
    AVOW_TRY(avow_rd_u32le(&r, &size));
    AVOW_TRY(avow_rd_skip(&r, SEV_GUEST_RSP_HEADER - 8));
    if (status)
        return AVOW_FAIL(err, PROTOCOL, "%s: the firmware answered with status 0x%x", g->device,
                         status);
    if (avow_rd_bytes(&r, size, &report) < 0)
        return AVOW_FAIL(err, PROTOCOL, "%s: a report of %u bytes", g->device, size);
    return guest_put_snp(report, AVOW_BYTES(g->table, table_len), report_data, g->device, out, err);
}

static int collect(void *self, const uint8_t report_data[64], struct avow_bundle *out,
                   struct avow_error *err)
{
    struct sev_guest *g = self;
    struct patience p = patience_for(g->o.wait_ms);
    struct snp_report_req req = { .vmpl = g->o.vmpl };
    struct snp_guest_request_ioctl arg = { 0 };
    struct snp_report_resp resp;
    size_t table_len = 0;
    int error = 0;

    memcpy(req.user_data, report_data, sizeof req.user_data);
    error = request_extended(g, &req, &resp, &p, &arg, &table_len);
    if (error && plain_may_help(error, &arg))
        error = request(g, SNP_GET_REPORT, &req, &resp, &p, &arg);
    if (error)
        return explain(g, error, &arg, err);
    return put(g, &resp, table_len, report_data, out, err);
}

static void sev_guest_free(void *self)
{
    struct sev_guest *g = self;

    if (!g)
        return;
    if (g->fd >= 0)
        close(g->fd);
    free(g->table);
    free(g->device);
    free(g);
}

AVOW_DEFINE_CLEANUP(sev_guest, struct sev_guest, sev_guest_free)

static const struct avow_source_ops ops = {
    .name = AVOW_SOURCE_SEV_GUEST, .tee = AVOW_TEE_SNP, .collect = collect, .free = sev_guest_free
};

int sev_guest_open(const struct sev_guest_options *o, struct avow_source **out,
                   struct avow_error *err)
{
    avow_auto(avow_cleanup_sev_guest) struct sev_guest *g = calloc(1, sizeof *g);

    if (!g)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    g->o = *o;
    g->fd = -1;
    if (!g->o.call)
        g->o.call = real_ioctl;
    g->device = strdup(o->device ? o->device : SEV_GUEST_DEVICE);
    g->table = aligned_alloc(PAGE, GUEST_BLOB_MAX);
    if (!g->device || !g->table)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(
        guest_open_device(g->device, "an SEV-SNP guest with the module sev-guest", &g->fd, err));
    *out = avow_source_new(&ops, avow_steal(&g));
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}
