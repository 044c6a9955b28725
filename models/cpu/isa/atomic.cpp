// Exchange-and-add and compare-and-exchange: XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B. SDM 2, under those names.
//
// One core runs at a time, so a LOCK prefix needs no handler of its own. As on hardware, a comparison that fails
// still writes the old value back: the access needs write permission and dirties the page either way.
#include "models/cpu/isa/operands.h"

namespace xensim::cpu::isa {
namespace {

template <class T>
Outcome xadd_register(Core& core, const Op& op) {
  const T a = read_register<T>(core, op.reg), b = read_register<T>(core, op.rm);
  const auto sum = static_cast<T>(a + b);
  core.flags.set_add<T>(a, b, sum);
  // The source first: if both are one register, it keeps the sum.
  write_register<T>(core, op.rm, a);
  write_register<T>(core, op.reg, sum);
  return Outcome::kNext;
}

template <class T>
Outcome xadd_memory(Core& core, const Op& op) {
  const T b = read_register<T>(core, op.rm);
  T old{};
  const Outcome o = core.modify<T>(op, [&](T a) {
    old = a;
    const auto sum = static_cast<T>(a + b);
    core.flags.set_add<T>(a, b, sum);
    return sum;
  });
  if (!failed(o)) write_register<T>(core, op.rm, old);
  return o;
}

template <class T>
Outcome cmpxchg_register(Core& core, const Op& op) {
  const T expected = read_accumulator<T>(core), old = read_register<T>(core, op.reg);
  core.flags.set_sub<T>(expected, old, static_cast<T>(expected - old));
  if (old == expected) {
    write_register<T>(core, op.reg, read_register<T>(core, op.rm));
  } else {
    write_accumulator<T>(core, old);
  }
  return Outcome::kNext;
}

template <class T>
Outcome cmpxchg_memory(Core& core, const Op& op) {
  const T expected = read_accumulator<T>(core), desired = read_register<T>(core, op.rm);
  T old{};
  const Outcome o = core.modify<T>(op, [&](T a) {
    old = a;
    core.flags.set_sub<T>(expected, a, static_cast<T>(expected - a));
    return a == expected ? desired : a;
  });
  if (!failed(o) && old != expected) write_accumulator<T>(core, old);
  return o;
}

Outcome cmpxchg8b(Core& core, const Op& op) {
  const auto pair = [&core](Gpr high, Gpr low) {
    return (core.st.gpr[high] << 32) | static_cast<std::uint32_t>(core.st.gpr[low]);
  };
  const std::uint64_t expected = pair(kRdx, kRax), desired = pair(kRcx, kRbx);
  std::uint64_t old = 0;
  const Outcome o = core.modify<std::uint64_t>(op, [&](std::uint64_t a) {
    old = a;
    core.flags.set_zf(a == expected);
    return a == expected ? desired : a;
  });
  if (!failed(o) && old != expected) {
    write_register<std::uint32_t>(core, kRax, static_cast<std::uint32_t>(old));
    write_register<std::uint32_t>(core, kRdx, static_cast<std::uint32_t>(old >> 32));
  }
  return o;
}

struct Pair {
  std::uint64_t low, high;
  bool operator==(const Pair&) const = default;
};

Outcome cmpxchg16b(Core& core, const Op& op) {
  std::uint64_t a;
  if (!core.linear_address(op, sizeof(Pair), true, a)) return Outcome::kFault;
  if (a % sizeof(Pair) != 0) return core.raise_gp();
  const Pair expected{core.st.gpr[kRax], core.st.gpr[kRdx]}, desired{core.st.gpr[kRbx], core.st.gpr[kRcx]};
  Pair old{};
  const Outcome o = core.modify<Pair>(op, [&](const Pair& v) {
    old = v;
    core.flags.set_zf(v == expected);
    return v == expected ? desired : v;
  });
  if (!failed(o) && !(old == expected)) {
    core.st.gpr[kRax] = old.low;
    core.st.gpr[kRdx] = old.high;
  }
  return o;
}

Handler bind_xadd(const DecodedInstruction& d, Op&) {
  return by_size(d.op(0).size,
                 [&]<class T>() -> Handler { return d.is_mem(0) ? xadd_memory<T> : xadd_register<T>; });
}
Handler bind_cmpxchg(const DecodedInstruction& d, Op&) {
  return by_size(d.op(0).size,
                 [&]<class T>() -> Handler { return d.is_mem(0) ? cmpxchg_memory<T> : cmpxchg_register<T>; });
}
Handler bind_cmpxchg8b(const DecodedInstruction&, Op&) { return cmpxchg8b; }
Handler bind_cmpxchg16b(const DecodedInstruction&, Op&) { return cmpxchg16b; }

constexpr Form kForms[] = {
    {ZYDIS_MNEMONIC_XADD, CostClass::kAtomic, BlockShape::kStraight, bind_xadd},
    {ZYDIS_MNEMONIC_CMPXCHG, CostClass::kAtomic, BlockShape::kStraight, bind_cmpxchg},
    {ZYDIS_MNEMONIC_CMPXCHG8B, CostClass::kAtomic, BlockShape::kStraight, bind_cmpxchg8b},
    {ZYDIS_MNEMONIC_CMPXCHG16B, CostClass::kAtomic, BlockShape::kStraight, bind_cmpxchg16b},
};

}  // namespace

std::span<const Form> atomic_forms() { return kForms; }

}  // namespace xensim::cpu::isa
