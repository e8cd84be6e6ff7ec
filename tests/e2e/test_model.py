"""The hospitals' program under plain mpirun equals, to 1e-9, what one process computes from all rows.

Needs no daemon: BUILD and SOURCE as in the other tests. Standard library only.
"""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

SOURCE = os.environ.get("AVOW_SOURCE", os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..")))
BUILD = os.environ.get("AVOW_BUILD", os.path.join(SOURCE, "build"))
HERE = os.path.join(BUILD, "examples/hospitals")
EXAMPLE = os.path.join(SOURCE, "examples/hospitals")
SITES = [os.path.join(EXAMPLE, "data", f"hospital-{x}") for x in "ab"]
TRAIN_ROWS = [os.path.join(s, "train.csv") for s in SITES]
TOLERANCE = 1e-9
MEMBERS = ("weights", "bias", "mean", "std", "loss")

# Loopback only, no ssh, more ranks than cores, root allowed: a test machine may be any of these.
ENV = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_plm="isolated",
           OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_btl="self,vader,tcp", OMPI_MCA_btl_tcp_if_include="lo",
           OMPI_MCA_pml="ob1", OMPI_MCA_mpi_yield_when_idle="1", UCX_TLS="tcp,self,sm", UCX_NET_DEVICES="lo",
           # what the MPI libraries leave allocated is not ours
           ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")


def read(*path):
    with open(os.path.join(*path)) as f:
        return f.read()


def flat(model):
    return [v for m in MEMBERS for v in (model[m] if isinstance(model[m], list) else [model[m]])]


def reference(*args):
    done = subprocess.run(["python3", os.path.join(EXAMPLE, "reference.py"), *args], check=True, capture_output=True,
                          text=True, timeout=120)
    return flat(json.loads(done.stdout))


class Model(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="avow-model-")
        self.addCleanup(shutil.rmtree, self.dir)

    def openmpi(self, groups, *args):
        """Ranks in groups of (how many, input folder); returns each group's output folder."""
        command, outputs = ["mpirun.openmpi"], []
        for i, (ranks, site) in enumerate(groups):
            outputs.append(os.path.join(self.dir, f"out{i}"))
            os.mkdir(outputs[-1])
            command += ([":"] if i else []) + ["-np", str(ranks), "-x", f"AVOW_INPUT={site}", "-x", f"AVOW_OUTPUT={outputs[-1]}",
                                               "-x", f"AVOW_NODE=node-{i}", os.path.join(HERE, "train"), *args]
        return self.run_train(command), outputs

    def mpich(self, groups, *args):
        command, outputs = ["mpiexec.mpich"], []
        for i, (ranks, site) in enumerate(groups):
            outputs.append(os.path.join(self.dir, f"out{i}"))
            os.mkdir(outputs[-1])
            command += ([":"] if i else []) + ["-n", str(ranks), "-env", "AVOW_INPUT", site, "-env", "AVOW_OUTPUT", outputs[-1],
                                               "-env", "AVOW_NODE", f"node-{i}", os.path.join(HERE, "train-mpich"), *args]
        return self.run_train(command), outputs

    def run_train(self, command, check=True, **env):
        done = subprocess.run(command, env={**ENV, **env}, capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL)
        if check:
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done

    def models(self, outputs):
        texts = [read(o, "model.json") for o in outputs]
        self.assertEqual(len(set(texts)), 1, "every node has the same model")
        return flat(json.loads(texts[0]))

    def assert_equal_models(self, got, expected):
        self.assertEqual(len(got), len(expected))
        self.assertLess(max(abs(a - b) for a, b in zip(got, expected)), TOLERANCE)

    def test_two_hospitals(self):
        done, outputs = self.openmpi([(1, SITES[0]), (1, SITES[1])])
        self.assert_equal_models(self.models(outputs), reference(*TRAIN_ROWS))
        summaries = [json.loads(read(o, "summary.json")) for o in outputs]
        self.assertEqual([s["rows"] for s in summaries], [read(f).count("\n") for f in TRAIN_ROWS])
        self.assertEqual([s["node"] for s in summaries], ["node-0", "node-1"])
        correct, total = (sum(s[k] for s in summaries) for k in ("test_correct", "test_total"))
        self.assertEqual(total, 110)
        self.assertGreater(correct / total, 0.95)
        self.assertIn(f"test accuracy {correct / total:.4f} ({correct} of {total} patients)", done.stdout)

    def test_several_ranks_on_a_node(self):
        _, outputs = self.openmpi([(3, SITES[0]), (2, SITES[1])], "--iterations", "100", "--rate", "0.3", "--l2", "0.01")
        self.assert_equal_models(self.models(outputs),
                                 reference("--iterations", "100", "--rate", "0.3", "--l2", "0.01", *TRAIN_ROWS))

    def test_mpich(self):
        if not os.path.exists(os.path.join(HERE, "train-mpich")):
            self.skipTest("*** SKIPPED: no MPICH ***")
        _, outputs = self.mpich([(1, SITES[0]), (2, SITES[1])], "--iterations", "50")
        self.assert_equal_models(self.models(outputs), reference("--iterations", "50", *TRAIN_ROWS))

    def test_alone(self):
        """One process, no mpirun, all rows in one folder."""
        for part in ("train.csv", "test.csv"):
            with open(os.path.join(self.dir, part), "w") as out:
                for site in SITES:
                    out.write(read(site, part))
        self.run_train([os.path.join(HERE, "train"), "--iterations", "50"], AVOW_INPUT=self.dir, AVOW_OUTPUT=self.dir)
        self.assert_equal_models(self.models([self.dir]), reference("--iterations", "50", *TRAIN_ROWS))

    def test_one_row_matters(self):
        """The comparison is sharp: one patient less is another model."""
        shorter = os.path.join(self.dir, "shorter.csv")
        with open(shorter, "w") as out:
            out.write(read(TRAIN_ROWS[1]).split("\n", 1)[1])
        full = reference("--iterations", "50", *TRAIN_ROWS)
        other = reference("--iterations", "50", TRAIN_ROWS[0], shorter)
        self.assertGreater(max(abs(a - b) for a, b in zip(full, other)), 1000 * TOLERANCE)

    def test_bad_input(self):
        train = os.path.join(HERE, "train")
        for text in ("1,2,3\n", "x" + ",1" * 30 + "\n", ",".join(["nan"] * 31) + "\n", "1" + ",1" * 30 + "x\n", "1" + ",1" * 31, "1", "1" + ",1" * 29):
            with open(os.path.join(self.dir, "train.csv"), "w") as out:
                out.write(text)
            done = self.run_train([train], check=False, AVOW_INPUT=self.dir, AVOW_OUTPUT=self.dir)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("a row is not 30 features and a label: train.csv", done.stderr)
        for args in (["--iterations", "0"], ["--iterations"], ["--nonsense", "1"], ["--rate", "1x"]):
            self.assertNotEqual(self.run_train([train, *args], check=False).returncode, 0, args)

    def test_split_is_reproducible(self):
        copy = os.path.join(self.dir, "hospitals")
        os.makedirs(os.path.join(copy, "data"))
        shutil.copy(os.path.join(EXAMPLE, "split.py"), copy)
        shutil.copy(os.path.join(EXAMPLE, "data/breast_cancer.csv"), os.path.join(copy, "data"))
        subprocess.run(["python3", os.path.join(copy, "split.py")], check=True, capture_output=True, timeout=60)
        for x in "ab":
            for part in ("train.csv", "test.csv"):
                name = f"data/hospital-{x}/{part}"
                self.assertEqual(read(copy, name), read(EXAMPLE, name), name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
