/*
 * The machine's topology, read once for each node and given to all its ranks through PMIx.
 */
#ifndef AVOW_LAUNCH_TOPOLOGY_H
#define AVOW_LAUNCH_TOPOLOGY_H

/* hwloc's XML (version 2); free() it. NULL if it cannot be had: ranks then look themselves. */
char *avow_topology_xml(void);

#endif
