/*
 * What libavow-job tells the launch host: one JSON datagram (at most AVOW_JOB_DATAGRAM_MAX bytes)
 * on the AF_UNIX SOCK_SEQPACKET descriptor whose number is in the environment variable AVOW_JOB_FD.
 * Datagrams are advisory telemetry: they are dropped, and the drop counted, rather than ever
 * blocking a rank.
 *
 *   {"t":"begin","i":iteration}                       a sync point begins (state SYNCING)
 *   {"t":"end","i":iteration,"ns":duration,"m":{"loss":0.41,...}}   it ended (state RUNNING)
 *   {"t":"progress","i":done,"n":total}
 *   {"t":"note","text":".."}
 *   {"t":"dropped","n":total}    so many datagrams of this rank were dropped until now
 *
 * A metric that is not a finite number is left out: JSON has no way to write it.
 */
#ifndef AVOW_SDK_WIRE_H
#define AVOW_SDK_WIRE_H

#define AVOW_JOB_DATAGRAM_MAX 4096
#define AVOW_JOB_METRICS_MAX 16
#define AVOW_JOB_METRIC_NAME_MAX 31 /* bytes, [a-z0-9_] */

/* The environment of a rank */
#define AVOW_JOB_ENV_FD "AVOW_JOB_FD"     /* number of the descriptor */
#define AVOW_JOB_ENV_NODE "AVOW_NODE"     /* name of the node in the job file */
#define AVOW_JOB_ENV_INPUT "AVOW_INPUT"   /* folder of this node's input files */
#define AVOW_JOB_ENV_OUTPUT "AVOW_OUTPUT" /* folder for results */

#endif
