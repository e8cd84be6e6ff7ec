#include "evidence/certtable.h"

#include "../test.h"

static const uint8_t vcek_guid[] = { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64,
                                     0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd };

static void put_entry(struct avow_buf *b, uint32_t offset, uint32_t len)
{
    avow_buf_put(b, vcek_guid, sizeof vcek_guid);
    avow_buf_put_u32le(b, offset);
    avow_buf_put_u32le(b, len);
}

/* Two entries, the end, and 20 bytes of data behind; what parsing says. */
static int parse_two(uint32_t off1, uint32_t len1, uint32_t off2, uint32_t len2)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(1000);
    struct avow_certtable_entry e[AVOW_CERTTABLE_MAX];
    size_t n = 99;
    int rc = 0;

    put_entry(&b, off1, len1);
    put_entry(&b, off2, len2);
    avow_buf_put_zero(&b, 24);
    avow_buf_put_str(&b, "01234567890123456789");
    rc = avow_certtable_parse(avow_buf_view(&b), e, &n, NULL);
    assert_int_equal(n, rc < 0 ? 0 : 2);
    return rc;
}

static void entries_lie_behind_inside_and_apart(void **state)
{
    (void)state;
    assert_int_equal(parse_two(72, 10, 82, 10), 0);
    assert_int_equal(parse_two(82, 10, 72, 10), 0);
    assert_int_equal(parse_two(72, 10, 81, 10), -AVOW_E_FORMAT); /* overlap */
    assert_int_equal(parse_two(72, 20, 75, 5), -AVOW_E_FORMAT);
    assert_int_equal(parse_two(72, 10, 82, 11), -AVOW_E_FORMAT); /* behind the end */
    assert_int_equal(parse_two(72, 10, 92, 1), -AVOW_E_FORMAT);
    assert_int_equal(parse_two(72, 10, UINT32_MAX, 1), -AVOW_E_FORMAT);
    assert_int_equal(parse_two(72, UINT32_MAX, 82, 10), -AVOW_E_FORMAT);
    assert_int_equal(parse_two(71, 10, 82, 10), -AVOW_E_FORMAT); /* in the list */
    assert_int_equal(parse_two(0, 10, 82, 10), -AVOW_E_FORMAT);
    assert_int_equal(parse_two(72, 0, 82, 10), -AVOW_E_FORMAT); /* empty */
}

static void the_list_must_end(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(10000);
    struct avow_certtable_entry e[AVOW_CERTTABLE_MAX];
    size_t n = 0;

    (void)state;
    assert_int_equal(avow_certtable_parse(AVOW_BYTES(NULL, 0), e, &n, NULL), -AVOW_E_TRUNCATED);
    for (uint32_t i = 0; i <= AVOW_CERTTABLE_MAX; i++)
        put_entry(&b, 24 * (AVOW_CERTTABLE_MAX + 2) + i, 1);
    for (size_t len = 0; len <= b.len; len++)
        assert_true(avow_certtable_parse(AVOW_BYTES(b.data, len), e, &n, NULL) < 0);
    avow_buf_put_zero(&b, 24 + AVOW_CERTTABLE_MAX + 1);
    assert_int_equal(avow_certtable_parse(avow_buf_view(&b), e, &n, NULL), -AVOW_E_LIMIT);
    avow_buf_reset(&b);
    avow_buf_put_zero(&b, 24);
    assert_int_equal(avow_certtable_parse(avow_buf_view(&b), e, &n, NULL), 0);
    assert_int_equal(n, 0);
    assert_false(avow_certtable_likely(avow_buf_view(&b)));
}

static void a_real_table_is_read(void **state)
{
    static const enum avow_certtable_kind want[] = { AVOW_CERTTABLE_ARK, AVOW_CERTTABLE_ASK,
                                                     AVOW_CERTTABLE_VCEK };
    struct avow_certtable_entry e[AVOW_CERTTABLE_MAX];
    avow_autofree uint8_t *data = NULL;
    char path[4096];
    size_t len = 0, n = 0;

    (void)state;
    if (!test_vectors())
        skip();
    snprintf(path, sizeof path, "%s/snp-ext/veraison-tsm-report-genoa-v3/auxblob_certtable.bin",
             test_vectors());
    data = test_read_file(path, &len);
    assert_non_null(data);
    assert_true(avow_certtable_likely(AVOW_BYTES(data, len)));
    assert_int_equal(avow_certtable_parse(AVOW_BYTES(data, len), e, &n, NULL), 0);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(e[i].kind, want[i]);
        assert_memory_equal(e[i].data.data, "-----BEGIN CERTIFICATE-----", 27);
    }
    assert_ptr_equal(e[2].data.data + e[2].data.len, data + len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_lie_behind_inside_and_apart),
        cmocka_unit_test(the_list_must_end),
        cmocka_unit_test(a_real_table_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
