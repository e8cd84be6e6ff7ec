/* Where each check of evidence comes from: the document that demands it. For people. Pure. */
#ifndef AVOW_VERIFY_BASIS_H
#define AVOW_VERIFY_BASIS_H

#include "evidence/tee.h"

/* Static text such as "AMD 57230, VCEK extensions"; "" for a code that no document demands. @tee:
 * of the evidence, since one code may occur with several vendors. */
const char *avow_check_basis(enum avow_tee tee, const char *code);

/* What to do about a check or rule of this code that failed or could not run; never NULL. */
const char *avow_check_hint(const char *code);

#endif
