"""The command line itself: what needs no job, and what happens to a job from another terminal."""
import re

from harness import *

BEHAVE = os.path.join(PROGRAMS, "behave")
REAL = os.path.join(os.environ.get("AVOW_VECTORS", ""), "snp/genoa-v3-vcek-veraison-8d8bfb")


class Alone(unittest.TestCase):
    """Without any node."""

    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="avow-cli-")
        self.addCleanup(shutil.rmtree, self.home, True)
        self.env = dict(os.environ, HOME=self.home, XDG_CONFIG_HOME=self.home + "/c", XDG_STATE_HOME=self.home + "/s",
                        NO_COLOR="1")
        self.env.pop("AVOW_IDENTITY", None)

    def avow(self, *args, rc=0, **more):
        done = subprocess.run([AVOW, *args], env=self.env, capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, cwd=self.home, **more)
        result = Result(done)
        self.assertEqual(result.rc, rc, str(result))
        return result

    def test_help_and_version(self):
        commands = re.findall(r"^  ([a-z]+) ", self.avow("--help").out.split("Commands:")[1].split("\n\n")[0], re.M)
        self.assertGreaterEqual(len(commands), 10)
        for command in commands:
            text = self.avow(command, "--help").out
            self.assertTrue(text.startswith(f"avow {command}"), text)
            self.assertEqual(text, self.avow("--help", command).out)
            self.assertEqual(text, self.avow("help", command).out)
        self.assertEqual(self.avow("help").out, self.avow("--help").out)
        self.assertIn("did you mean status?", self.avow("help", "statsu", rc=2).err)
        self.assertRegex(self.avow("--version").out, r"^avow \d+\.\d+\.\d+\n$")

    def test_wrong_usage(self):
        self.assertIn("a command is needed", self.avow(rc=2).err)
        self.assertIn("did you mean status?", self.avow("statsu", rc=2).err)
        self.assertIn("did you mean --output?", self.avow("run", "--ouput", "x", rc=2).err)
        self.assertIn("needs a value", self.avow("run", "--output", rc=2).err)
        self.assertIn("takes no value", self.avow("status", "--json=yes", rc=2).err)
        for args in (("run",), ("attest",), ("verify",), ("watch",), ("fetch", "x"), ("cancel", "no-uuid"),
                     ("identity", "x"), ("doctor", "x"), ("demo", "x"), ("attest", "127.0.0.1:1")):
            self.assertIn("usage: avow " + args[0], self.avow(*args, rc=2).err)
        self.assertIn("nowhere.yaml", self.avow("run", "nowhere.yaml", rc=2).err)

    def test_output_that_cannot_be_written(self):
        for args in (("identity",), ("identity", "--json"), ("status",), ("doctor", "--json"), ("--help",)):
            for where in (">/dev/full", ">&-"):
                done = subprocess.run(["sh", "-c", f'exec "$0" "$@" {where}', AVOW, *args], env=self.env,
                                      capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 2, f"{args} {where}: {done.stderr}")
                self.assertIn("standard output", done.stderr)
        self.assertIn("there is no such file", self.avow("verify", "nowhere.bin", rc=2).err)

    def test_identity(self):
        path = os.path.join(self.home, "c/avow/client.pem")
        first = self.avow("identity")
        self.assertRegex(first.out, rf"^sha256:[0-9a-f]{{64}} {re.escape(path)}\n$")
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600)
        self.assertEqual(self.avow("identity", "--json").json, {"path": path, "spki": first.out[7:71]})
        other = os.path.join(self.home, "other.pem")
        self.assertNotEqual(self.avow("identity", "--identity", other, "--json").json["spki"], first.out[7:71])
        os.chmod(path, 0o640)
        self.assertIn("0640", self.avow("identity", rc=2).err)

    def test_doctor(self):
        done = self.avow("doctor", "--json", rc=0)
        checks = {c["check"]: c for c in done.json["checks"]}
        self.assertTrue(done.json["healthy"])
        self.assertEqual(checks["avowd"]["found"], AVOWD)
        self.assertEqual(checks["avow-shell"]["found"], SHELL)
        self.assertEqual(checks["libavow-fabric"]["found"], PRELOAD)
        self.assertEqual(checks["namespaces"]["state"], "ok")
        self.assertIn("will be made", checks["identity"]["found"])
        for check in checks.values():
            self.assertEqual(check["state"] == "ok", check["advice"] == "", check)
        self.assertFalse(os.path.exists(os.path.join(self.home, "c")))  # it changes nothing
        text = self.avow("doctor").out
        for check in checks:
            self.assertIn(check, text)
        self.avow("identity")
        os.chmod(os.path.join(self.home, "c/avow/client.pem"), 0o644)
        sick = self.avow("doctor", rc=1).out
        self.assertRegex(sick, r"identity +missing .*0644")
        self.assertEqual(self.avow("doctor", "--quiet", rc=1).all, "")

    def test_verify(self):
        if not os.path.isdir(REAL):
            self.skipTest(f"*** SKIPPED: no real evidence at {REAL} ***")
        files = [os.path.join(REAL, f) for f in ("report.bin", "vcek.der", "chain.pem")]
        self.assertIn("snp accepted", self.avow("verify", *files, "--at", "2026-01-31").out)
        done = self.avow("verify", "--json", "--at=2020-01-01T00:00:00Z", *files, rc=1)
        failed = [r["code"] for r in done.json["reasons"]]
        self.assertIn("not-yet-valid", failed)
        self.assertEqual(done.json["at"], 1577836800)
        with open(os.path.join(self.home, "policy.yaml"), "w") as f:
            f.write(f"version: 1\nsnp: {{ measurements: [ {'00' * 48} ] }}\n")
        refused = self.avow("verify", "--policy", "policy.yaml", "--at", "2026-01-31", *files, rc=1)
        self.assertIn("measurement", refused.out)
        with open(files[0], "rb") as f:
            report = bytearray(f.read())
        report[0x90] ^= 1
        with open(os.path.join(self.home, "forged.bin"), "wb") as f:
            f.write(report)
        self.assertIn("signature", self.avow("verify", "forged.bin", *files[1:], "--at", "2026-01-31", rc=1).out)
        self.assertIn("when", self.avow("verify", *files, "--at", "when", rc=2).err)
        self.avow("verify", *files[1:], rc=2)

    def test_no_jobs(self):
        self.assertEqual(self.avow("status", "--json").json, [])
        self.avow("watch", "1b4e28ba-2fa1-41d2-883f-0016d3cca427", rc=2)


