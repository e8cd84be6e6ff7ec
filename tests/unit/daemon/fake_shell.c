/*
 * An avow-shell that starts no ranks: the first argument of the job says how it behaves. It speaks
 * the frames of launch/shell.h on descriptor 3 and checks what avowd gives it.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch/shell.h"

#define FDS_MAX 1100

static int fds[FDS_MAX];
static unsigned n_fds;

static void die(int status)
{
    _exit(status);
}

static void take_fds(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (c->cmsg_type != SCM_RIGHTS || n_fds + n > FDS_MAX)
            die(90);
        memcpy(fds + n_fds, CMSG_DATA(c), n * sizeof(int));
        n_fds += (unsigned)n;
    }
}

static void read_all(void *p, size_t n)
{
    while (n) {
        char control[CMSG_SPACE(253 * sizeof(int))]; /* SCM_MAX_FD */
        struct iovec iov = { p, n };
        struct msghdr m = { .msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control };
        ssize_t k = recvmsg(AVOW_SHELL_FD, &m, MSG_CMSG_CLOEXEC);

        if (k <= 0)
            die(91); /* avowd is gone */
        take_fds(&m);
        p = (char *)p + k;
        n -= (size_t)k;
    }
}

/* Type; payload in *out (NUL after it), to be freed. */
static int read_frame(char **out, size_t *len)
{
    unsigned char h[5];

    read_all(h, sizeof h);
    *len = ((size_t)h[0] << 24 | (size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3]) - 1;
    *out = calloc(1, *len + 1);
    read_all(*out, *len);
    return h[4];
}

static void send_frame(int type, const void *a, size_t na, const void *b, size_t nb)
{
    size_t len = na + nb + 1;
    unsigned char h[5] = { (unsigned char)(len >> 24), (unsigned char)(len >> 16),
                           (unsigned char)(len >> 8), (unsigned char)len, (unsigned char)type };

    if (write(AVOW_SHELL_FD, h, 5) != 5 || (na && write(AVOW_SHELL_FD, a, na) != (ssize_t)na) ||
        (nb && write(AVOW_SHELL_FD, b, nb) != (ssize_t)nb))
        die(92);
}

static void send_text(int type, const char *text)
{
    send_frame(type, text, strlen(text), NULL, 0);
}

static void output(unsigned rank, int stream, const char *text, size_t n)
{
    unsigned char h[5] = { (unsigned char)(rank >> 24), (unsigned char)(rank >> 16),
                           (unsigned char)(rank >> 8), (unsigned char)rank, (unsigned char)stream };

    send_frame(AVOW_SHELL_OUTPUT, h, 5, text, n);
}

static void sdk(unsigned rank, const char *text)
{
    unsigned be = htonl(rank);

    send_frame(AVOW_SHELL_SDK, &be, 4, text, strlen(text));
}

static void wait_for(int type, char **payload, size_t *len)
{
    for (;;) {
        int t = read_frame(payload, len);

        if (t == type)
            return;
        if (t == AVOW_SHELL_KILL) {
            send_text(AVOW_SHELL_DONE, "{\"ok\":false,\"exit\":143,\"code\":\"cancelled\","
                                       "\"rank\":-1,\"text\":\"told to end\"}");
            die(0);
        }
        free(*payload);
    }
}

static void write_result(const char *dir, const char *name, const char *text)
{
    char path[4096];
    FILE *f = NULL;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        die(93);
}

/* What avowd promises about the files. */
static void check_files(const json_t *config)
{
    const char *program = json_string_value(json_object_get(config, "program"));
    const char *workdir = json_string_value(json_object_get(config, "workdir"));
    char path[4096];
    struct stat st;

    if (access(program, X_OK) != 0 || access(workdir, W_OK) != 0)
        die(94);
    snprintf(path, sizeof path, "%s/../input/d.csv", workdir);
    if (stat(path, &st) != 0 || st.st_size != 6)
        die(95);
}

static void rank_exit(unsigned rank, int code)
{
    char text[128];

    snprintf(text, sizeof text,
             "{\"rank\":%u,\"status\":%d,\"exit\":%d,\"signal\":0,\"text\":\"rank %u ended\"}",
             rank, code << 8, code, rank);
    send_text(AVOW_SHELL_RANK_EXIT, text);
}

/* Two shells greet each other through their daemons; whoever waits in vain never ends. */
static void greet(unsigned node)
{
    unsigned other = htonl(1 - node);
    char *p = NULL;
    size_t n = 0;

    send_frame(AVOW_SHELL_PEER_OUT, &other, 4, "hello", 5);
    wait_for(AVOW_SHELL_PEER_IN, &p, &n);
    if (n != 9 || memcmp(p, &other, 4) != 0 || memcmp(p + 4, "hello", 5) != 0)
        die(96);
    free(p);
}

static void flood(unsigned rank)
{
    char text[16384];

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\n';
    for (int i = 0; i < 100; i++) /* 1.6 MiB: more than is kept or shown */
        output(rank, 1, text, sizeof text);
}

