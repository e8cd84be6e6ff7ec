#include "attest/attest.h"

#include "../test.h"

static void claims_have_json(void **state)
{
    struct avow_claims c = { .tee = AVOW_TEE_TDX };
    avow_autojson json_t *tdx = NULL;
    avow_autojson json_t *snp = NULL;

    (void)state;
    avow_claims_check(&c, "root", true, "fine");
    tdx = avow_claims_json(&c);
    assert_non_null(tdx);
    assert_non_null(json_object_get(json_object_get(tdx, "tdx"), "rtmr"));
    assert_int_equal(json_array_size(json_object_get(tdx, "checks")), 1);
    c.tee = AVOW_TEE_SNP;
    snp = avow_claims_json(&c);
    assert_non_null(snp);
    assert_non_null(json_object_get(json_object_get(json_object_get(snp, "snp"), "tcb"), "launch"));
    assert_true(json_is_false(json_object_get(snp, "authentic")));
}

static void parts_are_there_only_where_they_hold(void **state)
{
    struct avow_claims c = { .tee = AVOW_TEE_AZ_SNP };
    avow_autojson json_t *bare = NULL;
    avow_autojson json_t *full = NULL;
    const json_t *azure = NULL;

    (void)state;
    bare = avow_claims_json(&c);
    assert_non_null(bare);
    assert_non_null(json_object_get(bare, "snp"));
    assert_null(json_object_get(bare, "azure"));
    assert_null(json_object_get(bare, "vtpm"));
    assert_null(json_object_get(bare, "event-log"));
    assert_null(json_object_get(bare, "runtime-data-sha256"));
    c.runtime_bound = c.az.present = c.vtpm.quoted = c.log.replayed = true;
    c.az.secure_boot = AVOW_SAID_NO;
    c.vtpm.pcr_mask = 1u << 4 | 1u << 23;
    c.vtpm.pcr[4][0] = 0xab;
    c.log.registers = 1u << 4;
    full = avow_claims_json(&c);
    assert_non_null(full);
    azure = json_object_get(full, "azure");
    assert_true(json_is_false(json_object_get(azure, "secure-boot")));
    assert_true(json_is_null(json_object_get(azure, "tpm-enabled"))); /* not said */
    assert_int_equal(json_object_size(json_object_get(json_object_get(full, "vtpm"), "pcrs")), 2);
    assert_memory_equal(json_string_value(json_object_get(
                            json_object_get(json_object_get(full, "vtpm"), "pcrs"), "4")),
                        "ab00", 4);
    assert_string_equal(json_string_value(json_array_get(
                            json_object_get(json_object_get(full, "event-log"), "registers"), 0)),
                        "pcr4");
}

static void checks_say_where_they_come_from(void **state)
{
    struct avow_claims c = { .tee = AVOW_TEE_SNP };
    avow_autojson json_t *j = NULL;
    const json_t *checks = NULL;

    (void)state;
    avow_claims_check(&c, "chip", false, "another");
    avow_claims_missing(&c, "missing", "the CRL");
    j = avow_claims_json(&c);
    checks = json_object_get(j, "checks");
    assert_string_equal(json_string_value(json_object_get(json_array_get(checks, 0), "state")),
                        "failed");
    assert_non_null(strstr(json_string_value(json_object_get(json_array_get(checks, 0), "source")),
                           "AMD 57230"));
    assert_string_equal(json_string_value(json_object_get(json_array_get(checks, 1), "state")),
                        "not-run");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_have_json),
        cmocka_unit_test(parts_are_there_only_where_they_hold),
        cmocka_unit_test(checks_say_where_they_come_from),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
