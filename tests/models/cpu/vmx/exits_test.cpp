// VM exits of instructions and exceptions: which settings cause them, and the exact information fields.
#include "tests/models/cpu/vmx/vmx_machine.h"

using namespace xensim;
using namespace xensim::cpu;
using F = VmcsField;

namespace {

constexpr std::uint32_t reason(ExitReason r) { return static_cast<std::uint32_t>(r); }

Op op_of_length(std::uint8_t n) {
  Op op{};
  op.length = n;
  op.base = op.index = kZeroReg;
  return op;
}

}  // namespace

TEST_CASE("CPUID exits with its length, and RIP at the instruction") {
  VmxMachine m;
  m.code({0x90, 0x0f, 0xa2});
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kCpuid));
  CHECK(m.get(F::kGuestRip) == VmxMachine::kCode + 1);
  CHECK(m.get(F::kExitInstructionLength) == 2);
  CHECK(m.get(F::kExitReason) == 10);
  CHECK_FALSE(m.core.vmx.non_root);
}

TEST_CASE("HLT exits or halts as its control says") {
  VmxMachine m;
  m.code({0xf4, 0xf4});
  m.enter();
  CHECK(m.run() == StopReason::kHalted);
  CHECK(m.core.vmx.non_root);
  m.leave();
  CHECK(m.get(F::kGuestActivity) == 1);
  CHECK(m.get(F::kGuestRip) == VmxMachine::kCode + 1);
  m.set(F::kGuestActivity, 0);
  m.set_bits(F::kPrimaryControls, 1u << 7);
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kHlt));
  CHECK(m.get(F::kGuestRip) == VmxMachine::kCode + 1);
}

TEST_CASE("VMCALL exits in a guest at any privilege level") {
  VmxMachine m;
  m.code({0x0f, 0x01, 0xc1});
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kVmcall));
  CHECK(m.get(F::kExitInstructionLength) == 3);
  CHECK(m.get(F::kExitQualification) == 0);
}

TEST_CASE("VMREAD of a guest exits with its operands in the instruction information") {
  VmxMachine m;
  m.code({0x0f, 0x78, 0x94, 0x8b, 0x10, 0x00, 0x00, 0x00});  // vmread [rbx+rcx*4+0x10], rdx
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kVmread));
  CHECK(m.get(F::kExitQualification) == 0x10);
  // scale 2, address size 2, segment DS, index 1, base 3, register 2
  CHECK(m.get(F::kExitInstructionInfo) == (2u | 2u << 7 | 3u << 15 | 1u << 18 | 3u << 23 | 2u << 28));
}

TEST_CASE("VMWRITE from a register names both registers") {
  VmxMachine m;
  m.code({0x0f, 0x79, 0xd6});  // vmwrite rdx, rsi
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kVmwrite));
  CHECK(m.get(F::kExitInstructionInfo) == (6u << 3 | 1u << 10 | 2u << 28));
}

TEST_CASE("The MSR bitmaps tell reads from writes and low from high, and nothing lies beyond them") {
  VmxMachine m;
  m.set_bits(F::kPrimaryControls, 1u << 28);
  m.memory.write<std::uint8_t>(PhysAddr(VmxMachine::kMsrMap + 0x174 / 8), 1 << (0x174 % 8));
  m.memory.write<std::uint8_t>(PhysAddr(VmxMachine::kMsrMap + 1024 + 0x82 / 8), 1 << (0x82 % 8));
  m.memory.write<std::uint8_t>(PhysAddr(VmxMachine::kMsrMap + 2048 + 0x175 / 8), 1 << (0x175 % 8));
  m.memory.write<std::uint8_t>(PhysAddr(VmxMachine::kMsrMap + 3072 + 0x81 / 8), 1 << (0x81 % 8));
  m.enter();
  const Op op = op_of_length(2);
  Vmx& x = m.core.vmx;
  CHECK(x.on_rdmsr(op, 0x174) == Outcome::kVmExit);
  CHECK(x.on_rdmsr(op, 0x175) == Outcome::kNext);
  CHECK(x.on_wrmsr(op, 0x174) == Outcome::kNext);
  CHECK(x.on_wrmsr(op, 0x175) == Outcome::kVmExit);
  CHECK(x.on_rdmsr(op, 0xc0000082) == Outcome::kVmExit);
  CHECK(x.on_wrmsr(op, 0xc0000082) == Outcome::kNext);
  CHECK(x.on_wrmsr(op, 0xc0000081) == Outcome::kVmExit);
  CHECK(x.on_rdmsr(op, 0x1fff) == Outcome::kNext);
  CHECK(x.on_rdmsr(op, 0x2000) == Outcome::kVmExit);
  CHECK(x.on_rdmsr(op, 0xc0001fff) == Outcome::kNext);
  CHECK(x.on_rdmsr(op, 0xc0002000) == Outcome::kVmExit);
  CHECK(x.on_rdmsr(op, 0x40000000) == Outcome::kVmExit);
}

