// VM exits that instructions and exceptions cause (SDM 3, 25.1 and 25.2), with their exit qualifications (27.2.1).
// The control and debug registers are in intercepts_registers.cpp.
#include "models/cpu/core.h"
#include "models/cpu/vmx/instruction_info.h"
#include "models/cpu/vmx/vmx.h"

namespace xensim::cpu {

Outcome Vmx::exit(ExitReason reason, std::uint64_t qualification, std::uint32_t instruction_length) {
  core_.vm_exit = {};
  core_.vm_exit.reason = static_cast<std::uint32_t>(reason);
  core_.vm_exit.qualification = qualification;
  core_.vm_exit.instruction_length = instruction_length;
  return Outcome::kVmExit;
}

// A byte of a page that the VMCS points to; ones where there is no RAM.
std::uint8_t Vmx::bitmap_byte(std::uint64_t page, std::uint64_t offset) const {
  const PhysAddr a(page + offset);
  return memory_.contains(a, 1) ? memory_.read<std::uint8_t>(a) : 0xff;
}

Outcome Vmx::on_cpuid(const Op& op) { return non_root ? exit(ExitReason::kCpuid, 0, op.length) : Outcome::kNext; }

Outcome Vmx::on_hlt(const Op& op) {
  return non_root && controls.hlt_exiting() ? exit(ExitReason::kHlt, 0, op.length) : Outcome::kNext;
}

Outcome Vmx::on_invd(const Op& op) { return non_root ? exit(ExitReason::kInvd, 0, op.length) : Outcome::kNext; }

Outcome Vmx::on_wbinvd(const Op& op) {
  return non_root && controls.wbinvd_exiting() ? exit(ExitReason::kWbinvd, 0, op.length) : Outcome::kNext;
}

Outcome Vmx::on_invlpg(const Op& op, std::uint64_t linear) {
  return non_root && controls.invlpg_exiting() ? exit(ExitReason::kInvlpg, linear, op.length) : Outcome::kNext;
}

// INVPCID is undefined unless the guest may have it, and exits as INVLPG does.
Outcome Vmx::on_invpcid(const Op& op) {
  if (!non_root) return Outcome::kNext;
  if (!controls.invpcid()) return core_.raise_ud();
  if (!controls.invlpg_exiting()) return Outcome::kNext;
  exit(ExitReason::kInvpcid, op.disp, op.length);
  core_.vm_exit.instruction_info = memory_operand_info(op) | register_2(op.reg);
  return Outcome::kVmExit;
}

Outcome Vmx::on_rdtsc(const Op& op, bool rdtscp) {
  if (!non_root) return Outcome::kNext;
  if (rdtscp && !controls.rdtscp()) return core_.raise_ud();
  if (!controls.rdtsc_exiting()) return Outcome::kNext;
  return exit(rdtscp ? ExitReason::kRdtscp : ExitReason::kRdtsc, 0, op.length);
}

Outcome Vmx::on_rdpmc(const Op& op) {
  return non_root && controls.rdpmc_exiting() ? exit(ExitReason::kRdpmc, 0, op.length) : Outcome::kNext;
}

// 24.6.9: four bitmaps of 1 KiB: reads of low and high MSRs, writes of low and high MSRs.
bool Vmx::msr_intercepted(std::uint32_t index, bool write) const {
  if (!controls.msr_bitmaps()) return true;
  const std::uint32_t low = index & 0x1fff;
  std::uint32_t map = write ? 2048 : 0;
  if (index == (0xc0000000 | low)) {
    map += 1024;
  } else if (index != low) {
    return true;
  }
  return bit(bitmap_byte(controls.msr_bitmap, map + low / 8), low % 8);
}

Outcome Vmx::on_rdmsr(const Op& op, std::uint32_t index) {
  return non_root && msr_intercepted(index, false) ? exit(ExitReason::kRdmsr, 0, op.length) : Outcome::kNext;
}

Outcome Vmx::on_wrmsr(const Op& op, std::uint32_t index) {
  return non_root && msr_intercepted(index, true) ? exit(ExitReason::kWrmsr, 0, op.length) : Outcome::kNext;
}

// 25.1.3: bitmap A covers ports 0–7fff, B the rest; an access that wraps around the port space exits.
bool Vmx::io_intercepted(std::uint16_t port, unsigned size) const {
  if (!controls.io_bitmaps()) return controls.unconditional_io_exiting();
  for (unsigned p = port; p < port + size; ++p) {
    if (p > 0xffff) return true;
    const std::uint64_t page = p < 0x8000 ? controls.io_bitmap_a : controls.io_bitmap_b;
    if (bit(bitmap_byte(page, (p & 0x7fff) / 8), p % 8)) return true;
  }
  return false;
}

Outcome Vmx::on_io(const Op& op, std::uint16_t port, unsigned size, bool in, bool string, bool rep, bool immediate,
                   std::uint64_t linear) {
  if (!non_root || !io_intercepted(port, size)) return Outcome::kNext;
  std::uint64_t q = size - 1;
  if (in) q |= 1u << 3;
  if (string) q |= 1u << 4;
  if (rep) q |= 1u << 5;
  if (immediate) q |= 1u << 6;
  q |= std::uint64_t{port} << 16;
  exit(ExitReason::kIo, q, op.length);
  if (string) {
    core_.vm_exit.guest_linear = linear;
    core_.vm_exit.instruction_info = address_size_info(op) | (in ? 0 : segment_info(op));
  }
  return Outcome::kVmExit;
}

// 25.1.3: PAUSE exits always, or when a loop of them at CPL 0 has lasted longer than the window. A loop is PAUSEs
// that are at most the gap apart.
Outcome Vmx::on_pause(const Op& op) {
  if (!non_root) return Outcome::kNext;
  if (controls.pause_exiting()) return exit(ExitReason::kPause, 0, op.length);
  if (!controls.pause_loop_exiting() || core_.st.cpl() != 0) return Outcome::kNext;
  const Cycles now = core_.now;
  const bool new_loop = pause_last_ == kNever || now - pause_last_ > controls.ple_gap;
  pause_last_ = now;
  if (new_loop) {
    pause_first_ = now;
    return Outcome::kNext;
  }
  return now - pause_first_ > controls.ple_window ? exit(ExitReason::kPause, 0, op.length) : Outcome::kNext;
}

Outcome Vmx::on_monitor(const Op& op) {
  return non_root && controls.monitor_exiting() ? exit(ExitReason::kMonitor, 0, op.length) : Outcome::kNext;
}

Outcome Vmx::on_mwait(const Op& op) {
  return non_root && controls.mwait_exiting() ? exit(ExitReason::kMwait, 0, op.length) : Outcome::kNext;
}

Outcome Vmx::on_descriptor_table(const Op& op, ExitReason reason, std::uint64_t displacement, unsigned instruction,
                                 int gpr) {
  if (!non_root || !controls.descriptor_table_exiting()) return Outcome::kNext;
  exit(reason, displacement, op.length);
  std::uint32_t info = (gpr < 0 ? memory_operand_info(op) : register_operand_info(static_cast<unsigned>(gpr)));
  if (reason == ExitReason::kGdtrIdtr && !(op.flags & kAddr16)) info |= 1u << 11;
  core_.vm_exit.instruction_info = info | (instruction & 3) << 28;
  return Outcome::kVmExit;
}

Outcome Vmx::on_xsetbv(const Op& op) {
  return non_root ? exit(ExitReason::kXsetbv, 0, op.length) : Outcome::kNext;
}

Outcome Vmx::on_xsaves(const Op& op, bool save, std::uint64_t supervisor) {
  if (!non_root || !(supervisor & controls.xss_exiting_bitmap)) return Outcome::kNext;
  return exit(save ? ExitReason::kXsaves : ExitReason::kXrstors, 0, op.length);
}

Outcome Vmx::on_rdrand(const Op& op, bool rdseed, unsigned operand_bits) {
  if (!non_root || !(rdseed ? controls.rdseed_exiting() : controls.rdrand_exiting())) return Outcome::kNext;
  exit(rdseed ? ExitReason::kRdseed : ExitReason::kRdrand, 0, op.length);
  const std::uint32_t size = operand_bits == 16 ? 0 : operand_bits == 32 ? 1 : 2;
  core_.vm_exit.instruction_info = register_1(op.reg) | size << 11;
  return Outcome::kVmExit;
}

Outcome Vmx::on_vmx_instruction(const Op& op, ExitReason reason, std::uint64_t displacement, unsigned reg2,
                                int gpr) {
  if (!non_root) return Outcome::kNext;
  exit(reason, displacement, op.length);
  std::uint32_t& info = core_.vm_exit.instruction_info;
  switch (reason) {
    case ExitReason::kVmclear:
    case ExitReason::kVmptrld:
    case ExitReason::kVmptrst:
    case ExitReason::kVmxon:
      info = memory_operand_info(op);
      break;
    case ExitReason::kInvept:
    case ExitReason::kInvvpid:
      info = memory_operand_info(op) | register_2(reg2);
      break;
    case ExitReason::kVmread:
    case ExitReason::kVmwrite:
      info = (gpr < 0 ? memory_operand_info(op) : register_operand_info(static_cast<unsigned>(gpr))) |
             register_2(reg2);
      break;
    default:
      break;
  }
  return Outcome::kVmExit;
}

// 25.4.2: a task switch never happens in non-root operation.
Outcome Vmx::on_task_switch(const Op* op, std::uint16_t selector, unsigned type) {
  if (!non_root) return Outcome::kNext;
  return exit(ExitReason::kTaskSwitch, selector | std::uint64_t{type & 3} << 30, op ? op->length : 0);
}

Outcome Vmx::on_triple_fault() { return non_root ? exit(ExitReason::kTripleFault, 0) : Outcome::kNext; }

// 25.2: the exception bitmap; for #PF a bit of it and whether the error code matches say so together.
Outcome Vmx::on_exception(const Event& event) {
  if (!non_root || event.vector > 31) return Outcome::kNext;
  switch (event.type) {
    case EventType::kHardwareException:
    case EventType::kSoftwareException:
    case EventType::kPrivilegedSoftwareException:
      break;
    default:
      return Outcome::kNext;
  }
  bool exits = bit(controls.exception_bitmap, event.vector);
  if (event.vector == kPfVec && event.type == EventType::kHardwareException &&
      (event.error_code & controls.pf_error_mask) != controls.pf_error_match)
    exits = !exits;
  if (!exits) return Outcome::kNext;
  const std::uint64_t qualification = event.vector == kPfVec ? event.cr2 : event.vector == kDb ? event.dr6 : 0;
  exit(ExitReason::kExceptionOrNmi, qualification);
  VmExitInfo& x = core_.vm_exit;
  const bool error = event.has_error_code && core_.st.protected_mode();
  x.interruption_info =
      event.vector | static_cast<std::uint32_t>(event.type) << 8 | (error ? 1u << 11 : 0) | 1u << 31;
  if (error) x.interruption_error = event.error_code;
  if (event.type != EventType::kHardwareException) x.instruction_length = event.instruction_length;
  return Outcome::kVmExit;
}

std::uint64_t Vmx::guest_tsc(std::uint64_t tsc) const {
  if (!non_root || !controls.tsc_offsetting()) return tsc;
  if (controls.tsc_scaling())
    tsc = static_cast<std::uint64_t>((static_cast<unsigned __int128>(tsc) * controls.tsc_multiplier) >> 48);
  return tsc + controls.tsc_offset;
}

}  // namespace xensim::cpu
