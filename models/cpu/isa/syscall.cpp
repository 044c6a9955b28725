// SYSCALL, SYSRET, SYSENTER and SYSEXIT as Intel processors execute them (SDM 2; SDM 3, 5.8.7 and 5.8.8): SYSCALL
// and SYSRET in 64-bit mode only.
#include "models/cpu/isa/far_transfer.h"
#include "models/cpu/isa/segmentation.h"

namespace xensim::cpu::isa {
namespace {

// Flat segments with fixed attributes, whatever the tables say.
Segment flat_code(unsigned selector, unsigned dpl, bool code64) {
  Segment s;
  s.selector = static_cast<std::uint16_t>(selector);
  s.limit = 0xffffffff;
  s.attr = 0x809b | (dpl << 5) | (code64 ? 0x2000u : 0x4000u);
  return s;
}
Segment flat_stack(unsigned selector, unsigned dpl) {
  Segment s;
  s.selector = static_cast<std::uint16_t>(selector);
  s.limit = 0xffffffff;
  s.attr = 0xc093 | (dpl << 5);
  return s;
}

bool syscall_enabled(const Core& core) { return core.st.code64() && (core.st.efer & kEferSce); }

Outcome syscall(Core& core, const Op&) {
  ArchState& st = core.st;
  if (!syscall_enabled(core)) return core.raise_ud();
  const std::uint64_t rflags = core.rflags();
  st.gpr[kRcx] = st.rip;
  st.gpr[kR11] = rflags;
  st.rip = st.msr.lstar;
  core.set_rflags(rflags & ~(st.msr.fmask | kRf | kVm));
  const unsigned selector = static_cast<unsigned>(st.msr.star >> 32) & 0xfffc;
  st.seg[kCs] = flat_code(selector, 0, true);
  st.seg[kSs] = flat_stack(selector + 8, 0);
  execution_context_changed(core);
  return Outcome::kEndBlock;
}

template <bool To64>
Outcome sysret(Core& core, const Op&) {
  ArchState& st = core.st;
  if (!syscall_enabled(core)) return core.raise_ud();
  if (st.cpl() != 0) return core.raise_gp(0);
  if (To64 && !canonical(st.gpr[kRcx])) return core.raise_gp(0);
  st.rip = To64 ? st.gpr[kRcx] : static_cast<std::uint32_t>(st.gpr[kRcx]);
  core.set_rflags(st.gpr[kR11] & 0x3c7fd7);
  const unsigned base = static_cast<unsigned>(st.msr.star >> 48);
  st.seg[kCs] = flat_code((base + (To64 ? 16 : 0)) | 3, 3, To64);
  st.seg[kSs] = flat_stack((base + 8) | 3, 3);
  execution_context_changed(core);
  return Outcome::kEndBlock;
}

Outcome sysenter(Core& core, const Op&) {
  ArchState& st = core.st;
  const unsigned selector = static_cast<unsigned>(st.msr.sysenter_cs) & 0xfffc;
  if (!st.protected_mode() || selector == 0) return core.raise_gp(0);
  const bool ia32e = st.long_mode_active();
  core.set_rflags(core.rflags() & ~(kVm | kIf | kRf));
  st.gpr[kRsp] = ia32e ? st.msr.sysenter_esp : static_cast<std::uint32_t>(st.msr.sysenter_esp);
  st.rip = ia32e ? st.msr.sysenter_eip : static_cast<std::uint32_t>(st.msr.sysenter_eip);
  st.seg[kCs] = flat_code(selector, 0, ia32e);
  st.seg[kSs] = flat_stack(selector + 8, 0);
  execution_context_changed(core);
  return Outcome::kEndBlock;
}

template <bool To64>
Outcome sysexit(Core& core, const Op&) {
  ArchState& st = core.st;
  const unsigned selector = static_cast<unsigned>(st.msr.sysenter_cs) & 0xfffc;
  if (!st.protected_mode() || selector == 0 || st.v8086() || st.cpl() != 0) return core.raise_gp(0);
  if (To64 && (!canonical(st.gpr[kRcx]) || !canonical(st.gpr[kRdx]))) return core.raise_gp(0);
  st.gpr[kRsp] = To64 ? st.gpr[kRcx] : static_cast<std::uint32_t>(st.gpr[kRcx]);
  st.rip = To64 ? st.gpr[kRdx] : static_cast<std::uint32_t>(st.gpr[kRdx]);
  st.seg[kCs] = flat_code((selector + (To64 ? 32 : 16)) | 3, 3, To64);
  st.seg[kSs] = flat_stack((selector + (To64 ? 40 : 24)) | 3, 3);
  execution_context_changed(core);
  return Outcome::kEndBlock;
}

}  // namespace

Handler bind_syscall(const DecodedInstruction&, Op&) { return syscall; }
Handler bind_sysret(const DecodedInstruction& d, Op&) {
  return d.insn.attributes & ZYDIS_ATTRIB_HAS_REX && d.insn.raw.rex.W ? sysret<true> : sysret<false>;
}
Handler bind_sysenter(const DecodedInstruction&, Op&) { return sysenter; }
Handler bind_sysexit(const DecodedInstruction& d, Op&) {
  return d.insn.attributes & ZYDIS_ATTRIB_HAS_REX && d.insn.raw.rex.W ? sysexit<true> : sysexit<false>;
}

}  // namespace xensim::cpu::isa
