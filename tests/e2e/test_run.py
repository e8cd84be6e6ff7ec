"""The main job, end to end: two nodes, five nodes, the demo; its report; where the data was."""
import csv
import math
import subprocess

from harness import *


def reference(files, iterations):
    """The model that one process computes from all rows, by the independent trainer."""
    done = subprocess.run(["python3", os.path.join(SOURCE, "examples/hospitals/reference.py"),
                           "--iterations", str(iterations), *files], check=True, capture_output=True, text=True, timeout=300)
    return json.loads(done.stdout)


def numbers(value):
    """All numbers of a JSON value, in order."""
    if isinstance(value, dict):
        return [n for k in sorted(value) for n in numbers(value[k])]
    if isinstance(value, list):
        return [n for v in value for n in numbers(v)]
    return [value] if isinstance(value, (int, float)) and not isinstance(value, bool) else []


class Run(ClusterTest):
    ITERATIONS = 60

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.result = cls.cluster.avow("run", cls.cluster.write_job(
            aggregate={"file": "summary.json", "sum": ["test_correct", "test_total", "rows"], "same-files": ["model.json"]}))

    def find(self, name, folder="results"):
        results = os.path.join(self.cluster.dir, folder)
        return [os.path.join(w, f) for w, _, fs in os.walk(results) for f in fs if f == name]

    def test_completes(self):
        self.check(self.result, 0, "COMPLETED", "SIMULATED", "hospital-a", "hospital-b")

    def test_model_equals_single_process(self):
        self.check(self.result, 0)
        files = [os.path.join(DATA, f"hospital-{x}", "train.csv") for x in "ab"]
        expected = numbers(reference(files, self.ITERATIONS)["weights"])
        models = self.find("model.json")
        self.assertGreaterEqual(len(models), 1)
        for path in models:
            got = numbers(json.load(open(path))["weights"])
            self.assertEqual(len(got), len(expected))
            worst = max(abs(a - b) for a, b in zip(got, expected))
            self.assertLess(worst, 1e-9)

    def test_report(self):
        self.check(self.result, 0)
        report = self.cluster.report()
        self.assertTrue(report["simulated"])
        self.assertEqual(report["state"], "COMPLETED")
        nodes = {n["node"]: n for n in report["nodes"]}
        self.assertEqual(set(nodes), {"hospital-a", "hospital-b"})
        for n in nodes.values():
            self.assertEqual(n["verdict"]["decision"], "accepted")
            self.assertTrue(n["verdict"]["simulated"])
        judged = {(p["verifier"], p["member"]) for p in report["pairs"]}
        for pair in (("hospital-a", "hospital-b"), ("hospital-b", "hospital-a"), ("client", "hospital-a"), ("client", "hospital-b")):
            self.assertIn(pair, judged)
        for pair in report["pairs"]:
            self.assertEqual(pair["verdict"]["decision"], "accepted")
        with open(TRAIN, "rb") as f:
            self.assertEqual(report["digests"]["program"], hashlib.sha256(f.read()).hexdigest())
        for x in "ab":
            with open(os.path.join(DATA, f"hospital-{x}", "train.csv"), "rb") as f:
                digest = hashlib.sha256(f.read()).hexdigest()
            inputs = {i["name"]: i["sha256"] for i in nodes[f"hospital-{x}"]["inputs"]}
            self.assertEqual(inputs["train.csv"], digest)
        for n in nodes.values():
            for output in n["outputs"]:
                path = os.path.join(self.cluster.dir, "results", n["node"], output["name"])
                with open(path, "rb") as f:
                    self.assertEqual(hashlib.sha256(f.read()).hexdigest(), output["sha256"])
        self.assertEqual(report["iterations"], self.ITERATIONS)
        sync = report["sync"]
        self.assertTrue(0 < sync["min_ms"] <= sync["median_ms"] <= sync["p99_ms"], sync)
        for phase in ("attest", "formation", "submit", "run", "fetch"):
            self.assertGreater(report["phases_ms"][phase], 0)

    def test_formation_is_taken_back(self):
        """Each run ends with its formation deleted on every node: nobody reaches a limit by running one job after another."""
        formation = self.cluster.report()["formation"]
        for node in self.cluster.nodes:
            client = node.client()
            self.addCleanup(client.close)
            status, reply = client.call("DELETE", "/v1/mutual-attestation/" + formation)
            self.assertEqual((status, reply["error"]["code"]), (404, "notfound"), reply)

    def test_accuracy(self):
        self.check(self.result, 0, "accuracy")
        sums = [json.load(open(p)) for p in self.find("summary.json")]
        correct, total = sum(s["test_correct"] for s in sums), sum(s["test_total"] for s in sums)
        rows = sum(len(list(csv.reader(open(os.path.join(DATA, f"hospital-{x}", "test.csv"))))) for x in "ab")
        self.assertTrue(0 <= rows - total <= 2, (rows, total))  # headers, if any
        self.assertGreater(correct / total, 0.93)

    def test_data_stays_with_its_node(self):
        """Hospital A's rows are only ever on the SEV node, B's only on the TDX node."""
        self.check(self.result, 0)
        for mine, other in (("a", "b"), ("b", "a")):
            node = next(n for n in self.cluster.nodes if n.name == f"hospital-{other}")
            with open(os.path.join(DATA, f"hospital-{mine}", "train.csv"), "rb") as f:
                rows = [r for r in f.read().splitlines() if r.count(b",") > 20][:20]
            for where, _, files in os.walk(node.dir):
                for name in files:
                    try:
                        blob = open(os.path.join(where, name), "rb").read()
                    except OSError:
                        continue
                    for row in rows:
                        self.assertNotIn(row, blob, f"{where}/{name}")

    def test_several_ranks(self):
        result = self.cluster.avow("run", self.cluster.write_job(
            ranks=2, name="ranks.yaml", output=os.path.join(self.cluster.dir, "ranks")))
        self.check(result, 0, "COMPLETED")
        files = [os.path.join(DATA, f"hospital-{x}", "train.csv") for x in "ab"]
        expected = numbers(reference(files, self.ITERATIONS)["weights"])
        got = numbers(json.load(open(self.find("model.json", "ranks")[0]))["weights"])
        self.assertLess(max(abs(a - b) for a, b in zip(got, expected)), 1e-9)

    def test_mpich(self):
        """The same program linked with MPICH, started through PMI-1."""
        program = os.path.join(BUILD, "examples/hospitals/train-mpich")
        if not os.path.exists(program):
            self.skipTest("*** SKIPPED: no MPICH ***")
        result = self.cluster.avow("run", self.cluster.write_job(
            program=program, name="mpich.yaml", output=os.path.join(self.cluster.dir, "mpich")), timeout=180)
        self.check(result, 0, "COMPLETED")

    def test_quiet_when_not_on_a_terminal(self):
        self.assertNotIn("\r", self.result.all)
        self.assertNotIn("\x1b", self.result.all)