class Elsewhere(ClusterTest):
    """A job seen, and ended, from another terminal."""

    def running(self):
        client = self.cluster.nodes[0].client()
        self.addCleanup(client.close)
        return wait_for(lambda: next((j["job"] for j in client.call("GET", "/v1/jobs")[1]["jobs"]
                                      if j["state"] in ("RUNNING", "SYNCING")), None), 30, "a running job")

    def test_status_watch_and_cancel(self):
        run = self.cluster.start_avow("run", self.cluster.write_job(program=BEHAVE, args=("loop",)))
        self.addCleanup(run.stdout.close)
        self.addCleanup(run.kill)
        job = self.running()
        listed = {j["job"]: j for j in self.cluster.avow("status", "--json").json}
        self.assertEqual(listed[job]["name"], "test")
        self.check(self.cluster.avow("status"), 0, job)
        seen = self.cluster.avow("status", job, "--json").json
        self.assertIn(seen["state"], ("RUNNING", "SYNCING"))
        self.assertEqual({n["node"] for n in seen["nodes"]}, {"hospital-a", "hospital-b"})
        self.assertTrue(all(n["accepted"] and n["verdict"]["simulated"] for n in seen["nodes"]))
        watch = self.cluster.start_avow("watch", job)
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.kill)
        line = watch.stdout.readline()
        while line and "Run" not in line:
            line = watch.stdout.readline()
        self.check(self.cluster.avow("cancel", job), 0, "cancelled")
        out, _ = run.communicate(timeout=30)
        self.assertEqual(run.returncode, 7, out)
        out, _ = watch.communicate(timeout=30)
        self.assertEqual(watch.returncode, 7, out)
        self.check(self.cluster.avow("status", job), 0, "FAILED", "cancelled")

    def test_addresses_from_a_cluster_file(self):
        path = self.cluster.write_job(name="placeless.yaml")
        with open(path) as f:
            job = json.load(f)
        cluster = {}
        for node in job["nodes"]:
            cluster[node["name"]] = {key: node.pop(key) for key in ("address", "node-address")}
        places = os.path.join(self.cluster.dir, "cluster.yaml")
        for name, content in ((path, job), (places, cluster)):
            with open(name, "w") as f:
                json.dump(content, f)
        self.check(self.cluster.avow("attest", path), 2, "address")
        self.check(self.cluster.avow("attest", path, "--cluster", places), 0, "SIMULATED")
        self.check(self.cluster.avow("--cluster", places, "attest", path, "--quiet"), 0)

    def test_attest_addresses(self):
        addresses = [n.api for n in self.cluster.nodes]
        roots = os.path.join(self.cluster.vendor, "roots.pem")
        policy = self.cluster.write_policy("by-address.yaml")
        done = self.cluster.avow("attest", "--policy", policy, "--roots", roots, "--json", *addresses)
        self.check(done, 0)
        self.assertEqual([n["tee"] for n in done.json["nodes"]], ["snp", "tdx"])
        self.check(self.cluster.avow("attest", "--policy", policy, *addresses), 1, "root")
        self.check(self.cluster.avow("attest", "--policy", policy, "--roots", roots, "127.0.0.1:1"), 4, "127.0.0.1:1")

    def test_verify_a_bundle(self):
        client = self.cluster.nodes[1].client()
        self.addCleanup(client.close)
        path = os.path.join(self.cluster.dir, "bundle.json")
        with open(path, "w") as f:
            f.write(client.bundle)
        roots = os.path.join(self.cluster.vendor, "roots.pem")
        policy = self.cluster.write_policy("bundle.yaml")
        self.check(self.cluster.avow("verify", path, "--roots", roots, "--policy", policy), 0, "tdx accepted SIMULATED")
        self.check(self.cluster.avow("verify", path, "--policy", policy), 1, "root")
        self.check(self.cluster.avow("verify", path, "--roots", roots), 1, "simulated")


if __name__ == "__main__":
    main()
