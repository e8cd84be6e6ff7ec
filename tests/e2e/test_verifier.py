"""avow-verifier from outside: what it makes of a real request, of hostile ones, and of many."""
import resource

from verifier_harness import *

CAPTURED = os.path.join(VECTORS, "extra/maa/azure-samples-sevsnpvm-attest-request.json")
CAPTURED_TOKEN = os.path.join(VECTORS, "extra/tokens/maa-sevsnpvm-sharedweu-test-20250408.payload.json")
OWN = {"iss", "iat", "nbf", "exp", "jti"}  # of the token, not of the evidence
DENY = 'version= 1.0;authorizationrules{c:[type=="x-ms-sevsnpvm-vmpl", value==0] => deny(); => permit();};'
ISSUE = 'version= 1.0;authorizationrules{=> permit();};issuancerules{=> issue(type="tier", value="gold");};'


def captured():
    if not os.path.exists(CAPTURED):
        print(f"\n*** SKIPPED: no real evidence at {CAPTURED} ***\n", file=sys.stderr)
        raise unittest.SkipTest("no vectors")
    with open(CAPTURED, "rb") as f:
        return f.read()


class VerifierTest(unittest.TestCase):
    config = {}
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="avow-verifier-")
        cls.addClassCleanup(shutil.rmtree, cls.dir, True)
        cls.verifier = Verifier(cls.dir, **cls.make_config()).start()
        cls.addClassCleanup(cls.verifier.stop)

    @classmethod
    def make_config(cls):
        return {"rate": 100000}

    def fails(self, answer, status, code, *texts):
        got, headers, body = answer
        self.assertEqual(got, status, body)
        self.assertEqual(body["error"]["code"], code, body)
        self.assertEqual(headers["x-ms-error-code"], code)
        self.assertEqual(len(headers["x-ms-request-id"]), 36)
        for text in texts:
            self.assertIn(text, body["error"]["message"])

    def token(self, answer):
        self.assertEqual(answer[0], 200, answer[2])
        return answer[2]["token"]


