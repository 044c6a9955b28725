// What a vCPU is given at VM entry: an event that an exit interrupted, an exception that a handler wants, or an
// interrupt from the event-channel upcall or the vLAPIC, if the guest can take it; else an exit when it can
// (vmx_intr_assist).
#include <utility>

#include "models/xen/hvm/platform.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

using F = cpu::VmcsField;

namespace {
constexpr std::uint32_t kValid = 1u << 31, kHasError = 1u << 11, kHardwareException = 3;
constexpr std::uint32_t kInterruptWindow = 1u << 2, kNmiWindow = 1u << 22;

bool pic_waiting(const Vcpu& v) { return v.domain.platform && v.domain.platform->pic_interrupt(v); }

}  // namespace

// Of vCPUs with an upcall vector of their own, too.
bool Hypervisor::callback_by_vector(const Vcpu& v) const {
  return v.domain.callback.type == event::CallbackVia::Type::kVector && upcall_pending(v);
}

bool Hypervisor::interrupt_waiting(const Vcpu& v) const {
  return v.nmi_pending || callback_by_vector(v) || v.vlapic.deliverable() >= 0 || pic_waiting(v);
}

bool Hypervisor::local_events_need_delivery(const Vcpu& v) const {
  const cpu::Vmx& vmx = active_->pcpu->core.vmx;
  const std::uint64_t shadow = vmx.read(F::kGuestInterruptibility);
  if (v.nmi_pending) return (shadow & 0xb) == 0;
  return interrupt_waiting(v) && (vmx.read(F::kGuestRflags) & cpu::kIf) && (shadow & 3) == 0;
}

void Hypervisor::prepare_injection(PcpuState& c, Vcpu& v) {
  cpu::Vmx& vmx = c.pcpu->core.vmx;
  const auto window = [&](std::uint32_t bit, bool on) {
    const std::uint64_t old = vmx.read(F::kPrimaryControls);
    const std::uint64_t now_set = on ? old | bit : old & ~std::uint64_t{bit};
    if (old != now_set) vmx.write(F::kPrimaryControls, now_set);
  };
  const bool waiting = interrupt_waiting(v);
  if (v.reinject_info & kValid || v.inject) {
    if (v.reinject_info & kValid) {
      vmx.write(F::kEntryInterruptionInfo, v.reinject_info & ~0x1000u);
      vmx.write(F::kEntryExceptionError, v.reinject_error);
      vmx.write(F::kEntryInstructionLength, v.reinject_length);
      v.reinject_info = 0;
    } else {
      const cpu::Event& e = *v.inject;
      vmx.write(F::kEntryInterruptionInfo,
                kValid | static_cast<std::uint32_t>(e.type) << 8 | (e.has_error_code ? kHasError : 0) | e.vector);
      if (e.has_error_code) vmx.write(F::kEntryExceptionError, e.error_code);
      vmx.write(F::kEntryInstructionLength, e.instruction_length);
      if (e.vector == cpu::kPfVec) {
        c.pcpu->core.st.cr2 = e.cr2;
        tracer.pf_inject(c.pcpu->index, e.error_code, e.cr2);
      } else {
        tracer.inj_exc(c.pcpu->index, e.vector, e.error_code);
      }
      ++v.stats.exceptions_injected;
      v.inject.reset();
    }
    window(kInterruptWindow, waiting);
    return;
  }
  if (!waiting) return;
  cost.charge(*c.pcpu, Path::kInterruptInject);
  const std::uint64_t shadow = vmx.read(F::kGuestInterruptibility);
  if (v.nmi_pending) {
    if ((shadow & 0xb) == 0) {
      vmx.write(F::kEntryInterruptionInfo, kValid | 2u << 8 | cpu::kNmi);
      v.nmi_pending = false;
      window(kNmiWindow, false);
      ++v.stats.interrupts_injected;
      return;
    }
    window(kNmiWindow, true);
    return;
  }
  const bool open = (vmx.read(F::kGuestRflags) & cpu::kIf) && (shadow & 3) == 0;
  const bool callback = callback_by_vector(v);
  // In Xen's order: the callback, the PICs, the local APIC.
  const bool pic = !callback && pic_waiting(v);
  std::uint8_t vector =
      callback ? v.domain.callback.vector : static_cast<std::uint8_t>(pic ? 0 : v.vlapic.deliverable());
  if (!open) {
    window(kInterruptWindow, true);
    tracer.intr_window(c.pcpu->index, vector, callback ? 3 : 1, 0);
    return;
  }
  if (pic)
    vector = v.domain.platform->acknowledge_pic();
  else if (!callback)
    vector = v.vlapic.acknowledge();
  vmx.write(F::kEntryInterruptionInfo, kValid | vector);
  tracer.inj_virq(c.pcpu->index, vector, false);
  ++v.stats.interrupts_injected;
  window(kInterruptWindow, interrupt_waiting(v));
}

