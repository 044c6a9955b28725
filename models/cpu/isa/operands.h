// Operands of integer instructions: registers by size, and the choice of a handler by operand size.
//
// A register number is what form.h says: an index into st.gpr, and for 8-bit registers a byte offset into it.
// Writes of 32 bits clear the upper half; writes of 8 and 16 bits keep the rest.
#pragma once

#include <Zydis/Zydis.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "models/cpu/core.h"
#include "models/cpu/form.h"

namespace xensim::cpu::isa {

template <class T>
inline T read_register(const Core& core, unsigned r) {
  if constexpr (sizeof(T) == 1) {
    return reinterpret_cast<const std::uint8_t*>(core.st.gpr.data())[r];
  } else {
    return static_cast<T>(core.st.gpr[r]);
  }
}

template <class T>
inline void write_register(Core& core, unsigned r, std::type_identity_t<T> v) {
  if constexpr (sizeof(T) == 1) {
    reinterpret_cast<std::uint8_t*>(core.st.gpr.data())[r] = v;
  } else if constexpr (sizeof(T) == 2) {
    std::memcpy(&core.st.gpr[r], &v, 2);
  } else {
    core.st.gpr[r] = v;
  }
}

// The accumulator and its upper half: AL/AH, AX/DX, EAX/EDX, RAX/RDX.
template <class T>
inline T read_accumulator(const Core& core) {
  return read_register<T>(core, 0);
}
template <class T>
inline void write_accumulator(Core& core, std::type_identity_t<T> v) {
  write_register<T>(core, 0, v);
}
template <class T>
inline constexpr unsigned kUpperAccumulator = sizeof(T) == 1 ? 1 : static_cast<unsigned>(kRdx);

// A general-purpose register as form.h numbers it, from Zydis's name for it.
inline std::uint8_t register_number(ZydisRegister r) {
  const auto id = static_cast<unsigned>(ZydisRegisterGetId(r));
  if (ZydisRegisterGetClass(r) != ZYDIS_REGCLASS_GPR8) return static_cast<std::uint8_t>(id);
  if (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH)
    return static_cast<std::uint8_t>((r - ZYDIS_REGISTER_AH) * 8 + 1);
  if (r <= ZYDIS_REGISTER_BL) return static_cast<std::uint8_t>((r - ZYDIS_REGISTER_AL) * 8);
  return static_cast<std::uint8_t>((r - ZYDIS_REGISTER_SPL + 4) * 8);
}

// Calls f with a value of the operand's type, for f to name its handler: by_size(bits, []<class T>() { return
// h<T>; }).
template <class F>
inline Handler by_size(unsigned bits, F f) {
  switch (bits) {
    case 8:
      return f.template operator()<std::uint8_t>();
    case 16:
      return f.template operator()<std::uint16_t>();
    case 32:
      return f.template operator()<std::uint32_t>();
    case 64:
      return f.template operator()<std::uint64_t>();
    default:
      return nullptr;
  }
}
// The same for instructions without an 8-bit form.
template <class F>
inline Handler by_word_size(unsigned bits, F f) {
  switch (bits) {
    case 16:
      return f.template operator()<std::uint16_t>();
    case 32:
      return f.template operator()<std::uint32_t>();
    case 64:
      return f.template operator()<std::uint64_t>();
    default:
      return nullptr;
  }
}
// … and for those with 32- and 64-bit forms only (BMI).
template <class F>
inline Handler by_long_size(unsigned bits, F f) {
  switch (bits) {
    case 32:
      return f.template operator()<std::uint32_t>();
    case 64:
      return f.template operator()<std::uint64_t>();
    default:
      return nullptr;
  }
}

}  // namespace xensim::cpu::isa
