"""avow-shell by itself: namespaces, privileges, environment, descriptors, output, ends."""
import re

from harness import *

FORBID = ["unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_net_namespaces && exec "$@"', "sh"]


class Shells(unittest.TestCase):
    def plain(self, *arguments, ranks=(1,), **config):
        return Job(self, ranks, program("plain"), arguments, **config)

    def check(self, done, code, exit, *texts):
        self.assertFalse(done["ok"])
        self.assertEqual((done["code"], done["exit"]), (code, exit), done)
        for text in texts:
            self.assertIn(text, done["text"])

    def test_a_rank_sees_its_namespaces(self):
        job = self.plain("show", env={"MINE": "yes", "PMI_RANK": "7", "OMPI_MCA_pml": "cm", "PATH": "/bin"})
        self.assertEqual(job.run(), {"ok": True, "exit": 0, "code": "", "rank": -1, "text": ""})
        out = job.out(0).decode()
        for line in (
            f"host n0 cwd {job.dir}/output core 0", "NoNewPrivs:\t1", "CapEff:\t0000000000000000",
            "CapBnd:\t0000000000000000", "SigBlk:\t0000000000000000",
            "connect 10.89.0.77: Permission denied", "connect 10.89.0.1: Connection refused",
            "connect 127.0.0.1: Connection refused", "connect 192.0.2.1: Network is unreachable",
            "env MINE=yes\n", "env PATH=/bin\n", "env PMI_RANK=0\n", "env PMI_SIZE=1\n", "env OMPI_MCA_pml=ob1\n",
            f"env AVOW_JOB_ID={job.id}\n", "env AVOW_NODE=n0\n", f"env AVOW_INPUT={job.dir}/input\n",
            f"env AVOW_OUTPUT={job.dir}/output\n", "env AVOW_FABRIC_SELF=10.89.0.1\n",
            "env AVOW_FABRIC_NET=10.89.0.0/16\n", "env PMIX_RANK=0\n",
        ):
            self.assertIn(line, out)
        # glibc keeps signals 32 and 33 to itself: nobody can reset them, and they may be inherited
        ignored = int(re.search(r"SigIgn:\t([0-9a-f]+)", out)[1], 16)
        self.assertEqual(ignored & ~(3 << 31), 0)
        self.assertNotIn("SECRET", out)
        nets = sorted(l for l in out.split("\n") if l.startswith("/sys/class/net/") and "far" not in l)
        self.assertEqual(nets, ["/sys/class/net/avow0", "/sys/class/net/lo"])
        # stdin, stdout, stderr, the folder being listed, fabric, PMI, job
        self.assertEqual(len([l for l in out.split("\n") if l.startswith("/proc/self/fd/")]), 7, out)

    def test_preload_that_is_closed_to_others(self):
        """As a build or an installation under umask 077 leaves it: the ranks are another user and have it all the same."""
        with tempfile.TemporaryDirectory() as closed:
            preload = shutil.copy(os.path.join(BUILD, "src/fabric/libavow-fabric.so"), closed)
            os.chmod(preload, 0o600)
            ids = {"uid": 65534, "gid": 65534} if os.getuid() == 0 else {}
            job = self.plain("exit", "0", preload=preload, **ids)
            self.assertTrue(job.run()["ok"], job.describe())
            self.assertNotIn("preload", job.describe())  # what ld.so would say

    def test_ordinary_user(self):
        """Without any privilege: a user namespace is made first."""
        if os.getuid() != 0:
            self.skipTest("runs as an ordinary user anyway")
        job = self.plain("show", prefix=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
        self.assertTrue(job.run()["ok"], job.describe())
        out = job.out(0).decode()
        for line in ("uid 65534 gid 65534", "CapEff:\t0000000000000000", "connect 10.89.0.77: Permission denied",
                     "connect 192.0.2.1: Network is unreachable", "/sys/class/net/avow0"):
            self.assertIn(line, out)
        # and MPI
        for mpi in ("rank_openmpi", "rank_mpich"):
            if os.path.exists(program(mpi)):
                job = Job(self, [2], program(mpi), prefix=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
                self.assertTrue(job.run()["ok"], job.describe())
                self.assertIn("rank 1 of 2 on n0, 2 on this node", job.out(1).decode())

    def test_root_of_a_container(self):
        """Root without CAP_SYS_ADMIN makes a user namespace, as anybody."""
        if os.getuid() != 0:
            self.skipTest("needs root")
        job = self.plain("show", prefix=["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"])
        self.assertTrue(job.run()["ok"], job.describe())
        for line in ("uid 0 gid 0", "CapEff:\t0000000000000000", "connect 192.0.2.1: Network is unreachable"):
            self.assertIn(line, job.out(0).decode())

    def test_what_the_systemd_unit_leaves(self):
        """A job runs with the capabilities that packaging/avowd.service leaves to avowd, and without CAP_SETPCAP too."""
        if os.getuid() != 0:
            self.skipTest("needs root")
        with open(os.path.join(SOURCE, "../../packaging/avowd.service")) as f:
            unit = dict(line.strip().split("=", 1) for line in f if "=" in line and not line.startswith("#"))
        self.assertLessEqual({"net", "mnt", "ipc", "uts", "pid", "user"}, set(unit["RestrictNamespaces"].split()))
        self.assertNotEqual(unit.get("ProtectHostname"), "true")  # it forbids sethostname(2) as well
        left = [name.removeprefix("CAP_").lower() for name in unit["CapabilityBoundingSet"].split()]
        for caps in (left, [c for c in left if c != "setpcap"]):
            bound = "--bounding-set=-all," + ",".join("+" + c for c in caps)
            job = self.plain("show", uid=65534, gid=65533, prefix=["setpriv", bound, "--inh-caps=-all"])
            self.assertTrue(job.run()["ok"], job.describe())
            for line in ("uid 65534 gid 65533 groups 0", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1",
                         "connect 192.0.2.1: Network is unreachable"):
                self.assertIn(line, job.out(0).decode())

    def test_becomes_the_jobs_user(self):
        if os.getuid() != 0:
            self.skipTest("needs root")
        job = self.plain("show", uid=65534, gid=65533)
        self.assertTrue(job.run()["ok"], job.describe())
        self.assertIn("uid 65534 gid 65533 groups 0", job.out(0).decode())
        self.assertIn("CapPrm:\t0000000000000000", job.out(0).decode())
        for mpi in ("rank_openmpi", "rank_mpich"):
            if os.path.exists(program(mpi)):
                job = Job(self, [2], program(mpi), uid=65534, gid=65533)
                self.assertTrue(job.run()["ok"], job.describe())
                self.assertIn("rank 1 of 2 on n0, 2 on this node", job.out(1).decode())

    def test_other_jobs_are_not_there(self):
        """Outside of /tmp, where everything is private anyway: as in /var/lib/avow/jobs."""
        top = tempfile.mkdtemp(prefix="avow-launch-", dir="/var/tmp")
        self.addCleanup(subprocess.run, ["rm", "-rf", top], check=True)
        os.chmod(top, 0o755)
        for folder in ("jobs/mine", "jobs/other/input"):
            os.makedirs(os.path.join(top, folder))
        with open(os.path.join(top, "jobs/other/input/data"), "w") as f:
            f.write("another client's")
        script = f"ls {top}/jobs; cat {top}/jobs/other/input/data; echo result >file; ls ../input {top}/jobs/mine"
        config = {"dir": os.path.join(top, "jobs/mine"), "allow_non_mpi": True}
        job = Job(self, [1], "/bin/sh", ["-c", script], hide=os.path.join(top, "jobs"), **config)
        self.assertTrue(job.run()["ok"], job.describe())
        out = job.out(0).decode()
        self.assertEqual(out.split()[0], "mine", out)
        self.assertNotIn("another client's", out)
        self.assertNotIn("other", out)
        with open(os.path.join(top, "jobs/mine/output/file")) as f:
            self.assertEqual(f.read(), "result\n")
        self.assertTrue(os.path.exists(os.path.join(top, "jobs/other/input/data")))

    def test_sockets_of_the_hosts_services_are_not_there(self):
        """/run is the job's own and empty; what the job needs of it stays, as where avowd's state is there."""
        if os.getuid() != 0:
            self.skipTest("writes to /run")
        top = tempfile.mkdtemp(prefix="avow-launch-", dir="/run")
        self.addCleanup(subprocess.run, ["rm", "-rf", top], check=True)
        os.chmod(top, 0o755)
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(os.path.join(top, "service"))
        script = "find /run /var/run/ ! -type d; ls -A /run; echo result >file"
        job = Job(self, [1], "/bin/sh", ["-c", script], allow_non_mpi=True)
        self.assertTrue(job.run()["ok"], job.describe())
        self.assertEqual(job.out(0), b"")
        os.mkdir(os.path.join(top, "job"))
        job = Job(self, [1], "/bin/sh", ["-c", script], dir=os.path.join(top, "job"), allow_non_mpi=True)
        self.assertTrue(job.run()["ok"], job.describe())
        self.assertEqual(job.out(0).decode().split(), [os.path.basename(top)])
        with open(os.path.join(top, "job/output/file")) as f:
            self.assertEqual(f.read(), "result\n")

    def test_devices_that_lead_out_are_closed(self):
        if os.getuid() != 0:
            self.skipTest("makes device nodes")
        dev = (
            "mount -t tmpfs dev /mnt && cd /mnt && mkdir shm net infiniband && cp -a /dev/null /dev/zero /dev/urandom . && "
            "cp -a /dev/net/tun net/ && mknod -m 666 vsock c 10 121 && mknod -m 666 tdx_guest c 10 124 && "
            "mknod -m 666 infiniband/uverbs0 c 231 192 && cd / && mount --move /mnt /dev && exec \"$@\""
        )
        job = Job(self, [1], "/bin/sh", ["-c", "stat -c '%n %t,%T' /dev/vsock /dev/tdx_guest /dev/null; ls -A /dev/infiniband"],
                  prefix=["unshare", "-m", "sh", "-c", dev, "sh"], allow_non_mpi=True)
        self.assertTrue(job.run()["ok"], job.describe())
        self.assertEqual(job.out(0).decode().split("\n"), ["/dev/vsock 1,3", "/dev/tdx_guest 1,3", "/dev/null 1,3", ""])

    def test_evidence_is_the_daemons_alone(self):
        """No rank asks the TEE for evidence, whatever modes the devices have and wherever /sys is from."""
        if os.getuid() != 0:
            self.skipTest("makes device nodes")
        devices = ("sev-guest", "tdx_guest", "tpm0", "tpmrm0")
        nodes = " && ".join(f"mknod -m 666 {name} c 10 124" for name in devices)
        machine = (
            "mount -t tmpfs dev /mnt && cd /mnt && mkdir shm net && cp -a /dev/null /dev/zero /dev/urandom . && "
            f"cp -a /dev/net/tun net/ && {nodes} && cd / && mount --move /mnt /dev && mount -t tmpfs sys /mnt && "
            "mkdir -p /mnt/kernel/config/tsm/report/theirs && cp -r /mnt/kernel /mnt/copy && mount --move /mnt /sys && exec \"$@\""
        )
        look = ("stat -c '%n %t,%T' " + " ".join("/dev/" + name for name in devices) + "; "
                "ls -d /sys/kernel/config/tsm /sys/copy; mkdir /sys/kernel/config/ours; true")
        for inner in ([], ["unshare", "-Ur"]):  # a fresh /sys; then one that may not be mounted: what was there is seen
            job = Job(self, [1], "/bin/sh", ["-c", look + " 2>&1"], prefix=["unshare", "-m", "sh", "-c", machine, "sh"] + inner,
                      allow_non_mpi=True)
            self.assertTrue(job.run()["ok"], job.describe())
            out = job.out(0).decode()
            for name in devices:
                self.assertIn(f"/dev/{name} 1,3", out)
            self.assertNotIn("\n/sys/kernel/config/tsm\n", out)
            self.assertEqual("\n/sys/copy\n" in out, bool(inner), out)

    def test_namespace_failure_is_reported(self):
        """Where no network namespace may be made."""
        job = self.plain("show", prefix=FORBID)
        self.check(job.finish(), "namespace", 1, "namespaces")
        self.assertIsNone(job.shells[0].ready)

    def test_without_namespaces(self):
        """Allowed to do without them: it runs, says so, and leaves nothing either."""
        for what in ("show", "hold"):
            job = self.plain(what, require_namespace=False, prefix=FORBID)
            self.assertTrue(job.run()["ok"], job.describe())
            self.assertEqual(job.shells[0].ready["namespace"], False)
            self.assertTrue(any("without" in log for log in job.shells[0].logs))
            self.assertEqual([f for f in os.listdir("/tmp") if f.startswith("avow-" + job.id)], [])
            eventually(lambda: not processes_with(job.id), 2, "processes gone")
        job = self.plain("show", require_namespace=False)
        self.assertTrue(job.run()["ok"], job.describe())
        self.assertEqual(job.shells[0].ready["namespace"], True)

    def test_configuration_errors(self):
        for change, text in (
            ({"workdir": "relative"}, "workdir"), ({"vaddr": "10.90.0.1"}, "10.90.0.1"), ({"surprise": 1}, "surprise"),
            ({"job": "x"}, "job"), ({"program": None}, "program"), ({"env": {"A=B": "x"}}, "A=B"),
        ):
            done = self.plain("show", **change).finish()
            self.check(done, "config", 1, text)

    def test_exit_status(self):
        self.check(self.plain("exit", 7).run(), "rank", 7, "rank 0 on n0 exited with status 7")

    def test_exec_failure(self):
        job = Job(self, [2], "/nonexistent/program")
        self.check(job.run(), "rank", 127, "/nonexistent/program", "No such file")
        self.assertEqual(job.shells[0].exits[0]["exit"], 127)
        path = os.path.join(SOURCE, "harness.py")  # not executable
        self.check(Job(self, [1], path).run(), "rank", 127, "Permission denied")

    def test_file_limit(self):
        for size, signal in ((1 << 20, None), ((1 << 20) + 1, 25)):
            script = f"ulimit -f unlimited 2>&-; exec head -c {size} /dev/zero >file"
            done = Job(self, [1], "/bin/sh", ["-c", script], allow_non_mpi=True, file_max=1 << 20).run()
            if signal:
                self.check(done, "rank", 128 + signal, "File size limit exceeded")
            else:
                self.assertTrue(done["ok"], done)

    def test_time_limit(self):
        start = time.monotonic()
        job = self.plain("sleep", time_limit_ms=500)
        self.check(job.run(), "timeout", 124, "time limit of 0.500 s")
        self.assertLess(time.monotonic() - start, 5)
        self.assertEqual(job.shells[0].exits[0]["signal"], signal.SIGTERM)

    def test_kill_before_and_after_go(self):
        job = self.plain("sleep")
        job.wait(lambda: job.shells[0].ready, 20, "READY")
        job.shells[0].send(KILL, "the owner said so".encode())
        self.check(job.finish(), "cancelled", 143, "the owner said so")
        job = self.plain("sleep").start()
        job.wait(lambda: job.out(0, 2), 20, "output")
        job.shells[0].send(KILL, b"the owner\xff said so")
        self.check(job.finish(), "cancelled", 143, "the owner? said so")

    def test_death_of_avowd(self):
        """The socket closes: everything ends at once."""
        job = self.plain("sleep", ranks=(3,)).start()
        job.wait(lambda: all(job.out(r, 2) for r in range(3)), 20, "output")
        self.assertTrue(processes_with(job.id))
        job.shells[0].sock.close()
        job.shells[0].eof = True
        eventually(lambda: not processes_with(job.id), 2, "ranks gone")
        job.shells[0].process.wait(2)

    def test_death_of_the_monitor(self):
        job = self.plain("sleep").start()
        job.wait(lambda: job.out(0, 2), 20, "output")
        self.assertTrue(processes_with(job.id))
        job.shells[0].process.kill()
        eventually(lambda: not processes_with(job.id), 2, "ranks gone")

    def test_output_is_complete(self):
        size = 20 << 20
        job = self.plain("flood", size, ranks=(2,), allow_non_mpi=True).start()
        # a reader that pauses: nothing may be lost, and the queue stays bounded
        time.sleep(0.5)
        self.assertTrue(job.finish(120)["ok"])
        for rank in range(2):
            out = job.out(rank)
            self.assertEqual(len(out), size + len("the end of it\n"))
            self.assertTrue(out.endswith(b"the end of it\n"))

    def test_held_open_output(self):
        """A grandchild that keeps stdout open does not keep the job alive."""
        start = time.monotonic()
        job = self.plain("hold")
        self.assertTrue(job.run()["ok"])
        self.assertLess(time.monotonic() - start, 6)
        eventually(lambda: not processes_with(job.id), 2, "grandchild gone")

    def test_telemetry(self):
        job = self.plain("sdk")
        self.assertTrue(job.run()["ok"])
        self.assertEqual(job.shells[0].sdk, [(0, {"t": "begin", "i": 1}), (0, {"t": "note", "text": "hi"})])

    def test_fabric_descriptor(self):
        job = self.plain("fabric", ranks=(2,), allow_non_mpi=True)
        self.assertTrue(job.run()["ok"])
        for end in job.shells[0].fabric:
            self.assertEqual(end.recv(100), b"hello")
            self.assertEqual(end.recv(100), b"")  # nobody else holds it

    def test_singletons(self):
        self.check(self.plain(ranks=(2,)).run(), "singleton", 1, "do not see each other")
        self.check(self.plain(ranks=(1, 1)).run(), "singleton", 1, "do not see each other")
        self.assertTrue(self.plain(ranks=(2, 1), allow_non_mpi=True).run()["ok"])

    def test_many_ranks(self):
        """More descriptors than one message takes, and than a process usually may have."""
        job = self.plain(ranks=(300,), allow_non_mpi=True, prefix=["prlimit", "--nofile=1024:"])
        self.assertTrue(job.run(120)["ok"], job.describe()[:2000])
        self.assertEqual(len(job.shells[0].exits), 300)

    def test_frames_that_are_none(self):
        job = self.plain("sleep").start()
        job.wait(lambda: job.out(0, 2), 20, "output")
        job.shells[0].pending = b"\xff\xff\xff\xff\x01"
        job.shells[0].flush()
        eventually(lambda: not processes_with(job.id), 2, "ranks gone")

    def test_usage(self):
        done = subprocess.run([SHELL, "--help"], capture_output=True, text=True, timeout=10)
        self.assertEqual(done.returncode, 2)
        self.assertIn("avowd", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
