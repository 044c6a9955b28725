// Bit tests: BT, BTS, BTR, BTC. SDM 2, under those names.
//
// With a bit number in a register, the memory form addresses a string of bits: the number is signed, and picks the
// word before or after the operand's address that holds the bit. All flags but CF stay.
#include "models/cpu/isa/logic_parts.h"
#include "models/cpu/isa/operands.h"

namespace xensim::cpu::isa {
namespace {

template <class T>
constexpr unsigned kBitMask = sizeof(T) * 8 - 1;

struct Bt {
  static constexpr bool kWrites = false;
  template <class T>
  static T change(T a, T) {
    return a;
  }
};
struct Bts {
  static constexpr bool kWrites = true;
  template <class T>
  static T change(T a, T bit) {
    return static_cast<T>(a | bit);
  }
};
struct Btr {
  static constexpr bool kWrites = true;
  template <class T>
  static T change(T a, T bit) {
    return static_cast<T>(a & ~bit);
  }
};
struct Btc {
  static constexpr bool kWrites = true;
  template <class T>
  static T change(T a, T bit) {
    return static_cast<T>(a ^ bit);
  }
};

template <class O, class T>
T apply(LazyFlags& f, T a, unsigned n) {
  f.set_cf((a >> n) & 1);
  return O::template change<T>(a, static_cast<T>(T{1} << n));
}

template <class O, class T, bool kImmediate>
Outcome test_register(Core& core, const Op& op) {
  const unsigned n =
      (kImmediate ? static_cast<unsigned>(op.imm) : static_cast<unsigned>(read_register<T>(core, op.rm))) &
      kBitMask<T>;
  const T r = apply<O, T>(core.flags, read_register<T>(core, op.reg), n);
  if constexpr (O::kWrites) write_register<T>(core, op.reg, r);
  return Outcome::kNext;
}

template <class O, class T>
Outcome test_memory(Core& core, const Op& op, unsigned n) {
  if constexpr (O::kWrites) {
    return core.modify<T>(op, [&](T a) { return apply<O, T>(core.flags, a, n); });
  } else {
    T a;
    if (const Outcome o = core.read(op, a); o != Outcome::kNext) [[unlikely]]
      return o;
    apply<O, T>(core.flags, a, n);
    return Outcome::kNext;
  }
}

template <class O, class T>
Outcome test_memory_immediate(Core& core, const Op& op) {
  return test_memory<O, T>(core, op, static_cast<unsigned>(op.imm) & kBitMask<T>);
}

template <class O, class T>
Outcome test_memory_register(Core& core, const Op& op) {
  const std::uint64_t number = LazyFlags::extend(read_register<T>(core, op.rm));
  const auto words = static_cast<std::int64_t>(number) >> std::countr_one(kBitMask<T>);
  Op there = op;
  there.disp += static_cast<std::uint64_t>(words) * sizeof(T);
  return test_memory<O, T>(core, there, static_cast<unsigned>(number) & kBitMask<T>);
}

template <class O>
Handler bind_test(const DecodedInstruction& d, Op&) {
  const bool immediate = d.is_imm(1);
  const bool memory = d.is_mem(0);
  return by_word_size(d.op(0).size, [&]<class T>() -> Handler {
    if (memory) return immediate ? test_memory_immediate<O, T> : test_memory_register<O, T>;
    return immediate ? test_register<O, T, true> : test_register<O, T, false>;
  });
}

}  // namespace

Handler bind_bt(const DecodedInstruction& d, Op& op) { return bind_test<Bt>(d, op); }
Handler bind_bts(const DecodedInstruction& d, Op& op) { return bind_test<Bts>(d, op); }
Handler bind_btr(const DecodedInstruction& d, Op& op) { return bind_test<Btr>(d, op); }
Handler bind_btc(const DecodedInstruction& d, Op& op) { return bind_test<Btc>(d, op); }

}  // namespace xensim::cpu::isa
