#include "two_nodes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fabric/bell.h"
#include "fabric/pins.h"
#include "fabric/wire.h"

#define JOB "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
#define EPOCH 7

/* ---- inside a node ---- */

static void fatal(const char *what)
{
    perror(what);
    _exit(125);
}

static void set_up_interface(int s, const char *name, uint32_t addr)
{
    struct ifreq q = { 0 };
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(addr) };

    (void)snprintf(q.ifr_name, sizeof q.ifr_name, "%s", name);
    if (addr) {
        memcpy(&q.ifr_addr, &a, sizeof a);
        if (ioctl(s, SIOCSIFADDR, &q) != 0)
            fatal("SIOCSIFADDR");
        a.sin_addr.s_addr = 0xffffffffu;
        memcpy(&q.ifr_netmask, &a, sizeof a);
        if (ioctl(s, SIOCSIFNETMASK, &q) != 0)
            fatal("SIOCSIFNETMASK");
    }
    if (ioctl(s, SIOCGIFFLAGS, &q) != 0)
        fatal("SIOCGIFFLAGS");
    q.ifr_flags = (short)(q.ifr_flags | IFF_UP);
    if (ioctl(s, SIOCSIFFLAGS, &q) != 0)
        fatal("SIOCSIFFLAGS");
}

/* ip route add prohibit 10.89.0.0/16 */
static void add_prohibit(void)
{
    struct {
        struct nlmsghdr h;
        struct rtmsg r;
        struct rtattr a;
        uint32_t dst;
    } q = { .h = { .nlmsg_len = sizeof q,
                   .nlmsg_type = RTM_NEWROUTE,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK },
            .r = { .rtm_family = AF_INET,
                   .rtm_dst_len = AVOW_FABRIC_PREFIX,
                   .rtm_table = RT_TABLE_MAIN,
                   .rtm_protocol = RTPROT_STATIC,
                   .rtm_scope = RT_SCOPE_UNIVERSE,
                   .rtm_type = RTN_PROHIBIT },
            .a = { .rta_len = RTA_LENGTH(4), .rta_type = RTA_DST },
            .dst = htonl(AVOW_FABRIC_NET) };
    struct {
        struct nlmsghdr h;
        struct nlmsgerr e;
    } reply = { 0 };
    int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (s < 0 || send(s, &q, sizeof q, 0) != (ssize_t)sizeof q ||
        recv(s, &reply, sizeof reply, 0) < (ssize_t)sizeof reply.h || reply.e.error != 0)
        fatal("prohibit route");
    close(s);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        fatal(path);
    close(fd);
}

/* New namespaces for a process that need not be root: then it is root of a user namespace. */
static void unshare_network(void)
{
    const unsigned uid = geteuid();
    const unsigned gid = getegid();
    char map[64];

    if (uid == 0) {
        if (unshare(CLONE_NEWNET) != 0)
            fatal("unshare");
        return;
    }
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        fatal("unshare");
    (void)snprintf(map, sizeof map, "0 %u 1", uid);
    write_file("/proc/self/uid_map", map);
    write_file("/proc/self/setgroups", "deny");
    (void)snprintf(map, sizeof map, "0 %u 1", gid);
    write_file("/proc/self/gid_map", map);
}

/* A namespace of our own; returns the TUN that must stay open. */
static int enter_namespace(uint32_t node)
{
    struct ifreq q = { .ifr_flags = IFF_TUN | IFF_NO_PI };
    int s = -1;
    int tun = -1;

    unshare_network();
    s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    (void)snprintf(q.ifr_name, sizeof q.ifr_name, "%s", AVOW_FABRIC_IF);
    if (s < 0 || tun < 0 || ioctl(tun, TUNSETIFF, &q) != 0)
        fatal("TUN");
    set_up_interface(s, "lo", 0);
    set_up_interface(s, AVOW_FABRIC_IF, avow_fabric_vaddr(node));
    add_prohibit();
    close(s);
    return tun;
}

