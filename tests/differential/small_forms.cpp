// Moves, conditions, branches, strings and x87 operands in 32-bit and 16-bit code, against Unicorn: what
// addresses, operand sizes and counters of the small modes come to. Integer arithmetic is in integer_forms.cpp,
// system instructions are in system_forms.h's files. Not compared: PREFETCHW and the like, which do nothing.
#include <catch2/catch.hpp>

#include "tests/differential/floating_forms.h"
#include "tests/differential/operands.h"
#include "tests/differential/privileged.h"

namespace xensim::differential {
namespace {

using namespace xensim::cpu;

constexpr unsigned kSmallModes[] = {16, 32};

class Forms {
 public:
  explicit Forms(unsigned mode) : mode(mode), t(target(mode)) {}

  void add(std::string name, std::vector<std::uint8_t> code, std::function<bool(Rng&, Instance&)> adjust = {}) {
    Form f =
        bytes_form(std::move(name) + " in mode " + std::to_string(mode), std::move(code), 0, std::move(adjust));
    f.mode = mode;
    list.push_back(std::move(f));
  }
  void add(ZydisMnemonic m, std::initializer_list<const char*> shapes, const std::vector<unsigned>& sizes) {
    add_forms(list, m, shapes, sizes, 0, {}, 0, t);
  }
  // An operand size of 16 or 32 bits: the prefix if it is not the mode's own.
  std::vector<std::uint8_t> sized(unsigned bits, std::vector<std::uint8_t> code) const {
    if (bits != mode) code.insert(code.begin(), 0x66);
    return code;
  }
  // Where the data area's byte of address `a` (in mode 64's terms) lies in its segment.
  std::uint64_t offset(std::uint64_t a) const { return a - kData + t.data; }
  // [offset] as an operand: ModRM and displacement.
  std::vector<std::uint8_t> at(std::uint64_t a, unsigned reg, std::vector<std::uint8_t> code) const {
    code.push_back(static_cast<std::uint8_t>(reg << 3 | (mode == 16 ? 6 : 5)));
    for (unsigned n = 0; n < mode / 8; ++n) code.push_back(static_cast<std::uint8_t>(offset(a) >> (8 * n)));
    return code;
  }

  unsigned mode;
  const Target& t;
  std::vector<Form> list;
};

void run_in_small_modes(void (*make)(Forms&)) {
  if (!unicorn_available()) return;
  for (const unsigned mode : kSmallModes) {
    Forms f(mode);
    make(f);
    run_forms(f.list);
  }
}

void moves(Forms& f) {
  f.add(ZYDIS_MNEMONIC_MOV, {"rr", "rm", "mr", "ri", "mi"}, f.t.all);
  for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_MOVZX, ZYDIS_MNEMONIC_MOVSX}) {
    f.add(m, {"ry", "rY"}, f.t.words);
    f.add(m, {"rw", "rW"}, {32});
  }
  f.add(ZYDIS_MNEMONIC_LEA, {"rm"}, {32});
  if (f.mode == 16) f.add(ZYDIS_MNEMONIC_LEA, {"rm"}, {16});
  if (f.mode == 32) f.add("lea ax, [ecx+edx*4+8]", {0x66, 0x8d, 0x44, 0x91, 0x08});
  f.add(ZYDIS_MNEMONIC_XCHG, {"rr", "mr"}, f.t.all);
  f.add(ZYDIS_MNEMONIC_BSWAP, {"r"}, {32});
  f.add(ZYDIS_MNEMONIC_MOVBE, {"rm", "mr"}, f.t.words);
  f.add("cbw", f.sized(16, {0x98}));
  f.add("cwde", f.sized(32, {0x98}));
  f.add("cwd", f.sized(16, {0x99}));
  f.add("cdq", f.sized(32, {0x99}));
  f.add("nop", {0x90});
  f.add("pause", {0xf3, 0x90});
  f.add("lfence", {0x0f, 0xae, 0xe8});
  f.add("mfence", {0x0f, 0xae, 0xf0});
  f.add("sfence", {0x0f, 0xae, 0xf8});
  f.add("ud2", {0x0f, 0x0b});
  f.list.back().undefined_is_a_result = true;
  f.add("xlat", {0xd7}, [&f](Rng& rng, Instance& i) {
    i.state.gpr[kRbx] = f.offset(kMiddle) + rng.below(64);
    return true;
  });
  const auto often_equal = [](Rng& rng, Instance& i) {
    std::vector<std::uint8_t> bytes(8);
    for (unsigned n = 0; n < 8; ++n) {
      const std::uint64_t half = i.state.gpr[n < 4 ? kRax : kRdx];
      bytes[n] = static_cast<std::uint8_t>(half >> (n % 4 * 8));
    }
    if (rng.below(2)) bytes[rng.below(8)] ^= 1;
    i.data.emplace_back(kMiddle, bytes);
    return true;
  };
  f.add("cmpxchg8b", f.at(kMiddle, 1, {0x0f, 0xc7}), often_equal);
  f.add("lock cmpxchg8b", f.at(kMiddle, 1, {0xf0, 0x0f, 0xc7}), often_equal);
}

