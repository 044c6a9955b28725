"""xl save and xl restore of the guest `suspend`, which keeps writing memory and ticking timers and checks itself."""
import json
import os
import re
import struct
import subprocess
import unittest

from runner import MACHINE, XensimTest, guest

# Of Debian's xen-utils-4.17.
VERIFY, VERIFY_LIBRARY = "/usr/lib/xen-4.17/bin/verify-stream-v2", "/usr/lib/xen-4.17/lib/python"


def layout(file):
    """A saved domain as (configuration, [(record type, body)]); the records are libxc's."""
    assert file[:32] == b"Xen saved domain, xl format\n \0 \r"
    order, mandatory, optional, length = struct.unpack_from("<4I", file, 32)
    assert (order, mandatory, optional) == (0x01020304, 3, 0)
    configuration = json.loads(file[52:48 + length].rstrip(b"\0"))
    at = 48 + length
    assert file[at:at + 8] == b"LibxlFmt"
    at += 16 + 8 + 40
    records = []
    while True:
        kind, size = struct.unpack_from("<2I", file, at)
        records.append((kind, file[at + 8:at + 8 + size]))
        at += 8 + (size + 7 & ~7)
        if kind == 0:
            assert file[at:] == struct.pack("<2I", 0, 0)
            return configuration, records


def memory(records):
    """Contents of pages by frame number, of all PAGE_DATA records."""
    pages = {}
    for kind, body in records:
        if kind != 1:
            continue
        count, = struct.unpack_from("<I", body)
        at = 8 + 8 * count
        for word in struct.unpack_from("<%dQ" % count, body, 8):
            if word >> 60 == 0:
                pages[word & (1 << 52) - 1] = body[at:at + 4096]
                at += 4096
    return pages


def image_end(path):
    """Where an ELF image ends in memory."""
    with open(path, "rb") as f:
        elf = f.read()
    table, = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<2H", elf, 54)
    segments = [struct.unpack_from("<2I6Q", elf, table + i * size) for i in range(count)]
    return max(address + length for kind, _, _, _, address, _, length, _ in segments if kind == 1)


