/* avow identity: who this user is to the nodes. */
#include "cli/cli.h"
#include "codec/text.h"

static int run(struct avow_cli *cli, const struct avow_args *args)
{
    struct avow_client_options options = { .identity = cli->identity };
    avow_auto(avow_cleanup_client) struct avow_client *c = NULL;
    struct avow_error err = { 0 };
    uint8_t spki[32];
    char hex[65];

    if (args->n)
        return avow_usage(&avow_cmd_identity, "no argument is wanted");
    if (avow_client_new(&options, &c, &err) < 0) {
        avow_print_error(cli, &err);
        return AVOW_EXIT_USAGE;
    }
    avow_client_spki(c, spki);
    avow_hex(AVOW_BYTES_OF(spki), hex);
    if (cli->json) {
        avow_autojson json_t *doc = json_pack("{s:s, s:s}", "path", c->identity, "spki", hex);

        avow_print_json(doc);
        return AVOW_EXIT_OK;
    }
    avow_say(cli, "sha256:%s %s\n", hex, c->identity);
    return AVOW_EXIT_OK;
}

const struct avow_command avow_cmd_identity = {
    .name = "identity",
    .args = "",
    .summary = "show this user's fingerprint, as nodes have it in authorized-clients",
    .help =
        "The key is made on first use, in $XDG_CONFIG_HOME/avow/client.pem (mode 0600), or where\n"
        "--identity or AVOW_IDENTITY say. The line printed can be appended to a node's\n"
        "authorized-clients file as it is.\n\n"
        "Example:\n"
        "  avow identity | ssh node1 tee -a /etc/avow/authorized-clients\n",
    .options = NULL,
    .run = run,
};
