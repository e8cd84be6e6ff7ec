/*
 * A confidential VM of Azure's for the end-to-end tests, as tests/unit/source makes one: hardware
 * of a simulated vendor, a paravisor's report over it, and the virtual TPM, a swtpm of its own.
 *
 *   azure_vm VENDOR-FOLDER snp|tdx [IMAGE]
 *
 * Prints one line of JSON, {"imds":{path: body},"measurement","tcti"}, and lives until its standard
 * input ends. A line "extend PCR BYTE" there extends a register by 32 such bytes, "other-key" puts
 * another key in the attestation key's place; each is answered by a line "ok". Exit status 77: no
 * swtpm.
 */
#include "../../unit/source/azure_machine.h"

#define EXIT_SKIPPED 77

static struct azure_machine m;

static void print_machine(void)
{
    struct avow_buf hex = AVOW_BUF(256);
    struct avow_hcl hcl;
    json_t *imds = NULL;
    char *text = NULL;

    assert_int_equal(avow_hcl_parse(avow_buf_view(&m.hcl), &hcl, NULL), 0);
    if (m.hardware == AVOW_TEE_SNP) {
        imds = json_pack("{s:o}", "/metadata/THIM/amd/certification", azure_thim_json(&m));
        avow_hex_put(&hex, avow_bytes_sub(hcl.report, AVOW_SNP_OFF_MEASUREMENT, 48));
    } else {
        imds = json_pack("{s:o}", "/acc/tdquote", azure_quote_json(m.evidence.evidence));
        avow_hex_put(&hex, avow_bytes_sub(hcl.report, AVOW_TDREPORT_OFF_MRTD, 48));
    }
    imds = json_pack("{s:o, s:s, s:s}", "imds", imds, "measurement", avow_buf_cstr(&hex), "tcti",
                     m.tpm.tcti);
    text = json_dumps(imds, JSON_COMPACT);
    assert_non_null(text);
    puts(text);
    free(text);
    json_decref(imds);
    avow_buf_done(&hex);
}

static void extend(unsigned pcr, unsigned fill)
{
    struct patience p;
    struct vtpm v;

    swtpm_open(&m.tpm, &p, &v);
    swtpm_extend(&v, pcr, (uint8_t)fill);
    vtpm_done(&v);
}

/* A guest with its own key there: the paravisor's report does not name it. */
static void other_key(void)
{
    struct swtpm_key key;
    struct patience p;
    struct vtpm v;
    ESYS_TR kept = ESYS_TR_NONE, none = ESYS_TR_NONE;

    swtpm_open(&m.tpm, &p, &v);
    assert_int_equal(
        Esys_TR_FromTPMPublic(v.esys, AZ_AK, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &kept), 0);
    assert_int_equal(Esys_EvictControl(v.esys, ESYS_TR_RH_OWNER, kept, ESYS_TR_PASSWORD,
                                       ESYS_TR_NONE, ESYS_TR_NONE, AZ_AK, &none),
                     0);
    swtpm_make_key(&v, AZ_AK, TPM2_ALG_RSASSA, 1, &key);
    vtpm_done(&v);
}

static bool obey(const char *line)
{
    unsigned pcr = 0, fill = 0;

    if (sscanf(line, "extend %u %u", &pcr, &fill) == 2)
        extend(pcr, fill);
    else if (strncmp(line, "other-key", 9) == 0)
        other_key();
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    char line[64];
    bool tdx = argc > 2 && strcmp(argv[2], "tdx") == 0;
    struct avow_sim_vm vm = { .tee = tdx ? AVOW_TEE_TDX : AVOW_TEE_SNP,
                              .image = argc > 3 ? argv[3] : NULL };

    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: azure_vm VENDOR-FOLDER snp|tdx [IMAGE]\n");
        return 2;
    }
    if (!swtpm_there())
        return EXIT_SKIPPED;
    azure_start_vm(&m, argv[1], &vm, NULL, 0);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    print_machine();
    while (fgets(line, sizeof line, stdin))
        puts(obey(line) ? "ok" : "no such command");
    azure_stop(&m);
    return 0;
}
