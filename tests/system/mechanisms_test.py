"""Two ways to do the same thing, side by side: the table of docs/mechanisms.md, from traces, guests' clocks and statistics.

A run is reproducible to the byte, so the table is held exactly; `mechanisms_test.py --write` makes it anew.
"""
import json
import os
import re
import sys
import unittest

from runner import MACHINE, SOURCE, XensimTest

PAGE = os.path.join(SOURCE, "docs", "mechanisms.md")
BEGIN, END = "<!-- the table: tests/system/mechanisms_test.py --write -->\n", "<!-- end of the table -->\n"


def p50(console, what):
    return int(re.search(r"(?m)^%s: n \d+ .* p50 (\d+) " % re.escape(what), console).group(1))


def hypercall_cycles(trace, operation):
    """Mean cycles from the VM exit of a hypercall to the VM entry after it, where the vCPU was not switched out."""
    began, name, spans = {}, {}, []
    for line in trace.splitlines():
        words = line.split()
        if len(words) < 3 or not words[1].startswith("p"):
            continue
        now, pcpu, record = int(words[0]), words[1], words[2]
        if record == "vmexit":
            began[pcpu], name[pcpu] = now, None
        elif record == "vmcall":
            name[pcpu] = words[3].split("=")[1]
        elif record in ("runstate_change", "switch"):
            name[pcpu] = None
        elif record == "vmentry":
            if name.get(pcpu) == operation:
                spans.append(now - began[pcpu])
            name[pcpu] = None
    return sum(spans) // len(spans)


class Mechanisms(XensimTest):
    maxDiff = None

    def run_guests(self, *domains, options=(), out="out"):
        result = self.run_scenario(*domains, "--timing", "inorder", *options, trace="text", out=out, timeout=300)
        self.assert_ok(result)
        return result

    def events(self):
        rows, runs = [], []
        for abi in ("2l", "fifo"):
            domain = self.guest_domain("evfifo", "evfifo", memory=32, vcpus=2, max_event_channels=16500,
                                       cmdline="abi=%s ports=1000 rounds=200" % abi)
            runs.append(self.run_guests(domain, out=abi))
        for what, name in (("send, unmasked", "send on a port of one's own"), ("unmask, pending", "unmask a pending port"),
                           ("all ports pending, per event", "handle one of 1,000 pending events"),
                           ("one event, to a vCPU that halts", "send to a vCPU that halts, until its handler runs")):
            rows.append(("2-level / FIFO", name + ", cycles", *(p50(r.console("evfifo"), what) for r in runs)))
        rows.append(("2-level / FIFO", "event_channel_op, VM exit to entry in the trace, mean cycles",
                     *(hypercall_cycles(r.read("trace.txt").decode(), "event_channel_op") for r in runs)))
        return rows

    def grants(self):
        give = self.guest_domain("grants-give", "grants", cmdline="peer=2", memory=32)
        take = self.guest_domain("grants-take", "grants", cmdline="peer=1", memory=32)
        console = self.run_guests(give, take).console("grants-take")
        rows = []
        for pages in (1, 8, 32):
            cost = [p50(console, "measure %s, pages %d" % (what, pages)) for what in ("map", "unmap", "copy")]
            rows.append(("map and unmap / copy", "%d page%s in one call, cycles" % (pages, "s" if pages > 1 else ""), cost[0] + cost[1], cost[2]))
        return rows

    def ballooning(self):
        domain = self.guest_domain("balloon", "balloon", memory=64, cmdline="targets=48,64 thrash=0")
        console = self.run_guests(domain, out="balloon").console("balloon")
        return [("extents of 4 KiB / 2 MiB", "%s, cycles per page of 4 KiB" % call,
                 *(int(re.search(r"(?m)^%s %d MiB, order %d: .*, (\d+) cycles per page$" % (way, to, order), console).group(1))
                   for order in (0, 9)))
                for way, to, call in (("down to", 48, "decrease_reservation"), ("up to", 64, "populate_physmap"))]

    def large_pages(self):
        runs = []
        for small in (True, False):
            options = ("--set", "/xen/ept_2mb=false", "--set", "/xen/ept_1gb=false") if small else ()
            domain = self.guest_domain("memwalk", "memwalk", memory=64)
            runs.append(self.run_guests(domain, options=options, out="small" if small else "large"))
        rows = []
        for kib in (1024, 8192, 16384):
            cost = [int(re.search(r"(?m)^%d 4096 4 (\d+)$" % kib, r.console("memwalk")).group(1)) / 100 for r in runs]
            rows.append(("EPT 4 KiB / 2 MiB", "a load, one in each page of %d KiB, cycles" % kib, *cost))
        return rows

    def log_dirty(self):
        with open(os.path.join(SOURCE, "configs", "migration.json"), encoding="utf-8") as f:
            scenario = json.loads(re.sub(r"(?m)^\s*//.*$", "", f.read()))
        domain = self.guest_domain("moving", "suspend", memory=16, vcpus=2, cmdline="steps=0 pages=256 period_us=50 halt=1")
        scenario["hosts"] = {"alpha": {"machine": MACHINE, "domains": [domain]}, "beta": {"machine": MACHINE}}
        scenario["timing"] = "inorder"
        scenario["timeline"] = [{"at": "60ms", "xl": "migrate moving beta"},
                                {"at": "200ms", "host": "beta", "xl": "shutdown moving"}]
        path = self.write("migration.json", json.dumps(scenario))
        columns = []
        for mode in ("write-protect", "ept-d", "pml"):
            result = self.run_scenario("--set", "/xen/log_dirty=" + mode, scenario=path, trace="none", out=mode, timeout=300)
            self.assert_ok(result)
            stats = json.loads(result.read("alpha/stats.json"))["stats"]
            log, move = stats["domain"]["1"]["mm"]["log_dirty"], stats["migration"]["1"]
            self.assertEqual((move["outcome"], move["pages_different"]), ("moved", 0))
            dirty = sum(r["pages"] for n, r in move["round"].items() if n != "0")
            columns.append((dirty, log["write_faults"], log["log_entries"], log["tables_scanned"], move["downtime"] // 1000))
        return columns

    def table(self):
        lines = ["| compared | what | first | second |", "|---|---|---|---|"]
        for row in self.events() + self.grants() + self.ballooning() + self.large_pages():
            lines.append("| %s | %s | %s | %s |" % (row[0], row[1], *("%.2f" % v if isinstance(v, float) else "{:,}".format(v) for v in row[2:])))
        lines += ["", "| live migration of a guest that writes a page each 50 µs | write protection | D bits | PML |", "|---|---|---|---|"]
        names = ("pages found written, all rounds", "EPT violations for it", "entries of the page-modification log",
                 "page tables looked through", "downtime, µs")
        for name, values in zip(names, zip(*self.log_dirty())):
            lines.append("| %s | %s |" % (name, " | ".join("{:,}".format(v) for v in values)))
        return "\n".join(lines) + "\n"

    def test_the_table_is_what_comes_out(self):
        with open(PAGE, encoding="utf-8") as f:
            text = f.read()
        before, rest = text.split(BEGIN)
        old, after = rest.split(END)
        new = "\n" + self.table() + "\n"
        if os.environ.get("XENSIM_WRITE_MECHANISMS"):
            with open(PAGE, "w", encoding="utf-8") as f:
                f.write(before + BEGIN + new + END + after)
            return
        self.assertEqual(old, new)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        del sys.argv[1:]
        os.environ["XENSIM_WRITE_MECHANISMS"] = "1"
    unittest.main()
