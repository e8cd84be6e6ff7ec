"""A rank that speaks PMI-1 alone: put, barrier, get of everybody's keys, finalize."""
import os
import socket
import sys
import time

rank, size = int(os.environ["PMI_RANK"]), int(os.environ["PMI_SIZE"])
what = sys.argv[1] if len(sys.argv) > 1 else ""
pmi = socket.socket(fileno=int(os.environ["PMI_FD"])).makefile("rw", newline="\n")


def ask(line):
    pmi.write(line + "\n")
    pmi.flush()
    answer = pmi.readline().rstrip("\n")
    return dict(part.split("=", 1) for part in answer.split(" ") if "=" in part)


def must(reply, **expected):
    for key, value in expected.items():
        assert reply.get(key) == value, (reply, expected)
    return reply


must(ask("cmd=init pmi_version=1 pmi_subversion=1"), cmd="response_to_init", rc="0")
must(ask("cmd=get_maxes"), cmd="maxes", vallen_max="1024")
must(ask("cmd=get_appnum"), appnum="0")
must(ask("cmd=get_universe_size"), size=str(size))
kvs = ask("cmd=get_my_kvsname")["kvsname"]
mapping = ask(f"cmd=get kvsname={kvs} key=PMI_process_mapping")["value"]
for round in range(3):
    value = f"{round}.{rank}." + "v" * 900
    must(ask(f"cmd=put kvsname={kvs} key=k{round}.{rank} value={value}"), rc="0")
    must(ask("cmd=barrier_in"), cmd="barrier_out")
    for r in range(size):
        must(ask(f"cmd=get kvsname={kvs} key=k{round}.{r}"), rc="0", value=f"{round}.{r}." + "v" * 900)
must(ask(f"cmd=get kvsname={kvs} key=absent"), rc="-1")
must(ask("cmd=publish_name service=x port=y"), rc="-1")
print(f"rank {rank} of {size} mapping {mapping}", flush=True)
if what == "abort" and rank == size - 1:
    pmi.write("cmd=abort exitcode=42\n")
    pmi.flush()
    time.sleep(1000)
if what == "garbage" and rank == size - 1:
    pmi.write("cmd=put key=\x01\n")
    pmi.flush()
    assert pmi.readline() == ""  # the server hangs up
    sys.exit(9)
if what == "stall" and rank == 0:
    time.sleep(3)  # does not come to the last barrier until the others left it
    start = time.monotonic()
    must(ask("cmd=barrier_in"), cmd="barrier_out")
else:
    start = time.monotonic()
    must(ask("cmd=barrier_in"), cmd="barrier_out")
print(f"waited {time.monotonic() - start:.1f}", flush=True)
must(ask("cmd=finalize"), cmd="finalize_ack")
