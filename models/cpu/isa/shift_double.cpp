// Double-precision shifts: SHLD, SHRD. SDM 2, under those names.
//
// Counts are masked to 5 bits (6 for 64-bit operands). A 16-bit operand may so be shifted by more than its width,
// which the manual leaves undefined; hardware goes on with the destination's own bits, and so do we.
#include "models/cpu/isa/logic_parts.h"
#include "models/cpu/isa/operands.h"

namespace xensim::cpu::isa {
namespace {

template <class T>
constexpr unsigned kBits = sizeof(T) * 8;
template <class T>
constexpr unsigned kCountMask = sizeof(T) == 8 ? 63 : 31;

// The bits at and above `position` of the endless row low, high, low, high, … of words.
template <class T>
T window(T low, T high, unsigned position) {
  const T first = (position / kBits<T>) % 2 ? high : low;
  const T next = (position / kBits<T>) % 2 ? low : high;
  const unsigned n = position % kBits<T>;
  if (n == 0) return first;
  return static_cast<T>((first >> n) | (next << (kBits<T> - n)));
}

struct Shld {
  template <class T>
  static T apply(LazyFlags& f, T a, T b, unsigned n) {
    // Read from below: b, a, b, a; the destination starts as the upper a and moves down.
    const T r = window<T>(a, b, 2 * kBits<T> - n);
    const bool c = window<T>(a, b, 2 * kBits<T> - n + kBits<T>) & 1;
    f.set_result<T>(r, c, ((r >> (kBits<T> - 1)) != 0) != c);
    return r;
  }
};

struct Shrd {
  template <class T>
  static T apply(LazyFlags& f, T a, T b, unsigned n) {
    const T r = window<T>(a, b, n);
    const bool c = window<T>(a, b, n - 1) & 1;
    f.set_result<T>(r, c, (((r >> 1) ^ r) >> (kBits<T> - 2)) & 1);
    return r;
  }
};

template <class T, bool kImmediate>
unsigned count(const Core& core, const Op& op) {
  if constexpr (kImmediate)
    return op.sub;
  else
    return static_cast<unsigned>(core.st.gpr[kRcx]) & kCountMask<T>;
}

template <class O, class T, bool kImmediate>
Outcome double_register(Core& core, const Op& op) {
  const unsigned n = count<T, kImmediate>(core, op);
  const T a = read_register<T>(core, op.reg);
  write_register<T>(core, op.reg,
                    n == 0 ? a : O::template apply<T>(core.flags, a, read_register<T>(core, op.rm), n));
  return Outcome::kNext;
}

template <class O, class T, bool kImmediate>
Outcome double_memory(Core& core, const Op& op) {
  const unsigned n = count<T, kImmediate>(core, op);
  const T b = read_register<T>(core, op.rm);
  return core.modify<T>(op, [&](T a) { return n == 0 ? a : O::template apply<T>(core.flags, a, b, n); });
}

template <class O>
Handler bind_double(const DecodedInstruction& d, Op& op) {
  const bool immediate = d.is_imm(2);
  const bool memory = d.is_mem(0);
  return by_word_size(d.op(0).size, [&]<class T>() -> Handler {
    op.sub = static_cast<std::uint8_t>(op.imm & kCountMask<T>);
    if (memory) return immediate ? double_memory<O, T, true> : double_memory<O, T, false>;
    return immediate ? double_register<O, T, true> : double_register<O, T, false>;
  });
}

}  // namespace

Handler bind_shld(const DecodedInstruction& d, Op& op) { return bind_double<Shld>(d, op); }
Handler bind_shrd(const DecodedInstruction& d, Op& op) { return bind_double<Shrd>(d, op); }

}  // namespace xensim::cpu::isa
