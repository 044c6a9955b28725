// String instructions against the host: every width, every prefix, both directions, overlaps, faults on the way.
#include <catch2/catch.hpp>

#include "tests/differential/operands.h"

namespace xensim::differential {
namespace {

using namespace xensim::cpu;

struct Variant {
  const char* name;
  std::vector<std::uint8_t> prefix;
};

void set_indices(Rng& rng, Instance& i, bool repeated, bool narrow) {
  MachineState& s = i.state;
  const std::uint64_t near = rng.below(4);
  s.gpr[kRsi] = kMiddle + rng.below(512) - 256;
  // Close together, so that source and target overlap; far apart; or near the end of what is mapped.
  s.gpr[kRdi] = near < 2 ? s.gpr[kRsi] + rng.below(40) - 20 : kMiddle + rng.below(4000) - 2000;
  if (rng.below(8) == 0) s.gpr[rng.below(2) ? kRsi : kRdi] = kData + kDataSize - rng.below(200);
  if (rng.below(8) == 0) s.gpr[rng.below(2) ? kRsi : kRdi] = kData + rng.below(200);
  if (repeated) s.gpr[kRcx] = rng.below(3) ? rng.below(20) : rng.below(600);
  if (rng.below(2)) s.rflags |= kDf;
  if (narrow)
    for (unsigned r : {kRsi, kRdi, kRcx}) s.gpr[r] |= rng.next() << 32;
  // Runs of equal bytes, so that comparisons go on for a while; the accumulator often is one of them.
  if (rng.below(2)) {
    const auto fill = static_cast<std::uint8_t>(rng.below(2));
    std::vector<std::uint8_t> run(kDataSize, fill);
    for (unsigned n = 0; n < 8; ++n) run[rng.below(kDataSize)] = static_cast<std::uint8_t>(rng.next());
    i.data.emplace_back(kData, run);
    if (rng.below(2)) s.gpr[kRax] = fill * 0x0101010101010101u;
  }
}

std::vector<Form> forms_of(const char* name, std::uint8_t opcode) {
  const Variant variants[] = {{"", {}},         {"rep ", {0xf3}},           {"repne ", {0xf2}},
                              {"a32 ", {0x67}}, {"rep a32 ", {0xf3, 0x67}}, {"repne a32 ", {0xf2, 0x67}},
                              {"cs ", {0x2e}}};
  std::vector<Form> forms;
  for (const Variant& v : variants)
    for (const unsigned bits : {8u, 16u, 32u, 64u}) {
      std::vector<std::uint8_t> code = v.prefix;
      if (bits == 16) code.push_back(0x66);
      if (bits == 64) code.push_back(0x48);
      code.push_back(static_cast<std::uint8_t>(bits == 8 ? opcode : opcode + 1));
      bool repeated = false, narrow = false;
      for (const std::uint8_t p : v.prefix) {
        repeated |= p == 0xf3 || p == 0xf2;
        narrow |= p == 0x67;
      }
      forms.push_back(bytes_form(std::string(v.name) + name + std::to_string(bits), code, 0,
                                 [repeated, narrow](Rng& rng, Instance& i) {
                                   set_indices(rng, i, repeated, narrow);
                                   return true;
                                 }));
    }
  return forms;
}

}  // namespace

TEST_CASE("MOVS copies as the host copies") { run_forms(forms_of("movs", 0xa4)); }
TEST_CASE("STOS fills as the host fills") { run_forms(forms_of("stos", 0xaa)); }
TEST_CASE("LODS loads as the host loads") { run_forms(forms_of("lods", 0xac)); }
TEST_CASE("CMPS compares as the host compares") { run_forms(forms_of("cmps", 0xa6)); }
TEST_CASE("SCAS searches as the host searches") { run_forms(forms_of("scas", 0xae)); }

}  // namespace xensim::differential
