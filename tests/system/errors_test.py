"""Hypercalls answer as a real Xen 4.17 does: the table that the guest `errors` prints is compared, row by row, with what the same
binary printed on a real one (reference/errors.txt).

Two lists have the rows in which this machine says something else, each with what it says and why. They are exact: a row of
theirs that is as on the real one fails as well. reference/errors-host.txt: rows that tell of the reference's processor (SVM) or
size, with what VT-x and EPT give, from Xen's source. reference/errors-different.txt: rows in which this model differs.

To print what differs from lists and reference: tests/system/errors_test.py --print
"""
import sys
import unittest

from reference_table import differences, expected, table
from runner import XensimTest

LISTS = ("errors-host.txt", "errors-different.txt")


class Errors(XensimTest):
    def run_table(self):
        peer = self.guest_domain("errors-peer", "errors", cmdline="wait_ms=2000")
        errors = self.guest_domain("errors", "errors", cmdline="peer=1", memory=64, vcpus=2)
        result = self.run_scenario(peer, errors, "--timing", "functional", trace="none", timeout=300)
        self.assert_ok(result)
        lines = result.console("errors").splitlines()
        self.assertEqual(lines[-1], "errors: ok")
        return table(lines[:-2])

    def test_every_row_is_what_a_real_xen_says(self):
        self.maxDiff = None
        self.assertEqual(differences(expected("errors.txt", *LISTS), self.run_table()), [])


def print_differences():
    case = Errors()
    case.setUp()
    try:
        want, have = expected("errors.txt", *LISTS), case.run_table()
    finally:
        case.doCleanups()
    for line in differences(want, have):
        print(line)
    print("%d rows" % len(want))


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        print_differences()
    else:
        unittest.main()
