// Flag control, and instructions that do nothing a program could see: NOP, PAUSE, fences, prefetches, cache-line
// flushes (SDM 1, 7.3.13–7.3.16). The rules for IF, IOPL, VIF and VIP are those of SDM 2 (CLI, STI, PUSHF, POPF)
// and SDM 3, 20.3 (VME) and 20.4 (PVI).
#include <array>

#include "models/cpu/isa/operands.h"
#include "models/cpu/isa/stack.h"

namespace xensim::cpu::isa {
namespace {

unsigned iopl(const Core& core) { return static_cast<unsigned>(core.st.rflags >> 12) & 3; }

// What CLI and STI act on here.
enum class InterruptFlag { kReal, kVirtual, kNone };

InterruptFlag interrupt_flag(const Core& core) {
  const ArchState& st = core.st;
  if (!st.protected_mode()) return InterruptFlag::kReal;
  const unsigned level = st.v8086() ? 3 : st.cpl();
  if (level <= iopl(core)) return InterruptFlag::kReal;
  if (level == 3 && (st.cr4 & (st.v8086() ? kCr4Vme : kCr4Pvi))) return InterruptFlag::kVirtual;
  return InterruptFlag::kNone;
}

Outcome cli(Core& core, const Op&) {
  switch (interrupt_flag(core)) {
    case InterruptFlag::kReal:
      core.st.rflags &= ~kIf;
      return Outcome::kNext;
    case InterruptFlag::kVirtual:
      core.st.rflags &= ~kVif;
      return Outcome::kNext;
    default:
      return core.raise_gp();
  }
}

Outcome sti(Core& core, const Op&) {
  switch (interrupt_flag(core)) {
    case InterruptFlag::kReal:
      if (core.st.rflags & kIf) return Outcome::kNext;
      core.st.rflags |= kIf;
      core.st.sti_shadow = true;
      return Outcome::kEndBlock;
    case InterruptFlag::kVirtual:
      if (core.st.rflags & kVip) return core.raise_gp();
      core.st.rflags |= kVif;
      return Outcome::kNext;
    default:
      return core.raise_gp();
  }
}

template <class T>
Outcome pushf(Core& core, const Op&) {
  std::uint64_t image = core.rflags() & ~(kVm | kRf);
  if (core.st.v8086() && iopl(core) < 3) {
    if (sizeof(T) != 2 || !(core.st.cr4 & kCr4Vme)) return core.raise_gp();
    image = (image & ~kIf) | kIopl | (image & kVif ? kIf : 0);
  }
  return push<T>(core, static_cast<T>(image));
}

// The bits that POPF may change, in the order of privilege.
constexpr std::uint64_t kPopUser = kStatusFlags | kTf | kDf | kNt | kAc | kId;

template <class T>
Outcome popf(Core& core, const Op&) {
  T image;
  if (const Outcome o = peek(core, image); o != Outcome::kNext) return o;
  const ArchState& st = core.st;
  std::uint64_t changes = kPopUser, value = image;
  if (!st.protected_mode() || (!st.v8086() && st.cpl() == 0)) {
    changes |= kIf | kIopl;
  } else if (st.v8086()) {
    if (iopl(core) == 3) {
      changes |= kIf;
    } else {
      if (sizeof(T) != 2 || !(st.cr4 & kCr4Vme)) return core.raise_gp();
      if ((value & kTf) || ((value & kIf) && (st.rflags & kVip))) return core.raise_gp();
      value = (value & ~kVif) | (value & kIf ? kVif : 0);
      changes |= kVif;
    }
  } else if (st.cpl() <= iopl(core)) {
    changes |= kIf;
  }
  if (sizeof(T) == 2) changes &= 0xffff | kVif;
  set_stack_pointer(core, core.st.gpr[kRsp] + sizeof(T));
  const std::uint64_t before = core.rflags();
  const std::uint64_t after = (before & ~(changes | kRf)) | (value & changes);
  core.set_rflags(after);
  if ((before ^ after) & kAc) core.mmu.update_view();
  // A flag that the run loop or the event logic looks at.
  return ((before ^ after) & (kIf | kTf | kRf | kAc | kVif)) ? Outcome::kEndBlock : Outcome::kNext;
}

Outcome clc(Core& core, const Op&) {
  core.flags.set_cf(false);
  return Outcome::kNext;
}
Outcome stc(Core& core, const Op&) {
  core.flags.set_cf(true);
  return Outcome::kNext;
}
Outcome cmc(Core& core, const Op&) {
  core.flags.set_cf(!core.flags.cf());
  return Outcome::kNext;
}
Outcome cld(Core& core, const Op&) {
  core.st.rflags &= ~kDf;
  return Outcome::kNext;
}
Outcome std_(Core& core, const Op&) {
  core.st.rflags |= kDf;
  return Outcome::kNext;
}

// SF, ZF, AF, PF and CF to and from AH.
constexpr unsigned kAh = 1;

Outcome lahf(Core& core, const Op&) {
  write_register<std::uint8_t>(core, kAh, static_cast<std::uint8_t>((core.flags.materialise() & ~kOf) | 2));
  return Outcome::kNext;
}
Outcome sahf(Core& core, const Op&) {
  const std::uint64_t ah = read_register<std::uint8_t>(core, kAh);
  core.flags.load((core.flags.materialise() & kOf) | (ah & kStatusFlags));
  return Outcome::kNext;
}
Outcome salc(Core& core, const Op&) {
  write_register<std::uint8_t>(core, kRax, core.flags.cf() ? 0xff : 0);
  return Outcome::kNext;
}

Outcome nop(Core&, const Op&) { return Outcome::kNext; }
Outcome pause(Core& core, const Op& op) { return core.vmx.on_pause(op); }

// A cache-line flush faults as a load of a byte would.
Outcome flush_line(Core& core, const Op& op) {
  std::uint8_t v;
  return core.read(op, v);
}

template <Handler H>
Handler bind(const DecodedInstruction&, Op&) {
  return H;
}

Handler bind_pushf(const DecodedInstruction& d, Op&) {
  return by_word_size(d.operand_bits, []<class T>() -> Handler { return pushf<T>; });
}
Handler bind_popf(const DecodedInstruction& d, Op&) {
  return by_word_size(d.operand_bits, []<class T>() -> Handler { return popf<T>; });
}

constexpr Form flag_form(ZydisMnemonic m, Bind b) { return {m, CostClass::kFlag, BlockShape::kStraight, b}; }
constexpr Form nop_form(ZydisMnemonic m) { return {m, CostClass::kNop, BlockShape::kStraight, bind<nop>}; }
constexpr Form fence_form(ZydisMnemonic m) { return {m, CostClass::kFence, BlockShape::kStraight, bind<nop>}; }
constexpr Form line_form(ZydisMnemonic m) {
  return {m, CostClass::kCacheControl, BlockShape::kStraight, bind<flush_line>};
}

constexpr std::array kForms{
    flag_form(ZYDIS_MNEMONIC_CLC, bind<clc>),
    flag_form(ZYDIS_MNEMONIC_STC, bind<stc>),
    flag_form(ZYDIS_MNEMONIC_CMC, bind<cmc>),
    flag_form(ZYDIS_MNEMONIC_CLD, bind<cld>),
    flag_form(ZYDIS_MNEMONIC_STD, bind<std_>),
    flag_form(ZYDIS_MNEMONIC_CLI, bind<cli>),
    flag_form(ZYDIS_MNEMONIC_STI, bind<sti>),
    flag_form(ZYDIS_MNEMONIC_LAHF, bind<lahf>),
    flag_form(ZYDIS_MNEMONIC_SAHF, bind<sahf>),
    flag_form(ZYDIS_MNEMONIC_SALC, bind<salc>),
    flag_form(ZYDIS_MNEMONIC_PUSHF, bind_pushf),
    flag_form(ZYDIS_MNEMONIC_PUSHFD, bind_pushf),
    flag_form(ZYDIS_MNEMONIC_PUSHFQ, bind_pushf),
    flag_form(ZYDIS_MNEMONIC_POPF, bind_popf),
    flag_form(ZYDIS_MNEMONIC_POPFD, bind_popf),
    flag_form(ZYDIS_MNEMONIC_POPFQ, bind_popf),
    // Alone: pause-loop exiting measures the time between two of them.
    Form{ZYDIS_MNEMONIC_PAUSE, CostClass::kPause, BlockShape::kAlone, bind<pause>},
    nop_form(ZYDIS_MNEMONIC_NOP),
    nop_form(ZYDIS_MNEMONIC_ENDBR32),
    nop_form(ZYDIS_MNEMONIC_ENDBR64),
    nop_form(ZYDIS_MNEMONIC_PREFETCH),
    nop_form(ZYDIS_MNEMONIC_PREFETCHNTA),
    nop_form(ZYDIS_MNEMONIC_PREFETCHT0),
    nop_form(ZYDIS_MNEMONIC_PREFETCHT1),
    nop_form(ZYDIS_MNEMONIC_PREFETCHT2),
    nop_form(ZYDIS_MNEMONIC_PREFETCHW),
    nop_form(ZYDIS_MNEMONIC_PREFETCHWT1),
    fence_form(ZYDIS_MNEMONIC_LFENCE),
    fence_form(ZYDIS_MNEMONIC_MFENCE),
    fence_form(ZYDIS_MNEMONIC_SFENCE),
    line_form(ZYDIS_MNEMONIC_CLFLUSH),
    line_form(ZYDIS_MNEMONIC_CLFLUSHOPT),
    line_form(ZYDIS_MNEMONIC_CLWB),
};

}  // namespace

std::span<const Form> flag_forms() { return kForms; }

}  // namespace xensim::cpu::isa
