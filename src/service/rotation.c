#include <stdio.h>
#include <time.h>

#include "attest/attest.h"
#include "serve/file.h"
#include "service/state.h"
#include "service/verifier_internal.h"

/* A generation in the making: a value for the worker and back. */
struct making {
    struct avow_service *v;
    struct basis *basis;
    char *issuer;
    struct avow_generation *made;
    int rc;
    struct avow_error err;
};

static void making_free(struct making *m)
{
    basis_unref(m->basis);
    avow_generation_unref(m->made);
    free(m->issuer);
    free(m);
}
AVOW_DEFINE_CLEANUP(making, struct making, making_free)

static int endorse(void *ctx, struct avow_bundle *b, struct avow_error *err)
{
    return avow_store_complete(ctx, verifier_now(), b, err);
}

/* Evidence over the statement that names the keys; nothing if no source is configured. */
static int attest(const struct avow_source_settings *device, const struct basis *basis,
                  struct avow_generation *g, struct avow_error *err)
{
    avow_auto(avow_cleanup_source) struct avow_source *source = NULL;
    avow_auto(avow_buf_done) struct avow_buf statement = AVOW_BUF(AVOW_STATEMENT_MAX);
    avow_auto(avow_buf_done) struct avow_buf bundle = AVOW_BUF(AVOW_BUNDLE_MAX);

    if (!device->kind)
        return 0;
    AVOW_TRY(avow_source_settings_open(device, &source, err));
    if (basis->store)
        avow_source_endorse(source, endorse, basis->store);
    AVOW_TRY(avow_generation_statement(g, &statement, err));
    AVOW_TRY(avow_source_bundle(source, avow_buf_view(&statement), &bundle, err));
    return avow_generation_attest(g, avow_buf_view(&bundle), err);
}

int rotation_attest(struct avow_service *v, struct avow_error *err)
{
    return attest(&v->device, v->basis, avow_keys_current(v->keys), err);
}

int rotation_publish(struct avow_service *v, struct avow_error *err)
{
    json_t *fresh = avow_keys_jwks(v->keys);

    if (!fresh)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    json_decref(v->jwks);
    v->jwks = fresh;
    return 0;
}

static void make(void *ctx)
{
    struct making *m = ctx;

    m->rc = avow_generation_new(m->issuer, verifier_now(), &m->made, &m->err);
    if (m->rc == 0)
        m->rc = attest(&m->v->device, m->basis, m->made, &m->err);
}

static int adopt(struct making *m, struct avow_error *err)
{
    struct avow_service *v = m->v;
    const int64_t now = verifier_now();

    if (m->rc < 0)
        return AVOW_FAIL_CODE(err, m->rc, "%s", m->err.text);
    /* first the log: a key that it does not know must not sign */
    AVOW_TRY(avow_audit_put(v->audit, now, "rotate",
                            json_pack("{s:s, s:s}", "kid", m->made->rsa_kid, "before",
                                      avow_keys_current(v->keys)->rsa_kid),
                            err));
    AVOW_TRY(avow_keys_adopt(v->keys, m->made, now, v->settings->token_life_s, err));
    return rotation_publish(v, err);
}

/* Logged, and left in the state folder for who waits for the new keys (command_rotate.c). */
static void rotation_failed(struct avow_service *v, const char *text)
{
    avow_auto(avow_buf_done) struct avow_buf note = AVOW_BUF(2 * AVOW_ERROR_TEXT_MAX);
    avow_autofree char *path = NULL;

    avow_log(AVOW_LOG_ERROR, "rotation-failed", "text=\"%s\"", text);
    avow_buf_putf(&note, "%s\n", text);
    if (avow_settings_path(v->settings, ROTATION_FAILED, &path, NULL) == 0)
        if (avow_file_write(path, 0600, avow_buf_view(&note), NULL) < 0)
            /* a full disk may be the very reason: an empty file needs no room */
            (void)!avow_file_write(path, 0600, AVOW_BYTES(NULL, 0), NULL);
}

static void on_made(void *ctx, bool ran)
{
    avow_auto(avow_cleanup_making) struct making *m = ctx;
    struct avow_error err = { 0 };

    m->v->rotating = false;
    if (!ran)
        return;
    if (adopt(m, &err) < 0) {
        rotation_failed(m->v, err.text);
        return;
    }
    avow_metrics_count(m->v->metrics, "rotations", "Generations of keys made", NULL, 1);
    avow_log(AVOW_LOG_NOTICE, "rotated", "kid=%s listed=%zu", m->made->rsa_kid,
             avow_keys_count(m->v->keys));
}

void avow_service_rotate(struct avow_service *v)
{
    avow_auto(avow_cleanup_making) struct making *m = NULL;

    if (v->rotating)
        return;
    m = calloc(1, sizeof *m);
    if (!m) {
        rotation_failed(v, "out of memory");
        return;
    }
    m->v = v;
    m->basis = basis_ref(v->basis);
    m->issuer = strdup(v->issuer);
    if (!m->issuer || avow_workers_submit(v->workers, make, on_made, m) < 0) {
        rotation_failed(v, "busy or out of memory");
        return;
    }
    v->rotating = true;
    (void)avow_steal(&m);
}

void rotation_tick(struct avow_service *v)
{
    const int64_t now = verifier_now();
    struct avow_error err = { 0 };

    if (avow_keys_prune(v->keys, now) && rotation_publish(v, &err) < 0)
        avow_log(AVOW_LOG_ERROR, "certs", "text=\"%s\"", err.text);
    if (now - avow_keys_current(v->keys)->created >= v->settings->key_life_s)
        avow_service_rotate(v);
}
