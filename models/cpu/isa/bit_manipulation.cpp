// BMI1 and BMI2: ANDN, BEXTR, BLSI, BLSMSK, BLSR, BZHI, MULX, PDEP, PEXT, RORX, SARX, SHLX, SHRX. SDM 2, under
// those names; 32- and 64-bit operands only.
//
// Of three register operands the record has places for two; the third register's number is in Op::sub. The operand
// that may be memory is the second for the instructions that take a count or control word, the third for ANDN,
// MULX, PDEP and PEXT.
#include <bit>

#include "models/cpu/isa/logic_parts.h"
#include "models/cpu/isa/operands.h"

namespace xensim::cpu::isa {
namespace {

template <class T>
constexpr unsigned kBits = sizeof(T) * 8;

// Two sources: apply(core, destination register, source, other).
struct Andn {
  template <class T>
  static T apply(Core& core, T a, T b) {
    const auto r = static_cast<T>(~b & a);
    core.flags.set_logic<T>(r);
    return r;
  }
};
struct Bextr {
  template <class T>
  static T apply(Core& core, T a, T control) {
    const unsigned start = control & 0xff, length = (control >> 8) & 0xff;
    T r = start < kBits<T> ? static_cast<T>(a >> start) : T{0};
    if (length < kBits<T>) r &= static_cast<T>((T{1} << length) - 1);
    core.flags.set_logic<T>(r);
    return r;
  }
};
struct Bzhi {
  template <class T>
  static T apply(Core& core, T a, T index) {
    const unsigned n = index & 0xff;
    const T r = n < kBits<T> ? static_cast<T>(a & ((T{1} << n) - 1)) : a;
    core.flags.set_result<T>(r, n >= kBits<T>, false);
    return r;
  }
};
struct Sarx {
  template <class T>
  static T apply(Core&, T a, T n) {
    return static_cast<T>(static_cast<std::make_signed_t<T>>(a) >> (n & (kBits<T> - 1)));
  }
};
struct Shlx {
  template <class T>
  static T apply(Core&, T a, T n) {
    return static_cast<T>(a << (n & (kBits<T> - 1)));
  }
};
struct Shrx {
  template <class T>
  static T apply(Core&, T a, T n) {
    return static_cast<T>(a >> (n & (kBits<T> - 1)));
  }
};
// Here a is the mask (the operand that may be memory).
struct Pdep {
  template <class T>
  static T apply(Core&, T mask, T b) {
    T r = 0;
    for (T m = mask; m != 0; m &= static_cast<T>(m - 1), b = static_cast<T>(b >> 1))
      if (b & 1) r |= static_cast<T>(m & (0 - m));
    return r;
  }
};
struct Pext {
  template <class T>
  static T apply(Core&, T mask, T b) {
    T r = 0;
    unsigned to = 0;
    for (T m = mask; m != 0; m &= static_cast<T>(m - 1), ++to)
      if (b & m & (0 - m)) r |= static_cast<T>(T{1} << to);
    return r;
  }
};

// kMiddle: the operand that may be memory is the second (op.rm if a register), the other is in op.sub; else the
// third (op.sub if a register), and the other is op.rm.
template <class O, class T, bool kMiddle>
Outcome two_registers(Core& core, const Op& op) {
  const T second = read_register<T>(core, op.rm), third = read_register<T>(core, op.sub);
  write_register<T>(
      core, op.reg,
      kMiddle ? O::template apply<T>(core, second, third) : O::template apply<T>(core, third, second));
  return Outcome::kNext;
}
template <class O, class T, bool kMiddle>
Outcome register_and_memory(Core& core, const Op& op) {
  T a;
  if (const Outcome o = core.read(op, a); o != Outcome::kNext) [[unlikely]]
    return o;
  write_register<T>(core, op.reg, O::template apply<T>(core, a, read_register<T>(core, kMiddle ? op.sub : op.rm)));
  return Outcome::kNext;
}

template <class O, bool kMiddle>
Handler bind_three(const DecodedInstruction& d, Op& op) {
  if (d.is_reg(2)) op.sub = register_number(d.op(2).reg.value);
  const bool memory = d.is_mem(kMiddle ? 1 : 2);
  return by_long_size(d.op(0).size, [&]<class T>() -> Handler {
    return memory ? register_and_memory<O, T, kMiddle> : two_registers<O, T, kMiddle>;
  });
}

// One source.
struct Blsi {
  template <class T>
  static T apply(Core& core, const Op&, T a) {
    const auto r = static_cast<T>(a & (0 - a));
    core.flags.set_result<T>(r, a != 0, false);
    return r;
  }
};
struct Blsmsk {
  template <class T>
  static T apply(Core& core, const Op&, T a) {
    const auto r = static_cast<T>(a ^ (a - 1));
    core.flags.set_result<T>(r, a == 0, false);
    return r;
  }
};
struct Blsr {
  template <class T>
  static T apply(Core& core, const Op&, T a) {
    const auto r = static_cast<T>(a & (a - 1));
    core.flags.set_result<T>(r, a == 0, false);
    return r;
  }
};
struct Rorx {
  template <class T>
  static T apply(Core&, const Op& op, T a) {
    return std::rotr(a, static_cast<int>(op.imm & (kBits<T> - 1)));
  }
};

template <class O, class T>
Outcome from_register(Core& core, const Op& op) {
  write_register<T>(core, op.reg, O::template apply<T>(core, op, read_register<T>(core, op.rm)));
  return Outcome::kNext;
}
template <class O, class T>
Outcome from_memory(Core& core, const Op& op) {
  T a;
  if (const Outcome o = core.read(op, a); o != Outcome::kNext) [[unlikely]]
    return o;
  write_register<T>(core, op.reg, O::template apply<T>(core, op, a));
  return Outcome::kNext;
}

template <class O>
Handler bind_two(const DecodedInstruction& d, Op&) {
  return by_long_size(d.op(0).size,
                      [&]<class T>() -> Handler { return d.is_mem(1) ? from_memory<O, T> : from_register<O, T>; });
}

// MULX: (high, low) = rDX × source; if both are one register, it gets the high half.
template <class T>
void multiply(Core& core, const Op& op, T b) {
  const unsigned __int128 p = static_cast<unsigned __int128>(read_register<T>(core, kRdx)) * b;
  write_register<T>(core, op.rm, static_cast<T>(p));
  write_register<T>(core, op.reg, static_cast<T>(p >> kBits<T>));
}
template <class T>
Outcome mulx_register(Core& core, const Op& op) {
  multiply<T>(core, op, read_register<T>(core, op.sub));
  return Outcome::kNext;
}
template <class T>
Outcome mulx_memory(Core& core, const Op& op) {
  T b;
  if (const Outcome o = core.read(op, b); o != Outcome::kNext) [[unlikely]]
    return o;
  multiply<T>(core, op, b);
  return Outcome::kNext;
}

}  // namespace

Handler bind_andn(const DecodedInstruction& d, Op& op) { return bind_three<Andn, false>(d, op); }
Handler bind_bextr(const DecodedInstruction& d, Op& op) { return bind_three<Bextr, true>(d, op); }
Handler bind_bzhi(const DecodedInstruction& d, Op& op) { return bind_three<Bzhi, true>(d, op); }
Handler bind_sarx(const DecodedInstruction& d, Op& op) { return bind_three<Sarx, true>(d, op); }
Handler bind_shlx(const DecodedInstruction& d, Op& op) { return bind_three<Shlx, true>(d, op); }
Handler bind_shrx(const DecodedInstruction& d, Op& op) { return bind_three<Shrx, true>(d, op); }
Handler bind_pdep(const DecodedInstruction& d, Op& op) { return bind_three<Pdep, false>(d, op); }
Handler bind_pext(const DecodedInstruction& d, Op& op) { return bind_three<Pext, false>(d, op); }
Handler bind_blsi(const DecodedInstruction& d, Op& op) { return bind_two<Blsi>(d, op); }
Handler bind_blsmsk(const DecodedInstruction& d, Op& op) { return bind_two<Blsmsk>(d, op); }
Handler bind_blsr(const DecodedInstruction& d, Op& op) { return bind_two<Blsr>(d, op); }
Handler bind_rorx(const DecodedInstruction& d, Op& op) { return bind_two<Rorx>(d, op); }

Handler bind_mulx(const DecodedInstruction& d, Op& op) {
  if (d.is_reg(2)) op.sub = register_number(d.op(2).reg.value);
  return by_long_size(d.op(0).size,
                      [&]<class T>() -> Handler { return d.is_mem(2) ? mulx_memory<T> : mulx_register<T>; });
}

}  // namespace xensim::cpu::isa
