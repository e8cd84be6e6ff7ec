/* Any bytes as a job file: refused with a place in the file, or a plan that has a manifest. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    avow_auto(avow_cleanup_plan) struct avow_plan *p = NULL;
    avow_auto(avow_buf_done) struct avow_buf manifest = AVOW_BUF(AVOW_MANIFEST_MAX);
    avow_autoclose int fd = memfd_create("job.yaml", MFD_CLOEXEC);
    struct avow_error err = { 0 };
    char path[64];

    if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size))
        abort();
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (avow_plan_load(path, NULL, &p, &err) < 0) {
        if (p || !err.code || !err.text[0])
            abort();
        return 0;
    }
    if (p->n_nodes < 2 || !p->policy || !p->program)
        abort();
    if (avow_plan_manifest(p, "00000000-0000-4000-8000-000000000000", &manifest, &err) < 0 &&
        !err.code)
        abort();
    return 0;
}
