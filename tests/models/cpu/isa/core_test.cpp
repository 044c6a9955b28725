// The run loop and the block cache: budgets, limits, links, code that changes, shadows, traps.
#include <catch2/catch.hpp>

#include "core_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

// mov ecx, 1000; l: dec ecx; jnz l
constexpr std::initializer_list<std::uint8_t> kLoop = {0xb9, 0xe8, 3, 0, 0, 0xff, 0xc9, 0x75, 0xfc};

TEST_CASE("a loop runs to its end, one cycle for each instruction") {
  TestCore t;
  t.program(kLoop);
  REQUIRE(t.completed());
  CHECK(t.core.instructions == 1 + 2000 + 1);
  CHECK(t.core.now == t.core.instructions);
  CHECK(t.core.cpi.total() == t.core.now);
}

TEST_CASE("a budget ends at its cycle, inside a block too") {
  for (Cycles budget : {1u, 2u, 3u, 4u, 5u, 6u, 17u, 1000u}) {
    TestCore t;
    t.program(kLoop);
    CHECK(t.core.run(budget) == StopReason::kBudget);
    CHECK(t.core.now == budget);
    CHECK(t.core.instructions == budget);
  }
}

TEST_CASE("single-cycle budgets give the result of one long run") {
  TestCore a, b;
  a.program(kLoop);
  b.program(kLoop);
  a.run();
  while (b.core.run(b.core.now + 1) == StopReason::kBudget) {
  }
  CHECK(a.core.now == b.core.now);
  CHECK(a.core.instructions == b.core.instructions);
  CHECK(a.st().rip == b.st().rip);
  CHECK(a.st().gpr == b.st().gpr);
}

TEST_CASE("the instruction limit is exact") {
  for (std::uint64_t limit : {1u, 2u, 3u, 8u, 999u}) {
    TestCore t;
    t.program(kLoop);
    t.core.instruction_limit = limit;
    CHECK(t.run() == StopReason::kBudget);
    CHECK(t.core.instructions == limit);
  }
}

TEST_CASE("a run with no budget does nothing") {
  TestCore t;
  t.program(kLoop);
  CHECK(t.core.run(0) == StopReason::kBudget);
  CHECK(t.st().rip == kCode);
  CHECK(t.core.instructions == 0);
}

TEST_CASE("linked blocks are decoded once") {
  TestCore t;
  t.program(kLoop);
  t.run();
  CHECK(t.core.blocks.decoded() <= 3);
}

TEST_CASE("a store into the running block takes effect at the next instruction") {
  TestCore t;
  // mov byte [rip+1], 5: the immediate of the MOV EAX behind it; mov eax, 1
  t.program({0xc6, 0x05, 0x01, 0, 0, 0, 5, 0xb8, 1, 0, 0, 0});
  REQUIRE(t.completed());
  CHECK(t.reg(kRax) == 5);
  CHECK(t.core.instructions == 3);
}

TEST_CASE("a store into another block drops that block and its links") {
  TestCore t;
  // mov ecx, 2
  // l: call f; mov byte [f+1], 9; dec ecx; jnz l; hlt
  t.program({0xb9, 2,    0,    0, 0, 0xe8, 0x1b, 0, 0, 0,  // call kCode+0x25
             0xc6, 0x05, 0x15, 0, 0, 0,    9,              // mov byte [kCode+0x26], 9
             0x01, 0xc3,                                   // add ebx, eax
             0xff, 0xc9,                                   // dec ecx
             0x75, 0xee});                                 // jnz l
  t.put(kCode + 0x25, {0xb8, 1, 0, 0, 0, 0xc3});           // f: mov eax, 1; ret
  REQUIRE(t.completed());
  CHECK(t.reg(kRbx) == 1 + 9);
}

TEST_CASE("a write by a device drops the blocks of its lines") {
  TestCore t;
  t.program({0xb8, 1, 0, 0, 0});
  REQUIRE(t.completed());
  t.put(kCode + 1, {7});
  t.st().activity = Activity::kActive;
  t.st().rip = kCode;
  t.run();
  CHECK(t.reg(kRax) == 7);
}

