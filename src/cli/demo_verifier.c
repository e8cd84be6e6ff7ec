/* The service of a demo: avow-verifier, which judges for the client and for every node. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/demo.h"
#include "cli/places.h"
#include "store/tree.h"

#define CONFIG_MAX (64u << 10)

/* What a vendor publishes of its TDs: the service fetches nothing, it takes from its store. */
static int fill_store(const struct avow_demo *d, struct avow_error *err)
{
    avow_auto(avow_cleanup_store) struct avow_store *store = NULL;
    avow_autofree char *path = NULL;
    avow_autofree char *vendor = NULL;
    struct avow_import n = { 0 };

    AVOW_TRY(avow_demo_path(&path, err, "%s/verifier/collateral.db", d->dir));
    AVOW_TRY(avow_demo_path(&vendor, err, "%s/vendor", d->dir));
    AVOW_TRY(avow_store_open(path, AVOW_STORE_WRITE, &store, err));
    return avow_store_import(store, vendor, avow_unix_ms() / 1000, NULL, NULL, &n, err);
}

static void put_path(struct avow_buf *text, const char *key, const char *dir, const char *file)
{
    avow_autofree char *path = NULL;

    if (asprintf(&path, "%s/%s", dir, file) < 0)
        path = NULL;
    (void)avow_buf_putf(text, "%s: ", key);
    avow_demo_quote(text, path ? path : "");
    (void)avow_buf_put_str(text, "\n");
}

static int write_config(const struct avow_demo *d, const char *path, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(CONFIG_MAX);

    (void)avow_buf_put_str(&text, "listen: \"127.0.0.1:0\"\n");
    put_path(&text, "state", d->dir, "verifier/state");
    put_path(&text, "collateral", d->dir, "verifier/collateral.db");
    put_path(&text, "simulated-roots", d->dir, "vendor/roots.pem");
    return avow_demo_write(path, &text, err);
}

static int take(struct avow_demo_verifier *v, const json_t *ready, struct avow_error *err)
{
    const char *issuer = NULL;
    const char *certificate = NULL;

    AVOW_TRY(avow_json_get_str(ready, "issuer", &issuer, err));
    AVOW_TRY(avow_json_get_str(ready, "certificate", &certificate, err));
    v->url = strdup(issuer);
    v->ca = strdup(certificate);
    return v->url && v->ca ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

int avow_demo_verifier_start(struct avow_demo *d, struct avow_error *err)
{
    avow_autofree char *program = NULL;
    avow_autofree char *dir = NULL;
    avow_autofree char *config = NULL;
    avow_autofree char *log = NULL;
    avow_autojson json_t *ready = NULL;
    const char *argv[] = { NULL, "--config", NULL, NULL };

    if (d->verifier.local)
        return 0;
    AVOW_TRY(avow_place_find(AVOW_PLACE_VERIFIER, &program, err));
    AVOW_TRY(avow_demo_path(&dir, err, "%s/verifier", d->dir));
    AVOW_TRY(avow_demo_path(&config, err, "%s/verifier.yaml", dir));
    AVOW_TRY(avow_demo_path(&log, err, "%s/verifier.log", dir));
    if (mkdir(dir, 0755) != 0)
        return AVOW_FAIL_SYS(err, "%s", dir);
    AVOW_TRY(fill_store(d, err));
    AVOW_TRY(write_config(d, config, err));
    argv[0] = program;
    argv[2] = config;
    AVOW_TRY(avow_demo_spawn(argv, log, &d->verifier.pid, &d->verifier.ready, err));
    AVOW_TRY(avow_demo_await(d->verifier.ready, log, "avow-verifier", &ready, err));
    return take(&d->verifier, ready, err);
}

void avow_demo_verifier_put(const struct avow_demo *d, struct avow_buf *out)
{
    if (d->verifier.local)
        return;
    (void)avow_buf_put_str(out, "verifier:\n  kind: azure\n  url: ");
    avow_demo_quote(out, d->verifier.url);
    (void)avow_buf_put_str(out, "\n  ca: ");
    avow_demo_quote(out, d->verifier.ca);
    (void)avow_buf_put_str(out, "\n");
}

void avow_demo_verifier_done(struct avow_demo *d)
{
    free(d->verifier.url);
    free(d->verifier.ca);
    d->verifier.url = d->verifier.ca = NULL;
}
