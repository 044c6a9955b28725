// The formats that x87 instructions load and store (SDM 1, 4.2 and 8.2), to and from registers.
#pragma once

#include <array>
#include <cstdint>

#include "models/cpu/isa/x87_extended.h"

namespace xensim::cpu::isa::x87 {

// A memory operand of arithmetic: its value exactly, a signalling NaN still signalling. Notes a denormal in the
// context, for the operation to report if no NaN takes precedence.
struct SingleReal {
  using Stored = std::uint32_t;
  static Extended value(Context& c, Stored v);
};
struct DoubleReal {
  using Stored = std::uint64_t;
  static Extended value(Context& c, Stored v);
};
template <class Signed>
struct Integer {
  using Stored = Signed;
  static Extended value(Context&, Stored v) {
    const auto wide_value = static_cast<std::int64_t>(v);
    const auto bits = static_cast<std::uint64_t>(wide_value);
    return from_magnitude(wide_value < 0, wide_value < 0 ? 0 - bits : bits);
  }
};

struct Bytes10 {
  std::array<std::uint8_t, 10> b;
};
struct ExtendedReal {
  using Stored = Bytes10;
  static Extended value(Context&, const Stored& v);
};
struct Decimal {
  using Stored = Bytes10;
  static Extended value(Context&, const Stored& v);
};

// What a store writes, of a register and of an empty one.
template <class Format>  // SingleReal or DoubleReal
struct RealStore {
  using Stored = typename Format::Stored;
  static Stored of(Context& c, const Extended& v);
  static Stored indefinite();
};
template <class Signed, bool kTruncates>
struct IntegerStore {
  using Stored = Signed;
  static Stored of(Context& c, const Extended& v);
  static Stored indefinite() { return static_cast<Stored>(std::uint64_t{1} << (8 * sizeof(Stored) - 1)); }
};
struct ExtendedStore {
  using Stored = Bytes10;
  static Stored of(Context&, const Extended& v);
  static Stored indefinite();
};
struct DecimalStore {
  using Stored = Bytes10;
  static Stored of(Context& c, const Extended& v);
  static Stored indefinite();
};

}  // namespace xensim::cpu::isa::x87
