#include "models/xen/hvm/nested_vmx.h"

#include <optional>

#include "models/xen/hypervisor.h"

namespace xensim::xen::hvm {

using F = cpu::VmcsField;
using R = cpu::ExitReason;
using cpu::VmxError;

namespace {

constexpr std::uint64_t kRevision = 0x7fffffff;
constexpr std::uint64_t kArithmeticFlags = 0x8d5;  // CF PF AF ZF SF OF
constexpr std::uint32_t kVmInstructionError = 0x4400;

bool long_mode(const cpu::Vmx& vmx) { return vmx.read(F::kGuestEfer) & cpu::kEferLma; }
bool code_64bit(const cpu::Vmx& vmx) { return long_mode(vmx) && vmx.read(F::kGuestCsAttr) & 0x2000; }

bool valid_address(const Hypervisor& hv, std::uint64_t gpa) {
  const unsigned bits = hv.pcpus.front().pcpu->core.config.physical_bits;
  return (gpa & kPageMask) == 0 && gpa >> bits == 0;
}

std::uint64_t revision_of(const Hypervisor& hv) {
  std::uint64_t basic = 0;
  hv.pcpus.front().pcpu->core.vmx.capability_msr(0x480, basic);
  return basic & kRevision;
}

// --- A guest's VMCS: 8 bytes a field, where Xen has them.

// The first 8 bytes are revision and abort indicator; the field that would be there is VPID.
unsigned offset_of(std::uint32_t field) {
  const unsigned i = (field >> 1 & 0x1f) | (field >> 10 & 3) << 5 | (field >> 13 & 3) << 7;
  return 8 * (i == 0 ? 0x3f : i);
}

constexpr unsigned width_of(std::uint32_t field) {
  return field >> 13 & 3;
}  // 0: 16 bits, 1: 64, 2: 32, 3: natural

std::optional<PhysAddr> field_at(Hypervisor& hv, Vcpu& v, std::uint32_t field) {
  const auto frame = hv.ram_frame(v.domain, v.nested_vmx.current >> kPageShift);
  if (!frame) return std::nullopt;
  return address_of(*frame) + offset_of(field);
}

std::uint64_t read_field(Hypervisor& hv, Vcpu& v, std::uint32_t field) {
  const auto at = field_at(hv, v, field);
  if (!at) return ~std::uint64_t{0};
  const auto value = hv.memory.read<std::uint64_t>(*at);
  switch (width_of(field)) {
    case 0:
      return value & 0xffff;
    case 1:
      return field & 1 ? value >> 32 : value;
    case 2:
      return value & 0xffffffff;
    default:
      return value;
  }
}

void write_field(Hypervisor& hv, Vcpu& v, std::uint32_t field, std::uint64_t value) {
  const auto at = field_at(hv, v, field);
  if (!at) return;
  if (width_of(field) == 0) value &= 0xffff;
  if (width_of(field) == 2) value &= 0xffffffff;
  if (width_of(field) == 1 && field & 1) value = (hv.memory.read<std::uint64_t>(*at) & 0xffffffff) | value << 32;
  hv.memory.write<std::uint64_t>(*at, value);
}

// --- One instruction.

class Instruction {
 public:
  Instruction(Hypervisor& hv, Vcpu& v)
      : hv_(hv), v_(v), core_(hv.here().pcpu->core), vmx_(core_.vmx), info_(core_.vm_exit.instruction_info) {}

  // false: an exception was injected.
  bool run(R reason) {
    if (reason == R::kVmxoff) {
      v_.nested_vmx = {};
      return succeed();
    }
    if (reason == R::kVmlaunch || reason == R::kVmresume) return enter();
    if (!decode()) return false;
    switch (reason) {
      case R::kVmxon:
        return vmxon();
      case R::kVmptrld:
        return vmptrld();
      case R::kVmclear:
        return vmclear();
      case R::kVmptrst:
        return store(v_.nested_vmx.current) && succeed();
      case R::kVmread:
        return vmread();
      case R::kVmwrite:
        return vmwrite();
      case R::kInvept:
        return invalidate(1, 2);
      case R::kInvvpid:
        return invalidate(0, 2);
      default:
        hv_.inject_exception(v_, cpu::kUd);
        return false;
    }
  }

