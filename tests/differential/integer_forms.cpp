// Integer arithmetic, logic, shifts, bit instructions and atomics against the host.
#include <catch2/catch.hpp>

#include "tests/differential/operands.h"

namespace xensim::differential {
namespace {

using namespace xensim::cpu;

constexpr std::initializer_list<unsigned> kAll = {8, 16, 32, 64}, kWords = {16, 32, 64}, kLongs = {32, 64};

// A divisor and dividend whose quotient fits more often than chance would have it.
bool fitting_quotient(Rng& rng, Instance& i, const Chosen& c) {
  if (rng.below(4) == 0) return true;
  // Upper half: a small number, or the sign of the lower half.
  std::uint64_t upper = rng.below(3);
  if (rng.below(2)) upper = i.state.gpr[kRax] >> 63 ? ~std::uint64_t{0} : 0;
  const ZydisEncoderOperand& o = c.request.operands[0];
  const bool uses_rdx = o.type == ZYDIS_OPERAND_TYPE_MEMORY
                            ? ZydisRegisterGetId(o.mem.base) == 2 || ZydisRegisterGetId(o.mem.index) == 2
                            : gpr_of(o.reg.value) == kRdx;
  if (!uses_rdx) i.state.gpr[kRdx] = upper;
  return true;
}

// Shifts by more than 16 bits differ between vendors.
bool within_16_bits(Rng&, Instance& i, const Chosen& c) {
  const ZydisEncoderOperand& o = c.request.operands[2];
  const std::uint64_t count = o.type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? o.imm.u : i.state.gpr[kRcx];
  return (count & 31) <= 16;
}

// Bit strings: the number stays inside the data area.
bool near_bit(Rng& rng, Instance& i, const Chosen& c) {
  const ZydisEncoderOperand& m = c.request.operands[0];
  const unsigned r = gpr_of(c.request.operands[1].reg.value);
  if (m.mem.base != ZYDIS_REGISTER_RIP && gpr_of(m.mem.base) == r) return false;
  if (m.mem.index != ZYDIS_REGISTER_NONE && gpr_of(m.mem.index) == r) return false;
  i.state.gpr[r] = rng.below(32768) - 16384;
  return true;
}

// Comparisons that succeed half of the time.
bool often_equal(Rng& rng, Instance& i, const Chosen& c) {
  if (rng.below(2)) return true;
  const ZydisEncoderOperand& o = c.request.operands[0];
  if (o.type == ZYDIS_OPERAND_TYPE_REGISTER) {
    const unsigned r = gpr_of(o.reg.value);
    if (r < 16) i.state.gpr[r] = i.state.gpr[kRax];
    return true;
  }
  if (c.address < kData || c.address + o.mem.size > kData + kDataSize) return true;
  std::vector<std::uint8_t> bytes(o.mem.size);
  const bool pair =
      c.request.mnemonic == ZYDIS_MNEMONIC_CMPXCHG8B || c.request.mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B;
  const unsigned half = pair ? o.mem.size / 2 : o.mem.size;
  for (unsigned n = 0; n < o.mem.size; ++n)
    bytes[n] = static_cast<std::uint8_t>(i.state.gpr[n < half ? kRax : kRdx] >> (8 * (n % half)));
  i.data.emplace_back(c.address, bytes);
  return true;
}

}  // namespace

TEST_CASE("addition, subtraction and comparison give what the host gives") {
  std::vector<Form> f;
  for (ZydisMnemonic m :
       {ZYDIS_MNEMONIC_ADD, ZYDIS_MNEMONIC_ADC, ZYDIS_MNEMONIC_SUB, ZYDIS_MNEMONIC_SBB, ZYDIS_MNEMONIC_CMP})
    add_forms(f, m, {"rr", "rm", "mr", "ri", "mi"}, kAll);
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_INC, ZYDIS_MNEMONIC_DEC, ZYDIS_MNEMONIC_NEG})
    add_forms(f, m, {"r", "m"}, kAll);
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_ADCX, ZYDIS_MNEMONIC_ADOX}) add_forms(f, m, {"rr", "rm"}, kLongs);
  run_forms(f);
}

