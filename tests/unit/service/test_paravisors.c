/* Paravisors: Microsoft's own tokens say which ones it knows; real evidence of those, and of none.
 */
#include "../maa/vectors.h"

#include <sys/stat.h>

#include "codec/text.h"
#include "crypto/jws.h"
#include "maa/claims.h"
#include "service/paravisors.h"

#define AZ_SNP "azure-snp/coco-v0"
#define AZ_TOKEN "azure-maa/sharedeus2-2025-12-15-3cb236.jwt"
#define AZ_NOW 1765827000 /* a minute after that token */
#define MRTD                                           \
    "273828c46252fcbdd8ad2dd907130222b03466d52a2911d7" \
    "0c1a5950895d6bd1ae451d382d5a9b1b4c0ed0e5ae9a3dbd" /* of TDX_REQUEST */

static struct avow_claims c;

static json_t *token_of(const char *file)
{
    avow_auto(avow_buf_done) struct avow_buf text = maa_vector(file);
    avow_auto(avow_jws_done) struct avow_jws j = { 0 };
    json_t *claims = NULL;

    assert_int_equal(avow_jws_parse(avow_buf_view(&text), &j, NULL), 0);
    assert_int_equal(avow_jws_claims(&j, &claims, NULL), 0);
    return claims;
}

static struct avow_paravisors *read_all(const char *yaml)
{
    struct avow_paravisors *p = NULL;
    struct avow_error err = { 0 };

    if (avow_paravisors_parse(avow_bytes_str(yaml), "p.yaml", &p, &err) < 0)
        fail_msg("%s", err.text);
    return p;
}

static const char *hex_claim(const json_t *tee, const char *name)
{
    char key[64];

    snprintf(key, sizeof key, "x-ms-sevsnpvm-%s", name);
    return json_string_value(json_object_get(tee, key));
}

/* The reference values that a token of Microsoft's stands for; @more: further lines. */
static struct avow_paravisors *of_token(const json_t *tee, const char *more)
{
    char yaml[2048];

    snprintf(yaml, sizeof yaml,
             "version: 1\nparavisors:\n  - name: of the token\n    tee: snp\n"
             "    measurements: [\"%s\"]\n    id-key-digest: [\"%s\"]\n    host-data: [\"%s\"]\n"
             "    min-guest-svn: %d\n%s",
             hex_claim(tee, "launchmeasurement"), hex_claim(tee, "idkeydigest"),
             hex_claim(tee, "hostdata"),
             (int)json_integer_value(json_object_get(tee, "x-ms-sevsnpvm-guestsvn")), more);
    return read_all(yaml);
}

static struct avow_paravisors *one(const char *tee, const char *lines)
{
    char yaml[2048];

    snprintf(yaml, sizeof yaml, "version: 1\nparavisors:\n  - name: this\n    tee: %s\n%s", tee,
             lines);
    return read_all(yaml);
}

/* As a client on Azure asks: the report out of the HCL report, the chain, the runtime claims. */
static void real_request(struct avow_maa_request *out)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { .tee = AVOW_TEE_AZ_SNP };
    avow_auto(avow_buf_done) struct avow_buf hcl = maa_vector(AZ_SNP "/hcl_report.bin");
    avow_auto(avow_buf_done) struct avow_buf vcek = maa_vector(AZ_SNP "/vcek.der");
    avow_auto(avow_buf_done) struct avow_buf pem = maa_vector(AZ_SNP "/chain.pem");
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(1u << 16);
    avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(AVOW_MAA_REQUEST_MAX);
    enum avow_maa_type type = AVOW_MAA_NONE;
    struct avow_bytes ders[4];
    size_t n = 0;

    assert_int_equal(avow_bundle_put(&b, AVOW_PART_HCL, avow_buf_view(&hcl), NULL), 0);
    assert_int_equal(avow_bundle_put(&b, AVOW_PART_CERT, avow_buf_view(&vcek), NULL), 0);
    assert_int_equal(avow_pem_to_der(avow_buf_view(&pem), &store, ders, 4, &n, NULL), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(avow_bundle_put(&b, AVOW_PART_CERT, ders[i], NULL), 0);
    assert_int_equal(
        avow_maa_request_build(&b, AVOW_BYTES(NULL, 0), true, NULL, &type, &body, NULL), 0);
    maa_parse(type, avow_buf_view(&body), out);
    maa_verified(out, AZ_NOW, &c);
    assert_string_equal(maa_failed(&c), "");
}

