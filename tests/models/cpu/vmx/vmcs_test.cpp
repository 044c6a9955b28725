// The VMCS: fields, encodings, VMREAD and VMWRITE, and the errors of the instructions that manage VMCSs.
#include <set>

#include "tests/models/cpu/vmx/vmx_machine.h"

using namespace xensim;
using namespace xensim::cpu;
using F = VmcsField;

TEST_CASE("Every VMCS field has a slot of its own within the region") {
  std::set<unsigned> offsets;
  unsigned fields = 0;
  for (std::uint32_t e = 0; e < 0x8000; e += 2) {
    const unsigned offset = field_offset(e);
    if (offset == 0) continue;
    ++fields;
    CHECK(offset % 8 == 0);
    CHECK(offset + 8 <= kPageSize);
    offsets.insert(offset);
  }
  CHECK(offsets.size() == fields);
  CHECK(fields > 130);
}

TEST_CASE("Only 64-bit fields have a high half, and reserved bits make an encoding unsupported") {
  CHECK(field_offset(static_cast<std::uint32_t>(F::kEptPointer) + 1) != 0);
  CHECK(field_offset(static_cast<std::uint32_t>(F::kPinControls) + 1) == 0);
  CHECK(field_offset(static_cast<std::uint32_t>(F::kGuestRip) + 1) == 0);
  CHECK(field_offset(static_cast<std::uint32_t>(F::kGuestRip) | 0x1000) == 0);
  CHECK(field_offset(static_cast<std::uint32_t>(F::kGuestRip) | 0x8000) == 0);
  CHECK(field_offset(static_cast<std::uint32_t>(F::kVpid) | 0x200) == 0);
}

TEST_CASE("A write to a field truncates to its width") {
  VmxMachine m;
  m.set(F::kVpid, 0x12345);
  m.set(F::kExceptionBitmap, 0x123456789);
  m.set(F::kGuestRip, 0x123456789abcdef0);
  CHECK(m.get(F::kVpid) == 0x2345);
  CHECK(m.get(F::kExceptionBitmap) == 0x23456789);
  CHECK(m.get(F::kGuestRip) == 0x123456789abcdef0);
}

TEST_CASE("The high half of a 64-bit field is read and written alone") {
  VmxMachine m;
  const auto high = static_cast<F>(static_cast<std::uint32_t>(F::kTscOffset) + 1);
  m.set(F::kTscOffset, 0x1111111122222222);
  CHECK(m.core.vmx.vmwrite(high, 0xaaaaaaaa33333333).ok());
  CHECK(m.get(F::kTscOffset) == 0x3333333322222222);
  std::uint64_t v = 0;
  CHECK(m.core.vmx.vmread(high, v).ok());
  CHECK(v == 0x33333333);
}

TEST_CASE("Each offered control has its field: the XSS-exiting bitmap is one") {
  VmxMachine m;
  CHECK(m.core.vmx.vmwrite(F::kXssExitingBitmap, 0x123456789abcdef0).ok());
  CHECK(m.get(F::kXssExitingBitmap) == 0x123456789abcdef0);
}

TEST_CASE(
    "VMREAD and VMWRITE of a field that does not exist fail with error 12, VMWRITE of a read-only one with 13") {
  VmxMachine m;
  std::uint64_t v = 0;
  CHECK(m.core.vmx.vmread(static_cast<F>(0x7ffe), v).error == 12);
  CHECK(m.core.vmx.vmwrite(static_cast<F>(0x7ffe), 0).error == 12);
  CHECK(m.core.vmx.vmwrite(F::kExitReason, 0).error == 13);
  CHECK(m.get(F::kInstructionError) == 13);
  CHECK(m.core.vmx.vmread(F::kExitReason, v).ok());
}

TEST_CASE("Without a current VMCS, instructions fail invalid") {
  VmxMachine m;
  REQUIRE(m.core.vmx.vmclear(VmxMachine::kVmcs).ok());
  CHECK(m.core.vmx.current() == PhysAddr(~std::uint64_t{0}));
  std::uint64_t v = 0;
  bool entered = false;
  CHECK(m.core.vmx.vmread(F::kVpid, v).kind == VmxResult::kFailInvalid);
  CHECK(m.core.vmx.vmwrite(F::kVpid, 0).kind == VmxResult::kFailInvalid);
  CHECK(m.core.vmx.enter(true, entered).kind == VmxResult::kFailInvalid);
  CHECK(m.core.vmx.vmptrld(PhysAddr(1)).kind == VmxResult::kFailInvalid);
}

