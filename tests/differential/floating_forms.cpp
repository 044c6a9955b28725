#include "tests/differential/floating_forms.h"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "models/cpu/form_name.h"

namespace xensim::differential {
namespace {

// A bit pattern of an IEEE format of kExponent and kFraction bits.
template <unsigned kExponent, unsigned kFraction>
std::uint64_t pattern(Rng& rng) {
  constexpr std::uint64_t kOnes = (std::uint64_t{1} << kExponent) - 1, kBias = kOnes >> 1;
  constexpr std::uint64_t kFractionMask = (std::uint64_t{1} << kFraction) - 1;
  const std::uint64_t sign = rng.below(2) << (kExponent + kFraction), r = rng.next();
  const auto of = [](std::uint64_t e, std::uint64_t f) { return (e << kFraction) | (f & kFractionMask); };
  switch (rng.below(14)) {
    case 0:
      return sign;
    case 1:
      return sign | of(kOnes, 0);
    case 2:
      return sign | of(kOnes, r | std::uint64_t{1} << (kFraction - 1));
    case 3:
      return sign | of(kOnes, (r & (kFractionMask >> 1)) | 1);
    case 4:
      return sign | of(0, r);
    case 5:
      return sign | of(0, r >> rng.below(64));
    case 6:
      return sign | of(1, r & 3);
    case 7:
      return sign | of(kOnes - 1, kFractionMask - (r & 3));
    case 8:
      return sign | of(kBias, r & 3);
    case 9:
      return sign | of(kBias + 31 + rng.below(2), r & 1);
    case 10:
      return sign | of(kBias + rng.below(66), r << rng.below(kFraction));
    case 11:
      return sign | of(kBias + rng.below(8), (r >> 61) << (kFraction - 3));
    default:
      return sign | of(r >> (64 - kExponent), rng.next());
  }
}

// Doubles around the range of singles, for narrowing.
std::uint64_t near_single(Rng& rng) {
  const bool high = rng.below(2) != 0;
  const std::uint64_t exponent = high ? 1023 + 126 + rng.below(4) : 1023 - 152 + rng.below(30);
  return rng.below(2) << 63 | exponent << 52 | (rng.next() & 0x000fffffffffffff);
}

struct Encoding {
  ZydisMnemonic mnemonic;
  std::vector<std::uint8_t> opcode;  // prefix, escapes and opcode byte; a REX goes before the 0F
  bool memory;
  bool rex;       // is a REX prefix of use?
  unsigned regs;  // values of ModRM.reg, or of all of ModRM's low six bits for x87 (one encoding each)
  int modrm = -1;
};

class Scanner {
 public:
  explicit Scanner(std::span<const cpu::Form> rows) {
    for (const cpu::Form& f : rows) mnemonics_.insert(f.mnemonic);
  }

  std::vector<Encoding> scan() {
    for (unsigned prefix : {0u, 0x66u, 0xf3u, 0xf2u})
      for (unsigned escape : {0u, 0x38u, 0x3au})
        for (unsigned opcode = 0; opcode < 256; ++opcode) {
          std::vector<std::uint8_t> bytes;
          if (prefix) bytes.push_back(static_cast<std::uint8_t>(prefix));
          bytes.push_back(0x0f);
          if (escape) bytes.push_back(static_cast<std::uint8_t>(escape));
          if (!escape && (opcode == 0x38 || opcode == 0x3a)) continue;
          bytes.push_back(static_cast<std::uint8_t>(opcode));
          group(bytes);
        }
    for (unsigned opcode = 0xd8; opcode < 0xe0; ++opcode)
      for (unsigned modrm = 0; modrm < 256; ++modrm) {
        if (modrm < 0xc0 && (modrm & 0xc7) != 0x06) continue;
        Encoding e{ZYDIS_MNEMONIC_INVALID, {static_cast<std::uint8_t>(opcode)}, modrm < 0xc0, false, 0,
                   static_cast<int>(modrm)};
        e.mnemonic = mnemonic_of(e.opcode, modrm);
        if (e.mnemonic != ZYDIS_MNEMONIC_INVALID) found_.push_back(e);
        e.opcode.insert(e.opcode.begin(), 0x66);
        const bool has_layouts = e.mnemonic == ZYDIS_MNEMONIC_FNSAVE || e.mnemonic == ZYDIS_MNEMONIC_FRSTOR ||
                                 e.mnemonic == ZYDIS_MNEMONIC_FNSTENV || e.mnemonic == ZYDIS_MNEMONIC_FLDENV;
        if (has_layouts) found_.push_back(e);
      }
    return found_;
  }

