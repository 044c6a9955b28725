"""Guests that call memory_op with senseless arguments, a hundred at a time: nobody else is harmed, and afterwards every
frame is back."""
import random
import re
import unittest

from kernel import LOAD_ADDRESS, program
from malicious_guest_test import MEMORY_OP, Code
from runner import XensimTest

SELF, DOM0, XEN, IO, NOBODY = 0x7FF0, 0, 0x7FF2, 0x7FF1, 1234
# Its own RAM, the page of its code, holes, the APIC's page, Xen's special pages, the ends of what there is.
FRAMES = (0x200, 0x201, 0x400, 0x600, LOAD_ADDRESS >> 12, 0xF0000, 0xF0200, 0xFEE00, 0xFEFF8, 0xFEFFF, 0xFFFFF, 0x100000,
          0x1FFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF, 0, 1)
ORDERS = (0, 0, 0, 1, 3, 8, 9, 10, 18, 19, 31, 32, 63, 64, 0xFFFFFFFF)
COUNTS = (0, 1, 1, 2, 5, 40, 513, 0x3FFFFFF, 0x4000000, 0xFFFFFFFF)
POINTERS = (0, 0xFFFFFFFC, 0xFEE00000, 0xF0000000)


class Caller:
    """Makes one guest's calls."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.code = Code()

    def pick(self, values):
        return self.random.choice(values)

    def frames(self, n):
        start = self.pick(FRAMES)
        return self.code.put(*(start + i if self.random.random() < 0.8 else self.pick(FRAMES) for i in range(n)))

    def domid(self):
        return self.pick((SELF,) * 12 + (1, 2, DOM0, XEN, IO, NOBODY, 0xFFFF))

    def pointer(self, good):
        return good if self.random.random() < 0.95 else self.pick(POINTERS)

    def reservation(self):
        flags = self.pick((0,) * 6 + (1 << 16, 1 << 17, 1 << 18, 12, 20, 0x100, 0x20100, 0xFFFFFFFF))
        return [self.pointer(self.frames(40)), self.pick(COUNTS), self.pick(ORDERS), flags, self.domid()]

    def call(self):
        put = self.code.put
        op = self.pick((0, 1, 1, 6, 6, 7, 7, 11, 15, 23, 23, 24, 2, 3, 4, 5, 9, 10, 12, 13, 14, 16, 17, 18, 19, 20, 21,
                        22, 25, 26, 27, 28, 29, 63))
        if op in (0, 1, 6, 24):
            argument = put(*self.reservation())
        elif op == 7:
            argument = put(self.domid() | self.pick((0, 1, 9, 600, 0xFFFF)) << 16, self.pick((0, 1, 2, 2, 3, 4, 5, 6, -1)),
                           self.pick(FRAMES), self.pick(FRAMES))
        elif op == 11:
            argument = put(*(self.reservation() + self.reservation() + [self.pick(COUNTS)]))
        elif op == 15:
            argument = put(self.domid(), self.pick(FRAMES))
        elif op == 23:
            argument = put(self.domid() | self.pick((0, 1, 2, 2, 3, 4, 5, 6)) << 16,
                           self.pick((0, 1, 30, 0xFFFF)) | self.domid() << 16, self.pointer(self.frames(40)),
                           self.pointer(self.frames(40)), self.pointer(put(*([0] * 40))))
        else:
            argument = put(*(self.pick(FRAMES + COUNTS + (self.domid(),)) for _ in range(10)))
        continued = self.pick((0,) * 20 + (1, 5, 0x3FFFFFF)) << 6
        self.code.hypercall(MEMORY_OP, op | continued, self.pointer(argument))

    def image(self, calls=100):
        for _ in range(calls):
            self.call()
        self.code.poweroff()
        code = self.code
        assert len(code.code) <= 0x1000
        return program(code.code.ljust(0x1000, b"\x90") + code.data, 0x20000)


class MemoryOp(XensimTest):
    def free_after(self, *files):
        result = self.run_scenario(*files, "--timing", "functional", "--until", "2s", trace="none")
        self.assertIn(result.status, (0, 1), result.stdout[-2000:] + result.stderr[-2000:])
        return result, result.statistic("stats.heap.free_pages")

    def test_senseless_calls_harm_nobody_and_leave_nothing(self):
        victim = self.guest_domain("victim", "balloon", memory=24, cmdline="targets=20,24 thrash=2")
        _, free = self.free_after(victim)
        for seed in range(6):
            with self.subTest(seed=seed):
                nasty = [self.domain("nasty%d" % i, Caller(10 * seed + i).image(), memory=16) for i in range(3)]
                result, after = self.free_after(nasty[0], victim, *nasty[1:])
                self.assertRegex(result.console("victim"), r"(?m)^balloon: ok$")
                self.assertEqual(len(re.findall(r"(?m)^nasty\d +(poweroff|crash|triple fault) ", result.stdout)), 3,
                                 result.stdout)
                self.assertEqual(after, free)


if __name__ == "__main__":
    unittest.main()
