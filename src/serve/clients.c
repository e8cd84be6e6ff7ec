#include "serve/clients.h"

#include "base/cleanup.h"
#include "codec/text.h"
#include "serve/file.h"

#define PREFIX "sha256:"
#define HEX_LEN 64

/* One line without its end: a fingerprint and perhaps a comment. */
static int take_line(struct avow_bytes line, const char *name, size_t number,
                     struct avow_clients *out, struct avow_error *err)
{
    const char *p = (const char *)line.data;
    char hex[HEX_LEN + 1];

    if (line.len == 0 || p[0] == '#')
        return 0;
    if (line.len < sizeof PREFIX - 1 + HEX_LEN || memcmp(p, PREFIX, sizeof PREFIX - 1) != 0 ||
        (line.len > sizeof PREFIX - 1 + HEX_LEN && p[sizeof PREFIX - 1 + HEX_LEN] != ' ' &&
         p[sizeof PREFIX - 1 + HEX_LEN] != '\t'))
        return AVOW_FAIL(err, FORMAT, "%s:%zu: not \"sha256:<64 hex digits> comment\"", name,
                         number);
    if (out->n == AVOW_CLIENTS_MAX)
        return AVOW_FAIL(err, LIMIT, "%s: more than %d clients", name, AVOW_CLIENTS_MAX);
    memcpy(hex, p + sizeof PREFIX - 1, HEX_LEN);
    hex[HEX_LEN] = '\0';
    if (avow_unhex(hex, out->spki[out->n], 32) < 0)
        return AVOW_FAIL(err, FORMAT, "%s:%zu: \"%s\" is not hex", name, number, hex);
    out->n++;
    return 0;
}

int avow_clients_parse(struct avow_bytes text, const char *name, struct avow_clients *out,
                       struct avow_error *err)
{
    struct avow_bytes line = { 0 };

    out->n = 0;
    for (size_t number = 1; avow_text_line(&text, &line); number++) {
        while (line.len && (line.data[line.len - 1] == ' ' || line.data[line.len - 1] == '\t' ||
                            line.data[line.len - 1] == '\r'))
            line.len--;
        AVOW_TRY(take_line(line, name, number, out, err));
    }
    return 0;
}

int avow_clients_load(const char *path, struct avow_clients *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf lines = AVOW_BUF(AVOW_CLIENTS_FILE_MAX);

    AVOW_TRY(avow_file_read(path, AVOW_FILE_OURS, &lines, err));
    return avow_clients_parse(avow_buf_view(&lines), path, out, err);
}

bool avow_clients_has(const struct avow_clients *c, const uint8_t spki[32])
{
    for (size_t i = 0; i < c->n; i++)
        if (memcmp(c->spki[i], spki, 32) == 0)
            return true;
    return false;
}
