/*
 * Content negotiation (RFC 9110, 12.5.1) between two media types.
 */
#ifndef AVOW_SERVICE_ACCEPT_H
#define AVOW_SERVICE_ACCEPT_H

#include <stdbool.h>

/*
 * Whether the header Accept, @accept (untrusted, NULL if there is none), prefers @type to
 * @standard, both without parameters. For each the most specific of the ranges that match counts,
 * and of two such the first. Where both have the same q it is @type only if it is named itself, and
 * @standard is not named before. What has no q of RFC 9110's form has q=1; a range's other
 * parameters are not looked at.
 */
bool avow_accept_prefers(const char *accept, const char *type, const char *standard);

#endif
