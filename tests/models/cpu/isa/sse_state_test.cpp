// SSE as an operating system sees it: what makes it available, MXCSR, exceptions, alignment.
#include <catch2/catch.hpp>

#include "core_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

namespace {

constexpr std::initializer_list<std::uint8_t> kAddps = {0x0f, 0x58, 0xc1};        // addps xmm0, xmm1
constexpr std::initializer_list<std::uint8_t> kAddpsMemory = {0x0f, 0x58, 0x06};  // addps xmm0, [rsi]
constexpr std::initializer_list<std::uint8_t> kDivsd = {0xf2, 0x0f, 0x5e, 0xc1};  // divsd xmm0, xmm1
constexpr std::initializer_list<std::uint8_t> kMulss = {0xf3, 0x0f, 0x59, 0xc1};  // mulss xmm0, xmm1
constexpr std::uint64_t kOne = 0x3ff0000000000000, kThree = 0x4008000000000000;

struct SseCore : TestCore {
  Vector& xmm(unsigned i) { return st().xmm[i]; }
  // After a program that ended in its HLT.
  void next_program(std::initializer_list<std::uint8_t> code) {
    st().activity = Activity::kActive;
    program(code);
  }
  int vector_of(std::initializer_list<std::uint8_t> code) {
    program(code);
    run();
    return exception();
  }
};

}  // namespace

TEST_CASE("SSE raises #UD with CR0.EM set") {
  SseCore t;
  t.st().cr0 |= kCr0Em | kCr0Ts;
  CHECK(t.vector_of(kAddps) == kUd);
}

TEST_CASE("SSE raises #UD without CR4.OSFXSR") {
  SseCore t;
  t.st().cr4 &= ~kCr4Osfxsr;
  CHECK(t.vector_of(kAddps) == kUd);
}

TEST_CASE("SSE raises #NM with CR0.TS set") {
  SseCore t;
  t.st().cr0 |= kCr0Ts;
  CHECK(t.vector_of(kAddps) == kNm);
}

TEST_CASE("a misaligned 16-byte operand of arithmetic raises #GP, an aligned one does not") {
  SseCore t;
  t.reg(kRsi) = kData + 8;
  CHECK(t.vector_of(kAddpsMemory) == kGp);
  SseCore u;
  u.reg(kRsi) = kData + 16;
  u.program(kAddpsMemory);
  CHECK(u.completed());
}

TEST_CASE("MOVUPS takes any alignment, across a page too") {
  SseCore t;
  t.reg(kRsi) = kData + 0xff9;
  t.put<std::uint64_t>(kData + 0xff9, 0x1122334455667788);
  t.put<std::uint64_t>(kData + 0x1001, 0x99aabbccddeeff00);
  t.program({0x0f, 0x10, 0x06});
  REQUIRE(t.completed());
  CHECK(t.xmm(0).q[0] == 0x1122334455667788);
  CHECK(t.xmm(0).q[1] == 0x99aabbccddeeff00);
}

TEST_CASE("an inexact quotient sets PE and no other flag, and PE stays set") {
  SseCore t;
  t.xmm(0).q[0] = kOne;
  t.xmm(1).q[0] = kThree;
  t.program(kDivsd);
  REQUIRE(t.completed());
  CHECK(t.xmm(0).q[0] == 0x3fd5555555555555);
  CHECK(t.st().mxcsr == 0x1fa0);
  t.xmm(0).q[0] = kThree;
  t.next_program(kDivsd);
  REQUIRE(t.completed());
  CHECK(t.xmm(0).q[0] == kOne);
  CHECK(t.st().mxcsr == 0x1fa0);
}

TEST_CASE("flags of one core do not reach another") {
  SseCore a, b;
  a.xmm(0).q[0] = b.xmm(0).q[0] = kThree;
  a.xmm(1).q[0] = 0x4014000000000000;  // 5
  b.xmm(1).q[0] = kThree;
  a.program(kDivsd);
  b.program(kDivsd);
  REQUIRE(a.completed());
  REQUIRE(b.completed());
  CHECK(a.st().mxcsr == 0x1fa0);
  CHECK(b.st().mxcsr == 0x1f80);
}

