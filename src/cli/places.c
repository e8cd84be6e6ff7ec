#include "cli/places.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#ifndef AVOW_SOURCE_ROOT
#define AVOW_SOURCE_ROOT "" /* set for builds that are run where they were made */
#endif
#ifndef AVOW_LIBDIR
#define AVOW_LIBDIR "lib" /* below the prefix */
#endif

/* Relative to the folder of this program; in a build tree that is BUILD/src/cli. */
static const struct {
    const char *what;
    const char *relative[4];
} places[] = {
    [AVOW_PLACE_AVOWD] = { "avowd", { "../daemon/avowd", "../sbin/avowd", "avowd" } },
    [AVOW_PLACE_VERIFIER] = { "avow-verifier",
                              { "../service/avow-verifier", "../sbin/avow-verifier" } },
    [AVOW_PLACE_SHELL] = { "avow-shell", { "../launch/avow-shell", "../libexec/avow/avow-shell" } },
    [AVOW_PLACE_PRELOAD] = { "libavow-fabric.so",
                             { "../fabric/libavow-fabric.so",
                               "../" AVOW_LIBDIR "/libavow-fabric.so" } },
    [AVOW_PLACE_TRAIN] = { "the hospitals' program",
                           { "../../examples/hospitals/train",
                             "../libexec/avow/examples/hospitals/train" } },
    [AVOW_PLACE_DATA] = { "the hospitals' data", { "../share/avow/examples/hospitals/data" } },
};

static char *try_path(const char *a, const char *b)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/%s", a, b) >= (int)sizeof path || access(path, R_OK) != 0)
        return NULL;
    return realpath(path, NULL);
}

static char *in_path(const char *name)
{
    const char *env = getenv("PATH");
    avow_autofree char *copy = strdup(env ? env : "");
    char *save = NULL;

    for (char *dir = copy ? strtok_r(copy, ":", &save) : NULL; dir;
         dir = strtok_r(NULL, ":", &save)) {
        char *found = try_path(dir, name);

        if (found)
            return found;
    }
    return NULL;
}

static const char source_root_text[] = AVOW_SOURCE_ROOT;
static const char *const source_root = source_root_text;

static char *find(enum avow_place place, const char *self)
{
    const char *data = getenv("AVOW_DATADIR");
    char *found = NULL;

    if (place == AVOW_PLACE_DATA && data)
        found = try_path(data, "examples/hospitals/data");
    for (size_t i = 0; !found && i < 4 && places[place].relative[i]; i++)
        found = try_path(self, places[place].relative[i]);
    if (!found && place == AVOW_PLACE_DATA && *source_root)
        found = try_path(source_root, "examples/hospitals/data");
    if (!found && place == AVOW_PLACE_AVOWD)
        found = in_path("avowd");
    return found;
}

int avow_place_find(enum avow_place place, char **out, struct avow_error *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash = NULL;

    if (n <= 0)
        return AVOW_FAIL(err, NOTFOUND, "/proc/self/exe cannot be read");
    self[n] = 0;
    slash = strrchr(self, '/');
    if (slash)
        *slash = 0;
    *out = find(place, self);
    if (!*out)
        return AVOW_FAIL(err, NOTFOUND, "%s is neither in the build tree nor installed beside %s",
                         places[place].what, self);
    return 0;
}
