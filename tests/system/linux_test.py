"""Debian's Linux as a PVH guest, with somebody at its console, where tools/linux-guest has put it (build/linux of the source
tree); else these tests are skipped."""
import json
import os
import re
import unittest

from runner import SOURCE, XensimTest

FOLDER = os.path.join(SOURCE, "build", "linux")
KERNEL, RAMDISK = os.path.join(FOLDER, "vmlinuz"), os.path.join(FOLDER, "initrd.gz")
TROUBLE = re.compile(r"BUG:|Call Trace|unchecked MSR|WARNING: CPU|Kernel panic|Oops|TSC unstable|rcu_sched|soft lockup")
MACHINE = {"cpu": {"count": 4}, "memory": {"size": "2GiB"}}
ZEROS = {8: "96995b58d4cbf6aaa9041b4f00c7f6ae", 32: "58f06dd588d8ffb3beb46ada6309436b"}
PROMPT = {"expect": "\n# ", "within": "5s"}


def run(command, answer, within="2s"):
    return [{"send": command + "\n"}, {"expect": "\n" + answer, "within": within}]


def start_sum(mib):
    return {"send": "dd if=/dev/zero bs=1M count=%d 2>/dev/null | md5sum\n" % mib}


def checksum(mib):
    return [start_sum(mib), {"expect": "\n%s  -\n" % ZEROS[mib], "within": "5s"}]


ONLINE = "cat /sys/devices/system/cpu/online"


