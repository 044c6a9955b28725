// Multiplication and division: MUL, IMUL with one, two and three operands, DIV, IDIV. SDM 2, under those names.
//
// Division works on magnitudes, so that no quotient that the host cannot represent is ever computed: a quotient
// that does not fit, and a divisor of zero, raise #DE before anything is written.
#include "models/cpu/isa/arithmetic_parts.h"
#include "models/cpu/isa/operands.h"

namespace xensim::cpu::isa {
namespace {

template <class T>
struct WideOf;
template <>
struct WideOf<std::uint8_t> {
  using U = std::uint16_t;
  using S = std::int16_t;
};
template <>
struct WideOf<std::uint16_t> {
  using U = std::uint32_t;
  using S = std::int32_t;
};
template <>
struct WideOf<std::uint32_t> {
  using U = std::uint64_t;
  using S = std::int64_t;
};
template <>
struct WideOf<std::uint64_t> {
  using U = unsigned __int128;
  using S = __int128;
};
template <class T>
using Wide = typename WideOf<T>::U;
template <class T>
using SignedWide = typename WideOf<T>::S;

template <class T>
constexpr unsigned kBits = sizeof(T) * 8;

template <class T>
Wide<T> signed_product(T a, T b) {
  using S = std::make_signed_t<T>;
  return static_cast<Wide<T>>(static_cast<SignedWide<T>>(static_cast<S>(a)) *
                              static_cast<SignedWide<T>>(static_cast<S>(b)));
}

// Does a signed product not fit its lower half?
template <class T>
bool truncates(Wide<T> p) {
  using S = std::make_signed_t<T>;
  return static_cast<SignedWide<T>>(p) != static_cast<SignedWide<T>>(static_cast<S>(static_cast<T>(p)));
}

template <class T>
void write_double(Core& core, T low, T high) {
  write_accumulator<T>(core, low);
  write_register<T>(core, kUpperAccumulator<T>, high);
}

template <class T>
void multiply(Core& core, T b) {
  const auto p = static_cast<Wide<T>>(static_cast<Wide<T>>(read_accumulator<T>(core)) * b);
  const auto high = static_cast<T>(p >> kBits<T>);
  write_double<T>(core, static_cast<T>(p), high);
  core.flags.set_cf_of(high != 0, high != 0);
}

template <class T>
void multiply_signed(Core& core, T b) {
  const Wide<T> p = signed_product<T>(read_accumulator<T>(core), b);
  write_double<T>(core, static_cast<T>(p), static_cast<T>(p >> kBits<T>));
  const bool t = truncates<T>(p);
  core.flags.set_cf_of(t, t);
}

template <class T>
Outcome divide(Core& core, T b) {
  const T high = read_register<T>(core, kUpperAccumulator<T>);
  if (high >= b) return core.raise(kDe);
  const auto n = static_cast<Wide<T>>(static_cast<Wide<T>>(static_cast<Wide<T>>(high) << kBits<T>) |
                                      read_accumulator<T>(core));
  write_double<T>(core, static_cast<T>(n / b), static_cast<T>(n % b));
  return Outcome::kNext;
}

template <class T>
Outcome divide_signed(Core& core, T b) {
  if (b == 0) return core.raise(kDe);
  const T high = read_register<T>(core, kUpperAccumulator<T>);
  const auto n = static_cast<Wide<T>>(static_cast<Wide<T>>(static_cast<Wide<T>>(high) << kBits<T>) |
                                      read_accumulator<T>(core));
  const bool negative_n = high >> (kBits<T> - 1), negative_b = b >> (kBits<T> - 1);
  const auto magnitude_n = static_cast<Wide<T>>(negative_n ? 0 - n : n);
  const auto magnitude_b = static_cast<T>(negative_b ? 0 - b : b);
  const auto q = static_cast<Wide<T>>(magnitude_n / magnitude_b);
  const auto r = static_cast<T>(magnitude_n % magnitude_b);
  const bool negative_q = negative_n != negative_b;
  const auto limit = static_cast<Wide<T>>(LazyFlags::kSign<T> - (negative_q ? 0 : 1));
  if (q > limit) return core.raise(kDe);
  write_double<T>(core, static_cast<T>(negative_q ? 0 - q : q), static_cast<T>(negative_n ? 0 - r : r));
  return Outcome::kNext;
}

// One explicit operand, register or memory.
template <class T, auto kFunction>
Outcome one_register(Core& core, const Op& op) {
  if constexpr (std::is_void_v<decltype(kFunction(core, T{}))>) {
    kFunction(core, read_register<T>(core, op.reg));
    return Outcome::kNext;
  } else {
    return kFunction(core, read_register<T>(core, op.reg));
  }
}
template <class T, auto kFunction>
Outcome one_memory(Core& core, const Op& op) {
  T b;
  if (const Outcome o = core.read(op, b); o != Outcome::kNext) [[unlikely]]
    return o;
  if constexpr (std::is_void_v<decltype(kFunction(core, T{}))>) {
    kFunction(core, b);
    return Outcome::kNext;
  } else {
    return kFunction(core, b);
  }
}

// IMUL with two and three operands: a × b into op.reg.
template <class T>
void multiply_into(Core& core, const Op& op, T a, T b) {
  const Wide<T> p = signed_product<T>(a, b);
  write_register<T>(core, op.reg, static_cast<T>(p));
  const bool t = truncates<T>(p);
  core.flags.set_cf_of(t, t);
}
template <class T, bool kImmediate>
Outcome imul_register(Core& core, const Op& op) {
  multiply_into<T>(core, op, read_register<T>(core, op.rm),
                   kImmediate ? static_cast<T>(op.imm) : read_register<T>(core, op.reg));
  return Outcome::kNext;
}
template <class T, bool kImmediate>
Outcome imul_memory(Core& core, const Op& op) {
  T a;
  if (const Outcome o = core.read(op, a); o != Outcome::kNext) [[unlikely]]
    return o;
  multiply_into<T>(core, op, a, kImmediate ? static_cast<T>(op.imm) : read_register<T>(core, op.reg));
  return Outcome::kNext;
}

}  // namespace

Handler bind_mul(const DecodedInstruction& d, Op&) {
  return by_size(d.op(0).size, [&]<class T>() -> Handler {
    return d.is_mem(0) ? one_memory<T, multiply<T>> : one_register<T, multiply<T>>;
  });
}

Handler bind_imul(const DecodedInstruction& d, Op&) {
  if (d.insn.operand_count_visible == 1) {
    return by_size(d.op(0).size, [&]<class T>() -> Handler {
      return d.is_mem(0) ? one_memory<T, multiply_signed<T>> : one_register<T, multiply_signed<T>>;
    });
  }
  const bool immediate = d.insn.operand_count_visible == 3;
  return by_word_size(d.op(0).size, [&]<class T>() -> Handler {
    if (d.is_mem(1)) return immediate ? imul_memory<T, true> : imul_memory<T, false>;
    return immediate ? imul_register<T, true> : imul_register<T, false>;
  });
}

Handler bind_div(const DecodedInstruction& d, Op&) {
  return by_size(d.op(0).size, [&]<class T>() -> Handler {
    return d.is_mem(0) ? one_memory<T, divide<T>> : one_register<T, divide<T>>;
  });
}

Handler bind_idiv(const DecodedInstruction& d, Op&) {
  return by_size(d.op(0).size, [&]<class T>() -> Handler {
    return d.is_mem(0) ? one_memory<T, divide_signed<T>> : one_register<T, divide_signed<T>>;
  });
}

}  // namespace xensim::cpu::isa
