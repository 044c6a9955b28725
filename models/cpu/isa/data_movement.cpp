// Data movement: MOV and its relatives, LEA, XCHG, CMOVcc, sign extension, byte swaps, XLAT (SDM 1, 7.3.1). The
// stack forms are in data_movement_stack.cpp.
#include <array>
#include <type_traits>

#include "models/cpu/isa/data_movement_parts.h"
#include "models/cpu/isa/operands.h"

namespace xensim::cpu::isa {
namespace {

// --- MOV

template <class T>
Outcome mov_reg_reg(Core& core, const Op& op) {
  write_register<T>(core, op.reg, read_register<T>(core, op.rm));
  return Outcome::kNext;
}

template <class T>
Outcome mov_reg_imm(Core& core, const Op& op) {
  write_register<T>(core, op.reg, static_cast<T>(op.imm));
  return Outcome::kNext;
}

template <class T>
Outcome mov_reg_mem(Core& core, const Op& op) {
  T v;
  if (const Outcome o = core.read(op, v); o != Outcome::kNext) [[unlikely]]
    return o;
  write_register<T>(core, op.reg, v);
  return Outcome::kNext;
}

template <class T>
Outcome mov_mem_reg(Core& core, const Op& op) {
  return core.write(op, read_register<T>(core, op.rm));
}

template <class T>
Outcome mov_mem_imm(Core& core, const Op& op) {
  return core.write(op, static_cast<T>(op.imm));
}

Handler bind_mov(const DecodedInstruction& d, Op& op) {
  for (unsigned i = 0; i < 2; ++i) {
    if (!d.is_reg(i)) continue;
    switch (ZydisRegisterGetClass(d.op(i).reg.value)) {
      case ZYDIS_REGCLASS_SEGMENT:
        return bind_mov_segment(d, op);
      case ZYDIS_REGCLASS_CONTROL:
        return bind_mov_control(d, op);
      case ZYDIS_REGCLASS_DEBUG:
        return bind_mov_debug(d, op);
      case ZYDIS_REGCLASS_TEST:
        return nullptr;
      default:
        break;
    }
  }
  const unsigned bits = d.op(0).size;
  if (d.is_mem(0))
    return d.is_reg(1) ? by_size(bits, []<class T>() -> Handler { return mov_mem_reg<T>; })
                       : by_size(bits, []<class T>() -> Handler { return mov_mem_imm<T>; });
  if (d.is_mem(1)) return by_size(bits, []<class T>() -> Handler { return mov_reg_mem<T>; });
  if (d.is_reg(1)) return by_size(bits, []<class T>() -> Handler { return mov_reg_reg<T>; });
  return by_size(bits, []<class T>() -> Handler { return mov_reg_imm<T>; });
}

Handler bind_movnti(const DecodedInstruction& d, Op&) {
  return by_long_size(d.op(0).size, []<class T>() -> Handler { return mov_mem_reg<T>; });
}

// --- MOVZX, MOVSX, MOVSXD: From is signed for the latter two.

template <class To, class From>
constexpr To extended(std::make_unsigned_t<From> v) {
  return static_cast<To>(static_cast<From>(v));
}

template <class To, class From>
Outcome extend_reg(Core& core, const Op& op) {
  write_register<To>(core, op.reg, extended<To, From>(read_register<std::make_unsigned_t<From>>(core, op.rm)));
  return Outcome::kNext;
}

template <class To, class From>
Outcome extend_mem(Core& core, const Op& op) {
  std::make_unsigned_t<From> v;
  if (const Outcome o = core.read(op, v); o != Outcome::kNext) [[unlikely]]
    return o;
  write_register<To>(core, op.reg, extended<To, From>(v));
  return Outcome::kNext;
}

template <class From>
Handler bind_extension(const DecodedInstruction& d) {
  if (d.is_mem(1)) return by_word_size(d.op(0).size, []<class To>() -> Handler { return extend_mem<To, From>; });
  return by_word_size(d.op(0).size, []<class To>() -> Handler { return extend_reg<To, From>; });
}

Handler bind_movzx(const DecodedInstruction& d, Op&) {
  return d.op(1).size == 8 ? bind_extension<std::uint8_t>(d) : bind_extension<std::uint16_t>(d);
}

Handler bind_movsx(const DecodedInstruction& d, Op&) {
  switch (d.op(1).size) {
    case 8:
      return bind_extension<std::int8_t>(d);
    case 16:
      return bind_extension<std::int16_t>(d);
    default:
      return bind_extension<std::int32_t>(d);
  }
}

// --- LEA

template <class T, class A>
Outcome lea(Core& core, const Op& op) {
  const auto ea = static_cast<A>(core.st.gpr[op.base] + (core.st.gpr[op.index] << op.scale) + op.disp);
  write_register<T>(core, op.reg, static_cast<T>(ea));
  return Outcome::kNext;
}

Handler bind_lea(const DecodedInstruction& d, Op&) {
  const unsigned bits = d.op(0).size;
  switch (d.insn.address_width) {
    case 16:
      return by_word_size(bits, []<class T>() -> Handler { return lea<T, std::uint16_t>; });
    case 32:
      return by_word_size(bits, []<class T>() -> Handler { return lea<T, std::uint32_t>; });
    default:
      return by_word_size(bits, []<class T>() -> Handler { return lea<T, std::uint64_t>; });
  }
}

// --- XCHG: with memory it is locked, LOCK prefix or not.

template <class T>
Outcome xchg_reg(Core& core, const Op& op) {
  const T a = read_register<T>(core, op.reg), b = read_register<T>(core, op.rm);
  write_register<T>(core, op.reg, b);
  write_register<T>(core, op.rm, a);
  return Outcome::kNext;
}

template <class T>
Outcome xchg_mem(Core& core, const Op& op) {
  T old{};
  const Outcome o = core.modify<T>(op, [&](T v) {
    old = v;
    return read_register<T>(core, op.reg);
  });
  if (!failed(o)) write_register<T>(core, op.reg, old);
  return o;
}

Handler bind_xchg(const DecodedInstruction& d, Op& op) {
  if (d.is_mem(0)) op.reg = op.rm;
  if (d.is_mem(0) || d.is_mem(1)) {
    op.flags |= kLock;
    return by_size(d.op(0).size, []<class T>() -> Handler { return xchg_mem<T>; });
  }
  return by_size(d.op(0).size, []<class T>() -> Handler { return xchg_reg<T>; });
}

// --- CMOVcc: a 32-bit destination is zero-extended, a memory operand is read, whatever the condition says.

template <unsigned CC, class T>
Outcome cmov_reg(Core& core, const Op& op) {
  const T v = read_register<T>(core, condition<CC>(core.flags) ? op.rm : op.reg);
  write_register<T>(core, op.reg, v);
  return Outcome::kNext;
}

template <unsigned CC, class T>
Outcome cmov_mem(Core& core, const Op& op) {
  T v;
  if (const Outcome o = core.read(op, v); o != Outcome::kNext) [[unlikely]]
    return o;
  write_register<T>(core, op.reg, condition<CC>(core.flags) ? v : read_register<T>(core, op.reg));
  return Outcome::kNext;
}

template <unsigned CC>
Handler bind_cmov(const DecodedInstruction& d, Op&) {
  if (d.is_mem(1)) return by_word_size(d.op(0).size, []<class T>() -> Handler { return cmov_mem<CC, T>; });
  return by_word_size(d.op(0).size, []<class T>() -> Handler { return cmov_reg<CC, T>; });
}

// --- Byte swaps. BSWAP of 16 bits is undefined; processors clear the register.

template <class T>
constexpr T swapped(T v) {
  if constexpr (sizeof(T) == 2)
    return __builtin_bswap16(v);
  else if constexpr (sizeof(T) == 4)
    return __builtin_bswap32(v);
  else
    return __builtin_bswap64(v);
}

template <class T>
Outcome bswap(Core& core, const Op& op) {
  write_register<T>(core, op.reg, sizeof(T) == 2 ? T{0} : swapped(read_register<T>(core, op.reg)));
  return Outcome::kNext;
}

Handler bind_bswap(const DecodedInstruction& d, Op&) {
  return by_word_size(d.op(0).size, []<class T>() -> Handler { return bswap<T>; });
}

template <class T>
Outcome movbe_load(Core& core, const Op& op) {
  T v;
  if (const Outcome o = core.read(op, v); o != Outcome::kNext) [[unlikely]]
    return o;
  write_register<T>(core, op.reg, swapped(v));
  return Outcome::kNext;
}

template <class T>
Outcome movbe_store(Core& core, const Op& op) {
  return core.write(op, swapped(read_register<T>(core, op.rm)));
}

Handler bind_movbe(const DecodedInstruction& d, Op&) {
  if (d.is_mem(0)) return by_word_size(d.op(0).size, []<class T>() -> Handler { return movbe_store<T>; });
  return by_word_size(d.op(0).size, []<class T>() -> Handler { return movbe_load<T>; });
}

// --- CBW, CWDE, CDQE: the accumulator's lower half into all of it. CWD, CDQ, CQO: its sign into DX, EDX, RDX.

template <class To, class From>
Outcome extend_accumulator(Core& core, const Op&) {
  write_accumulator<To>(core, extended<To, From>(read_accumulator<std::make_unsigned_t<From>>(core)));
  return Outcome::kNext;
}

template <class T>
Outcome spread_sign(Core& core, const Op&) {
  const bool negative = (read_accumulator<T>(core) >> (sizeof(T) * 8 - 1)) != 0;
  write_register<T>(core, kRdx, negative ? static_cast<T>(~T{0}) : T{0});
  return Outcome::kNext;
}

template <Handler H>
Handler bind_fixed(const DecodedInstruction&, Op&) {
  return H;
}

// --- XLAT

Outcome xlat(Core& core, const Op& op) {
  Op address = op;
  address.disp = read_register<std::uint8_t>(core, kRax);
  std::uint8_t v;
  if (const Outcome o = core.read(address, v); o != Outcome::kNext) return o;
  write_register<std::uint8_t>(core, kRax, v);
  return Outcome::kNext;
}

Handler bind_xlat(const DecodedInstruction&, Op& op) {
  op.base = kRbx;
  op.index = kZeroReg;
  return xlat;
}

constexpr BlockShape kStraight = BlockShape::kStraight;

constexpr std::array kForms{
    Form{ZYDIS_MNEMONIC_MOV, CostClass::kMove, kStraight, bind_mov},
    Form{ZYDIS_MNEMONIC_MOVNTI, CostClass::kStore, kStraight, bind_movnti},
    Form{ZYDIS_MNEMONIC_MOVZX, CostClass::kMove, kStraight, bind_movzx},
    Form{ZYDIS_MNEMONIC_MOVSX, CostClass::kMove, kStraight, bind_movsx},
    Form{ZYDIS_MNEMONIC_MOVSXD, CostClass::kMove, kStraight, bind_movsx},
    Form{ZYDIS_MNEMONIC_LEA, CostClass::kLea, kStraight, bind_lea},
    Form{ZYDIS_MNEMONIC_XCHG, CostClass::kXchg, kStraight, bind_xchg},
    Form{ZYDIS_MNEMONIC_CMOVO, CostClass::kAlu, kStraight, bind_cmov<0x0>},
    Form{ZYDIS_MNEMONIC_CMOVNO, CostClass::kAlu, kStraight, bind_cmov<0x1>},
    Form{ZYDIS_MNEMONIC_CMOVB, CostClass::kAlu, kStraight, bind_cmov<0x2>},
    Form{ZYDIS_MNEMONIC_CMOVNB, CostClass::kAlu, kStraight, bind_cmov<0x3>},
    Form{ZYDIS_MNEMONIC_CMOVZ, CostClass::kAlu, kStraight, bind_cmov<0x4>},
    Form{ZYDIS_MNEMONIC_CMOVNZ, CostClass::kAlu, kStraight, bind_cmov<0x5>},
    Form{ZYDIS_MNEMONIC_CMOVBE, CostClass::kAlu, kStraight, bind_cmov<0x6>},
    Form{ZYDIS_MNEMONIC_CMOVNBE, CostClass::kAlu, kStraight, bind_cmov<0x7>},
    Form{ZYDIS_MNEMONIC_CMOVS, CostClass::kAlu, kStraight, bind_cmov<0x8>},
    Form{ZYDIS_MNEMONIC_CMOVNS, CostClass::kAlu, kStraight, bind_cmov<0x9>},
    Form{ZYDIS_MNEMONIC_CMOVP, CostClass::kAlu, kStraight, bind_cmov<0xa>},
    Form{ZYDIS_MNEMONIC_CMOVNP, CostClass::kAlu, kStraight, bind_cmov<0xb>},
    Form{ZYDIS_MNEMONIC_CMOVL, CostClass::kAlu, kStraight, bind_cmov<0xc>},
    Form{ZYDIS_MNEMONIC_CMOVNL, CostClass::kAlu, kStraight, bind_cmov<0xd>},
    Form{ZYDIS_MNEMONIC_CMOVLE, CostClass::kAlu, kStraight, bind_cmov<0xe>},
    Form{ZYDIS_MNEMONIC_CMOVNLE, CostClass::kAlu, kStraight, bind_cmov<0xf>},
    Form{ZYDIS_MNEMONIC_BSWAP, CostClass::kAlu, kStraight, bind_bswap},
    Form{ZYDIS_MNEMONIC_MOVBE, CostClass::kMove, kStraight, bind_movbe},
    Form{ZYDIS_MNEMONIC_CBW, CostClass::kAlu, kStraight,
         bind_fixed<extend_accumulator<std::uint16_t, std::int8_t>>},
    Form{ZYDIS_MNEMONIC_CWDE, CostClass::kAlu, kStraight,
         bind_fixed<extend_accumulator<std::uint32_t, std::int16_t>>},
    Form{ZYDIS_MNEMONIC_CDQE, CostClass::kAlu, kStraight,
         bind_fixed<extend_accumulator<std::uint64_t, std::int32_t>>},
    Form{ZYDIS_MNEMONIC_CWD, CostClass::kAlu, kStraight, bind_fixed<spread_sign<std::uint16_t>>},
    Form{ZYDIS_MNEMONIC_CDQ, CostClass::kAlu, kStraight, bind_fixed<spread_sign<std::uint32_t>>},
    Form{ZYDIS_MNEMONIC_CQO, CostClass::kAlu, kStraight, bind_fixed<spread_sign<std::uint64_t>>},
    Form{ZYDIS_MNEMONIC_XLAT, CostClass::kLoad, kStraight, bind_xlat},
    Form{ZYDIS_MNEMONIC_PUSH, CostClass::kPush, kStraight, bind_push},
    Form{ZYDIS_MNEMONIC_POP, CostClass::kPop, kStraight, bind_pop},
    Form{ZYDIS_MNEMONIC_PUSHA, CostClass::kPush, kStraight, bind_pusha},
    Form{ZYDIS_MNEMONIC_PUSHAD, CostClass::kPush, kStraight, bind_pusha},
    Form{ZYDIS_MNEMONIC_POPA, CostClass::kPop, kStraight, bind_popa},
    Form{ZYDIS_MNEMONIC_POPAD, CostClass::kPop, kStraight, bind_popa},
    Form{ZYDIS_MNEMONIC_ENTER, CostClass::kPush, kStraight, bind_enter},
    Form{ZYDIS_MNEMONIC_LEAVE, CostClass::kPop, kStraight, bind_leave},
};

}  // namespace

std::span<const Form> data_movement_forms() { return kForms; }

}  // namespace xensim::cpu::isa
