/* Lists of clients that may use an API, by the digests of their keys. Any thread. */
#ifndef AVOW_SERVE_CLIENTS_H
#define AVOW_SERVE_CLIENTS_H

#include "base/bytes.h"

#define AVOW_CLIENTS_MAX 1024
#define AVOW_CLIENTS_FILE_MAX (256u << 10)

/* Who may use the API: "sha256:<hex> comment" a line, '#' begins a comment line. */
struct avow_clients {
    size_t n;
    uint8_t spki[AVOW_CLIENTS_MAX][32];
};

AVOW_MUST_USE int avow_clients_parse(struct avow_bytes text, const char *name,
                                     struct avow_clients *out, struct avow_error *err);
/* Refuses a file that others than root or this user could write to. */
AVOW_MUST_USE int avow_clients_load(const char *path, struct avow_clients *out,
                                    struct avow_error *err);
bool avow_clients_has(const struct avow_clients *c, const uint8_t spki[32]);

#endif
