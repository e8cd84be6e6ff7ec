/*
 * Environment that keeps the MPI libraries on the transports that the fabric protects: TCP between
 * nodes, shared memory inside one. avow-shell sets it for every rank, over whatever the job says.
 * Sources: reference runs of Open MPI 4.1.4 and MPICH 4.0.2 (UCX 1.13.1); docs/protocols/fabric.md.
 */
#ifndef AVOW_FABRIC_PINS_H
#define AVOW_FABRIC_PINS_H

/* Name of the interface with the node's virtual address in the job's namespace. UCX takes devices
 * by name, and must not choose `lo`. */
#define AVOW_FABRIC_IF "avow0"
#define AVOW_FABRIC_NET_TEXT "10.89.0.0/16"

struct avow_fabric_pin {
    const char *name;
    const char *value;
};

static const struct avow_fabric_pin avow_fabric_pins[] = {
    /* Open MPI: ob1 mixes shared memory and TCP; every other path to the network is off */
    { "OMPI_MCA_pml", "ob1" },
    { "OMPI_MCA_btl", "vader,tcp,self" },
    { "OMPI_MCA_osc", "pt2pt" }, /* osc/ucx and osc/rdma would open transports of their own */
    { "OMPI_MCA_coll", "^hcoll,ucc" },
    { "OMPI_MCA_btl_tcp_if_include", AVOW_FABRIC_NET_TEXT },
    { "OMPI_MCA_mpi_yield_when_idle", "1" },
    /* MPICH, and anything else on UCX */
    { "UCX_TLS", "tcp,posix,sysv,self" },
    { "UCX_NET_DEVICES", AVOW_FABRIC_IF },
    { "UCX_TCP_PUT_ENABLE", "n" }, /* its zero-copy PUT protocol crashed in trials */
    { "UCX_WARN_UNUSED_ENV_VARS", "n" },
    /* libfabric programs: sockets only */
    { "FI_PROVIDER", "tcp" },
};

#define AVOW_FABRIC_PINS_N (sizeof avow_fabric_pins / sizeof avow_fabric_pins[0])

#endif
