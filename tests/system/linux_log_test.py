"""What Linux says here beside what it said on a real Xen 4.17.5: on VT-x, one vCPU, up to its shell (linux-vtx.log); and on SVM, two of
four vCPUs, in the session of configs/consoles/linux-session.json, with a reboot (linux-session-svm.log). Times aside, what differs is in
linux-log.json, each with its reason, from which docs/linux.md has its table.
"""
import difflib
import json
import os
import re
import unittest

from runner import SOURCE, XensimTest

REFERENCE = os.path.join(SOURCE, "tests", "system", "reference")
FOLDER = os.path.join(SOURCE, "build", "linux")
STEPS = os.path.join(SOURCE, "configs", "consoles", "linux-session.json")


def kernel_lines(text):
    """Lines of the kernel's own, without their times."""
    return re.findall(r"(?m)^(?:# )?(?:\x1b\[6n)?\[ *\d+\.\d{6}\] (.*?) *$", text.replace("\r", ""))


def interrupt_rows(text):
    """The names in each table of /proc/interrupts: an interrupt's number, chip, type and user."""
    rows = re.findall(r"(?m)^ *(\w+:)(?: +\d+)+ +(.*?)\r?$", text)
    return [re.sub(r"  +", " ", number + " " + rest) for number, rest in rows]


def differences(there, here):
    """(side, line) of what is not in both, in order."""
    names = {"-": "there", "+": "here"}
    return [(names[line[0]], line[1:]) for line in difflib.unified_diff(there, here, n=0, lineterm="", fromfile="", tofile="")
            if not line.startswith(("---", "+++", "@@"))]


@unittest.skipUnless(os.path.exists(os.path.join(FOLDER, "vmlinuz")), "tools/linux-guest was not run")
class LinuxLog(XensimTest):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(REFERENCE, "linux-log.json"), encoding="utf-8") as f:
            cls.reasons = json.load(f)

    def linux(self, **options):
        return self.domain("linux", os.path.join(FOLDER, "vmlinuz"), ramdisk=os.path.join(FOLDER, "initrd.gz"),
                           cmdline="console=hvc0", memory=256, **options)

    def log(self, domain, console, pcpus):
        scenario = {"machine": {"cpu": {"count": pcpus}, "memory": {"size": "1GiB"}}, "timing": "functional", "until": "60s",
                    "domains": [{"file": domain, "console": console}]}
        result = self.run_scenario(scenario=self.write("s.json", json.dumps(scenario)), trace="none", timeout=550)
        self.assert_ok(result)
        return result.console("linux")

    def hold(self, which, there, here):
        unexplained = []
        for side, line in differences(there, here):
            found = any(re.search(p, line) for r in self.reasons if which in r["beside"] for p in r["patterns"])
            if not found:
                unexplained.append("%s: %s" % (side, line))
        self.assertEqual(unexplained, [])

    def reference(self, name):
        with open(os.path.join(REFERENCE, name), encoding="utf-8") as f:
            return f.read()

    def test_a_boot_with_one_vcpu_says_what_it_says_on_a_real_xen_with_vtx(self):
        here = self.log(self.linux(), [{"expect": "\n# ", "within": "5s"}, {"xl": "destroy linux"}], pcpus=2)
        there = self.reference("linux-vtx.log")
        self.assertGreater(len(kernel_lines(there)), 250)
        self.hold("vtx", kernel_lines(there), kernel_lines(here))

    def test_a_session_says_what_it_says_on_a_real_xen_with_svm(self):
        domain = self.linux(maxmem=320, vcpus=2, maxvcpus=4, on_reboot="restart")
        here = self.log(domain, STEPS, pcpus=4)
        there = self.reference("linux-session-svm.log")
        self.assertGreater(len(kernel_lines(there)), 550)
        self.hold("svm", kernel_lines(there), kernel_lines(here))
        self.assertGreater(len(interrupt_rows(there)), 30)
        self.assertEqual(interrupt_rows(here), interrupt_rows(there))

    def test_every_reason_names_what_it_is_about(self):
        for r in self.reasons:
            self.assertTrue(r["beside"] and r["patterns"] and r["what"] and r["reason"], r)


if __name__ == "__main__":
    unittest.main()