 private:
  ZydisMnemonic mnemonic_of(const std::vector<std::uint8_t>& opcode, unsigned modrm) {
    std::vector<std::uint8_t> bytes = opcode;
    bytes.push_back(static_cast<std::uint8_t>(modrm));
    bytes.resize(15);
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder_, bytes.data(), bytes.size(), &insn, operands)))
      return ZYDIS_MNEMONIC_INVALID;
    return mnemonics_.contains(insn.mnemonic) ? insn.mnemonic : ZYDIS_MNEMONIC_INVALID;
  }

  // An opcode's register and memory forms; the mnemonics of a group differ by ModRM.reg.
  void group(const std::vector<std::uint8_t>& opcode) {
    for (bool memory : {false, true}) {
      std::map<ZydisMnemonic, unsigned> regs;
      for (unsigned reg = 0; reg < 8; ++reg)
        if (const ZydisMnemonic m = mnemonic_of(opcode, (memory ? 0x06 : 0xc0) | reg << 3);
            m != ZYDIS_MNEMONIC_INVALID)
          regs[m] |= 1u << reg;
      for (const auto& [m, mask] : regs) found_.push_back({m, opcode, memory, true, mask});
    }
  }

  ZydisDecoder decoder_ = cpu::decoder_of_mode(64);
  std::set<ZydisMnemonic> mnemonics_;
  std::vector<Encoding> found_;
};

std::uint64_t operand_address(Rng& rng) {
  switch (rng.below(32)) {
    case 0:
      return kData + kDataSize - rng.below(17);
    case 1:
      return kData - rng.below(17);
    case 2:
      return kData + 4096 * (1 + rng.below(2)) - rng.below(16);
    case 3:
    case 4:
      return kMiddle + rng.below(64);
    default:
      return kMiddle + 16 * rng.below(8);
  }
}

void put_bytes(Instance& i, std::uint64_t address, const void* from, std::size_t size) {
  const auto* p = static_cast<const std::uint8_t*>(from);
  if (address < kData || address + size > kData + kDataSize) return;
  i.data.push_back({address, std::vector<std::uint8_t>(p, p + size)});
}

