"""The daemon that shares equal pages of domains, and what `xl sharing` and the guest `share` say of it."""
import json
import re
import unittest

from runner import MACHINE, XensimTest

ON = ["--set", "/xen/mem_sharing=true", "--set", "/dom0/memshare/period=40ms"]


class MemoryShare(XensimTest):
    def scenario(self):
        domains = [self.guest_domain(name, "share", memory=16, cmdline="pages=32 wait_ms=80") for name in ("one", "two")]
        return self.write("s.json", json.dumps({"machine": MACHINE, "domains": domains, "timeline": [
            {"at": "30ms", "xl": "sharing"}, {"at": "75ms", "xl": "sharing"}]}))

    def test_equal_pages_are_shared_and_xl_sharing_counts_them(self):
        result = self.run_scenario("--timing", "functional", *ON, scenario=self.scenario(), trace="none")
        self.assert_ok(result)
        for name in ("one", "two"):
            self.assertRegex(result.console(name), r"(?m)^share: ok$")
        rows = re.findall(r"(?m)^(one|two) +(\d+) +(\d+) +(\d+)$", result.read("xl.log").decode())
        self.assertEqual([(n, d, s) for n, d, _, s in rows[:2]], [("one", "1", "0"), ("two", "2", "0")])
        for name, _, _, shared in rows[2:]:
            self.assertGreater(int(shared), 8, name)  # MiB: nearly all that was never written
        self.assertEqual(len(rows), 4)

    def test_sharing_that_xen_lacks_is_refused(self):
        result = self.run_scenario("--set", "/dom0/memshare/period=40ms", scenario=self.scenario())
        self.assert_ok(result, 2)
        self.assertIn("--set /dom0/memshare/period=40ms: this Xen shares no memory; set /xen/mem_sharing to true", result.stderr)


if __name__ == "__main__":
    unittest.main()
