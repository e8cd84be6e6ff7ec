#include "crypto/der.h"

#include "../test.h"

#define D(text) AVOW_BYTES(text, sizeof(text) - 1)

static void lengths_have_one_form(void **state)
{
    static const struct {
        struct avow_bytes in;
        bool ok;
        size_t len;
    } rows[] = {
        { D("\x04\x00"), true, 0 },
        { D("\x04\x01x"), true, 1 },
        { D("\x04\x01"), false, 0 },           /* cut */
        { D("\x04"), false, 0 },               /* no length */
        { D(""), false, 0 },                   /* nothing */
        { D("\x04\x80xx\x00\x00"), false, 0 }, /* indefinite */
        { D("\x04\x81\x01x"), false, 0 },      /* not minimal */
        { D("\x04\x82\x00\x80"), false, 0 },   /* leading zero */
        { D("\x04\x81\x7F"), false, 0 },       /* not minimal */
        { D("\x04\x84\x00\x00\x00\x01x"), false, 0 },
        { D("\x04\x84\x7F\xFF\xFF\xFF"), false, 0 }, /* more than there can be */
        { D("\x04\x83\xFF\xFF\xFF"), false, 0 },
        { D("\x04\xFF"), false, 0 },
    };
    uint8_t big[3 + 0x80] = { 0x04, 0x81, 0x80 };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_rd r = avow_rd_init(rows[i].in);
        struct avow_bytes v = { 0 }, whole = { 0 };

        assert_int_equal(avow_der_take(&r, AVOW_DER_OCTETS, &v, &whole), rows[i].ok);
        assert_int_equal(r.rest.len, rows[i].ok ? 0 : rows[i].in.len);
        if (rows[i].ok)
            assert_int_equal(v.len, rows[i].len);
    }
    {
        struct avow_rd r = avow_rd_init(AVOW_BYTES_OF(big));
        struct avow_bytes v = { 0 }, whole = { 0 };

        assert_false(avow_der_take(&r, AVOW_DER_INTEGER, &v, NULL));
        assert_true(avow_der_take(&r, AVOW_DER_OCTETS, &v, &whole));
        assert_int_equal(v.len, 0x80);
        assert_int_equal(whole.len, sizeof big);
    }
}

