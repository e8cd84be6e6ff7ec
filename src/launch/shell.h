/*
 * avow-shell: one for each job and node. avowd starts it with one end of an AF_UNIX SOCK_STREAM
 * socketpair as descriptor 3; they exchange frames: u32be length of what follows, u8 type, payload.
 * The shell makes the job's namespaces, drops privileges, hosts PMIx and PMI-1, starts and reaps
 * the ranks, forwards their output. It knows nothing of attestation, keys or the network: messages
 * for the shell of another node are opaque to avowd, which carries them over its attested links.
 */
#ifndef AVOW_LAUNCH_SHELL_H
#define AVOW_LAUNCH_SHELL_H

#define AVOW_SHELL_FD 3
#define AVOW_SHELL_FRAME_MAX (8u << 20) /* bytes after the length word */
#define AVOW_SHELL_RANKS_MAX 1024       /* ranks on one node */
#define AVOW_SHELL_OUTPUT_CHUNK 16384   /* bytes of stdout or stderr in one frame at most */

enum avow_shell_msg {
    /* avowd -> shell */
    AVOW_SHELL_CONFIG = 1,  /* JSON, see below; the first frame. With it, by SCM_RIGHTS on the first
                               byte of the frame: bell fd, then one fabric fd for each local rank.
                               Linux passes at most 253 descriptors with one byte (SCM_MAX_FD):
                               more follow in order on the next bytes of the frame, 253 on each */
    AVOW_SHELL_GO = 2,      /* empty: all shells are ready, start the ranks */
    AVOW_SHELL_PEER_IN = 3, /* u32be source node index, blob from that node's shell */
    AVOW_SHELL_KILL = 4, /* UTF-8 reason: end the ranks (TERM, then KILL after 500 ms) and report */
    /* shell -> avowd */
    AVOW_SHELL_READY = 16,    /* JSON {"pid":.., "namespace":true}: prepared, waiting for GO */
    AVOW_SHELL_PEER_OUT = 17, /* u32be destination node index, blob */
    AVOW_SHELL_OUTPUT = 18,   /* u32be rank, u8 stream (1 stdout, 2 stderr), bytes */
    AVOW_SHELL_SDK = 19, /* u32be rank, JSON datagram of the rank's libavow-job (src/sdk/wire.h) */
    AVOW_SHELL_RANK_EXIT = 20, /* JSON {"rank","status" (wait status),"exit" (0..255, 128+n for
                                  signal n),"signal","connected","finalized","aborted",
                                  "text"} */
    AVOW_SHELL_DONE = 21, /* JSON {"ok":bool,"exit":int,"code":"rank"|"singleton"|...,"rank":int|-1,
                             "text":".."}; the last frame, exactly one: outcome of the whole job as
                             this node's shell knows it */
    AVOW_SHELL_LOG = 22,  /* UTF-8 line for avowd's log */
};

/*
 * CONFIG:
 * {"job":uuid, "node":own index, "name":own node name, "nodes":[{"name":..,"ranks":n}...] (by node
 *  index; global ranks are consecutive, node by node), "program":absolute path, "args":[..],
 *  "env":{..}, "workdir":absolute path (cwd of the ranks), "vaddr":"10.89.0.1",
 *  "net":"10.89.0.0/16", "uid":n, "gid":n (who the ranks and the shell become; -1: stay),
 *  "preload":absolute path of libavow-fabric.so ("": none), "time_limit_ms":n (0: none),
 *  "require_namespace":true}
 * and, where wanted, "hide":absolute path of the folder of all jobs' folders, of which the job sees
 * its own only, "file_max":n (bytes of one file that a rank writes; 0: no limit),
 * "pmi1_stall_ms":n (2000), "allow_non_mpi":bool (false).
 *
 * The end of the stream without DONE means that the shell was killed: the job failed. Codes of
 * DONE: docs/protocols/shell.md.
 */

#endif
