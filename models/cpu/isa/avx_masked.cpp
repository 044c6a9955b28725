// Masked moves and gathers of AVX and AVX2 (SDM 2, VMASKMOV, VPMASKMOV, VGATHERDPS and after). An element counts
// if the top bit of its mask element is set; the others touch no memory and so fault on none.
//
// A gather goes from the lowest element to the highest. One that faults has written the elements before, and
// cleared the mask elements up to there, so that it goes on from there when it is executed again.
#include "models/cpu/isa/vex_operands.h"

namespace xensim::cpu::isa {

namespace vex {
namespace {

template <class T>
bool selected(T mask) {
  return mask >> (8 * sizeof(T) - 1) & 1;
}
// The memory operand, moved on by so many bytes.
Op moved(const Op& op, std::uint64_t bytes) {
  Op at = op;
  at.disp += bytes;
  return at;
}

// --- VMASKMOVPS, VMASKMOVPD, VPMASKMOVD, VPMASKMOVQ. The mask is op.rm.

template <class T, unsigned kCount>
Outcome masked_load(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  const auto mask = elements<T>(ymm(c, op.rm));
  std::array<T, sizeof(Wide) / sizeof(T)> r{};
  for (unsigned i = 0; i < kCount; ++i)
    if (selected(mask[i]))
      if (Outcome o = c.read(moved(op, i * sizeof(T)), r[i]); failed(o)) return o;
  set_ymm<kCount * sizeof(T) / 16>(c, op.reg, value_of<Wide>(r));
  return Outcome::kNext;
}
template <class T, unsigned kCount>
Outcome masked_store(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  const auto mask = elements<T>(ymm(c, op.rm)), data = elements<T>(ymm(c, op.sub));
  std::array<std::uint64_t, kCount> linear{};
  for (unsigned i = 0; i < kCount; ++i) {
    if (!selected(mask[i])) continue;
    if (!c.linear_address(moved(op, i * sizeof(T)), sizeof(T), true, linear[i])) return Outcome::kFault;
    const Outcome o = c.mmu.probe_write(LinearAddr(linear[i]), sizeof(T), c.mmu.current_view());
    if (failed(o)) return o;
  }
  Outcome result = Outcome::kNext;
  for (unsigned i = 0; i < kCount; ++i) {
    if (!selected(mask[i])) continue;
    const Outcome o = c.write_linear(linear[i], data[i]);
    if (failed(o)) return o;
    if (o != Outcome::kNext) result = o;
  }
  return result;
}
template <class T>
Handler bind_masked_move(const DecodedInstruction& d, Op& op) {
  constexpr unsigned kHalf = 16 / sizeof(T);
  if (d.is_mem(0)) {
    two_sources(d, op);
    return is_wide(d) ? masked_store<T, 2 * kHalf> : masked_store<T, kHalf>;
  }
  return is_wide(d) ? masked_load<T, 2 * kHalf> : masked_load<T, kHalf>;
}

// --- Gathers. The vector of indices is op.sub2, the mask op.sub.

template <class T, class Index, unsigned kCount>
Outcome gather(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  const auto index = elements<Index>(ymm(c, op.sub2));
  auto mask = elements<T>(ymm(c, op.sub)), r = elements<T>(ymm(c, op.reg));
  Outcome result = Outcome::kNext;
  for (unsigned i = 0; i < kCount && !failed(result); ++i) {
    if (selected(mask[i])) {
      const auto offset =
          static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::make_signed_t<Index>>(index[i])));
      result = c.read(moved(op, offset << op.scale), r[i]);
      if (failed(result)) break;
    }
    mask[i] = 0;
  }
  // In the end elements past the last are zeroed, in the mask as well.
  if (!failed(result)) {
    std::fill(mask.begin() + kCount, mask.end(), T{0});
    std::fill(r.begin() + kCount, r.end(), T{0});
  }
  set_ymm<2>(c, op.reg, value_of<Wide>(r));
  set_ymm<2>(c, op.sub, value_of<Wide>(mask));
  return result;
}
template <class T, class Index>
Handler bind_gather(const DecodedInstruction& d, Op& op) {
  two_sources(d, op);
  op.sub2 = op.index;
  op.index = kZeroReg;
  if (op.reg == op.sub || op.reg == op.sub2 || op.sub == op.sub2) return nullptr;
  // The length is that of the longer of elements and indices.
  constexpr unsigned kHalf = 16 / std::max(sizeof(T), sizeof(Index));
  return is_wide(d) ? gather<T, Index, 2 * kHalf> : gather<T, Index, kHalf>;
}

#define MOVE(name, ...) Form(ZYDIS_MNEMONIC_##name, CostClass::kFpMove, kStraight, __VA_ARGS__)
#define GATHER(name, element, index) \
  Form(ZYDIS_MNEMONIC_##name, CostClass::kVecShuffle, kStraight, bind_gather<element, index>)

constexpr Form kForms[] = {
    MOVE(VMASKMOVPS, bind_masked_move<std::uint32_t>), MOVE(VMASKMOVPD, bind_masked_move<std::uint64_t>),
    MOVE(VPMASKMOVD, bind_masked_move<std::uint32_t>), MOVE(VPMASKMOVQ, bind_masked_move<std::uint64_t>),
    GATHER(VGATHERDPS, std::uint32_t, std::uint32_t),  GATHER(VGATHERQPS, std::uint32_t, std::uint64_t),
    GATHER(VGATHERDPD, std::uint64_t, std::uint32_t),  GATHER(VGATHERQPD, std::uint64_t, std::uint64_t),
    GATHER(VPGATHERDD, std::uint32_t, std::uint32_t),  GATHER(VPGATHERQD, std::uint32_t, std::uint64_t),
    GATHER(VPGATHERDQ, std::uint64_t, std::uint32_t),  GATHER(VPGATHERQQ, std::uint64_t, std::uint64_t),
};

}  // namespace
}  // namespace vex

std::span<const Form> avx_masked_forms() { return vex::kForms; }

}  // namespace xensim::cpu::isa
