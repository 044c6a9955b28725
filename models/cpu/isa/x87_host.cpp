// One host function per x87 opcode, generated. See x87_host.h.
#include "models/cpu/isa/x87_host.h"

#include <array>
#include <cstring>
#include <utility>

#include "models/cpu/isa/x87_state.h"

namespace xensim::cpu::isa::x87 {

namespace {

#define XENSIM_X87_CLOBBERS "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "cc", "memory"

using RegisterForm = void (*)(HostImage&, std::uint16_t&);
using MemoryForm = void (*)(HostImage&, void*);

template <unsigned kOpcode, unsigned kModrm>
void register_form(HostImage& image, std::uint16_t& flags) {
  std::uint64_t rax = flags;
  asm volatile(
      "frstor (%1)\n\t"
      "sahf\n\t"
      ".byte %c2, %c3\n\t"
      "lahf\n\t"
      "fnsave (%1)"
      : "+a"(rax)
      : "r"(&image), "i"(0xd8 + kOpcode), "i"(kModrm)
      : XENSIM_X87_CLOBBERS);
  flags = static_cast<std::uint16_t>(rax);
}

// The operand is addressed by RSI: mod 00, rm 110.
template <unsigned kOpcode, unsigned kReg>
void memory_form(HostImage& image, void* operand) {
  asm volatile(
      "frstor (%0)\n\t"
      ".byte %c2, %c3\n\t"
      "fnsave (%0)"
      :
      : "r"(&image), "S"(operand), "i"(0xd8 + kOpcode), "i"((kReg << 3) | 6)
      : XENSIM_X87_CLOBBERS);
}

template <std::size_t... kI>
constexpr std::array<RegisterForm, sizeof...(kI)> register_forms(std::index_sequence<kI...>) {
  return {register_form<kI / 64, 0xc0 + kI % 64>...};
}
template <std::size_t... kI>
constexpr std::array<MemoryForm, sizeof...(kI)> memory_forms(std::index_sequence<kI...>) {
  return {memory_form<kI / 8, kI % 8>...};
}

constexpr auto kRegisterForms = register_forms(std::make_index_sequence<512>());
constexpr auto kMemoryForms = memory_forms(std::make_index_sequence<64>());

}  // namespace

HostImage host_image(const X87& x) {
  HostImage image{};
  image.control = x.control;
  image.status = x.status;
  image.tags = full_tags(x);
  store_stack(x, image.stack);
  return image;
}

void take_host_image(X87& x, const HostImage& image) {
  x.status = static_cast<std::uint16_t>(image.status);
  x.tag_valid = abridged_tags(static_cast<std::uint16_t>(image.tags));
  load_stack(x, image.stack);
}

void host_register_form(HostImage& image, unsigned opcode, unsigned modrm, std::uint16_t& flags) {
  kRegisterForms[(opcode & 7) * 64 + (modrm & 63)](image, flags);
}

void host_memory_form(HostImage& image, unsigned opcode, unsigned reg, void* operand) {
  kMemoryForms[(opcode & 7) * 8 + (reg & 7)](image, operand);
}

}  // namespace xensim::cpu::isa::x87
