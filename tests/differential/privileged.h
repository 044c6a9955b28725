// Whole-processor comparisons: an instruction at privilege level 0 in real mode, in 32-bit protected mode or in
// 64-bit mode, executed by a simulated core and by the Unicorn library (QEMU's translator) from the same state of
// system registers, descriptor tables and memory.
//
// Memory is small and the same on both sides: a GDT at kGdt (selectors below), an LDT and a TSS that it describes,
// code at kSmallSlot, data at kSmallData. Real mode has CS 1000 and 2000 in the other segments. In 64-bit mode the
// core pages one to one; Unicorn does without paging, so CR0.PG is not compared. Ports read port_value(); what is
// written to them is logged.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/differential/harness.h"

namespace xensim::differential {

inline constexpr std::uint64_t kGdt = 0x5000, kLdt = 0x6000, kTss = 0x7000, kSmallMemory = 0x200000;
inline constexpr std::uint64_t kTablesSize = 0x1000;  // of the GDT's page, which is compared
// The GDT, in this order, selector by selector. In 64-bit mode CS is 08, and TSS and LDT take two entries each.
enum Selector : std::uint16_t {
  kSelNull = 0,
  kSelCode = 0x08,
  kSelData = 0x10,
  kSelUserCode = 0x18,
  kSelUserData = 0x20,
  kSelTss = 0x28,
  kSelLdt = 0x38,
  kSelCode16 = 0x48,
  kSelReadOnly = 0x50,
  kSelConforming = 0x58,
  kSelAbsent = 0x60,
  kSelExecuteOnly = 0x68,
  kSelLimited = 0x70,    // data of 0x1000 bytes, byte-granular
  kSelSmallCode = 0x78,  // 16-bit code
  kSelEnd = 0x80
};

struct PrivilegedState {
  std::array<std::uint64_t, 16> gpr{};
  std::uint64_t rip = 0, rflags = 2;
  std::array<std::uint16_t, 6> selector{};  // ES, CS, SS, DS, FS, GS
  std::uint16_t ldtr = 0, tr = 0, gdt_limit = 0xfff, idt_limit = 0xfff;
  std::uint64_t gdt_base = kGdt, idt_base = 0;
  std::uint64_t cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0;
  std::array<std::uint64_t, 8> dr{};
  std::uint64_t fs_base = 0, gs_base = 0;
  std::array<std::uint64_t, 9> msr{};  // kMsrs
  cpu::X87 x87;                        // without opcode and pointers
};
inline constexpr std::array<std::uint32_t, 9> kMsrs = {0x174,      0x175,      0x176,      0xc0000081, 0xc0000082,
                                                       0xc0000083, 0xc0000084, 0xc0000102, 0xc0000103};

struct PortWrite {
  std::uint16_t port;
  std::uint8_t size;
  std::uint32_t value;
  bool operator==(const PortWrite&) const = default;
};
constexpr std::uint32_t port_value(std::uint16_t port) { return port * 0x01010101u ^ 0x5a17c3e9u; }

struct PrivilegedInstance {
  unsigned mode = 64;
  std::vector<std::uint8_t> code;
  PrivilegedState state;
  std::vector<std::uint8_t> data;  // kDataSize bytes at kSmallData
};

struct PrivilegedResult {
  enum class End : std::uint8_t { kDone, kException, kHalted, kOther };
  End end = End::kDone;
  std::uint8_t vector = 0;
  PrivilegedState state;
  std::vector<std::uint8_t> data, tables;
  std::vector<PortWrite> ports;
};

// What a processor begins with in a mode, registers at zero.
PrivilegedState initial_state(unsigned mode);
std::vector<std::uint8_t> descriptor_tables(unsigned mode);  // the page at kGdt

PrivilegedResult run_privileged_simulated(const PrivilegedInstance& i);
PrivilegedResult run_privileged_on_unicorn(const PrivilegedInstance& i);

}  // namespace xensim::differential
