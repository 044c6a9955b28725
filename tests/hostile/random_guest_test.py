"""Guests that execute random bytes: whatever they do, the simulator goes on, ends, and says 0 or 1.

XENSIM_HOSTILE_SEEDS says how many seeds to try (default 10), XENSIM_HOSTILE_FIRST the first of them. A failing seed is run
again by giving it as the first, with one seed.

Each seed has a start mode: the 32-bit entry as it is; 16-bit real mode; 64-bit mode over an identity map; 32-bit mode.
In the last two, with an interrupt table, half or all of the seeds execute hypercalls, device accesses and system
instructions with random operands between the random bytes, which gets further than noise does.
"""
import os
import random
import struct
import unittest

from kernel import LOAD_ADDRESS, Segment, elf
from runner import XensimTest

SEEDS = int(os.environ.get("XENSIM_HOSTILE_SEEDS", "10"))
FIRST = int(os.environ.get("XENSIM_HOSTILE_FIRST", "1"))
INSTRUCTIONS = 1000000
CODE = 0x200000
SIZE = 0x10000


def real_mode():
    """Code: an interrupt vector table at 0, out of protected mode, and on at 0x2000:0 (linear 0x20000)."""
    code = b"\x0f\x01\x15" + struct.pack("<I", LOAD_ADDRESS + 0x80)  # lgdt
    code += b"\x0f\x01\x1d" + struct.pack("<I", LOAD_ADDRESS + 0x86)  # lidt: 0x3ff, 0
    code += b"\xea" + struct.pack("<IH", 0x20, 8)  # jmp far to 16-bit code
    code = code.ljust(0x20, b"\x90")
    code += b"\x0f\x20\xc0\x24\xfe\x0f\x22\xc0"  # mov eax, cr0; and al, ~1; mov cr0, eax
    code += b"\xea" + struct.pack("<HH", 0, 0x2000)  # jmp 0x2000:0
    code = code.ljust(0x80, b"\x90")
    code += struct.pack("<HI", 15, LOAD_ADDRESS + 0x90)
    code += struct.pack("<HI", 0x3FF, 0)
    code = code.ljust(0x90, b"\0")
    return code + struct.pack("<QQ", 0, 0x000F9A100000FFFF)  # base 0x100000, 1 MiB, 16-bit code


def real_mode_vectors(r):
    return b"".join(struct.pack("<HH", r.getrandbits(16), 0x2000) for _ in range(256))


def long_mode(r):
    """Code: page tables that map 4 GiB as it is, long mode, an interrupt table, the random bytes."""
    tables = 0x180000
    code = b""
    code += b"\xc7\x05" + struct.pack("<II", tables, (tables + 0x1000) | 7)  # PML4[0]
    for i in range(4):
        code += b"\xc7\x05" + struct.pack("<II", tables + 0x1000 + 8 * i, (i << 30) | 0x87)  # 1 GiB pages
    code += b"\xb8" + struct.pack("<I", tables) + b"\x0f\x22\xd8"  # cr3
    code += b"\x0f\x20\xe0\x0d\x20\x06\x00\x00\x0f\x22\xe0"  # cr4: PAE, OSFXSR, OSXMMEXCPT
    code += b"\xb9\x80\x00\x00\xc0\x0f\x32\x0d\x01\x09\x00\x00\x0f\x30"  # EFER: LME, NXE, SCE
    code += b"\xbc" + struct.pack("<I", 0x300000)  # esp
    code += b"\x0f\x20\xc0\x0d\x00\x00\x01\x80\x0f\x22\xc0"  # cr0: PG, WP
    code += b"\x0f\x01\x15" + struct.pack("<I", LOAD_ADDRESS + 0x180)
    code += b"\x0f\x01\x1d" + struct.pack("<I", LOAD_ADDRESS + 0x188)
    code += b"\xea" + struct.pack("<IH", CODE, 8)
    code = code.ljust(0x180, b"\x90")
    code += struct.pack("<HI", 23, LOAD_ADDRESS + 0x190) + b"\0\0"
    code += struct.pack("<HI", 4095, LOAD_ADDRESS + 0x200) + b"\0\0"
    code += struct.pack("<QQQ", 0, 0x00AF9A000000FFFF, 0x00CF92000000FFFF)
    gates = b""
    for _ in range(256):
        target = CODE + r.randrange(SIZE)
        gates += struct.pack("<HHBBHII", target & 0xFFFF, 8, 0, 0x8E, target >> 16, 0, 0)
    return code.ljust(0x200, b"\0") + gates


def protected_mode(r):
    """Code: an interrupt table whose gates lead into the random bytes, a stack, then the bytes."""
    gates = b""
    for _ in range(256):
        target = CODE + r.randrange(SIZE)
        gates += struct.pack("<HHBBH", target & 0xFFFF, 8, 0, 0x8E, target >> 16)
    code = b"\x0f\x01\x15" + struct.pack("<I", LOAD_ADDRESS + 0x80)  # lgdt
    code += b"\x0f\x01\x1d" + struct.pack("<I", LOAD_ADDRESS + 0x88)  # lidt
    code += b"\xbc" + struct.pack("<I", 0x300000)  # mov esp
    code += b"\xea" + struct.pack("<IH", CODE, 8)
    code = code.ljust(0x80, b"\x90")
    code += struct.pack("<HI", 23, LOAD_ADDRESS + 0x90) + b"\0\0"
    code += struct.pack("<HI", 2047, LOAD_ADDRESS + 0x100) + b"\0\0"
    code += struct.pack("<QQQ", 0, 0x00CF9A000000FFFF, 0x00CF92000000FFFF)
    return code.ljust(0x100, b"\0") + gates


