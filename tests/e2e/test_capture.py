"""What crosses the wire between nodes: two hosts in network namespaces, every frame captured.

The job's traffic must show nothing of data, model or environment. The same program under plain
mpirun between the same hosts must show all of it, or the capture proves nothing.
"""
import ctypes
import socket
import struct
import subprocess
import threading

from harness import *

LEAK = os.path.join(PROGRAMS, "leak")
TEXT = "the-patient-is-malignant-7f3a91"
SECRET = "environment-secret-55c0de"


def sh(*args, check=True, **more):
    return subprocess.run(args, check=check, capture_output=True, text=True, timeout=60, **more)


class Capture:
    """Every frame that a device sends or receives, kept in memory (bounded)."""

    LIMIT = 512 << 20

    def __init__(self, device):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)  # SO_RCVBUFFORCE
        self.socket.bind((device, 0))
        self.socket.settimeout(0.05)
        self.frames = []
        self.size = 0
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.size < self.LIMIT:
            try:
                frame = self.socket.recv(1 << 17)
            except TimeoutError:
                if self.stopping:  # everything that was sent before has been read
                    return
                continue
            self.frames.append(frame)
            self.size += len(frame)

    def stop(self):
        self.stopping = True
        self.thread.join(30)
        if self.thread.is_alive():
            raise AssertionError("the capture does not end")
        self.socket.close()
        return self

    def streams(self):
        """TCP payloads joined in each direction, so that a needle across two frames is found."""
        out = {}
        for f in self.frames:
            if len(f) < 54 or f[12:14] != b"\x08\x00" or f[23] != 6:
                continue
            ihl = (f[14] & 15) * 4
            total = struct.unpack(">H", f[16:18])[0] or len(f) - 14
            tcp = 14 + ihl
            offset = (f[tcp + 12] >> 4) * 4
            key = f[26:34] + f[tcp:tcp + 4]
            out.setdefault(key, bytearray()).extend(f[tcp + offset:14 + total])
        return out

    def ports(self):
        out = set()
        for f in self.frames:
            if len(f) >= 38 and f[12:14] == b"\x08\x00" and f[23] in (6, 17):
                tcp = 14 + (f[14] & 15) * 4
                out.add((socket.inet_ntoa(f[26:30]), struct.unpack(">H", f[tcp:tcp + 2])[0]))
                out.add((socket.inet_ntoa(f[30:34]), struct.unpack(">H", f[tcp + 2:tcp + 4])[0]))
        return out

    def shows(self, needle):
        return any(needle in bytes(s) for s in self.streams().values()) or any(needle in f for f in self.frames)