 private:
  std::uint64_t gpr(unsigned i) const { return core_.st.gpr[i & 15]; }
  bool is_register() const { return info_ >> 10 & 1; }
  unsigned second_register() const { return info_ >> 28; }

  // The memory operand's linear address (VMX_INSTRUCTION_INFO).
  bool decode() {
    if (is_register()) return true;
    const unsigned segment = info_ >> 15 & 7;
    if (segment > 5) return fault();
    size_ = 1u << ((info_ >> 7 & 7) + 1);
    std::uint64_t offset = core_.vm_exit.qualification;
    if (!(info_ >> 27 & 1)) offset += gpr(info_ >> 23);
    if (!(info_ >> 22 & 1)) offset += gpr(info_ >> 18) << (info_ & 3);
    if (size_ == 4) offset = static_cast<std::uint32_t>(offset);
    const bool flat = code_64bit(vmx_);
    const auto of_segment = [&](F first) {
      return vmx_.read(static_cast<F>(static_cast<std::uint32_t>(first) + 2 * segment));
    };
    linear_ = offset + (!flat || segment >= 4 ? of_segment(F::kGuestEsBase) : 0);
    const std::uint64_t last = flat ? linear_ + size_ - 1 : offset + size_ - 1;
    const auto canonical = [](std::uint64_t a) {
      return static_cast<std::uint64_t>(static_cast<std::int64_t>(a << 16) >> 16) == a;
    };
    if (offset + size_ - 1 < offset) return fault();
    if (flat ? !canonical(linear_) || !canonical(last) : last > of_segment(F::kGuestEsLimit)) return fault();
    if (!flat) linear_ = static_cast<std::uint32_t>(linear_);
    return true;
  }

  bool fault() {
    hv_.inject_exception(v_, cpu::kGp, 0);
    return false;
  }
  bool page_fault(bool write) {
    hv_.inject_exception(v_, cpu::kPfVec, write ? 2 : 0, linear_);
    return false;
  }
  // 64 bits of address in memory, in every mode.
  bool load(std::uint64_t& out, unsigned size) {
    out = 0;
    return hv_.copy_from_guest(v_, linear_, &out, size) || page_fault(false);
  }
  bool store(std::uint64_t value) {
    return hv_.copy_to_guest(v_, linear_, &value, sizeof value) || page_fault(true);
  }

  bool flags(std::uint64_t set) {
    vmx_.write(F::kGuestRflags, (vmx_.read(F::kGuestRflags) & ~kArithmeticFlags) | set);
    hv_.advance_rip(hv_.here());
    return true;
  }
  bool succeed() { return flags(0); }
  bool fail_invalid() { return flags(cpu::kCf); }
  bool fail(VmxError error) {
    if (v_.nested_vmx.current == NestedVmx::kNone) return fail_invalid();
    write_field(hv_, v_, kVmInstructionError, static_cast<std::uint64_t>(error));
    return flags(cpu::kZf);
  }

  // The frame of a VMXON region or VMCS; its first word is wanted, too.
  std::optional<std::uint32_t> revision_at(std::uint64_t gpa) {
    const auto frame = hv_.ram_frame(v_.domain, gpa >> kPageShift);
    if (!frame) return std::nullopt;
    return hv_.memory.read<std::uint32_t>(address_of(*frame));
  }

  bool vmxon() {
    std::uint64_t gpa = 0;
    if (!load(gpa, 8)) return false;
    if (v_.nested_vmx.in_vmx()) return fail(VmxError::kVmxonInRoot);
    if (!valid_address(hv_, gpa)) return fail_invalid();
    const auto revision = revision_at(gpa);
    if (!revision || *revision != revision_of(hv_)) return fail_invalid();
    v_.nested_vmx.vmxon_region = gpa;
    return succeed();
  }

