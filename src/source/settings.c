#include "source/settings.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/json.h"

#define KIND_MAX 40
#define PRIVILEGE_LEVEL_MAX 3

static const struct avow_schema text = { .type = AVOW_YAML_STRING, .min = 1, .max = 4095 };
static const struct avow_schema level = { .type = AVOW_YAML_INT, .max = PRIVILEGE_LEVEL_MAX };
static const struct avow_schema yes_or_no = { .type = AVOW_YAML_BOOL };
static const struct avow_schema_key keys[] = {
    { "kind", &text, true },
    { "dir", &text, false },
    { "privilege-level", &level, false },
    { "qgs", &text, false },
    { "tcti", &text, false },
    { "imds", &text, false },
    { "fresh", &yes_or_no, false },
    { "event-log", &yes_or_no, false },
    { 0 },
};

const struct avow_schema avow_source_schema = { .type = AVOW_YAML_MAP, .keys = keys };

static int copy_text(const char *from, char **to, struct avow_error *err)
{
    *to = from ? strdup(from) : NULL;
    return from && !*to ? AVOW_FAIL(err, NOMEM, "out of memory") : 0;
}

static int take_text(const json_t *tee, const char *key, char **out, struct avow_error *err)
{
    const char *v = NULL;

    AVOW_TRY(avow_json_opt_str(tee, key, &v, err));
    return copy_text(v, out, err);
}

static int take(const json_t *tee, struct avow_source_settings *s, struct avow_error *err)
{
    int64_t privilege_level = -1;

    AVOW_TRY(take_text(tee, "kind", &s->kind, err));
    AVOW_TRY(take_text(tee, "dir", &s->dir, err));
    AVOW_TRY(take_text(tee, "qgs", &s->qgs, err));
    AVOW_TRY(take_text(tee, "tcti", &s->tcti, err));
    AVOW_TRY(take_text(tee, "imds", &s->imds, err));
    AVOW_TRY(avow_json_opt_bool(tee, "fresh", &s->fresh, err));
    AVOW_TRY(avow_json_opt_bool(tee, "event-log", &s->event_log, err));
    AVOW_TRY(
        avow_json_opt_int(tee, "privilege-level", 0, PRIVILEGE_LEVEL_MAX, &privilege_level, err));
    s->has_privilege_level = privilege_level >= 0;
    s->privilege_level = s->has_privilege_level ? (unsigned)privilege_level : 0;
    return 0;
}

/* The kind is one, and has what it needs and nothing that is of no use to it. */
static int check(const struct avow_yaml *y, const json_t *tee, const struct avow_source_settings *s,
                 struct avow_error *err)
{
    static const struct {
        const char *key, *kinds; /* each kind between blanks */
    } of_use[] = {
        { "dir", " sim-snp sim-tdx " },    { "privilege-level", " auto configfs-tsm sev-guest " },
        { "qgs", " auto tdx-qgs " },       { "tcti", " auto az-vtpm " },
        { "imds", " auto az-vtpm " },      { "fresh", " auto az-vtpm " },
        { "event-log", " auto az-vtpm " },
    };
    char kind[KIND_MAX + 3];

    if (!avow_source_kind_ok(s->kind))
        return avow_yaml_fail(y, json_object_get(tee, "kind"), AVOW_E_FORMAT, err,
                              "tee: \"%.*s\" is no kind of device (" AVOW_SOURCE_KINDS ")",
                              KIND_MAX, s->kind);
    if (strncmp(s->kind, "sim-", 4) == 0 && !s->dir)
        return avow_yaml_fail(y, tee, AVOW_E_MISSING, err,
                              "tee: a simulated device needs its \"dir\"");
    (void)snprintf(kind, sizeof kind, " %.*s ", KIND_MAX, s->kind);
    for (size_t i = 0; i < sizeof of_use / sizeof *of_use; i++)
        if (json_object_get(tee, of_use[i].key) && !strstr(of_use[i].kinds, kind))
            return avow_yaml_fail(y, json_object_get(tee, of_use[i].key), AVOW_E_FORMAT, err,
                                  "tee: \"%s\" is of no use to %s, but to:%s", of_use[i].key,
                                  s->kind, of_use[i].kinds);
    return 0;
}

int avow_source_settings_read(const struct avow_yaml *y, const json_t *tee,
                              struct avow_source_settings *out, struct avow_error *err)
{
    avow_auto(avow_source_settings_done) struct avow_source_settings s = { 0 };

    if (tee) {
        AVOW_TRY(take(tee, &s, err));
        AVOW_TRY(check(y, tee, &s, err));
    }
    *out = s;
    memset(&s, 0, sizeof s);
    return 0;
}

void avow_source_settings_done(struct avow_source_settings *s)
{
    free(s->kind);
    free(s->dir);
    free(s->qgs);
    free(s->tcti);
    free(s->imds);
    memset(s, 0, sizeof *s);
}

int avow_source_settings_copy(const struct avow_source_settings *from,
                              struct avow_source_settings *to, struct avow_error *err)
{
    avow_auto(avow_source_settings_done) struct avow_source_settings s = *from;

    s.kind = s.dir = s.qgs = s.tcti = s.imds = NULL;
    AVOW_TRY(copy_text(from->kind, &s.kind, err));
    AVOW_TRY(copy_text(from->dir, &s.dir, err));
    AVOW_TRY(copy_text(from->qgs, &s.qgs, err));
    AVOW_TRY(copy_text(from->tcti, &s.tcti, err));
    AVOW_TRY(copy_text(from->imds, &s.imds, err));
    *to = s;
    memset(&s, 0, sizeof s);
    return 0;
}

int avow_source_settings_open(const struct avow_source_settings *s, struct avow_source **out,
                              struct avow_error *err)
{
    const struct avow_source_options o = { .dir = s->dir,
                                           .has_privilege_level = s->has_privilege_level,
                                           .privilege_level = s->privilege_level,
                                           .qgs = s->qgs,
                                           .tcti = s->tcti,
                                           .imds = s->imds,
                                           .fresh = s->fresh,
                                           .event_log = s->event_log };

    return avow_source_open_with(s->kind, &o, out, err);
}