TEST_CASE("the four rounding modes round a third four ways, and its negative likewise") {
  struct Row {
    std::uint32_t mode;
    std::uint64_t positive, negative;
  };
  for (const Row& row :
       {Row{0x0000, 0x3fd5555555555555, 0xbfd5555555555555}, Row{0x2000, 0x3fd5555555555555, 0xbfd5555555555556},
        Row{0x4000, 0x3fd5555555555556, 0xbfd5555555555555},
        Row{0x6000, 0x3fd5555555555555, 0xbfd5555555555555}}) {
    SseCore t;
    t.st().mxcsr = 0x1f80 | row.mode;
    t.xmm(0).q = {kOne, kOne | 1ull << 63, 7, 8};
    t.xmm(1).q = {kThree, kThree, 0, 0};
    t.program({0x66, 0x0f, 0x5e, 0xc1});  // divpd
    REQUIRE(t.completed());
    CHECK(t.xmm(0).q[0] == row.positive);
    CHECK(t.xmm(0).q[1] == row.negative);
    CHECK(t.xmm(0).q[2] == 7);
    CHECK(t.xmm(0).q[3] == 8);
  }
}

TEST_CASE("flush-to-zero zeroes a tiny product, and without it the product is denormal") {
  for (bool flush : {false, true}) {
    SseCore t;
    t.st().mxcsr = flush ? 0x9f80 : 0x1f80;
    t.xmm(0).q[0] = 0x00800001;
    t.xmm(1).q[0] = 0x3f000000;
    t.program(kMulss);
    REQUIRE(t.completed());
    CHECK(t.xmm(0).q[0] == (flush ? 0u : 0x00400000u));
    CHECK((t.st().mxcsr & 0x3f) == 0x30);
  }
}

TEST_CASE("denormals-are-zero hides a denormal source and its flag") {
  for (bool zero : {false, true}) {
    SseCore t;
    t.st().mxcsr = zero ? 0x1fc0 : 0x1f80;
    t.xmm(0).q[0] = 0x00400000;
    t.xmm(1).q[0] = 0x40000000;
    t.program(kMulss);
    REQUIRE(t.completed());
    CHECK(t.xmm(0).q[0] == (zero ? 0u : 0x00800000u));
    CHECK((t.st().mxcsr & 0x3f) == (zero ? 0u : 2u));
  }
}

TEST_CASE("an unmasked exception raises #XM, sets its flag and leaves the destination") {
  SseCore t;
  t.st().mxcsr = 0x1f80 & ~0x200u;
  t.xmm(0).q[0] = kOne;
  CHECK(t.vector_of(kDivsd) == kXm);
  CHECK(t.faulting_rip(false) == kCode);
  CHECK(t.xmm(0).q[0] == kOne);
  CHECK(t.st().mxcsr == ((0x1f80 & ~0x200u) | 4));
}

TEST_CASE("an unmasked exception raises #UD without CR4.OSXMMEXCPT") {
  SseCore t;
  t.st().cr4 &= ~kCr4Osxmmexcpt;
  t.st().mxcsr = 0x1f80 & ~0x200u;
  t.xmm(0).q[0] = kOne;
  CHECK(t.vector_of(kDivsd) == kUd);
}

TEST_CASE("unmasked underflow is raised by an exact denormal product, which masked underflow does not flag") {
  SseCore t;
  t.xmm(0).q[0] = 0x00800000;
  t.xmm(1).q[0] = 0x3f000000;
  t.program(kMulss);
  REQUIRE(t.completed());
  CHECK((t.st().mxcsr & 0x3f) == 0);
  SseCore u;
  u.st().mxcsr = 0x1f80 & ~0x800u;
  u.xmm(0).q[0] = 0x00800000;
  u.xmm(1).q[0] = 0x3f000000;
  CHECK(u.vector_of(kMulss) == kXm);
  CHECK((u.st().mxcsr & 0x3f) == 0x10);
}

TEST_CASE("LDMXCSR refuses reserved bits and loads the others") {
  SseCore t;
  t.reg(kRsi) = kData;
  t.put<std::uint32_t>(kData, 0x11f80);
  CHECK(t.vector_of({0x0f, 0xae, 0x16}) == kGp);
  CHECK(t.st().mxcsr == 0x1f80);
  SseCore u;
  u.reg(kRsi) = kData;
  u.put<std::uint32_t>(kData, 0xffff);
  u.program({0x0f, 0xae, 0x16, 0x0f, 0xae, 0x5e, 0x04});  // ldmxcsr [rsi]; stmxcsr [rsi+4]
  REQUIRE(u.completed());
  CHECK(u.get<std::uint32_t>(kData + 4) == 0xffff);
}

