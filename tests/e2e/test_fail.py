"""Failures of a running job: dead nodes, dead ranks, cancelled jobs, restarted daemons."""
import signal
import sqlite3
import sys
import time

from harness import *

BEHAVE = os.path.join(PROGRAMS, "behave")


class Fail(ClusterTest):
    def behave(self, *args, **more):
        return self.cluster.write_job(program=BEHAVE, args=args, **more)

    def run_behave(self, *args, **more):
        return self.cluster.avow("run", self.behave(*args, **more))

    def jobs(self, node):
        client = node.client()
        try:
            return client.call("GET", "/v1/jobs")[1]["jobs"]
        finally:
            client.close()

    def wait_running(self, node, timeout=30):
        return wait_for(lambda: next((j for j in self.jobs(node) if j["state"] in ("RUNNING", "SYNCING")), None),
                        timeout, "a running job")

    def nothing_left(self, program=BEHAVE):
        wait_for(lambda: not [p for p in processes_mentioning(self.cluster.dir) if "behave" in p[1] or "shell" in p[1]],
                 3, "the ranks and shells are gone")
        self.assertEqual([f for f in os.listdir("/dev/shm") if "vader" in f or "avow" in f], [])

    def test_all_is_well(self):
        result = self.run_behave("ok", ranks=2)
        self.check(result, 0, "COMPLETED")
        files = [f for _, _, fs in os.walk(os.path.join(self.cluster.dir, "results")) for f in fs]
        for rank in range(4):
            self.assertIn(f"rank-{rank}.txt", files)
        self.nothing_left()

    def test_exit(self):
        self.check(self.run_behave("exit7"), 6, "FAILED", "rank 1", "7", "last words of rank 1", "hospital-b")
        self.check(self.run_behave("exit3", "0"), 6, "FAILED", "rank 0", "3", "last words of rank 0", "hospital-a")
        self.nothing_left()

    def test_abort(self):
        self.check(self.run_behave("abort42"), 6, "FAILED", "rank 1", "42", "last words of rank 1")
        self.nothing_left()

    def test_killed(self):
        self.check(self.run_behave("kill"), 6, "FAILED", "rank 1", "signal 9", "last words of rank 1")

    def test_segv(self):
        self.check(self.run_behave("segv"), 6, "FAILED", "rank 1", "signal 11")

    def test_leaves_without_finalize(self):
        self.check(self.run_behave("leave"), 6, "FAILED", "rank 1")

    def test_singletons(self):
        """Ranks that never meet would each compute alone and 'succeed': the job fails instead."""
        self.check(self.run_behave("nompi"), 6, "FAILED", "singleton")

    def test_exec_failure(self):
        path = os.path.join(self.cluster.dir, "not-a-program")
        with open(path, "w") as f:
            f.write("this is no program\n")
        os.chmod(path, 0o755)
        self.check(self.cluster.avow("run", self.cluster.write_job(program=path, args=())), 6, "FAILED")

    def test_time_limit(self):
        self.check(self.run_behave("loop", **{"time-limit": "2s"}), 6, "FAILED", "time limit")
        self.nothing_left()

    def test_node_dies(self):
        """kill -9 of a daemon: FAILED on the other within 2 s, with the reason, nothing left behind."""
        for victim, survivor in ((1, 0), (0, 1)):
            avow = self.cluster.start_avow("run", self.behave("loop"))
            self.wait_running(self.cluster.nodes[0])
            other = self.cluster.nodes[survivor]
            client = other.client()
            job = self.wait_running(other)["job"]
            began = time.monotonic()
            self.cluster.nodes[victim].kill(signal.SIGKILL)
            state = wait_for(lambda: (lambda j: j if j["state"] == "FAILED" else None)(
                client.call("GET", f"/v1/jobs/{job}")[1]), 2, "FAILED")
            self.assertLess(time.monotonic() - began, 2)
            client.close()
            self.assertEqual(state["reason"]["code"], "peerlost")
            self.assertEqual(state["reason"]["node"], self.cluster.nodes[victim].name)
            out, _ = avow.communicate(timeout=30)
            self.assertEqual(avow.returncode, 6, out)
            self.assertIn(self.cluster.nodes[victim].name, out)
            self.nothing_left()
            self.cluster.nodes[victim].start()

    def test_restarted_daemon_knows_its_jobs(self):
        node = self.cluster.nodes[0]
        avow = self.cluster.start_avow("run", self.behave("loop"))
        job = self.wait_running(node)["job"]
        node.kill(signal.SIGKILL)
        out, _ = avow.communicate(timeout=30)
        node.start()
        found = [j for j in self.jobs(node) if j["job"] == job]
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0]["state"], "FAILED")
        self.assertIn("restart", found[0]["reason"]["message"])
        self.check(self.cluster.avow("status", job), 0, "FAILED", "restart")

    def test_ctrl_c(self):
        avow = self.cluster.start_avow("run", self.behave("loop"))
        job = self.wait_running(self.cluster.nodes[0])["job"]
        avow.send_signal(signal.SIGINT)
        out, _ = avow.communicate(timeout=20)
        self.assertEqual(avow.returncode, 130, out)
        self.assertIn("cancel", out.lower())
        for node in self.cluster.nodes:
            client = node.client()
            state = wait_for(lambda: (lambda j: j if j["state"] == "FAILED" else None)(
                client.call("GET", f"/v1/jobs/{job}")[1]), 3, "cancelled")
            self.assertEqual(state["reason"]["code"], "cancelled")
            client.close()
        self.nothing_left()

    def test_status_watch_fetch(self):
        self.check(self.run_behave("ok"), 0)
        job = self.cluster.report()["job"]
        self.check(self.cluster.avow("status", job), 0, "COMPLETED")
        self.assertEqual(self.cluster.avow("status", job, "--json").json["state"], "COMPLETED")
        self.check(self.cluster.avow("watch", job), 0, "COMPLETED")
        out = os.path.join(self.cluster.dir, "again")
        self.check(self.cluster.avow("fetch", job, "--output", out), 0)
        self.assertIn("rank-0.txt", [f for _, _, fs in os.walk(out) for f in fs])
        self.check(self.cluster.avow("status", "00000000-0000-4000-8000-000000000000"), 2)

    def test_refused_connection(self):
        """A node that is not there: retried with backoff, shown, bounded; exit 4."""
        path = self.cluster.write_job()
        job = json.load(open(path))
        job["nodes"][1]["address"] = "127.0.0.1:1"
        with open(path, "w") as f:
            json.dump(job, f)
        result = self.cluster.avow("run", path)
        self.check(result, 4, "hospital-b", "127.0.0.1:1")
        self.assertGreaterEqual(result.all.count("again in"), 3, str(result))

    def test_late_node(self):
        """The node comes up while the client retries: the job runs."""
        node = self.cluster.nodes[1]
        node.stop()
        avow = self.cluster.start_avow("run", self.cluster.write_job(program=BEHAVE, args=("ok",)))
        line = avow.stdout.readline()
        seen = line
        while line and "again in" not in line:
            line = avow.stdout.readline()
            seen += line
        node.start()
        out, _ = avow.communicate(timeout=60)
        self.assertEqual(avow.returncode, 0, seen + out)


