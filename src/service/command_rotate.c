/*
 * Asks the running service for new keys by its signal, and waits for what it leaves in the state
 * folder: another index of keys, or the reason why there is none.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>

#include "base/clock.h"
#include "serve/file.h"
#include "service/commands.h"
#include "service/keys.h"
#include "service/state.h"

struct wait {
    const char *dir; /* the state folder */
    char *keys;      /* its folder of keys */
    int service;     /* pidfd */
    int events;      /* inotify */
    int64_t until_ms;
    char before[AVOW_KEY_KID], now[AVOW_KEY_KID];
};

static void wait_done(struct wait *w)
{
    free(w->keys);
    avow_cleanup_fd(&w->service);
    avow_cleanup_fd(&w->events);
}

static int64_t now_ms(void)
{
    return (int64_t)(avow_now_ns() / 1000000);
}

/* The process is held by a descriptor before it is believed: its number may be another's by now. */
static int find_service(struct wait *w, struct avow_error *err)
{
    pid_t pid = 0;
    pid_t again = 0;

    AVOW_TRY(avow_state_holder(w->dir, &pid, err));
    w->service = pidfd_open(pid, 0);
    if (w->service < 0)
        return AVOW_FAIL_SYS(err, "process %d, which uses %s", (int)pid, w->dir);
    AVOW_TRY(avow_state_holder(w->dir, &again, err));
    return again == pid ? 0 : AVOW_FAIL(err, BUSY, "%s changed hands just now", w->dir);
}

static int watch(struct wait *w, struct avow_error *err)
{
    w->events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (w->events < 0 || inotify_add_watch(w->events, w->dir, IN_MOVED_TO) < 0 ||
        inotify_add_watch(w->events, w->keys, IN_MOVED_TO) < 0)
        return AVOW_FAIL_SYS(err, "%s cannot be watched", w->keys);
    return avow_keys_peek(w->keys, w->before, err);
}

static int ask(const struct wait *w, struct avow_error *err)
{
    if (pidfd_send_signal(w->service, SIGUSR1, NULL, 0) == 0)
        return 0;
    return errno == ESRCH
               ? AVOW_FAIL(err, NOTFOUND, "the avow-verifier of %s ended just now", w->dir)
               : AVOW_FAIL_SYS(err, "the avow-verifier of %s takes no signal from us", w->dir);
}

static int say_why(const struct wait *w, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(2 * AVOW_ERROR_TEXT_MAX);
    char path[PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/" ROTATION_FAILED, w->dir);
    AVOW_TRY(avow_file_read(path, AVOW_FILE_ANYBODYS, &text, err));
    return AVOW_FAIL(err, REFUSED, "no new keys, the old ones sign on: %.*s",
                     text.len ? (int)text.len - 1 : INT_MAX,
                     text.len ? avow_buf_cstr(&text)
                              : "why could not be written here (is the disk full?), see the "
                                "service's log");
}

/* What the folder says after something happened there: 1 for new keys, 0 for nothing yet. */
static int look(struct wait *w, struct avow_error *err)
{
    char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool failed = false;
    ssize_t n = 0;

    while ((n = read(w->events, buf, sizeof buf)) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *e = (const struct inotify_event *)(const void *)(buf + at);

            failed = failed || (e->len && strcmp(e->name, ROTATION_FAILED) == 0);
            at += (ssize_t)(sizeof *e + e->len);
        }
    AVOW_TRY(avow_keys_peek(w->keys, w->now, err));
    if (strcmp(w->now, w->before) != 0)
        return 1;
    return failed ? say_why(w, err) : 0;
}

static int await(struct wait *w, struct avow_error *err)
{
    struct pollfd p[] = { { .fd = w->events, .events = POLLIN },
                          { .fd = w->service, .events = POLLIN } };
    int rc = 0;

    while (rc == 0) {
        int64_t left = w->until_ms - now_ms();

        if (left <= 0)
            return AVOW_FAIL(err, TIMEOUT,
                             "%s has no new keys yet: they may still come, see the service's log",
                             w->dir);
        if (poll(p, 2, (int)left) < 0 && errno != EINTR)
            return AVOW_FAIL_SYS(err, "poll");
        rc = look(w, err);
        if (rc == 0 && (p[1].revents & POLLIN))
            return AVOW_FAIL(err, CANCELLED, "the avow-verifier of %s ended before it had new keys",
                             w->dir);
    }
    return rc < 0 ? rc : 0;
}

static int rotate(const struct command *c, struct wait *w, struct avow_error *err)
{
    AVOW_TRY(avow_settings_path(&c->settings, "keys", &w->keys, err));
    AVOW_TRY(find_service(w, err));
    AVOW_TRY(watch(w, err));
    AVOW_TRY(ask(w, err));
    return await(w, err);
}

int command_rotate(const struct command *c)
{
    avow_auto(wait_done) struct wait w = { .dir = c->settings.state, .service = -1, .events = -1 };
    struct avow_error err = { 0 };

    w.until_ms = now_ms() + (int64_t)c->timeout_s * 1000;
    if (rotate(c, &w, &err) < 0)
        return avow_program_complain(c->program, &err,
                                     err.code == AVOW_E_NOTFOUND || err.code == AVOW_E_UNSUPPORTED
                                         ? COMMAND_NOBODY
                                         : EXIT_FAILURE);
    if (c->json) /* ids of keys are base64url (RFC 7638) */
        printf("{\"before\":\"%s\",\"kid\":\"%s\"}\n", w.before, w.now);
    else
        printf("%s: key %s signs now, before it %s did\n", w.dir, w.now, w.before);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
