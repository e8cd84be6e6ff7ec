"""azure-compliant-cvm: what avow-verifier says of Microsoft's own paravisors, compared with Microsoft's own tokens."""
from verifier_harness import *

TOKENS = ["azure-maa/sharedeus2-2025-12-15-3cb236.decoded.json", "azure-maa/sharedeus2-2024-12-20-544bd7.decoded.json",
          "extra/tokens/maa-azurevm-cvmlib-1680173374.payload.json", "extra/tokens/maa-azurevm-sevsnp-sample-payload.json"]
EVIDENCE = "azure-snp/coco-v0"  # of the paravisor that the first of them is about
STATUS, COMPLIANT = "x-ms-compliance-status", "azure-compliant-cvm"
OF_A_VM = {"x-ms-sevsnpvm-reportdata", "x-ms-sevsnpvm-reportid", "x-ms-runtime"}
VCEK_OID = "1.3.6.1.4.1.3704.1"  # AMD 57230: extensions of a VCEK
BITS = {16: "smt-allowed", 18: "migration-allowed", 19: "is-debuggable", 20: "singlesocket", 21: "cxl-allowed",
        22: "mem-aes256-xts-required", 23: "rapl-disabled", 24: "ciphertext-hiding-dram-enabled", 25: "page-swap-disabled"}
FIELDS = {"familyId": 0x10, "imageId": 0x20, "reportdata": 0x50, "launchmeasurement": 0x90, "hostdata": 0xC0, "idkeydigest": 0xE0,
          "authorkeydigest": 0x110, "reportid": 0x140}
CONFIGURATION = ["console-enabled", "current-time", "secure-boot", "tpm-enabled", "vmUniqueId"]


def vector(name, mode="r"):
    path = os.path.join(VECTORS, name)
    if not os.path.exists(path):
        print(f"\n*** SKIPPED: no real evidence at {path} ***\n", file=sys.stderr)
        raise unittest.SkipTest("no vectors")
    with open(path, mode) as f:
        return f.read()


def of_token(name):
    """What a token of Microsoft's says of hardware and paravisor."""
    token = json.loads(vector(name))
    return token.get("payload", token)["x-ms-isolation-tee"]


def claim(tee, name):
    return tee["x-ms-sevsnpvm-" + name]


def runtime_of(tee):
    """The paravisor's claims, byte for byte: the token has them sorted, the report their digest."""
    said = tee["x-ms-runtime"]
    text = {"keys": [{k: key[k] for k in ("kid", "key_ops", "kty", "e", "n")} for key in said["keys"]],
            "vm-configuration": {k: said["vm-configuration"][k] for k in CONFIGURATION if k in said["vm-configuration"]}}
    if "user-data" in said:
        text["user-data"] = said["user-data"]
    return json.dumps(text, separators=(",", ":")).encode()


def entry(tee, name, **more):
    return {"name": name, "tee": "snp", "measurements": [claim(tee, "launchmeasurement")], "id-key-digest": [claim(tee, "idkeydigest")],
            "host-data": [claim(tee, "hostdata")], "min-guest-svn": claim(tee, "guestsvn"), **more}


