#include "launch/environ.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "fabric/pins.h"

/*
 * Open MPI 4.1 believes in a PMIx launcher only if a `schizo` component that it knows (Slurm, Flux,
 * JSM) claims the process; else each rank silently becomes a singleton with an orted of its own. It
 * is told plainly instead. Open MPI 5 needs none of these and ignores them.
 */
static const struct avow_fabric_pin launch_pins[] = {
    { "OMPI_MCA_schizo", "^orte" },
    { "OMPI_MCA_ess", "pmi" },
    { "OMPI_MCA_hwloc_base_binding_policy", "none" },
    { "OMPI_MCA_orte_externally_bound", "1" },
};
#define N_LAUNCH_PINS (sizeof launch_pins / sizeof launch_pins[0])

void avow_environ_done(struct avow_environ *e)
{
    for (size_t i = 0; e->list && e->list[i]; i++)
        free(e->list[i]);
    free(e->list);
    e->list = NULL;
}

static size_t count(const struct avow_environ *e)
{
    size_t n = 0;

    while (e->list && e->list[n])
        n++;
    return n;
}

static char **find(const struct avow_environ *e, const char *key)
{
    size_t len = strlen(key);

    for (size_t i = 0; e->list && e->list[i]; i++)
        if (strncmp(e->list[i], key, len) == 0 && e->list[i][len] == '=')
            return &e->list[i];
    return NULL;
}

const char *avow_environ_get(const struct avow_environ *e, const char *key)
{
    char **at = find(e, key);

    return at ? *at + strlen(key) + 1 : NULL;
}

static int append(struct avow_environ *e, char *take_text)
{
    size_t n = count(e);
    char **list = take_text ? realloc(e->list, (n + 2) * sizeof *list) : NULL;

    if (!list) {
        free(take_text);
        return -AVOW_E_NOMEM;
    }
    list[n] = take_text;
    list[n + 1] = NULL;
    e->list = list;
    return 0;
}

int avow_environ_set(struct avow_environ *e, const char *key, const char *fmt, ...)
{
    avow_autofree char *value = NULL;
    char *text = NULL;
    char **at = find(e, key);
    va_list ap;
    int n = 0;

    va_start(ap, fmt);
    n = vasprintf(&value, fmt, ap);
    va_end(ap);
    if (n < 0) {
        value = NULL;
        return -AVOW_E_NOMEM;
    }
    if (asprintf(&text, "%s=%s", key, value) < 0)
        return -AVOW_E_NOMEM;
    if (!at)
        return append(e, text);
    free(*at);
    *at = text;
    return 0;
}

static int set_default(struct avow_environ *e, const char *key, const char *value)
{
    return find(e, key) ? 0 : avow_environ_set(e, key, "%s", value);
}

int avow_environ_base(const struct avow_launch_config *c, struct avow_environ *e)
{
    for (size_t i = 0; c->env[i]; i++)
        AVOW_TRY(append(e, strdup(c->env[i])));
    AVOW_TRY(set_default(e, "PATH", "/usr/local/bin:/usr/bin:/bin"));
    AVOW_TRY(set_default(e, "HOME", c->workdir));
    AVOW_TRY(set_default(e, "LANG", "C.UTF-8"));
    return set_default(e, "TMPDIR", "/tmp");
}

static int pin_avow(const struct avow_launch_config *c, const struct avow_rank_fds *fds,
                    struct avow_environ *e)
{
    char vaddr[INET_ADDRSTRLEN];

    if (!inet_ntop(AF_INET, &c->vaddr, vaddr, sizeof vaddr))
        return -AVOW_E_INVAL;
    AVOW_TRY(avow_environ_set(e, "AVOW_JOB_ID", "%s", c->job));
    AVOW_TRY(avow_environ_set(e, "AVOW_NODE", "%s", avow_launch_self(c)->name));
    AVOW_TRY(avow_environ_set(e, "AVOW_INPUT", "%s", c->input));
    AVOW_TRY(avow_environ_set(e, "AVOW_OUTPUT", "%s", c->workdir));
    AVOW_TRY(avow_environ_set(e, "AVOW_JOB_FD", "%d", fds->job));
    AVOW_TRY(avow_environ_set(e, "AVOW_FABRIC_FD", "%d", fds->fabric));
    AVOW_TRY(avow_environ_set(e, "AVOW_FABRIC_SELF", "%s", vaddr));
    AVOW_TRY(avow_environ_set(e, "AVOW_FABRIC_NET", "%s", c->net_text));
    if (c->preload[0])
        return avow_environ_set(e, "LD_PRELOAD", "%s", c->preload);
    return 0;
}

/* Two words of 64 bits that all ranks of a job share and other jobs do not: the job's own number.
 */
static int pin_transports(const struct avow_launch_config *c, struct avow_environ *e)
{
    char hex[33];
    size_t n = 0;

    for (size_t i = 0; c->job[i] && n < 32; i++)
        if (c->job[i] != '-')
            hex[n++] = c->job[i];
    hex[n] = '\0';
    return avow_environ_set(e, "OMPI_MCA_orte_precondition_transports", "%.16s-%s", hex, hex + 16);
}

int avow_environ_pin(const struct avow_launch_config *c, uint32_t rank,
                     const struct avow_rank_fds *fds, struct avow_environ *e)
{
    for (size_t i = 0; i < N_LAUNCH_PINS; i++)
        AVOW_TRY(avow_environ_set(e, launch_pins[i].name, "%s", launch_pins[i].value));
    for (size_t i = 0; i < AVOW_FABRIC_PINS_N; i++)
        AVOW_TRY(avow_environ_set(e, avow_fabric_pins[i].name, "%s", avow_fabric_pins[i].value));
    AVOW_TRY(avow_environ_set(e, "OMPI_MCA_btl_tcp_if_include", "%s", c->net_text));
    AVOW_TRY(pin_transports(c, e));
    AVOW_TRY(avow_environ_set(e, "PMI_FD", "%d", fds->pmi));
    AVOW_TRY(avow_environ_set(e, "PMI_RANK", "%u", rank));
    AVOW_TRY(avow_environ_set(e, "PMI_SIZE", "%u", c->n_ranks));
    return pin_avow(c, fds, e);
}
