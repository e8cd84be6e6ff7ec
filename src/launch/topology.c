#include "launch/topology.h"

#include <hwloc.h>
#include <string.h>

char *avow_topology_xml(void)
{
    hwloc_topology_t t = NULL;
    char *xml = NULL, *copy = NULL;
    int len = 0;

    if (hwloc_topology_init(&t) != 0)
        return NULL;
    hwloc_topology_set_io_types_filter(t, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
    if (hwloc_topology_load(t) == 0 && hwloc_topology_export_xmlbuffer(t, &xml, &len, 0) == 0) {
        copy = strdup(xml);
        hwloc_free_xmlbuffer(t, xml);
    }
    hwloc_topology_destroy(t);
    return copy;
}
