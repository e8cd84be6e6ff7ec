"""The three steps as functions (include/avow/client.h), from a C program that is linked with the shared library."""
from harness import *

OWNER = os.path.join(PROGRAMS, "owner")


class Api(ClusterTest):
    def owner(self, job, results):
        done = subprocess.run([OWNER, job, results], env=self.cluster.env, capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)
        return Result(done)

    def report(self, result):
        return json.loads(result.out.split("report: ", 1)[1])

    def test_all_steps(self):
        results = os.path.join(self.cluster.dir, "api")
        result = self.owner(self.cluster.write_job(aggregate={"same-files": ["model.json"]}), results)
        self.check(result, 0, "verify: 0", "submit: 0", "monitor: 0", "fetch: 0", '"state":"RUNNING"')
        report = self.report(result)
        self.assertEqual(report["state"], "COMPLETED")
        self.assertEqual(report["iterations"], 60)
        for node in ("hospital-a", "hospital-b"):
            self.assertTrue(os.path.exists(os.path.join(results, node, "model.json")))

    def test_refused(self):
        policy = self.cluster.write_policy("api-policy.yaml", images=("nothing",))
        result = self.owner(self.cluster.write_job(policy=policy, name="api.yaml"), "/nonexistent")
        self.check(result, 1, "verify: 1")
        self.assertNotIn("submit:", result.out)
        for node in self.report(result)["nodes"]:
            self.assertEqual(node["attestation"], "refused")

    def test_failed(self):
        job = self.cluster.write_job(program=os.path.join(PROGRAMS, "behave"), args=["exit7"], name="exit.yaml")
        result = self.owner(job, "/nonexistent")
        self.check(result, 3, "monitor: 3")
        self.assertEqual(self.report(result)["reason"]["code"], "rank")

    def test_no_file(self):
        result = self.owner("/nonexistent.yaml", "/nonexistent")
        self.check(result, 100, "open: -9 /nonexistent.yaml: there is no such file", "report: none")


if __name__ == "__main__":
    main()
