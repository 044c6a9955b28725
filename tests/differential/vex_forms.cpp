// Every VEX-encoded vector instruction (AVX, AVX2, FMA, F16C, and VEX forms of AES-NI and PCLMULQDQ) against the
// host: all encodings that decode to a mnemonic of the family's table, found by going through the maps, prefixes,
// lengths and opcodes. Not compared: RCP and RSQRT beyond their error bound; and what a gather that faults has
// done to elements that it has not come to, which the manual leaves open.
#include <Zydis/Zydis.h>

#include <bit>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "models/cpu/form.h"
#include "models/cpu/form_name.h"
#include "tests/differential/floating_forms.h"

namespace xensim::differential {
namespace {

struct Encoding {
  ZydisMnemonic mnemonic;
  unsigned map, prefix, opcode;
  bool memory, vsib, second_source;
  // What else is open: bit n of each is set if value n gives this instruction.
  unsigned lengths, wides, regs;
  std::string name;
};

// A three-byte VEX prefix and what follows. Register numbers are of four bits.
std::vector<std::uint8_t> encode(const Encoding& e, unsigned length, unsigned wide, unsigned reg, unsigned source,
                                 unsigned rm_high, unsigned index_high, std::vector<std::uint8_t> tail) {
  std::vector<std::uint8_t> code = {
      0xc4, static_cast<std::uint8_t>((~reg & 8) << 4 | (index_high ? 0 : 0x40) | (rm_high ? 0 : 0x20) | e.map),
      static_cast<std::uint8_t>(wide << 7 | (~source & 15) << 3 | length << 2 | e.prefix),
      static_cast<std::uint8_t>(e.opcode)};
  tail[0] = static_cast<std::uint8_t>(tail[0] | (reg & 7) << 3);
  code.insert(code.end(), tail.begin(), tail.end());
  return code;
}

struct Decoded {
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};
bool decode(std::vector<std::uint8_t> code, Decoded& out) {
  const ZydisDecoder decoder = cpu::decoder_of_mode(64);
  code.resize(15);
  return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &out.insn, out.operands)) &&
         out.insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
}

// All encodings whose mnemonic is wanted. Those that differ in VEX.W, VEX.L or ModRM.reg alone, and not in their
// operands' sizes, are one.
std::vector<Encoding> scan(const std::set<ZydisMnemonic>& wanted) {
  std::map<std::string, Encoding> found;
  for (unsigned bits = 0; bits < 3 * 4 * 256 * 2 * 2 * 2 * 8; ++bits) {
    Encoding e{};
    unsigned n = bits;
    const auto take = [&n](unsigned count) {
      const unsigned v = n % count;
      n /= count;
      return v;
    };
    const unsigned reg = take(8), length = take(2), wide = take(2);
    e.memory = take(2);
    e.opcode = take(256);
    e.prefix = take(4);
    e.map = 1 + take(3);
    const std::vector<std::uint8_t> plain = {static_cast<std::uint8_t>(e.memory ? 0x06 : 0xc2)},
                                    sib = {0x04, 0x25};
    Decoded d;
    e.second_source = decode(encode(e, length, wide, reg, 9, 0, 0, plain), d);
    if (!e.second_source && !decode(encode(e, length, wide, reg, 0, 0, 0, plain), d)) {
      // Gathers need a SIB byte, and three registers that differ.
      e.vsib = e.second_source = e.memory && decode(encode(e, length, wide, reg, 9, 0, 0, {0x04, 0x36}), d);
      if (!e.vsib) continue;
    }
    if (!wanted.contains(d.insn.mnemonic)) continue;
    // Extensions of their own, which the modelled processor does not have.
    if (d.insn.meta.isa_set == ZYDIS_ISA_SET_VAES || d.insn.meta.isa_set == ZYDIS_ISA_SET_VPCLMULQDQ) continue;
    e.mnemonic = d.insn.mnemonic;
    e.name = ZydisMnemonicGetString(e.mnemonic);
    char s[32];
    std::snprintf(s, sizeof s, " vex %u.%u %02x", e.map, e.prefix, e.opcode);
    e.name += s;
    for (unsigned i = 0; i < d.insn.operand_count_visible; ++i)
      e.name += (i == 0 ? " " : ",") + std::to_string(d.operands[i].size);
    e.name += e.memory ? " memory" : " register";
    Encoding& known = found.try_emplace(e.name, e).first->second;
    known.lengths |= 1u << length;
    known.wides |= 1u << wide;
    known.regs |= 1u << reg;
  }
  std::vector<Encoding> all;
  for (auto& [name, e] : found) all.push_back(e);
  return all;
}

