// What arithmetic must not do when an access or a division fails.
#include <catch2/catch.hpp>

#include "core_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

TEST_CASE("an addition to a read-only page changes neither memory nor flags") {
  TestCore t;
  t.put<std::uint64_t>(TestCore::entry_of(kData), kData | 5);
  t.put<std::uint32_t>(kData, 0xffffffff);
  t.program({0x83, 0x03, 0x01});  // add dword [rbx], 1
  t.reg(kRbx) = kData;
  t.core.set_rflags(2 | kSf | kZf);
  t.run();
  CHECK(t.exception() == kPfVec);
  CHECK((t.pushed_rflags(true) & kStatusFlags) == (kSf | kZf));
  CHECK(t.get<std::uint32_t>(kData) == 0xffffffff);
}

TEST_CASE("an addition that crosses into an unmapped page writes no byte of the first") {
  TestCore t;
  const std::uint64_t at = kData + kPageSize - 2;
  t.unmap(kData + kPageSize);
  t.put<std::uint16_t>(at, 0x1234);
  t.program({0x83, 0x03, 0x01});
  t.reg(kRbx) = at;
  t.run();
  CHECK(t.exception() == kPfVec);
  CHECK(t.st().cr2 == kData + kPageSize);
  CHECK(t.get<std::uint16_t>(at) == 0x1234);
}

TEST_CASE("an addition across two mapped pages changes both") {
  TestCore t;
  const std::uint64_t at = kData + kPageSize - 2;
  t.put<std::uint16_t>(at, 0xffff);
  t.program({0x83, 0x03, 0x01});
  t.reg(kRbx) = at;
  CHECK(t.completed());
  CHECK(t.get<std::uint16_t>(at) == 0);
  CHECK(t.get<std::uint16_t>(kData + kPageSize) == 1);
}

TEST_CASE("the most negative number divided by minus one is a divide error, not a crash") {
  TestCore t;
  t.program({0x48, 0xf7, 0xfb});  // idiv rbx
  t.reg(kRbx) = ~std::uint64_t{0};
  t.reg(kRdx) = std::uint64_t{1} << 63;
  t.run();
  CHECK(t.exception() == kDe);
  CHECK(t.reg(kRdx) == std::uint64_t{1} << 63);
}

TEST_CASE("the most negative quotient that fits is no error") {
  TestCore t;
  t.program({0x48, 0xf7, 0xfb});
  t.reg(kRbx) = 1;
  t.reg(kRax) = std::uint64_t{1} << 63;
  t.reg(kRdx) = ~std::uint64_t{0};
  CHECK(t.completed());
  CHECK(t.reg(kRax) == std::uint64_t{1} << 63);
  CHECK(t.reg(kRdx) == 0);
}
