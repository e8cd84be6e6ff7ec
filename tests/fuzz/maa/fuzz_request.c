/* Requests to MAA, of both types: what is read can be verified without an accident, is never
 * genuine, and what can be written again is read as the same. */
#include <stdlib.h>

#include "maa/verify.h"

#define NOW 1796000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool same_data(const struct avow_maa_data *a, const struct avow_maa_data *b)
{
    return avow_bytes_equal(avow_buf_view(&a->bytes), avow_buf_view(&b->bytes));
}

static void write_again(const struct avow_maa_request *r)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request again = { 0 };
    avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(4u << 20);
    enum avow_maa_type type = AVOW_MAA_NONE;

    if (avow_maa_request_build(&r->bundle, avow_buf_view(&r->runtime.bytes), r->runtime.json,
                               r->nonce, &type, &body, NULL) < 0 ||
        body.len > AVOW_MAA_REQUEST_MAX)
        return;
    check(type == r->type);
    check(avow_maa_request_parse(type, avow_buf_view(&body), &again, NULL) == 0);
    check(avow_bytes_equal(again.bundle.evidence, r->bundle.evidence));
    check(same_data(&again.runtime, &r->runtime));
    check(!again.nonce == !r->nonce && (!r->nonce || strcmp(again.nonce, r->nonce) == 0));
}

static void read_as(enum avow_maa_type type, struct avow_bytes body)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };
    static struct avow_claims c;
    struct avow_anchors anchors;
    struct avow_error err = { 0 };

    if (avow_maa_request_parse(type, body, &r, &err) < 0) {
        check(err.code != 0 && !r.bundle.evidence.data && !r.nonce && !r.runtime.value);
        return;
    }
    check(!r.runtime.json || json_is_object(r.runtime.value));
    avow_anchors_builtin(&anchors);
    check(avow_maa_verify(&r, &anchors, NOW, NULL, &c, NULL) == 0);
    check(!c.authentic && c.n_checks > 0);
    write_again(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_as(AVOW_MAA_SEVSNPVM, AVOW_BYTES(data, size));
    read_as(AVOW_MAA_TDXVM, AVOW_BYTES(data, size));
    return 0;
}