TEST_CASE("multiplication and division give what the host gives") {
  std::vector<Form> f;
  constexpr std::uint64_t kAfterMultiply = kSf | kZf | kAf | kPf;
  add_forms(f, ZYDIS_MNEMONIC_MUL, {"r", "m"}, kAll, kAfterMultiply);
  add_forms(f, ZYDIS_MNEMONIC_IMUL, {"r", "m"}, kAll, kAfterMultiply);
  add_forms(f, ZYDIS_MNEMONIC_IMUL, {"rr", "rm", "rri", "rmi"}, kWords, kAfterMultiply);
  add_forms(f, ZYDIS_MNEMONIC_DIV, {"r", "m"}, kAll, kStatusFlags, fitting_quotient);
  add_forms(f, ZYDIS_MNEMONIC_IDIV, {"r", "m"}, kAll, kStatusFlags, fitting_quotient);
  run_forms(f);
}

TEST_CASE("bitwise logic gives what the host gives") {
  std::vector<Form> f;
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_AND, ZYDIS_MNEMONIC_OR, ZYDIS_MNEMONIC_XOR})
    add_forms(f, m, {"rr", "rm", "mr", "ri", "mi"}, kAll, kAf);
  add_forms(f, ZYDIS_MNEMONIC_TEST, {"rr", "mr", "ri", "mi"}, kAll, kAf);
  add_forms(f, ZYDIS_MNEMONIC_NOT, {"r", "m"}, kAll);
  run_forms(f);
}

TEST_CASE("shifts and rotates give what the host gives") {
  std::vector<Form> f;
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_SHL, ZYDIS_MNEMONIC_SHR, ZYDIS_MNEMONIC_SAR}) {
    add_forms(f, m, {"r1", "m1"}, kAll, kAf);
    add_forms(f, m, {"rb", "mb", "rc", "mc"}, kAll, kAf | kOf | kCf);
  }
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_ROL, ZYDIS_MNEMONIC_ROR, ZYDIS_MNEMONIC_RCL, ZYDIS_MNEMONIC_RCR}) {
    add_forms(f, m, {"r1", "m1"}, kAll);
    add_forms(f, m, {"rb", "mb", "rc", "mc"}, kAll, kOf);
  }
  add_forms(f, ZYDIS_MNEMONIC_SHLD, {"rrb", "mrb", "rrc", "mrc"}, kLongs, kAf | kOf);
  add_forms(f, ZYDIS_MNEMONIC_SHRD, {"rrb", "mrb", "rrc", "mrc"}, kLongs, kAf | kOf);
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_SHLD, ZYDIS_MNEMONIC_SHRD})
    add_forms(f, m, {"rrb", "mrb", "rrc", "mrc"}, {16}, kAf | kOf, within_16_bits);
  run_forms(f);
}

TEST_CASE("bit tests, scans and counts give what the host gives") {
  std::vector<Form> f;
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_BT, ZYDIS_MNEMONIC_BTS, ZYDIS_MNEMONIC_BTR, ZYDIS_MNEMONIC_BTC}) {
    add_forms(f, m, {"rr", "rb", "mb"}, kWords, kOf | kSf | kAf | kPf);
    add_forms(f, m, {"mr"}, kWords, kOf | kSf | kAf | kPf, near_bit);
  }
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_BSF, ZYDIS_MNEMONIC_BSR})
    add_forms(f, m, {"rr", "rm"}, kWords, kStatusFlags & ~kZf);
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_TZCNT, ZYDIS_MNEMONIC_LZCNT})
    add_forms(f, m, {"rr", "rm"}, kWords, kOf | kSf | kAf | kPf);
  add_forms(f, ZYDIS_MNEMONIC_POPCNT, {"rr", "rm"}, kWords);
  add_forms(f, ZYDIS_MNEMONIC_CRC32, {"dy", "dY", "dw", "dW", "dd", "dD"}, {32});
  add_forms(f, ZYDIS_MNEMONIC_CRC32, {"qy", "qY", "qq", "qQ"}, {64});
  run_forms(f);
}

