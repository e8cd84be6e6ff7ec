/* avow doctor: what this machine has, what it lacks, and what to do about it. */
#include "client/doctor.h"

#include "cli/cli.h"
#include "cli/places.h"

/* A part of avow that is nowhere is given by its name alone. */
static char *place(enum avow_place which, const char *name)
{
    struct avow_error err = { 0 };
    char *path = NULL;

    return avow_place_find(which, &path, &err) == 0 ? path : strdup(name);
}

static enum avow_paint paint_of(const char *state)
{
    if (strcmp(state, "ok") == 0)
        return AVOW_PAINT_GOOD;
    return strcmp(state, "warn") == 0 ? AVOW_PAINT_WARN : AVOW_PAINT_BAD;
}

static void show(const struct avow_cli *cli, const json_t *findings)
{
    static const char *const heads[] = { "CHECK", "STATE", "FOUND", NULL };
    struct avow_table *t = avow_table_new(heads);
    size_t i = 0;
    json_t *row = NULL;

    json_array_foreach(findings, i, row) {
        const char *state = json_string_value(json_object_get(row, "state"));
        const char *advice = json_string_value(json_object_get(row, "advice"));

        avow_table_cell(t, AVOW_PAINT_NONE, "%s", json_string_value(json_object_get(row, "check")));
        avow_table_cell(t, paint_of(state), "%s", state);
        avow_table_cell(t, AVOW_PAINT_NONE, "%s%s%s",
                        json_string_value(json_object_get(row, "found")), *advice ? " -> " : "",
                        advice);
    }
    avow_print_table(cli, t);
}

static int examine(struct avow_cli *cli, json_t **findings, struct avow_error *err)
{
    avow_autofree char *identity = NULL;
    avow_autofree char *avowd = place(AVOW_PLACE_AVOWD, "avowd");
    avow_autofree char *shell = place(AVOW_PLACE_SHELL, "avow-shell");
    avow_autofree char *fabric = place(AVOW_PLACE_PRELOAD, "libavow-fabric.so");
    struct avow_doctor_paths paths = { .avowd = avowd, .avow_shell = shell, .fabric = fabric };

    AVOW_TRY(avow_client_identity_path(cli->identity, &identity, err));
    paths.identity = identity;
    return avow_doctor_run(&paths, findings, err);
}

static int run(struct avow_cli *cli, const struct avow_args *args)
{
    avow_autojson json_t *findings = NULL;
    struct avow_error err = { 0 };
    bool healthy = false;

    if (args->n)
        return avow_usage(&avow_cmd_doctor, "no argument is wanted");
    if (examine(cli, &findings, &err) < 0) {
        avow_print_error(cli, &err);
        return AVOW_EXIT_USAGE;
    }
    healthy = avow_doctor_healthy(findings);
    show(cli, findings);
    if (cli->json) {
        avow_autojson json_t *doc = json_pack("{s:s, s:b, s:O}", "type", "avow/doctor/1", "healthy",
                                              healthy, "checks", findings);

        if (doc)
            avow_print_json(doc);
    }
    avow_say(cli, "%s\n",
             healthy ? "nothing that is needed is missing" : "something that is needed is missing");
    return healthy ? AVOW_EXIT_OK : AVOW_EXIT_REFUSED;
}

const struct avow_command avow_cmd_doctor = {
    .name = "doctor",
    .args = "",
    .summary = "what this machine has and lacks for running avow",
    .help =
        "Looks at this machine as a node and as a desktop; namespaces are really made, in a\n"
        "process that is gone afterwards. Changes nothing. `missing`: avow needs it; `warn`: it\n"
        "runs without, with a loss.\n\n"
        "Exit status: 0 nothing needed is missing, 1 something is.\n\n"
        "Examples:\n"
        "  avow doctor\n"
        "  avow doctor --json\n",
    .options = NULL,
    .run = run,
};
