/*
 * Strict text encodings: hex and base64 (standard and URL alphabets). No white space, no tolerance.
 * Any thread.
 */
#ifndef AVOW_CODEC_TEXT_H
#define AVOW_CODEC_TEXT_H

#include "base/bytes.h"

/* Lower-case hex of @in into @out, which has room for 2*len+1 bytes; NUL-terminated. */
void avow_hex(struct avow_bytes in, char *out);
int avow_hex_put(struct avow_buf *out, struct avow_bytes in);
/* Value of one digit, either case; -1 if it is none. */
int avow_hex_digit(char c);
/* @text (either case) must decode to exactly @n bytes. -AVOW_E_FORMAT otherwise. */
AVOW_MUST_USE int avow_unhex(const char *text, void *out, size_t n);
/* Any even length. -AVOW_E_FORMAT, -AVOW_E_LIMIT. */
AVOW_MUST_USE int avow_unhex_put(struct avow_buf *out, const char *text);

/* RFC 4648 section 4, with padding. */
int avow_b64_put(struct avow_buf *out, struct avow_bytes in);
/* Padding required, unused bits zero. -AVOW_E_FORMAT, -AVOW_E_LIMIT. */
AVOW_MUST_USE int avow_unb64_put(struct avow_buf *out, struct avow_bytes text);
/* RFC 4648 section 5; written without padding, read with or without. */
int avow_b64url_put(struct avow_buf *out, struct avow_bytes in);
AVOW_MUST_USE int avow_unb64url_put(struct avow_buf *out, struct avow_bytes text);

/* Replace every byte that is not printable ASCII by '?': for words of others (names in
 * certificates) that end up on a terminal or in JSON. */
void avow_printable(char *text);

/* Undo %XX (RFC 3986); "+" stays. Appends to @out. -AVOW_E_FORMAT, -AVOW_E_LIMIT. */
AVOW_MUST_USE int avow_url_decode(const char *text, struct avow_buf *out, struct avow_error *err);

/* Take the next line off @rest, without its newline. False, and nothing, where no byte is left. */
bool avow_text_line(struct avow_bytes *rest, struct avow_bytes *line);

#endif
