// SSE4.2's string instructions: PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM. Their memory operand need not be
// aligned.
#include <bit>
#include <cstdlib>

#include "models/cpu/isa/string_compare.h"
#include "models/cpu/isa/vex_operands.h"

namespace xensim::cpu::isa {

using namespace sse;

int StringCompare::element(const std::array<std::uint8_t, 16>& bytes, unsigned i) const {
  const unsigned word = imm_ & 1 ? bytes[2 * i] | bytes[2 * i + 1] << 8 : bytes[i];
  if (!(imm_ & 2)) return static_cast<int>(word);
  return imm_ & 1 ? static_cast<std::int16_t>(word) : static_cast<std::int8_t>(word);
}

unsigned StringCompare::implicit_length(const std::array<std::uint8_t, 16>& bytes) const {
  unsigned n = 0;
  while (n < elements() && element(bytes, n) != 0) ++n;
  return n;
}

// The element j of b against those of a. Elements past the end compare as the table in SDM 2, 4.1.6 says.
bool StringCompare::aggregate(const StringOperand& a, const StringOperand& b, unsigned j) const {
  const bool b_valid = j < b.length;
  const int value = element(b.bytes, j);
  switch (imm_ >> 2 & 3) {
    case 0:  // equal any: one of a's elements
      for (unsigned i = 0; i < a.length; ++i)
        if (b_valid && element(a.bytes, i) == value) return true;
      return false;
    case 1:  // ranges: within one of a's pairs, lower bound first
      for (unsigned i = 0; i + 1 < a.length; i += 2)
        if (b_valid && element(a.bytes, i) <= value && value <= element(a.bytes, i + 1)) return true;
      return false;
    case 2:  // equal each
      if (!b_valid || j >= a.length) return !b_valid && j >= a.length;
      return element(a.bytes, j) == value;
    default:  // equal ordered: a begins here
      for (unsigned i = 0; j + i < elements() && i < a.length; ++i)
        if (j + i >= b.length || element(a.bytes, i) != element(b.bytes, j + i)) return false;
      return true;
  }
}

unsigned StringCompare::result(const StringOperand& a, const StringOperand& b) const {
  unsigned bits = 0;
  for (unsigned j = 0; j < elements(); ++j) bits |= static_cast<unsigned>(aggregate(a, b, j)) << j;
  const unsigned all = (1u << elements()) - 1, valid = (1u << b.length) - 1;
  switch (imm_ >> 4 & 3) {
    case 1:
      return bits ^ all;
    case 3:
      return bits ^ valid;
    default:
      return bits;
  }
}

namespace {

using Bytes = std::array<std::uint8_t, 16>;

Bytes bytes_of(__m128i v) {
  Bytes b;
  std::memcpy(b.data(), &v, 16);
  return b;
}

// A length in EAX or EDX (RAX, RDX with REX.W): its magnitude, at most what the vector holds.
template <bool kWide>
unsigned explicit_length(std::uint64_t r, unsigned elements) {
  std::uint64_t n = kWide ? r : static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(r)});
  if (n >> 63) n = 0 - n;
  return n > elements ? elements : static_cast<unsigned>(n);
}

void put_index(Core& c, const StringCompare& how, unsigned bits) {
  const unsigned none = how.elements();
  const auto lowest = static_cast<unsigned>(std::countr_zero(bits)),
             highest = static_cast<unsigned>(std::bit_width(bits)) - 1;
  c.st.gpr[kRcx] = bits == 0 ? none : how.most_significant() ? highest : lowest;
}

template <bool kVex>
void put_mask(Core& c, const StringCompare& how, unsigned bits) {
  if (!how.most_significant()) {
    put<kVex>(c, 0, from_parts(bits, 0));
    return;
  }
  Bytes mask{};
  const unsigned size = 16 / how.elements();
  for (unsigned n = 0; n < 16; ++n) mask[n] = bits >> (n / size) & 1 ? 0xff : 0;
  __m128i v;
  std::memcpy(&v, mask.data(), 16);
  put<kVex>(c, 0, v);
}

enum class Length { kImplicit, kExplicit, kExplicitWide };

template <Length kLength, bool kMask, bool kMemory, bool kVex>
Outcome compare_strings(Core& c, const Op& op) {
  if (!available<kVex>(c)) return unavailable<kVex>(c);
  __m128i second{};
  if (Outcome o = source<kMemory, 16, false>(c, op, second); failed(o)) return o;
  const StringCompare how(static_cast<unsigned>(op.imm & 0xff));
  StringOperand a{bytes_of(xmm(c, op.reg)), 0}, b{bytes_of(second), 0};
  if constexpr (kLength == Length::kImplicit) {
    a.length = how.implicit_length(a.bytes);
    b.length = how.implicit_length(b.bytes);
  } else {
    a.length = explicit_length<kLength == Length::kExplicitWide>(c.st.gpr[kRax], how.elements());
    b.length = explicit_length<kLength == Length::kExplicitWide>(c.st.gpr[kRdx], how.elements());
  }
  const unsigned bits = how.result(a, b);
  kMask ? put_mask<kVex>(c, how, bits) : put_index(c, how, bits);
  c.flags.load((bits != 0 ? kCf : 0) | (b.length < how.elements() ? kZf : 0) |
               (a.length < how.elements() ? kSf : 0) | (bits & 1 ? kOf : 0));
  return Outcome::kNext;
}

// Are the lengths in RAX and RDX? REX.W, or VEX.W, says so.
bool wide_lengths(const DecodedInstruction& d) {
  for (unsigned i = d.insn.operand_count_visible; i < d.insn.operand_count; ++i)
    if (d.is_reg(i) && d.op(i).reg.value == ZYDIS_REGISTER_RAX) return true;
  return false;
}

template <bool kLengthsGiven, bool kMask, bool kVex = false>
Handler bind_compare(const DecodedInstruction& d, Op&) {
  using enum Length;
  const bool memory = d.is_mem(1);
  if constexpr (kLengthsGiven) {
    if (wide_lengths(d))
      return memory ? compare_strings<kExplicitWide, kMask, true, kVex>
                    : compare_strings<kExplicitWide, kMask, false, kVex>;
    return memory ? compare_strings<kExplicit, kMask, true, kVex> : compare_strings<kExplicit, kMask, false, kVex>;
  }
  return memory ? compare_strings<kImplicit, kMask, true, kVex> : compare_strings<kImplicit, kMask, false, kVex>;
}

constexpr Form row(ZydisMnemonic m, Bind b) { return {m, CostClass::kCrypto, kStraight, b}; }

constexpr Form kForms[] = {
    row(ZYDIS_MNEMONIC_PCMPESTRI, bind_compare<true, false>),
    row(ZYDIS_MNEMONIC_PCMPESTRM, bind_compare<true, true>),
    row(ZYDIS_MNEMONIC_PCMPISTRI, bind_compare<false, false>),
    row(ZYDIS_MNEMONIC_PCMPISTRM, bind_compare<false, true>),
    row(ZYDIS_MNEMONIC_VPCMPESTRI, bind_compare<true, false, true>),
    row(ZYDIS_MNEMONIC_VPCMPESTRM, bind_compare<true, true, true>),
    row(ZYDIS_MNEMONIC_VPCMPISTRI, bind_compare<false, false, true>),
    row(ZYDIS_MNEMONIC_VPCMPISTRM, bind_compare<false, true, true>),
};

}  // namespace

std::span<const Form> sse_string_compare_forms() { return kForms; }

}  // namespace xensim::cpu::isa
