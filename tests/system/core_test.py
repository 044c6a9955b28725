"""The core file that on_crash="coredump-destroy" leaves, in Xen's dump-core format."""
import os
import struct
import unittest

from runner import XensimTest, guest


def text(data, at):
    return data[at:data.index(b"\0", at)].decode()


def sections(data):
    offset, size, count, names = struct.unpack_from("<Q", data, 40)[0], *struct.unpack_from("<HHH", data, 58)
    rows = [struct.unpack_from("<IIQQQQIIQQ", data, offset + i * size) for i in range(count)]
    return {text(data, rows[names][4] + r[0]): r for r in rows}


def content(data, section):
    return data[section[4]:section[4] + section[5]]


class Core(XensimTest):
    def core(self, **settings):
        config = self.guest_domain("doomed", "fault", cmdline="crash=1", vcpus=2, **settings)
        result = self.run_scenario(config, "--timing", "functional", "--until", "3s", trace="none", out=settings["on_crash"])
        self.assert_ok(result, 1)
        return result

    def test_a_crash_leaves_a_core_with_registers_and_memory(self):
        data = self.core(on_crash="coredump-destroy").read("core-doomed")
        self.assertEqual(data[:20], b"\x7fELF\x02\x01\x01\0\x01" + bytes(7) + struct.pack("<HH", 4, 62))
        s = sections(data)
        self.assertEqual(list(s), ["", ".shstrtab", ".note.Xen", ".xen_prstatus", ".xen_shared_info", ".xen_pages", ".xen_pfn"])
        notes, at = {}, 0
        raw = content(data, s[".note.Xen"])
        while at < len(raw):
            names, size, kind = struct.unpack_from("<III", raw, at)
            self.assertEqual(raw[at + 12:at + 12 + names], b"Xen\0")
            notes[kind] = raw[at + 16:at + 16 + size]
            at += 16 + size
        self.assertEqual(sorted(notes), [0x2000000, 0x2000001, 0x2000002, 0x2000003])
        magic, vcpus, pages, page_size = struct.unpack("<4Q", notes[0x2000001])
        self.assertEqual((magic, vcpus, page_size), (0xf00febee, 1, 4096))  # the second vCPU was never set up
        self.assertEqual(struct.unpack_from("<QQ4s", notes[0x2000002]), (4, 17, b".7\0\0"))
        self.assertEqual(len(notes[0x2000002]), 1280)
        self.assertEqual(notes[0x2000003], struct.pack("<Q", 1))
        self.assertEqual(s[".xen_pages"][4] % 4096, 0)
        self.assertEqual(s[".xen_pages"][5], pages * 4096)
        self.assertEqual(s[".xen_prstatus"][5], 5168)
        gfns = struct.unpack("<%dQ" % pages, content(data, s[".xen_pfn"]))
        there = [g for g in gfns if g != 2**64 - 1]
        self.assertEqual(there, sorted(set(there)))
        self.assertEqual(list(gfns[len(there):]), [2**64 - 1] * (pages - len(there)))
        # The kernel's code is where its file says.
        with open(guest("fault"), "rb") as f:
            kernel = f.read()
        offset, count = struct.unpack_from("<Q", kernel, 32)[0], struct.unpack_from("<H", kernel, 56)[0]
        compared = 0
        for i in range(count):
            kind, flags, at, _, address, size = struct.unpack_from("<IIQQQQ", kernel, offset + i * 56)
            if kind == 1 and flags & 1 and not flags & 2:
                for page in range(0, size & ~0xfff, 4096):
                    place = s[".xen_pages"][4] + gfns.index((address + page) // 4096) * 4096
                    self.assertEqual(data[place:place + 4096], kernel[at + page:at + page + 4096])
                    compared += 1
        self.assertGreater(compared, 0)
        # The registers: its instruction pointer is in that code.
        rip = struct.unpack_from("<Q", content(data, s[".xen_prstatus"]), 520 + 16 * 8)[0]
        self.assertTrue(0x100000 <= rip < 0x200000, hex(rip))

    def test_a_restarted_domain_leaves_the_last_core_and_others_none(self):
        self.assertTrue(os.path.exists(os.path.join(self.core(on_crash="coredump-restart").out, "core-doomed")))
        self.assertFalse(os.path.exists(os.path.join(self.core(on_crash="destroy").out, "core-doomed")))


if __name__ == "__main__":
    unittest.main()
