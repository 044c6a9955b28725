"""What a run says when it is over: who was there, what they did, and which files are left."""
import json
import os
import re
import unittest

from kernel import SPIN, shutdown
from runner import MACHINE, SOURCE, XensimTest

CPUID = b"\x0f\xa2"


class Report(XensimTest):
    def test_a_domain_that_was_made_anew_is_told_from_its_predecessor(self):
        again = self.domain("again", code=shutdown(1, before=CPUID), on_reboot="restart")
        once = self.domain("once", code=SPIN)
        result = self.run_scenario(again, once, "--timing", "functional", "--until", "20ms", "--set",
                                   "/dom0/toolstack/restart_delay=5ms", trace="none")
        self.assert_ok(result)
        self.assertRegex(result.stdout, r"(?m)^domain .* VM exits  domid$")
        rows = re.findall(r"(?m)^(again|once) +(\w+) .* (\d+)$", result.stdout)
        self.assertEqual(rows[:3], [("again", "reboot", "1"), ("once", "running", "2"), ("again", "reboot", "3")])
        self.assertIn("\nVM exits of again (3): CPUID 1\n", result.stdout)
        self.assertIn("\nVM exits of once: ", result.stdout)

    def test_a_long_name_keeps_its_column(self):
        result = self.run_scenario(self.domain("a-name-of-some-length", code=shutdown(0)), trace="none")
        head, *rows = re.search(r"(?m)^domain  .*\n(.*\n)+?\n", result.stdout).group(0).splitlines()
        column = head.index("state")
        for row in rows:
            if row:
                self.assertRegex(row[column:], r"^(running|poweroff)\b")

    def test_the_files_that_are_named_are_there(self):
        crash = self.domain("crash", code=shutdown(3), on_crash="coredump-destroy")
        scenario = self.write("s.json", json.dumps({"machine": MACHINE, "domains": [crash],
                                                    "timeline": [{"at": "1ms", "xl": "list"}]}))
        result = self.run_scenario("--timing", "functional", scenario=scenario)
        self.assert_ok(result, 1)
        names = re.search(r"(?m)^Written to .*: (.*)$", result.stdout).group(1).split(", ")
        self.assertEqual(names, ["consoles", "stats.json", "host.json", "config.json", "trace.xen", "xl.log", "core-crash"])
        for name in names[1:]:
            self.assertTrue(os.path.isfile(os.path.join(result.out, name)), name)

    def test_settings_beside_a_file_are_repeated_from_the_effective_configuration(self):
        self.domain("late", code=SPIN)
        scenario = self.write("s.json", json.dumps({"machine": MACHINE, "timeline": [
            {"at": "1ms", "xl": "create late.cfg memory=40 'name=\"later\"'"}, {"at": "80ms", "xl": "list"}]}))
        first = self.run_scenario("--timing", "functional", "--until", "90ms", scenario=scenario, trace="none")
        self.assert_ok(first)
        self.assertNotIn("assigned again", first.stderr)
        self.assertRegex(first.read("xl.log").decode(), r"(?m)^later +1 +40 ")
        second = self.run_scenario(scenario=os.path.join(first.out, "config.json"), out="second", trace="none")
        self.assert_ok(second)
        self.assertEqual(first.read("xl.log"), second.read("xl.log"))

    def test_the_smallest_domain_file_of_the_readme_runs(self):
        with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as f:
            text = re.search(r"The smallest:\n\n((?:    .*\n)+)", f.read()).group(1)
        path = self.write("mine.cfg", text.replace("build/release", os.path.dirname(os.path.dirname(self.guest_path("hello")))))
        result = self.run_scenario(path, "--timing", "functional", trace="none")
        self.assert_ok(result)
        self.assertIn("hello: ok", result.console("mine"))

    @staticmethod
    def guest_path(name):
        from runner import guest
        return guest(name)


if __name__ == "__main__":
    unittest.main()
