#include "daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/yaml.h"
#include "serve/address.h"
#include "serve/file.h"
#include "store/store.h"

#define FILE_MAX (1u << 20)
#define PASSWD_BUFFER 16384

static const struct avow_schema text = { .type = AVOW_YAML_STRING, .min = 1, .max = 4095 };
static const struct avow_schema address = {
    .type = AVOW_YAML_STRING, .what = "an address such as 0.0.0.0:7440", .min = 3, .max = 271
};
static const struct avow_schema node_name = { .type = AVOW_YAML_STRING,
                                              .what = "a name of at most 63 characters",
                                              .min = 1,
                                              .max = AVOW_MEMBER_NAME_MAX };
static const struct avow_schema period = { .type = AVOW_YAML_DURATION,
                                           .min = 1000,
                                           .max = 86400000 };
static const struct avow_schema rate = { .type = AVOW_YAML_INT, .min = 1, .max = 1000 };
static const struct avow_schema jobs = { .type = AVOW_YAML_INT, .min = 1, .max = 1000 };
static const struct avow_schema bytes = { .type = AVOW_YAML_SIZE, .min = 1, .max = INT64_MAX };

static const struct avow_schema_key keys[] = {
    { "name", &node_name, true },
    { "listen", &address, false },
    { "listen-nodes", &address, false },
    { "listen-metrics", &address, false },
    { "state-dir", &text, false },
    { "tee", &avow_source_schema, true },
    { "authorized-clients", &text, false },
    { "policy", &text, false },
    { "simulated-roots", &text, false },
    { "collateral", &text, false },
    { "verifier", &avow_verifier_schema, false },
    { "require", &avow_require_schema, false },
    { "job-user", &text, false },
    { "shell", &text, false },
    { "preload", &text, false },
    { "attestation-period", &period, false },
    { "quote-rate", &rate, false },
    { "jobs-max", &jobs, false },
    { "files-max", &bytes, false },
    { 0 },
};
static const struct avow_schema schema = { .type = AVOW_YAML_MAP, .keys = keys };
static const struct avow_schema anything = { .type = AVOW_YAML_ANY };

void avow_config_done(struct avow_config *cfg)
{
    free(cfg->name);
    free(cfg->listen);
    free(cfg->listen_nodes);
    free(cfg->listen_metrics);
    free(cfg->state_dir);
    free(cfg->collateral);
    avow_verifier_settings_done(&cfg->verifier);
    avow_source_settings_done(&cfg->tee);
    free(cfg->authorized_clients);
    free(cfg->policy);
    free(cfg->simulated_roots);
    free(cfg->shell);
    free(cfg->preload);
    memset(cfg, 0, sizeof *cfg);
}

static int take_text(const json_t *j, const char *key, const char *otherwise, char **out,
                     struct avow_error *err)
{
    const char *v = otherwise;

    AVOW_TRY(avow_json_opt_str(j, key, &v, err));
    *out = v ? strdup(v) : NULL;
    return v && !*out ? AVOW_FAIL(err, NOMEM, "out of memory") : 0;
}

static int take_texts(const json_t *j, struct avow_config *cfg, struct avow_error *err)
{
    AVOW_TRY(take_text(j, "name", NULL, &cfg->name, err));
    AVOW_TRY(take_text(j, "listen", AVOW_CONFIG_LISTEN, &cfg->listen, err));
    AVOW_TRY(take_text(j, "listen-nodes", AVOW_CONFIG_LISTEN_NODES, &cfg->listen_nodes, err));
    AVOW_TRY(take_text(j, "listen-metrics", NULL, &cfg->listen_metrics, err));
    AVOW_TRY(take_text(j, "state-dir", AVOW_CONFIG_STATE_DIR, &cfg->state_dir, err));
    AVOW_TRY(
        take_text(j, "authorized-clients", AVOW_CONFIG_CLIENTS, &cfg->authorized_clients, err));
    AVOW_TRY(take_text(j, "policy", NULL, &cfg->policy, err));
    AVOW_TRY(take_text(j, "simulated-roots", NULL, &cfg->simulated_roots, err));
    AVOW_TRY(take_text(j, "collateral", NULL, &cfg->collateral, err));
    AVOW_TRY(take_text(j, "shell", NULL, &cfg->shell, err));
    return take_text(j, "preload", NULL, &cfg->preload, err);
}

static int take_number(const json_t *j, const char *key, int64_t otherwise, int64_t *out,
                       struct avow_error *err)
{
    *out = otherwise;
    return avow_json_opt_int(j, key, 1, INT64_MAX, out, err);
}

static int take_numbers(const json_t *j, struct avow_config *cfg, struct avow_error *err)
{
    int64_t v = 0;

    AVOW_TRY(take_number(j, "attestation-period", AVOW_CONFIG_PERIOD_MS, &v, err));
    cfg->attestation_period_ms = (uint64_t)v;
    AVOW_TRY(take_number(j, "quote-rate", AVOW_CONFIG_QUOTE_RATE, &v, err));
    cfg->quote_rate = (uint32_t)v;
    AVOW_TRY(take_number(j, "jobs-max", AVOW_CONFIG_JOBS_MAX, &v, err));
    cfg->jobs_max = (uint32_t)v;
    AVOW_TRY(take_number(j, "files-max", (int64_t)AVOW_CONFIG_FILES_MAX, &v, err));
    cfg->files_max = (uint64_t)v;
    return 0;
}

