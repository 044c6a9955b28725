// MOV to and from debug registers (SDM 3, 17.2; SDM 2, MOV—Move to/from Debug Registers).
#include "models/cpu/isa/segmentation.h"
#include "models/cpu/isa/system.h"

namespace xensim::cpu::isa {
namespace {

constexpr std::uint64_t kDr6One = 0xffff0ff0, kDr6Writable = 0xe00f;
constexpr std::uint64_t kDr7One = 0x400, kDr7Writable = 0xffff23ff;
constexpr std::uint64_t kDr7Gd = 1 << 13, kDr6Bd = 1 << 13;

// What both directions check first. The VM exit comes before the faults (SDM 3, 25.1.3).
Outcome check(Core& core, const Op& op, bool read) {
  ArchState& st = core.st;
  if (Outcome o = core.vmx.on_mov_dr(op, op.sub, op.sub2, read); failed(o)) return o;
  if ((op.sub == 4 || op.sub == 5) && (st.cr4 & kCr4De)) return core.raise_ud();
  if (st.cpl() != 0 || st.v8086()) return core.raise_gp(0);
  if (st.dr[7] & kDr7Gd) {
    core.raise(kDb);
    core.fault.dr6 = kDr6Bd;
    return Outcome::kFault;
  }
  return Outcome::kNext;
}

unsigned number(const Op& op) { return op.sub == 4 || op.sub == 5 ? op.sub + 2u : op.sub; }

template <bool Wide>
Outcome mov_to_dr(Core& core, const Op& op) {
  if (Outcome o = check(core, op, false); failed(o)) return o;
  const unsigned n = number(op);
  std::uint64_t v = core.st.gpr[op.sub2];
  if (!Wide) v = static_cast<std::uint32_t>(v);
  if (n >= 6 && (v >> 32)) return core.raise_gp(0);
  if (n == 6) v = (v & kDr6Writable) | kDr6One;
  if (n == 7) v = (v & kDr7Writable) | kDr7One;
  core.st.dr[n] = v;
  return Outcome::kEndBlock;
}

template <bool Wide>
Outcome mov_from_dr(Core& core, const Op& op) {
  if (Outcome o = check(core, op, true); failed(o)) return o;
  const std::uint64_t v = core.st.dr[number(op)];
  core.st.gpr[op.sub2] = Wide ? v : static_cast<std::uint32_t>(v);
  return Outcome::kNext;
}

}  // namespace

Handler bind_mov_debug(const DecodedInstruction& d, Op& op) {
  const bool to = ZydisRegisterGetClass(d.op(0).reg.value) == ZYDIS_REGCLASS_DEBUG;
  op.sub = to ? op.reg : op.rm;
  op.sub2 = to ? op.rm : op.reg;
  if (op.sub > 7) return nullptr;
  if (to) return d.mode64() ? mov_to_dr<true> : mov_to_dr<false>;
  return d.mode64() ? mov_from_dr<true> : mov_from_dr<false>;
}

}  // namespace xensim::cpu::isa
