// Integer addition and subtraction: ADD, ADC, SUB, SBB, CMP, INC, DEC, NEG, ADCX, ADOX. SDM 2, under those names.
// The table holds the whole family; multiplication and division are in multiply_divide.cpp, decimal adjustments in
// arithmetic_decimal.cpp.
#include "models/cpu/isa/alu.h"
#include "models/cpu/isa/arithmetic_parts.h"

namespace xensim::cpu::isa {
namespace {

struct Add {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(LazyFlags& f, T a, T b) {
    const auto r = static_cast<T>(a + b);
    f.set_add<T>(a, b, r);
    return r;
  }
};

struct Adc {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(LazyFlags& f, T a, T b) {
    const auto r = static_cast<T>(a + b + static_cast<T>(f.cf()));
    f.set_add<T>(a, b, r);
    return r;
  }
};

struct Sub {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(LazyFlags& f, T a, T b) {
    const auto r = static_cast<T>(a - b);
    f.set_sub<T>(a, b, r);
    return r;
  }
};

struct Sbb {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(LazyFlags& f, T a, T b) {
    const auto r = static_cast<T>(a - b - static_cast<T>(f.cf()));
    f.set_sub<T>(a, b, r);
    return r;
  }
};

struct Cmp : Sub {
  static constexpr bool kWrites = false;
};

struct Inc {
  template <class T>
  static T apply(LazyFlags& f, T a) {
    const auto r = static_cast<T>(a + 1);
    f.set_inc<T>(r);
    return r;
  }
};

struct Dec {
  template <class T>
  static T apply(LazyFlags& f, T a) {
    const auto r = static_cast<T>(a - 1);
    f.set_dec<T>(r);
    return r;
  }
};

struct Neg {
  template <class T>
  static T apply(LazyFlags& f, T a) {
    const auto r = static_cast<T>(0 - a);
    f.set_sub<T>(0, a, r);
    return r;
  }
};

// ADCX adds with CF and changes CF only, ADOX does both with OF.
template <bool kOverflow>
struct AddOneFlag {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(LazyFlags& f, T a, T b) {
    const bool in = kOverflow ? f.of() : f.cf();
    T r;
    const bool c1 = __builtin_add_overflow(a, b, &r);
    const bool c2 = __builtin_add_overflow(r, static_cast<T>(in), &r);
    if constexpr (kOverflow)
      f.set_of(c1 | c2);
    else
      f.set_cf(c1 | c2);
    return r;
  }
};

template <class O>
Handler bind_one_flag(const DecodedInstruction& d, Op&) {
  return by_long_size(d.op(0).size, [&]<class T>() -> Handler {
    return d.is_mem(1) ? alu_register_memory<O, T> : alu_register_register<O, T>;
  });
}

constexpr Form kForms[] = {
    {ZYDIS_MNEMONIC_ADD, CostClass::kAlu, BlockShape::kStraight, bind_binary<Add>},
    {ZYDIS_MNEMONIC_ADC, CostClass::kAlu, BlockShape::kStraight, bind_binary<Adc>},
    {ZYDIS_MNEMONIC_SUB, CostClass::kAlu, BlockShape::kStraight, bind_binary<Sub>},
    {ZYDIS_MNEMONIC_SBB, CostClass::kAlu, BlockShape::kStraight, bind_binary<Sbb>},
    {ZYDIS_MNEMONIC_CMP, CostClass::kAlu, BlockShape::kStraight, bind_binary<Cmp>},
    {ZYDIS_MNEMONIC_INC, CostClass::kAlu, BlockShape::kStraight, bind_unary<Inc>},
    {ZYDIS_MNEMONIC_DEC, CostClass::kAlu, BlockShape::kStraight, bind_unary<Dec>},
    {ZYDIS_MNEMONIC_NEG, CostClass::kAlu, BlockShape::kStraight, bind_unary<Neg>},
    {ZYDIS_MNEMONIC_ADCX, CostClass::kAlu, BlockShape::kStraight, bind_one_flag<AddOneFlag<false>>},
    {ZYDIS_MNEMONIC_ADOX, CostClass::kAlu, BlockShape::kStraight, bind_one_flag<AddOneFlag<true>>},
    {ZYDIS_MNEMONIC_MUL, CostClass::kMul, BlockShape::kStraight, bind_mul},
    {ZYDIS_MNEMONIC_IMUL, CostClass::kMul, BlockShape::kStraight, bind_imul},
    {ZYDIS_MNEMONIC_DIV, CostClass::kDiv, BlockShape::kStraight, bind_div},
    {ZYDIS_MNEMONIC_IDIV, CostClass::kDiv, BlockShape::kStraight, bind_idiv},
    {ZYDIS_MNEMONIC_AAA, CostClass::kAlu, BlockShape::kStraight, bind_aaa},
    {ZYDIS_MNEMONIC_AAS, CostClass::kAlu, BlockShape::kStraight, bind_aas},
    {ZYDIS_MNEMONIC_AAM, CostClass::kDiv, BlockShape::kStraight, bind_aam},
    {ZYDIS_MNEMONIC_AAD, CostClass::kMul, BlockShape::kStraight, bind_aad},
    {ZYDIS_MNEMONIC_DAA, CostClass::kAlu, BlockShape::kStraight, bind_daa},
    {ZYDIS_MNEMONIC_DAS, CostClass::kAlu, BlockShape::kStraight, bind_das},
};

}  // namespace

std::span<const Form> arithmetic_forms() { return kForms; }

}  // namespace xensim::cpu::isa
