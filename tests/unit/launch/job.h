/* A configuration for the tests of this folder. */
#ifndef AVOW_TEST_LAUNCH_JOB_H
#define AVOW_TEST_LAUNCH_JOB_H

#include "../test.h"
#include "launch/config.h"

#define TEST_JOB "0f3c2f4e-1111-4222-8333-444455556666"
/* three nodes of 2, 2 and 1 ranks; %s: more members */
#define TEST_CONFIG                                                                                \
    "{\"job\":\"" TEST_JOB "\",\"node\":1,\"name\":\"b\",\"nodes\":[{\"name\":\"a\",\"ranks\":2}," \
    "{\"name\":\"b\",\"ranks\":2},{\"name\":\"c\",\"ranks\":1}],\"program\":\"/bin/prog\","        \
    "\"args\":[\"x\",\"\"],\"env\":{\"A\":\"1\",\"PMI_RANK\":\"9\"},\"workdir\":\"/job/output\","  \
    "\"vaddr\":\"10.89.0.2\",\"net\":\"10.89.0.0/16\",\"uid\":-1,\"gid\":5%s}"

static inline int test_config_more(const char *more, struct avow_launch_config **out,
                                   struct avow_error *err)
{
    char text[4096];

    snprintf(text, sizeof text, TEST_CONFIG, more);
    return avow_launch_config_parse(avow_bytes_str(text), out, err);
}

static inline struct avow_launch_config *test_config(void)
{
    struct avow_launch_config *c = NULL;
    struct avow_error err = { 0 };

    if (test_config_more("", &c, &err) < 0)
        fail_msg("%s", err.text);
    return c;
}

#endif
