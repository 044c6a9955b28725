// Bit strings in memory.
#include <catch2/catch.hpp>

#include "core_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

TEST_CASE("a bit number beyond the operand selects a word behind it") {
  TestCore t;
  t.program({0x0f, 0xab, 0x03});  // bts [rbx], eax
  t.reg(kRbx) = kData;
  t.reg(kRax) = 8 * 4096 + 33;
  CHECK(t.completed());
  CHECK(t.get<std::uint32_t>(kData + 4096 + 4) == 2);
  CHECK(!t.core.flags.cf());
}

TEST_CASE("a negative bit number selects a word before the operand") {
  TestCore t;
  t.put<std::uint64_t>(kData, std::uint64_t{1} << 63);
  t.program({0x48, 0x0f, 0xb3, 0x43, 0x08});  // btr [rbx+8], rax
  t.reg(kRbx) = kData;
  t.reg(kRax) = ~std::uint64_t{0};
  CHECK(t.completed());
  CHECK(t.get<std::uint64_t>(kData) == 0);
  CHECK(t.core.flags.cf());
}

TEST_CASE("an immediate bit number stays inside the operand") {
  TestCore t;
  t.program({0x0f, 0xba, 0x3b, 33});  // btc dword [rbx], 33
  t.reg(kRbx) = kData;
  CHECK(t.completed());
  CHECK(t.get<std::uint64_t>(kData) == 2);
}