class JobFile(ClusterTest):
    """Mistakes in a job file: line, column, key; exit 2; no node is contacted."""

    node_options = []

    def job(self, text):
        path = os.path.join(self.cluster.dir, "job.yaml")
        with open(path, "w") as f:
            f.write(text)
        return self.cluster.avow("run", path)

    GOOD = """name: test
program:
  path: %s
policy: job-policy.yaml
nodes:
  - name: a
    tee: snp
    address: 127.0.0.1:1
    node-address: 127.0.0.1:2
  - name: b
    tee: tdx
    address: 127.0.0.1:3
    node-address: 127.0.0.1:4
""" % BEHAVE

    def setUp(self):
        self.cluster.write_policy("job-policy.yaml")

    def test_unknown_key(self):
        self.check(self.job(self.GOOD.replace("program:\n", "progam:\n", 1)), 2, "job.yaml:2:1", "progam", "program")

    def test_bad_type(self):
        self.check(self.job(self.GOOD.replace("    tee: tdx\n", "    tee: tdx\n    ranks: many\n")), 2,
                   "job.yaml:12:12", "ranks")

    def test_missing_key(self):
        self.check(self.job(self.GOOD.replace("    tee: snp\n", "")), 2, "job.yaml:6:5", "tee")

    def test_missing_input(self):
        text = self.GOOD + "    inputs:\n      train.csv: nowhere.csv\n"
        self.check(self.job(text), 2, "job.yaml:15:18", "train.csv", "nowhere.csv")

    def test_duplicate_key(self):
        self.check(self.job(self.GOOD + "name: again\n"), 2, "job.yaml:14:1", "name")

    def test_not_yaml(self):
        self.check(self.job("name: [unclosed\n"), 2, "job.yaml:")

    def test_no_file(self):
        self.check(self.cluster.avow("run", "/nonexistent.yaml"), 2, "/nonexistent.yaml")

    def test_usage(self):
        for args in ((), ("frobnicate",), ("run",), ("attest", "--nonsense")):
            self.check(self.cluster.avow(*args), 2, "avow")


if __name__ == "__main__":
    main()
