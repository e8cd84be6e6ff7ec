"""Evidence that must be refused: each attack is carried out against the real client and daemons.
The client names node, check and value, submits nothing and exits with the documented code."""
import http.server
import json
import os
import ssl
import subprocess
import threading
import time

from harness import *


class Liar:
    """A node that answers the client's request for a quote with what it likes. It records every
    request, so that a test can see that nothing else was ever sent to it."""

    def __init__(self, cluster, answer):
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.requests.append((self.command, self.path))
                reply = json.dumps(answer(json.loads(body or b"{}"))).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            do_GET = do_PUT = do_DELETE = do_POST

            def log_message(self, *args):
                pass

        key = os.path.join(cluster.dir, "liar.pem")
        if not os.path.exists(key):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                            "-nodes", "-subj", "/CN=liar", "-days", "2", "-keyout", key, "-out", key + ".crt"],
                           check=True, capture_output=True)
            with open(key, "a") as f:
                f.write(open(key + ".crt").read())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
        context.load_cert_chain(key)
        context.set_alpn_protocols(["avow/1"])
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Refuse(ClusterTest):
    odd = 0

    def liar(self, answer):
        liar = Liar(self.cluster, answer)
        self.addCleanup(liar.close)
        return liar

    def job_with(self, liar):
        a, b = self.cluster.nodes
        path = self.cluster.write_job(name="liar.yaml")
        job = json.load(open(path))
        job["nodes"][1]["address"] = liar.address
        with open(path, "w") as f:
            json.dump(job, f)
        return path

    def refused(self, result, node, check, *texts):
        self.check(result, 1, node, check, *texts)
        # nothing was submitted, anywhere
        for real in self.cluster.nodes:
            if real.process and real.process.poll() is None:
                client = real.client()
                status, reply = client.call("GET", "/v1/jobs")
                client.close()
                self.assertEqual((status, reply.get("jobs")), (200, []))

    def genuine_bundle(self, nonce=None):
        client = self.cluster.nodes[1].client()
        self.addCleanup(client.close)
        return client.bundle

    def test_wrong_nonce(self):
        """A replayed quote: genuine, but made over another nonce and connection."""
        old = self.genuine_bundle()
        liar = self.liar(lambda body: {"bundle": old})
        self.refused(self.cluster.avow("run", self.job_with(liar)), "hospital-b", "statement")
        self.assertEqual({p for _, p in liar.requests}, {"/v1/attestation/quote"})

    def test_relay(self):
        """The client's own nonce, relayed to a genuine node: the connection differs."""

        def relay(body):
            client = NodeClient(self.cluster.nodes[1], attest=False)
            _, reply = client.call("POST", "/v1/attestation/quote", body)
            client.close()
            return reply

        liar = self.liar(relay)
        self.refused(self.cluster.avow("run", self.job_with(liar)), "hospital-b", "statement")
        self.assertEqual({p for _, p in liar.requests}, {"/v1/attestation/quote"})

    def test_flipped_bit(self):
        """One bit of the evidence itself."""
        bundle = json.loads(self.genuine_bundle())
        evidence = bytearray(base64.b64decode(bundle["evidence"]))
        evidence[0x90] ^= 1
        bundle["evidence"] = base64.b64encode(evidence).decode()
        text = json.dumps(bundle, sort_keys=True, separators=(",", ":"))
        liar = self.liar(lambda body: {"bundle": text})
        self.refused(self.cluster.avow("run", self.job_with(liar)), "hospital-b", "signature")

    def test_garbage(self):
        for answer in ({"bundle": "{}"}, {"bundle": "x" * 100000}, {}, {"bundle": 7}):
            liar = self.liar(lambda body, answer=answer: answer)
            result = self.cluster.avow("run", self.job_with(liar))
            self.assertIn(result.rc, (1, 3), str(result))
            self.assertIn("hospital-b", result.all)
            self.assertEqual({p for _, p in liar.requests}, {"/v1/attestation/quote"})

    def refused_vm(self, tee, check, *texts, vm=(), policy=None):
        Refuse.odd += 1
        node = self.cluster.add(f"odd-{Refuse.odd}", tee, vm=list(vm))
        self.addCleanup(self.cluster.nodes.remove, node)
        self.addCleanup(node.stop)
        job = self.cluster.write_job(nodes=[self.cluster.nodes[0], node], name="odd.yaml", policy=policy)
        self.refused(self.cluster.avow("run", job), node.name, check, *texts)

    def test_wrong_measurement(self):
        for tee in ("snp", "tdx"):
            self.refused_vm(tee, "measurement", measurement("other")[:8], vm=["--image", "other"])

    def test_debug(self):
        for tee in ("snp", "tdx"):
            self.refused_vm(tee, "debug", vm=["--debug"])

    def test_expired(self):
        for tee in ("snp", "tdx"):
            self.refused_vm(tee, "expired", vm=["--expired"])

    def test_old_tcb(self):
        self.refused_vm("tdx", "tcb-floor", "OutOfDate", vm=["--old-tcb"])

    def test_simulated_under_production_policy(self):
        policy = self.cluster.write_policy("production.yaml", simulated=False)
        job = self.cluster.write_job(name="production.yaml.job", policy=policy)
        self.refused(self.cluster.avow("run", job), "hospital-a", "simulated", "SIMULATED")

    def test_unknown_root(self):
        path = self.cluster.write_job(name="rootless.yaml")
        job = json.load(open(path))
        del job["simulated-roots"]
        with open(path, "w") as f:
            json.dump(job, f)
        self.refused(self.cluster.avow("run", path), "hospital-a", "root")

    def test_other_tee_than_announced(self):
        path = self.cluster.write_job(name="swapped.yaml")
        job = json.load(open(path))
        job["nodes"][0]["tee"], job["nodes"][1]["tee"] = "tdx", "snp"
        with open(path, "w") as f:
            json.dump(job, f)
        self.refused(self.cluster.avow("run", path), "hospital-a", "tee")

    def test_json(self):
        policy = self.cluster.write_policy("none.yaml", images=("nothing",))
        job = self.cluster.write_job(name="none.job.yaml", policy=policy)
        result = self.cluster.avow("attest", job, "--json")
        self.check(result, 1)
        nodes = {n["node"]: n for n in result.json["nodes"]}
        for name in ("hospital-a", "hospital-b"):
            verdict = nodes[name]["verdict"]
            self.assertEqual(verdict["decision"], "refused")
            self.assertTrue(verdict["simulated"])
            self.assertIn("measurement", [r["code"] for r in verdict["reasons"] if not r["passed"]])

    def test_accepted(self):
        result = self.cluster.avow("attest", self.cluster.write_job())
        self.check(result, 0, "hospital-a", "hospital-b", "SIMULATED", "snp", "tdx")


