/* PccsAdminTool's file: each part as the file that it was. */
#include "attest/pccs.h"

#include "../snp_vectors.h"
#include "attest/gather.h"
#include "codec/text.h"

#define TDX "coco-v5-90c06f"

static json_t *document(const char *file)
{
    size_t n = 0;
    avow_autofree uint8_t *data = test_vector("tdx", TDX, file, &n);
    json_t *j = NULL;

    assert_non_null(data);
    assert_int_equal(avow_json_parse(AVOW_BYTES(data, n), &j, NULL), 0);
    return j;
}

static json_t *hex(const char *file)
{
    size_t n = 0;
    avow_autofree uint8_t *data = test_vector("tdx", TDX, file, &n);
    avow_autofree char *text = calloc(2, n + 1);

    assert_non_null(data);
    assert_non_null(text);
    avow_hex(AVOW_BYTES(data, n), text);
    return json_string(text);
}

static json_t *chain(void)
{
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(1 << 20);
    size_t n = 0;
    avow_autofree uint8_t *pem = test_vector("tdx", TDX, "tcb_signing_chain.pem", &n);

    assert_non_null(pem);
    for (size_t i = 0; i < n; i++)
        if (pem[i] == '\n' || pem[i] == ' ')
            avow_buf_put_str(&out, pem[i] == ' ' ? "%20" : "%0A");
        else
            avow_buf_put_u8(&out, pem[i]);
    return json_string(avow_buf_cstr(&out));
}

/* As PccsAdminTool writes it: documents read and written anew, with spaces. */
static char *platform_file(void)
{
    avow_autojson json_t *j = json_pack(
        "{s:[], s:{s:i, s:[], s:[{s:s, s:{s:{s:s, s:i}, s:s}, s:o}], s:{s:s, s:o}, s:s, s:o, s:s,"
        " s:{s:{}, s:o, s:s}, s:o}}",
        "platforms", "collaterals", "version", 4, "pck_certs", "tcbinfos", "fmspc", "90C06F000000",
        "sgx_tcbinfo", "tcbInfo", "id", "SGX", "version", 3, "signature", "00", "tdx_tcbinfo",
        document("tcb_info.json"), "pckcacrl", "processorCrl", "", "platformCrl",
        hex("pck_crl.der"), "qeidentity", "{\"enclaveIdentity\":{\"id\":\"QE\",\"version\":2}}",
        "tdqeidentity", document("qe_identity.json"), "qveidentity", "", "certificates",
        "SGX-PCK-Certificate-Issuer-Chain", "TCB-Info-Issuer-Chain", chain(),
        "SGX-Enclave-Identity-Issuer-Chain", "", "rootcacrl", hex("root_ca_crl.der"));

    assert_non_null(j);
    return json_dumps(j, JSON_PRESERVE_ORDER);
}

static void everything_is_taken_and_the_documents_are_what_was_signed(void **state)
{
    avow_auto(avow_cleanup_pool) struct avow_pool *pool = NULL;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };
    avow_autofree char *text = NULL;
    size_t n = 0, kinds[5] = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    text = platform_file();
    assert_non_null(text);
    assert_int_equal(avow_pool_new(&pool, NULL), 0);
    if (avow_gather_file(pool, &b, avow_bytes_str(text), &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(b.tee, AVOW_TEE_NONE);
    for (size_t i = 0; i < avow_pool_count(pool); i++)
        kinds[avow_pool_item(pool, i)->kind]++;
    assert_int_equal(kinds[AVOW_ITEM_CERT], 2);
    assert_int_equal(kinds[AVOW_ITEM_CRL], 2);
    assert_int_equal(kinds[AVOW_ITEM_TCB_INFO], 1);
    assert_int_equal(kinds[AVOW_ITEM_QE_IDENTITY], 1);
    for (size_t i = 0; i < avow_pool_count(pool); i++)
        if (avow_pool_item(pool, i)->kind == AVOW_ITEM_TCB_INFO) {
            avow_autofree uint8_t *was = test_vector("tdx", TDX, "tcb_info.json", &n);

            while (n && was[n - 1] == '\n')
                n--;
            assert_true(avow_bytes_equal(avow_pool_item(pool, i)->data, AVOW_BYTES(was, n)));
        }
}

static int nothing(void *ctx, enum avow_envelope_part part, struct avow_bytes data,
                   struct avow_error *err)
{
    (void)ctx;
    (void)part;
    (void)data;
    (void)err;
    return 0;
}

static void malformed(void **state)
{
    avow_autojson json_t *list = json_pack("{s:{s:s}}", "collaterals", "tcbinfos", "x");
    avow_autojson json_t *text =
        json_pack("{s:{s:{s:i}}}", "collaterals", "pckcacrl", "platformCrl", 5);
    avow_autojson json_t *pem =
        json_pack("{s:{s:{}, s:s}}", "collaterals", "pckcacrl", "rootcacrl", "-----BEGIN%2");
    avow_autojson json_t *other = json_pack("{s:{}}", "collaterals");

    (void)state;
    assert_true(avow_pccs_is(list));
    assert_int_equal(avow_pccs_open(list, nothing, NULL, NULL), -AVOW_E_FORMAT);
    assert_true(avow_pccs_is(text));
    assert_int_equal(avow_pccs_open(text, nothing, NULL, NULL), -AVOW_E_FORMAT);
    assert_int_equal(avow_pccs_open(pem, nothing, NULL, NULL), -AVOW_E_FORMAT);
    assert_false(avow_pccs_is(other));
    assert_false(avow_pccs_is(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_taken_and_the_documents_are_what_was_signed),
        cmocka_unit_test(malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
