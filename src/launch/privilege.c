#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launch/namespace.h"

#define CAP_BITS 64 /* more than any kernel knows: EINVAL ends the loop */

static int drop_bounding_set(struct avow_error *err)
{
    for (unsigned long cap = 0; cap < CAP_BITS; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
            if (errno == EINVAL)
                return 0;
            /* without CAP_SETPCAP it stays as it is, and no_new_privs alone, set below, keeps a
             * program that is started from gaining anything */
            if (errno == EPERM)
                return 0;
            return AVOW_FAIL_SYS(err, "cannot drop capability %lu", cap);
        }
    return 0;
}

static int drop_capabilities(struct avow_error *err)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        return AVOW_FAIL_SYS(err, "cannot clear ambient capabilities");
    if (syscall(SYS_capset, &head, none) < 0)
        return AVOW_FAIL_SYS(err, "cannot give up capabilities");
    return 0;
}

static int become(int64_t uid, int64_t gid, struct avow_error *err)
{
    gid_t g = gid < 0 ? getegid() : (gid_t)gid;
    uid_t u = uid < 0 ? geteuid() : (uid_t)uid;

    /* who stays who it is may stay in its groups where it may not leave them: in a user namespace
     * with setgroups denied */
    if (geteuid() == 0 && setgroups(0, NULL) < 0 && !(errno == EPERM && uid < 0 && gid < 0))
        return AVOW_FAIL_SYS(err, "cannot leave supplementary groups");
    if (setresgid(g, g, g) < 0)
        return AVOW_FAIL_SYS(err, "cannot become group %u", g);
    if (setresuid(u, u, u) < 0)
        return AVOW_FAIL_SYS(err, "cannot become user %u", u);
    if (getuid() != u || geteuid() != u || getgid() != g || getegid() != g)
        return AVOW_FAIL(err, SYSTEM, "still not user %u and group %u", u, g);
    return 0;
}

int avow_privileges_drop(int64_t uid, int64_t gid, struct avow_error *err)
{
    struct rlimit no_core = { 0, 0 };

    /* a core file would hold the job's data */
    if (setrlimit(RLIMIT_CORE, &no_core) < 0)
        return AVOW_FAIL_SYS(err, "cannot forbid core dumps");
    AVOW_TRY(drop_bounding_set(err));
    AVOW_TRY(become(uid, gid, err));
    AVOW_TRY(drop_capabilities(err));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return AVOW_FAIL_SYS(err, "cannot set no_new_privs");
    return 0;
}
