#include "collateral/tcb_info.h"

#include "codec/text.h"

#define COMPONENT_MAX 255

static int parse_components(const json_t *tcb, const char *key, uint8_t out[AVOW_TCB_COMPONENTS],
                            struct avow_error *err)
{
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    AVOW_TRY(avow_json_get_array(tcb, key, AVOW_TCB_COMPONENTS, &list, err));
    if (json_array_size(list) != AVOW_TCB_COMPONENTS)
        return AVOW_FAIL(err, FORMAT, "\"%s\" has %zu components, not %u", key,
                         json_array_size(list), AVOW_TCB_COMPONENTS);
    json_array_foreach(list, i, item) {
        int64_t svn = 0;

        AVOW_TRY(avow_json_get_int(item, "svn", 0, COMPONENT_MAX, &svn, err));
        out[i] = (uint8_t)svn;
    }
    return 0;
}

static int parse_level(const json_t *obj, struct avow_tcb_level *out, struct avow_error *err)
{
    json_t *tcb = NULL;
    int64_t pcesvn = 0;

    AVOW_TRY(avow_json_get_obj(obj, "tcb", &tcb, err));
    AVOW_TRY(parse_components(tcb, "sgxtcbcomponents", out->sgx, err));
    AVOW_TRY(parse_components(tcb, "tdxtcbcomponents", out->tdx, err));
    AVOW_TRY(avow_json_get_int(tcb, "pcesvn", 0, UINT16_MAX, &pcesvn, err));
    out->pcesvn = (uint16_t)pcesvn;
    return avow_level_parse(obj, &out->level, err);
}

static int parse_levels(struct avow_tcb_info *t, struct avow_error *err)
{
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    AVOW_TRY(avow_json_get_array(t->document.body, "tcbLevels", AVOW_TCB_LEVELS_MAX, &list, err));
    t->n_levels = json_array_size(list);
    if (t->n_levels == 0)
        return AVOW_FAIL(err, FORMAT, "\"tcbLevels\" is empty");
    t->levels = calloc(t->n_levels, sizeof *t->levels);
    if (!t->levels)
        return AVOW_FAIL(err, NOMEM, "out of memory for %zu TCB levels", t->n_levels);
    json_array_foreach(list, i, item)
        AVOW_TRY(parse_level(item, &t->levels[i], err));
    return 0;
}

static int parse_module_values(const json_t *obj, struct avow_tdx_module *out,
                               struct avow_error *err)
{
    AVOW_TRY(avow_json_get_hex(obj, "mrsigner", out->mrsigner, sizeof out->mrsigner, err));
    AVOW_TRY(avow_json_get_hex(obj, "attributes", out->attributes, sizeof out->attributes, err));
    return avow_json_get_hex(obj, "attributesMask", out->attributes_mask,
                             sizeof out->attributes_mask, err);
}

/* "TDX_03" is the module whose TEE_TCB_SVN[1] is 3. Major 0 has no identity: it is tdxModule. */
static int parse_module_id(const json_t *obj, uint8_t *major, struct avow_error *err)
{
    const size_t prefix = strlen(AVOW_TDX_MODULE_ID_PREFIX);
    const char *id = NULL;

    AVOW_TRY(avow_json_get_str(obj, "id", &id, err));
    if (strncmp(id, AVOW_TDX_MODULE_ID_PREFIX, prefix) != 0 ||
        avow_unhex(id + prefix, major, 1) < 0)
        return AVOW_FAIL(err, FORMAT, "\"%.32s\" is not the id of a TDX module", id);
    return 0;
}

static int parse_module(struct avow_tcb_info *t, const json_t *obj, struct avow_tdx_module *out,
                        struct avow_error *err)
{
    AVOW_TRY(parse_module_id(obj, &out->major, err));
    for (const struct avow_tdx_module *m = t->modules; m < out; m++)
        if (m->major == out->major)
            return AVOW_FAIL(err, FORMAT, "TDX module %u is given twice", out->major);
    AVOW_TRY(parse_module_values(obj, out, err));
    return avow_svn_levels_parse(obj, out->levels, &out->n_levels, err);
}

