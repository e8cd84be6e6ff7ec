/*
 * Which device evidence comes from, as the configurations of avowd and avow-verifier say it: `tee:`
 * {kind, dir, privilege-level, qgs, tcti, imds, fresh, event-log}. docs/sources.md.
 */
#ifndef AVOW_SOURCE_SETTINGS_H
#define AVOW_SOURCE_SETTINGS_H

#include "codec/yaml.h"
#include "source/source.h"

/* Zeroed: no device. Strings are owned; NULL where nothing was said. */
struct avow_source_settings {
    char *kind;
    char *dir, *qgs, *tcti, *imds;
    bool has_privilege_level, fresh, event_log;
    unsigned privilege_level;
};

/* For the key `tee` of a file. */
extern const struct avow_schema avow_source_schema;

/*
 * Read @tee of @y, which names places in errors; NULL: no device. @out is written only on success;
 * avow_source_settings_done it. -AVOW_E_FORMAT (no such kind, or a key that is of no use to it),
 * -AVOW_E_LIMIT, -AVOW_E_MISSING (a simulated device without its folder), -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_source_settings_read(const struct avow_yaml *y, const json_t *tee,
                                            struct avow_source_settings *out,
                                            struct avow_error *err);
void avow_source_settings_done(struct avow_source_settings *s);
/* @to is written only on success. -AVOW_E_NOMEM. */
AVOW_MUST_USE int avow_source_settings_copy(const struct avow_source_settings *from,
                                            struct avow_source_settings *to,
                                            struct avow_error *err);
/* Open the device, which must be one (->kind). Errors as avow_source_open_with. */
AVOW_MUST_USE int avow_source_settings_open(const struct avow_source_settings *s,
                                            struct avow_source **out, struct avow_error *err);

#endif
