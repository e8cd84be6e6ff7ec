/* NV indices and quotes of a real TPM: swtpm. */
#include "swtpm.h"

#include <pthread.h>
#include <pty.h>
#include <termios.h>

#include "crypto/hash.h"
#include "crypto/rsa.h"
#include "evidence/tpm.h"

#define EXIT_SKIPPED 77
#define AK 0x81000003u
#define NV 0x01400001u

static struct swtpm tpm;
static struct swtpm_key ak;

static int set_up(void **state)
{
    struct patience p;
    struct vtpm v;

    (void)state;
    swtpm_start(&tpm);
    swtpm_open(&tpm, &p, &v);
    swtpm_make_ak(&v, AK, TPM2_ALG_RSASSA, &ak);
    vtpm_done(&v);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    swtpm_stop(&tpm);
    return 0;
}

static void check_quote(const struct vtpm_quote *q, struct avow_bytes extra)
{
    static const uint8_t e[] = { 1, 0, 1 };
    struct avow_tpm_quote parsed;
    struct avow_bytes sig = avow_buf_view(&q->signature);

    assert_int_equal(avow_tpm_quote_parse(avow_buf_view(&q->attest), &parsed, NULL), 0);
    assert_true(avow_bytes_equal(parsed.extra_data, extra));
    assert_int_equal(parsed.pcr_mask, 0xFFFFFF);
    assert_int_equal(avow_rsa_verify_sha256(AVOW_BYTES_OF(ak.n), AVOW_BYTES_OF(e),
                                            avow_buf_view(&q->attest), sig, NULL),
                     0);
}

static void test_quote(void **state)
{
    struct patience p;
    struct vtpm v;
    struct vtpm_quote q = { .attest = AVOW_BUF(VTPM_QUOTE_MAX),
                            .signature = AVOW_BUF(VTPM_QUOTE_MAX) };
    uint8_t extra[32] = { 1, 2, 3 };
    uint8_t before[VTPM_PCR_LEN];
    uint8_t text[64] = { 0 }, expected[32];
    struct avow_error err = { 0 };

    (void)state;
    swtpm_open(&tpm, &p, &v);
    if (vtpm_quote(&v, AK, AVOW_BYTES_OF(extra), &q, &err) < 0)
        fail_msg("%s", err.text);
    check_quote(&q, AVOW_BYTES_OF(extra));
    memcpy(before, q.pcrs[23], sizeof before);
    swtpm_extend(&v, 23, 0x5A);
    assert_int_equal(vtpm_quote(&v, AK, AVOW_BYTES(NULL, 0), &q, NULL), 0);
    check_quote(&q, AVOW_BYTES(NULL, 0));
    memcpy(text, before, 32);
    memset(text + 32, 0x5A, 32);
    assert_int_equal(avow_sha256(AVOW_BYTES_OF(text), expected), 0);
    assert_memory_equal(q.pcrs[23], expected, 32);
    vtpm_quote_done(&q);
    vtpm_done(&v);
}

static void test_quote_errors(void **state)
{
    struct patience p;
    struct vtpm v;
    struct vtpm_quote q = { .attest = AVOW_BUF(VTPM_QUOTE_MAX),
                            .signature = AVOW_BUF(VTPM_QUOTE_MAX) };
    struct swtpm_key pss;
    uint8_t extra[65] = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    swtpm_open(&tpm, &p, &v);
    assert_int_equal(vtpm_quote(&v, AK, AVOW_BYTES_OF(extra), &q, NULL), -AVOW_E_LIMIT);
    assert_int_equal(vtpm_quote(&v, 0x81000099, AVOW_BYTES(extra, 32), &q, &err), -AVOW_E_NOTFOUND);
    assert_non_null(strstr(err.text, "0x81000099"));
    swtpm_make_ak(&v, 0x81000004, TPM2_ALG_RSAPSS, &pss); /* not what a verifier takes */
    assert_int_equal(vtpm_quote(&v, 0x81000004, AVOW_BYTES(extra, 32), &q, NULL), -AVOW_E_SYSTEM);
    vtpm_quote_done(&q);
    vtpm_done(&v);
}

