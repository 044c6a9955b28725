"""What a user can get wrong: each one clear message that says where and what to do, exit status 2, and nothing left behind."""
import json
import os
import subprocess
import unittest

from kernel import LOAD_ADDRESS, SPIN, Segment, elf, program, shutdown
from runner import MACHINE, XENSIM, XensimTest


class BadInput(XensimTest):
    def assert_message(self, result, *parts):
        self.assertEqual(result.status, 2, result.stdout + result.stderr)
        self.assertEqual(result.stdout, "")
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 1, result.stderr)
        self.assertTrue(lines[0].startswith("xensim: "), lines[0])
        for part in parts:
            self.assertIn(part, lines[0])

    def refuse(self, *arguments, parts=(), scenario=MACHINE):
        result = self.run_scenario(*arguments, scenario=scenario)
        self.assert_message(result, *parts)
        if os.path.isdir(result.out):
            self.assertEqual(os.listdir(result.out), [])

    def good(self, **options):
        return self.domain("good", **{"kernel": program(shutdown(0)), **options})

    def refuse_domain(self, *parts, **options):
        self.refuse(self.good(**options), parts=("good.cfg",) + parts)

    def refuse_kernel(self, image, *parts):
        self.refuse(self.domain("bad", image), parts=("bad.elf: ",) + parts)

    # Kernels.

    def test_a_missing_kernel(self):
        self.refuse_domain("no-such-kernel", "no such file", kernel=self.path("no-such-kernel"))

    def test_a_folder_as_a_kernel(self):
        self.refuse(self.domain("folder", self.folder), parts=("folder.cfg:3", "kernel", "is a folder"))

    def test_a_device_as_a_kernel(self):
        self.refuse_domain("/dev/zero: is a device", kernel="/dev/zero")

    def test_a_missing_ramdisk(self):
        self.refuse(self.good(ramdisk="no-such-ramdisk"), parts=("no-such-ramdisk", "no such file"))

    def test_a_truncated_kernel(self):
        image = program(SPIN.ljust(5000, b"\x90"))
        for size in (1, 20, 63, 100, 180, len(image) - 1):
            self.refuse_kernel(image[:size])
        self.refuse_kernel(image[:-1], "truncated")

    def test_an_empty_kernel(self):
        self.refuse_kernel(b"", "0 bytes")

    def test_a_kernel_that_is_no_elf_file(self):
        self.refuse_kernel(b"MZ" + bytes(5000), "bad.cfg: ", "not an ELF file", "bzImage")

    def test_a_kernel_without_a_pvh_note(self):
        self.refuse_kernel(elf([Segment(LOAD_ADDRESS, SPIN)], with_note=False), "PHYS32_ENTRY", "not a PVH kernel")

    def test_a_kernel_for_another_machine(self):
        self.refuse_kernel(elf([Segment(LOAD_ADDRESS, SPIN)], machine=183), "not for x86")

    def test_overlapping_segments(self):
        self.refuse_kernel(elf([Segment(LOAD_ADDRESS, SPIN, 0x2000), Segment(LOAD_ADDRESS + 0x1000, SPIN)]), "overlap")

    def test_a_segment_above_4_gib(self):
        self.refuse_kernel(elf([Segment(LOAD_ADDRESS, SPIN), Segment(1 << 32, SPIN)]), "above 4 GiB")

    def test_an_entry_outside_the_segments(self):
        self.refuse_kernel(elf([Segment(LOAD_ADDRESS, SPIN)], entry=0x500000), "PHYS32_ENTRY")

    def test_memory_too_small_for_the_kernel(self):
        image = elf([Segment(LOAD_ADDRESS, SPIN, 40 << 20)])
        self.refuse(self.domain("small", image, memory=32), parts=("small.cfg", "memory = 32", "raise memory"))

    # Domain files.

    def test_a_missing_domain_file(self):
        self.refuse(self.path("missing.cfg"), parts=("missing.cfg", "no such file"))

    def test_an_unknown_key_in_a_domain_file(self):
        self.refuse_domain("vcpu", "vcpus", vcpu=2)

    def test_a_wrong_type_in_a_domain_file(self):
        self.refuse_domain("memory", memory="much")
        self.refuse_domain("vcpus", vcpus=["1"])
        self.refuse_domain("good.cfg:4: memory: \"64MiB\" is no number", "from 1 to", memory="64MiB")

    def test_a_syntax_error_in_a_domain_file_has_its_line(self):
        path = self.write("syntax.cfg", 'name = "x"\nmemory = = 3\n')
        self.refuse(path, parts=("syntax.cfg:2",))

    def test_too_much_memory(self):
        self.refuse_domain("memory = 100000", memory=100000)

    def test_two_domains_that_do_not_fit_together(self):
        first = self.domain("first", code=shutdown(0), memory=1200)
        second = self.domain("second", code=shutdown(0), memory=1200)
        self.refuse(first, second, parts=("second.cfg", "memory = 1200"))

    def test_no_memory_at_all(self):
        self.refuse_domain("memory", memory=0)

    def test_two_domains_of_one_name(self):
        self.refuse(self.good(), self.write("other.cfg", open(self.good()).read()), parts=("other.cfg", '"good"'))

    def test_a_pcpu_that_is_not_there(self):
        self.refuse_domain("good.cfg:9: cpus: \"7\": the machine has no pCPU 7; use 0-1", cpus="7")
        self.refuse_domain("good.cfg:9: cpus: \"foo\" is no pCPU", cpus="foo")

    def test_more_vcpus_than_the_maximum(self):
        self.refuse_domain("vcpus", vcpus=4, maxvcpus=2)
        self.refuse_domain("vcpus: 129 is too large; use 1 to 128", vcpus=129)

    def test_a_weight_out_of_range(self):
        self.refuse_domain("cpu_weight", cpu_weight=70000)

    def test_devices_that_xl_refuses_or_does_not_know(self):
        self.refuse_domain("disk: no vdev specified in `garbage'", disk=["garbage"])
        self.refuse_domain("disk: unknown parameter: near `a=b'", disk=["/x,raw,xvda,w,a=b"])
        self.refuse_domain("disk: unknown value for access: near `zz'", disk=["/x,raw,xvda,zz"])
        result = self.run_scenario(self.good(vif=["bogus=1"], disk=["/x,raw,xvda,r", "vdev=xvdb,access=ro,target=/dev/y,a=b"]))
        self.assert_ok(result)
        self.assertIn("vif: unrecognized argument `bogus=1'", result.stderr)

    def test_another_type_of_guest(self):
        self.refuse_domain("hvm", type="hvm")

    # Scenarios and machines.

    def test_a_missing_scenario(self):
        self.refuse(scenario=self.path("none.json"), parts=("none.json", "no such file"))

    def test_an_unknown_key_in_a_scenario_has_a_suggestion(self):
        path = self.write("s.json", '{"cpu": {"cuont": 2}, "memory": {"size": "1GiB"}}')
        self.refuse(scenario=path, parts=("s.json", "cuont", "count"))

    def test_an_unknown_key_of_set_has_a_suggestion(self):
        self.refuse("--set", "/cpu/cuont=2", parts=("--set /cpu/cuont=2: unknown key", "count"))
        self.refuse("--set", "/xne/sched=null", parts=("--set /xne/sched=null: unknown key", '"xen"'))
        self.refuse("--set", "/foo=1", parts=("--set /foo=1: unknown key", "timeline", "dom0"))

    def test_a_set_of_a_list_s_element(self):
        self.refuse("--set", "/domains/0=x", parts=("--set /domains/0=x: ", "is not a list", "cannot be set one by one"))

    def test_a_machine_beside_hosts(self):
        path = self.write("s.json", '{"machine": "%s", "hosts": {}}' % MACHINE)
        self.refuse(scenario=path, parts=("s.json: /machine: ", 'stands beside "hosts"'))

    def test_a_time_without_a_unit(self):
        self.refuse("--until", "10", parts=('--until: "10" is not a duration without a unit', '"10ms"'))
        for text in ('{"cpu": {"count": 1}, "until": 10}', '{"cpu": {"count": 1}, "until": "10"}'):
            self.refuse(scenario=self.write("s.json", text), parts=("s.json: /until: ", "unit"))
        self.refuse("--set", "/until=10", parts=("--set /until=10: 10 has no unit",))

    def test_a_wrong_type_in_a_scenario(self):
        path = self.write("s.json", '{"cpu": {"count": "two"}}')
        self.refuse(scenario=path, parts=("s.json", "/cpu/count"))

    def test_a_value_out_of_range(self):
        self.refuse("--set", "/cpu/count=0", parts=("/cpu/count",))
        self.refuse("--set", "/quantum=0", parts=("/quantum",))

    def test_a_cache_or_tlb_whose_sets_are_no_power_of_two(self):
        self.refuse("--set", "/memory/l2/ways=12", parts=("--set /memory/l2/ways=12: ", "12 ways", "768 bytes times a power of two"))
        self.refuse("--set", "/cpu/tlb/l2/entries=512", parts=("/cpu/tlb/l2/entries", "512 entries in 12 ways"))

    def test_a_syntax_error_in_a_scenario_has_its_line_and_column(self):
        path = self.write("s.json", '{\n  "cpu": { "count": 2,, }\n}\n')
        self.refuse(scenario=path, parts=("s.json:2:",))

    def test_a_set_without_a_value(self):
        self.refuse("--set", "/cpu/count", parts=("/cpu/count",))
        self.refuse("--set", "cpu=1", parts=("cpu=1",))

    def test_an_unknown_scheduler(self):
        self.refuse("--set", "/xen/sched=credit3", parts=('--set /xen/sched=credit3: no scheduler "credit3"', "credit2"))
        machine = self.write("m.json", '{"xen": {"sched": "credit3"}}')
        self.refuse(scenario=machine, parts=("m.json: /xen/sched: ",))
        hosts = self.write("h.json", json.dumps({"hosts": {"a": {"machine": MACHINE}, "b": {"machine": machine}}}))
        self.refuse("--until", "1ms", scenario=hosts, parts=("m.json: /xen/sched: ",))

    def test_too_little_memory_for_xen(self):
        self.refuse("--set", "/memory/size=128MiB", "--set", "/xen/dom0_mem=256MiB", parts=("memory",))

    # The command line.

    def test_an_unknown_timing_model(self):
        self.refuse("--timing", "exact", parts=("--timing", "exact", "functional, inorder"))

    def test_an_unknown_kind_of_trace(self):
        result = self.run_scenario(trace="vcd")
        self.assert_message(result, "--trace", "vcd", "perfetto")
        self.assert_message(self.run_scenario(trace="xentrace,none"), "--trace", '"none" stands beside')

    def test_an_empty_option(self):
        for option in ("--trace", "--timing", "--set", "--until"):
            self.assert_message(self.xensim("run", MACHINE, option, ""), option + " is empty")
        self.assert_message(self.xensim("run", MACHINE, "--out", ""), "--out is empty")
        self.assert_message(self.xensim("run", ""), "an argument is empty")

    def test_a_bad_time(self):
        for time in ("soon", "-1s", "1 parsec", "", "99999999999999999s"):
            self.refuse("--until=" + time, parts=("--until",))

    def test_a_bad_number_of_instructions(self):
        for number in ("many", "-1", "1.5", "0"):
            self.refuse("--instructions=" + number, parts=("--instructions",))

    def test_an_unknown_option(self):
        self.refuse("--tming", "inorder", parts=("--tming", "--timing"))

    def test_an_unknown_command(self):
        self.assert_message(self.xensim("rum"), "rum", "run")

    def test_no_scenario(self):
        self.assert_message(self.xensim("run"), "no scenario")

    def test_no_arguments_print_the_help(self):
        result = self.xensim()
        self.assertEqual(result.status, 2)
        self.assertIn("Usage: xensim COMMAND", result.stdout)

    # Output.

    def test_an_output_folder_that_is_a_file(self):
        path = self.write("occupied", "x")
        result = self.xensim("run", MACHINE, self.good(), "--out", path)
        self.assert_message(result, "occupied", "is a file")
        with open(path) as f:
            self.assertEqual(f.read(), "x")

    def test_an_output_folder_that_cannot_be_made(self):
        result = self.xensim("run", MACHINE, self.good(), "--out", "/proc/nowhere/out")
        self.assert_message(result, "/proc/nowhere: no folder can be made there")

    def test_standard_output_that_is_full(self):
        for arguments in (("run", MACHINE, self.good(), "--out", self.path("out")), ("params",), ("run", "--help")):
            with open("/dev/full", "w") as full:
                result = subprocess.run([XENSIM, *arguments], stdout=full, stderr=subprocess.PIPE, cwd=self.folder, text=True)
            self.assertEqual((result.returncode, result.stderr.count("\n")), (2, 1), result.stderr)
            self.assertIn("standard output: cannot be written", result.stderr)

    # Files of a run.

    def test_a_trace_that_is_none(self):
        self.assert_message(self.xensim("trace", self.write("empty.xen", "")), "empty.xen: holds no trace record")
        self.assert_message(self.xensim("trace", "/dev/zero"), "/dev/zero: is a device")
        self.assert_message(self.xensim("trace", "x.xen", "--frequency", "0"), "--frequency", "1Hz or more")

    def test_statistics_that_are_none(self):
        result = self.run_scenario(self.good())
        self.assert_ok(result)
        stats = os.path.join(result.out, "stats.json")
        self.assert_message(self.xensim("stats", "/dev/zero"), "/dev/zero: is a device")
        self.assert_message(self.xensim("stats", stats, "--under", "domian.1"), 'has no "domian"', '"domain"')
        self.assert_message(self.xensim("stats", stats, stats, "--under", "domain.1.vpcu"), 'has no "domain.1.vpcu"', '"domain.1.vcpu"')
        other = self.path("other.json")
        with open(stats) as f:
            changed = json.load(f)
        for domid in ("0", "1"):
            changed["stats"]["domain"][domid]["vcpu"]["0"]["vm_exits"] += 1
        self.write(other, json.dumps(changed))
        lines = self.xensim("stats", stats, other, "--under", "domain.1").stdout.splitlines()
        self.assertEqual([line.split(":")[0] for line in lines], ["domain.1.vcpu.0.vm_exits"])

    def test_a_benchmark_of_nothing(self):
        self.assert_message(self.xensim("bench", self.path("none.json")), "none.json: no such file")

    def test_files_that_cannot_be_written(self):
        out = self.path("out")
        os.makedirs(os.path.join(out, "stats.json"))
        result = self.xensim("run", MACHINE, self.good(), "--out", out, "--trace", "xentrace", "-q")
        self.assertEqual(result.status, 2)
        self.assertIn("stats.json", result.stderr)

    def full_disk(self, size):
        """A file system of this size, or a skipped test where it cannot be mounted."""
        disk = self.path("disk")
        os.mkdir(disk)
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", disk], stderr=subprocess.DEVNULL)
        if mount.returncode != 0:
            self.skipTest("no right to mount a small disk")
        self.addCleanup(subprocess.run, ["umount", disk])
        return disk

    def assert_full(self, result, out):
        self.assertEqual(result.status, 2, result.stderr)
        self.assertIn("the disk is full", result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        if os.path.isdir(out):
            self.assertEqual(os.listdir(out), [])

    def test_a_full_disk_leaves_nothing_half_written(self):
        disk = self.full_disk("64k")
        for trace in ("xentrace", "perfetto", "text", "xentrace,perfetto,text"):
            out = os.path.join(disk, "out")
            spin = self.domain("spin", code=SPIN)
            result = self.xensim("run", MACHINE, spin, "--until", "300ms", "--timing", "functional", "--out", out,
                                 "--trace", trace, "-q")
            self.assert_full(result, out)

    def test_a_device_that_is_always_full(self):
        for name in ("trace.xen", "stats.json", "config.json"):
            out = self.path("out-" + name)
            os.mkdir(out)
            os.symlink("/dev/full", os.path.join(out, name))
            result = self.xensim("run", MACHINE, self.good(), "--timing", "functional", "--out", out, "--trace", "xentrace", "-q")
            self.assertEqual(result.status, 2, name + result.stderr)
            self.assertIn("the disk is full", result.stderr)
            self.assertEqual(os.listdir(out), [name])

    def test_an_interrupted_run_leaves_no_half_written_files(self):
        out = self.path("out")
        process = subprocess.Popen([XENSIM, "run", MACHINE, self.domain("spin", code=SPIN), "--out", out, "--trace",
                                    "xentrace", "--timing", "functional"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            process.communicate(timeout=1)
            self.fail("the run ended by itself")
        except subprocess.TimeoutExpired:
            process.terminate()
        process.communicate(timeout=20)
        self.assertFalse([f for f in os.listdir(out) if not f.endswith(".part") and f.startswith(("trace", "stats"))])


if __name__ == "__main__":
    unittest.main()