@unittest.skipUnless(os.path.exists(KERNEL) and os.path.exists(RAMDISK), "tools/linux-guest was not run")
class Linux(XensimTest):
    def linux(self, console, **options):
        options = {"memory": 256, **options}
        return {"file": self.domain("linux", KERNEL, ramdisk=RAMDISK, cmdline="console=hvc0", on_reboot="restart", **options),
                "console": console}

    def session(self, scenario, out="out"):
        path = self.write("s.json", json.dumps({"timing": "functional", "until": "30s", **scenario}))
        result = self.run_scenario(scenario=path, out=out, timeout=550)
        self.assert_ok(result)
        return result

    def check_console(self, console):
        found = TROUBLE.search(console)
        self.assertIsNone(found, console[max(0, found.start() - 2000):found.end() + 2000] if found else "")

    def check_interrupts(self, console, vcpus):
        """Each processor has had timer interrupts, and nobody else's."""
        timers = re.findall(r"(?m)^ *\d+:((?: +\d+)+) +xen-percpu +-virq +timer(\d+)$", console)
        self.assertEqual([int(n) for _, n in timers[:vcpus]], list(range(vcpus)), console[-3000:])
        for counts, n in timers[:vcpus]:
            for column, count in enumerate(counts.split()):
                self.assertTrue(int(count) > 20 if column == int(n) else int(count) == 0, "timer%s: %s" % (n, counts))

    def test_a_session_with_one_vcpu(self):
        steps = [PROMPT] + run("uname -srm", "Linux 6.") + checksum(8)
        steps += [{"send": "cat /proc/interrupts\n"}, {"expect": "\n# "}] + run(ONLINE, "0\n")
        # A vCPU comes and goes.
        steps += [{"xl": "vcpu-set linux 2"}] + run("until ls -d /sys/devices/system/cpu/cpu1; do sleep 0.01; done", "/sys/devices/system/cpu/cpu1\n")
        steps += run("echo 1 >/sys/devices/system/cpu/cpu1/online; " + ONLINE, "0-1\n") + checksum(8)
        steps += [{"xl": "vcpu-set linux 1"}, {"wait": "200ms"}] + run(ONLINE, "0\n")
        # Memory goes and comes.
        for target, total in ((192, "1[0-9]{5}"), (320, "2[0-9]{5}")):
            steps += [{"xl": "mem-set linux %d" % target}, {"wait": "2s"}, {"send": "grep MemTotal /proc/meminfo\n"},
                      {"expect_line": "^MemTotal: +%s kB" % total, "within": "1s"}]
        # Into a file, out of it, a reboot, the end.
        steps += [{"xl": "mem-set linux 256"}, {"wait": "1s"}, {"xl": "save linux linux.save"}, {"xl": "restore linux.save"}]
        steps += run("dmesg | tail", "") + [{"expect": "Restarting tasks ... done.", "within": "1s"}] + checksum(8)
        steps += [{"send": "reboot -f\n"}, {"expect": "Run /init as init process", "within": "10s"}, PROMPT]
        steps += run("uptime", " 0") + [{"expect_line": "up 0 min"}, {"send": "poweroff -f\n"}, {"expect": "reboot: System halted", "within": "5s"}]
        result = self.session({"machine": MACHINE, "domains": [self.linux(steps, vcpus=1, maxvcpus=2, maxmem=320)]})
        console = result.console("linux")
        self.check_console(console)
        self.check_interrupts(console, 1)
        self.assertIn("DSDT 0x00000000FC001040 006C9B (v05 Xen    HVM      00000000 INTL 20200925)", console)
        self.assertRegex(result.stdout, r"(?m)^linux +poweroff ")

    def test_two_vcpus_in_detail(self):
        steps = [PROMPT] + run(ONLINE, "0-1\n") + [start_sum(1), {"expect": "\nb6d81b360a5672d80c27430f39153e2c  -\n", "within": "5s"}]
        steps += [{"send": "poweroff -f\n"}, {"expect": "reboot: System halted", "within": "5s"}]
        result = self.session({"machine": MACHINE, "timing": "inorder", "domains": [self.linux(steps, vcpus=2)]})
        self.check_console(result.console("linux"))
        self.assertIn("Brought up 1 node, 2 CPUs", result.console("linux"))

    def test_memory_goes_on_above_4_gib(self):
        # PVH guests have a hole below 4 GiB: what does not fit below it begins at 4 GiB.
        look = [{"send": "grep MemTotal /proc/meminfo; grep System.RAM /proc/iomem\n"}]
        steps = [PROMPT] + look + [{"expect_line": "^MemTotal: +50[0-9]{5} kB"}, {"expect": "\n00100000-fbffffff : System RAM\n"},
                                   {"expect": "100000000-143ffffff : System RAM\n"}] + checksum(8)
        steps += [{"xl": "mem-set linux 4800"}, {"wait": "1s"}] + look + [{"expect_line": "^MemTotal: +4[0-9]{6} kB", "within": "1s"}]
        steps += checksum(8) + [{"send": "poweroff -f\n"}, {"expect": "reboot: System halted", "within": "5s"}]
        result = self.session({"machine": {"cpu": {"count": 2}, "memory": {"size": "8GiB"}},
                               "domains": [self.linux(steps, vcpus=1, memory=5120)]})
        self.check_console(result.console("linux"))
        self.assertRegex(result.stdout, r"(?m)^linux +poweroff ")

    def test_four_vcpus_move_to_another_host_in_the_middle_of_a_checksum_twice_alike(self):
        steps = [PROMPT, start_sum(32), {"wait": "50ms"}, {"xl": "migrate linux b"}, {"expect": "\n%s  -\n" % ZEROS[32], "within": "10s"}]
        steps += run(ONLINE, "0-3\n") + [{"send": "cat /proc/interrupts\n"}, {"expect": "\n# "}] + checksum(8)
        steps += [{"send": "poweroff -f\n"}, {"expect": "reboot: System halted", "within": "5s"}]
        scenario = {"hosts": {"a": {"machine": MACHINE, "domains": [self.linux(steps, vcpus=4)]}, "b": {"machine": MACHINE}},
                    "links": {"a-b": {"between": ["a", "b"], "bandwidth": "10Gbit/s", "latency": "20us"}}}
        one, two = (self.session(scenario, out=out) for out in ("one", "two"))
        before = one.read("a/console-linux.log").decode("utf-8", "replace").replace("\r\n", "\n")
        after = one.read("b/console-linux.log").decode("utf-8", "replace").replace("\r\n", "\n")
        self.check_console(before + after)
        self.assertIn("Brought up 1 node, 4 CPUs", before)
        self.check_interrupts(after, 4)
        self.assertIn("moved, ", one.stdout)
        self.assertIn(" 0 different", one.stdout)
        digests = [re.findall(r"(?m)^Trace digest.*", r.stdout) for r in (one, two)]
        self.assertEqual(len(digests[0]), 2)
        self.assertEqual(digests[0], digests[1])
        for file in ("a/stats.json", "b/stats.json", "a/console-linux.log", "b/console-linux.log", "script-linux.log"):
            self.assertEqual(one.read(file), two.read(file), file)


PROGRAMS = os.path.join(SOURCE, "build", "linux-programs")


@unittest.skipUnless(os.path.exists(os.path.join(PROGRAMS, "initrd.gz")), "tools/linux-guest --programs was not run")
class Programs(XensimTest):
    def test_debians_programs_give_the_right_results_on_four_vcpus(self):
        result = self.run_scenario(scenario=os.path.join(SOURCE, "configs", "linux-programs.json"), timeout=550)
        self.assert_ok(result)
        self.assertIsNone(TROUBLE.search(result.console("linux")))
        self.assertRegex(result.stdout, r"(?m)^linux +poweroff ")


if __name__ == "__main__":
    unittest.main()
