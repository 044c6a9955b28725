// Between instructions: injection, windows, NMIs, interrupts, the preemption timer, and their order.
#include "tests/models/cpu/vmx/vmx_machine.h"

using namespace xensim;
using namespace xensim::cpu;
using F = VmcsField;

namespace {

constexpr std::uint32_t reason(ExitReason r) { return static_cast<std::uint32_t>(r); }
constexpr std::uint32_t kValid = 1u << 31;

// The guest's RIP after its event was delivered and the handler has halted.
void check_in_handler(VmxMachine& m, unsigned vector) {
  CHECK(m.run() == StopReason::kHalted);
  CHECK(m.core.st.rip == VmxMachine::kHandlers + vector * 16 + 1);
}

}  // namespace

TEST_CASE("An injected external interrupt is delivered before the first instruction") {
  VmxMachine m;
  m.set(F::kGuestRflags, 0x202);
  m.set(F::kEntryInterruptionInfo, kValid | 0x30);
  m.enter();
  check_in_handler(m, 0x30);
  CHECK(m.stack(0) == VmxMachine::kCode);
  CHECK(m.stack(2) == 0x202);
  CHECK_FALSE(m.core.st.rflags & kIf);
}

TEST_CASE("An injected exception pushes its error code, and #PF leaves CR2 alone") {
  VmxMachine m;
  m.set(F::kEntryInterruptionInfo, kValid | 3u << 8 | 1u << 11 | kPfVec);
  m.set(F::kEntryExceptionError, 6);
  m.enter();
  m.core.st.cr2 = 0xabcd;
  check_in_handler(m, kPfVec);
  CHECK(m.stack(0) == 6);
  CHECK(m.stack(1) == VmxMachine::kCode);
  CHECK(m.core.st.cr2 == 0xabcd);
}

TEST_CASE("An injected NMI blocks further ones") {
  VmxMachine m;
  m.set(F::kEntryInterruptionInfo, kValid | 2u << 8 | kNmi);
  m.enter();
  check_in_handler(m, kNmi);
  CHECK(m.core.st.nmi_blocked);
}

TEST_CASE("Injected software events return past their instruction") {
  VmxMachine m;
  m.set(F::kEntryInterruptionInfo, kValid | 4u << 8 | 0x80);
  m.set(F::kEntryInstructionLength, 2);
  m.enter();
  check_in_handler(m, 0x80);
  CHECK(m.stack(0) == VmxMachine::kCode + 2);
}

TEST_CASE("Injection wakes a guest from HLT") {
  VmxMachine m;
  m.set(F::kGuestActivity, 1);
  m.set(F::kGuestRflags, 0x202);
  m.set(F::kEntryInterruptionInfo, kValid | 0x41);
  m.enter();
  check_in_handler(m, 0x41);
}

TEST_CASE("A guest that enters halted stays so until an event") {
  VmxMachine m;
  m.set(F::kGuestActivity, 1);
  m.set_bits(F::kPinControls, 1);
  m.enter();
  CHECK(m.run() == StopReason::kHalted);
  m.pending_vector = 0x50;
  CHECK(m.run_to_exit() == reason(ExitReason::kExternalInterrupt));
  CHECK(m.get(F::kGuestActivity) == 1);
}

TEST_CASE("External interrupts exit whatever IF says, and are acknowledged if the exit asks for it") {
  VmxMachine m;
  m.set_bits(F::kPinControls, 1);
  m.pending_vector = 0x50;
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kExternalInterrupt));
  CHECK(m.acknowledged == 0);
  CHECK(m.get(F::kExitInterruptionInfo) == 0);
  m.set_bits(F::kExitControls, 1u << 15);
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kExternalInterrupt));
  CHECK(m.acknowledged == 1);
  CHECK(m.get(F::kExitInterruptionInfo) == (kValid | 0x50));
}

TEST_CASE("Without external-interrupt exiting, interrupts go through the guest's IDT when IF is set") {
  VmxMachine m;
  m.code({0x90, 0xf4});
  m.pending_vector = 0x50;
  m.enter();
  CHECK(m.run() == StopReason::kHalted);
  CHECK(m.acknowledged == 0);
  m.leave();
  m.set(F::kGuestActivity, 0);
  m.set(F::kGuestRip, VmxMachine::kCode);
  m.set(F::kGuestRflags, 0x202);
  m.enter();
  check_in_handler(m, 0x50);
}

TEST_CASE("An interrupt waits for the end of a shadow") {
  VmxMachine m;
  m.set_bits(F::kPinControls, 1);
  m.set(F::kGuestRflags, 0x202);
  m.set(F::kGuestInterruptibility, 1);
  m.code({0x90, 0x90});
  m.pending_vector = 0x50;
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kExternalInterrupt));
  CHECK(m.get(F::kGuestRip) == VmxMachine::kCode + 1);
  CHECK(m.get(F::kGuestInterruptibility) == 0);
}

