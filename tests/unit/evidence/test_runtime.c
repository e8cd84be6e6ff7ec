#include "evidence/runtime.h"

#include "../test.h"

#define AK "{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"_-A\"}"

static void what_is_said_is_read(void **state)
{
    static const char text[] =
        "{\"keys\":[" AK
        ",{\"kid\":\"HCLEkPub\"}],\"new\":1,\"user-data\":\"00112233445566778899AABBCCDDEEFF"
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
        "00112233445566778899aabbccddeeff\","
        "\"vm-configuration\":{\"secure-boot\":false,\"vmUniqueId\":\"A-1\",\"tpm-enabled\":true}}";
    struct avow_runtime r = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    if (avow_runtime_parse(avow_bytes_str(text), &r, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(r.n_len, 2);
    assert_int_equal(r.n[0], 0xFF);
    assert_int_equal(r.e_len, 3);
    assert_int_equal(r.said.secure_boot, 0);
    assert_int_equal(r.said.tpm_enabled, 1);
    assert_int_equal(r.said.tpm_persisted, -1);
    assert_string_equal(r.vm_id, "A-1");
    assert_true(r.has_user_data);
    assert_int_equal(r.user_data[15], 0xFF);
}

static void what_is_wrong_is_refused(void **state)
{
    static const struct {
        const char *text;
        int code;
    } rows[] = {
        { "{\"keys\":[" AK "]}", 0 },
        { "{\"keys\":[" AK "],\"user-data\":\"\"}", 0 },
        { "{\"keys\":[" AK "," AK "]}", -AVOW_E_FORMAT },
        { "{\"keys\":[{\"kid\":\"HCLTransferKey\"}]}", -AVOW_E_MISSING },
        { "{\"keys\":[]}", -AVOW_E_MISSING },
        { "{}", -AVOW_E_FORMAT },
        { "[]", -AVOW_E_FORMAT },
        { "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"EC\"}]}", -AVOW_E_FORMAT },
        { "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"+/==\"}]}",
          -AVOW_E_FORMAT },
        { "{\"keys\":[" AK "],\"keys\":[" AK "]}", -AVOW_E_FORMAT },
        { "{\"keys\":[" AK "],\"user-data\":\"00\"}", -AVOW_E_FORMAT },
        { "{\"keys\":[" AK "],\"vm-configuration\":{\"secure-boot\":1}}", -AVOW_E_FORMAT },
        { "{\"keys\":[" AK "],\"vm-configuration\":[]}", -AVOW_E_FORMAT },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_runtime r = { 0 };
        struct avow_error err = { 0 };
        int rc = avow_runtime_parse(avow_bytes_str(rows[i].text), &r, &err);

        if (rc != rows[i].code)
            fail_msg("%s: %d: %s", rows[i].text, rc, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_is_read),
        cmocka_unit_test(what_is_wrong_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
