"""Somebody at a domain's console, by a script: types, waits for answers, runs xl; goes on after a reboot, a restore, and at
another host; and says clearly what did not come."""
import json
import os
import re
import unittest

from runner import XensimTest

SMALL = {"cpu": {"count": 2, "frequency": "1GHz"}, "memory": {"size": "1GiB"}}


class Console(XensimTest):
    def scenario(self, steps, until="5s", name="s.json", domain=None, **more):
        domain = domain or self.guest_domain("echo", "echo", on_reboot="restart")
        return self.write(name, json.dumps({"machine": SMALL, "domains": [{"file": domain, "console": steps}], "timing": "functional",
                                            "until": until, **more}))

    def session(self, steps, out="out", status=0, **more):
        result = self.run_scenario(scenario=self.scenario(steps, **more), out=out)
        self.assert_ok(result, status)
        return result

    def log(self, result, name="echo"):
        """(nanoseconds, text) of each step that is over."""
        with open(os.path.join(result.out, "script-%s.log" % name), encoding="utf-8") as f:
            return [(int(ms) * 1000000 + int(ns), text) for ms, ns, text in re.findall(r"^\[(\d+)\.(\d{6}) ms\] (.*)$", f.read(), re.M)]

    def refuse(self, steps, *parts):
        result = self.run_scenario(scenario=self.scenario(steps))
        self.assertEqual(result.status, 2, result.stdout + result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)
        self.assertFalse(os.path.isdir(result.out))

    # What happens.

    def test_what_is_typed_is_answered_and_each_step_is_stamped(self):
        result = self.session([{"expect": "> "}, {"send": "hello\n"}, {"expect": "\n5 bytes, sum 532\n> ", "within": "100ms"},
                               {"wait": "7ms"}, {"send": "quit\n"}, {"expect_line": "^echo: [a-z]+$"}])
        self.assertIn("> hello\n5 bytes, sum 532\n> quit\necho: ok\n", result.console("echo"))
        log = self.log(result)
        self.assertEqual([text for _, text in log],
                         ['expect "> ": seen', 'send "hello\\n"', 'expect "\\n5 bytes, sum 532\\n> " within 100ms: seen', "wait 7ms", 'send "quit\\n"',
                          'expect_line "^echo: [a-z]+$": seen'])
        times = [at for at, _ in log]
        self.assertEqual(times, sorted(times))
        self.assertGreaterEqual(times[3] - times[2], 7000000)
        self.assertLess(times[3] - times[2], 7100000)

    def test_more_than_the_ring_holds_arrives_whole(self):
        text = "".join(chr(33 + i % 90) for i in range(5000))
        result = self.session([{"expect": "> "}, {"send": text + "\n"}, {"expect": "\n5000 bytes, sum %d\n" % sum(map(ord, text))}, {"send": "quit\n"}])
        self.assertIn(text[-200:], result.console("echo"))

    def test_a_guest_that_takes_its_time_loses_nothing(self):
        domain = self.guest_domain("echo", "echo", cmdline="pause_ms=1")
        result = self.session([{"expect": "> "}, {"send": "slow\n"}, {"expect": "> "}, {"send": "x" * 1500 + "\n"}, {"send": "quit\n"},
                               {"expect": "\n1500 bytes, sum 180000\n"}], domain=domain)
        log = self.log(result)
        # The first kilobyte at once; the rest as the guest takes it: 476 bytes of this line at a millisecond each.
        self.assertGreater(log[3][0] - log[2][0], 470000000)

    def test_nonsense_in_the_indices_stops_input_and_nothing_else(self):
        result = self.session([{"expect": "> "}, {"send": "scramble\n"}, {"expect": "scramble\n"}, {"send": "late\n"},
                               {"expect": "indices are back\n", "within": "100ms"}, {"expect": "\n4 bytes, sum 422\n"}, {"send": "quit\n"}])
        self.assertIn("echo: ok", result.console("echo"))

    def test_a_step_runs_xl_and_waits_for_it(self):
        result = self.session([{"expect": "> "}, {"xl": "pause echo"}, {"send": "hello\n"}, {"wait": "20ms"}, {"xl": "unpause echo"},
                               {"expect": "5 bytes"}, {"send": "quit\n"}])
        log = dict((text, at) for at, text in self.log(result))
        self.assertGreater(log['expect "5 bytes": seen'], log["xl unpause echo"] - 1000000)
        self.assertIn("xl unpause echo\n", self.read_text(os.path.join(result.out, "xl.log")))

    def test_the_script_goes_on_after_a_reboot(self):
        result = self.session([{"expect": "> "}, {"send": "reboot\n"}, {"expect": "echo: ready\n> "}, {"send": "quit\n"}, {"expect": "echo: ok"}])
        self.assertEqual(result.console("echo").count("echo: ready"), 2)

    def test_the_same_session_gives_the_same_bytes(self):
        steps = [{"expect": "> "}, {"send": "hello\n"}, {"expect": "> "}, {"send": "quit\n"}]
        one, two = (self.session(steps, out=out, trace=["xentrace"]) for out in ("one", "two"))
        self.assertEqual(one.digest, two.digest)
        self.assertEqual(one.read("script-echo.log"), two.read("script-echo.log"))
        again = self.run_scenario(scenario=os.path.join(one.out, "config.json"), out="again")
        self.assertEqual(again.digest, one.digest)

    def test_a_script_may_be_a_file(self):
        self.write("consoles/c.json", '[ { "expect": "> " }, // then\n  { "send": "quit\\n" } ]')
        self.session("consoles/c.json", out="good")
        self.write("consoles/c.json", '[ { "expect": "> " }, { "send": "" } ]')
        self.refuse("consoles/c.json", "consoles/c.json: /1: types nothing")

    # What does not come.

    def test_what_does_not_come_in_time_ends_the_run(self):
        result = self.session([{"expect": "> "}, {"expect": "login:", "within": "3ms"}], status=1)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertRegex(result.stderr, r'^xensim: .*s\.json: /domains/0/console/1: expect "login:" within 3ms: it did not come \(at \d+ ms\); '
                                        r'the console\'s last output: "echo: ready\\n> "\n$')
        self.assertIn("the script of a console failed", result.stdout)
        self.assertLess(result.statistic("stats.time_ns"), 1000000000)

    def test_a_run_that_ends_first_fails_the_script(self):
        result = self.session([{"expect": "> "}, {"send": "quit\n"}, {"expect": "login:"}], status=1)
        self.assertIn("the run ended first", result.stderr)
        result = self.session([{"expect": "login:"}], until="20ms", status=1, out="limit")
        self.assertIn("the run ended first", result.stderr)

    def test_an_xl_that_fails_fails_the_script(self):
        result = self.session([{"xl": "destroy nobody"}], status=1)
        self.assertIn("xl destroy nobody: it ended with status", result.stderr)

    # What is refused.

    def test_nonsense_is_refused_before_the_run(self):
        self.refuse([{}], "/domains/0/console/0", "does nothing")
        self.refuse([{"expect": "a", "send": "b"}], "more than one thing")
        self.refuse([{"send": "b", "within": "1s"}], "within")
        self.refuse([{"wait": "-1ms"}], "/domains/0/console/0/wait")
        self.refuse([{"wait": "soon"}], "/domains/0/console/0/wait")
        self.refuse([{"expct": "x"}], 'did you mean "expect"?')
        self.refuse([{"expect_line": "("}], "regular expression")
        self.refuse([{"xl": "vcpu-sett echo 1"}], 'did you mean "vcpu-set"?')
        self.refuse([{"xl": "create echo.cfg"}], "time line")
        self.refuse("none.json", "none.json", "no such file")

    # Where the domain goes.

    def test_the_script_follows_the_domain_to_another_host_and_through_a_file(self):
        domain = self.guest_domain("suspend", "suspend", cmdline="steps=0 pages=16")
        hosts = {"a": {"machine": SMALL, "domains": [{"file": domain, "console": [
            {"wait": "20ms"}, {"xl": "migrate suspend b"}, {"xl": "list"}, {"xl": "save suspend s.save"}, {"xl": "restore s.save"}, {"wait": "5ms"},
            {"xl": "shutdown suspend"}, {"expect": "suspend: ok"}]}]}, "b": {"machine": SMALL}}
        path = self.write("two.json", json.dumps({"hosts": hosts, "timing": "functional", "until": "5s", "links": {
            "a-b": {"between": ["a", "b"], "bandwidth": "10Gbit/s", "latency": "20us"}}}))
        result = self.run_scenario(scenario=path)
        self.assert_ok(result)
        log = [text for _, text in self.log(result, "suspend")]
        self.assertEqual(log[1], "xl migrate suspend b: the domain is here")
        self.assertEqual(log[-1], 'expect "suspend: ok": seen')
        commands = re.findall(r"(?m)^\[.*\] xl (\S+)", self.read_text(os.path.join(result.out, "b", "xl.log")))
        self.assertEqual([c for c in commands if c in ("list", "save", "restore", "shutdown")], ["list", "save", "restore", "shutdown"])
        both = self.domain("suspend2", code=b"\xf4", **{})
        text = self.read_text(both).replace('"suspend2"', '"suspend"')
        self.write("suspend2.cfg", text)
        hosts["b"]["domains"] = [both]
        path = self.write("two.json", json.dumps({"hosts": hosts, "timing": "functional"}))
        self.assertEqual(self.run_scenario(scenario=path, out="refused").status, 2)


if __name__ == "__main__":
    unittest.main()