TEST_CASE("The interrupt window opens with IF and without a shadow") {
  VmxMachine m;
  m.set_bits(F::kPrimaryControls, 1u << 2);
  m.code({0xfb, 0x90, 0xf4});  // sti; nop; hlt
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kInterruptWindow));
  CHECK(m.get(F::kGuestRip) == VmxMachine::kCode + 2);
}

TEST_CASE("The NMI window opens when virtual NMIs are not blocked") {
  VmxMachine m;
  m.set_bits(F::kPinControls, 1u << 3 | 1u << 5);
  m.set_bits(F::kPrimaryControls, 1u << 22);
  m.set(F::kGuestInterruptibility, 8);
  m.code({0xf4});
  m.enter();
  CHECK(m.run() == StopReason::kHalted);
  m.leave();
  m.set(F::kGuestActivity, 0);
  m.set(F::kGuestInterruptibility, 0);
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kNmiWindow));
}

TEST_CASE("An NMI exits or goes to the guest as the control says") {
  VmxMachine m;
  m.core.nmi_pending = true;
  m.enter();
  check_in_handler(m, kNmi);
  CHECK(m.core.st.nmi_blocked);
  m.leave();
  m.set(F::kGuestActivity, 0);
  m.set(F::kGuestInterruptibility, 0);
  m.set_bits(F::kPinControls, 1u << 3);
  m.core.nmi_pending = true;
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kExceptionOrNmi));
  CHECK(m.get(F::kExitInterruptionInfo) == (kValid | 2u << 8 | kNmi));
  CHECK_FALSE(m.core.nmi_pending);
}

TEST_CASE("Of several pending events the timer comes first, then NMI window, NMI, interrupt window, interrupt") {
  VmxMachine m;
  m.set_bits(F::kPinControls, 1u | 1u << 3 | 1u << 5 | 1u << 6);
  m.set_bits(F::kPrimaryControls, 1u << 2 | 1u << 22);
  m.set(F::kGuestRflags, 0x202);
  m.pending_vector = 0x50;
  m.core.nmi_pending = true;
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kPreemptionTimer));
  m.clear_bits(F::kPinControls, 1u << 6);
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kNmiWindow));
  m.clear_bits(F::kPrimaryControls, 1u << 22);
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kExceptionOrNmi));
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kInterruptWindow));
  m.clear_bits(F::kPrimaryControls, 1u << 2);
  m.enter();
  CHECK(m.run_to_exit() == reason(ExitReason::kExternalInterrupt));
}

TEST_CASE("The preemption timer expires when its count of TSC steps is over, not before") {
  VmxMachine m;
  m.set_bits(F::kPinControls, 1u << 6);
  m.set(F::kPreemptionTimer, 10);
  m.core.advance(7, CpiCategory::kIdle);  // not at a step of the timer
  m.enter();
  CHECK(m.core.vmx.preemption_deadline == 320);
  m.core.now = 319;
  CHECK(m.core.poll_events() == Outcome::kNext);
  m.core.now = 320;
  CHECK(m.core.poll_events() == Outcome::kVmExit);
  CHECK(m.core.vm_exit.reason == reason(ExitReason::kPreemptionTimer));
}

TEST_CASE("The preemption timer's rest is saved if asked for") {
  VmxMachine m;
  m.set_bits(F::kPinControls, 1u << 6);
  m.set_bits(F::kExitControls, 1u << 22);
  m.set(F::kPreemptionTimer, 10);
  m.enter();
  m.core.now += 3 * 32 + 31;
  m.leave();
  CHECK(m.get(F::kPreemptionTimer) == 7);
  CHECK(m.core.vmx.preemption_deadline == kNever);
  m.enter();
  m.core.now += 1000;
  m.leave();
  CHECK(m.get(F::kPreemptionTimer) == 0);
}

TEST_CASE("Pending debug exceptions are delivered after entry, and lost when an interrupt is injected") {
  VmxMachine m;
  m.set(F::kGuestPendingDebug, 0x4000);
  m.enter();
  check_in_handler(m, kDb);
  CHECK((m.core.st.dr[6] & 0x4000) != 0);
  m.leave();
  m.set(F::kGuestActivity, 0);
  m.set(F::kGuestRflags, 0x202);
  m.set(F::kGuestPendingDebug, 0x4000);
  m.set(F::kEntryInterruptionInfo, kValid | 0x33);
  m.enter();
  check_in_handler(m, 0x33);
}