TEST_CASE("Without MSR bitmaps every access exits") {
  VmxMachine m;
  m.enter();
  CHECK(m.core.vmx.on_rdmsr(op_of_length(2), 0x10) == Outcome::kVmExit);
  CHECK(m.core.vm_exit.reason == reason(ExitReason::kRdmsr));
  CHECK(m.core.vmx.on_wrmsr(op_of_length(2), 0x10) == Outcome::kVmExit);
  CHECK(m.core.vm_exit.reason == reason(ExitReason::kWrmsr));
}

TEST_CASE("The I/O bitmaps are looked at for each byte of an access") {
  VmxMachine m;
  m.set_bits(F::kPrimaryControls, 1u << 25);
  m.memory.write<std::uint8_t>(PhysAddr(VmxMachine::kIoA + 0x3f8 / 8), 1);
  m.memory.write<std::uint8_t>(PhysAddr(VmxMachine::kIoB + 0x100), 1);
  m.enter();
  const Op op = op_of_length(1);
  const auto io = [&](std::uint16_t port, unsigned size) {
    return m.core.vmx.on_io(op, port, size, true, false, false, false, 0) == Outcome::kVmExit;
  };
  CHECK(io(0x3f8, 1));
  CHECK_FALSE(io(0x3f9, 1));
  CHECK_FALSE(io(0x3f4, 4));
  CHECK(io(0x3f5, 4));
  CHECK(io(0x8800, 1));
  CHECK_FALSE(io(0x8801, 1));
  CHECK(io(0xffff, 2));
  CHECK_FALSE(io(0xffff, 1));
}

TEST_CASE("The qualification of an I/O exit") {
  VmxMachine m;
  m.set_bits(F::kPrimaryControls, 1u << 24);
  m.enter();
  Op op = op_of_length(2);
  op.seg = kDs;
  op.flags = kAddrSimple;
  m.core.vmx.on_io(op, 0xcf8, 4, false, false, false, true, 0);
  CHECK(m.core.vm_exit.qualification == (0xcf80000u | 1u << 6 | 3));
  m.core.vmx.on_io(op, 0x60, 1, true, false, false, false, 0);
  CHECK(m.core.vm_exit.qualification == (0x600000u | 1u << 3));
  m.core.vmx.on_io(op, 0x1f0, 2, false, true, true, false, 0xabc);
  CHECK(m.core.vm_exit.qualification == (0x1f00000u | 3u << 4 | 1));
  CHECK(m.core.vm_exit.guest_linear == 0xabc);
  CHECK(m.core.vm_exit.instruction_info == (2u << 7 | 3u << 15));
}

TEST_CASE("A MOV to CR0 exits when it changes a masked bit against the shadow") {
  VmxMachine m;
  m.set(F::kCr0Mask, kCr0Ts | kCr0Cd);
  m.set(F::kCr0Shadow, kCr0Ts);
  m.enter();
  const Op op = op_of_length(3);
  std::uint64_t v = 0x80000033;  // TS clear
  CHECK(m.core.vmx.on_mov_to_cr(op, 0, 5, v) == Outcome::kVmExit);
  CHECK(m.core.vm_exit.reason == reason(ExitReason::kCrAccess));
  CHECK(m.core.vm_exit.qualification == 0x500);
  v = 0x8000003b | kCr0Wp;  // TS as in the shadow
  CHECK(m.core.vmx.on_mov_to_cr(op, 0, 5, v) == Outcome::kNext);
  CHECK(v == (0x80000033 | kCr0Wp));  // the real TS is clear
  v = m.core.st.cr0;
  CHECK(m.core.vmx.on_mov_from_cr(op, 0, 0, v) == Outcome::kNext);
  CHECK(v == (0x80000033 | kCr0Ts));
  CHECK(m.core.vmx.smsw_view(m.core.st.cr0) == v);
}

