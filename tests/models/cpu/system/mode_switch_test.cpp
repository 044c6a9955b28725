// The road from real mode to 64-bit mode, interrupts in real, protected and virtual-8086 mode, and task switches.
#include <catch2/catch.hpp>

#include "tests/models/cpu/system/system_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

TEST_CASE("software goes from real mode through protected mode to 64-bit mode") {
  SystemCore c;
  c.put<std::uint64_t>(kGdt + 0x18, 0x00cf9a000000ffff);  // 32-bit code, not accessed yet
  c.real_mode();
  c.put<std::uint16_t>(0x4f00, 0x4f);
  c.put<std::uint32_t>(0x4f02, kGdt);
  c.put(kRealCode, {0xfa, 0x66, 0x0f, 0x01, 0x16, 0x00, 0x4f, 0x0f, 0x20, 0xc0, 0x66, 0x83, 0xc8, 0x01, 0x0f, 0x22,
                    0xc0, 0x66, 0xea, 0x19, 0x40, 0x00, 0x00, 0x18, 0x00, 0x66, 0xb8, 0x10, 0x00, 0x8e, 0xd8, 0x8e,
                    0xd0, 0xb8, 0x20, 0x00, 0x00, 0x00, 0x0f, 0x22, 0xe0, 0xb8, 0x00, 0x10, 0x00, 0x00, 0x0f, 0x22,
                    0xd8, 0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x0d, 0x00, 0x01, 0x00, 0x00, 0x0f, 0x30, 0x0f,
                    0x20, 0xc0, 0x0d, 0x00, 0x00, 0x00, 0x80, 0x0f, 0x22, 0xc0, 0xea, 0x51, 0x40, 0x00, 0x00, 0x08,
                    0x00, 0x48, 0xb8, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xf4});
  c.st().rip = kRealCode;
  CHECK(c.run() == StopReason::kHalted);
  CHECK(c.reg(kRax) == 0x1122334455667788);
  CHECK(c.st().code64());
  CHECK(c.st().efer == (kEferLme | kEferLma));
  CHECK(c.core.mode == (kMode64 | kModeCodeFlat));
  CHECK(c.get<std::uint64_t>(kGdt + 0x18) == 0x00cf9b000000ffff);
}

TEST_CASE("real mode delivers through the vector table with three words on the stack") {
  SystemCore c;
  c.real_mode();
  c.put(kRealCode, {0xcd, 0x05});
  c.st().rip = kRealCode;
  c.core.set_rflags(2 | kIf);
  CHECK(c.run() == StopReason::kHalted);
  CHECK(c.exception() == kBr);
  CHECK(c.reg(kRsp) == 0x7000 - 6);
  CHECK(c.get<std::uint16_t>(0x7000 - 6) == kRealCode + 2);
  CHECK(c.get<std::uint16_t>(0x7000 - 2) == (2 | kIf));
  CHECK_FALSE(c.st().rflags & kIf);
}

namespace {
// A 32-bit machine with user segments at 0x20 and 0x28, a TSS at 0x30 and a second one at 0x38.
struct LegacyCore : TestCore {
  static constexpr std::uint64_t kOldTss = 0xa000, kNewTss = 0xb000;
  LegacyCore() {
    protected_mode();
    put<std::uint64_t>(kGdt + 0x20, 0x00cffb000000ffff);
    put<std::uint64_t>(kGdt + 0x28, 0x00cff3000000ffff);
    put<std::uint64_t>(kGdt + 0x30, 0x00008b0000000067ull | (kOldTss << 16));
    put<std::uint64_t>(kGdt + 0x38, 0x0000890000000067ull | (kNewTss << 16));
    st().gdtr.limit = 0x3f;
    st().tr = {.base = kOldTss, .limit = 0x67, .attr = 0x8b, .selector = 0x30};
    st().ldtr = {.base = 0, .limit = 0, .attr = 1u << 16, .selector = 0};
    put<std::uint32_t>(kOldTss + 4, static_cast<std::uint32_t>(kRsp0));
    put<std::uint32_t>(kOldTss + 8, 0x10);
  }
  std::uint32_t word(unsigned i) { return get<std::uint32_t>(reg(kRsp) + i * 4); }
};
}  // namespace

