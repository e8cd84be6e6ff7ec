/* Addresses as the vendors document them. */
#include "store/vendor.h"

#include "../test.h"
#include "evidence/snp.h"

static void amd(void **state)
{
    struct avow_vendors v = { 0 };
    struct avow_need need = { .hardware = AVOW_TEE_SNP, .hwid_len = 64 };
    struct avow_want w;

    (void)state;
    memset(need.hwid, 0xab, sizeof need.hwid);
    need.tcb[AVOW_SNP_TCB_BOOTLOADER] = 3;
    need.tcb[AVOW_SNP_TCB_SNP] = 8;
    need.tcb[AVOW_SNP_TCB_MICROCODE] = 115;
    assert_int_equal(avow_want_vcek(&v, &need, "Milan", &w, NULL), 0);
    assert_string_equal(w.url, "https://kdsintf.amd.com/vcek/v1/Milan/"
                               "abababababababababababababababababababababababababababababababab"
                               "abababababababababababababababababababababababababababababababab"
                               "?blSPL=03&teeSPL=00&snpSPL=08&ucodeSPL=115");
    need.hwid_len = 8;
    memset(need.tcb, 0, sizeof need.tcb);
    need.tcb[AVOW_SNP_TURIN_TCB_FMC] = 1;
    need.tcb[AVOW_SNP_TURIN_TCB_BOOTLOADER] = 2;
    need.tcb[AVOW_SNP_TURIN_TCB_SNP] = 4;
    need.tcb[AVOW_SNP_TCB_MICROCODE] = 81;
    v.kds = "http://127.0.0.1:8080/";
    assert_int_equal(avow_want_vcek(&v, &need, "Turin", &w, NULL), 0);
    assert_string_equal(w.url, "http://127.0.0.1:8080/vcek/v1/Turin/abababababababab"
                               "?fmcSPL=01&blSPL=02&teeSPL=00&snpSPL=04&ucodeSPL=81");
    assert_int_equal(avow_want_amd_crl(&v, "Genoa", true, &w, NULL), 0);
    assert_string_equal(w.url, "http://127.0.0.1:8080/vlek/v1/Genoa/crl");
    assert_string_equal(w.issuer, "ARK-Genoa");
    v.kds = "kdsintf.amd.com";
    assert_int_equal(avow_want_amd_crl(&v, "Genoa", true, &w, NULL), -AVOW_E_FORMAT);
}

static void intel(void **state)
{
    struct avow_vendors v = { 0 };
    const uint8_t fmspc[6] = { 0x50, 0x80, 0x6f, 0, 0, 0 };
    struct avow_want w;

    (void)state;
    assert_int_equal(avow_want_tcb_info(&v, fmspc, &w, NULL), 0);
    assert_string_equal(w.url, "https://api.trustedservices.intel.com/tdx/certification/v4/tcb"
                               "?fmspc=50806f000000");
    assert_int_equal(avow_want_root_crl(&v, &w, NULL), 0);
    assert_string_equal(w.url, "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der");
    v.update = "early";
    v.pcs = "https://localhost:8081/sgx/certification/v4/";
    assert_int_equal(avow_want_tcb_info(&v, fmspc, &w, NULL), 0);
    assert_string_equal(w.url, "https://localhost:8081/tdx/certification/v4/tcb"
                               "?fmspc=50806f000000&update=early");
    assert_int_equal(avow_want_qe_identity(&v, &w, NULL), 0);
    assert_string_equal(w.url,
                        "https://localhost:8081/tdx/certification/v4/qe/identity?update=early");
    assert_int_equal(avow_want_pck_crl(&v, true, &w, NULL), 0);
    assert_string_equal(w.url, "https://localhost:8081/sgx/certification/v4/pckcrl"
                               "?ca=processor&encoding=der");
    assert_int_equal(avow_want_root_crl(&v, &w, NULL), 0);
    assert_string_equal(w.url, "https://localhost:8081/sgx/certification/v4/rootcacrl");
}

static void thim(void **state)
{
    struct avow_store_key key;
    struct avow_want w;

    (void)state;
    assert_int_equal(avow_want_thim(NULL, &w, NULL), 0);
    assert_string_equal(w.url, "http://169.254.169.254/metadata/THIM/amd/certification");
    assert_false(avow_want_key(&w, &key));
}

static void only_what_was_asked_for(void **state)
{
    struct avow_want w = { .kind = AVOW_WANT_VCEK, .hwid_len = 8, .hwid = { 1 }, .tcb = { 2 } };
    struct avow_item it = {
        .kind = AVOW_ITEM_CERT, .has_tcb = true, .hwid_len = 8, .hwid = { 1 }, .tcb = { 2 }
    };

    (void)state;
    assert_true(avow_want_is(&w, &it));
    it.tcb[0] = 3;
    assert_false(avow_want_is(&w, &it));
    it.tcb[0] = 2;
    it.hwid[0] = 9;
    assert_false(avow_want_is(&w, &it));
    w = (struct avow_want){ .kind = AVOW_WANT_TCB_INFO, .fmspc = { 5 } };
    it = (struct avow_item){ .kind = AVOW_ITEM_TCB_INFO, .fmspc = { 5 } };
    assert_true(avow_want_is(&w, &it));
    it.fmspc[5] = 1;
    assert_false(avow_want_is(&w, &it));
    w = (struct avow_want){ .kind = AVOW_WANT_PCK_CRL, .issuer = "a" };
    it = (struct avow_item){ .kind = AVOW_ITEM_CRL, .issuer = "b" };
    assert_false(avow_want_is(&w, &it));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amd),
        cmocka_unit_test(intel),
        cmocka_unit_test(thim),
        cmocka_unit_test(only_what_was_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
