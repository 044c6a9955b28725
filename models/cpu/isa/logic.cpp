// Bitwise logic: AND, OR, XOR, TEST, NOT. SDM 2, under those names. The table holds the whole family; shifts and
// rotates are in shift.cpp and shift_double.cpp, bit tests in bit_test.cpp, scans, counts and BMI in bit_*.cpp.
#include "models/cpu/isa/alu.h"
#include "models/cpu/isa/logic_parts.h"

namespace xensim::cpu::isa {
namespace {

struct And {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(LazyFlags& f, T a, T b) {
    const auto r = static_cast<T>(a & b);
    f.set_logic<T>(r);
    return r;
  }
};

struct Or {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(LazyFlags& f, T a, T b) {
    const auto r = static_cast<T>(a | b);
    f.set_logic<T>(r);
    return r;
  }
};

struct Xor {
  static constexpr bool kWrites = true;
  template <class T>
  static T apply(LazyFlags& f, T a, T b) {
    const auto r = static_cast<T>(a ^ b);
    f.set_logic<T>(r);
    return r;
  }
};

struct Test : And {
  static constexpr bool kWrites = false;
};

struct Not {
  template <class T>
  static T apply(LazyFlags&, T a) {
    return static_cast<T>(~a);
  }
};

constexpr BlockShape kStraight = BlockShape::kStraight;

constexpr Form kForms[] = {
    {ZYDIS_MNEMONIC_AND, CostClass::kAlu, kStraight, bind_binary<And>},
    {ZYDIS_MNEMONIC_OR, CostClass::kAlu, kStraight, bind_binary<Or>},
    {ZYDIS_MNEMONIC_XOR, CostClass::kAlu, kStraight, bind_binary<Xor>},
    {ZYDIS_MNEMONIC_TEST, CostClass::kAlu, kStraight, bind_binary<Test>},
    {ZYDIS_MNEMONIC_NOT, CostClass::kAlu, kStraight, bind_unary<Not>},
    {ZYDIS_MNEMONIC_SHL, CostClass::kShift, kStraight, bind_shl},
    {ZYDIS_MNEMONIC_SHR, CostClass::kShift, kStraight, bind_shr},
    {ZYDIS_MNEMONIC_SAR, CostClass::kShift, kStraight, bind_sar},
    {ZYDIS_MNEMONIC_ROL, CostClass::kRotate, kStraight, bind_rol},
    {ZYDIS_MNEMONIC_ROR, CostClass::kRotate, kStraight, bind_ror},
    {ZYDIS_MNEMONIC_RCL, CostClass::kRotate, kStraight, bind_rcl},
    {ZYDIS_MNEMONIC_RCR, CostClass::kRotate, kStraight, bind_rcr},
    {ZYDIS_MNEMONIC_SHLD, CostClass::kShift, kStraight, bind_shld},
    {ZYDIS_MNEMONIC_SHRD, CostClass::kShift, kStraight, bind_shrd},
    {ZYDIS_MNEMONIC_BT, CostClass::kAlu, kStraight, bind_bt},
    {ZYDIS_MNEMONIC_BTS, CostClass::kAlu, kStraight, bind_bts},
    {ZYDIS_MNEMONIC_BTR, CostClass::kAlu, kStraight, bind_btr},
    {ZYDIS_MNEMONIC_BTC, CostClass::kAlu, kStraight, bind_btc},
    {ZYDIS_MNEMONIC_BSF, CostClass::kBitScan, kStraight, bind_bsf},
    {ZYDIS_MNEMONIC_BSR, CostClass::kBitScan, kStraight, bind_bsr},
    {ZYDIS_MNEMONIC_TZCNT, CostClass::kBitScan, kStraight, bind_tzcnt},
    {ZYDIS_MNEMONIC_LZCNT, CostClass::kBitScan, kStraight, bind_lzcnt},
    {ZYDIS_MNEMONIC_POPCNT, CostClass::kBitScan, kStraight, bind_popcnt},
    {ZYDIS_MNEMONIC_CRC32, CostClass::kMul, kStraight, bind_crc32},
    {ZYDIS_MNEMONIC_ANDN, CostClass::kAlu, kStraight, bind_andn},
    {ZYDIS_MNEMONIC_BEXTR, CostClass::kShift, kStraight, bind_bextr},
    {ZYDIS_MNEMONIC_BZHI, CostClass::kShift, kStraight, bind_bzhi},
    {ZYDIS_MNEMONIC_BLSI, CostClass::kAlu, kStraight, bind_blsi},
    {ZYDIS_MNEMONIC_BLSMSK, CostClass::kAlu, kStraight, bind_blsmsk},
    {ZYDIS_MNEMONIC_BLSR, CostClass::kAlu, kStraight, bind_blsr},
    {ZYDIS_MNEMONIC_MULX, CostClass::kMul, kStraight, bind_mulx},
    {ZYDIS_MNEMONIC_PDEP, CostClass::kMul, kStraight, bind_pdep},
    {ZYDIS_MNEMONIC_PEXT, CostClass::kMul, kStraight, bind_pext},
    {ZYDIS_MNEMONIC_RORX, CostClass::kShift, kStraight, bind_rorx},
    {ZYDIS_MNEMONIC_SARX, CostClass::kShift, kStraight, bind_sarx},
    {ZYDIS_MNEMONIC_SHLX, CostClass::kShift, kStraight, bind_shlx},
    {ZYDIS_MNEMONIC_SHRX, CostClass::kShift, kStraight, bind_shrx},
};

}  // namespace

std::span<const Form> logic_forms() { return kForms; }

}  // namespace xensim::cpu::isa
