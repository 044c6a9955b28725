// VMCS access by encoding (SDM 3, 24.11.2). See vmcs.h.
#include "models/cpu/vmx/vmcs.h"

namespace xensim::cpu {

std::uint64_t Vmcs::read_encoding(std::uint32_t encoding) const {
  const std::uint64_t whole = load<std::uint64_t>(field_offset(encoding));
  return is_high_half(encoding) ? whole >> 32 : truncate(encoding, whole);
}

void Vmcs::write_encoding(std::uint32_t encoding, std::uint64_t value) {
  const unsigned offset = field_offset(encoding);
  if (is_high_half(encoding)) {
    const std::uint64_t low = static_cast<std::uint32_t>(load<std::uint64_t>(offset));
    store(offset, value << 32 | low);
  } else {
    store(offset, truncate(encoding, value));
  }
}

}  // namespace xensim::cpu
