// PUSH, POP, PUSHA, POPA, ENTER, LEAVE (SDM 1, 6.2 and 6.6). A form that touches the stack several times puts the
// registers back when a later access faults.
#include "models/cpu/isa/data_movement_parts.h"
#include "models/cpu/isa/operands.h"
#include "models/cpu/isa/stack.h"

namespace xensim::cpu::isa {
namespace {

template <class T>
Outcome push_reg(Core& core, const Op& op) {
  return push<T>(core, read_register<T>(core, op.reg));
}

template <class T>
Outcome push_imm(Core& core, const Op& op) {
  return push<T>(core, static_cast<T>(op.imm));
}

template <class T>
Outcome push_mem(Core& core, const Op& op) {
  T v;
  if (const Outcome o = core.read(op, v); o != Outcome::kNext) return o;
  return push<T>(core, v);
}

// PUSH and POP of a register in 64-bit mode, without a look at the stack's size.
Outcome push_reg_long(Core& core, const Op& op) {
  const std::uint64_t a = core.st.gpr[kRsp] - 8;
  const Outcome o = core.write_linear(a, core.st.gpr[op.reg]);
  if (failed(o)) [[unlikely]]
    return core.stack_outcome(o);
  core.st.gpr[kRsp] = a;
  return o;
}

Outcome pop_reg_long(Core& core, const Op& op) {
  std::uint64_t v;
  if (const Outcome o = core.read_linear(core.st.gpr[kRsp], v); o != Outcome::kNext) [[unlikely]]
    return core.stack_outcome(o);
  core.st.gpr[kRsp] += 8;
  core.st.gpr[op.reg] = v;
  return Outcome::kNext;
}

template <class T>
Outcome pop_reg(Core& core, const Op& op) {
  T v;
  if (const Outcome o = pop(core, v); o != Outcome::kNext) return o;
  write_register<T>(core, op.reg, v);
  return Outcome::kNext;
}

// The address of a memory operand counts from the stack pointer after the pop.
template <class T>
Outcome pop_mem(Core& core, const Op& op) {
  const std::uint64_t rsp = core.st.gpr[kRsp];
  T v;
  if (const Outcome o = pop(core, v); o != Outcome::kNext) return o;
  const Outcome o = core.write(op, v);
  if (failed(o)) core.st.gpr[kRsp] = rsp;
  return o;
}

template <class T>
Outcome pusha(Core& core, const Op&) {
  const std::uint64_t rsp = core.st.gpr[kRsp];
  Outcome result = Outcome::kNext;
  for (unsigned r = 0; r < 8; ++r) {
    const Outcome o = push<T>(core, static_cast<T>(r == kRsp ? rsp : core.st.gpr[r]));
    if (failed(o)) {
      core.st.gpr[kRsp] = rsp;
      return o;
    }
    if (o != Outcome::kNext) result = o;
  }
  return result;
}

template <class T>
Outcome popa(Core& core, const Op&) {
  T v[8];
  for (unsigned i = 0; i < 8; ++i)
    if (const Outcome o = peek(core, v[i], i * sizeof(T)); o != Outcome::kNext) return o;
  set_stack_pointer(core, core.st.gpr[kRsp] + sizeof(v));
  for (unsigned i = 0; i < 8; ++i)
    if (7 - i != kRsp) write_register<T>(core, 7 - i, v[i]);
  return Outcome::kNext;
}

// imm: nesting level; disp: bytes of local storage.
template <class T>
Outcome enter(Core& core, const Op& op) {
  const std::uint64_t rsp = core.st.gpr[kRsp];
  const unsigned level = op.imm & 31;
  Outcome result = Outcome::kNext;
  const auto fails = [&](Outcome o) {
    if (failed(o)) core.st.gpr[kRsp] = rsp;
    if (o != Outcome::kNext) result = o;
    return failed(o);
  };
  if (fails(push<T>(core, read_register<T>(core, kRbp)))) return result;
  const std::uint64_t frame = core.st.gpr[kRsp];
  // Copies the frame pointers of the enclosing levels, then this level's own.
  for (unsigned i = 1; i < level; ++i) {
    T pointer;
    const std::uint64_t from_top = core.st.gpr[kRbp] - i * sizeof(T) - core.st.gpr[kRsp];
    if (fails(peek(core, pointer, from_top)) || fails(push<T>(core, pointer))) return result;
  }
  if (level > 0 && fails(push<T>(core, static_cast<T>(frame)))) return result;
  std::uint64_t top = core.st.gpr[kRsp] - op.disp, a;
  // The new top must be writable, as if it were used at once.
  if (!stack_address(core, -op.disp, sizeof(T), true, a)) {
    core.st.gpr[kRsp] = rsp;
    return Outcome::kFault;
  }
  const Outcome probe = core.mmu.probe_write(LinearAddr(a), sizeof(T), core.mmu.current_view());
  if (fails(core.stack_outcome(probe))) return result;
  write_register<T>(core, kRbp, static_cast<T>(frame));
  set_stack_pointer(core, top);
  return result;
}

template <class T>
Outcome leave(Core& core, const Op&) {
  const std::uint64_t rsp = core.st.gpr[kRsp];
  set_stack_pointer(core, core.st.gpr[kRbp]);
  T v;
  if (const Outcome o = pop(core, v); o != Outcome::kNext) {
    core.st.gpr[kRsp] = rsp;
    return o;
  }
  write_register<T>(core, kRbp, v);
  return Outcome::kNext;
}

bool is_segment(const DecodedInstruction& d) {
  return d.is_reg(0) && ZydisRegisterGetClass(d.op(0).reg.value) == ZYDIS_REGCLASS_SEGMENT;
}

}  // namespace

Handler bind_push(const DecodedInstruction& d, Op& op) {
  if (is_segment(d)) return bind_push_segment(d, op);
  if (d.is_imm(0)) return by_word_size(d.operand_bits, []<class T>() -> Handler { return push_imm<T>; });
  const unsigned bits = d.op(0).size;
  if (d.is_mem(0)) return by_word_size(bits, []<class T>() -> Handler { return push_mem<T>; });
  if (bits == 64) return push_reg_long;
  return by_word_size(bits, []<class T>() -> Handler { return push_reg<T>; });
}

Handler bind_pop(const DecodedInstruction& d, Op& op) {
  if (is_segment(d)) return bind_pop_segment(d, op);
  const unsigned bits = d.op(0).size;
  if (d.is_mem(0)) return by_word_size(bits, []<class T>() -> Handler { return pop_mem<T>; });
  if (bits == 64) return pop_reg_long;
  return by_word_size(bits, []<class T>() -> Handler { return pop_reg<T>; });
}

Handler bind_pusha(const DecodedInstruction& d, Op&) {
  return d.insn.mnemonic == ZYDIS_MNEMONIC_PUSHAD ? pusha<std::uint32_t> : pusha<std::uint16_t>;
}

Handler bind_popa(const DecodedInstruction& d, Op&) {
  return d.insn.mnemonic == ZYDIS_MNEMONIC_POPAD ? popa<std::uint32_t> : popa<std::uint16_t>;
}

Handler bind_enter(const DecodedInstruction& d, Op& op) {
  op.disp = d.op(0).imm.value.u & 0xffff;
  return by_word_size(d.operand_bits, []<class T>() -> Handler { return enter<T>; });
}

Handler bind_leave(const DecodedInstruction& d, Op&) {
  return by_word_size(d.operand_bits, []<class T>() -> Handler { return leave<T>; });
}

}  // namespace xensim::cpu::isa
