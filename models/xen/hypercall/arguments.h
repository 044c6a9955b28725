// A hypercall's arguments, and access to the structures they point to. 32-bit callers have other registers and,
// for structures with pointers or longs, other layouts; a handler reads those through Fields.
#pragma once

#include <array>
#include <cstdint>

#include "models/xen/domain/domain.h"

namespace xensim::xen {

class Hypervisor;

struct Arguments {
  std::array<std::uint64_t, 6> a;
  bool wide;  // a 64-bit caller
};

// The fields of one guest structure, read in order with the caller's sizes and alignments (natural on 64 bit; 4
// bytes at most for 32-bit callers).
class Fields {
 public:
  Fields(const std::uint8_t* bytes, bool wide) : bytes_(bytes), wide_(wide) {}
  std::uint16_t u16() { return take<std::uint16_t>(2); }
  std::uint32_t u32() { return take<std::uint32_t>(4); }
  std::uint64_t u64() { return take<std::uint64_t>(wide_ ? 8 : 4); }
  // An unsigned long, a pointer, a guest handle or a xen_pfn_t.
  std::uint64_t word() { return wide_ ? take<std::uint64_t>(8) : take<std::uint32_t>(4); }

 private:
  template <class T>
  T take(unsigned alignment) {
    offset_ = (offset_ + alignment - 1) & ~(alignment - 1);
    T v;
    __builtin_memcpy(&v, bytes_ + offset_, sizeof v);
    offset_ += sizeof v;
    return v;
  }
  const std::uint8_t* bytes_;
  bool wide_;
  unsigned offset_ = 0;
};

}  // namespace xensim::xen