/* Documents before evaluation 16 know modules of major version 0 only, and have no list. */
static int parse_modules(struct avow_tcb_info *t, struct avow_error *err)
{
    json_t *one = NULL;
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    AVOW_TRY(avow_json_get_obj(t->document.body, "tdxModule", &one, err));
    AVOW_TRY(parse_module_values(one, &t->module, err));
    if (!json_object_get(t->document.body, "tdxModuleIdentities"))
        return 0;
    AVOW_TRY(avow_json_get_array(t->document.body, "tdxModuleIdentities", AVOW_TDX_MODULES_MAX,
                                 &list, err));
    if (json_array_size(list) == 0)
        return 0;
    t->modules = calloc(json_array_size(list), sizeof *t->modules);
    if (!t->modules)
        return AVOW_FAIL(err, NOMEM, "out of memory for %zu TDX modules", json_array_size(list));
    t->n_modules = json_array_size(list);
    json_array_foreach(list, i, item)
        AVOW_TRY(parse_module(t, item, &t->modules[i], err));
    return 0;
}

static int parse_body(struct avow_tcb_info *t, struct avow_error *err)
{
    const json_t *body = t->document.body;
    const char *id = NULL;
    int64_t n = 0;

    /* Version 2 has no id, so the version is what tells of it. */
    AVOW_TRY(avow_json_get_int(body, "version", INT32_MIN, INT32_MAX, &n, err));
    if (n != AVOW_TCB_INFO_VERSION)
        return AVOW_FAIL(err, VERSION, "TCB info version %lld, not %d", (long long)n,
                         AVOW_TCB_INFO_VERSION);
    AVOW_TRY(avow_json_get_str(body, "id", &id, err));
    if (strcmp(id, AVOW_TCB_INFO_ID) != 0)
        return AVOW_FAIL(err, UNSUPPORTED, "TCB info of \"%.16s\", not of \"%s\"", id,
                         AVOW_TCB_INFO_ID);
    AVOW_TRY(avow_document_dates(body, &t->issue_date, &t->next_update, err));
    AVOW_TRY(avow_json_get_hex(body, "fmspc", t->fmspc, sizeof t->fmspc, err));
    AVOW_TRY(avow_json_get_hex(body, "pceId", t->pceid, sizeof t->pceid, err));
    /* 0 is the only way of comparing that Intel has defined: component by component. */
    AVOW_TRY(avow_json_get_int(body, "tcbType", 0, 0, &n, err));
    AVOW_TRY(avow_json_get_int(body, "tcbEvaluationDataNumber", 0, UINT32_MAX, &n, err));
    t->evaluation = (uint32_t)n;
    AVOW_TRY(parse_modules(t, err));
    return parse_levels(t, err);
}

int avow_tcb_info_parse(struct avow_bytes text, struct avow_tcb_info **out, struct avow_error *err)
{
    __attribute__((cleanup(avow_cleanup_tcb_info))) struct avow_tcb_info *t = calloc(1, sizeof *t);

    if (!t)
        return AVOW_FAIL(err, NOMEM, "out of memory for TCB info");
    AVOW_TRY(avow_document_parse(text, AVOW_TCB_INFO_NAME, &t->document, err));
    AVOW_TRY(parse_body(t, err));
    *out = avow_steal(&t);
    return 0;
}

void avow_tcb_info_free(struct avow_tcb_info *t)
{
    if (!t)
        return;
    avow_document_done(&t->document);
    free(t->modules);
    free(t->levels);
    free(t);
}

const struct avow_tdx_module *avow_tcb_info_module(const struct avow_tcb_info *t, uint8_t major)
{
    if (major == 0)
        return &t->module;
    for (size_t i = 0; i < t->n_modules; i++)
        if (t->modules[i].major == major)
            return &t->modules[i];
    return NULL;
}
