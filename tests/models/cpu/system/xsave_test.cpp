// The XSAVE family: forms of the area, what a restore initialises, and what each fault leaves alone; XCR0,
// IA32_XSS, and the sizes in CPUID leaf 0xd.
#include <catch2/catch.hpp>

#include "models/cpu/isa/msr.h"
#include "models/cpu/xstate.h"
#include "tests/models/cpu/system/system_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

namespace {

constexpr std::uint64_t kArea = kData, kPresent = kArea + 512, kFormat = kArea + 520;
constexpr std::uint64_t kCompact = std::uint64_t{1} << 63;

// Instructions with the area at (%rbx).
constexpr std::initializer_list<std::uint8_t> kXsave = {0x0f, 0xae, 0x23}, kXrstor = {0x0f, 0xae, 0x2b},
                                              kXsavec = {0x0f, 0xc7, 0x23}, kXsaves = {0x0f, 0xc7, 0x2b},
                                              kXrstors = {0x0f, 0xc7, 0x1b}, kXsaveopt = {0x0f, 0xae, 0x33};
// vaddps %xmm2, %xmm1, %xmm0; vpgatherdd %xmm1, (%rbx,%xmm2), %xmm0
constexpr std::initializer_list<std::uint8_t> kVaddps = {0xc5, 0xf0, 0x58, 0xc2},
                                              kGather = {0xc4, 0xe2, 0x71, 0x90, 0x04, 0x13};

struct XsaveCore : SystemCore {
  XsaveCore() {
    st().cr4 |= kCr4Osxsave | kCr4Osfxsr;
    st().msr.xcr0 = 7;
    reg(kRax) = 7;
    reg(kRdx) = 0;
    reg(kRbx) = kArea;
  }
  bool executes(std::initializer_list<std::uint8_t> code) {
    begin(code);
    return completed();
  }
  int faults(std::initializer_list<std::uint8_t> code) {
    begin(code);
    run();
    return exception();
  }
  // After another that has halted.
  void begin(std::initializer_list<std::uint8_t> code) {
    program(code);
    st().activity = Activity::kActive;
  }
  void fill() {
    st().x87.control = 0x27f;
    for (unsigned i = 0; i < 16; ++i) st().xmm[i].q = {i + 1, i + 2, i + 3, i + 4};
  }
};

}  // namespace

TEST_CASE("XSAVE writes the components that it is asked for, and leaves the other bits of XSTATE_BV") {
  XsaveCore c;
  c.fill();
  c.put<std::uint64_t>(kPresent, 3);
  c.put<std::uint64_t>(kFormat, 0x55);
  c.reg(kRax) = 4;
  REQUIRE(c.executes(kXsave));
  CHECK(c.get<std::uint64_t>(kPresent) == 7);
  CHECK(c.get<std::uint64_t>(kFormat) == 0x55);
  CHECK(c.get<std::uint64_t>(kArea) == 0);                   // no x87 state
  CHECK(c.get<std::uint32_t>(kArea + 24) == 0x1f80);         // MXCSR comes with AVX
  CHECK(c.get<std::uint64_t>(kArea + 576 + 15 * 16) == 18);  // upper half of YMM15
}

TEST_CASE("XSAVEOPT and XSAVEC leave out what is in its initial configuration") {
  XsaveCore c;
  c.fill();
  for (auto& v : c.st().xmm) v.q[2] = v.q[3] = 0;
  c.put<std::uint64_t>(kArea + 576, 0x1234);
  REQUIRE(c.executes(kXsaveopt));
  CHECK(c.get<std::uint64_t>(kPresent) == 3);
  CHECK(c.get<std::uint64_t>(kArea + 576) == 0x1234);
  REQUIRE(c.executes(kXsavec));
  CHECK(c.get<std::uint64_t>(kPresent) == 3);
  CHECK(c.get<std::uint64_t>(kFormat) == (kCompact | 7));
}

