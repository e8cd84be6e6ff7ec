/* avow verify by a service that speaks Azure Attestation's API: options, and what is shown of it.
 */
#include <stdio.h>

#include "cli/files.h"
#include "cli/verify.h"

/* A file that stands beside the one that names it. */
static int beside(const char *file, char **path, struct avow_error *err)
{
    const char *slash = strrchr(file, '/');
    char *out = NULL;

    if (!slash || !*path || **path == '/')
        return 0;
    if (asprintf(&out, "%.*s/%s", (int)(slash - file), file, *path) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    free(*path);
    *path = out;
    return 0;
}

static int load_file(struct avow_verify_setup *s, const char *path, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_FILE_MAX);

    AVOW_TRY(avow_read_file(path, &text, err));
    AVOW_TRY(avow_verifier_settings_parse(avow_buf_view(&text), path, &s->service, err));
    return beside(path, &s->service.ca, err);
}

int avow_verify_use_service(struct avow_verify_setup *s, const struct avow_service_options *o,
                            struct avow_error *err)
{
    const struct avow_list *i = o->issuers;

    if (o->verifier && !strstr(o->verifier, "://")) {
        if (i->n)
            return AVOW_FAIL(err, FORMAT, "--issuer: %s names the issuers", o->verifier);
        AVOW_TRY(load_file(s, o->verifier, err));
    } else if (o->verifier) {
        AVOW_TRY(avow_verifier_settings_of("--verifier", o->verifier, i->v, i->n, o->ca,
                                           &s->service, err));
    } else if (i->n) {
        AVOW_TRY(
            avow_verifier_settings_of("--issuer", i->v[0], i->v, i->n, o->ca, &s->service, err));
    }
    return o->verifier ? avow_verifier_new(&s->service, -1, &s->verifier, err) : 0;
}

/* ---- the token ---- */

static void keep_token(void *ctx, struct avow_bytes token)
{
    struct avow_buf *out = ctx;

    avow_buf_reset(out);
    avow_buf_put_bytes(out, token);
}

void avow_verify_keep_token(struct avow_verify_setup *s, struct avow_buf *out)
{
    avow_verifier_on_token(s->verifier, keep_token, out);
}

/* ---- what is shown ---- */

void avow_verify_say_service(const struct avow_cli *cli, const struct avow_verify_setup *s)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(4096);
    struct avow_azure_stats stats;

    if (!avow_verifier_stats(s->verifier, &stats))
        return;
    avow_azure_stats_text(&stats, &text);
    avow_say(cli, "judged by %s: %s: %s\n", avow_verifier_word(s->verifier),
             avow_verifier_url(s->verifier), avow_buf_cstr(&text));
}

bool avow_verify_unbound(const struct avow_verdict *v)
{
    for (uint32_t i = 0; i < v->n_reasons && i < AVOW_REASONS_MAX; i++)
        if (strcmp(v->reasons[i].code, "binding") == 0 && strstr(v->reasons[i].text, "not checked"))
            return true;
    return false;
}
