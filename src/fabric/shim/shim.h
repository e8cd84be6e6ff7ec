/*
 * Inside of libavow-fabric.so. A rank's connection to another node is a `struct conn`: the TCP
 * socket that the broker handed over, and records on it. Descriptors point to connections through a
 * table; a connection lives as long as one descriptor or one call uses it.
 *
 * Locks, in this order: table, ep, conn.tx, conn.rx. None is held while the broker is asked.
 */
#ifndef AVOW_FABRIC_SHIM_H
#define AVOW_FABRIC_SHIM_H

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <unistd.h>

#include "fabric/record.h"
#include "fabric/shim/real.h"
#include "fabric/wire.h"

#define SHIM_FD_MAX 65536        /* descriptors at or over this number cannot be brokered */
#define SHIM_IN_CAP (256u << 10) /* bytes of sealed input read ahead, for one connection */
#define SHIM_PLAIN_CAP (2u * AVOW_RECORD_MAX) /* opened, not yet read (short reads, MSG_PEEK) */
#define SHIM_PARTS_MAX 64                     /* pieces of an iovec that go into one record */
#define SHIM_LINGER_MS 2000                   /* for what close, shutdown or exit must still send */
#define SHIM_ANSWER_MS 40000 /* for the broker's answer: longer than all its own deadlines */

/* ---- connections (conn.c) ---- */

struct conn {
    atomic_uint refs; /* descriptors in the table count once together, running calls once each */
    atomic_bool readable; /* something can be read, or the end was seen, without the kernel */
    atomic_uint edge;     /* grows when a read leaves something behind: for EPOLLET */
    struct conn *next_free;
    unsigned n_fds;     /* table lock */
    atomic_uint n_regs; /* registrations in epolls */

    int family;                 /* AF_INET or AF_INET6, as the program sees it */
    struct avow_ctl_answer who; /* names of both ends; its keys are wiped */
    atomic_bool asked_again;    /* a non-blocking connect was repeated, as programs do */

    pthread_mutex_t tx_lock;
    struct avow_record tx;
    uint8_t *out; /* one sealed record; [out_off, out_len) is still to be sent */
    size_t out_off, out_len;
    bool owed; /* the program was not told of the last byte sealed: it will come again */
    uint8_t owed_byte;
    bool tx_ended; /* the end record was sealed */

    pthread_mutex_t rx_lock;
    struct avow_record rx;
    uint8_t *in; /* [in_off, in_len): records as received */
    size_t in_off, in_len;
    uint8_t *plain; /* [plain_off, plain_len): opened */
    size_t plain_off, plain_len;
    size_t plain_used;   /* bytes of it that ever held something: to be wiped */
    bool rx_ended;       /* the end record was opened */
    atomic_bool rx_shut; /* the program has shut this direction itself: then an end is an end */
    int rx_error;        /* what every further read returns */
};

/* A connection from the broker's answer, whose keys it takes and wipes. NULL: no memory. */
struct conn *conn_new(struct avow_ctl_answer *answer, int family);
/* @fd's connection with a reference taken, or NULL. */
struct conn *conn_get(int fd);
void conn_put(struct conn *c);
/* As send(2) and recv(2) on a stream: -1 with errno. */
ssize_t conn_send(struct conn *c, int fd, const struct iovec *v, size_t n, int flags);
ssize_t conn_recv(struct conn *c, int fd, const struct iovec *v, size_t n, int flags);
/* Bytes that can be read without waiting. */
int conn_available(struct conn *c, int fd);
/* Send what is sealed, and the end record, until @deadline_ms at the latest; what can go at once
 * goes even after it. */
void conn_end(struct conn *c, int fd, int64_t deadline_ms);
/* The deadline of an end that begins now: SHIM_LINGER_MS. */
int64_t conn_linger(void);
/* In the child of a fork: forget the keys; the locks' owners do not exist here. */
void conn_abandon(struct conn *c);
void conn_abandoned(void); /* after the last of them */
/* How many connections are `readable`: 0 lets poll and friends go straight to the kernel. */
extern atomic_uint conn_n_readable;

