// Hypercalls by VMCALL from HVM and PVH guests: registers, privilege, the table, the result (hvm_hypercall in
// Xen). 64-bit: number RAX, arguments RDI RSI RDX R10 R8 R9. 32-bit: EAX, EBX ECX EDX ESI EDI EBP. From CPL > 0:
// -EPERM.
#include "models/xen/hypercall/handlers.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

using F = cpu::VmcsField;

namespace {

struct Row {
  unsigned number;
  Path path;      // kCount: the handler charges
  unsigned ints;  // bit i: Xen takes argument i as an int, and sees its lower half alone
  HypercallHandler handler;
};

// Functions of the class as handlers.
template <long (Hypervisor::*kMember)(Vcpu&, const Arguments&)>
long member(Hypervisor& hv, Vcpu& v, const Arguments& args) {
  return (hv.*kMember)(v, args);
}

}  // namespace

// The numbers that HVM and PVH guests have, of either width; all others give -ENOSYS. (Xen's table has argo_op
// too, in builds for experts.)
long Hypervisor::call_hypercall(Vcpu& v, std::uint64_t number, Arguments args) {
  static constexpr Row kTable[] = {
      {__HYPERVISOR_platform_op, Path::kControlOp, 0b0000, do_platform_op},
      {__HYPERVISOR_memory_op, Path::kCount, 0b0000, member<&Hypervisor::do_memory_op>},
      {__HYPERVISOR_multicall, Path::kCount, 0b0010, do_multicall},
      {__HYPERVISOR_set_timer_op, Path::kSetTimerOp, 0b0000, member<&Hypervisor::do_set_timer_op>},
      {__HYPERVISOR_xen_version, Path::kXenVersion, 0b0001, member<&Hypervisor::do_xen_version>},
      {__HYPERVISOR_console_io, Path::kConsoleIo, 0b0011, member<&Hypervisor::do_console_io>},
      {__HYPERVISOR_grant_table_op, Path::kCount, 0b0101, member<&Hypervisor::do_grant_table_op>},
      {__HYPERVISOR_vm_assist, Path::kVmAssist, 0b0011, member<&Hypervisor::do_vm_assist>},
      {__HYPERVISOR_vcpu_op, Path::kCount, 0b0011, member<&Hypervisor::do_vcpu_op>},
      {__HYPERVISOR_mmuext_op, Path::kSmallHypercall, 0b1010, do_mmuext_op},
      {__HYPERVISOR_xsm_op, Path::kSmallHypercall, 0b0000, do_xsm_op},
      {__HYPERVISOR_sched_op, Path::kSchedOp, 0b0001, member<&Hypervisor::do_sched_op>},
      {__HYPERVISOR_event_channel_op, Path::kCount, 0b0001, member<&Hypervisor::do_event_channel_op>},
      {__HYPERVISOR_physdev_op, Path::kSmallHypercall, 0b0001, do_physdev_op},
      {__HYPERVISOR_hvm_op, Path::kHvmOp, 0b0000, member<&Hypervisor::do_hvm_op>},
      {__HYPERVISOR_sysctl, Path::kControlOp, 0b0000, do_sysctl},
      {__HYPERVISOR_domctl, Path::kControlOp, 0b0000, do_domctl},
      {__HYPERVISOR_xenpmu_op, Path::kSmallHypercall, 0b0001, do_xenpmu_op},
      {__HYPERVISOR_dm_op, Path::kSmallHypercall, 0b0010, do_dm_op},
      {__HYPERVISOR_hypfs_op, Path::kSmallHypercall, 0b0001, do_hypfs_op},
      {__HYPERVISOR_arch_1, Path::kControlOp, 0b0000, do_paging_domctl_cont},
  };
  cpu::Pcpu& p = *active_->pcpu;
  for (const Row& r : kTable)
    if (r.number == number) {
      if (r.path != Path::kCount) cost.charge(p, r.path);
      for (unsigned i = 0; i < 5; ++i)
        if (r.ints >> i & 1) args.a[i] &= 0xffffffff;
      return r.handler(*this, v, args);
    }
  cost.charge(p, Path::kUnknownHypercall);
  return -kEnosys;
}

