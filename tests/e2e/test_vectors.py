"""Every real vector, judged by the command as vectors/INDEX.md says; envelopes, batches, bundles, tokens."""
import glob
import random
import sys
import urllib.parse

from harness import *

VECTORS = os.environ.get("AVOW_VECTORS", "")
COLLATERAL = ("tcb_info.json", "qe_identity.json", "tcb_signing_chain.pem", "root_ca_crl.der", "pck_crl.der")
TPM = ("tpm_quote.msg", "tpm_quote.sig", "pcrs_sha256.bin")


def path(*parts):
    return os.path.join(VECTORS, *parts)


def present(folder, names):
    return [f for f in (os.path.join(folder, n) for n in names) if os.path.exists(f)]


def read(name):
    with open(name, "rb") as f:
        return f.read()


def write(name, data):
    with open(name, "wb") as f:
        f.write(data)


def meta(folder):
    with open(os.path.join(folder, "meta.json")) as f:
        return json.load(f)


def middle(window):
    """Unix seconds in the middle of "2026-03-16T22:34:05Z..2026-04-15T22:06:09Z"."""
    ends = [time.strptime(t, "%Y-%m-%dT%H:%M:%SZ") for t in window.split("..")]
    return str(int(sum(time.mktime(t) for t in ends) / 2 - time.timezone))


class Judged(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="avow-vectors-")
        self.addCleanup(shutil.rmtree, self.dir, True)

    def verify(self, *args, rc=None):
        done = subprocess.run([AVOW, "verify", *args, "--offline", "--json"], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, cwd=self.dir)
        doc = json.loads(done.stdout) if done.stdout else {}
        if rc is not None:
            self.assertEqual(done.returncode, rc, f"{args}: {done.stderr}{[(r['code'], r['text']) for r in doc.get('reasons', [])]}")
        if doc:
            self.assertEqual(doc["verdict"] == "accepted", done.returncode == 0, str(args))
            self.assertTrue(doc["authentic"] or done.returncode != 0, str(args))
            self.assertEqual(doc["undecided"], done.returncode == 3, str(args))
        return doc

    def codes(self, doc):
        return {r["code"] for r in doc["reasons"]}


