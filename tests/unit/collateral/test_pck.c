#include "collateral/pck.h"

#include "edit.h"

static void what_is_written_is_read(void **state)
{
    (void)state;
    for (int processor = 0; processor < 2; processor++) {
        avow_auto(avow_buf_done) struct avow_buf ext = AVOW_BUF(4096);
        struct made_spec s = made_spec();
        struct avow_pck p;

        s.processor = processor;
        s.components[0] = 127;
        s.components[1] = 128;
        s.components[15] = 255;
        s.pcesvn = 65535;
        made_extension(&s, &ext);
        MADE_OK(avow_pck_parse(avow_buf_view(&ext), &p, &err));
        assert_memory_equal(p.components, s.components, 16);
        assert_memory_equal(p.ppid, made_ppid, 16);
        assert_memory_equal(p.fmspc, s.fmspc, 6);
        assert_memory_equal(p.pceid, s.pceid, 2);
        assert_int_equal(p.pcesvn, 65535);
        assert_int_equal(p.sgx_type, 1);
        assert_int_equal(p.has_instance, !processor);
        assert_int_equal(p.has_configuration, !processor);
        assert_int_equal(p.dynamic_platform, !processor);
        assert_false(p.cached_keys);
        assert_int_equal(p.smt_enabled, !processor);
        if (!processor)
            assert_memory_equal(p.instance, made_instance, 16);
    }
}

static void refuse(const struct avow_buf *ext)
{
    static const struct avow_pck untouched;
    struct avow_pck p = { 0 };

    assert_int_equal(avow_pck_parse(avow_buf_view(ext), &p, NULL), -AVOW_E_FORMAT);
    assert_memory_equal(&p, &untouched, sizeof p);
}

static void truncations_and_extensions_are_refused(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf ext = AVOW_BUF(4096);
    const struct made_spec s = made_spec();
    size_t len = 0;

    (void)state;
    made_extension(&s, &ext);
    for (len = ext.len; ext.len > 0; ext.len--)
        if (ext.len < len)
            refuse(&ext);
    ext.len = len;
    avow_buf_put_u8(&ext, 0);
    refuse(&ext);
}

/* The members @members of an extension as @bytes put one after the other. */
static void wrap(struct avow_buf *members, struct avow_buf *out)
{
    avow_buf_reset(out);
    der_put(out, 0x30, avow_buf_view(members));
    avow_buf_reset(members);
    assert_int_equal(avow_buf_ok(out, NULL), 0);
}

static void put_all_but(struct avow_buf *m, unsigned without)
{
    static const uint8_t bytes[16];
    const struct made_spec s = made_spec();

    if (without != AVOW_PCK_PPID)
        der_member(m, AVOW_PCK_PPID, 0, 0x04, AVOW_BYTES_OF(bytes));
    if (without != AVOW_PCK_TCB)
        made_tcb(&s, m);
    if (without != AVOW_PCK_PCEID)
        der_member(m, AVOW_PCK_PCEID, 0, 0x04, AVOW_BYTES(bytes, 2));
    if (without != AVOW_PCK_FMSPC)
        der_member(m, AVOW_PCK_FMSPC, 0, 0x04, AVOW_BYTES(bytes, 6));
    if (without != AVOW_PCK_SGX_TYPE)
        der_number(m, AVOW_PCK_SGX_TYPE, 0, 0x0A, 0);
}

static void members_are_there_once(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf m = AVOW_BUF(4096);
    avow_auto(avow_buf_done) struct avow_buf ext = AVOW_BUF(4096);
    static const uint8_t bytes[17];
    struct avow_pck p;

    (void)state;
    put_all_but(&m, 0);
    wrap(&m, &ext);
    assert_int_equal(avow_pck_parse(avow_buf_view(&ext), &p, NULL), 0);
    for (unsigned i = AVOW_PCK_PPID; i <= AVOW_PCK_SGX_TYPE; i++) {
        put_all_but(&m, i);
        wrap(&m, &ext);
        refuse(&ext);
        for (unsigned j = AVOW_PCK_PPID; j <= AVOW_PCK_SGX_TYPE; j++)
            put_all_but(&m, j);
        wrap(&m, &ext);
        refuse(&ext);
    }
    put_all_but(&m, 0);
    der_member(&m, 8, 0, 0x04, AVOW_BYTES(bytes, 1)); /* unknown */
    wrap(&m, &ext);
    refuse(&ext);
    put_all_but(&m, 0);
    der_member(&m, AVOW_PCK_INSTANCE, 0, 0x04, AVOW_BYTES_OF(bytes)); /* one byte too many */
    wrap(&m, &ext);
    refuse(&ext);
    put_all_but(&m, 0);
    der_member(&m, AVOW_PCK_INSTANCE, 0, 0x02, AVOW_BYTES(bytes, 16)); /* an INTEGER */
    wrap(&m, &ext);
    refuse(&ext);
    put_all_but(&m, AVOW_PCK_TCB);
    der_member(&m, AVOW_PCK_TCB, 0, 0x30, AVOW_BYTES(NULL, 0)); /* no TCB members */
    wrap(&m, &ext);
    refuse(&ext);
}

