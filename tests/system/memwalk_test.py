"""memwalk measures what the configuration adds up to: cache levels, DRAM, second-level TLB, two-dimensional walks."""
import unittest

from runner import MACHINE, XensimTest

SMALL_TLBS = ["--set", "/cpu/tlb/l1d/entries=16", "--set", "/cpu/tlb/l1d/ways=4",
              "--set", "/cpu/tlb/l2/entries=64", "--set", "/cpu/tlb/l2/ways=4"]
NO_WALK_CACHES = [word for cache in ("paging_structure_caches", "ept_walk_caches") for level in ("pml4e", "pdpte", "pde")
                  for word in ("--set", "/cpu/timing/%s/%s=0" % (cache, level))]
SMALL_EPT_PAGES = ["--set", "/xen/ept_2mb=false", "--set", "/xen/ept_1gb=false"]


class Memwalk(XensimTest):
    def sums(self, *options):
        result = self.xensim("latencies", MACHINE, *options)
        self.assert_ok(result)
        return {line.split()[0]: int(line.split()[1]) for line in result.stdout.splitlines()}

    def measure(self, footprint_kib, stride, page_kib, *options):
        """Cycles per load, from the guest's own table."""
        cfg = self.guest_domain("memwalk", "memwalk", memory=96, cmdline="stride=%d page=%d min_kib=%d max_kib=%d" %
                                (stride, page_kib, footprint_kib, footprint_kib))
        result = self.run_scenario(cfg, "--timing", "inorder", *options, trace="none")
        self.assert_ok(result)
        for line in result.console("memwalk").splitlines():
            cells = line.split()
            if cells[:3] == [str(footprint_kib), str(stride), str(page_kib)]:
                return int(cells[3]) / 100
        self.fail("no row for %d KiB in:\n%s" % (footprint_kib, result.console("memwalk")))

    def assert_near(self, measured, expected):
        self.assertLessEqual(abs(measured - expected), 0.05 * expected,
                             "measured %.2f cycles, the configuration adds up to %d" % (measured, expected))

    def test_cache_levels_and_dram_are_where_the_configuration_puts_them(self):
        sums = self.sums()
        for footprint, level in ((16, "l1"), (256, "l2"), (4096, "l3"), (32768, "dram_row_conflict")):
            with self.subTest(level=level):
                self.assert_near(self.measure(footprint, 64, 2048), sums[level])

    def test_another_configuration_moves_the_steps(self):
        other = ["--set", "/memory/l2/latency=25", "--set", "/memory/l3/latency=81", "--set", "/memory/l2/size=512KiB"]
        sums = self.sums(*other)
        self.assertEqual((sums["l2"], sums["l3"]), (25, 81))
        self.assert_near(self.measure(256, 64, 2048, *other), 25)
        self.assert_near(self.measure(1024, 64, 2048, *other), 81)

    def test_the_second_level_tlb_adds_its_latency(self):
        sums = self.sums()
        # 512 pages: beyond the first level's 64 entries, within the second level's 1536; one line of each fits L1D.
        self.assert_near(self.measure(1024, 4096, 4), sums["l1"] + sums["l2_tlb"])

    def test_a_warm_two_dimensional_walk_reads_one_guest_and_one_ept_entry(self):
        sums = self.sums()
        self.assert_near(self.measure(512, 4096, 4, *SMALL_TLBS), sums["l1"] + sums["walk_2d_warm"])

    def test_a_two_dimensional_walk_without_walk_caches_reads_every_entry(self):
        sums = self.sums()
        measured = self.measure(512, 4096, 4, *SMALL_TLBS, *NO_WALK_CACHES)
        self.assert_near(measured, sums["l1"] + sums["walk_2d_cold_2m"])
        measured = self.measure(512, 4096, 4, *SMALL_TLBS, *NO_WALK_CACHES, *SMALL_EPT_PAGES)
        self.assert_near(measured, sums["l1"] + sums["walk_2d_cold"])


if __name__ == "__main__":
    unittest.main()
