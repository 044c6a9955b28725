"""Guest `grants` against real Xen 4.17: the same binary printed tests/system/data/grants-*.txt there."""
import os
import re
import unittest

from runner import SOURCE, XensimTest

DATA = os.path.join(SOURCE, "tests", "system", "data")


def rows(text):
    """The table, without times and without what differs between any two runs."""
    return [line.rstrip() for line in text.splitlines() if re.match(r"v[12] |grants: ", line)]


def reference(name):
    with open(os.path.join(DATA, name)) as f:
        return rows(f.read())


class Grants(XensimTest):
    def alone(self, timing):
        config = self.guest_domain("grants", "grants", max_grant_frames=16, max_maptrack_frames=2)
        result = self.run_scenario(config, "--timing", timing)
        self.assert_ok(result)
        return result

    def pair(self, timing, **options):
        give = self.guest_domain("grants-give", "grants", cmdline="peer=2")
        take = self.guest_domain("grants-take", "grants", cmdline="peer=1")
        result = self.run_scenario(give, take, "--timing", timing, **options)
        self.assert_ok(result)
        return result

    def test_a_domain_alone_sees_what_real_xen_shows(self):
        self.maxDiff = None
        self.assertEqual(rows(self.alone("functional").console("grants")), reference("grants-alone.txt"))

    def test_two_domains_see_what_real_xen_shows(self):
        self.maxDiff = None
        self.assertEqual(rows(self.pair("functional").console("grants-take")), reference("grants-take.txt"))

    def test_bytes_cost_and_batches_save(self):
        text = self.pair("inorder").console("grants-take")
        p50 = {}
        for what, pages, value in re.findall(r"measure ([a-z 0-9]+), pages (\d+): .* p50 (\d+) ", text):
            p50[what, int(pages)] = int(value)
        self.assertEqual(sorted({pages for _, pages in p50}), [1, 2, 4, 8, 16, 32])
        for pages in (1, 2, 4, 8, 16, 32):
            self.assertGreater(p50["copy", pages], p50["copy of 64 bytes each", pages])
        # A batch shares the hypercall: 32 pages cost less than 32 times one page.
        for what in ("map", "unmap", "copy"):
            self.assertLess(p50[what, 32], 32 * p50[what, 1])

    def test_the_trace_has_a_record_for_each_mapping_and_unmapping(self):
        result = self.pair("functional", trace="text")
        trace = result.read("trace.txt").decode()
        count = {what: sum(result.statistic("stats.domain.%d.grant.%s" % (d, what)) for d in (0, 1, 2))
                 for what in ("maps", "unmaps")}
        self.assertEqual(len(re.findall(r"\bgrant_map domid=", trace)), count["maps"])
        # Also of unmappings that fail, as in Xen.
        self.assertGreaterEqual(len(re.findall(r"\bgrant_unmap domid=", trace)), count["unmaps"])

    def test_nothing_is_left_of_grants_when_their_domains_are_gone(self):
        result = self.pair("functional")
        for domid in (1, 2):
            for what in ("frames", "mapped", "pinned"):
                self.assertEqual(result.statistic("stats.domain.%d.grant.%s" % (domid, what)), 0, what)

    def test_limits_above_the_hosts_are_refused_with_file_and_mend(self):
        config = self.guest_domain("grants", "grants", max_grant_frames=65)
        result = self.run_scenario(config)
        self.assert_ok(result, 2)
        self.assertIn("grants.cfg: max_grant_frames = 65 is more than the host's limit of 64", result.stderr)
        self.assertIn("gnttab_max_frames", result.stderr)


if __name__ == "__main__":
    unittest.main()
