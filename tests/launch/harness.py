"""Plays avowd for the shells of one job: sockets, CONFIG, GO, messages between shells, frames."""
import array
import atexit
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest
import uuid

BUILD = os.environ["AVOW_BUILD"]
PROGRAMS = os.path.join(BUILD, "tests/launch")
SOURCE = os.path.dirname(os.path.abspath(__file__))

CONFIG, GO, PEER_IN, KILL = 1, 2, 3, 4
READY, PEER_OUT, OUTPUT, SDK, RANK_EXIT, DONE, LOG = 16, 17, 18, 19, 20, 21, 22


# The checkout may be in a folder that other users cannot enter, and some shells and ranks are other users.
REACHABLE = tempfile.mkdtemp(prefix="avow-launch-programs-")
atexit.register(shutil.rmtree, REACHABLE)
os.chmod(REACHABLE, 0o755)


def reachable(path):
    """A copy of an executable where every user reaches it; where there is none, the path that it would have."""
    copy = os.path.join(REACHABLE, os.path.basename(path))
    if os.path.exists(path) and not os.path.exists(copy):
        shutil.copyfile(path, copy)
        os.chmod(copy, 0o755)
    return copy


def program(name):
    return reachable(os.path.join(PROGRAMS, name))


SHELL = reachable(os.path.join(BUILD, "src/launch/avow-shell"))


