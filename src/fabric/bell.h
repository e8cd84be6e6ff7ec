/*
 * Doorbell: a tiny server inside the job's network namespace that connects, when the broker asks,
 * from 127.76.0.1 to a rank's real listening socket (docs/protocols/fabric.md, "Doorbell"). libc
 * only.
 */
#ifndef AVOW_FABRIC_BELL_H
#define AVOW_FABRIC_BELL_H

/* Serve requests on @fd (AF_UNIX SOCK_SEQPACKET) until it is closed. Blocks; returns 0 at EOF or a
 * negative code. Run it in a process of its own inside the namespace. */
int avow_bell_serve(int fd);

#endif
