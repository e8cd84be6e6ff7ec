/*
 * Signals: the first SIGINT or SIGTERM stops the client, which then cancels the job on the nodes; a
 * second one ends the process at once. A thread waits for them, so that no code runs in a handler.
 */
#ifndef AVOW_CLI_SIGNALS_H
#define AVOW_CLI_SIGNALS_H

#include "client/client.h"

/* Before any other thread is made: blocks the signals and starts the thread. */
void avow_signals_init(void);
/* The client to stop, or NULL. */
void avow_signals_watch(struct avow_client *c);
/* Becomes readable when a signal came, and stays so; -1 before avow_signals_init. */
int avow_signals_fd(void);
/* Whether a signal came. */
bool avow_signals_came(void);

#endif
