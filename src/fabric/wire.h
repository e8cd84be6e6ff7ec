/*
 * Every format of the fabric (docs/protocols/fabric.md is the normative page):
 *   between nodes      header, reply               big-endian, authenticated (fabric/keys.h)
 *   rank <-> broker    control requests, replies   same machine and build: host order, fixed size
 *   broker <-> bell    ring requests, replies      the same
 * The records that follow on the connection are in fabric/record.h. Any thread.
 */
#ifndef AVOW_FABRIC_WIRE_H
#define AVOW_FABRIC_WIRE_H

#include "base/bytes.h"

#define AVOW_FABRIC_NET 0x0a590000u /* 10.89.0.0/16, host order: the jobs' virtual network */
#define AVOW_FABRIC_PREFIX 16
#define AVOW_FABRIC_NODES_MAX 65533u /* addresses .0.1 to .255.253 */
#define AVOW_FABRIC_BELL 0x7f4c0001u /* 127.76.0.1: where the doorbell rings from */

/* Virtual address of node @index (0-based) in any job: AVOW_FABRIC_NET + index + 1. */
static inline uint32_t avow_fabric_vaddr(uint32_t index)
{
    return AVOW_FABRIC_NET + index + 1;
}

/* ---- between nodes ---- */

#define AVOW_FABRIC_VERSION 1
#define AVOW_FABRIC_UUID_LEN 16
#define AVOW_FABRIC_NONCE_LEN 32
#define AVOW_FABRIC_MAC_LEN 32
#define AVOW_FABRIC_HEADER_LEN 108u
#define AVOW_FABRIC_REPLY_LEN 72u

enum avow_fabric_status {
    AVOW_FABRIC_CONNECTED = 0,
    AVOW_FABRIC_NO_LISTENER = 1, /* ECONNREFUSED */
    AVOW_FABRIC_NO_NODE = 2,     /* EHOSTUNREACH: not a node of this job */
    AVOW_FABRIC_NO_ANSWER = 3,   /* ETIMEDOUT */
    AVOW_FABRIC_FULL = 4,        /* ENOBUFS: a bound of the broker or the bell */
    AVOW_FABRIC_BROKEN = 5, /* ECONNRESET: the peer's daemon hung up, or is of another version */
    AVOW_FABRIC_NOT_AUTHENTIC = 6, /* ECONNABORTED; the job is being ended */
    AVOW_FABRIC_UNKNOWN = 7,       /* ENOENT: no such ring (fetch only) */
};

/* Sent by the connecting node. */
struct avow_fabric_header {
    uint8_t job[AVOW_FABRIC_UUID_LEN];
    uint64_t epoch;
    uint32_t connector;      /* node index */
    uint32_t connector_rank; /* global rank */
    uint32_t acceptor;       /* node index */
    uint16_t acceptor_port;  /* that connect(2) named */
    uint16_t connector_port; /* virtual source port; 0 unknown */
    uint8_t nonce[AVOW_FABRIC_NONCE_LEN];
    uint8_t mac[AVOW_FABRIC_MAC_LEN];
};

/* Sent back by the accepting node. */
struct avow_fabric_reply {
    uint32_t status; /* enum avow_fabric_status */
    uint8_t nonce[AVOW_FABRIC_NONCE_LEN];
    uint8_t mac[AVOW_FABRIC_MAC_LEN];
};

void avow_fabric_header_emit(const struct avow_fabric_header *h,
                             uint8_t out[AVOW_FABRIC_HEADER_LEN]);
/* Exactly one header. -AVOW_E_TRUNCATED, _TRAILING, _FORMAT (magic), _VERSION. Authenticates
 * nothing. */
AVOW_MUST_USE int avow_fabric_header_parse(struct avow_bytes in, struct avow_fabric_header *h);
void avow_fabric_reply_emit(const struct avow_fabric_reply *r, uint8_t out[AVOW_FABRIC_REPLY_LEN]);
AVOW_MUST_USE int avow_fabric_reply_parse(struct avow_bytes in, struct avow_fabric_reply *r);

/* Text form of a UUID (36 characters, either case) to bytes; -AVOW_E_FORMAT. */
AVOW_MUST_USE int avow_fabric_uuid_parse(const char *text, uint8_t out[AVOW_FABRIC_UUID_LEN]);

/* ---- rank and broker, over AF_UNIX SOCK_SEQPACKET: one message each way for a request ---- */

#define AVOW_CTL_VERSION 1
#define AVOW_CTL_TEXT_MAX 256u

enum avow_ctl_type {
    AVOW_CTL_HELLO = 1, /* with one descriptor: the broker's end of a process's own control socket;
                           the only message on the inherited, shared socket; no answer */
    AVOW_CTL_CONNECT = 2,     /* addr, port: where to; own_port: the socket's local port */
    AVOW_CTL_FETCH = 3,       /* port: source port of the doorbell's connection */
    AVOW_CTL_AUTH_FAILED = 4, /* addr: the peer's node index; followed by text; no answer */
    AVOW_CTL_ANSWER = 16,     /* status; for AVOW_FABRIC_CONNECTED with one descriptor */
};

struct avow_ctl_request {
    uint16_t version;
    uint16_t type;
    uint32_t id; /* comes back in the answer */
    uint32_t addr;
    uint16_t port;
    uint16_t own_port;
};

struct avow_ctl_answer {
    uint16_t version;
    uint16_t type;
    uint32_t id;
    uint32_t status;
    uint32_t own_node, own_rank;
    uint32_t peer_node;
    int32_t peer_rank;            /* -1: not known to the connecting side */
    uint32_t own_addr, peer_addr; /* virtual */
    uint16_t own_port, peer_port;
    uint8_t send_key[32];
    uint8_t recv_key[32];
};

_Static_assert(sizeof(struct avow_ctl_request) == 16, "no padding");
_Static_assert(sizeof(struct avow_ctl_answer) == 104, "no padding");

/* ---- broker and bell, over AF_UNIX SOCK_SEQPACKET ---- */

struct avow_bell_request {
    uint32_t id;
    uint32_t addr; /* connect there, host order */
    uint16_t port;
    uint16_t zero;
};

enum avow_bell_event {
    AVOW_BELL_RANG = 1,   /* the listener has the connection, from source port @port */
    AVOW_BELL_FAILED = 2, /* connect failed with @error (errno) */
    AVOW_BELL_GONE = 3,   /* a connection that rang was closed by the listener's side */
};

struct avow_bell_reply {
    uint32_t id;
    uint16_t event;
    uint16_t port;
    int32_t error;
};

_Static_assert(sizeof(struct avow_bell_request) == 12, "no padding");
_Static_assert(sizeof(struct avow_bell_reply) == 12, "no padding");

/* Rings that the bell has going or waiting to be accepted, in one job on one node. */
#define AVOW_BELL_MAX 4096u
#define AVOW_BELL_CONNECT_MS 5000

/* Exit status of a rank whose connection failed to authenticate (EX_PROTOCOL of sysexits.h). */
#define AVOW_FABRIC_EXIT_AUTH 76

#endif
