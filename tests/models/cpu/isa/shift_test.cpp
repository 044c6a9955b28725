// Shift counts at their edges.
#include <catch2/catch.hpp>

#include "core_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

TEST_CASE("a count of 32 shifts a 32-bit register by nothing, and clears its upper half") {
  TestCore t;
  t.program({0xd3, 0xe3});  // shl ebx, cl
  t.reg(kRbx) = 0xffffffff80000001;
  t.reg(kRcx) = 32;
  t.core.set_rflags(2 | kStatusFlags);
  CHECK(t.completed());
  CHECK(t.reg(kRbx) == 0x80000001);
  CHECK((t.core.rflags() & kStatusFlags) == kStatusFlags);
}

TEST_CASE("a byte can be shifted out whole") {
  TestCore t;
  t.program({0xd2, 0xe3});  // shl bl, cl
  t.reg(kRbx) = 0x1ff;
  t.reg(kRcx) = 8;
  CHECK(t.completed());
  CHECK(t.reg(kRbx) == 0x100);
  CHECK(t.core.flags.cf());
  CHECK(t.core.flags.zf());
}

TEST_CASE("a rotate through carry by nine turns a byte and its carry once round") {
  TestCore t;
  t.program({0xc0, 0xd3, 9});  // rcl bl, 9
  t.reg(kRbx) = 0xa5;
  t.core.set_rflags(2 | kCf);
  CHECK(t.completed());
  CHECK(t.reg(kRbx) == 0xa5);
  CHECK(t.core.flags.cf());
}

TEST_CASE("a double shift by its width moves the other operand in") {
  TestCore t;
  t.program({0x66, 0x0f, 0xa4, 0xd3, 16});  // shld bx, dx, 16
  t.reg(kRbx) = 0x10001;
  t.reg(kRdx) = 0x1234;
  CHECK(t.completed());
  CHECK(t.reg(kRbx) == 0x11234);
  CHECK(t.core.flags.cf());
}
