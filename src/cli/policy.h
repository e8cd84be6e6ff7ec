/* avow policy, shared by its sub-commands: what was given, and the evidence judged one by one. */
#ifndef AVOW_CLI_POLICY_H
#define AVOW_CLI_POLICY_H

#include "cli/verify.h"

struct avow_policy_args {
    const char *at, *roots, *output, *member;
    bool tight, pin_machines, allow_debug;
    struct avow_list with;
    size_t n; /* evidence */
    const char *const *evidence;
};

/* Called with each piece of evidence that was judged. A failure ends the command. */
typedef int avow_policy_each(void *ctx, const char *path, const struct avow_verify_item *item,
                             struct avow_error *err);

/*
 * Judge each piece of evidence of @a by @s's policy, in order. With one piece alone, all of --with
 * may belong to it; with more, --with has endorsements for any of them. Codes of gathering and
 * judging, and of @each.
 */
AVOW_MUST_USE int avow_policy_judge_each(struct avow_verify_setup *s,
                                         const struct avow_policy_args *a, avow_policy_each *each,
                                         void *ctx, struct avow_error *err);

/* avow policy from: an enum avow_exit. */
int avow_policy_from(struct avow_cli *cli, const struct avow_policy_args *a);

#endif
