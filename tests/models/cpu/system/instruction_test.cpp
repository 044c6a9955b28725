// System instructions that no other machine here can vouch for (their values are the processor's own, or Unicorn
// hands them to a hook): what the manual says of them, one by one.
#include <catch2/catch.hpp>

#include "tests/models/cpu/system/system_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

TEST_CASE("INT3, INTO and INT n return behind themselves, INT1 too") {
  struct Case {
    std::initializer_list<std::uint8_t> code;
    int vector;
  };
  for (const Case& k : {Case{{0xcc}, kBp}, Case{{0xf1}, kDb}, Case{{0xcd, 0x11}, 0x11}}) {
    SystemCore c;
    c.program(k.code);
    c.run();
    CHECK(c.exception() == k.vector);
    CHECK(c.faulting_rip(false) == kCode + k.code.size());
  }
  for (const bool overflow : {false, true}) {
    TestCore t;
    t.protected_mode();
    t.program({0xce});
    t.core.set_rflags(2 | (overflow ? kOf : 0));
    t.run();
    CHECK(t.exception() == (overflow ? int{kOfVec} : -1));
    if (overflow) CHECK(t.get<std::uint32_t>(t.reg(kRsp)) == kCode + 1);
  }
}

TEST_CASE("INT3 of a user needs a gate of privilege level 3") {
  for (const bool allowed : {false, true}) {
    SystemCore c;
    if (allowed) c.gate(kBp, SystemCore::kGateDpl3);
    c.program({0xcc});
    c.user();
    c.run();
    CHECK(c.exception() == (allowed ? kBp : kGp));
    if (!allowed) CHECK(c.error_code() == kBp * 8 + 2);
  }
}

TEST_CASE("CPUID answers in four registers, 32 bits wide") {
  SystemCore c;
  c.program({0x0f, 0xa2});
  for (const unsigned r : {kRax, kRbx, kRcx, kRdx}) c.reg(r) = ~std::uint64_t{0} << 32;
  REQUIRE(c.completed());
  const CpuidRegisters leaf = c.core.cpuid.query(0, 0);
  CHECK(c.reg(kRax) == leaf.eax);
  CHECK(c.reg(kRbx) == leaf.ebx);
  CHECK(c.reg(kRcx) == leaf.ecx);
  CHECK(c.reg(kRdx) == leaf.edx);
}

TEST_CASE("RDTSC and RDTSCP read the counter in halves, and CR4.TSD keeps them from users") {
  for (const bool processor : {false, true}) {
    SystemCore c;
    if (processor)
      c.program({0x0f, 0x01, 0xf9});
    else
      c.program({0x0f, 0x31});
    c.core.now = (std::uint64_t{7} << 32) + 5;
    c.st().msr.tsc_aux = 0x1234;
    REQUIRE(c.completed());
    CHECK(c.reg(kRdx) == 7);
    CHECK(c.reg(kRax) < 1000);
    CHECK(c.reg(kRcx) == (processor ? 0x1234 : 0));

    SystemCore u;
    if (processor)
      u.program({0x0f, 0x01, 0xf9});
    else
      u.program({0x0f, 0x31});
    u.st().cr4 |= kCr4Tsd;
    u.user();
    u.run();
    CHECK(u.exception() == kGp);
    CHECK(u.faulting_rip(true) == kCode);
  }
}

TEST_CASE("RDPMC of a counter that is not there is #GP") {
  SystemCore c;
  c.program({0x0f, 0x33});
  c.run();
  CHECK(c.exception() == kGp);
}

TEST_CASE("a changed page-table entry takes effect with INVLPG, INVPCID, or WBINVD never") {
  const auto after = [](std::initializer_list<std::uint8_t> flush) {
    SystemCore c;
    c.map(kData, kData);
    c.map(kData + 0x1000, kData + 0x1000);
    c.put<std::uint64_t>(kData, 1);
    c.put<std::uint64_t>(kData + 0x1000, 2);
    // mov rax, [rdi]; mov [rsi], rbx; the flush; mov rdx, [rdi]
    std::vector<std::uint8_t> code = {0x48, 0x8b, 0x07, 0x48, 0x89, 0x1e};
    code.insert(code.end(), flush.begin(), flush.end());
    code.insert(code.end(), {0x48, 0x8b, 0x17, 0xf4});
    for (std::size_t n = 0; n < code.size(); ++n) c.put<std::uint8_t>(kCode + n, code[n]);
    c.st().rip = kCode;
    c.reg(kRdi) = kData;
    c.reg(kRsi) = TestCore::entry_of(kData);
    c.reg(kRbx) = (kData + 0x1000) | 7;
    // INVPCID's descriptor: PCID 0, the address; its type in RCX.
    c.put<std::uint64_t>(kData + 0x2000, 0);
    c.put<std::uint64_t>(kData + 0x2008, kData);
    c.reg(kR8) = kData + 0x2000;
    REQUIRE(c.run() == StopReason::kHalted);
    CHECK(c.exception() == -1);
    CHECK(c.reg(kRax) == 1);
    return c.reg(kRdx);
  };
  CHECK(after({0x0f, 0x01, 0x3f}) == 2);                    // invlpg [rdi]
  CHECK(after({0x66, 0x41, 0x0f, 0x38, 0x82, 0x08}) == 2);  // invpcid rcx, [r8]
  CHECK(after({0x0f, 0x09}) == 1);                          // wbinvd
}

