#include <time.h>

#include "codec/json.h"
#include "codec/text.h"
#include "crypto/hash.h"
#include "source/sim.h"

#define DEVICE_TYPE "avow/sim-machine/1"
#define MEASUREMENT_PREFIX "avow simulated image:"

static int check_image(const char *image, struct avow_error *err)
{
    size_t n = strlen(image);

    if (n == 0 || n > SIM_IMAGE_MAX)
        return AVOW_FAIL(err, LIMIT, "name of the image has %zu bytes (1 to %d)", n, SIM_IMAGE_MAX);
    for (size_t i = 0; i < n; i++)
        if (image[i] < ' ' || image[i] > '~')
            return AVOW_FAIL(err, FORMAT, "name of the image is not printable ASCII");
    return 0;
}

int avow_sim_measurement(const char *image, uint8_t out[48], struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(256);

    image = image ? image : SIM_DEFAULT_IMAGE;
    AVOW_TRY(check_image(image, err));
    avow_buf_put_str(&text, MEASUREMENT_PREFIX);
    avow_buf_put_str(&text, image);
    AVOW_TRY(avow_buf_ok(&text, err));
    if (avow_sha384(avow_buf_view(&text), out) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-384 of the image's name failed");
    return 0;
}

static size_t machine_len(enum avow_tee tee)
{
    return tee == AVOW_TEE_SNP ? SIM_CHIP_ID_LEN : SIM_INSTANCE_LEN;
}

int sim_device_write(int dir, const struct sim_device *d, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(SIM_DEVICE_MAX);
    avow_autojson json_t *doc = NULL;
    char machine[2 * SIM_CHIP_ID_LEN + 1], measurement[2 * 48 + 1];

    avow_hex(AVOW_BYTES(d->machine, machine_len(d->tee)), machine);
    avow_hex(AVOW_BYTES_OF(d->measurement), measurement);
    doc = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "type", DEVICE_TYPE, "note",
                    SIM_NOTE, "tee", avow_tee_name(d->tee), "image", d->image, "machine", machine,
                    "measurement", measurement, "debug", (int)d->debug, "old-tcb", (int)d->old_tcb);
    if (!doc)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_json_canonical(doc, &text, err));
    avow_buf_put_str(&text, "\n");
    AVOW_TRY(avow_buf_ok(&text, err));
    return folder_write(dir, SIM_DEVICE, 0644, avow_buf_view(&text), err);
}

static int device_from_json(const json_t *doc, struct sim_device *d, struct avow_error *err)
{
    static const char *const known[] = { "type",        "note",  "tee",     "image", "machine",
                                         "measurement", "debug", "old-tcb", NULL };
    const char *type = NULL, *tee = NULL, *image = NULL;

    AVOW_TRY(avow_json_only(doc, known, err));
    AVOW_TRY(avow_json_get_str(doc, "type", &type, err));
    if (strcmp(type, DEVICE_TYPE) != 0)
        return AVOW_FAIL(err, FORMAT, "type is \"%s\", not \"" DEVICE_TYPE "\"", type);
    AVOW_TRY(avow_json_get_str(doc, "tee", &tee, err));
    d->tee = avow_tee_from_name(tee);
    if (d->tee == AVOW_TEE_NONE)
        return AVOW_FAIL(err, FORMAT, "tee is \"%s\", neither \"snp\" nor \"tdx\"", tee);
    AVOW_TRY(avow_json_get_str(doc, "image", &image, err));
    AVOW_TRY(check_image(image, err));
    snprintf(d->image, sizeof d->image, "%s", image);
    AVOW_TRY(avow_json_get_hex(doc, "machine", d->machine, machine_len(d->tee), err));
    AVOW_TRY(avow_json_get_hex(doc, "measurement", d->measurement, sizeof d->measurement, err));
    AVOW_TRY(avow_json_opt_bool(doc, "debug", &d->debug, err));
    return avow_json_opt_bool(doc, "old-tcb", &d->old_tcb, err);
}

int sim_device_read(int dir, struct sim_device *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(SIM_DEVICE_MAX);
    avow_autojson json_t *doc = NULL;
    struct sim_device d = { 0 };
    int rc = 0;

    AVOW_TRY(folder_read(dir, SIM_DEVICE, &text, err));
    rc = avow_json_parse(avow_buf_view(&text), &doc, err);
    if (rc == 0)
        rc = device_from_json(doc, &d, err);
    if (rc < 0) {
        avow_error_prefix(err, "simulated machine, " SIM_DEVICE);
        return rc;
    }
    *out = d;
    return 0;
}

int sim_key_new(int dir, const char *name, enum avow_signer_kind kind, struct avow_signer **out,
                struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(AVOW_SIGNER_PEM_MAX);
    avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;

    AVOW_TRY(avow_signer_new(kind, &key, err));
    AVOW_TRY(avow_signer_to_pem(key, &pem, err));
    AVOW_TRY(folder_write(dir, name, 0600, avow_buf_view(&pem), err));
    *out = avow_steal(&key);
    return 0;
}

int sim_key_read(int dir, const char *name, struct avow_signer **out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(AVOW_SIGNER_PEM_MAX);
    int rc = 0;

    AVOW_TRY(folder_read(dir, name, &pem, err));
    rc = avow_signer_from_pem(avow_buf_view(&pem), out, err);
    if (rc < 0)
        avow_error_prefix(err, "%s", name);
    return rc;
}

/* Check the request and fill the state of a new machine. */
static int device_new(const struct avow_sim_vm *vm, struct sim_device *d, struct avow_error *err)
{
    const char *image = vm->image ? vm->image : SIM_DEFAULT_IMAGE;

    if (vm->tee != AVOW_TEE_SNP && vm->tee != AVOW_TEE_TDX)
        return AVOW_FAIL(err, INVAL, "a simulated machine is snp or tdx");
    AVOW_TRY(avow_sim_measurement(image, d->measurement, err));
    snprintf(d->image, sizeof d->image, "%s", image);
    d->tee = vm->tee;
    d->debug = vm->debug;
    d->old_tcb = vm->old_tcb;
    if (avow_random(d->machine, machine_len(d->tee)) < 0)
        return AVOW_FAIL(err, CRYPTO, "no random bytes");
    return 0;
}

int avow_sim_vm_new(const char *vendor_dir, const char *dir, const struct avow_sim_vm *vm,
                    struct avow_error *err)
{
    avow_autoclose int vendor = -1;
    avow_autoclose int machine = -1;
    struct sim_device d = { 0 };
    int64_t now = (int64_t)time(NULL);
    int64_t until = vm->not_after ? vm->not_after : now - SIM_BACKDATE + SIM_LEAF_LIFE;
    /* one that has expired was valid for a day before that */
    int64_t from = (until < now ? until : now) - SIM_BACKDATE;

    AVOW_TRY(device_new(vm, &d, err));
    AVOW_TRY(folder_open(vendor_dir, &vendor, err));
    if (!folder_has(vendor, SIM_VENDOR))
        return AVOW_FAIL(err, NOTFOUND, "%s is not the folder of a simulated vendor", vendor_dir);
    AVOW_TRY(folder_make(dir, &machine, err));
    if (folder_has(machine, SIM_DEVICE))
        return AVOW_FAIL(err, EXISTS, "%s already is a simulated machine", dir);
    if (d.tee == AVOW_TEE_SNP)
        AVOW_TRY(sim_snp_machine(vendor, machine, &d, from, until, err));
    else
        AVOW_TRY(sim_tdx_machine(vendor, machine, &d, from, until, err));
    return sim_device_write(machine, &d, err);
}
