"""Policies of avow-verifier that must be signed: the JWS are made by python3-jwt, as an administrator's tool would."""
from verifier_harness import *

DENY = 'version= 1.0;authorizationrules{c:[type=="x-ms-sevsnpvm-vmpl", value==0] => deny(); => permit();};'
GOLD = 'version= 1.0;authorizationrules{=> permit();};issuancerules{=> issue(type="tier", value="gold");};'
PATH = f"/policies/SevSnpVm?{VERSION}"
RESET = f"/policies/SevSnpVm:reset?{VERSION}"
REASON = "policies must be signed by one of"


class Signer:
    """An RSA key with a self-signed certificate."""

    def __init__(self, directory, name):
        self.key, self.cert = os.path.join(directory, name + ".key"), os.path.join(directory, name + ".crt")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                        "-keyout", self.key, "-out", self.cert], check=True, capture_output=True, timeout=60)
        with open(self.cert) as f:
            self.der = ssl.PEM_cert_to_DER_cert(f.read())
        with open(self.key, "rb") as f:
            self.private = serialization.load_pem_private_key(f.read(), None)
        spki = self.private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.line = f"sha256:{hashlib.sha256(spki).hexdigest()} {name}\n"

    def jws(self, payload, key=None):
        return jwt.api_jws.encode(payload, (key or self).private, "RS256", {"x5c": [base64.b64encode(self.der).decode()]})

    def policy(self, text, key=None):
        return self.jws(json.dumps({"AttestationPolicy": b64url(text.encode())}).encode(), key)


class Signed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="avow-signers-")
        cls.addClassCleanup(shutil.rmtree, cls.dir, True)
        cls.signer, cls.stranger = Signer(cls.dir, "signer"), Signer(cls.dir, "stranger")
        cls.admin, line = make_identity(cls.dir, "admin")
        vendor, machine = make_sim(cls.dir, "snp")
        config = {"rate": 100000, "simulated-roots": os.path.join(vendor, "roots.pem"), "tee": {"kind": "sim-snp", "dir": machine}}
        for name, text in (("administrators", line), ("policy-signers", "")):
            config[name] = os.path.join(cls.dir, name)
            with open(config[name], "w") as f:
                f.write(text)
        cls.signers = config["policy-signers"]
        del config["policy-signers"]
        cls.verifier = Verifier(cls.dir, **config).start()
        cls.addClassCleanup(lambda: cls.verifier.stop())
        cls.machine = Machine(machine, cls.verifier.jwks()["keys"][0]["x-avow-evidence"])

    def put(self, text):
        return self.verifier.call("PUT", PATH, text, {"Content-Type": "text/plain"}, self.admin)

    def reset(self, text=""):
        return self.verifier.call("POST", RESET, text, {"Content-Type": "text/plain"}, self.admin)

    def forbidden(self, answer, *texts):
        self.assertEqual(answer[0], 403, answer[2])
        self.assertEqual(answer[2]["error"]["code"], "Forbidden")
        for text in texts:
            self.assertIn(text, answer[2]["error"]["message"])

    def attest(self):
        status, _, body = self.verifier.call("POST", SNP, self.machine.request(b'{"a":1}'))
        self.assertEqual(status, 200, body)
        return self.verifier.decode(body["token"])

    def restart(self, want=True):
        if self.verifier.process.poll() is None:
            self.assertEqual(self.verifier.stop(), 0)
        self.verifier.config["policy-signers"] = self.signers
        if want:
            self.verifier.start()
            return ""
        with self.assertRaises(AssertionError) as failed:
            self.verifier.start()
        self.verifier.stop()
        return str(failed.exception)

    def reloaded(self, sign):
        """SIGHUP, and what the log says of it."""
        before = self.verifier.log_text().count(sign)
        self.verifier.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 30
        while self.verifier.log_text().count(sign) == before:
            self.assertLess(time.monotonic(), end, self.verifier.log_text())
            time.sleep(0.02)  # a signal has no answer to wait for

    def check_signer(self, claims):
        self.assertEqual(claims["x-ms-policy-signer"],
                         {"jwk": {"alg": "RS256", "kty": "RSA", "x5c": [base64.b64encode(self.signer.der).decode()]}})

    def test_1_anybody(self):
        """Without a list: signed or not; a signature that does not hold is refused all the same."""
        result = self.verifier.decode(self.put(self.signer.policy(GOLD))[2]["token"])
        self.check_signer(result)
        claims = self.attest()
        self.assertEqual(claims["tier"], "gold")
        self.check_signer(claims)
        status, _, body = self.put(self.signer.policy(DENY, key=self.stranger))
        self.assertEqual((status, body["error"]["code"]), (400, "PolicyParsingError"))
        self.assertEqual(self.put(GOLD)[0], 200)
        self.assertNotIn("x-ms-policy-signer", self.attest())

    def test_2_only_signers(self):
        """With one, the service does not even start with a policy that none of them signed."""
        with open(self.signers, "w") as f:
            f.write(self.signer.line)
        self.assertIn("SevSnpVm.jws is not signed", self.restart(want=False))
        os.unlink(self.verifier.state + "/policies/SevSnpVm.jws")
        self.restart()
        self.forbidden(self.put(GOLD), "not signed", REASON)
        self.forbidden(self.put(b64url(b'{"alg":"none"}') + "." + self.signer.policy(GOLD).split(".")[1] + "."), "not signed")
        self.forbidden(self.put(self.stranger.policy(GOLD)), "none of the 1", self.stranger.line.split()[0])
        self.assertNotIn("tier", self.attest())
        self.assertEqual(self.put(self.signer.policy(GOLD))[0], 200)
        claims = self.attest()
        self.assertEqual(claims["tier"], "gold")
        self.check_signer(claims)
        row = [r["detail"] for r in self.verifier.rows() if r["event"] == "policy"][-1]
        self.assertEqual("sha256:" + row["signer"], self.signer.line.split()[0])
        self.restart()  # and with a signed one it starts
        self.check_signer(self.attest())

    def test_3_reset(self):
        """The default permits everything: who may not set a policy may not return to it either."""
        self.forbidden(self.reset(), "not signed", REASON)
        self.forbidden(self.reset(b64url(b'{"alg":"none"}') + ".."), "not signed")
        self.forbidden(self.reset(self.stranger.jws(b"")), "none of the 1")
        status, _, body = self.reset(self.signer.policy(GOLD))
        self.assertEqual((status, body["error"]["code"]), (400, "InvalidParameter"))
        self.check_signer(self.attest())
        self.assertEqual(self.reset(self.signer.jws(b""))[0], 200)
        claims = self.attest()
        self.assertNotIn("tier", claims)
        self.assertNotIn("x-ms-policy-signer", claims)

    def test_4_reload(self):
        """A signer that is taken off the list while his policy is in force: nothing changes."""
        self.assertEqual(self.put(self.signer.policy(GOLD))[0], 200)
        with open(self.signers, "w") as f:
            f.write(self.stranger.line)
        self.reloaded("event=failed code=untrusted")
        self.assertIn("SevSnpVm.jws is signed by " + self.signer.line.split()[0], self.verifier.log_text())
        self.forbidden(self.put(self.stranger.policy(DENY)))
        with open(self.signers, "w") as f:
            f.write(self.stranger.line + self.signer.line)
        self.reloaded("event=reloaded")
        self.assertEqual(self.put(self.stranger.policy(GOLD))[0], 200)
        self.assertEqual(self.attest()["x-ms-policy-signer"]["jwk"]["x5c"], [base64.b64encode(self.stranger.der).decode()])


if __name__ == "__main__":
    unittest.main(verbosity=2)