TEST_CASE("INVPCID refuses types, PCIDs and addresses that do not exist") {
  struct Case {
    std::uint64_t type, pcid, address;
    bool faults;
  };
  for (const Case& k : {Case{0, 0, kData, false}, Case{1, 0, 0, false}, Case{2, 0, 0, false}, Case{3, 0, 0, false},
                        Case{4, 0, 0, true}, Case{0, 1, kData, true}, Case{0, 0x1000, 0, true},
                        Case{0, 0, std::uint64_t{1} << 47, true}}) {
    SystemCore c;
    c.program({0x66, 0x0f, 0x38, 0x82, 0x06});
    c.put<std::uint64_t>(kData, k.pcid);
    c.put<std::uint64_t>(kData + 8, k.address);
    c.reg(kRsi) = kData;
    c.reg(kRax) = k.type;
    c.run();
    INFO("type " << k.type << " pcid " << k.pcid << " address " << k.address);
    CHECK(c.exception() == (k.faults ? kGp : -1));
  }
}

TEST_CASE("REP INS stores what the port gives, REP OUTS goes through its count, of every width") {
  struct Case {
    std::initializer_list<std::uint8_t> code;
    bool in;
    std::uint64_t bytes;
  };
  for (const Case& k :
       {Case{{0xf3, 0x6c}, true, 1}, Case{{0xf3, 0x66, 0x6d}, true, 2}, Case{{0xf3, 0x6d}, true, 4},
        Case{{0xf3, 0x6e}, false, 1}, Case{{0xf3, 0x66, 0x6f}, false, 2}, Case{{0xf3, 0x6f}, false, 4}}) {
    SystemCore c;
    c.program(k.code);
    c.reg(kRdx) = 0x80;
    c.reg(kRcx) = 3;
    c.reg(kRdi) = c.reg(kRsi) = kData;
    REQUIRE(c.completed());
    CHECK(c.reg(kRcx) == 0);
    CHECK(c.reg(k.in ? kRdi : kRsi) == kData + 3 * k.bytes);
    CHECK(c.reg(k.in ? kRsi : kRdi) == kData);
    // The environment's ports read ones.
    const std::uint64_t stored = k.in ? 3 * k.bytes : 0;
    for (std::uint64_t n = 0; n < 16; ++n) CHECK(c.get<std::uint8_t>(kData + n) == (n < stored ? 0xff : 0));
  }
}

TEST_CASE("SYSENTER goes where its MSRs say, SYSEXIT goes back") {
  SystemCore c;
  c.program({0x0f, 0x34});
  c.put(kCode + 0x100, {0x48, 0x0f, 0x35});  // sysexit to 64-bit code
  c.st().msr.sysenter_cs = 0x08;
  c.st().msr.sysenter_eip = kCode + 0x100;
  c.st().msr.sysenter_esp = kStackTop - 0x100;
  c.reg(kRdx) = kCode + 0x200;
  c.reg(kRcx) = kStackTop - 0x200;
  c.put(kCode + 0x200, {0xf4});
  c.user();
  c.core.set_rflags(2 | kIf);
  c.run();
  CHECK(c.exception() == kGp);  // HLT of the user
  CHECK(c.faulting_rip(true) == kCode + 0x200);
  CHECK(c.frame(2) == (0x08 + 32 + 3));
  CHECK(c.frame(4) == kStackTop - 0x200);
  CHECK(c.frame(5) == (0x08 + 40 + 3));
  CHECK((c.frame(3) & kIf) == 0);

  SystemCore without;
  without.program({0x0f, 0x34});
  without.run();
  CHECK(without.exception() == kGp);
}

TEST_CASE("SMSW of a 32-bit register stores the lower half of CR0") {
  SystemCore c;
  c.program({0x0f, 0x01, 0xe0});
  c.reg(kRax) = ~std::uint64_t{0};
  REQUIRE(c.completed());
  CHECK(c.reg(kRax) == (c.st().cr0 & 0xffffffff));
}

TEST_CASE("RDFSBASE and its like move the bases of FS and GS, if CR4 allows it, and only canonical ones") {
  struct Case {
    std::uint8_t modrm;
    bool write;
    unsigned segment;
  };
  constexpr std::uint64_t kBase = 0xffff812345678000;
  for (const Case& k :
       {Case{0xc0, false, kFs}, Case{0xc8, false, kGs}, Case{0xd0, true, kFs}, Case{0xd8, true, kGs}})
    for (const bool allowed : {true, false}) {
      SystemCore c;
      c.program({0xf3, 0x48, 0x0f, 0xae, k.modrm});
      if (allowed) c.st().cr4 |= kCr4Fsgsbase;
      if (k.write)
        c.reg(kRax) = kBase;
      else
        c.st().seg[k.segment].base = kBase;
      c.run();
      CHECK(c.exception() == (allowed ? -1 : kUd));
      if (!allowed) continue;
      CHECK(c.reg(kRax) == kBase);
      CHECK(c.st().seg[k.segment].base == kBase);
    }
  SystemCore c;
  c.program({0xf3, 0x48, 0x0f, 0xae, 0xd0});
  c.st().cr4 |= kCr4Fsgsbase;
  c.reg(kRax) = std::uint64_t{1} << 47;
  c.run();
  CHECK(c.exception() == kGp);
}
