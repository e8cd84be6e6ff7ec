#include "policy_rules.h"

#define M M1
#define MACHINE "0102030405060708"

static struct avow_policy_pins pins(const char *text, enum avow_tee tee, const char *member)
{
    avow_auto(avow_cleanup_policy) struct avow_policy *p = policy(text);

    return avow_policy_pins(p, tee, member);
}

static void assert_pins(struct avow_policy_pins p, const char *want)
{
    const struct {
        bool is;
        char letter;
    } rows[] = { { p.accepted, 'a' }, { p.measurement, 'm' }, { p.registers, 'r' },
                 { p.machine, 'c' },  { p.vm, 'v' },          { p.id, 'i' } };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].is != (strchr(want, rows[i].letter) != NULL))
            fail_msg("%s: '%c'", want, rows[i].letter);
}

static void what_is_pinned(void **state)
{
    static const struct {
        const char *text, *want;
        enum avow_tee tee;
    } rows[] = {
        { "{\"version\":1}", "", AVOW_TEE_SNP },
        { "{\"version\":1,\"machine-ids\":[\"" MACHINE "\"]}", "", AVOW_TEE_SNP },
        { "{\"version\":1,\"snp\":{\"measurements\":\"any\"}}", "a", AVOW_TEE_SNP },
        { "{\"version\":1,\"snp\":{\"measurements\":\"any\"}}", "", AVOW_TEE_AZ_SNP },
        { SNP(""), "am", AVOW_TEE_SNP },
        { SNP(""), "", AVOW_TEE_TDX },
        { SNP(",\"id-key-digest\":[\"" M "\"]"), "ami", AVOW_TEE_SNP },
        { SNP(",\"author-key-digest\":[\"" M "\"]"), "ami", AVOW_TEE_SNP },
        { TDX(""), "am", AVOW_TEE_TDX },
        { TDX(",\"rtmr3\":[\"" M "\"]"), "amr", AVOW_TEE_TDX },
        { TDX(",\"mrowner\":[\"" M "\"]"), "ami", AVOW_TEE_TDX },
        { "{\"version\":1,\"az-snp\":{\"measurements\":\"any\",\"pcrs\":{\"11\":[\"" H1 "\"]},"
          "\"vm-ids\":[\"x\"]}}",
          "arv", AVOW_TEE_AZ_SNP },
        { "{\"version\":1,\"az-tdx\":{\"mrtd\":[\"" M "\"]},\"machine-ids\":[\"" MACHINE "\"]}",
          "amc", AVOW_TEE_AZ_TDX },
    };
    static const char one[] =
        "{\"version\":1,\"snp\":{\"measurements\":\"any\"},\"machines\":{\"a\":\"" MACHINE "\"}}";

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_pins(pins(rows[i].text, rows[i].tee, "a"), rows[i].want);
    assert_pins(pins(one, AVOW_TEE_SNP, "a"), "ac");
    assert_pins(pins(one, AVOW_TEE_SNP, "b"), "a");
    assert_pins(pins(one, AVOW_TEE_SNP, NULL), "a");
}

static void a_policy_is_described(void **state)
{
    avow_auto(avow_cleanup_policy) struct avow_policy *p =
        policy("{\"version\":1,\"az-tdx\":{\"mrtd\":\"any\",\"pcrs\":{\"1\":[\"" H1 "\"]}}}");
    avow_autojson json_t *j = avow_policy_describe(p);
    const json_t *az = json_object_get(j, "az-tdx");
    const json_t *defaults = json_object_get(az, "defaults");

    (void)state;
    assert_true(json_is_null(json_object_get(j, "snp")));
    assert_true(json_is_true(json_object_get(json_object_get(az, "pins"), "registers")));
    assert_int_equal(json_array_size(json_object_get(az, "written")), 2);
    assert_string_equal(json_string_value(json_object_get(defaults, "tcb-status")), "[UpToDate]");
    assert_string_equal(json_string_value(json_object_get(defaults, "vm-ids")), "any");
    assert_null(json_object_get(defaults, "pcrs"));
    assert_null(json_object_get(defaults, "mrtd"));
    defaults = json_object_get(json_object_get(j, "top"), "defaults");
    assert_string_equal(json_string_value(json_object_get(defaults, "allow-simulated")), "false");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_pinned),
        cmocka_unit_test(a_policy_is_described),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
