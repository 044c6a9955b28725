// x87 and FXSAVE against the host. Not compared: the pointers to the last instruction and operand (processors
// differ in when they record them, and the two sides run at different places), and the flags of FCOMI after an
// unmasked invalid operation (Intel's leave them, AMD's do not) and C1 (Intel's clear it, AMD's do not). FBLD sees
// decimal digits only, FYL2XP1 its domain only. Transcendental functions may be a unit in the last place apart.
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstring>

#include "models/cpu/isa/fxsave.h"
#include "models/cpu/isa/x87_extended.h"
#include "models/cpu/isa/x87_state.h"
#include "tests/differential/floating_forms.h"

namespace xensim::differential {
namespace {

void put(Instance& i, std::uint64_t address, const std::vector<std::uint8_t>& bytes) {
  if (address >= kData && address + bytes.size() <= kData + kDataSize) i.data.push_back({address, bytes});
}

// A whole x87 state in memory, in the layout that the instruction loads. Exceptions may be pending in it.
std::vector<std::uint8_t> image(Rng& rng, ZydisMnemonic m, bool narrow) {
  cpu::ArchState st;
  random_x87(rng, st.x87);
  if (rng.below(4) == 0) st.x87.status |= static_cast<std::uint16_t>(rng.below(64));
  st.mxcsr = random_mxcsr(rng);
  for (auto& x : st.xmm) {
    const auto v = random_vector(rng);
    x.q[0] = v[0];
    x.q[1] = v[1];
  }
  if (m == ZYDIS_MNEMONIC_FXRSTOR || m == ZYDIS_MNEMONIC_FXRSTOR64) {
    std::vector<std::uint8_t> bytes(cpu::isa::kFxsaveBytes);
    cpu::isa::store_fxsave_image(st, m == ZYDIS_MNEMONIC_FXRSTOR64, 16, bytes.data());
    if (rng.below(8) == 0) bytes[26] = 1;
    return bytes;
  }
  const unsigned environment = narrow ? 14 : 28, step = narrow ? 2 : 4;
  std::vector<std::uint8_t> bytes(environment + 80);
  const std::uint16_t words[3] = {st.x87.control, st.x87.status, cpu::isa::x87::full_tags(st.x87)};
  for (unsigned n = 0; n < 3; ++n) std::memcpy(&bytes[n * step], &words[n], 2);
  cpu::isa::x87::store_stack(st.x87, &bytes[environment]);
  return bytes;
}

bool adjust(Rng& rng, ZydisMnemonic m, Instance& i, std::uint64_t address) {
  // Images go over memory piece by piece, and which piece meets a missing page first differs.
  const bool whole = address >= kData && address + cpu::isa::kFxsaveBytes <= kData + kDataSize;
  switch (m) {
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FNSTENV:
      if (!whole) return false;
      break;
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64:
    case ZYDIS_MNEMONIC_FRSTOR:
    case ZYDIS_MNEMONIC_FLDENV:
      if (!whole) return false;
      put(i, address, image(rng, m, i.code[0] == 0x66));
      break;
    case ZYDIS_MNEMONIC_FCOMI:
    case ZYDIS_MNEMONIC_FCOMIP:
    case ZYDIS_MNEMONIC_FUCOMI:
    case ZYDIS_MNEMONIC_FUCOMIP:
      i.state.x87.control |= 3;
      i.state.x87.status &= 0xfdff;
      break;
    case ZYDIS_MNEMONIC_F2XM1:
    case ZYDIS_MNEMONIC_FYL2X:  // see compare_transcendental()
      i.state.x87.status &= 0xffcf;
      break;
    case ZYDIS_MNEMONIC_FYL2XP1: {
      cpu::X87::Register& x = i.state.x87.r[cpu::isa::x87::top(i.state.x87)];
      if ((x.sign_exponent & 0x7fff) >= 0x3ffd && (x.sign_exponent & 0x7fff) != 0x7fff)
        x.sign_exponent = static_cast<std::uint16_t>((x.sign_exponent & 0x8000) | (0x3ffc - rng.below(70)));
      break;
    }
    case ZYDIS_MNEMONIC_FBLD: {
      std::vector<std::uint8_t> digits(10);
      for (auto& d : digits) d = static_cast<std::uint8_t>(rng.below(10) | rng.below(10) << 4);
      digits[9] &= 0x80;
      put(i, address, digits);
      break;
    }
    default:
      break;
  }
  return true;
}

// The bytes of a stored image that hold pointers or MXCSR's mask, or that FXSAVE leaves to software.
struct Range {
  unsigned from, to;
};
std::vector<Range> not_compared(const std::string& name) {
  if (name.starts_with("fxsave")) return {{6, 24}, {28, 32}, {416, 512}};
  if (name.starts_with("fnsave 66") || name.starts_with("fnstenv 66")) return {{6, 14}};
  if (name.starts_with("fnsave") || name.starts_with("fnstenv")) return {{12, 28}};
  return {};
}

std::string compare_stored(const std::vector<Range>& ranges, const Instance& i, const Result& host,
                           const Result& simulated) {
  // The operand is [base + disp8], as forms_of_family() makes it.
  const std::size_t n = i.code.size();
  unsigned base = i.code[n - 2] & 7;
  for (const std::uint8_t b : i.code) {
    if (b == 0x0f || b >= 0xd8) break;
    if ((b & 0xf0) == 0x40) base |= (b & 1u) << 3;
  }
  const std::uint64_t address =
      i.state.gpr[base] + static_cast<std::uint64_t>(std::int64_t{static_cast<std::int8_t>(i.code[n - 1])});
  std::vector<std::uint8_t> h = host.data, s = simulated.data;
  for (const Range& r : ranges)
    for (unsigned b = r.from; b < r.to; ++b) {
      const std::uint64_t at = address - kData + b;
      if (at < kDataSize) h[at] = s[at] = 0;
    }
  std::string out;
  for (std::size_t b = 0; b < h.size(); ++b)
    if (h[b] != s[b]) out += "  byte " + std::to_string(b - (address - kData)) + " of the image differs\n";
  const cpu::X87 &a = host.state.x87, &z = simulated.state.x87;
  if (a.control != z.control || a.status != z.status || a.tag_valid != z.tag_valid) out += "  x87 state differs\n";
  if (host.state.gpr != simulated.state.gpr || host.state.xmm != simulated.state.xmm)
    out += "  registers differ\n";
  return out;
}

}  // namespace

bool is_transcendental(const std::string& name) {
  for (const char* n : {"f2xm1 ", "fyl2x ", "fyl2xp1 ", "fptan ", "fpatan ", "fsin ", "fcos ", "fsincos "})
    if (name.starts_with(n)) return true;
  return false;
}

// How often the two sides' results were the same number, of those that were compared.
struct {
  unsigned long compared = 0, same = 0;
} transcendental_results;

// Results may be one unit in the last place apart, and C1 may differ: both depend on digits behind the last that
// processors compute differently. And AMD's processors call exact results inexact (2^−1 − 1, y log2 of a power of
// two).
std::string compare_transcendental(const Instance&, const Result& host, const Result& simulated) {
  using namespace cpu::isa::x87;
  const auto position = [](const Extended& r) {
    return static_cast<unsigned __int128>(r.sign_exponent & 0x7fff) << 63 | (r.significand & ~kIntegerBit);
  };
  cpu::X87 h = host.state.x87;
  const cpu::X87& s = simulated.state.x87;
  std::string out;
  bool same = true;
  for (unsigned i = 0; i < 8; ++i) {
    if (h.r[i].significand == s.r[i].significand && h.r[i].sign_exponent == s.r[i].sign_exponent) continue;
    same = false;
    const auto a = position(h.r[i]), b = position(s.r[i]);
    if (is_negative(h.r[i]) != is_negative(s.r[i]) || (a > b ? a - b : b - a) > 1)
      out += "  R" + std::to_string(i) + " is more than one unit in the last place off\n";
  }
  ++transcendental_results.compared;
  transcendental_results.same += same;
  if (!(s.status & kPrecision)) h.status &= static_cast<std::uint16_t>(~kPrecision & (s.status | ~kUnderflow));
  update_summary(h);
  if ((h.status ^ s.status) & ~kC1)
    out += "  status words: host " + std::to_string(h.status) + ", simulated " + std::to_string(s.status) + "\n";
  if (h.tag_valid != s.tag_valid) out += "  tags differ\n";
  return out;
}

TEST_CASE("x87 instructions and state images give what the host gives") {
  std::vector<Form> forms = forms_of_family(cpu::isa::x87_forms(), adjust);
  for (Form& f : forms) {
    if (is_transcendental(f.name)) f.compare = compare_transcendental;
    if (const auto ranges = not_compared(f.name); !ranges.empty())
      f.compare = [ranges](const Instance& i, const Result& host, const Result& simulated) {
        return compare_stored(ranges, i, host, simulated);
      };
  }
  CHECK(forms.size() > 400);
  run_forms(forms);
  if (case_count() > 50)
    std::printf("x87 transcendental functions: %lu of %lu results have the host's bits\n",
                transcendental_results.same, transcendental_results.compared);
}

}  // namespace xensim::differential
