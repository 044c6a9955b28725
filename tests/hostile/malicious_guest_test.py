"""Guests that try one nasty thing each. Whatever Xen would answer them, the simulator ends the run in bounded time."""
import struct
import unittest

from kernel import LOAD_ADDRESS, program
from runner import XensimTest

DATA = LOAD_ADDRESS + 0x1000


def u32(n):
    return struct.pack("<I", n & 0xFFFFFFFF)


class Code:
    """A 32-bit program, put together step by step; its data lie in the page after it."""

    def __init__(self):
        self.code, self.data = b"", b""

    def raw(self, code):
        self.code += code
        return self

    def put(self, *words):
        """Adds 32-bit words to the data; gives their address."""
        at = DATA + len(self.data)
        self.data += b"".join(u32(w) for w in words)
        return at

    def hypercall(self, number, *arguments):
        for opcode, value in zip((b"\xbb", b"\xb9", b"\xba", b"\xbe", b"\xbf"), arguments):
            self.code += opcode + u32(value)
        self.code += b"\xb8" + u32(number) + b"\x0f\x01\xc1"
        return self

    def wrmsr(self, msr, value):
        return self.raw(b"\xb9" + u32(msr) + b"\xb8" + u32(value) + b"\xba" + u32(value >> 32) + b"\x0f\x30")

    def store(self, address, value):
        return self.raw(b"\xc7\x05" + u32(address) + u32(value))

    def poweroff(self):
        return self.hypercall(29, 2, self.put(0)).raw(b"\xeb\xfe")

    def image(self):
        assert len(self.code) <= 0x1000
        return program(self.code.ljust(0x1000, b"\x90") + self.data, 0x10000)


MEMORY_OP, SET_TIMER_OP, VCPU_OP, SCHED_OP, EVTCHN_OP, HVM_OP = 12, 15, 24, 29, 32, 34
APIC = 0xFEE00000


