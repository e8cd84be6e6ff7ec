#include "collateral/qe_identity.h"

static int parse_values(struct avow_qe_identity *q, struct avow_error *err)
{
    const json_t *body = q->document.body;
    int64_t n = 0;

    AVOW_TRY(avow_json_get_hex(body, "miscselect", q->miscselect, sizeof q->miscselect, err));
    AVOW_TRY(avow_json_get_hex(body, "miscselectMask", q->miscselect_mask,
                               sizeof q->miscselect_mask, err));
    AVOW_TRY(avow_json_get_hex(body, "attributes", q->attributes, sizeof q->attributes, err));
    AVOW_TRY(avow_json_get_hex(body, "attributesMask", q->attributes_mask,
                               sizeof q->attributes_mask, err));
    AVOW_TRY(avow_json_get_hex(body, "mrsigner", q->mrsigner, sizeof q->mrsigner, err));
    AVOW_TRY(avow_json_get_int(body, "isvprodid", 0, UINT16_MAX, &n, err));
    q->isvprodid = (uint16_t)n;
    return avow_svn_levels_parse(body, q->levels, &q->n_levels, err);
}

static int parse_body(struct avow_qe_identity *q, struct avow_error *err)
{
    const json_t *body = q->document.body;
    const char *id = NULL;
    int64_t n = 0;

    AVOW_TRY(avow_json_get_int(body, "version", INT32_MIN, INT32_MAX, &n, err));
    if (n != AVOW_QE_IDENTITY_VERSION)
        return AVOW_FAIL(err, VERSION, "QE identity version %lld, not %d", (long long)n,
                         AVOW_QE_IDENTITY_VERSION);
    AVOW_TRY(avow_json_get_str(body, "id", &id, err));
    if (strcmp(id, AVOW_QE_IDENTITY_ID) != 0)
        return AVOW_FAIL(err, UNSUPPORTED, "identity of \"%.16s\", not of \"%s\"", id,
                         AVOW_QE_IDENTITY_ID);
    AVOW_TRY(avow_document_dates(body, &q->issue_date, &q->next_update, err));
    AVOW_TRY(avow_json_get_int(body, "tcbEvaluationDataNumber", 0, UINT32_MAX, &n, err));
    q->evaluation = (uint32_t)n;
    return parse_values(q, err);
}

int avow_qe_identity_parse(struct avow_bytes text, struct avow_qe_identity **out,
                           struct avow_error *err)
{
    __attribute__((cleanup(avow_cleanup_qe_identity))) struct avow_qe_identity *q =
        calloc(1, sizeof *q);

    if (!q)
        return AVOW_FAIL(err, NOMEM, "out of memory for a QE identity");
    AVOW_TRY(avow_document_parse(text, AVOW_QE_IDENTITY_NAME, &q->document, err));
    AVOW_TRY(parse_body(q, err));
    *out = avow_steal(&q);
    return 0;
}

void avow_qe_identity_free(struct avow_qe_identity *q)
{
    if (!q)
        return;
    avow_document_done(&q->document);
    free(q);
}
