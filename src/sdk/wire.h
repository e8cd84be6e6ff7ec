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
 */
#ifndef AVOW_SDK_WIRE_H
#define AVOW_SDK_WIRE_H

#define AVOW_JOB_DATAGRAM_MAX 4096
#define AVOW_JOB_METRICS_MAX 16

#endif