std::uint64_t operand_address(Rng& rng) {
  switch (rng.below(24)) {
    case 0:
      return kData + kDataSize - rng.below(33);
    case 1:
      return kData - rng.below(33);
    case 2:
      return kData + 4096 * (1 + rng.below(2)) - rng.below(32);
    case 3:
    case 4:
      return kMiddle + rng.below(64);
    default:
      return kMiddle + 32 * rng.below(8);
  }
}

unsigned one_of(Rng& rng, unsigned set, unsigned count) {
  for (;;)
    if (const auto v = static_cast<unsigned>(rng.below(count)); set >> v & 1) return v;
}

// Indices that lead near the base, now and then out of the data area.
void set_indices(Rng& rng, Instance& i, unsigned reg, bool wide_index) {
  std::uint8_t bytes[32];
  for (unsigned n = 0; n < 32; n += wide_index ? 8 : 4) {
    const auto v = static_cast<std::int64_t>(rng.below(160)) - 80;
    const std::int64_t index = rng.below(40) == 0 ? v * 64 : v;
    std::memcpy(bytes + n, &index, wide_index ? 8 : 4);
  }
  std::memcpy(i.state.xmm[reg].data(), bytes, 16);
  std::memcpy(i.state.ymm_high[reg].data(), bytes + 16, 16);
}

bool make(const Encoding& e, Rng& rng, Instance& i) {
  for (unsigned n = 0; n < 16; ++n) {
    i.state.xmm[n] = random_vector(rng);
    if (host_has_avx()) i.state.ymm_high[n] = random_vector(rng);
  }
  for (auto& r : i.state.gpr)
    if (rng.below(3) == 0) r = rng.below(2) ? random_double(rng) : random_single(rng);
  i.state.mxcsr = random_mxcsr(rng);

  const unsigned length = one_of(rng, e.lengths, 2), wide = one_of(rng, e.wides, 2);
  unsigned reg = one_of(rng, e.regs, 8);
  if (e.regs == 0xff) reg |= static_cast<unsigned>(rng.below(2)) << 3;
  const auto source = e.second_source ? static_cast<unsigned>(rng.below(16)) : 0;
  auto rm = static_cast<unsigned>(rng.below(16)), index = 0u;
  std::vector<std::uint8_t> tail;
  if (e.memory) {
    while ((rm & 7) == 4 || (rm & 7) == 5) rm = static_cast<unsigned>(rng.below(16));
    const auto displacement = static_cast<std::int8_t>(rng.next());
    const std::uint64_t address = operand_address(rng);
    tail = {static_cast<std::uint8_t>(0x40 | (rm & 7))};
    if (e.vsib) {
      index = static_cast<unsigned>(rng.below(16));
      tail = {0x44, static_cast<std::uint8_t>(rng.below(4) << 6 | (index & 7) << 3 | (rm & 7))};
      set_indices(rng, i, index, (e.opcode & 1) != 0);
    }
    tail.push_back(static_cast<std::uint8_t>(displacement));
    i.state.gpr[rm] = address - static_cast<std::uint64_t>(std::int64_t{displacement});
    for (const std::uint64_t at : {address, address + 16}) {
      const auto v = random_vector(rng);
      if (at < kData || at + 16 > kData + kDataSize) continue;
      std::vector<std::uint8_t> bytes(16);
      std::memcpy(bytes.data(), v.data(), 16);
      i.data.push_back({at, bytes});
    }
  } else {
    tail = {static_cast<std::uint8_t>(0xc0 | (rm & 7))};
  }
  if (e.mnemonic == ZYDIS_MNEMONIC_VMASKMOVDQU) i.state.gpr[cpu::kRdi] = kMiddle + rng.below(64);
  i.code = encode(e, length, wide, reg, source, rm >> 3, index >> 3, tail);
  // The two-byte prefix, where there is one.
  if (e.map == 1 && wide == 0 && (i.code[1] & 0x60) == 0x60 && rng.below(2)) {
    const auto second = static_cast<std::uint8_t>((i.code[1] & 0x80) | (i.code[2] & 0x7f));
    i.code.erase(i.code.begin());
    i.code[0] = 0xc5;
    i.code[1] = second;
  }
  Decoded d;
  if (!decode(i.code, d)) return false;
  if (i.code.size() > d.insn.length) i.code.resize(d.insn.length);  // no ModRM
  while (i.code.size() < d.insn.length)
    i.code.push_back(static_cast<std::uint8_t>(rng.below(2) ? rng.below(32) : rng.next()));
  if (e.mnemonic == ZYDIS_MNEMONIC_VLDMXCSR) {
    const std::uint64_t address =
        i.state.gpr[rm] + static_cast<std::uint64_t>(std::int64_t{static_cast<std::int8_t>(i.code.back())});
    const std::uint32_t v = random_mxcsr(rng);
    std::vector<std::uint8_t> bytes(4);
    std::memcpy(bytes.data(), &v, 4);
    if (address < kData || address + 4 > kData + kDataSize) return false;
    i.data.push_back({address, bytes});
  }
  return true;
}