class OneNodeRefusesTheOther(ClusterTest):
    """The client accepts both; hospital-b's own operator does not accept hospital-a."""

    def test_both_reasons(self):
        b = self.cluster.nodes[1]
        b.stop()
        strict = self.cluster.write_policy("strict.yaml", images=("only-this",))
        b.options["policy"] = strict
        b.start()
        result = self.cluster.avow("run", self.cluster.write_job())
        self.check(result, 5, "hospital-b", "hospital-a", "measurement")
        for node in self.cluster.nodes:
            client = node.client()
            self.assertEqual(client.call("GET", "/v1/jobs")[1]["jobs"], [])
            client.close()

    def test_each_refuses(self):
        """Both refuse: both reasons are shown."""
        a, b = self.cluster.nodes
        for node, image in ((a, "image-for-a"), (b, "image-for-b")):
            node.stop()
            node.options["policy"] = self.cluster.write_policy(f"strict-{node.name}.yaml", images=(image,))
            node.start()
        result = self.cluster.avow("run", self.cluster.write_job())
        self.check(result, 5, "hospital-a", "hospital-b", "measurement")
        lines = [l for l in result.all.splitlines() if "measurement" in l]
        self.assertTrue(any("hospital-a" in l for l in lines) and any("hospital-b" in l for l in lines), str(result))


if __name__ == "__main__":
    main()
