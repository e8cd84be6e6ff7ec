/*
 * What avow-verifier does besides serving. Each gives the program's exit status, and says on stderr
 * what went wrong. Main thread only.
 */
#ifndef AVOW_SERVICE_COMMANDS_H
#define AVOW_SERVICE_COMMANDS_H

#include "serve/program.h"
#include "service/settings.h"

#define COMMAND_BROKEN 3 /* exit status: the audit log is not what it was */
#define COMMAND_NOBODY 4 /* exit status: no service runs with that state folder */

struct command {
    const struct avow_program *program;
    struct avow_settings settings; /* the service's own */
    const char *head;              /* --head: SEQ:HASH, or a file; or NULL */
    unsigned timeout_s;            /* --timeout */
    bool json;                     /* --json */
};

/* ---- command_audit.c ---- */
int command_audit_check(const struct command *c);
int command_audit_export(const struct command *c);
int command_audit_head(const struct command *c);

/* ---- command_rotate.c ---- */
#define ROTATE_TIMEOUT_S \
    60u /* default; making keys takes a second, their evidence may take longer */
int command_rotate(const struct command *c);

#endif
