"""The prompt: scripts of commands on standard input, and what comes out."""
import json
import os
import pty
import re
import select
import subprocess
import unittest

from kernel import HALT_FOR_EVER, SPIN
from runner import MACHINE, SOURCE, XENSIM, XensimTest

GOLDEN = os.path.join(SOURCE, "tests", "system", "golden")


class Shell(XensimTest):
    def shell(self, *commands, domains=(), options=(), scenario=MACHINE, status=0):
        process = subprocess.run([XENSIM, "shell", scenario] + list(domains) + ["--timing", "functional"] + list(options),
                                 input="\n".join(commands) + "\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                                 cwd=self.folder, universal_newlines=True)
        self.assertEqual(process.returncode, status, process.stdout + process.stderr)
        return process.stdout

    def answer(self, output, command):
        """What was printed between a command and the next prompt."""
        return output.split("xensim> " + command + "\n", 1)[1].split("xensim> ", 1)[0]

    def timer(self, name="web", **options):
        return self.guest_domain(name, "timer", **{"cmdline": "period_us=1000 count=100000", **options})

    def test_it_halts_before_anything_has_run(self):
        output = self.shell("time", "quit", domains=[self.timer()])
        self.assertRegex(output, r"^\[0\.0\d+ ms\] start\nxensim> time\n0\.0\d+ ms, 0 guest instructions\n")

    def test_the_end_of_the_input_ends_it(self):
        self.assertIn("start", self.shell(domains=[self.timer()]))

    def test_run_lets_a_span_pass(self):
        output = self.shell("run 10ms", "run 5ms", domains=[self.timer()])
        at = [float(t) for t in re.findall(r"^\[(\d+\.\d+) ms\] time$", output, re.M)]
        self.assertEqual(len(at), 2)
        slack = 0.05  # ms: a quantum, and a path of Xen's that began in it
        self.assertTrue(10 <= at[0] < 10 + slack, at)
        self.assertTrue(at[0] + 5 <= at[1] < at[0] + 5 + slack, at)

    def test_until_an_exit_of_a_domain(self):
        output = self.shell("run 10ms", "until exit web", "registers web", domains=[self.timer()])
        self.assertRegex(output, r"(?m)^\[\d+\.\d+ ms\] VM exit of d1v0 \(web\): reason \d+ \([A-Z_]+\), qualification [0-9a-f]+$")
        self.assertRegex(self.answer(output, "registers web"), r"(?m)^rip    [0-9a-f]{16}  rflags [0-9a-f]{16}  cs ")

    def test_until_a_switch(self):
        output = self.shell("run 10ms", "until switch", "until switch Domain-0", domains=[self.timer()])
        self.assertEqual(len(re.findall(r"(?m)^\[\d+\.\d+ ms\] context switch of d", output)), 2)
        self.assertRegex(output, r"(?m)context switch of d0v0 \(Domain-0\)$")

    def test_steps_are_exact(self):
        output = self.shell("run 10ms", "time", "step 7", "time", "step", "time", domains=[self.domain("spin", code=SPIN)])
        counts = [int(n) for n in re.findall(r"ms, (\d+) guest instructions", output)]
        self.assertEqual([counts[1] - counts[0], counts[2] - counts[1]], [7, 1])

    def test_xl_runs_in_dom0_and_is_waited_for(self):
        output = self.shell("run 10ms", "xl list", "xl pause web", "xl list web", "xl pause 7", "xl pause", domains=[self.timer()])
        self.assertRegex(self.answer(output, "xl list"), r"(?m)^web +1 +32 +1     ")
        self.assertRegex(self.answer(output, "xl list web"), r"(?m)^web +1 +32 +1     --p---")
        self.assertIn("Domain 7:Pausing domain: No such process", self.answer(output, "xl pause 7"))
        self.assertIn("(exit status 2)", self.answer(output, "xl pause"))

    def test_xl_create_at_the_prompt(self):
        self.timer("late")
        output = self.shell("run 1ms", "xl create late.cfg", "xl list", "xl create none.cfg", "domains", domains=[self.timer()])
        self.assertRegex(self.answer(output, "xl list"), r"(?m)^late +2 ")
        self.assertIn("Failed to read config file: none.cfg: No such file or directory", output)
        self.assertRegex(self.answer(output, "domains"), r"(?m)^ +2 late +there$")

    def test_inspection(self):
        output = self.shell("run 10ms", "p2m web", "p2m web 0x100 2", "events web", "runqueues", domains=[self.timer()])
        self.assertRegex(self.answer(output, "p2m web"), r"(?m)^gfn [0-9a-f]{8}-[0-9a-f]{8}  mfn [0-9a-f]+-[0-9a-f]+  2M  ram_rw$")
        self.assertEqual(len(self.answer(output, "p2m web 0x100 2").splitlines()), 2)
        self.assertRegex(self.answer(output, "events web"), r"(?m)^port    2  to d0 port \d+, vCPU 0")
        self.assertIn("pCPU 1", self.answer(output, "runqueues"))

    def test_bad_commands_get_one_message_and_the_prompt_goes_on(self):
        output = self.shell("rnu", "run soon", "until", "until 0ms", "step 0", "registers", "registers nosuch", "registers web 9",
                            "p2m web 0xffffffffffff", "frobnicate", "'x", "run 1ms", "registers web 9", domains=[self.timer()])
        self.assertIn('did you mean "run"?', output)
        for part in ("soon", "until what?", "an argument is missing", 'no domain "nosuch"', "no vCPU 9", "a quote is open"):
            self.assertIn(part, output)
        self.assertRegex(output, r"(?m)^\[\d+\.\d+ ms\] time$")

    def test_the_end_of_the_run_leaves_a_prompt_to_look(self):
        scenario = self.write("s.json", json.dumps({"machine": MACHINE, "until": "5ms", "domains": [self.timer()]}))
        output = self.shell("run", "time", "run", "xl list", "quit", scenario=scenario)
        self.assertIn("the time limit was reached\n", output)
        self.assertIn("the run is over", output)

    def test_every_domain_ending_halts(self):
        output = self.shell("run", "domains", "run", domains=[self.guest_domain("hello", "hello")])
        self.assertIn("hello| hello: ok\n", output)
        self.assertIn("domain 1 has ended: poweroff\n", output)
        self.assertRegex(output, r"(?m)\] every domain has ended$")
        self.assertIn("nothing is left to do", output)

    def test_the_same_script_gives_the_same_bytes(self):
        script = ["run 3ms", "until exit web", "step 3", "xl vcpu-list", "registers web", "runqueues", "run 2ms", "time"]
        domains = [self.timer()]
        self.assertEqual(self.shell(*script, domains=domains), self.shell(*script, domains=domains))

    def test_halting_changes_nothing(self):
        domains = [self.timer(), self.domain("spin", code=SPIN)]
        straight = self.shell("until 20ms", "time", domains=domains)
        halted = self.shell("run 3ms", "until exit web", "until switch", "registers web", "until exit", "until 20ms", "time",
                            domains=domains)
        self.assertEqual(self.answer(straight, "time"), self.answer(halted, "time"))

    def test_until_an_event_of_a_domain(self):
        output = self.shell("run 10ms", "until event web", "until event", domains=[self.timer()])
        self.assertRegex(output, r"(?m)^\[\d+\.\d+ ms\] event of d1v0 \(web\)$")
        self.assertEqual(len(re.findall(r"(?m)^\[\d+\.\d+ ms\] event of d\d+v0 ", output)), 2)

    def test_debug_key_g_shows_the_grants_in_use(self):
        # Console and xenstore rings, mapped by dom0's daemons; xenstored may have a domain of its own.
        output = self.shell("run 10ms", "xl debug-keys g", "xl dmesg", domains=[self.timer()])
        row = r"(?m)^\(XEN\) \[0x00%d\]      %d 0x[0-9a-f]{5,} 0x00000001          %d 0x0feff[0-9a-f] 0x19$"
        answer = self.answer(output, "xl dmesg")
        self.assertIn("(XEN) grant-table for remote d1 (v1)\n(XEN)   1 frames (64 max), 0 maptrack frames (1024 max)\n", answer)
        for ref in (0, 1):
            self.assertRegex(answer, row % (ref, 0, 0))
        output = self.shell("run 10ms", "xl debug-keys g", "xl dmesg", domains=[self.timer()],
                            options=["--set", "/dom0/xenstored/stub_domain=true"])
        answer = self.answer(output, "xl dmesg")
        self.assertRegex(answer, row % (0, 0, 0))
        self.assertRegex(answer, row % (1, 1, 1))

    def test_halting_at_events_changes_nothing(self):
        domains = [self.timer(), self.domain("spin", code=SPIN)]
        straight = self.shell("until 20ms", "time", domains=domains)
        halted = self.shell("run 3ms", "until event", "until event web", "until event", "until 20ms", "time",
                            domains=domains)
        self.assertEqual(self.answer(straight, "time"), self.answer(halted, "time"))

    def on_a_terminal(self, *steps, domains):
        """Each step: what is typed, and what is then waited for. Everything that was shown."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen([XENSIM, "shell", MACHINE, *domains, "--timing", "functional"], stdin=theirs, stdout=theirs,
                                   stderr=theirs, cwd=self.folder)
        os.close(theirs)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(os.close, ours)
        shown = ""
        for typed, wanted in steps:
            os.write(ours, typed.encode())
            seen = ""
            while not re.search(wanted, seen, re.S):
                self.assertTrue(select.select([ours], [], [], 60)[0], "%r did not come after %r: %r" % (wanted, typed, seen))
                try:
                    seen += os.read(ours, 65536).decode("utf-8", "replace")
                except OSError:  # the other end is closed
                    break
            shown += seen
        self.assertEqual(process.wait(timeout=60), 0, shown)
        return shown

    def test_top_is_drawn_over_and_over_on_a_terminal_until_a_key_is_pressed(self):
        redraw = r"\x1b\[H\x1b\[J +NAME  STATE.*?Domain-0.*? web .*?A key ends it"
        shown = self.on_a_terminal(("", "xensim> "), ("run 1ms\r", r"time\r\n.*xensim> "), ("xl top -d 1\r", redraw + ".*" + redraw),
                                   ("q", r"\] xl\r\n.*xensim> "), ("quit\r", "quit"), domains=[self.timer(cmdline="period_us=1000 count=600")])
        used = re.findall(r"web .{6} +\d+ +(\d+\.\d)", shown)
        self.assertEqual(used[0], "0.0")
        self.assertGreater(float(used[1]), 0)

    def test_top_without_a_terminal_says_so(self):
        self.assertIn("there is no terminal", self.shell("run 1ms", "xl top", domains=[self.timer()]))

    def echo(self):
        return self.guest_domain("echo", "echo")

    def test_a_line_is_typed_at_a_console(self):
        commands = ("run 20ms", "type echo one two", "run 20ms", "type echo", "type echo quit", "run 20ms")
        output = self.shell(*commands, domains=[self.echo()])
        self.assertRegex(output, r"(?m)^echo\| > one two\n(.*\n)*echo\| 7 bytes, sum %d\n(.*\n)*echo\| 0 bytes, sum 0\n" % sum(b"one two"))
        self.assertIn("domain 1 has ended: poweroff", output)
        self.assertEqual(output, self.shell(*commands, domains=[self.echo()]))

    def test_who_has_no_console_takes_no_line(self):
        output = self.shell("run 20ms", "type Domain-0 x", "type nobody x", "type", domains=[self.echo()])
        self.assertIn("the console of Domain-0 takes nothing", output)
        self.assertIn('no domain "nobody"', output)
        self.assertIn("an argument is missing; type DOMAIN", output)

    def test_a_guest_that_takes_nothing_gets_no_more_than_is_kept_for_it(self):
        output = self.shell("run 20ms", *["type web " + "x" * 1000] * 70, "run 1ms", domains=[self.timer()])
        self.assertEqual(output.count("the console of web takes nothing"), 70 - 65536 // 1001)

    def test_the_terminal_is_the_console_until_somebody_leaves_it(self):
        # The guest waits for input and nothing else; Ctrl-C is its own.
        shown = self.on_a_terminal(("", "xensim> "), ("run 20ms\r", r"time\r\n.*xensim> "), ("xl console echo\r", r"Ctrl-\] leaves.*echo: ready.*> "),
                                   ("abc\r", r"abc.*3 bytes, sum 294.*> "), ("\x03\r", r"1 bytes, sum 3.*> "), ("\x1d", r"the console is left\r\nxensim> "),
                                   ("xl console echo\r", r"Ctrl-\] leaves.*> "), ("quit\r", r"has ended: poweroff.*the domain is gone\r\nxensim> "),
                                   ("quit\r", "quit"), domains=[self.echo()])
        self.assertEqual(shown.count("echo: ready"), 1 + shown.count("echo| echo: ready"))

    def test_what_only_a_guest_could_end_is_refused_when_there_is_none(self):
        output = self.shell("run", "until exit", "step 3", "until switch", domains=[self.guest_domain("hello", "hello")])
        self.assertEqual(output.count("nothing is left to do"), 3)

    def test_a_run_that_nothing_can_go_on_with_halts(self):
        output = self.shell("run", "time", domains=[self.domain("idle", code=HALT_FOR_EVER)])
        self.assertRegex(output, r"(?m)^\[\d+\.\d+ ms\] nothing can happen any more")

    def test_a_stretch_for_a_domain_ends_with_it(self):
        output = self.shell("run 1ms", "run 5ms", "until event hello", domains=[self.guest_domain("hello", "hello")])
        self.assertNotIn("event of d", output)

    def test_a_console_script_that_fails_halts(self):
        scenario = self.write("s.json", json.dumps({"machine": MACHINE, "domains": [{"file": self.timer(), "console": [{"expect": "never", "within": "5ms"}]}]}))
        output = self.shell("run 100ms", "time", scenario=scenario)
        self.assertRegex(output, r'(?m)^.*s\.json: /domains/0/console/0: expect "never" within 5ms: it did not come')
        self.assertEqual(output.count("it did not come"), 1)

    def test_help_lists_every_command(self):
        output = self.shell("help", domains=[self.timer()])
        for command in ("run", "until", "step", "xl", "type", "registers", "p2m", "events", "runqueues", "quit"):
            self.assertRegex(output, r"(?m)^  %s\b" % command)


if __name__ == "__main__":
    unittest.main()