  bool vmptrld() {
    std::uint64_t gpa = 0;
    if (!load(gpa, 8)) return false;
    if (!valid_address(hv_, gpa)) return fail(VmxError::kVmptrldInvalidAddress);
    if (gpa == v_.nested_vmx.vmxon_region) return fail(VmxError::kVmptrldVmxonPointer);
    const auto revision = revision_at(gpa);
    if (gpa != v_.nested_vmx.current) v_.nested_vmx.current = NestedVmx::kNone;
    if (!revision) return fail(VmxError::kVmptrldInvalidAddress);
    if (*revision != revision_of(hv_)) return fail(VmxError::kVmptrldWrongRevision);
    v_.nested_vmx.current = gpa;
    return succeed();
  }

  bool vmclear() {
    std::uint64_t gpa = 0;
    if (!load(gpa, 8)) return false;
    if (gpa == v_.nested_vmx.vmxon_region) return fail(VmxError::kVmclearVmxonPointer);
    if (!valid_address(hv_, gpa) || !revision_at(gpa)) return fail(VmxError::kVmclearInvalidAddress);
    if (gpa == v_.nested_vmx.current) v_.nested_vmx.current = NestedVmx::kNone;
    return succeed();
  }

  bool vmread() {
    if (v_.nested_vmx.current == NestedVmx::kNone) return fail_invalid();
    const std::uint64_t value = read_field(hv_, v_, static_cast<std::uint32_t>(gpr(second_register())));
    const bool wide = code_64bit(vmx_);
    if (is_register())
      core_.st.gpr[info_ >> 3 & 15] = wide ? value : static_cast<std::uint32_t>(value);
    else if (!hv_.copy_to_guest(v_, linear_, &value, wide ? 8 : 4))
      return page_fault(true);
    return succeed();
  }

  bool vmwrite() {
    std::uint64_t value = gpr(info_ >> 3);
    if (!is_register() && !load(value, code_64bit(vmx_) ? 8 : 4)) return false;
    if (v_.nested_vmx.current == NestedVmx::kNone) return fail_invalid();
    write_field(hv_, v_, static_cast<std::uint32_t>(gpr(second_register())), value);
    return succeed();
  }

  // There is no guest of the guest's, so nothing is cached of it.
  bool invalidate(std::uint64_t first, std::uint64_t last) {
    std::uint64_t descriptor = 0;
    if (!load(descriptor, 8)) return false;
    const std::uint64_t type = gpr(second_register());
    return type >= first && type <= last ? succeed() : fail(VmxError::kInvalidInvalidationOperand);
  }

  bool enter() {
    if (v_.nested_vmx.current == NestedVmx::kNone) return fail_invalid();
    if (vmx_.read(F::kGuestInterruptibility) & 2) return fail(VmxError::kEntryBlockedByMovSs);
    hv_.crash_domain(v_.domain, "nested virtualisation: a guest of the guest is not modelled");
    return false;
  }

