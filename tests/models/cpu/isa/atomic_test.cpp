// Compare-and-exchange where it may fail.
#include <catch2/catch.hpp>

#include "core_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

TEST_CASE("CMPXCHG16B of a misaligned operand is #GP") {
  TestCore t;
  t.program({0x48, 0x0f, 0xc7, 0x0b});  // cmpxchg16b [rbx]
  t.reg(kRbx) = kData + 8;
  t.run();
  CHECK(t.exception() == kGp);
}

TEST_CASE("CMPXCHG16B exchanges both halves or loads both") {
  TestCore t;
  t.put<std::uint64_t>(kData, 1);
  t.put<std::uint64_t>(kData + 8, 2);
  t.program({0x48, 0x0f, 0xc7, 0x09, 0x48, 0x0f, 0xc7, 0x09});  // cmpxchg16b [rcx], twice
  t.reg(kRax) = 1;
  t.reg(kRdx) = 2;
  t.reg(kRbx) = 3;
  t.reg(kRcx) = kData;
  CHECK(t.completed());
  CHECK(t.get<std::uint64_t>(kData) == 3);
  CHECK(t.get<std::uint64_t>(kData + 8) == kData);
  CHECK(t.reg(kRax) == 3);
  CHECK(t.reg(kRdx) == kData);
  CHECK(!t.core.flags.zf());
}

TEST_CASE("a comparison that fails needs write permission all the same") {
  TestCore t;
  t.put<std::uint64_t>(TestCore::entry_of(kData), kData | 5);
  t.put<std::uint32_t>(kData, 7);
  t.program({0xf0, 0x0f, 0xb1, 0x0b});  // lock cmpxchg [rbx], ecx
  t.reg(kRbx) = kData;
  t.reg(kRax) = 9;
  t.run();
  CHECK(t.exception() == kPfVec);
  CHECK(t.reg(kRax) == 9);
}

TEST_CASE("XADD of a faulting operand keeps its register") {
  TestCore t;
  t.unmap(kData);
  t.program({0xf0, 0x48, 0x0f, 0xc1, 0x03});  // lock xadd [rbx], rax
  t.reg(kRbx) = kData;
  t.reg(kRax) = 5;
  t.run();
  CHECK(t.exception() == kPfVec);
  CHECK(t.reg(kRax) == 5);
}