TEST_CASE("A MOV to CR0 or CR4 that clears a fixed bit is a general-protection fault") {
  VmxMachine m;
  m.enter();
  std::uint64_t v = 0x80000013;
  CHECK(m.core.vmx.on_mov_to_cr(op_of_length(3), 0, 0, v) == Outcome::kFault);
  v = kCr4Pae;
  CHECK(m.core.vmx.on_mov_to_cr(op_of_length(3), 4, 0, v) == Outcome::kFault);
  CHECK(m.core.fault.vector == kGp);
  v = kCr4Pae | kCr4Vmxe;
  CHECK(m.core.vmx.on_mov_to_cr(op_of_length(3), 4, 0, v) == Outcome::kNext);
}

TEST_CASE("A host-owned CR4.VMXE lets a guest believe that it is clear") {
  VmxMachine m;
  m.set(F::kCr4Mask, kCr4Vmxe);
  m.enter();
  std::uint64_t v = kCr4Pae;
  CHECK(m.core.vmx.on_mov_to_cr(op_of_length(3), 4, 0, v) == Outcome::kNext);
  CHECK(v == (kCr4Pae | kCr4Vmxe));
}

TEST_CASE("CR3 loads of a target value do not exit") {
  VmxMachine m;
  m.set_bits(F::kPrimaryControls, 1u << 15);
  m.set(F::kCr3TargetCount, 1);
  m.set(F::kCr3Target0, 0x11000);
  m.set(F::kCr3Target1, 0x12000);
  m.enter();
  std::uint64_t v = 0x11000;
  CHECK(m.core.vmx.on_mov_to_cr(op_of_length(3), 3, 1, v) == Outcome::kNext);
  v = 0x12000;
  CHECK(m.core.vmx.on_mov_to_cr(op_of_length(3), 3, 1, v) == Outcome::kVmExit);
  CHECK(m.core.vm_exit.qualification == 0x103);
}

TEST_CASE("CR3 stores and CR8 accesses exit by their controls") {
  VmxMachine m;
  m.set_bits(F::kPrimaryControls, 1u << 16 | 1u << 19 | 1u << 20);
  m.enter();
  std::uint64_t v = 0;
  CHECK(m.core.vmx.on_mov_from_cr(op_of_length(3), 3, 2, v) == Outcome::kVmExit);
  CHECK(m.core.vm_exit.qualification == 0x213);
  CHECK(m.core.vmx.on_mov_from_cr(op_of_length(4), 8, 9, v) == Outcome::kVmExit);
  CHECK(m.core.vm_exit.qualification == 0x918);
  CHECK(m.core.vmx.on_mov_to_cr(op_of_length(4), 8, 0, v) == Outcome::kVmExit);
  CHECK(m.core.vm_exit.qualification == 0x008);
}

TEST_CASE("With a TPR shadow CR8 is in the virtual-APIC page, and falling below the threshold exits") {
  VmxMachine m;
  m.set_bits(F::kPrimaryControls, 1u << 21);
  m.memory.write<std::uint32_t>(PhysAddr(VmxMachine::kVapic + 0x80), 0x50);
  m.set(F::kTprThreshold, 3);
  m.enter();
  std::uint64_t v = 3;
  CHECK(m.core.vmx.on_mov_to_cr(op_of_length(4), 8, 0, v) == Outcome::kEndBlock);
  CHECK(m.memory.read<std::uint32_t>(PhysAddr(VmxMachine::kVapic + 0x80)) == 0x30);
  CHECK(m.core.poll_events() == Outcome::kNext);
  CHECK(m.core.vmx.on_mov_from_cr(op_of_length(4), 8, 0, v) == Outcome::kNext);
  CHECK(v == 3);
  v = 2;
  CHECK(m.core.vmx.on_mov_to_cr(op_of_length(4), 8, 0, v) == Outcome::kEndBlock);
  CHECK(m.core.poll_events() == Outcome::kVmExit);
  CHECK(m.core.vm_exit.reason == reason(ExitReason::kTprBelowThreshold));
}