  Hypervisor& hv_;
  Vcpu& v_;
  cpu::Core& core_;
  cpu::Vmx& vmx_;
  const std::uint32_t info_;
  std::uint64_t linear_ = 0;
  unsigned size_ = 8;
};

// What Xen lets a guest set, of what the processor allows: 0-settings in the lower half, 1-settings in the upper.
constexpr std::uint64_t controls(std::uint32_t ones, std::uint32_t default1, std::uint64_t host) {
  const std::uint64_t most = std::uint64_t{ones | default1} << 32;
  return (most & host & ~std::uint64_t{0xffffffff}) | static_cast<std::uint32_t>(default1 | host);
}

}  // namespace

void handle_vmx_instruction(Hypervisor& hv, Vcpu& v, cpu::ExitReason reason) {
  const cpu::Vmx& vmx = hv.here().pcpu->core.vmx;
  hv.cost.charge(*hv.here().pcpu, Path::kEmulate);
  const bool vm86 = vmx.read(F::kGuestRflags) & cpu::kVm, protected_mode = vmx.read(F::kCr0Shadow) & cpu::kCr0Pe;
  const bool mode = protected_mode && !vm86 && (!long_mode(vmx) || code_64bit(vmx));
  if (!v.domain.nested_virt || !(vmx.read(F::kCr4Shadow) & cpu::kCr4Vmxe) || !mode ||
      (reason != R::kVmxon && !v.nested_vmx.in_vmx()))
    return hv.inject_exception(v, cpu::kUd);
  if ((vmx.read(F::kGuestSsAttr) >> 5 & 3) != 0) return hv.inject_exception(v, cpu::kGp, 0);
  Instruction(hv, v).run(reason);
}

bool read_vmx_msr(const Hypervisor& hv, const Vcpu& v, std::uint32_t msr, std::uint64_t& value) {
  std::uint64_t host = 0;
  if (!v.domain.nested_virt || !hv.pcpus.front().pcpu->core.vmx.capability_msr(msr, host)) return false;
  constexpr std::uint32_t kPinDefault1 = 0x16, kPrimaryDefault1 = 0x401e172, kExitDefault1 = 0x36dff,
                          kEntryDefault1 = 0x11ff, kCr3AndInvlpg = 1u << 15 | 1u << 16 | 1u << 9;
  constexpr std::uint32_t kPin = 1u << 0 | 1u << 3 | 1u << 6;
  // Interrupt and NMI windows, TSC offset, HLT, INVLPG, MWAIT, RDPMC, RDTSC, CR3, CR8, TPR shadow, MOV DR, I/O,
  // monitor trap flag, MSR bitmaps, MONITOR, PAUSE, secondary controls.
  constexpr std::uint32_t kPrimary = 1u << 2 | 1u << 3 | 1u << 7 | 1u << 9 | 1u << 10 | 1u << 11 | 1u << 12 |
                                     1u << 15 | 1u << 16 | 1u << 19 | 1u << 20 | 1u << 21 | 1u << 22 | 1u << 23 |
                                     1u << 24 | 1u << 25 | 1u << 27 | 1u << 28 | 1u << 29 | 1u << 30 | 1u << 31;
  constexpr std::uint32_t kSecondary = 1u << 0 | 1u << 1 | 1u << 2 | 1u << 5 | 1u << 7;
  constexpr std::uint32_t kExit =
      1u << 9 | 1u << 12 | 1u << 15 | 1u << 18 | 1u << 19 | 1u << 20 | 1u << 21 | 1u << 22;
  constexpr std::uint32_t kEntry = 1u << 9 | 1u << 13 | 1u << 14 | 1u << 15;
  switch (msr) {
    case 0x480:  // a VMCS of 4 KiB
      value = (host & ~((std::uint64_t{0x1fff} << 32) | 0xffffffff)) | std::uint64_t{1} << 44 | (host & kRevision);
      return true;
    case 0x481:
    case 0x48d:
      value = controls(kPin, kPinDefault1, host);
      return true;
    case 0x482:
      value = controls(kPrimary, kPrimaryDefault1, host);
      return true;
    case 0x48e:
      value = controls(kPrimary, kPrimaryDefault1 & ~kCr3AndInvlpg, host);
      return true;
    case 0x48b:
      value = controls(kSecondary, 0, host);
      return true;
    case 0x483:
    case 0x48f:
      value = controls(kExit, kExitDefault1, host);
      return true;
    case 0x484:
    case 0x490:
      value = controls(kEntry, kEntryDefault1, host);
      return true;
    case 0x485:
      value = host & ~std::uint64_t{0x1ff0000 | 0x1c0};  // no CR3 targets, no activity states
      return true;
    case 0x486:
      value = cpu::kCr0Pe | cpu::kCr0Pg;
      return true;
    case 0x487:
      value = 0xffffffff;
      return true;
    case 0x488:
      value = cpu::kCr4Vmxe;
      return true;
    case 0x489:
      value = hv.cr4_guest_bits(v.domain);
      return true;
    case 0x48a:
      value = 0x1f << 1;
      return true;
    case 0x48c: {
      // 4-level tables, write-back, 2 MiB and 1 GiB pages, INVEPT and INVVPID of all types.
      constexpr std::uint64_t kOffered = 1u << 6 | 1u << 14 | 1u << 16 | 1u << 17 | 1u << 20 | 1u << 25 |
                                         1u << 26 | std::uint64_t{1} << 32 | std::uint64_t{0xf} << 40;
      value = host & kOffered;
      return true;
    }
    default:
      return false;
  }
}

}  // namespace xensim::xen::hvm
