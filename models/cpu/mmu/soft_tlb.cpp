#include "models/cpu/mmu/soft_tlb.h"

namespace xensim::cpu {

void SoftTlb::flush_page(std::uint64_t linear) {
  const std::uint64_t page = linear & ~kPageMask;
  const unsigned i = index(linear);
  for (auto& view : tables_)
    for (Table& t : view)
      if ((t[i].tag & ~kPageMask) == page) t[i].tag = ~std::uint64_t{0};
}

void SoftTlb::flush_writable(PhysAddr page) {
  if (!writable_.test(filter(page))) return;
  const std::uint64_t frame = page.value & ~kPageMask;
  bool others = false;
  for (auto& view : tables_)
    for (SoftTlbEntry& e : view[static_cast<unsigned>(Access::kWrite)]) {
      if (e.physical == frame)
        e.tag = ~std::uint64_t{0};
      else if (e.tag != ~std::uint64_t{0} && filter(PhysAddr(e.physical)) == filter(page))
        others = true;
    }
  writable_.set(filter(page), others);
}

void SoftTlb::clear() {
  for (auto& view : tables_)
    for (Table& t : view) t.fill(SoftTlbEntry{});
  writable_.reset();
}

}  // namespace xensim::cpu
