/*
 * Intel's Quote Generation Service: outside the TD, it turns a TDREPORT into a quote. Reached over
 * vsock, as libtdx_attest reaches it. Source: qgs_msg_lib.h of Intel's DCAP
 * (QuoteGeneration/quote_wrapper): messages are little-endian and packed; on a socket a length of 4
 * bytes, big-endian, stands before each. Internal to source/.
 */
#ifndef AVOW_SOURCE_QGS_H
#define AVOW_SOURCE_QGS_H

#include <sys/socket.h>

#include "evidence/hcl.h"
#include "source/guest.h"

#define QGS_ADDRESS \
    "vsock:2:4050"         /* the host; the port that QGS listens on unless told otherwise */
#define QGS_HEADER_LEN 16u /* of every message: version 2+2, type, size, error code */

enum qgs_type { QGS_GET_QUOTE_REQ = 0, QGS_GET_QUOTE_RESP = 1 };

/* "vsock:CID:PORT" or "unix:/PATH". -AVOW_E_FORMAT. */
AVOW_MUST_USE int qgs_address(const char *text, struct sockaddr_storage *out, socklen_t *len,
                              struct avow_error *err);

/*
 * The quote in a reply (without the length before it), a view into it. -AVOW_E_REFUSED (QGS says an
 * error: the text explains it), -AVOW_E_TRUNCATED, -AVOW_E_PROTOCOL, -AVOW_E_VERSION.
 */
AVOW_MUST_USE int qgs_reply(struct avow_bytes reply, struct avow_bytes *quote,
                            struct avow_error *err);

/* Send @tdreport to @address and append the quote to @out, before @p's deadline.
 * -AVOW_E_NETWORK, -AVOW_E_TIMEOUT, -AVOW_E_LIMIT, and what qgs_address and qgs_reply return. */
AVOW_MUST_USE int qgs_quote(const char *address, struct avow_bytes tdreport, struct patience *p,
                            struct avow_buf *out, struct avow_error *err);

#endif
