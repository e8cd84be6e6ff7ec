"""MPI ranks on one node, Open MPI and MPICH: how jobs run, and how they end."""
from harness import *


class Mpi:
    def rank(self, *args, ranks=(2,), **config):
        return Job(self, ranks, program(self.program), args, **config)

    def check(self, done, exit, *texts, code="rank"):
        self.assertFalse(done["ok"])
        self.assertEqual((done["code"], done["exit"]), (code, exit), done)
        for text in texts:
            self.assertIn(text, done["text"])

    def test_hello(self):
        for n in (1, 2, 4):
            job = self.rank("hello", ranks=(n,))
            self.assertTrue(job.run()["ok"], job.describe())
            for rank in range(n):
                self.assertIn(f"rank {rank} of {n} on n0, {n} on this node, sum {n * (n + 1) // 2}", job.out(rank).decode())
                self.assertEqual(job.shells[0].exits[rank]["finalized"], True)
            self.nothing_left(job)

    def nothing_left(self, job):
        eventually(lambda: not processes_with(job.id), 2, "processes gone")
        self.assertEqual([f for f in os.listdir("/dev/shm") if "vader" in f or "avow" in f], [])
        self.assertFalse(os.path.exists("/tmp/avow-shell"))

    def test_exit(self):
        job = self.rank("exit")
        self.check(job.run(), 7, "rank 1 on n0 exited with status 7", "rank 1 says: exit")

    def test_abort(self):
        job = self.rank("abort", ranks=(3,))
        self.check(job.run(), 42, "rank 1 on n0 called MPI_Abort(42)", "rank 1 says: abort")
        self.assertEqual(job.shells[0].exits[1]["aborted"], True)
        self.nothing_left(job)

    def test_kill(self):
        job = self.rank("kill")
        self.check(job.run(), 137, "rank 1 on n0 was killed by signal 9", "rank 1 says: kill")
        self.nothing_left(job)

    def test_segv(self):
        self.check(self.rank("segv").run(), 139, "signal 11")

    def test_leave(self):
        self.check(self.rank("leave").run(), 1, "without calling MPI_Finalize")

    def test_orphan(self):
        start = time.monotonic()
        job = self.rank("orphan")
        self.assertTrue(job.run()["ok"], job.describe())
        self.assertLess(time.monotonic() - start, 10)
        self.nothing_left(job)

    def test_time_limit(self):
        job = self.rank("forever", time_limit_ms=1500)
        self.check(job.run(), 124, "time limit", code="timeout")
        self.assertEqual(job.shells[0].exits[0]["signal"], signal.SIGKILL)  # it ignores SIGTERM
        self.nothing_left(job)

    def test_death_of_avowd(self):
        job = self.rank("forever").start()
        job.wait(lambda: job.out(0) and job.out(1), 30, "output")
        job.shells[0].sock.close()
        job.shells[0].eof = True
        self.nothing_left(job)

    def test_spawn(self):
        self.check(self.rank("spawn").run(), 1, "MPI_Comm_spawn", code="unsupported")


@unittest.skipUnless(os.path.exists(program("rank_openmpi")), "no Open MPI")
class OpenMpi(Mpi, unittest.TestCase):
    program = "rank_openmpi"


@unittest.skipUnless(os.path.exists(program("rank_mpich")), "no MPICH")
class Mpich(Mpi, unittest.TestCase):
    program = "rank_mpich"

    def test_spawn(self):
        """MPICH does not even ask a plain PMI-1 server."""
        self.check(self.rank("spawn").run(), 15, "called MPI_Abort", "MPI_Comm_spawn")


if __name__ == "__main__":
    unittest.main(verbosity=2)
