// Bit scans and counts: BSF, BSR, TZCNT, LZCNT, POPCNT, CRC32. SDM 2, under those names.
//
// BSF and BSR of zero leave the destination alone, as every processor does (for 32-bit operands its upper half
// too).
#include <bit>

#include "models/cpu/isa/logic_parts.h"
#include "models/cpu/isa/operands.h"

namespace xensim::cpu::isa {
namespace {

template <class T>
constexpr unsigned kBits = sizeof(T) * 8;

// An operation: apply(core, destination register, source).
struct Bsf {
  template <class T>
  static void apply(Core& core, unsigned to, T a) {
    core.flags.set_zf(a == 0);
    if (a != 0) write_register<T>(core, to, static_cast<T>(std::countr_zero(a)));
  }
};
struct Bsr {
  template <class T>
  static void apply(Core& core, unsigned to, T a) {
    core.flags.set_zf(a == 0);
    if (a != 0) write_register<T>(core, to, static_cast<T>(std::bit_width(a) - 1));
  }
};
struct Tzcnt {
  template <class T>
  static void apply(Core& core, unsigned to, T a) {
    const auto n = static_cast<T>(std::countr_zero(a));
    core.flags.set_zf(n == 0);
    core.flags.set_cf(a == 0);
    write_register<T>(core, to, n);
  }
};
struct Lzcnt {
  template <class T>
  static void apply(Core& core, unsigned to, T a) {
    const auto n = static_cast<T>(std::countl_zero(a));
    core.flags.set_zf(n == 0);
    core.flags.set_cf(a == 0);
    write_register<T>(core, to, n);
  }
};
struct Popcnt {
  template <class T>
  static void apply(Core& core, unsigned to, T a) {
    core.flags.load(a == 0 ? kZf : 0);
    write_register<T>(core, to, static_cast<T>(std::popcount(a)));
  }
};

// The CRC-32C polynomial, bits reversed, one bit a step.
struct Crc32 {
  template <class T>
  static void apply(Core& core, unsigned to, T a) {
    auto crc = static_cast<std::uint32_t>(core.st.gpr[to]);
    for (unsigned i = 0; i < sizeof(T); ++i) {
      crc ^= static_cast<std::uint8_t>(static_cast<std::uint64_t>(a) >> (8 * i));
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82f63b78u : 0);
    }
    core.st.gpr[to] = crc;
  }
};

template <class O, class T>
Outcome scan_register(Core& core, const Op& op) {
  O::template apply<T>(core, op.reg, read_register<T>(core, op.rm));
  return Outcome::kNext;
}

template <class O, class T>
Outcome scan_memory(Core& core, const Op& op) {
  T a;
  if (const Outcome o = core.read(op, a); o != Outcome::kNext) [[unlikely]]
    return o;
  O::template apply<T>(core, op.reg, a);
  return Outcome::kNext;
}

template <class O>
Handler bind_scan(const DecodedInstruction& d, Op&) {
  return by_word_size(d.op(1).size,
                      [&]<class T>() -> Handler { return d.is_mem(1) ? scan_memory<O, T> : scan_register<O, T>; });
}

}  // namespace

Handler bind_bsf(const DecodedInstruction& d, Op& op) { return bind_scan<Bsf>(d, op); }
Handler bind_bsr(const DecodedInstruction& d, Op& op) { return bind_scan<Bsr>(d, op); }
Handler bind_tzcnt(const DecodedInstruction& d, Op& op) { return bind_scan<Tzcnt>(d, op); }
Handler bind_lzcnt(const DecodedInstruction& d, Op& op) { return bind_scan<Lzcnt>(d, op); }
Handler bind_popcnt(const DecodedInstruction& d, Op& op) { return bind_scan<Popcnt>(d, op); }

Handler bind_crc32(const DecodedInstruction& d, Op&) {
  return by_size(d.op(1).size, [&]<class T>() -> Handler {
    return d.is_mem(1) ? scan_memory<Crc32, T> : scan_register<Crc32, T>;
  });
}

}  // namespace xensim::cpu::isa
