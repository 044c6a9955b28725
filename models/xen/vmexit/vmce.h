// The machine-check registers that a guest has: two banks of their own that never report anything, whatever the
// processor has (Xen 4.17's arch/x86/cpu/mcheck/vmce.c, for a processor of Intel's).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace xensim::xen {

struct Vmce {
  static constexpr unsigned kBanks = 2;
  std::uint64_t mcg_status = 0;
  std::array<std::uint64_t, kBanks> ctl2{};

  // nullopt: not one of the machine-check registers. false: #GP.
  std::optional<bool> read(std::uint32_t msr, std::uint64_t& value) const;
  std::optional<bool> write(std::uint32_t msr, std::uint64_t value);
};

}  // namespace xensim::xen