TEST_CASE("CLTS and LMSW follow mask and shadow") {
  VmxMachine m;
  m.set(F::kCr0Mask, kCr0Ts | kCr0Pe);
  m.enter();
  bool clear = true;
  CHECK(m.core.vmx.on_clts(op_of_length(2), clear) == Outcome::kNext);
  CHECK_FALSE(clear);  // host-owned, and clear in the shadow
  std::uint64_t v = 1;
  CHECK(m.core.vmx.on_lmsw(op_of_length(3), false, 0, v) == Outcome::kVmExit);
  CHECK(m.core.vm_exit.qualification == (1u << 16 | 3u << 4));
  v = 8;
  CHECK(m.core.vmx.on_lmsw(op_of_length(3), true, 0x77, v) == Outcome::kVmExit);
  CHECK(m.core.vm_exit.qualification == (8u << 16 | 1u << 6 | 3u << 4));
  CHECK(m.core.vm_exit.guest_linear == 0x77);
  v = 2;
  CHECK(m.core.vmx.on_lmsw(op_of_length(3), false, 0, v) == Outcome::kNext);
  CHECK(v == 3);  // the real PE
  m.leave();
  m.set(F::kCr0Shadow, kCr0Ts);
  m.enter();
  CHECK(m.core.vmx.on_clts(op_of_length(2), clear) == Outcome::kVmExit);
  CHECK(m.core.vm_exit.qualification == 2u << 4);
}

TEST_CASE("MOV DR exits with direction and register") {
  VmxMachine m;
  m.set_bits(F::kPrimaryControls, 1u << 23);
  m.enter();
  CHECK(m.core.vmx.on_mov_dr(op_of_length(3), 7, 3, true) == Outcome::kVmExit);
  CHECK(m.core.vm_exit.qualification == (7u | 1u << 4 | 3u << 8));
  CHECK(m.core.vmx.on_mov_dr(op_of_length(3), 0, 12, false) == Outcome::kVmExit);
  CHECK(m.core.vm_exit.qualification == 12u << 8);
}

TEST_CASE("The exception bitmap and the #PF mask and match decide about exceptions") {
  VmxMachine m;
  m.set(F::kExceptionBitmap, 1u << kUd | 1u << kPfVec);
  m.set(F::kPageFaultErrorMask, 1);
  m.set(F::kPageFaultErrorMatch, 1);
  m.enter();
  const auto exits = [&](Event e) { return m.core.vmx.on_exception(e) == Outcome::kVmExit; };
  CHECK(exits({.vector = kUd}));
  CHECK_FALSE(exits({.vector = kGp, .has_error_code = true}));
  CHECK(exits({.vector = kPfVec, .has_error_code = true, .error_code = 3, .cr2 = 0x1234}));
  CHECK(m.core.vm_exit.qualification == 0x1234);
  CHECK(m.core.vm_exit.interruption_info == (1u << 31 | 1u << 11 | 3u << 8 | 14));
  CHECK(m.core.vm_exit.interruption_error == 3);
  CHECK_FALSE(exits({.vector = kPfVec, .has_error_code = true, .error_code = 2}));
  CHECK_FALSE(exits({.vector = kUd, .type = EventType::kSoftwareInterrupt}));
}

TEST_CASE("An undefined instruction exits through the bitmap and leaves RIP and RF for its restart") {
  VmxMachine m;
  m.set(F::kExceptionBitmap, 1u << kUd);
  m.code({0x90, 0x0f, 0x0b});
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kExceptionOrNmi));
  CHECK(m.get(F::kExitInterruptionInfo) == (1u << 31 | 3u << 8 | kUd));
  CHECK(m.get(F::kGuestRip) == VmxMachine::kCode + 1);
  CHECK((m.get(F::kGuestRflags) & kRf) != 0);
  CHECK(m.get(F::kIdtVectoringInfo) == 0);
}

TEST_CASE("A triple fault exits without IDT-vectoring information") {
  VmxMachine m;
  m.set(F::kGuestIdtrLimit, 0);
  m.code({0x0f, 0x0b});
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kTripleFault));
  CHECK(m.get(F::kIdtVectoringInfo) == 0);
}

TEST_CASE("A fault in event delivery that exits reports the event") {
  VmxMachine m;
  m.set(F::kExceptionBitmap, 1u << kGp);
  m.set(F::kGuestIdtrLimit, 0);
  m.set(F::kEntryInterruptionInfo, 1u << 31 | 3u << 8 | kUd);
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kExceptionOrNmi));
  CHECK((m.get(F::kExitInterruptionInfo) & 0xff) == kGp);
  CHECK(m.get(F::kIdtVectoringInfo) == (1u << 31 | 3u << 8 | kUd));
  CHECK_FALSE(bit(m.get(F::kEntryInterruptionInfo), 31));
}

