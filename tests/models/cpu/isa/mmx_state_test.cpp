// MMX and the x87 state it lives in.
#include <catch2/catch.hpp>

#include "core_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

TEST_CASE("an MMX write makes TOP 0, every register valid, and its own exponent ones") {
  TestCore t;
  t.st().x87.status = 0x2800;
  t.reg(kRax) = 0x1122334455667788;
  t.program({0x48, 0x0f, 0x6e, 0xd8});  // movq mm3, rax
  REQUIRE(t.completed());
  CHECK(t.st().x87.status == 0);
  CHECK(t.st().x87.tag_valid == 0xff);
  CHECK(t.st().x87.r[3].significand == 0x1122334455667788);
  CHECK(t.st().x87.r[3].sign_exponent == 0xffff);
}

TEST_CASE("EMMS empties every register and keeps their values") {
  TestCore t;
  t.reg(kRax) = 7;
  t.program({0x48, 0x0f, 0x6e, 0xd8, 0x0f, 0x77});
  REQUIRE(t.completed());
  CHECK(t.st().x87.tag_valid == 0);
  CHECK(t.st().x87.r[3].significand == 7);
}

TEST_CASE("PACKSSWB joins both MMX operands") {
  TestCore t;
  t.st().x87.r[0].significand = 0x0001ff80007f0100;
  t.st().x87.r[1].significand = 0x8000000200030004;
  t.program({0x0f, 0x63, 0xc1});
  REQUIRE(t.completed());
  CHECK(t.st().x87.r[0].significand == 0x8002030401807f7f);
}

TEST_CASE("MMX raises #UD with CR0.EM, #NM with CR0.TS, #MF with an x87 exception pending") {
  const std::initializer_list<std::uint8_t> paddb = {0x0f, 0xfc, 0xc1};
  TestCore em, ts, mf;
  em.st().cr0 |= kCr0Em;
  em.program(paddb);
  em.run();
  CHECK(em.exception() == kUd);
  ts.st().cr0 |= kCr0Ts;
  ts.program(paddb);
  ts.run();
  CHECK(ts.exception() == kNm);
  mf.st().x87.control = 0x37e;
  mf.st().x87.status = 0x8081;
  mf.program(paddb);
  mf.run();
  CHECK(mf.exception() == kMf);
}
