// SSE … SSE4.1 and MMX against the host. Not compared: what processors are free to do differently (RCPPS and
// RSQRTPS within their error bound), and where AMD and Intel differ: whether CVTPI2PS enters MMX state for a
// memory operand, and whether SHA's memory operands must be aligned (Intel: yes).
#include <catch2/catch.hpp>

#include "tests/differential/floating_forms.h"

namespace xensim::differential {
namespace {

bool is_approximate(const std::string& name) { return name.starts_with("rcp") || name.starts_with("rsqrt"); }

bool adjust(Rng& rng, ZydisMnemonic m, Instance& i, std::uint64_t address) {
  // An MMX instruction that faults may have entered MMX state before or not.
  const bool may_fault = m == ZYDIS_MNEMONIC_MASKMOVQ || (i.state.mxcsr & 0x1f80) != 0x1f80 ||
                         (address != 0 && (address & ~0xfffull) != (kMiddle & ~0xfffull));
  if (may_fault) {
    i.state.x87.status &= 0xc7ff;
    i.state.x87.tag_valid = 0xff;
  }
  if (std::string(ZydisMnemonicGetString(m)).starts_with("sha") && address % 16 != 0) return false;
  if (m == ZYDIS_MNEMONIC_LDMXCSR && address >= kData && address + 4 <= kData + kDataSize) {
    std::uint32_t v = random_mxcsr(rng);
    if (rng.below(4) == 0) v |= 1u << (18 + rng.below(14));  // bit 17 is AMD's
    i.data.push_back({address,
                      {static_cast<std::uint8_t>(v), static_cast<std::uint8_t>(v >> 8),
                       static_cast<std::uint8_t>(v >> 16), static_cast<std::uint8_t>(v >> 24)}});
  }
  return true;
}

}  // namespace

TEST_CASE("SSE and MMX instructions give what the host gives, flags and faults included") {
  std::vector<Form> forms;
  for (Form& f : forms_of_family(cpu::isa::sse_forms(), adjust)) {
    if (f.name.starts_with("cvtpi2ps") && f.name.ends_with("memory")) continue;
    if (is_approximate(f.name)) f.compare = compare_approximate;
    forms.push_back(std::move(f));
  }
  CHECK(forms.size() > 500);
  run_forms(forms);
}

}  // namespace xensim::differential
