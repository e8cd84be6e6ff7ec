#include "cli/signals.h"

#include <signal.h>
#include <sys/eventfd.h>

#include "cli/cli.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* protects client */
static struct avow_client *client;
static atomic_bool came;
static int stop_fd = -1;

static void fill(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGTERM);
}

static void *wait_for_signals(void *arg)
{
    static const char note[] = "\navow: interrupted: cancelling (again to leave at once)\n";
    sigset_t set;
    int sig = 0;

    (void)arg;
    fill(&set);
    while (sigwait(&set, &sig) == 0) {
        /* relaxed: the mutex below, or process exit, orders everything that matters */
        if (atomic_exchange_explicit(&came, true, memory_order_relaxed))
            _exit(AVOW_EXIT_INTERRUPTED);
        if (write(STDERR_FILENO, note, sizeof note - 1) < 0)
            _exit(AVOW_EXIT_INTERRUPTED);
        if (eventfd_write(stop_fd, 1) < 0)
            _exit(AVOW_EXIT_INTERRUPTED);
        (void)pthread_mutex_lock(&lock);
        if (client)
            avow_client_stop(client);
        (void)pthread_mutex_unlock(&lock);
    }
    return NULL;
}

void avow_signals_init(void)
{
    pthread_t thread;
    sigset_t set;

    (void)signal(SIGPIPE, SIG_IGN);
    stop_fd = eventfd(0, EFD_CLOEXEC);
    fill(&set);
    if (stop_fd < 0 || pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return;
    if (pthread_create(&thread, NULL, wait_for_signals, NULL) != 0)
        (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    else
        (void)pthread_detach(thread);
}

void avow_signals_watch(struct avow_client *c)
{
    (void)pthread_mutex_lock(&lock);
    client = c;
    if (c && avow_signals_came())
        avow_client_stop(c);
    (void)pthread_mutex_unlock(&lock);
}

int avow_signals_fd(void)
{
    return stop_fd;
}

bool avow_signals_came(void)
{
    return atomic_load_explicit(&came, memory_order_relaxed);
}
