"""credit2 shares pCPUs by weight: run times over one simulated second."""
import unittest

from runner import XensimTest

# A slow core, so that a second is few instructions; Xen and dom0 take no time that such a core would blow up.
SECOND = ["--timing", "functional", "--until", "1s", "--set", "/cpu/frequency=200MHz", "--set", "/quantum=4000",
          "--set", "/xen/path_cost/timing=free", "--set", "/dom0/toolstack/create_cycles=1000",
          "--set", "/dom0/housekeeping/work_cycles=2000", "--set", "/dom0/toolstack/xenstore_cycles=0",
          "--set", "/dom0/xenstored/request_cycles=0"]


class Sharing(XensimTest):
    def run_times(self, weights, *options):
        """Milliseconds that each of as many busy domains ran."""
        files = [self.guest_domain("busy%d" % i, "compute", cmdline="run_ms=100000", cpu_weight=weight)
                 for i, weight in enumerate(weights)]
        result = self.run_scenario(*files, *SECOND, *options, trace="none")
        self.assert_ok(result)
        return [result.statistic("stats.domain.%d.vcpu.0.runstate.running" % (i + 1)) / 200e3
                for i in range(len(weights))]

    def test_weights_of_256_and_512_share_one_pcpu_1_to_2(self):
        one, two = self.run_times([256, 512], "--set", "/cpu/count=1")
        self.assertGreater(one + two, 970)
        self.assertLessEqual(abs(two / one - 2), 0.04, "%.1f ms and %.1f ms" % (one, two))

    def test_three_equal_vcpus_share_two_pcpus_within_3_percent(self):
        times = self.run_times([256, 256, 256])
        self.assertGreater(sum(times), 1940)
        self.assertLessEqual(max(times) / min(times), 1.03, times)


if __name__ == "__main__":
    unittest.main()
