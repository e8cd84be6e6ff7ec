#include "collateral/level.h"

static enum avow_level_status status_from_name(const char *name)
{
    static const struct {
        const char *name;
        enum avow_level_status status;
    } words[] = {
        { "UpToDate", AVOW_LEVEL_UP_TO_DATE },
        { "SWHardeningNeeded", AVOW_LEVEL_SW_HARDENING_NEEDED },
        { "ConfigurationNeeded", AVOW_LEVEL_CONFIGURATION_NEEDED },
        { "ConfigurationAndSWHardeningNeeded", AVOW_LEVEL_CONFIGURATION_AND_SW_HARDENING_NEEDED },
        { "OutOfDate", AVOW_LEVEL_OUT_OF_DATE },
        { "OutOfDateConfigurationNeeded", AVOW_LEVEL_OUT_OF_DATE_CONFIGURATION_NEEDED },
        { "Revoked", AVOW_LEVEL_REVOKED },
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(name, words[i].name) == 0)
            return words[i].status;
    return AVOW_LEVEL_UNKNOWN;
}

static int parse_advisories(const json_t *obj, const json_t **out, struct avow_error *err)
{
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    *out = NULL;
    if (!json_object_get(obj, "advisoryIDs"))
        return 0;
    AVOW_TRY(avow_json_get_array(obj, "advisoryIDs", AVOW_LEVEL_ADVISORIES_MAX, &list, err));
    json_array_foreach(list, i, item) {
        if (!json_is_string(item))
            return AVOW_FAIL(err, FORMAT, "\"advisoryIDs\" has an item that is not a string");
        if (json_string_length(item) == 0 || json_string_length(item) >= AVOW_ADVISORY_MAX)
            return AVOW_FAIL(err, LIMIT, "an advisory's name has %zu bytes (1 to %u)",
                             json_string_length(item), AVOW_ADVISORY_MAX - 1);
    }
    *out = list;
    return 0;
}

int avow_level_parse(const json_t *obj, struct avow_level *out, struct avow_error *err)
{
    const char *status = NULL;
    const char *date = NULL;

    AVOW_TRY(avow_json_get_str(obj, "tcbStatus", &status, err));
    AVOW_TRY(avow_json_get_str(obj, "tcbDate", &date, err));
    AVOW_TRY(avow_document_date(date, &out->date, err));
    out->status = status_from_name(status);
    if (out->status == AVOW_LEVEL_UNKNOWN)
        return AVOW_FAIL(err, FORMAT, "\"%.64s\" is not a tcbStatus that is known", status);
    return parse_advisories(obj, &out->advisories, err);
}

int avow_svn_levels_parse(const json_t *obj, struct avow_svn_level *levels, size_t *n,
                          struct avow_error *err)
{
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    AVOW_TRY(avow_json_get_array(obj, "tcbLevels", AVOW_SVN_LEVELS_MAX, &list, err));
    if (json_array_size(list) == 0)
        return AVOW_FAIL(err, FORMAT, "\"tcbLevels\" is empty");
    json_array_foreach(list, i, item) {
        json_t *tcb = NULL;
        int64_t svn = 0;

        AVOW_TRY(avow_json_get_obj(item, "tcb", &tcb, err));
        AVOW_TRY(avow_json_get_int(tcb, "isvsvn", 0, UINT16_MAX, &svn, err));
        AVOW_TRY(avow_level_parse(item, &levels[i].level, err));
        levels[i].isvsvn = (uint16_t)svn;
    }
    *n = json_array_size(list);
    return 0;
}

const struct avow_level *avow_svn_level_find(const struct avow_svn_level *levels, size_t n,
                                             uint16_t svn)
{
    for (size_t i = 0; i < n; i++)
        if (levels[i].isvsvn <= svn)
            return &levels[i].level;
    return NULL;
}
