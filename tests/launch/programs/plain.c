/* A rank without MPI, for the tests of the launcher. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

static void show_file(const char *path, const char *wanted)
{
    char line[512];
    FILE *f = fopen(path, "r");

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, wanted, strlen(wanted)) == 0)
            printf("%s", line);
    if (f)
        fclose(f);
}

static void show_folder(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e = NULL;

    while (d && (e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            printf("%s/%s\n", path, e->d_name);
    if (d)
        closedir(d);
}

static void show_connect(const char *addr)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    inet_pton(AF_INET, addr, &to.sin_addr);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        printf("connect %s: ok\n", addr);
    else
        printf("connect %s: %s\n", addr, strerror(errno));
    close(fd);
}

static void show_all(void)
{
    struct rlimit core;
    char host[256] = "", cwd[4096];

    gethostname(host, sizeof host);
    getrlimit(RLIMIT_CORE, &core);
    printf("uid %d gid %d groups %d host %s cwd %s core %ld\n", (int)getuid(), (int)getgid(),
           getgroups(0, NULL), host, getcwd(cwd, sizeof cwd), (long)core.rlim_cur);
    show_file("/proc/self/status", "Cap");
    show_file("/proc/self/status", "NoNewPrivs");
    show_file("/proc/self/status", "SigBlk");
    show_file("/proc/self/status", "SigIgn");
    show_folder("/sys/class/net");
    show_folder("/proc/self/fd");
    show_folder("/dev/shm");
    show_connect("10.89.0.77");
    show_connect("10.89.0.1");
    show_connect("127.0.0.1");
    show_connect("192.0.2.1");
    for (char **e = environ; *e; e++)
        printf("env %s\n", *e);
}

static void flood(long bytes)
{
    char block[10000];

    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i % 100 == 99 ? '\n' : 'a' + i % 26);
    while (bytes > 0) {
        size_t n = bytes < (long)sizeof block ? (size_t)bytes : sizeof block;

        fwrite(block, 1, n, stdout);
        bytes -= (long)n;
    }
    fputs("the end of it\n", stdout);
}

static void sdk(void)
{
    const char *fd = getenv("AVOW_JOB_FD");
    const char *begin = "{\"t\":\"begin\",\"i\":1}", *note = "{\"t\":\"note\",\"text\":\"hi\"}";

    send((int)strtol(fd, NULL, 10), begin, strlen(begin), 0);
    send((int)strtol(fd, NULL, 10), note, strlen(note), 0);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "show") == 0)
        show_all();
    if (strcmp(what, "flood") == 0)
        flood(strtol(argv[2], NULL, 10));
    if (strcmp(what, "sdk") == 0)
        sdk();
    if (strcmp(what, "fabric") == 0)
        send((int)strtol(getenv("AVOW_FABRIC_FD"), NULL, 10), "hello", 5, 0);
    if (strcmp(what, "exit") == 0)
        return (int)strtol(argv[2], NULL, 10);
    if (strcmp(what, "hold") == 0 && fork() == 0) { /* keeps stdout open for ever */
        setsid();
        sleep(1000);
    }
    if (strcmp(what, "sleep") == 0) {
        fputs("asleep\n", stderr);
        sleep(1000);
    }
    return 0;
}
