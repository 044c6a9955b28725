"""HVM guests without a device model: how they are loaded, the devices that Xen emulates for them, what xl says of them."""
import json
import struct
import unittest

from kernel import program
from runner import MACHINE, XensimTest, guest


def out_byte(port, value):
    return b"\xb0" + bytes([value]) + b"\x66\xba" + struct.pack("<H", port) + b"\xee"  # mov al; mov dx; out


class Hvm(XensimTest):
    def hvm(self, name="hvm", firmware=None, code=None, **options):
        if code is not None:
            firmware = self.write(name + ".elf", program(code))
        options.setdefault("memory", 128)
        return self.domain(name, **{"type": "hvm", "firmware_override": firmware, "kernel": None, **options})

    def test_firmware_finds_what_a_real_xen_gives_it(self):
        result = self.run_scenario(self.hvm(firmware=guest("hello")), trace="none")
        self.assert_ok(result)
        console = result.console("hvm")
        # As on a real Xen 4.17 with the default video card: 8 MiB of 128 are its.
        self.assertIn("memory 0000000000100000-00000000077fffff RAM\ncommand line: \nhello: ok\n", console)
        self.assertIn("Xen 4.17 by CPUID", console)

    def test_without_a_video_card_all_memory_is_ram(self):
        result = self.run_scenario(self.hvm(firmware=guest("hello"), vga="none"), trace="none")
        self.assert_ok(result)
        self.assertIn("memory 0000000000100000-0000000007ffffff RAM\n", result.console("hvm"))

    def test_viridian_moves_xens_leaves_and_its_msr(self):
        result = self.run_scenario(self.hvm(firmware=guest("hello"), viridian=1), trace="none")
        self.assert_ok(result)
        self.assertIn("hello: ok", result.console("hvm"))

    def test_the_pit_and_the_pics_tick(self):
        # The PICs at vectors 0x20 and 0x28, the local APIC's LINT0 as ExtINT, channel 0 in mode 2 at 1 kHz; the handler counts
        # to three and powers off.
        idt, handler, reason, counter = 0x100400, 0x100200, 0x100300, 0x100304
        gate = struct.pack("<HHHH", handler & 0xffff, 0x08, 0x8e00, handler >> 16)
        gdt, gdtr, idtr = 0x100380, 0x100398, 0x1003a0
        code = (b"\x0f\x01\x15" + struct.pack("<I", gdtr) +  # lgdt
                b"\xea" + struct.pack("<IH", 0x100000 + 7 + 7, 8) +  # ljmp: CS is one that IRET can load
                b"\x0f\x01\x1d" + struct.pack("<I", idtr) +  # lidt
                b"\xbc" + struct.pack("<I", 0x108000) +  # mov esp
                b"\xc7\x05" + struct.pack("<II", 0xfee000f0, 0x1ff) +  # the local APIC is on
                b"\xc7\x05" + struct.pack("<II", 0xfee00350, 0x700))
        for port, value in ((0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0xa0, 0x11), (0xa1, 0x28), (0xa1, 2), (0xa1, 1),
                            (0x21, 0xfe), (0x43, 0x34), (0x40, 0xa9), (0x40, 0x04)):
            code += out_byte(port, value)
        code += b"\xfb\xf4\xeb\xfc"  # sti; hlt; again
        shutdown = (b"\xb8" + struct.pack("<I", 29) + b"\xbb" + struct.pack("<I", 2) + b"\xb9" + struct.pack("<I", reason) +
                    b"\x0f\x01\xc1\xeb\xfe")
        interrupt = (b"\xff\x05" + struct.pack("<I", counter) +  # inc
                     b"\x83\x3d" + struct.pack("<IB", counter, 3) +  # cmp
                     b"\x73\x06" +  # jae: power off
                     out_byte(0x20, 0x20)[:2] + b"\xe6\x20" + b"\xcf\x90" + shutdown)  # mov al, 0x20; out 0x20; iret
        image = bytearray(0x400 + 0x108)
        image[0:len(code)] = code
        image[0x200:0x200 + len(interrupt)] = interrupt
        image[0x380:0x398] = bytes(8) + struct.pack("<QQ", 0x00cf9b000000ffff, 0x00cf93000000ffff)
        image[0x398:0x39e] = struct.pack("<HI", 23, gdt)
        image[0x3a0:0x3a6] = struct.pack("<HI", 0x107, idt)
        image[0x400 + 0x100:0x408 + 0x100] = gate
        result = self.run_scenario(self.hvm(code=bytes(image)), "--until", "50ms", trace="none")
        self.assert_ok(result)
        self.assertRegex(result.stdout, r"hvm +poweroff")

    def test_xl_says_that_it_is_hvm(self):
        domain = self.hvm(firmware=guest("timer"))
        scenario = self.write("s.json", json.dumps({
            "machine": MACHINE, "domains": [domain],
            "timeline": [{"at": "20ms", "xl": "list -l hvm"}, {"at": "22ms", "xl": "save hvm hvm.save"}]}))
        result = self.run_scenario(scenario=scenario, trace="none")
        log = result.read("xl.log").decode()
        self.assertIn('"type": "hvm"', log)
        self.assertIn('"video_memkb": 8192', log)
        self.assertIn("the devices of an HVM guest cannot be saved yet", log)

    def test_what_is_missing_is_said(self):
        result = self.run_scenario(self.domain("none", type="hvm", kernel=None), trace="none")
        self.assertEqual(result.status, 2)
        self.assertIn("without firmware_override", result.stderr)
        result = self.run_scenario(self.hvm(code=b"\xeb\xfe", memory=8), trace="none")
        self.assertEqual(result.status, 2)
        self.assertIn("the video card's", result.stderr)


if __name__ == "__main__":
    unittest.main()
