"""domctl, sysctl and platform_op for a control domain: the table that the guest `control` prints is compared, row by row, with
what the same rows said in dom0 of a real Xen 4.17 (reference/control.txt, by bin/control-native). The list
reference/control-different.txt has the rows in which this machine says something else, with what and why; it is exact.

To print what differs: tests/system/control_test.py --print
"""
import json
import re
import sys
import unittest

from reference_table import differences, expected, table
from runner import MACHINE, XensimTest

ROW = re.compile(r"(domctl|sysctl|platform_op|memory_op|hvm_op|event_channel_op|sched_op)/")


class Control(XensimTest):
    def run_control(self, *arguments, role="control", cmdline="peer=1 destroy=1", status=0, **options):
        self.guest_domain("peer", "errors", cmdline="wait_ms=100000", memory=64, vcpus=2)
        self.guest_domain("control", "control", cmdline=cmdline)
        entry = {"file": "control.cfg", "role": role} if role else "control.cfg"
        scenario = {"machine": MACHINE, "domains": ["peer.cfg", entry]}
        path = self.write("scenario.json", json.dumps(scenario))
        result = self.run_scenario(*arguments, scenario=path, **options)
        self.assert_ok(result, status)
        return result

    def rows(self, result):
        return table([line for line in result.console("control").splitlines() if ROW.match(line)])

    def test_every_row_is_what_dom0_of_a_real_xen_is_told(self):
        self.maxDiff = None
        result = self.run_control("--timing", "functional", trace="none")
        self.assertEqual(differences(expected("control.txt", "control-different.txt"), self.rows(result)), [])

    def test_a_control_domain_makes_a_domain_that_runs_and_ends(self):
        result = self.run_control("--timing", "inorder", trace="none")
        console = result.console("control")
        for line in ("create a domain: 0", "its memory: 4", "its program: 0", "its registers: 0", "unpause it: 0",
                     "it has shut down: 1", "with the reason: 1", "its pages: 4", "destroy it: 0", "it is gone: 1",
                     "control: ok"):
            self.assertRegex(console, "(?m)^" + line + "$")

    def test_nothing_is_left_of_domains_that_a_control_domain_destroys(self):
        result = self.run_control("--timing", "functional", trace="none")
        self.assertRegex(result.stdout, r"(?m)^peer +poweroff ")
        census = result.stats["stats"]["census"]
        # But for entries in xenstore: xl leaves those of a domain that somebody else has destroyed, as the real one does.
        for moment in census.values():
            del moment["store_nodes"]
        self.assertEqual(census["start"], census["end"])

    def test_the_toolstack_sees_that_its_domain_was_destroyed_by_another(self):
        result = self.run_control("--timing", "functional", trace="none")
        # 100 s is how long the domain would have waited.
        self.assertLess(result.statistic("stats.time_ns"), 1_000_000_000)

    def test_without_the_role_all_of_it_is_refused(self):
        result = self.run_control("--timing", "functional", role=None, status=1, trace="none")
        rows = self.rows(result)
        told = {result for name, result in rows.items()
                if not name.endswith(("/unmapped", "/version", "/told", "/unknown", "/self", "to-nobody"))}
        self.assertIn("-EPERM", told)
        self.assertNotIn("0", {rows[name] for name in rows if re.fullmatch(
            r"domctl/(pausedomain/pause|max_mem/more|createdomain/good|shadow_op/enable)|sysctl/sched_id/id", name)})

    def test_random_calls_of_a_control_domain_break_domains_at_most(self):
        self.guest_domain("victim", "fuzz", cmdline="victim=1 peer=2", memory=8)
        for seed in range(1, 7):
            self.guest_domain("fuzz", "fuzz", cmdline="seed=%d calls=4000 peer=1" % seed, memory=8)
            path = self.write("scenario.json", json.dumps({"machine": MACHINE, "until": "1s", "domains": [
                "victim.cfg", {"file": "fuzz.cfg", "role": "control"}]}))
            result = self.run_scenario("--timing", "functional", scenario=path, trace="none")
            self.assertIn(result.status, (0, 1), result.stderr[-2000:])

    def test_equal_runs_give_equal_bytes(self):
        runs = [self.run_control("--timing", "inorder", out="out-%d" % n) for n in (1, 2)]
        self.assertEqual(*[r.read("trace.xen") for r in runs])
        self.assertEqual(*[r.read("stats.json") for r in runs])

    def test_a_role_that_does_not_exist_is_refused(self):
        self.guest_domain("control", "control")
        path = self.write("scenario.json", json.dumps(
            {"machine": MACHINE, "domains": [{"file": "control.cfg", "role": "king"}]}))
        result = self.run_scenario(scenario=path)
        self.assert_ok(result, 2)
        self.assertIn("/domains/0/role", result.stderr)


def print_differences():
    case = Control()
    case.setUp()
    try:
        want = expected("control.txt", "control-different.txt")
        have = case.rows(case.run_control("--timing", "functional", trace="none"))
    finally:
        case.doCleanups()
    for line in differences(want, have):
        print(line)
    print("%d rows" % len(want))


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        print_differences()
    else:
        unittest.main()