void conditions(Forms& f) {
  for (unsigned cc = 0; cc < 16; ++cc) {
    const std::string name = std::to_string(cc);
    const auto code = [cc](unsigned from) { return static_cast<std::uint8_t>(from + cc); };
    for (const unsigned bits : {16u, 32u}) {
      f.add("cmovcc register " + name + ", " + std::to_string(bits), f.sized(bits, {0x0f, code(0x40), 0xc1}));
      f.add("cmovcc memory " + name + ", " + std::to_string(bits),
            f.sized(bits, f.at(kMiddle, 1, {0x0f, code(0x40)})));
    }
    f.add("setcc register " + name, {0x0f, code(0x90), 0xc3});
    f.add("setcc memory " + name, f.at(kMiddle, 0, {0x0f, code(0x90)}));
    const auto offset = static_cast<std::uint8_t>(kTakenOffset);
    f.add("jcc short " + name, {code(0x70), offset});
    std::vector<std::uint8_t> near = {0x0f, code(0x80), offset};
    near.resize(2 + f.mode / 8);
    f.add("jcc near " + name, near);
  }
  const auto offset = static_cast<std::uint8_t>(kTakenOffset);
  f.add("jmp short", {0xeb, offset});
  std::vector<std::uint8_t> near = {0xe9, offset};
  near.resize(1 + f.mode / 8);
  f.add("jmp near", near);
  const auto small_count = [](Rng& rng, Instance& i) {
    i.state.gpr[kRcx] = (i.state.gpr[kRcx] & 0xffff0000) | rng.below(3);
    if (rng.below(2)) i.state.gpr[kRcx] = rng.below(3);
    return true;
  };
  f.add("loopne", {0xe0, offset}, small_count);
  f.add("loope", {0xe1, offset}, small_count);
  f.add("loop", {0xe2, offset}, small_count);
  f.add("jcxz", {0xe3, offset}, small_count);
  f.add("loop, other address size", {0x67, 0xe2, offset}, small_count);
  f.add("jcxz, other address size", {0x67, 0xe3, offset}, small_count);
}

// Both directions, overlaps; with the other address size too.
void strings(Forms& f) {
  struct String {
    const char* name;
    std::uint8_t opcode;
  };
  for (const String s : {String{"movs", 0xa4}, {"cmps", 0xa6}, {"stos", 0xaa}, {"lods", 0xac}, {"scas", 0xae}})
    for (const unsigned bits : {8u, 16u, 32u})
      for (const unsigned repeat : {0u, 0xf3u, 0xf2u})
        for (const bool other_size : {false, true}) {
          std::vector<std::uint8_t> code;
          if (repeat) code.push_back(static_cast<std::uint8_t>(repeat));
          if (other_size) code.push_back(0x67);
          if (bits != 8 && bits != f.mode) code.push_back(0x66);
          code.push_back(static_cast<std::uint8_t>(bits == 8 ? s.opcode : s.opcode + 1));
          const bool narrow = (f.mode == 16) != other_size;
          f.add(std::string(repeat == 0xf3 ? "rep "
                            : repeat       ? "repne "
                                           : "") +
                    (other_size ? "other size " : "") + s.name + std::to_string(bits),
                code, [&f, narrow](Rng& rng, Instance& i) {
                  MachineState& m = i.state;
                  m.gpr[kRsi] = f.offset(kMiddle) + rng.below(512);
                  m.gpr[kRdi] =
                      rng.below(2) ? m.gpr[kRsi] + rng.below(40) - 20 : f.offset(kMiddle) - rng.below(512);
                  m.gpr[kRcx] = rng.below(rng.below(2) ? 20 : 200);
                  // Upper halves that a 16-bit address size leaves alone.
                  if (narrow)
                    for (const unsigned r : {kRsi, kRdi, kRcx}) m.gpr[r] |= rng.next() << 16 & 0xffff0000;
                  if (rng.below(2)) m.rflags |= kDf;
                  if (rng.below(2)) {
                    const auto fill = static_cast<std::uint8_t>(rng.below(2));
                    std::vector<std::uint8_t> run(kDataSize, fill);
                    for (unsigned n = 0; n < 8; ++n)
                      run[rng.below(kDataSize)] = static_cast<std::uint8_t>(rng.next());
                    i.data.emplace_back(kData, run);
                    if (rng.below(2)) m.gpr[kRax] = fill * 0x01010101u;
                  }
                  return true;
                });
        }
}

