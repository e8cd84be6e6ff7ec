"""avow policy: policies from real vectors accept exactly those; test says which rule decides; check, where a mistake is."""
import glob

from harness import *

VECTORS = os.environ.get("AVOW_VECTORS", "")
COLLATERAL = ("tcb_info.json", "qe_identity.json", "tcb_signing_chain.pem", "root_ca_crl.der", "pck_crl.der")
TPM = ("tpm_quote.msg", "tpm_quote.sig", "pcrs_sha256.bin")


def path(*parts):
    return os.path.join(VECTORS, *parts)


def present(folder, names):
    return [f for f in (os.path.join(folder, n) for n in names) if os.path.exists(f)]


def middle(folder):
    """Unix seconds in the middle of the window in which a vector's collateral is valid."""
    ends = [time.strptime(t, "%Y-%m-%dT%H:%M:%SZ") for t in meta(folder)["window"].split("..")]
    return str(int(sum(time.mktime(t) for t in ends) / 2 - time.timezone))


def meta(folder):
    with open(os.path.join(folder, "meta.json")) as f:
        return json.load(f)


def snp(name):
    folder = path("snp", name)
    return [folder + "/report.bin", "--with", *glob.glob(folder + "/v?ek.der")]


def tdx(name):
    folder = path("tdx", name)
    return [folder + "/quote.bin", "--with", *present(folder, COLLATERAL), *glob.glob(path("intel-crl/*.crl")), "--at", middle(folder)]


def azure_snp(name):
    folder = path("azure-snp", name)
    return [folder + "/hcl_report.bin", "--with", *present(folder, ("vcek.der",) + TPM)]


def azure_tdx(name, collateral):
    folder, more = path("azure-tdx", name), path("tdx", collateral)
    return [folder + "/hcl_report.bin", "--with", folder + "/td_quote.bin", *present(folder, TPM), *present(more, COLLATERAL), "--at", middle(more)]


