// RDMSR and WRMSR (SDM 2; SDM 4, chapter 2): a table of what exists. What a row's feature does not report, and
// what no row names, raises #GP(0); so does a write that sets reserved bits, or a non-canonical address.
#include "models/cpu/isa/msr.h"

#include "models/cpu/isa/control_registers.h"
#include "models/cpu/isa/segmentation.h"
#include "models/cpu/isa/system.h"
#include "models/cpu/xstate.h"

namespace xensim::cpu::isa {
namespace {

using Read = bool (*)(Core&, std::uint32_t index, std::uint64_t& out);
using Write = bool (*)(Core&, std::uint32_t index, std::uint64_t value);
using Exists = bool (*)(const Core&);

struct Row {
  std::uint32_t first, last;
  Exists exists;  // nullptr: always
  Read read;
  Write write;  // nullptr: read-only
};

bool always_zero(Core&, std::uint32_t, std::uint64_t& out) {
  out = 0;
  return true;
}
bool ignore(Core&, std::uint32_t, std::uint64_t) { return true; }

template <std::uint64_t Value>
bool constant(Core&, std::uint32_t, std::uint64_t& out) {
  out = Value;
  return true;
}

template <std::uint64_t Msrs::*Field>
bool read_field(Core& core, std::uint32_t, std::uint64_t& out) {
  out = core.st.msr.*Field;
  return true;
}
template <std::uint64_t Msrs::*Field, std::uint64_t Allowed = ~std::uint64_t{0}>
bool write_field(Core& core, std::uint32_t, std::uint64_t v) {
  if (v & ~Allowed) return false;
  core.st.msr.*Field = v;
  return true;
}
template <std::uint64_t Msrs::*Field>
bool write_address(Core& core, std::uint32_t, std::uint64_t v) {
  if (!canonical(v)) return false;
  core.st.msr.*Field = v;
  return true;
}

bool has_tsc(const Core& c) { return c.cpuid.has_1_edx(4); }
bool has_tsc_adjust(const Core& c) { return c.cpuid.has_7_ebx(1); }
bool has_machine_check(const Core& c) { return c.cpuid.has_1_edx(14); }
bool has_xsaves(const Core& c) { return bit(c.cpuid.query(0xd, 1).eax, 3); }
bool has_sep(const Core& c) { return c.cpuid.has_1_edx(11); }
bool has_mtrr(const Core& c) { return c.cpuid.has_1_edx(12); }
bool has_pat(const Core& c) { return c.cpuid.has_1_edx(16); }
bool has_vmx(const Core& c) { return c.cpuid.has_1_ecx(5); }
bool has_long_mode(const Core& c) { return c.cpuid.has_80000001_edx(29); }
bool has_efer(const Core& c) { return has_long_mode(c) || c.cpuid.has_80000001_edx(20); }
bool has_tsc_aux(const Core& c) { return c.cpuid.has_80000001_edx(27) || c.cpuid.has_7_ecx(22); }
bool has_arch_capabilities(const Core& c) { return c.cpuid.has_7_edx(29); }

bool read_apic(Core& core, std::uint32_t index, std::uint64_t& out) {
  return core.environment.apic_msr_read(index, out);
}
bool write_apic(Core& core, std::uint32_t index, std::uint64_t v) {
  return core.environment.apic_msr_write(index, v);
}

bool read_tsc(Core& core, std::uint32_t, std::uint64_t& out) {
  out = core.tsc();
  return true;
}
// A write to the TSC shows in IA32_TSC_ADJUST (SDM 3, 17.17.3).
bool write_tsc(Core& core, std::uint32_t, std::uint64_t v) {
  core.st.msr.tsc_adjust = v - core.now;
  return true;
}

// IA32_FEATURE_CONTROL: once locked, writes fault (SDM 3, 23.7).
bool write_feature_control(Core& core, std::uint32_t, std::uint64_t v) {
  if ((core.st.msr.feature_control & 1) || (v & ~std::uint64_t{5})) return false;
  core.st.msr.feature_control = v;
  return true;
}

// CPUID faulting is offered (IA32_PLATFORM_INFO bit 31 would say so) by no policy: the register exists and stays
// 0.
bool write_zero(Core&, std::uint32_t, std::uint64_t v) { return v == 0; }

bool memory_type(std::uint64_t t) { return t == 0 || t == 1 || (t >= 4 && t <= 6); }

bool write_pat(Core& core, std::uint32_t, std::uint64_t v) {
  for (unsigned i = 0; i < 8; ++i) {
    const std::uint64_t t = (v >> (8 * i)) & 0xff;
    if (!memory_type(t) && t != 7) return false;
  }
  core.st.msr.pat = v;
  return true;
}

// MTRRs (SDM 3, 11.11): 8 variable ranges, fixed ranges, write combining. Memory types do not reach the cache
// model.
constexpr std::uint64_t kMtrrCap = 0x508;
constexpr unsigned kVariableRanges = 8;

bool write_mtrr_def_type(Core& core, std::uint32_t, std::uint64_t v) {
  if ((v & ~std::uint64_t{0xcff}) || !memory_type(v & 0xff)) return false;
  core.st.msr.mtrr_def_type = v;
  return true;
}
bool read_mtrr_variable(Core& core, std::uint32_t index, std::uint64_t& out) {
  out = core.st.msr.mtrr_variable[index - 0x200];
  return true;
}
bool write_mtrr_variable(Core& core, std::uint32_t index, std::uint64_t v) {
  const bool is_mask = index & 1;
  if (v & ~mask(core.config.physical_bits - 1, 0)) return false;
  if (is_mask ? (v & 0x7ff) != 0 : (v & 0xf00) != 0 || !memory_type(v & 0xff)) return false;
  core.st.msr.mtrr_variable[index - 0x200] = v;
  return true;
}
unsigned fixed_slot(std::uint32_t index) {
  if (index == 0x250) return 0;
  return index < 0x260 ? index - 0x258 + 1 : index - 0x268 + 3;
}
bool read_mtrr_fixed(Core& core, std::uint32_t index, std::uint64_t& out) {
  out = core.st.msr.mtrr_fixed[fixed_slot(index)];
  return true;
}
bool write_mtrr_fixed(Core& core, std::uint32_t index, std::uint64_t v) {
  for (unsigned i = 0; i < 8; ++i)
    if (!memory_type((v >> (8 * i)) & 0xff)) return false;
  core.st.msr.mtrr_fixed[fixed_slot(index)] = v;
  return true;
}

bool read_efer(Core& core, std::uint32_t, std::uint64_t& out) {
  out = core.st.efer;
  return true;
}
bool write_efer_msr(Core& core, std::uint32_t, std::uint64_t v) { return !failed(write_efer(core, v)); }

template <SegReg Reg>
bool read_base(Core& core, std::uint32_t, std::uint64_t& out) {
  out = core.st.seg[Reg].base;
  return true;
}
template <SegReg Reg>
bool write_base(Core& core, std::uint32_t, std::uint64_t v) {
  if (!canonical(v)) return false;
  core.st.seg[Reg].base = v;
  return true;
}

bool read_vmx_capability(Core& core, std::uint32_t index, std::uint64_t& out) {
  return core.vmx.capability_msr(index, out);
}

// Fast strings; execute-disable must stay available, and CPUID leaves unlimited, so those bits do not set.
constexpr std::uint64_t kMiscEnableWritable =
    1ull << 0 | 1ull << 3 | 1ull << 7 | 1ull << 11 | 1ull << 12 | 1ull << 16;
constexpr std::uint64_t kDebugctlWritable = 3;  // LBR, BTF

constexpr Row kRows[] = {
    {0x10, 0x10, has_tsc, read_tsc, write_tsc},
    {0x17, 0x17, nullptr, always_zero, nullptr},  // IA32_PLATFORM_ID
    {0x1b, 0x1b, nullptr, read_apic, write_apic},
    {0x3a, 0x3a, has_vmx, read_field<&Msrs::feature_control>, write_feature_control},
    {0x3b, 0x3b, has_tsc_adjust, read_field<&Msrs::tsc_adjust>, write_field<&Msrs::tsc_adjust>},
    {0x8b, 0x8b, nullptr, constant<0x100000000>, ignore},  // IA32_BIOS_SIGN_ID: microcode revision 1
    {0xce, 0xce, nullptr, always_zero, nullptr},           // MSR_PLATFORM_INFO
    {0xfe, 0xfe, has_mtrr, constant<kMtrrCap>, nullptr},
    {0x10a, 0x10a, has_arch_capabilities, constant<kArchCapabilities>, nullptr},
    {0x140, 0x140, nullptr, always_zero, write_zero},  // MISC_FEATURES_ENABLES
    {0x174, 0x174, has_sep, read_field<&Msrs::sysenter_cs>, write_field<&Msrs::sysenter_cs, 0xffffffff>},
    {0x175, 0x175, has_sep, read_field<&Msrs::sysenter_esp>, write_address<&Msrs::sysenter_esp>},
    {0x176, 0x176, has_sep, read_field<&Msrs::sysenter_eip>, write_address<&Msrs::sysenter_eip>},
    {0x179, 0x179, has_machine_check, always_zero, nullptr},  // IA32_MCG_CAP: no banks, as nothing fails
    {0x17a, 0x17a, has_machine_check, read_field<&Msrs::mcg_status>, write_field<&Msrs::mcg_status, 7>},
    {0x1a0, 0x1a0, nullptr, read_field<&Msrs::misc_enable>, write_field<&Msrs::misc_enable, kMiscEnableWritable>},
    {0x1d9, 0x1d9, nullptr, read_field<&Msrs::debugctl>, write_field<&Msrs::debugctl, kDebugctlWritable>},
    {0x200, 0x200 + 2 * kVariableRanges - 1, has_mtrr, read_mtrr_variable, write_mtrr_variable},
    {0x250, 0x250, has_mtrr, read_mtrr_fixed, write_mtrr_fixed},
    {0x258, 0x259, has_mtrr, read_mtrr_fixed, write_mtrr_fixed},
    {0x268, 0x26f, has_mtrr, read_mtrr_fixed, write_mtrr_fixed},
    {0x277, 0x277, has_pat, read_field<&Msrs::pat>, write_pat},
    {0x2ff, 0x2ff, has_mtrr, read_field<&Msrs::mtrr_def_type>, write_mtrr_def_type},
    {0x480, 0x491, has_vmx, read_vmx_capability, nullptr},
    {0x6e0, 0x6e0, nullptr, read_apic, write_apic},  // IA32_TSC_DEADLINE
    {0x800, 0x8ff, nullptr, read_apic, write_apic},  // x2APIC
    {0xda0, 0xda0, has_xsaves, read_field<&Msrs::xss>, write_field<&Msrs::xss, xstate::kSupervisor>},  // IA32_XSS
    {0xc0000080, 0xc0000080, has_efer, read_efer, write_efer_msr},
    {0xc0000081, 0xc0000081, has_long_mode, read_field<&Msrs::star>, write_field<&Msrs::star>},
    {0xc0000082, 0xc0000082, has_long_mode, read_field<&Msrs::lstar>, write_address<&Msrs::lstar>},
    {0xc0000083, 0xc0000083, has_long_mode, read_field<&Msrs::cstar>, write_address<&Msrs::cstar>},
    {0xc0000084, 0xc0000084, has_long_mode, read_field<&Msrs::fmask>, write_field<&Msrs::fmask, 0xffffffff>},
    {0xc0000100, 0xc0000100, has_long_mode, read_base<kFs>, write_base<kFs>},
    {0xc0000101, 0xc0000101, has_long_mode, read_base<kGs>, write_base<kGs>},
    {0xc0000102, 0xc0000102, has_long_mode, read_field<&Msrs::kernel_gs_base>,
     write_address<&Msrs::kernel_gs_base>},
    {0xc0000103, 0xc0000103, has_tsc_aux, read_field<&Msrs::tsc_aux>, write_field<&Msrs::tsc_aux, 0xffffffff>},
};

const Row* find(const Core& core, std::uint32_t index) {
  for (const Row& r : kRows)
    if (index >= r.first && index <= r.last) return !r.exists || r.exists(core) ? &r : nullptr;
  return nullptr;
}

Outcome rdmsr(Core& core, const Op& op) {
  ArchState& st = core.st;
  if (st.cpl() != 0 || st.v8086()) return core.raise_gp(0);
  const auto index = static_cast<std::uint32_t>(st.gpr[kRcx]);
  if (Outcome o = core.vmx.on_rdmsr(op, index); failed(o)) return o;
  std::uint64_t v = 0;
  if (!read_msr(core, index, v)) return core.raise_gp(0);
  st.gpr[kRax] = static_cast<std::uint32_t>(v);
  st.gpr[kRdx] = v >> 32;
  return Outcome::kNext;
}

Outcome wrmsr(Core& core, const Op& op) {
  ArchState& st = core.st;
  if (st.cpl() != 0 || st.v8086()) return core.raise_gp(0);
  const auto index = static_cast<std::uint32_t>(st.gpr[kRcx]);
  if (Outcome o = core.vmx.on_wrmsr(op, index); failed(o)) return o;
  const std::uint64_t v = static_cast<std::uint32_t>(st.gpr[kRax]) | (st.gpr[kRdx] << 32);
  if (!write_msr(core, index, v)) return core.raise_gp(0);
  return Outcome::kEndBlock;
}

}  // namespace

bool read_msr(Core& core, std::uint32_t index, std::uint64_t& out) {
  const Row* r = find(core, index);
  return r && r->read(core, index, out);
}

bool write_msr(Core& core, std::uint32_t index, std::uint64_t value) {
  const Row* r = find(core, index);
  return r && r->write && r->write(core, index, value);
}

Handler bind_rdmsr(const DecodedInstruction&, Op&) { return rdmsr; }
Handler bind_wrmsr(const DecodedInstruction&, Op&) { return wrmsr; }

}  // namespace xensim::cpu::isa