class Bare(VerifierTest):
    """Nothing but --state and --listen."""

    @classmethod
    def make_config(cls):
        return {}

    def test_01_state(self):
        modes = {}
        for where, _, files in os.walk(self.verifier.state):
            for name in files:
                modes[name] = os.stat(os.path.join(where, name)).st_mode & 0o777
        self.assertEqual(modes["tls.key"], 0o600)
        self.assertEqual(modes["0001.rsa.pem"], 0o600)
        self.assertEqual(modes["0001.ec.pem"], 0o600)
        self.assertEqual(modes["audit.db"], 0o600)
        self.assertIn("tls.crt", modes)
        self.assertEqual(self.verifier.issuer, f"https://127.0.0.1:{self.verifier.port}")
        self.assertNotIn("PRIVATE", self.verifier.log_text())

    def test_02_public(self):
        status, headers, jwks = self.verifier.call("GET", "/certs")
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "application/jwk+json")
        self.assertEqual([k["kty"] for k in jwks["keys"]], ["RSA", "EC"])
        status, _, found = self.verifier.call("GET", "/.Well-Known/OpenID-configuration")
        self.assertEqual(status, 200)
        self.assertEqual(found["issuer"], self.verifier.issuer)
        self.assertEqual(found["jwks_uri"], self.verifier.issuer + "/certs")
        self.assertEqual(self.verifier.call("GET", "/healthz")[2]["status"], "ok")
        self.assertTrue(self.verifier.call("GET", "/metrics")[2].endswith(b"# EOF\n"))

    def raw(self, text):
        """All that comes back until the service closes."""
        with socket.create_connection(("127.0.0.1", self.verifier.port), timeout=30) as plain:
            with self.verifier.context().wrap_socket(plain, server_hostname="127.0.0.1") as s:
                s.sendall(text)
                return b"".join(iter(lambda: s.recv(65536), b""))

    def test_02_head(self):
        """No body, or the next reply of the connection begins with it; the length is that of GET."""
        for path, status in (("/certs", b"200"), ("/nothing", b"404"), ("/attest/SevSnpVm", b"405")):
            got = self.raw(b"HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n"
                           b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path.encode())
            head, _, rest = got.partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 " + status), got)
            self.assertTrue(rest.startswith(b"HTTP/1.1 200 OK\r\n"), got)
            self.assertRegex(head.lower(), rb"content-length: [1-9]")
        head, _, body = self.raw(b"GET /certs HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")
        self.assertIn(b"content-length: %d" % len(body), head.lower())

    def test_03_errors(self):
        v = self.verifier
        body = {"report": "x"}
        self.fails(v.call("GET", "/nothing"), 404, "NotFound")
        self.fails(v.call("GET", "/attest/SevSnpVm"), 405, "MethodNotAllowed")
        self.fails(v.call("POST", "/attest/SevSnpVm", body), 400, "InvalidParameter", "api-version")
        self.fails(v.call("POST", "/attest/SevSnpVm?api-version=1999-01-01", body), 400, "InvalidParameter", "1999-01-01")
        self.fails(v.call("POST", SNP, body, {"Content-Type": "text/plain"}), 415, "UnsupportedMediaType")
        self.fails(v.call("POST", SNP, body, {"Content-Encoding": "gzip"}), 415, "UnsupportedMediaType", "compressed")
        self.fails(v.call("POST", "/attest/AzureGuest?" + VERSION, body), 404, "NotFound")
        for size in ((1 << 20) + 1, (1 << 20) + (70 << 10), 8 << 20):
            self.fails(v.call("POST", SNP, b"x" * size), 413, "RequestTooLarge", "more than 1048576 bytes")
            self.assertIn('code=RequestTooLarge', v.log_text())
        for method, path, allow in (("PUT", "/certs", "GET, HEAD"), ("OPTIONS", "/nonce", "POST"), ("GET", SNP, "POST"),
                                    ("DELETE", f"/policies/TdxVm?{VERSION}", "GET, HEAD, PUT, POST")):
            answer = v.call(method, path, b"" if method == "PUT" else None)
            self.fails(answer, 405, "MethodNotAllowed", allow)
            self.assertEqual(answer[1]["Allow"], allow)
        for path in ("SevSnpVm", "TdxVm"):
            self.fails(v.call("GET", f"/policies/{path}?{VERSION}"), 401, "Unauthorized")
            self.fails(v.call("PUT", f"/policies/{path}?{VERSION}", DENY), 401, "Unauthorized")

    def test_04_captured(self):
        """Microsoft's own token for the same evidence says the same."""
        request = captured()
        token = self.token(self.verifier.call("POST", SNP, request))
        header = jwt.get_unverified_header(token)
        self.assertEqual(header["alg"], "RS256")
        self.assertEqual(header["jku"], self.verifier.issuer + "/certs")
        claims = self.verifier.decode(token)
        with open(CAPTURED_TOKEN) as f:
            theirs = json.load(f)
        self.assertEqual({k: claims.get(k) for k in theirs if k not in OWN}, {k: theirs[k] for k in theirs if k not in OWN})
        self.assertEqual(claims["exp"] - claims["iat"], 28800)
        self.assertEqual(claims["nbf"], claims["iat"])
        self.assertRegex(claims["jti"], "^[0-9a-f]{64}$")
        self.assertFalse(claims["x-avow-simulated"])
        self.assertNotIn("x-ms-compliance-status", claims)
        # any case of the path, any of MAA's versions, padded standard base64
        report = json.loads(request)["report"]
        padded = base64.b64encode(unb64url(report)).decode()
        for path in ("/ATTEST/sevsnpvm?api-version=2022-08-01", "/attest/sevSNPvm?api-version=2020-10-01",
                     "/attest/SevSnpVm/?api-version=2018-09-01-preview"):
            self.token(self.verifier.call("POST", path, {"report": padded, "nonce": 7}))

    def test_05_ear(self):
        for accept in ("application/eat+jwt;q=0", "application/json, application/eat+jwt", "*/*"):
            self.token(self.verifier.call("POST", SNP, captured(), {"Accept": accept}))
        accept = "application/json;q=0.5, application/eat+jwt"
        status, headers, body = self.verifier.call("POST", SNP, captured(), {"Accept": accept})
        self.assertEqual(status, 200, body)
        self.assertTrue(headers["Content-Type"].startswith("application/eat+jwt; eat_profile="))
        claims = self.verifier.decode(body.decode())
        self.assertEqual(claims["submods"]["cpu"]["ear_status"], "affirming")
        self.assertEqual(claims["submods"]["cpu"]["ear_trustworthiness_vector"]["hardware"], 2)

    def test_06_changed_evidence(self):
        inner = json.loads(unb64url(json.loads(captured())["report"]))
        report = bytearray(unb64url(inner["SnpReport"]))
        for at in (0x04, 0x90, 0x180, 0x2A0):
            forged = bytearray(report)
            forged[at] ^= 1
            body = {"report": b64url(json.dumps({**inner, "SnpReport": b64url(bytes(forged))}).encode())}
            self.fails(self.verifier.call("POST", SNP, body), 400, "InvalidParameter")
        body = {**json.loads(captured()), "runtimeData": {"data": b64url(b"{}"), "dataType": "JSON"}}
        self.fails(self.verifier.call("POST", SNP, body), 400, "InvalidParameter", "runtime-data")

    def test_07_hostile(self):
        good = json.loads(captured())
        bodies = [b"", b"null", b"[]", b"{}", b"\xff\xfe", b'{"report":', b'{"report":1}', b'{"report":"!"}', b'{"report":""}',
                  b'{"report":"e30"}', b'{"report":"e30","report":"e30"}', b"[" * 100000, b'{"report":"' + b"A" * 900000 + b'"}',
                  json.dumps({**good, "runtimeData": 5}).encode(), json.dumps({**good, "nonce": {}}).encode(),
                  json.dumps({**good, "draftPolicyForAttestation": "x.y.z"}).encode()]
        for body in bodies:
            status, headers, answer = self.verifier.call("POST", SNP, body)
            self.assertEqual(status, 400, body[:80])
            self.assertIn(answer["error"]["code"], ("InvalidParameter", "PolicyParsingError"))
            self.assertEqual(headers["x-ms-error-code"], answer["error"]["code"])
            self.assertNotIn("\n", answer["error"]["message"])
            status, _, answer = self.verifier.call("POST", TDX, body)
            self.assertEqual(status, 400, body[:80])
        self.assertEqual(self.verifier.call("GET", "/healthz")[0], 200)

    def test_08_not_http(self):
        """Bytes that are no HTTP, or no TLS, cost a connection and nothing else."""
        for blob in (b"\0" * 512, b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.verifier.port), 10) as s:
                s.sendall(blob)
                s.settimeout(20)
                try:
                    while s.recv(4096):
                        pass
                except ConnectionError:
                    pass
        raw = socket.create_connection(("127.0.0.1", self.verifier.port), 10)
        with self.verifier.context().wrap_socket(raw, server_hostname="127.0.0.1") as s:
            s.sendall(b"GET /healthz HTTP/1.1\r\n" + b"X: " + b"a" * 40000 + b"\r\n\r\n")
            self.assertIn(b"400", s.recv(64))
        self.assertEqual(self.verifier.call("GET", "/healthz")[0], 200)

    def test_09_draft(self):
        jws = b64url(b'{"alg":"none"}') + "." + b64url(json.dumps({"AttestationPolicy": b64url(ISSUE.encode())}).encode()) + "."
        request = {**json.loads(captured()), "draftPolicyForAttestation": jws}
        token = self.token(self.verifier.call("POST", SNP, request))
        self.assertEqual(json.loads(unb64url(token.split(".")[0]))["alg"], "none")
        self.assertEqual(token.split(".")[2], "")
        self.assertEqual(payload_of(token)["tier"], "gold")
        with self.assertRaises(Exception):
            self.verifier.decode(token)

    def test_10_rotation(self):
        old = self.token(self.verifier.call("POST", SNP, captured()))
        before = self.verifier.jwks()
        self.verifier.process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + 60
        while self.verifier.jwks() == before and time.monotonic() < end:
            time.sleep(0.02)  # a signal has no answer to wait for
        after = self.verifier.jwks()
        self.assertEqual(len(after["keys"]), 4)
        self.assertEqual(after["keys"][2:], before["keys"])
        new = self.token(self.verifier.call("POST", SNP, captured()))
        self.assertEqual(jwt.get_unverified_header(new)["kid"], after["keys"][0]["kid"])
        self.assertNotEqual(jwt.get_unverified_header(new)["kid"], jwt.get_unverified_header(old)["kid"])
        self.verifier.decode(old)
        self.verifier.decode(new)
        with self.assertRaises(AssertionError):
            self.verifier.decode(new, before)
        self.assertFalse(os.path.exists(self.verifier.state + "/keys/0001.rsa.pem"))
        # the same keys after a restart
        self.assertEqual(self.verifier.stop(), 0)
        self.verifier.start()
        self.assertEqual(self.verifier.jwks(), after)

    def test_11_one_for_each_folder(self):
        done = subprocess.run([VERIFIER, "--state", self.verifier.state, "--listen", "127.0.0.1:0"], capture_output=True,
                              text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"another avow-verifier uses it (process {self.verifier.process.pid})", done.stderr)

    def test_12_audit(self):
        done = self.verifier.audit()
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = self.verifier.rows()
        self.assertEqual([r["id"] for r in rows], list(range(1, len(rows) + 1)))
        events = {r["event"] for r in rows}
        self.assertLessEqual({"start", "first-key", "token", "refused", "rotate", "stop"}, events)
        self.assertEqual(self.verifier.stop(), 0)
        import sqlite3
        db = sqlite3.connect(self.verifier.state + "/audit.db")
        with self.assertRaises(sqlite3.DatabaseError):
            db.execute("DELETE FROM log WHERE id = 2")
        with self.assertRaises(sqlite3.DatabaseError):
            db.execute("UPDATE log SET row = '' WHERE id = 2")
        victim = next(r["id"] for r in rows if r["event"] == "refused")
        db.execute("DROP TRIGGER log_no_update")
        db.execute("UPDATE log SET row = replace(row, 'refused', 'token') WHERE id = ?", (victim,))
        db.commit()
        db.close()
        done = self.verifier.audit()
        self.assertEqual(done.returncode, 3)
        self.assertIn(f"row {victim} was changed", done.stderr)

    def test_13_head(self):
        """What is kept of the log finds rows that were cut off, which the chain alone does not."""
        other = tempfile.mkdtemp(prefix="avow-verifier-")
        self.addCleanup(shutil.rmtree, other, True)
        v = Verifier(other).start()
        self.addCleanup(v.stop)
        asked = v.call("GET", "/audit/head")[2]
        self.assertEqual(v.metric("avow_audit_rows"), asked["id"])
        done = v.audit("head", "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout)), (0, asked), done.stderr)
        self.assertLess(abs(asked["time"] - time.time()), 3600)
        text = v.audit("head").stdout
        self.assertRegex(text, rf"^{asked['id']}:{asked['hash']} \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n$")
        v.call("POST", SNP, captured())
        later = v.call("GET", "/audit/head")[2]
        self.assertEqual(later["id"], asked["id"] + 1)
        kept = {name: os.path.join(other, name) for name in ("text", "json")}
        for name, content in (("text", v.audit("head").stdout), ("json", json.dumps(later))):
            with open(kept[name], "w") as f:
                f.write(content)
        for head in (text.split()[0], f"{later['id']}:{later['hash']}", *kept.values()):
            done = v.audit("check", "--head", head)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("is as it was kept", done.stdout)
        self.assertEqual(v.audit("check", "--head", "/nonexistent").returncode, 2)
        self.assertEqual(v.audit("check", "--head", "/dev/null").returncode, 2)
        for misuse in (("check", "--json"), ("export", "--head", "1:2"), ("head", "head"), ("nothing",)):
            self.assertEqual(v.audit(*misuse).returncode, 2, misuse)
        self.assertEqual(v.stop(), 0)
        import sqlite3
        db = sqlite3.connect(v.state + "/audit.db")
        db.execute("DROP TRIGGER log_no_delete")
        db.execute("DELETE FROM log WHERE id >= ?", (later["id"],))
        db.commit()
        db.close()
        self.assertEqual(v.audit().returncode, 0)
        for head in kept.values():
            done = v.audit("check", "--head", head)
            self.assertEqual(done.returncode, 3)
            self.assertIn(f"row {later['id']} is gone: the log ends with row {asked['id']}", done.stderr)
        self.assertEqual(v.audit("check", "--head", text.split()[0]).returncode, 0)
        # the service goes on writing: the number is back, the row is another
        v.start()
        done = v.audit("check", "--head", kept["json"])
        self.assertEqual(done.returncode, 3)
        self.assertIn(f"row {later['id']} is not the one", done.stderr)


class Impossible(unittest.TestCase):
    """What cannot be a state folder: what happened, to which, and what to do; not a line of a log."""

    def test_folders(self):
        for folder, text in (("/proc/x", "cannot be made: No such file or directory\n"), ("/dev/null", "is no folder"),
                             ("/etc/passwd/x", "cannot be made: Not a directory\n")):
            done = subprocess.run([VERIFIER, "--state", folder, "--listen", "127.0.0.1:0"], capture_output=True, text=True,
                                  timeout=30)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(f"avow-verifier: the state folder {folder} (--state, or \"state\" in the configuration)", done.stderr)
            self.assertIn(text, done.stderr)
            self.assertNotIn("See the system's own message", done.stderr)

    def test_address(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([VERIFIER, "--state", folder + "/state", "--listen", "nonsense"], capture_output=True, text=True,
                                  timeout=30)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn('"nonsense" is not host:port', done.stderr)
            self.assertEqual(os.listdir(folder), [])


class Rotate(VerifierTest):
    """The command beside the service: what it waits for, and how it fails."""

    @classmethod
    def make_config(cls):
        return {}

    def kid(self):
        return self.verifier.jwks()["keys"][0]["kid"]

    def test_1_signs_at_once(self):
        before = self.kid()
        done = self.verifier.run("rotate", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        said = json.loads(done.stdout)
        self.assertEqual(said["before"], before)
        self.assertEqual(said["kid"], self.kid())
        self.assertNotEqual(said["kid"], before)
        token = self.token(self.verifier.call("POST", SNP, captured()))
        self.assertEqual(jwt.get_unverified_header(token)["kid"], said["kid"])
        done = self.verifier.run("rotate")
        self.assertEqual(done.stdout, f"{self.verifier.state}: key {self.kid()} signs now, before it {said['kid']} did\n")

    def test_2_failure_is_told(self):
        """At most 16 generations are listed, and the seventeenth is not made."""
        for _ in range(17):
            done = self.verifier.run("rotate")
            if done.returncode:
                break
        self.assertEqual(done.returncode, 1)
        self.assertIn("no new keys, the old ones sign on: 16 generations are listed still", done.stderr)
        self.assertEqual(len(self.verifier.jwks()["keys"]), 32)
        # what failed before is no reason to give up
        self.assertEqual(self.verifier.stop(), 0)
        shutil.rmtree(self.verifier.state + "/keys")
        self.verifier.start()
        self.assertEqual(self.verifier.run("rotate").returncode, 0)

    def test_3_waits_no_longer_than_told(self):
        os.kill(self.verifier.process.pid, signal.SIGSTOP)
        try:
            done = self.verifier.run("rotate", "--timeout", "1")
        finally:
            os.kill(self.verifier.process.pid, signal.SIGCONT)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no new keys yet", done.stderr)
        self.assertEqual(self.verifier.run("rotate").returncode, 0)  # and no signal is pending any more

    def test_4_service_that_ends(self):
        os.kill(self.verifier.process.pid, signal.SIGSTOP)
        asking = subprocess.Popen([VERIFIER, "rotate", "--state", self.verifier.state], stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 60
        while not self.signalled():  # who is stopped has the signal pending
            self.assertLess(time.monotonic(), end)
        os.kill(self.verifier.process.pid, signal.SIGKILL)
        error = asking.communicate(timeout=60)[1]
        self.assertEqual(asking.returncode, 1, error)
        self.assertIn("ended before it had new keys", error)
        self.verifier.process.wait(30)

    def signalled(self):
        with open(f"/proc/{self.verifier.process.pid}/status") as f:
            masks = [int(line.split()[1], 16) for line in f if line.startswith(("SigPnd", "ShdPnd"))]
        return any(mask >> (signal.SIGUSR1 - 1) & 1 for mask in masks)

    def test_5_nobody(self):
        for state in (self.verifier.state, os.path.join(self.dir, "never")):  # test_4 ended it
            done = subprocess.run([VERIFIER, "rotate", "--state", state], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 4, done.stderr)
            self.assertIn(f"no avow-verifier runs with the state folder {state}", done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.dir, "never")))
        for misuse in (("rotate", "now"), ("rotate", "--head", "1:2"), ("rotate", "--timeout", "0"), ("--timeout", "3")):
            self.assertEqual(self.verifier.run(*misuse).returncode, 2, misuse)


class Limits(VerifierTest):
    @classmethod
    def make_config(cls):
        return {"rate": 5, "connections-per-client": 4}

    def test_rate(self):
        time.sleep(1.1)  # whatever other tests asked is forgotten
        conn = self.verifier.connect()
        began, answers, refused = time.monotonic(), [], []
        while len(refused) < 20 and time.monotonic() - began < 30:
            answers.append(self.verifier.call("GET", "/healthz", conn=conn))
            refused += [answers[-1]] if answers[-1][0] != 200 else []
        self.assertEqual(len(refused), 20, f"of {len(answers)}")
        self.assertTrue(5 <= len(answers) - 20 <= 5 * (time.monotonic() - began + 1) + 1, f"{len(answers)}")
        for answer in refused:
            self.fails(answer, 429, "TooManyRequests")
            self.assertEqual(answer[1]["Retry-After"], "1")
        time.sleep(1.1)  # what Retry-After says
        self.assertEqual(self.verifier.call("GET", "/healthz", conn=conn)[0], 200)
        conn.close()

    def test_connections(self):
        held = []
        time.sleep(1.1)
        with self.assertRaises((ConnectionError, ssl.SSLError, http.client.HTTPException)):
            for _ in range(8):
                held.append(self.verifier.connect())
                held[-1].connect()
                self.verifier.call("GET", "/healthz", conn=held[-1])
        self.assertGreaterEqual(len(held), 4)
        for conn in held:
            conn.close()

    def test_connections_that_say_nothing(self):
        """They count from the beginning: no client holds all that there are."""
        held = [socket.create_connection(("127.0.0.1", self.verifier.port), 30) for _ in range(12)]
        closed = set()
        while len(closed) < 8:  # at the latest when the handshake's time is up, and then all are
            ready = select.select([s for s in held if s not in closed], [], [], 30)[0]
            self.assertTrue(ready)
            for s in ready:
                self.assertEqual(s.recv(1), b"")
                closed.add(s)
        self.assertLess(len(closed), 12)
        for s in held:
            s.close()


class NoRoom(VerifierTest):
    """A disk that takes nothing more, as a limit of the size of files makes it: no file may grow, new ones are empty."""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="avow-verifier-")
        cls.addClassCleanup(shutil.rmtree, cls.dir, True)
        cls.verifier = Verifier(cls.dir, rate=100000)
        cls.verifier.options = {"restore_signals": False}  # python ignores SIGXFSZ, and so shall the service
        cls.verifier.start()
        cls.addClassCleanup(cls.verifier.stop)

    def limit(self, size):
        hard = resource.prlimit(self.verifier.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self.verifier.process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def test_it_says_so_and_recovers(self):
        v, request = self.verifier, captured()
        key = v.jwks()["keys"][0]["kid"]
        self.token(v.call("POST", SNP, request))
        self.limit(0)
        for _ in range(3):
            answer = v.call("POST", SNP, request)
            self.fails(answer, 503, "ServiceUnavailable", answer[1]["x-ms-request-id"])
            self.assertEqual(answer[1]["Retry-After"], "10")
            self.assertNotIn("audit", answer[2]["error"]["message"])  # no names of files, no errors of the system
        self.assertEqual(v.call("GET", "/certs")[0], 200)
        done = v.run("rotate", "--timeout", "60")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("no new keys", done.stderr)
        self.assertEqual(v.jwks()["keys"][0]["kid"], key)
        self.limit(resource.RLIM_INFINITY)
        self.token(v.call("POST", SNP, request))
        self.assertEqual(v.run("rotate", "--timeout", "60").returncode, 0)
        self.assertEqual(v.audit().returncode, 0)


class Many(VerifierTest):
    @classmethod
    def make_config(cls):
        return {"rate": 1000000}

    def test_parallel_and_flat(self):
        request = captured()
        jwks = self.verifier.jwks()

        def one(n):
            conn = self.verifier.connect()
            tokens = [self.token(self.verifier.call("POST", SNP, request, conn=conn)) for _ in range(n)]
            conn.close()
            return tokens

        def all_of(n):
            with concurrent.futures.ThreadPoolExecutor(64) as pool:
                return [t for part in pool.map(one, [n] * 64) for t in part]

        tokens = all_of(8)
        self.assertEqual(len({payload_of(t)["jti"] for t in tokens}), 64 * 8)
        for token in tokens[::37]:
            self.verifier.decode(token, jwks)
        warm = self.verifier.memory()
        for _ in range(4):
            all_of(10)
        grown = self.verifier.memory() - warm
        # with a sanitizer each allocation has room around it, and threads keep more of them
        self.assertLess(grown, 32768 if sanitized() else 4096, f"{grown} KiB more after 2560 requests")
        self.assertEqual(self.verifier.metric('avow_attestations_total{result="token"}'), 64 * 48)
        self.assertEqual(self.verifier.audit().returncode, 0)


class Administered(VerifierTest):
    @classmethod
    def make_config(cls):
        cls.admin, line = make_identity(cls.dir, "admin")
        cls.stranger, cls.stranger_line = make_identity(cls.dir, "stranger")
        cls.list = os.path.join(cls.dir, "administrators")
        with open(cls.list, "w") as f:
            f.write(line)
        return {"administrators": cls.list, "rate": 100000}

    path = f"/policies/SevSnpVm?{VERSION}"

    def put(self, text, identity=None):
        return self.verifier.call("PUT", self.path, text, {"Content-Type": "text/plain"}, identity or self.admin)

    def current(self):
        token = self.token(self.verifier.call("GET", self.path, identity=self.admin))
        stored = unb64url(self.verifier.decode(token)["x-ms-policy"]).decode()
        return unb64url(json.loads(unb64url(stored.split(".")[1]))["AttestationPolicy"]).decode()

    def test_1_policies(self):
        request = captured()
        self.assertIn("permit", self.current())
        for identity, status in ((None, 401), (self.stranger, 403)):
            self.assertEqual(self.verifier.call("PUT", self.path, DENY, identity=identity)[0], status)
            self.assertEqual(self.verifier.call("GET", self.path, identity=identity)[0], status)
        default = self.verifier.decode(self.token(self.verifier.call("POST", SNP, request)))["x-ms-policy-hash"]
        self.assertEqual(default, "9NY0VnTQ-IiBriBplVUpFbczcDaEBUwsiFYAzHu_gco")
        self.fails(self.put("version= 1.0;nonsense{};"), 400, "PolicyParsingError", "line 1")
        result = self.verifier.decode(self.token(self.put(DENY)))
        self.assertEqual(result["x-ms-policy-result"], "Updated")
        self.assertEqual(self.current(), DENY)
        self.fails(self.verifier.call("POST", SNP, request), 400, "PolicyEvaluationError", "Deny claim")
        jws = b64url(b'{"alg":"none"}') + "." + b64url(json.dumps({"AttestationPolicy": b64url(ISSUE.encode())}).encode()) + "."
        self.assertEqual(self.put(jws)[0], 200)
        claims = self.verifier.decode(self.token(self.verifier.call("POST", SNP, request)))
        self.assertEqual(claims["tier"], "gold")
        expected = b64url(hashlib.sha256(b64url(ISSUE.encode()).encode()).digest())
        self.assertEqual(claims["x-ms-policy-hash"], expected)
        # kept over a restart
        self.assertEqual(self.verifier.stop(), 0)
        self.verifier.start()
        self.assertEqual(self.current(), ISSUE)
        self.assertEqual(self.verifier.call("POST", f"/policies/SevSnpVm:reset?{VERSION}", "", identity=self.admin)[0], 200)
        claims = self.verifier.decode(self.token(self.verifier.call("POST", SNP, request)))
        self.assertEqual(claims["x-ms-policy-hash"], default)
        self.fails(self.verifier.call("GET", f"/policies/SgxEnclave?{VERSION}", identity=self.admin), 404, "NotFound")
        history = [r["detail"] for r in self.verifier.rows() if r["event"] == "policy"]
        self.assertEqual([h["before"] for h in history][1:], [h["hash"] for h in history][:-1])
        self.assertEqual(history[1]["jws"], jws)

    def test_2_reload(self):
        with open(self.list, "a") as f:
            f.write(self.stranger_line)
        self.verifier.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while self.verifier.call("GET", self.path, identity=self.stranger)[0] != 200:
            self.assertLess(time.monotonic(), end, self.verifier.log_text())
        with open(self.list, "w") as f:
            f.write("nonsense\n")
        self.verifier.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while "event=failed code=format" not in self.verifier.log_text():
            self.assertLess(time.monotonic(), end, self.verifier.log_text())
        self.assertEqual(self.verifier.call("GET", self.path, identity=self.admin)[0], 200)


class Simulated(VerifierTest):
    @classmethod
    def make_config(cls):
        vendor, cls.machine_dir = make_sim(cls.dir, "snp")
        return {"simulated-roots": os.path.join(vendor, "roots.pem"), "tee": {"kind": "sim-snp", "dir": cls.machine_dir}}

    def machine(self):
        return Machine(self.machine_dir, self.verifier.jwks()["keys"][0]["x-avow-evidence"])

    def test_1_own_key_is_attested(self):
        key = self.verifier.jwks()["keys"][0]
        bundle = key["x-avow-evidence"]
        statement = base64.b64decode(bundle["statement"]) if not bundle["statement"].startswith("{") else bundle["statement"].encode()
        self.assertIn(key["kid"], json.loads(statement)["kids"])
        report = base64.b64decode(bundle["evidence"])
        self.assertEqual(report[0x50:0x70], hashlib.sha256(statement).digest())

    def test_2_nonce(self):
        machine = self.machine()
        status, _, given = self.verifier.call("POST", "/nonce", "")
        self.assertEqual(status, 200)
        self.assertGreater(given["expires"], time.time())
        runtime = json.dumps({"nonce": given["nonce"], "key": "k"}).encode()
        request = machine.request(runtime, nonce=given["nonce"])
        claims = self.verifier.decode(self.token(self.verifier.call("POST", SNP, request)))
        self.assertIs(claims["x-avow-nonce-fresh"], True)
        self.assertIs(claims["x-avow-simulated"], True)
        self.assertEqual(claims["x-ms-runtime"], {"nonce": given["nonce"], "key": "k"})
        self.assertEqual(claims["nonce"], given["nonce"])
        self.fails(self.verifier.call("POST", SNP, request), 400, "InvalidParameter", "used before")
        # an echo is no proof: not in what the evidence binds, not fresh
        given = self.verifier.call("POST", "/nonce", "")[2]
        claims = self.verifier.decode(self.token(self.verifier.call("POST", SNP, machine.request(b'{"a":1}', nonce=given["nonce"]))))
        self.assertNotIn("x-avow-nonce-fresh", claims)
        forged = given["nonce"][:-1] + ("0" if given["nonce"][-1] != "0" else "1")
        runtime = json.dumps({"nonce": forged}).encode()
        claims = self.verifier.decode(self.token(self.verifier.call("POST", SNP, machine.request(runtime))))
        self.assertNotIn("x-avow-nonce-fresh", claims)
        # bytes that are no JSON may name it too
        claims = self.verifier.decode(self.token(self.verifier.call(
            "POST", SNP, machine.request(b"\x01" + given["nonce"].encode(), "Binary", nonce=given["nonce"]))))
        self.assertIs(claims["x-avow-nonce-fresh"], True)

    def test_3_refused_without_roots(self):
        request = self.machine().request(b'{"a":1}')
        other = tempfile.mkdtemp(prefix="avow-verifier-")
        self.addCleanup(shutil.rmtree, other, True)
        bare = Verifier(other).start()
        self.addCleanup(bare.stop)
        self.fails(bare.call("POST", SNP, request), 400, "InvalidParameter", "root")
        with open(bare.state + "/../log") as f:
            self.assertIn("code=InvalidParameter", f.read())


class Tdx(VerifierTest):
    """What a quote lacks comes from the store, and from nowhere else."""

    @classmethod
    def make_config(cls):
        vendor, machine = make_sim(cls.dir, "tdx")
        cls.store = os.path.join(cls.dir, "collateral.db")
        files = [os.path.join(vendor, f) for f in os.listdir(vendor) if f.startswith(("intel-", "qe-", "tcb-")) and not f.endswith(".key")]
        subprocess.run([AVOW, "collateral", "import", "--store", cls.store, *files], check=True, timeout=60, capture_output=True)
        return {"simulated-roots": os.path.join(vendor, "roots.pem"), "tee": {"kind": "sim-tdx", "dir": machine},
                "collateral": cls.store}

    def test_quote(self):
        bundle = self.verifier.jwks()["keys"][0]["x-avow-evidence"]
        statement = base64.b64decode(bundle["statement"]) if not bundle["statement"].startswith("{") else bundle["statement"].encode()
        request = {"quote": b64url(base64.b64decode(bundle["evidence"])),
                   "runtimeData": {"data": b64url(statement), "dataType": "JSON"}}
        claims = self.verifier.decode(self.token(self.verifier.call("POST", TDX, request)))
        self.assertEqual(claims["x-ms-attestation-type"], "tdxvm")
        self.assertEqual(claims["attester_tcb_status"], "UpToDate")
        self.assertEqual(claims["x-ms-runtime"], json.loads(statement))
        self.assertIs(claims["x-avow-simulated"], True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
