"""avow collateral, and avow verify with a store, against servers on loopback that have the vendors' real bytes."""
import http.server
import threading
import sys
import urllib.parse

from harness import *
from test_vectors import meta, middle, path, read, write

MILAN = "snp/milan-v3-vcek-oak-40a277"
GENOA = "snp/genoa-v5-vcek-cdai-7ea4da"
TDX = "tdx/coco-v5-90c06f"
THIM = "azure-thim/sidecar-milan-v2"


class Vendor(http.server.ThreadingHTTPServer):
    """Answers a path that begins as one of `files` says; counts what was asked, and when."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files, self.asked, self.times, self.busy, self.headers = {}, [], [], 0, []
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Answer(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        v = self.server
        with v.lock:
            v.asked.append(self.path)
            v.times.append(time.monotonic())
            v.headers.append(dict(self.headers))
            busy, v.busy = v.busy, max(0, v.busy - 1)
        found = [(k, f) for k, f in v.files.items() if self.path.startswith(k) and self.path.endswith("/crl") == k.endswith("/crl")]
        status, (body, headers) = (429, (b"", {"Retry-After": "0"})) if busy else (200, found[0][1]) if found else (404, (b"no", {}))
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Collateral(unittest.TestCase):
    def setUp(self):
        if not os.path.exists(path("INDEX.md")):
            print("\n*** SKIPPED: no real evidence at AVOW_VECTORS ***\n", file=sys.stderr)
            self.skipTest("no vectors")
        self.dir = tempfile.mkdtemp(prefix="avow-collateral-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.env = dict(os.environ, HOME=self.dir, XDG_DATA_HOME=self.dir + "/data", NO_COLOR="1", no_proxy="*")
        self.store = self.dir + "/c.db"
        self.vendor = Vendor()
        self.addCleanup(self.vendor.close)

    def avow(self, *args, rc=0):
        done = subprocess.run([AVOW, *args], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, cwd=self.dir, env=self.env)
        self.assertEqual(done.returncode, rc, f"{args}: {done.stdout}{done.stderr}")
        return done

    def collateral(self, *args, rc=0):
        done = self.avow("collateral", *args, "--store", self.store, "--json", rc=rc)
        return json.loads(done.stdout) if done.stdout else done.stderr

    def fetch(self, *args, rc=0):
        return self.collateral("fetch", *args, "--kds", self.vendor.url, "--pcs", self.vendor.url, rc=rc)

    def has(self, prefix, name, **headers):
        self.vendor.files[prefix] = (read(path(name)), {k.replace("_", "-"): v for k, v in headers.items()})

    def has_intel(self):
        chain = urllib.parse.quote(read(path(TDX, "tcb_signing_chain.pem")).decode())
        self.has("/tdx/certification/v4/tcb?fmspc=90c06f000000", TDX + "/tcb_info.json", TCB_Info_Issuer_Chain=chain)
        self.has("/tdx/certification/v4/qe/identity", TDX + "/qe_identity.json", SGX_Enclave_Identity_Issuer_Chain=chain)
        self.has("/sgx/certification/v4/pckcrl?ca=platform", TDX + "/pck_crl.der")
        self.vendor.files["/sgx/certification/v4/rootcacrl"] = (read(path(TDX, "root_ca_crl.der")).hex().encode(), {})  # as a PCCS

    # ---- fetching ----

    def test_amd(self):
        report = path(MILAN, "report.bin")
        self.has("/vcek/v1/Milan/", MILAN + "/vcek.der")
        done = self.fetch(report, rc=3)  # no CRL there: said, and the rest is brought
        states = {i["what"].split()[0]: i["state"] for i in done["items"]}
        self.assertEqual(states, {"VCEK": "fetched", "CRL": "failed"})
        self.assertIn("404", [i for i in done["items"] if i["state"] == "failed"][0]["text"])
        asked = self.vendor.asked[0]
        tcb = {k: int(v[0]) for k, v in urllib.parse.parse_qs(urllib.parse.urlsplit(asked).query).items()}
        doc = json.loads(self.avow("verify", report, "--store", self.store, "--offline", "--json").stdout)
        self.assertEqual(tcb, {"blSPL": doc["tcb_status"]["bootloader"], "teeSPL": doc["tcb_status"]["tee"],
                               "snpSPL": doc["tcb_status"]["snp"], "ucodeSPL": doc["tcb_status"]["microcode"]})
        again = self.fetch(report, rc=3)
        self.assertEqual(again["present"], 1)
        self.assertEqual(len([a for a in self.vendor.asked if "Milan/" in a and "crl" not in a]), 1)

    def test_many(self):
        nodes = self.dir + "/nodes"
        os.mkdir(nodes)
        for i, name in enumerate((MILAN, GENOA)):
            shutil.copy(path(name, "report.bin"), f"{nodes}/{i}.bin")
            self.has(f"/vcek/v1/{'Milan' if i == 0 else 'Genoa'}/", name + "/vcek.der")
        write(nodes + "/notes.txt", b"not evidence")
        done = self.fetch(nodes, rc=3)
        self.assertEqual((done["fetched"], done["failed"]), (2, 2))
        line = self.avow("verify", nodes + "/0.bin", nodes + "/1.bin", "--store", self.store).stdout
        self.assertIn("2 accepted", line)

    def test_intel(self):
        self.has_intel()
        done = self.fetch(path(TDX, "quote.bin"))
        self.assertEqual(done["fetched"], 4)
        at = middle(meta(path(TDX))["window"])
        doc = json.loads(self.avow("verify", path(TDX, "quote.bin"), "--store", self.store, "--at", at, "--offline", "--json", rc=1).stdout)
        self.assertEqual(doc["tcb_status"], "TCB_NOT_SUPPORTED")  # judged with all that was fetched
        self.assertEqual({r["code"] for r in doc["reasons"] if r["state"] == "not-run"}, set())
        by_name = self.fetch("--fmspc", "90C06F000000", "--refresh")
        self.assertEqual(by_name["fetched"], 4)

    def test_thim(self):
        self.has("/metadata/THIM/amd/certification", THIM + "/uvm_host_amd_certificate.json")
        done = self.collateral("fetch", "--thim", self.vendor.url + "/metadata/THIM/amd/certification")
        self.assertEqual(done["fetched"], 1)
        self.assertEqual(self.vendor.headers[0]["Metadata"], "true")
        self.avow("verify", path(THIM, "snp_report.bin"), "--store", self.store, "--offline")

    def test_one_in_an_interval_among_processes(self):
        for name in (MILAN, GENOA):
            line = name.split("/")[1].split("-")[0].capitalize()
            self.has(f"/vcek/v1/{line}/", name + "/vcek.der")
        command = [AVOW, "collateral", "fetch", "--store", self.store, "--kds", self.vendor.url, "--kds-interval", "1", "--json"]
        both = [subprocess.Popen([*command, path(name, "report.bin")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
                for name in (MILAN, GENOA)]
        for p in both:
            p.communicate(timeout=60)
        times = self.vendor.times
        self.assertEqual(len(times), 4)  # two VCEKs, two CRLs that are not there
        for earlier, later in zip(times, times[1:]):
            self.assertGreater(later - earlier, 0.4)  # they are sent a second apart; a busy machine may be late to take one
        self.assertGreater(times[-1] - times[0], 2.4)

    def test_single_flight(self):
        self.has("/vcek/v1/Milan/", MILAN + "/vcek.der")
        command = [AVOW, "collateral", "fetch", "--store", self.store, "--kds", self.vendor.url, "--json", path(MILAN, "report.bin")]
        many = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env) for _ in range(6)]
        states = []
        for p in many:
            out, err = p.communicate(timeout=60)
            states += [i["state"] for i in json.loads(out)["items"] if i["what"].startswith("VCEK")]
        self.assertEqual(sorted(states), ["fetched"] + ["present"] * 5)
        self.assertEqual(len([a for a in self.vendor.asked if "crl" not in a]), 1)

    def test_a_busy_server_is_asked_again(self):
        self.has("/vcek/v1/Milan/", MILAN + "/vcek.der")
        self.has("/vcek/v1/Milan/crl", MILAN + "/vcek.der")  # not a CRL
        self.vendor.busy = 2
        done = self.fetch(path(MILAN, "report.bin"), rc=3)
        self.assertEqual(done["fetched"], 1)
        failed = [i for i in done["items"] if i["state"] == "failed"][0]
        self.assertEqual(failed["error"], "protocol")
        self.vendor.busy = 100
        tired = self.fetch("--product", "Genoa", "--tries", "2", rc=3)
        self.assertIn("429", tired["items"][0]["text"])

    def test_nobody_answers(self):
        done = self.collateral("fetch", path(TDX, "quote.bin"), "--pcs", "http://127.0.0.1:1", "--tries", "1", rc=4)
        self.assertEqual(done["failed"], 4)
        self.assertIn("not asked", done["items"][-1]["text"])

    def test_what_cannot_be_fetched(self):
        done = self.fetch(path("snp/milan-v3-vlek-coco-decdab/report.bin"), rc=3)
        self.assertIn("provider", done["items"][0]["text"])
        self.assertEqual(self.vendor.asked, [])
        self.fetch("--fmspc", "xyz", rc=2)
        self.fetch("--product", "Naples", rc=2)
        self.fetch("--kds-interval", "-1", rc=2)
        self.fetch(self.dir + "/none.bin", rc=2)

    # ---- verify ----

    def test_verify_fetches_what_is_missing_and_only_that(self):
        report = path(MILAN, "report.bin")
        self.has("/vcek/v1/Milan/", MILAN + "/vcek.der")
        vendor = ("--kds", self.vendor.url, "--pcs", self.vendor.url)
        self.avow("verify", report, *vendor, "--offline", rc=3)
        self.assertEqual(self.vendor.asked, [])
        self.avow("verify", report, *vendor, "--with", path(MILAN, "vcek.der"))
        self.assertEqual(self.vendor.asked, [])  # nothing was missing
        done = self.avow("verify", report, *vendor)
        self.assertIn("fetched from", done.stderr)
        self.assertEqual(len(self.vendor.asked), 1)
        self.avow("verify", report, "--offline")  # from the user's own store
        self.assertTrue(os.path.exists(self.dir + "/data/avow/collateral.db"))
        flipped = bytearray(read(report))
        flipped[0x90] ^= 1
        write(self.dir + "/flipped.bin", bytes(flipped))
        self.avow("verify", self.dir + "/flipped.bin", *vendor, rc=1)
        # what is issued now is too new for a judgement of the past
        self.has_intel()
        n = len(self.vendor.asked)
        self.avow("verify", path(TDX, "quote.bin"), *vendor, "--at", "2024-06-01", rc=3)
        self.assertEqual(len(self.vendor.asked), n)

    def test_a_server_that_lies_gains_nothing(self):
        self.has("/vcek/v1/Milan/", GENOA + "/vcek.der")
        done = self.avow("verify", path(MILAN, "report.bin"), "--kds", self.vendor.url, rc=3)
        self.assertIn("not the VCEK", done.stderr)

    # ---- files ----

    def test_carried_to_a_place_without_network(self):
        first = self.collateral("import", path("snp"), path("tdx"), path("amd-roots"), path("intel-crl"))
        self.assertGreater(first["added"], 100)
        self.assertGreater(len(first["passed_over"]), 0)
        out = self.collateral("export", self.dir + "/usb")
        self.assertEqual(out["files"], first["added"])
        report = path("snp/milan-v2-vcek-coco-az-7c6146/report.bin")
        hwid = read(report)[0x1A0:0x1E0].hex()
        trustee = f"{self.dir}/usb/vcek/{hwid}/bl03_tee00_snp08_ucode115_vcek.der"
        self.assertEqual(read(trustee), read(path("snp/milan-v2-vcek-coco-az-7c6146/vcek.der")))
        self.store = self.dir + "/other.db"
        second = self.collateral("import", self.dir + "/usb")
        self.assertEqual((second["added"], second["present"]), (first["added"], 0))
        third = self.collateral("import", self.dir + "/usb")
        self.assertEqual((third["added"], third["present"]), (0, first["added"]))
        for name in (MILAN, GENOA, "snp/turin-v5-vcek-mstee-az-85da70"):
            self.avow("verify", path(name, "report.bin"), "--store", self.store, "--offline")
        self.avow("verify", path("snp"), "--store", self.store, "--offline", rc=2)  # a folder of folders has no files
        listed = self.collateral("list")["items"]
        self.assertEqual(len(listed), first["added"])
        self.assertEqual({i["kind"] for i in listed}, {"vcek", "vlek", "certificate", "crl", "tcb-info", "qe-identity"})
        expired = [i for i in listed if i["state"] == "expired"]
        self.assertEqual(self.collateral("prune")["dropped"], len(expired))
        self.assertEqual(len(self.collateral("list")["items"]), first["added"] - len(expired))

    def test_mistakes(self):
        self.assertIn("did you mean import", self.collateral("imprt", rc=2))
        self.collateral("list", rc=2)  # there is no store yet
        self.collateral("import", rc=2)
        self.collateral("import", self.dir + "/none", rc=2)
        write(self.dir + "/notes.txt", b"hello")
        self.collateral("import", self.dir + "/notes.txt", rc=2)
        self.collateral("export", rc=2)
        write(self.store, b"no database" * 1000)
        self.assertIn("c.db", self.collateral("list", rc=2))
        self.avow("verify", path(MILAN, "report.bin"), "--store", self.store, "--offline", rc=2)


if __name__ == "__main__":
    unittest.main()
