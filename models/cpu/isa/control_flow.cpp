// Near control flow: JMP, Jcc, CALL, RET, LOOP, JCXZ; SETcc and BOUND (SDM 1, 7.3.8). Far forms are
// far_transfer.cpp's.
//
// These end their block, so RIP is already that of the next instruction when they execute. A target is checked
// before anything is committed: canonical in 64-bit mode, within CS's limit elsewhere. Relative targets are known
// when the instruction is decoded, and so is the answer, unless CS is not flat.
#include <array>

#include "models/cpu/isa/operands.h"
#include "models/cpu/isa/stack.h"

namespace xensim::cpu::isa {
namespace {

bool canonical(std::uint64_t a) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(a << 16) >> 16) == a;
}

bool target_ok(const Core& core, std::uint64_t rip) {
  return core.mode & kMode64 ? canonical(rip) : rip <= core.st.seg[kCs].limit;
}

// Where a relative branch goes: nowhere wrong (kFree), or it must be looked at when taken.
bool needs_check(const DecodedInstruction& d, const Op& op) {
  return d.mode64() ? !canonical(op.imm) : !(d.mode & kModeCodeFlat);
}

template <bool kCheck>
inline Outcome branch(Core& core, std::uint64_t rip) {
  if constexpr (kCheck)
    if (!target_ok(core, rip)) return core.raise_gp();
  core.st.rip = rip;
  return Outcome::kNext;
}

// --- JMP

template <bool kCheck>
Outcome jmp_relative(Core& core, const Op& op) {
  return branch<kCheck>(core, op.imm);
}

template <class T>
Outcome jmp_reg(Core& core, const Op& op) {
  return branch<true>(core, read_register<T>(core, op.reg));
}

template <class T>
Outcome jmp_mem(Core& core, const Op& op) {
  T target;
  if (const Outcome o = core.read(op, target); o != Outcome::kNext) return o;
  return branch<true>(core, target);
}

// The operand size of near branches is 64 bits in 64-bit mode, prefix or not.
unsigned branch_bits(const DecodedInstruction& d) { return d.mode64() ? 64 : d.operand_bits; }