class Vectors(Judged):
    def test_snp(self):
        n = 0
        for folder in sorted(glob.glob(path("snp/*"))):
            leaves = sorted(glob.glob(folder + "/v?ek*.der"))
            at = ["--at", "2025-11-01"] if "vlek" in folder else []
            for with_ in (leaves + present(folder, ["chain.pem"]), leaves, list(reversed(present(folder, ["chain.pem"]) + leaves))):
                doc = self.verify(folder + "/report.bin", "--with", *with_, *at, rc=1 if "google-377e62" in folder else 0)
                self.assertTrue(doc["authentic"], folder)
                self.assertFalse(doc["simulated"])
                self.assertEqual(doc["tee"], "snp")
                self.assertEqual(doc["claims"]["measurement"], meta(folder)["measurement"])
                self.assertIn("fmc" if "turin" in folder else "snp", doc["tcb_status"])
                if "google-377e62" in folder:
                    self.assertEqual(self.codes(doc), {"debug"})
            self.assertEqual(self.codes(self.verify(folder + "/report.bin", *at, rc=3)), {"missing"})
            n += 1
        self.assertGreaterEqual(n, 25)
        expired = path("snp/milan-v3-vlek-coco-decdab")
        self.assertEqual(self.codes(self.verify(expired + "/report.bin", "--with", expired + "/vlek.der", rc=1)), {"expired"})

    def test_tokens_of_microsofts(self):
        eus2 = ["--with", path("azure-maa/jwks.sharedeus2.eus2.attest.azure.net.json"), "--issuer", "https://sharedeus2.eus2.attest.azure.net"]
        weu = ["--with", path("azure-maa/jwks.sharedweu.weu.attest.azure.net.json"), "--issuer", "https://sharedweu.weu.attest.azure.net/"]
        for name, keys in (("azure-maa/sharedeus2-2025-12-15-3cb236", eus2), ("azure-maa/sharedeus2-2024-12-20-544bd7", eus2),
                           ("extra/tokens/maa-azurevm-cvmlib-1680173374", weu)):
            token = read(path(name + ".jwt")).decode().strip()
            claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
            file = path(name + ".jwt")
            doc = self.verify(file, *keys, "--at", str(claims["iat"] + 5), rc=0)
            self.assertEqual([doc["tee"], doc["token"]["jti"], doc["token"]["exp"], doc["token"]["type"]], ["az-snp", claims["jti"], claims["exp"], "azurevm"])
            self.assertEqual(doc["claims"]["measurement"], claims["x-ms-isolation-tee"]["x-ms-sevsnpvm-launchmeasurement"])
            self.assertTrue([r for r in doc["rules"] + doc["claims"]["checks"] if r["code"] == "binding" and "not checked" in r["text"]])
            self.assertIn("token-expired", self.codes(self.verify(file, *keys, rc=1)))
            self.assertIn("token-early", self.codes(self.verify(file, *keys, "--at", "2022-01-01", rc=1)))
            self.assertIn("token-issuer", self.codes(self.verify(file, *(weu if keys is eus2 else eus2), "--at", str(claims["iat"] + 5), rc=1)))
        self.verify(path("azure-maa/sharedeus2-2022-04-14-f9dd9d.jwt"), *eus2, rc=3)  # signed by a key that the set does not have any more
        sgx = self.verify(path("azure-maa/sharedeus-sgx-1695737747.jwt"), "--with", path("azure-maa/jwks.teaclave.0.json"), "--issuer",
                          "https://sharedeus.eus.attest.azure.net", "--at", "1695737800", rc=1)
        self.assertTrue(sgx["token"]["verified"])  # genuine, of hardware that avow has no rules for
        self.verify(path("azure-maa/sharedeus2-2025-12-15-3cb236.jwt"), rc=2)

    def test_snp_bad(self):
        for name, code in (("13038f22", "version"), ("a6b23dd8", "version"), ("c0b201f6", "version"),
                           ("fraunhofer-invalid-report", "malformed"), ("coco-test-vcek-invalid-legacy", "signature")):
            folder = path("snp-bad", name)
            others = [f for f in glob.glob(folder + "/*") if not f.endswith(("report.bin", "meta.json"))]
            doc = self.verify(folder + "/report.bin", *(["--with", *others] if others else []), rc=1)
            self.assertIn(code, self.codes(doc))
        for folder in glob.glob(path("snp-noleaf/*")):
            self.verify(folder + "/report.bin", rc=3)

    def test_snp_leaf_of_another_machine(self):
        folders = sorted(glob.glob(path("snp/*")))
        for a, b in zip(folders, folders[7:] + folders[:7]):
            leaf = (glob.glob(b + "/v?ek.der") + [""])[0]
            doc = self.verify(a + "/report.bin", "--with", leaf, b + "/chain.pem")
            self.assertFalse(doc["authentic"] and meta(a)["chip_id"] != meta(b)["chip_id"], a + b)

    def test_tdx(self):
        n = 0
        for folder in sorted(glob.glob(path("tdx/*"))):
            info = meta(folder)
            quote = folder + "/quote.bin"
            if "intel-qvl" in folder or not os.path.exists(quote):
                continue
            self.verify(quote, rc=3 if "debug" not in folder else None)
            if not info.get("tcb"):
                continue
            with_ = present(folder, COLLATERAL) + glob.glob(path("intel-crl/*.crl"))
            doc = self.verify(quote, "--with", *with_, "--at", middle(info["window"]))
            self.assertEqual(doc["tcb_status"], info["tcb"].split()[0], folder)
            self.assertEqual(doc["claims"]["measurement"], info["mrtd"])
            accepted = info["tcb"] == "UpToDate" and "debug" not in folder
            self.assertEqual(doc["verdict"], "accepted" if accepted else "refused", folder)
            self.assertEqual(doc["authentic"], info["tcb"] != "TCB_NOT_SUPPORTED", folder)
            if "debug" in folder:
                self.assertIn("debug", self.codes(doc))
            n += 1
            late = self.verify(quote, "--with", *present(folder, COLLATERAL), "--at", "2035-01-01")
            self.assertFalse(late["authentic"])
        self.assertGreaterEqual(n, 12)

    def test_tdx_bad(self):
        root = self.verify(path("tdx-bad/cc-api-preprod-root/quote.bin"), rc=1)
        self.assertIn("root", self.codes(root))
        self.verify(path("tdx-bad/fraunhofer-invalidTdxQuote/quote.bin"), rc=1)
        self.verify(path("sgx/phala-sgx-v3/quote.bin"), "--with", path("tdx/cdai-v4-azure-90c06f/tcb_info.json"), rc=1)
        sample = path("tdx/intel-qvl-sample-testroot")
        doc = self.verify(sample + "/quote.dat", "--with", *glob.glob(sample + "/*.pem"), *glob.glob(sample + "/*.json")[:0], rc=1)
        self.assertIn("root", self.codes(doc))

    def test_collateral_that_is_not_signed(self):
        good = path("tdx/cdai-v4-azure-90c06f")
        others = present(good, COLLATERAL[2:])
        n = 0
        for name, kind in (("tcbinfo_tdx_*", 0), ("qeidentity_tdqe_*", 1)):
            for bad in glob.glob(path("collateral-bad", name)):
                doc = self.verify(good + "/quote.bin", "--with", bad, present(good, COLLATERAL)[1 - kind], *others,
                                  "--at", middle(meta(good)["window"]))
                self.assertFalse(doc.get("authentic", False), bad)
                n += 1
        self.assertGreaterEqual(n, 3)

    def test_collateral_of_another_kind(self):
        """Of SGX, unreadable, or without its signature: a refusal with its reason, and no matter beside the right one."""
        good = path("tdx/cdai-v4-azure-90c06f")
        at, bare = ("--at", middle(meta(good)["window"])), os.path.join(self.dir, "bare.json")
        others = present(good, COLLATERAL[1:])
        write(bare, json.dumps(json.loads(read(good + "/tcb_info.json"))["tcbInfo"]).encode())
        for bad in (path("sgx/intel-qvl-sample-testroot/tcbInfo.json"), path("tdx/intel-qvl-sample-testroot/tcbInfo.json"), bare):
            doc = self.verify(good + "/quote.bin", "--with", bad, *others, *at, rc=1)
            self.assertEqual(self.codes(doc), {"tcb-info"}, bad)
            self.verify(good + "/quote.bin", "--with", bad, good + "/tcb_info.json", *others, *at, rc=0)
        sgx = path("sgx/intel-qvl-sample-testroot/qeIdentity.json")
        doc = self.verify(good + "/quote.bin", "--with", sgx, good + "/tcb_info.json", *others[1:], *at, rc=1)
        self.assertEqual(self.codes(doc), {"qe-identity"})
        doc = self.verify(path("sgx/phala-sgx-v3/quote.bin"), "--with", path("sgx/phala-sgx-v3/collateral.json"), rc=1)
        self.assertEqual(self.codes(doc), {"malformed"})

    def test_collateral_as_curl_saves_it(self):
        good = path("tdx/cdai-v4-azure-90c06f")
        at = ("--at", middle(meta(good)["window"]))
        chain = urllib.parse.quote(read(good + "/tcb_signing_chain.pem"), safe="-").encode()
        body = read(good + "/tcb_info.json").strip()
        saved, head = os.path.join(self.dir, "saved"), os.path.join(self.dir, "head")
        write(saved, b"HTTP/1.1 200 OK\r\nTCB-Info-Issuer-Chain: " + chain + b"\r\nContent-Type: application/json\r\n\r\n" + body)
        write(head, b"TCB-Info-Issuer-Chain: " + chain.replace(b"-----", b"%2D%2D%2D%2D%2D") + b"\r\n")
        rest = present(good, ("qe_identity.json", "root_ca_crl.der", "pck_crl.der"))
        self.verify(good + "/quote.bin", "--with", saved, *rest, *at, rc=0)
        self.verify(good + "/quote.bin", "--with", head, good + "/tcb_info.json", *rest, *at, rc=0)

    def test_azure_with_everything_beside_it(self):
        """What belongs to the evidence and proves nothing (a TDREPORT, the AK as PEM) is no error."""
        folder, more = path("azure-tdx/cdai-live"), path("tdx/cdai-v4-azure-90c06f")
        others = [f for f in glob.glob(folder + "/*") if not f.endswith(("meta.json", "hcl_report.bin"))]
        self.verify(folder + "/hcl_report.bin", "--with", *others, *present(more, COLLATERAL), "--at", middle(meta(more)["window"]), rc=0)
        old = path("azure-snp/kinvolk-snp-2022")
        doc = self.verify(old + "/hcl_report.bin", "--with", old + "/akpub.pem", old + "/quote.bin", rc=1)  # another VM's, as bincode
        self.assertEqual(self.codes(doc), {"missing", "tpm-signature"})

    def test_azure_snp(self):
        for name in ("cdai-evidence-v1", "cdai-milan-v3", "coco-v0", "coco-v1", "coco-v2"):
            folder = path("azure-snp", name)
            doc = self.verify(folder + "/hcl_report.bin", "--with", *present(folder, ("vcek.der", "chain.pem") + TPM), rc=0)
            self.assertEqual((doc["tee"], doc["authentic"]), ("az-snp", True))
            self.assertEqual(len(doc["claims"]["vtpm"]["pcrs"]), 24)
            self.assertTrue(doc["claims"]["azure"]["secure-boot"])
            split = self.verify(folder + "/snp_report.bin", "--with", folder + "/runtime_data.json", *present(folder, ("vcek.der",) + TPM), rc=0)
            self.assertEqual(split["tee"], "az-snp")
            envelope = (glob.glob(folder + "/evidence*.json") + glob.glob(folder + "/*attestation.json"))[0]
            self.assertEqual(self.verify(envelope, rc=0)["claims"]["vtpm"], doc["claims"]["vtpm"])
            part = self.verify(folder + "/hcl_report.bin", "--with", folder + "/vcek.der", folder + "/tpm_quote.msg", rc=3)
            self.assertEqual(self.codes(part), {"tpm-signature", "pcrs"})
        other = self.verify(path("azure-snp/coco-v1/hcl_report.bin"), "--with", path("azure-snp/coco-v1/vcek.der"),
                            *present(path("azure-snp/cdai-milan-v3"), TPM), rc=1)
        self.assertEqual(self.codes(other), {"tpm-signature"})
        self.verify(path("azure-snp/kinvolk-snp-2022/hcl_report.bin"), rc=3)
        self.verify(path("azure-snp/kinvolk-snp-2022/hcl_report.bin"), "--with", path("azure-snp/kinvolk-snp-2022/certs.pem"), rc=1)
        release = self.verify(path("azure-snp/maa-perf-HCLTransferKey/hcl_report.bin"), rc=1)
        self.assertEqual(self.codes(release), {"hcl"})

    def test_azure_tdx(self):
        for name, collateral in (("flashbots-2025-12", "tdx/flashbots-v4-azure-90c06f-2026-02"), ("cdai-live", "tdx/cdai-v4-azure-90c06f")):
            folder, more = path("azure-tdx", name), path(collateral)
            with_ = [folder + "/td_quote.bin", *present(folder, TPM), *present(more, COLLATERAL)]
            at = middle(meta(more)["window"])
            doc = self.verify(folder + "/hcl_report.bin", "--with", *with_, "--at", at, rc=0)
            self.assertEqual((doc["tee"], doc["authentic"], doc["tcb_status"]), ("az-tdx", True, "UpToDate"))
            again = self.verify(folder + "/td_quote.bin", "--with", folder + "/hcl_report.bin", *with_[1:], "--at", at, rc=0)
            self.assertEqual(again["claims"], doc["claims"])
        for name in ("coco-v0", "coco-v1"):
            folder = path("azure-tdx", name)
            doc = self.verify(folder + "/hcl_report.bin", "--with", folder + "/td_quote.bin", *present(folder, TPM), rc=3)
            self.assertEqual(self.codes(doc), {"missing"})
            self.assertIn("vtpm", doc["claims"])
        self.assertEqual(self.codes(self.verify(path("azure-tdx/kinvolk-tdx/hcl_report.bin"), rc=3)), {"missing"})
        swapped = self.verify(path("azure-tdx/cdai-live/hcl_report.bin"), "--with", path("azure-tdx/flashbots-2025-12/td_quote.bin"),
                              *present(path("tdx/cdai-v4-azure-90c06f"), COLLATERAL), "--at", "2026-03-31", rc=1)
        self.assertTrue({"hcl", "runtime-data"} <= self.codes(swapped))

    def test_envelopes(self):
        for name in ("extra/veraison-sevsnp-tsm-report.json", "extra/veraison-sevsnp-tsm-report.cbor", "extra/veraison-sevsnp-ratsd-token",
                     "snp-ext/veraison-tsm-report-genoa-v3/tsm-report.cbor", "azure-maa/azure-samples-sevsnp-request/evidence.json",
                     "extra/maa/azure-samples-sevsnpvm-attest-request.json"):
            self.assertEqual(self.verify(path(name), rc=0)["tee"], "snp", name)
        ravl = self.verify(path("extra/ravl-sev_snp.att"), rc=None)
        self.assertEqual(ravl["tee"], "snp")
        tail = path("snp-ext/ultravioletrs-attestation_bin/attestation.bin")  # a report and a table without certificates
        self.assertEqual(self.codes(self.verify(tail, rc=3)), {"missing"})
        thim = path("azure-thim/sidecar-milan-v2")
        self.verify(thim + "/snp_report.bin", "--with", thim + "/uvm_host_amd_certificate.json", rc=0)
        text = os.path.join(self.dir, "report.txt")
        report = path("snp/milan-v3-vcek-oak-40a277/report.bin")
        for encode in (base64.b64encode, base64.urlsafe_b64encode, base64.b16encode):
            with open(text, "wb") as f:
                f.write(encode(read(report)))
            self.verify(text, "--with", path("snp/milan-v3-vcek-oak-40a277/vcek.der"), rc=0)

    def test_damage_is_never_accepted(self):
        """Bits of the signed parts, and every kind of cut; sampled, the same ones every time."""
        rnd = random.Random(20260331)
        tdx, azure = path("tdx/cdai-v4-azure-90c06f"), path("azure-snp/coco-v2")
        cases = [
            (path("snp/milan-v3-vcek-oak-40a277/report.bin"), [path("snp/milan-v3-vcek-oak-40a277/vcek.der")], [], 1184),
            (tdx + "/quote.bin", present(tdx, COLLATERAL), ["--at", middle(meta(tdx)["window"])], 4936),
            (azure + "/hcl_report.bin", present(azure, ("vcek.der",) + TPM), [], 0),
        ]
        target = os.path.join(self.dir, "damaged")
        for evidence, with_, at, end in cases:
            whole = read(evidence)
            end = end or 0x4D4 + 1110
            for _ in range(40):
                damaged = bytearray(whole)
                where = rnd.randrange(0x20 if damaged[:4] == b"HCLA" else 0, end)
                damaged[where] ^= 1 << rnd.randrange(8)
                with open(target, "wb") as f:
                    f.write(damaged)
                doc = self.verify(target, "--with", *with_, *at)
                unsigned = where in range(0x4C0, 0x4D4) and damaged[:4] == b"HCLA"
                self.assertFalse(doc.get("verdict") == "accepted" and not unsigned, f"{evidence}: byte {where}")
            for _ in range(30):
                with open(target, "wb") as f:
                    f.write(whole[:rnd.randrange(end)])
                self.assertNotEqual(self.verify(target, "--with", *with_, *at).get("verdict"), "accepted")


