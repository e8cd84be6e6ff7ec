#include "source/tsm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>

#include "codec/text.h"
#include "crypto/hash.h"
#include "source/guest.h"

#define NAME_MAX_LEN 48
#define NAME_TRIES 4
#define LINE_LEN_MAX 64 /* bytes of an attribute that is a word or a number */
#define ROUNDS 5        /* of writing and reading, where others write to our entry */
#define REMOVE_TRIES 8

static const char provider_snp[] = "sev_guest";
static const char provider_tdx[] = "tdx_guest";

struct tsm {
    struct tsm_options o;
    char *folder;
    int dir; /* the folder */
    enum avow_tee tee;
};

/* One report entry: a folder that the kernel fills with attributes. */
struct entry {
    int parent, dir;
    char name[NAME_MAX_LEN];
};

static void entry_done(struct entry *e)
{
    if (e->dir < 0)
        return;
    close(e->dir);
    for (int i = 0; i < REMOVE_TRIES && unlinkat(e->parent, e->name, AT_REMOVEDIR) < 0; i++)
        if (errno != EINTR && errno != EBUSY)
            break;
    e->dir = -1;
}

static int cannot_make(const char *folder, struct avow_error *err)
{
    if (errno == ENXIO)
        return AVOW_FAIL(err, MISSING,
                         "%s: no driver provides reports; load sev-guest or tdx-guest (this may "
                         "not be a confidential VM)",
                         folder);
    if (errno == EACCES || errno == EPERM || errno == EROFS)
        return AVOW_FAIL_SYS(err, "%s: no entry can be made; run as root, with configfs writable",
                             folder);
    return AVOW_FAIL_SYS(err, "%s: no entry can be made", folder);
}

static int entry_new(const struct tsm *t, struct entry *e, struct avow_error *err)
{
    uint8_t random[8];
    char hex[2 * sizeof random + 1];

    e->parent = t->dir;
    for (int i = 0; i < NAME_TRIES; i++) {
        if (avow_random(random, sizeof random) < 0)
            return AVOW_FAIL(err, CRYPTO, "no random bytes");
        avow_hex(AVOW_BYTES_OF(random), hex);
        snprintf(e->name, sizeof e->name, "avow-%s", hex);
        if (mkdirat(t->dir, e->name, 0700) == 0) {
            e->dir = openat(t->dir, e->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (e->dir >= 0)
                return 0;
            (void)unlinkat(t->dir, e->name, AT_REMOVEDIR);
            return AVOW_FAIL_SYS(err, "%s/%s", t->folder, e->name);
        }
        if (errno != EEXIST && errno != EINTR)
            return cannot_make(t->folder, err);
    }
    return AVOW_FAIL(err, BUSY, "%s: no entry of a new name can be made", t->folder);
}

/* ---- attributes ---- */

static int pass_on(struct avow_error *err, const struct avow_error *why)
{
    if (err && !err->code)
        *err = *why;
    return -why->code;
}

static bool is_busy(int error)
{
    return error == EBUSY || error == EAGAIN || error == EINTR || error == ETXTBSY;
}

/* One reading of an attribute; 0, or a positive errno. */
static int read_once(const struct entry *e, const char *name, struct avow_buf *out)
{
    avow_autoclose int fd = openat(e->dir, name, O_RDONLY | O_CLOEXEC);
    uint8_t chunk[4096];
    ssize_t n = 0;

    avow_buf_reset(out);
    if (fd < 0)
        return errno;
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        if (avow_buf_put(out, chunk, (size_t)n) < 0)
            return EFBIG;
    return n < 0 ? errno : 0;
}

/* Until it is no more busy. -AVOW_E_NOTFOUND: the provider has no such attribute. */
static int read_attribute(const struct tsm *t, const struct entry *e, const char *name,
                          struct patience *p, struct avow_buf *out, struct avow_error *err)
{
    int error = 0;

    while ((error = read_once(e, name, out)) != 0 && is_busy(error))
        if (!patience_again(p))
            return AVOW_FAIL(err, TIMEOUT, "%s: %s: still \"%s\" when time was up", t->folder, name,
                             strerrordesc_np(error));
    if (error == ENOENT)
        return AVOW_FAIL(err, NOTFOUND, "%s: this provider has no %s", t->folder, name);
    if (error == EFBIG)
        return AVOW_FAIL(err, LIMIT, "%s: %s has more than %zu bytes", t->folder, name, out->max);
    errno = error;
    return error ? AVOW_FAIL_SYS(err, "%s: reading %s", t->folder, name) : 0;
}

static int read_number(const struct tsm *t, const struct entry *e, const char *name,
                       struct patience *p, uint64_t *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(LINE_LEN_MAX);
    char *end = NULL;

    AVOW_TRY(read_attribute(t, e, name, p, &text, err));
    errno = 0;
    *out = strtoull(avow_buf_cstr(&text), &end, 10);
    if (end == avow_buf_cstr(&text) || errno || (*end && *end != '\n'))
        return AVOW_FAIL(err, PROTOCOL, "%s: %s is not a number", t->folder, name);
    return 0;
}

/* One writing; 0, or a positive errno. A binary attribute takes what was written when it is
 * closed. */
static int write_once(const struct entry *e, const char *name, struct avow_bytes v)
{
    int fd = openat(e->dir, name, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, v.data, v.len);
    int error = n < 0 ? errno : (size_t)n != v.len ? EIO : 0;

    if (fd >= 0 && close(fd) < 0 && !error)
        error = errno;
    return error;
}

static int write_attribute(const struct tsm *t, const struct entry *e, const char *name,
                           struct avow_bytes v, struct patience *p, struct avow_error *err)
{
    int error = 0;

    while ((error = write_once(e, name, v)) != 0 && is_busy(error))
        if (!patience_again(p))
            return AVOW_FAIL(err, TIMEOUT, "%s: %s: still \"%s\" when time was up", t->folder, name,
                             strerrordesc_np(error));
    errno = error;
    return error ? AVOW_FAIL_SYS(err, "%s: writing %s", t->folder, name) : 0;
}

/* ---- the protocol ---- */

static int read_provider(const struct tsm *t, const struct entry *e, struct patience *p,
                         enum avow_tee *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(LINE_LEN_MAX);
    char name[LINE_LEN_MAX + 1];
    struct avow_error why = { 0 };
    int rc = read_attribute(t, e, "provider", p, &text, &why);

    if (rc == -AVOW_E_NOTFOUND)
        return AVOW_FAIL(err, PROTOCOL, "%s: entries have no provider; is this configfs?",
                         t->folder);
    if (rc < 0)
        return pass_on(err, &why);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(avow_buf_cstr(&text), "\n"),
             avow_buf_cstr(&text));
    *out = strcmp(name, provider_snp) == 0   ? AVOW_TEE_SNP
           : strcmp(name, provider_tdx) == 0 ? AVOW_TEE_TDX
                                             : AVOW_TEE_NONE;
    avow_printable(name);
    if (*out == AVOW_TEE_NONE)
        return AVOW_FAIL(err, UNSUPPORTED, "%s: the provider is \"%s\" (served: %s, %s)", t->folder,
                         name, provider_snp, provider_tdx);
    if (t->tee != AVOW_TEE_NONE && *out != t->tee)
        return AVOW_FAIL(err, STATE, "%s: the provider was %s and is now \"%s\"; restart avowd",
                         t->folder, avow_tee_name(t->tee), name);
    return 0;
}

