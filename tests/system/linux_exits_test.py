"""VM exits of a boot of Debian's Linux, by reason, hypercall and I/O port, beside those on a real Xen with VT-x: the table of docs/linux.md.

There: what xenalyze says of a trace of a real Xen 4.17.5 (reference/linux-vtx.xenalyze.txt), from the boot to the end of the domain; here: what
it says of the same, in which somebody at the console switches the domain off. `linux_exits_test.py --write` makes the table anew. Kernels of other versions count a little differently, so that the
table's numbers are held to a tenth.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

from runner import SOURCE, XensimTest

PAGE = os.path.join(SOURCE, "docs", "linux.md")
THERE = os.path.join(SOURCE, "tests", "system", "reference", "linux-vtx.xenalyze.txt")
BEGIN, END = "<!-- the table: tests/system/linux_exits_test.py --write -->\n", "<!-- end of the table -->\n"
REASONS = {
    "EXTERNAL_INTERRUPT": "time: the boot took 0.5 s here, 24 s there, at 100 MHz",
    "PENDING_INTERRUPT": "no APIC virtualisation here: an interrupt that cannot be taken waits for its window",
    "CPUID": "64 for each program that starts, here as there: nine start here, seven there",
    "HLT": "idle between timer ticks",
    "VMCALL vcpu_op": "time: a timer is set per tick",
    "VMCALL": "`vcpu_op`",
    "MSR_READ": "IA32_ARCH_CAPABILITIES, TSC deadline, and EOI below",
    "MSR_WRITE": "an EOI per upcall: no APIC virtualisation here",
    "PAUSE_INSTRUCTION": "loops of delays are longer than the window at 2400 MHz",
    "EPT_VIOLATION": "here reads of the xAPIC's page before x2APIC is on, which there are APIC-register virtualisation's; there fetches from 2 MiB "
                     "pages, which Xen maps as not executable on processors with the iTLB-multihit fault and splits at the first fetch "
                     "(`ept=no-exec-sp`). The modelled core has no such fault",
}


def counts(summary):
    """What is counted of domain 1, by name, from xenalyze's summary."""
    text = summary[summary.index("Exit reasons:"):]
    found = {}
    for line in text.splitlines():
        exit_reason = re.match(r" ([A-Z][A-Z_]+) +(\d+) ", line)
        hypercall = re.match(r" +\[ *([a-z_]+)\] +(\d+) ", line)
        port = re.match(r" +([0-9a-f]+):\[([rw])\] +(\d+) ", line)
        if exit_reason:
            found[exit_reason.group(1)] = int(exit_reason.group(2))
        elif hypercall:
            found["VMCALL " + hypercall.group(1)] = int(hypercall.group(2))
        elif port:
            found["port %s %s" % (port.group(1), {"r": "read", "w": "written"}[port.group(2)])] = int(port.group(3))
    return found


def far(here, there):
    return abs(here - there) * 10 > there


def table(here, there):
    lines = ["| exit | here | there | a difference of over 10% |", "|---|--:|--:|---|"]
    alike = 0
    for name in sorted(set(here) | set(there), key=lambda n: (n.startswith("port"), list(there).index(n) if n in there else 999, n)):
        h, t = here.get(name, 0), there.get(name, 0)
        if name.startswith("port") and not far(h, t):
            alike += 1
            continue
        lines.append("| %s | %d | %d | %s |" % (name, h, t, REASONS.get(name, "not explained") if far(h, t) else ""))
    lines.append("| each of %d other ports, read or written | | | none |" % alike)
    return "\n".join(lines) + "\n"


def split(page):
    before, rest = page.split(BEGIN)
    held, after = rest.split(END)
    return before, held, after


def rows(text):
    return {name: (int(h), int(t), reason) for name, h, t, reason in re.findall(r"(?m)^\| (\S.*?) \| (\d+) \| (\d+) \| (.*) \|$", text)}


@unittest.skipUnless(os.path.exists(os.path.join(SOURCE, "build", "linux", "vmlinuz")), "tools/linux-guest was not run")
@unittest.skipUnless(shutil.which("xenalyze"), "xenalyze is missing")
class LinuxExits(XensimTest):
    def counted(self):
        console = [{"expect": "\n# ", "within": "5s"}, {"send": "poweroff -f\n"}, {"expect": "reboot: System halted"}]
        scenario = {"machine": os.path.join(SOURCE, "configs", "machines", "small.json"), "timing": "functional", "until": "10s",
                    "domains": [{"file": os.path.join(SOURCE, "configs", "domains", "linux.cfg"), "console": console}]}
        result = self.run_scenario(scenario=self.write("s.json", json.dumps(scenario)), timeout=300)
        self.assert_ok(result)
        summary = subprocess.run(["xenalyze", "--cpu-hz", "2.4G", "--summary", os.path.join(result.out, "trace.xen")], check=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
        return counts(summary[summary.index("|-- Domain 1 --|"):summary.index("|-- Domain 32767 --|")])

    def test_the_table_of_exits_is_what_is_counted_and_every_difference_has_its_reason(self):
        there = counts(self.read_text(THERE))
        self.assertGreater(len(there), 50)
        held, now = rows(split(self.read_text(PAGE))[1]), rows(table(self.counted(), there))
        self.assertEqual(sorted(held), sorted(now))
        for name, (h, t, reason) in now.items():
            self.assertLessEqual(abs(h - held[name][0]), max(3, h // 10), "%s: %d; the page says %d" % (name, h, held[name][0]))
            self.assertEqual(t, held[name][1], name)
            self.assertNotEqual(reason, "not explained", name)


if __name__ == "__main__":
    if "--write" in sys.argv:
        test = LinuxExits("counted")
        test.setUp()
        with open(PAGE, encoding="utf-8") as f:
            before, _, after = split(f.read())
        with open(THERE, encoding="utf-8") as f:
            made = table(test.counted(), counts(f.read()))
        test.doCleanups()
        with open(PAGE, "w", encoding="utf-8") as f:
            f.write(before + BEGIN + made + END + after)
    else:
        unittest.main()