class MaliciousGuests(XensimTest):
    def attempt(self, code, status=(0,), **options):
        config = self.domain("nasty", code.image(), memory=16, maxvcpus=2, **options)
        result = self.run_scenario(config, "--until", "20ms", "--timing", "functional", timeout=25, trace="none")
        self.assertIn(result.status, status, result.stdout[-2000:] + result.stderr[-4000:])
        return result

    def assert_powered_off(self, result):
        self.assertRegex(result.stdout, r"(?m)^nasty +poweroff ")

    def test_page_tables_in_nowhere_end_in_a_triple_fault(self):
        # The walk of every access faults, those of delivering the fault included.
        code = Code()
        idt = code.put(0x0000FFFF | (LOAD_ADDRESS & 0xFFFF) << 16, LOAD_ADDRESS >> 16)
        code.raw(b"\x0f\x01\x1d" + u32(idt))  # lidt
        code.raw(b"\xb8" + u32(0xE0000000) + b"\x0f\x22\xd8")  # mov cr3
        code.raw(b"\x0f\x20\xc0\x0d" + u32(1 << 31) + b"\x0f\x22\xc0")  # cr0.pg = 1
        result = self.attempt(code.raw(b"\xeb\xfe"), status=(0, 1))
        self.assertRegex(result.stdout, r"(?m)^nasty +(triple fault|reboot|crash)")

    def test_populate_at_the_last_frame_number_is_refused(self):
        c = Code()
        # struct xen_memory_reservation of a 32-bit caller, and an extent list.
        c.hypercall(MEMORY_OP, 6, c.put(c.put(0xFFFFFFFF), 1, 0, 0, 0x7FF0))
        self.assert_powered_off(self.attempt(c.poweroff()))

    def test_a_million_extents_do_not_hold_the_simulator_up(self):
        c = Code()
        c.hypercall(MEMORY_OP, 6, c.put(LOAD_ADDRESS - 0x100000, 1 << 20, 8, 0, 0x7FF0))
        self.attempt(c.poweroff())

    def test_a_huge_periodic_timer_never_fires(self):
        c = Code()
        c.hypercall(VCPU_OP, 6, 0, c.put(0xFFFFFFFF, 0x3FFFFFFF))
        self.assert_powered_off(self.attempt(c.poweroff()))

    def test_a_watchdog_of_a_century_does_not_bite(self):
        c = Code()
        c.hypercall(SCHED_OP, 6, c.put(0, 0xFFFFFFFF))
        self.assert_powered_off(self.attempt(c.poweroff()))

    def test_an_apic_timer_of_one_tick_leaves_the_others_time(self):
        c = Code()
        c.store(APIC + 0xF0, 0x1FF).store(APIC + 0x3E0, 0xB).store(APIC + 0x320, 0x200FE).store(APIC + 0x380, 1)
        self.assert_powered_off(self.attempt(c.poweroff()))

    def test_a_timer_in_the_past_over_and_over_leaves_the_others_time(self):
        c = Code()
        c.raw(b"\x90").hypercall(SET_TIMER_OP, 1, 0)
        c.raw(b"\xeb" + struct.pack("b", -len(c.code) - 2 + 1))
        self.attempt(c)

    def test_a_repeated_port_write_of_4_gi_bytes_ends_with_the_run(self):
        for opcode in (b"\xf3\x6e", b"\xf3\x6c", b"\xf3\x6f", b"\xf3\x6d"):
            c = Code()
            c.raw(b"\xb9" + u32(-1) + b"\xba\x80\0\0\0\xbe" + u32(LOAD_ADDRESS) + b"\xbf" + u32(0x200000) + b"\xfc" + opcode)
            self.attempt(c.poweroff(), (0, 1))

    def test_a_repeated_store_over_device_memory_ends_with_the_run(self):
        for opcode in (b"\xf3\xab", b"\xf3\xaa", b"\xf3\xa4", b"\xf3\xac", b"\xf3\xa6"):
            c = Code()
            c.raw(b"\xb9" + u32(-1) + b"\xbe" + u32(APIC) + b"\xbf" + u32(APIC - 0x3000) + b"\xfc" + opcode)
            self.attempt(c.poweroff(), (0, 1))

    def test_giving_away_the_console_ring_harms_nobody_else(self):
        c = Code()
        c.hypercall(MEMORY_OP, 1, c.put(c.put(0xFEFFF), 1, 0, 0, 0x7FF0))
        # Take the frame again as something else, and ask the console daemon to look at the ring.
        c.hypercall(MEMORY_OP, 6, c.put(c.put(0x8000), 1, 0, 0, 0x7FF0))
        c.store(0x8000C08, 0x1234).store(0x8000C0C, 0x1250)
        for port in range(1, 8):
            c.hypercall(EVTCHN_OP, 4, c.put(port))
        # The ring's consumer index must be what the guest wrote, not what the daemon did.
        c.raw(b"\x31\xc0\xb9\x00\x00\x10\x00\xe2\xfe")
        c.raw(b"\x81\x3d" + u32(0x8000C08) + u32(0x1234) + b"\x74\x02\x0f\x0b")  # je +2; ud2
        self.assert_powered_off(self.attempt(c.poweroff()))

    def test_a_vcpu_with_a_senseless_state_ends_its_domain_only(self):
        c = Code()
        # struct vcpu_hvm_context: 64-bit mode with a non-canonical RIP.
        context = [1, 0] + [0] * 16 + [0, 0x12345678, 2, 0] + [0x80000011, 0, 0x1000, 0, 0x20, 0, 0x500, 0] + [0] * 40
        c.hypercall(VCPU_OP, 0, 1, c.put(*context)).hypercall(VCPU_OP, 1, 1, 0)
        c.raw(b"\xb9\x00\x00\x10\x00\xe2\xfe")
        self.attempt(c.poweroff(), (0, 1))

    def test_every_frame_of_the_address_space_may_not_take_xens_memory(self):
        c = Code()
        # for (edi = 0; edi < 0x200000; ++edi): XENMEM_add_to_physmap(gmfn, 0x200 + edi, 0x100000 + 0x200 * edi)
        arguments = c.put(0x7FF0, 2, 0x200, 0x100000)
        loop = len(c.code)
        c.hypercall(MEMORY_OP, 7, arguments)
        c.raw(b"\xff\x05" + u32(arguments + 8) + b"\x81\x05" + u32(arguments + 12) + u32(0x200))
        c.raw(b"\x81\x3d" + u32(arguments + 8) + u32(0x1000) + b"\x0f\x85")
        c.raw(struct.pack("<i", loop - len(c.code) - 4))
        self.attempt(c.poweroff(), (0, 1))

    def test_all_event_channels_at_once_are_an_error_code(self):
        c = Code()
        structure = c.put(0x7FF00000 | 0x7FF0, 0)
        loop = len(c.code)
        c.hypercall(EVTCHN_OP, 6, structure)
        c.raw(b"\x85\xc0\x0f\x84" + struct.pack("<i", loop - len(c.code) - 8))
        c.raw(b"\x83\xf8\xe4\x74\x02\x0f\x0b")  # -ENOSPC, or ud2
        c.hypercall(EVTCHN_OP, 10, c.put(0x7FF0))
        self.assert_powered_off(self.attempt(c.poweroff()))

    def test_a_poll_of_many_ports_is_refused(self):
        c = Code()
        c.hypercall(SCHED_OP, 3, c.put(DATA, 0xFFFFFFFF, 0, 0))
        self.assert_powered_off(self.attempt(c.poweroff()))

    def test_a_hypercall_structure_at_the_end_of_memory_gives_a_fault_code(self):
        c = Code()
        for address in (0xFFFFFFFC, 16 << 20, (16 << 20) - 2, APIC, 0xFEFF7FFC):
            for number, command in ((MEMORY_OP, 6), (MEMORY_OP, 7), (VCPU_OP, 4), (EVTCHN_OP, 6), (HVM_OP, 0), (SCHED_OP, 3)):
                c.hypercall(number, command, address, address)
        self.assert_powered_off(self.attempt(c.poweroff()))


if __name__ == "__main__":
    unittest.main()
