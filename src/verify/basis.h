/* Where each check of evidence comes from: the document that demands it. For people. Pure. */
#ifndef AVOW_VERIFY_BASIS_H
#define AVOW_VERIFY_BASIS_H

#include "evidence/tee.h"

/* Static text such as "AMD 57230, VCEK extensions"; "" for a code that no document demands. @tee:
 * of the evidence, since one code may occur with several vendors. */
const char *avow_check_basis(enum avow_tee tee, const char *code);

#endif
