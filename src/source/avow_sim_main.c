/* avow-sim: set up simulated vendors and machines, for development and tests. */
#include <getopt.h>
#include <time.h>

#include "codec/text.h"
#include "source/sim.h"

enum { EXIT_USAGE = 2 };

static const char help[] =
    "avow-sim: simulated AMD and Intel, for machines without confidential computing.\n"
    "Everything it makes is SIMULATED: it proves nothing, and is refused by every policy that\n"
    "does not say allow-simulated: true.\n"
    "\n"
    "usage: avow-sim vendor DIR                       make the vendors' keys and collateral\n"
    "       avow-sim vm --vendor DIR --tee snp|tdx [OPTIONS] DIR      make a machine\n"
    "       avow-sim roots DIR                        print a vendor's two roots (PEM)\n"
    "       avow-sim measurement [--image NAME]       print what an image measures to\n"
    "       avow-sim --help | --version\n"
    "\n"
    "options of vm:\n"
    "  --vendor DIR   folder made by `avow-sim vendor`\n"
    "  --tee TEE      snp (AMD SEV-SNP) or tdx (Intel TDX)\n"
    "  --image NAME   what is booted, and so measured (default: " SIM_DEFAULT_IMAGE ")\n"
    "  --debug        a debug VM: its host can read its memory\n"
    "  --old-tcb      firmware that is out of date\n"
    "  --expired      the chip's certificate expired an hour ago\n"
    "\n"
    "examples:\n"
    "  avow-sim vendor /tmp/vendor\n"
    "  avow-sim vm --vendor /tmp/vendor --tee snp /tmp/node-a\n"
    "  avow-sim vm --vendor /tmp/vendor --tee tdx --image my-image /tmp/node-b\n"
    "  avow-sim measurement --image my-image          # for the policy\n"
    "\n"
    "exit: 0 done, 1 failed, 2 wrong usage\n";

#define EXPIRED_AGO 3600 /* seconds */

static int usage(const char *why, const char *what)
{
    fprintf(stderr, "avow-sim: %s%s\nTry: avow-sim --help\n", why, what);
    return EXIT_USAGE;
}

static int failed(const struct avow_error *err)
{
    fprintf(stderr, "avow-sim: %s\n%s\n", err->text, avow_err_hint(err->code));
    return EXIT_FAILURE;
}

/* Whatever was printed must have arrived. */
static int printed(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_SUCCESS;
    fprintf(stderr, "avow-sim: cannot write to standard output\n");
    return EXIT_FAILURE;
}

static int run_vendor(int argc, char **argv)
{
    struct avow_error err = { 0 };

    if (argc != 2 || argv[1][0] == '-')
        return usage("vendor takes one folder", "");
    if (avow_sim_vendor_new(argv[1], &err) < 0)
        return failed(&err);
    printf("SIMULATED vendors in %s\n", argv[1]);
    return printed();
}

static int run_vm(int argc, char **argv)
{
    static const struct option options[] = { { "vendor", required_argument, NULL, 'v' },
                                             { "tee", required_argument, NULL, 't' },
                                             { "image", required_argument, NULL, 'i' },
                                             { "debug", no_argument, NULL, 'd' },
                                             { "old-tcb", no_argument, NULL, 'o' },
                                             { "expired", no_argument, NULL, 'e' },
                                             { NULL, 0, NULL, 0 } };
    struct avow_sim_vm vm = { 0 };
    struct avow_error err = { 0 };
    const char *vendor = NULL;
    int c = 0;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'v':
            vendor = optarg;
            break;
        case 't':
            vm.tee = avow_tee_from_name(optarg);
            if (vm.tee == AVOW_TEE_NONE)
                return usage("--tee is snp or tdx, not ", optarg);
            break;
        case 'i':
            vm.image = optarg;
            break;
        case 'd':
            vm.debug = true;
            break;
        case 'o':
            vm.old_tcb = true;
            break;
        case 'e':
            vm.not_after = (int64_t)time(NULL) - EXPIRED_AGO;
            break;
        default:
            return usage("wrong option for vm", "");
        }
    }
    if (!vendor || vm.tee == AVOW_TEE_NONE || optind + 1 != argc)
        return usage("vm needs --vendor, --tee and one folder", "");
    if (avow_sim_vm_new(vendor, argv[optind], &vm, &err) < 0)
        return failed(&err);
    printf("SIMULATED %s machine in %s\n", avow_tee_name(vm.tee), argv[optind]);
    return printed();
}

static int run_roots(int argc, char **argv)
{
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(AVOW_CERT_DER_MAX);
    avow_autoclose int dir = -1;
    struct avow_error err = { 0 };

    if (argc != 2 || argv[1][0] == '-')
        return usage("roots takes one folder", "");
    if (folder_open(argv[1], &dir, &err) < 0 || folder_read(dir, SIM_ROOTS, &pem, &err) < 0)
        return failed(&err);
    fputs(avow_buf_cstr(&pem), stdout);
    return printed();
}

static int run_measurement(int argc, char **argv)
{
    const char *image = NULL;
    struct avow_error err = { 0 };
    uint8_t digest[48];
    char hex[2 * sizeof digest + 1];

    if (argc == 3 && strcmp(argv[1], "--image") == 0)
        image = argv[2];
    else if (argc == 2 && strncmp(argv[1], "--image=", 8) == 0)
        image = argv[1] + 8;
    else if (argc != 1)
        return usage("measurement takes only --image NAME", "");
    if (avow_sim_measurement(image, digest, &err) < 0)
        return failed(&err);
    avow_hex(AVOW_BYTES_OF(digest), hex);
    puts(hex);
    return printed();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = { { "vendor", run_vendor },
                     { "vm", run_vm },
                     { "roots", run_roots },
                     { "measurement", run_measurement } };

    if (argc < 2)
        return usage("a command is missing", "");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        fputs(help, stdout);
        return printed();
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("avow-sim " AVOW_VERSION);
        return printed();
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return usage("no such command: ", argv[1]);
}
