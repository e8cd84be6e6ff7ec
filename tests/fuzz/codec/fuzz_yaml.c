/* Any bytes as YAML, without a schema: what is accepted must have a canonical form. */
#include <stdlib.h>

#include "codec/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct avow_schema any = { .type = AVOW_YAML_ANY };
    struct avow_error err = { 0 };
    avow_autojson json_t *v = NULL;
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(AVOW_JSON_MAX);

    if (avow_yaml_parse(AVOW_BYTES(data, size), "fuzz", &any, &v, &err) < 0) {
        if (v || !err.code)
            abort();
        return 0;
    }
    if (avow_json_canonical(v, &out, &err) < 0)
        abort();
    return 0;
}
