// x87 loads, stores, moves between registers, and what turns the stack (SDM 1, 8.3.2 and 8.3.4).
#include "models/cpu/isa/x87_parts.h"
#include "models/cpu/isa/x87_transcendental.h"

namespace xensim::cpu::isa {

namespace {

using x87::Extended;
using x87::Frame;

// --- Loads --------------------------------------------------------------------------------------------------

void push(Frame& f, const Extended& v) {
  if (f.full(7)) {
    if (f.overflow()) f.push(x87::kDefaultNan);
    return;
  }
  f.push(v);
}
// Of a format whose signalling NaNs and denormals are noticed when they become registers.
void push_converted(Frame& f, const Extended& v) {
  Extended r = v;
  if (!f.full(7)) {
    if (const auto nan = x87::nan_result(f.context, v))
      r = *nan;
    else
      x87::note_denormals(f.context, v);
    // A denormal is loaded even if the exception is unmasked.
    if (f.context.raised & ~f.context.control & x87::kInvalid) return;
  }
  push(f, r);
}
void push_register(Frame& f, unsigned i) {
  if (!f.full(i)) {
    if (f.underflow()) f.push(x87::kDefaultNan);
    return;
  }
  push(f, f.st(i));
}
template <x87::Constant kConstant>
void push_constant(Frame& f, unsigned) {
  push(f, x87::constant(f.context, kConstant));
}
void push_one(Frame& f, unsigned) { push(f, x87::one()); }
void push_zero(Frame& f, unsigned) { push(f, x87::zero(false)); }

// --- Stores -------------------------------------------------------------------------------------------------

template <class Format, bool kPops>
Outcome memory_destination(Core& c, const Op& op) {
  if (Outcome o = x87::check<true>(c); o != Outcome::kNext) return o;
  X87 after = c.st.x87;
  Frame f(after);
  // Unmasked invalid operation, overflow and underflow leave the destination alone (it must be writable all the
  // same); inexact does not.
  constexpr unsigned kPreventsStore = x87::kInvalid | x87::kOverflow | x87::kUnderflow;
  typename Format::Stored v;
  if (f.full(0)) {
    v = Format::of(f.context, f.st(0));
  } else {
    f.underflow();
    v = Format::indefinite();
  }
  const bool prevented = (f.context.raised & ~after.control & kPreventsStore) != 0;
  if (kPops && !prevented) f.pop();
  f.finish();
  std::uint64_t a;
  if (!c.linear_address(op, sizeof(v), true, a)) return Outcome::kFault;
  const Outcome result =
      prevented ? c.mmu.probe_write(LinearAddr(a), sizeof(v), c.mmu.current_view()) : c.write_linear(a, v);
  if (failed(result)) return result;
  c.st.x87 = after;
  x87::note_instruction(c, op);
  x87::note_operand(c, op);
  return result;
}

template <bool kPops>
void store_register(Frame& f, unsigned i) {
  Extended v = x87::kDefaultNan;
  if (f.full(0))
    v = f.st(0);
  else if (!f.underflow())
    return;
  f.set(i, v);
  if (kPops) f.pop();
}

// FSTP1, which no manual names: an empty register is not stored, and is no fault.
void store_unchecked(Frame& f, unsigned i) {
  if (f.full(0)) f.set(i, f.st(0));
  f.pop();
}

// --- Between registers, and the stack -----------------------------------------------------------------------

void exchange(Frame& f, unsigned i) {
  if ((!f.full(0) || !f.full(i)) && !f.underflow()) return;
  const Extended top = f.full(0) ? f.st(0) : x87::kDefaultNan, other = f.full(i) ? f.st(i) : x87::kDefaultNan;
  f.set(i, top);
  f.set(0, other);
}

// The condition holds if any of the flags kAny is set, or none of them. C1 changes with a stack fault only.
template <std::uint64_t kAny, bool kWanted>
Outcome conditional_move(Core& c, const Op& op) {
  if (Outcome o = x87::check<true>(c); o != Outcome::kNext) return o;
  Frame f(c.st.x87);
  const unsigned i = op.sub2 & 7u;
  if (!f.full(0) || !f.full(i)) {
    if (f.underflow()) f.set(0, x87::kDefaultNan);
    f.finish();
  } else if (((c.rflags() & kAny) != 0) == kWanted) {
    f.set(0, f.st(i));
  }
  x87::note_instruction(c, op);
  return Outcome::kNext;
}

// Control instructions in that they leave the pointers alone.
template <void (*kRun)(Frame&, unsigned i)>
Outcome stack_form(Core& c, const Op& op) {
  if (Outcome o = x87::check<true>(c); o != Outcome::kNext) return o;
  Frame f(c.st.x87);
  kRun(f, op.sub2 & 7u);
  f.finish();
  return Outcome::kNext;
}
void increment(Frame& f, unsigned) { f.turn(1); }
void decrement(Frame& f, unsigned) { f.turn(7); }
void free_register(Frame& f, unsigned i) { f.free(i); }
void free_and_pop(Frame& f, unsigned i) {
  f.free(i);
  f.pop();
}
Outcome nothing(Core& c, const Op&) { return x87::check<true>(c); }

// --- The table ----------------------------------------------------------------------------------------------

Handler bind_fld(const DecodedInstruction& d, Op& op) {
  x87::fill(d, op);
  switch (x87::memory_bits(d)) {
    case 0:
      return x87::register_form<push_register>;
    case 80:
      return x87::memory_source<x87::ExtendedReal, push>;
    default:
      return x87::bind_real<push_converted>(d);
  }
}
template <bool kPops>
Handler bind_fst(const DecodedInstruction& d, Op& op) {
  x87::fill(d, op);
  switch (x87::memory_bits(d)) {
    case 0:
      return x87::register_form<store_register<kPops>>;
    case 32:
      return memory_destination<x87::RealStore<x87::SingleReal>, kPops>;
    case 64:
      return memory_destination<x87::RealStore<x87::DoubleReal>, kPops>;
    default:
      return memory_destination<x87::ExtendedStore, kPops>;
  }
}
template <bool kTruncates, bool kPops>
Handler bind_fist(const DecodedInstruction& d, Op& op) {
  x87::fill(d, op);
  switch (x87::memory_bits(d)) {
    case 16:
      return memory_destination<x87::IntegerStore<std::int16_t, kTruncates>, kPops>;
    case 32:
      return memory_destination<x87::IntegerStore<std::int32_t, kTruncates>, kPops>;
    default:
      return memory_destination<x87::IntegerStore<std::int64_t, kTruncates>, kPops>;
  }
}

#define ROW(name, bind) Form(ZYDIS_MNEMONIC_##name, CostClass::kX87, BlockShape::kStraight, bind)
#define CONSTANT_ROW(name, which) ROW(name, x87::bind_register<push_constant<x87::Constant::which>>)
#define CONDITION_ROWS(condition, flags)                                  \
  ROW(FCMOV##condition, (x87::bind_to<conditional_move<(flags), true>>)), \
      ROW(FCMOVN##condition, (x87::bind_to<conditional_move<(flags), false>>))

constexpr Form kForms[] = {
    ROW(FLD, bind_fld),
    ROW(FILD, x87::bind_integer<push>),
    ROW(FBLD, (x87::bind_to<x87::memory_source<x87::Decimal, push>>)),
    ROW(FST, bind_fst<false>),
    ROW(FSTP, bind_fst<true>),
    ROW(FSTPNCE, x87::bind_register<store_unchecked>),
    ROW(FIST, (bind_fist<false, false>)),
    ROW(FISTP, (bind_fist<false, true>)),
    ROW(FISTTP, (bind_fist<true, true>)),
    ROW(FBSTP, (x87::bind_to<memory_destination<x87::DecimalStore, true>>)),
    ROW(FXCH, x87::bind_register<exchange>),
    ROW(FLD1, x87::bind_register<push_one>),
    ROW(FLDZ, x87::bind_register<push_zero>),
    CONSTANT_ROW(FLDPI, kPi),
    CONSTANT_ROW(FLDL2E, kLog2OfE),
    CONSTANT_ROW(FLDL2T, kLog2Of10),
    CONSTANT_ROW(FLDLG2, kLog10Of2),
    CONSTANT_ROW(FLDLN2, kLogOf2),
    CONDITION_ROWS(B, kCf),
    CONDITION_ROWS(E, kZf),
    CONDITION_ROWS(BE, kCf | kZf),
    CONDITION_ROWS(U, kPf),
    ROW(FINCSTP, x87::bind_to<stack_form<increment>>),
    ROW(FDECSTP, x87::bind_to<stack_form<decrement>>),
    ROW(FFREE, x87::bind_to<stack_form<free_register>>),
    ROW(FFREEP, x87::bind_to<stack_form<free_and_pop>>),
    ROW(FNOP, x87::bind_to<nothing>),
    ROW(FENI8087_NOP, x87::bind_to<nothing>),
    ROW(FDISI8087_NOP, x87::bind_to<nothing>),
    ROW(FSETPM287_NOP, x87::bind_to<nothing>),
};

}  // namespace

std::span<const Form> x87_move_forms() { return kForms; }

}  // namespace xensim::cpu::isa