class AzureMachine(Machine):
    """A simulated chip, certified for the firmware of the VM that a token of Microsoft's is about, whose report has all
    that this token says: the same VM, but for AMD's signature."""

    def __init__(self, vendor, directory, bundle, tee):
        super().__init__(directory, bundle)
        self.tee = tee
        spl = {1: "bootloader-svn", 2: "tee-svn", 3: "snpfw-svn", 8: "microcode-svn"}
        self.tcb = {i: claim(tee, spl[i]) if i in spl else 0 for i in range(1, 9)}
        self.certs[0] = self.certify(vendor, directory)

    def certify(self, vendor, directory):
        lines = [f"{VCEK_OID}.3.{i} = ASN1:INTEGER:{v}" for i, v in self.tcb.items()]
        lines += [f"{VCEK_OID}.1 = ASN1:INTEGER:0", f"{VCEK_OID}.2 = ASN1:IA5STRING:Genoa",
                  f"{VCEK_OID}.4 = DER:{bytes(self.report[0x1A0:0x1E0]).hex()}"]
        path = os.path.join(directory, "azure")
        with open(path + ".ext", "w") as f:
            f.write("\n".join(lines))
        subprocess.run(["openssl", "req", "-new", "-key", os.path.join(directory, "chip.key"), "-out", path + ".csr", "-subj",
                        "/OU=Engineering/C=US/L=Santa Clara/ST=CA/O=Advanced Micro Devices/CN=SEV-VCEK"],
                       check=True, capture_output=True, timeout=60)
        subprocess.run(["openssl", "x509", "-req", "-in", path + ".csr", "-CAform", "DER", "-CA", os.path.join(vendor, "amd-ask.der"), "-CAkey",
                        os.path.join(vendor, "amd-ask.key"), "-days", "30", "-set_serial", "0", "-sha384", "-sigopt", "rsa_padding_mode:pss",
                        "-sigopt", "rsa_pss_saltlen:48", "-extfile", path + ".ext", "-outform", "DER", "-out", path + ".der"],
                       check=True, capture_output=True, timeout=60)
        with open(path + ".der", "rb") as f:
            return f.read()

    def attest(self, runtime=None, kind="JSON", policy=0, **fields):
        """The request; @fields: bytes of the report that are others than in the token, by name."""
        report, tee = self.report, self.tee
        tcb = bytes([self.tcb[1], self.tcb[2], 0, 0, 0, 0, self.tcb[3], self.tcb[8]])
        for at in (0x38, 0x180, 0x1E0, 0x1F0):  # current, reported, committed, launch
            report[at:at + 8] = tcb
        for name, at in FIELDS.items():
            value = fields.get(name, bytes.fromhex(claim(tee, name)))
            report[at:at + len(value)] = value
        bits = sum(1 << bit for bit, name in BITS.items() if tee.get("x-ms-sevsnpvm-" + name))
        report[0x04:0x08] = claim(tee, "guestsvn").to_bytes(4, "little")
        report[0x08:0x10] = (0x1F | 1 << 17 | bits | policy).to_bytes(8, "little")
        report[0x30:0x34] = fields.get("vmpl", claim(tee, "vmpl")).to_bytes(4, "little")
        return self.request(runtime_of(tee) if runtime is None else runtime, kind)


