// Shifts and rotates by an immediate or CL: SHL, SHR, SAR, ROL, ROR, RCL, RCR. SDM 2, SAL/SAR/SHL/SHR and
// RCL/RCR/ROL/ROR.
//
// A count is masked to 5 bits (6 for 64-bit operands); a masked count of 0 changes no flag, though the operand is
// still read, and a 32-bit destination still zero-extended. Flags that the manual leaves undefined (OF for counts
// other than 1, CF for counts beyond the operand) follow the same formulas as the defined ones, which is what
// hardware does.
#include "models/cpu/isa/logic_parts.h"
#include "models/cpu/isa/operands.h"

namespace xensim::cpu::isa {
namespace {

template <class T>
constexpr unsigned kBits = sizeof(T) * 8;
template <class T>
constexpr unsigned kCountMask = sizeof(T) == 8 ? 63 : 31;

template <class T>
constexpr bool top(T v) {
  return v >> (kBits<T> - 1);
}
template <class T>
constexpr bool second(T v) {
  return (v >> (kBits<T> - 2)) & 1;
}

// An operation: apply(flags, operand, count), count masked and not 0. 8- and 16-bit operands may be shifted out
// whole.
struct Shl {
  template <class T>
  static T apply(LazyFlags& f, T a, unsigned n) {
    // One bit before the last, so that the carry is at the top and the count stays below 64.
    const std::uint64_t before = static_cast<std::uint64_t>(a) << (n - 1);
    const auto r = static_cast<T>(before << 1);
    const bool c = (before >> (kBits<T> - 1)) & 1;
    f.set_result<T>(r, c, top(r) != c);
    return r;
  }
};

struct Shr {
  template <class T>
  static T apply(LazyFlags& f, T a, unsigned n) {
    const std::uint64_t before = static_cast<std::uint64_t>(a) >> (n - 1);
    const auto r = static_cast<T>(before >> 1);
    f.set_result<T>(r, before & 1, top(r) != second(r));
    return r;
  }
};

struct Sar {
  template <class T>
  static T apply(LazyFlags& f, T a, unsigned n) {
    const auto before = static_cast<std::int64_t>(LazyFlags::extend(a)) >> (n - 1);
    const auto r = static_cast<T>(before >> 1);
    f.set_result<T>(r, before & 1, false);
    return r;
  }
};

struct Rol {
  template <class T>
  static T apply(LazyFlags& f, T a, unsigned n) {
    const T r = std::rotl(a, static_cast<int>(n % kBits<T>));
    f.set_cf_of(r & 1, top(r) != ((r & 1) != 0));
    return r;
  }
};

struct Ror {
  template <class T>
  static T apply(LazyFlags& f, T a, unsigned n) {
    const T r = std::rotr(a, static_cast<int>(n % kBits<T>));
    f.set_cf_of(top(r), top(r) != second(r));
    return r;
  }
};

// The rotates through carry turn a value of one bit more than the operand.
struct Rcl {
  template <class T>
  static T apply(LazyFlags& f, T a, unsigned n) {
    if constexpr (sizeof(T) < 4) n %= kBits<T> + 1;
    bool c = f.cf();
    T r = a;
    if (n != 0) {
      const auto low = n == 1 ? T{0} : static_cast<T>(a >> (kBits<T> + 1 - n));
      const T shifted = n == kBits<T> ? T{0} : static_cast<T>(a << n);
      r = static_cast<T>(shifted | (static_cast<T>(c) << (n - 1)) | low);
      c = (a >> (kBits<T> - n)) & 1;
    }
    f.set_cf_of(c, top(r) != c);
    return r;
  }
};

struct Rcr {
  template <class T>
  static T apply(LazyFlags& f, T a, unsigned n) {
    if constexpr (sizeof(T) < 4) n %= kBits<T> + 1;
    bool c = f.cf();
    T r = a;
    if (n != 0) {
      const auto high = n == 1 ? T{0} : static_cast<T>(a << (kBits<T> + 1 - n));
      const T shifted = n == kBits<T> ? T{0} : static_cast<T>(a >> n);
      r = static_cast<T>(shifted | (static_cast<T>(c) << (kBits<T> - n)) | high);
      c = (a >> (n - 1)) & 1;
    }
    f.set_cf_of(c, top(r) != second(r));
    return r;
  }
};

// The count of a form: masked when bound for an immediate, when executed for CL.
template <class T, bool kImmediate>
unsigned count(const Core& core, const Op& op) {
  if constexpr (kImmediate)
    return op.sub;
  else
    return static_cast<unsigned>(core.st.gpr[kRcx]) & kCountMask<T>;
}

template <class O, class T, bool kImmediate>
Outcome shift_register(Core& core, const Op& op) {
  const unsigned n = count<T, kImmediate>(core, op);
  const T a = read_register<T>(core, op.reg);
  write_register<T>(core, op.reg, n == 0 ? a : O::template apply<T>(core.flags, a, n));
  return Outcome::kNext;
}

template <class O, class T, bool kImmediate>
Outcome shift_memory(Core& core, const Op& op) {
  const unsigned n = count<T, kImmediate>(core, op);
  return core.modify<T>(op, [&](T a) { return n == 0 ? a : O::template apply<T>(core.flags, a, n); });
}

template <class O>
Handler bind_shift(const DecodedInstruction& d, Op& op) {
  const bool immediate = d.is_imm(1);
  const bool memory = d.is_mem(0);
  return by_size(d.op(0).size, [&]<class T>() -> Handler {
    op.sub = static_cast<std::uint8_t>(op.imm & kCountMask<T>);
    if (memory) return immediate ? shift_memory<O, T, true> : shift_memory<O, T, false>;
    return immediate ? shift_register<O, T, true> : shift_register<O, T, false>;
  });
}

}  // namespace

Handler bind_shl(const DecodedInstruction& d, Op& op) { return bind_shift<Shl>(d, op); }
Handler bind_shr(const DecodedInstruction& d, Op& op) { return bind_shift<Shr>(d, op); }
Handler bind_sar(const DecodedInstruction& d, Op& op) { return bind_shift<Sar>(d, op); }
Handler bind_rol(const DecodedInstruction& d, Op& op) { return bind_shift<Rol>(d, op); }
Handler bind_ror(const DecodedInstruction& d, Op& op) { return bind_shift<Ror>(d, op); }
Handler bind_rcl(const DecodedInstruction& d, Op& op) { return bind_shift<Rcl>(d, op); }
Handler bind_rcr(const DecodedInstruction& d, Op& op) { return bind_shift<Rcr>(d, op); }

}  // namespace xensim::cpu::isa
