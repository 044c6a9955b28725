// x87 tags, stack images and memory blocks. See x87_state.h.
#include "models/cpu/isa/x87_state.h"

#include <algorithm>
#include <cstring>

namespace xensim::cpu::isa::x87 {

std::uint16_t full_tags(const X87& x) {
  unsigned tags = 0;
  for (unsigned i = 0; i < 8; ++i) {
    unsigned tag = 3;
    if (x.tag_valid >> i & 1) {
      const unsigned exponent = x.r[i].sign_exponent & 0x7fff;
      const std::uint64_t significand = x.r[i].significand;
      if (exponent == 0 && significand == 0)
        tag = 1;
      else if (exponent == 0 || exponent == 0x7fff || !(significand >> 63))
        tag = 2;
      else
        tag = 0;
    }
    tags |= tag << (2 * i);
  }
  return static_cast<std::uint16_t>(tags);
}

std::uint8_t abridged_tags(std::uint16_t full) {
  unsigned valid = 0;
  for (unsigned i = 0; i < 8; ++i)
    if (((full >> (2 * i)) & 3) != 3) valid |= 1u << i;
  return static_cast<std::uint8_t>(valid);
}

void store_stack(const X87& x, std::uint8_t* out) {
  for (unsigned i = 0; i < 8; ++i) {
    const X87::Register& r = x.r[(top(x) + i) & 7];
    std::memcpy(out + 10 * i, &r.significand, 8);
    std::memcpy(out + 10 * i + 8, &r.sign_exponent, 2);
  }
}

void load_stack(X87& x, const std::uint8_t* in) {
  for (unsigned i = 0; i < 8; ++i) {
    X87::Register& r = x.r[(top(x) + i) & 7];
    std::memcpy(&r.significand, in + 10 * i, 8);
    std::memcpy(&r.sign_exponent, in + 10 * i + 8, 2);
  }
}

void initialise(X87& x) {
  x.control = 0x037f;
  x.status = 0;
  x.tag_valid = 0;
  x.opcode = 0;
  x.instruction_pointer = 0;
  x.data_pointer = 0;
}

namespace {
constexpr unsigned kPart = 64;
}

Outcome read_block(Core& c, std::uint64_t linear, std::uint8_t* out, unsigned size) {
  for (unsigned i = 0; i < size; i += kPart) {
    const Outcome o = c.mmu.read(LinearAddr(linear + i), out + i, std::min(kPart, size - i), c.mmu.current_view());
    if (failed(o)) return o;
  }
  return Outcome::kNext;
}

Outcome write_block(Core& c, std::uint64_t linear, const std::uint8_t* in, unsigned size) {
  for (unsigned i = 0; i < size; i += kPart) {
    const Outcome o = c.mmu.probe_write(LinearAddr(linear + i), std::min(kPart, size - i), c.mmu.current_view());
    if (failed(o)) return o;
  }
  Outcome result = Outcome::kNext;
  for (unsigned i = 0; i < size; i += kPart) {
    const Outcome o = c.mmu.write(LinearAddr(linear + i), in + i, std::min(kPart, size - i), c.mmu.current_view());
    if (failed(o)) return o;
    if (o != Outcome::kNext) result = o;
  }
  return result;
}

}  // namespace xensim::cpu::isa::x87
