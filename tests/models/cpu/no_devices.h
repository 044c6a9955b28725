// Surroundings of a core in which there is nothing: ports and memory-mapped I/O float, no APIC, no interrupt.
#pragma once

#include <cstdint>

#include "models/cpu/core.h"

namespace xensim::cpu::test {

struct NoDevices : CoreEnvironment {
  std::uint32_t io_read(std::uint16_t, unsigned) override { return ~0u; }
  void io_write(std::uint16_t, unsigned, std::uint32_t) override {}
  std::uint64_t mmio_read(PhysAddr, unsigned) override { return ~std::uint64_t{0}; }
  void mmio_write(PhysAddr, unsigned, std::uint64_t) override {}
  bool apic_msr_read(std::uint32_t, std::uint64_t&) override { return false; }
  bool apic_msr_write(std::uint32_t, std::uint64_t) override { return false; }
  std::uint64_t cr8_read() override { return 0; }
  void cr8_write(std::uint64_t) override {}
  bool interrupt_pending() override { return false; }
  std::uint8_t interrupt_acknowledge() override { return 0; }
};

}  // namespace xensim::cpu::test
