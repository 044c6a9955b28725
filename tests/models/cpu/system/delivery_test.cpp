// Event delivery in IA-32e mode, IRET, double and triple faults.
#include <catch2/catch.hpp>

#include "tests/models/cpu/system/system_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

TEST_CASE("an interrupt from user mode takes RSP0 and pushes the user's stack") {
  SystemCore c;
  c.gate(0x30, SystemCore::kGateDpl3);
  c.program({0xcd, 0x30});
  c.user();
  c.core.set_rflags(2 | kIf | kCf);
  CHECK(c.run() == StopReason::kHalted);
  CHECK(c.reg(kRsp) == kRsp0 - 40);
  CHECK(c.frame(0) == kCode + 2);
  CHECK(c.frame(1) == kUserCode);
  CHECK(c.frame(2) == (2 | kIf | kCf));
  CHECK(c.frame(3) == kStackTop);
  CHECK(c.frame(4) == kUserData);
  CHECK(c.st().cpl() == 0);
  CHECK(c.st().seg[kSs].unusable());
  CHECK_FALSE(c.st().rflags & kIf);
}

TEST_CASE("a trap gate leaves IF alone") {
  SystemCore c;
  c.gate(0x30, SystemCore::kGateTrap);
  c.program({0xcd, 0x30});
  c.core.set_rflags(2 | kIf);
  c.run();
  CHECK(c.st().rflags & kIf);
}

TEST_CASE("an IST gate switches stacks without a change of level, and aligns it to 16 bytes") {
  SystemCore c;
  c.gate(0x30, SystemCore::kGateIst1);
  c.program({0xcd, 0x30});
  c.run();
  CHECK(c.reg(kRsp) == (kIst1 & ~15ull) - 40);
  CHECK(c.st().seg[kSs].selector == 0x10);
}

TEST_CASE("INT n through a gate of a higher privilege is #GP with the vector") {
  SystemCore c;
  c.program({0xcd, 0x30});
  c.user();
  c.run();
  CHECK(c.exception() == kGp);
  CHECK(c.error_code() == 0x30 * 8 + 2);
  CHECK(c.faulting_rip(true) == kCode);
}

TEST_CASE("a gate that is not present is #NP, with EXT for an external interrupt") {
  SystemCore c;
  c.gate(0x40, 0, SystemCore::kGatePresent);
  SECTION("software") {
    c.program({0xcd, 0x40});
    c.run();
    CHECK(c.exception() == kNp);
    CHECK(c.error_code() == 0x40 * 8 + 2);
  }
  SECTION("external") {
    c.program({0x90});
    c.core.set_rflags(2 | kIf);
    c.environment.interrupt = std::uint8_t{0x40};
    c.run();
    CHECK(c.exception() == kNp);
    CHECK(c.error_code() == 0x40 * 8 + 3);
  }
}

TEST_CASE("a page fault loads CR2 and pushes RF and its error code") {
  SystemCore c;
  c.program({0x48, 0x89, 0x03});  // mov %rax, (%rbx)
  c.reg(kRbx) = kData + 8;
  c.unmap(kData);
  c.core.mmu.context_changed();
  c.run();
  CHECK(c.exception() == kPfVec);
  CHECK(c.st().cr2 == kData + 8);
  CHECK(c.error_code() == 2);
  CHECK(c.pushed_rflags(true) & kRf);
}

TEST_CASE("a contributory fault while a page fault is delivered is a double fault") {
  SystemCore c;
  c.gate(14, 0, SystemCore::kGatePresent);
  c.program({0x48, 0x89, 0x03});
  c.reg(kRbx) = kData;
  c.unmap(kData);
  c.run();
  CHECK(c.exception() == kDfVec);
  CHECK(c.error_code() == 0);
  CHECK(c.st().cr2 == kData);
}

TEST_CASE("a fault while a double fault is delivered shuts the processor down") {
  SystemCore c;
  c.st().idtr.limit = 0;
  c.program({0x0f, 0x0b});
  CHECK(c.run() == StopReason::kShutdown);
}

TEST_CASE("a benign fault and a contributory one are handled one after the other") {
  SystemCore c;
  c.gate(6, 0, SystemCore::kGatePresent);
  c.program({0x0f, 0x0b});  // #UD, then #NP
  c.run();
  CHECK(c.exception() == kNp);
  CHECK(c.error_code() == 6 * 8 + 3);
}

TEST_CASE("IRETQ returns to user mode, drops inner data segments and unblocks NMIs") {
  SystemCore c;
  c.gate(0x30, SystemCore::kGateDpl3);
  c.program({0x48, 0xcf});
  c.put(kCode + 0x100, {0xcd, 0x30});
  const std::uint64_t frame[] = {kCode + 0x100, kUserCode, 2 | kIf, kStackTop - 0x100, kUserData};
  for (unsigned i = 0; i < 5; ++i) c.put<std::uint64_t>(kStackTop - 40 + i * 8, frame[i]);
  c.reg(kRsp) = kStackTop - 40;
  c.st().nmi_blocked = true;
  CHECK(c.run() == StopReason::kHalted);
  CHECK_FALSE(c.st().nmi_blocked);
  CHECK(c.frame(0) == kCode + 0x102);
  CHECK(c.frame(1) == kUserCode);
  CHECK(c.frame(3) == kStackTop - 0x100);
  CHECK(c.st().seg[kDs].unusable());
}

TEST_CASE("IRETQ to a non-canonical RIP faults at the IRET with the stack unchanged") {
  SystemCore c;
  c.program({0x48, 0xcf});
  const std::uint64_t frame[] = {0x0000900000000000, 0x08, 2, kStackTop, 0x10};
  for (unsigned i = 0; i < 5; ++i) c.put<std::uint64_t>(kStackTop - 40 + i * 8, frame[i]);
  c.reg(kRsp) = kStackTop - 40;
  c.run();
  CHECK(c.exception() == kGp);
  CHECK(c.faulting_rip(true) == kCode);
}

TEST_CASE("an NMI blocks further NMIs until IRET") {
  SystemCore c;
  c.program({0x90});
  Event e;
  e.vector = kNmi;
  e.type = EventType::kNmi;
  CHECK(c.core.deliver(e) == Outcome::kEndBlock);
  CHECK(c.st().nmi_blocked);
}

TEST_CASE("a failed delivery keeps the event and changes no register") {
  SystemCore c;
  c.program({0x90});
  c.gate(0x40, 0, SystemCore::kGatePresent);
  Event e;
  e.vector = 0x40;
  e.type = EventType::kExternalInterrupt;
  const ArchState before = c.st();
  CHECK(c.core.deliver(e) == Outcome::kFault);
  CHECK(c.core.delivering.has_value());
  CHECK(c.st().rip == before.rip);
  CHECK(c.st().gpr == before.gpr);
}
