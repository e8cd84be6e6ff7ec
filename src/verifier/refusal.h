/* What a service that speaks Azure Attestation's API says when it gives no token. Internal to
 * verifier/. Pure. */
#ifndef AVOW_VERIFIER_REFUSAL_H
#define AVOW_VERIFIER_REFUSAL_H

#include "net/http.h"

#define REFUSAL_CODE_MAX 63     /* bytes that are kept */
#define REFUSAL_MESSAGE_MAX 200 /* of what the service says that is shown */

/* The service's code and message, printable; both "" if the body is not its error. */
void refusal_read(const struct avow_http_reply *r, char code[REFUSAL_CODE_MAX + 1],
                  char message[REFUSAL_MESSAGE_MAX + 1]);
/* What a code means to somebody who runs jobs; "" if it is not known. Static storage. */
const char *refusal_explain(const char *code);
/* Whether the service does not know the version that was asked for. */
bool refusal_is_version(const struct avow_http_reply *r);

#endif