TEST_CASE("UCOMISD sets ZF, PF and CF by relation and clears the other status flags") {
  struct Row {
    std::uint64_t a, b, flags;
  };
  for (const Row& row : {Row{kThree, kOne, 0}, Row{kOne, kThree, kCf}, Row{kOne, kOne, kZf},
                         Row{0x7ff8000000000000, kOne, kZf | kPf | kCf}}) {
    SseCore t;
    t.core.set_rflags(2 | kOf | kSf | kAf);
    t.xmm(0).q[0] = row.a;
    t.xmm(1).q[0] = row.b;
    t.program({0x66, 0x0f, 0x2e, 0xc1});
    REQUIRE(t.completed());
    CHECK((t.core.rflags() & kStatusFlags) == row.flags);
  }
}

TEST_CASE("RCPPS and RSQRTPS give quotients truncated to twelve bits on every host, and no flags") {
  SseCore t;
  t.xmm(1).q = {0x3f80000040400000, 0xff80000000000001, 0, 0};  // 3, 1, denormal, −∞
  t.program({0x0f, 0x53, 0xc1});
  REQUIRE(t.completed());
  CHECK(t.xmm(0).q[0] == 0x3f8000003eaaa800);
  CHECK(t.xmm(0).q[1] == 0x800000007f800000);
  CHECK(t.st().mxcsr == 0x1f80);
  t.xmm(1).q = {0x4000000040800000, 0x80000000bf800000, 0, 0};  // 4, 2, −1, −0
  t.next_program({0x0f, 0x52, 0xc1});
  REQUIRE(t.completed());
  CHECK(t.xmm(0).q[0] == 0x3f3500003f000000);
  CHECK(t.xmm(0).q[1] == 0xff800000ffc00000);
  CHECK(t.st().mxcsr == 0x1f80);
}

TEST_CASE("MOVSD is a string move or an SSE2 move, by its opcode") {
  SseCore t;
  t.reg(kRsi) = kData;
  t.reg(kRdi) = kData + 64;
  t.put<std::uint64_t>(kData, 0x1122334455667788);
  t.xmm(0).q[1] = 5;
  t.program({0xf2, 0x0f, 0x10, 0x06, 0xa5});  // movsd xmm0, [rsi]; movsd
  REQUIRE(t.completed());
  CHECK(t.xmm(0).q[0] == 0x1122334455667788);
  CHECK(t.xmm(0).q[1] == 0);
  CHECK(t.get<std::uint64_t>(kData + 64) == 0x55667788);
  CHECK(t.reg(kRsi) == kData + 4);
}

TEST_CASE("MASKMOVDQU writes the chosen bytes only, and faults before it writes any") {
  SseCore t;
  t.reg(kRdi) = kData + 0x1000 - 8;
  t.xmm(0).q = {0x0807060504030201, 0x100f0e0d0c0b0a09, 0, 0};
  t.xmm(1).q = {0x0080000000000080, 0x8000000000000000, 0, 0};
  t.put<std::uint64_t>(kData + 0x0ff8, ~0ull);
  t.put<std::uint64_t>(kData + 0x1000, ~0ull);
  t.program({0x66, 0x0f, 0xf7, 0xc1});
  REQUIRE(t.completed());
  CHECK(t.get<std::uint64_t>(kData + 0x0ff8) == 0xff07ffffffffff01);
  CHECK(t.get<std::uint64_t>(kData + 0x1000) == 0x10ffffffffffffff);
  SseCore u;
  u.unmap(kData + 0x1000);
  u.reg(kRdi) = kData + 0x1000 - 8;
  u.xmm(1).q = {0x80, 0x80, 0, 0};
  u.put<std::uint64_t>(kData + 0x0ff8, ~0ull);
  CHECK(u.vector_of({0x66, 0x0f, 0xf7, 0xc1}) == kPfVec);
  CHECK(u.get<std::uint64_t>(kData + 0x0ff8) == ~0ull);
}
