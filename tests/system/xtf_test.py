"""Xen Test Framework's HVM tests, from the .cfg files that its build generates, against what they give on a real Xen.

XENSIM_XTF names the folder of a built XTF; without it these tests are skipped. `xtf_test.py --write` runs them and writes the
table of docs/xtf.md.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

from reference_table import REFERENCE
from runner import MACHINE, SOURCE, XENSIM

XTF = os.environ.get("XENSIM_XTF", "")
ENVIRONMENTS = ["hvm64", "hvm32", "hvm32pae", "hvm32pse"]
TABLE = os.path.join(SOURCE, "docs", "xtf.md")
BEGIN, END = "<!-- xtf_test.py --write: begin -->\n", "<!-- end -->\n"
HOST_SECONDS = 1800  # a test of a billion loops is among them


def tests_of(folder):
    """(test with its variation, environment, .cfg), in the order of names."""
    found = []
    for path in glob.glob(os.path.join(folder, "tests", "*", "test-hvm*-*.cfg")):
        name = os.path.basename(path)[len("test-"):-len(".cfg")]
        environment, _, test = name.partition("-")
        if environment in ENVIRONMENTS:
            found.append((test, environment, path))
    return sorted(found, key=lambda t: (t[0], ENVIRONMENTS.index(t[1])))


def run(cfg):
    """What the test says of itself, and what xensim says when there is no such line."""
    name = os.path.basename(cfg)[:-len(".cfg")]
    with tempfile.TemporaryDirectory(prefix="xensim-xtf-") as out:
        command = [XENSIM, "run", MACHINE, cfg, "--timing", "functional", "--set", "/cpu/count=4", "--trace", "none", "--out", out, "-q"]
        try:
            p = subprocess.run(command, capture_output=True, timeout=HOST_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return "no end", "not over after %d s" % HOST_SECONDS
        said = p.stderr.decode("utf-8", "replace")
        if p.returncode not in (0, 1):
            return "simulator: status %d" % p.returncode, said
        with open(os.path.join(out, "console-%s.log" % name), encoding="utf-8", errors="replace") as f:
            console = f.read()
    results = re.findall(r"Test result: (\w+)", console)
    return (results[-1] if results else "no result"), said + console


def reference():
    """(test, environment) -> result on real Xen. Tests without a build for the environment are left out."""
    with open(os.path.join(REFERENCE, "xtf-results.tsv"), encoding="utf-8") as f:
        head, *rows = [line.rstrip("\n").split("\t") for line in f]
    return {(row[0], environment): result for row in rows for environment, result in zip(head[1:], row[1:])
            if environment in ENVIRONMENTS and result != "-"}


def differences():
    """(test, environment) -> (result here, reason)."""
    rows = {}
    with open(os.path.join(REFERENCE, "xtf-different.txt"), encoding="utf-8") as f:
        for line in f:
            if not line.strip() or line.startswith("#"):
                continue
            what, mark, reason = line.partition("#")
            test, environment, result = what.split(None, 2)
            if not mark or not reason.strip():
                raise ValueError("xtf-different.txt: no reason is given: " + line)
            rows[test, environment] = (result.strip(), reason.strip())
    return rows


def expected():
    rows = reference()
    for key, (result, _) in differences().items():
        if rows.get(key) == result:
            raise ValueError("xtf-different.txt: %s %s: %s is what the real one says" % (*key, result))
        rows[key] = result
    return rows


@unittest.skipUnless(XTF, "XENSIM_XTF is not set to the folder of a built Xen Test Framework (docs/xtf.md)")
class Xtf(unittest.TestCase):
    def test_every_hvm_test_gives_what_it_gives_on_real_xen(self):
        want = expected()
        found = tests_of(XTF)
        self.assertTrue(found, "%s: no tests/*/test-hvm*.cfg: is it built?" % XTF)
        for test, environment, cfg in found:
            with self.subTest(test=test, environment=environment):
                have, why = run(cfg)
                self.assertEqual(want.get((test, environment)), have, why)


def write_table():
    found = tests_of(XTF)
    real = reference()
    have = {}
    for test, environment, cfg in found:
        have[test, environment], why = run(cfg)
        same = have[test, environment] == real.get((test, environment))
        print("%-24s %-9s %-8s %s" % (test, environment, have[test, environment],
                                      "" if same else "real Xen: %s" % real.get((test, environment), "not run")))
        if not same and "-v" in sys.argv:
            print(why)
        sys.stdout.flush()
    lines = ["| test | " + " | ".join(ENVIRONMENTS) + " |\n", "|---|" + "---|" * len(ENVIRONMENTS) + "\n"]
    for test in sorted({t for t, _, _ in found}):
        cells = []
        for environment in ENVIRONMENTS:
            key = (test, environment)
            if key not in have:
                cells.append("")
            elif have[key] == real.get(key):
                cells.append(have[key])
            else:
                cells.append("**%s**, real Xen: %s" % (have[key], real.get(key, "not run")))
        lines.append("| %s | %s |\n" % (test, " | ".join(cells)))
    agree = sum(have[key] == real.get(key) for key in have)
    lines.append("\n%d results, %d as on real Xen.\n" % (len(have), agree))
    with open(TABLE, encoding="utf-8") as f:
        text = f.read()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    with open(TABLE, "w", encoding="utf-8") as f:
        f.write(head + BEGIN + "".join(lines) + END + tail)


if __name__ == "__main__":
    if "--write" in sys.argv:
        if not XTF:
            sys.exit("set XENSIM_XTF to the folder of a built Xen Test Framework (docs/xtf.md)")
        write_table()
    else:
        unittest.main()
