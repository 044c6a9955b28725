// The records that a block of decoded instructions is made of. Plain data, so that a host-code generator could
// read them in the interpreter's place.
#pragma once

#include <cstdint>

#include "models/cpu/arch_state.h"
#include "models/cpu/outcome.h"

namespace xensim::cpu {

class Core;
struct Op;

// Executes one instruction. Contract: either commits everything and returns kNext/kEndBlock/kHalt, or commits
// nothing and returns kFault/kVmExit; kRepeat after whole iterations. RIP: the core sets rip of the next
// instruction before a block's last record executes; branches overwrite Core::st.rip and return kNext. A handler
// that needs its own RIP uses what decode baked into the record.
using Handler = Outcome (*)(Core&, const Op&);

// Flags of an Op.
inline constexpr std::uint8_t kAddrSimple =
    1;                                      // 64-bit address size, segment base is 0: linear = effective address
inline constexpr std::uint8_t kAddr32 = 2;  // effective address is truncated to 32 bits
inline constexpr std::uint8_t kAddr16 = 4;  // effective address is truncated to 16 bits
inline constexpr std::uint8_t kRep = 8;     // REP/REPE
inline constexpr std::uint8_t kRepne = 16;  // REPNE
inline constexpr std::uint8_t kLock = 32;   // LOCK prefix
inline constexpr std::uint8_t kRipRelative = 64;  // disp is absolute (next RIP already added)
inline constexpr std::uint8_t kAddrFlat32 =
    128;  // flat 32-bit segment: linear = low 32 bits of the effective address

struct Op {
  Handler fn;
  std::uint64_t imm;   // immediate, sign-extended; or absolute branch target (a RIP, truncated to operand size)
  std::uint64_t disp;  // displacement, sign-extended; for RIP-relative operands the absolute address
  std::uint8_t reg;    // register of visible operand 0 (form.h says how it is numbered)
  std::uint8_t rm;     // register of visible operand 1
  std::uint8_t base;   // kZeroReg if none (and for RIP-relative)
  std::uint8_t index;  // kZeroReg if none
  std::uint8_t scale;  // log2
  std::uint8_t seg;    // segment of the memory operand (SegReg)
  std::uint8_t flags;
  std::uint8_t length;   // bytes of the instruction, 1…15
  std::uint16_t offset;  // of the instruction in its block, in bytes
  std::uint8_t sub;   // free for the handler's family (condition code, control-register number, string width, …)
  std::uint8_t sub2;  // likewise
};

// What a class of instructions costs in a timing model. One row of the cost table (models/cpu/timing/cost_table.h)
// each.
enum class CostClass : std::uint8_t {
  kNop,
  kAlu,
  kMove,
  kLea,
  kShift,
  kRotate,
  kMul,
  kDiv,
  kDiv64,
  kBitScan,
  kFlag,
  kLoad,
  kStore,
  kPush,
  kPop,
  kXchg,
  kAtomic,
  kString,
  kBranch,
  kCall,
  kReturn,
  kIndirect,
  kFpMove,
  kFpAdd,
  kFpMul,
  kFpDiv,
  kFpSqrt,
  kFpConvert,
  kFpCompare,
  kVecAlu,
  kVecShuffle,
  kVecMul,
  kX87,
  kX87Transcendental,
  kFence,
  kPause,
  kCpuid,
  kRdtsc,
  kMsr,
  kControlRegister,
  kDescriptorTable,
  kSegmentLoad,
  kFarTransfer,
  kInterrupt,
  kIret,
  kSyscall,
  kIo,
  kHlt,
  kTlbInvalidate,
  kCacheControl,
  kVmx,
  kXsave,
  kRandom,
  kCrypto,
  kCount
};

// Registers as a scoreboard numbers them.
inline constexpr std::uint8_t kRegFlags = 16, kRegXmm0 = 17, kRegX87 = 33, kRegNone = 34, kRegCount = 35;

inline constexpr std::uint8_t kTimingLoad = 1, kTimingStore = 2, kTimingBranch = 4, kTimingConditional = 8,
                              kTimingCall = 16, kTimingReturn = 32, kTimingIndirect = 64, kTimingSerialising = 128;

// The timing side of a record, in an array parallel to the block's Ops. Address registers come first among the
// sources, so that a model can tell what a load's address waits for.
struct OpTiming {
  CostClass cost;
  std::uint8_t flags;            // kTiming…
  std::uint8_t address_sources;  // how many of src[] feed the address
  std::uint8_t src[5];           // kRegNone where unused
  std::uint8_t dst[3];
};

}  // namespace xensim::cpu
