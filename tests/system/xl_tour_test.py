"""The tour of xl's verbs: its log is golden/xl-tour-HOST.log up to times, and beside the same session on a real Xen 4.17, golden/xl-real.txt.

XENSIM_UPDATE_GOLDEN=1 writes the golden log anew. docs/xl.md has every difference from the real xl with its reason."""
import os
import re
import unittest

from runner import SOURCE, XensimTest

GOLDEN = os.path.join(SOURCE, "tests", "system", "golden")

# Commands whose output is not the real one's line by line; docs/xl.md says why under the same words.
DIFFERENT = {
    "info": "host",
    "dmesg -c": "Xen's log",
    "debug-keys q": "Xen's log", "debug-keys e": "Xen's log", "debug-keys g": "Xen's log",
    "console db": "console",
}


def sessions(text):
    """The real session as (command, exit status, lines)."""
    for block in text.split("@@ xl ")[1:]:
        lines = block.split("\n")
        end = next(i for i, line in enumerate(lines) if line.startswith("== "))
        yield lines[0], int(lines[end][3:]), [line[2:] for line in lines[1:end]]


def normal(line):
    """What depends on the host, or on when it was asked, is blotted out."""
    line = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID", line)
    line = re.sub(r'"kernel": ".*"', '"kernel": KERNEL', line)
    line = re.sub(r'"target_memkb": 104857[56]', '"target_memkb": DOM0', line)
    line = re.sub(r"(     )[r-][b-](....) +\d+\.\d", r"\1--\2 TIME", line)           # list
    line = re.sub(r" {4}\d   [r-][b-]- +\d+\.\d", "    CPU TIME", line)               # vcpu-list
    line = re.sub(r" {4}-   --p +\d+\.\d", "    DOWN", line)
    line = re.sub(r"(\d+ days?, +)?\d+:\d\d:\d\d$", "UPTIME", line)
    line = re.sub(r"^ \d\d:\d\d:\d\d up +\d+:\d\d", " TIME up UPTIME", line)
    line = re.sub(r"(0x3/0x0)/\d+\)", r"\1/SIZE)", line)                                # of the configuration
    line = re.sub(r"(process|helper) \[\d+\]", r"\1 PID", line)
    line = line.replace("timed config", "config").replace("from domains/", "from ")
    return line.rstrip()


def of_target(line):
    """At a migration's target domids are others, and so are processes."""
    line = re.sub(r"Domain \d+:(cannot|Non-exist|Unable to destroy|Destruction)", r"Domain N:\1", line)
    return re.sub(r"^moving +\d+ ", "moving N ", line)


def timeless(log):
    """The log without what a change of some cost shifts: time stamps, CPU times, who runs where at the moment."""
    out = []
    for line in log.split("\n"):
        line = re.sub(r"^\[\d+\.\d+ ms\]", "[TIME]", normal(line))
        line = re.sub(r"now = \d+", "now = TIME", line)
        line = re.sub(r"dirty_cpus=\{.*?\}|CPU\d+ \[has=.\]|upcall_pend=\d\d|pause_flags=\w+", "STATE", line)
        line = re.sub(r"\[\d/\d/.\]", "[STATE]", line)
        line = re.sub(r"^( +\S+ )[d-][s-][b-][c-][p-][r-] +\d+ ", r"\1STATE ", line)  # top
        line = re.sub(r"^free_memory .*", "free_memory", line)
        out.append(line)
    return out


class Tour(XensimTest):

    def tour(self):
        result = self.run_scenario("-q", scenario=os.path.join("configs", "xl-tour.json"), trace="none", cwd=SOURCE)
        self.assert_ok(result)
        return {host: result.read(host, "xl.log").decode() for host in ("alpha", "beta")}

    def records(self, log):
        found = re.findall(r"^\[\d+\.\d+ ms\] xl (.*)\n((?s:.*?))^\[\d+\.\d+ ms\] exit (\d+)$", log, re.M)
        return [(command, int(code), output.rstrip("\n").split("\n")) for command, output, code in found]

    def test_the_log_is_the_golden_one(self):
        for host, log in self.tour().items():
            path = os.path.join(GOLDEN, "xl-tour-%s.log" % host)
            if os.environ.get("XENSIM_UPDATE_GOLDEN"):
                with open(path, "w", newline="") as f:
                    f.write(log)
            with open(path, newline="") as f:
                self.maxDiff = None
                self.assertEqual(timeless(log), timeless(f.read()), host)

    def test_each_verb_answers_as_the_real_one(self):
        real = {}
        with open(os.path.join(GOLDEN, "xl-real.txt")) as f:
            for command, status, lines in sessions(f.read()):
                real.setdefault(command, []).append((status, lines))
        ours = []
        for host in ("alpha", "beta"):
            with open(os.path.join(GOLDEN, "xl-tour-%s.log" % host)) as f:
                ours += self.records(f.read())
        compared = 0
        for command, status, lines in ours:
            # There, both ends of a migration were one host.
            command = re.sub(r"migrate (\S+) beta", r"migrate -s '' \1 'xl migrate-receive'", command.replace("domains/", "").replace('\\"', '"'))
            there = real.get(command)
            if not there:
                continue
            their_status, their_lines = there.pop(0)
            with self.subTest(command):
                self.assertEqual(status, their_status, lines)
                if command in DIFFERENT:
                    continue
                self.assertEqual(*(sorted(filter(None, (of_target(normal(line)) for line in some))) for some in (lines, their_lines)))
                compared += 1
        self.assertGreater(compared, 70)

    def test_every_difference_has_its_place_in_the_documentation(self):
        with open(os.path.join(SOURCE, "docs", "xl.md")) as f:
            text = f.read()
        for reason in set(DIFFERENT.values()):
            self.assertIn("| " + reason, text)

    def test_info_has_the_lines_of_the_real_one(self):
        with open(os.path.join(GOLDEN, "xl-real.txt")) as f:
            theirs = next(lines for command, _, lines in sessions(f.read()) if command == "info")
        with open(os.path.join(GOLDEN, "xl-tour-alpha.log")) as f:
            ours = next(lines for command, _, lines in self.records(f.read()) if command == "info")
        self.assertEqual([line.split(":")[0] for line in ours], [line.split(":")[0] for line in theirs])


if __name__ == "__main__":
    unittest.main()
