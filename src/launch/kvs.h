/*
 * Key-value space of PMI-1: insert and look up, strings, bounded. Loop thread only.
 */
#ifndef AVOW_LAUNCH_KVS_H
#define AVOW_LAUNCH_KVS_H

#include "base/bytes.h"

#define AVOW_KVS_KEY_MAX 256     /* bytes with NUL */
#define AVOW_KVS_VALUE_MAX 1025  /* bytes with NUL */
#define AVOW_KVS_MAX (64u << 20) /* bytes of all keys and values */

struct avow_kvs;

AVOW_MUST_USE int avow_kvs_new(struct avow_kvs **out, struct avow_error *err);
void avow_kvs_free(struct avow_kvs *k);
/* A key put again has the new value. -AVOW_E_LIMIT, -AVOW_E_NOMEM. */
AVOW_MUST_USE int avow_kvs_put(struct avow_kvs *k, const char *key, const char *value);
/* Borrowed until the next put; NULL if there is none. */
const char *avow_kvs_get(const struct avow_kvs *k, const char *key);

#endif