TEST_CASE("XSAVEC saves SSE state when MXCSR alone is not in its initial configuration") {
  XsaveCore c;
  c.st().x87 = {};
  c.st().x87.control = 0x37f;
  c.st().mxcsr = 0x1fa0;
  REQUIRE(c.executes(kXsavec));
  CHECK(c.get<std::uint64_t>(kPresent) == 2);
  CHECK(c.get<std::uint32_t>(kArea + 24) == 0x1fa0);
}

TEST_CASE("what XSAVE saves, XRSTOR restores, and what XSTATE_BV lacks it initialises") {
  XsaveCore c;
  c.fill();
  REQUIRE(c.executes(kXsave));
  c.put<std::uint64_t>(kPresent, 3);
  c.st().x87.control = 0x37f;
  for (auto& v : c.st().xmm) v.q = {9, 9, 9, 9};
  REQUIRE(c.executes(kXrstor));
  CHECK(c.st().x87.control == 0x27f);
  CHECK(c.st().xmm[15].q == std::array<std::uint64_t, 4>{16, 17, 0, 0});
}

TEST_CASE("XRSTOR faults on headers that the processor cannot have written, and loads nothing") {
  struct Case {
    std::uint64_t offset, value;
    bool compact;
  };
  for (const Case& bad :
       {Case{512, 8, false}, Case{520, 1, false}, Case{528, 1, false}, Case{512, 8 | 7, true},
        Case{520, kCompact | 8, true}, Case{528, 1, true}, Case{568, 1, true}, Case{512, 4, true}}) {
    XsaveCore c;
    c.fill();
    REQUIRE(c.executes(bad.compact ? kXsavec : kXsave));
    if (bad.compact) c.put<std::uint64_t>(kFormat, kCompact | 3);
    if (bad.compact) c.put<std::uint64_t>(kPresent, 3);
    c.put<std::uint64_t>(kArea + bad.offset, bad.value);
    c.st().xmm[3].q[0] = 77;
    INFO(bad.offset << " " << bad.value << " " << bad.compact);
    CHECK(c.faults(kXrstor) == kGp);
    CHECK(c.st().xmm[3].q[0] == 77);
  }
}

TEST_CASE("bytes 63:24 of the header mean nothing in the standard form") {
  XsaveCore c;
  c.fill();
  REQUIRE(c.executes(kXsave));
  c.put<std::uint64_t>(kArea + 536, 1);
  CHECK(c.executes(kXrstor));
}

TEST_CASE("XRSTOR faults on reserved bits of MXCSR") {
  XsaveCore c;
  REQUIRE(c.executes(kXsave));
  c.put<std::uint32_t>(kArea + 24, 0x10000);
  CHECK(c.faults(kXrstor) == kGp);
}

TEST_CASE("the compact form with no SSE state initialises MXCSR, the standard form loads it") {
  XsaveCore c;
  c.st().mxcsr = 0x1fa0;
  REQUIRE(c.executes(kXsavec));
  c.put<std::uint64_t>(kPresent, 0);
  REQUIRE(c.executes(kXrstor));
  CHECK(c.st().mxcsr == 0x1f80);
  c.st().mxcsr = 0x1fa0;
  c.put<std::uint64_t>(kFormat, 0);
  REQUIRE(c.executes(kXsave));
  c.put<std::uint64_t>(kPresent, 0);
  c.st().mxcsr = 0x1f80;
  REQUIRE(c.executes(kXrstor));
  CHECK(c.st().mxcsr == 0x1fa0);
}

TEST_CASE("the XSAVE family is #UD without CR4.OSXSAVE, #NM with CR0.TS, #GP off a multiple of 64") {
  for (const auto& code : {kXsave, kXrstor, kXsavec, kXsaves, kXrstors, kXsaveopt}) {
    XsaveCore c;
    c.st().cr4 &= ~kCr4Osxsave;
    CHECK(c.faults(code) == kUd);
    XsaveCore t;
    t.st().cr0 |= kCr0Ts;
    CHECK(t.faults(code) == kNm);
    XsaveCore m;
    m.reg(kRbx) = kArea + 16;
    CHECK(m.faults(code) == kGp);
  }
}

