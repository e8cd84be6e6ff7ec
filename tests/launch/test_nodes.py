"""Several shells of one job: PMIx and PMI-1 across nodes, and ends that every node learns of."""
import shutil
import sys
import tempfile

from harness import *

PYTHON = os.path.realpath(sys.executable)
PMI_CLIENT = os.path.join(SOURCE, "programs", "pmi_client.py")


class Nodes(unittest.TestCase):
    def pmix(self, *args, ranks=(2, 1, 3), **config):
        return Job(self, ranks, program("pmix_client"), args, **config)

    def pmi(self, *args, ranks=(2, 2, 1), **config):
        # below the job's folder, which it sees wherever the checkout is: its /tmp is its own
        folder = tempfile.mkdtemp(prefix="avow-launch-")
        client = shutil.copy(PMI_CLIENT, folder)
        return Job(self, ranks, PYTHON, [client, *args], dir=folder, **config)

    def check_all(self, job, code, exit, *texts):
        for shell in job.shells:
            self.assertFalse(shell.done["ok"])
            self.assertEqual((shell.done["code"], shell.done["exit"]), (code, exit), job.describe())
            self.assertEqual(shell.done, job.shells[0].done)
            for text in texts:
                self.assertIn(text, shell.done["text"])

    def test_pmix_fence(self):
        for what in ("collect", "direct", "part"):
            job = self.pmix(what)
            self.assertTrue(job.run()["ok"], job.describe())
            self.assertEqual(job.outs(), [f"rank {r} of 6\n" for r in range(6)])
            self.assertTrue(all(s.done["ok"] for s in job.shells))

    def test_five_nodes(self):
        job = self.pmix("direct", ranks=(1, 1, 1, 1, 1))
        self.assertTrue(job.run()["ok"], job.describe())

    def test_pmix_abort(self):
        job = self.pmix("abort")
        job.run()
        self.check_all(job, "rank", 42, "rank 5 on n2 called MPI_Abort(42)")

    def test_pmi(self):
        job = self.pmi()
        self.assertTrue(job.run()["ok"], job.describe())
        for rank in range(5):
            self.assertIn(f"rank {rank} of 5 mapping (vector,(0,2,2),(2,1,1))", job.out(rank).decode())

    def test_pmi_abort(self):
        job = self.pmi("abort")
        job.run()
        self.check_all(job, "rank", 42, "rank 4 on n2 called MPI_Abort(42)")

    def test_pmi_garbage(self):
        job = self.pmi("garbage")
        job.run()
        self.check_all(job, "rank", 9, "rank 4 on n2 exited with status 9")
        self.assertTrue(any("PMI line" in log for log in job.shells[2].logs))

    def test_pmi_stall(self):
        """A barrier without new keys that stalls lets those go who have read keys."""
        job = self.pmi("stall", pmi1_stall_ms=500)
        self.assertTrue(job.run()["ok"], job.describe())
        self.assertLess(float(job.out(3).decode().split("waited ")[1]), 2)
        job = self.pmi("stall", pmi1_stall_ms=0)
        self.assertTrue(job.run()["ok"], job.describe())
        self.assertGreater(float(job.out(3).decode().split("waited ")[1]), 2)

    def test_exit_on_any_node(self):
        for ranks, bad in (((1, 2), 0), ((1, 2), 2)):
            # one program for all ranks: the bad one fails, the others wait to be ended
            script = f"import os,sys,time\nsys.stderr.write('last words')\nsys.exit(7) if os.environ['PMI_RANK']=='{bad}' else time.sleep(1000)"
            job = Job(self, ranks, PYTHON, ["-c", script])
            start = time.monotonic()
            job.run()
            self.assertLess(time.monotonic() - start, 5)
            self.check_all(job, "rank", 7, f"rank {bad} on n", "exited with status 7", "last words")
            self.assertEqual(job.shells[0].done["rank"], bad)
            eventually(lambda: not processes_with(job.id), 2, "processes gone")

    def test_the_cause_is_told(self):
        """A rank that fails because another one died may be heard first; the death is the reason."""
        script = ("import os,signal,time\n"
                  "if os.environ['PMI_RANK']=='0': time.sleep(0.05); os._exit(1)\n"
                  "if os.environ['PMI_RANK']=='1': time.sleep(0.1); os.kill(os.getpid(), signal.SIGSEGV)\n"
                  "time.sleep(1000)")
        job = Job(self, (1, 2), PYTHON, ["-c", script])
        job.run()
        self.check_all(job, "rank", 139, "rank 1 on n1 was killed by signal 11")
        self.assertIn("was ended with the job", job.shells[1].exits[2]["text"])

    def test_kill_one_node(self):
        for node in range(2):
            job = Job(self, [1, 1], program("plain"), ["sleep"]).start()
            job.wait(lambda: job.out(0, 2) and job.out(1, 2), 20, "output")
            job.shells[node].send(KILL, b"node n9 was lost")
            job.finish()
            self.check_all(job, "cancelled", 143, "node n9 was lost")

    def test_time_limit(self):
        job = Job(self, [1, 1], program("plain"), ["sleep"], time_limit_ms=500)
        job.run()
        self.check_all(job, "timeout", 124, "time limit")

    def hostile(self, source, blob):
        """A blob as if from node @source, given to the head (or, from the head, to node 1)."""
        job = Job(self, [1, 1], program("plain"), ["sleep"]).start()
        job.wait(lambda: job.out(0, 2) and job.out(1, 2), 20, "output")
        job.shells[1 - source].send(PEER_IN, struct.pack(">I", source) + blob)
        job.finish()
        self.check_all(job, "protocol", 1)

    def test_hostile_blobs(self):
        magic = b"AVS1"
        for blob in (
            b"", b"XXXX\x01", magic, magic + b"\x09", magic + b"\x05" + struct.pack(">I", 0),  # rank of another node
            magic + b"\x05" + struct.pack(">I", 99), magic + b"\x05" + struct.pack(">IB", 1, 0),  # trailing
            magic + b"\x01" + struct.pack(">II", 5, 0xFFFFFFFF), magic + b"\x01" + struct.pack(">I", 5) + b"abcde" + struct.pack(">I", 0),
            magic + b"\x02" + struct.pack(">iII", 0, 0, 0), magic + b"\x03" + struct.pack(">III", 0, 0, 1),
            magic + b"\x04" + struct.pack(">IIIiI", 0, 0, 1, 0, 0), magic + b"\x07\x01\x00" + struct.pack(">iII", -1, 0, 0),
        ):
            with self.subTest(blob=blob):
                self.hostile(1, blob)
        self.hostile(0, magic + b"\x04" + struct.pack(">IIIiI", 7, 1, 0, 0, 0))  # an answer to no question

    def test_open_mpi_sees_all_nodes(self):
        if not os.path.exists(program("rank_openmpi")):
            self.skipTest("no Open MPI")
        # no fabric here, so no traffic: MPI_Init and MPI_Finalize alone
        job = Job(self, [2, 2], program("rank_openmpi"), ["size"], env={"OMPI_MCA_async_mpi_finalize": "1"})
        job.run()
        self.assertEqual(job.outs(), [f"rank {r} of 4\n" for r in range(4)], job.describe())


if __name__ == "__main__":
    unittest.main(verbosity=2)
