// System instructions that have no file of their own, and the table of them all: CPUID, time stamps, HLT, TLB and
// cache invalidation, SWAPGS, AC, random numbers (SDM 2, the instructions' pages; SDM 3, 2.8 and 25.1 for
// the order of faults and VM exits: #UD and privilege faults come first).
#include "models/cpu/isa/system.h"

#include "models/cpu/isa/segmentation.h"
#include "models/cpu/xstate.h"

namespace xensim::cpu::isa {
namespace {

bool privileged(const Core& core) { return core.st.cpl() == 0 && !core.st.v8086(); }

Outcome cpuid(Core& core, const Op& op) {
  if (Outcome o = core.vmx.on_cpuid(op); failed(o)) return o;
  ArchState& st = core.st;
  const auto leaf = static_cast<std::uint32_t>(st.gpr[kRax]);
  const auto subleaf = static_cast<std::uint32_t>(st.gpr[kRcx]);
  CpuidRegisters r = core.cpuid.query(leaf, subleaf);
  if (leaf == 1) {
    r.ebx = (r.ebx & 0xffffff) | (core.index & 0xff) << 24;
    std::uint64_t apic_base = 0;
    if (core.environment.apic_msr_read(0x1b, apic_base) && !(apic_base & 0x800)) r.edx &= ~(1u << 9);
    r.ecx = (r.ecx & ~(1u << 27)) | (st.cr4 & kCr4Osxsave ? 1u << 27 : 0);
  } else if (leaf == 0xb || leaf == 0x1f) {
    r.edx = core.index;
  } else if (leaf == 0xd) {
    xstate::update_cpuid(r, subleaf, st.msr);
  } else if (leaf == 0x80000001 && !st.code64()) {
    r.edx &= ~(1u << 11);  // Intel reports SYSCALL in 64-bit mode only
  }
  st.gpr[kRax] = r.eax;
  st.gpr[kRbx] = r.ebx;
  st.gpr[kRcx] = r.ecx;
  st.gpr[kRdx] = r.edx;
  return Outcome::kNext;
}

bool tsc_disabled(const Core& core) {
  return (core.st.cr4 & kCr4Tsd) && core.st.protected_mode() && core.st.cpl() != 0;
}
// The control "enable RDTSCP" also covers RDPID.
bool rdtscp_hidden(const Core& core) { return core.vmx.non_root && !core.vmx.controls.rdtscp(); }

void put_edx_eax(Core& core, std::uint64_t v) {
  core.st.gpr[kRax] = static_cast<std::uint32_t>(v);
  core.st.gpr[kRdx] = v >> 32;
}

// Software compares what several processors have read: a later reader must not see less.
Outcome read_tsc(Core& core) {
  const auto time = core.environment.read_time(core.now);
  if (!time) return Outcome::kWait;
  put_edx_eax(core, core.tsc_at(*time));
  return Outcome::kNext;
}

Outcome rdtsc(Core& core, const Op& op) {
  if (tsc_disabled(core)) return core.raise_gp(0);
  if (Outcome o = core.vmx.on_rdtsc(op, false); failed(o)) return o;
  return read_tsc(core);
}

Outcome rdtscp(Core& core, const Op& op) {
  if (rdtscp_hidden(core)) return core.raise_ud();
  if (tsc_disabled(core)) return core.raise_gp(0);
  if (Outcome o = core.vmx.on_rdtsc(op, true); failed(o)) return o;
  if (Outcome o = read_tsc(core); failed(o)) return o;
  core.st.gpr[kRcx] = static_cast<std::uint32_t>(core.st.msr.tsc_aux);
  return Outcome::kNext;
}

Outcome rdpid(Core& core, const Op& op) {
  if (rdtscp_hidden(core)) return core.raise_ud();
  core.st.gpr[op.reg] = static_cast<std::uint32_t>(core.st.msr.tsc_aux);
  return Outcome::kNext;
}

// No performance counters are modelled, so every counter number is invalid.
Outcome rdpmc(Core& core, const Op& op) {
  const bool allowed = !core.st.protected_mode() || core.st.cpl() == 0 || (core.st.cr4 & kCr4Pce);
  if (!allowed) return core.raise_gp(0);
  if (Outcome o = core.vmx.on_rdpmc(op); failed(o)) return o;
  return core.raise_gp(0);
}

Outcome hlt(Core& core, const Op& op) {
  if (!privileged(core)) return core.raise_gp(0);
  if (Outcome o = core.vmx.on_hlt(op); failed(o)) return o;
  core.st.activity = Activity::kHalted;
  return Outcome::kHalt;
}

Outcome invd(Core& core, const Op& op) {
  if (!privileged(core)) return core.raise_gp(0);
  return core.vmx.on_invd(op);
}

Outcome wbinvd(Core& core, const Op& op) {
  if (!privileged(core)) return core.raise_gp(0);
  return core.vmx.on_wbinvd(op);
}

Outcome invlpg(Core& core, const Op& op) {
  if (!privileged(core)) return core.raise_gp(0);
  const std::uint64_t linear = unchecked_linear(core, op);
  if (Outcome o = core.vmx.on_invlpg(op, linear); failed(o)) return o;
  if (core.st.code64() && !canonical(linear)) return Outcome::kNext;
  core.mmu.invlpg(LinearAddr(linear));
  return Outcome::kEndBlock;
}

Outcome invpcid(Core& core, const Op& op) {
  if (core.vmx.non_root && !core.vmx.controls.invpcid()) return core.raise_ud();
  if (!privileged(core)) return core.raise_gp(0);
  if (Outcome o = core.vmx.on_invpcid(op); failed(o)) return o;
  std::array<std::uint64_t, 2> descriptor{};
  if (Outcome o = core.read(op, descriptor); failed(o)) return o;
  const std::uint64_t type =
      core.st.code64() ? core.st.gpr[op.reg] : static_cast<std::uint32_t>(core.st.gpr[op.reg]);
  const std::uint64_t pcid = descriptor[0];
  if (type > 3) return core.raise_gp(0);
  if (type < 2 && (pcid >> 12)) return core.raise_gp(0);
  if (type < 2 && !(core.st.cr4 & kCr4Pcide) && pcid != 0) return core.raise_gp(0);
  if (type == 0 && !canonical(descriptor[1])) return core.raise_gp(0);
  core.mmu.invpcid(static_cast<unsigned>(type), pcid, LinearAddr(descriptor[1]));
  return Outcome::kEndBlock;
}

Outcome swapgs(Core& core, const Op&) {
  if (core.st.cpl() != 0) return core.raise_gp(0);
  std::swap(core.st.seg[kGs].base, core.st.msr.kernel_gs_base);
  return Outcome::kNext;
}

template <bool Set>
Outcome access_check(Core& core, const Op&) {
  if (!privileged(core)) return core.raise_ud();
  core.st.rflags = Set ? core.st.rflags | kAc : core.st.rflags & ~kAc;
  core.mmu.update_view();
  return Outcome::kNext;
}

// Always succeeds: CF is set and the other status flags are cleared.
template <unsigned Bits, bool Seed>
Outcome random(Core& core, const Op& op) {
  if (Outcome o = core.vmx.on_rdrand(op, Seed, Bits); failed(o)) return o;
  const std::uint64_t v = core.random.next();
  std::uint64_t& r = core.st.gpr[op.reg];
  if constexpr (Bits == 16)
    r = (r & ~0xffffull) | (v & 0xffff);
  else
    r = Bits == 64 ? v : static_cast<std::uint32_t>(v);
  core.flags.load(kCf);
  return Outcome::kNext;
}

bool monitor_available(const Core& core) { return core.cpuid.has_1_ecx(3); }

Outcome monitor(Core& core, const Op& op) {
  if (!monitor_available(core) || !privileged(core)) return core.raise_ud();
  if (Outcome o = core.vmx.on_monitor(op); failed(o)) return o;
  return static_cast<std::uint32_t>(core.st.gpr[kRcx]) != 0 ? core.raise_gp(0) : Outcome::kNext;
}

// Stores to a monitored line are not watched: MWAIT may wake for any reason (SDM 2), and does so at once.
Outcome mwait(Core& core, const Op& op) {
  if (!monitor_available(core) || !privileged(core)) return core.raise_ud();
  if (Outcome o = core.vmx.on_mwait(op); failed(o)) return o;
  return static_cast<std::uint32_t>(core.st.gpr[kRcx]) > 1 ? core.raise_gp(0) : Outcome::kEndBlock;
}

template <Handler H>
Handler bind(const DecodedInstruction&, Op&) {
  return H;
}
template <Handler H>
Handler bind_mode64(const DecodedInstruction& d, Op&) {
  return d.mode64() ? H : nullptr;
}
template <bool Seed>
Handler bind_random(const DecodedInstruction& d, Op&) {
  if (d.operand_bits == 64) return random<64, Seed>;
  return d.operand_bits == 16 ? random<16, Seed> : random<32, Seed>;
}

}  // namespace

std::span<const Form> system_forms() {
  using enum BlockShape;
  static constexpr Form kForms[] = {
      {ZYDIS_MNEMONIC_CPUID, CostClass::kCpuid, kAlone, bind<cpuid>},
      {ZYDIS_MNEMONIC_RDTSC, CostClass::kRdtsc, kAlone, bind<rdtsc>},
      {ZYDIS_MNEMONIC_RDTSCP, CostClass::kRdtsc, kAlone, bind<rdtscp>},
      {ZYDIS_MNEMONIC_RDPID, CostClass::kMsr, kStraight, bind<rdpid>},
      {ZYDIS_MNEMONIC_RDPMC, CostClass::kMsr, kAlone, bind<rdpmc>},
      {ZYDIS_MNEMONIC_RDMSR, CostClass::kMsr, kAlone, bind_rdmsr},
      {ZYDIS_MNEMONIC_WRMSR, CostClass::kMsr, kAlone, bind_wrmsr},
      {ZYDIS_MNEMONIC_HLT, CostClass::kHlt, kEnds, bind<hlt>},
      {ZYDIS_MNEMONIC_INVD, CostClass::kCacheControl, kEnds, bind<invd>},
      {ZYDIS_MNEMONIC_WBINVD, CostClass::kCacheControl, kEnds, bind<wbinvd>},
      {ZYDIS_MNEMONIC_INVLPG, CostClass::kTlbInvalidate, kEnds, bind<invlpg>},
      {ZYDIS_MNEMONIC_INVPCID, CostClass::kTlbInvalidate, kEnds, bind<invpcid>},
      {ZYDIS_MNEMONIC_CLTS, CostClass::kControlRegister, kEnds, bind_clts},
      {ZYDIS_MNEMONIC_LMSW, CostClass::kControlRegister, kEnds, bind_lmsw},
      {ZYDIS_MNEMONIC_SMSW, CostClass::kControlRegister, kStraight, bind_smsw},
      {ZYDIS_MNEMONIC_LGDT, CostClass::kDescriptorTable, kEnds, bind_lgdt},
      {ZYDIS_MNEMONIC_LIDT, CostClass::kDescriptorTable, kEnds, bind_lidt},
      {ZYDIS_MNEMONIC_SGDT, CostClass::kDescriptorTable, kStraight, bind_sgdt},
      {ZYDIS_MNEMONIC_SIDT, CostClass::kDescriptorTable, kStraight, bind_sidt},
      {ZYDIS_MNEMONIC_LLDT, CostClass::kDescriptorTable, kEnds, bind_lldt},
      {ZYDIS_MNEMONIC_LTR, CostClass::kDescriptorTable, kEnds, bind_ltr},
      {ZYDIS_MNEMONIC_SLDT, CostClass::kDescriptorTable, kStraight, bind_sldt},
      {ZYDIS_MNEMONIC_STR, CostClass::kDescriptorTable, kStraight, bind_str},
      {ZYDIS_MNEMONIC_SWAPGS, CostClass::kSegmentLoad, kStraight, bind_mode64<swapgs>},
      {ZYDIS_MNEMONIC_CLAC, CostClass::kFlag, kStraight, bind<access_check<false>>},
      {ZYDIS_MNEMONIC_STAC, CostClass::kFlag, kStraight, bind<access_check<true>>},
      {ZYDIS_MNEMONIC_RDRAND, CostClass::kRandom, kStraight, bind_random<false>},
      {ZYDIS_MNEMONIC_RDSEED, CostClass::kRandom, kStraight, bind_random<true>},
      {ZYDIS_MNEMONIC_MONITOR, CostClass::kCacheControl, kEnds, bind<monitor>},
      {ZYDIS_MNEMONIC_MWAIT, CostClass::kHlt, kEnds, bind<mwait>},
  };
  return kForms;
}

}  // namespace xensim::cpu::isa