static void dotted(uint32_t addr, char out[INET_ADDRSTRLEN])
{
    struct in_addr a = { .s_addr = htonl(addr) };

    (void)inet_ntop(AF_INET, &a, out, INET_ADDRSTRLEN);
}

static void run_command(const struct two_nodes *t, unsigned node, int fabric_fd)
{
    char text[INET_ADDRSTRLEN];
    char number[16];

    dotted(avow_fabric_vaddr(node), text);
    (void)setenv("AVOW_FABRIC_SELF", text, 1);
    (void)setenv("AVOW_FABRIC_NET", AVOW_FABRIC_NET_TEXT, 1);
    dotted(avow_fabric_vaddr(1 - node), text);
    (void)setenv("AVOW_TEST_PEER", text, 1);
    (void)snprintf(number, sizeof number, "%d", fabric_fd);
    if (!t->no_fabric[node])
        (void)setenv("AVOW_FABRIC_FD", number, 1);
    if (!t->no_shim[node])
        (void)setenv("LD_PRELOAD", t->shim, 1);
    (void)fcntl(fabric_fd, F_SETFD, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(t->argv[node][0], t->argv[node]);
    fatal(t->argv[node][0]);
}

/* The node's first process: makes the namespace, says so on @ready, waits for @go, runs the bell
 * and the command, and sends the command's wait status over @ready. */
static void node_main(const struct two_nodes *t, unsigned node, int bell, int rank, int ready,
                      int go)
{
    char byte = 'r';
    int status = 0;
    pid_t pid = 0;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)enter_namespace(node);
    if (fork() == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(rank);
        close(ready);
        _exit(avow_bell_serve(bell) == 0 ? 0 : 1);
    }
    close(bell);
    if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1)
        _exit(125);
    pid = fork();
    if (pid == 0)
        run_command(t, node, rank);
    close(rank);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (write(ready, &status, sizeof status) != (ssize_t)sizeof status)
        _exit(125);
    _exit(0);
}

/* ---- outside ---- */

struct world;

struct node {
    struct world *world;
    unsigned index;
    struct avow_broker *broker;
    struct evconnlistener *listener;
    struct sockaddr_in addr;
    struct event *ready_ev;
    int ready, go;
    pid_t pid;
    bool is_ready, done;
};

struct world {
    const struct two_nodes *t;
    struct two_nodes_result *r;
    struct event_base *base;
    struct node node[2];
    struct evconnlistener *proxy;
    struct sockaddr_in proxy_addr;
    unsigned n_proxied;
    LIST_HEAD(, proxied) proxied;
};

static void on_auth_failed(void *ctx, const char *job, uint32_t peer, const char *text)
{
    struct node *n = ctx;

    (void)peer;
    n->world->r->auth_failures[n->index]++;
    (void)snprintf(n->world->r->text[n->index], TWO_NODES_TEXT_MAX, "%s: %s", job, text);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
                      void *arg)
{
    struct node *n = arg;

    (void)l;
    (void)sa;
    (void)len;
    avow_broker_accept(n->broker, fd);
}

static struct evconnlistener *listen_on(struct world *w, evconnlistener_cb cb, void *arg,
                                        struct sockaddr_in *addr)
{
    socklen_t len = sizeof *addr;
    struct evconnlistener *l = NULL;

    *addr =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    l = evconnlistener_new_bind(w->base, cb, arg, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
                                512, (struct sockaddr *)addr, sizeof *addr);
    if (l)
        (void)getsockname(evconnlistener_get_fd(l), (struct sockaddr *)addr, &len);
    return l;
}

/* ---- the proxy of somebody on the path ---- */

struct proxied {
    LIST_ENTRY(proxied) entry;
    struct world *world;
    unsigned number;
    struct bufferevent *side[2];
    bool ended[2];
};

static void proxied_free(struct proxied *p)
{
    LIST_REMOVE(p, entry);
    bufferevent_free(p->side[0]);
    bufferevent_free(p->side[1]);
    free(p);
}

static void proxied_pump(struct proxied *p, int from)
{
    struct world *w = p->world;

    w->t->tamper(w->t->tamper_ctx, p->number, from, bufferevent_get_input(p->side[from]),
                 bufferevent_get_output(p->side[1 - from]));
}

