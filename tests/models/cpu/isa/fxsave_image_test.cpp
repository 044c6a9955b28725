// FXSAVE and FXRSTOR.
#include <catch2/catch.hpp>

#include "core_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

namespace {

constexpr std::initializer_list<std::uint8_t> kFxsave = {0x0f, 0xae, 0x06}, kFxrstor = {0x0f, 0xae, 0x0e};

void fill(ArchState& st) {
  for (unsigned i = 0; i < 16; ++i) st.xmm[i].q = {0x1000 + i, 0x2000 + i, 0x3000 + i, 0x4000 + i};
  for (unsigned i = 0; i < 8; ++i) st.x87.r[i] = {0x8000000000000000 + i, static_cast<std::uint16_t>(0x3fff + i)};
  st.x87.control = 0x37f;
  st.x87.status = 0x1800;  // TOP 3
  st.x87.tag_valid = 0x81;
  st.x87.instruction_pointer = 0x123456789a;
  st.x87.opcode = 0x1e8;
  st.mxcsr = 0x1fa0;
}

}  // namespace

TEST_CASE("what FXSAVE64 stores, FXRSTOR64 loads") {
  TestCore t;
  fill(t.st());
  t.reg(kRsi) = kData;
  const ArchState before = t.st();
  t.program({0x48, 0x0f, 0xae, 0x06});
  REQUIRE(t.completed());
  CHECK(t.get<std::uint16_t>(kData) == 0x37f);
  CHECK(t.get<std::uint8_t>(kData + 4) == 0x81);
  CHECK(t.get<std::uint32_t>(kData + 28) == 0xffff);
  CHECK(t.get<std::uint64_t>(kData + 32) == 0x8000000000000003);  // ST(0) is R3
  CHECK(t.get<std::uint64_t>(kData + 160 + 15 * 16) == 0x100f);
  t.st().x87 = {};
  t.st().mxcsr = 0x1f80;
  for (auto& x : t.st().xmm) x.q[0] = x.q[1] = 0;
  t.st().activity = Activity::kActive;
  t.program({0x48, 0x0f, 0xae, 0x0e});
  REQUIRE(t.completed());
  for (unsigned i = 0; i < 16; ++i) CHECK(t.st().xmm[i].q == before.xmm[i].q);
  for (unsigned i = 0; i < 8; ++i) CHECK(t.st().x87.r[i].significand == before.x87.r[i].significand);
  CHECK(t.st().x87.status == before.x87.status);
  CHECK(t.st().x87.tag_valid == before.x87.tag_valid);
  CHECK(t.st().x87.instruction_pointer == before.x87.instruction_pointer);
  CHECK(t.st().mxcsr == before.mxcsr);
}

TEST_CASE("FXSAVE outside 64-bit mode leaves the places of XMM8 and up") {
  TestCore t;
  t.protected_mode();
  fill(t.st());
  t.reg(kRsi) = kData;
  t.put<std::uint64_t>(kData + 160 + 8 * 16, 0x5555);
  t.program(kFxsave);
  REQUIRE(t.completed());
  CHECK(t.get<std::uint64_t>(kData + 160 + 7 * 16) == 0x1007);
  CHECK(t.get<std::uint64_t>(kData + 160 + 8 * 16) == 0x5555);
}

TEST_CASE("FXSAVE leaves the bytes that software may use") {
  TestCore t;
  t.reg(kRsi) = kData;
  t.put<std::uint64_t>(kData + 464, 0x1234);
  t.program(kFxsave);
  REQUIRE(t.completed());
  CHECK(t.get<std::uint64_t>(kData + 464) == 0x1234);
}

TEST_CASE("FXSAVE and FXRSTOR want 16-byte alignment") {
  for (const auto& code : {kFxsave, kFxrstor}) {
    TestCore t;
    t.reg(kRsi) = kData + 8;
    t.program(code);
    t.run();
    CHECK(t.exception() == kGp);
  }
}

TEST_CASE("FXRSTOR with reserved MXCSR bits raises #GP and loads nothing") {
  TestCore t;
  t.reg(kRsi) = kData;
  t.st().x87.control = 0x37f;
  t.st().xmm[0].q[0] = 9;
  t.put<std::uint32_t>(kData + 24, 0x00010000);
  t.program(kFxrstor);
  t.run();
  CHECK(t.exception() == kGp);
  CHECK(t.st().x87.control == 0x37f);
  CHECK(t.st().xmm[0].q[0] == 9);
}

TEST_CASE("FXSAVE into a page that is not there writes nothing to the one that is") {
  TestCore t;
  t.unmap(kData + 0x1000);
  t.reg(kRsi) = kData + 0x1000 - 64;
  t.put<std::uint64_t>(kData + 0x1000 - 64, 0x7777);
  t.st().x87.control = 0x37f;
  t.program(kFxsave);
  t.run();
  CHECK(t.exception() == kPfVec);
  CHECK(t.get<std::uint64_t>(kData + 0x1000 - 64) == 0x7777);
}
