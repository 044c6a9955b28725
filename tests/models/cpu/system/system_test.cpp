// System calls, MSRs, control registers, call gates and port permissions.
#include <catch2/catch.hpp>

#include "models/cpu/isa/msr.h"
#include "tests/models/cpu/system/system_fixture.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

TEST_CASE("SYSCALL enters the kernel with flat segments and SYSRET returns") {
  SystemCore c;
  c.program({0x0f, 0x05, 0x90});
  c.put(kCode + 0x100, {0x48, 0x89, 0xe3, 0x48, 0x0f, 0x07});  // mov %rsp, %rbx; sysretq
  c.st().msr.star = 0x0013000800000000;
  c.st().msr.lstar = kCode + 0x100;
  c.st().msr.fmask = kIf;
  c.user();
  c.core.set_rflags(2 | kIf | kCf);
  c.run();
  CHECK(c.exception() == kGp);  // the user program's HLT
  CHECK(c.faulting_rip(true) == kCode + 3);
  CHECK(c.frame(2) == 0x23);
  CHECK((c.pushed_rflags(true) & (kIf | kCf)) == (kIf | kCf));
  CHECK(c.reg(kRbx) == kStackTop);
  CHECK(c.reg(kRcx) == kCode + 2);
}

TEST_CASE("SYSRET with a non-canonical RCX faults in the kernel") {
  SystemCore c;
  c.program({0x48, 0x0f, 0x07});
  c.reg(kRcx) = 1ull << 47;
  c.run();
  CHECK(c.exception() == kGp);
}

TEST_CASE("MSR writes fault on unknown indices, reserved bits and non-canonical addresses") {
  SystemCore c;
  std::uint64_t v = 0;
  CHECK_FALSE(isa::read_msr(c.core, 0x12345, v));
  CHECK_FALSE(isa::write_msr(c.core, 0xc0000082, 1ull << 47));
  CHECK(isa::write_msr(c.core, 0xc0000082, 0xffff800000000000));
  CHECK_FALSE(isa::write_msr(c.core, 0xc0000080, kEferSce | kEferNxe));   // LME under paging
  CHECK_FALSE(isa::write_msr(c.core, 0xc0000080, c.st().efer | 1 << 1));  // reserved
  CHECK_FALSE(isa::write_msr(c.core, 0x277, 0x0007040600070402));         // memory type 2
  CHECK(isa::write_msr(c.core, 0x277, 0x0407050600070106));
  CHECK(isa::read_msr(c.core, 0x1a0, v));
  CHECK((v >> 34) == 0);
  CHECK(isa::write_msr(c.core, 0x10, 1000));
  CHECK(isa::read_msr(c.core, 0x10, v));
  CHECK(v == 1000);
}

TEST_CASE("WRMSR of an unknown MSR is #GP(0) at the instruction") {
  SystemCore c;
  c.program({0x0f, 0x30});
  c.reg(kRcx) = 0x12345;
  c.run();
  CHECK(c.exception() == kGp);
  CHECK(c.error_code() == 0);
  CHECK(c.faulting_rip(true) == kCode);
}

TEST_CASE("control registers refuse inconsistent values") {
  SystemCore c;
  SECTION("CR0: paging off in 64-bit mode") {
    c.program({0x0f, 0x22, 0xc0});
    c.reg(kRax) = c.st().cr0 & ~kCr0Pg;
  }
  SECTION("CR0: NW without CD") {
    c.program({0x0f, 0x22, 0xc0});
    c.reg(kRax) = c.st().cr0 | kCr0Nw;
  }
  SECTION("CR4: PAE off in long mode") {
    c.program({0x0f, 0x22, 0xe0});
    c.reg(kRax) = c.st().cr4 & ~kCr4Pae;
  }
  SECTION("CR4: a bit that CPUID does not report") {
    c.program({0x0f, 0x22, 0xe0});
    c.reg(kRax) = c.st().cr4 | kCr4La57;
  }
  SECTION("CR3: above the physical address width") {
    c.program({0x0f, 0x22, 0xd8});
    c.reg(kRax) = kPml4 | 1ull << 50;
  }
  SECTION("CR8: more than four bits") {
    c.program({0x44, 0x0f, 0x22, 0xc0});
    c.reg(kRax) = 16;
  }
  const ArchState before = c.st();
  c.run();
  CHECK(c.exception() == kGp);
  CHECK(c.st().cr0 == before.cr0);
  CHECK(c.st().cr3 == before.cr3);
  CHECK(c.st().cr4 == before.cr4);
}

