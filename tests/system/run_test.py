"""How `xensim run` ends, and what it leaves in its folder."""
import json
import os
import re
import shutil
import unittest

from kernel import HALT_FOR_EVER, SPIN, shutdown
from runner import MACHINE, XensimTest


class Run(XensimTest):
    def test_guests_that_wait_for_ever_end_the_run(self):
        idle = self.domain("idle", code=HALT_FOR_EVER)
        result = self.run_scenario(idle, "--timing", "functional", trace="none")
        self.assert_ok(result, 1)
        self.assertIn("nothing can happen any more, but not every domain has ended:", result.stderr)
        self.assertRegex(result.stderr, r"(?m)^d1v0 \(idle\): blocked, waits for an event, no timer set$")
        self.assertRegex(result.stdout, r"(?m)^idle +running ")

    def test_a_guest_that_only_wakes_now_and_then_is_not_taken_for_one_that_waits_for_ever(self):
        # It looks at its console every 10 ms.
        result = self.run_scenario(self.guest_domain("echo", "echo"), "--instructions", "400000", "--timing", "functional", trace="none")
        self.assert_ok(result)
        self.assertIn("the instruction limit was reached", result.stdout)
        self.assertGreater(float(re.search(r"Simulated (\d+\.\d+) ms", result.stdout).group(1)), 4000)

    def test_up_to_a_time_nobody_is_taken_for_one_that_waits_for_ever(self):
        result = self.run_scenario(self.domain("idle", code=HALT_FOR_EVER), "--until", "20s", "--timing", "functional", trace="none")
        self.assert_ok(result)
        self.assertIn("Simulated 20000.000 ms: the time limit was reached", result.stdout)

    def test_a_domain_of_the_scenario_that_is_not_created_is_a_failure(self):
        taken = self.domain("taken", code=shutdown(0))
        self.write("taken.cfg", self.read_text(taken).replace('name = "taken"', 'name = "Domain-0"'))
        result = self.run_scenario(taken, self.domain("good", code=shutdown(0)), trace="none")
        self.assert_ok(result, 1)
        self.assertRegex(result.stderr, r"(?m)^xensim: xl create '.*taken.cfg' ended with status 3, and there is no such domain \(xl.log has")
        self.assertIn("Domain with name \"Domain-0\" already exists", result.read("xl.log").decode())

    def test_what_an_earlier_run_has_left_is_gone(self):
        cfg = self.domain("short", code=shutdown(0))
        first = self.run_scenario(cfg, trace="xentrace,perfetto,text")
        self.assert_ok(first)
        self.write("out/notes.txt", "mine")
        self.assertIn("trace.xen", os.listdir(first.out))
        second = self.run_scenario(self.domain("other", code=shutdown(0)), trace="none")
        self.assert_ok(second)
        self.assertEqual(sorted(os.listdir(second.out)), ["config.json", "console-other.log", "host.json", "notes.txt", "stats.json"])

    def test_a_folder_of_somebody_else_keeps_what_is_in_it(self):
        self.write("out/trace.txt", "mine")
        self.assert_ok(self.run_scenario(self.domain("short", code=shutdown(0)), trace="none"))
        self.assertEqual(self.read_text(self.path("out", "trace.txt")), "mine")

    def test_what_is_under_way_at_the_limit_is_told(self):
        scenario = self.write("s.json", json.dumps({"machine": MACHINE, "timing": "functional", "until": "30ms", "domains": [self.domain("spin", code=SPIN)],
                                                    "timeline": [{"at": "20ms", "xl": "shutdown -w spin"}]}))
        result = self.run_scenario(scenario=scenario, trace="none")
        self.assert_ok(result)
        self.assertRegex(result.read("xl.log").decode(), r"^\[20\.\d+ ms\] xl shutdown -w spin\n(.*\n)*\(not ended when the run did\)\n$")

    def test_its_configuration_repeats_a_run_whose_domain_was_named_by_a_relative_path(self):
        shutil.copy(self.domain("short", code=shutdown(0)), self.path("here.cfg"))
        first = self.run_scenario("here.cfg")
        self.assert_ok(first)
        again = self.run_scenario(scenario=os.path.join(first.out, "config.json"), out="deeper/again", cwd="/")
        self.assert_ok(again)
        self.assertEqual(first.digest, again.digest)
        self.assertEqual(json.loads(again.read("config.json"))["domains"][0]["file"], os.path.join(first.out, "..", "here.cfg"))
        self.assertEqual(json.loads(first.read("config.json"))["domains"][0]["file"], "../here.cfg")


if __name__ == "__main__":
    unittest.main()