TEST_CASE("a 32-bit gate from user mode takes SS0:ESP0 and pushes five words") {
  LegacyCore c;
  c.put<std::uint64_t>(kIdt + 0x1000 + 0x30 * 8, (kHandlers + 512) | (0x18ull << 16) | (0xeeull << 40));
  c.program({0xcd, 0x30});
  c.st().seg[kCs] = {.base = 0, .limit = ~0u, .attr = 0xc0fb, .selector = 0x23};
  c.st().seg[kSs] = {.base = 0, .limit = ~0u, .attr = 0xc0f3, .selector = 0x2b};
  c.core.update_mode();
  c.core.mmu.update_view();
  CHECK(c.run() == StopReason::kHalted);
  CHECK(c.reg(kRsp) == kRsp0 - 20);
  CHECK(c.word(0) == kCode + 2);
  CHECK(c.word(1) == 0x23);
  CHECK(c.word(3) == kStackTop);
  CHECK(c.word(4) == 0x2b);
  CHECK(c.st().seg[kSs].selector == 0x10);
}

TEST_CASE("an interrupt of virtual-8086 mode pushes the data segments, and IRETD goes back") {
  LegacyCore c;
  // Handler 0x30 returns; INT3's halts.
  c.put<std::uint64_t>(kIdt + 0x1000 + 0x30 * 8, (kCode + 0x200) | (0x18ull << 16) | (0xeeull << 40));
  c.put<std::uint64_t>(kIdt + 0x1000 + 0x30 * 8 + 4,
                       static_cast<std::uint32_t>(((kCode + 0x200) & 0xffff0000) | 0xee00));
  c.put<std::uint16_t>(kIdt + 0x1000 + 3 * 8 + 4, std::uint16_t{0xee00});
  c.put(kCode + 0x200, {0xcf});
  c.put(0x5000 - 0x1000, {0xcd, 0x30, 0xcc});
  c.core.set_rflags(2 | kVm | kIopl);
  const std::uint16_t selectors[6] = {0x111, 0x400, 0x500, 0x222, 0x333, 0x444};
  for (unsigned r = 0; r < 6; ++r)
    c.st().seg[r] = {.base = selectors[r] * 16u, .limit = 0xffff, .attr = 0xf3, .selector = selectors[r]};
  c.reg(kRsp) = 0x100;
  c.st().rip = 0;
  c.core.update_mode();
  c.core.mmu.update_view();
  CHECK(c.run() == StopReason::kHalted);
  CHECK(c.exception() == kBp);
  CHECK(c.word(0) == 3);
  CHECK(c.word(1) == 0x400);
  CHECK((c.word(2) & kVm) != 0);
  CHECK(c.word(3) == 0x100);
  CHECK(c.word(5) == 0x111);
  CHECK(c.word(8) == 0x444);
  CHECK(c.st().seg[kDs].unusable());
  CHECK_FALSE(c.st().v8086());
}

TEST_CASE("a far CALL to a TSS switches tasks, and IRET switches back") {
  LegacyCore c;
  const auto put32 = [&](unsigned at, std::uint32_t v) { c.put<std::uint32_t>(LegacyCore::kNewTss + at, v); };
  put32(0x20, static_cast<std::uint32_t>(kCode) + 0x300);
  put32(0x24, 2);
  put32(0x38, 0x50000);
  put32(0x28, 0x1234);
  for (unsigned i = 0; i < 6; ++i) put32(0x48 + i * 4, i == 1 ? 0x18 : 0x10);
  c.put(kCode + 0x300, {0x40, 0xcf});  // inc %eax; iret
  c.program({0x9a, 0, 0, 0, 0, 0x38, 0});
  c.reg(kRbx) = 77;
  CHECK(c.completed());
  CHECK(c.reg(kRbx) == 77);
  CHECK(c.st().tr.selector == 0x30);
  CHECK(c.get<std::uint32_t>(LegacyCore::kNewTss + 0x28) == 0x1235);
  CHECK(c.get<std::uint16_t>(LegacyCore::kNewTss) == 0x30);
  CHECK((c.get<std::uint8_t>(kGdt + 0x38 + 5) & 2) == 0);
  CHECK((c.get<std::uint8_t>(kGdt + 0x30 + 5) & 2) != 0);
  CHECK((c.st().cr0 & kCr0Ts) != 0);
}

TEST_CASE("a write below an expand-down segment's limit faults, one above does not") {
  LegacyCore c;
  c.put<std::uint64_t>(kGdt + 0x20, 0x00c0960000000001ull);  // expand-down, limit 0x1fff
  c.program({0x8e, 0xd8, 0x88, 0x0b});                       // mov %ax, %ds; mov %cl, (%ebx)
  c.reg(kRax) = 0x20;
  SECTION("above") {
    c.reg(kRbx) = kData;
    CHECK(c.completed());
  }
  SECTION("at the limit") {
    c.reg(kRbx) = 0x1fff;
    c.run();
    CHECK(c.exception() == kGp);
  }
}