/* @value as the PCESVN, which is the last but one of the TCB: what it is read as, or -1. */
static int pcesvn_of(const uint8_t *value, size_t n)
{
    avow_auto(avow_buf_done) struct avow_buf m = AVOW_BUF(4096);
    avow_auto(avow_buf_done) struct avow_buf tcb = AVOW_BUF(4096);
    avow_auto(avow_buf_done) struct avow_buf ext = AVOW_BUF(4096);
    static const uint8_t cpusvn[16];
    struct avow_pck p;

    put_all_but(&m, AVOW_PCK_TCB);
    for (unsigned i = 1; i <= 16; i++)
        der_number(&tcb, AVOW_PCK_TCB, i, 0x02, i);
    der_member(&tcb, AVOW_PCK_TCB, AVOW_PCK_TCB_PCESVN, 0x02, AVOW_BYTES(value, n));
    der_member(&tcb, AVOW_PCK_TCB, AVOW_PCK_TCB_CPUSVN, 0x04, AVOW_BYTES_OF(cpusvn));
    der_member(&m, AVOW_PCK_TCB, 0, 0x30, avow_buf_view(&tcb));
    wrap(&m, &ext);
    return avow_pck_parse(avow_buf_view(&ext), &p, NULL) == 0 ? p.pcesvn : -1;
}

static void numbers_are_small_and_minimal(void **state)
{
    (void)state;
    assert_int_equal(pcesvn_of((const uint8_t[]){ 0 }, 1), 0);
    assert_int_equal(pcesvn_of((const uint8_t[]){ 0x7F }, 1), 0x7F);
    assert_int_equal(pcesvn_of((const uint8_t[]){ 0, 0x80 }, 2), 0x80);
    assert_int_equal(pcesvn_of((const uint8_t[]){ 0, 0xFF, 0xFF }, 3), 0xFFFF);
    assert_int_equal(pcesvn_of((const uint8_t[]){ 0 }, 0), -1);
    assert_int_equal(pcesvn_of((const uint8_t[]){ 0x80 }, 1), -1);    /* negative */
    assert_int_equal(pcesvn_of((const uint8_t[]){ 0, 0x7F }, 2), -1); /* not minimal */
    assert_int_equal(pcesvn_of((const uint8_t[]){ 1, 0, 0 }, 3), -1); /* 65536 */
    assert_int_equal(pcesvn_of((const uint8_t[]){ 0, 0x80, 0, 0 }, 4), -1);
}

static void every_bit_is_read_strictly(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf ext = AVOW_BUF(4096);
    const struct made_spec s = made_spec();
    size_t refused = 0;

    (void)state;
    made_extension(&s, &ext);
    for (size_t i = 0; i < 8 * ext.len; i++) {
        struct avow_pck p = { 0 };

        ext.data[i / 8] ^= (uint8_t)(1u << i % 8);
        refused += avow_pck_parse(avow_buf_view(&ext), &p, NULL) < 0;
        ext.data[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    /* Only values can change: 16+2+6+16+16 octets, the numbers, and SGX type. */
    assert_true(refused > 8 * ext.len * 3 / 4);
    assert_true(8 * ext.len - refused <= 8 * (16 + 2 + 6 + 16 + 16 + 17 + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(truncations_and_extensions_are_refused),
        cmocka_unit_test(members_are_there_once),
        cmocka_unit_test(numbers_are_small_and_minimal),
        cmocka_unit_test(every_bit_is_read_strictly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
