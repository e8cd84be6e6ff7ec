/* Writing what known-good nodes say as a policy, in YAML with comments. */
#include <stdio.h>

#include "codec/text.h"
#include "policy/draft_internal.h"

#define NAMES_SHOWN 3

/* A scalar that nothing can misread: hex of digits alone would be a number. */
static void put_scalar(struct avow_buf *out, const char *text)
{
    avow_autofree char *clean = strdup(text);
    avow_autojson json_t *value = NULL;
    avow_autofree char *quoted = NULL;

    if (clean)
        avow_printable(clean);
    value = json_string(clean);
    quoted = json_dumps(value, JSON_ENCODE_ANY);
    avow_buf_put_str(out, quoted ? quoted : "\"\"");
}

static void put_names(struct avow_buf *out, const json_t *names)
{
    size_t n = json_array_size(names);

    avow_buf_put_str(out, "  # ");
    for (size_t i = 0; i < n && i < NAMES_SHOWN; i++) {
        const char *name = json_string_value(json_array_get(names, i));

        avow_buf_putf(out, "%s%s", i ? ", " : "", name);
    }
    if (n > NAMES_SHOWN)
        avow_buf_putf(out, " and %zu more", n - NAMES_SHOWN);
    avow_buf_put_str(out, "\n");
}

/* "key:" and its values, each with the nodes that have it. */
static int put_map(struct avow_buf *out, int indent, const char *key, const json_t *map, size_t max,
                   struct avow_error *err)
{
    const char *value = NULL;
    json_t *names = NULL;

    if (json_object_size(map) > max)
        return AVOW_FAIL(err, LIMIT,
                         "%zu different values of \"%s\" (a list has at most %zu): the nodes are "
                         "not of a kind",
                         json_object_size(map), key, max);
    avow_buf_putf(out, "%*s%s:\n", indent, "", key);
    json_object_foreach((json_t *)(uintptr_t)map, value, names) {
        avow_buf_putf(out, "%*s- ", indent + 2, "");
        put_scalar(out, value);
        put_names(out, names);
    }
    return 0;
}

static int put_values(struct avow_buf *out, const struct draft_section *s, const char *key,
                      struct avow_error *err)
{
    const json_t *map = json_object_get(s->values, key);

    return map ? put_map(out, 2, key, map, AVOW_POLICY_VALUES_MAX, err) : 0;
}

static bool none(const struct draft_section *s, enum draft_count what)
{
    return s->count[what] == 0;
}

static bool all(const struct draft_section *s, enum draft_count what)
{
    return s->count[what] == s->n;
}

static void put_tcb(struct avow_buf *out, const struct draft_section *s, const char *key,
                    const struct avow_snp_tcb *t)
{
    avow_buf_putf(out, "  %s: { ", key);
    if (all(s, DRAFT_TURIN))
        avow_buf_putf(out, "fmc: %u, ", t->fmc);
    avow_buf_putf(out, "bootloader: %u, tee: %u, snp: %u, microcode: %u }\n", t->bootloader, t->tee,
                  t->snp, t->microcode);
}

static void put_permission(struct avow_buf *out, const struct draft_section *s,
                           enum draft_count what, const char *key, const char *why)
{
    if (!none(s, what))
        avow_buf_putf(out, "  # NOT THE DEFAULT, since %zu of %zu need it: %s\n  %s: true\n",
                      s->count[what], s->n, why, key);
}

static void put_mitigations(struct avow_buf *out, const struct draft_section *s)
{
    const char *comma = "";

    if (!s->mitigations || !all(s, DRAFT_MITIGATIONS))
        return;
    avow_buf_put_str(out, "  # mitigations in effect on each of them\n  require-mitigations: [");
    for (unsigned i = 0; i < 64; i++)
        if (s->mitigations >> i & 1) {
            avow_buf_putf(out, "%s%u", comma, i);
            comma = ", ";
        }
    avow_buf_put_str(out, "]\n");
}

static void put_vmpls(struct avow_buf *out, const struct draft_section *s)
{
    const char *comma = "";

    if (s->vmpl[0] && !s->vmpl[1] && !s->vmpl[2] && !s->vmpl[3])
        return;
    avow_buf_put_str(out, "  # privilege levels that asked for the reports\n  vmpl: [");
    for (unsigned i = 0; i < 4; i++)
        if (s->vmpl[i]) {
            avow_buf_putf(out, "%s%u", comma, i);
            comma = ", ";
        }
    avow_buf_put_str(out, "]\n");
}

