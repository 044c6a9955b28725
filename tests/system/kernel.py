"""Makes small PVH kernels: ELF images with a PHYS32_ENTRY note and hand-written machine code.

The entry state is PVH's (32-bit protected mode, flat segments, paging off), so a few bytes of code do. Every field that a
bad-input test wants wrong is a parameter.
"""
import struct

LOAD_ADDRESS = 0x100000


class Segment:
    def __init__(self, address, content, memory_size=None, file_size=None):
        self.address = address
        self.content = content
        self.memory_size = len(content) if memory_size is None else memory_size
        self.file_size = len(content) if file_size is None else file_size


def note(entry):
    """The Xen note that makes an ELF file a PVH kernel (type 18)."""
    return struct.pack("<III4sI", 4, 4, 18, b"Xen\0", entry)


def elf(segments, entry=LOAD_ADDRESS, with_note=True, machine=62):
    """A 64-bit ELF executable with these loadable segments."""
    notes = note(entry) if with_note else b""
    count = len(segments) + (1 if with_note else 0)
    offset = 64 + 56 * count
    headers, body = b"", notes
    if with_note:
        headers += struct.pack("<IIQQQQQQ", 4, 4, offset, 0, 0, len(notes), len(notes), 4)
    for s in segments:
        headers += struct.pack("<IIQQQQQQ", 1, 7, offset + len(body), s.address, s.address, s.file_size, s.memory_size, 1)
        body += s.content
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, entry, 64, 0, 0, 64, 56, count, 64, 0, 0)
    return header + headers + body


def program(code, memory_size=None):
    """A kernel of one segment that starts with this code."""
    return elf([Segment(LOAD_ADDRESS, code, memory_size)])


def shutdown(reason, before=b""):
    """Code: what is to run before, then SCHEDOP_shutdown with the given reason (0 poweroff, 1 reboot, 3 crash)."""
    # push reason; mov ecx, esp would want a stack, so the reason lies behind the code.
    code = before + b"\xb8" + struct.pack("<I", 29)  # mov eax, __HYPERVISOR_sched_op
    code += b"\xbb" + struct.pack("<I", 2)  # mov ebx, SCHEDOP_shutdown
    code += b"\xb9" + struct.pack("<I", LOAD_ADDRESS + 0x100)  # mov ecx, &reason
    code += b"\x0f\x01\xc1\xeb\xfe"  # vmcall; jmp .
    return code.ljust(0x100, b"\x90") + struct.pack("<I", reason)


SPIN = b"\xeb\xfe"  # jmp .
HALT_FOR_EVER = b"\xfb\xf4\xeb\xfd"  # sti; hlt; jmp back
TRIPLE_FAULT = b"\x0f\x0b"  # ud2 with no IDT
