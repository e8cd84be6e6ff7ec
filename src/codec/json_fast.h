/*
 * JSON as our own tools and the vendors write it, read without jansson's character-by-character
 * input (100 instructions for each byte, where most of a bundle is base64). What this reader
 * accepts, jansson accepts with the same value (tested); it declines whatever is rare. Pure.
 */
#ifndef AVOW_CODEC_JSON_FAST_H
#define AVOW_CODEC_JSON_FAST_H

#include <jansson.h>

#include "base/bytes.h"

#define AVOW_JSON_FAST_DEPTH 32

/* New reference; NULL: ask jansson, which knows whether and why @text is wrong. */
json_t *avow_json_fast(struct avow_bytes text);

#endif
