// What PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM compare (SDM 1, 12.10.3; SDM 2, 4.1), apart from where the
// lengths come from and where the result goes.
#pragma once

#include <array>
#include <cstdint>

namespace xensim::cpu::isa {

struct StringOperand {
  std::array<std::uint8_t, 16> bytes;
  unsigned length;  // elements that are valid, at most as many as the vector holds
};

// The bits of the immediate.
struct StringCompare {
  explicit StringCompare(unsigned imm) : imm_(imm) {}
  unsigned elements() const { return imm_ & 1 ? 8 : 16; }
  bool most_significant() const { return imm_ >> 6 & 1; }  // of the index; for a mask: expanded to elements
  // The number of elements before the first that is zero.
  unsigned implicit_length(const std::array<std::uint8_t, 16>& bytes) const;
  // A bit for each element of b.
  unsigned result(const StringOperand& a, const StringOperand& b) const;

 private:
  int element(const std::array<std::uint8_t, 16>& bytes, unsigned i) const;
  bool aggregate(const StringOperand& a, const StringOperand& b, unsigned j) const;

  unsigned imm_;
};

}  // namespace xensim::cpu::isa