class Policy(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="avow-policy-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.file = os.path.join(self.dir, "policy.yaml")

    def avow(self, *args, rc=0):
        done = subprocess.run([AVOW, *args], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, cwd=self.dir)
        self.assertEqual(done.returncode, rc, f"{args}: {done.stdout}{done.stderr}")
        return done

    def write(self, text, name="policy.yaml"):
        file = os.path.join(self.dir, name)
        with open(file, "w") as f:
            f.write(text)
        return file

    def made(self, evidence, *options):
        self.avow("policy", "from", *evidence, *options, "-o", self.file)
        with open(self.file) as f:
            return f.read()

    def decided_by(self, evidence, *options, rc):
        done = self.avow("policy", "test", self.file, *evidence, *options, "--json", rc=rc)
        (result,) = json.loads(done.stdout)["results"]
        self.assertEqual(result["verdict"] == "accepted", rc == 0)
        self.assertEqual(result["exit"], rc)
        return result["decided_by"] and result["decided_by"]["source"]

    def verify(self, evidence, rc):
        done = self.avow("verify", *evidence, "--policy", self.file, "--json", rc=rc)
        return json.loads(done.stdout)


needs_vectors = unittest.skipUnless(os.path.isdir(path("snp")), "*** SKIPPED: no vectors: set AVOW_VECTORS ***")


@needs_vectors
class From(Policy):
    def test_round_trip_snp(self):
        names = [os.path.basename(f) for f in sorted(glob.glob(path("snp/*"))) if "google-377e62" not in f]
        at = lambda n: ("--at", "2025-11-01") if "vlek" in n else ()
        measured = {n: meta(path("snp", n))["measurement"] for n in names}
        refused = 0
        for i, name in enumerate(names):
            other = names[(i + 5) % len(names)]
            for options in ((), ("--tight",)):
                self.made(snp(name), *options, *at(name))
                self.assertIsNone(self.decided_by(snp(name), *at(name), rc=0), name)
                self.verify(snp(name) + [*at(name)], rc=0)
                if measured[other] == measured[name] or "az" in other and "az" in name:
                    continue
                self.assertEqual(self.decided_by(snp(other), *at(other), rc=1), "snp.measurements", f"{name} {other}")
                refused += 1
        self.assertGreater(refused, 20)

    def test_round_trip_tdx(self):
        good = ("automata-v5-alibaba-90c06f-2025-06", "cdai-v4-azure-90c06f", "flashbots-v4-gcp-00806f-2026-01", "fraunhofer-v4-c0806f-2026-03")
        for i, name in enumerate(good):
            for options in ((), ("--tight", "--pin-machines")):
                text = self.made(tdx(name), *options)
                self.assertIsNone(self.decided_by(tdx(name), rc=0), name)
                self.assertEqual("rtmr0" in text and "machine-ids" in text, bool(options))
                self.assertEqual("NOT THE DEFAULT: Intel" in text, "fraunhofer" in name)
                self.assertEqual(self.decided_by(tdx(good[i - 1]), rc=1), "tdx.mrtd", name)
                self.assertEqual(self.decided_by(snp("genoa-v5-vcek-cdai-7ea4da"), rc=1), "default: snp")

    def test_round_trip_azure(self):
        evidence = azure_snp("coco-v2")
        text = self.made(evidence, "--tight", "--pin-machines")
        self.assertIn("require-secure-boot: true", text)
        self.assertIn("vm-ids:", text)
        self.assertIsNone(self.decided_by(evidence, rc=0))
        pins = self.verify(evidence, rc=0)["policy_pins"]
        self.assertEqual(pins, {"accepted": True, "measurement": True, "registers": True, "machine": True, "vm": True, "id": True})
        self.assertIn("az-snp.", self.decided_by(azure_snp("cdai-milan-v3"), rc=1))
        part = evidence[:3]  # no TPM quote: nothing can be said
        self.decided_by(part, rc=3)
        evidence = azure_tdx("cdai-live", "cdai-v4-azure-90c06f")
        self.made(evidence, "--tight")
        self.assertIsNone(self.decided_by(evidence, rc=0))
        self.assertIn("az-tdx.", self.decided_by(azure_tdx("flashbots-2025-12", "flashbots-v4-azure-90c06f-2026-02"), rc=1))

    def test_many_nodes(self):
        names = ("genoa-v5-vcek-cdai-7ea4da", "milan-v5-vcek-teekit-19a94f", "turin-v5-vcek-mstee-az-85da70")
        files = [snp(n) for n in names]
        leaves = [f for e in files for f in e[2:]]
        text = self.made([e[0] for e in files] + ["--with", *leaves])
        self.assertIn("product lines are mixed", text)
        self.assertNotIn("fmc", text)
        for e in files:
            self.assertIsNone(self.decided_by(e, rc=0))
        done = self.avow("policy", "test", self.file, *[e[0] for e in files], snp("milan-v3-vcek-oak-40a277")[0], "--with", *leaves, "--json", rc=1)
        self.assertEqual([r["exit"] for r in json.loads(done.stdout)["results"]], [0, 0, 0, 1])  # its leaf is not among them
        quote = path("azure-snp/coco-v2/tpm_quote.msg")
        self.assertIn("whose is it", self.avow("policy", "from", *[e[0] for e in files], "--with", *leaves, quote, rc=2).stderr)

    def test_what_is_no_good_node(self):
        debug = snp("milan-v2-vcek-google-377e62")
        done = self.avow("policy", "from", *debug, "-o", self.file, rc=1)
        self.assertIn("--allow-debug", done.stderr)
        self.assertFalse(os.path.exists(self.file))
        done = self.avow("policy", "from", *debug, "--allow-debug", "-o", self.file)
        self.assertIn("DEBUG", done.stderr)
        self.assertIsNone(self.decided_by(debug, rc=0))
        done = self.avow("policy", "from", path("snp-bad/coco-test-vcek-invalid-legacy/report.bin"), "--with",
                         *[f for f in glob.glob(path("snp-bad/coco-test-vcek-invalid-legacy/*")) if not f.endswith(("report.bin", "meta.json"))], rc=1)
        self.assertIn("NOT AUTHENTIC", done.stderr)
        self.assertIn("could not be verified", self.avow("policy", "from", debug[0], rc=3).stderr)
        vlek = snp("milan-v3-vlek-coco-decdab") + ["--at", "2025-11-01"]
        self.assertIn("masked", self.avow("policy", "from", *vlek, "--pin-machines", rc=1).stderr)
        self.assertIn("csp-id:", self.avow("policy", "from", *vlek).stdout)
        as_json = json.loads(self.avow("policy", "from", *vlek, "--json").stdout)
        self.assertEqual(as_json["version"], 1)


class Simulated(Policy):
    """From simulated devices: needs no vectors."""

    def test_simulated_nodes(self):
        cluster = Cluster()
        self.addCleanup(cluster.close)
        roots = os.path.join(cluster.vendor, "roots.pem")
        bundles = []
        for name, tee in (("a", "snp"), ("b", "tdx")):
            client = cluster.add(name, tee).client()
            self.addCleanup(client.close)
            bundles.append(self.write(client.bundle, name + ".json"))
        done = self.avow("policy", "from", *bundles, "--roots", roots, "--tight", "--pin-machines", "-o", self.file)
        self.assertIn("SIMULATED: 2 of 2 nodes", done.stderr)
        with open(self.file) as f:
            text = f.read()
        self.assertIn("!!! SIMULATED !!!", text)
        self.assertIn("allow-simulated: true", text)
        for bundle in bundles:
            self.assertIsNone(self.decided_by([bundle], "--roots", roots, rc=0))
            self.assertEqual(self.decided_by([bundle], rc=1), "AMD 57230, ARK as the KDS serves it" if bundle is bundles[0] else "Intel PCK, SGX Root CA")
        self.write(text.replace("allow-simulated: true", "allow-simulated: false"))
        self.assertEqual(self.decided_by(bundles[:1], "--roots", roots, rc=1), "allow-simulated")
        self.assertIn("NOT AUTHENTIC", self.avow("policy", "from", *bundles, rc=1).stderr)


@needs_vectors
class Test(Policy):
    def test_which_rule_decides(self):
        evidence = snp("genoa-v5-vcek-cdai-7ea4da")
        self.made(evidence)
        with open(self.file) as f:
            text = f.read()
        for before, after, rule in (
            ("bootloader: 10", "bootloader: 11", "snp.min-tcb"),
            ("  allow-vlek: false", "  vmpl: [1]", "snp.vmpl"),
            ("  allow-vlek: false", "  require-mitigations: [2]", "snp.require-mitigations"),
            ("  allow-vlek: false", "  csp-id: [\"CN=cc-us-east-2.amazonaws.com\"]", "snp.csp-id"),
            ("  allow-vlek: false", "  allow-smt: false", "snp.allow-smt"),
            ("version: 1", "version: 1\nmachine-ids: [\"0102030405060708\"]", "machine-ids"),
            ("\nsnp:", "\naz-snp:", "default: snp"),
        ):
            self.assertIn(before, text)
            self.write(text.replace(before, after))
            self.assertEqual(self.decided_by(evidence, rc=1), rule)
            self.assertIn(rule, [r["source"].removeprefix("policy: ") for r in self.verify(evidence, rc=1)["reasons"]])
        self.write(text + "machines: { a: \"0102030405060708\" }\n")
        self.assertIsNone(self.decided_by(evidence, rc=0))
        self.assertIsNone(self.decided_by(evidence, "--member", "b", rc=0))
        self.assertEqual(self.decided_by(evidence, "--member", "a", rc=1), "machines")
        shown = self.avow("policy", "test", self.file, *evidence, "--member", "a", rc=1).stdout
        self.assertRegex(shown, r"machines +FAILED <- decides +machine ")
        self.assertIn("machines decides: ", shown)
        self.write(text.replace("  allow-vlek: false", "  require-crl: true"))
        self.assertEqual(self.decided_by(evidence, rc=3), "snp.require-crl")

    def test_tokens_say_what_was_pinned(self):
        key, token = os.path.join(self.dir, "key.pem"), os.path.join(self.dir, "token")
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key], check=True, capture_output=True)

        def vector(evidence, part="cpu", rc=0):
            self.avow("verify", *evidence, "--policy", self.file, "--ear", token, "--ear-key", key, rc=rc)
            with open(token) as f:
                payload = f.read().split(".")[1]
            ear = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["submods"][part]["ear_trustworthiness_vector"]
            return ear["executables"], ear["instance-identity"]

        evidence = snp("genoa-v5-vcek-cdai-7ea4da")
        self.write("version: 1\nsnp: { measurements: any }\n")
        self.assertEqual(vector(evidence), (0, 0))
        self.made(evidence)
        self.assertEqual(vector(evidence), (3, 0))
        self.made(evidence, "--pin-machines")
        self.assertEqual(vector(evidence), (3, 2))
        self.made(tdx("cdai-v4-azure-90c06f"), "--tight")
        self.assertEqual(vector(tdx("cdai-v4-azure-90c06f")), (2, 0))
        self.made(azure_snp("coco-v2"), "--tight", "--pin-machines")
        self.assertEqual(vector(azure_snp("coco-v2")), (3, 2))
        self.assertEqual(vector(azure_snp("coco-v2"), "vtpm"), (2, 0))
        self.made(snp("milan-v5-vcek-teekit-19a94f"))
        self.assertEqual(vector(evidence, rc=1)[0], 33)

    def test_windows(self):
        evidence = snp("genoa-v5-vcek-cdai-7ea4da")
        measurement = json.loads(self.avow("verify", *evidence, "--json").stdout)["claims"]["measurement"]
        self.write(f"version: 1\nsnp:\n  measurements:\n    - {{ value: \"{measurement}\", until: 2026-05-31 }}\n")
        self.decided_by(evidence, "--at", "2026-05-31T23:59:59Z", rc=0)
        self.assertEqual(self.decided_by(evidence, "--at", "2026-06-01", rc=1), "snp.measurements")
        shown = self.avow("policy", "test", self.file, *evidence, "--at", "2026-06-01", rc=1).stdout
        self.assertIn("value 1 of 1 until 2026-05-31T23:59:59Z alone", shown)

    def test_unreadable(self):
        evidence = snp("genoa-v5-vcek-cdai-7ea4da")
        self.avow("policy", "test", "nowhere.yaml", *evidence, rc=2)
        self.made(evidence)
        self.avow("policy", "test", self.file, "nowhere.bin", rc=2)
        self.avow("policy", "test", self.file, evidence[2], rc=2)  # a certificate is no evidence