std::set<ZydisMnemonic> vex_mnemonics() {
  std::set<ZydisMnemonic> wanted;
  for (const cpu::Form& f : cpu::isa::sse_forms())
    if (ZydisMnemonicGetString(f.mnemonic)[0] == 'v') wanted.insert(f.mnemonic);
  return wanted;
}

bool is_approximate(const std::string& name) { return name.starts_with("vrcp") || name.starts_with("vrsqrt"); }

}  // namespace

TEST_CASE("VEX-encoded instructions give what the host gives, flags and faults included") {
  std::vector<Form> forms;
  for (const Encoding& e : scan(vex_mnemonics())) {
    Form f;
    f.name = e.name;
    f.vector_state = true;
    f.make = [e](Rng& rng, Instance& i) { return make(e, rng, i); };
    if (is_approximate(f.name)) f.compare = compare_approximate;
    forms.push_back(std::move(f));
  }
  CHECK(forms.size() > 900);
  run_forms(forms);
}

TEST_CASE("no VEX-encoded instruction of AVX, AVX2, FMA, F16C, AES-NI or PCLMULQDQ is missing") {
  std::set<ZydisMnemonic> all;
  for (unsigned m = 1; m <= ZYDIS_MNEMONIC_MAX_VALUE; ++m) all.insert(static_cast<ZydisMnemonic>(m));
  for (const Encoding& e : scan(all)) {
    Decoded d;
    const unsigned length = e.lengths & 1 ? 0 : 1, wide = e.wides & 1 ? 0 : 1,
                   reg = static_cast<unsigned>(std::countr_zero(e.regs));
    std::vector<std::uint8_t> tail = {static_cast<std::uint8_t>(e.memory ? 0x06 : 0xc2)};
    if (e.vsib) tail = {0x04, 0x36};
    if (!decode(encode(e, length, wide, reg, e.second_source ? 9 : 0, 0, 0, tail), d)) continue;
    switch (d.insn.meta.isa_set) {
      case ZYDIS_ISA_SET_AVX:
      case ZYDIS_ISA_SET_AVX2:
      case ZYDIS_ISA_SET_AVX2GATHER:
      case ZYDIS_ISA_SET_FMA:
      case ZYDIS_ISA_SET_F16C:
      case ZYDIS_ISA_SET_AVXAES: {
        INFO(e.name);
        CHECK(cpu::find_form(e.mnemonic) != nullptr);
        break;
      }
      default:
        break;
    }
  }
}

}  // namespace xensim::differential