bool make(const Encoding& e, const AdjustFloating& adjust, Rng& rng, Instance& i) {
  for (auto& x : i.state.xmm) x = random_vector(rng);
  for (auto& r : i.state.gpr)
    if (rng.below(3) == 0) r = rng.below(2) ? random_double(rng) : random_single(rng);
  i.state.mxcsr = random_mxcsr(rng);
  random_x87(rng, i.state.x87);

  unsigned reg = static_cast<unsigned>(rng.below(8)), rm = static_cast<unsigned>(rng.below(8)), rex = 0;
  if (e.rex) {
    while (!(e.regs >> reg & 1)) reg = static_cast<unsigned>(rng.below(8));
    if (rng.below(2)) rex = 0x40 | static_cast<unsigned>(rng.below(16));
    if (e.regs != 0xff) rex &= ~4u;
  } else {
    reg = static_cast<unsigned>(e.modrm >> 3 & 7);
    rm = static_cast<unsigned>(e.modrm & 7);
  }
  std::uint64_t address = 0;
  std::vector<std::uint8_t> tail;
  if (e.memory) {
    while (rm == 4 || rm == 5) rm = static_cast<unsigned>(rng.below(8));
    const auto displacement = static_cast<std::int8_t>(rng.next());
    address = operand_address(rng);
    tail = {static_cast<std::uint8_t>(0x40 | reg << 3 | rm), static_cast<std::uint8_t>(displacement)};
    i.state.gpr[rm | (rex & 1) << 3] = address - static_cast<std::uint64_t>(std::int64_t{displacement});
    const auto v = random_vector(rng);
    put_bytes(i, address, v.data(), 16);
    if (!e.rex && rng.below(3) == 0) {
      const auto x = random_extended(rng);
      put_bytes(i, address, &x.significand, 8);
      put_bytes(i, address + 8, &x.sign_exponent, 2);
    }
  } else {
    tail = {static_cast<std::uint8_t>(0xc0 | reg << 3 | rm)};
  }
  if (e.mnemonic == ZYDIS_MNEMONIC_MASKMOVDQU || e.mnemonic == ZYDIS_MNEMONIC_MASKMOVQ)
    i.state.gpr[cpu::kRdi] = kMiddle + rng.below(64);

  i.code = e.opcode;
  if (rex) i.code.insert(std::find(i.code.begin(), i.code.end(), 0x0f), static_cast<std::uint8_t>(rex));
  i.code.insert(i.code.end(), tail.begin(), tail.end());
  // An immediate, if the instruction has one.
  const ZydisDecoder decoder = cpu::decoder_of_mode(64);
  std::vector<std::uint8_t> bytes = i.code;
  bytes.resize(15);
  ZydisDecodedInstruction insn;
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, bytes.data(), bytes.size(), &insn)))
    return false;
  if (i.code.size() > insn.length) i.code.resize(insn.length);  // no ModRM
  while (i.code.size() < insn.length)
    i.code.push_back(static_cast<std::uint8_t>(rng.below(2) ? rng.below(24) : rng.next()));
  return adjust(rng, e.mnemonic, i, address);
}

}  // namespace

std::uint32_t random_single(Rng& rng) { return static_cast<std::uint32_t>(pattern<8, 23>(rng)); }

std::uint64_t random_double(Rng& rng) { return rng.below(12) == 0 ? near_single(rng) : pattern<11, 52>(rng); }

std::array<std::uint64_t, 2> random_vector(Rng& rng) {
  std::array<std::uint64_t, 2> v;
  for (std::uint64_t& q : v) {
    switch (rng.below(5)) {
      case 0:
      case 1:
        q = random_single(rng) | static_cast<std::uint64_t>(random_single(rng)) << 32;
        break;
      case 2:
      case 3:
        q = random_double(rng);
        break;
      default:
        q = interesting(rng);
        break;
    }
  }
  // Now and then a shift count.
  if (rng.below(16) == 0) v = {rng.below(70), 0};
  return v;
}

cpu::X87::Register random_extended(Rng& rng) {
  const auto sign = static_cast<std::uint16_t>(rng.below(2) << 15);
  const auto with = [&](std::uint64_t exponent, std::uint64_t significand) {
    return cpu::X87::Register{significand, static_cast<std::uint16_t>(sign | exponent)};
  };
  const std::uint64_t r = rng.next(), one = std::uint64_t{1} << 63;
  switch (rng.below(16)) {
    case 0:
      return with(0, 0);
    case 1:
      return with(0x7fff, one);
    case 2:
      return with(0x7fff, r | 3ull << 62);
    case 3:
      return with(0x7fff, (r | one) & ~(1ull << 62));
    case 4:
      return with(0, r >> (1 + rng.below(63)));
    case 5:
      return with(0, r | one);  // pseudo-denormal
    case 6:
      return with(rng.below(0x8000), r & ~one);  // unnormal, pseudo-infinity, pseudo-NaN
    case 7:
      return with(0x3fff + rng.below(66), (r | one) & ~((1ull << rng.below(63)) - 1));
    case 8:
      return with(0x3fff + rng.below(66), r | one);
    case 9:
      return with(0x3ffd + rng.below(5), one);
    case 10:
      return with(0x3c00 - 1 + rng.below(0x800), r | one);  // around the range of doubles
    case 11:
      return with(0x3f80 - 30 + rng.below(60), r | one);  // around that of singles
    case 12:
      return with(0x7ffe - rng.below(3), r | one);
    case 13:
      return with(rng.below(64), r | one);
    case 14:
      return with(0x3fff - 10 + rng.below(20), r | one);
    default:
      return with(rng.below(0x7fff), r | one);
  }
}

