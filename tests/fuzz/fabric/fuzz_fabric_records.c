/*
 * A stream of records. First as an attacker's bytes: nothing of it may open. Then the input as
 * plaintext, cut into records as it says itself: sealed with one engine and opened with the other
 * it comes out the same, over changes of key.
 */
#include <stdlib.h>

#include "fabric/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REKEY 3
#define ROUND_TRIP_MAX 4096

static const struct avow_key key = { { 7 } };
static uint8_t wire[AVOW_RECORD_MAX + AVOW_RECORD_OVERHEAD];
static uint8_t plain[AVOW_RECORD_MAX];

static void attack(const uint8_t *data, size_t size)
{
    struct avow_record r = { 0 };
    size_t total = 0;

    if (avow_record_init(&r, AVOW_GCM_AUTO, &key, REKEY) < 0)
        abort();
    if (avow_record_size(AVOW_BYTES(data, size), &total) == 0 && total && total <= size &&
        avow_record_open(&r, AVOW_BYTES(data, total), plain) == 0)
        abort(); /* a forgery of 128 bits */
    avow_record_done(&r);
}

static void round_trip(const uint8_t *data, size_t size)
{
    struct avow_record tx = { 0 };
    struct avow_record rx = { 0 };

    if (avow_record_init(&tx, AVOW_GCM_AUTO, &key, REKEY) < 0 ||
        avow_record_init(&rx, AVOW_GCM_OPENSSL, &key, REKEY) < 0)
        abort();
    while (size > 1) {
        size_t n = data[0] < size - 1 ? data[0] : size - 1;
        struct avow_bytes parts[2] = { AVOW_BYTES(data + 1, n / 2),
                                       AVOW_BYTES(data + 1 + n / 2, n - n / 2) };
        size_t len = 0;

        if (avow_record_seal(&tx, parts, 2, wire, &len) < 0 ||
            avow_record_open(&rx, AVOW_BYTES(wire, len), plain) < 0 ||
            (n && memcmp(plain, data + 1, n) != 0))
            abort();
        data += 1 + n;
        size -= 1 + n;
    }
    avow_record_done(&tx);
    avow_record_done(&rx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    attack(data, size);
    round_trip(data, size < ROUND_TRIP_MAX ? size : ROUND_TRIP_MAX);
    return 0;
}
