#include "evidence/snp.h"

#include "../test.h"

static void every_version_but_known_ones_is_refused(void **state)
{
    uint8_t raw[AVOW_SNP_REPORT_LEN] = { 0 };
    struct avow_snp_report r;
    struct avow_error err = { 0 };

    (void)state;
    for (unsigned v = 0; v < 256; v++) {
        bool known = v >= AVOW_SNP_VERSION_MIN && v <= AVOW_SNP_VERSION_MAX;

        raw[AVOW_SNP_OFF_VERSION] = (uint8_t)v;
        assert_int_equal(avow_snp_parse(AVOW_BYTES_OF(raw), &r, &err), known ? 0 : -AVOW_E_VERSION);
    }
    raw[AVOW_SNP_OFF_VERSION] = 3;
    raw[AVOW_SNP_OFF_VERSION + 3] = 1;
    assert_int_equal(avow_snp_parse(AVOW_BYTES_OF(raw), &r, &err), -AVOW_E_VERSION);
}

static void every_other_length_is_refused(void **state)
{
    uint8_t raw[AVOW_SNP_REPORT_LEN + 1] = { 3 };
    struct avow_snp_report r;

    (void)state;
    for (size_t n = 0; n < AVOW_SNP_REPORT_LEN; n++)
        assert_int_equal(avow_snp_parse(AVOW_BYTES(raw, n), &r, NULL), -AVOW_E_TRUNCATED);
    assert_int_equal(avow_snp_parse(AVOW_BYTES_OF(raw), &r, NULL), -AVOW_E_TRAILING);
    assert_int_equal(avow_snp_parse(AVOW_BYTES(raw, AVOW_SNP_REPORT_LEN), &r, NULL), 0);
}

/* Every byte that no field claims is reserved, and no other is. */
static void reserved_bytes_are_named(void **state)
{
    static const struct {
        size_t from, to;
    } v5[] = { { 0x4C, 0x50 },   { 0x18B, 0x1A0 }, { 0x1EB, 0x1EC },
               { 0x1EF, 0x1F0 }, { 0x208, 0x2A0 }, { 0x330, 0x4A0 } };
    uint8_t raw[AVOW_SNP_REPORT_LEN] = { 0 };
    struct avow_snp_report r;

    (void)state;
    for (uint8_t version = 2; version <= 5; version++) {
        for (size_t at = 4; at < AVOW_SNP_REPORT_LEN; at++) {
            bool reserved = (version < 3 && at >= 0x188 && at < 0x18B) ||
                            (version < 5 && at >= 0x1F8 && at < 0x208);

            for (size_t i = 0; i < sizeof v5 / sizeof v5[0]; i++)
                reserved = reserved || (at >= v5[i].from && at < v5[i].to);
            memset(raw, 0, sizeof raw);
            raw[0] = version;
            raw[at] = 1;
            assert_int_equal(avow_snp_parse(AVOW_BYTES_OF(raw), &r, NULL), 0);
            assert_int_equal(r.reserved, reserved ? at : 0);
        }
    }
}

static void fields_are_where_the_table_says(void **state)
{
    uint8_t raw[AVOW_SNP_REPORT_LEN];
    struct avow_snp_report r;

    (void)state;
    for (size_t i = 0; i < sizeof raw; i++)
        raw[i] = (uint8_t)(i * 7 + 1);
    memset(raw, 0, 4);
    raw[0] = 5;
    assert_int_equal(avow_snp_parse(AVOW_BYTES_OF(raw), &r, NULL), 0);
    assert_ptr_equal(r.signed_part.data, raw);
    assert_int_equal(r.signed_part.len, 0x2A0);
    assert_int_equal(r.guest_svn & 0xff, raw[AVOW_SNP_OFF_GUEST_SVN]);
    assert_int_equal(r.policy >> 56, raw[AVOW_SNP_OFF_POLICY + 7]);
    assert_int_equal(r.vmpl & 0xff, raw[AVOW_SNP_OFF_VMPL]);
    assert_int_equal(r.platform_info & 0xff, raw[AVOW_SNP_OFF_PLATFORM_INFO]);
    assert_int_equal(r.key_info & 0xff, raw[AVOW_SNP_OFF_KEY_INFO]);
    assert_memory_equal(r.current_tcb, raw + AVOW_SNP_OFF_CURRENT_TCB, 8);
    assert_memory_equal(r.report_data, raw + AVOW_SNP_OFF_REPORT_DATA, 64);
    assert_memory_equal(r.measurement, raw + AVOW_SNP_OFF_MEASUREMENT, 48);
    assert_memory_equal(r.host_data, raw + AVOW_SNP_OFF_HOST_DATA, 32);
    assert_memory_equal(r.author_key_digest, raw + AVOW_SNP_OFF_AUTHOR_KEY_DIGEST, 48);
    assert_memory_equal(r.report_id_ma, raw + AVOW_SNP_OFF_REPORT_ID_MA, 32);
    assert_memory_equal(r.reported_tcb, raw + AVOW_SNP_OFF_REPORTED_TCB, 8);
    assert_int_equal(r.cpuid_stepping, raw[AVOW_SNP_OFF_CPUID_STEPPING]);
    assert_memory_equal(r.chip_id, raw + AVOW_SNP_OFF_CHIP_ID, 64);
    assert_memory_equal(r.committed_tcb, raw + AVOW_SNP_OFF_COMMITTED_TCB, 8);
    assert_int_equal(r.current.build, raw[0x1E8]);
    assert_int_equal(r.committed.major, raw[0x1EE]);
    assert_memory_equal(r.launch_tcb, raw + AVOW_SNP_OFF_LAUNCH_TCB, 8);
    assert_int_equal(r.launch_mit & 0xff, raw[AVOW_SNP_OFF_LAUNCH_MIT]);
    assert_int_equal(r.current_mit & 0xff, raw[AVOW_SNP_OFF_CURRENT_MIT]);
    assert_ptr_equal(r.r.data, raw + AVOW_SNP_OFF_R);
    assert_ptr_equal(r.s.data, raw + AVOW_SNP_OFF_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_but_known_ones_is_refused),
        cmocka_unit_test(every_other_length_is_refused),
        cmocka_unit_test(reserved_bytes_are_named),
        cmocka_unit_test(fields_are_where_the_table_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
