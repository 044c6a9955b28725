// The VMX instructions (SDM 3, chapter 30), as a guest hypervisor's binary executes them: privilege and mode
// checks, operands from registers and memory, and the result in the flags (30.2). What they do is cpu::Vmx's. In
// VMX non-root operation each of them is a VM exit.
#include <array>

#include "models/cpu/core.h"
#include "models/cpu/form.h"
#include "models/cpu/vmx/capabilities.h"
#include "models/cpu/vmx/vmx.h"

namespace xensim::cpu {

// VM entry as VMLAUNCH and VMRESUME see it.
struct VmxInstructions {
  static Outcome enter(Core& core, bool launch);
};

namespace isa {
namespace {

// What Op::sub says: the operand that could be in memory is in a register.
constexpr std::uint8_t kRegisterOperand = 1;

Outcome finish(Core& core, const VmxResult& r) {
  core.flags.load(r.kind == VmxResult::kFailInvalid ? kCf : r.kind == VmxResult::kFailValid ? kZf : 0);
  return Outcome::kEndBlock;
}

bool mode_allows(const Core& core) {
  const ArchState& st = core.st;
  return st.protected_mode() && !st.v8086() && (!st.long_mode_active() || st.seg[kCs].long_mode());
}

// The checks that all instructions but VMXON and VMCALL begin with. kNext: go on in root operation at CPL 0.
Outcome begin(Core& core, const Op& op, ExitReason reason, unsigned reg2 = 0, int gpr = -1) {
  if (!core.vmx.in_operation || !mode_allows(core)) return core.raise_ud();
  if (core.vmx.non_root) return core.vmx.on_vmx_instruction(op, reason, gpr < 0 ? op.disp : 0, reg2, gpr);
  return core.st.cpl() == 0 ? Outcome::kNext : core.raise_gp();
}

std::uint64_t register_value(const Core& core, unsigned r) {
  return core.st.code64() ? core.st.gpr[r] : static_cast<std::uint32_t>(core.st.gpr[r]);
}

Outcome read_address(Core& core, const Op& op, PhysAddr& out) { return core.read(op, out.value); }

Outcome vmxon(Core& core, const Op& op) {
  const ArchState& st = core.st;
  if (!mode_allows(core) || !(st.cr4 & kCr4Vmxe)) return core.raise_ud();
  if (core.vmx.non_root) return core.vmx.on_vmx_instruction(op, ExitReason::kVmxon, op.disp);
  if (st.cpl() != 0) return core.raise_gp();
  if (!core.vmx.in_operation) {
    using namespace vmx_capability;
    constexpr std::uint64_t locked_and_enabled = 5;  // IA32_FEATURE_CONTROL: lock, VMX outside SMX
    if ((st.cr0 & kCr0Fixed0) != kCr0Fixed0 || (st.cr4 & ~kCr4Fixed1) != 0 ||
        (st.msr.feature_control & locked_and_enabled) != locked_and_enabled)
      return core.raise_gp();
  }
  PhysAddr region;
  if (const Outcome o = read_address(core, op, region); failed(o)) return o;
  return finish(core, core.vmx.vmxon(region));
}

Outcome vmxoff(Core& core, const Op& op) {
  if (const Outcome o = begin(core, op, ExitReason::kVmxoff); o != Outcome::kNext) return o;
  return finish(core, core.vmx.vmxoff());
}

Outcome vmclear(Core& core, const Op& op) {
  if (const Outcome o = begin(core, op, ExitReason::kVmclear); o != Outcome::kNext) return o;
  PhysAddr region;
  if (const Outcome o = read_address(core, op, region); failed(o)) return o;
  return finish(core, core.vmx.vmclear(region));
}

Outcome vmptrld(Core& core, const Op& op) {
  if (const Outcome o = begin(core, op, ExitReason::kVmptrld); o != Outcome::kNext) return o;
  PhysAddr region;
  if (const Outcome o = read_address(core, op, region); failed(o)) return o;
  return finish(core, core.vmx.vmptrld(region));
}

Outcome vmptrst(Core& core, const Op& op) {
  if (const Outcome o = begin(core, op, ExitReason::kVmptrst); o != Outcome::kNext) return o;
  if (const Outcome o = core.write(op, core.vmx.current().value); failed(o)) return o;
  return finish(core, {});
}

int register_operand(const Op& op, std::uint8_t gpr) { return op.sub == kRegisterOperand ? gpr : -1; }

// VMREAD r/m, field register.
Outcome vmread(Core& core, const Op& op) {
  if (const Outcome o = begin(core, op, ExitReason::kVmread, op.rm, register_operand(op, op.reg));
      o != Outcome::kNext)
    return o;
  const std::uint64_t encoding = register_value(core, op.rm);
  // An encoding beyond 32 bits names no field; neither does one with all bits set.
  const auto field = static_cast<VmcsField>(encoding >> 32 ? ~0u : static_cast<std::uint32_t>(encoding));
  std::uint64_t value = 0;
  if (const VmxResult r = core.vmx.vmread(field, value); !r.ok()) return finish(core, r);
  const bool wide = core.st.code64();
  Outcome o = Outcome::kNext;
  if (op.sub == kRegisterOperand) {
    core.st.gpr[op.reg] = wide ? value : static_cast<std::uint32_t>(value);
  } else {
    o = wide ? core.write(op, value) : core.write(op, static_cast<std::uint32_t>(value));
  }
  return failed(o) ? o : finish(core, {});
}

// VMWRITE field register, r/m.
Outcome vmwrite(Core& core, const Op& op) {
  if (const Outcome o = begin(core, op, ExitReason::kVmwrite, op.reg, register_operand(op, op.rm));
      o != Outcome::kNext)
    return o;
  std::uint64_t value = 0;
  if (op.sub == kRegisterOperand) {
    value = register_value(core, op.rm);
  } else if (core.st.code64()) {
    if (const Outcome o = core.read(op, value); failed(o)) return o;
  } else {
    std::uint32_t narrow = 0;
    if (const Outcome o = core.read(op, narrow); failed(o)) return o;
    value = narrow;
  }
  const std::uint64_t encoding = register_value(core, op.reg);
  const auto field = static_cast<VmcsField>(encoding >> 32 ? ~0u : static_cast<std::uint32_t>(encoding));
  return finish(core, core.vmx.vmwrite(field, value));
}

Outcome vmlaunch(Core& core, const Op& op) {
  if (const Outcome o = begin(core, op, ExitReason::kVmlaunch); o != Outcome::kNext) return o;
  return VmxInstructions::enter(core, true);
}

Outcome vmresume(Core& core, const Op& op) {
  if (const Outcome o = begin(core, op, ExitReason::kVmresume); o != Outcome::kNext) return o;
  return VmxInstructions::enter(core, false);
}

// In non-root operation VMCALL exits at every privilege level and in every mode.
Outcome vmcall(Core& core, const Op& op) {
  if (!core.vmx.in_operation) return core.raise_ud();
  if (core.vmx.non_root) return core.vmx.on_vmx_instruction(op, ExitReason::kVmcall, 0);
  if (core.st.v8086() || (core.st.long_mode_active() && !core.st.code64())) return core.raise_ud();
  if (core.st.cpl() != 0) return core.raise_gp();
  return finish(core, core.vmx.vmcall_in_root());
}

Outcome invept(Core& core, const Op& op) {
  if (const Outcome o = begin(core, op, ExitReason::kInvept, op.reg); o != Outcome::kNext) return o;
  std::array<std::uint64_t, 2> descriptor{};
  if (const Outcome o = core.read(op, descriptor); failed(o)) return o;
  return finish(core, core.vmx.invept(register_value(core, op.reg), descriptor[0]));
}

Outcome invvpid(Core& core, const Op& op) {
  if (const Outcome o = begin(core, op, ExitReason::kInvvpid, op.reg); o != Outcome::kNext) return o;
  std::array<std::uint64_t, 2> descriptor{};
  if (const Outcome o = core.read(op, descriptor); failed(o)) return o;
  return finish(core, core.vmx.invvpid(register_value(core, op.reg), descriptor[0], LinearAddr(descriptor[1])));
}

template <Handler handler>
Handler always(const DecodedInstruction&, Op&) {
  return handler;
}

// No VM functions (VMFUNC), and another vendor's hypercall (VMMCALL).
Handler undefined(const DecodedInstruction&, Op&) { return nullptr; }

Handler bind_vmread(const DecodedInstruction& d, Op& op) {
  op.sub = d.is_reg(0) ? kRegisterOperand : 0;
  return vmread;
}

Handler bind_vmwrite(const DecodedInstruction& d, Op& op) {
  op.sub = d.is_reg(1) ? kRegisterOperand : 0;
  return vmwrite;
}

constexpr CostClass kCost = CostClass::kVmx;
constexpr BlockShape kShape = BlockShape::kAlone;

}  // namespace

std::span<const Form> vmx_forms() {
  static const std::array forms = {
      Form{ZYDIS_MNEMONIC_VMXON, kCost, kShape, always<vmxon>},
      Form{ZYDIS_MNEMONIC_VMXOFF, kCost, kShape, always<vmxoff>},
      Form{ZYDIS_MNEMONIC_VMCLEAR, kCost, kShape, always<vmclear>},
      Form{ZYDIS_MNEMONIC_VMPTRLD, kCost, kShape, always<vmptrld>},
      Form{ZYDIS_MNEMONIC_VMPTRST, kCost, kShape, always<vmptrst>},
      Form{ZYDIS_MNEMONIC_VMREAD, kCost, kShape, bind_vmread},
      Form{ZYDIS_MNEMONIC_VMWRITE, kCost, kShape, bind_vmwrite},
      Form{ZYDIS_MNEMONIC_VMLAUNCH, kCost, kShape, always<vmlaunch>},
      Form{ZYDIS_MNEMONIC_VMRESUME, kCost, kShape, always<vmresume>},
      Form{ZYDIS_MNEMONIC_VMCALL, kCost, kShape, always<vmcall>},
      Form{ZYDIS_MNEMONIC_VMFUNC, kCost, kShape, undefined},
      Form{ZYDIS_MNEMONIC_VMMCALL, kCost, kShape, undefined},
      Form{ZYDIS_MNEMONIC_INVEPT, kCost, kShape, always<invept>},
      Form{ZYDIS_MNEMONIC_INVVPID, kCost, kShape, always<invvpid>},
  };
  return forms;
}

}  // namespace isa

// A failure after the guest-state checks began is a VM exit: it continues at the host state's RIP (SDM 3, 26.8).
Outcome VmxInstructions::enter(Core& core, bool launch) {
  bool entered = false;
  const VmxResult r = core.vmx.enter(launch, Vmx::Root::kBinary, entered);
  if (!r.ok()) return isa::finish(core, r);
  if (!entered) core.vmx.load_host_state();
  return Outcome::kEndBlock;
}

}  // namespace xensim::cpu