TEST_CASE("port access from user mode follows the I/O bitmap") {
  SystemCore c;
  c.put<std::uint16_t>(kTss + 102, 104);
  c.st().tr.limit = 104 + 32;
  c.put<std::uint8_t>(kTss + 104 + 0x60 / 8, 0x02);  // port 0x61 denied
  c.gate(0x30, SystemCore::kGateDpl3);
  c.program({0xe4, 0x60, 0xcd, 0x30});
  c.user();
  SECTION("allowed") {
    c.run();
    CHECK(c.frame(0) == kCode + 4);
    CHECK((c.reg(kRax) & 0xff) == 0xff);
  }
  SECTION("denied") {
    c.put(kCode, {0xe4, 0x61});
    c.run();
    CHECK(c.exception() == kGp);
  }
  SECTION("a word that reaches into a denied port") {
    c.put(kCode, {0x66, 0xe5, 0x60});
    c.run();
    CHECK(c.exception() == kGp);
  }
}

TEST_CASE("a 64-bit call gate changes level, and a far RET goes back") {
  SystemCore c;
  const std::uint64_t target = kCode + 0x100;
  c.put<std::uint64_t>(kGdt + 0x38, (target & 0xffff) | 0x08ull << 16 | 0xecull << 40 | target >> 16 << 48);
  c.put<std::uint64_t>(kGdt + 0x40, 0);
  c.put<std::uint16_t>(kData + 4, kGateSelector | 3);
  c.program({0xff, 0x1b});                        // lcall *(%rbx)
  c.put(target, {0x48, 0x89, 0xe0, 0x48, 0xcb});  // mov %rsp, %rax; lretq
  c.reg(kRbx) = kData;
  c.user();
  c.run();
  CHECK(c.exception() == kGp);
  CHECK(c.faulting_rip(true) == kCode + 2);
  CHECK(c.reg(kRax) == kRsp0 - 32);
  CHECK(c.frame(4) == kStackTop);
}

TEST_CASE("privileged instructions fault in user mode") {
  SystemCore c;
  SECTION("HLT") { c.program({0xf4}); }
  SECTION("WRMSR") { c.program({0x0f, 0x30}); }
  SECTION("MOV from CR0") { c.program({0x0f, 0x20, 0xc0}); }
  SECTION("LGDT") { c.program({0x0f, 0x01, 0x13}); }
  SECTION("SWAPGS") { c.program({0x0f, 0x01, 0xf8}); }
  c.user();
  c.run();
  CHECK(c.exception() == kGp);
  CHECK(c.faulting_rip(true) == kCode);
}

TEST_CASE("CPUID leaf 4 counts ways, line size and sets of each cache, less one, and ends with a null type") {
  CpuidPolicy p = CpuidPolicy::default_policy(2'400'000'000, 46);
  using enum CpuidCache::Type;
  const CpuidCache caches[] = {{kData, 1, 48 << 10, 12}, {kUnified, 2, 2 << 20, 16, 2, true}};
  p.set_caches(caches);
  CHECK((p.query(4, 0).eax & 0x1f) == 1);
  CHECK(p.query(4, 0).ebx == (11u << 22 | 63));
  CHECK(p.query(4, 0).ecx == 63);
  CHECK(p.query(4, 1).eax == (3u | 2u << 5 | 1u << 8 | 1u << 14 | 63u << 26));
  CHECK(p.query(4, 1).ecx == 2047);
  CHECK(p.query(4, 1).edx == 2);
  CHECK(p.query(4, 2).eax == 0);
  CHECK(p.query(0x80000006, 0).ecx == (2048u << 16 | 8u << 12 | 64));
}

TEST_CASE("CPUID above the maximum answers as the highest basic leaf") {
  const CpuidPolicy p = CpuidPolicy::default_policy(2'400'000'000, 46);
  CHECK(p.query(0x7fff0000, 0).eax == 2400);
  CHECK(p.query(0x80000008, 0).eax == (46 | 48 << 8));
}
