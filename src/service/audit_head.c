#include <ctype.h>
#include <stdlib.h>

#include "codec/text.h"
#include "service/audit.h"

#define ID_DIGITS_MAX 18 /* less than INT64_MAX has */
#define HASH_DIGITS 64u

static int parse_json(struct avow_bytes text, struct avow_audit_head *out, struct avow_error *err)
{
    avow_autojson json_t *j = NULL;

    AVOW_TRY(avow_json_parse(text, &j, err));
    AVOW_TRY(avow_json_get_int(j, "id", 1, INT64_MAX, &out->id, err));
    AVOW_TRY(avow_json_get_int(j, "time", 0, INT64_MAX, &out->time, err));
    return avow_json_get_hex(j, "hash", out->hash, sizeof out->hash, err);
}

static int parse_pair(struct avow_bytes text, struct avow_audit_head *out)
{
    const char *p = (const char *)text.data;
    char number[ID_DIGITS_MAX + 1] = "";
    char hex[HASH_DIGITS + 1] = "";
    size_t n = 0;

    while (n < text.len && n < ID_DIGITS_MAX && isdigit((unsigned char)p[n])) {
        number[n] = p[n];
        n++;
    }
    if (n == 0 || text.len - n < 1 + HASH_DIGITS || p[n] != ':' ||
        (text.len - n > 1 + HASH_DIGITS && !isspace((unsigned char)p[n + 1 + HASH_DIGITS])))
        return -AVOW_E_FORMAT;
    memcpy(hex, p + n + 1, HASH_DIGITS);
    out->id = strtoll(number, NULL, 10);
    return out->id > 0 ? avow_unhex(hex, out->hash, sizeof out->hash) : -AVOW_E_FORMAT;
}

int avow_audit_head_parse(struct avow_bytes text, struct avow_audit_head *out,
                          struct avow_error *err)
{
    *out = (struct avow_audit_head){ 0 };
    if (text.len && text.data[0] == '{')
        return parse_json(text, out, err);
    return parse_pair(text, out) < 0
               ? AVOW_FAIL(err, FORMAT,
                           "not a head of an audit log: \"12:<64 hex digits>\", or the JSON of "
                           "`audit head --json`")
               : 0;
}

json_t *avow_audit_head_json(const struct avow_audit_head *h)
{
    char hex[HASH_DIGITS + 1];

    avow_hex(AVOW_BYTES_OF(h->hash), hex);
    return json_pack("{s:s, s:I, s:I}", "hash", hex, "id", (json_int_t)h->id, "time",
                     (json_int_t)h->time);
}