/* ---- descriptors (table.c) ---- */

extern _Atomic(struct conn *) table[SHIM_FD_MAX];

/* A look without a reference: for `is it one of ours` and for atomic members (a struct conn's
 * memory is never returned). */
static inline struct conn *table_peek(int fd)
{
    return fd >= 0 && fd < SHIM_FD_MAX ? atomic_load_explicit(&table[fd], memory_order_acquire)
                                       : NULL;
}

/* @fd now means @c (one more descriptor of it); whatever it meant before is forgotten. */
void table_set(int fd, struct conn *c);
/* @fd means nothing now. The connection if that was its last descriptor (its reference goes to the
 * caller), else NULL. */
struct conn *table_clear(int fd);
/* Whether @c has one descriptor only. */
bool table_is_last(const struct conn *c);
/* In the child of a fork: every brokered descriptor becomes a socket that leads nowhere. */
void table_abandon(void);
/* One more than the highest descriptor ever set. */
int table_end(void);

/* ---- the broker (control.c) ---- */

/* 0 and a connected socket in *fd, or -errno. */
int control_connect(uint32_t addr, uint16_t port, uint16_t own_port, struct avow_ctl_answer *a,
                    int *fd);
int control_fetch(uint16_t port, struct avow_ctl_answer *a, int *fd);
void control_auth_failed(uint32_t peer, const char *text);
/* Whether @fd is a control socket, which a program must not close by accident. */
bool control_owns(int fd);
/* @fd is about to become something else. */
void control_move(int fd);
void control_start(int inherited);
void control_abandon(void);

/* ---- the process (start.c) ---- */

struct shim {
    bool on;       /* the broker can be reached */
    uint32_t self; /* own virtual address, host order */
    uint32_t net, mask;
    enum avow_gcm_engine engine;
    pid_t pid; /* a vfork child shares our memory and is told apart by this */
    /* Not zero, but in a copy of the process that was made behind the C library's back (clone, or
     * fork as a raw system call): the kernel wipes it there. NULL: this kernel cannot. */
    const volatile uint32_t *original;
};

extern struct shim shim;

static inline bool shim_is_owner(void)
{
    return getpid() == shim.pid;
}

/* Whether this process may use the keys that it finds in its memory: two that seal with one key
 * would use a nonce twice. */
static inline bool shim_is_original(void)
{
    return !shim.original || *shim.original;
}

/* One line to standard error. */
void shim_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A record of @c did not authenticate: say so, tell the broker, end the process. */
_Noreturn void shim_auth_failed(const struct conn *c);
/* @fd becomes a socket on which every transfer fails. */
void shim_kill_fd(int fd);

/* ---- sockets (sockets.c) ---- */

enum where { WHERE_NATIVE, WHERE_FABRIC, WHERE_OUTSIDE };

enum where address_where(const struct sockaddr *sa, socklen_t len, uint32_t *addr, uint16_t *port);
/* False, with EACCES and a line said once, if the program must not send there by itself. */
bool address_allowed(const struct sockaddr *sa, socklen_t len);

/* ---- readiness (epoll.c) ---- */

/* Whether a read on @fd, a connection or an epoll, would find something the kernel does not know.
 */
bool ready_fd(int fd);
/* @c has lost its last descriptor. */
void epoll_forget(struct conn *c);
bool epoll_is(int fd);
void epoll_closed(int fd);
void epoll_duplicated(int from, int to);
void epoll_abandon(void);
/* Registrations of @fd in all epolls of the process, which vanish when its socket is replaced. */
struct epoll_saved {
    int epfd;
    struct epoll_event ev;
};
#define EPOLL_SAVED_MAX 16
size_t epoll_save(int fd, struct epoll_saved *out);
void epoll_restore(int fd, const struct epoll_saved *saved, size_t n);

#endif
