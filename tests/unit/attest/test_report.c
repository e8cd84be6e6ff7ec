#include "attest/attest.h"

#include "../test.h"

static void verdicts_survive_json(void **state)
{
    struct avow_verdict v = { .tee = AVOW_TEE_TDX, .simulated = true }, back;
    avow_autojson json_t *j = NULL;
    struct avow_error err = { 0 };

    (void)state;
    avow_verdict_from(&v, "snp.measurements");
    avow_verdict_add(&v, "measurement", false, "measurement 3f.. is not among the 2 allowed");
    avow_verdict_from(&v, "%s", "");
    avow_verdict_add(&v, "debug", true, "no");
    avow_verdict_conclude(&v);
    j = avow_verdict_json(&v);
    assert_non_null(j);
    assert_int_equal(avow_verdict_from_json(j, &back, &err), 0);
    assert_memory_equal(&v, &back, sizeof v);
    json_object_set_new(j, "decision", json_string("accepted"));
    assert_int_equal(avow_verdict_from_json(j, &back, &err), -AVOW_E_FORMAT);
    assert_false(avow_verdict_accepts(&back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_survive_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
