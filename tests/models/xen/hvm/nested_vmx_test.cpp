#include "models/xen/hvm/nested_vmx.h"

#include <catch2/catch.hpp>

#include "tests/models/xen/hvm/vcpu_bench.h"

namespace xensim::xen::hvm {
namespace {

using F = cpu::VmcsField;
using R = cpu::ExitReason;

constexpr std::uint64_t kPointer = 0x3000, kRegion = 0x4000, kVmcs = 0x5000;
// [disp32], data segment, 32-bit addresses.
constexpr std::uint32_t kMemory = 1u << 7 | 3u << 15 | 1u << 22 | 1u << 27;
constexpr std::uint32_t kRegister = 1u << 10;
enum class Said { kSuccess, kInvalid, kFail, kUd, kGp };

struct NestedBench : VcpuBench {
  explicit NestedBench(bool offered = true) : VcpuBench(offered) {
    vmx().capability_msr(0x480, basic);
    set_vmxe(true);
    put<std::uint32_t>(kRegion, revision());
    put<std::uint32_t>(kVmcs, revision());
  }
  std::uint64_t basic = 0;
  std::uint32_t revision() const { return static_cast<std::uint32_t>(basic & 0x7fffffff); }
  void set_vmxe(bool on) { vmx().write(F::kCr4Shadow, on ? cpu::kCr4Vmxe : 0); }