static int put_identity(struct avow_buf *out, const struct draft_section *s, bool tight,
                        struct avow_error *err)
{
    if (!none(s, DRAFT_ID_KEY)) {
        avow_buf_put_str(out, "  # who signed the identity block; zeros: nobody\n");
        AVOW_TRY(put_values(out, s, "id-key-digest", err));
    }
    if (all(s, DRAFT_AUTHOR_KEY))
        AVOW_TRY(put_values(out, s, "author-key-digest", err));
    if (!tight)
        return 0;
    AVOW_TRY(put_values(out, s, "host-data", err));
    AVOW_TRY(put_values(out, s, "family-id", err));
    return put_values(out, s, "image-id", err);
}

static int write_snp(const struct avow_draft *d, const struct draft_section *s,
                     struct avow_buf *out, struct avow_error *err)
{
    avow_buf_put_str(out, "  # what was booted\n");
    AVOW_TRY(put_values(out, s, "measurements", err));
    avow_buf_putf(out, "  # the least firmware among them, by component%s\n",
                  json_object_size(json_object_get(s->values, "products")) > 1
                      ? "; product lines are mixed, so it says little: consider a policy for each"
                      : "");
    put_tcb(out, s, "min-tcb", &s->reported);
    if (d->options.tight) {
        put_tcb(out, s, "min-tcb-current", &s->current);
        put_tcb(out, s, "min-tcb-committed", &s->committed);
        put_tcb(out, s, "min-tcb-launch", &s->launch);
        put_mitigations(out, s);
    }
    put_permission(out, s, DRAFT_DEBUG, "allow-debug", "THE HOST MAY READ THE MEMORY OF THESE VMS");
    put_permission(out, s, DRAFT_MIGRATION, "allow-migration", "the VM may move to another host");
    put_vmpls(out, s);
    if (none(s, DRAFT_SMT))
        avow_buf_put_str(out, "  # none of them shares cores with other VMs\n  allow-smt: false\n");
    if (none(s, DRAFT_VLEK))
        avow_buf_put_str(out, "  # each is signed by its chip's own key\n  allow-vlek: false\n");
    if (all(s, DRAFT_VLEK)) {
        avow_buf_put_str(out, "  # the provider whose key signs\n");
        AVOW_TRY(put_values(out, s, "csp-id", err));
    }
    if (all(s, DRAFT_CRL))
        avow_buf_put_str(out, "  # AMD's CRL came with each of them\n  require-crl: true\n");
    return put_identity(out, s, d->options.tight, err);
}

static void put_statuses(struct avow_buf *out, const struct draft_section *s)
{
    const char *comma = "";

    for (unsigned i = 0; i < TDX_STATUSES; i++)
        if (s->status[i] && i != AVOW_TCB_UP_TO_DATE) {
            avow_buf_put_str(out, "  # NOT THE DEFAULT: Intel knows weaknesses of some of them; "
                                  "update them, then leave UpToDate alone\n");
            break;
        }
    avow_buf_put_str(out, "  tcb-status: [");
    for (unsigned i = 0; i < TDX_STATUSES; i++)
        if (s->status[i]) {
            avow_buf_putf(out, "%s%s", comma, avow_tcb_status_name((enum avow_tcb_status)i));
            comma = ", ";
        }
    avow_buf_put_str(out, "]\n");
}

static int put_registers(struct avow_buf *out, const struct draft_section *s,
                         struct avow_error *err)
{
    static const char *const keys[] = { "rtmr0",   "rtmr1",      "rtmr2",         "rtmr3",
                                        "mrowner", "mrconfigid", "mrownerconfig", "mrseam" };
    char svn[33];

    avow_hex(AVOW_BYTES_OF(s->svn), svn);
    avow_buf_putf(out,
                  "  # the least TDX module and microcode among them, by byte\n"
                  "  min-tee-tcb-svn: \"%s\"\n",
                  svn);
    avow_buf_put_str(out, "  # what was loaded: it changes with each update of what boots; rtmr3 "
                          "may change while the\n  # system runs: take it out if it does\n");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        AVOW_TRY(put_values(out, s, keys[i], err));
    if (json_object_size(json_object_get(s->values, "allow-advisories")) == 0) {
        avow_buf_put_str(out, "  allow-advisories: []\n");
        return 0;
    }
    return put_values(out, s, "allow-advisories", err);
}

static int write_tdx(const struct avow_draft *d, const struct draft_section *s,
                     struct avow_buf *out, struct avow_error *err)
{
    avow_buf_put_str(out, "  # what was booted\n");
    AVOW_TRY(put_values(out, s, "mrtd", err));
    put_statuses(out, s);
    avow_buf_putf(out,
                  "  # Intel's collateral that they were judged by, or newer\n"
                  "  min-tcb-evaluation: %u\n",
                  s->evaluation);
    put_permission(out, s, DRAFT_DEBUG, "allow-debug", "THE HOST MAY READ THE MEMORY OF THESE TDS");
    put_permission(out, s, DRAFT_MIGRATION, "allow-migration", "the TD may migrate");
    if (!all(s, DRAFT_SEPT_VE))
        avow_buf_putf(out,
                      "  # NOT THE DEFAULT, since %zu of %zu do not have SEPT_VE_DISABLE\n"
                      "  require-sept-ve-disable: false\n",
                      s->n - s->count[DRAFT_SEPT_VE], s->n);
    return d->options.tight ? put_registers(out, s, err) : 0;
}

