/* docs/openapi.yaml as it was when this was built. */
#ifndef AVOW_DAEMON_OPENAPI_H
#define AVOW_DAEMON_OPENAPI_H

#include <stddef.h>

extern const unsigned char avow_openapi[];
extern const size_t avow_openapi_len;

#endif
