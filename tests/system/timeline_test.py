"""A scenario's time line: what xl is told when, what it answers, and what is refused before anything runs."""
import json
import os
import re
import unittest

from kernel import SPIN, shutdown
from runner import MACHINE, XensimTest

BOTH = {"cmdline": "period_us=1000 count=100000"}


class Timeline(XensimTest):
    def scenario(self, timeline, *domains, **more):
        content = {"machine": MACHINE, "domains": list(domains), "timing": "functional", "timeline": timeline}
        content.update(more)
        return self.write("s.json", json.dumps(content))

    def timer(self, name, **options):
        return self.guest_domain(name, "timer", **{**BOTH, **options})

    def run_verbs(self, *entries, domains, until="100ms", status=0, **more):
        timeline = [{"at": at, "xl": xl} for at, xl in entries]
        result = self.run_scenario(scenario=self.scenario(timeline, *domains, until=until, **more), trace="none")
        self.assert_ok(result, status)
        return self.records(result)

    def records(self, result):
        """xl.log as (command, exit status, output) of each run of xl that the time line asked for."""
        found = re.findall(r"^\[(\d+\.\d+) ms\] xl (.*)\n((?s:.*?))^\[(\d+\.\d+) ms\] exit (\d+)$",
                           result.read("xl.log").decode(), re.M)
        for began, command, _, ended, _ in found:
            self.assertGreaterEqual(float(ended), float(began), command)
        return [(command, int(code), output) for _, command, output, _, code in found
                if not re.match(r"create '/", command)]

    def refuse(self, timeline, *parts, domains=None):
        domains = [self.timer("web")] if domains is None else domains
        result = self.run_scenario(scenario=self.scenario(timeline, *domains))
        self.assertEqual(result.status, 2, result.stdout + result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for part in ("s.json",) + parts:
            self.assertIn(part, result.stderr)
        self.assertFalse(os.path.isdir(result.out))

    # What is refused.

    def test_an_unknown_verb_has_a_suggestion(self):
        self.refuse([{"at": "1ms", "xl": "puase web"}], "/timeline/0/xl", "puase", '"pause"')

    def test_time_that_goes_backwards(self):
        self.refuse([{"at": "5ms", "xl": "list"}, {"at": "4ms", "xl": "list"}], "/timeline/1/at", "4ms", "5ms", "order of time")

    def test_missing_arguments(self):
        self.refuse([{"at": "1ms", "xl": "mem-set web"}], "/timeline/0/xl", "at least 2 arguments", "usage: mem-set <Domain>")

    def test_bad_values(self):
        for command, why in (("mem-set web 10x", "invalid memory size: 10x"), ("vcpu-pin web x 0", "Invalid argument x as VCPU"),
                             ("vcpu-pin web 0 3-1", "Invalid pcpu range: 3-1"), ("vcpu-set web x", "Invalid argument"),
                             ("vcpu-set -1 web", "option `1' not supported"), ("vcpu-set web -1", "Invalid argument"), ("trigger web boot", 'Invalid trigger "boot"'),
                             ("sched-credit2 -w 3", "Must specify a domain"), ("shutdown", "-a or a domain id"),
                             ("list a b", "one domain"), ("top", "--batch"), ("top --batch", "--iterations"),
                             ("rename web 'x", "quote"), ("xl list", "leave it out"), ("", "verb")):
            with self.subTest(command):
                self.refuse([{"at": "1ms", "xl": command}], "/timeline/0/xl", why)

    def test_a_domain_that_cannot_exist(self):
        self.refuse([{"at": "1ms", "xl": "pause wbe"}], "/timeline/0/xl", "wbe", 'did you mean "web"')
        self.refuse([{"at": "1ms", "xl": "pause 7"}], "/timeline/0/xl", '"7"')
        self.refuse([{"at": "1ms", "xl": "pause db"}, {"at": "2ms", "xl": "rename web db"}], "/timeline/0/xl", '"db"')

    def test_a_create_of_what_cannot_be_read(self):
        self.refuse([{"at": "1ms", "xl": "create none.cfg"}], "/timeline/0/xl", "none.cfg", "no such file")
        self.write("bad.cfg", "name = 'x'\nmemory = = 1\n")
        result = self.run_scenario(scenario=self.scenario([{"at": "1ms", "xl": "create bad.cfg"}]))
        self.assertEqual(result.status, 2)
        self.assertIn("bad.cfg:2", result.stderr)

    def test_an_unknown_key_of_an_entry(self):
        self.refuse([{"at": "1ms", "x1": "list"}], "/timeline/0", "x1")

    # What runs.

    def test_what_can_be_known_only_then_gets_xls_own_message_and_the_run_goes_on(self):
        web, db = self.timer("web"), self.timer("db", on_crash="destroy")
        records = self.run_verbs(("10ms", "destroy db"), ("20ms", "pause db"), ("30ms", "list 2"), ("40ms", "domid web"),
                                 domains=[web, db])
        self.assertEqual(records, [
            ("destroy db", 0, ""),
            ("pause db", 1, "db is an invalid domain identifier (rc=-6)\n"),
            ("list 2", 1, "Error: Domain '2' does not exist.\n"),
            ("domid web", 0, "1\n"),
        ])

    def test_pause_stops_a_domain_and_unpause_lets_it_go_on(self):
        records = self.run_verbs(("10ms", "pause web"), ("50ms", "list web"), ("60ms", "unpause web"), ("61ms", "unpause web"),
                                 domains=[self.timer("web")])
        self.assertRegex(records[1][2], r"(?m)^web +1 +32 +1     --p---       0\.0$")
        self.assertIn("Domain 1:Unpausing domain: Invalid argument", records[3][2])
        self.assertEqual(records[3][1], 0)

    def test_a_paused_domain_does_no_work(self):
        spin = self.domain("spin", code=SPIN)
        amount = {}
        for name, entries in (("free", []), ("paused", [{"at": "20ms", "xl": "pause spin"}])):
            result = self.run_scenario("--until", "100ms", scenario=self.scenario(entries, spin), out=name, trace="none")
            self.assert_ok(result)
            amount[name] = result.statistic("stats.instructions")
        self.assertLess(amount["paused"], amount["free"] / 3)

    def test_create_counts_domids_on_and_takes_settings(self):
        self.timer("late")
        records = self.run_verbs(("10ms", "destroy web"), ("20ms", "create late.cfg -p 'name=\"x\"' memory=40"),
                                 ("40ms", "list"), domains=[self.timer("web")])
        self.assertEqual(records[1][1:], (0, "Parsing config from late.cfg\n"))
        self.assertRegex(records[2][2], r"(?m)^x +2 +40 +1     --p---       0\.0$")

    def test_a_name_that_is_taken(self):
        web = self.timer("web")
        records = self.run_verbs(("20ms", "create web.cfg"), ("40ms", "list"), domains=[web])
        self.assertIn('Domain with name "web" already exists.', records[0][2])
        self.assertNotEqual(records[0][1], 0)
        self.assertEqual(records[1][2].count("web "), 1)

    def test_a_domain_that_finds_no_memory(self):
        self.timer("big", memory=1500)
        records = self.run_verbs(("20ms", "create big.cfg"), ("55ms", "list"),
                                 domains=[self.timer("web", memory=600)], until="60ms")
        self.assertEqual(records[0][1], 3)
        self.assertNotIn("big", records[1][2])

    def test_weights_change_shares(self):
        a, b = (self.domain(name, code=SPIN, cpus="0") for name in "ab")
        shares = {}
        for weight in (256, 1024):
            timeline = [{"at": "50ms", "xl": "sched-credit2 -d b -w %d" % weight}]
            result = self.run_scenario("--until", "1s", "--set", "/xen/path_cost/timing=free", "--set", "/cpu/frequency=100MHz",
                                       "--set", "/dom0/toolstack/create_cycles=1000", "--set", "/dom0/toolstack/verb_cycles=1000",
                                       scenario=self.scenario(timeline, a, b), out="w%d" % weight, trace="none")
            self.assert_ok(result)
            ran = [result.statistic("stats.domain.%d.vcpu.0.runstate.running" % domid) for domid in (1, 2)]
            shares[weight] = ran[1] / sum(ran)
        self.assertAlmostEqual(shares[256], 0.5, delta=0.05)
        self.assertAlmostEqual(shares[1024], 0.8, delta=0.05)

    def test_pinning_moves_a_domain(self):
        result = self.run_verbs(("10ms", "vcpu-pin spin 0 0"), ("15ms", "vcpu-list spin"), ("20ms", "vcpu-pin spin all 1"),
                                ("25ms", "vcpu-list spin"), domains=[self.domain("spin", code=SPIN)], until="30ms")
        self.assertRegex(result[1][2], r"(?m)^spin +1 +0    0   ...  .*  0 / all$")
        self.assertRegex(result[3][2], r"(?m)^spin +1 +0    1   ...  .*  1 / all$")

    def test_a_domain_that_ends_is_restarted_under_the_next_number(self):
        web = self.domain("web", code=shutdown(1), on_reboot="restart")
        result = self.run_scenario("--until", "35ms", "--set", "/dom0/toolstack/restart_delay=5ms",
                                   scenario=self.scenario([], web), trace="none")
        self.assert_ok(result)
        self.assertGreater(len(result.stats["stats"]["domain"]), 3)

    def test_rename_restart_keeps_the_old_one_under_a_name_with_the_time(self):
        web = self.domain("web", code=shutdown(3), on_crash="rename-restart")
        records = self.run_verbs(("9ms", "list"), ("10ms", "destroy web-20260101T0000Z"), domains=[web], until="12ms", status=1)
        self.assertRegex(records[0][2], r"(?m)^web-20260101T0000Z +1 +32 +1     ---sc- ")
        self.assertEqual(records[1][1], 0)

    def test_shutdown_waits_for_a_guest_that_does_not_listen(self):
        records = self.run_verbs(("10ms", "shutdown web"), domains=[self.timer("web")], until="40ms",
                                 machine={"dom0": {"toolstack": {"control_timeout": "20ms"}}})
        self.assertEqual(records[0][1], 1)
        self.assertIn("Shutting down domain 1\n", records[0][2])
        self.assertIn("shutdown failed (rc=-9)\n", records[0][2])

    def test_the_effective_configuration_repeats_the_run(self):
        self.timer("late")
        timeline = [{"at": "10ms", "xl": "create late.cfg"}, {"at": "20ms", "xl": "list"}]
        first = self.run_scenario("--until", "30ms", scenario=self.scenario(timeline, self.timer("web")), trace="none")
        self.assert_ok(first)
        again = self.run_scenario(scenario=os.path.join(first.out, "config.json"), out="again", trace="none", cwd="/")
        self.assert_ok(again)
        for name in ("xl.log", "stats.json", "config.json"):
            self.assertEqual(first.read(name), again.read(name), name)

    def test_the_same_scenario_gives_the_same_bytes(self):
        timeline = [{"at": "%dms" % at, "xl": xl} for at, xl in ((5, "list -v"), (6, "vcpu-list"), (7, "debug-keys qe"), (8, "dmesg"))]
        runs = [self.run_scenario("--until", "10ms", scenario=self.scenario(timeline, self.timer("web")), out=name)
                for name in ("one", "two")]
        self.assertEqual(runs[0].read("xl.log"), runs[1].read("xl.log"))
        self.assertEqual(runs[0].digest, runs[1].digest)


if __name__ == "__main__":
    unittest.main()
