/*
 * DER (ITU-T X.690), as far as X.509 needs it: elements with one-byte tags and definite, minimal
 * lengths. Whatever has more than one encoding is refused. Views into the input; pure; any thread.
 */
#ifndef AVOW_CRYPTO_DER_H
#define AVOW_CRYPTO_DER_H

#include "base/bytes.h"

/* X.690, 8.1.2 and X.680, 8.4: universal tags, with the bit of constructed ones */
enum avow_der_tag {
    AVOW_DER_BOOLEAN = 0x01,
    AVOW_DER_INTEGER = 0x02,
    AVOW_DER_BITS = 0x03,
    AVOW_DER_OCTETS = 0x04,
    AVOW_DER_NULL = 0x05,
    AVOW_DER_OID = 0x06,
    AVOW_DER_UTF8 = 0x0C,
    AVOW_DER_PRINTABLE = 0x13,
    AVOW_DER_IA5 = 0x16,
    AVOW_DER_UTC_TIME = 0x17,
    AVOW_DER_TIME = 0x18,
    AVOW_DER_SEQUENCE = 0x30,
    AVOW_DER_SET = 0x31,
};
#define AVOW_DER_CONTEXT(n) (0x80u | (n))             /* [n], primitive */
#define AVOW_DER_CONTEXT_CONSTRUCTED(n) (0xA0u | (n)) /* [n], constructed */

/* Whether the next element has this tag; false at the end. */
bool avow_der_at(const struct avow_rd *r, unsigned tag);
/* One element with this tag: its contents, and in @whole (or NULL) all of it. False, with nothing
 * consumed, if the next is another, is not DER or is cut. */
AVOW_MUST_USE bool avow_der_take(struct avow_rd *r, unsigned tag, struct avow_bytes *contents,
                                 struct avow_bytes *whole);
/* The same as a reader of the contents. */
AVOW_MUST_USE bool avow_der_enter(struct avow_rd *r, unsigned tag, struct avow_rd *inside);

AVOW_MUST_USE bool avow_der_bool(struct avow_rd *r, bool *out);
/* Whether these are the contents of an INTEGER of 0 or more, in the fewest bytes. */
bool avow_der_is_unsigned(struct avow_bytes contents);
/* An INTEGER of 0 or more: its contents, of which the first byte may be the sign's. */
AVOW_MUST_USE bool avow_der_unsigned(struct avow_rd *r, struct avow_bytes *out);
AVOW_MUST_USE bool avow_der_oid(struct avow_rd *r, struct avow_bytes *out);
/* A BIT STRING of whole bytes, at least one. */
AVOW_MUST_USE bool avow_der_octet_bits(struct avow_rd *r, struct avow_bytes *out);
/* UTCTime or GeneralizedTime to the second and in UTC, as RFC 5280, 4.1.2.5 wants it: unix seconds.
 */
AVOW_MUST_USE bool avow_der_time(struct avow_rd *r, int64_t *out);
/* UTF8String, PrintableString or IA5String: well-formed UTF-8 without NUL, or printable ASCII. */
AVOW_MUST_USE bool avow_der_text(struct avow_rd *r, struct avow_bytes *out);

#define AVOW_DER_OID_MAX 32 /* bytes of an OID made here */

/* The contents of an OID from its dotted form: bytes put into @out, 0 if it is none that fits. */
size_t avow_der_oid_from_text(const char *dotted, uint8_t out[AVOW_DER_OID_MAX]);

#endif
