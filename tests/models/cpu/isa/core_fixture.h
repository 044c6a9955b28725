// A core with a little RAM in 64-bit mode: an identity mapping of the first 16 MiB in 4 KiB pages, an IDT whose
// handlers halt. Programs are hand-encoded bytes at kCode.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "models/cpu/core.h"
#include "models/memory/hierarchy.h"
#include "models/memory/physical_memory.h"
#include "tests/models/cpu/no_devices.h"

namespace xensim::cpu::test {

class FlatHierarchy final : public memory::Hierarchy {
 public:
  memory::AccessResult access(unsigned, PhysAddr, memory::AccessKind, Cycles) override {
    return {4, memory::Level::kL1};
  }
};

class QuietEnvironment final : public NoDevices {
 public:
  bool interrupt_pending() override { return interrupt.has_value(); }
  std::uint8_t interrupt_acknowledge() override {
    const std::uint8_t v = *interrupt;
    interrupt.reset();
    return v;
  }
  std::optional<std::uint8_t> interrupt;
};

inline constexpr std::uint64_t kPml4 = 0x1000, kPdpt = 0x2000, kPd = 0x3000, kPageTables = 0x10000, kGdt = 0x5000,
                               kIdt = 0x6000, kHandlers = 0x8000, kRealIdtHandlers = 0x9000, kStackTop = 0x80000,
                               kCode = 0x100000, kData = 0x200000, kRam = 16 << 20;

struct TestCore {
  memory::PhysicalMemory memory{kRam};
  FlatHierarchy caches;
  QuietEnvironment environment;
  Core core{0, CoreConfig{}, memory, caches, environment, CpuidPolicy::default_policy(2'400'000'000, 46)};

  TestCore() { long_mode(); }

  ArchState& st() { return core.st; }
  std::uint64_t& reg(unsigned r) { return core.st.gpr[r]; }

  void put(std::uint64_t at, std::initializer_list<std::uint8_t> bytes) {
    memory.write_bytes(PhysAddr(at), std::span(bytes.begin(), bytes.size()));
  }
  template <class T>
  void put(std::uint64_t at, T v) {
    memory.write(PhysAddr(at), v);
  }
  template <class T>
  T get(std::uint64_t at) const {
    return memory.read<T>(PhysAddr(at));
  }
  // Code at kCode, with a HLT behind it; RIP there.
  void program(std::initializer_list<std::uint8_t> bytes) {
    put(kCode, bytes);
    put(kCode + bytes.size(), {0xf4});
    end = kCode + bytes.size();
    st().rip = kCode;
  }
  // Runs to the HLT of the program or of a handler.
  StopReason run() { return core.run(core.now + 1'000'000); }
  // Ran to the end of the program, and not into a handler?
  bool completed() { return run() == StopReason::kHalted && st().rip == end + 1; }
  // The vector of the exception whose handler halted; −1 if none.
  int exception() {
    const std::uint64_t rip = st().rip - 1;
    return rip >= kHandlers && rip < kHandlers + 32 * 16 && rip % 16 == 0 ? static_cast<int>(rip - kHandlers) / 16
                                                                          : -1;
  }
  // RIP in the exception's frame.
  std::uint64_t faulting_rip(bool error_code) { return get<std::uint64_t>(reg(kRsp) + (error_code ? 8 : 0)); }
  std::uint64_t pushed_rflags(bool error_code) { return get<std::uint64_t>(reg(kRsp) + (error_code ? 24 : 16)); }

  void map(std::uint64_t linear, std::uint64_t physical) { put<std::uint64_t>(entry_of(linear), physical | 7); }
  void unmap(std::uint64_t linear) { put<std::uint64_t>(entry_of(linear), 0); }
  static std::uint64_t entry_of(std::uint64_t linear) { return kPageTables + (linear >> 12) * 8; }

  void long_mode() {
    put<std::uint64_t>(kPml4, kPdpt | 7);
    put<std::uint64_t>(kPdpt, kPd | 7);
    for (std::uint64_t i = 0; i < kRam >> 21; ++i) put<std::uint64_t>(kPd + i * 8, (kPageTables + i * 4096) | 7);
    for (std::uint64_t p = 0; p < kRam; p += kPageSize) map(p, p);
    put<std::uint64_t>(kGdt + 0x08, 0x00af9b000000ffff);  // 64-bit code
    put<std::uint64_t>(kGdt + 0x10, 0x00cf93000000ffff);  // data
    for (std::uint64_t v = 0; v < 256; ++v) {
      const std::uint64_t handler = kHandlers + (v < 32 ? v : 32) * 16;
      put<std::uint64_t>(kIdt + v * 16,
                         (handler & 0xffff) | (0x08ull << 16) | (0x8eull << 40) | (handler >> 16 << 48));
      put<std::uint64_t>(kIdt + v * 16 + 8, 0);
      if (v <= 32) put(handler, {0xf4});
    }
    ArchState& s = core.st;
    s.cr0 = kCr0Pe | kCr0Pg | kCr0Wp | kCr0Ne | kCr0Et;
    s.cr4 = kCr4Pae | kCr4Osfxsr | kCr4Osxmmexcpt;
    s.cr3 = kPml4;
    s.efer = kEferLme | kEferLma | kEferNxe | kEferSce;
    for (Segment& seg : s.seg) seg = {.base = 0, .limit = ~0u, .attr = 0xc093, .selector = 0x10};
    s.seg[kCs] = {.base = 0, .limit = ~0u, .attr = 0xa09b, .selector = 0x08};
    s.gdtr = {.base = kGdt, .limit = 0x17};
    s.idtr = {.base = kIdt, .limit = 0xfff};
    s.gpr.fill(0);
    s.gpr[kRsp] = kStackTop;
    core.set_rflags(2);
    core.update_mode();
    core.mmu.context_changed();
    core.mmu.update_view();
  }

  // 32-bit protected mode without paging, flat segments.
  void protected_mode() {
    ArchState& s = core.st;
    s.cr0 = kCr0Pe | kCr0Ne | kCr0Et;
    s.cr4 = 0;
    s.efer = 0;
    for (Segment& seg : s.seg) seg = {.base = 0, .limit = ~0u, .attr = 0xc093, .selector = 0x10};
    s.seg[kCs] = {.base = 0, .limit = ~0u, .attr = 0xc09b, .selector = 0x18};
    put<std::uint64_t>(kGdt + 0x18, 0x00cf9b000000ffff);  // 32-bit code
    s.gdtr = {.base = kGdt, .limit = 0x1f};
    s.idtr = {.base = kIdt + 0x1000, .limit = 0x7ff};
    for (std::uint64_t v = 0; v < 256; ++v) {
      const std::uint64_t handler = kHandlers + (v < 32 ? v : 32) * 16;
      put<std::uint64_t>(kIdt + 0x1000 + v * 8,
                         (handler & 0xffff) | (0x18ull << 16) | (0x8eull << 40) | (handler >> 16 << 48));
    }
    core.update_mode();
    core.mmu.context_changed();
    core.mmu.update_view();
  }

  // Real mode; code at kRealCode in segment 0.
  void real_mode() {
    ArchState& s = core.st;
    s.cr0 = kCr0Et;
    s.cr4 = 0;
    s.efer = 0;
    for (Segment& seg : s.seg) seg = {.base = 0, .limit = 0xffff, .attr = 0x93, .selector = 0};
    s.seg[kCs].attr = 0x9b;
    s.idtr = {.base = 0, .limit = 0x3ff};
    for (std::uint64_t v = 0; v < 256; ++v)
      put<std::uint32_t>(v * 4, static_cast<std::uint32_t>(kHandlers + (v < 32 ? v : 32) * 16));
    core.update_mode();
    core.mmu.context_changed();
    core.mmu.update_view();
    s.gpr[kRsp] = 0x7000;
  }

  std::uint64_t end = 0;
};

inline constexpr std::uint64_t kRealCode = 0x4000;

}  // namespace xensim::cpu::test
