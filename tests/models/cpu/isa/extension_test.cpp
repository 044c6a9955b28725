// Extensions as CPUID announces them, random numbers, MONITOR and MWAIT.
#include <catch2/catch.hpp>
#include <tuple>

#include "core_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

TEST_CASE("what CPUID does not announce raises #UD") {
  struct Case {
    std::uint32_t leaf;
    std::uint32_t CpuidRegisters::*reg;
    unsigned bit;
    std::vector<std::uint8_t> code;
  };
  const Case cases[] = {
      {1, &CpuidRegisters::ecx, 25, {0x66, 0x0f, 0x38, 0xdc, 0xc1}},        // aesenc
      {1, &CpuidRegisters::ecx, 1, {0x66, 0x0f, 0x3a, 0x44, 0xc1, 0x00}},   // pclmulqdq
      {1, &CpuidRegisters::ecx, 20, {0x66, 0x0f, 0x3a, 0x63, 0xc1, 0x00}},  // pcmpistri
      {1, &CpuidRegisters::ecx, 30, {0x48, 0x0f, 0xc7, 0xf0}},              // rdrand
      {1, &CpuidRegisters::ecx, 3, {0x0f, 0x01, 0xc8}},                     // monitor
      {7, &CpuidRegisters::ebx, 29, {0x0f, 0x38, 0xc8, 0xc1}},              // sha1nexte
      {7, &CpuidRegisters::ebx, 19, {0x66, 0x0f, 0x38, 0xf6, 0xc1}},        // adcx
      {7, &CpuidRegisters::ebx, 18, {0x48, 0x0f, 0xc7, 0xf8}},              // rdseed
      {7, &CpuidRegisters::ebx, 20, {0x0f, 0x01, 0xcb}},                    // stac
      {7, &CpuidRegisters::ebx, 23, {0x66, 0x0f, 0xae, 0x3e}},              // clflushopt [rsi]
      {7, &CpuidRegisters::ebx, 24, {0x66, 0x0f, 0xae, 0x36}},              // clwb [rsi]
      {7, &CpuidRegisters::ecx, 22, {0xf3, 0x0f, 0xc7, 0xf8}},              // rdpid rax
  };
  for (const Case& k : cases)
    for (const bool announced : {true, false}) {
      INFO("leaf " << k.leaf << " bit " << k.bit << (announced ? " announced" : " hidden"));
      TestCore t;
      CpuidRegisters r = t.core.cpuid.query(k.leaf, 0);
      REQUIRE((r.*k.reg >> k.bit & 1) != 0);
      if (!announced) r.*k.reg &= ~(1u << k.bit);
      t.core.cpuid.set(k.leaf, 0, r);
      for (std::size_t n = 0; n < k.code.size(); ++n) t.put<std::uint8_t>(kCode + n, k.code[n]);
      t.put(kCode + k.code.size(), {0xf4});
      t.st().rip = kCode;
      t.reg(kRsi) = kData;
      t.run();
      CHECK(t.exception() == (announced ? -1 : kUd));
    }
}

TEST_CASE("RDRAND draws from the core's own stream and sets CF alone") {
  const auto draw = [](std::uint64_t seed) {
    TestCore t;
    t.core.random = Rng(seed, "test");
    t.program({0x48, 0x0f, 0xc7, 0xf0, 0x48, 0x0f, 0xc7, 0xfb});  // rdrand rax; rdseed rbx
    t.core.set_rflags(2 | kStatusFlags);
    REQUIRE(t.completed());
    CHECK((t.core.rflags() & kStatusFlags) == kCf);
    return std::pair(t.reg(kRax), t.reg(kRbx));
  };
  const auto first = draw(1);
  CHECK(first == draw(1));
  CHECK(first != draw(2));
  CHECK(first.first != first.second);
}

TEST_CASE("MONITOR and MWAIT are of the kernel, and know no extensions but one") {
  for (const auto& [ecx, code, vector] : std::initializer_list<std::tuple<std::uint64_t, std::uint8_t, int>>{
           {0, 0xc8, -1}, {1, 0xc8, kGp}, {0, 0xc9, -1}, {1, 0xc9, -1}, {2, 0xc9, kGp}}) {
    TestCore t;
    t.program({0x0f, 0x01, code});
    t.reg(kRcx) = ecx;
    t.run();
    CHECK(t.exception() == vector);
  }
}
