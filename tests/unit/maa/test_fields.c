#include "maa/fields.h"

#include "../test.h"

static const struct maa_field *const tables[] = { maa_snp_fields, maa_tdx_fields,
                                                  maa_common_fields };
static struct avow_claims in, out;

static void fill(void)
{
    memset(&in, 0, sizeof in);
    for (size_t i = 0; i < sizeof in.report_data; i++)
        in.report_data[i] = (uint8_t)(0xA0 + i);
    memset(in.measurement, 0xCD, sizeof in.measurement);
    memset(in.tdx.rtmr, 0x12, sizeof in.tdx.rtmr);
    memset(in.tdx.td_attributes, 0x80, sizeof in.tdx.td_attributes);
    in.tdx.tee_tcb_svn[0] = 3;
    in.snp.policy = 0x30000;
    in.snp.vmpl = 2;
    in.snp.reported = (struct avow_snp_tcb){ 1, 2, 3, 4, 255 };
    in.snp.launch = (struct avow_snp_tcb){ 5, 6, 7, 8, 9 };
    in.snp.current_mit = 0xFFFFFFFFFFFFFFFF;
    snprintf(in.snp.product, sizeof in.snp.product, "Genoa");
    in.valid_until = 1800000000;
    in.simulated = true;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    fill();
    memset(&out, 0, sizeof out);
    for (size_t i = 0; i < 3; i++) {
        avow_autojson json_t *j = json_object();
        struct avow_error err = { 0 };

        assert_int_equal(maa_fields_put(tables[i], &in, j, &err), 0);
        if (maa_fields_get(tables[i], j, &out, &err) < 0)
            fail_msg("%s", err.text);
    }
    assert_memory_equal(&in, &out, sizeof in);
}

/* Each claim that must be there is missed, and each that is of another type is refused. */
static void every_claim_is_looked_at(void **state)
{
    (void)state;
    fill();
    for (size_t i = 0; i < 3; i++) {
        for (const struct maa_field *f = tables[i]; f->name; f++) {
            avow_autojson json_t *j = json_object();
            struct avow_error err = { 0 };

            assert_int_equal(maa_fields_put(tables[i], &in, j, NULL), 0);
            json_object_set_new(j, f->name, json_array());
            assert_int_equal(maa_fields_get(tables[i], j, &out, &err), -AVOW_E_FORMAT);
            assert_non_null(strstr(err.text, f->name));
            json_object_del(j, f->name);
            assert_int_equal(maa_fields_get(tables[i], j, &out, NULL) == 0, f->may);
        }
    }
}

static void parts_must_agree_with_the_whole(void **state)
{
    avow_autojson json_t *snp = json_object();
    avow_autojson json_t *tdx = json_object();

    (void)state;
    fill();
    assert_int_equal(maa_fields_put(maa_snp_fields, &in, snp, NULL), 0);
    json_object_set_new(snp, "x-ms-sevsnpvm-is-debuggable", json_true());
    assert_int_equal(maa_fields_get(maa_snp_fields, snp, &out, NULL), -AVOW_E_FORMAT);
    json_object_del(snp, "x-avow-snp-policy"); /* Microsoft's say the bits alone */
    memset(&out, 0, sizeof out);
    assert_int_equal(maa_fields_get(maa_snp_fields, snp, &out, NULL), 0);
    assert_true(out.snp.policy == (1u << 16 | 1u << 19));
    assert_int_equal(maa_fields_put(maa_tdx_fields, &in, tdx, NULL), 0);
    json_object_set_new(tdx, "tdx_seamsvn", json_integer(4));
    assert_int_equal(maa_fields_get(maa_tdx_fields, tdx, &out, NULL), -AVOW_E_FORMAT);
    json_object_set_new(tdx, "tdx_seamsvn", json_integer(3));
    json_object_set_new(tdx, "tdx_td_attributes_perfmon", json_false());
    assert_int_equal(maa_fields_get(maa_tdx_fields, tdx, &out, NULL), -AVOW_E_FORMAT);
}

static void numbers_and_texts_have_room(void **state)
{
    avow_autojson json_t *j = json_object();

    (void)state;
    fill();
    assert_int_equal(maa_fields_put(maa_snp_fields, &in, j, NULL), 0);
    json_object_set_new(j, "x-ms-sevsnpvm-tee-svn", json_integer(256));
    assert_int_equal(maa_fields_get(maa_snp_fields, j, &out, NULL), -AVOW_E_LIMIT);
    json_object_set_new(j, "x-ms-sevsnpvm-tee-svn", json_integer(-1));
    assert_int_equal(maa_fields_get(maa_snp_fields, j, &out, NULL), -AVOW_E_LIMIT);
    json_object_set_new(j, "x-ms-sevsnpvm-tee-svn", json_integer(0));
    json_object_set_new(j, "x-avow-snp-product", json_string("a product of too many words"));
    assert_int_equal(maa_fields_get(maa_snp_fields, j, &out, NULL), -AVOW_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(every_claim_is_looked_at),
        cmocka_unit_test(parts_must_agree_with_the_whole),
        cmocka_unit_test(numbers_and_texts_have_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