/* Ask for a VMPL: the one that was configured, or the floor if that is not 0, which is what the
 * kernel takes otherwise. *writes counts what moves the generation. */
static int write_privlevel(const struct tsm *t, const struct entry *e, struct patience *p,
                           unsigned *writes, struct avow_error *err)
{
    uint64_t floor = 0;
    unsigned level = t->o.privlevel;
    char text[16];
    struct avow_error why = { 0 };
    int rc = read_number(t, e, "privlevel_floor", p, &floor, &why);

    if (rc == -AVOW_E_NOTFOUND && !t->o.has_privlevel)
        return 0;
    if (rc == -AVOW_E_NOTFOUND)
        return AVOW_FAIL(err, UNSUPPORTED, "%s: this provider has no privilege levels", t->folder);
    if (rc < 0)
        return pass_on(err, &why);
    if (!t->o.has_privlevel && floor == 0)
        return 0;
    if (!t->o.has_privlevel)
        level = floor > TSM_PRIVLEVEL_MAX ? TSM_PRIVLEVEL_MAX : (unsigned)floor;
    snprintf(text, sizeof text, "%u", level);
    rc = write_attribute(t, e, "privlevel", avow_bytes_str(text), p, &why);
    if (rc < 0 && why.sys == EINVAL)
        return AVOW_FAIL(err, REFUSED,
                         "%s: privilege level %u is refused: %" PRIu64 " to %u is allowed here",
                         t->folder, level, floor, TSM_PRIVLEVEL_MAX);
    if (rc < 0)
        return pass_on(err, &why);
    ++*writes;
    return 0;
}

struct answer {
    struct avow_buf report, table;
};

static void answer_done(struct answer *a)
{
    avow_buf_done(&a->report);
    avow_buf_done(&a->table);
}

/* One round. 1 if somebody else wrote to the entry meanwhile: then nothing of it counts. */
static int ask_once(const struct tsm *t, const struct entry *e, const uint8_t report_data[64],
                    struct patience *p, struct answer *a, struct avow_error *err)
{
    uint64_t before = 0;
    uint64_t after = 0;
    unsigned writes = 1;
    struct avow_error why = { 0 };
    int rc = 0;

