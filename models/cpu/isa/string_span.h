// Where the elements of a string instruction lie: index registers by address size, linear addresses, and the
// stretch of host memory that the next iterations run over.
#pragma once

#include <algorithm>
#include <limits>

#include "models/cpu/isa/operands.h"

namespace xensim::cpu::isa {

// Op::sub of a string record: the linear address of source or target is its offset (no base, no checks needed).
// Op::seg is the source's segment; the target's is always ES.
inline constexpr std::uint8_t kFlatSource = 1, kFlatTarget = 2;

// A: the unsigned type of the address size.
template <class A>
std::uint64_t read_index(const Core& core, Gpr r) {
  return static_cast<A>(core.st.gpr[r]);
}
template <class A>
void write_index(Core& core, Gpr r, std::uint64_t v) {
  write_register<A>(core, r, static_cast<A>(v));
}

inline bool backwards(const Core& core) { return core.st.rflags & kDf; }

template <class T, class A>
void step_index(Core& core, Gpr r, std::uint64_t iterations) {
  const std::uint64_t distance = iterations * sizeof(T);
  const std::uint64_t i = read_index<A>(core, r);
  write_index<A>(core, r, backwards(core) ? i - distance : i + distance);
}

// One element's linear address; false: the segment check failed.
inline bool source_address(Core& core, const Op& op, std::uint64_t offset, unsigned size, std::uint64_t& out) {
  out = offset;
  return (op.sub & kFlatSource) || core.linear_address_slow(offset, op.seg, size, false, out);
}
inline bool target_address(Core& core, const Op& op, std::uint64_t offset, unsigned size, bool write,
                           std::uint64_t& out) {
  out = offset;
  return (op.sub & kFlatTarget) || core.linear_address_slow(offset, kEs, size, write, out);
}

// A stretch of whole elements inside one page that the software TLB knows.
struct StringSpan {
  const SoftTlbEntry* entry = nullptr;  // nullptr: take the slow way for one element
  std::uint64_t low = 0;                // linear address of the lowest byte
  std::uint64_t count = 0;              // elements

  std::uint8_t* host() const { return reinterpret_cast<std::uint8_t*>(entry->addend + low); }
  void log(Core& core, std::uint64_t bytes, std::uint64_t from_low, bool store) const {
    if (!core.collect_accesses) return;
    std::uint64_t a = low + from_low;
    const std::uint64_t end = a + bytes;
    while (a < end) {
      const std::uint64_t n = std::min(end, (a | 63) + 1) - a;
      core.log_access(entry->physical | (a & kPageMask), a, static_cast<unsigned>(n), store);
      a += n;
    }
  }
};

// How many of the next `count` elements at an offset can be done in one go: within the page, within the address
// size. A stretch is at most 14 lines when every line is logged.
template <class T, class A>
std::uint64_t elements_in_page(const Core& core, std::uint64_t offset, std::uint64_t linear, std::uint64_t count) {
  constexpr std::uint64_t kLast = std::numeric_limits<A>::max();
  const std::uint64_t in_page = linear & kPageMask;
  if (in_page + sizeof(T) > kPageSize) return 0;
  std::uint64_t n;
  if (backwards(core)) {
    if (offset < kPageSize) return 0;
    n = in_page / sizeof(T) + 1;
  } else {
    if (offset > kLast - kPageSize) return 0;
    n = (kPageSize - in_page) / sizeof(T);
  }
  const std::uint64_t limit = core.collect_accesses ? 13 * 64 / sizeof(T) : kPageSize / sizeof(T);
  return std::min({n, count, limit});
}

// The stretch at an index register for reading (access kRead) or writing; `source`: RSI in Op::seg, else RDI in
// ES. count: in, how many elements are wanted; the span says how many there are.
template <class T, class A, bool kSource>
StringSpan string_span(Core& core, const Op& op, std::uint64_t count, Access access) {
  StringSpan s;
  const std::uint64_t offset = read_index<A>(core, kSource ? kRsi : kRdi);
  const auto address = [&](std::uint64_t at, std::uint64_t bytes, std::uint64_t& out) {
    const auto size = static_cast<unsigned>(bytes);
    return kSource ? source_address(core, op, at, size, out)
                   : target_address(core, op, at, size, access == Access::kWrite, out);
  };
  std::uint64_t linear;
  if (!address(offset, sizeof(T), linear)) return s;
  s.count = elements_in_page<T, A>(core, offset, linear, count);
  if (s.count == 0) return s;
  const std::uint64_t bytes = s.count * sizeof(T);
  if (!address(backwards(core) ? offset - (bytes - sizeof(T)) : offset, bytes, s.low)) return s;
  s.entry = core.mmu.soft.find(core.mmu.current_view(), access, s.low, static_cast<unsigned>(bytes));
  return s;
}

}  // namespace xensim::cpu::isa