TEST_CASE("XSAVES and XRSTORS are for CPL 0, and the latter takes the compact form only") {
  XsaveCore c;
  c.fill();
  REQUIRE(c.executes(kXsaves));
  CHECK(c.get<std::uint64_t>(kFormat) == (kCompact | 7));
  CHECK(c.executes(kXrstors));
  REQUIRE(c.executes(kXsave));
  c.put<std::uint64_t>(kFormat, 0);
  CHECK(c.faults(kXrstors) == kGp);
  XsaveCore u;
  u.user();
  CHECK(u.faults(kXsaves) == kGp);
}

TEST_CASE("XSETBV takes what the processor has, with x87 always and AVX only with SSE") {
  const auto accepted = [](std::uint64_t value, std::uint64_t index = 0) {
    XsaveCore c;
    c.reg(kRax) = value;
    c.reg(kRcx) = index;
    c.program({0x0f, 0x01, 0xd1});
    return c.completed() && c.st().msr.xcr0 == value;
  };
  for (const std::uint64_t good : {1, 3, 7}) CHECK(accepted(good));
  for (const std::uint64_t bad : {0, 2, 4, 5, 6, 9, 0xe7}) CHECK_FALSE(accepted(bad));
  CHECK_FALSE(accepted(7, 1));
}

TEST_CASE("XGETBV tells XCR0, and with 1 in ECX which of its components are in use") {
  XsaveCore c;
  c.st().x87 = {};
  c.st().x87.control = 0x37f;
  c.st().xmm[2].q = {0, 0, 1, 0};
  c.reg(kRcx) = 1;
  c.program({0x0f, 0x01, 0xd0});
  REQUIRE(c.completed());
  CHECK(c.reg(kRax) == 4);
}