/* What is a VM's own, or its chip's: two VMs of one paravisor differ in it. */
static bool of_the_vm(const char *key)
{
    static const char *const keys[] = { "x-ms-sevsnpvm-reportdata", "x-ms-sevsnpvm-reportid",
                                        "x-ms-runtime" };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

/* Real evidence of the very paravisor that Microsoft called compliant in December 2025: our token
 * says what Microsoft's says, but for what is another VM's. */
static void real_evidence(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request rq = { 0 };
    avow_auto(avow_cleanup_paravisors) struct avow_paravisors *p = NULL;
    avow_autojson json_t *token = token_of(AZ_TOKEN);
    avow_autojson json_t *ours = NULL;
    const json_t *tee = avow_maa_claims_tee(token);
    const char *key = NULL;
    json_t *value = NULL;

    (void)state;
    real_request(&rq);
    p = of_token(tee, "");
    assert_string_equal(avow_paravisors_match(p, &c, &rq, AZ_NOW), "of the token");
    assert_int_equal(avow_maa_claims(&c, &rq, true, &ours, NULL), 0);
    json_object_foreach((json_t *)(uintptr_t)tee, key, value) {
        if (!json_object_get(ours, key))
            fail_msg("%s is not ours", key);
        if (!of_the_vm(key) && !json_equal(value, json_object_get(ours, key)))
            fail_msg("%s differs", key);
    }
    assert_string_equal(json_string_value(json_object_get(ours, "x-ms-compliance-status")),
                        "azure-compliant-cvm");
}

/* Each token of Microsoft's that says azure-compliant-cvm: as claims, matched against what it says,
 * written again, it is the same, the compliance status too. */
static void tokens_come_back(void **state)
{
    static const char *const files[] = { AZ_TOKEN, "azure-maa/sharedeus2-2024-12-20-544bd7.jwt",
                                         "extra/tokens/maa-azurevm-cvmlib-1680173374.jwt" };

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        avow_auto(avow_maa_request_done) struct avow_maa_request rq = { .type = AVOW_MAA_SEVSNPVM };
        avow_auto(avow_cleanup_paravisors) struct avow_paravisors *p = NULL;
        avow_autojson json_t *token = token_of(files[i]);
        avow_autojson json_t *ours = NULL;
        const json_t *tee = avow_maa_claims_tee(token);
        const char *key = NULL;
        json_t *value = NULL;

        assert_int_equal(avow_maa_claims_read(token, &c, NULL), 0);
        c.tee = AVOW_TEE_SNP; /* as the request has it */
        c.authentic = true;   /* Microsoft's word */
        rq.runtime = (struct avow_maa_data){ .present = true, .json = true };
        rq.runtime.bytes = AVOW_BUF(AVOW_MAA_DATA_MAX);
        rq.runtime.value = json_incref(json_object_get(tee, "x-ms-runtime"));
        assert_int_equal(avow_json_canonical(rq.runtime.value, &rq.runtime.bytes, NULL), 0);
        p = of_token(tee, "");
        assert_non_null(avow_paravisors_match(p, &c, &rq, AZ_NOW));
        assert_int_equal(avow_maa_claims(&c, &rq, true, &ours, NULL), 0);
        json_object_foreach((json_t *)(uintptr_t)tee, key, value)
            if (!json_equal(value, json_object_get(ours, key)))
                fail_msg("%s: %s differs", files[i], key);
    }
}

/* One value changed in the file at a time. */
static void other_values(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request rq = { 0 };
    avow_auto(avow_cleanup_paravisors) struct avow_paravisors *newer = NULL;
    avow_autojson json_t *token = token_of(AZ_TOKEN);
    const json_t *tee = avow_maa_claims_tee(token);
    const char *const names[] = { "launchmeasurement", "idkeydigest", "hostdata" };

    (void)state;
    real_request(&rq);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        avow_auto(avow_cleanup_paravisors) struct avow_paravisors *p = NULL;
        avow_autojson json_t *changed = json_deep_copy(tee);
        char *hex = (char *)(uintptr_t)hex_claim(changed, names[i]);

        hex[7] = hex[7] == '0' ? '1' : '0';
        p = of_token(changed, "");
        assert_null(avow_paravisors_match(p, &c, &rq, AZ_NOW));
    }
    json_object_set_new((json_t *)(uintptr_t)tee, "x-ms-sevsnpvm-guestsvn", json_integer(11));
    newer = of_token(tee, "");
    assert_null(avow_paravisors_match(newer, &c, &rq, AZ_NOW));
    assert_null(avow_paravisors_match(NULL, &c, &rq, AZ_NOW));
}

