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
        self.under_way = self.most = self.wait_for = 0
        self.arrived = threading.Condition(self.lock)
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
            front.under_way += 1
            front.most = max(front.most, front.under_way)
            front.arrived.notify_all()
            front.arrived.wait_for(lambda: front.most >= front.wait_for, 60)
        try:
            self.pass_on(front, body, reply)
        finally:
            with front.lock:
                front.under_way -= 1

    def pass_on(self, front, body, reply):
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


class Fixture(ClusterTest):
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
        self.front.most = self.front.wait_for = 0


class Azure(Fixture):
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


class Files(Fixture):
    """avow verify by a service, and of tokens that were stored."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.files = cls.cluster.dir + "/files"
        os.mkdir(cls.files)
        for node, tee in zip(cls.cluster.nodes, ("snp", "tdx")):
            bundle = cls.bundle_of(node)
            cls.put(f"{tee}.json", json.dumps(bundle).encode())
            cls.put(f"{tee}.bin", base64.b64decode(bundle["evidence"]))
            cls.put(f"{tee}-statement.json", bundle["statement"].encode())
            for i, cert in enumerate(bundle.get("certs", [])):
                cls.put(f"{tee}-{i}.der", base64.b64decode(cert))
        cls.certs = [cls.files + "/" + f for f in sorted(os.listdir(cls.files)) if f.endswith(".der") and f.startswith("snp")]
        context = ssl.create_default_context(cafile=cls.ca)
        host, port = cls.issuer[8:].rsplit(":", 1)
        up = http.client.HTTPSConnection(host, int(port), context=context, timeout=30)
        up.request("GET", "/certs")
        cls.put("certs.json", up.getresponse().read())
        up.close()

    @staticmethod
    def bundle_of(node):
        client = node.client()
        client.close()
        return client.bundle if isinstance(client.bundle, dict) else json.loads(client.bundle)

    @classmethod
    def put(cls, name, data):
        with open(f"{cls.files}/{name}", "wb") as f:
            f.write(data)
        return f"{cls.files}/{name}"

    def verify(self, rc, *args, texts=(), service=True):
        more = ("--verifier", self.front.url, "--issuer", self.issuer, "--ca", self.ca) if service is True else ()
        done = self.cluster.avow("verify", *[a if a.startswith(("/", "-", "http")) or not os.path.exists(f"{self.files}/{a}") else f"{self.files}/{a}" for a in args],
                                 *more, "--policy", self.cluster.node_policy)
        self.check(done, rc, *texts)
        return done

    def codes(self, done):
        return {c["code"]: c for c in done.json["claims"]["checks"] + done.json["rules"]}

    def test_one_piece_of_evidence(self):
        for file, certs in (("snp.bin", ["--with", *self.certs]), ("tdx.bin", [])):
            self.front.asked.clear()
            done = self.verify(0, file, *certs, "--token", f"{self.files}/{file}.jwt", texts=("accepted SIMULATED", "binding not checked", "token-evidence",
                                                                                          "judged by azure: " + self.front.url, "1 token"))
            self.assertNotIn("runtimeData", self.front.asked[0][1])
            with open(f"{self.files}/{file}.jwt") as f:
                self.assertEqual(len(f.read().split(".")), 3)
            done = self.verify(0, file, *certs, "--json")
            self.assertEqual([done.json["verifier"][k] for k in ("kind", "url", "requests", "tokens")], ["azure", self.front.url, 2, 1])
            self.assertIn("not checked", self.codes(done)["binding"]["text"])

    def test_runtime_data_is_sent(self):
        done = self.verify(0, "snp.bin", "--with", f"{self.files}/snp-statement.json", *self.certs, "--json")
        sent = self.front.asked[0][1]["runtimeData"]
        with open(f"{self.files}/snp-statement.json", "rb") as f:
            self.assertEqual((base64.urlsafe_b64decode(sent["data"] + "=="), sent["dataType"]), (f.read(), "JSON"))
        other = self.put("other.json", b'{"another":"thing"}')
        self.verify(1, "snp.bin", "--with", other, *self.certs, texts=("service: " + self.front.url + " says ",))
        self.assertIn("not checked", self.codes(done)["binding"]["text"])

    def test_a_bundle_has_its_statement(self):
        for file in ("snp.json", "tdx.json"):
            reasons = self.codes(self.verify(0, file, "--json"))
            self.assertTrue(reasons["statement"]["state"] == reasons["binding"]["state"] == "passed", reasons)
            self.assertNotIn("not checked", reasons["binding"]["text"])

    def test_tokens_about_something_else(self):
        kept = []

        def replayed(data):
            kept.append(data)
            return kept[0]

        self.verify(0, "tdx.bin")
        self.front.change = replayed
        self.verify(0, "snp.bin", "--with", *self.certs)
        other = self.put("snp-other.bin", base64.b64decode(self.bundle_of(self.cluster.nodes[0])["evidence"]))
        self.verify(1, other, "--with", *self.certs, texts=("token-evidence: report data, measurement and report id that the token says are not",))
        self.verify(1, "snp.json", texts=("statement", ))
        self.verify(1, "tdx.bin", texts=("token-",))
        # what is the same to every reader, and yet two pieces of evidence: one token is not for both
        kept.clear()
        folder = f"{self.files}/twice"
        os.mkdir(folder)
        with open(f"{self.files}/tdx.bin", "rb") as f:
            quote = f.read()
        for i in range(2):
            self.put(f"twice/{i}.bin", quote + bytes(i))
        done = self.verify(1, folder)
        self.check(done, 1, "token-replay: the token", "2 judged: 1 accepted, 1 refused", "binding of 2 not checked")

    def test_many(self):
        folder = f"{self.files}/many"
        os.mkdir(folder)
        for i in range(20):
            self.put(f"many/{i:02}.json", json.dumps(self.bundle_of(self.cluster.nodes[i % 2])).encode())
        self.front.wait_for = 8  # the bound: all of them at once, and no more
        done = self.verify(0, folder, "--jobs", "20", texts=("20 judged: 20 accepted", "21 requests, 20 tokens"))
        self.assertEqual((len(self.front.asked), self.front.most), (20, 8))
        self.front.most = self.front.wait_for = 0
        self.front.replies[:] = [error(400, "PolicyEvaluationError")]
        done = self.verify(1, folder, "--json", "--jobs", "1")
        lines = [json.loads(line) for line in done.out.splitlines()]
        self.assertEqual([line["exit"] for line in lines], [1] + [0] * 19)
        self.assertEqual({json.dumps(line["verifier"], sort_keys=True) for line in lines}, {json.dumps({"kind": "azure", "url": self.front.url})})
        self.assertEqual(self.front.most, 1)

    def test_a_file_says_who_judges(self):
        shutil.copy(self.ca, f"{self.files}/ca.pem")
        dead = {"kind": "azure", "url": "https://127.0.0.1:1", "ca": "ca.pem"}
        live = {"kind": "azure", "url": self.front.url, "ca": "ca.pem", "issuers": [{"url": self.issuer}]}

        def write(name, **doc):
            return self.put(name, json.dumps(doc).encode())

        good = write("good.yaml", verifier=live)
        self.verify(0, "snp.json", "--verifier", good, service=False, texts=("judged by azure",))
        both = write("both.yaml", verifier=[{"kind": "local"}, live])
        self.verify(0, "snp.json", "--verifier", both, "--roots", self.cluster.vendor + "/roots.pem", service=False, texts=("judged by local and azure",))
        self.verify(1, "snp.json", "--verifier", both, service=False, texts=("root",))
        self.verify(3, "snp.json", "--verifier", write("dead.yaml", verifier=dead), service=False, texts=("verifier: the service could not be asked",))
        self.verify(2, "snp.json", "--verifier", write("bad.yaml", verifier={"kind": "azure"}), service=False, texts=("bad.yaml:1:", "needs a url"))
        self.verify(2, "snp.json", "--verifier", write("more.yaml", verifier=live, policy="x"), service=False, texts=("unknown key",))
        self.verify(2, "snp.json", "--verifier", good, "--issuer", self.issuer, service=False, texts=("names the issuers",))
        self.verify(2, "snp.json", "--verifier", f"{self.files}/none.yaml", service=False, texts=("none.yaml",))

    def test_mistakes_on_the_command_line(self):
        self.verify(2, "snp.json", "--at", "2026-01-01", texts=("a service judges as of now",))
        self.verify(2, "snp.json", "--offline", texts=("could not be asked",))
        self.verify(2, "snp.json", "--token", "/dev/null", service=False, texts=("--verifier URL is needed",))
        self.verify(2, "snp.json", "--verifier", "http://127.0.0.1:1", service=False, texts=("https://",))
        self.verify(2, "snp.json", "tdx.json", "--token", "/dev/null", texts=("one piece of evidence",))
        self.verify(3, "snp.json", "--verifier", "https://127.0.0.1:1", service=False, texts=("could not be asked",))
        self.front.replies[:] = [error(400, "InvalidParameter")]
        self.verify(1, "snp.json", "--token", f"{self.files}/never.jwt", texts=("not written: the service gave no token",))
        self.assertFalse(os.path.exists(f"{self.files}/never.jwt"))

    def test_a_token_that_was_stored(self):
        self.verify(0, "snp.json", "--token", f"{self.files}/token.jwt")
        keys = ("--with", f"{self.files}/certs.json")
        self.front.asked.clear()
        done = self.verify(0, "token.jwt", *keys, "--issuer", self.issuer, service=False, texts=("accepted SIMULATED", "binding not checked", "token-signature"))
        self.assertNotIn("judged by", done.all)
        self.assertEqual(self.front.asked, [])
        with open(f"{self.files}/token.jwt") as f:
            token = f.read()
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        done = self.verify(0, "token.jwt", *keys, "--issuer", self.issuer, "--json", service=False)
        self.assertEqual([done.json["token"][k] for k in ("verified", "issuer", "type", "jti", "exp", "policy_hash")],
                         [True, self.issuer, "sevsnpvm", claims["jti"], claims["exp"], claims["x-ms-policy-hash"]])
        answer = self.put("answer.json", json.dumps({"token": token + "\n"}).encode())
        self.verify(0, answer, *keys, "--issuer", self.issuer, service=False)
        self.verify(1, "token.jwt", *keys, "--issuer", self.issuer, "--at", str(claims["exp"] + 61), service=False, texts=("token-expired",))
        self.verify(0, "token.jwt", *keys, "--issuer", self.issuer, "--at", str(claims["exp"] - 1), service=False)
        self.verify(1, "token.jwt", *keys, "--issuer", "https://other.example", service=False, texts=("token-issuer",))
        self.verify(3, "token.jwt", "--with", self.put("empty.json", b'{"keys":[]}'), "--issuer", self.issuer, service=False, texts=("token-kid",))
        self.verify(2, "token.jwt", *keys, service=False, texts=("--issuer URL",))
        self.verify(2, "token.jwt", "--issuer", self.issuer, service=False, texts=("--with FILE",))
        self.verify(2, "token.jwt", "--issuer", self.issuer, "--with", f"{self.files}/snp.bin", service=False, texts=("snp.bin: not a JWK set",))
        self.verify(2, "token.jwt", *keys, "--issuer", self.issuer, "--bundle", "/dev/null", service=False, texts=("this is a token",))
        pinned = {"kind": "azure", "url": self.issuer, "issuers": [{"url": self.issuer, "policy-hashes": ["A" * 43]}]}
        self.verify(1, "token.jwt", *keys, "--verifier", self.put("pinned.yaml", json.dumps({"verifier": pinned}).encode()), service=False, texts=("token-policy",))
        head, body, tail = token.split(".")
        forged = self.put("forged.jwt", ".".join([head, body, tail[:20] + ("A" if tail[20] != "A" else "B") + tail[21:]]).encode())
        self.verify(1, forged, *keys, "--issuer", self.issuer, service=False, texts=("token-signature",))
        done = self.verify(1, "token.jwt", forged, *keys, "--issuer", self.issuer, service=False)
        self.check(done, 1, "2 judged: 1 accepted, 1 refused", "binding of 1 not checked")


if __name__ == "__main__":
    main()