static void run(const char *how, unsigned node, unsigned rank, const char *workdir)
{
    greet(node);
    output(rank, 1, "h\xc3\xa4llo\xff\n", 8);
    sdk(rank, "{\"t\":\"begin\",\"i\":1}");
    sdk(rank, "{\"t\":\"end\",\"i\":1,\"ns\":2000000,\"m\":{\"loss\":0.5}}");
    sdk(rank, "{\"t\":\"begin\",\"i\":2}");
    sdk(rank, "{\"t\":\"end\",\"i\":2,\"ns\":4000000,\"m\":{\"loss\":0.25}}");
    sdk(rank, "{\"t\":\"progress\",\"i\":2,\"n\":9}");
    sdk(rank, "not JSON");
    if (strcmp(how, "flood") == 0)
        flood(rank);
    if (strcmp(how, "loop") == 0)
        for (char *p = NULL;; free(p)) {
            size_t n = 0;

            wait_for(-1, &p, &n);
        }
    if (strcmp(how, "crash") == 0 && node == 1)
        kill(getpid(), SIGKILL);
    if (strcmp(how, "garbage") == 0 && node == 1)
        if (write(AVOW_SHELL_FD, "\xff\xff\xff\xff\xff", 5) == 5)
            pause();
    if (strcmp(how, "fail") == 0 && node == 1) {
        rank_exit(rank, 7);
        send_text(AVOW_SHELL_DONE, "{\"ok\":false,\"exit\":7,\"code\":\"rank\",\"rank\":2,"
                                   "\"text\":\"rank 2 on b exited with status 7\"}");
        die(0);
    }
    if (strcmp(how, "fail") == 0 || strcmp(how, "crash") == 0 || strcmp(how, "garbage") == 0)
        for (char *p = NULL;; free(p)) {
            size_t n = 0;

            wait_for(-1, &p, &n);
        }
    write_result(workdir, "model.txt", "w = 1\n");
    if (strcmp(how, "toomuch") == 0)
        write_result(workdir, "big",
                     "01234567890123456789012345678901234567890123456789"
                     "01234567890123456789012345678901234567890123456789");
}

/* What tests of the process itself ask for; none of them returns. */
static void alone(const char *how)
{
    char text[64];
    pid_t child = 0;

    if (strcmp(how, "count") == 0) {
        for (unsigned i = 0; i < n_fds; i++)
            if (fcntl(fds[i], F_GETFD) < 0)
                die(89);
        snprintf(text, sizeof text, "%u", n_fds);
        send_text(AVOW_SHELL_LOG, text);
        die(0);
    }
    if (strcmp(how, "deaf") == 0)
        for (;;)
            pause();
    if (strcmp(how, "leave-child") == 0) {
        child = fork();
        if (child == 0)
            for (;;)
                pause();
        snprintf(text, sizeof text, "%d", (int)child);
        send_text(AVOW_SHELL_LOG, text);
        die(3);
    }
}

int main(void)
{
    char *text = NULL;
    size_t n = 0;
    json_t *config = NULL;
    const char *how = NULL;
    const char *workdir = NULL;
    unsigned node = 0;
    unsigned rank = 0;
    unsigned ranks = 0;

    alarm(30);
    if (read_frame(&text, &n) != AVOW_SHELL_CONFIG)
        die(97);
    config = json_loads(text, 0, NULL);
    how = json_string_value(json_array_get(json_object_get(config, "args"), 0));
    workdir = json_string_value(json_object_get(config, "workdir"));
    node = (unsigned)json_integer_value(json_object_get(config, "node"));
    ranks = (unsigned)json_integer_value(
        json_object_get(json_array_get(json_object_get(config, "nodes"), node), "ranks"));
    rank = node == 0 ? 0 : 2;
    if (how)
        alone(how);
    if (!how || !workdir || n_fds != ranks + 1 ||
        json_integer_value(json_object_get(config, "file_max")) <= 0)
        die(98);
    check_files(config);
    if (strcmp(how, "nonamespace") == 0 && node == 0) {
        send_text(AVOW_SHELL_DONE, "{\"ok\":false,\"exit\":1,\"code\":\"namespace\",\"rank\":-1,"
                                   "\"text\":\"cannot make a network namespace\"}");
        die(0);
    }
    send_text(AVOW_SHELL_LOG, "the shell is here");
    send_text(AVOW_SHELL_READY, "{\"pid\":1,\"namespace\":true}");
    free(text);
    wait_for(AVOW_SHELL_GO, &text, &n);
    run(how, node, rank, workdir);
    for (unsigned i = 0; i < ranks; i++)
        rank_exit(rank + i, 0);
    send_text(AVOW_SHELL_DONE, "{\"ok\":true,\"exit\":0,\"code\":\"\",\"rank\":-1,\"text\":\"\"}");
    die(0); /* what it allocated goes with it */
}