// Ordinary numbers only: Unicorn reports neither denormal operands nor C1.
void x87_operands(Forms& f) {
  const auto ordinary = [](unsigned bytes) {
    return [bytes](Rng& rng, Instance& i) {
      X87& x = i.state.x87;
      x.control = 0x037f;
      x.tag_valid = 0x3f;
      for (auto& r : x.r)
        r = {rng.next() | std::uint64_t{1} << 63,
             static_cast<std::uint16_t>(rng.below(2) << 15 | (0x3fff - 20 + rng.below(40)))};
      // Exponents near the bias in any of the formats.
      std::vector<std::uint8_t> operand(bytes);
      for (auto& b : operand) b = static_cast<std::uint8_t>(rng.next());
      operand[bytes - 1] = static_cast<std::uint8_t>(0x3f | rng.below(2) << 7);
      if (bytes == 8) operand[6] = static_cast<std::uint8_t>(operand[6] | 0xc0);
      i.data.emplace_back(kMiddle, operand);
      return true;
    };
  };
  const auto compare = [](const Instance&, const Result& unicorn, const Result& simulated) {
    const X87 &u = unicorn.state.x87, &s = simulated.state.x87;
    std::string out;
    for (unsigned n = 0; n < 8; ++n)
      if ((s.tag_valid >> n & 1) &&
          (u.r[n].significand != s.r[n].significand || u.r[n].sign_exponent != s.r[n].sign_exponent))
        out += "  R" + std::to_string(n) + " differs\n";
    if (u.tag_valid != s.tag_valid) out += "  tags differ\n";
    if ((u.status ^ s.status) & 0x7d00) out += "  TOP or conditions differ\n";
    if (unicorn.data != simulated.data) out += "  memory differs\n";
    return out;
  };
  for (unsigned reg = 0; reg < 8; ++reg) {
    for (const std::uint8_t opcode : std::initializer_list<std::uint8_t>{0xd8, 0xdc, 0xda, 0xde}) {
      f.add("x87 " + std::to_string(opcode) + "/" + std::to_string(reg), f.at(kMiddle, reg, {opcode}),
            ordinary(opcode == 0xdc   ? 8
                     : opcode == 0xde ? 2
                                      : 4));
      f.list.back().compare = compare;
    }
    for (const std::uint8_t opcode : std::initializer_list<std::uint8_t>{0xd9, 0xdd, 0xdb}) {
      if (reg == 1 || reg > 3) continue;  // control instructions, SSE3's, 80-bit ones
      f.add("x87 " + std::to_string(opcode) + "/" + std::to_string(reg), f.at(kMiddle, reg, {opcode}),
            ordinary(opcode == 0xdd ? 8 : 4));
      f.list.back().compare = compare;
    }
  }
}

}  // namespace

TEST_CASE("moves give in 32-bit and 16-bit code what Unicorn gives") { run_in_small_modes(moves); }
TEST_CASE("conditions and branches give in 32-bit and 16-bit code what Unicorn gives") {
  run_in_small_modes(conditions);
}
TEST_CASE("string instructions give in 32-bit and 16-bit code what Unicorn gives") { run_in_small_modes(strings); }
TEST_CASE("x87 operands in memory give in 32-bit and 16-bit code what Unicorn gives") {
  run_in_small_modes(x87_operands);
}

}  // namespace xensim::differential
