// Lazy status flags: handlers store what they computed, and CF, PF, AF, ZF, SF, OF are derived when something
// asks.
//
// Three words, and each flag is one fixed function of them, whatever the last operation was:
//
//   result    the last result, sign-extended from its operand size      ZF  result == 0
//   carries   bit 63 the carry (or borrow) out of the top bit           CF  bit 63
//             bit 62 the carry into it                                  OF  bit 63 ^ bit 62
//   aux       bit 4 the carry out of bit 3                              AF  bit 4
//             bits 15:8 parity correction                               PF  even parity of result[7:0] ^ aux[15:8]
//             bit 63 sign correction                                    SF  bit 63 of result ^ aux
//
// An addition stores whole carry vectors (aligned to the top) rather than two computed bits, so that an ALU
// instruction costs a few logical operations and no branch. The corrections are zero after an ALU result; load()
// uses them for combinations that no result gives (ZF and SF both set, …).
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "models/cpu/arch_state.h"

namespace xensim::cpu::isa {

struct LazyFlags {
  std::uint64_t result = 1;
  std::uint64_t carries = 0;
  std::uint64_t aux = 0;

  bool cf() const { return carries >> 63; }
  bool of() const { return (carries ^ (carries << 1)) >> 63; }
  bool zf() const { return result == 0; }
  bool sf() const { return (result ^ aux) >> 63; }
  bool pf() const { return (std::popcount((result ^ (aux >> 8)) & 0xff) & 1) == 0; }
  bool af() const { return (aux >> 4) & 1; }
  // SF != OF: "less".
  bool less() const { return (result ^ aux ^ carries ^ (carries << 1)) >> 63; }

  // The six status flags in their RFLAGS positions.
  std::uint64_t materialise() const;
  // Takes all six from an RFLAGS value.
  void load(std::uint64_t rflags);

  // res = a + b, or a + b + carry. T: the operand's unsigned type.
  template <class T>
  void set_add(T a, T b, T res) {
    const std::uint64_t x = a, y = b, r = res;
    set_vectors<T>((x & y) | ((x | y) & ~r), x ^ y ^ r, res);
  }
  // res = a − b, or a − b − borrow.
  template <class T>
  void set_sub(T a, T b, T res) {
    const std::uint64_t x = a, y = b, r = res;
    set_vectors<T>((~x & y) | (~(x ^ y) & r), x ^ y ^ r, res);
  }
  // AND, OR, XOR, TEST: CF and OF clear; AF is undefined, and clear on hardware.
  template <class T>
  void set_logic(T res) {
    result = extend(res);
    carries = 0;
    aux = 0;
  }
  // res = old + 1 and res = old − 1: CF stays.
  template <class T>
  void set_inc(T res) {
    set_result(res, cf(), res == kSign<T>, (res & 0xf) == 0);
  }
  template <class T>
  void set_dec(T res) {
    set_result(res, cf(), res == static_cast<T>(kSign<T> - 1), (res & 0xf) == 0xf);
  }
  // SF, ZF, PF of a result, and the others as given.
  template <class T>
  void set_result(T res, bool c, bool o, bool a = false) {
    result = extend(res);
    carries = pack(c, o);
    aux = static_cast<std::uint64_t>(a) << 4;
  }
  // One or two flags; the others stay.
  void set_cf(bool c) { carries = pack(c, of()); }
  void set_of(bool o) { carries = pack(cf(), o); }
  void set_cf_of(bool c, bool o) { carries = pack(c, o); }
  void set_zf(bool z) { load((materialise() & ~kZf) | (z ? kZf : 0)); }

  // The top bit of an operand type.
  template <class T>
  static constexpr T kSign = static_cast<T>(T{1} << (sizeof(T) * 8 - 1));
  // Sign extension to 64 bits.
  template <class T>
  static constexpr std::uint64_t extend(T v) {
    static_assert(std::is_unsigned_v<T>);
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::make_signed_t<T>>(v)));
  }

 private:
  static constexpr std::uint64_t pack(bool c, bool o) {
    return (static_cast<std::uint64_t>(c) << 63) | (static_cast<std::uint64_t>(c != o) << 62);
  }
  template <class T>
  void set_vectors(std::uint64_t carry_out, std::uint64_t carry_in, T res) {
    result = extend(res);
    carries = carry_out << (64 - sizeof(T) * 8);
    aux = carry_in & 0x10;
  }
};

// Condition codes as Jcc, SETcc and CMOVcc encode them (SDM 1, appendix B); known at compile time.
template <unsigned CC>
inline bool condition(const LazyFlags& f) {
  static_assert(CC < 16);
  if constexpr (CC & 1)
    return !condition<CC & ~1u>(f);
  else if constexpr (CC == 0x0)
    return f.of();
  else if constexpr (CC == 0x2)
    return f.cf();
  else if constexpr (CC == 0x4)
    return f.zf();
  else if constexpr (CC == 0x6)
    return f.cf() | f.zf();
  else if constexpr (CC == 0x8)
    return f.sf();
  else if constexpr (CC == 0xa)
    return f.pf();
  else if constexpr (CC == 0xc)
    return f.less();
  else
    return f.less() | f.zf();
}

// The same for a condition code known at run time (0…15).
bool test_condition(const LazyFlags& f, unsigned cc);

}  // namespace xensim::cpu::isa
