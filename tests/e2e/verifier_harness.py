"""A running avow-verifier, requests to it, and simulated evidence for it. Independent where it matters: tokens are
verified by python3-jwt and python3-cryptography from what /certs says."""
import base64
import concurrent.futures
import hashlib
import http.client
import json
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import jwt
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, utils
except ImportError:  # another python3 is first in PATH: Debian's modules are pure enough for the same version
    sys.path.append("/usr/lib/python3/dist-packages")
    import jwt
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, utils

SOURCE = os.environ.get("AVOW_SOURCE", os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..")))
BUILD = os.environ.get("AVOW_BUILD", os.path.join(SOURCE, "build"))
VECTORS = os.environ.get("AVOW_VECTORS", os.path.join(SOURCE, "..", "shared", "vectors"))
VERIFIER = os.path.join(BUILD, "src/service/avow-verifier")
AVOW = os.path.join(BUILD, "src/cli/avow")
AVOW_SIM = os.path.join(BUILD, "src/source/avow-sim")
VERSION = "api-version=2025-06-01"
SNP = f"/attest/SevSnpVm?{VERSION}"
TDX = f"/attest/TdxVm?{VERSION}"


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def payload_of(token):
    return json.loads(unb64url(token.split(".")[1]))


def sanitized():
    with open(VERIFIER, "rb") as f:
        return b"__asan_init" in f.read()


class Verifier:
    def __init__(self, directory, env=None, **config):
        self.dir = directory
        self.state = os.path.join(directory, "state")
        self.config = config
        self.env = env
        self.process = None
        self.options = {}  # of Popen
        self.port = 0

    def start(self, *args):
        command = [VERIFIER, "--state", self.state, "--listen", f"127.0.0.1:{self.port}", *args]
        if self.config:
            path = os.path.join(self.dir, "verifier.yaml")
            with open(path, "w") as f:
                json.dump(self.config, f)  # JSON is YAML
            command += ["--config", path]
        self.log = open(os.path.join(self.dir, "log"), "ab")
        r, w = os.pipe()
        # a sanitizer keeps what was freed, up to 256 MiB by default: memory is measured here
        env = dict(self.env or os.environ)
        env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=16"
        self.process = subprocess.Popen([*command, "--ready-fd", str(w)], stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, pass_fds=[w], env=env, **self.options)
        os.close(w)
        ready, _, _ = select.select([r], [], [], 30)
        line = os.read(r, 8192) if ready else b""
        os.close(r)
        if not line:
            raise AssertionError(f"avow-verifier did not start:\n{self.log_text()}")
        self.ready = json.loads(line)
        self.issuer = self.ready["issuer"]
        self.port = int(self.ready["listen"].rsplit(":", 1)[1])
        return self

    def log_text(self):
        with open(os.path.join(self.dir, "log"), errors="replace") as f:
            return f.read()

    def stop(self, sig=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(sig)
            self.process.wait(20)
        if self.process:
            self.log.close()
        return self.process.returncode if self.process else None

    def context(self, identity=None):
        context = ssl.create_default_context(cafile=self.ready["certificate"])
        if identity:
            context.load_cert_chain(identity)
        return context

    def connect(self, identity=None):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context(identity), timeout=30)

    def call(self, method, path, body=None, headers=None, identity=None, conn=None):
        """Status, headers, and the body, as JSON if it is."""
        own = conn is None
        conn = conn or self.connect(identity)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        given = {"Content-Type": "application/json"} if body is not None else {}
        given.update(headers or {})
        conn.request(method, path, body=body, headers=given)
        reply = conn.getresponse()
        text = reply.read()
        if own:
            conn.close()
        try:
            return reply.status, reply.headers, json.loads(text)
        except ValueError:
            return reply.status, reply.headers, text

    def jwks(self):
        return self.call("GET", "/certs")[2]

    def decode(self, token, jwks=None):
        """The claims, if python3-jwt believes the token by our /certs; the key by its kid."""
        kid = jwt.get_unverified_header(token)["kid"]
        for key in (jwks or self.jwks())["keys"]:
            if key["kid"] == kid:
                return jwt.decode(token, jwt.PyJWK(key).key, algorithms=[key["alg"]], issuer=self.issuer)
        raise AssertionError(f"no key {kid}")

    def run(self, *args):
        """A command of the program beside the running service."""
        return subprocess.run([VERIFIER, *args, "--state", self.state], capture_output=True, text=True, timeout=120,
                              stdin=subprocess.DEVNULL)

    def audit(self, verb="check", *args):
        return self.run("audit", verb, *args)

    def rows(self):
        return [json.loads(line)["row"] for line in self.audit("export").stdout.splitlines()]

    def metric(self, name):
        for line in self.call("GET", "/metrics")[2].decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0.0

    def memory(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


class Machine:
    """A simulated SNP machine, whose reports this test makes itself: a genuine one is taken apart, given other report
    data, and signed anew with the chip's key."""

    def __init__(self, directory, bundle):
        self.report = bytearray(base64.b64decode(bundle["evidence"]))
        self.certs = [base64.b64decode(c) for c in bundle["certs"]]
        with open(os.path.join(directory, "chip.key"), "rb") as f:
            self.key = serialization.load_pem_private_key(f.read(), None)

    def sign(self, report):
        r, s = utils.decode_dss_signature(self.key.sign(bytes(report[:0x2A0]), ec.ECDSA(hashes.SHA384())))
        report[0x2A0:0x2A0 + 144] = r.to_bytes(72, "little") + s.to_bytes(72, "little")
        return bytes(report)

    def request(self, runtime=None, kind="JSON", **more):
        report = bytearray(self.report)
        report[0x50:0x90] = (hashlib.sha256(runtime).digest() if runtime is not None else b"\0" * 32) + b"\0" * 32
        pem = "".join(ssl.DER_cert_to_PEM_cert(c) for c in self.certs)
        inner = {"SnpReport": b64url(self.sign(report)), "VcekCertChain": b64url(pem.encode())}
        body = {"report": b64url(json.dumps(inner).encode()), **more}
        if runtime is not None:
            body["runtimeData"] = {"data": b64url(runtime), "dataType": kind}
        return body


def make_sim(directory, tee):
    vendor = os.path.join(directory, "vendor")
    machine = os.path.join(directory, tee)
    if not os.path.exists(vendor):
        subprocess.run([AVOW_SIM, "vendor", vendor], check=True, timeout=120, capture_output=True)
    subprocess.run([AVOW_SIM, "vm", "--vendor", vendor, "--tee", tee, machine], check=True, timeout=120, capture_output=True)
    return vendor, machine


def make_identity(directory, name):
    """A client certificate, and its line in a file of administrators."""
    path = os.path.join(directory, name + ".pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-keyout", path, "-out", path + ".crt"], check=True, capture_output=True, timeout=60)
    with open(path + ".crt") as f, open(path, "a") as out:
        out.write(f.read())
    der = subprocess.run(["sh", "-c", f"openssl x509 -in {path}.crt -noout -pubkey | openssl pkey -pubin -outform DER"],
                         check=True, capture_output=True, timeout=60).stdout
    return path, f"sha256:{hashlib.sha256(der).hexdigest()} {name}\n"


__all__ = [name for name in dir() if not name.startswith("_")]
