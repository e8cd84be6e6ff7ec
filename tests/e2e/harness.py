"""Real daemons, real client, simulated TEEs: what the end-to-end tests share. Standard library only.

Every Cluster lives in a folder of its own, on loopback with ephemeral ports, and ends its processes.
"""
import base64
import hashlib
import http.client
import json
import os
import re
import secrets
import select
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import unittest
import uuid

SOURCE = os.environ.get("AVOW_SOURCE", os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..")))
BUILD = os.environ.get("AVOW_BUILD", os.path.join(SOURCE, "build"))
AVOW = os.path.join(BUILD, "src/cli/avow")
AVOWD = os.path.join(BUILD, "src/daemon/avowd")
AVOW_SIM = os.path.join(BUILD, "src/source/avow-sim")
SHELL = os.path.join(BUILD, "src/launch/avow-shell")
PRELOAD = os.path.join(BUILD, "src/fabric/libavow-fabric.so")
TRAIN = os.path.join(BUILD, "examples/hospitals/train")
PROGRAMS = os.path.join(BUILD, "tests/e2e")
DATA = os.path.join(SOURCE, "examples/hospitals/data")

# The jobs' own user passes through the folders that tests make, whoever starts them.
os.umask(0o022)


def measurement(image="avow-node-1"):
    """What a simulated machine measures for an image (src/source/source.h)."""
    return hashlib.sha384(b"avow simulated image:" + image.encode()).hexdigest()


def processes_mentioning(text):
    """Processes whose command line, environment, working folder or mounts mention a path."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        try:
            with open(f"/proc/{pid}/stat") as f:
                if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                    continue
            with open(f"/proc/{pid}/cmdline", "rb") as c, open(f"/proc/{pid}/environ", "rb") as e:
                blob = c.read() + b"\0" + e.read()
            cwd = os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            continue
        if text.encode() in blob or text in cwd:
            found.append((int(pid), blob.split(b"\0")[0].decode(errors="replace")))
    return found


def wait_for(condition, timeout, what):
    """Poll a condition that has no event to wait for (another program's files); bounded."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout} s: {what}")


class Node:
    def __init__(self, cluster, name, tee, **options):
        self.cluster = cluster
        self.name = name
        self.tee = tee
        self.options = options
        self.dir = os.path.join(cluster.dir, name)
        self.state = os.path.join(self.dir, "state")
        self.process = None
        self.api = self.nodes = None
        os.makedirs(self.dir, exist_ok=True)
        if "device" in options:
            self.device = options["device"]
        else:
            self.device = os.path.join(self.dir, "tee")
            command = [AVOW_SIM, "vm", "--vendor", cluster.vendor, "--tee", tee]
            command += options.get("vm", [])
            subprocess.run(command + [self.device], check=True, timeout=60, capture_output=True)

    def config(self):
        config = {
            "name": self.name,
            "listen": f"{self.options.get('host', '127.0.0.1')}:{self.options.get('api_port', 0)}",
            "listen-nodes": f"{self.options.get('host', '127.0.0.1')}:{self.options.get('node_port', 0)}",
            "state-dir": self.state,
            "tee": {"kind": "sim-" + self.tee, "dir": self.device},
            "authorized-clients": self.cluster.authorized,
            "simulated-roots": os.path.join(self.cluster.vendor, "roots.pem"),
            "policy": self.options.get("policy", self.cluster.node_policy),
            "shell": SHELL,
            "preload": self.options.get("preload", PRELOAD),
            "quote-rate": 1000,  # tests ask for far more quotes in a second than people do
        }
        config.update(self.options.get("config", {}))
        return config

    def start(self, prefix=()):
        path = os.path.join(self.dir, "avowd.yaml")
        with open(path, "w") as f:
            json.dump(self.config(), f, indent=1)  # JSON is YAML
        self.log = open(os.path.join(self.dir, "avowd.log"), "ab")
        r, w = os.pipe()
        self.process = subprocess.Popen(
            [*prefix, AVOWD, "--config", path, "--ready-fd", str(w)],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, pass_fds=[w],
        )
        os.close(w)
        line = b""
        end = time.monotonic() + 20
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([r], [], [], max(0, end - time.monotonic()))
            chunk = os.read(r, 4096) if ready else b""
            if not chunk:
                os.close(r)
                raise AssertionError(f"avowd {self.name} did not start:\n{self.log_text()}")
            line += chunk
        os.close(r)
        ready = json.loads(line)
        self.api, self.nodes = ready["api"], ready["nodes"]
        # the same ports after a restart, so that clients find it again
        self.options["api_port"] = int(self.api.rsplit(":", 1)[1])
        self.options["node_port"] = int(self.nodes.rsplit(":", 1)[1])
        return self

    def log_text(self):
        with open(os.path.join(self.dir, "avowd.log"), errors="replace") as f:
            return f.read()

    def kill(self, sig=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(sig)
            self.process.wait(20)

    def stop(self):
        self.kill(signal.SIGTERM)
        if self.process:
            self.log.close()

    def client(self):
        return NodeClient(self)


class NodeClient:
    """A client of the API that skips verification on purpose: the tests' hostile or curious one."""

    def __init__(self, node, identity=None, attest=True):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["avow/1"])
        identity = identity or node.cluster.identity
        if identity != "none":
            context.load_cert_chain(identity)
        host, port = node.api.rsplit(":", 1)
        self.http = http.client.HTTPSConnection(host, int(port), context=context, timeout=30)
        self.bundle = None
        if attest:
            status, reply = self.call("POST", "/v1/attestation/quote", {"nonce": secrets.token_hex(32)})
            if status != 200:
                raise AssertionError(f"quote: {status} {reply}")
            self.bundle = reply["bundle"]

    def call(self, method, path, body=None, raw=None):
        data = raw if raw is not None else (json.dumps(body) if body is not None else None)
        headers = {"Content-Type": "application/octet-stream" if raw is not None else "application/json"}
        self.http.request(method, path, body=data, headers=headers)
        reply = self.http.getresponse()
        payload = reply.read()
        try:
            return reply.status, json.loads(payload) if payload else {}
        except ValueError:
            return reply.status, payload

    def close(self):
        self.http.close()


class Cluster:
    def __init__(self, **options):
        self.dir = tempfile.mkdtemp(prefix="avow-e2e-")
        os.chmod(self.dir, 0o755)  # the jobs' own user passes through
        self.vendor = os.path.join(self.dir, "vendor")
        shared = options.get("vendor")
        if shared:
            self.vendor = shared
        else:
            subprocess.run([AVOW_SIM, "vendor", self.vendor], check=True, timeout=120, capture_output=True)
        self.home = os.path.join(self.dir, "home")
        os.makedirs(self.home)
        self.env = dict(os.environ, HOME=self.home, XDG_CONFIG_HOME=self.home + "/config",
                        XDG_STATE_HOME=self.home + "/state", NO_COLOR="1")
        self.identity = os.path.join(self.home, "config/avow/client.pem")
        self.authorized = os.path.join(self.dir, "authorized-clients")
        spki = self.avow("identity", "--json").json["spki"]
        with open(self.authorized, "w") as f:
            f.write(f"sha256:{spki} the owner\n")
        self.node_policy = self.write_policy("node-policy.yaml")
        self.nodes = []

    def write_policy(self, name, simulated=True, images=("avow-node-1",), **more):
        path = os.path.join(self.dir, name)
        values = [measurement(i) for i in images]
        policy = {"version": 1, "allow-simulated": simulated,
                  "snp": {"measurements": values}, "tdx": {"mrtd": values}}
        policy.update(more)
        with open(path, "w") as f:
            json.dump(policy, f)
        return path

    def add(self, name, tee, start=True, **options):
        node = Node(self, name, tee, **options)
        self.nodes.append(node)
        if start:
            node.start(options.get("prefix", ()))
        return node

    def write_job(self, nodes=None, program=TRAIN, args=("--iterations", "60"), ranks=1, name="job.yaml", **more):
        nodes = nodes or self.nodes
        policy = more.pop("policy", None) or self.write_policy("job-policy.yaml")
        job = {
            "name": "test",
            "program": {"path": program, "args": list(args)},
            "policy": policy,
            "simulated-roots": os.path.join(self.vendor, "roots.pem"),
            "output": os.path.join(self.dir, "results"),
            "nodes": [],
        }
        inputs = more.pop("inputs", program.startswith(TRAIN))
        for i, node in enumerate(nodes):
            entry = {"name": node.name, "tee": node.tee, "ranks": ranks,
                     "address": node.api or "127.0.0.1:1", "node-address": node.nodes or "127.0.0.1:2"}
            if inputs is True:
                site = os.path.join(DATA, "hospital-" + "ab"[i % 2])
                entry["inputs"] = {f: os.path.join(site, f) for f in ("train.csv", "test.csv")}
            elif inputs:
                entry["inputs"] = inputs
            job["nodes"].append(entry)
        job.update(more)
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            json.dump(job, f, indent=1)
        return path

    def command(self, *args):
        return [AVOW, *args]

    def avow(self, *args, timeout=120, **more):
        done = subprocess.run(self.command(*args), env=self.env, capture_output=True, text=True, errors="replace",
                              timeout=timeout, stdin=subprocess.DEVNULL, **more)
        return Result(done)

    def start_avow(self, *args):
        return subprocess.Popen(self.command(*args), env=self.env, stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def report(self):
        with open(os.path.join(self.dir, "results", "report.json")) as f:
            return json.load(f)

    def close(self):
        for node in self.nodes:
            try:
                node.stop()
            except subprocess.TimeoutExpired:
                node.kill()
        left = processes_mentioning(self.dir)
        for pid, _ in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if os.environ.get("AVOW_KEEP"):
            print("kept", self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        if left:
            raise AssertionError(f"processes left behind: {left}")


class Result:
    def __init__(self, done):
        self.rc = done.returncode
        self.out = done.stdout
        self.err = done.stderr
        self.all = self.out + self.err

    @property
    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"exit {self.rc}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class ClusterTest(unittest.TestCase):
    """Two running nodes, one of each kind, made once for the class."""

    node_options = [("hospital-a", "snp", {}), ("hospital-b", "tdx", {})]
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        for name, tee, options in cls.node_options:
            cls.cluster.add(name, tee, **dict(options))

    def check(self, result, rc, *texts):
        self.assertEqual(result.rc, rc, str(result))
        for text in texts:
            self.assertIn(text, result.all, str(result))


def main():
    unittest.main(verbosity=2)


__all__ = [name for name in dir() if not name.startswith("_")]
