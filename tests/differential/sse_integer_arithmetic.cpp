// SSE arithmetic against integers. The core runs these instructions as the host's own, so a comparison with the
// host shows only that operands, results and flags go the right way; whether host and core compute what IEEE 754
// and the manual (SDM 1, 4.8 and 11.5) say, is shown here: results and MXCSR flags of each instruction, with every
// exception masked, against arithmetic in integers (ieee_rounding.h, wide_real.h).
#include <catch2/catch.hpp>
#include <functional>
#include <sstream>

#include "models/cpu/isa/ieee_rounding.h"
#include "tests/differential/floating_forms.h"

namespace xensim::differential {
namespace {

using namespace cpu::isa;
using ieee::Control;
using ieee::Double;
using ieee::Rounding;
using ieee::Single;
using Vector = std::array<std::uint64_t, 2>;
using Flags = std::uint32_t;

constexpr Flags kZeroDivide = 4;

// What an instruction sees and leaves: `a` is its destination (XMM1), `b` its source (XMM2).
struct Values {
  Vector a, b;
  std::uint64_t gpr = 0;     // RCX
  std::uint64_t status = 0;  // of the flags register
};
struct Run {
  Control control;
  Flags raised = 0;
};
using Reference = std::function<void(Values&, Run&)>;

// --- One lane -----------------------------------------------------------------------------------------------

template <class F>
WideReal real(std::uint64_t v) {
  const ieee::Unpacked u = ieee::unpack<F>(v);
  return scaled((v & F::kSign) != 0, u.significand, u.exponent);
}
template <class F>
std::uint64_t rounded(const WideReal& v, Run& run) {
  return ieee::round_and_pack<F>(v.negative, v.exponent - 127, v.significand, run.control, run.raised);
}
template <class F>
std::uint64_t flushed(std::uint64_t v, const Run& run) {
  return run.control.denormals_are_zero && F::is_denormal(v) ? v & F::kSign : v;
}
template <class F>
void note_denormal(std::uint64_t v, Run& run) {
  if (F::is_denormal(v)) run.raised |= ieee::kDenormal;
}

template <class F>
constexpr std::uint64_t kOne = static_cast<std::uint64_t>(F::kBias) << F::kFraction;

template <class F>
std::uint64_t add(std::uint64_t a, std::uint64_t b, Run& run) {
  return ieee::fused_multiply_add<F>(a, kOne<F>, b, false, false, run.control, run.raised);
}
template <class F>
std::uint64_t subtract(std::uint64_t a, std::uint64_t b, Run& run) {
  return ieee::fused_multiply_add<F>(a, kOne<F>, b, false, true, run.control, run.raised);
}
template <class F>
std::uint64_t multiply(std::uint64_t a, std::uint64_t b, Run& run) {
  return ieee::fused_multiply_add<F>(a, b, (a ^ b) & F::kSign, false, false, run.control, run.raised);
}

// The NaN of an operation with one: the first, made quiet.
template <class F>
bool nan_of(std::uint64_t a, std::uint64_t b, std::uint64_t& result, Run& run) {
  if (!F::is_nan(a) && !F::is_nan(b)) return false;
  if (F::is_signalling(a) || F::is_signalling(b)) run.raised |= ieee::kInvalid;
  result = (F::is_nan(a) ? a : b) | F::kQuiet;
  return true;
}

template <class F>
std::uint64_t divide(std::uint64_t a, std::uint64_t b, Run& run) {
  std::uint64_t nan;
  if (nan_of<F>(a, b, nan, run)) return nan;
  a = flushed<F>(a, run);
  b = flushed<F>(b, run);
  const std::uint64_t sign = (a ^ b) & F::kSign;
  if ((F::is_infinite(a) && F::is_infinite(b)) || (F::is_zero(a) && F::is_zero(b))) {
    run.raised |= ieee::kInvalid;
    return F::kDefaultNan;
  }
  if (F::is_zero(b) && !F::is_infinite(a)) {
    run.raised |= kZeroDivide;
    return sign | F::kInfinity;
  }
  note_denormal<F>(a, run);
  note_denormal<F>(b, run);
  if (F::is_infinite(a)) return sign | F::kInfinity;
  if (F::is_zero(a) || F::is_infinite(b)) return sign;
  return rounded<F>(real<F>(a) / real<F>(b), run);
}

template <class F>
std::uint64_t root(std::uint64_t, std::uint64_t b, Run& run) {
  std::uint64_t nan;
  if (nan_of<F>(b, b, nan, run)) return nan;
  b = flushed<F>(b, run);
  if (F::is_zero(b)) return b;
  if (b & F::kSign) {
    run.raised |= ieee::kInvalid;
    return F::kDefaultNan;
  }
  if (F::is_infinite(b)) return b;
  note_denormal<F>(b, run);
  return rounded<F>(square_root(real<F>(b)), run);
}

enum class Order : std::uint8_t { kLess, kEqual, kGreater, kUnordered };
// Of numbers that are not NaNs; for a NaN, invalid if `loud` or signalling.
template <class F>
Order order(std::uint64_t a, std::uint64_t b, bool loud, Run& run) {
  if (F::is_nan(a) || F::is_nan(b)) {
    if (loud || F::is_signalling(a) || F::is_signalling(b)) run.raised |= ieee::kInvalid;
    return Order::kUnordered;
  }
  a = flushed<F>(a, run);
  b = flushed<F>(b, run);
  note_denormal<F>(a, run);
  note_denormal<F>(b, run);
  // Sign and magnitude as an integer that orders alike.
  const auto key = [](std::uint64_t v) {
    const auto magnitude = static_cast<std::int64_t>(v & ~F::kSign);
    return v & F::kSign ? -magnitude : magnitude;
  };
  return key(a) < key(b) ? Order::kLess : key(a) > key(b) ? Order::kGreater : Order::kEqual;
}

template <class F, Order kWanted>
std::uint64_t choose(std::uint64_t a, std::uint64_t b, Run& run) {
  return flushed<F>(order<F>(a, b, true, run) == kWanted ? a : b, run);
}

template <class F, unsigned kPredicate>
std::uint64_t compared(std::uint64_t a, std::uint64_t b, Run& run) {
  constexpr bool kLoud = (kPredicate & 3) == 1 || (kPredicate & 3) == 2;
  const Order o = order<F>(a, b, kLoud, run);
  const bool holds = (kPredicate & 3) == 0   ? o == Order::kEqual
                     : (kPredicate & 3) == 1 ? o == Order::kLess
                     : (kPredicate & 3) == 2 ? o == Order::kLess || o == Order::kEqual
                                             : o == Order::kUnordered;
  return holds != (kPredicate >= 4) ? (F::kSign << 1) - 1 : 0;
}

// An integer of kBits, or the indefinite one.
template <class F, unsigned kBits, bool kTruncates>
std::uint64_t to_integer(std::uint64_t v, Run& run) {
  constexpr std::uint64_t kIndefinite = std::uint64_t{1} << (kBits - 1);
  constexpr std::uint64_t kMask = kBits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << (kBits % 64)) - 1;
  v = flushed<F>(v, run);
  if (F::is_zero(v)) return 0;
  const bool negative = (v & F::kSign) != 0;
  if (!F::is_nan(v) && !F::is_infinite(v)) {
    const WideReal r = real<F>(v);
    if (r.exponent < 64) {
      // Rounded by being the sum with 2^k, whose last bit is the integers'; by hand here.
      const int down = 127 - r.exponent;
      const Wide whole_bits = down > 127 ? 0 : r.significand >> down;
      const Wide rest = down > 127 ? r.significand : r.significand - (whole_bits << down);
      const bool above_half = down > 128 ? false : rest > Wide{1} << (down - 1 > 127 ? 127 : down - 1),
                 half = down <= 128 && down > 0 && rest == Wide{1} << (down - 1);
      const Rounding mode = kTruncates ? Rounding::kZero : run.control.rounding;
      Wide magnitude = whole_bits;
      if (mode == Rounding::kNearest) magnitude += above_half || (half && (whole_bits & 1));
      if (mode == Rounding::kDown) magnitude += negative && rest != 0;
      if (mode == Rounding::kUp) magnitude += !negative && rest != 0;
      if (magnitude < kIndefinite || (negative && magnitude == kIndefinite)) {
        if (rest != 0) run.raised |= ieee::kPrecision;
        const auto m = static_cast<std::uint64_t>(magnitude);
        return (negative ? 0 - m : m) & kMask;
      }
    }
  }
  run.raised |= ieee::kInvalid;
  return kIndefinite;
}

template <class F, class Signed>
std::uint64_t from_integer(std::uint64_t v, Run& run) {
  const auto value = static_cast<std::int64_t>(static_cast<Signed>(v));
  if (value == 0) return 0;
  const auto bits = static_cast<std::uint64_t>(value);
  return rounded<F>(scaled(value < 0, value < 0 ? 0 - bits : bits, 0), run);
}

template <class From, class To>
std::uint64_t convert(std::uint64_t v, Run& run) {
  const std::uint64_t sign = v & From::kSign ? To::kSign : 0;
  if (From::is_nan(v)) {
    if (From::is_signalling(v)) run.raised |= ieee::kInvalid;
    const std::uint64_t fraction = v & From::kFractionMask;
    constexpr int kUp = static_cast<int>(To::kFraction) - static_cast<int>(From::kFraction);
    return sign | To::kInfinity | To::kQuiet | (kUp > 0 ? fraction << (kUp & 63) : fraction >> (-kUp & 63));
  }
  v = flushed<From>(v, run);
  if (From::is_infinite(v)) return sign | To::kInfinity;
  if (From::is_zero(v)) return sign;
  note_denormal<From>(v, run);
  return rounded<To>(real<From>(v), run);
}

// ROUNDPS and its like: kImmediate is bits 3:0 of the immediate.
template <class F, unsigned kImmediate>
std::uint64_t to_integral(std::uint64_t, std::uint64_t v, Run& run) {
  std::uint64_t nan;
  if (nan_of<F>(v, v, nan, run)) return nan;
  v = flushed<F>(v, run);
  const auto exponent = static_cast<int>((v & F::kInfinity) >> F::kFraction) - F::kBias;
  if (F::is_zero(v) || exponent >= static_cast<int>(F::kFraction)) return v;
  const Control c{.rounding = kImmediate & 4 ? run.control.rounding : static_cast<Rounding>(kImmediate & 3)};
  // Below 2^63: through an integer.
  Run inner{c};
  const std::uint64_t whole_number = to_integer<F, 64, false>(v, inner);
  if (!(kImmediate & 8)) run.raised |= inner.raised & ieee::kPrecision;
  Run exact{c};
  return (v & F::kSign) | (from_integer<F, std::int64_t>(whole_number, exact) & ~F::kSign);
}

// --- Lanes into vectors -------------------------------------------------------------------------------------

template <class F>
constexpr unsigned kLanes = 128 / F::kBits;
template <class F>
std::uint64_t lane(const Vector& v, unsigned n) {
  if constexpr (F::kBits == 64)
    return v[n];
  else
    return static_cast<std::uint32_t>(v[n / 2] >> (n % 2 * 32));
}
template <class F>
void set_lane(Vector& v, unsigned n, std::uint64_t x) {
  if constexpr (F::kBits == 64)
    v[n] = x;
  else
    v[n / 2] = (v[n / 2] & ~(0xffffffffull << (n % 2 * 32))) | (x & 0xffffffff) << (n % 2 * 32);
}

template <class F>
using Binary = std::uint64_t (*)(std::uint64_t, std::uint64_t, Run&);

template <class F>
Reference packed(Binary<F> f) {
  return [f](Values& v, Run& run) {
    for (unsigned n = 0; n < kLanes<F>; ++n) set_lane<F>(v.a, n, f(lane<F>(v.a, n), lane<F>(v.b, n), run));
  };
}
template <class F>
Reference scalar(Binary<F> f) {
  return [f](Values& v, Run& run) { set_lane<F>(v.a, 0, f(lane<F>(v.a, 0), lane<F>(v.b, 0), run)); };
}
// Neighbours of the destination, then of the source.
template <class F>
Reference horizontal(Binary<F> f) {
  return [f](Values& v, Run& run) {
    Vector r{};
    for (unsigned n = 0; n < kLanes<F>; ++n) {
      const Vector& from = n < kLanes<F> / 2 ? v.a : v.b;
      const unsigned at = 2 * n % kLanes<F>;
      set_lane<F>(r, n, f(lane<F>(from, at), lane<F>(from, at + 1), run));
    }
    v.a = r;
  };
}
template <class F>
Reference alternating() {
  return [](Values& v, Run& run) {
    for (unsigned n = 0; n < kLanes<F>; ++n)
      set_lane<F>(v.a, n, (n % 2 ? add<F> : subtract<F>)(lane<F>(v.a, n), lane<F>(v.b, n), run));
  };
}
// kCount lanes of From become lanes of To, and the rest zero.
template <class From, class To, unsigned kCount>
Reference lanes_converted(std::uint64_t (*f)(std::uint64_t, Run&)) {
  return [f](Values& v, Run& run) {
    v.a = {};
    for (unsigned n = 0; n < kCount; ++n) set_lane<To>(v.a, n, f(lane<From>(v.b, n), run));
  };
}
template <class From, class To>
Reference scalar_converted() {
  return [](Values& v, Run& run) { set_lane<To>(v.a, 0, convert<From, To>(lane<From>(v.b, 0), run)); };
}
template <class F, unsigned kBits, bool kTruncates>
Reference to_register() {
  return [](Values& v, Run& run) { v.gpr = to_integer<F, kBits, kTruncates>(lane<F>(v.b, 0), run); };
}
template <class F, class Signed>
Reference from_register() {
  return [](Values& v, Run& run) { set_lane<F>(v.a, 0, from_integer<F, Signed>(v.gpr, run)); };
}
template <class F>
Reference to_flags(bool loud) {
  return [loud](Values& v, Run& run) {
    const Order o = order<F>(lane<F>(v.a, 0), lane<F>(v.b, 0), loud, run);
    v.status = o == Order::kUnordered ? cpu::kZf | cpu::kPf | cpu::kCf
               : o == Order::kLess    ? cpu::kCf
               : o == Order::kEqual   ? cpu::kZf
                                      : 0;
  };
}

// --- The instructions ---------------------------------------------------------------------------------------

struct Row {
  std::string name;
  std::vector<std::uint8_t> code;
  Reference reference;
};

// XMM1 and XMM2, or XMM and RCX: ModRM of "reg 1, rm 2", "reg 1, rm 1" where RCX is the source or destination.
constexpr std::uint8_t kRegisters = 0xca, kWithRcx = 0xc9;

void add_four(std::vector<Row>& rows, const std::string& name, std::uint8_t opcode, Binary<Single> single,
              Binary<Double> full, std::vector<std::uint8_t> tail = {}) {
  const auto code = [&](std::vector<std::uint8_t> prefix) {
    prefix.insert(prefix.end(), {0x0f, opcode, kRegisters});
    prefix.insert(prefix.end(), tail.begin(), tail.end());
    return prefix;
  };
  rows.push_back({name + "ps", code({}), packed<Single>(single)});
  rows.push_back({name + "pd", code({0x66}), packed<Double>(full)});
  rows.push_back({name + "ss", code({0xf3}), scalar<Single>(single)});
  rows.push_back({name + "sd", code({0xf2}), scalar<Double>(full)});
}

template <unsigned kPredicate>
void add_compare(std::vector<Row>& rows) {
  add_four(rows, "cmp " + std::to_string(kPredicate) + " ", 0xc2, compared<Single, kPredicate>,
           compared<Double, kPredicate>, {kPredicate});
}
template <unsigned kImmediate>
void add_round(std::vector<Row>& rows) {
  const auto row = [&](const char* name, std::uint8_t opcode, Reference r) {
    rows.push_back({std::string(name) + " " + std::to_string(kImmediate),
                    {0x66, 0x0f, 0x3a, opcode, kRegisters, kImmediate},
                    std::move(r)});
  };
  row("roundps", 0x08, packed<Single>(to_integral<Single, kImmediate>));
  row("roundpd", 0x09, packed<Double>(to_integral<Double, kImmediate>));
  row("roundss", 0x0a, scalar<Single>(to_integral<Single, kImmediate>));
  row("roundsd", 0x0b, scalar<Double>(to_integral<Double, kImmediate>));
}

// The source is four or two integers; lanes of 32 bits are Single's.
void add_conversions(std::vector<Row>& rows) {
  const auto row = [&](const char* name, std::vector<std::uint8_t> code, Reference r) {
    rows.push_back({name, std::move(code), std::move(r)});
  };
  row("cvtss2sd", {0xf3, 0x0f, 0x5a, kRegisters}, scalar_converted<Single, Double>());
  row("cvtsd2ss", {0xf2, 0x0f, 0x5a, kRegisters}, scalar_converted<Double, Single>());
  row("cvtps2pd", {0x0f, 0x5a, kRegisters}, lanes_converted<Single, Double, 2>(convert<Single, Double>));
  row("cvtpd2ps", {0x66, 0x0f, 0x5a, kRegisters}, lanes_converted<Double, Single, 2>(convert<Double, Single>));
  row("cvtdq2ps", {0x0f, 0x5b, kRegisters},
      lanes_converted<Single, Single, 4>(from_integer<Single, std::int32_t>));
  row("cvtdq2pd", {0xf3, 0x0f, 0xe6, kRegisters},
      lanes_converted<Single, Double, 2>(from_integer<Double, std::int32_t>));
  row("cvtps2dq", {0x66, 0x0f, 0x5b, kRegisters},
      lanes_converted<Single, Single, 4>(to_integer<Single, 32, false>));
  row("cvttps2dq", {0xf3, 0x0f, 0x5b, kRegisters},
      lanes_converted<Single, Single, 4>(to_integer<Single, 32, true>));
  row("cvtpd2dq", {0xf2, 0x0f, 0xe6, kRegisters},
      lanes_converted<Double, Single, 2>(to_integer<Double, 32, false>));
  row("cvttpd2dq", {0x66, 0x0f, 0xe6, kRegisters},
      lanes_converted<Double, Single, 2>(to_integer<Double, 32, true>));
  row("cvtss2si 32", {0xf3, 0x0f, 0x2d, kRegisters}, to_register<Single, 32, false>());
  row("cvtss2si 64", {0xf3, 0x48, 0x0f, 0x2d, kRegisters}, to_register<Single, 64, false>());
  row("cvtsd2si 32", {0xf2, 0x0f, 0x2d, kRegisters}, to_register<Double, 32, false>());
  row("cvtsd2si 64", {0xf2, 0x48, 0x0f, 0x2d, kRegisters}, to_register<Double, 64, false>());
  row("cvttss2si 32", {0xf3, 0x0f, 0x2c, kRegisters}, to_register<Single, 32, true>());
  row("cvttss2si 64", {0xf3, 0x48, 0x0f, 0x2c, kRegisters}, to_register<Single, 64, true>());
  row("cvttsd2si 32", {0xf2, 0x0f, 0x2c, kRegisters}, to_register<Double, 32, true>());
  row("cvttsd2si 64", {0xf2, 0x48, 0x0f, 0x2c, kRegisters}, to_register<Double, 64, true>());
  row("cvtsi2ss 32", {0xf3, 0x0f, 0x2a, kWithRcx}, from_register<Single, std::int32_t>());
  row("cvtsi2ss 64", {0xf3, 0x48, 0x0f, 0x2a, kWithRcx}, from_register<Single, std::int64_t>());
  row("cvtsi2sd 32", {0xf2, 0x0f, 0x2a, kWithRcx}, from_register<Double, std::int32_t>());
  row("cvtsi2sd 64", {0xf2, 0x48, 0x0f, 0x2a, kWithRcx}, from_register<Double, std::int64_t>());
}

std::vector<Row> all_rows() {
  std::vector<Row> rows;
  add_four(rows, "add", 0x58, add<Single>, add<Double>);
  add_four(rows, "sub", 0x5c, subtract<Single>, subtract<Double>);
  add_four(rows, "mul", 0x59, multiply<Single>, multiply<Double>);
  add_four(rows, "div", 0x5e, divide<Single>, divide<Double>);
  add_four(rows, "sqrt", 0x51, root<Single>, root<Double>);
  add_four(rows, "min", 0x5d, choose<Single, Order::kLess>, choose<Double, Order::kLess>);
  add_four(rows, "max", 0x5f, choose<Single, Order::kGreater>, choose<Double, Order::kGreater>);
  rows.push_back({"haddps", {0xf2, 0x0f, 0x7c, kRegisters}, horizontal<Single>(add<Single>)});
  rows.push_back({"haddpd", {0x66, 0x0f, 0x7c, kRegisters}, horizontal<Double>(add<Double>)});
  rows.push_back({"hsubps", {0xf2, 0x0f, 0x7d, kRegisters}, horizontal<Single>(subtract<Single>)});
  rows.push_back({"hsubpd", {0x66, 0x0f, 0x7d, kRegisters}, horizontal<Double>(subtract<Double>)});
  rows.push_back({"addsubps", {0xf2, 0x0f, 0xd0, kRegisters}, alternating<Single>()});
  rows.push_back({"addsubpd", {0x66, 0x0f, 0xd0, kRegisters}, alternating<Double>()});
  add_compare<0>(rows);
  add_compare<1>(rows);
  add_compare<2>(rows);
  add_compare<3>(rows);
  add_compare<4>(rows);
  add_compare<5>(rows);
  add_compare<6>(rows);
  add_compare<7>(rows);
  rows.push_back({"comiss", {0x0f, 0x2f, kRegisters}, to_flags<Single>(true)});
  rows.push_back({"comisd", {0x66, 0x0f, 0x2f, kRegisters}, to_flags<Double>(true)});
  rows.push_back({"ucomiss", {0x0f, 0x2e, kRegisters}, to_flags<Single>(false)});
  rows.push_back({"ucomisd", {0x66, 0x0f, 0x2e, kRegisters}, to_flags<Double>(false)});
  add_conversions(rows);
  add_round<0>(rows);
  add_round<1>(rows);
  add_round<2>(rows);
  add_round<3>(rows);
  add_round<4>(rows);
  add_round<8>(rows);
  add_round<12>(rows);
  return rows;
}

std::string difference(const Row& row, std::uint64_t seed) {
  Rng rng(seed, row.name);
  Instance i;
  i.state = random_state(rng);
  i.code = row.code;
  Values v{random_vector(rng), random_vector(rng), rng.below(2) ? rng.next() : interesting(rng), 0};
  if (rng.below(8) == 0) v.b = v.a;
  i.state.xmm[1] = v.a;
  i.state.xmm[2] = v.b;
  i.state.gpr[cpu::kRcx] = v.gpr;
  // Masks set, flags clear; rounding, DAZ and FTZ at random.
  i.state.mxcsr = 0x1f80 | static_cast<std::uint32_t>(rng.next() & (rng.below(2) ? 0xe040 : 0x6000));
  Run run{ieee::control_of(i.state.mxcsr)};
  const Result r = run_simulated(i, std::vector<std::uint8_t>(kDataSize));
  const Values before = v;
  row.reference(v, run);
  std::ostringstream out;
  if (r.end != Result::End::kNext) out << "  it ended with an exception\n";
  if (r.state.xmm[1] != v.a)
    out << std::hex << "  xmm1: " << r.state.xmm[1][1] << ":" << r.state.xmm[1][0] << ", should be " << v.a[1]
        << ":" << v.a[0] << "\n";
  if (r.state.gpr[cpu::kRcx] != v.gpr)
    out << std::hex << "  rcx: " << r.state.gpr[cpu::kRcx] << ", should be " << v.gpr << "\n";
  if ((r.state.mxcsr ^ i.state.mxcsr) != run.raised)
    out << std::hex << "  flags: " << (r.state.mxcsr ^ i.state.mxcsr) << ", should be " << run.raised << "\n";
  if (row.name.find("comis") != std::string::npos && (r.state.rflags & cpu::kStatusFlags) != v.status)
    out << std::hex << "  status flags: " << (r.state.rflags & cpu::kStatusFlags) << ", should be " << v.status
        << "\n";
  if (out.str().empty()) return {};
  std::ostringstream head;
  head << std::hex << "  seed " << std::dec << seed << std::hex << ", xmm1 " << before.a[1] << ":" << before.a[0]
       << ", xmm2 " << before.b[1] << ":" << before.b[0] << ", rcx " << before.gpr << ", mxcsr " << i.state.mxcsr
       << "\n";
  return head.str() + out.str();
}

}  // namespace

TEST_CASE("SSE arithmetic, which runs on the host's units, gives what integers give") {
  for (const Row& row : all_rows()) {
    if (!is_chosen(row.name)) continue;
    std::string d;
    for (std::uint64_t n = 0; n < case_count() && d.empty(); ++n) {
      d = difference(row, case_seed() + n);
      if (d.empty()) note_evidence(row.code, 64, "integers");
    }
    INFO(row.name << "\n" << d);
    CHECK(d.empty());
  }
}

}  // namespace xensim::differential