TEST_CASE("CPUID's sizes of the XSAVE area follow XCR0") {
  const auto bytes = [](std::uint64_t xcr0, std::uint32_t subleaf) {
    XsaveCore c;
    c.st().msr.xcr0 = xcr0;
    c.reg(kRax) = 0xd;
    c.reg(kRcx) = subleaf;
    c.program({0x0f, 0xa2});
    REQUIRE(c.completed());
    return c.reg(kRbx);
  };
  CHECK(bytes(3, 0) == 576);
  CHECK(bytes(7, 0) == 832);
  CHECK(bytes(3, 1) == 576);
  CHECK(bytes(7, 1) == 832);
  const CpuidPolicy p = CpuidPolicy::default_policy(2'400'000'000, 46);
  CHECK(p.query(0xd, 0).ecx == 832);
  CHECK(p.query(0xd, 2).eax == 256);
  CHECK(p.query(0xd, 2).ebx == 576);
  CHECK(p.query(0xd, 3).eax == 0);
}

TEST_CASE("IA32_XSS has no bits that could be set") {
  XsaveCore c;
  std::uint64_t v = 1;
  CHECK(isa::read_msr(c.core, 0xda0, v));
  CHECK(v == 0);
  CHECK(isa::write_msr(c.core, 0xda0, 0));
  CHECK_FALSE(isa::write_msr(c.core, 0xda0, 1 << 8));
}

TEST_CASE("VEX-encoded instructions are #UD without XCR0's SSE and AVX, or with a prefix, and #NM with CR0.TS") {
  XsaveCore c;
  CHECK(c.executes(kVaddps));
  c.st().msr.xcr0 = 3;
  CHECK(c.faults(kVaddps) == kUd);
  XsaveCore o;
  o.st().cr4 &= ~kCr4Osxsave;
  CHECK(o.faults(kVaddps) == kUd);
  XsaveCore t;
  t.st().cr0 |= kCr0Ts;
  CHECK(t.faults(kVaddps) == kNm);
  for (const int prefix : {0xf0, 0x66, 0xf2, 0xf3, 0x48}) {
    XsaveCore p;
    CHECK(p.faults({static_cast<std::uint8_t>(prefix), 0xc5, 0xf4, 0x58, 0xc2}) == kUd);
  }
  XsaveCore v;  // VPSHUFD has no second source: VEX.vvvv must be 1111
  CHECK(v.faults({0xc5, 0xf1, 0x70, 0xc2, 0x1b}) == kUd);
  XsaveCore e;  // CR0.EM is nothing to AVX
  e.st().cr0 |= kCr0Em;
  CHECK(e.executes(kVaddps));
}

TEST_CASE("a 128-bit VEX form zeroes the upper half, an SSE form leaves it") {
  XsaveCore c;
  c.fill();
  REQUIRE(c.executes({0x0f, 0x58, 0xc2}));  // addps %xmm2, %xmm0
  CHECK(c.st().xmm[0].q[2] == 3);
  REQUIRE(c.executes({0xc5, 0xf0, 0x58, 0xc2}));  // vaddps %xmm2, %xmm1, %xmm0
  CHECK(c.st().xmm[0].q[2] == 0);
  CHECK(c.st().xmm[0].q[3] == 0);
}

TEST_CASE("a gather that faults keeps the elements before, and goes on where it stopped") {
  XsaveCore c;
  c.put<std::uint32_t>(kData, 11);
  c.put<std::uint32_t>(kRam - 4, 44);
  c.st().xmm[1].q = {0xffffffffffffffff, 0xffffffffffffffff, 0, 0};  // mask
  c.st().xmm[2].q = {std::uint64_t{kRam - kData} << 32, 0, 0, 0};    // indices 0, out of memory, 0, 0
  c.st().xmm[0].q = {5, 5, 5, 5};
  CHECK(c.faults(kGather) == kPfVec);
  CHECK(static_cast<std::uint32_t>(c.st().xmm[0].q[0]) == 11);
  CHECK(c.st().xmm[1].q[0] == 0xffffffff00000000);
  XsaveCore again;
  again.put<std::uint32_t>(kData, 99);
  again.put<std::uint32_t>(kData + 8, 22);
  again.st().xmm[0] = c.st().xmm[0];
  again.st().xmm[1] = c.st().xmm[1];
  again.st().xmm[2].q = {std::uint64_t{8} << 32, 0, 0, 0};
  REQUIRE(again.executes(kGather));
  CHECK(again.st().xmm[0].q[0] == (std::uint64_t{22} << 32 | 11));
  CHECK(again.st().xmm[1].q == std::array<std::uint64_t, 4>{});
}

TEST_CASE("a masked move does not touch, and so not fault on, what its mask leaves out") {
  XsaveCore c;
  c.reg(kRbx) = kRam - 4;
  c.put<std::uint32_t>(kRam - 4, 0x12345678);
  c.st().xmm[1].q = {0x80000000, 0, 0, 0};
  REQUIRE(c.executes({0xc4, 0xe2, 0x71, 0x2c, 0x03}));  // vmaskmovps (%rbx), %xmm1, %xmm0
  CHECK(c.st().xmm[0].q == std::array<std::uint64_t, 4>{0x12345678, 0, 0, 0});
  c.st().xmm[0].q[0] = 0x9abcdef0;
  REQUIRE(c.executes({0xc4, 0xe2, 0x71, 0x2e, 0x03}));  // vmaskmovps %xmm0, %xmm1, (%rbx)
  CHECK(c.get<std::uint32_t>(kRam - 4) == 0x9abcdef0);
  c.st().xmm[1].q[0] = 0x8000000080000000;
  CHECK(c.faults({0xc4, 0xe2, 0x71, 0x2e, 0x03}) == kPfVec);
}

TEST_CASE("of the moves of 32 bytes only the aligned ones need alignment") {
  XsaveCore c;
  c.reg(kRbx) = kData + 16;
  CHECK(c.executes({0xc5, 0xfc, 0x10, 0x03}));       // vmovups (%rbx), %ymm0
  CHECK(c.executes({0xc5, 0xf4, 0x58, 0x03}));       // vaddps (%rbx), %ymm1, %ymm0
  CHECK(c.faults({0xc5, 0xfc, 0x28, 0x03}) == kGp);  // vmovaps (%rbx), %ymm0
}
