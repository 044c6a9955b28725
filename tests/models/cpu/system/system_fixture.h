// The ISA tests' core with what privilege changes need: user segments and a 64-bit TSS.
#pragma once

#include "tests/models/cpu/isa/core_fixture.h"

namespace xensim::cpu::test {

inline constexpr std::uint16_t kUserCode = 0x1b, kUserData = 0x23, kTssSelector = 0x28, kGateSelector = 0x38;
inline constexpr std::uint64_t kTss = 0xa000, kRsp0 = 0x70000, kIst1 = 0x60008;

struct SystemCore : TestCore {
  SystemCore() {
    put<std::uint64_t>(kGdt + 0x18, 0x00affb000000ffff);                    // user 64-bit code
    put<std::uint64_t>(kGdt + 0x20, 0x00cff3000000ffff);                    // user data
    put<std::uint64_t>(kGdt + 0x28, 0x0000890000000067ull | (kTss << 16));  // available TSS
    put<std::uint64_t>(kGdt + 0x30, 0);
    st().gdtr.limit = 0x4f;
    put<std::uint64_t>(kTss + 4, kRsp0);
    put<std::uint64_t>(kTss + 0x24, kIst1);
    put<std::uint16_t>(kTss + 102, 104);  // I/O bitmap past the limit
    st().tr = {.base = kTss, .limit = 0x67, .attr = 0x8b, .selector = kTssSelector};
  }

  void user() {
    st().seg[kCs] = {.base = 0, .limit = ~0u, .attr = 0xa0fb, .selector = kUserCode};
    st().seg[kSs] = {.base = 0, .limit = ~0u, .attr = 0xc0f3, .selector = kUserData};
    core.update_mode();
    core.mmu.update_view();
  }
  // Changes bits of a gate of the 64-bit IDT.
  void gate(unsigned vector, std::uint64_t set, std::uint64_t clear = 0) {
    const std::uint64_t at = kIdt + vector * 16;
    put<std::uint64_t>(at, (get<std::uint64_t>(at) & ~clear) | set);
  }
  static constexpr std::uint64_t kGateDpl3 = 3ull << 45, kGatePresent = 1ull << 47, kGateIst1 = 1ull << 32,
                                 kGateTrap = 1ull << 40;
  std::uint64_t frame(unsigned i) { return get<std::uint64_t>(reg(kRsp) + i * 8); }
  std::uint64_t error_code() { return frame(0); }
};

}  // namespace xensim::cpu::test