Handler bind_jmp(const DecodedInstruction& d, Op& op) {
  if (d.insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return bind_far_jmp(d, op);
  if (d.is_imm(0)) return needs_check(d, op) ? jmp_relative<true> : jmp_relative<false>;
  if (d.is_mem(0)) return by_word_size(branch_bits(d), []<class T>() -> Handler { return jmp_mem<T>; });
  return by_word_size(branch_bits(d), []<class T>() -> Handler { return jmp_reg<T>; });
}

// --- Jcc

template <unsigned CC, bool kCheck>
Outcome jcc(Core& core, const Op& op) {
  return condition<CC>(core.flags) ? branch<kCheck>(core, op.imm) : Outcome::kNext;
}

template <unsigned CC>
Handler bind_jcc(const DecodedInstruction& d, Op& op) {
  return needs_check(d, op) ? jcc<CC, true> : jcc<CC, false>;
}

// --- CALL, RET

template <class T, bool kCheck>
inline Outcome call(Core& core, std::uint64_t target) {
  if constexpr (kCheck)
    if (!target_ok(core, target)) return core.raise_gp();
  const Outcome o = push<T>(core, static_cast<T>(core.st.rip));
  if (!failed(o)) [[likely]]
    core.st.rip = target;
  return o;
}

template <class T, bool kCheck>
Outcome call_relative(Core& core, const Op& op) {
  return call<T, kCheck>(core, op.imm);
}

template <class T>
Outcome call_reg(Core& core, const Op& op) {
  return call<T, true>(core, read_register<T>(core, op.reg));
}

template <class T>
Outcome call_mem(Core& core, const Op& op) {
  T target;
  if (const Outcome o = core.read(op, target); o != Outcome::kNext) return o;
  return call<T, true>(core, target);
}

Handler bind_call(const DecodedInstruction& d, Op& op) {
  if (d.insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return bind_far_call(d, op);
  const unsigned bits = branch_bits(d);
  if (d.is_imm(0))
    return needs_check(d, op) ? by_word_size(bits, []<class T>() -> Handler { return call_relative<T, true>; })
                              : by_word_size(bits, []<class T>() -> Handler { return call_relative<T, false>; });
  if (d.is_mem(0)) return by_word_size(bits, []<class T>() -> Handler { return call_mem<T>; });
  return by_word_size(bits, []<class T>() -> Handler { return call_reg<T>; });
}

// imm: bytes of parameters to drop.
template <class T>
Outcome ret(Core& core, const Op& op) {
  T target;
  if (const Outcome o = peek(core, target); o != Outcome::kNext) [[unlikely]]
    return o;
  if (!target_ok(core, target)) [[unlikely]]
    return core.raise_gp();
  set_stack_pointer(core, core.st.gpr[kRsp] + sizeof(T) + op.imm);
  core.st.rip = target;
  return Outcome::kNext;
}

Handler bind_ret(const DecodedInstruction& d, Op& op) {
  if (d.insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return bind_far_ret(d, op);
  op.imm = d.insn.operand_count_visible > 0 && d.is_imm(0) ? op.imm & 0xffff : 0;
  return by_word_size(branch_bits(d), []<class T>() -> Handler { return ret<T>; });
}

// --- LOOP, LOOPE, LOOPNE; JCXZ, JECXZ, JRCXZ: the count register has the address size.

enum class LoopIf { kAlways, kZero, kNotZero };

template <class A, LoopIf kIf>
Outcome loop(Core& core, const Op& op) {
  const A count = static_cast<A>(read_register<A>(core, kRcx) - 1);
  const bool goes_on = count != 0 && (kIf == LoopIf::kAlways || core.flags.zf() == (kIf == LoopIf::kZero));
  if (goes_on && !target_ok(core, op.imm)) return core.raise_gp();
  write_register<A>(core, kRcx, count);
  if (goes_on) core.st.rip = op.imm;
  return Outcome::kNext;
}

template <LoopIf kIf>
Handler bind_loop(const DecodedInstruction& d, Op&) {
  return by_word_size(d.insn.address_width, []<class A>() -> Handler { return loop<A, kIf>; });
}

template <class A>
Outcome jcxz(Core& core, const Op& op) {
  return read_register<A>(core, kRcx) == 0 ? branch<true>(core, op.imm) : Outcome::kNext;
}

Handler bind_jcxz(const DecodedInstruction& d, Op&) {
  return by_word_size(d.insn.address_width, []<class A>() -> Handler { return jcxz<A>; });
}

// --- SETcc

template <unsigned CC>
Outcome setcc_reg(Core& core, const Op& op) {
  write_register<std::uint8_t>(core, op.reg, condition<CC>(core.flags));
  return Outcome::kNext;
}

template <unsigned CC>
Outcome setcc_mem(Core& core, const Op& op) {
  return core.write(op, static_cast<std::uint8_t>(condition<CC>(core.flags)));
}

template <unsigned CC>
Handler bind_setcc(const DecodedInstruction& d, Op&) {
  return d.is_mem(0) ? setcc_mem<CC> : setcc_reg<CC>;
}

// --- BOUND: the memory operand holds the lower and the upper bound, both inclusive.

template <class T>
Outcome bound(Core& core, const Op& op) {
  struct {
    T lower, upper;
  } limits;
  if (const Outcome o = core.read(op, limits); o != Outcome::kNext) return o;
  using Signed = std::make_signed_t<T>;
  const auto index = static_cast<Signed>(read_register<T>(core, op.reg));
  if (index < static_cast<Signed>(limits.lower) || index > static_cast<Signed>(limits.upper))
    return core.raise(kBr);
  return Outcome::kNext;
}

Handler bind_bound(const DecodedInstruction& d, Op&) {
  return d.op(0).size == 16 ? bound<std::uint16_t> : bound<std::uint32_t>;
}

template <unsigned CC>
constexpr Form jcc_form(ZydisMnemonic m) {
  return {m, CostClass::kBranch, BlockShape::kEnds, bind_jcc<CC>};
}
template <unsigned CC>
constexpr Form setcc_form(ZydisMnemonic m) {
  return {m, CostClass::kAlu, BlockShape::kStraight, bind_setcc<CC>};
}
constexpr Form branch_form(ZydisMnemonic m, Bind b) { return {m, CostClass::kBranch, BlockShape::kEnds, b}; }

constexpr std::array kForms{
    branch_form(ZYDIS_MNEMONIC_JMP, bind_jmp),
    Form{ZYDIS_MNEMONIC_CALL, CostClass::kCall, BlockShape::kEnds, bind_call},
    Form{ZYDIS_MNEMONIC_RET, CostClass::kReturn, BlockShape::kEnds, bind_ret},
    branch_form(ZYDIS_MNEMONIC_LOOP, bind_loop<LoopIf::kAlways>),
    branch_form(ZYDIS_MNEMONIC_LOOPE, bind_loop<LoopIf::kZero>),
    branch_form(ZYDIS_MNEMONIC_LOOPNE, bind_loop<LoopIf::kNotZero>),
    branch_form(ZYDIS_MNEMONIC_JCXZ, bind_jcxz),
    branch_form(ZYDIS_MNEMONIC_JECXZ, bind_jcxz),
    branch_form(ZYDIS_MNEMONIC_JRCXZ, bind_jcxz),
    jcc_form<0x0>(ZYDIS_MNEMONIC_JO),
    jcc_form<0x1>(ZYDIS_MNEMONIC_JNO),
    jcc_form<0x2>(ZYDIS_MNEMONIC_JB),
    jcc_form<0x3>(ZYDIS_MNEMONIC_JNB),
    jcc_form<0x4>(ZYDIS_MNEMONIC_JZ),
    jcc_form<0x5>(ZYDIS_MNEMONIC_JNZ),
    jcc_form<0x6>(ZYDIS_MNEMONIC_JBE),
    jcc_form<0x7>(ZYDIS_MNEMONIC_JNBE),
    jcc_form<0x8>(ZYDIS_MNEMONIC_JS),
    jcc_form<0x9>(ZYDIS_MNEMONIC_JNS),
    jcc_form<0xa>(ZYDIS_MNEMONIC_JP),
    jcc_form<0xb>(ZYDIS_MNEMONIC_JNP),
    jcc_form<0xc>(ZYDIS_MNEMONIC_JL),
    jcc_form<0xd>(ZYDIS_MNEMONIC_JNL),
    jcc_form<0xe>(ZYDIS_MNEMONIC_JLE),
    jcc_form<0xf>(ZYDIS_MNEMONIC_JNLE),
    setcc_form<0x0>(ZYDIS_MNEMONIC_SETO),
    setcc_form<0x1>(ZYDIS_MNEMONIC_SETNO),
    setcc_form<0x2>(ZYDIS_MNEMONIC_SETB),
    setcc_form<0x3>(ZYDIS_MNEMONIC_SETNB),
    setcc_form<0x4>(ZYDIS_MNEMONIC_SETZ),
    setcc_form<0x5>(ZYDIS_MNEMONIC_SETNZ),
    setcc_form<0x6>(ZYDIS_MNEMONIC_SETBE),
    setcc_form<0x7>(ZYDIS_MNEMONIC_SETNBE),
    setcc_form<0x8>(ZYDIS_MNEMONIC_SETS),
    setcc_form<0x9>(ZYDIS_MNEMONIC_SETNS),
    setcc_form<0xa>(ZYDIS_MNEMONIC_SETP),
    setcc_form<0xb>(ZYDIS_MNEMONIC_SETNP),
    setcc_form<0xc>(ZYDIS_MNEMONIC_SETL),
    setcc_form<0xd>(ZYDIS_MNEMONIC_SETNL),
    setcc_form<0xe>(ZYDIS_MNEMONIC_SETLE),
    setcc_form<0xf>(ZYDIS_MNEMONIC_SETNLE),
    Form{ZYDIS_MNEMONIC_BOUND, CostClass::kLoad, BlockShape::kStraight, bind_bound},
};

}  // namespace

std::span<const Form> control_flow_forms() { return kForms; }

}  // namespace xensim::cpu::isa
