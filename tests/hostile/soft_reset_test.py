"""A guest that has broken what its toolstack left it asks for a soft reset, which sets that up anew."""
import struct
import unittest

from kernel import LOAD_ADDRESS, program
from runner import XensimTest

CONSOLE, XENSTORE = 0xfefff, 0xfeffc  # special frames
DATA = LOAD_ADDRESS + 0x200


def hypercall(number, *arguments):
    """mov eax, number; mov ebx, ...; vmcall"""
    code = b"\xb8" + struct.pack("<I", number)
    for register, value in zip(b"\xbb\xb9\xba", arguments):
        code += bytes([register]) + struct.pack("<I", value)
    return code + b"\x0f\x01\xc1"


def guest(*steps):
    """Does the steps, resets itself, and powers off."""
    steps += (hypercall(29, 2, DATA + 0x44), hypercall(29, 2, DATA + 0x48))  # SCHEDOP_shutdown
    data = struct.pack("<IIIIHxx", DATA + 0x20, 2, 0, 0, 0x7ff0).ljust(0x20, b"\0")  # struct xen_memory_reservation
    data += struct.pack("<II", CONSOLE, XENSTORE).ljust(0x20, b"\0")
    data += struct.pack("<III", 2, 5, 0)  # a version of the grant table; reasons: soft reset, power-off
    return program(b"".join(steps).ljust(0x200, b"\x90") + data)


TAKE_PAGES_AWAY = hypercall(12, 1, DATA)          # XENMEM_decrease_reservation
GRANTS_V2 = hypercall(20, 8, DATA + 0x40, 1)      # GNTTABOP_set_version


class SoftReset(XensimTest):
    def reset(self, *steps):
        config = self.domain("reset", guest(*steps), on_soft_reset="soft-reset")
        result = self.run_scenario(config, "--timing", "functional", "--set", "/xen/verbose_debug=true", "--until", "2s")
        self.assert_ok(result)
        self.assertRegex(result.stdout, r"(?m)^reset +poweroff ")
        # Nothing of it is left, whatever it did.
        for what in ("event_ports", "page_references", "free_pages", "owned_pages"):
            self.assertEqual(result.statistic("stats.census.end." + what), result.statistic("stats.census.start." + what), what)

    def test_a_reset_in_order(self):
        self.reset()

    def test_its_grant_table_has_another_version(self):
        self.reset(GRANTS_V2)

    def test_its_rings_are_gone(self):
        self.reset(TAKE_PAGES_AWAY)

    def test_both(self):
        self.reset(TAKE_PAGES_AWAY, GRANTS_V2)


if __name__ == "__main__":
    unittest.main()