class Command(Judged):
    """What does not depend on which vector it is."""

    def setUp(self):
        super().setUp()
        self.folder = path("snp/milan-v3-vcek-oak-40a277")
        self.report, self.leaf = self.folder + "/report.bin", self.folder + "/vcek.der"

    def run_it(self, *args, rc=0):
        done = subprocess.run([AVOW, "verify", *args], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, cwd=self.dir)
        self.assertEqual(done.returncode, rc, done.stdout + done.stderr)
        return done

    def test_says_that_no_measurement_was_checked(self):
        done = self.run_it(self.report, "--with", self.leaf)
        self.assertIn("no measurement was checked", done.stderr)
        self.assertIn("AMD 57230", done.stdout)
        self.assertEqual(self.run_it(self.report, "--with", self.leaf, "--quiet").stderr, "")

    def test_wrong_input(self):
        for args in (("nowhere.bin",), (self.leaf,), (self.report, "--at", "yesterday"), (self.report, "--with", "nowhere.der"),
                     (self.report, "--policy", "nowhere.yaml"), (self.report, "--with"), (self.report, "--ear", "x"),
                     (self.folder + "/meta.json",)):
            done = self.run_it(*args, rc=2)
            self.assertTrue(done.stderr.startswith("avow: "), done.stderr)
            self.assertEqual(done.stdout, "")

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            for more in ((), ("--json",)):
                done = subprocess.run([AVOW, "verify", self.report, "--with", self.leaf, *more], stdout=full, stderr=subprocess.PIPE,
                                      text=True, timeout=60, stdin=subprocess.DEVNULL)
                self.assertEqual(done.returncode, 2)
                self.assertIn("could not be written", done.stderr)

    def test_a_name_that_is_no_utf8(self):
        folder = os.path.join(self.dir, "odd")
        os.mkdir(folder)
        shutil.copy(self.report, os.path.join(os.fsencode(folder), b"na\xffme"))
        row = json.loads(self.run_it(folder, "--with", self.leaf, "--json", "--offline").stdout)
        self.assertEqual((row["verdict"], row["file"]), ("accepted", folder + "/na?me"))

    def test_policy(self):
        policy = os.path.join(self.dir, "p.yaml")
        measurement = meta(self.folder)["measurement"]
        for text, rc in ((f'version: 1\nsnp:\n  measurements: ["{measurement}"]\n', 0), ('version: 1\nsnp:\n  measurements: ["' + "00" * 48 + '"]\n', 1),
                         ("version: 1\nsnp: {}\n", 2), ("version: 1\ntdx:\n  mrtd: any\n", 1)):
            with open(policy, "w") as f:
                f.write(text)
            self.run_it(self.report, "--with", self.leaf, "--policy", policy, rc=rc)
        azure = path("azure-snp/coco-v2")
        pcr4 = self.verify(azure + "/hcl_report.bin", "--with", *present(azure, ("vcek.der",) + TPM))["claims"]["vtpm"]["pcrs"]["4"]
        for value, with_, rc in ((pcr4, TPM, 0), ("00" * 32, TPM, 1), (pcr4, (), 3)):
            with open(policy, "w") as f:
                f.write(f'version: 1\naz-snp:\n  measurements: any\n  require-secure-boot: true\n  pcrs: {{"4": ["{value}"]}}\n')
            self.run_it(azure + "/hcl_report.bin", "--with", *present(azure, ("vcek.der",) + with_), "--policy", policy, rc=rc)

    def test_bundle_is_judged_again(self):
        kept, tdx = os.path.join(self.dir, "kept.json"), path("tdx/cdai-v4-azure-90c06f")
        at = ("--at", middle(meta(tdx)["window"]))
        first = self.verify(tdx + "/quote.bin", "--with", *present(tdx, COLLATERAL), *at, "--bundle", kept, rc=0)
        again = self.verify(kept, *at, rc=0)
        self.assertEqual(first["claims"], again["claims"])
        self.assertFalse(self.verify(kept, "--at", "2031-01-01", rc=1)["authentic"])
        azure = path("azure-snp/coco-v2")
        self.verify(azure + "/hcl_report.bin", "--with", *present(azure, ("vcek.der",) + TPM), "--bundle", kept, rc=0)
        self.assertEqual(self.verify(kept, rc=0)["tee"], "az-snp")

    def test_ear(self):
        key, token = os.path.join(self.dir, "key.pem"), os.path.join(self.dir, "token")
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key], check=True, capture_output=True)
        self.run_it(self.report, "--with", self.leaf, "--ear", token, "--ear-key", key, "--nonce", "0123456789")
        header, payload, signature = read(token).decode().split(".")
        decode = lambda t: base64.urlsafe_b64decode(t + "=" * (-len(t) % 4))
        self.assertEqual(json.loads(decode(header))["alg"], "ES256")
        ear = json.loads(decode(payload))
        self.assertEqual(ear["eat_nonce"], "0123456789")
        self.assertEqual(ear["submods"]["cpu"]["ear_status"], "affirming")
        self.assertEqual(ear["submods"]["cpu"]["ear_trustworthiness_vector"]["hardware"], 2)
        raw = decode(signature)
        der = b"".join(b"\x02" + bytes([len(n)]) + n for n in
                       (v.lstrip(b"\0") if v.lstrip(b"\0")[0] < 128 else b"\0" + v.lstrip(b"\0") for v in (raw[:32], raw[32:])))
        write(self.dir + "/sig", b"\x30" + bytes([len(der)]) + der)
        write(self.dir + "/msg", (header + "." + payload).encode())
        subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", self.dir + "/pub"], check=True, capture_output=True)
        subprocess.run(["openssl", "dgst", "-sha256", "-verify", self.dir + "/pub", "-signature", self.dir + "/sig", self.dir + "/msg"],
                       check=True, capture_output=True)

    def test_batch(self):
        bundles = os.path.join(self.dir, "bundles")
        os.mkdir(bundles)
        kept = os.path.join(self.dir, "one.json")
        self.verify(self.report, "--with", self.leaf, "--bundle", kept, rc=0)
        debug = path("snp/milan-v2-vcek-google-377e62")
        bad = os.path.join(self.dir, "debug.json")
        self.verify(debug + "/report.bin", "--with", debug + "/vcek.der", "--bundle", bad, rc=1)
        for i in range(600):
            shutil.copy(kept, f"{bundles}/{i:04}.json")
        done = self.run_it(bundles, "--json")
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([r["file"] for r in rows], [f"{bundles}/{i:04}.json" for i in range(600)])
        self.assertEqual({r["verdict"] for r in rows}, {"accepted"})
        shutil.copy(bad, f"{bundles}/0300.json")
        write(f"{bundles}/0400.json", b"{")
        done = self.run_it(bundles, "--jobs", "3", rc=1)
        self.assertIn("600 judged: 598 accepted, 1 refused, 0 undecided, 1 unreadable", done.stdout)
        self.assertIn("debug", done.stdout)
        self.run_it(self.report, debug + "/report.bin", "--with", self.leaf, debug + "/vcek.der", rc=1)
        self.run_it(bundles, "--jobs", "0", rc=2)


if __name__ == "__main__":
    if not os.path.isdir(path("snp")):
        print("SKIPPED: no vectors: set AVOW_VECTORS")
        sys.exit(77)
    unittest.main()
