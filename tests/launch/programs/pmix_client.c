/*
 * A rank that speaks PMIx alone: put, commit, fence, get, for tests with several nodes and no
 * network between them. "direct": without data in the fence, so that values come by direct modex.
 */
#include <pmix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(call)                                                     \
    do {                                                                \
        pmix_status_t rc_ = (call);                                     \
        if (rc_ != PMIX_SUCCESS) {                                      \
            fprintf(stderr, "%s: %s\n", #call, PMIx_Error_string(rc_)); \
            return 3;                                                   \
        }                                                               \
    } while (0)

static pmix_proc_t self, all;

static int exchange(unsigned round, uint32_t size, bool collect)
{
    pmix_info_t info;
    char key[32], text[64];

    snprintf(key, sizeof key, "test.%u", round);
    snprintf(text, sizeof text, "round %u of rank %u", round, self.rank);
    pmix_value_t v;
    PMIX_VALUE_LOAD(&v, text, PMIX_STRING);
    CHECK(PMIx_Put(PMIX_GLOBAL, key, &v));
    CHECK(PMIx_Commit());
    PMIX_INFO_LOAD(&info, PMIX_COLLECT_DATA, &collect, PMIX_BOOL);
    CHECK(PMIx_Fence(&all, 1, &info, 1));
    for (uint32_t r = 0; r < size; r++) {
        pmix_proc_t peer;
        pmix_value_t *got = NULL;

        PMIX_LOAD_PROCID(&peer, self.nspace, r);
        CHECK(PMIx_Get(&peer, key, NULL, 0, &got));
        snprintf(text, sizeof text, "round %u of rank %u", round, r);
        if (got->type != PMIX_STRING || strcmp(got->data.string, text) != 0) {
            fprintf(stderr, "rank %u: %s of rank %u is wrong\n", self.rank, key, r);
            return 4;
        }
        PMIX_VALUE_RELEASE(got);
    }
    return 0;
}

int main(int argc, char **argv)
{
    bool collect = !(argc > 1 && strcmp(argv[1], "direct") == 0);
    pmix_value_t *v = NULL;
    uint32_t size = 0;

    CHECK(PMIx_Init(&self, NULL, 0));
    PMIX_LOAD_PROCID(&all, self.nspace, PMIX_RANK_WILDCARD);
    CHECK(PMIx_Get(&all, PMIX_JOB_SIZE, NULL, 0, &v));
    size = v->data.uint32;
    for (unsigned round = 0; round < 5; round++) {
        int rc = exchange(round, size, collect);

        if (rc)
            return rc;
    }
    if (argc > 1 && strcmp(argv[1], "part") == 0 && self.rank != 1 && size > 2) {
        /* a fence without rank 1 */
        pmix_proc_t some[2];

        PMIX_LOAD_PROCID(&some[0], self.nspace, 0);
        PMIX_LOAD_PROCID(&some[1], self.nspace, size - 1);
        if (self.rank == 0 || self.rank == size - 1)
            CHECK(PMIx_Fence(some, 2, NULL, 0));
    }
    printf("rank %u of %u\n", self.rank, size);
    if (argc > 1 && strcmp(argv[1], "abort") == 0) {
        fflush(stdout);
        if (self.rank == size - 1)
            PMIx_Abort(42, "for the test", NULL, 0);
        CHECK(PMIx_Fence(&all, 1, NULL, 0));
    }
    CHECK(PMIx_Finalize(NULL, 0));
    return 0;
}
