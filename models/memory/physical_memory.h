// The machine's RAM: one array of bytes at host-physical addresses 0 … size, with the hole below 4 GiB that PCs
// have.
//
// Layout: RAM up to kHoleStart lies at its own address; what does not fit below the hole continues at 4 GiB.
// Content starts as zero. The host pages are reserved lazily, so a machine with much RAM costs what it touches.
//
// Code lines: a block cache marks 64-byte lines from which it decoded instructions. Whoever writes to RAM other
// than through a core's data path (hypervisor model, devices, loaders) uses write()/fill()/note_write(), so that
// the observers hear of writes to marked lines and drop the blocks. A core's fast path never holds a writable
// translation of a page that has marked lines (see cpu::Mmu).
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "sim/base/expects.h"
#include "sim/base/types.h"

namespace xensim::memory {

class CodeObserver {
 public:
  virtual ~CodeObserver() = default;
  // Bytes in marked lines of this frame change (called before the next instruction executes anywhere).
  // line_mask: bit n set = line n of the page is written. Blocks decoded from those lines must not run again.
  virtual void code_written(Mfn frame, std::uint64_t line_mask) = 0;
  // Lines of this frame are about to be marked: writable fast translations to it must go.
  virtual void code_marked(Mfn frame) = 0;
};

class PhysicalMemory {
 public:
  static constexpr std::uint64_t kHoleStart = 0xc0000000;  // 3 GiB
  static constexpr std::uint64_t kHoleEnd = 0x100000000;   // 4 GiB

  // size: bytes of RAM, a multiple of 4 KiB, > 0. Throws UserError if the host cannot reserve it.
  explicit PhysicalMemory(std::uint64_t size);
  ~PhysicalMemory();
  PhysicalMemory(const PhysicalMemory&) = delete;
  PhysicalMemory& operator=(const PhysicalMemory&) = delete;

  std::uint64_t size() const { return size_; }
  // One past the highest RAM address.
  PhysAddr end() const { return PhysAddr(end_); }
  // Are all of [a, a+n) RAM? n > 0.
  bool contains(PhysAddr a, std::uint64_t n) const {
    const std::uint64_t last = a.value + n - 1;
    if (last < a.value || last >= end_) return false;
    return last < kHoleStart || a.value >= kHoleEnd;
  }

  // Host pointer to a RAM address. The pointer is valid up to the end of the page (and of the RAM range).
  std::uint8_t* host(PhysAddr a) { return base_ + a.value; }
  const std::uint8_t* host(PhysAddr a) const { return base_ + a.value; }

  template <class T>
  T read(PhysAddr a) const {
    T v;
    std::memcpy(&v, host(a), sizeof v);
    return v;
  }
  // A write by anything that is not a core's data path: marked code lines are reported.
  template <class T>
  void write(PhysAddr a, T v) {
    std::memcpy(host(a), &v, sizeof v);
    note_write(a, sizeof v);
  }
  void read_bytes(PhysAddr a, std::span<std::uint8_t> out) const;
  void write_bytes(PhysAddr a, std::span<const std::uint8_t> in);
  void fill(PhysAddr a, std::uint8_t byte, std::uint64_t n);

  // Tells the observers if [a, a+n) touches marked lines, and unmarks those.
  void note_write(PhysAddr a, std::uint64_t n) {
    if (code_lines_[a.value >> kPageShift] | code_lines_[(a.value + n - 1) >> kPageShift] | (n > kPageSize))
        [[unlikely]]
      note_code_write(a, n);
  }
  // The marked lines of a frame, bit n = bytes [64n, 64n+64).
  std::uint64_t code_lines(Mfn m) const { return code_lines_[m.value]; }
  bool has_code(Mfn m) const { return code_lines_[m.value] != 0; }
  // Marks lines of a frame as decoded.
  void mark_code(Mfn m, std::uint64_t line_mask);
  void add_observer(CodeObserver& o) { observers_.push_back(&o); }

 private:
  void note_code_write(PhysAddr a, std::uint64_t n);

  std::uint64_t size_;
  std::uint64_t end_;
  std::uint8_t* base_;
  std::vector<std::uint64_t> code_lines_;  // one per frame below end_
  std::vector<CodeObserver*> observers_;
};

}  // namespace xensim::memory
