/* The hospitals' job for the nodes of a demo: policy, data, cluster file, job file. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/demo.h"
#include "cli/places.h"
#include "codec/text.h"
#include "crypto/hash.h"

#define TEXT_MAX (1u << 20)
#define DATA_MAX (16u << 20)
#define ROW_MAX 4096
#define IMAGE "avow-node-1" /* what a simulated machine runs unless told otherwise */

static const char *const files[] = { "train.csv", "test.csv" };

int avow_demo_policy(const struct avow_demo *d, struct avow_error *err)
{
    static const char measured[] = "avow simulated image:" IMAGE; /* src/source/source.h */
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(TEXT_MAX);
    avow_autofree char *path = NULL;
    uint8_t digest[48];
    char hex[97];

    AVOW_TRY(avow_sha384(avow_bytes_str(measured), digest));
    avow_hex(AVOW_BYTES_OF(digest), hex);
    (void)avow_buf_putf(&text,
                        "# Who may take part: simulated machines that run the image %s.\n"
                        "version: 1\n"
                        "allow-simulated: true # never in production\n"
                        "snp:\n  measurements: [\"%s\"]\n"
                        "tdx:\n  mrtd: [\"%s\"]\n",
                        IMAGE, hex, hex);
    AVOW_TRY(avow_demo_path(&path, err, "%s/policy.yaml", d->dir));
    return avow_demo_write(path, &text, err);
}

/* ---- data ---- */

/* Append the rows of @path to the N buffers in turn, from @*next on. */
static int deal_rows(const char *path, struct avow_buf *to, size_t n, size_t *next,
                     struct avow_error *err)
{
    avow_autofclose FILE *f = fopen(path, "re");
    char row[ROW_MAX];

    if (!f)
        return AVOW_FAIL_SYS(err, "%s", path);
    while (fgets(row, sizeof row, f)) {
        if (avow_buf_put_str(&to[*next], row) < 0)
            return AVOW_FAIL(err, LIMIT, "%s: more than %u bytes for one node", path, DATA_MAX);
        *next = (*next + 1) % n;
    }
    return 0;
}

/* Patients of both hospitals, dealt out to all nodes: each has rows that no other has. */
static int split_file(const struct avow_demo *d, const char *data, const char *file,
                      struct avow_error *err)
{
    struct avow_buf parts[AVOW_DEMO_NODES_MAX];
    size_t next = 0;
    int rc = 0;

    for (size_t i = 0; i < d->n; i++)
        parts[i] = AVOW_BUF(DATA_MAX);
    for (char site = 'a'; rc == 0 && site <= 'b'; site++) {
        avow_autofree char *path = NULL;

        rc = avow_demo_path(&path, err, "%s/hospital-%c/%s", data, site, file);
        if (rc == 0)
            rc = deal_rows(path, parts, d->n, &next, err);
    }
    for (size_t i = 0; i < d->n; i++) {
        avow_autofree char *path = NULL;

        if (rc == 0)
            rc = avow_demo_path(&path, err, "%s/data/%s/%s", d->dir, d->nodes[i].name, file);
        if (rc == 0)
            rc = avow_demo_write(path, &parts[i], err);
        avow_buf_done(&parts[i]);
    }
    return rc;
}

static int make_folder(const struct avow_demo *d, const char *name, struct avow_error *err)
{
    avow_autofree char *path = NULL;

    AVOW_TRY(avow_demo_path(&path, err, "%s/%s", d->dir, name));
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return AVOW_FAIL_SYS(err, "%s", path);
    return 0;
}

/* *@data becomes the folder that has one folder for each node. */
static int split_data(const struct avow_demo *d, char **data, struct avow_error *err)
{
    avow_autofree char *source = NULL;

    AVOW_TRY(avow_place_find(AVOW_PLACE_DATA, &source, err));
    if (d->n == 2 && d->nodes[0].tee != d->nodes[1].tee) {
        *data = avow_steal(&source); /* the two hospitals as they are */
        return 0;
    }
    AVOW_TRY(make_folder(d, "data", err));
    for (size_t i = 0; i < d->n; i++) {
        char name[64];

        (void)snprintf(name, sizeof name, "data/%s", d->nodes[i].name);
        AVOW_TRY(make_folder(d, name, err));
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        AVOW_TRY(split_file(d, source, files[i], err));
    return avow_demo_path(data, err, "%s/data", d->dir);
}

/* ---- cluster.yaml, job.yaml ---- */

static int write_cluster(const struct avow_demo *d, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(TEXT_MAX);
    avow_autofree char *path = NULL;

    (void)avow_buf_put_str(&text,
                           "# Where the nodes are: API for the owner, and for other nodes.\n");
    for (size_t i = 0; i < d->n; i++)
        (void)avow_buf_putf(&text, "%s: { address: \"%s\", node-address: \"%s\" }\n",
                            d->nodes[i].name, d->nodes[i].api, d->nodes[i].nodes);
    AVOW_TRY(avow_demo_path(&path, err, "%s/cluster.yaml", d->dir));
    return avow_demo_write(path, &text, err);
}

static void put_node(struct avow_buf *text, const struct avow_demo_node *n, const char *data)
{
    (void)avow_buf_putf(text, "  - name: %s\n    tee: %s\n    ranks: 1\n    inputs:\n", n->name,
                        avow_tee_name(n->tee));
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        avow_autofree char *path = NULL;

        if (asprintf(&path, "%s/%s/%s", data, n->name, files[i]) < 0)
            path = NULL;
        (void)avow_buf_putf(text, "      %s: ", files[i]);
        avow_demo_quote(text, path ? path : "");
        (void)avow_buf_put_str(text, "\n");
    }
}

int avow_demo_job(const struct avow_demo *d, unsigned iterations, char **job,
                  struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(TEXT_MAX);
    avow_autofree char *program = NULL;
    avow_autofree char *data = NULL;

    AVOW_TRY(write_cluster(d, err));
    AVOW_TRY(avow_place_find(AVOW_PLACE_TRAIN, &program, err));
    AVOW_TRY(split_data(d, &data, err));
    (void)avow_buf_put_str(&text, "name: hospitals\nprogram:\n  path: ");
    avow_demo_quote(&text, program);
    (void)avow_buf_putf(&text,
                        "\n  args: [--iterations, \"%u\"]\n"
                        "policy: policy.yaml\n"
                        "simulated-roots: vendor/roots.pem\n"
                        "cluster: cluster.yaml\n"
                        "time-limit: 10m\n"
                        "output: results\n"
                        "nodes:\n",
                        iterations);
    for (size_t i = 0; i < d->n; i++)
        put_node(&text, &d->nodes[i], data);
    avow_demo_verifier_put(d, &text);
    (void)avow_buf_put_str(&text, "aggregate:\n"
                                  "  file: summary.json\n"
                                  "  sum: [rows, test_correct, test_total]\n"
                                  "  ratio: { test_accuracy: [test_correct, test_total] }\n"
                                  "  same: [iterations, loss]\n"
                                  "  same-files: [model.json]\n");
    AVOW_TRY(avow_demo_path(job, err, "%s/job.yaml", d->dir));
    return avow_demo_write(*job, &text, err);
}
