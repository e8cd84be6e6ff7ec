#include "serve/address.h"

#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int avow_address_parse(const char *given, struct sockaddr_storage *addr, socklen_t *len,
                       char host[256], struct avow_error *err)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICSERV | AI_PASSIVE };
    struct addrinfo *list = NULL;
    const char *colon = strrchr(given, ':');
    size_t n = colon ? (size_t)(colon - given) : 0;
    bool brackets = n >= 2 && given[0] == '[' && given[n - 1] == ']';
    char bare[256];
    int rc = 0;

    if (!colon || n == 0 || n > 255 || !colon[1])
        return AVOW_FAIL(err, FORMAT, "\"%s\" is not host:port", given);
    memcpy(host, given, n);
    host[n] = '\0';
    snprintf(bare, sizeof bare, "%.*s", (int)(brackets ? n - 2 : n), given + brackets);
    rc = getaddrinfo(bare, colon + 1, &hints, &list);
    if (rc != 0)
        return AVOW_FAIL(err, FORMAT, "\"%s\": %s", given, gai_strerror(rc));
    memcpy(addr, list->ai_addr, list->ai_addrlen);
    *len = list->ai_addrlen;
    freeaddrinfo(list);
    return 0;
}
