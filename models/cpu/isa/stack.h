// Push and pop on the current stack: RSP in 64-bit mode, else ESP or SP by SS.B, through SS (SDM 1, 6.2.3).
#pragma once

#include <cstdint>
#include <type_traits>

#include "models/cpu/core.h"

namespace xensim::cpu::isa {

inline std::uint64_t stack_mask(const Core& core) {
  return core.mode & kMode64        ? ~std::uint64_t{0}
         : core.mode & kModeStack32 ? std::uint64_t{0xffffffff}
                                    : std::uint64_t{0xffff};
}

// Moves the stack pointer; with a 16-bit stack the upper bits of ESP stay.
inline void set_stack_pointer(Core& core, std::uint64_t v) {
  const std::uint64_t mask = stack_mask(core);
  std::uint64_t& rsp = core.st.gpr[kRsp];
  rsp = mask == 0xffff ? (rsp & ~mask) | (v & mask) : v & mask;
}

// Linear address of n bytes on the stack, offset bytes from the stack pointer.
inline bool stack_address(Core& core, std::uint64_t offset, unsigned n, bool write, std::uint64_t& out) {
  const std::uint64_t a = core.st.gpr[kRsp] + offset;
  if (core.mode & kMode64) [[likely]] {
    out = a;
    return true;
  }
  return core.linear_address_slow(a & stack_mask(core), kSs, n, write, out);
}

// A kEndBlock from the write means success, as everywhere.
template <class T>
inline Outcome push(Core& core, std::type_identity_t<T> v) {
  std::uint64_t a;
  if (!stack_address(core, -std::uint64_t{sizeof(T)}, sizeof(T), true, a)) [[unlikely]]
    return Outcome::kFault;
  const Outcome o = core.write_linear(a, v);
  if (failed(o)) [[unlikely]]
    return core.stack_outcome(o);
  set_stack_pointer(core, core.st.gpr[kRsp] - sizeof(T));
  return o;
}

// Reads the top of the stack and leaves the stack pointer.
template <class T>
inline Outcome peek(Core& core, T& out, std::uint64_t offset = 0) {
  std::uint64_t a;
  if (!stack_address(core, offset, sizeof(T), false, a)) [[unlikely]]
    return Outcome::kFault;
  const Outcome o = core.read_linear(a, out);
  return failed(o) ? core.stack_outcome(o) : o;
}

template <class T>
inline Outcome pop(Core& core, T& out) {
  const Outcome o = peek(core, out);
  if (!failed(o)) set_stack_pointer(core, core.st.gpr[kRsp] + sizeof(T));
  return o;
}

}  // namespace xensim::cpu::isa
