"""Debian's Linux as a PVH guest, where tools/linux-guest has put it (build/linux of the source tree); else these tests are
skipped."""
import os
import re
import unittest

from runner import SOURCE, XensimTest

FOLDER = os.path.join(SOURCE, "build", "linux")
KERNEL, RAMDISK = os.path.join(FOLDER, "vmlinuz"), os.path.join(FOLDER, "initrd.gz")
TROUBLE = re.compile(r"BUG:|Call Trace|unchecked MSR|WARNING: CPU|Kernel panic|Oops")


@unittest.skipUnless(os.path.exists(KERNEL) and os.path.exists(RAMDISK), "tools/linux-guest was not run")
class Linux(XensimTest):
    def boot(self, vcpus, until):
        with open(KERNEL, "rb") as kernel, open(RAMDISK, "rb") as ramdisk:
            config = self.domain("linux", kernel.read(), memory=256, vcpus=vcpus, cmdline="console=hvc0",
                                 ramdisk=self.write("initrd.gz", ramdisk.read()))
        result = self.run_scenario(config, "--timing", "functional", "--until", until, trace="none", timeout=500)
        self.assert_ok(result)
        console = result.console("linux")
        self.assertIsNone(TROUBLE.search(console), console)
        return console

    def test_one_vcpu_reaches_the_prompt(self):
        console = self.boot(1, "1s")
        self.assertIn("Run /init as init process", console)
        self.assertRegex(console, r"(?m)^# ")
        self.assertIn("DSDT 0x00000000FC001040 006C9B (v05 Xen    HVM      00000000 INTL 20200925)", console)

    def test_four_vcpus_on_two_pcpus_reach_the_prompt(self):
        # They move between pCPUs, where translations from their last time there are out of date.
        console = self.boot(4, "1500ms")
        self.assertIn("Brought up 1 node, 4 CPUs", console)
        self.assertRegex(console, r"(?m)^# ")


if __name__ == "__main__":
    unittest.main()
