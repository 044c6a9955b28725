// x87 control state, deferred exceptions and the environment's layouts.
#include <catch2/catch.hpp>

#include "core_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

TEST_CASE("FNINIT gives the documented state") {
  TestCore t;
  t.st().x87.status = 0x3fff;
  t.st().x87.tag_valid = 0xff;
  t.program({0xdb, 0xe3});
  REQUIRE(t.completed());
  CHECK(t.st().x87.control == 0x037f);
  CHECK(t.st().x87.status == 0);
  CHECK(t.st().x87.tag_valid == 0);
}

TEST_CASE("loads push, FADDP adds and pops, FSTP stores") {
  TestCore t;
  t.reg(kRsi) = kData;
  t.put<std::uint64_t>(kData, 0x3ff8000000000000);  // 1.5
  t.put<std::uint32_t>(kData + 8, 0x40200000);      // 2.5
  t.program({0xdb, 0xe3, 0xdd, 0x06, 0xd9, 0x46, 0x08, 0xde, 0xc1, 0xdd, 0x5e, 0x10});
  REQUIRE(t.completed());
  CHECK(t.get<std::uint64_t>(kData + 16) == 0x4010000000000000);
  CHECK(t.st().x87.tag_valid == 0);
  CHECK((t.st().x87.status & 0x3800) == 0);
}

TEST_CASE("precision control narrows a quotient") {
  TestCore t;
  t.reg(kRsi) = kData;
  t.put<std::uint16_t>(kData, 0x007f);  // single precision
  // fninit; fldcw [rsi]; fld1; fld1; fadd st0,st0; fld1; faddp; fdivp; fstp m80
  t.program({0xdb, 0xe3, 0xd9, 0x2e, 0xd9, 0xe8, 0xd9, 0xe8, 0xd8, 0xc0, 0xd9, 0xe8, 0xde, 0xc1, 0xde, 0xf9, 0xdb,
             0x7e, 0x10});
  REQUIRE(t.completed());
  CHECK(t.get<std::uint64_t>(kData + 16) == 0xaaaaab0000000000);
  CHECK(t.get<std::uint16_t>(kData + 24) == 0x3ffd);
}

TEST_CASE("a stack underflow that is masked gives the indefinite value, IE, SF and a clear C1") {
  TestCore t;
  t.program({0xdb, 0xe3, 0xd9, 0xfa});  // fninit; fsqrt
  REQUIRE(t.completed());
  CHECK((t.st().x87.status & 0x241) == 0x41);
  CHECK(t.st().x87.r[0].significand == 0xc000000000000000);
  CHECK(t.st().x87.r[0].sign_exponent == 0xffff);
}

TEST_CASE("an unmasked exception waits for the next waiting instruction, and the FN instructions pass it") {
  TestCore t;
  t.reg(kRsi) = kData;
  t.put<std::uint16_t>(kData, 0x037b);  // zero divide unmasked
  // fninit; fldcw [rsi]; fld1; fldz; fdivp; fnstsw ax; fwait
  t.program({0xdb, 0xe3, 0xd9, 0x2e, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0xdf, 0xe0, 0x9b});
  t.run();
  CHECK(t.exception() == kMf);
  CHECK(t.faulting_rip(false) == kCode + 12);
  CHECK((t.reg(kRax) & 0x80ff) == 0x8084);
  CHECK(t.st().x87.tag_valid == 0xc0);  // nothing popped
  CHECK(t.st().x87.instruction_pointer == kCode + 8);
  CHECK(t.st().x87.opcode == 0x6f9);
}

TEST_CASE("FLDCW that unmasks a flag makes it pending, FNCLEX clears it") {
  TestCore t;
  t.reg(kRsi) = kData;
  t.st().x87.control = 0x37f;
  t.st().x87.status = 0x0001;
  t.put<std::uint16_t>(kData, 0x037e);
  t.program({0xd9, 0x2e, 0xdf, 0xe0, 0xdb, 0xe2, 0x9b});  // fldcw; fnstsw ax; fnclex; fwait
  REQUIRE(t.completed());
  CHECK(t.reg(kRax) == 0x8081);
  CHECK(t.st().x87.status == 0);
}

TEST_CASE("x87 raises #NM with CR0.TS or CR0.EM, FWAIT with CR0.TS only if CR0.MP is set") {
  for (std::uint64_t bits : {kCr0Ts, kCr0Em}) {
    TestCore t;
    t.st().cr0 |= bits;
    t.program({0xd9, 0xe8});
    t.run();
    CHECK(t.exception() == kNm);
  }
  TestCore without, with;
  without.st().cr0 = (without.st().cr0 | kCr0Ts) & ~kCr0Mp;
  without.program({0x9b});
  CHECK(without.completed());
  with.st().cr0 |= kCr0Ts | kCr0Mp;
  with.program({0x9b});
  with.run();
  CHECK(with.exception() == kNm);
}

TEST_CASE("a store that faults leaves the register stack alone") {
  TestCore t;
  t.unmap(kData);
  t.reg(kRsi) = kData;
  t.program({0xdb, 0xe3, 0xd9, 0xe8, 0xdd, 0x1e});  // fninit; fld1; fstp m64
  t.run();
  CHECK(t.exception() == kPfVec);
  CHECK(t.st().x87.tag_valid == 0x80);
}

TEST_CASE("FCOMI answers in the flags, FCMOV asks them") {
  TestCore t;
  // fninit; fld1; fldz; fcomi st0,st1 (0 < 1: CF); fcmovb st0,st1
  t.program({0xdb, 0xe3, 0xd9, 0xe8, 0xd9, 0xee, 0xdb, 0xf1, 0xda, 0xc1});
  REQUIRE(t.completed());
  CHECK((t.core.rflags() & kStatusFlags) == kCf);
  CHECK(t.st().x87.r[6].significand == 0x8000000000000000);
  CHECK(t.st().x87.r[6].sign_exponent == 0x3fff);
}

TEST_CASE("FNSTENV masks all exceptions after it stored the masks") {
  TestCore t;
  t.reg(kRsi) = kData;
  t.st().x87.control = 0x340;
  t.program({0xd9, 0x36});
  REQUIRE(t.completed());
  CHECK(t.get<std::uint32_t>(kData) == 0xffff0340);
  CHECK(t.get<std::uint32_t>(kData + 8) == 0xffffffff);
  CHECK(t.st().x87.control == 0x37f);
}

TEST_CASE("real mode stores the environment in fourteen bytes with linear pointers") {
  TestCore t;
  t.real_mode();
  t.put(kRealCode, {0xdb, 0xe3, 0xd9, 0xe8, 0xd9, 0x36, 0x00, 0x30, 0xf4});
  t.st().rip = kRealCode;
  CHECK(t.run() == StopReason::kHalted);
  CHECK(t.get<std::uint16_t>(0x3000) == 0x037f);
  CHECK(t.get<std::uint16_t>(0x3002) == 0x3800);
  CHECK(t.get<std::uint16_t>(0x3004) == 0x3fff);
  CHECK(t.get<std::uint16_t>(0x3006) == kRealCode + 2);
  CHECK(t.get<std::uint16_t>(0x3008) == 0x01e8);
}
