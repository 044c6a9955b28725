"""Several hosts in one run: each has its machine, domains, time line and files, and none disturbs another."""
import json
import os
import re
import subprocess
import unittest

from kernel import SPIN, shutdown
from runner import XENSIM, XensimTest

SMALL = {"cpu": {"count": 1, "frequency": "1GHz"}, "memory": {"size": "1GiB"}}
LINK = {"a-b": {"between": ["a", "b"], "bandwidth": "1Gbit/s", "latency": "50us"}}


class Hosts(XensimTest):
    def timer(self, name, **options):
        return self.guest_domain(name, "timer", **{"cmdline": "period_us=1000 count=100000", **options})

    def scenario(self, hosts, name="s.json", **more):
        return self.write(name, json.dumps({"timing": "functional", "hosts": hosts, **more}))

    def two(self, a, b, **more):
        return self.scenario({"a": {"machine": SMALL, "domains": a}, "b": {"machine": SMALL, "domains": b}}, links=LINK, **more)

    def digests(self, result):
        return dict(re.findall(r"^Trace digest of (\S+): (\S+)", result.stdout, re.M))

    def log(self, result, host):
        with open(os.path.join(result.out, host, "xl.log"), encoding="utf-8") as f:
            return re.findall(r"^\[(\d+\.\d+) ms\] xl (.*)\n((?s:.*?))^\[\d+\.\d+ ms\] exit (\d+)$", f.read(), re.M)

    def refuse(self, path, *parts, options=()):
        result = self.run_scenario(*options, scenario=path)
        self.assertEqual(result.status, 2, result.stdout + result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)
        self.assertFalse(os.path.isdir(result.out))

    # What runs.

    def test_each_host_has_its_files(self):
        result = self.run_scenario(trace="xentrace,text",
                                   scenario=self.two([self.guest_domain("hello", "hello")], [self.timer("tick", cmdline="period_us=1000 count=5")]))
        self.assert_ok(result)
        for host, name in (("a", "hello"), ("b", "tick")):
            for file in ("console-%s.log" % name, "stats.json", "trace.xen", "trace.txt"):
                self.assertTrue(os.path.isfile(os.path.join(result.out, host, file)), file)
        self.assertEqual(sorted(os.listdir(result.out)), ["a", "b", "config.json", "host.json"])
        self.assertIn("a/hello| hello: ok\n", result.stdout)
        self.assertIn("b/tick| timer: ok\n", result.stdout)
        self.assertRegex(result.stdout, r"(?m)^Host a:$")
        self.assertEqual(len(self.digests(result)), 2)

    def test_all_hosts_end_at_one_time(self):
        result = self.run_scenario(scenario=self.two([self.domain("short", code=shutdown(0))], [self.timer("tick", cmdline="period_us=1000 count=20")]))
        self.assert_ok(result)
        times = [json.loads(result.read(h + "/stats.json"))["stats"]["time_ns"] for h in "ab"]
        self.assertEqual(times[0], times[1])

    def test_the_same_scenario_gives_the_same_bytes(self):
        path = self.two([self.timer("web"), self.domain("spin", code=SPIN)], [self.timer("db")], until="20ms")
        first, second = (self.run_scenario(scenario=path, out=out) for out in ("one", "two/three"))
        self.assert_ok(first)
        self.assertEqual(self.digests(first), self.digests(second))
        for file in ("a/stats.json", "b/stats.json", "a/trace.xen", "b/trace.xen"):
            self.assertEqual(first.read(file), second.read(file), file)

    def test_a_host_does_not_notice_another(self):
        web, db = self.timer("web"), self.timer("db", cmdline="period_us=2000 count=100000")
        both = self.run_scenario(scenario=self.two([web], [db], until="20ms"), out="both")
        self.assert_ok(both)
        for host, domain in (("a", web), ("b", db)):
            alone = self.run_scenario(scenario=self.write("alone.json", json.dumps(
                {"machine": SMALL, "domains": [domain], "timing": "functional", "until": "20ms"})), out="alone-" + host)
            self.assert_ok(alone)
            self.assertEqual(self.digests(both)[host], alone.digest)
        one = self.run_scenario(scenario=self.scenario({"only": {"machine": SMALL, "domains": [web]}}, until="20ms"), out="one")
        self.assertEqual(self.digests(one)["only"], self.digests(both)["a"])

    def test_hosts_of_different_clocks_share_one_time(self):
        fast = {**SMALL, "cpu": {"count": 1, "frequency": "3.3GHz"}}
        path = self.scenario({"a": {"machine": SMALL, "domains": [self.timer("web")]}, "b": {"machine": fast, "domains": [self.timer("db")]}}, until="20ms")
        result = self.run_scenario(scenario=path)
        self.assert_ok(result)
        for host in "ab":
            # A path of Xen's that is under way at the limit is gone through.
            self.assertAlmostEqual(json.loads(result.read(host + "/stats.json"))["stats"]["time_ns"], 20_000_000, delta=10_000)

    def test_set_reaches_one_host_or_all(self):
        path = self.two([self.timer("web")], [self.timer("db")], until="5ms")
        result = self.run_scenario("--set", "/hosts/b/machine/cpu/count=3", "--set", "/xen/sched=null", scenario=path)
        self.assert_ok(result)
        config = json.loads(result.read("config.json"))
        self.assertEqual([config["hosts"][h]["machine"]["cpu"]["count"] for h in "ab"], [1, 3])
        self.assertEqual([config["hosts"][h]["machine"]["xen"]["sched"] for h in "ab"], ["null", "null"])
        self.assertNotIn("machine", config)

    def test_the_effective_configuration_repeats_the_run(self):
        self.timer("late")
        path = self.two([self.timer("web")], [self.timer("db")], until="30ms",
                        timeline=[{"at": "10ms", "host": "b", "xl": "create late.cfg"}, {"at": "12ms", "link": "a-b", "state": "down"}])
        first = self.run_scenario(scenario=path)
        self.assert_ok(first)
        again = self.run_scenario(scenario=os.path.join(first.out, "config.json"), out="again", cwd="/")
        self.assert_ok(again)
        self.assertEqual(self.digests(first), self.digests(again))
        for file in ("config.json", "b/xl.log", "b/stats.json"):
            self.assertEqual(first.read(file), again.read(file), file)

    def test_the_time_line_addresses_a_host_and_by_default_the_first(self):
        path = self.two([self.timer("web")], [self.timer("db")], until="20ms",
                        timeline=[{"at": "10ms", "xl": "domid web"}, {"at": "10ms", "host": "b", "xl": "domid db"}])
        result = self.run_scenario(scenario=path)
        self.assert_ok(result)
        self.assertEqual([r[1:] for r in self.log(result, "a")], [("domid web", "1\n", "0")])
        self.assertEqual([r[1:] for r in self.log(result, "b")], [("domid db", "1\n", "0")])
        self.assertIn("b/xl| ", result.stdout)

    def test_domains_of_the_command_line_are_the_first_hosts(self):
        result = self.run_scenario(self.timer("more"), scenario=self.two([], [self.timer("db")], until="10ms"))
        self.assert_ok(result)
        self.assertIn("console-more.log", os.listdir(os.path.join(result.out, "a")))

    def test_a_machine_may_be_a_file(self):
        self.write("m/small.json", json.dumps(SMALL))
        self.timer("web")
        self.refuse(self.scenario({"a": {"machine": "m/none.json"}}), "none.json", "no such file")
        self.refuse(self.scenario({"a": {"machine": "m/small.json"}}), "/cpu/count", options=("--set", "/hosts/a/machine/cpu/count=0"))
        path = self.scenario({"a": {"machine": "m/small.json", "domains": ["web.cfg"]}}, until="2ms")
        result = self.run_scenario("--set", "/hosts/a/machine/seed=5", scenario=path)
        self.assert_ok(result)
        self.assertEqual(json.loads(result.read("config.json"))["hosts"]["a"]["machine"]["memory"]["size"], "1GiB")

    # The prompt.

    def test_the_prompt_is_about_one_host_at_a_time(self):
        path = self.two([self.timer("web")], [self.timer("db")])
        process = subprocess.run([XENSIM, "shell", path], input="run 5ms\nhost\nxl list\nhost b\nxl list\nuntil exit db\nhost c\nquit\n",
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, universal_newlines=True)
        self.assertEqual(process.returncode, 0, process.stderr)
        out = process.stdout
        self.assertIn("* a\n  b\n", out)
        first, second = (out.split("xensim %s> xl list\n" % h)[1].split("xensim ")[0] for h in "ab")
        self.assertRegex(first, r"(?m)^web ")
        self.assertNotRegex(first, r"(?m)^db ")
        self.assertRegex(second, r"(?m)^db ")
        self.assertRegex(out, r"(?m)^\[\d+\.\d+ ms\] b: VM exit of d1v0 \(db\): reason")
        self.assertIn('no host "c"', out)

    # What is refused.

    def test_a_machine_or_domains_beside_hosts(self):
        self.refuse(self.scenario({"a": {}}, machine=SMALL), "/machine", "beside", "/hosts/NAME/machine")
        self.refuse(self.scenario({"a": {}}, domains=[]), "/domains", "beside")

    def test_names_that_are_none(self):
        web = self.timer("web")
        self.refuse(self.scenario({"a/b": {}}), "a/b", "cannot name a host")
        self.refuse(self.scenario({}), "/hosts", "no host")
        self.refuse(self.two([web], [], timeline=[{"at": "1ms", "host": "zeta", "xl": "list"}]), "/timeline/0/host", '"zeta"', '"a", "b"')
        self.refuse(self.two([web], [], timeline=[{"at": "1ms", "link": "b-a", "state": "up"}]), "/timeline/0/link", "b-a", '"a-b"')
        self.refuse(self.two([web], []), "/hosts/c", 'no host "c"', options=("--set", "/hosts/c/machine/cpu/count=1"))
        self.refuse(self.two([web], []), 'no link "a-c"', options=("--set", "/links/a-c/latency=1us"))
        self.refuse(self.write("s.json", json.dumps({"machine": SMALL, "domains": [web], "timeline": [{"at": "1ns", "host": "a", "xl": "list"}]})),
                    "/timeline/0/host", "no hosts")

    def test_links_that_make_no_sense(self):
        hosts = {"a": {"machine": SMALL}, "b": {"machine": SMALL}}
        for link, parts in (({"between": ["a"]}, ("two hosts",)), ({"between": ["a", "a"]}, ("two hosts",)),
                            ({"between": ["a", "c"]}, ("/between/1", '"c"')),
                            ({"between": ["a", "b"], "bandwidth": "10Gb"}, ("/bandwidth", "10Gbit/s")),
                            ({"between": ["a", "b"], "latency": 0}, ("/latency",)),
                            ({"between": ["a", "b"], "mtu": 600, "header": 512, "speed": 1}, ("speed",))):
            self.refuse(self.scenario(hosts, links={"x": link}), "/links/x", *parts)
        self.refuse(self.scenario(hosts, links={"x": {"between": ["a", "b"]}, "y": {"between": ["b", "a"]}}), "/links/y/between", "another link")

    def test_entries_of_the_time_line_that_make_no_sense(self):
        web = self.timer("web")
        for entry, parts in (({"at": "1ms", "link": "a-b"}, ("state",)), ({"at": "1ms", "state": "up"}, ("link",)),
                             ({"at": "1ms", "link": "a-b", "state": "cut"}, ("/timeline/0/state", '"down", "up"')),
                             ({"at": "1ms", "link": "a-b", "state": "up", "xl": "list"}, ("two entries",)),
                             ({"at": "1ms", "host": "b", "xl": "pause web"}, ('no domain "web"',))):
            self.refuse(self.two([web], [self.timer("db")], timeline=[entry]), *parts)

    def test_a_message_names_the_hosts_part_of_the_scenario(self):
        self.refuse(self.two([], [self.timer("big", memory=100000)]), "/hosts/b/machine/memory/size")
        self.refuse(self.scenario({"a": {"machine": {"cpu": {"cuont": 2}}}}), "/hosts/a/machine/cpu/cuont", "count")


if __name__ == "__main__":
    unittest.main()
