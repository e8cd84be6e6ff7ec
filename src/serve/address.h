/* Addresses to listen on, as people write them. Any thread; may ask the resolver. */
#ifndef AVOW_SERVE_ADDRESS_H
#define AVOW_SERVE_ADDRESS_H

#include <sys/socket.h>

#include "base/err.h"

/* "host:port", "[v6]:port"; port 0 is fine. @host gets the part before the port as it stands.
 * -AVOW_E_FORMAT. */
AVOW_MUST_USE int avow_address_parse(const char *text, struct sockaddr_storage *addr,
                                     socklen_t *len, char host[256], struct avow_error *err);

#endif
