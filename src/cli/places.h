/* Places: where the other parts of avow are, installed or in a build tree. */
#ifndef AVOW_CLI_PLACES_H
#define AVOW_CLI_PLACES_H

#include "base/err.h"

enum avow_place {
    AVOW_PLACE_AVOWD,    /* the node daemon */
    AVOW_PLACE_VERIFIER, /* avow-verifier */
    AVOW_PLACE_SHELL,    /* avow-shell */
    AVOW_PLACE_PRELOAD,  /* libavow-fabric.so */
    AVOW_PLACE_TRAIN,    /* the hospitals' program */
    AVOW_PLACE_DATA,     /* the folder of the hospitals' data */
};

/*
 * Its absolute path; free() it. Looked for beside this program as it lies in a build tree, then as
 * installed (../libexec/avow, ../lib, ../share/avow, ../sbin), then, for avowd, in PATH.
 * AVOW_DATADIR names another ../share/avow. -AVOW_E_NOTFOUND names what was looked for.
 */
AVOW_MUST_USE int avow_place_find(enum avow_place place, char **out, struct avow_error *err);

#endif