static int put_pcrs(struct avow_buf *out, const struct draft_section *s, struct avow_error *err)
{
    if (!s->pcr_mask) {
        avow_buf_put_str(out, "  # no PCR is pinned: there is none that each of them quoted\n");
        return 0;
    }
    avow_buf_put_str(out, "  # the TPM's registers that each of them quoted: they change with each "
                          "update of what boots;\n  # 10 (IMA), 16 and 23 may change while the "
                          "system runs: take them out if they do\n  pcrs:\n");
    for (unsigned i = 0; i < AVOW_PCRS; i++) {
        char key[16], number[16];

        if (!(s->pcr_mask >> i & 1))
            continue;
        snprintf(key, sizeof key, "pcrs.%u", i);
        snprintf(number, sizeof number, "\"%u\"", i);
        AVOW_TRY(
            put_map(out, 4, number, json_object_get(s->values, key), AVOW_POLICY_VALUES_MAX, err));
    }
    return 0;
}

static int write_azure(const struct avow_draft *d, const struct draft_section *s,
                       struct avow_buf *out, struct avow_error *err)
{
    if (all(s, DRAFT_SECURE_BOOT))
        avow_buf_put_str(out, "  require-secure-boot: true\n");
    if (all(s, DRAFT_TPM_PERSISTED))
        avow_buf_put_str(out, "  require-tpm-persisted: true\n");
    if (all(s, DRAFT_CONSOLE_OFF))
        avow_buf_put_str(out, "  allow-console: false\n");
    if (d->options.pin_machines)
        AVOW_TRY(put_map(out, 2, "vm-ids", json_object_get(s->values, "vm-ids"),
                         AVOW_DRAFT_NODES_MAX, err));
    return d->options.tight ? put_pcrs(out, s, err) : 0;
}

static int write_section(const struct avow_draft *d, enum avow_tee tee, struct avow_buf *out,
                         struct avow_error *err)
{
    const struct draft_section *s = &d->sections[tee];
    bool is_snp = avow_tee_hardware(tee) == AVOW_TEE_SNP;

    if (!s->n)
        return 0;
    avow_buf_putf(out, "\n# of %zu %s\n%s:\n", s->n, s->n == 1 ? "node" : "nodes",
                  avow_tee_name(tee));
    AVOW_TRY(is_snp ? write_snp(d, s, out, err) : write_tdx(d, s, out, err));
    if (avow_tee_is_azure(tee))
        AVOW_TRY(write_azure(d, s, out, err));
    if (d->options.tight && all(s, DRAFT_LOG) && tee != AVOW_TEE_SNP)
        avow_buf_put_str(out, "  # an event log came with each of them\n"
                              "  require-event-log: true\n");
    return 0;
}

static void put_heading(const struct avow_draft *d, struct avow_buf *out)
{
    char now[AVOW_TIME_TEXT];

    avow_claims_time(d->options.now, now);
    avow_buf_putf(out,
                  "# Policy of avow, written from the evidence of %zu known-good %s, judged as of\n"
                  "# %s. It accepts what they are%s, on firmware that is at least as new.\n"
                  "# Read it before you use it: avow policy check FILE says what it leaves open.\n"
                  "version: 1\n",
                  d->n, d->n == 1 ? "node" : "nodes", now,
                  d->options.tight ? ", to the registers" : "");
    if (d->n_simulated)
        avow_buf_putf(out,
                      "\n# !!! SIMULATED !!! %zu of %zu are simulated devices, which protect "
                      "NOTHING: whoever has their keys\n"
                      "# makes any evidence. Never use this policy where secrets are.\n"
                      "allow-simulated: true\n",
                      d->n_simulated, d->n);
}

int avow_draft_write(const struct avow_draft *d, struct avow_buf *out, struct avow_error *err)
{
    static const enum avow_tee tees[] = { AVOW_TEE_SNP, AVOW_TEE_TDX, AVOW_TEE_AZ_SNP,
                                          AVOW_TEE_AZ_TDX };

    if (!d->n)
        return AVOW_FAIL(err, MISSING, "no node to make a policy of");
    put_heading(d, out);
    for (size_t i = 0; i < sizeof tees / sizeof tees[0]; i++)
        AVOW_TRY(write_section(d, tees[i], out, err));
    if (d->options.pin_machines) {
        avow_buf_put_str(out, "\n# these machines and no others\n");
        AVOW_TRY(put_map(out, 0, "machine-ids", d->machines, AVOW_POLICY_MACHINES_MAX, err));
    }
    return avow_buf_ok(out, err);
}
