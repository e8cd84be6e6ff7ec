#include "source/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <time.h>

#include "crypto/x509.h"
#include "evidence/certtable.h"
#include "evidence/snp.h"
#include "evidence/tdx.h"

#define ASSET_TAG_FILE "/sys/class/dmi/id/chassis_asset_tag"
#define ASSET_TAG_MAX 256
#define PAUSE_FIRST_MS 1u
#define PAUSE_MAX_MS 250u

static const char pem_mark[] = "-----BEGIN ";

static int64_t now_ms(void)
{
    struct timespec t = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct patience patience_for(unsigned wait_ms)
{
    return (struct patience){ .until_ms = now_ms() + (wait_ms ? wait_ms : GUEST_WAIT_MS),
                              .pause_ms = PAUSE_FIRST_MS };
}

int patience_left(const struct patience *p)
{
    int64_t left = p->until_ms - now_ms();

    return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

bool patience_again(struct patience *p)
{
    struct timespec pause = { .tv_sec = p->pause_ms / 1000,
                              .tv_nsec = (long)(p->pause_ms % 1000) * 1000000 };

    if ((unsigned)patience_left(p) <= p->pause_ms)
        return false;
    (void)nanosleep(&pause, NULL); /* a signal only makes it shorter */
    p->pause_ms = 2 * p->pause_ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : 2 * p->pause_ms;
    return true;
}

int guest_open_device(const char *path, const char *needs, int *fd, struct avow_error *err)
{
    *fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (*fd >= 0)
        return 0;
    if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
        return AVOW_FAIL(err, NOTFOUND, "%s: not there; it needs %s", path, needs);
    if (errno == EACCES || errno == EPERM)
        return AVOW_FAIL_SYS(err,
                             "%s: no access; run avowd as root, or give its user read and write "
                             "access to the device",
                             path);
    return AVOW_FAIL_SYS(err, "%s", path);
}

int guest_read_file(const char *path, struct avow_buf *out, struct avow_error *err)
{
    avow_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    uint8_t chunk[4096];
    ssize_t n = 0;

    if (fd < 0)
        return AVOW_FAIL_SYS(err, "%s", path);
    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno != EINTR)
            return AVOW_FAIL_SYS(err, "%s", path);
        if (n > 0 && avow_buf_put(out, chunk, (size_t)n) < 0)
            return AVOW_FAIL(err, LIMIT, "%s: more than %zu bytes", path, out->max);
    }
    return 0;
}

bool avow_source_on_azure(const char *root)
{
    avow_auto(avow_buf_done) struct avow_buf tag = AVOW_BUF(ASSET_TAG_MAX);
    char path[PATH_MAX];
    size_t n = strlen(AVOW_SOURCE_AZURE_TAG);

    (void)snprintf(path, sizeof path, "%s" ASSET_TAG_FILE, root ? root : "");
    return guest_read_file(path, &tag, NULL) == 0 && tag.len >= n &&
           strncmp(avow_buf_cstr(&tag), AVOW_SOURCE_AZURE_TAG, n) == 0 &&
           strspn(avow_buf_cstr(&tag) + n, " \n") == tag.len - n;
}

/* ---- SNP ---- */

int guest_put_pem(struct avow_bytes text, struct avow_bundle *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(GUEST_BLOB_MAX);
    struct avow_bytes ders[GUEST_CERTS_MAX];
    size_t n = 0;

    AVOW_TRY(avow_pem_to_der(text, &store, ders, GUEST_CERTS_MAX, &n, err));
    for (size_t i = 0; i < n; i++)
        AVOW_TRY(avow_bundle_put(out, AVOW_PART_CERT, ders[i], err));
    return 0;
}

/* The CRL of a table: PEM or DER. */
static int put_crl(struct avow_bytes text, struct avow_bundle *out, struct avow_error *err)
{
    avow_auto(avow_cleanup_crl) struct avow_crl *crl = NULL;
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CRL_DER_MAX);

    AVOW_TRY(avow_crl_parse(text, &crl, err));
    AVOW_TRY(avow_crl_der(crl, &der, err));
    return avow_bundle_put(out, AVOW_PART_CRL, avow_buf_view(&der), err);
}

static int put_entry(const struct avow_certtable_entry *e, struct avow_bundle *out,
                     struct avow_error *err)
{
    if (e->kind == AVOW_CERTTABLE_OTHER)
        return 0;
    if (e->kind == AVOW_CERTTABLE_CRL)
        return put_crl(e->data, out, err);
    if (memmem(e->data.data, e->data.len, pem_mark, sizeof pem_mark - 1))
        return guest_put_pem(e->data, out, err);
    return avow_bundle_put(out, AVOW_PART_CERT, e->data, err);
}

static int put_table(struct avow_bytes table, const char *device, struct avow_bundle *out,
                     struct avow_error *err)
{
    struct avow_certtable_entry entries[AVOW_CERTTABLE_MAX];
    size_t n = 0;
    int rc = 0;

    if (avow_bytes_zero(table)) /* the host has none */
        return 0;
    rc = avow_certtable_parse(table, entries, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = put_entry(&entries[i], out, err);
    if (rc < 0)
        (void)avow_error_prefix(err, "%s: the host's certificates", device);
    return rc;
}

int guest_put_snp(struct avow_bytes report, struct avow_bytes table, const uint8_t report_data[64],
                  const char *device, struct avow_bundle *out, struct avow_error *err)
{
    struct avow_bytes echo = avow_bytes_sub(report, AVOW_SNP_OFF_REPORT_DATA, 64);

    if (report.len != AVOW_SNP_REPORT_LEN)
        return AVOW_FAIL(err, PROTOCOL, "%s: answered with %zu bytes, where a report has %u",
                         device, report.len, AVOW_SNP_REPORT_LEN);
    if (!avow_bytes_equal(echo, AVOW_BYTES(report_data, 64)))
        return AVOW_FAIL(err, PROTOCOL, "%s: the report is over other report data than was asked",
                         device);
    AVOW_TRY(avow_bundle_put(out, AVOW_PART_EVIDENCE, report, err));
    return put_table(table, device, out, err);
}

/* ---- TDX ---- */

int guest_put_tdx(struct avow_bytes quote, const uint8_t report_data[64], const char *device,
                  struct avow_bundle *out, struct avow_error *err)
{
    struct avow_tdx_quote q;
    int rc = avow_tdx_quote_parse(quote, &q, err);

    if (rc < 0) {
        (void)avow_error_prefix(err, "%s: no quote that could be read", device);
        return rc;
    }
    if (!avow_bytes_equal(AVOW_BYTES(q.body.report_data, 64), AVOW_BYTES(report_data, 64)))
        return AVOW_FAIL(err, PROTOCOL, "%s: the quote is over other report data than was asked",
                         device);
    quote.len -= q.padding.len;
    return avow_bundle_put(out, AVOW_PART_EVIDENCE, quote, err);
}
