/*
 * Records: what this user's jobs were, so that `avow status JOB` needs no job file. One JSON file
 * for each job below $XDG_STATE_HOME/avow/jobs: where the nodes are, the policy, who judges, the
 * last known state. No secret is in it: whoever asks about the job attests the nodes anew.
 */
#ifndef AVOW_CLIENT_RECORD_H
#define AVOW_CLIENT_RECORD_H

#include "client/client.h"

#define AVOW_RECORD_MAX (4u << 20)

/* Make the folders above the file @path, 0700 where they do not exist. -AVOW_E_NOMEM, _SYSTEM. */
AVOW_MUST_USE int avow_client_make_parents(const char *path, struct avow_error *err);
/* Write or replace the record of ->job, with @state as last known. */
AVOW_MUST_USE int avow_record_save(const struct avow_client *c, const char *state,
                                   struct avow_error *err);
/* The record as a plan without program and inputs. -AVOW_E_NOTFOUND. */
AVOW_MUST_USE int avow_record_load(const char *job, struct avow_plan **out, struct avow_error *err);
/* [{"job","name","created","state"}], newest first, at most @max. */
AVOW_MUST_USE int avow_record_list(size_t max, json_t **out, struct avow_error *err);

#endif
