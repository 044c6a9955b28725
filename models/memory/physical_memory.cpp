#include "models/memory/physical_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <string>

#include "sim/base/bits.h"
#include "sim/base/error.h"

namespace xensim::memory {

PhysicalMemory::PhysicalMemory(std::uint64_t size) : size_(size) {
  expects(size > 0 && size % kPageSize == 0);
  end_ = size <= kHoleStart ? size : size + (kHoleEnd - kHoleStart);
  void* p = ::mmap(nullptr, end_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED)
    throw UserError("/memory/size",
                    "this host cannot reserve " + std::to_string(size >> 20) + " MiB for simulated RAM",
                    "use less");
  base_ = static_cast<std::uint8_t*>(p);
  code_lines_.resize((end_ >> kPageShift) + 1);  // one more: note_write looks at the frame of the last byte
}

PhysicalMemory::~PhysicalMemory() { ::munmap(base_, end_); }

void PhysicalMemory::read_bytes(PhysAddr a, std::span<std::uint8_t> out) const {
  if (!out.empty()) std::memcpy(out.data(), host(a), out.size());
}

void PhysicalMemory::write_bytes(PhysAddr a, std::span<const std::uint8_t> in) {
  if (in.empty()) return;
  std::memcpy(host(a), in.data(), in.size());
  note_write(a, in.size());
}

void PhysicalMemory::fill(PhysAddr a, std::uint8_t byte, std::uint64_t n) {
  if (n == 0) return;
  std::memset(host(a), byte, n);
  note_write(a, n);
}

void PhysicalMemory::mark_code(Mfn m, std::uint64_t line_mask) {
  if ((code_lines_[m.value] & line_mask) == line_mask) return;
  for (CodeObserver* o : observers_) o->code_marked(m);
  code_lines_[m.value] |= line_mask;
}

void PhysicalMemory::note_code_write(PhysAddr a, std::uint64_t n) {
  const std::uint64_t last = a.value + n - 1;
  for (std::uint64_t page = a.value >> kPageShift; page <= last >> kPageShift; ++page) {
    const std::uint64_t first_byte = std::max(a.value, page << kPageShift);
    const std::uint64_t last_byte = std::min(last, (page << kPageShift) + kPageMask);
    const std::uint64_t written = mask(static_cast<unsigned>((last_byte & kPageMask) >> 6),
                                       static_cast<unsigned>((first_byte & kPageMask) >> 6));
    const std::uint64_t hit = code_lines_[page] & written;
    if (hit == 0) continue;
    code_lines_[page] &= ~hit;
    for (CodeObserver* o : observers_) o->code_written(Mfn(page), hit);
  }
}

}  // namespace xensim::memory
