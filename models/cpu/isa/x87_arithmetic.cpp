// x87 instructions that compute and compare (SDM 1, 8.3.3 to 8.3.8).
#include <optional>

#include "models/cpu/isa/x87_parts.h"
#include "models/cpu/isa/x87_transcendental.h"

namespace xensim::cpu::isa {

namespace {

using x87::Context;
using x87::Extended;
using x87::Frame;

// destination ← operation(destination, source)
using Binary = Extended (*)(Context&, const Extended& destination, const Extended& source);
using Unary = Extended (*)(Context&, const Extended&);

template <Binary kOperation>
void combine(Frame& f, unsigned destination, unsigned source, unsigned pops) {
  Extended r = x87::kDefaultNan;
  if (!f.full(destination) || !f.full(source)) {
    if (!f.underflow()) return;
  } else {
    r = kOperation(f.context, f.st(destination), f.st(source));
    if (f.stopped()) return;
  }
  f.set(destination, r);
  f.pop(pops);
}
// D8: ST(0) is the destination. DC, DE: ST(i) is.
template <Binary kOperation>
void to_top(Frame& f, unsigned i) {
  combine<kOperation>(f, 0, i, 0);
}
template <Binary kOperation>
void to_register(Frame& f, unsigned i) {
  combine<kOperation>(f, i, 0, 0);
}
template <Binary kOperation>
void to_register_and_pop(Frame& f, unsigned i) {
  combine<kOperation>(f, i, 0, 1);
}
template <Binary kOperation>
void with_memory(Frame& f, const Extended& v) {
  Extended r = x87::kDefaultNan;
  if (!f.full(0)) {
    if (!f.underflow()) return;
  } else {
    r = kOperation(f.context, f.st(0), v);
    if (f.stopped()) return;
  }
  f.set(0, r);
}

// ST(0) and ST(1), named by no operand.
template <Binary kOperation>
void scale_top(Frame& f, unsigned) {
  combine<kOperation>(f, 0, 1, 0);
}
template <Binary kOperation>
void second_and_pop(Frame& f, unsigned) {
  combine<kOperation>(f, 1, 0, 1);
}

template <Unary kOperation>
void change_top(Frame& f, unsigned) {
  Extended r = x87::kDefaultNan;
  if (!f.full(0)) {
    if (!f.underflow()) return;
  } else {
    r = kOperation(f.context, f.st(0));
    if (f.stopped()) return;
  }
  f.set(0, r);
}
Extended negated(Context&, const Extended& v) {
  return {v.significand, static_cast<std::uint16_t>(v.sign_exponent ^ 0x8000)};
}
Extended magnitude(Context&, const Extended& v) {
  return {v.significand, static_cast<std::uint16_t>(v.sign_exponent & 0x7fff)};
}

template <bool kNearest>
void remainder(Frame& f, unsigned) {
  f.set_condition(x87::kC2, false);
  if (!f.full(0) || !f.full(1)) {
    if (f.underflow()) f.set(0, x87::kDefaultNan);
    return;
  }
  std::optional<std::uint16_t> conditions;
  const Extended r = x87::remainder<kNearest>(f.context, f.st(0), f.st(1), conditions);
  if (f.stopped()) return;
  f.set(0, r);
  if (!conditions) return;
  f.set_conditions(*conditions);
  f.context.rounded_up = (*conditions & x87::kC1) != 0;
}

// Instructions that replace ST(0) and push.
void replace_and_push(Frame& f, const x87::Parts& parts) {
  f.set(0, parts.exponent);
  f.push(parts.significand);
}
bool may_push(Frame& f, bool& ordinary) {
  ordinary = f.full(0) && !f.full(7);
  if (ordinary) return true;
  return f.full(0) ? f.overflow() : f.underflow();
}
void extract(Frame& f, unsigned) {
  bool ordinary = false;
  if (!may_push(f, ordinary)) return;
  const x87::Parts parts =
      ordinary ? x87::extract(f.context, f.st(0)) : x87::Parts{x87::kDefaultNan, x87::kDefaultNan};
  if (!f.stopped()) replace_and_push(f, parts);
}

template <Unary kOperation>
void of_angle(Frame& f, unsigned) {
  const bool beyond = f.full(0) && x87::beyond_reduction(f.st(0));
  f.set_condition(x87::kC2, beyond);
  if (!beyond) change_top<kOperation>(f, 0);
}

// Sine or tangent in ST(0)'s place, and cosine or one pushed. A NaN goes to both.
template <Unary kFirst, Unary kSecond>
void of_angle_and_push(Frame& f, unsigned) {
  f.set_condition(x87::kC2, false);
  bool ordinary = false;
  if (!may_push(f, ordinary)) return;
  x87::Parts parts{x87::kDefaultNan, x87::kDefaultNan};
  if (ordinary) {
    if (x87::beyond_reduction(f.st(0))) return f.set_condition(x87::kC2, true);
    parts = {kFirst(f.context, f.st(0)), kSecond(f.context, f.st(0))};
    if (f.stopped()) return;
    if (x87::is_nan(x87::kind_of(parts.exponent))) parts.significand = parts.exponent;
  }
  replace_and_push(f, parts);
}
Extended just_one(Context&, const Extended&) { return x87::one(); }

// --- Comparisons --------------------------------------------------------------------------------------------

constexpr std::uint16_t kUnordered = x87::kC0 | x87::kC2 | x87::kC3;

template <bool kQuiet>
std::uint16_t compared(Frame& f, const Extended& with) {
  return x87::compare(f.context, f.st(0), with, kQuiet);
}

template <bool kQuiet, unsigned kPops>
void compare_with(Frame& f, unsigned i) {
  if (!f.full(0) || !f.full(i)) {
    f.set_conditions(kUnordered);
    if (!f.underflow()) return;
  } else {
    f.set_conditions(compared<kQuiet>(f, f.st(i)));
    if (f.stopped()) return;
  }
  f.pop(kPops);
}
template <bool kQuiet>
void compare_second_and_pop_both(Frame& f, unsigned) {
  compare_with<kQuiet, 2>(f, 1);
}
template <unsigned kPops>
void compare_with_memory(Frame& f, const Extended& v) {
  if (!f.full(0)) {
    f.set_conditions(kUnordered);
    if (!f.underflow()) return;
  } else {
    f.set_conditions(compared<false>(f, v));
    if (f.stopped()) return;
  }
  f.pop(kPops);
}
void test(Frame& f, unsigned) { compare_with_memory<0>(f, x87::zero(false)); }

void examine(Frame& f, unsigned) {
  const std::uint16_t conditions = x87::examine(f.st(0), !f.full(0));
  f.set_conditions(conditions);
  f.context.rounded_up = (conditions & x87::kC1) != 0;
}

// FCOMI and its like write ZF, PF and CF and clear the others, unless an unmasked exception stops them, and clear
// C1 (AMD's processors write the flags all the same, and leave C1).
template <bool kQuiet, unsigned kPops>
Outcome compare_to_flags(Core& c, const Op& op) {
  if (Outcome o = x87::check<true>(c); o != Outcome::kNext) return o;
  Frame f(c.st.x87);
  const unsigned i = op.sub2 & 7u;
  std::uint16_t conditions = kUnordered;
  bool goes_on = true;
  if (!f.full(0) || !f.full(i)) {
    goes_on = f.underflow();
  } else {
    conditions = compared<kQuiet>(f, f.st(i));
    goes_on = !f.stopped();
  }
  if (goes_on) {
    f.pop(kPops);
    c.flags.load((conditions & x87::kC3 ? kZf : 0) | (conditions & x87::kC2 ? kPf : 0) |
                 (conditions & x87::kC0 ? kCf : 0));
  }
  f.finish();
  x87::note_instruction(c, op);
  return Outcome::kNext;
}

// --- The table ----------------------------------------------------------------------------------------------

template <Binary kOperation>
Handler bind_arithmetic(const DecodedInstruction& d, Op& op) {
  x87::fill(d, op);
  if (x87::memory_bits(d) != 0) return x87::bind_real<with_memory<kOperation>>(d);
  return op.sub == 0 ? x87::register_form<to_top<kOperation>> : x87::register_form<to_register<kOperation>>;
}
template <unsigned kPops>
Handler bind_compare(const DecodedInstruction& d, Op& op) {
  x87::fill(d, op);
  return x87::memory_bits(d) != 0 ? x87::bind_real<compare_with_memory<kPops>>(d)
                                  : x87::register_form<compare_with<false, kPops>>;
}

#define ROW(name, cost, bind) Form(ZYDIS_MNEMONIC_##name, CostClass::cost, BlockShape::kStraight, bind)
#define ARITHMETIC_ROWS(name, cost, operation)                                        \
  ROW(F##name, cost, bind_arithmetic<x87::operation>),                                \
      ROW(F##name##P, cost, x87::bind_register<to_register_and_pop<x87::operation>>), \
      ROW(FI##name, cost, x87::bind_integer<with_memory<x87::operation>>)

constexpr Form kForms[] = {
    ARITHMETIC_ROWS(ADD, kX87, add),
    ARITHMETIC_ROWS(SUB, kX87, subtract),
    ARITHMETIC_ROWS(SUBR, kX87, subtract_reversed),
    ARITHMETIC_ROWS(MUL, kX87, multiply),
    ARITHMETIC_ROWS(DIV, kFpDiv, divide),
    ARITHMETIC_ROWS(DIVR, kFpDiv, divide_reversed),
    ROW(FCOM, kX87, bind_compare<0>),
    ROW(FCOMP, kX87, bind_compare<1>),
    ROW(FCOMPP, kX87, x87::bind_register<compare_second_and_pop_both<false>>),
    ROW(FICOM, kX87, x87::bind_integer<compare_with_memory<0>>),
    ROW(FICOMP, kX87, x87::bind_integer<compare_with_memory<1>>),
    ROW(FUCOM, kX87, (x87::bind_register<compare_with<true, 0>>)),
    ROW(FUCOMP, kX87, (x87::bind_register<compare_with<true, 1>>)),
    ROW(FUCOMPP, kX87, x87::bind_register<compare_second_and_pop_both<true>>),
    ROW(FCOMI, kX87, (x87::bind_to<compare_to_flags<false, 0>>)),
    ROW(FCOMIP, kX87, (x87::bind_to<compare_to_flags<false, 1>>)),
    ROW(FUCOMI, kX87, (x87::bind_to<compare_to_flags<true, 0>>)),
    ROW(FUCOMIP, kX87, (x87::bind_to<compare_to_flags<true, 1>>)),
    ROW(FTST, kX87, x87::bind_register<test>),
    ROW(FXAM, kX87, x87::bind_register<examine>),
    ROW(FCHS, kX87, x87::bind_register<change_top<negated>>),
    ROW(FABS, kX87, x87::bind_register<change_top<magnitude>>),
    ROW(FSQRT, kFpSqrt, x87::bind_register<change_top<x87::square_root>>),
    ROW(FRNDINT, kX87, x87::bind_register<change_top<x87::round_to_integer>>),
    ROW(FSCALE, kX87Transcendental, x87::bind_register<scale_top<x87::scale>>),
    ROW(FXTRACT, kX87Transcendental, x87::bind_register<extract>),
    ROW(FPREM, kX87Transcendental, x87::bind_register<remainder<false>>),
    ROW(FPREM1, kX87Transcendental, x87::bind_register<remainder<true>>),
    ROW(FSIN, kX87Transcendental, x87::bind_register<of_angle<x87::sine>>),
    ROW(FCOS, kX87Transcendental, x87::bind_register<of_angle<x87::cosine>>),
    ROW(FSINCOS, kX87Transcendental, (x87::bind_register<of_angle_and_push<x87::sine, x87::cosine>>)),
    ROW(FPTAN, kX87Transcendental, (x87::bind_register<of_angle_and_push<x87::tangent, just_one>>)),
    ROW(FPATAN, kX87Transcendental, x87::bind_register<second_and_pop<x87::arctangent>>),
    ROW(F2XM1, kX87Transcendental, x87::bind_register<change_top<x87::two_to_the_x_minus_1>>),
    ROW(FYL2X, kX87Transcendental, x87::bind_register<second_and_pop<x87::y_log2_x>>),
    ROW(FYL2XP1, kX87Transcendental, x87::bind_register<second_and_pop<x87::y_log2_x_plus_1>>),
};

}  // namespace

std::span<const Form> x87_arithmetic_forms() { return kForms; }

}  // namespace xensim::cpu::isa
