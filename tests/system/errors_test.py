"""Hypercalls answer as a real Xen 4.17 does: the table that the guest `errors` prints is compared, row by row, with what the same
binary printed on a real one (reference/errors.txt).

reference/errors-open.txt lists the rows that are not yet equal. A row of the list that is equal fails the test as well, so that the
list stays true; it may only shrink. A line that ends in /* stands for all rows of a hypercall that is still being built: its rows are
not compared. reference/errors-host.txt lists the rows that say something about the reference's processor
(SVM) or size, each with what this machine (VT-x, EPT) must say instead, from Xen's source.

To print what differs, and to write the list anew: tests/system/errors_test.py --print | --write
"""
import os
import sys
import unittest

from runner import SOURCE, XensimTest

REFERENCE = os.path.join(SOURCE, "tests", "system", "reference")
OPEN = os.path.join(REFERENCE, "errors-open.txt")


def lines_of(path):
    with open(path) as f:
        return [line.rstrip("\n") for line in f if line.strip() and not line.startswith("#")]


def table(lines):
    """name -> result. A name that comes again is numbered."""
    rows = {}
    for line in lines:
        name, _, result = line.strip().partition(" ")
        unique, n = name, 1
        while unique in rows:
            n += 1
            unique = "%s#%d" % (name, n)
        rows[unique] = result
    return rows


def expected():
    rows = table(lines_of(os.path.join(REFERENCE, "errors.txt")))
    for line in lines_of(os.path.join(REFERENCE, "errors-host.txt")):
        name, result = line.split("#")[0].split(None, 1)
        if name not in rows:
            raise ValueError("errors-host.txt: there is no row " + name)
        rows[name] = result.strip()
    return rows


def open_rows():
    """Single rows, and beginnings of names."""
    lines = lines_of(OPEN)
    return ({line for line in lines if not line.endswith("/*")},
            tuple(line[:-1] for line in lines if line.endswith("/*")))


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
        still_open, unfinished = open_rows()
        want, have = ({name: result for name, result in rows.items() if not name.startswith(unfinished)}
                      for rows in (expected(), self.run_table()))
        self.assertEqual(sorted(set(want) ^ set(have)), [], "rows are missing or new")
        wrong = ["%s: %s, wanted %s" % (name, have[name], want[name])
                 for name in want if have[name] != want[name] and name not in still_open]
        equal = [name for name in want if have[name] == want[name] and name in still_open]
        self.assertEqual(wrong, [], "rows differ from a real Xen's")
        self.assertEqual(equal, [], "rows are equal now: take them from errors-open.txt")
        self.assertEqual(sorted(still_open - set(want)), [], "errors-open.txt names rows that do not exist")


def print_or_write(write):
    case = Errors()
    case.setUp()
    try:
        want, have = expected(), case.run_table()
    finally:
        case.doCleanups()
    differing = [name for name in want if have.get(name) != want[name]]
    if write:
        with open(OPEN, "w") as f:
            f.write("# Rows of errors.txt that xensim does not yet answer as a real Xen does.\n")
            f.writelines(name + "\n" for name in differing)
    else:
        for name in differing:
            print("%-70s have %-16s want %s" % (name, have.get(name), want[name]))
        for name in have:
            if name not in want:
                print("%-70s have %-16s and no reference" % (name, have[name]))
    print("%d rows, %d differ" % (len(want), len(differing)))


if __name__ == "__main__":
    if sys.argv[1:] in (["--print"], ["--write"]):
        print_or_write(sys.argv[1] == "--write")
    else:
        unittest.main()
