// The binders of the logic family that live in files of their own.
#pragma once

#include "models/cpu/form.h"

namespace xensim::cpu::isa {

// shift.cpp
Handler bind_shl(const DecodedInstruction& d, Op& op);
Handler bind_shr(const DecodedInstruction& d, Op& op);
Handler bind_sar(const DecodedInstruction& d, Op& op);
Handler bind_rol(const DecodedInstruction& d, Op& op);
Handler bind_ror(const DecodedInstruction& d, Op& op);
Handler bind_rcl(const DecodedInstruction& d, Op& op);
Handler bind_rcr(const DecodedInstruction& d, Op& op);

// shift_double.cpp
Handler bind_shld(const DecodedInstruction& d, Op& op);
Handler bind_shrd(const DecodedInstruction& d, Op& op);

// bit_test.cpp
Handler bind_bt(const DecodedInstruction& d, Op& op);
Handler bind_bts(const DecodedInstruction& d, Op& op);
Handler bind_btr(const DecodedInstruction& d, Op& op);
Handler bind_btc(const DecodedInstruction& d, Op& op);

// bit_scan.cpp
Handler bind_bsf(const DecodedInstruction& d, Op& op);
Handler bind_bsr(const DecodedInstruction& d, Op& op);
Handler bind_tzcnt(const DecodedInstruction& d, Op& op);
Handler bind_lzcnt(const DecodedInstruction& d, Op& op);
Handler bind_popcnt(const DecodedInstruction& d, Op& op);
Handler bind_crc32(const DecodedInstruction& d, Op& op);

// bit_manipulation.cpp
Handler bind_andn(const DecodedInstruction& d, Op& op);
Handler bind_bextr(const DecodedInstruction& d, Op& op);
Handler bind_bzhi(const DecodedInstruction& d, Op& op);
Handler bind_blsi(const DecodedInstruction& d, Op& op);
Handler bind_blsmsk(const DecodedInstruction& d, Op& op);
Handler bind_blsr(const DecodedInstruction& d, Op& op);
Handler bind_mulx(const DecodedInstruction& d, Op& op);
Handler bind_pdep(const DecodedInstruction& d, Op& op);
Handler bind_pext(const DecodedInstruction& d, Op& op);
Handler bind_rorx(const DecodedInstruction& d, Op& op);
Handler bind_sarx(const DecodedInstruction& d, Op& op);
Handler bind_shlx(const DecodedInstruction& d, Op& op);
Handler bind_shrx(const DecodedInstruction& d, Op& op);

}  // namespace xensim::cpu::isa
