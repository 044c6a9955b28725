"""Every guest program runs to its end under both timing models."""
import re
import subprocess
import unittest

from kernel import shutdown
from runner import BUILD, XensimTest

# The programs' options make them short; what they measure is their own affair.
PROGRAMS = {
    "hello": {"cmdline": "greeting=1"},
    "compute": {"cmdline": "iterations=1000"},
    "timer": {"cmdline": "period_us=1000 count=20"},
    "memwalk": {"cmdline": "max_kib=64 accesses=2000", "memory": 128},
    "smp": {"cmdline": "rounds=200 ipis=50", "vcpus": 2},
    "events": {"cmdline": "count=100", "vcpus": 2},
    "fault": {},
    "random": {"cmdline": "seed=1 blocks=20 slice_us=100"},
    "balloon": {"cmdline": "targets=28,32 thrash=1"},
    "memops": {},
}


class Guests(XensimTest):
    def run_guest(self, program, timing):
        config = self.guest_domain(program, program, **PROGRAMS[program])
        result = self.run_scenario(config, "--timing", timing, timeout=100)
        self.assert_ok(result)
        self.assertRegex(result.console(program), r"(?m)^%s: ok$" % program)
        return result

    def test_compute_gives_the_checksum_of_a_native_build(self):
        native = subprocess.run([BUILD + "/bin/compute-native", "1000"], stdout=subprocess.PIPE, check=True)
        checksum = re.search(r"checksum (\S+)", native.stdout.decode())
        self.assertIsNotNone(checksum, native.stdout)
        for timing in ("functional", "inorder"):
            self.assertIn(checksum.group(0), self.run_guest("compute", timing).console("compute"))

    def test_two_domains_ring_each_other(self):
        serve = self.guest_domain("events-serve", "events", cmdline="count=100 peer=2")
        call = self.guest_domain("events-call", "events", cmdline="count=100 peer=1")
        for timing in ("functional", "inorder"):
            result = self.run_scenario(serve, call, "--timing", timing, timeout=100)
            self.assert_ok(result)
            for name in ("events-serve", "events-call"):
                self.assertRegex(result.console(name), r"(?m)^events: ok$")

    def test_a_crash_that_is_asked_for_is_exit_status_1(self):
        for option, state in (("crash=1", "crash"), ("triple=1", "triple fault")):
            result = self.run_scenario(self.guest_domain("fault", "fault", cmdline=option), "--timing", "functional")
            self.assert_ok(result, 1)
            self.assertRegex(result.stdout, r"(?m)^fault +%s " % state)

    def test_the_debug_ports_are_the_guests_own(self):
        # mov ecx, 10; out 0x80, al; out 0xed, al; in al, 0x80; loop; out 0x81, al; out 0x7f, ax; then it switches itself off.
        code = b"\xb9\x0a\0\0\0" + b"\xe6\x80\xe6\xed\xe4\x80\xe2\xf8" + b"\xe6\x81" + b"\x66\xe7\x7f"
        result = self.run_scenario(self.domain("ports", code=shutdown(0, before=code)), "--timing", "functional", trace="text")
        self.assert_ok(result)
        self.assertEqual(result.statistic("stats.domain.1.vcpu.0.exit.io"), 2)
        self.assertEqual(len(re.findall(r"(?m)^\d+ p\d+ +ioport_write ", result.read("trace.txt").decode())), 2)


def add(program, timing):
    def test(self):
        self.run_guest(program, timing)
    setattr(Guests, "test_%s_ends_well_under_%s" % (program, timing), test)


for program in PROGRAMS:
    for timing in ("functional", "inorder"):
        add(program, timing)

if __name__ == "__main__":
    unittest.main()