def interesting(r, wide):
    """An instruction that does something to the system, with random operands. wide: for 64-bit mode."""
    def number():
        return struct.pack("<I", r.choice([0, 1, 2, 3, 4, 7, 8, 0x10, 0xFF, 0xFFF, 0x1000, 0x200000, 0xFEE00000,
                                           0xFEE00300, 0xFEFF8000, 0xC0000080, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
                                           r.getrandbits(32)]))

    def place():
        return struct.pack("<I", CODE + r.randrange(SIZE))

    pick = r.randrange(16)
    if pick < 6:  # a hypercall with half-sensible arguments
        command, pointer, third = (b"\xbf", b"\xbe", b"\xba") if wide else (b"\xbb", b"\xb9", b"\xba")
        at = place() if r.randrange(4) else number()
        code = command + struct.pack("<I", r.choice([r.randrange(16), r.randrange(16), r.getrandbits(32)]))
        code += third + (place() if r.randrange(3) else number())
        if r.randrange(2):  # its structure: small numbers; all ones for a 64-bit word now and then
            code += b"\xb8" + at
            for offset in range(0, 24, 4):
                code += b"\xc7\x40" + bytes([offset]) + number()
            if wide and r.randrange(2):
                code += b"\x48\xc7\x40" + bytes([8 * r.randrange(3)]) + struct.pack("<i", r.choice([-1, -2, -512, -4096]))
        code += pointer + at
        op = r.choice([12, 12, 15, 17, 18, 21, 24, 29, 29, 32, 32, 33, 34, 35, 36, 37, r.getrandbits(6)])
        return code + b"\xb8" + struct.pack("<I", op) + b"\x0f\x01\xc1"
    if pick < 8:  # an MSR
        msr = r.choice([0x10, 0x1B, 0x3A, 0x3B, 0x174, 0x175, 0x176, 0x1A0, 0x1D9, 0x277, 0x2FF, 0x6E0, 0x40000000,
                        0xC0000080, 0xC0000081, 0xC0000082, 0xC0000100, 0xC0000101, 0x800 + r.randrange(64)])
        return (b"\xb9" + struct.pack("<I", msr) + b"\xb8" + number() + b"\xba" + r.choice([bytes(4), number()]) +
                b"\x0f" + r.choice([b"\x30", b"\x32"]))
    if pick < 10:  # a local APIC register
        return b"\xb8" + struct.pack("<I", 0xFEE00000 + 16 * r.randrange(64)) + b"\xc7\x00" + number()
    if pick < 11:  # a control or debug register
        return b"\xb8" + number() + b"\x0f" + r.choice([b"\x22", b"\x23", b"\x20", b"\x21"]) + bytes([0xC0 | r.randrange(64)])
    if pick < 12:  # CPUID, INVD, WBINVD, HLT, STI, port and string I/O, VMX, XSETBV, PAUSE
        return r.choice([b"\xb8" + number() + b"\x0f\xa2", b"\x0f\x08", b"\x0f\x09", b"\xfb", b"\xfb\xf4", b"\xe6\xe9",
                         b"\xe5\x10", b"\xf3\x6c", b"\xf3\x6e", b"\xef", b"\x0f\x01\xc0", b"\x0f\x01\xd1", b"\x0f\x0b",
                         b"\xf3\x90", b"\xfa\xf4"])
    if pick < 13:  # a string instruction over device memory
        return (b"\xbf" + number() + b"\xbe" + number() + b"\xb9" + number() +
                r.choice([b"\xf3\xa4", b"\xf3\xab", b"\xf3\x6d", b"\xf3\x6f", b"\xf3\xac"]))
    if pick < 14:
        return b"\x0f\x00" + bytes([r.getrandbits(8)]) + number()
    return bytes(r.getrandbits(8) for _ in range(r.randrange(1, 12)))


def mischief(r, wide):
    code = b""
    while len(code) < SIZE:
        code += interesting(r, wide)
    return code[:SIZE]


def kernel(seed):
    r = random.Random(seed)
    noise = bytes(r.getrandbits(8) for _ in range(SIZE))
    mode = seed % 4
    if mode == 0:
        return elf([Segment(CODE, noise)], entry=CODE)
    if mode == 1:
        return elf([Segment(0, real_mode_vectors(r)), Segment(0x20000, noise), Segment(LOAD_ADDRESS, real_mode())])
    if mode == 2:
        return elf([Segment(LOAD_ADDRESS, long_mode(r)), Segment(CODE, noise if seed % 8 == 2 else mischief(r, True))])
    return elf([Segment(LOAD_ADDRESS, protected_mode(r)), Segment(CODE, mischief(r, False))])


class RandomGuests(XensimTest):
    def test_random_guests_never_take_the_simulator_down(self):
        for seed in range(FIRST, FIRST + SEEDS):
            with self.subTest(seed=seed):
                config = self.domain("noise", kernel(seed), memory=16, maxvcpus=2, on_reboot="destroy",
                                     on_watchdog="destroy", on_soft_reset="destroy")
                result = self.run_scenario(config, "--instructions", str(INSTRUCTIONS), "--until", "50ms", "--timing",
                                           "inorder" if seed % 8 >= 6 else "functional", timeout=100, trace="none")
                self.assertIn(result.status, (0, 1), "seed %d: exit status %d\n%s\n%s" %
                              (seed, result.status, result.stdout[-2000:], result.stderr[-4000:]))


if __name__ == "__main__":
    unittest.main()