/* The paravisor is right, and what it says is not such as a known paravisor would say. */
static void other_evidence(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request rq = { 0 };
    avow_auto(avow_cleanup_paravisors) struct avow_paravisors *p = NULL;
    avow_auto(avow_buf_done) struct avow_buf kept = AVOW_BUF(AVOW_MAA_DATA_MAX);
    avow_autojson json_t *token = token_of(AZ_TOKEN);
    struct avow_claims good;

    (void)state;
    real_request(&rq);
    p = of_token(avow_maa_claims_tee(token), "");
    good = c;
#define NEVER(change)                                           \
    do {                                                        \
        c = good;                                               \
        change;                                                 \
        assert_null(avow_paravisors_match(p, &c, &rq, AZ_NOW)); \
    } while (0)
    NEVER(c.authentic = false);
    NEVER(c.runtime_bound = false);
    NEVER(c.simulated = true);
    NEVER(c.debug = true);
    NEVER(c.snp.vmpl = 1);
    NEVER(c.snp.policy |= 1u << 18);
    NEVER(c.snp.guest_svn = 9);
    NEVER(c.snp.id_key_digest[0] ^= 1);
    NEVER(c.measurement[47] ^= 1);
    NEVER(c.report_data[63] = 1);
    NEVER(c.tee = AVOW_TEE_TDX);
    NEVER(rq.runtime.json = false);
    rq.runtime.json = true;
    avow_buf_put_bytes(&kept, avow_buf_view(&rq.runtime.bytes));
    memcpy(memmem(rq.runtime.bytes.data, rq.runtime.bytes.len, "HCLAkPub", 8), "HCLNoPub", 8);
    NEVER((void)0);
    memcpy(rq.runtime.bytes.data, kept.data, kept.len);
    c = good;
    assert_non_null(avow_paravisors_match(p, &c, &rq, AZ_NOW));
}

static void windows(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request rq = { 0 };
    avow_autojson json_t *token = token_of(AZ_TOKEN);
    const char *hex = hex_claim(avow_maa_claims_tee(token), "launchmeasurement");
    static const struct {
        const char *window;
        bool open;
    } cases[] = {
        { "from: 2025-12-15, until: 2025-12-15", true },
        { "from: 2025-12-16", false },
        { "until: 2025-12-14", false },
        { "until: 2025-12-15T19:30:00Z, note: x", true },
        { "until: 2025-12-15T19:29:59Z", false },
    };

    (void)state;
    real_request(&rq);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        avow_auto(avow_cleanup_paravisors) struct avow_paravisors *p = NULL;
        char lines[512];

        snprintf(lines, sizeof lines, "    measurements: [{value: \"%s\", %s}]\n", hex,
                 cases[i].window);
        p = one("snp", lines);
        if ((avow_paravisors_match(p, &c, &rq, AZ_NOW) != NULL) != cases[i].open)
            fail_msg("%s", cases[i].window);
    }
}

static void tdx(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request rq = { 0 };
    avow_auto(avow_cleanup_paravisors) struct avow_paravisors *p = NULL;
    avow_auto(avow_cleanup_paravisors) struct avow_paravisors *other = NULL;
    char lines[512], mrseam[97];

    (void)state;
    maa_tdx_request(&rq);
    maa_verified(&rq, TDX_NOW, &c);
    assert_string_equal(maa_failed(&c), "");
    avow_hex(AVOW_BYTES_OF(c.tdx.mrseam), mrseam);
    snprintf(lines, sizeof lines, "    mrtd: [\"%s\"]\n    mrseam: [\"%s\"]\n", MRTD, mrseam);
    p = one("tdx", lines);
    assert_string_equal(avow_paravisors_match(p, &c, &rq, TDX_NOW), "this");
    mrseam[0] = mrseam[0] == '0' ? '1' : '0';
    snprintf(lines, sizeof lines, "    mrtd: [\"%s\"]\n    mrseam: [\"%s\"]\n", MRTD, mrseam);
    other = one("tdx", lines);
    assert_null(avow_paravisors_match(other, &c, &rq, TDX_NOW));
    c.tdx.td_attributes[3] |= 1u << 5; /* migratable */
    assert_null(avow_paravisors_match(p, &c, &rq, TDX_NOW));
    c.tdx.td_attributes[3] = 0;
    c.tdx.mrservicetd[0] = 1;
    assert_null(avow_paravisors_match(p, &c, &rq, TDX_NOW));
    c.tdx.mrservicetd[0] = 0;
    assert_non_null(avow_paravisors_match(p, &c, &rq, TDX_NOW));
    c.measurement[0] ^= 1;
    assert_null(avow_paravisors_match(p, &c, &rq, TDX_NOW));
}