class SaveRestore(XensimTest):
    def suspender(self, name="s", cmdline="", steps=60000):
        return self.guest_domain(name, "suspend", cmdline="steps=%d pages=64 %s" % (steps, cmdline), vcpus=2, memory=16)

    def run_verbs(self, timeline, *domains, out="out", status=0, timing="functional", sets=(), trace="none"):
        scenario = self.write(out + ".json", json.dumps({
            "machine": MACHINE, "domains": list(domains), "timing": timing,
            "timeline": [{"at": at, "xl": xl} for at, xl in timeline]}))
        result = self.run_scenario(*[word for s in sets for word in ("--set", s)], out=out, scenario=scenario, trace=trace)
        self.assert_ok(result, status)
        self.assert_census(result)
        return result

    def assert_census(self, result):
        census = result.stats["stats"]["census"]
        self.assertEqual(census["end"], census["start"])

    def verbs(self, result):
        """What each verb of the time line printed, and its exit status."""
        found = re.findall(r"^\[\d+\.\d+ ms\] xl (.*)\n((?s:.*?))^\[\d+\.\d+ ms\] exit (\d+)$", result.read("xl.log").decode(), re.M)
        return {command: (int(code), text) for command, text, code in found}

    def checksums(self, result, name="s"):
        console = result.console(name)
        self.assertIn("suspend: ok\n", console)
        return re.findall(r"vCPU \d: \d+ steps, checksum [0-9a-f]{16}", console)

    def test_a_restored_domain_ends_with_the_checksums_of_one_that_was_left_alone(self):
        alone = self.run_verbs([], self.suspender(), out="alone")
        saved = self.run_verbs([("6ms", "save s a.save"), ("200ms", "restore a.save"), ("202ms", "list")], self.suspender())
        self.assertEqual(self.checksums(saved), self.checksums(alone))
        self.assertEqual(len(self.checksums(saved)), 2)
        self.assertRegex(saved.console("s"), r"suspending: domain 1, step (\d+)\nresumed: domain 2, step \1, ")
        self.assertRegex(saved.console("s"), r"resumed 1 times, cancelled 0 times")
        verbs = self.verbs(saved)
        self.assertRegex(verbs["save s a.save"][1], r"^Saving to a.save new xl format \(info 0x3/0x0/\d+\)\n")
        self.assertEqual(verbs["save s a.save"][0], 0)
        self.assertRegex(verbs["restore a.save"][1], r"^Loading new save file a.save \(new xl fmt info 0x3/0x0/\d+\)\n"
                         r" Savefile contains xl domain config in JSON format\nParsing config from <saved>\n")

    def test_two_runs_write_the_same_bytes(self):
        files = []
        for out in ("a", "b"):
            result = self.run_verbs([("6ms", "save s x.save")], self.suspender(), out=out, timing="inorder", trace="xentrace")
            files.append((result.read("x.save"), result.digest))
        self.assertEqual(files[0], files[1])

    def test_the_file_has_libxls_layout(self):
        result = self.run_verbs([("6ms", "save s x.save")], self.suspender())
        configuration, records = layout(result.read("x.save"))
        self.assertEqual(configuration["c_info"]["name"], "s")
        kinds = [kind for i, (kind, _) in enumerate(records) if kind != 1 or records[i - 1][0] != 1]
        # CPUID, MSRs, end of static data, pages, TSC, HVM context and parameters, end
        self.assertEqual(kinds, [17, 18, 16, 1, 8, 9, 10, 0])
        pages = memory(records)
        # All of its 16 MiB but for the frame under shared_info, the ACPI tables, and the special pages.
        self.assertEqual(len(pages), 4096 - 1 + 9 + 8)
        self.assertEqual(len(records[-4][1]), 24)
        context = records[-3][1]
        types, at = [], 0
        while at < len(context):
            kind, instance, size = struct.unpack_from("<2HI", context, at)
            types.append((kind, instance))
            at += 8 + size
        self.assertEqual(types[0], (1, 0))
        for instance in (0, 1):
            self.assertTrue({(kind, instance) for kind in (2, 5, 6, 14, 18, 19)} <= set(types), types)

    @unittest.skipUnless(os.path.exists(VERIFY), VERIFY + " is not there (Debian package xen-utils-4.17)")
    def test_verify_stream_v2_accepts_the_file(self):
        result = self.run_verbs([("6ms", "save s x.save")], self.suspender())
        check = subprocess.run(["python3", VERIFY, "-v", "-f", "xl", "-i", os.path.join(result.out, "x.save")],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, PYTHONPATH=VERIFY_LIBRARY))
        self.assertEqual(check.returncode, 0, check.stdout.decode())
        self.assertIn("Domain Header: x86 HVM from Xen 4.17", check.stdout.decode())

    def test_what_is_restored_has_the_memory_that_was_saved(self):
        # The guest has done its steps; what it does to suspend is in its image and in the rings.
        result = self.run_verbs([("100ms", "save s a.save"), ("300ms", "restore a.save"), ("400ms", "save s b.save")],
                                self.suspender("s", "stay=1"))
        self.assertIn("suspending: domain 1, step 60000\nresumed: domain 2, step 60000,", result.console("s"))
        first, second = (memory(layout(result.read(name))[1]) for name in ("a.save", "b.save"))
        self.assertEqual(set(first), set(second))
        behind = image_end(guest("suspend")) + 4095 >> 12
        self.assertGreater(sum(any(first[pfn]) for pfn in range(behind, 0x1000)), 128)
        self.assertEqual([hex(pfn) for pfn in first if behind <= pfn < 0xfeff8 and first[pfn] != second[pfn]], [])

    # A domain that went through save -c or -p is nobody's: when it ends, it stays until it is destroyed.

    def test_a_checkpoint_goes_on_where_it_was(self):
        alone = self.run_verbs([], self.suspender(), out="alone")
        result = self.run_verbs([("6ms", "save -c s a.save"), ("300ms", "list s"), ("301ms", "destroy s"), ("310ms", "restore a.save")],
                                self.suspender())
        # It went on, and ended; then what was saved ended once more.
        self.assertEqual(self.checksums(result), 2 * self.checksums(alone))
        self.assertRegex(self.verbs(result)["list s"][1], r"\ns +1 +16 +\d +---s-- ")
        self.assertRegex(result.console("s"), r"cancelled: domain 1, step \d+, after \d+ cycles\n")
        self.assertIn("resumed 0 times, cancelled 1 times", result.console("s"))
        self.assertIn("resumed 1 times, cancelled 0 times", result.console("s"))

    def test_a_checkpoint_can_be_left_paused(self):
        result = self.run_verbs([("6ms", "save -p s a.save"), ("200ms", "list s"), ("210ms", "unpause s"), ("400ms", "destroy s")],
                                self.suspender())
        self.assertRegex(self.verbs(result)["list s"][1], r"\ns +1 +16 +2 +--p--- ")
        self.assertEqual(len(self.checksums(result)), 2)

    def test_the_number_can_be_kept(self):
        result = self.run_verbs([("6ms", "save -D s a.save"), ("200ms", "restore -p a.save"), ("300ms", "list s"),
                                 ("310ms", "restore a.save"), ("400ms", "destroy s")], self.suspender())
        self.assertRegex(self.verbs(result)["list s"][1], r"\ns +1 +16 +2 +--p--- ")
        code, text = self.verbs(result)["restore a.save"]
        self.assertEqual(code, 1)
        self.assertIn("Domain 1:domain creation fail: File exists\n", text)

    def test_each_way_of_taking_events_survives(self):
        for i, cmdline in enumerate(("upcall=callback", "apic=x", "halt=1")):
            with self.subTest(cmdline):
                result = self.run_verbs([("6ms", "save -c s a.save"), ("200ms", "save s b.save"), ("400ms", "restore b.save"),
                                         ("500ms", "shutdown -w s")],
                                        self.guest_domain("s", "suspend", cmdline="steps=0 pages=16 " + cmdline, vcpus=2, memory=16),
                                        out="o%d" % i)
                self.assertRegex(result.console("s"), r"cancelled: domain 1(?s:.*)resumed: domain 2")
                self.assertEqual(len(self.checksums(result)), 2)

    # Failures.

    def save_that_fails(self, *parts, command="save s a.save", cmdline="", sets=(), stays=False, steps=60000):
        """The source goes on, and there is no file. stays: it had suspended, and nobody waits for its end any more."""
        alone = self.run_verbs([], self.suspender(steps=steps), out="alone")
        result = self.run_verbs([("6ms", command)] + [("400ms", "destroy s")] * stays, self.suspender("s", cmdline, steps), sets=sets)
        code, text = self.verbs(result)[command]
        self.assertEqual(code, 1)
        for part in parts:
            self.assertIn(part, text)
        self.assertEqual(self.checksums(result), self.checksums(alone))
        self.assertFalse([name for name in os.listdir(result.out) if "save" in name])
        return result

    def test_a_file_that_cannot_be_made(self):
        self.save_that_fails("Failed to open temp file nowhere/a.save for writing\n", command="save s nowhere/a.save")

    def test_storage_that_is_full(self):
        space = ["/machine/dom0/toolstack/storage_space=%s"]
        self.save_that_fails("failed to write header from a.save: No space left on device", sets=[space[0] % "100B"])
        self.save_that_fails("Failed to save domain, resuming domain\n", "domain did not respond to suspend request: No space left",
                             sets=[space[0] % "1000B"])
        self.save_that_fails("xc: error: Failed to write page data to stream (28 = No space left on device): Internal error\n"
                             "xc: error: Save failed (28 = No space left on device): Internal error\n",
                             "Domain 1:saving domain: domain responded to suspend request: No space left on device\n"
                             "Failed to save domain, resuming domain\n", sets=[space[0] % "1MiB"], stays=True)
        self.save_that_fails("No space left on device", command="save s /dev/full", stays=True)

    def test_a_guest_that_does_not_answer(self):
        result = self.save_that_fails("guest didn't acknowledge suspend, cancelling request", "domain did not respond to suspend request",
                                      cmdline="ignore=1", steps=200000, sets=["/machine/dom0/toolstack/control_timeout=3ms"])
        self.assertNotIn("suspending", result.console("s"))

    def test_a_guest_that_answers_and_does_not_suspend(self):
        self.save_that_fails("guest did not suspend, timed out", "domain responded to suspend request",
                             cmdline="ignore=2", sets=["/machine/dom0/toolstack/control_timeout=3ms"])


if __name__ == "__main__":
    unittest.main()