class Check(Policy):
    def test_good(self):
        self.write("version: 1\nsnp:\n  measurements: any\n  id-key-digest: [\"" + "ab" * 48 + "\"]\n")
        done = self.avow("policy", "check", self.file)
        self.assertIn("snp: pins id; not measurement, registers, machine, vm", done.stdout)
        self.assertIn("any measurement is accepted", done.stderr)
        self.assertRegex(done.stdout, r"snp\.vmpl +default: \[0\]")
        self.assertRegex(done.stdout, r"snp\.id-key-digest +written")
        doc = json.loads(self.avow("policy", "check", self.file, "--json").stdout)
        self.assertIsNone(doc["tdx"])
        self.assertEqual(doc["snp"]["defaults"]["allow-debug"], "false")

    def test_mistakes_have_a_place(self):
        for text, says in (
            ("version: 1\nsnp:\n  measurments: any\n", ':3:16: policy: snp: unknown key "measurments" (did you mean "measurements"?)'),
            ("version: 1\nsnp:\n  allow-smt: true\n", ':3:3: policy: snp: "measurements" is missing; write "any"'),
            ("version: 1\nsnp:\n  measurements:\n    - \"00\"\n", ':4:5: policy: snp: "measurements"[0]: not 48 bytes in hex'),
            ("version: 1\ntdx:\n  mrtd: any\n  tcb-status: [Revoked]\n", ':4:15: policy: tdx: "tcb-status"[0]'),
            ("version: 1\naz-snp:\n  measurements: any\n  pcrs: { \"24\": any }\n", ':4:9: policy: az-snp: "pcrs": "24" is not 0 to 23'),
            ("version: 2\n", ":1:10: policy: top: version 2"),
            ("version: 1\nversion: 1\n", ":2:1: "),
            ("version: 1\nmachines: { a: 1 }\n", ':2:11: policy: top: "machines": "a"'),
        ):
            self.write(text)
            self.assertIn(self.file + says, self.avow("policy", "check", self.file, rc=2).stderr)

    def test_usage(self):
        for args in ((), ("form",), ("check",), ("check", "a", "b"), ("test", "a"), ("from",), ("check", "a", "--tight"), ("from", "a", "--member", "b")):
            self.avow("policy", *args, rc=2)
        self.assertIn("did you mean from?", self.avow("policy", "form", rc=2).stderr)


if __name__ == "__main__":
    if not os.path.isdir(path("snp")):
        print("\n*** SKIPPED: most of it: no vectors: set AVOW_VECTORS ***\n", flush=True)
    unittest.main()