/* Real evidence is never what a simulated entry speaks of. */
static void simulated(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request rq = { 0 };
    avow_auto(avow_cleanup_paravisors) struct avow_paravisors *p = NULL;
    avow_autojson json_t *token = token_of(AZ_TOKEN);

    (void)state;
    real_request(&rq);
    p = of_token(avow_maa_claims_tee(token), "    simulated: true\n");
    assert_null(avow_paravisors_match(p, &c, &rq, AZ_NOW));
    c.simulated = true;
    assert_non_null(avow_paravisors_match(p, &c, &rq, AZ_NOW));
}

#define TOP "version: 1\nparavisors:\n"
#define HEX96 "\"" MRTD "\""

static void mistakes(void **state)
{
    static const struct {
        const char *yaml, *says;
    } bad[] = {
        { "", "p.yaml" },
        { "version: 2\nparavisors: [{name: a, tee: tdx, mrtd: [" HEX96 "]}]\n", "p.yaml:1:" },
        { "version: 1\n", "paravisors" },
        { "version: 1\nparavisors: []\n", "paravisors" },
        { TOP "  - {name: a, tee: snp}\n", "p.yaml:3:5: \"measurements\" is missing" },
        { TOP "  - {name: a, tee: tdx}\n", "\"mrtd\" is missing" },
        { TOP "  - {name: a, tee: snp, measurements: any}\n", "measurements" },
        { TOP "  - {name: a, tee: snp, measurements: []}\n", "measurements" },
        { TOP "  - {name: a, tee: snp, measurements: [\"00\"]}\n", "48 bytes in hex" },
        { TOP "  - {name: a, tee: sgx, measurements: [" HEX96 "]}\n", "snp or tdx" },
        { TOP "  - {name: a, tee: snp, measurements: [" HEX96 "], mrseam: [" HEX96 "]}\n",
          "\"mrseam\" is no value of snp" },
        { TOP "  - {name: a, tee: tdx, mrtd: [" HEX96 "], min-guest-svn: 1}\n", "no value of tdx" },
        { TOP "  - {name: a, tee: tdx, mrdt: [" HEX96 "]}\n", "did you mean \"mrtd\"" },
        { TOP "  - {name: a, tee: tdx, mrtd: [{value: " HEX96 ", until: soon}]}\n", "no time" },
        { TOP "  - {tee: tdx, mrtd: [" HEX96 "]}\n", "name" },
        { TOP "  - {name: a, tee: tdx, mrtd: [" HEX96 "]}\n  - {name: a, tee: tdx, mrtd: [" HEX96
              "]}\n",
          "p.yaml:4:5: \"a\" is there already" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct avow_paravisors *p = NULL;
        struct avow_error err = { 0 };

        if (avow_paravisors_parse(avow_bytes_str(bad[i].yaml), "p.yaml", &p, &err) == 0)
            fail_msg("accepted: %s", bad[i].yaml);
        if (!strstr(err.text, bad[i].says))
            fail_msg("%s: %s", bad[i].yaml, err.text);
        assert_null(p);
    }
}

/* Who could write to the file could have any machine called Azure's. */
static void the_file(void **state)
{
    static const char good[] = TOP "  - {name: a, tee: tdx, mrtd: [" HEX96 "]}\n";
    char path[] = "/tmp/avow-test-paravisors-XXXXXX";
    avow_auto(avow_cleanup_paravisors) struct avow_paravisors *p = NULL;
    avow_autoclose int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, good, sizeof good - 1), sizeof good - 1);
    assert_int_equal(fchmod(fd, 0666), 0);
    assert_int_equal(avow_paravisors_load(path, &p, NULL), -AVOW_E_UNTRUSTED);
    assert_int_equal(fchmod(fd, 0644), 0);
    assert_int_equal(avow_paravisors_load(path, &p, NULL), 0);
    assert_int_equal(avow_paravisors_count(p), 1);
    assert_int_equal(avow_paravisors_count(NULL), 0);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_evidence), cmocka_unit_test(tokens_come_back),
        cmocka_unit_test(other_values),  cmocka_unit_test(other_evidence),
        cmocka_unit_test(windows),       cmocka_unit_test(tdx),
        cmocka_unit_test(simulated),     cmocka_unit_test(mistakes),
        cmocka_unit_test(the_file),
    };

    return cmocka_run_group_tests_name("paravisors", tests, NULL, NULL);
}
