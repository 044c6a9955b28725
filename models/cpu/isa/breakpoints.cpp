#include "models/cpu/isa/breakpoints.h"

namespace xensim::cpu::isa {
namespace {

// R/W fields of DR7.
enum class Watch : std::uint8_t { kExecute, kWrite, kPort, kAccess };

// Calls hits(watch, first address, length) for each enabled breakpoint.
template <class F>
std::uint64_t match(const ArchState& st, F hits) {
  constexpr std::uint64_t kLength[] = {1, 2, 8, 4};
  const std::uint64_t dr7 = st.dr[7];
  std::uint64_t found = 0;
  for (unsigned n = 0; n < 4; ++n) {
    if ((dr7 >> (2 * n) & 3) == 0) continue;
    const std::uint64_t fields = dr7 >> (16 + 4 * n);
    const std::uint64_t length = kLength[fields >> 2 & 3];
    if (hits(static_cast<Watch>(fields & 3), st.dr[n] & ~(length - 1), length)) found |= std::uint64_t{1} << n;
  }
  return found;
}

// Have [a, a + n) and [b, b + m) a byte in common? Neither is empty.
bool overlap(std::uint64_t a, std::uint64_t n, std::uint64_t b, std::uint64_t m) { return a - b < m || b - a < n; }

}  // namespace

std::uint64_t instruction_breakpoints(const ArchState& st, std::uint64_t linear) {
  return match(
      st, [&](Watch w, std::uint64_t first, std::uint64_t) { return w == Watch::kExecute && first == linear; });
}

std::uint64_t data_breakpoints(const ArchState& st, std::span<const MemAccess> accesses) {
  return match(st, [&](Watch w, std::uint64_t first, std::uint64_t length) {
    if (w != Watch::kWrite && w != Watch::kAccess) return false;
    for (const MemAccess& a : accesses)
      if ((a.store || w == Watch::kAccess) && overlap(a.linear, a.size, first, length)) return true;
    return false;
  });
}

std::uint64_t port_breakpoints(const ArchState& st, std::uint16_t port, unsigned size) {
  if (!(st.cr4 & kCr4De)) return 0;
  return match(st, [&](Watch w, std::uint64_t first, std::uint64_t length) {
    return w == Watch::kPort && overlap(port, size, first & 0xffff, length);
  });
}

}  // namespace xensim::cpu::isa
