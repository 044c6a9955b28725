// Handlers of two-operand and one-operand ALU instructions, one per operation, operand type and operand shape.
//
// An operation is a struct with
//   static constexpr bool kWrites;                                 false: only the flags (CMP, TEST)
//   template <class T> static T apply(LazyFlags&, T a, T b);       two operands; sets the flags, returns the
//   result template <class T> static T apply(LazyFlags&, T a);            one operand
// Core::modify calls it after every check has passed, so a failing access leaves the flags alone.
#pragma once

#include "models/cpu/isa/operands.h"

namespace xensim::cpu::isa {

template <class O, class T>
Outcome alu_register_register(Core& core, const Op& op) {
  // Held here, because the stores of the flags might change op for all that the compiler knows.
  const unsigned to = op.reg;
  const T r = O::template apply<T>(core.flags, read_register<T>(core, to), read_register<T>(core, op.rm));
  if constexpr (O::kWrites) write_register<T>(core, to, r);
  return Outcome::kNext;
}

template <class O, class T>
Outcome alu_register_immediate(Core& core, const Op& op) {
  const unsigned to = op.reg;
  const T r = O::template apply<T>(core.flags, read_register<T>(core, to), static_cast<T>(op.imm));
  if constexpr (O::kWrites) write_register<T>(core, to, r);
  return Outcome::kNext;
}

template <class O, class T>
Outcome alu_register_memory(Core& core, const Op& op) {
  T b;
  if (const Outcome o = core.read(op, b); o != Outcome::kNext) [[unlikely]]
    return o;
  const T r = O::template apply<T>(core.flags, read_register<T>(core, op.reg), b);
  if constexpr (O::kWrites) write_register<T>(core, op.reg, r);
  return Outcome::kNext;
}

template <class O, class T>
Outcome alu_memory(Core& core, const Op& op, T b) {
  if constexpr (O::kWrites) {
    return core.modify<T>(op, [&](T a) { return O::template apply<T>(core.flags, a, b); });
  } else {
    T a;
    if (const Outcome o = core.read(op, a); o != Outcome::kNext) [[unlikely]]
      return o;
    O::template apply<T>(core.flags, a, b);
    return Outcome::kNext;
  }
}

template <class O, class T>
Outcome alu_memory_register(Core& core, const Op& op) {
  return alu_memory<O, T>(core, op, read_register<T>(core, op.rm));
}

template <class O, class T>
Outcome alu_memory_immediate(Core& core, const Op& op) {
  return alu_memory<O, T>(core, op, static_cast<T>(op.imm));
}

template <class O>
Handler bind_binary(const DecodedInstruction& d, Op&) {
  const bool imm = d.is_imm(1);
  return by_size(d.op(0).size, [&]<class T>() -> Handler {
    if (d.is_mem(0)) return imm ? alu_memory_immediate<O, T> : alu_memory_register<O, T>;
    if (d.is_mem(1)) return alu_register_memory<O, T>;
    return imm ? alu_register_immediate<O, T> : alu_register_register<O, T>;
  });
}

template <class O, class T>
Outcome alu_register(Core& core, const Op& op) {
  const unsigned to = op.reg;
  write_register<T>(core, to, O::template apply<T>(core.flags, read_register<T>(core, to)));
  return Outcome::kNext;
}

template <class O, class T>
Outcome alu_in_memory(Core& core, const Op& op) {
  return core.modify<T>(op, [&](T a) { return O::template apply<T>(core.flags, a); });
}

template <class O>
Handler bind_unary(const DecodedInstruction& d, Op&) {
  return by_size(d.op(0).size,
                 [&]<class T>() -> Handler { return d.is_mem(0) ? alu_in_memory<O, T> : alu_register<O, T>; });
}

}  // namespace xensim::cpu::isa