void Hypervisor::hypercall(Vcpu& v) {
  cpu::Core& core = active_->pcpu->core;
  cpu::Pcpu& p = *active_->pcpu;
  const unsigned cpu_index = p.index;
  auto& gpr = core.st.gpr;
  const bool wide = core.vmx.read(F::kGuestCsAttr) & 0x2000 && core.vmx.read(F::kGuestEfer) & cpu::kEferLma;
  const std::uint64_t number = wide ? gpr[cpu::kRax] : static_cast<std::uint32_t>(gpr[cpu::kRax]);
  const auto op = static_cast<std::uint32_t>(number);
  tracer.vmcall(cpu_index, op);
  cost.charge(p, Path::kHypercallCommon);

  Arguments args{};
  args.wide = wide;
  if (wide)
    args.a = {gpr[cpu::kRdi], gpr[cpu::kRsi], gpr[cpu::kRdx], gpr[cpu::kR10], gpr[cpu::kR8], gpr[cpu::kR9]};
  else
    args.a = {gpr[cpu::kRbx] & 0xffffffff, gpr[cpu::kRcx] & 0xffffffff, gpr[cpu::kRdx] & 0xffffffff,
              gpr[cpu::kRsi] & 0xffffffff, gpr[cpu::kRdi] & 0xffffffff, gpr[cpu::kRbp] & 0xffffffff};
  const unsigned cpl = static_cast<unsigned>(core.vmx.read(F::kGuestSsAttr) >> 5 & 3);
  const bool virtual_8086 = core.vmx.read(F::kGuestRflags) & cpu::kVm;
  long result = -kEnosys;
  if (number < v.stats.hypercalls.size()) v.open_hypercall = static_cast<int>(op);
  tracer.hypercall_enter(cpu_index, now(), trace_id(v), op, args.a[0]);
  if (cpl > 0 || virtual_8086) {
    result = -kEperm;
  } else {
    result = call_hypercall(v, number, args);
  }
  if (continue_hypercall_) {
    continue_hypercall_ = false;
    core.vmx.write(F::kGuestRip, core.vmx.read(F::kGuestRip) - core.vm_exit.instruction_length);
    v.inject.reset();
    return;
  }
  if (result == -kEnosys) ++v.stats.unknown_hypercalls;
  tracer.hypercall_return(cpu_index, now(), trace_id(v), op, static_cast<std::uint64_t>(result));
  gpr[cpu::kRax] = wide ? static_cast<std::uint64_t>(result) : static_cast<std::uint32_t>(result);
}

long Hypervisor::do_set_timer_op(Vcpu& v, const Arguments& args) {
  const std::uint64_t timeout = args.wide ? args.a[0] : args.a[0] | args.a[1] << 32;
  if (timeout == 0) {
    remove_timer(v.singleshot);
    return 0;
  }
  // Xen's answer to guests that set timers a long way off (or "negative") when they mean "none": 100 ms.
  const Nanoseconds t = ns(now());
  const bool huge = timeout >> 63 || (timeout > t && (timeout - t) >> 50 != 0);
  return set_singleshot_timer(v, huge ? t + 100'000'000 : timeout);
}

long Hypervisor::do_vm_assist(Vcpu& v, const Arguments& args) {
  // HVM guests may only ask for the runstate update flag.
  const std::uint64_t cmd = args.a[0], type = args.a[1];
  if (type != VMASST_TYPE_runstate_update_flag) return -kEinval;
  if (cmd != VMASST_CMD_enable && cmd != VMASST_CMD_disable) return -kEnosys;
  const std::uint64_t bit = std::uint64_t{1} << type;
  v.domain.vm_assist = cmd == VMASST_CMD_enable ? v.domain.vm_assist | bit : v.domain.vm_assist & ~bit;
  return 0;
}

}  // namespace xensim::xen