TEST_CASE("VMXON fails invalid for a bad region and with error 15 when in operation") {
  VmxMachine m;
  CHECK(m.core.vmx.vmxon(VmxMachine::kVmxon).error == 15);
  REQUIRE(m.core.vmx.vmxoff().ok());
  CHECK_FALSE(m.core.vmx.in_operation);
  CHECK(m.core.vmx.vmxon(PhysAddr(0x1008)).kind == VmxResult::kFailInvalid);
  CHECK(m.core.vmx.vmxon(PhysAddr(0x7000)).kind == VmxResult::kFailInvalid);  // revision 0
  CHECK(m.core.vmx.vmxon(PhysAddr(std::uint64_t{1} << 46)).kind == VmxResult::kFailInvalid);
  CHECK(m.core.vmx.vmxon(VmxMachine::kVmxon).ok());
}

TEST_CASE("VMCLEAR and VMPTRLD say what is wrong with their address") {
  VmxMachine m;
  CHECK(m.core.vmx.vmclear(PhysAddr(0x2004)).error == 2);
  CHECK(m.core.vmx.vmclear(PhysAddr(std::uint64_t{1} << 46)).error == 2);
  CHECK(m.core.vmx.vmclear(VmxMachine::kVmxon).error == 3);
  CHECK(m.core.vmx.vmptrld(PhysAddr(0x2004)).error == 9);
  CHECK(m.core.vmx.vmptrld(VmxMachine::kVmxon).error == 10);
  CHECK(m.core.vmx.vmptrld(PhysAddr(0x7000)).error == 11);
  CHECK(m.core.vmx.vmptrld(PhysAddr(0x3f0000000)).error == 11);  // no RAM
  CHECK(m.core.vmx.current() == VmxMachine::kVmcs);
}

TEST_CASE("VMCLEAR of an address without RAM does nothing") {
  VmxMachine m;
  CHECK(m.core.vmx.vmclear(PhysAddr(0x3f0000000)).ok());
}

TEST_CASE("VMLAUNCH wants a clear VMCS and VMRESUME a launched one") {
  VmxMachine m;
  bool entered = false;
  CHECK(m.core.vmx.enter(false, entered).error == 5);
  m.enter();
  m.leave();
  CHECK(m.core.vmx.enter(true, entered).error == 4);
  CHECK(m.core.vmx.enter(false, entered).ok());
  CHECK(entered);
}

TEST_CASE("A VMCS keeps its fields while another one is current") {
  VmxMachine m;
  m.set(F::kGuestRip, 0x1234);
  m.memory.write<std::uint32_t>(PhysAddr(0x7000), kVmcsRevision);
  REQUIRE(m.core.vmx.vmptrld(PhysAddr(0x7000)).ok());
  CHECK(m.get(F::kGuestRip) == 0);
  REQUIRE(m.core.vmx.vmptrld(VmxMachine::kVmcs).ok());
  CHECK(m.get(F::kGuestRip) == 0x1234);
}

TEST_CASE("INVEPT and INVVPID fail with error 28 for bad types and descriptors") {
  VmxMachine m;
  CHECK(m.core.vmx.invept(0, 0).error == 28);
  CHECK(m.core.vmx.invept(1, 0x20000).error == 28);  // walk length 1
  CHECK(m.core.vmx.invept(1, VmxMachine::kEptp).ok());
  CHECK(m.core.vmx.invept(2, 0).ok());
  CHECK(m.core.vmx.invvpid(4, 1, LinearAddr(0)).error == 28);
  CHECK(m.core.vmx.invvpid(1, 0, LinearAddr(0)).error == 28);
  CHECK(m.core.vmx.invvpid(1, 0x10000, LinearAddr(0)).error == 28);
  CHECK(m.core.vmx.invvpid(0, 1, LinearAddr(std::uint64_t{1} << 47)).error == 28);
  CHECK(m.core.vmx.invvpid(0, 1, LinearAddr(0x1000)).ok());
  CHECK(m.core.vmx.invvpid(2, 0, LinearAddr(0)).ok());
}

TEST_CASE("The capability MSRs agree with each other") {
  const VmxMachine m;
  std::uint64_t plain = 0, truth = 0, misc = 0, basic = 0;
  for (std::uint32_t i = 0; i < 4; ++i) {
    REQUIRE(m.core.vmx.capability_msr(0x481 + i, plain));
    REQUIRE(m.core.vmx.capability_msr(0x48d + i, truth));
    CHECK(plain >> 32 == truth >> 32);                  // what may be 1
    CHECK((truth & ~plain & 0xffffffff) == 0);          // the TRUE MSRs force no more
    CHECK((plain & 0xffffffff & ~(plain >> 32)) == 0);  // what must be 1 may be
  }
  REQUIRE(m.core.vmx.capability_msr(0x480, basic));
  CHECK((basic & 0x7fffffff) == kVmcsRevision);
  CHECK(bits(basic, 44, 32) == 4096);
  CHECK(bits(basic, 53, 50) == 6);
  REQUIRE(m.core.vmx.capability_msr(0x485, misc));
  CHECK(bits(misc, 24, 16) == 4);
  CHECK_FALSE(m.core.vmx.capability_msr(0x491, misc));
  CHECK_FALSE(m.core.vmx.capability_msr(0x47f, misc));
}