std::uint32_t random_mxcsr(Rng& rng) {
  switch (rng.below(6)) {
    case 0:
      return 0x1f80;
    case 1:
      return 0x1f80 | static_cast<std::uint32_t>(rng.below(64));
    case 2:
      return 0x1f80 | static_cast<std::uint32_t>(rng.next() & 0x603f);
    case 3:
    case 4:
      return 0x1f80 | static_cast<std::uint32_t>(rng.next() & 0xe07f);
    default: {
      auto v = static_cast<std::uint32_t>(rng.next() & 0xffff);
      // Beside an unmasked overflow or underflow the inexact flag is approximate: sse_mxcsr.h.
      if ((v & 0x0c00) != 0x0c00) v |= 0x20;
      return v;
    }
  }
}

void random_x87(Rng& rng, cpu::X87& x) {
  x.control = 0x037f;
  if (rng.below(2)) x.control = static_cast<std::uint16_t>((rng.next() & 0x0f00) | 0x7f);
  if (rng.below(4) == 0) x.control = static_cast<std::uint16_t>((rng.next() & 0x0f3f) | 0x40);
  auto status = static_cast<unsigned>(rng.next() & (rng.below(2) ? 0x7f7f : 0x7f00));
  if (status & 0x40) status |= 1;
  x.status = static_cast<std::uint16_t>(status & ~(~x.control & 0x3fu));
  x.tag_valid = static_cast<std::uint8_t>(rng.below(3) ? 0xff : rng.next());
  for (auto& r : x.r) r = random_extended(rng);
  if (rng.below(8) == 0) x.r[1] = x.r[0];
}

std::vector<Form> forms_of_family(std::span<const cpu::Form> rows, AdjustFloating adjust) {
  std::vector<Form> forms;
  for (const Encoding& e : Scanner(rows).scan()) {
    Form f;
    f.name = ZydisMnemonicGetString(e.mnemonic);
    for (const std::uint8_t b : e.opcode) {
      char s[8];
      std::snprintf(s, sizeof s, " %02x", b);
      f.name += s;
    }
    if (e.modrm >= 0) f.name += "/" + std::to_string(e.modrm);
    f.name += e.memory ? " memory" : " register";
    f.vector_state = true;
    f.make = [e, adjust](Rng& rng, Instance& i) { return make(e, adjust, rng, i); };
    forms.push_back(std::move(f));
  }
  return forms;
}

// Equal, both NaN, or within 1.5 × 2⁻¹² of each other's value; twice that, because both sides are approximate.
// Near the ends of the range processors also differ in where they give zero.
std::string compare_approximate(const Instance&, const Result& host, const Result& simulated) {
  if (host.state.mxcsr != simulated.state.mxcsr) return "  mxcsr differs\n";
  for (unsigned x = 0; x < 16; ++x)
    for (unsigned lane = 0; lane < 8; ++lane) {
      const auto of = [&](const Result& r) {
        const auto& halves = lane < 4 ? r.state.xmm : r.state.ymm_high;
        return static_cast<std::uint32_t>(halves[x][lane / 2 % 2] >> (lane % 2 * 32));
      };
      const auto h = std::bit_cast<float>(of(host)), s = std::bit_cast<float>(of(simulated));
      if (of(host) == of(simulated) || (std::isnan(h) && std::isnan(s))) continue;
      if (std::fabs(h) <= 0x1p-126f && std::fabs(s) <= 0x1p-126f) continue;
      if (!(std::fabs(h - s) <= std::fabs(h) * (3.0f / 4096)))
        return "  xmm" + std::to_string(x) + " is far off\n";
    }
  return {};
}

}  // namespace xensim::differential
