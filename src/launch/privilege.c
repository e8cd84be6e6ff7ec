#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launch/namespace.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "say which system calls this architecture has"
#endif
#define X32_BIT 0x40000000u
#define IO_URING_SETUP 425 /* the same everywhere */

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

/*
 * vsock leads to the machine's host, past every network namespace (kernels before 6.19 have but one
 * of it). io_uring makes sockets that no filter sees; calls of another architecture have other
 * numbers. Needs no_new_privs, and lasts.
 */
static int forbid_vsock(struct avow_error *err)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 0, 6),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, X32_BIT, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IO_URING_SETUP, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)), /* low half */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_VSOCK, 1, 2),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog prog = { .len = sizeof code / sizeof *code, .filter = code };

    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
        return AVOW_FAIL_SYS(err, "cannot forbid vsock");
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
    return forbid_vsock(err);
}
