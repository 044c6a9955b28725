// Segments: descriptors, their checks and loads, and stacks as far transfers and event delivery use them (SDM 3,
// chapters 3 and 5).
//
// Functions that check return an Outcome: kNext, or kFault with Core::fault, or kVmExit from a memory access. They
// change nothing but the accessed bit of a descriptor. Callers gather everything that can fail, and commit
// afterwards.
#pragma once

#include <array>
#include <cstdint>

#include "models/cpu/core.h"

namespace xensim::cpu::isa {

constexpr bool canonical(std::uint64_t a) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(a << 16) >> 16) == a;
}

// A descriptor as it lies in a table. `high` is the second half of a 16-byte system descriptor.
struct Descriptor {
  std::uint64_t low = 0, high = 0;
  std::uint64_t address = 0;  // linear

  constexpr unsigned type() const { return static_cast<unsigned>(low >> 40) & 0xf; }
  constexpr bool system() const { return !(low & (1ull << 44)); }
  constexpr unsigned dpl() const { return static_cast<unsigned>(low >> 45) & 3; }
  constexpr bool present() const { return low & (1ull << 47); }
  constexpr bool code() const { return !system() && (type() & 8); }
  constexpr bool conforming() const { return code() && (type() & 4); }
  constexpr bool readable() const { return !system() && (!(type() & 8) || (type() & 2)); }
  constexpr bool writable_data() const { return !system() && (type() & 0xa) == 2; }
  constexpr bool long_mode() const { return low & (1ull << 53); }
  constexpr bool big() const { return low & (1ull << 54); }
  // Gates.
  constexpr std::uint16_t gate_selector() const { return static_cast<std::uint16_t>(low >> 16); }
  constexpr std::uint32_t gate_offset() const {
    return static_cast<std::uint32_t>((low & 0xffff) | ((low >> 32) & 0xffff0000));
  }
};

// System descriptor types.
inline constexpr unsigned kTss16 = 1, kLdtType = 2, kTss16Busy = 3, kCallGate16 = 4, kTaskGate = 5,
                          kInterruptGate16 = 6, kTrapGate16 = 7, kTss32 = 9, kTss32Busy = 11, kCallGate32 = 12,
                          kInterruptGate32 = 14, kTrapGate32 = 15;

inline constexpr std::uint32_t kUnusable = 1u << 16;

// Bit 0 of error codes: set if the fault hits the delivery of an event that the program did not ask for.
std::uint32_t external_bit(const Core& core);

// The hidden part that a load of this descriptor fills in.
Segment parse_segment(std::uint16_t selector, const Descriptor& d);
// A null segment register; for SS, DPL carries the CPL.
Segment null_segment(std::uint16_t selector, unsigned dpl = 0);

// Reads the descriptor that a non-null selector names; beyond the table's limit: the exception `vector` with the
// selector. A system descriptor in IA-32e mode comes with its second half.
Outcome fetch_descriptor(Core& core, std::uint16_t selector, std::uint8_t vector, Descriptor& out);
// The same for LAR and its kin, to which a selector beyond the limit is an answer (found = false).
Outcome find_descriptor(Core& core, std::uint16_t selector, bool& found, Descriptor& out);
// raise() with a selector's error code, the external bit included.
Outcome raise_selector(Core& core, std::uint8_t vector, std::uint16_t selector);
// Sets the accessed bit of a code or data descriptor.
Outcome set_accessed(Core& core, Descriptor& d);

// Checks a selector for SS at privilege level `cpl` and gives the register to load. A null selector is the
// caller's business. vector: what bad selectors raise (#GP, or #TS when the stack comes from a TSS).
Outcome check_stack_segment(Core& core, std::uint16_t selector, unsigned cpl, std::uint8_t vector, Segment& out);
// Checks a selector for DS, ES, FS or GS (null allowed).
Outcome check_data_segment(Core& core, std::uint16_t selector, unsigned cpl, std::uint8_t vector, Segment& out);
// MOV to a segment register and its kin in every mode; commits.
Outcome load_segment(Core& core, unsigned reg, std::uint16_t selector);
// The register after a load in real or virtual-8086 mode: base = selector × 16.
Segment real_mode_segment(const Core& core, const Segment& old, std::uint16_t selector);

// Can a code segment run 64-bit, or is its L/D combination reserved?
bool valid_code_size(const Core& core, const Descriptor& d);
// After a return to an outer level: data segments that the new level may not use become null.
void drop_inner_data_segments(Core& core, unsigned cpl);

// Is [offset, offset + size) inside the segment's limit (expand-down included)?
bool within_limit(const Segment& s, std::uint64_t offset, unsigned size);

// CS, SS, the CPL or RFLAGS changed: mode bits and the data view follow.
inline void execution_context_changed(Core& core) {
  core.update_mode();
  core.mmu.update_view();
}
// Linear address of a memory operand without any check (INVLPG; information fields of VM exits).
std::uint64_t unchecked_linear(const Core& core, const Op& op);
// Linear addresses wrap at 4 GiB outside IA-32e mode.
inline std::uint64_t wrap_linear(const Core& core, std::uint64_t a) {
  return core.st.long_mode_active() ? a : static_cast<std::uint32_t>(a);
}

// A frame that is pushed on a stack that may not be the current one yet: values are gathered, then written as a
// whole or not at all.
class StackFrame {
 public:
  // flat: a 64-bit stack, where the segment does not matter. limit_error: the error code of #SS.
  StackFrame(Core& core, const Segment& ss, std::uint64_t sp, bool flat, View view, std::uint32_t limit_error)
      : core_(core), ss_(ss), sp_(sp), flat_(flat), view_(view), limit_error_(limit_error) {}

  // Pushes the low `size` bytes (2, 4 or 8).
  void push(std::uint64_t value, unsigned size);
  // Writes what was pushed.
  Outcome write();
  // The stack pointer after the pushes: what RSP becomes, given what it was.
  std::uint64_t sp() const { return sp_; }

 private:
  struct Item {
    std::uint64_t sp, value;
    unsigned size;
  };
  Outcome linear(const Item& item, std::uint64_t& out) const;

  Core& core_;
  const Segment& ss_;
  std::uint64_t sp_;
  bool flat_;
  View view_;
  std::uint32_t limit_error_;
  unsigned count_ = 0;
  std::array<Item, 48> items_;
};

// Pops from the current stack without moving RSP; sp() is where it would be.
class StackReader {
 public:
  explicit StackReader(Core& core);
  Outcome pop(std::uint64_t& out, unsigned size);
  void skip(unsigned bytes) { sp_ = next(bytes); }
  std::uint64_t sp() const { return sp_; }

 private:
  std::uint64_t next(unsigned bytes) const;

  Core& core_;
  std::uint64_t sp_;
  bool flat_;
};

// A stack pointer moved by `delta` in a stack of this width; bits above the width stay.
std::uint64_t move_sp(bool flat, const Segment& ss, std::uint64_t sp, std::int64_t delta);
// RSP after a load of a new stack pointer together with a new SS.
std::uint64_t loaded_sp(bool flat, const Segment& ss, std::uint64_t old, std::uint64_t value);

}  // namespace xensim::cpu::isa