    AVOW_TRY(read_number(t, e, "generation", p, &before, err));
    AVOW_TRY(write_privlevel(t, e, p, &writes, err));
    AVOW_TRY(write_attribute(t, e, "inblob", AVOW_BYTES(report_data, 64), p, err));
    /* what was written is taken on closing, which cannot say that it was not */
    AVOW_TRY(read_number(t, e, "generation", p, &after, err));
    if (after != before + writes)
        return 1;
    AVOW_TRY(read_attribute(t, e, "outblob", p, &a->report, err));
    rc = read_attribute(t, e, "auxblob", p, &a->table, &why);
    if (rc < 0 && rc != -AVOW_E_NOTFOUND)
        return pass_on(err, &why);
    AVOW_TRY(read_number(t, e, "generation", p, &after, err));
    return after != before + writes;
}

static int collect(void *self, const uint8_t report_data[64], struct avow_bundle *out,
                   struct avow_error *err)
{
    const struct tsm *t = self;
    struct patience p = patience_for(t->o.wait_ms);
    avow_auto(entry_done) struct entry e = { .dir = -1 };
    avow_auto(answer_done) struct answer a = { .report = AVOW_BUF(GUEST_BLOB_MAX),
                                               .table = AVOW_BUF(GUEST_BLOB_MAX) };
    enum avow_tee tee = t->tee;
    int rc = 1;

    AVOW_TRY(entry_new(t, &e, err));
    AVOW_TRY(read_provider(t, &e, &p, &tee, err));
    for (int i = 0; rc == 1 && i < ROUNDS && (i == 0 || patience_again(&p)); i++)
        rc = ask_once(t, &e, report_data, &p, &a, err);
    if (rc == 1)
        return AVOW_FAIL(err, BUSY, "%s/%s: others write to this entry all the time", t->folder,
                         e.name);
    AVOW_TRY(rc);
    if (tee == AVOW_TEE_SNP)
        return guest_put_snp(avow_buf_view(&a.report), avow_buf_view(&a.table), report_data,
                             t->folder, out, err);
    return guest_put_tdx(avow_buf_view(&a.report), report_data, t->folder, out, err);
}

static void tsm_free(void *self)
{
    struct tsm *t = self;

    if (!t)
        return;
    if (t->dir >= 0)
        close(t->dir);
    free(t->folder);
    free(t);
}

AVOW_DEFINE_CLEANUP(tsm, struct tsm, tsm_free)

static const struct avow_source_ops ops_snp = {
    .name = AVOW_SOURCE_TSM, .tee = AVOW_TEE_SNP, .collect = collect, .free = tsm_free
};
static const struct avow_source_ops ops_tdx = {
    .name = AVOW_SOURCE_TSM, .tee = AVOW_TEE_TDX, .collect = collect, .free = tsm_free
};

static int probe(struct tsm *t, struct avow_error *err)
{
    struct patience p = patience_for(t->o.wait_ms);
    avow_auto(entry_done) struct entry e = { .dir = -1 };
    enum avow_tee tee = AVOW_TEE_NONE;

    AVOW_TRY(entry_new(t, &e, err));
    AVOW_TRY(read_provider(t, &e, &p, &tee, err));
    t->tee = tee;
    return 0;
}

int tsm_open(const struct tsm_options *o, struct avow_source **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_tsm) struct tsm *t = calloc(1, sizeof *t);
    const struct avow_source_ops *ops = NULL;

    if (!t)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    t->o = *o;
    t->o.folder = NULL;
    t->dir = -1;
    t->folder = strdup(o->folder ? o->folder : TSM_FOLDER);
    if (!t->folder)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    t->dir = open(t->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->dir < 0 && errno == ENOENT)
        return AVOW_FAIL(err, NOTFOUND,
                         "%s: not there; it needs Linux 6.7 with CONFIG_TSM_REPORTS, the module "
                         "tsm (or tsm_report), and configfs mounted at /sys/kernel/config",
                         t->folder);
    if (t->dir < 0)
        return AVOW_FAIL_SYS(err, "%s", t->folder);
    AVOW_TRY(probe(t, err));
    ops = t->tee == AVOW_TEE_SNP ? &ops_snp : &ops_tdx;
    *out = avow_source_new(ops, avow_steal(&t));
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

int avow_source_tsm_provider(const char *root, enum avow_tee *tee, struct avow_error *err)
{
    avow_auto(avow_cleanup_source) struct avow_source *s = NULL;
    char folder[PATH_MAX];

    (void)snprintf(folder, sizeof folder, "%s" TSM_FOLDER, root ? root : "");
    AVOW_TRY(tsm_open(&(struct tsm_options){ .folder = folder }, &s, err));
    *tee = avow_source_ops(s)->tee;
    return 0;
}