static void test_nv(void **state)
{
    static uint8_t data[1300];
    struct patience p;
    struct vtpm v;
    struct avow_buf got = AVOW_BUF(2000);
    struct avow_buf small = AVOW_BUF(1299);
    struct avow_error err = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    swtpm_open(&tpm, &p, &v);
    swtpm_make_nv(&v, NV, TPMA_NV_OWNERREAD, AVOW_BYTES_OF(data), sizeof data);
    swtpm_make_nv(&v, NV + 8, TPMA_NV_AUTHREAD, AVOW_BYTES_OF(data), sizeof data);
    swtpm_make_nv(&v, NV + 9, TPMA_NV_POLICYREAD, AVOW_BYTES_OF(data), 16);
    assert_int_equal(vtpm_nv_read(&v, NV, &got, NULL), 0);
    assert_true(avow_bytes_equal(avow_buf_view(&got), AVOW_BYTES_OF(data)));
    avow_buf_reset(&got);
    assert_int_equal(vtpm_nv_read(&v, NV + 8, &got, NULL), 0); /* not the owner's to read */
    assert_true(avow_bytes_equal(avow_buf_view(&got), AVOW_BYTES_OF(data)));
    assert_int_equal(vtpm_nv_read(&v, NV + 9, &got, NULL), -AVOW_E_SYSTEM);
    assert_int_equal(vtpm_nv_read(&v, NV, &small, &err), -AVOW_E_LIMIT);
    assert_int_equal(vtpm_nv_read(&v, NV + 7, &got, NULL), -AVOW_E_NOTFOUND);
    avow_buf_done(&got);
    avow_buf_done(&small);
    vtpm_done(&v);
}

static void test_nv_write(void **state)
{
    static const uint8_t one[64] = { 1 }, two[64] = { 2 }, large[513];
    struct patience p;
    struct vtpm v;
    struct avow_buf got = AVOW_BUF(64);

    (void)state;
    swtpm_open(&tpm, &p, &v);
    assert_int_equal(vtpm_nv_write(&v, NV + 1, AVOW_BYTES_OF(one), NULL), 0); /* is made */
    assert_int_equal(vtpm_nv_write(&v, NV + 1, AVOW_BYTES_OF(two), NULL), 0);
    assert_int_equal(vtpm_nv_read(&v, NV + 1, &got, NULL), 0);
    assert_true(avow_bytes_equal(avow_buf_view(&got), AVOW_BYTES_OF(two)));
    assert_int_equal(vtpm_nv_write(&v, NV + 1, AVOW_BYTES_OF(large), NULL), -AVOW_E_LIMIT);
    assert_int_equal(vtpm_nv_write(&v, NV + 1, AVOW_BYTES(one, 0), NULL), -AVOW_E_LIMIT);
    avow_buf_done(&got);
    vtpm_done(&v);
}

static void test_no_tpm(void **state)
{
    struct patience p = patience_for(1000);
    struct vtpm v;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(vtpm_open("device:/nowhere/tpmrm0", &p, &v, &err), -AVOW_E_NOTFOUND);
    assert_non_null(strstr(err.text, "group tss"));
    assert_int_equal(vtpm_open("no-such-tcti:x", &p, &v, NULL), -AVOW_E_NOTFOUND);
}

/* Answers the first command, with which tss2 tries the device out, and no other. */
static void *answer_once(void *arg)
{
    static const uint8_t failure[] = { 0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x01 };
    int fd = *(int *)arg;
    uint8_t command[256];

    if (read(fd, command, sizeof command) > 0)
        (void)!write(fd, failure, sizeof failure);
    return NULL;
}

/* A device that takes commands and answers no more: a terminal with nobody at its other end. */
static void test_silent_device(void **state)
{
    struct patience p = patience_for(150);
    struct patience slow = patience_for(5000);
    struct termios raw = { 0 };
    struct vtpm v;
    struct avow_buf got = AVOW_BUF(64);
    struct avow_error err = { 0 };
    char name[128], tcti[160];
    int master = -1;
    int slave = -1;
    pthread_t thread;

    (void)state;
    (void)signal(SIGHUP, SIG_IGN); /* tss2 may make it our controlling terminal */
    cfmakeraw(&raw);
    assert_int_equal(openpty(&master, &slave, name, &raw, NULL), 0);
    snprintf(tcti, sizeof tcti, "device:%s", name);
    assert_int_equal(pthread_create(&thread, NULL, answer_once, &master), 0);
    assert_int_equal(vtpm_open(tcti, &p, &v, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(vtpm_nv_read(&v, NV, &got, &err), -AVOW_E_TIMEOUT);
    assert_non_null(strstr(err.text, "no answer in time"));
    assert_in_range(patience_left(&slow), 1, 4900);
    vtpm_done(&v);
    close(master);
    close(slave);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quote),  cmocka_unit_test(test_quote_errors),
        cmocka_unit_test(test_nv),     cmocka_unit_test(test_nv_write),
        cmocka_unit_test(test_no_tpm), cmocka_unit_test(test_silent_device),
    };

    if (!swtpm_there()) {
        fprintf(stderr, "\n*** SKIPPED: no swtpm here (apt install swtpm) ***\n\n");
        return EXIT_SKIPPED;
    }
    return cmocka_run_group_tests_name("source/vtpm", tests, set_up, tear_down);
}
