"""xl migrate between two hosts of one run: a guest that keeps writing memory and ticking timers moves whole; and whatever fails
at whatever moment, exactly one copy runs, and nothing is left behind."""
import json
import os
import re
import unittest

from kernel import shutdown
from runner import XensimTest

QUICK = {"create_cycles": 100000, "destroy_cycles": 20000, "verb_cycles": 20000, "control_timeout": "20ms"}
MACHINE = {"cpu": {"count": 2, "frequency": "1GHz"}, "memory": {"size": "1GiB"},
           "dom0": {"toolstack": QUICK, "network": {"connect_cycles": 200000}}}
LINK = {"between": ["a", "b"], "bandwidth": "10Gbit/s", "latency": "20us", "timeout": "3ms"}
START = "15ms"
# What xl says at the source when all goes well, between what the target says.
SENDER = ["Saving to migration stream new xl format (info 0x3/0x0/%s)", "xc: info: Saving domain 1, type x86 HVM",
          "migration sender: Target has acknowledged transfer.", "migration sender: Giving target permission to start.",
          "migration sender: Target reports successful startup.", "Migration successful."]
TARGET = ["migration target: Ready to receive domain.",
          "Loading new save file <incoming migration stream> (new xl fmt info 0x3/0x0/%s)",
          " Savefile contains xl domain config in JSON format", "Parsing config from <saved>",
          "xc: info: Found x86 HVM domain from Xen 4.17", "xc: info: Restoring domain", "xc: info: Restore successful",
          "xc: info: XenStore: mfn #, dom 0, evt #", "xc: info: Console: mfn #, dom 0, evt #",
          "migration target: Transfer complete, requesting permission to start domain.",
          "migration target: Got permission, starting domain.", "migration target: Domain started successsfully."]


