"""Azure Attestation as a judge: client and nodes through avow-verifier, and through a front that misbehaves."""
import http.server
import threading

from harness import *

VERIFIER = os.path.join(BUILD, "src/service/avow-verifier")


class Front(http.server.ThreadingHTTPServer):
    """HTTPS in front of the verifier: passes requests on, unless told to do something else with the next ones."""
    daemon_threads = True

    def __init__(self, folder, upstream, ca):
        super().__init__(("127.0.0.1", 0), Passing)
        self.cert, key = folder + "/front.crt", folder + "/front.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                        "/CN=front", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", self.cert], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.upstream, self.trust = upstream, ssl.create_default_context(cafile=ca)
        self.asked, self.replies, self.change, self.lock = [], [], None, threading.Lock()
        self.url = f"https://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


class Passing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        front = self.server
        with front.lock:
            front.asked.append((self.path, json.loads(body)))
            reply = front.replies.pop(0) if front.replies else None
        if reply:
            return self.answer(*reply)
        host, port = front.upstream[8:].rsplit(":", 1)
        up = http.client.HTTPSConnection(host, int(port), context=front.trust, timeout=30)
        up.request("POST", self.path, body, {"Content-Type": "application/json"})
        got = up.getresponse()
        data = got.read()
        up.close()
        if front.change:
            data = front.change(data)
        self.answer(got.status, data)


def error(status, code, message="no", headers=()):
    return status, json.dumps({"error": {"code": code, "message": message}}).encode(), headers


