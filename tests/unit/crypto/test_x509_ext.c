#include "crypto/x509_ext.h"

#include "../test.h"

#define D(text) AVOW_BYTES(text, sizeof(text) - 1)
#define ID_CE(n) "\x06\x03\x55\x1D" n
#define CRITICAL "\x01\x01\xFF"

/* One extension and what becomes of it; the list is @in itself. */
static void extensions_are_checked(void **state)
{
    static const struct {
        const char *what;
        struct avow_bytes in;
        bool ok, ca;
        uint8_t usage;
    } rows[] = {
        { "none", D(""), true, false, 0 },
        { "CA", D("\x30\x0F" ID_CE("\x13") CRITICAL "\x04\x05\x30\x03\x01\x01\xFF"), true, true,
          0 },
        { "no CA", D("\x30\x09" ID_CE("\x13") "\x04\x02\x30\x00"), true, false, 0 },
        { "path length without CA", D("\x30\x0C" ID_CE("\x13") "\x04\x05\x30\x03\x02\x01\x00"),
          false, false, 0 },
        { "negative path length",
          D("\x30\x0F" ID_CE("\x13") "\x04\x08\x30\x06\x01\x01\xFF\x02\x01\xFF"), false, false, 0 },
        { "byte behind", D("\x30\x0A" ID_CE("\x13") "\x04\x03\x30\x00\x00"), false, false, 0 },
        { "usage", D("\x30\x0B" ID_CE("\x0F") "\x04\x04\x03\x02\x01\x06"), true, false, 6 },
        { "usage of no bits", D("\x30\x0B" ID_CE("\x0F") "\x04\x04\x03\x02\x01\x00"), false, false,
          0 },
        { "usage with unused bits", D("\x30\x0B" ID_CE("\x0F") "\x04\x04\x03\x02\x02\x06"), false,
          false, 0 },
        { "usage twice",
          D("\x30\x0B" ID_CE("\x0F") "\x04\x04\x03\x02\x01\x06"
                                     "\x30\x0B" ID_CE("\x0F") "\x04\x04\x03\x02\x01\x06"),
          false, false, 0 },
        { "subject key id", D("\x30\x0A" ID_CE("\x0E") "\x04\x03\x04\x01x"), true, false, 0 },
        { "authority key id", D("\x30\x0C" ID_CE("\x23") "\x04\x05\x30\x03\x80\x01x"), true, false,
          0 },
        { "authority key id of another kind",
          D("\x30\x0C" ID_CE("\x23") "\x04\x05\x30\x03\x83\x01x"), false, false, 0 },
        { "name constraints", D("\x30\x09" ID_CE("\x1E") "\x04\x02\x30\x00"), false, false, 0 },
        { "DNS name", D("\x30\x0C" ID_CE("\x11") "\x04\x05\x30\x03\x82\x01x"), true, false, 0 },
        { "no names", D("\x30\x09" ID_CE("\x11") "\x04\x02\x30\x00"), false, false, 0 },
        { "extended usage", D("\x30\x0C" ID_CE("\x25") "\x04\x05\x30\x03\x06\x01\x2A"), true, false,
          0 },
        { "no extended usage", D("\x30\x09" ID_CE("\x25") "\x04\x02\x30\x00"), false, false, 0 },
        { "distribution point",
          D("\x30\x12" ID_CE("\x1F") "\x04\x0B\x30\x09\x30\x07\xA0\x05\xA0\x03\x86\x01u"), true,
          false, 0 },
        { "distribution point with reasons",
          D("\x30\x10" ID_CE("\x1F") "\x04\x09\x30\x07\x30\x05\x81\x03\x00\x00\x00"), false, false,
          0 },
        { "unknown", D("\x30\x07\x06\x01\x2A\x04\x02\x05\x00"), true, false, 0 },
        { "unknown and critical", D("\x30\x0A\x06\x01\x2A" CRITICAL "\x04\x02\x05\x00"), false,
          false, 0 },
        { "not an extension", D("\x31\x00"), false, false, 0 },
        { "a proxy", D("\x30\x0E\x06\x08\x2B\x06\x01\x05\x05\x07\x01\x0E\x04\x02\x30\x00"), false,
          false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_cert_fields f = { 0 };
        int rc = avow_extensions_read(rows[i].in, &f, NULL);

        if ((rc == 0) != rows[i].ok || (rc < 0 && rc != -AVOW_E_FORMAT))
            fail_msg("%s: %d", rows[i].what, rc);
        if (rc == 0 && (f.ca != rows[i].ca || f.usage != rows[i].usage))
            fail_msg("%s: CA %d, usage 0x%x", rows[i].what, f.ca, f.usage);
    }
}

static void too_many_are_refused(void **state)
{
    uint8_t list[9 * (AVOW_X509_EXTENSIONS_MAX + 1)];
    struct avow_cert_fields f = { 0 };

    (void)state;
    for (size_t i = 0; i <= AVOW_X509_EXTENSIONS_MAX; i++)
        memcpy(list + 9 * i, "\x30\x07\x06\x01\x2A\x04\x02\x05\x00", 9);
    assert_int_equal(avow_extensions_read(AVOW_BYTES(list, sizeof list - 9), &f, NULL), 0);
    assert_int_equal(avow_extensions_read(AVOW_BYTES_OF(list), &f, NULL), -AVOW_E_FORMAT);
}

static void names_have_one_cn(void **state)
{
    static const struct {
        struct avow_bytes in;
        bool ok;
        const char *cn;
    } rows[] = {
        { D("\x30\x00"), true, "" },
        { D("\x30\x0C\x31\x0A\x30\x08\x06\x03\x55\x04\x03\x0C\x01"
            "a"),
          true, "a" },
        { D("\x30\x0C\x31\x0A\x30\x08\x06\x03\x55\x04\x0A\x0C\x01"
            "a"),
          true, "" },
        { D("\x30\x18\x31\x0A\x30\x08\x06\x03\x55\x04\x03\x0C\x01"
            "a\x31\x0A\x30\x08\x06\x03\x55\x04\x03\x0C\x01"
            "b"),
          false, "" },
        { D("\x30\x16\x31\x14\x30\x08\x06\x03\x55\x04\x03\x0C\x01"
            "a\x30\x08\x06\x03\x55\x04\x0A\x0C\x01"
            "b"),
          false, "" }, /* two in one part */
        { D("\x30\x0C\x31\x0A\x30\x08\x06\x03\x55\x04\x03\x0C\x01\x00"), false, "" },
        { D("\x30\x02\x31\x00"), false, "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_rd r = avow_rd_init(rows[i].in);
        struct avow_bytes whole = { 0 };
        char cn[AVOW_CN_MAX];

        if (avow_name_read(&r, &whole, cn) != rows[i].ok)
            fail_msg("row %zu", i);
        if (rows[i].ok) {
            assert_string_equal(cn, rows[i].cn);
            assert_true(avow_bytes_equal(whole, rows[i].in));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extensions_are_checked),
        cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(names_have_one_cn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
