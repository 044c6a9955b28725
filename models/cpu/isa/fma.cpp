// FMA: fused multiply-add, packed and scalar (SDM 1, 14.5; SDM 2). The arithmetic is in ieee_rounding.h.
//
// The digits of a mnemonic say which operands (1: destination, 2: VEX.vvvv, 3: register or memory) are multiplied
// and which is added: VFMADD132 is 1 × 3 + 2. Scalar forms keep the rest of the destination's low half.
#include "models/cpu/isa/ieee_rounding.h"
#include "models/cpu/isa/vex_operands.h"

namespace xensim::cpu::isa {

namespace vex {
namespace {

enum class Order : std::uint8_t { k132, k213, k231 };
// Signs of product and addend; those of the alternating forms are of odd and even elements.
enum class Sign : std::uint8_t { kAdd, kSub, kNegateAdd, kNegateSub, kAddSub, kSubAdd };

constexpr bool negates_product(Sign s) { return s == Sign::kNegateAdd || s == Sign::kNegateSub; }
constexpr bool negates_addend(Sign s, unsigned element) {
  switch (s) {
    case Sign::kSub:
    case Sign::kNegateSub:
      return true;
    case Sign::kAddSub:  // adds in odd elements
      return element % 2 == 0;
    case Sign::kSubAdd:
      return element % 2 == 1;
    default:
      return false;
  }
}

template <class T>
using FormatOf = std::conditional_t<sizeof(T) == 4, ieee::Single, ieee::Double>;

// T: the element as an unsigned integer.
template <class T, Order kOrder, Sign kSign, unsigned kCount, bool kMemory>
Outcome fused(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  Wide third{};
  if (Outcome o = source<kMemory, kCount * sizeof(T)>(c, op, op.sub, third); failed(o)) return o;
  const Wide old = ymm(c, op.reg);
  const auto e1 = elements<T>(old), e2 = elements<T>(ymm(c, op.rm)), e3 = elements<T>(third);
  const auto& x = kOrder == Order::k132 ? e1 : e2;
  const auto& y = kOrder == Order::k213 ? e1 : e3;
  const auto& z = kOrder == Order::k132 ? e2 : kOrder == Order::k213 ? e3 : e1;
  const ieee::Control control = ieee::control_of(c.st.mxcsr);
  std::uint32_t raised = 0;
  auto r = e1;
  for (unsigned i = 0; i < kCount; ++i)
    r[i] = static_cast<T>(ieee::fused_multiply_add<FormatOf<T>>(x[i], y[i], z[i], negates_product(kSign),
                                                                negates_addend(kSign, i), control, raised));
  if (Outcome o = settle_flags(c, raised); failed(o)) return o;
  set_ymm<(kCount * sizeof(T) == 32) ? 2 : 1>(c, op.reg, value_of<Wide>(r));
  return Outcome::kNext;
}

template <class T, Order kOrder, Sign kSign>
Handler bind_packed(const DecodedInstruction& d, Op& op) {
  two_sources(d, op);
  constexpr unsigned kHalf = 16 / sizeof(T);
  if (is_wide(d))
    return d.is_mem(2) ? fused<T, kOrder, kSign, 2 * kHalf, true> : fused<T, kOrder, kSign, 2 * kHalf, false>;
  return d.is_mem(2) ? fused<T, kOrder, kSign, kHalf, true> : fused<T, kOrder, kSign, kHalf, false>;
}
template <class T, Order kOrder, Sign kSign>
Handler bind_scalar(const DecodedInstruction& d, Op& op) {
  two_sources(d, op);
  return d.is_mem(2) ? fused<T, kOrder, kSign, 1, true> : fused<T, kOrder, kSign, 1, false>;
}

#define ROW(name, ...) Form(ZYDIS_MNEMONIC_##name, CostClass::kFpMul, kStraight, __VA_ARGS__)
#define PACKED(name, order, sign)                                                  \
  ROW(name##order##PS, (bind_packed<std::uint32_t, Order::k##order, Sign::sign>)), \
      ROW(name##order##PD, (bind_packed<std::uint64_t, Order::k##order, Sign::sign>))
#define SCALAR(name, order, sign)                                                  \
  ROW(name##order##SS, (bind_scalar<std::uint32_t, Order::k##order, Sign::sign>)), \
      ROW(name##order##SD, (bind_scalar<std::uint64_t, Order::k##order, Sign::sign>))
#define ORDERS(kind, name, sign) kind(name, 132, sign), kind(name, 213, sign), kind(name, 231, sign)

constexpr Form kForms[] = {
    ORDERS(PACKED, VFMADD, kAdd),        ORDERS(SCALAR, VFMADD, kAdd),        ORDERS(PACKED, VFMSUB, kSub),
    ORDERS(SCALAR, VFMSUB, kSub),        ORDERS(PACKED, VFNMADD, kNegateAdd), ORDERS(SCALAR, VFNMADD, kNegateAdd),
    ORDERS(PACKED, VFNMSUB, kNegateSub), ORDERS(SCALAR, VFNMSUB, kNegateSub), ORDERS(PACKED, VFMADDSUB, kAddSub),
    ORDERS(PACKED, VFMSUBADD, kSubAdd),
};

}  // namespace
}  // namespace vex

std::span<const Form> fma_forms() { return vex::kForms; }

}  // namespace xensim::cpu::isa