static void proxied_read(struct bufferevent *b, void *arg)
{
    struct proxied *p = arg;

    proxied_pump(p, b == p->side[1]);
}

/* Where everything of one direction was passed on its end is too; the proxy goes after both. */
static void proxied_settle(struct proxied *p)
{
    bool passed[2];

    for (int from = 0; from < 2; from++) {
        struct bufferevent *to = p->side[1 - from];

        passed[from] = p->ended[from] && evbuffer_get_length(bufferevent_get_output(to)) == 0;
        if (passed[from])
            (void)shutdown(bufferevent_getfd(to), SHUT_WR);
    }
    if (passed[0] && passed[1])
        proxied_free(p);
}

static void proxied_written(struct bufferevent *b, void *arg)
{
    (void)b;
    proxied_settle(arg);
}

static void proxied_event(struct bufferevent *b, short what, void *arg)
{
    struct proxied *p = arg;
    int from = b == p->side[1];

    if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
        return;
    proxied_pump(p, from);
    p->ended[from] = true;
    if (what & BEV_EVENT_ERROR) /* it takes nothing any more either */
        (void)evbuffer_drain(bufferevent_get_output(b),
                             evbuffer_get_length(bufferevent_get_output(b)));
    proxied_settle(p);
}

static void on_proxy_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa,
                            int len, void *arg)
{
    struct world *w = arg;
    struct proxied *p = calloc(1, sizeof *p);

    (void)l;
    (void)sa;
    (void)len;
    if (!p)
        abort();
    p->world = w;
    p->number = w->n_proxied++;
    LIST_INSERT_HEAD(&w->proxied, p, entry);
    p->side[0] = bufferevent_socket_new(w->base, fd, BEV_OPT_CLOSE_ON_FREE);
    p->side[1] = bufferevent_socket_new(w->base, -1, BEV_OPT_CLOSE_ON_FREE);
    for (int i = 0; i < 2; i++) {
        bufferevent_setcb(p->side[i], proxied_read, proxied_written, proxied_event, p);
        (void)bufferevent_enable(p->side[i], EV_READ | EV_WRITE);
    }
    if (bufferevent_socket_connect(p->side[1], (struct sockaddr *)&w->node[1].addr,
                                   sizeof w->node[1].addr) != 0)
        abort();
}

/* ---- life of a node, seen from outside ---- */

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct node *n = arg;
    struct world *w = n->world;
    char byte = 0;

    (void)what;
    if (!n->is_ready) {
        n->is_ready = read(fd, &byte, 1) == 1;
        if (!n->is_ready)
            (void)event_base_loopbreak(w->base);
        if (w->node[0].is_ready && w->node[1].is_ready)
            for (int i = 0; i < 2; i++)
                if (write(w->node[i].go, "g", 1) != 1)
                    (void)event_base_loopbreak(w->base);
        return;
    }
    if (read(fd, &w->r->status[n->index], sizeof(int)) != (ssize_t)sizeof(int))
        w->r->status[n->index] = -1;
    n->done = true;
    (void)event_del(n->ready_ev);
    if (w->node[0].done && w->node[1].done) {
        const struct timeval grace = { .tv_usec = 20000 }; /* last words of the ranks */

        (void)event_base_loopexit(w->base, &grace);
    }
}

static int add_job(struct node *n, int bell)
{
    struct world *w = n->world;
    struct avow_broker_peer peers[2] = { 0 };
    struct avow_broker_job job = {
        .job = JOB, .epoch = EPOCH, .self = n->index, .n_nodes = 2, .peers = peers, .bell_fd = bell
    };
    struct avow_broker_peer *p = &peers[1 - n->index];
    const struct sockaddr_in *to =
        n->index == 0 && w->t->tamper ? &w->proxy_addr : &w->node[1 - n->index].addr;
    struct avow_error err = { 0 };

    memcpy(&p->addr, to, sizeof *to);
    p->addr_len = sizeof *to;
    memset(p->prk.bytes, w->t->wrong_secret && n->index ? 2 : 1, sizeof p->prk.bytes);
    if (avow_broker_job_add(n->broker, &job, &err) < 0) {
        fprintf(stderr, "two_nodes: %s\n", err.text);
        return -1;
    }
    return 0;
}