@unittest.skipUnless(os.geteuid() == 0, "*** SKIPPED: capturing needs root ***")
class Wire(ClusterTest):
    node_options = []

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tag = f"av{os.getpid() % 10000}"
        cls.ns = [f"{tag}a", f"{tag}b"]
        cls.bridge = f"{tag}br"
        cls.addClassCleanup(cls.clean)
        # The client's host is a namespace too, with the bridge in it; this process moves there.
        sh("ip", "netns", "add", f"{tag}c")
        cls.client_ns = f"{tag}c"
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net") as home, open(f"/run/netns/{tag}c") as there:
            cls.home = os.dup(home.fileno())
            if libc.setns(there.fileno(), 0) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        sh("ip", "link", "set", "lo", "up")
        sh("ip", "link", "add", cls.bridge, "type", "bridge")
        sh("ip", "addr", "add", "10.77.9.1/24", "dev", cls.bridge)
        sh("ip", "link", "set", cls.bridge, "up")
        for i, ns in enumerate(cls.ns):
            sh("ip", "netns", "add", ns)
            sh("ip", "link", "add", f"{ns}v", "type", "veth", "peer", "name", "eth0", "netns", ns)
            sh("ip", "link", "set", f"{ns}v", "master", cls.bridge, "up")
            sh("ip", "-n", ns, "addr", "add", f"10.77.9.{i + 2}/24", "dev", "eth0")
            sh("ip", "-n", ns, "link", "set", "eth0", "up")
            sh("ip", "-n", ns, "link", "set", "lo", "up")
        for i, (name, tee) in enumerate((("hospital-a", "snp"), ("hospital-b", "tdx"))):
            cls.cluster.add(name, tee, host=f"10.77.9.{i + 2}", prefix=("ip", "netns", "exec", cls.ns[i]))

    @classmethod
    def clean(cls):
        for node in cls.cluster.nodes:
            node.stop()
        if hasattr(cls, "home"):
            ctypes.CDLL(None).setns(cls.home, 0)
            os.close(cls.home)
        for ns in cls.ns + [cls.client_ns]:
            sh("ip", "netns", "del", ns, check=False)

    def needles(self):
        a = os.path.join(DATA, "hospital-a", "train.csv")
        row = [r for r in open(a, "rb").read().splitlines() if r.count(b",") > 20][3]
        return {
            "text sent by MPI": TEXT.encode(),
            "environment": SECRET.encode(),
            "model as doubles": struct.pack("<d", 0.7310585786300049) * 2,
            "model as doubles, other rank": struct.pack("<d", 1.7310585786300049) * 2,
            "a row of the data": row[:40],
        }

    def run_leak(self, **more):
        site = os.path.join(DATA, "hospital-a")
        return self.cluster.avow("run", self.cluster.write_job(
            program=LEAK, args=(TEXT,), env={"LEAK_ENV": SECRET}, inputs={"train.csv": os.path.join(site, "train.csv")},
            **more))

    def test_1_nothing_is_seen(self):
        capture = Capture(f"{self.ns[0]}v")
        result = self.run_leak()
        capture.stop()
        self.check(result, 0, "COMPLETED")
        self.assertGreater(capture.size, 1 << 20)  # the large message did cross the wire
        for what, needle in self.needles().items():
            self.assertFalse(capture.shows(needle), what)
        # between the nodes: nothing but the daemons' own ports
        allowed = {(n.options["host"], p) for n in self.cluster.nodes for p in (n.options["api_port"], n.options["node_port"])}
        for frame_port in self.pairs(capture):
            self.assertTrue(set(frame_port) & allowed, frame_port)

    def pairs(self, capture):
        out = set()
        for f in capture.frames:
            if len(f) >= 38 and f[12:14] == b"\x08\x00" and f[23] in (6, 17):
                tcp = 14 + (f[14] & 15) * 4
                out.add(((socket.inet_ntoa(f[26:30]), struct.unpack(">H", f[tcp:tcp + 2])[0]),
                         (socket.inet_ntoa(f[30:34]), struct.unpack(">H", f[tcp + 2:tcp + 4])[0])))
        return out

    def test_2_hospitals_job(self):
        """The real job: no row of either hospital, nothing of the model, in text or as doubles."""
        capture = Capture(f"{self.ns[0]}v")
        result = self.cluster.avow("run", self.cluster.write_job(name="real.yaml"))
        capture.stop()
        self.check(result, 0, "COMPLETED")
        model = next(os.path.join(w, f) for w, _, fs in os.walk(os.path.join(self.cluster.dir, "results"))
                     for f in fs if f == "model.json")
        weights = json.load(open(model))["weights"]
        flat = [float(w) for w in (weights if isinstance(weights, list) else weights.values())]
        for w in flat:
            self.assertFalse(capture.shows(struct.pack("<d", w)), "a weight as a double")
            self.assertFalse(capture.shows(repr(w)[:12].encode()), "a weight as text")
        for x in "ab":
            for row in open(os.path.join(DATA, f"hospital-{x}", "train.csv"), "rb").read().splitlines()[1:40]:
                self.assertFalse(capture.shows(row[:40]))

    def test_3_control(self):
        """Plain mpirun between the same two hosts: everything is seen."""
        agent = os.path.join(self.cluster.dir, "agent")
        with open(agent, "w") as f:
            f.write(f"#!/bin/sh\nhost=$1; shift\ncase $host in 10.77.9.2) n={self.ns[0]};; *) n={self.ns[1]};; esac\n"
                    "exec ip netns exec $n sh -c \"$*\"\n")
        os.chmod(agent, 0o755)
        capture = Capture(f"{self.ns[0]}v")
        env = dict(os.environ, LEAK_ENV=SECRET, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
        done = subprocess.run(
            ["ip", "netns", "exec", self.ns[0], "mpirun.openmpi", "--mca", "plm_rsh_agent", agent, "--mca", "btl", "tcp,self",
             "--mca", "btl_tcp_if_include", "10.77.9.0/24", "--mca", "oob_tcp_if_include", "10.77.9.0/24", "--mca", "pml", "ob1",
             "-x", "LEAK_ENV", "-np", "2", "--host", "10.77.9.2:1,10.77.9.3:1", "--oversubscribe", LEAK, TEXT],
            capture_output=True, text=True, timeout=90, env=env)
        capture.stop()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        needles = self.needles()
        del needles["a row of the data"]  # mpirun ships no data: its files are wherever the hosts have them
        del needles["model as doubles, other rank"] # which rank sends first is MPI's choice
        for what, needle in needles.items():
            self.assertTrue(capture.shows(needle), "not seen without encryption: " + what)

    def test_4_without_the_shim(self):
        """The shim removed: the job fails, and not one byte of it leaves the node."""
        for node in self.cluster.nodes:
            node.stop()
            node.options["preload"] = os.path.join(self.cluster.dir, "empty.so")
        empty = os.path.join(self.cluster.dir, "empty.c")
        with open(empty, "w") as f:
            f.write("int avow_no_shim = 1;\n")
        sh("gcc", "-shared", "-fPIC", "-o", os.path.join(self.cluster.dir, "empty.so"), empty)
        for node in self.cluster.nodes:
            node.start(node.options["prefix"])
        capture = Capture(f"{self.ns[0]}v")
        result = self.run_leak(**{"time-limit": "20s"})
        capture.stop()
        self.check(result, 6, "FAILED")
        for what, needle in self.needles().items():
            self.assertFalse(capture.shows(needle), what)
        allowed = {(n.options["host"], p) for n in self.cluster.nodes for p in (n.options["api_port"], n.options["node_port"])}
        for pair in self.pairs(capture):
            self.assertTrue(set(pair) & allowed, pair)
        for frame in capture.frames:
            self.assertNotIn(socket.inet_aton("10.89.0.1"), frame[:64])
            self.assertNotIn(socket.inet_aton("10.89.0.2"), frame[:64])


if __name__ == "__main__":
    main()
