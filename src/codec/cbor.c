#include "codec/cbor.h"

#include <cbor.h>

#include "base/cleanup.h"

static void cleanup_item(cbor_item_t **i)
{
    if (*i)
        cbor_decref(i);
}

bool avow_cbor_likely_map(struct avow_bytes in)
{
    return in.len > 2 && in.data[0] > 0xA0 && in.data[0] <= 0xB7;
}

static bool view(const cbor_item_t *i, struct avow_bytes *out)
{
    if (cbor_isa_bytestring(i) && cbor_bytestring_is_definite(i))
        *out = AVOW_BYTES(cbor_bytestring_handle(i), cbor_bytestring_length(i));
    else if (cbor_isa_string(i) && cbor_string_is_definite(i))
        *out = AVOW_BYTES(cbor_string_handle(i), cbor_string_length(i));
    else
        return false;
    return true;
}

static bool key_twice(const struct cbor_pair *pairs, size_t i, struct avow_bytes key)
{
    struct avow_bytes other = { 0 };

    for (size_t k = 0; k < i; k++)
        if (view(pairs[k].key, &other) && avow_bytes_equal(other, key))
            return true;
    return false;
}

int avow_cbor_map(struct avow_bytes in, avow_cbor_fn each, void *ctx, struct avow_error *err)
{
    __attribute__((cleanup(cleanup_item))) cbor_item_t *doc = NULL;
    struct cbor_load_result result = { 0 };
    const struct cbor_pair *pairs = NULL;
    size_t n = 0;

    if (in.len > AVOW_CBOR_MAX)
        return AVOW_FAIL(err, LIMIT, "CBOR of %zu bytes (at most %u)", in.len, AVOW_CBOR_MAX);
    doc = cbor_load(in.data, in.len, &result);
    if (!doc && result.error.code == CBOR_ERR_MEMERROR)
        return AVOW_FAIL(err, NOMEM, "out of memory for CBOR");
    if (!doc)
        return AVOW_FAIL(err, FORMAT, "CBOR: not well-formed at byte %zu", result.error.position);
    if (result.read != in.len)
        return AVOW_FAIL(err, TRAILING, "CBOR: %zu bytes after its end", in.len - result.read);
    if (!cbor_isa_map(doc) || !cbor_map_is_definite(doc) ||
        cbor_map_size(doc) > AVOW_CBOR_PAIRS_MAX)
        return AVOW_FAIL(err, FORMAT, "CBOR: no map of at most %d pairs", AVOW_CBOR_PAIRS_MAX);
    pairs = cbor_map_handle(doc);
    n = cbor_map_size(doc);
    for (size_t i = 0; i < n; i++) {
        struct avow_bytes key = { 0 }, value = { 0 };

        if (!cbor_isa_string(pairs[i].key) || !view(pairs[i].key, &key) ||
            !view(pairs[i].value, &value) || key_twice(pairs, i, key))
            return AVOW_FAIL(err, FORMAT, "CBOR: pair %zu is no text key with a string", i + 1);
        AVOW_TRY(each(ctx, key, value, err));
    }
    return 0;
}