TEST_CASE("a store by another core drops the blocks of its lines") {
  TestCore t;
  QuietEnvironment environment;
  Core other(1, CoreConfig{}, t.memory, t.caches, environment, CpuidPolicy::default_policy(2'400'000'000, 46));
  t.program({0xb8, 1, 0, 0, 0});  // mov eax, 1
  REQUIRE(t.completed());
  constexpr std::uint64_t kPatch = kCode + 0x1000;
  t.put(kPatch, {0xc6, 0x04, 0x25, 0x01, 0, 0x10, 0, 7, 0xf4});  // mov byte [kCode+1], 7; hlt
  other.st = t.st();
  other.st.activity = Activity::kActive;
  other.st.rip = kPatch;
  other.update_mode();
  other.mmu.context_changed();
  other.mmu.update_view();
  REQUIRE(other.run(1'000'000) == StopReason::kHalted);
  t.st().activity = Activity::kActive;
  t.st().rip = kCode;
  t.run();
  CHECK(t.reg(kRax) == 7);
}

TEST_CASE("a write to the second page of an instruction that crosses drops it") {
  TestCore t;
  const std::uint64_t at = kCode + 0x1000 - 2;
  t.put(at, {0xb8, 1, 0, 0, 0, 0xf4});
  t.st().rip = at;
  t.run();
  CHECK(t.reg(kRax) == 1);
  t.put<std::uint8_t>(kCode + 0x1000, 2);  // second immediate byte
  t.st().activity = Activity::kActive;
  t.st().rip = at;
  t.run();
  CHECK(t.reg(kRax) == 0x201);
}

TEST_CASE("an instruction that crosses a page faults on the second page only when it is reached") {
  TestCore t;
  const std::uint64_t at = kCode + 0x1000 - 4;
  t.put(at, {0xff, 0xc3, 0xb8, 1, 0, 0, 0, 0xf4});  // inc ebx; mov eax, 1
  t.unmap(kCode + 0x1000);
  t.st().rip = at;
  CHECK(t.run() == StopReason::kHalted);
  CHECK(t.exception() == kPfVec);
  CHECK(t.reg(kRbx) == 1);
  CHECK(t.faulting_rip(true) == kCode + 0x1000 - 2);
  CHECK(t.st().cr2 == kCode + 0x1000);
}

TEST_CASE("a crossing instruction follows a changed mapping of its second page") {
  TestCore t;
  const std::uint64_t at = kCode + 0x1000 - 2;
  t.put(at, {0xb8, 1, 0, 0, 0, 0xf4});
  t.put(kData, {2, 0, 0, 0xf4});
  t.st().rip = at;
  t.run();
  CHECK(t.reg(kRax) == 1);
  t.map(kCode + 0x1000, kData);
  t.core.mmu.invlpg(LinearAddr(kCode + 0x1000));
  t.st().activity = Activity::kActive;
  t.st().rip = at;
  t.run();
  CHECK(t.reg(kRax) == 0x201);
}

TEST_CASE("a link into another page is not followed when the mapping has changed") {
  TestCore t;
  t.put(kCode, {0xe9, 0xfb, 0x0f, 0, 0});           // jmp kCode+0x1000
  t.put(kCode + 0x1000, {0xb8, 1, 0, 0, 0, 0xf4});  // mov eax, 1; hlt
  t.put(kData, {0xb8, 2, 0, 0, 0, 0xf4});
  for (std::uint64_t expected : {1, 1, 2}) {
    if (expected == 2) {
      t.map(kCode + 0x1000, kData);
      t.core.mmu.invlpg(LinearAddr(kCode + 0x1000));
    }
    t.st().activity = Activity::kActive;
    t.st().rip = kCode;
    t.run();
    CHECK(t.reg(kRax) == expected);
  }
}

TEST_CASE("both halves of an instruction may lie in one frame") {
  TestCore t;
  // Linear kCode and kCode + 0x1000 are the same frame: b8 01 at its end, 02 00 00 f4 at its beginning.
  t.map(kCode + 0x1000, kCode);
  t.put(kCode + 0xffe, {0xb8, 1});
  t.put(kCode, {2, 0, 0, 0xf4});
  for (const std::uint8_t second : {std::uint8_t{2}, std::uint8_t{3}}) {
    t.put<std::uint8_t>(kCode, second);
    t.st().activity = Activity::kActive;
    t.st().rip = kCode + 0xffe;
    t.run();
    CHECK(t.reg(kRax) == 1u + 256u * second);
  }
}

TEST_CASE("a fault counts no instruction, and takes time") {
  TestCore t;
  t.program({0x0f, 0x0b});  // ud2
  CHECK(t.run() == StopReason::kHalted);
  CHECK(t.exception() == kUd);
  CHECK(t.core.instructions == 1);  // the handler's HLT
  CHECK(t.core.now == 2);
  CHECK(t.core.cpi.total() == 2);
}

TEST_CASE("a guest that does nothing but fault gets to the end of its budget") {
  TestCore t;
  t.program({0x0f, 0x0b});
  t.put(kHandlers + kUd * 16, {0x0f, 0x0b});
  t.put(kHandlers + kSsVec * 16, {0x0f, 0x0b});
  t.put(kHandlers + kPfVec * 16, {0x0f, 0x0b});
  CHECK(t.core.run(100) == StopReason::kBudget);
  CHECK(t.core.now >= 100);
}

TEST_CASE("STI holds interrupts back for one instruction") {
  TestCore t;
  t.program({0xfb, 0xff, 0xc0, 0xff, 0xc0});  // sti; inc eax; inc eax
  t.environment.interrupt = 0x40;
  CHECK(t.run() == StopReason::kHalted);
  CHECK(t.st().rip == kHandlers + 32 * 16 + 1);
  CHECK(t.reg(kRax) == 1);
  CHECK(t.faulting_rip(false) == kCode + 3);
}

TEST_CASE("STI with interrupts enabled casts no shadow") {
  TestCore t;
  t.program({0xfb, 0xff, 0xc0});
  t.core.set_rflags(2 | kIf);
  t.environment.interrupt = 0x40;
  t.run();
  CHECK(t.reg(kRax) == 0);
}

TEST_CASE("STI and HLT wait with interrupts open") {
  TestCore t;
  t.program({0xfb, 0xf4, 0xff, 0xc0});
  CHECK(t.run() == StopReason::kHalted);
  CHECK(t.st().activity == Activity::kHalted);
  CHECK(t.st().rip == kCode + 2);
  CHECK(t.run() == StopReason::kHalted);
  t.environment.interrupt = 0x40;
  CHECK(t.run() == StopReason::kHalted);
  CHECK(t.st().rip == kHandlers + 32 * 16 + 1);
  CHECK(t.faulting_rip(false) == kCode + 2);
}

TEST_CASE("TF traps after each instruction, with BS in DR6") {
  TestCore t;
  t.program({0xff, 0xc0, 0xff, 0xc0});
  t.core.set_rflags(2 | kTf);
  CHECK(t.run() == StopReason::kHalted);
  CHECK(t.exception() == kDb);
  CHECK(t.reg(kRax) == 1);
  CHECK(t.faulting_rip(false) == kCode + 2);
  CHECK((t.st().dr[6] & 0x4000) != 0);
  CHECK((t.pushed_rflags(false) & kTf) != 0);
}

TEST_CASE("POPF that sets TF traps after the instruction behind it") {
  TestCore t;
  t.program({0x68, 0x02, 0x01, 0, 0, 0x9d, 0xff, 0xc0, 0xff, 0xc0});  // push 0x102; popf; inc eax; inc eax
  t.run();
  CHECK(t.exception() == kDb);
  CHECK(t.reg(kRax) == 1);
  CHECK(t.faulting_rip(false) == kCode + 8);
}

TEST_CASE("RF lasts for one instruction") {
  TestCore t;
  t.program({0x90, 0x9c, 0x58});  // nop; pushf; pop rax
  t.core.set_rflags(2 | kRf);
  REQUIRE(t.completed());
  CHECK((t.core.rflags() & kRf) == 0);
}

TEST_CASE("a non-canonical RIP is #GP") {
  TestCore t;
  t.program({0x90});
  t.st().rip = 0x0000800000000000;
  t.run();
  CHECK(t.exception() == kGp);
  CHECK(t.faulting_rip(true) == 0x0000800000000000);
}

TEST_CASE("a code segment limit is an end of the code") {
  TestCore t;
  t.real_mode();
  t.put(kRealCode, {0x40, 0x40, 0x40, 0xf4});  // inc ax × 3; hlt
  t.st().seg[kCs].limit = kRealCode + 1;
  t.core.update_mode();
  t.st().rip = kRealCode;
  t.core.run(2);
  CHECK(t.reg(kRax) == 2);
  t.st().seg[kCs].limit = 0xffff;  // for the handler
  t.core.run(3);
  CHECK(t.reg(kRax) == 3);
}

TEST_CASE("an instruction beyond the code segment limit is #GP") {
  TestCore t;
  t.real_mode();
  t.put(kRealCode, {0x40, 0xb8, 1, 0, 0xf4});
  t.st().rip = kRealCode;
  t.run();
  CHECK(t.reg(kRax) == 1);
  // The same bytes under a limit that cuts the MOV: a block decoded under the larger one must not run.
  t.st().activity = Activity::kActive;
  t.reg(kRax) = 0;
  t.st().rip = kRealCode;
  t.st().seg[kCs].limit = kRealCode + 2;
  CHECK(t.core.run(t.core.now + 1) == StopReason::kBudget);
  CHECK(t.reg(kRax) == 1);
  CHECK(t.st().rip == kRealCode + 1);
  Outcome o;
  CHECK(t.core.blocks.find(o) == nullptr);
  CHECK(o == Outcome::kFault);
  CHECK(t.core.fault.vector == kGp);
}

TEST_CASE("many blocks are dropped at once and decoded again") {
  TestCore t;
  // 70,000 two-instruction blocks: inc eax; jmp +0
  const std::uint64_t n = 70'000;
  for (std::uint64_t i = 0; i < n; ++i) t.put(kCode + i * 4, {0xff, 0xc0, 0xeb, 0x00});
  t.put(kCode + n * 4, {0xf4});
  t.st().rip = kCode;
  t.run();
  CHECK(t.reg(kRax) == n);
  t.st().activity = Activity::kActive;
  t.st().rip = kCode;
  t.run();
  CHECK(t.reg(kRax) == 2 * n);
}

TEST_CASE("the in-order model executes the same instructions") {
  TestCore a, b;
  a.program(kLoop);
  b.program(kLoop);
  b.core.set_timing(TimingKind::kInorder);
  a.run();
  b.run();
  CHECK(a.core.instructions == b.core.instructions);
  CHECK(a.st().gpr == b.st().gpr);
  CHECK(b.core.cpi.total() == b.core.now);
}

TEST_CASE("a core changes its timing model between runs") {
  TestCore t;
  t.program(kLoop);
  t.core.run(100);
  t.core.set_timing(TimingKind::kInorder);
  t.core.run(500);
  t.core.set_timing(TimingKind::kFunctional);
  REQUIRE(t.completed());
  CHECK(t.core.instructions == 2002);
  CHECK(t.core.cpi.total() == t.core.now);
}

TEST_CASE("time that passes outside is charged to its cause") {
  TestCore t;
  t.program(kLoop);
  t.core.run(100);
  t.core.advance(50, CpiCategory::kHypervisor);
  t.core.run(200);
  CHECK(t.core.now == 200);
  CHECK(t.core.instructions == 150);
  CHECK(t.core.cpi.cycles[static_cast<unsigned>(CpiCategory::kHypervisor)] == 50);
  CHECK(t.core.cpi.total() == 200);
}