class Demo(unittest.TestCase):
    def demo(self, *args):
        env = dict(os.environ, NO_COLOR="1", HOME=self.home, XDG_CONFIG_HOME=self.home + "/c", XDG_STATE_HOME=self.home + "/s")
        done = subprocess.run([AVOW, "demo", "--iterations", "50", *args], capture_output=True, text=True, timeout=240,
                              env=env, stdin=subprocess.DEVNULL, cwd=self.home)
        return Result(done)

    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="avow-demo-test-")
        self.addCleanup(shutil.rmtree, self.home, True)

    def test_two_nodes(self):
        result = self.demo("--output", self.home + "/out")
        self.assertEqual(result.rc, 0, str(result))
        for text in ("SIMULATED", "COMPLETED", "accuracy"):
            self.assertIn(text, result.all)
        report = json.load(open(self.home + "/out/report.json"))
        self.assertEqual(report["iterations"], 50)
        self.assertEqual(sorted(n["tee"] for n in report["nodes"]), ["snp", "tdx"])

    def test_five_nodes(self):
        result = self.demo("--nodes", "sev=3,tdx=2", "--output", self.home + "/out")
        self.assertEqual(result.rc, 0, str(result))
        report = json.load(open(self.home + "/out/report.json"))
        self.assertEqual(sorted(n["tee"] for n in report["nodes"]), ["snp"] * 3 + ["tdx"] * 2)
        self.assertEqual(len([p for p in report["pairs"] if p["verifier"] != "client"]), 20)
        files = sorted(os.path.join(w, f) for w, _, fs in os.walk(self.home + "/out") for f in fs if f == "model.json")
        expected = numbers(reference([os.path.join(DATA, f"hospital-{x}", "train.csv") for x in "ab"], 50)["weights"])
        for path in files:
            got = numbers(json.load(open(path))["weights"])
            self.assertLess(max(abs(a - b) for a, b in zip(got, expected)), 1e-9)
            self.assertTrue(all(math.isfinite(g) for g in got))

    def test_closed_umask(self):
        self.addCleanup(os.umask, os.umask(0o077))
        result = self.demo("--output", self.home + "/out")
        self.assertEqual(result.rc, 0, str(result))

    def test_bad_usage(self):
        for args in (("--nodes", "sev=1"), ("--nodes", "sev=x,tdx=1"), ("--nodes", "sev=1000,tdx=1000")):
            result = self.demo(*args)
            self.assertEqual(result.rc, 2, str(result))
            self.assertIn("--nodes", result.all)


if __name__ == "__main__":
    main()