class Paravisors(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="avow-paravisor-")
        cls.addClassCleanup(shutil.rmtree, cls.dir, True)
        cls.tees = [of_token(name) for name in TOKENS]
        cls.vendor, cls.folder = make_sim(cls.dir, "snp")
        cls.file = os.path.join(cls.dir, "paravisors.yaml")
        cls.write(*(entry(tee, f"simulated {i}", simulated=True) for i, tee in enumerate(cls.tees)), entry(cls.tees[0], "2025-12"))
        cls.verifier = Verifier(cls.dir, **{"paravisors": cls.file, "rate": 100000, "tee": {"kind": "sim-snp", "dir": cls.folder},
                                            "simulated-roots": os.path.join(cls.vendor, "roots.pem")}).start()
        cls.addClassCleanup(cls.verifier.stop)
        cls.bundle = cls.verifier.jwks()["keys"][0]["x-avow-evidence"]

    @classmethod
    def write(cls, *entries):
        with open(cls.file, "w") as f:
            json.dump({"version": 1, "paravisors": entries}, f)
        os.chmod(cls.file, 0o600)

    def machine(self, tee):
        return AzureMachine(self.vendor, self.folder, self.bundle, tee)

    def claims(self, request):
        status, _, body = self.verifier.call("POST", SNP, request)
        self.assertEqual(status, 200, body)
        return self.verifier.decode(body["token"])

    def not_compliant(self, request):
        claims = self.claims(request)
        self.assertNotIn(STATUS, claims)
        self.assertNotIn("x-avow-paravisor", claims)

    def real(self):
        inner = {"SnpReport": b64url(vector(EVIDENCE + "/snp_report.bin", "rb")),
                 "VcekCertChain": b64url((ssl.DER_cert_to_PEM_cert(vector(EVIDENCE + "/vcek.der", "rb")) + vector(EVIDENCE + "/chain.pem")).encode())}
        return {"report": b64url(json.dumps(inner).encode()),
                "runtimeData": {"data": b64url(vector(EVIDENCE + "/runtime_data.json", "rb")), "dataType": "JSON"}}

    def reload(self, *entries):
        self.write(*entries)
        before = self.verifier.log_text().count("event=reloaded")
        self.verifier.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 30
        while self.verifier.log_text().count("event=reloaded") == before:
            self.assertLess(time.monotonic(), end, self.verifier.log_text())
            time.sleep(0.02)  # a signal has no answer to wait for

    def test_1_the_same_vms(self):
        """Of the VM of each of Microsoft's tokens: each claim is the same, and the same is said of compliance."""
        for i, tee in enumerate(self.tees):
            self.assertEqual(tee[STATUS], COMPLIANT)
            self.assertEqual(hashlib.sha256(runtime_of(tee)).hexdigest() + "00" * 32, claim(tee, "reportdata"))
            claims = self.claims(self.machine(tee).attest())
            self.assertEqual({k: claims.get(k) for k in tee}, tee)
            self.assertEqual(claims["x-avow-paravisor"], f"simulated {i}")
            self.assertIs(claims["x-avow-simulated"], True)
            self.assertEqual(claims["iss"], self.verifier.issuer)

    def test_2_real_evidence(self):
        """Signed by AMD, of the paravisor of the first token, but another VM of it."""
        claims = self.claims(self.real())
        same = {k: v for k, v in self.tees[0].items() if k not in OF_A_VM}
        self.assertEqual({k: claims.get(k) for k in same}, same)
        self.assertEqual(claims["x-avow-paravisor"], "2025-12")
        self.assertIs(claims["x-avow-simulated"], False)
        row = [r["detail"] for r in self.verifier.rows() if r["event"] == "token"][-1]
        self.assertEqual((row["paravisor"], row["jti"]), ("2025-12", claims["jti"]))
        status, _, body = self.verifier.call("POST", SNP, self.real(), {"Accept": "application/eat+jwt"})
        self.assertEqual(status, 200, body)
        ear = self.verifier.decode(body.decode())
        self.assertEqual(ear["x-avow-paravisor"], "2025-12")
        self.assertEqual(ear["submods"]["cpu"]["ear_trustworthiness_vector"]["executables"], 3)

    def test_3_something_else(self):
        """The same VM in all but one thing: authentic, and not compliant."""
        machine = self.machine(self.tees[0])
        self.assertEqual(self.claims(machine.attest())[STATUS], COMPLIANT)
        flipped = bytes.fromhex(claim(self.tees[0], "launchmeasurement"))[:-1] + b"\0"
        self.not_compliant(machine.attest(launchmeasurement=flipped))
        self.not_compliant(machine.attest(idkeydigest=b"\1" * 48))
        self.not_compliant(machine.attest(hostdata=b"\1" * 32))
        self.not_compliant(machine.attest(vmpl=1))
        self.not_compliant(machine.attest(policy=1 << 19))
        self.not_compliant(machine.attest(policy=1 << 18))
        self.not_compliant(machine.attest(kind="Binary"))
        self.not_compliant(machine.attest(b'{"keys":[]}'))
        self.not_compliant(machine.attest(runtime_of(self.tees[0]).replace(b"HCLAkPub", b"HCLTransferKey")))
        bare = machine.attest()
        del bare["runtimeData"]
        self.not_compliant(bare)
        other = machine.attest()
        other["runtimeData"]["data"] = b64url(runtime_of(self.tees[1]))
        self.assertEqual(self.verifier.call("POST", SNP, other)[0], 400)
        self.assertEqual(self.claims(machine.attest())[STATUS], COMPLIANT)

    def test_4_no_policy_says_it(self):
        """Nobody who sets a policy can have the service say it."""
        text = f'version= 1.0;authorizationrules{{=> permit();}};issuancerules{{=> issue(type="{STATUS}", value="{COMPLIANT}");}};'
        draft = b64url(b'{"alg":"none"}') + "." + b64url(json.dumps({"AttestationPolicy": b64url(text.encode())}).encode()) + "."
        bare = self.machine(self.tees[0]).attest(idkeydigest=b"\1" * 48)
        status, _, body = self.verifier.call("POST", SNP, {**bare, "draftPolicyForAttestation": draft})
        self.assertEqual((status, body["error"]["code"]), (400, "PolicyEvaluationError"), body)

    def test_5_reload(self):
        """One value of the file is another, and SIGHUP: not compliant; real evidence never by what is said of simulated."""
        tee = self.tees[0]
        for change in ({"measurements": ["00" * 48]}, {"id-key-digest": ["00" * 48]}, {"min-guest-svn": claim(tee, "guestsvn") + 1},
                       {"measurements": [{"value": claim(tee, "launchmeasurement"), "until": "2026-01-01"}]}, {"simulated": True}):
            self.reload({**entry(tee, "changed"), **change})
            self.not_compliant(self.real())
        self.reload(entry(tee, "again"))
        self.assertEqual(self.claims(self.real())["x-avow-paravisor"], "again")
        self.not_compliant(self.machine(tee).attest())


if __name__ == "__main__":
    unittest.main(verbosity=2)
