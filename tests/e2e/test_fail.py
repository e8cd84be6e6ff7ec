"""Failures of a running job: dead nodes, dead ranks, cancelled jobs, restarted daemons."""
import signal
import socket
import struct
import threading
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
                 30, "the ranks and shells are gone")
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
        """kill -9 of a daemon: FAILED on the other soon (bench/run says how soon), with the reason, nothing left behind."""
        for victim, survivor in ((1, 0), (0, 1)):
            avow = self.cluster.start_avow("run", self.behave("loop"))
            self.wait_running(self.cluster.nodes[0])
            other = self.cluster.nodes[survivor]
            client = other.client()
            job = self.wait_running(other)["job"]
            self.cluster.nodes[victim].kill(signal.SIGKILL)
            state = wait_for(lambda: (lambda j: j if j["state"] == "FAILED" else None)(
                client.call("GET", f"/v1/jobs/{job}")[1]), 30, "FAILED")
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


class FlakyLink:
    """A TCP link to a node that breaks once, after so many bytes from the client, and refuses
    connections for a while; then it works again."""

    def __init__(self, target, after, refuse_s=0.4):
        self.target, self.after, self.refuse_s = target, after, refuse_s
        self.broken = 0
        self.lock = threading.Lock()
        self.seen = 0
        self.pairs = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.closing = False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.closing:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            host, port = self.target.rsplit(":", 1)
            far = socket.create_connection((host, int(port)))
            self.pairs.append((near, far))
            threading.Thread(target=self.pump, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self.pump, args=(far, near, False), daemon=True).start()

    def pump(self, source, sink, counted):
        try:
            while data := source.recv(16384):
                if counted:
                    with self.lock:
                        self.seen += len(data)
                        now = not self.broken and self.seen > self.after
                        self.broken += now
                    if now:
                        self.snap()
                        return
                sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def snap(self):
        port = self.listener.getsockname()[1]
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for pair in self.pairs:
            for s in pair:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.close()
        threading.Event().wait(self.refuse_s)  # how long the outage lasts is the point
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.closing = True
        self.listener.close()


class Submission(ClusterTest):
    def test_link_breaks_during_the_upload(self):
        """Refused at submission: retried with backoff, shown; the upload goes on where it was."""
        big = os.path.join(self.cluster.dir, "big.bin")
        with open(big, "wb") as f:
            f.write(os.urandom(12 << 20))
        link = FlakyLink(self.cluster.nodes[1].api, after=6 << 20)
        self.addCleanup(link.close)
        path = self.cluster.write_job(program=BEHAVE, args=("ok",), inputs={"big.bin": big})
        job = json.load(open(path))
        job["nodes"][1]["address"] = link.address
        with open(path, "w") as f:
            json.dump(job, f)
        result = self.cluster.avow("run", path)
        self.check(result, 0, "COMPLETED", "again in", "hospital-b")
        self.assertEqual(link.broken, 1)
        self.assertLess(link.seen, 20 << 20)  # resumed, not begun anew for long


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
