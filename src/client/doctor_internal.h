/* What the parts of doctor share. Internal to client/. */
#ifndef AVOW_CLIENT_DOCTOR_INTERNAL_H
#define AVOW_CLIENT_DOCTOR_INTERNAL_H

#include <limits.h>

#include "client/doctor.h"

#define DOCTOR_FOUND_MAX 512              /* bytes of what was found, in words */
#define DOCTOR_LINE_MAX_BYTES (16u << 10) /* a line of /proc/cpuinfo is long */

struct doctor {
    const struct avow_doctor_paths *paths;
    json_t *findings; /* owned; NULL once memory ran out */
};

enum doctor_state { STATE_OK, STATE_MISSING, STATE_WARN };

/* Add a finding; @advice counts only where @state is not ok. */
__attribute__((format(printf, 5, 6))) void doctor_find(struct doctor *d, const char *check,
                                                       enum doctor_state state, const char *advice,
                                                       const char *fmt, ...);
/* A path of the system's, below the root that tests may have given; "" if it is too long. */
const char *doctor_path(const struct doctor *d, const char *path, char out[PATH_MAX]);
bool doctor_there(const struct doctor *d, const char *path);
/* The first processor's line of flags; false if there is none. */
bool doctor_cpu_flags(const struct doctor *d, char line[DOCTOR_LINE_MAX_BYTES]);
/* @flag as a word of @line. */
bool doctor_has_word(const char *line, const char *flag);

/* What gives evidence here: configfs-tsm, /dev/sev-guest, /dev/tdx_guest, Azure's virtual TPM. */
void doctor_check_tee(struct doctor *d);

#endif