TEST_CASE("PAUSE loops exit at CPL 0 once they last longer than the window") {
  VmxMachine m;
  m.set_bits(F::kSecondaryControls, 1u << 10);
  m.set(F::kPleGap, 128);
  m.set(F::kPleWindow, 4096);
  m.enter();
  const Op op = op_of_length(2);
  const Cycles start = m.core.now;
  for (Cycles t = 0; t <= 4096; t += 128) {
    m.core.now = start + t;
    CHECK(m.core.vmx.on_pause(op) == Outcome::kNext);
  }
  SECTION("one cycle past the window") {
    m.core.now = start + 4097;
    CHECK(m.core.vmx.on_pause(op) == Outcome::kVmExit);
    CHECK(m.core.vm_exit.reason == reason(ExitReason::kPause));
  }
  SECTION("a gap begins a new loop") {
    m.core.now = start + 4096 + 129;
    CHECK(m.core.vmx.on_pause(op) == Outcome::kNext);
    m.core.now += 100;
    CHECK(m.core.vmx.on_pause(op) == Outcome::kNext);
  }
}

TEST_CASE("The guest's TSC is offset, and scaled before that") {
  VmxMachine m;
  m.set_bits(F::kPrimaryControls, 1u << 3);
  m.set(F::kTscOffset, static_cast<std::uint64_t>(-100));
  m.enter();
  CHECK(m.core.vmx.guest_tsc(1000) == 900);
  m.leave();
  m.set_bits(F::kSecondaryControls, 1u << 25);
  m.set(F::kTscMultiplier, std::uint64_t{3} << 47);
  m.enter();
  CHECK(m.core.vmx.guest_tsc(1000) == 1400);
}

TEST_CASE("A VM exit saves the guest's registers, and the next entry brings them back") {
  VmxMachine m;
  m.enter();
  m.core.st.rip = 0x123456;
  m.core.st.gpr[kRsp] = 0x7777;
  m.core.st.cr3 = 0x12000;
  m.core.st.dr[7] = 0x455;
  m.core.st.msr.pat = 0x0606060606060606;
  m.core.st.seg[kFs].base = 0x5000;
  m.core.st.nmi_blocked = true;
  m.core.set_rflags(kCf | kZf | 2);
  m.leave();
  CHECK(m.get(F::kGuestRip) == 0x123456);
  CHECK(m.get(F::kGuestRflags) == (kCf | kZf | 2));
  CHECK(m.get(F::kGuestInterruptibility) == 8);
  m.core.st = ArchState{};
  m.enter();
  CHECK(m.core.st.rip == 0x123456);
  CHECK(m.core.st.gpr[kRsp] == 0x7777);
  CHECK(m.core.st.cr3 == 0x12000);
  CHECK(m.core.st.dr[7] == 0x455);
  CHECK(m.core.st.msr.pat == 0x0606060606060606);
  CHECK(m.core.st.seg[kFs].base == 0x5000);
  CHECK(m.core.st.nmi_blocked);
  CHECK(m.core.rflags() == (kCf | kZf | 2));
  CHECK(m.core.st.long_mode_active());
}

TEST_CASE("The exit's MSR list stores what the guest left, and a bad entry is a VMX abort") {
  VmxMachine m;
  m.set(F::kExitMsrStoreCount, 1);
  m.set(F::kExitMsrStoreAddress, 0x7000);
  m.memory.write<std::uint64_t>(PhysAddr(0x7000), 0xc0000081);
  m.enter();
  m.core.st.msr.star = 0x23001000000000;
  m.leave();
  CHECK(m.memory.read<std::uint64_t>(PhysAddr(0x7008)) == 0x23001000000000);
  m.memory.write<std::uint64_t>(PhysAddr(0x7000), 0xc0000101);
  m.enter();
  m.leave();
  CHECK(m.memory.read<std::uint32_t>(VmxMachine::kVmcs + 4) == 1);
  CHECK(m.core.st.activity == Activity::kShutdown);
}

TEST_CASE("Exits that save no RF keep the guest's, and the IA-32e mode control follows the guest") {
  VmxMachine m;
  m.enter();
  m.core.set_rflags(2);
  m.core.st.efer &= ~kEferLma;
  m.leave();
  CHECK(m.get(F::kGuestRflags) == 2);
  CHECK_FALSE(bit(m.get(F::kEntryControls), 9));
}