TEST_CASE("BMI1 and BMI2 give what the host gives") {
  std::vector<Form> f;
  add_forms(f, ZYDIS_MNEMONIC_ANDN, {"rrr", "rrm"}, kLongs, kAf | kPf);
  add_forms(f, ZYDIS_MNEMONIC_BEXTR, {"rrr", "rmr"}, kLongs, kAf | kPf | kSf);
  add_forms(f, ZYDIS_MNEMONIC_BZHI, {"rrr", "rmr"}, kLongs, kAf | kPf);
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_BLSI, ZYDIS_MNEMONIC_BLSR, ZYDIS_MNEMONIC_BLSMSK})
    add_forms(f, m, {"rr", "rm"}, kLongs, kAf | kPf);
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_MULX, ZYDIS_MNEMONIC_PDEP, ZYDIS_MNEMONIC_PEXT})
    add_forms(f, m, {"rrr", "rrm"}, kLongs);
  add_forms(f, ZYDIS_MNEMONIC_RORX, {"rrb", "rmb"}, kLongs);
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_SARX, ZYDIS_MNEMONIC_SHLX, ZYDIS_MNEMONIC_SHRX})
    add_forms(f, m, {"rrr", "rmr"}, kLongs);
  run_forms(f);
}

TEST_CASE("exchange-and-add and compare-and-exchange give what the host gives") {
  std::vector<Form> f;
  add_forms(f, ZYDIS_MNEMONIC_XADD, {"rr", "mr"}, kAll);
  add_forms(f, ZYDIS_MNEMONIC_CMPXCHG, {"rr", "mr"}, kAll, 0, often_equal);
  add_forms(f, ZYDIS_MNEMONIC_CMPXCHG8B, {"Q"}, {64}, 0, often_equal);
  add_forms(f, ZYDIS_MNEMONIC_CMPXCHG16B, {"X"}, {64}, 0, often_equal);
  add_forms(f, ZYDIS_MNEMONIC_CMPXCHG16B, {"X"}, {128}, 0,
            [](Rng& rng, Instance& i, const Chosen& c) { return c.address % 16 == 0 && often_equal(rng, i, c); });
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_ADD, ZYDIS_MNEMONIC_ADC, ZYDIS_MNEMONIC_SUB, ZYDIS_MNEMONIC_SBB})
    add_forms(f, m, {"mr", "mi"}, kAll, 0, {}, ZYDIS_ATTRIB_HAS_LOCK);
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_AND, ZYDIS_MNEMONIC_OR, ZYDIS_MNEMONIC_XOR})
    add_forms(f, m, {"mr", "mi"}, kAll, kAf, {}, ZYDIS_ATTRIB_HAS_LOCK);
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_XADD, ZYDIS_MNEMONIC_XCHG})
    add_forms(f, m, {"mr"}, kAll, 0, {}, ZYDIS_ATTRIB_HAS_LOCK);
  add_forms(f, ZYDIS_MNEMONIC_CMPXCHG8B, {"Q"}, {64}, 0, often_equal, ZYDIS_ATTRIB_HAS_LOCK);
  add_forms(
      f, ZYDIS_MNEMONIC_CMPXCHG16B, {"X"}, {128}, 0,
      [](Rng& rng, Instance& i, const Chosen& c) { return c.address % 16 == 0 && often_equal(rng, i, c); },
      ZYDIS_ATTRIB_HAS_LOCK);
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_INC, ZYDIS_MNEMONIC_DEC, ZYDIS_MNEMONIC_NEG, ZYDIS_MNEMONIC_NOT})
    add_forms(f, m, {"m"}, kAll, 0, {}, ZYDIS_ATTRIB_HAS_LOCK);
  for (ZydisMnemonic m : {ZYDIS_MNEMONIC_BTS, ZYDIS_MNEMONIC_BTR, ZYDIS_MNEMONIC_BTC}) {
    add_forms(f, m, {"mr"}, kWords, kOf | kSf | kAf | kPf, near_bit, ZYDIS_ATTRIB_HAS_LOCK);
    add_forms(f, m, {"mb"}, kWords, kOf | kSf | kAf | kPf, {}, ZYDIS_ATTRIB_HAS_LOCK);
  }
  add_forms(f, ZYDIS_MNEMONIC_CMPXCHG, {"mr"}, kAll, 0, often_equal, ZYDIS_ATTRIB_HAS_LOCK);
  run_forms(f);
}

}  // namespace xensim::differential