  Said run(R reason, std::uint64_t pointer = 0, std::uint32_t info = kMemory) {
    put<std::uint64_t>(kPointer, pointer);
    v().inject.reset();
    core().vm_exit = {};
    core().vm_exit.qualification = kPointer;
    core().vm_exit.instruction_info = info;
    core().vm_exit.instruction_length = 4;
    vmx().write(F::kGuestRip, 0x1000);
    vmx().write(F::kGuestRflags, 2);
    handle_vmx_instruction(*hv, v(), reason);
    if (v().inject) return v().inject->vector == cpu::kUd ? Said::kUd : Said::kGp;
    CHECK(vmx().read(F::kGuestRip) == 0x1004);
    const std::uint64_t flags = vmx().read(F::kGuestRflags);
    return flags & cpu::kCf ? Said::kInvalid : flags & cpu::kZf ? Said::kFail : Said::kSuccess;
  }
  std::uint64_t error() {
    core().st.gpr[cpu::kRcx] = 0x4400;
    CHECK(run(R::kVmread, 0, kRegister | 3u << 3 | 1u << 28) == Said::kSuccess);
    return core().st.gpr[cpu::kRbx];
  }
};

TEST_CASE("VMX instructions do not exist for a guest without it, without CR4.VMXE, or before VMXON") {
  NestedBench without(false);
  CHECK(without.run(R::kVmxon, kRegion) == Said::kUd);
  NestedBench b;
  CHECK(b.run(R::kVmptrld, kVmcs) == Said::kUd);
  CHECK(b.run(R::kVmxoff) == Said::kUd);
  b.set_vmxe(false);
  CHECK(b.run(R::kVmxon, kRegion) == Said::kUd);
}

TEST_CASE("VMXON wants an aligned page in reach with the right revision") {
  NestedBench b;
  CHECK(b.run(R::kVmxon, std::uint64_t{1} << 46) == Said::kInvalid);
  CHECK(b.run(R::kVmxon, kRegion | 0xff) == Said::kInvalid);
  CHECK(b.run(R::kVmxon, 0x100000) == Said::kInvalid);  // no RAM
  b.put<std::uint32_t>(kRegion, b.revision() ^ 2);
  CHECK(b.run(R::kVmxon, kRegion) == Said::kInvalid);
  b.put<std::uint32_t>(kRegion, b.revision() | 1u << 31);
  CHECK(b.run(R::kVmxon, kRegion) == Said::kInvalid);
  b.put<std::uint32_t>(kRegion, b.revision());
  CHECK(b.run(R::kVmxon, kRegion) == Said::kSuccess);
}

TEST_CASE("A second VMXON fails, with an error number once there is a VMCS") {
  NestedBench b;
  REQUIRE(b.run(R::kVmxon, kRegion) == Said::kSuccess);
  CHECK(b.run(R::kVmxon, kRegion) == Said::kInvalid);
  REQUIRE(b.run(R::kVmptrld, kVmcs) == Said::kSuccess);
  CHECK(b.run(R::kVmxon, kRegion) == Said::kFail);
  CHECK(b.error() == 15);
  CHECK(b.run(R::kVmptrld, kRegion) == Said::kFail);
  CHECK(b.error() == 10);
}

TEST_CASE("What VMWRITE writes VMREAD reads, in the field's width") {
  NestedBench b;
  REQUIRE(b.run(R::kVmxon, kRegion) == Said::kSuccess);
  const auto write = [&](std::uint32_t field, std::uint64_t value) {
    b.core().st.gpr[cpu::kRcx] = field;
    b.core().st.gpr[cpu::kRbx] = value;
    return b.run(R::kVmwrite, 0, kRegister | 3u << 3 | 1u << 28);
  };
  const auto read = [&](std::uint32_t field) {
    b.core().st.gpr[cpu::kRcx] = field;
    CHECK(b.run(R::kVmread, 0, kRegister | 3u << 3 | 1u << 28) == Said::kSuccess);
    return b.core().st.gpr[cpu::kRbx];
  };
  CHECK(write(0x681e, 1) == Said::kInvalid);  // no VMCS is current
  REQUIRE(b.run(R::kVmptrld, kVmcs) == Said::kSuccess);
  CHECK(write(0x681e, 0x12345678) == Said::kSuccess);
  CHECK(read(0x681e) == 0x12345678);
  CHECK(write(0, 0x12345) == Said::kSuccess);
  CHECK(read(0) == 0x2345);
  CHECK(write(0x2001, 7) == Said::kSuccess);  // upper half of a 64-bit field
  CHECK(read(0x2001) == 7);
  CHECK(read(0x2000) == 0);
  CHECK(b.run(R::kVmclear, kVmcs) == Said::kSuccess);
  CHECK(b.run(R::kVmread, 0, kRegister) == Said::kInvalid);
}

TEST_CASE("Only the kernel may use VMX") {
  NestedBench b;
  b.vmx().write(F::kGuestSsAttr, 0xc0f3);
  CHECK(b.run(R::kVmxon, kRegion) == Said::kGp);
}

TEST_CASE("A guest that enters one of its own is crashed, and says why") {
  NestedBench b;
  REQUIRE(b.run(R::kVmxon, kRegion) == Said::kSuccess);
  CHECK(b.run(R::kVmlaunch) == Said::kInvalid);
  REQUIRE(b.run(R::kVmptrld, kVmcs) == Said::kSuccess);
  handle_vmx_instruction(*b.hv, b.v(), R::kVmlaunch);
  CHECK(b.d.shutdown == ShutdownReason::kCrash);
  CHECK(b.d.crash_message.find("nested") != std::string::npos);
}

TEST_CASE("The capability MSRs offer no more than the processor has, and a VMCS of 4 KiB") {
  NestedBench b;
  std::uint64_t value = 0;
  REQUIRE(read_vmx_msr(*b.hv, b.v(), 0x480, value));
  CHECK((value >> 32 & 0x1fff) == 4096);
  CHECK((value & 0xffffffff) == b.revision());
  for (const std::uint32_t msr : {0x481u, 0x482u, 0x483u, 0x484u, 0x48bu}) {
    std::uint64_t host = 0;
    b.vmx().capability_msr(msr, host);
    REQUIRE(read_vmx_msr(*b.hv, b.v(), msr, value));
    CHECK((value >> 32 & ~(host >> 32)) == 0);
    CHECK((static_cast<std::uint32_t>(value) & ~static_cast<std::uint32_t>(value >> 32)) == 0);
  }
  NestedBench without(false);
  CHECK_FALSE(read_vmx_msr(*without.hv, without.v(), 0x480, value));
}

}  // namespace
}  // namespace xensim::xen::hvm