static int start_node(struct node *n)
{
    int bell[2], rank[2], ready[2], go[2];
    struct avow_error err = { 0 };

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, bell) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, rank) != 0 ||
        pipe2(ready, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0)
        return -1;
    n->pid = fork();
    if (n->pid < 0)
        return -1;
    if (n->pid == 0) {
        close(bell[0]);
        close(rank[0]);
        node_main(n->world->t, n->index, bell[1], rank[1], ready[1], go[0]);
    }
    close(bell[1]);
    close(rank[1]);
    close(ready[1]);
    close(go[0]);
    n->ready = ready[0];
    n->go = go[1];
    if (add_job(n, bell[0]) != 0)
        return -1;
    if (avow_broker_rank_add(n->broker, JOB, 10 + n->index, rank[0], &err) < 0)
        return -1;
    n->ready_ev = event_new(n->world->base, n->ready, EV_READ | EV_PERSIST, on_ready, n);
    return n->ready_ev && event_add(n->ready_ev, NULL) == 0 ? 0 : -1;
}

static void stop_node(struct node *n)
{
    if (n->pid > 0) {
        (void)kill(n->pid, SIGKILL);
        (void)waitpid(n->pid, NULL, 0);
    }
    if (n->ready_ev)
        event_free(n->ready_ev);
    if (n->ready >= 0)
        close(n->ready);
    if (n->go >= 0)
        close(n->go);
    if (n->broker)
        n->world->r->stats[n->index] = *avow_broker_stats(n->broker);
    avow_broker_free(n->broker);
    if (n->listener)
        evconnlistener_free(n->listener);
}

static int start(struct world *w)
{
    w->base = event_base_new();
    if (!w->base)
        return -1;
    for (unsigned i = 0; i < 2; i++) {
        struct node *n = &w->node[i];
        const struct avow_broker_events ev = { .auth_failed = on_auth_failed, .ctx = n };

        if (avow_broker_new(w->base, &ev, &n->broker, NULL) < 0)
            return -1;
        n->listener = listen_on(w, on_accept, n, &n->addr);
        if (!n->listener)
            return -1;
    }
    if (w->t->tamper && !(w->proxy = listen_on(w, on_proxy_accept, w, &w->proxy_addr)))
        return -1;
    return start_node(&w->node[0]) != 0 || start_node(&w->node[1]) != 0 ? -1 : 0;
}

int two_nodes_run(const struct two_nodes *t, struct two_nodes_result *r)
{
    struct world w = { .t = t, .r = r };
    struct proxied *p = NULL;
    const struct timeval limit = { .tv_sec = t->timeout_ms / 1000,
                                   .tv_usec = t->timeout_ms % 1000 * 1000 };
    int rc = -1;

    *r = (struct two_nodes_result){ .status = { -1, -1 } };
    for (unsigned i = 0; i < 2; i++)
        w.node[i] = (struct node){ .world = &w, .index = i, .ready = -1, .go = -1 };
    (void)signal(SIGPIPE, SIG_IGN);
    if (start(&w) == 0) {
        (void)event_base_loopexit(w.base, &limit);
        rc = event_base_dispatch(w.base) < 0 ? -1 : 0;
    } else {
        fprintf(stderr, "two_nodes: set-up failed: %s\n", strerror(errno));
    }
    if (!w.node[0].is_ready || !w.node[1].is_ready)
        rc = -1;
    stop_node(&w.node[0]);
    stop_node(&w.node[1]);
    while ((p = LIST_FIRST(&w.proxied)) != NULL)
        proxied_free(p);
    if (w.proxy)
        evconnlistener_free(w.proxy);
    if (w.base)
        event_base_free(w.base);
    return rc;
}

bool two_nodes_possible(void)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET) == 0 &&
                      access("/dev/net/tun", R_OK | W_OK) == 0
                  ? 0
                  : 1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}