class Azure(ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.cluster.dir + "/verifier"
        os.mkdir(folder)
        done = subprocess.run([AVOW, "collateral", "import", cls.cluster.vendor, "--store", folder + "/c.db", "--json"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        config = {"listen": "127.0.0.1:0", "state": folder + "/state", "collateral": folder + "/c.db",
                  "simulated-roots": cls.cluster.vendor + "/roots.pem"}
        with open(folder + "/v.yaml", "w") as f:
            json.dump(config, f)
        r, w = os.pipe()
        cls.log = open(folder + "/log", "wb")
        cls.service = subprocess.Popen([VERIFIER, "--config", folder + "/v.yaml", "--ready-fd", str(w)], pass_fds=[w], stdin=subprocess.DEVNULL,
                                       stdout=cls.log, stderr=cls.log)
        os.close(w)
        cls.addClassCleanup(cls.end_service)
        with os.fdopen(r) as f:
            line = f.readline()
        assert line, open(folder + "/log").read()
        ready = json.loads(line)
        cls.issuer = ready["issuer"]
        cls.front = Front(folder, cls.issuer, ready["certificate"])
        cls.addClassCleanup(cls.front.server_close)
        cls.addClassCleanup(cls.front.shutdown)
        cls.ca = folder + "/ca.pem"
        with open(cls.ca, "w") as f:
            for name in (ready["certificate"], cls.front.cert):
                with open(name) as one:
                    f.write(one.read())

    @classmethod
    def end_service(cls):
        cls.service.terminate()
        cls.service.wait(20)
        cls.log.close()

    def setUp(self):
        self.front.asked.clear()
        self.front.replies.clear()
        self.front.change = None

    def attest(self, rc, *texts, verifier=None, **job):
        verifier = verifier or {"kind": "azure", "url": self.front.url, "issuers": [self.issuer], "ca": self.ca}
        path = self.cluster.write_job(verifier=verifier, name=f"job-{secrets.token_hex(4)}.yaml", **job)
        done = self.cluster.avow("attest", path, *[t for t in texts if t.startswith("--")])
        self.check(done, rc, *[t for t in texts if not t.startswith("--")])
        return done

    def reasons(self, **job):
        verifier = {"kind": "azure", "url": self.front.url, "issuers": [self.issuer], "ca": self.ca}
        path = self.cluster.write_job(verifier=verifier, name="job-json.yaml", **job)
        done = self.cluster.avow("attest", path, "--json")
        return {n["node"]: {r["code"]: r for r in n["verdict"]["reasons"]} for n in done.json["nodes"]}

    def test_accepted_by_a_token(self):
        self.attest(0, "accepted SIMULATED", "judged by azure: " + self.front.url)
        self.assertEqual({p.split("?")[0] for p, _ in self.front.asked}, {"/attest/SevSnpVm", "/attest/TdxVm"})
        self.assertTrue(all(p.endswith("?api-version=2025-06-01") for p, _ in self.front.asked))
        for _, body in self.front.asked:
            self.assertEqual(body["runtimeData"]["dataType"], "JSON")
        for reasons in self.reasons().values():
            for code in ("token-signature", "token-issuer", "token-key", "token-age", "statement", "binding"):
                self.assertTrue(reasons[code]["passed"], code)

    def test_our_policy_counts(self):
        policy = self.cluster.write_policy("other.yaml", images=("another-image",))
        self.attest(1, "measurement", policy=policy)
        policy = self.cluster.write_policy("real.yaml", simulated=False)
        self.attest(1, "simulated", policy=policy)

    def test_a_busy_service_is_asked_again(self):
        self.front.replies[:] = [error(429, "TooManyRequests", headers=[("Retry-After", "0")]), error(503, "ServiceUnavailable"),
                                 error(500, "InternalError")]
        done = self.attest(0, "accepted", "1 throttled", "errors: ", "TooManyRequests 1", "ServiceUnavailable 1", "InternalError 1")
        self.assertEqual(len(self.front.asked), 5)
        self.assertIn("6 requests, 2 tokens", done.out)  # and one for the keys

    def test_what_was_asked_is_counted(self):
        self.front.replies[:] = [error(429, "TooManyRequests", headers=[("Retry-After", "0")]), error(503, "x<y>\x1b[31m")]
        v = self.attest(0, "--json").json["verifier"]
        self.assertEqual((v["kind"], v["url"]), ("azure", self.front.url))
        self.assertEqual([v[k] for k in ("requests", "tokens", "reused", "throttled", "denied", "failed", "key_fetches")], [5, 2, 0, 1, 0, 0, 1])
        self.assertEqual((v["replies"], v["failures"]), ({"2xx": 3, "4xx": 1, "5xx": 1}, {}))
        self.assertEqual(v["errors"], {"TooManyRequests": 1, "other": 1})
        for times in (v["latency_ms"], v["token_ms"]):
            self.assertTrue(0 < times["p50"] <= times["p99"] <= times["max"], v)
        self.front.replies[:] = [error(400, "PolicyEvaluationError")] * 2
        v = self.attest(1, "--json").json["verifier"]
        self.assertEqual((v["denied"], v["tokens"], v["errors"]), (2, 0, {"PolicyEvaluationError": 2}))
        self.front.change = lambda d: b"{}"
        v = self.attest(3, "--json").json["verifier"]
        self.assertEqual((v["failed"], v["failures"]), (2, {"protocol": 2}))
        self.front.change = None
        v = self.attest(3, "--json", verifier={"kind": "azure", "url": self.front.url, "issuers": [self.issuer]}).json["verifier"]
        self.assertEqual((v["failures"], v["replies"]), ({"tls": 2}, {}))
        self.assertEqual(self.cluster.avow("attest", self.cluster.write_job(name="l.yaml"), "--json").json["verifier"], {"kind": "local", "url": None})

    def test_what_the_service_denies(self):
        for code, means in (("PolicyEvaluationError", "own policy denies"), ("InvalidParameter", "does not take the evidence")):
            self.front.replies[:] = [error(400, code, "Native operation failed")] * 2
            done = self.attest(1, code, means)
            self.assertEqual(len(self.front.asked), 2, "a permanent error is not tried again")
            self.front.asked.clear()
            self.assertIn("service", done.all)

    def test_an_older_service(self):
        self.front.replies[:] = [error(400, "UnsupportedApiVersionValue", "api-version 2025-06-01")] * 2
        self.attest(0, "accepted")
        later = {p.split("/")[2] for p, _ in self.front.asked[2:]}
        self.assertEqual(later, {"SevSnpVm?api-version=2022-08-01", "TdxVm?api-version=2023-04-01-preview"})

    def test_hostile_tokens(self):
        def flip(data):
            token = json.loads(data)["token"]
            middle = token.rindex(".") + 20
            return json.dumps({"token": token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1:]}).encode()

        def unsigned(data):
            token = json.loads(data)["token"].split(".")
            return json.dumps({"token": base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=") + "." + token[1] + "."}).encode()

        kept = []

        def replayed(data):
            kept.append(data)
            return kept[0]

        for change, code in ((flip, "token-signature"), (unsigned, "token-alg"), (replayed, "statement"), (lambda d: b'{"token":"x.y"}', "token")):
            self.front.change = change
            self.attest(1, code)
        self.front.change = lambda d: b"{}"
        self.attest(3, "holds no token")

    def test_only_issuers_that_are_named(self):
        self.attest(1, "token-issuer", verifier={"kind": "azure", "url": self.front.url, "ca": self.ca})

    def test_without_the_service(self):
        dead = {"kind": "azure", "url": "https://127.0.0.1:1", "ca": self.ca}
        self.attest(3, "verifier: the service could not be asked", verifier=dead)
        self.attest(3, "could not be asked", verifier=[{"kind": "local"}, dead])
        self.attest(0, "accepted", verifier=[{"kind": "local"}, dead], require="any")
        self.attest(3, "certificate", verifier={"kind": "azure", "url": self.front.url, "issuers": [self.issuer]})  # TLS not trusted
        self.assertEqual(self.front.asked, [])

    def test_both(self):
        both = [{"kind": "local"}, {"kind": "azure", "url": self.front.url, "issuers": [self.issuer], "ca": self.ca}]
        self.attest(0, "accepted", verifier=both)
        self.assertEqual(len(self.front.asked), 2)
        self.front.replies[:] = [error(400, "PolicyEvaluationError")] * 2
        self.attest(1, "PolicyEvaluationError", verifier=both)
        self.front.replies[:] = [error(400, "PolicyEvaluationError")] * 2
        self.attest(0, "accepted", verifier=both, require="any")  # the local one accepts, and that is enough

    def test_nodes_judge_by_it_too(self):
        cluster = Cluster(vendor=self.cluster.vendor)
        self.addCleanup(cluster.close)
        verifier = {"kind": "azure", "url": self.front.url, "issuers": [self.issuer], "ca": self.ca}
        for name, tee in (("hospital-a", "snp"), ("hospital-b", "tdx")):
            cluster.add(name, tee, config={"verifier": verifier, "listen-metrics": "127.0.0.1:0"})
        done = cluster.avow("run", cluster.write_job())
        self.check(done, 0, "COMPLETED")
        self.assertEqual(len(self.front.asked), 4)  # each node of each; the client judges by itself here
        self.front.replies[:] = [error(400, "PolicyEvaluationError")] * 4
        self.check(cluster.avow("run", cluster.write_job()), 5, "PolicyEvaluationError")
        metrics = []
        for node in cluster.nodes:
            client = node.client()
            metrics.append(client.call("GET", "/v1/metrics")[1].decode())
            client.close()
        for line in ('avow_verifier_requests_total{kind="sent"}', 'avow_verifier_requests_total{kind="tokens"}', 'avow_verifier_replies_total{status="2xx"}',
                     'avow_verifier_errors_total{code="PolicyEvaluationError"}', "avow_verifier_request_seconds_count", "avow_verifier_token_seconds_sum",
                     'avow_verifier_token_seconds_bucket{le="+Inf"}', 'avow_verifier_failures_total{kind="timeout"}'):
            values = [float(l.split()[-1]) for m in metrics for l in m.splitlines() if l.startswith(line + " ")]
            self.assertEqual(len(values), 2, line)
            self.assertTrue(all(values) or "timeout" in line, line)

    def test_the_issuers_policy_is_pinned(self):
        seen = []
        self.front.change = lambda d: seen.append(json.loads(d)["token"]) or d
        self.attest(0, "accepted")
        self.front.change = None
        claims = [json.loads(base64.urlsafe_b64decode(t.split(".")[1] + "==")) for t in seen]
        pins = sorted({c["x-ms-policy-hash"] for c in claims})
        other = "https://other.example"
        verifier = {"kind": "azure", "url": self.front.url, "ca": self.ca,
                    "issuers": [other, {"url": self.issuer, "policy-hashes": pins}]}
        self.attest(0, "accepted", verifier=verifier)
        verifier["issuers"][1]["policy-hashes"] = ["A" * 43]
        self.attest(1, "token-policy: the issuer's policy " + pins[0] + " is not among the 1 accepted", verifier=verifier)
        verifier["issuers"][1]["policy-hash"] = []
        self.attest(2, ".yaml:", "unknown key \"policy-hash\"", verifier=verifier)

    def test_a_job_is_asked_about_by_the_verifier_of_its_run(self):
        verifier = {"kind": "azure", "url": self.front.url, "issuers": [self.issuer], "ca": self.ca}
        path = self.cluster.write_job(verifier=verifier, name="job-kept.yaml")
        done = self.cluster.avow("run", path, "--json")
        self.check(done, 0)
        job = done.json["job"]
        self.assertEqual(self.cluster.report()["verifier"]["tokens"], 4)  # of the channels, and of the formation
        os.unlink(path)
        again = os.path.join(self.cluster.dir, "again")
        for command in (("status", job), ("watch", job), ("fetch", job, "--output", again)):
            self.front.asked.clear()
            self.check(self.cluster.avow(*command), 0, "judged by azure: " + self.front.url)
            self.assertEqual(len(self.front.asked), 2, command)
            self.front.replies[:] = [error(400, "PolicyEvaluationError")] * 2
            self.check(self.cluster.avow(*command), 1, "PolicyEvaluationError")

    def test_mistakes_in_the_job_file(self):
        path = self.cluster.write_job(verifier={"kind": "azure", "url": "http://127.0.0.1:1"}, name="bad.yaml")
        self.check(self.cluster.avow("attest", path), 2, "bad.yaml:", "https://")


if __name__ == "__main__":
    main()