static void values_have_one_form(void **state)
{
    static const struct {
        struct avow_bytes in;
        bool integer, boolean, oid, bits;
    } rows[] = {
        { D("\x02\x01\x00"), true, false, false, false },
        { D("\x02\x01\x7F"), true, false, false, false },
        { D("\x02\x02\x00\x80"), true, false, false, false },
        { D("\x02\x02\x00\x7F"), false, false, false, false }, /* not minimal */
        { D("\x02\x01\x80"), false, false, false, false },     /* negative */
        { D("\x02\x00"), false, false, false, false },
        { D("\x01\x01\xFF"), false, true, false, false },
        { D("\x01\x01\x00"), false, true, false, false },
        { D("\x01\x01\x01"), false, false, false, false },
        { D("\x01\x02\xFF\xFF"), false, false, false, false },
        { D("\x06\x03\x55\x04\x03"), false, false, true, false },
        { D("\x06\x02\x55\x84"), false, false, false, false },     /* unfinished */
        { D("\x06\x03\x55\x80\x03"), false, false, false, false }, /* not minimal */
        { D("\x06\x00"), false, false, false, false },
        { D("\x03\x02\x00\x01"), false, false, false, true },
        { D("\x03\x02\x01\x02"), false, false, false, false }, /* 7 bits */
        { D("\x03\x01\x00"), false, false, false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_rd r[4] = { avow_rd_init(rows[i].in), avow_rd_init(rows[i].in),
                                avow_rd_init(rows[i].in), avow_rd_init(rows[i].in) };
        struct avow_bytes v = { 0 };
        bool b = false;

        assert_int_equal(avow_der_unsigned(&r[0], &v), rows[i].integer);
        assert_int_equal(avow_der_bool(&r[1], &b), rows[i].boolean);
        assert_int_equal(avow_der_oid(&r[2], &v), rows[i].oid);
        assert_int_equal(avow_der_octet_bits(&r[3], &v), rows[i].bits);
    }
}

static void times_are_read(void **state)
{
    static const struct {
        struct avow_bytes in;
        bool ok;
        int64_t at;
    } rows[] = {
        { D("\x17\x0D"
            "700101000000Z"),
          true, 0 },
        { D("\x17\x0D"
            "500101000000Z"),
          true, -631152000 },
        { D("\x17\x0D"
            "491231235959Z"),
          true, 2524607999 },
        { D("\x17\x0D"
            "240229120000Z"),
          true, 1709208000 },
        { D("\x18\x0F"
            "20240229120000Z"),
          true, 1709208000 },
        { D("\x18\x0F"
            "99991231235959Z"),
          true, 253402300799 },
        { D("\x17\x0D"
            "230229120000Z"),
          false, 0 }, /* no such day */
        { D("\x17\x0D"
            "241301120000Z"),
          false, 0 },
        { D("\x17\x0D"
            "240101240000Z"),
          false, 0 },
        { D("\x17\x0D"
            "240101000060Z"),
          false, 0 },
        { D("\x17\x0B"
            "2401010000Z"),
          false, 0 }, /* without seconds */
        { D("\x17\x11"
            "240101000000+0100"),
          false, 0 },
        { D("\x18\x11"
            "20240101000000.5Z"),
          false, 0 },
        { D("\x18\x0F"
            "00000101000000Z"),
          false, 0 },
        { D("\x17\x0D"
            "2401010000 0Z"),
          false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_rd r = avow_rd_init(rows[i].in);
        int64_t at = 0;

        if (avow_der_time(&r, &at) != rows[i].ok || (rows[i].ok && at != rows[i].at))
            fail_msg("row %zu: %lld", i, (long long)at);
    }
}

static void texts_are_texts(void **state)
{
    static const struct {
        struct avow_bytes in;
        bool ok;
    } rows[] = {
        { D("\x0C\x01"
            "a"),
          true },
        { D("\x0C\x02\xC3\xB6"), true },
        { D("\x0C\x04\xF0\x9F\x94\x91"), true },
        { D("\x0C\x01\x00"), false },             /* NUL */
        { D("\x0C\x02\xC0\xAF"), false },         /* overlong */
        { D("\x0C\x03\xED\xA0\x80"), false },     /* a surrogate */
        { D("\x0C\x04\xF4\x90\x80\x80"), false }, /* over 10FFFF */
        { D("\x0C\x01\xC3"), false },             /* cut */
        { D("\x0C\x02\xC3"
            "a"),
          false },
        { D("\x0C\x01\x80"), false },
        { D("\x13\x01"
            "a"),
          true },
        { D("\x13\x01\xF6"), false },
        { D("\x16\x01\x0A"), false },
        { D("\x1E\x02\x00"
            "a"),
          false }, /* BMPString */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_rd r = avow_rd_init(rows[i].in);
        struct avow_bytes v = { 0 };

        if (avow_der_text(&r, &v) != rows[i].ok)
            fail_msg("row %zu", i);
    }
}

static void oids_are_written(void **state)
{
    static const char *const wrong[] = {
        "",       "1",     "1.",   "1.2.",   ".1.2", "3.1", "1.40", "1..2", "1.2.4294967296",
        "no oid", "1.2.a", "01.2", "1.2.03", "1.2 "
    };
    uint8_t out[AVOW_DER_OID_MAX];

    (void)state;
    assert_int_equal(avow_der_oid_from_text("2.5.4.3", out), 3);
    assert_memory_equal(out, "\x55\x04\x03", 3);
    assert_int_equal(avow_der_oid_from_text("1.2.840.113741.1.13.1", out), 9);
    assert_memory_equal(out, "\x2A\x86\x48\x86\xF8\x4D\x01\x0D\x01", 9);
    assert_int_equal(avow_der_oid_from_text("2.999.0", out), 3);
    assert_memory_equal(out, "\x88\x37\x00", 3);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (avow_der_oid_from_text(wrong[i], out) != 0)
            fail_msg("\"%s\"", wrong[i]);
    assert_int_equal(
        avow_der_oid_from_text("1.2.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1."
                               "1.1.1.1.1.1.1.1",
                               out),
        0); /* does not fit */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_have_one_form), cmocka_unit_test(values_have_one_form),
        cmocka_unit_test(times_are_read),        cmocka_unit_test(texts_are_texts),
        cmocka_unit_test(oids_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
