// String instructions: MOVS, STOS, LODS, CMPS, SCAS, with REP, REPE and REPNE. SDM 2, under those names and REP.
//
// A REP instruction does a part per call and returns kRepeat while RCX is not zero, with RCX, RSI and RDI at an
// iteration's boundary. A part is either one element, by the ordinary way of reading and writing (page crossing,
// MMIO, a fault, a page that the software TLB does not know yet), or a stretch of elements inside one page of the
// source and one of the target, through host pointers. A fault therefore always happens at the first element of a
// part.
#include "models/cpu/isa/string_span.h"

namespace xensim::cpu::isa {
namespace {

template <class T>
T load(const std::uint8_t* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// One instruction: one(core, op) does one iteration, RSI and RDI included; stretch(core, op, count) does up to
// `count` and returns how many, 0 if it cannot.
template <class T, class A>
struct Movs {
  static constexpr bool kCompares = false;

  static Outcome one(Core& core, const Op& op) {
    std::uint64_t from, to;
    T v;
    if (!source_address(core, op, read_index<A>(core, kRsi), sizeof(T), from)) return Outcome::kFault;
    if (!target_address(core, op, read_index<A>(core, kRdi), sizeof(T), true, to)) return Outcome::kFault;
    if (const Outcome o = core.read_linear(from, v); o != Outcome::kNext) return o;
    const Outcome o = core.write_linear(to, v);
    if (failed(o)) return o;
    step_index<T, A>(core, kRsi, 1);
    step_index<T, A>(core, kRdi, 1);
    return o;
  }

  static std::uint64_t stretch(Core& core, const Op& op, std::uint64_t count, bool) {
    StringSpan to = string_span<T, A, false>(core, op, count, Access::kWrite);
    if (!to.entry) return 0;
    StringSpan from = string_span<T, A, true>(core, op, to.count, Access::kRead);
    if (!from.entry) return 0;
    const std::uint64_t n = from.count, bytes = n * sizeof(T);
    const bool down = backwards(core);
    if (down) to.low += (to.count - n) * sizeof(T);
    copy(to.host(), from.host(), n, down);
    from.log(core, bytes, 0, false);
    to.log(core, bytes, 0, true);
    step_index<T, A>(core, kRsi, n);
    step_index<T, A>(core, kRdi, n);
    return n;
  }

  // Exactly what element after element gives: where the target lies ahead of the source by less than the length,
  // what was written is read again.
  static void copy(std::uint8_t* to, const std::uint8_t* from, std::uint64_t n, bool down) {
    const std::uint64_t bytes = n * sizeof(T);
    const auto t = reinterpret_cast<std::uintptr_t>(to), f = reinterpret_cast<std::uintptr_t>(from);
    const bool rereads = down ? t < f && f - t < bytes : f < t && t - f < bytes;
    if (!rereads) {
      std::memmove(to, from, bytes);
      return;
    }
    for (std::uint64_t i = 0; i < n; ++i) {
      const std::uint64_t at = (down ? n - 1 - i : i) * sizeof(T);
      const T v = load<T>(from + at);
      std::memcpy(to + at, &v, sizeof v);
    }
  }
};

template <class T, class A>
struct Stos {
  static constexpr bool kCompares = false;

  static Outcome one(Core& core, const Op& op) {
    std::uint64_t to;
    if (!target_address(core, op, read_index<A>(core, kRdi), sizeof(T), true, to)) return Outcome::kFault;
    const Outcome o = core.write_linear(to, read_accumulator<T>(core));
    if (failed(o)) return o;
    step_index<T, A>(core, kRdi, 1);
    return o;
  }

  static std::uint64_t stretch(Core& core, const Op& op, std::uint64_t count, bool) {
    const StringSpan to = string_span<T, A, false>(core, op, count, Access::kWrite);
    if (!to.entry) return 0;
    const T v = read_accumulator<T>(core);
    std::uint8_t* p = to.host();
    if (v == 0 || sizeof(T) == 1) {
      std::memset(p, static_cast<std::uint8_t>(v), to.count * sizeof(T));
    } else {
      for (std::uint64_t i = 0; i < to.count; ++i) std::memcpy(p + i * sizeof(T), &v, sizeof v);
    }
    to.log(core, to.count * sizeof(T), 0, true);
    step_index<T, A>(core, kRdi, to.count);
    return to.count;
  }
};

template <class T, class A>
struct Lods {
  static constexpr bool kCompares = false;

  static Outcome one(Core& core, const Op& op) {
    std::uint64_t from;
    T v;
    if (!source_address(core, op, read_index<A>(core, kRsi), sizeof(T), from)) return Outcome::kFault;
    if (const Outcome o = core.read_linear(from, v); o != Outcome::kNext) return o;
    write_accumulator<T>(core, v);
    step_index<T, A>(core, kRsi, 1);
    return Outcome::kNext;
  }

  // REP LODS has no use, and gets no fast way.
  static std::uint64_t stretch(Core&, const Op&, std::uint64_t, bool) { return 0; }
};

// The loop of a comparing stretch: elements one by one until one ends it. pair(at): the two operands at a byte
// offset.
template <class T, class F>
std::uint64_t compare_elements(Core& core, std::uint64_t n, bool while_equal, F pair) {
  std::uint64_t i = 0;
  T a, b;
  do {
    pair((backwards(core) ? n - 1 - i : i) * sizeof(T), a, b);
    ++i;
  } while (i < n && (a == b) == while_equal);
  core.flags.set_sub<T>(a, b, static_cast<T>(a - b));
  return i;
}

template <class T, class A>
struct Cmps {
  static constexpr bool kCompares = true;

  static Outcome one(Core& core, const Op& op) {
    std::uint64_t first, second;
    T a, b;
    if (!source_address(core, op, read_index<A>(core, kRsi), sizeof(T), first)) return Outcome::kFault;
    if (!target_address(core, op, read_index<A>(core, kRdi), sizeof(T), false, second)) return Outcome::kFault;
    if (const Outcome o = core.read_linear(first, a); o != Outcome::kNext) return o;
    if (const Outcome o = core.read_linear(second, b); o != Outcome::kNext) return o;
    core.flags.set_sub<T>(a, b, static_cast<T>(a - b));
    step_index<T, A>(core, kRsi, 1);
    step_index<T, A>(core, kRdi, 1);
    return Outcome::kNext;
  }

  static std::uint64_t stretch(Core& core, const Op& op, std::uint64_t count, bool while_equal) {
    StringSpan second = string_span<T, A, false>(core, op, count, Access::kRead);
    if (!second.entry) return 0;
    const StringSpan first = string_span<T, A, true>(core, op, second.count, Access::kRead);
    if (!first.entry) return 0;
    const std::uint64_t n = first.count;
    const bool down = backwards(core);
    if (down) second.low += (second.count - n) * sizeof(T);
    const std::uint8_t *p = first.host(), *q = second.host();
    const std::uint64_t done = compare_elements<T>(core, n, while_equal, [&](std::uint64_t at, T& a, T& b) {
      a = load<T>(p + at);
      b = load<T>(q + at);
    });
    const std::uint64_t skipped = down ? (n - done) * sizeof(T) : 0;
    first.log(core, done * sizeof(T), skipped, false);
    second.log(core, done * sizeof(T), skipped, false);
    step_index<T, A>(core, kRsi, done);
    step_index<T, A>(core, kRdi, done);
    return done;
  }
};

template <class T, class A>
struct Scas {
  static constexpr bool kCompares = true;

  static Outcome one(Core& core, const Op& op) {
    std::uint64_t at;
    T b;
    if (!target_address(core, op, read_index<A>(core, kRdi), sizeof(T), false, at)) return Outcome::kFault;
    if (const Outcome o = core.read_linear(at, b); o != Outcome::kNext) return o;
    const T a = read_accumulator<T>(core);
    core.flags.set_sub<T>(a, b, static_cast<T>(a - b));
    step_index<T, A>(core, kRdi, 1);
    return Outcome::kNext;
  }

  static std::uint64_t stretch(Core& core, const Op& op, std::uint64_t count, bool while_equal) {
    const StringSpan s = string_span<T, A, false>(core, op, count, Access::kRead);
    if (!s.entry) return 0;
    const T sought = read_accumulator<T>(core);
    const std::uint8_t* p = s.host();
    const std::uint64_t done = compare_elements<T>(core, s.count, while_equal, [&](std::uint64_t at, T& a, T& b) {
      a = sought;
      b = load<T>(p + at);
    });
    s.log(core, done * sizeof(T), backwards(core) ? (s.count - done) * sizeof(T) : 0, false);
    step_index<T, A>(core, kRdi, done);
    return done;
  }
};

template <class S, class A, bool kWhileEqual>
Outcome repeat(Core& core, const Op& op) {
  const std::uint64_t count = read_index<A>(core, kRcx);
  if (count == 0) return Outcome::kNext;
  Outcome outcome = Outcome::kNext;
  std::uint64_t done = S::stretch(core, op, count, kWhileEqual);
  if (done == 0) {
    outcome = S::one(core, op);
    if (failed(outcome)) return outcome;
    done = 1;
  }
  write_index<A>(core, kRcx, count - done);
  if (count == done) return outcome;
  if (S::kCompares && core.flags.zf() != kWhileEqual) return outcome;
  return Outcome::kRepeat;
}

std::uint8_t source_segment(const DecodedInstruction& d) {
  const auto has = [&d](ZyanU64 attribute) { return (d.insn.attributes & attribute) != 0; };
  if (has(ZYDIS_ATTRIB_HAS_SEGMENT_FS)) return kFs;
  if (has(ZYDIS_ATTRIB_HAS_SEGMENT_GS)) return kGs;
  if (d.mode & kMode64) return kDs;
  if (has(ZYDIS_ATTRIB_HAS_SEGMENT_CS)) return kCs;
  if (has(ZYDIS_ATTRIB_HAS_SEGMENT_SS)) return kSs;
  if (has(ZYDIS_ATTRIB_HAS_SEGMENT_ES)) return kEs;
  return kDs;
}

// The REP prefix in force: the last one counts; on instructions that do not compare, REPNE repeats like REP.
std::uint8_t repeat_prefix(const DecodedInstruction& d) {
  std::uint8_t found = 0;
  for (unsigned i = 0; i < d.insn.raw.prefix_count; ++i) {
    if (d.insn.raw.prefixes[i].value == 0xf3) found = kRep;
    if (d.insn.raw.prefixes[i].value == 0xf2) found = kRepne;
  }
  return found;
}

template <class S, class A>
Handler pick(std::uint8_t prefix) {
  if (prefix == 0) return S::one;
  if (S::kCompares && prefix == kRepne) return repeat<S, A, false>;
  return repeat<S, A, true>;
}

template <template <class, class> class S, class T>
Handler bind_string(const DecodedInstruction& d, Op& op) {
  // MOVSD and CMPSD are SSE2 instructions too.
  if (d.insn.meta.category != ZYDIS_CATEGORY_STRINGOP) return nullptr;
  op.seg = source_segment(d);
  const bool has_base = op.seg == kFs || op.seg == kGs;
  op.sub = 0;
  if (d.mode & kMode64) {
    op.sub = has_base ? kFlatTarget : kFlatTarget | kFlatSource;
  } else if (d.mode & kModeFlat) {
    op.sub = has_base || op.seg == kCs ? kFlatTarget : kFlatTarget | kFlatSource;
  }
  const std::uint8_t prefix = repeat_prefix(d);
  op.flags = static_cast<std::uint8_t>((op.flags & ~(kRep | kRepne)) | prefix);
  switch (d.insn.address_width) {
    case 16:
      return pick<S<T, std::uint16_t>, std::uint16_t>(prefix);
    case 32:
      return pick<S<T, std::uint32_t>, std::uint32_t>(prefix);
    default:
      return pick<S<T, std::uint64_t>, std::uint64_t>(prefix);
  }
}

constexpr Form row(ZydisMnemonic m, Bind b) { return {m, CostClass::kString, BlockShape::kStraight, b}; }

constexpr Form kForms[] = {
    row(ZYDIS_MNEMONIC_MOVSB, bind_string<Movs, std::uint8_t>),
    row(ZYDIS_MNEMONIC_MOVSW, bind_string<Movs, std::uint16_t>),
    row(ZYDIS_MNEMONIC_MOVSD, bind_string<Movs, std::uint32_t>),
    row(ZYDIS_MNEMONIC_MOVSQ, bind_string<Movs, std::uint64_t>),
    row(ZYDIS_MNEMONIC_STOSB, bind_string<Stos, std::uint8_t>),
    row(ZYDIS_MNEMONIC_STOSW, bind_string<Stos, std::uint16_t>),
    row(ZYDIS_MNEMONIC_STOSD, bind_string<Stos, std::uint32_t>),
    row(ZYDIS_MNEMONIC_STOSQ, bind_string<Stos, std::uint64_t>),
    row(ZYDIS_MNEMONIC_LODSB, bind_string<Lods, std::uint8_t>),
    row(ZYDIS_MNEMONIC_LODSW, bind_string<Lods, std::uint16_t>),
    row(ZYDIS_MNEMONIC_LODSD, bind_string<Lods, std::uint32_t>),
    row(ZYDIS_MNEMONIC_LODSQ, bind_string<Lods, std::uint64_t>),
    row(ZYDIS_MNEMONIC_CMPSB, bind_string<Cmps, std::uint8_t>),
    row(ZYDIS_MNEMONIC_CMPSW, bind_string<Cmps, std::uint16_t>),
    row(ZYDIS_MNEMONIC_CMPSD, bind_string<Cmps, std::uint32_t>),
    row(ZYDIS_MNEMONIC_CMPSQ, bind_string<Cmps, std::uint64_t>),
    row(ZYDIS_MNEMONIC_SCASB, bind_string<Scas, std::uint8_t>),
    row(ZYDIS_MNEMONIC_SCASW, bind_string<Scas, std::uint16_t>),
    row(ZYDIS_MNEMONIC_SCASD, bind_string<Scas, std::uint32_t>),
    row(ZYDIS_MNEMONIC_SCASQ, bind_string<Scas, std::uint64_t>),
};

}  // namespace

std::span<const Form> string_forms() { return kForms; }

}  // namespace xensim::cpu::isa
