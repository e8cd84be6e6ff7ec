/* Claims of a token by name: one table for each type says where in struct avow_claims each belongs,
 * so that what is written and what is read are one thing. Pure. */
#ifndef AVOW_MAA_FIELDS_H
#define AVOW_MAA_FIELDS_H

#include "codec/json.h"
#include "verify/claims.h"

enum maa_kind {
    MAA_HEX, /* bytes, in lower case */
    MAA_U8,  /* integers */
    MAA_U16,
    MAA_U32,
    MAA_I64,
    MAA_WORD, /* uint64_t as 16 hex digits, the most significant first */
    MAA_BOOL,
    MAA_TEXT,  /* char[] */
    MAA_TCB,   /* struct avow_snp_tcb as an object */
    MAA_BIT,   /* of a uint64_t */
    MAA_BIT_LE /* of bytes, the least significant first */
};

struct maa_field {
    const char *name;
    enum maa_kind kind;
    size_t offset; /* in struct avow_claims */
    size_t arg;    /* bytes of MAA_HEX and MAA_TEXT, number of a bit */
    bool may;      /* need not be there */
    /* The claim, earlier in the table, that has the whole of which this is a part: what both say
     * must agree. NULL: there is none. */
    const char *whole;
};

/* Ended by a NULL name. */
extern const struct maa_field maa_snp_fields[], maa_tdx_fields[], maa_common_fields[];

/* Put all of @table into @out. -AVOW_E_NOMEM. */
AVOW_MUST_USE int maa_fields_put(const struct maa_field *table, const struct avow_claims *c,
                                 json_t *out, struct avow_error *err);
/* Take all of @table out of @in: the type and length must be right, and what must be there is.
 * -AVOW_E_FORMAT, -AVOW_E_LIMIT; the text names the claim. */
AVOW_MUST_USE int maa_fields_get(const struct maa_field *table, const json_t *in,
                                 struct avow_claims *c, struct avow_error *err);

#endif
