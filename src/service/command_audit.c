#include <stdio.h>
#include <time.h>

#include "codec/text.h"
#include "serve/file.h"
#include "service/audit.h"
#include "service/commands.h"

#define HEAD_FILE_MAX 4096

static int complain(const struct command *c, const struct avow_error *err)
{
    return avow_program_complain(c->program, err,
                                 err->code == AVOW_E_DIGEST ? COMMAND_BROKEN : EXIT_FAILURE);
}

static int misconfigured(const struct command *c, const struct avow_error *err)
{
    return avow_program_complain(c->program, err, AVOW_EXIT_USAGE);
}

static int flushed(void)
{
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int open_log(const struct command *c, char **path, struct avow_audit **out,
                    struct avow_error *err)
{
    AVOW_TRY(avow_settings_path(&c->settings, "audit.db", path, err));
    return avow_audit_open(*path, AVOW_AUDIT_READ, 0, out, err);
}

/* A head as it is, or the file that it is in. */
static int read_kept(const char *given, struct avow_audit_head *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(HEAD_FILE_MAX);

    if (avow_audit_head_parse(avow_bytes_str(given), out, NULL) == 0)
        return 0;
    if (avow_file_read(given, AVOW_FILE_ANYBODYS, &text, err) < 0)
        return avow_error_prefix(err, "--head: neither SEQ:HASH nor a file");
    return avow_audit_head_parse(avow_buf_view(&text), out, err) < 0
               ? avow_error_prefix(err, "%s", given)
               : 0;
}

int command_audit_check(const struct command *c)
{
    avow_auto(avow_cleanup_audit) struct avow_audit *a = NULL;
    avow_autofree char *path = NULL;
    struct avow_audit_head kept = { 0 };
    struct avow_error err = { 0 };
    uint64_t n = 0;
    uint8_t last[32];
    char hex[65];
    int rc = 0;

    if (open_log(c, &path, &a, &err) < 0 || (c->head && read_kept(c->head, &kept, &err) < 0))
        return misconfigured(c, &err);
    rc = c->head ? avow_audit_holds(a, &kept, &n, last, &err)
                 : avow_audit_each(a, NULL, NULL, &n, last, &err);
    if (rc < 0)
        return complain(c, &err);
    avow_hex(AVOW_BYTES_OF(last), hex);
    printf("%s: ok, %llu rows, last hash %s", path, (unsigned long long)n, hex);
    if (c->head)
        printf("; row %lld is as it was kept", (long long)kept.id);
    puts("");
    return flushed();
}

static int print_row(void *ctx, const struct avow_audit_row *row)
{
    char hex[65];

    (void)ctx;
    avow_hex(AVOW_BYTES(row->hash, 32), hex);
    return printf("{\"hash\":\"%s\",\"row\":%s}\n", hex, row->json) < 0 ? 1 : 0;
}

int command_audit_export(const struct command *c)
{
    avow_auto(avow_cleanup_audit) struct avow_audit *a = NULL;
    avow_autofree char *path = NULL;
    struct avow_error err = { 0 };

    if (open_log(c, &path, &a, &err) < 0)
        return misconfigured(c, &err);
    if (avow_audit_each(a, print_row, NULL, NULL, NULL, &err) != 0)
        return complain(c, &err);
    return flushed();
}

static int print_json(const struct avow_audit_head *head, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(HEAD_FILE_MAX);
    avow_autojson json_t *j = avow_audit_head_json(head);

    if (!j)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_json_canonical(j, &text, err));
    puts(avow_buf_cstr(&text));
    return 0;
}

static int print_text(const struct avow_audit_head *head, struct avow_error *err)
{
    const time_t when = (time_t)head->time;
    struct tm tm = { 0 };
    char date[32];
    char hex[65];

    if (!gmtime_r(&when, &tm) || strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return AVOW_FAIL(err, FORMAT, "row %lld has no time that could be", (long long)head->id);
    avow_hex(AVOW_BYTES_OF(head->hash), hex);
    printf("%lld:%s %s\n", (long long)head->id, hex, date);
    return 0;
}

int command_audit_head(const struct command *c)
{
    avow_auto(avow_cleanup_audit) struct avow_audit *a = NULL;
    avow_autofree char *path = NULL;
    struct avow_audit_head head = { 0 };
    struct avow_error err = { 0 };

    if (open_log(c, &path, &a, &err) < 0)
        return misconfigured(c, &err);
    if (avow_audit_read_head(a, &head, &err) < 0 ||
        (c->json ? print_json(&head, &err) : print_text(&head, &err)) < 0)
        return complain(c, &err);
    return flushed();
}
