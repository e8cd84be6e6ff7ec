/*
 * The names that a job may bring along: files, nodes, variables, UUIDs. What these accept can be
 * put into a path below a folder, a log line or a label without escaping. Pure; any thread.
 */
#ifndef AVOW_JOB_NAMES_H
#define AVOW_JOB_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AVOW_JOB_FILE_NAME_MAX 255 /* bytes of a whole relative name */
#define AVOW_JOB_FILE_DEPTH_MAX 16 /* components of a name */
#define AVOW_JOB_NODE_NAME_MAX 63
#define AVOW_JOB_NAME_MAX 63
#define AVOW_JOB_ENV_NAME_MAX 127
#define AVOW_JOB_UUID_LEN 36

/* Relative, [A-Za-z0-9._-] and '/', no empty component, none that is "." or "..". */
bool avow_job_file_name_ok(const char *name);
/* [a-z0-9]([a-z0-9-]*[a-z0-9])?, at most 63 bytes: an RFC 1123 label. */
bool avow_job_node_name_ok(const char *name);
/* What people call the job: [A-Za-z0-9._-], 1..63 bytes. */
bool avow_job_name_ok(const char *name);
/*
 * [A-Za-z_][A-Za-z0-9_]*, at most 127 bytes, and not one of those that avow sets itself or that
 * would replace its shim: AVOW_*, PMIX_*, PMI_*, LD_PRELOAD, LD_AUDIT.
 */
bool avow_job_env_name_ok(const char *name);
/* 8-4-4-4-12 lower-case hex digits. */
bool avow_job_uuid_ok(const char *text);
/* The 16 bytes of a UUID that avow_job_uuid_ok accepts, and back. */
void avow_job_uuid_bytes(const char *text, uint8_t out[16]);
void avow_job_uuid_text(const uint8_t bytes[16], char out[AVOW_JOB_UUID_LEN + 1]);

#endif
