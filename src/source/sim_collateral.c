#include <time.h>

#include "codec/json.h"
#include "codec/text.h"
#include "collateral/qe_identity.h"
#include "collateral/tcb_info.h"
#include "crypto/hash.h"
#include "source/sim.h"

#define DATE_LEN 21   /* "2026-03-16T22:34:05Z" and its NUL */
#define EVALUATION 19 /* tcbEvaluationDataNumber of the day's real collateral */
#define DATE_NEW "2025-05-14T00:00:00Z"
#define DATE_OLD "2023-08-09T00:00:00Z"
#define ADVISORY "SIMULATED-SA-00001"
#define ZERO_8 "0000000000000000"
#define ZERO_48                                                        \
    "0000000000000000000000000000000000000000000000000000000000000000" \
    "00000000000000000000000000000000"

static int date_text(int64_t when, char out[DATE_LEN], struct avow_error *err)
{
    struct tm tm;
    time_t t = (time_t)when;

    if (!gmtime_r(&t, &tm) || strftime(out, DATE_LEN, "%Y-%m-%dT%H:%M:%SZ", &tm) != DATE_LEN - 1)
        return AVOW_FAIL(err, INVAL, "time %lld has no date of four-digit year", (long long)when);
    return 0;
}

/* {"NAME":BODY,"signature":"hex r||s"}: what is signed are the bytes of BODY as they stand there.
 */
static int sign_document(const char *name, const json_t *body, const struct avow_signer *signer,
                         struct avow_buf *out, struct avow_error *err)
{
    avow_autofree char *text = json_dumps(body, JSON_COMPACT);
    uint8_t sig[AVOW_DOCUMENT_SIGNATURE_LEN];

    if (!text)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_signer_ecdsa(signer, AVOW_P256, avow_bytes_str(text), sig, err));
    avow_buf_putf(out, "{\"%s\":%s,\"" AVOW_DOCUMENT_KEY_SIGNATURE "\":\"", name, text);
    avow_hex_put(out, AVOW_BYTES_OF(sig));
    avow_buf_put_str(out, "\"}");
    return avow_buf_ok(out, err);
}

static json_t *components(const uint8_t svns[16])
{
    json_t *list = json_array();

    for (size_t i = 0; i < AVOW_TCB_COMPONENTS; i++)
        if (json_array_append_new(list, json_pack("{s:i}", "svn", svns[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *tcb_level(const struct sim_tdx_tcb *t, const char *date, const char *status)
{
    uint8_t tdx[16];

    memcpy(tdx, t->tee_tcb_svn, sizeof tdx);
    tdx[1] = 0; /* as Intel writes it: the module's major version has a table of its own */
    return json_pack("{s:{s:o, s:i, s:o}, s:s, s:s}", "tcb", "sgxtcbcomponents",
                     components(t->components), "pcesvn", t->pcesvn, "tdxtcbcomponents",
                     components(tdx), "tcbDate", date, "tcbStatus", status);
}

/* An out-of-date level names an advisory. */
static json_t *svn_level(int isvsvn, const char *date, const char *status, const char *advisory)
{
    json_t *level = json_pack("{s:{s:i}, s:s, s:s}", "tcb", "isvsvn", isvsvn, "tcbDate", date,
                              "tcbStatus", status);

    if (level && advisory &&
        json_object_set_new(level, "advisoryIDs", json_pack("[s]", advisory)) < 0) {
        json_decref(level);
        return NULL;
    }
    return level;
}

static json_t *module_identity(void)
{
    char id[8];

    snprintf(id, sizeof id, AVOW_TDX_MODULE_ID_PREFIX "%02X", SIM_TDX_MODULE_MAJOR);
    return json_pack("{s:s, s:s, s:s, s:s, s:[o, o]}", "id", id, "mrsigner", ZERO_48, "attributes",
                     ZERO_8, "attributesMask", "FFFFFFFFFFFFFFFF", "tcbLevels",
                     svn_level(sim_tdx_tcb_new.tee_tcb_svn[0], DATE_NEW, "UpToDate", NULL),
                     svn_level(sim_tdx_tcb_old.tee_tcb_svn[0], DATE_OLD, "OutOfDate", ADVISORY));
}

int sim_tcb_info(const struct avow_signer *signer, int64_t now, struct avow_buf *out,
                 struct avow_error *err)
{
    avow_autojson json_t *doc = NULL;
    char issued[DATE_LEN], next[DATE_LEN], fmspc[2 * sizeof sim_fmspc + 1];

    AVOW_TRY(date_text(now - SIM_BACKDATE, issued, err));
    AVOW_TRY(date_text(now - SIM_BACKDATE + SIM_COLLATERAL_LIFE, next, err));
    avow_hex(AVOW_BYTES_OF(sim_fmspc), fmspc);
    doc =
        json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:i, s:i, s:{s:s, s:s, s:s}, s:[o], s:[o, o]}",
                  "id", AVOW_TCB_INFO_ID, "version", AVOW_TCB_INFO_VERSION, "issueDate", issued,
                  "nextUpdate", next, "fmspc", fmspc, "pceId", "0000", "tcbType", 0,
                  "tcbEvaluationDataNumber", EVALUATION, "tdxModule", "mrsigner", ZERO_48,
                  "attributes", ZERO_8, "attributesMask", "FFFFFFFFFFFFFFFF", "tdxModuleIdentities",
                  module_identity(), "tcbLevels", tcb_level(&sim_tdx_tcb_new, DATE_NEW, "UpToDate"),
                  tcb_level(&sim_tdx_tcb_old, DATE_OLD, "OutOfDate"));
    if (!doc)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    return sign_document(AVOW_TCB_INFO_NAME, doc, signer, out, err);
}

int sim_qe_identity(const struct avow_signer *signer, int64_t now, struct avow_buf *out,
                    struct avow_error *err)
{
    avow_autojson json_t *doc = NULL;
    char issued[DATE_LEN], next[DATE_LEN], mrsigner[65];
    uint8_t digest[32];

    AVOW_TRY(date_text(now - SIM_BACKDATE, issued, err));
    AVOW_TRY(date_text(now - SIM_BACKDATE + SIM_COLLATERAL_LIFE, next, err));
    if (avow_sha256(avow_bytes_str(SIM_QE_SIGNER_TEXT), digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    avow_hex(AVOW_BYTES_OF(digest), mrsigner);
    doc = json_pack(
        "{s:s, s:i, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:i, s:[o, o]}", "id",
        AVOW_QE_IDENTITY_ID, "version", AVOW_QE_IDENTITY_VERSION, "issueDate", issued, "nextUpdate",
        next, "tcbEvaluationDataNumber", EVALUATION, "miscselect", "00000000", "miscselectMask",
        "FFFFFFFF", "attributes", "11000000000000000000000000000000", "attributesMask",
        "FBFFFFFFFFFFFFFF0000000000000000", "mrsigner", mrsigner, "isvprodid",
        (int)AVOW_QE_ISVPRODID, "tcbLevels", svn_level(SIM_QE_ISVSVN, DATE_NEW, "UpToDate", NULL),
        svn_level(SIM_QE_ISVSVN_OLD, DATE_OLD, "OutOfDate", ADVISORY));
    if (!doc)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    return sign_document(AVOW_QE_IDENTITY_NAME, doc, signer, out, err);
}
