"""The same inputs give the same trace digest and the same bytes of statistics, whatever differs outside the simulation."""
import os
import subprocess
import unittest

from runner import MACHINE, SOURCE, XensimTest


class Determinism(XensimTest):
    def setUp(self):
        super().setUp()
        self.domains = [self.guest_domain("hello", "hello"),
                        self.guest_domain("smp", "smp", vcpus=2, cmdline="rounds=50 ipis=20"),
                        self.guest_domain("compute", "compute", cmdline="iterations=300")]

    def run_here(self, *more, **options):
        result = self.run_scenario(*self.domains, *more, **options)
        self.assert_ok(result)
        self.assertIsNotNone(result.digest)
        return result

    def assert_same(self, a, b):
        self.assertEqual(a.digest, b.digest)
        self.assertEqual(a.read("stats.json"), b.read("stats.json"))

    def test_two_runs_are_the_same(self):
        for timing in ("functional", "inorder"):
            self.assert_same(self.run_here("--timing", timing, out="a"), self.run_here("--timing", timing, out="b/c"))

    def test_a_run_from_another_folder_with_relative_paths_is_the_same(self):
        os.mkdir(self.path("elsewhere"))
        a = self.run_here("--timing", "inorder", out="a")
        relative = [os.path.relpath(d, self.path("elsewhere")) for d in self.domains]
        b = self.xensim("run", os.path.relpath(MACHINE, os.path.realpath(self.path("elsewhere"))), *relative, "--timing",
                        "inorder", "--trace", "xentrace", "--out", "../b", cwd=self.path("elsewhere"))
        b.out = self.path("b")
        self.assert_ok(b)
        self.assert_same(a, b)

    def test_the_environment_does_not_matter(self):
        a = self.run_here("--timing", "inorder", out="a")
        environment = dict(os.environ, LC_ALL="tr_TR.UTF-8", LANG="de_DE.UTF-8", TZ="Asia/Tokyo", COLUMNS="20",
                           MALLOC_PERTURB_="165", UNUSED="x" * 5000)
        b = self.xensim("run", MACHINE, *self.domains, "--timing", "inorder", "--trace", "xentrace", "--out",
                        self.path("b"), env=environment)
        b.out = self.path("b")
        self.assert_ok(b)
        self.assert_same(a, b)

    def test_tracing_changes_no_statistic(self):
        for timing in ("functional", "inorder"):
            a = self.run_here("--timing", timing, out="a", trace="xentrace,perfetto,text")
            b = self.run_scenario(*self.domains, "--timing", timing, out="b", trace="none")
            self.assert_ok(b)
            self.assertEqual(a.read("stats.json"), b.read("stats.json"))

    def test_the_kind_of_trace_does_not_change_the_digest(self):
        self.assertEqual(self.run_here(out="a", trace="xentrace").digest, self.run_here(out="b", trace="text").digest)

    def test_the_effective_configuration_repeats_the_run(self):
        a = self.run_here("--timing", "inorder", "--set", "/seed=7", "--set", "/xen/sched=null", "--set", "/cpu/count=6", out="a")
        os.mkdir(self.path("elsewhere"))
        b = self.xensim("run", self.path("a", "config.json"), "--out", self.path("b"), cwd=self.path("elsewhere"))
        b.out = self.path("b")
        self.assert_ok(b)
        self.assert_same(a, b)
        self.assertEqual(a.read("config.json"), b.read("config.json"))

    def test_every_quantum_runs(self):
        for quantum in ("1", "7", "100000"):
            result = self.run_scenario(self.domains[0], self.domains[1], "--timing", "functional", "--set",
                                       "/quantum=" + quantum, out="q" + quantum)
            self.assert_ok(result)

    def test_a_free_hypervisor_runs(self):
        for quantum in ("100", "2000"):
            self.run_here("--timing", "functional", "--set", "/xen/path_cost/timing=free", "--set", "/quantum=" + quantum)

    def test_an_unoptimised_build_gives_the_same(self):
        other = os.path.join(SOURCE, "build", "debug", "bin", "xensim")
        if not os.path.exists(other):
            self.skipTest("no debug build: cmake --preset debug && cmake --build --preset debug")
        for timing in ("functional", "inorder"):
            a = self.run_here("--timing", timing, out="a")
            process = subprocess.run([other, "run", MACHINE, *self.domains, "--timing", timing, "--trace", "xentrace",
                                      "--out", self.path("b")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=250)
            self.assertEqual(process.returncode, 0, process.stderr)
            self.assertIn(("Trace digest: %s " % a.digest).encode(), process.stdout)
            with open(self.path("b", "stats.json"), "rb") as f:
                self.assertEqual(a.read("stats.json"), f.read())


if __name__ == "__main__":
    unittest.main()
