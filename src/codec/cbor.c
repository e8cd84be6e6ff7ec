#include "codec/cbor.h"

#include <cbor.h>

/* One item, as the stream has it; strings are views into the input. What is read is flat, so
 * nothing is built, and a count or a length that an input claims costs no memory. */
struct item {
    enum { OTHER = 0, MAP, TEXT, BYTES } kind;
    struct avow_bytes view;
    size_t pairs;
};

static void on_map(void *ctx, size_t n)
{
    *(struct item *)ctx = (struct item){ .kind = MAP, .pairs = n };
}

static void on_text(void *ctx, cbor_data data, size_t n)
{
    *(struct item *)ctx = (struct item){ .kind = TEXT, .view = AVOW_BYTES(data, n) };
}

static void on_bytes(void *ctx, cbor_data data, size_t n)
{
    *(struct item *)ctx = (struct item){ .kind = BYTES, .view = AVOW_BYTES(data, n) };
}

bool avow_cbor_likely_map(struct avow_bytes in)
{
    return in.len > 2 && in.data[0] > 0xA0 && in.data[0] <= 0xB7;
}

/* The next item of @in from *@at. */
static int next(struct avow_bytes in, size_t *at, struct item *out, struct avow_error *err)
{
    struct cbor_callbacks calls = cbor_empty_callbacks;
    struct cbor_decoder_result r = { 0 };

    calls.map_start = on_map;
    calls.string = on_text;
    calls.byte_string = on_bytes;
    *out = (struct item){ 0 };
    r = cbor_stream_decode(in.data + *at, in.len - *at, &calls, out);
    if (r.status != CBOR_DECODER_FINISHED || r.read == 0)
        return AVOW_FAIL(err, FORMAT, "CBOR: not well-formed at byte %zu", *at);
    *at += r.read;
    return 0;
}

static bool key_twice(const struct avow_bytes *keys, size_t n, struct avow_bytes key)
{
    for (size_t i = 0; i < n; i++)
        if (avow_bytes_equal(keys[i], key))
            return true;
    return false;
}

struct pair {
    struct avow_bytes key, value;
};

static int read_pairs(struct avow_bytes in, struct pair *pairs, size_t *n, struct avow_error *err)
{
    struct avow_bytes keys[AVOW_CBOR_PAIRS_MAX];
    struct item map, key, value;
    size_t at = 0;

    AVOW_TRY(next(in, &at, &map, err));
    if (map.kind != MAP || map.pairs > AVOW_CBOR_PAIRS_MAX)
        return AVOW_FAIL(err, FORMAT, "CBOR: no map of at most %d pairs", AVOW_CBOR_PAIRS_MAX);
    for (*n = 0; *n < map.pairs; ++*n) {
        AVOW_TRY(next(in, &at, &key, err));
        AVOW_TRY(next(in, &at, &value, err));
        if (key.kind != TEXT || (value.kind != TEXT && value.kind != BYTES) ||
            key_twice(keys, *n, key.view))
            return AVOW_FAIL(err, FORMAT, "CBOR: pair %zu is no text key with a string", *n + 1);
        keys[*n] = key.view;
        pairs[*n] = (struct pair){ key.view, value.view };
    }
    if (at != in.len)
        return AVOW_FAIL(err, TRAILING, "CBOR: %zu bytes after its end", in.len - at);
    return 0;
}

/* All of it is read before any of it is given. */
int avow_cbor_map(struct avow_bytes in, avow_cbor_fn each, void *ctx, struct avow_error *err)
{
    struct pair pairs[AVOW_CBOR_PAIRS_MAX];
    size_t n = 0;

    if (in.len > AVOW_CBOR_MAX)
        return AVOW_FAIL(err, LIMIT, "CBOR of %zu bytes (at most %u)", in.len, AVOW_CBOR_MAX);
    AVOW_TRY(read_pairs(in, pairs, &n, err));
    for (size_t i = 0; i < n; i++)
        AVOW_TRY(each(ctx, pairs[i].key, pairs[i].value, err));
    return 0;
}
