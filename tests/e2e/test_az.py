"""Azure's confidential VMs, whole: avowd on a virtual TPM under a simulated paravisor, judged here, by avow-verifier, by both;
and what avow-verifier says of paravisors, compared with Microsoft's own tokens."""
import http.server
import threading

from harness import *
from test_azure import Front
from verifier_harness import VECTORS, Machine, Verifier, b64url, payload_of, unb64url

AZURE_VM = os.path.join(PROGRAMS, "azure_vm")
EXIT_SKIPPED = 77
IMDS_PATHS = {"az-snp": "/metadata/THIM/amd/certification", "az-tdx": "/acc/tdquote"}


def skip(why):
    print(f"\n*** SKIPPED: {why} ***\n", flush=True)
    raise unittest.SkipTest(why)


class Imds(http.server.ThreadingHTTPServer):
    """Azure's instance metadata service, of one machine: what it answers is made beforehand."""
    daemon_threads = True

    def __init__(self, bodies):
        super().__init__(("127.0.0.1", 0), Answering)
        self.bodies, self.asked = bodies, []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


class Answering(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        path = self.path.split("?")[0]
        if self.command == "POST":
            self.rfile.read(int(self.headers["Content-Length"]))
        elif self.headers.get("Metadata") != "true":
            return self.send_error(400)
        self.server.asked.append(path)
        if path not in self.server.bodies:
            return self.send_error(404)
        body = json.dumps(self.server.bodies[path]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET


class Vm:
    """tests/e2e/programs/azure_vm.c: a swtpm that holds a simulated paravisor's report."""

    def __init__(self, vendor, tee, *image):
        self.tee = "az-" + tee
        self.process = subprocess.Popen([AZURE_VM, vendor, tee, *image], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            if self.process.wait(60) == EXIT_SKIPPED:
                skip("no swtpm here (apt install swtpm): Azure's VMs are not tried")
            raise AssertionError("azure_vm did not start")
        machine = json.loads(line)
        self.measurement, self.tcti = machine["measurement"], machine["tcti"]
        self.imds = Imds(machine["imds"])
        self.pcr = {}

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if answer != "ok\n":
            raise AssertionError(f"{line}: {answer!r}")

    def extend(self, pcr, byte):
        self.say(f"extend {pcr} {byte}")
        self.pcr[pcr] = hashlib.sha256(self.pcr.get(pcr, b"\0" * 32) + bytes([byte]) * 32).digest()

    def close(self):
        self.imds.shutdown()
        self.imds.server_close()
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


def write_paravisors(path, *entries):
    with open(path, "w") as f:
        json.dump({"version": 1, "paravisors": list(entries)}, f)
    os.chmod(path, 0o600)


def paravisor(vm, name):
    key = "measurements" if vm.tee == "az-snp" else "mrtd"
    return {"name": name, "tee": vm.tee[3:], "simulated": True, key: [vm.measurement]}


class Azure(unittest.TestCase):
    """Two nodes, one of each TEE, and three more VMs that take the place of one now and then."""
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.store = os.path.join(cls.cluster.dir, "collateral.db")
        done = cls.cluster.avow("collateral", "import", cls.cluster.vendor, "--store", cls.store)
        assert done.rc == 0, str(done)
        cls.vms = {"hospital-a": cls.make_vm("snp"), "hospital-b": cls.make_vm("tdx")}
        for vm in cls.vms.values():
            vm.extend(8, 0xAB)
        cls.cluster.node_policy = cls.policy(cls.cluster, "node-policy.yaml")
        cls.known, cls.file = cls.make_verifier("known"), os.path.join(cls.cluster.dir, "known", "paravisors")
        cls.bare = cls.make_verifier("bare", known=False)
        for name, vm in cls.vms.items():
            cls.add(cls.cluster, name, vm)
        cls.front = Front(cls.cluster.dir, cls.known.issuer, cls.known.ready["certificate"])
        cls.addClassCleanup(cls.front.server_close)
        cls.addClassCleanup(cls.front.shutdown)
        cls.ca = os.path.join(cls.cluster.dir, "ca.pem")
        with open(cls.ca, "w") as f:
            for name in (cls.known.ready["certificate"], cls.bare.ready["certificate"], cls.front.cert):
                with open(name) as one:
                    f.write(one.read())

    @classmethod
    def make_vm(cls, tee, *image):
        vm = Vm(cls.cluster.vendor, tee, *image)
        cls.addClassCleanup(vm.close)
        return vm

    @classmethod
    def make_verifier(cls, name, known=True):
        folder = os.path.join(cls.cluster.dir, name)
        os.mkdir(folder)
        config = {"simulated-roots": os.path.join(cls.cluster.vendor, "roots.pem"), "collateral": cls.store, "rate": 100000}
        if known:
            config["paravisors"] = os.path.join(folder, "paravisors")
            cls.know(config["paravisors"])
        verifier = Verifier(folder, **config).start()
        cls.addClassCleanup(verifier.stop)
        return verifier

    @classmethod
    def know(cls, path):
        write_paravisors(path, *(paravisor(vm, "simulated " + vm.tee) for vm in cls.vms.values()))

    @classmethod
    def add(cls, cluster, name, vm, **config):
        tee = {"kind": "az-vtpm", "tcti": vm.tcti, "imds": vm.imds.url}
        return cluster.add(name, vm.tee, device="", config={"tee": tee, "collateral": cls.store, **config})

    @classmethod
    def policy(cls, cluster, name, measured=True, **azure):
        """Of both kinds of VM; with the measurement of the paravisor, or any."""
        a, b = cls.vms.values()
        return cluster.write_policy(name, **{"az-snp": {"measurements": [a.measurement] if measured else "any", **azure},
                                             "az-tdx": {"mrtd": [b.measurement] if measured else "any", **azure}})

    def setUp(self):
        self.front.asked.clear()
        self.front.change = None

    def by(self, verifier):
        return {"kind": "azure", "url": verifier.issuer, "ca": self.ca}

    def by_front(self):
        return {"kind": "azure", "url": self.front.url, "issuers": [self.known.issuer], "ca": self.ca}

    def attest(self, rc, *texts, first=None, policy=None, **job):
        """Both nodes, or @first in the place of the SNP one."""
        nodes = [first or self.cluster.nodes[0], self.cluster.nodes[1]]
        policy = policy or self.policy(self.cluster, "job-policy.yaml")
        path = self.cluster.write_job(nodes, policy=policy, name=f"job-{secrets.token_hex(4)}.yaml", **job)
        done = self.cluster.avow("attest", path)
        self.assertEqual(done.rc, rc, str(done))
        for text in texts:
            self.assertIn(text, done.all, str(done))
        return done

    def other(self, vm):
        """A node on @vm, which takes the place of the SNP one."""
        return self.add(self.cluster, f"hospital-{len(self.cluster.nodes)}", vm)

    # ---- accepted ----

    def test_here(self):
        self.attest(0, "accepted SIMULATED")
        asked = [len(vm.imds.asked) for vm in self.vms.values()]
        path = self.cluster.write_job(self.cluster.nodes[:2], policy=self.policy(self.cluster, "job-policy.yaml"), name="job-json.yaml")
        for node in self.cluster.avow("attest", path, "--json").json["nodes"]:
            reasons = {r["code"]: r for r in node["verdict"]["reasons"]}
            self.assertTrue(reasons["binding"]["passed"])
            self.assertIn("TPM quote", reasons["binding"]["text"])
        self.assertEqual([len(vm.imds.asked) for vm in self.vms.values()], asked, "IMDS is asked once for each report of the hardware")
        for vm in self.vms.values():
            self.assertEqual(set(vm.imds.asked), {IMDS_PATHS[vm.tee]})

    def test_by_the_service(self):
        """It finds the paravisor among those it knows, and the TPM's quote is verified here."""
        policy = self.policy(self.cluster, "any.yaml", measured=False)
        before = len(self.known.rows())
        self.attest(0, "accepted SIMULATED", "judged by azure: " + self.known.issuer, policy=policy, verifier=self.by(self.known))
        rows = [r["detail"] for r in self.known.rows()[before:] if r["event"] == "token"]
        self.assertEqual({r["paravisor"] for r in rows}, {"simulated az-snp", "simulated az-tdx"})
        self.assertTrue(all(r["simulated"] for r in rows))

    def test_by_both(self):
        both = [{"kind": "local"}, self.by_front()]
        self.attest(0, "accepted SIMULATED", verifier=both)
        self.assertEqual({p.split("?")[0] for p, _ in self.front.asked}, {"/attest/SevSnpVm", "/attest/TdxVm"})
        # each must accept: the service knows no such paravisor, or the policy names another
        policy = self.policy(self.cluster, "any.yaml", measured=False)
        both[1] = self.by(self.bare)
        self.attest(1, "azure: the issuer did not find the paravisor", policy=policy, verifier=both)
        self.attest(0, "accepted", policy=policy, verifier=both, require="any")
        dead = {"kind": "azure", "url": "https://127.0.0.1:1", "ca": self.ca}
        self.attest(3, "could not be asked", verifier=[{"kind": "local"}, dead])
        self.attest(0, "accepted", verifier=[{"kind": "local"}, dead], require="any")

    def test_a_job(self):
        """Formation, ranks and result: each node and the client ask the service."""
        cluster = Cluster(vendor=self.cluster.vendor)
        self.addCleanup(cluster.close)
        cluster.node_policy = self.policy(cluster, "node-policy.yaml")
        for name, vm in self.vms.items():
            self.add(cluster, name, vm, verifier=self.by_front())
        job = cluster.write_job(policy=self.policy(cluster, "job-policy.yaml"), verifier=[{"kind": "local"}, self.by_front()])
        done = cluster.avow("run", job)
        self.assertEqual(done.rc, 0, str(done))
        self.assertIn("COMPLETED", done.all)
        # a token is about the paravisor and holds for every statement: each of three asks once for each node
        self.assertEqual(len(self.front.asked), 6)
        self.assertIn("az-tdx", json.dumps(cluster.report()))

    # ---- the paravisor ----

    def test_unknown_paravisor(self):
        """Any guest can say that it is Azure's: without somebody who knows the paravisor nothing is believed."""
        policy = self.policy(self.cluster, "any.yaml", measured=False)
        done = self.attest(1, "paravisor", "name its measurement in the policy (az-snp.measurements, az-tdx.mrtd)", policy=policy,
                           verifier=self.by(self.bare))
        self.assertNotIn("accepted SIMULATED", done.all)
        self.attest(0, "accepted SIMULATED", verifier=self.by(self.bare))  # the policy names it itself
        self.assertEqual({r["detail"]["paravisor"] for r in self.bare.rows() if r["event"] == "token"}, {""})

    def test_another_paravisor(self):
        node = self.other(self.make_vm("snp", "another-paravisor"))
        policy = self.policy(self.cluster, "any.yaml", measured=False)
        self.attest(0, first=node, policy=policy)
        self.attest(1, "did not find the paravisor", first=node, policy=policy, verifier=self.by(self.known))
        self.attest(1, "policy: az-snp.measurements", first=node, verifier=self.by(self.known))

    def test_the_file_is_read_again(self):
        """Each request is judged by what is known then: a token of before would still say it."""
        policy = self.policy(self.cluster, "any.yaml", measured=False)
        self.addCleanup(self.reload, lambda: self.know(self.file))
        self.attest(0, policy=policy, verifier=self.by(self.known))
        changed = paravisor(self.vms["hospital-a"], "closed")
        changed["measurements"] = [{"value": changed["measurements"][0], "until": "2026-01-01"}]
        self.reload(lambda: write_paravisors(self.file, changed))
        self.attest(1, "did not find the paravisor", policy=policy, verifier=self.by(self.known))
        with open(self.file, "w") as f:
            f.write("version: 1\nparavisors: [{name: a, tee: snp}]\n")
        before = self.known.log_text().count("event=failed")
        self.known.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.known.log_text().count("event=failed") > before, 30, "a failed reload")
        self.assertIn('"measurements" is missing', self.known.log_text())

    def reload(self, change):
        change()
        before = self.known.log_text().count("event=reloaded")
        self.known.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.known.log_text().count("event=reloaded") > before, 30, "a reload")

    # ---- the guest, by its TPM ----

    def test_registers(self):
        """PCRs of the TPM are the only thing that says what the guest booted, and no service sees them."""
        right = self.vms["hospital-a"].pcr[8].hex()
        self.assertEqual(right, self.vms["hospital-b"].pcr[8].hex())
        for verifier in ({"kind": "local"}, self.by(self.known), [{"kind": "local"}, self.by(self.known)]):
            policy = self.policy(self.cluster, "pcrs.yaml", pcrs={"8": [right]})
            self.attest(0, "accepted", policy=policy, verifier=verifier)
            policy = self.policy(self.cluster, "pcrs.yaml", pcrs={"8": ["00" * 32]})
            self.attest(1, "PCR 8", "not among", policy=policy, verifier=verifier)

    def test_quote_by_another_key(self):
        """A guest whose TPM signs with a key that the paravisor's report does not name."""
        vm = self.make_vm("snp")
        node = self.other(vm)
        self.attest(0, first=node, verifier=self.by(self.known))
        vm.say("other-key")
        self.attest(1, "tpm-signature", first=node)
        self.attest(1, "the VM's TPM does not speak for it (tpm-signature)", first=node, verifier=self.by(self.known))
        both = [{"kind": "local"}, self.by(self.known)]
        self.attest(1, "tpm-signature", first=node, verifier=both)
        self.attest(1, "tpm-signature", first=node, verifier=both, require="any")

    def test_token_of_another_vm(self):
        """A service, or who stands before it, that answers with a good token of another VM."""
        one, two = self.other(self.make_vm("snp")), self.other(self.make_vm("snp"))
        kept = []

        def replay(data):
            if payload_of(json.loads(data)["token"])["x-ms-attestation-type"] != "sevsnpvm":
                return data
            kept.append(data)
            return kept[0]

        self.front.change = replay
        self.attest(0, first=one, verifier=self.by_front())
        self.attest(1, "by another key than the token's", first=two, verifier=self.by_front())
        self.attest(1, "by another key than the token's", first=two, verifier=[{"kind": "local"}, self.by_front()])
        self.front.change = None
        self.attest(0, first=two, verifier=self.by_front())

    def test_vm_ids(self):
        self.attest(1, "vm-id", policy=self.policy(self.cluster, "ids.yaml", **{"vm-ids": ["another"]}), verifier=self.by(self.known))
        self.attest(0, policy=self.policy(self.cluster, "ids.yaml", **{"vm-ids": ["0"]}), verifier=self.by(self.known))


if __name__ == "__main__":
    main()