namespace {

enum class Combined : std::uint8_t { kSecond, kDoubleFault, kTripleFault };

// What becomes of an exception while another is being delivered (hvm_combine_hw_exceptions; SDM 3, table 6-5).
Combined combine(std::uint8_t first, std::uint8_t second) {
  using namespace cpu;
  const auto contributory = [](std::uint8_t n) { return n == kDe || (n >= kTs && n <= kGp); };
  if (first == kDfVec) return Combined::kTripleFault;
  if (first == kPfVec && (contributory(second) || second == kPfVec)) return Combined::kDoubleFault;
  if (!contributory(first) || second == kPfVec) return Combined::kSecond;
  return contributory(second) ? Combined::kDoubleFault : Combined::kSecond;
}

}  // namespace

void Hypervisor::triple_fault(Vcpu& v) {
  const std::uint64_t why = v.domain.hvm_params[HVM_PARAM_TRIPLE_FAULT_REASON];
  log.push_back("(XEN) d" + std::to_string(v.domain.domid) + "v" + std::to_string(v.id) +
                " Triple fault - invoking HVM shutdown action " + std::to_string(why));
  v.domain.triple_fault = true;
  shutdown_domain(v.domain, why <= 5 ? static_cast<ShutdownReason>(why) : ShutdownReason::kReboot);
}

void Hypervisor::inject_exception(Vcpu& v, std::uint8_t vector, std::optional<std::uint32_t> error_code,
                                  std::uint64_t cr2) {
  // In place of the event that was being delivered, if that was no exception.
  const std::uint32_t interrupted = std::exchange(v.reinject_info, 0);
  if ((interrupted & kValid) && (interrupted >> 8 & 7) == kHardwareException) {
    const Combined c = combine(static_cast<std::uint8_t>(interrupted), vector);
    if (c == Combined::kTripleFault) return triple_fault(v);
    if (c == Combined::kDoubleFault) {
      vector = cpu::kDfVec;
      error_code = 0;
    }
  }
  cpu::Event e;
  e.vector = vector;
  e.has_error_code = error_code.has_value();
  e.error_code = error_code.value_or(0);
  e.cr2 = cr2;
  v.inject = e;
}

void Hypervisor::vlapic_accept(Vcpu& v, std::uint8_t vector) {
  if (!v.vlapic.software_enabled()) return;
  v.vlapic.accept(vector, false);
  vcpu_kick(v);
}

void VlapicBus::eoi_broadcast(std::uint8_t vector) {
  if (vcpu_.domain.platform) vcpu_.domain.platform->end_of_interrupt(vector);
}

void VlapicBus::send_ipi(std::uint32_t, const cpu::IpiMessage& message) { hypervisor_.vlapic_ipi(vcpu_, message); }

void Hypervisor::vlapic_ipi(Vcpu& from, const cpu::IpiMessage& m) {
  using Mode = cpu::IpiMessage::Mode;
  bool lowest_done = false;
  for (auto& target : from.domain.vcpus) {
    const bool self = target.get() == &from;
    const bool hit = m.shorthand == 1   ? self
                     : m.shorthand == 2 ? true
                     : m.shorthand == 3 ? !self
                                        : target->vlapic.matches(m);
    if (!hit) continue;
    Vcpu& t = *target;
    switch (m.mode) {
      case Mode::kFixed:
        vlapic_accept(t, m.vector);
        break;
      case Mode::kLowestPriority:
        if (!lowest_done) vlapic_accept(t, m.vector);
        lowest_done = true;
        break;
      case Mode::kNmi:
        t.nmi_pending = true;
        vcpu_kick(t);
        break;
      case Mode::kInit:
        if (!m.level_assert || self) break;
        t.vlapic.init();
        t.waiting_for_sipi = true;
        if (!(t.pause_flags & kPauseDown)) {
          t.pause_flags |= kPauseDown;
          vcpu_sleep(t);
        }
        break;
      case Mode::kStartup:
        if (!t.waiting_for_sipi || t.runstate == Runstate::kRunning) break;
        t.waiting_for_sipi = false;
        start_vcpu_at(t, m.vector);
        break;
      default:
        break;
    }
  }
}

// The target's state is written through this pCPU's VMX unit; the sender's own context goes back in afterwards.
void Hypervisor::start_vcpu_at(Vcpu& t, std::uint8_t vector) {
  reset_vcpu_to_sipi(t, vector);
  if (active_->current && !active_->current->model) load_context(*active_, *active_->current);
  t.initialised = true;
  vcpu_up(t);
}

}  // namespace xensim::xen
