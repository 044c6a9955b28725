// Page tables by hand, in simulated memory: the fixture that the walker's and the MMU's tests share.
#pragma once

#include <cstdint>

#include "models/cpu/arch_state.h"
#include "models/cpu/mmu/walker.h"
#include "models/memory/physical_memory.h"

namespace xensim::cpu::test {

inline constexpr std::uint64_t kP = 1, kRw = 2, kUs = 4, kA = 0x20, kD = 0x40, kPs = 0x80, kG = 0x100,
                               kXd = 1ull << 63;
inline constexpr std::uint64_t kEptR = 1, kEptW = 2, kEptX = 4, kEptRwx = 7, kEptWb = 6 << 3, kEptA = 0x100,
                               kEptD = 0x200;

struct TableBuilder {
  explicit TableBuilder(std::uint64_t ram = 64 << 20) : memory(ram) {}

  memory::PhysicalMemory memory;
  std::uint64_t next_page = 0x100000;

  std::uint64_t page() {
    const std::uint64_t p = next_page;
    next_page += kPageSize;
    return p;
  }
  std::uint64_t& qword(std::uint64_t a) { return *reinterpret_cast<std::uint64_t*>(memory.host(PhysAddr(a))); }
  std::uint32_t& dword(std::uint64_t a) { return *reinterpret_cast<std::uint32_t*>(memory.host(PhysAddr(a))); }

  // Address of the entry of a level that maps an address, in a tree of 8-byte entries rooted at `root` (of level
  // `top`). Missing tables on the way are added with the given bits.
  std::uint64_t entry(std::uint64_t root, unsigned top, std::uint64_t address, unsigned level,
                      std::uint64_t table_bits) {
    std::uint64_t table = root;
    for (unsigned l = top;; --l) {
      const std::uint64_t at = table + ((address >> (9 * l + 3)) & 511) * 8;
      if (l == level) return at;
      if (!(qword(at) & 7)) qword(at) = page() | table_bits;
      table = qword(at) & 0x000ffffffffff000;
    }
  }
  // Maps with a 4-level tree: level 1, 2 or 3 page.
  std::uint64_t map(std::uint64_t root, std::uint64_t linear, std::uint64_t physical, std::uint64_t leaf,
                    unsigned level = 1, std::uint64_t table_bits = kP | kRw | kUs | kA) {
    const std::uint64_t at = entry(root, 4, linear, level, table_bits);
    qword(at) = physical | leaf | (level > 1 ? kPs : 0);
    return at;
  }
  std::uint64_t map_ept(std::uint64_t root, std::uint64_t guest, std::uint64_t host, std::uint64_t leaf,
                        unsigned level = 1) {
    const std::uint64_t at = entry(root, 4, guest, level, kEptRwx);
    qword(at) = host | leaf | kEptWb | (level > 1 ? kPs : 0);
    return at;
  }
};

inline PagingContext four_level(std::uint64_t cr3) {
  PagingContext c;
  c.cr0 = kCr0Pe | kCr0Pg | kCr0Wp;
  c.cr3 = cr3;
  c.cr4 = kCr4Pae;
  c.efer = kEferLme | kEferLma | kEferNxe;
  return c;
}

}  // namespace xensim::cpu::test