/* Jobs do not run as root: without a user named they run as nobody, if we can change at all. */
static int take_user(const json_t *j, struct avow_config *cfg, struct avow_error *err)
{
    const char *name = geteuid() == 0 ? "nobody" : NULL;
    char buffer[PASSWD_BUFFER];
    struct passwd pw;
    struct passwd *found = NULL;

    cfg->job_uid = cfg->job_gid = -1;
    AVOW_TRY(avow_json_opt_str(j, "job-user", &name, err));
    if (!name)
        return 0;
    if (getpwnam_r(name, &pw, buffer, sizeof buffer, &found) != 0 || !found)
        return AVOW_FAIL(err, NOTFOUND, "job-user: there is no user \"%s\"", name);
    if (pw.pw_uid == 0)
        return AVOW_FAIL(err, FORMAT, "job-user: jobs do not run as root");
    if (geteuid() != 0 && pw.pw_uid != geteuid())
        return AVOW_FAIL(err, FORMAT, "job-user: only root can run jobs as %s", name);
    cfg->job_uid = (int)pw.pw_uid;
    cfg->job_gid = (int)pw.pw_gid;
    return 0;
}

/* Where @name is, seen from the folder of this program: installed, or in the build folder. */
static int look_beside(char **path, const char *key, const char *const *places,
                       struct avow_error *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash = NULL;

    if (*path)
        return 0;
    self[n > 0 ? n : 0] = '\0';
    slash = strrchr(self, '/');
    for (size_t i = 0; slash && places[i]; i++) {
        avow_autofree char *p = NULL;

        if (asprintf(&p, "%.*s/%s", (int)(slash - self), self, places[i]) < 0)
            return AVOW_FAIL(err, NOMEM, "out of memory");
        if (access(p, R_OK) == 0) {
            *path = avow_steal(&p);
            return 0;
        }
    }
    return AVOW_FAIL(err, NOTFOUND, "%s is not beside avowd; name it in the configuration", key);
}

static int look_for_programs(struct avow_config *cfg, struct avow_error *err)
{
    static const char *const shells[] = { "avow-shell", "../libexec/avow/avow-shell",
                                          "../launch/avow-shell", NULL };
    static const char *const preloads[] = { "libavow-fabric.so", "../lib/avow/libavow-fabric.so",
                                            "../libexec/avow/libavow-fabric.so",
                                            "../fabric/libavow-fabric.so", NULL };

    AVOW_TRY(look_beside(&cfg->shell, "shell", shells, err));
    return look_beside(&cfg->preload, "preload", preloads, err);
}

static int check(const struct avow_yaml *y, const struct avow_config *cfg, struct avow_error *err)
{
    const json_t *j = avow_yaml_value(y);
    struct sockaddr_storage addr;
    socklen_t len = 0;
    char host[256];

    if (!avow_member_name_ok(cfg->name))
        return avow_yaml_fail(y, json_object_get(j, "name"), AVOW_E_FORMAT, err,
                              "name: \"%s\" must be of a-z, 0-9 and '-' inside", cfg->name);
    AVOW_TRY(avow_address_parse(cfg->listen, &addr, &len, host, err));
    return avow_address_parse(cfg->listen_nodes, &addr, &len, host, err);
}

int avow_config_load(const char *path, struct avow_config *out, struct avow_error *err)
{
    avow_auto(avow_cleanup_yaml) struct avow_yaml *y = NULL;
    avow_auto(avow_config_done) struct avow_config cfg = { 0 };

    AVOW_TRY(avow_yaml_load_file(path, &schema, &y, err));
    AVOW_TRY(
        avow_source_settings_read(y, json_object_get(avow_yaml_value(y), "tee"), &cfg.tee, err));
    AVOW_TRY(take_texts(avow_yaml_value(y), &cfg, err));
    AVOW_TRY(take_numbers(avow_yaml_value(y), &cfg, err));
    AVOW_TRY(take_user(avow_yaml_value(y), &cfg, err));
    AVOW_TRY(avow_verifier_settings_read(y, json_object_get(avow_yaml_value(y), "verifier"),
                                         json_object_get(avow_yaml_value(y), "require"),
                                         &cfg.verifier, err));
    AVOW_TRY(check(y, &cfg, err));
    AVOW_TRY(look_for_programs(&cfg, err));
    *out = cfg;
    memset(&cfg, 0, sizeof cfg);
    return 0;
}

int avow_config_policy(const char *path, struct avow_policy **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_yaml) struct avow_yaml *y = NULL;

    *out = NULL;
    if (!path)
        return 0;
    AVOW_TRY(avow_yaml_load_file(path, &anything, &y, err));
    if (avow_policy_from_json(avow_yaml_value(y), out, err) < 0)
        return avow_error_prefix(err, "%s", path);
    return 0;
}

int avow_config_anchors(const char *path, struct avow_anchors *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(FILE_MAX);

    avow_anchors_builtin(out);
    if (!path)
        return 0;
    AVOW_TRY(avow_file_read(path, AVOW_FILE_ANYBODYS, &pem, err));
    if (avow_anchors_add_simulated(out, avow_buf_view(&pem), err) < 0)
        return avow_error_prefix(err, "%s", path);
    return 0;
}

int avow_config_check(const struct avow_config *cfg, struct avow_error *err)
{
    avow_auto(avow_cleanup_policy) struct avow_policy *policy = NULL;
    avow_auto(avow_cleanup_store) struct avow_store *store = NULL;
    avow_autofree struct avow_clients *clients = calloc(1, sizeof *clients);
    struct avow_anchors anchors;

    if (!clients)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_clients_load(cfg->authorized_clients, clients, err));
    AVOW_TRY(avow_config_policy(cfg->policy, &policy, err));
    AVOW_TRY(avow_config_anchors(cfg->simulated_roots, &anchors, err));
    if (cfg->collateral)
        AVOW_TRY(avow_store_open(cfg->collateral, AVOW_STORE_READ, &store, err));
    return 0;
}
