#include "evidence/runtime.h"

#include <stdio.h>

#include "codec/json.h"
#include "codec/text.h"

#define KEYS_MAX 16

static int read_number(const json_t *key, const char *name, uint8_t *out, size_t max, size_t *len,
                       struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf raw = AVOW_BUF(AVOW_RUNTIME_RSA_MAX);
    const char *text = NULL;

    AVOW_TRY(avow_json_get_str(key, name, &text, err));
    if (avow_unb64url_put(&raw, avow_bytes_str(text)) < 0 || raw.len == 0 || raw.len > max)
        return AVOW_FAIL(err, FORMAT,
                         "runtime claims: \"%s\" of the attestation key is no number "
                         "in base64url",
                         name);
    memcpy(out, raw.data, raw.len);
    *len = raw.len;
    return 0;
}

static int read_key(const json_t *key, struct avow_runtime *r, struct avow_error *err)
{
    const char *kty = NULL;

    if (r->n_len)
        return AVOW_FAIL(err, FORMAT, "runtime claims: two keys are called " AVOW_RUNTIME_AK);
    AVOW_TRY(avow_json_get_str(key, "kty", &kty, err));
    if (strcmp(kty, "RSA") != 0)
        return AVOW_FAIL(err, FORMAT, "runtime claims: the attestation key is not RSA");
    AVOW_TRY(read_number(key, "n", r->n, sizeof r->n, &r->n_len, err));
    return read_number(key, "e", r->e, sizeof r->e, &r->e_len, err);
}

static int read_keys(const json_t *doc, struct avow_runtime *r, struct avow_error *err)
{
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    AVOW_TRY(avow_json_get_array(doc, "keys", KEYS_MAX, &list, err));
    json_array_foreach(list, i, item) {
        const char *kid = json_string_value(json_object_get(item, "kid"));

        if (kid && strcmp(kid, AVOW_RUNTIME_AK) == 0)
            AVOW_TRY(read_key(item, r, err));
    }
    if (!r->n_len)
        return AVOW_FAIL(err, MISSING, "runtime claims: no key is called " AVOW_RUNTIME_AK);
    return 0;
}

static int read_flag(const json_t *vm, const char *key, int *out, struct avow_error *err)
{
    const json_t *v = json_object_get(vm, key);

    *out = -1;
    if (!v)
        return 0;
    if (!json_is_boolean(v))
        return AVOW_FAIL(err, FORMAT, "runtime claims: \"%s\" is not true or false", key);
    *out = json_is_true(v);
    return 0;
}

static int read_vm(const json_t *vm, struct avow_runtime *r, struct avow_error *err)
{
    const char *id = NULL;

    if (vm && !json_is_object(vm))
        return AVOW_FAIL(err, FORMAT, "runtime claims: \"vm-configuration\" is not an object");
    AVOW_TRY(read_flag(vm, "secure-boot", &r->said.secure_boot, err));
    AVOW_TRY(read_flag(vm, "tpm-enabled", &r->said.tpm_enabled, err));
    AVOW_TRY(read_flag(vm, "tpm-persisted", &r->said.tpm_persisted, err));
    AVOW_TRY(read_flag(vm, "console-enabled", &r->said.console_enabled, err));
    if (!vm)
        return 0;
    AVOW_TRY(avow_json_opt_str(vm, "vmUniqueId", &id, err));
    if (id && strlen(id) > AVOW_RUNTIME_VM_ID_MAX)
        return AVOW_FAIL(err, LIMIT, "runtime claims: \"vmUniqueId\" of more than %u bytes",
                         AVOW_RUNTIME_VM_ID_MAX);
    snprintf(r->vm_id, sizeof r->vm_id, "%s", id ? id : "");
    avow_printable(r->vm_id);
    return 0;
}

static int read_user_data(const json_t *doc, struct avow_runtime *r, struct avow_error *err)
{
    const char *hex = NULL;

    AVOW_TRY(avow_json_opt_str(doc, "user-data", &hex, err));
    if (!hex || !*hex) /* old paravisors leave it empty */
        return 0;
    if (avow_unhex(hex, r->user_data, sizeof r->user_data) < 0)
        return AVOW_FAIL(err, FORMAT, "runtime claims: \"user-data\" is not %u bytes in hex",
                         AVOW_RUNTIME_USER_DATA_LEN);
    r->has_user_data = true;
    return 0;
}

int avow_runtime_parse(struct avow_bytes json, struct avow_runtime *out, struct avow_error *err)
{
    avow_autojson json_t *doc = NULL;
    struct avow_runtime r = { 0 };

    AVOW_TRY(avow_json_parse(json, &doc, err));
    if (!json_is_object(doc))
        return AVOW_FAIL(err, FORMAT, "runtime claims: not an object");
    AVOW_TRY(read_keys(doc, &r, err));
    AVOW_TRY(read_vm(json_object_get(doc, "vm-configuration"), &r, err));
    AVOW_TRY(read_user_data(doc, &r, err));
    *out = r;
    return 0;
}