class Migration(XensimTest):
    def web(self, name="web", **options):
        """Halts from tick to tick, and writes to a page at each, until it is told to end: quick to simulate."""
        settings = {"memory": 16, "cmdline": "pages=64 steps=0 period_us=250 halt=1", "on_poweroff": "destroy", **options}
        return self.guest_domain(name, "suspend", **settings)

    def scenario(self, timeline, domains=None, name="s.json", timing="functional", until="600ms", link=None, b=None, a=None, **toolstack):
        machine = json.loads(json.dumps(MACHINE))
        machine["dom0"]["toolstack"].update(toolstack)
        timeline = [{**e, "at": "%dns" % e["at"] if isinstance(e["at"], int) else e["at"]} for e in timeline]
        content = {"timing": timing,
                   "hosts": {"a": {"machine": {**machine, **(a or {})}, "domains": [self.web()] if domains is None else domains},
                             "b": {"machine": {**machine, **(b or {})}}},
                   "links": {"ab": {**LINK, **(link or {})}}, "timeline": timeline, "until": until}
        return self.write(name, json.dumps(content))

    def run_it(self, timeline, *options, out="out", status=0, trace="none", **scenario):
        result = self.run_scenario(*options, scenario=self.scenario(timeline, name=out + ".json", **scenario), out=out, trace=trace)
        self.assert_ok(result, status)
        return result

    def stats(self, result, host):
        return json.loads(result.read(host + "/stats.json"))["stats"]

    def log(self, result, host):
        """command, output, exit status of each xl."""
        path = os.path.join(result.out, host, "xl.log")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as f:
            return [(r[0], r[1], int(r[2])) for r in
                    re.findall(r"^\[\d+\.\d+ ms\] xl (.*)\n((?s:.*?))^\[\d+\.\d+ ms\] exit (\d+)$", f.read(), re.M)]

    def said(self, result, host, verb):
        found = [r for r in self.log(result, host) if r[0].startswith(verb)]
        self.assertEqual(len(found), 1, self.log(result, host))
        return found[0]

    def names(self, text):
        return {line.split()[0]: line.split()[4] for line in text.splitlines()[1:]}

    def console(self, result, host, name="web"):
        return result.read("%s/console-%s.log" % (host, name)).decode().replace("\r\n", "\n")

    def assert_clean(self, result):
        """What is in use at the end is what was at the start, on both hosts."""
        for host in "ab":
            census = self.stats(result, host)["census"]
            self.assertEqual(census["start"], census["end"], host)

    def last(self, *hosts, at=260):
        """What ends every scenario: who is there, and it is to end. After a suspend nobody waits for its end any more, as on the real
        one, so that somebody has to destroy it."""
        entries = [{"at": "%dms" % at, "host": h, "xl": "list"} for h in "ab"]
        for later, verb in ((2, "shutdown"), (10, "destroy")):
            entries += [{"at": "%dms" % (at + later), "host": h, "xl": verb + " web"} for h in hosts or "ab"]
        return entries

    def ends_at(self, result, host):
        """The only copy that runs in the end is at that host, and it did not notice more than it should."""
        other = "b" if host == "a" else "a"
        there, gone = ([r for r in self.log(result, h) if r[0] == "list"][-1][1] for h in (host, other))
        self.assertEqual(list(self.names(there)), ["Domain-0", "web"], there)
        self.assertRegex(self.names(there)["web"], r"^[rb-]{2}----$")
        self.assertEqual(list(self.names(gone)), ["Domain-0"], gone)
        self.assertIn("suspend: ok\n", self.console(result, host))
        self.assertNotIn("FAILED", self.console(result, host))
        self.assert_clean(result)

    # It moves.

    def test_a_guest_that_writes_and_ticks_moves_whole(self):
        busy = {"cmdline": "pages=256 steps=700000 period_us=1000", "vcpus": 2}
        timeline = [{"at": START, "xl": "migrate web b"}]
        moved = self.run_it(timeline, domains=[self.web(**busy)], out="moved", trace="xentrace")
        stayed = self.run_it([], domains=[self.web(**busy)], out="stayed")
        self.assertRegex(self.console(moved, "a"), r"suspending: domain 1, step \d+\n$")
        there = self.console(moved, "b")
        self.assertRegex(there, r"^resumed: domain 1, step \d+, after \d+ cycles\n")
        self.assertIn("resumed 1 times, cancelled 0 times\nsuspend: ok\n", there)
        sums = [re.findall(r"vCPU \d: .*checksum.*", self.console(r, h)) for r, h in ((moved, "b"), (stayed, "a"))]
        self.assertEqual(len(sums[0]), 2)
        self.assertEqual(sums[0], sums[1])
        report = self.stats(moved, "a")["migration"]["1"]
        self.assertEqual((report["domain"], report["to"], report["outcome"]), ("web", "b", "moved"))
        self.assertEqual(report["pages_different"], 0)
        self.assertGreater(report["pages_equal"], 4000)
        self.assertEqual(report["rounds"], 6)  # five while it ran, as it never stopped writing, and the last
        self.assertEqual(len(report["round"]), 6)
        self.assertGreater(report["round"]["0"]["pages"], 4000)
        self.assertTrue(all(50 < report["round"][str(n)]["pages"] < 1000 for n in range(1, 6)), report)
        self.assertEqual(report["downtime"], report["resumed"] - report["suspended"])
        self.assertTrue(report["round"]["4"]["ended"] <= report["suspended"] <= report["round"]["5"]["began"], report)
        self.assertTrue(report["round"]["5"]["ended"] < report["resumed"] < report["ended"], report)
        self.assertIn("Migration of web from a to b: moved", moved.stdout)
        self.assert_clean(moved)
        again = self.run_it(timeline, domains=[self.web(**busy)], out="again", trace="xentrace")
        digests = [re.findall(r"^Trace digest of \w: \S+", r.stdout, re.M) for r in (moved, again)]
        self.assertEqual(digests[0], digests[1])
        self.assertEqual(len(digests[0]), 2)
        for host in "ab":
            self.assertEqual(self.stats(moved, host), self.stats(again, host))

    def test_every_way_of_finding_writes_gives_the_same_contents(self):
        for mechanism in ("write-protect", "ept-d", "pml"):
            result = self.run_it([{"at": START, "xl": "migrate web b"}] + self.last(), "--set", "/xen/log_dirty=" + mechanism, out=mechanism,
                                 domains=[self.web(cmdline="pages=64 steps=0 period_us=20 halt=1")])
            self.ends_at(result, "b")
            report = self.stats(result, "a")["migration"]["1"]
            self.assertEqual((report["outcome"], report["pages_different"]), ("moved", 0))

    def test_both_ends_say_what_xl_says(self):
        result = self.run_it([{"at": START, "xl": "migrate --live web b"}] + self.last())
        command, text, status = self.said(result, "a", "migrate")
        self.assertEqual((command, status), ("migrate --live web b", 0))
        size = re.search(r"0x3/0x0/(\d+)", text).group(1)
        numbers = lambda t: re.sub(r"mfn 0x\w+, dom 0, evt \d+", "mfn #, dom 0, evt #", t)
        lines = numbers(text).splitlines()
        fill = lambda lines_: [line % size if "%s" in line else line for line in lines_]
        self.assertEqual([line for line in lines if line in fill(SENDER)], fill(SENDER))
        self.assertEqual([line for line in lines if line not in fill(SENDER)], fill(TARGET))
        _, text, status = self.said(result, "b", "migrate-receive")
        self.assertEqual((numbers(text), status), ("\n".join(fill(TARGET)) + "\n", 0))
        self.ends_at(result, "b")

    def test_a_domain_comes_back_under_the_next_number(self):
        result = self.run_it([{"at": START, "xl": "migrate web b"}, {"at": "230ms", "host": "b", "xl": "migrate web a"}] + self.last(at=450))
        self.ends_at(result, "a")
        self.assertIn("resumed: domain 2,", self.console(result, "a"))
        self.assertIn("resumed 2 times", self.console(result, "a"))

    def test_p_leaves_it_paused_and_D_keeps_its_number(self):
        first = self.domain("first", code=shutdown(0))
        result = self.run_it([{"at": "60ms", "xl": "migrate -p -D web b"}, {"at": "320ms", "host": "b", "xl": "list"},
                              {"at": "322ms", "host": "b", "xl": "unpause web"}, {"at": "325ms", "host": "b", "xl": "shutdown web"}],
                             domains=[first, self.web()])
        listing = self.said(result, "b", "list")[1]
        self.assertRegex(listing, r"(?m)^web +2 +16 +1     --p---")
        self.assertEqual(self.said(result, "b", "migrate-receive")[0], "migrate-receive -p")
        self.assertIn("suspend: ok", self.console(result, "b"))

    def test_a_slow_link_makes_it_longer(self):
        times = {}
        for bandwidth in ("10Gbit/s", "1Gbit/s"):
            result = self.run_it([{"at": START, "xl": "migrate web b"}], "--until", "400ms", out=bandwidth[:2].strip("G"),
                                 link={"bandwidth": bandwidth})
            report = self.stats(result, "a")["migration"]["1"]
            self.assertEqual(report["outcome"], "moved")
            times[bandwidth] = report["ended"] - report["began"]
            self.assertGreater(times[bandwidth], report["bytes"] * 8 / (10 if bandwidth[1] == "0" else 1))
        self.assertGreater(times["1Gbit/s"], 1.2 * times["10Gbit/s"])

    # The link.

    def report_of_moving(self, **options):
        return self.stats(self.run_it([{"at": START, "xl": "migrate web b"}], "--until", "320ms", out="moving", **options), "a")["migration"]["1"]

    def cut(self, at, out, back=None, last=260, **options):
        entries = [{"at": START, "xl": "migrate web b"}, {"at": at, "link": "ab", "state": "down"}]
        if back:
            entries.append({"at": back, "link": "ab", "state": "up"})
        return self.run_it(sorted(entries, key=lambda e: e["at"] if isinstance(e["at"], int) else 15_000_000) + self.last(at=last), out=out, **options)

    def test_the_link_is_cut_in_each_round(self):
        options = {"migration": {"dirty_threshold": 0}, "link": {"buffer": 32768},
                   "domains": [self.web(cmdline="pages=64 steps=0 period_us=50 halt=1")]}
        report = self.report_of_moving(**options)
        self.assertEqual(report["rounds"], 6)
        for number in range(6):
            r = report["round"][str(number)]
            result = self.cut(r["began"] + 1000, "round%d" % number, last=330, **options)
            _, text, status = self.said(result, "a", "migrate")
            self.assertEqual(status, 1, text)
            self.assertIn("Timeout, server b not responding.\n", text)
            self.assertRegex(text, r"domain 1 save/restore helper \[\d+\] died due to fatal signal Broken pipe\n")
            self.assertIn("Migration failed, resuming at sender.\n", text)
            self.assertEqual(number < 5, "Dom 1 not suspended: (shutdown 0, reason 255)" in text)
            self.assertEqual(self.stats(result, "a")["migration"]["1"]["rounds"], number + 1)
            self.assertEqual(self.stats(result, "a")["migration"]["1"]["outcome"], "stayed")
            self.ends_at(result, "a")
            stood_still = self.stats(result, "a")["migration"]["1"]["suspended"] != 0
            self.assertIn("cancelled %d times" % stood_still, self.console(result, "a"))
            self.assertEqual(self.said(result, "b", "migrate-receive")[2], 1)

    def test_the_link_is_cut_before_anything_was_sent(self):
        for name, at in (("connecting", 15_100_000), ("before", 5_000_000)):
            result = self.cut(at, name)
            self.assertIn("migration transport process [1000] exited with error status 255", self.said(result, "a", "migrate")[1])
            self.ends_at(result, "a")

    def test_the_link_is_cut_while_the_target_makes_sure(self):
        """Between the end of the stream and the permission to start: the source still owns the domain."""
        report = self.report_of_moving()
        last = report["round"][str(report["rounds"] - 1)]["ended"]
        result = self.cut((last + report["resumed"]) // 2, "sure")
        self.assertIn("Migration failed, resuming at sender.", self.said(result, "a", "migrate")[1])
        self.ends_at(result, "a")
        self.assertIn("cancelled 1 times", self.console(result, "a"))

    def test_the_report_of_success_is_lost(self):
        """The target runs it; the source cannot know, keeps its copy suspended, and says so, as xl does."""
        report = self.report_of_moving()
        result = self.cut(report["resumed"] + 1000, "lost")
        _, text, status = self.said(result, "a", "migrate")
        self.assertEqual(status, 1)
        self.assertIn("** Migration failed during final handshake **", text)
        listings = {h: self.names([r for r in self.log(result, h) if r[0] == "list"][-1][1]) for h in "ab"}
        self.assertEqual(list(listings["b"]), ["Domain-0", "web"])
        self.assertRegex(listings["a"]["web--migratedaway"], r"^---ss-|^---s--")
        self.assertIn("suspend: ok\n", self.console(result, "b"))
        self.assertEqual(self.stats(result, "a")["migration"]["1"]["outcome"], "undefined")

    def test_a_link_that_comes_back_in_time_only_delays(self):
        report = self.report_of_moving()
        r = report["round"]["0"]
        middle = (r["began"] + r["ended"]) // 2
        result = self.cut(middle, "back", back=middle + 2_000_000)
        self.ends_at(result, "b")
        self.assertGreater(self.stats(result, "a")["link"]["ab"]["sent_again"], 0)
        self.assertEqual(self.stats(result, "a")["migration"]["1"]["outcome"], "moved")

    # The target.

    def test_the_target_has_no_memory(self):
        """For its own pages of the domain; for the first of the domain's; for the last of them."""
        moving = self.run_it([{"at": START, "xl": "migrate web b"}], "--until", "320ms", out="moving")
        census = self.stats(moving, "b")["census"]
        need = census["start"]["free_pages"] - census["end"]["free_pages"]

        def create_ballast(mib):
            path = self.guest_domain("ballast", "suspend", memory=mib, cmdline="pages=1 steps=0 halt=1")
            return {"at": "1ms", "host": "b", "xl": "create -p " + os.path.basename(path)}

        probe = self.run_it([create_ballast(700)], "--until", "150ms", out="probe")
        left_by_700 = self.stats(probe, "b")["census"]["end"]["free_pages"]
        for out, left in (("create", 60), ("some", need // 2), ("most", need - 300)):
            # A MiB more of it takes 256 to 258 pages: what is left is up to 260 pages more than that.
            timeline = [create_ballast(700 + (left_by_700 - left) // 258), {"at": "150ms", "xl": "migrate web b"},
                        {"at": "460ms", "xl": "list"}, {"at": "465ms", "xl": "shutdown web"}, {"at": "466ms", "host": "b", "xl": "destroy ballast"}]
            result = self.run_it(timeline, out=out)
            _, text, status = self.said(result, "a", "migrate")
            self.assertEqual(status, 1, text)
            self.assertIn("migration target: Domain creation failed (code -3).", text)
            self.assertRegex(text, r"Cannot allocate memory|Failed to populate")
            self.assertEqual(list(self.names(self.said(result, "a", "list")[1])), ["Domain-0", "web"])
            self.assertIn("suspend: ok", self.console(result, "a"))
            self.assert_clean(result)

    def test_the_target_runs_out_of_memory_in_each_round(self):
        """The guest takes pages all the time, so that each round has some that the target may have no memory for."""
        options = {"migration": {"dirty_threshold": 0}, "link": {"bandwidth": "2Gbit/s", "buffer": 65536},
                   "domains": [self.web(cmdline="pages=8 steps=0 period_us=50 halt=1 grow=3000")]}
        report = self.report_of_moving(**options)
        self.assertEqual(report["rounds"], 6)
        pages = [report["round"][str(n)]["pages"] for n in range(6)]
        moved = self.run_it([{"at": START, "xl": "migrate web b"}], "--until", "%dns" % report["resumed"], out="until", **options)
        spare = self.stats(moved, "b")["census"]["end"]["free_pages"]
        for number in range(6):
            # From the middle of the pages of this round on there is no memory. Nearly all of a round's are new ones.
            less = spare + sum(pages[number + 1:]) + pages[number] // 2
            result = self.run_it([{"at": START, "xl": "migrate web b"}, *self.last(at=400)], out="round%d" % number,
                                 b={"xen": {"xen_mem": "%dKiB" % (32 * 1024 + 4 * less)}}, **options)
            self.ends_at(result, "a")
            self.assertIn("Failed to populate", self.said(result, "b", "migrate-receive")[1])
            self.assertIn("Migration failed, resuming at sender.", self.said(result, "a", "migrate")[1])
            # When the source hears of it, it may be further.
            self.assertGreaterEqual(self.stats(result, "a")["migration"]["1"]["rounds"] - 1, number)

    def test_the_name_is_taken_at_the_target(self):
        other = self.guest_domain("web", "suspend", memory=16, cmdline="pages=1 steps=0 halt=1 period_us=1000")
        os.rename(other, self.path("other.cfg"))
        result = self.run_it([{"at": "1ms", "host": "b", "xl": "create other.cfg"}, {"at": START, "xl": "migrate web b"}] +
                             self.last(), domains=[self.web()])
        _, text, status = self.said(result, "a", "migrate")
        self.assertEqual(status, 1)
        for line in ('libxl: error: libxl_domain.c:81:libxl__domain_rename: Domain 2:Domain with name "web" already exists.',
                     "migration target: Failure, destroying our copy.", "migration target: Cleanup OK, granting sender permission to resume.",
                     "migration sender: Target reports startup failure (status code 6).", "migration sender: Trying to resume at our end.",
                     "migration sender: Resumed OK.", "Migration failed due to problems at target."):
            self.assertIn(line + "\n", text)
        self.assertIn("cancelled 1 times", self.console(result, "a"))
        self.assertIn("suspend: ok", self.console(result, "a"))
        self.assert_clean(result)

    # The source.

    def test_hosts_that_cannot_be_reached(self):
        for host, words in (("nowhere", "ssh: Could not resolve hostname nowhere: Name or service not known"),
                            ("a", "ssh: Could not resolve hostname a: Name or service not known")):
            result = self.run_it([{"at": START, "xl": "migrate web " + host}] + self.last("a"), out="to-" + host)
            self.assertEqual(self.said(result, "a", "migrate")[1:], (
                words + "\nlibxl: error: libxl_utils.c:505:libxl_read_exactly: file/stream truncated reading banner from migration receiver "
                "stream\nlibxl: info: libxl_exec.c:117:libxl_report_child_exitstatus: migration transport process [1000] exited with error "
                "status 255\n", 1))
            self.ends_at(result, "a")

    def test_a_guest_that_does_not_answer_goes_on(self):
        deaf = self.web(cmdline="pages=8 steps=0 period_us=250 halt=1 ignore=1")
        result = self.run_it([{"at": START, "xl": "migrate web b"}, {"at": "260ms", "xl": "list"}, {"at": "265ms", "xl": "destroy web"}], domains=[deaf])
        _, text, status = self.said(result, "a", "migrate")
        self.assertEqual(status, 1)
        for line in ("guest didn't acknowledge suspend, cancelling request", "migration sender: libxl_domain_suspend failed (rc=-8)",
                     "Migration failed, failed to suspend at sender."):
            self.assertIn(line + "\n", text)
        self.assertNotIn("--p", self.names(self.said(result, "a", "list")[1])["web"])
        self.assert_clean(result)

    def test_a_domain_that_is_destroyed_on_the_way_is_nowhere(self):
        for out, at in (("early", "25ms"), ("late", "40ms")):
            result = self.run_it([{"at": START, "xl": "migrate web b"}, {"at": at, "xl": "destroy web"}], out=out)
            self.assertEqual(self.said(result, "a", "migrate")[2], 1)
            self.assertEqual(self.said(result, "b", "migrate-receive")[2], 1)
            self.assert_clean(result)

    def test_dom0_and_usage_are_refused_as_xl_does(self):
        result = self.run_it([{"at": START, "xl": "migrate 0 b"}] + self.last("a"))
        self.assertIn("unable to retrieve domain configuration\n", self.said(result, "a", "migrate")[1])
        self.ends_at(result, "a")


if __name__ == "__main__":
    unittest.main()
