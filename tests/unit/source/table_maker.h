/* A host's certificate table (GHCB specification), as evidence/certtable.h reads it. */
#ifndef AVOW_TEST_SOURCE_TABLE_MAKER_H
#define AVOW_TEST_SOURCE_TABLE_MAKER_H

#include "base/bytes.h"

static const char test_guid_vcek[] =
    "\x63\xda\x75\x8d\xe6\x64\x45\x64\xad\xc5\xf4\xb9\x3b\xe8\xac\xcd";
static const char test_guid_ask[] =
    "\x4a\xb7\xb3\x79\xbb\xac\x4f\xe4\xa0\x2f\x05\xae\xf3\x27\xc7\x82";
static const char test_guid_ark[] =
    "\xc0\xb4\x06\xa4\xa8\x03\x49\x52\x97\x43\x3f\xb6\x01\x4c\xd0\xae";

#define TEST_TABLE_HEAD (4u * 24u) /* three entries and the one that ends them */

/* VCEK, ASK and ARK in this order, padded with zeros to a page as hosts do. */
static inline void test_table(const struct avow_bytes certs[3], struct avow_buf *out)
{
    const char *guids[] = { test_guid_vcek, test_guid_ask, test_guid_ark };
    uint32_t at = TEST_TABLE_HEAD;

    for (int i = 0; i < 3; i++) {
        avow_buf_put(out, guids[i], 16);
        avow_buf_put_u32le(out, at);
        avow_buf_put_u32le(out, (uint32_t)certs[i].len);
        at += (uint32_t)certs[i].len;
    }
    avow_buf_put_zero(out, 24);
    for (int i = 0; i < 3; i++)
        avow_buf_put_bytes(out, certs[i]);
    avow_buf_put_zero(out, 4096 - out->len % 4096);
}

#endif