class Shell:
    """One avow-shell and what it said."""

    def __init__(self, job, node):
        self.job, self.node = job, node
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock = ours
        fd = theirs.fileno()

        def arrange():
            os.dup2(fd, 3)
            os.set_inheritable(3, True)

        self.stderr = tempfile.TemporaryFile()
        # descriptor 3 of this process is a placeholder (see hold_three), so dup2 in the child is safe
        self.process = subprocess.Popen(
            [*job.prefix, SHELL], stdin=subprocess.DEVNULL, stdout=self.stderr, stderr=self.stderr,
            close_fds=False, preexec_fn=arrange, cwd="/", env={"SECRET": "x", "PATH": os.environ["PATH"], "ASAN_OPTIONS": "detect_leaks=0",  # libpmix leaks
                 "UBSAN_OPTIONS": "halt_on_error=1"},
        )
        theirs.close()
        self.buffer = b""
        self.pending = b""
        self.frames = []
        self.ready = self.done = None
        self.output = {}
        self.sdk, self.exits, self.logs = [], {}, []
        self.eof = False
        self.fabric = []

    def send(self, kind, body=b""):
        self.pending += struct.pack(">IB", len(body) + 1, kind) + body
        self.flush()

    def flush(self):
        while self.pending:
            try:
                n = self.sock.send(self.pending, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionResetError):
                self.pending = b""
                return
            self.pending = self.pending[n:]

    def send_config(self, config):
        body = json.dumps(config).encode()
        frame = struct.pack(">IB", len(body) + 1, CONFIG) + body
        ends = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(1 + self.job.ranks[self.node])]
        fds = [theirs.fileno() for _, theirs in ends]
        # at most 253 descriptors with one byte
        at = 0
        while fds:
            part, fds = fds[:253], fds[253:]
            self.sock.sendmsg([frame[at : at + 1]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", part))])
            at += 1
        self.pending = frame[at:]
        self.flush()
        self.bell = ends[0][0]
        self.fabric = [ours for ours, _ in ends[1:]]
        for _, theirs in ends:
            theirs.close()

    def receive(self):
        try:
            chunk = self.sock.recv(1 << 20)
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            self.eof = True
            return
        self.buffer += chunk
        while len(self.buffer) >= 5:
            (length,) = struct.unpack(">I", self.buffer[:4])
            if len(self.buffer) < 4 + length:
                break
            kind, body = self.buffer[4], self.buffer[5 : 4 + length]
            self.buffer = self.buffer[4 + length :]
            self.frame(kind, body)

    def frame(self, kind, body):
        assert self.done is None, f"frame {kind} after DONE"
        if kind == READY:
            self.ready = json.loads(body)
        elif kind == PEER_OUT:
            (to,) = struct.unpack(">I", body[:4])
            self.job.forward(self.node, to, body[4:])
        elif kind == OUTPUT:
            rank, stream = struct.unpack(">IB", body[:5])
            assert len(body) - 5 <= 16384
            self.output[rank, stream] = self.output.get((rank, stream), b"") + body[5:]
        elif kind == SDK:
            self.sdk.append((struct.unpack(">I", body[:4])[0], json.loads(body[4:])))
        elif kind == RANK_EXIT:
            exit = json.loads(body)
            assert exit["rank"] not in self.exits
            self.exits[exit["rank"]] = exit
        elif kind == DONE:
            self.done = json.loads(body)
        elif kind == LOG:
            self.logs.append(body.decode())
        else:
            raise AssertionError(f"frame of type {kind}")

    def said(self):
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")


class Job:
    """A job over len(ranks) shells on this machine."""

    def __init__(self, test, ranks, prog, args=(), prefix=(), dir=None, slow=False, **config):
        hold_three()
        self.ranks, self.prefix = list(ranks), list(prefix)
        self.id = str(uuid.uuid4())
        self.dir = dir or tempfile.mkdtemp(prefix="avow-launch-")
        os.chmod(self.dir, 0o755)
        for name in ("input", "output"):
            path = os.path.join(self.dir, name)
            os.makedirs(path, exist_ok=True)
            os.chmod(path, 0o777)
        self.slow = slow
        self.dropped = []  # nodes that are cut off
        test.addCleanup(self.close)
        self.shells = [Shell(self, node) for node in range(len(self.ranks))]
        for shell in self.shells:
            base = {
                "job": self.id, "node": shell.node, "name": f"n{shell.node}",
                "nodes": [{"name": f"n{i}", "ranks": n} for i, n in enumerate(self.ranks)],
                "program": prog, "args": [str(a) for a in args], "env": {}, "workdir": os.path.join(self.dir, "output"),
                "vaddr": f"10.89.0.{shell.node + 1}", "net": "10.89.0.0/16", "uid": -1, "gid": -1, "preload": "",
                "time_limit_ms": 0, "require_namespace": True,
            }
            base.update(config)
            base = {k: v for k, v in base.items() if v is not None}
            shell.send_config(base)

    def forward(self, source, to, blob):
        assert to != source
        self.shells[to].send(PEER_IN, struct.pack(">I", source) + blob)

    def wait(self, what, seconds, text):
        end = time.monotonic() + seconds
        while not what():
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"no {text} within {seconds} s: {self.describe()}")
            reading = [s.sock for s in self.shells if not s.eof]
            writing = [s.sock for s in self.shells if s.pending and not s.eof]
            ready, writable, _ = select.select(reading, writing, [], min(left, 0.2))
            for shell in self.shells:
                if shell.sock in writable:
                    shell.flush()
                if shell.sock in ready:
                    shell.receive()
        return self

    def describe(self):
        return "\n".join(
            f"node {s.node}: ready {s.ready} done {s.done} exits {s.exits} eof {s.eof} logs {s.logs} "
            f"output {s.output} stderr {s.said()}" for s in self.shells
        )

    def start(self, seconds=30):
        self.wait(lambda: all(s.ready or s.done or s.eof for s in self.shells), seconds, "READY")
        assert all(s.ready for s in self.shells), self.describe()
        for shell in self.shells:
            shell.send(GO)
        return self

    def finish(self, seconds=60):
        self.wait(lambda: all(s.done or s.eof for s in self.shells), seconds, "DONE")
        assert all(s.done for s in self.shells), self.describe()
        self.wait(lambda: all(s.eof for s in self.shells), 10, "end of the shells")
        for shell in self.shells:
            assert shell.process.wait(10) == (0 if shell.ready else 1), self.describe()
        return self.shells[0].done

    def run(self, seconds=60):
        return self.start().finish(seconds)

    def out(self, rank, stream=1):
        return b"".join(s.output.get((rank, stream), b"") for s in self.shells)

    def outs(self, stream=1):
        return [self.out(rank, stream).decode() for rank in range(sum(self.ranks))]

    def close(self):
        for shell in self.shells:
            shell.sock.close()
            try:
                shell.process.wait(5)
            except subprocess.TimeoutExpired:
                shell.process.kill()
                shell.process.wait(5)
            for end in [shell.bell, *shell.fabric]:
                end.close()
            shell.stderr.close()
        subprocess.run(["rm", "-rf", self.dir], check=True)


def hold_three():
    """Keep descriptor 3 of this process taken, so that no socket gets that number by chance."""
    while True:
        fd = os.open("/dev/null", os.O_RDONLY)
        if fd > 3:
            os.close(fd)
            return


def processes_with(text):
    """Pids of processes whose command line or environment names @text."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for what in ("cmdline", "environ"):
                with open(f"/proc/{pid}/{what}", "rb") as f:
                    if text.encode() in f.read():
                        found.append(int(pid))
                        break
        except OSError:
            pass
    return [p for p in found if p != os.getpid()]


def eventually(what, seconds, text):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {text}")
        time.sleep(0.02)
