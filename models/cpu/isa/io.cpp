// IN, OUT, INS and OUTS (SDM 2; SDM 1, chapter 18): permission by IOPL and the TSS's I/O bitmap, then
// interception, then the environment. Ports may read the time, so each instruction is a block of its own. A REP
// form does one iteration at a time, so that interrupts and VM exits come between iterations with registers
// consistent.
#include "models/cpu/isa/breakpoints.h"
#include "models/cpu/isa/operands.h"
#include "models/cpu/isa/segmentation.h"

namespace xensim::cpu::isa {
namespace {

Outcome check_permission(Core& core, std::uint16_t port, unsigned size) {
  const ArchState& st = core.st;
  if (!st.protected_mode()) return Outcome::kNext;
  const auto iopl = static_cast<unsigned>(st.rflags >> 12) & 3;
  if (!st.v8086() && st.cpl() <= iopl) return Outcome::kNext;
  // Only a 32-bit (or 64-bit) TSS has a bitmap; its offset is the word at 102, and a port's bits may span two
  // bytes.
  if (st.tr.unusable() || !(st.tr.type() & 8) || st.tr.limit < 103) return core.raise_gp(0);
  std::uint16_t bitmap = 0;
  if (Outcome o = core.read_system(wrap_linear(core, st.tr.base + 102), bitmap); failed(o)) return o;
  const std::uint32_t at = bitmap + port / 8u;
  if (at + 1 > st.tr.limit) return core.raise_gp(0);
  std::uint16_t bits = 0;
  if (Outcome o = core.read_system(wrap_linear(core, st.tr.base + at), bits); failed(o)) return o;
  const unsigned wanted = (1u << size) - 1;
  return (bits >> (port % 8)) & wanted ? core.raise_gp(0) : Outcome::kNext;
}

void note_port(Core& core, std::uint16_t port, unsigned size) {
  if (breakpoints_enabled(core.st)) core.port_hits |= port_breakpoints(core.st, port, size);
}

template <bool Immediate>
std::uint16_t port_of(const Core& core, const Op& op) {
  return Immediate ? static_cast<std::uint8_t>(op.imm) : static_cast<std::uint16_t>(core.st.gpr[kRdx]);
}

template <class T, bool Immediate>
Outcome in(Core& core, const Op& op) {
  const std::uint16_t port = port_of<Immediate>(core, op);
  if (Outcome o = check_permission(core, port, sizeof(T)); failed(o)) return o;
  if (Outcome o = core.vmx.on_io(op, port, sizeof(T), true, false, false, Immediate, 0); failed(o)) return o;
  write_accumulator<T>(core, static_cast<T>(core.environment.io_read(port, sizeof(T))));
  note_port(core, port, sizeof(T));
  return Outcome::kEndBlock;
}

template <class T, bool Immediate>
Outcome out(Core& core, const Op& op) {
  const std::uint16_t port = port_of<Immediate>(core, op);
  if (Outcome o = check_permission(core, port, sizeof(T)); failed(o)) return o;
  if (Outcome o = core.vmx.on_io(op, port, sizeof(T), false, false, false, Immediate, 0); failed(o)) return o;
  core.environment.io_write(port, sizeof(T), read_accumulator<T>(core));
  note_port(core, port, sizeof(T));
  return Outcome::kEndBlock;
}

// String forms. sub: bytes of the address size; seg: the segment (ES for INS).
std::uint64_t truncate(std::uint64_t v, unsigned bytes) {
  return bytes == 8 ? v : bytes == 4 ? static_cast<std::uint32_t>(v) : static_cast<std::uint16_t>(v);
}
void put_counter(std::uint64_t& r, std::uint64_t v, unsigned bytes) {
  r = bytes == 2 ? (r & ~0xffffull) | (v & 0xffff) : truncate(v, bytes);
}

template <class T, bool In>
Outcome string_io(Core& core, const Op& op) {
  ArchState& st = core.st;
  const unsigned width = op.sub;
  const bool rep = op.flags & (kRep | kRepne);
  std::uint64_t& pointer = st.gpr[In ? kRdi : kRsi];
  const auto port = static_cast<std::uint16_t>(st.gpr[kRdx]);
  const std::uint64_t count = rep ? truncate(st.gpr[kRcx], width) : 1;
  if (count == 0) return Outcome::kNext;
  const std::uint64_t effective = truncate(pointer, width);
  const unsigned seg = In ? static_cast<unsigned>(kEs) : op.seg;
  std::uint64_t linear = effective;
  if (!st.code64())
    linear = static_cast<std::uint32_t>(effective + st.seg[seg].base);
  else if (seg == kFs || seg == kGs)
    linear += st.seg[seg].base;
  if (Outcome o = check_permission(core, port, sizeof(T)); failed(o)) return o;
  if (Outcome o = core.vmx.on_io(op, port, sizeof(T), In, true, rep, false, linear); failed(o)) return o;
  if (!core.linear_address_slow(effective, seg, sizeof(T), In, linear)) return Outcome::kFault;
  if constexpr (In) {
    // The port is read only when the store is sure to succeed.
    const Outcome probe = core.mmu.probe_write(LinearAddr(linear), sizeof(T), core.mmu.current_view());
    if (failed(probe)) return probe;
    const T v = static_cast<T>(core.environment.io_read(port, sizeof(T)));
    if (Outcome o = core.write_linear(linear, v); failed(o)) return o;
  } else {
    T v = 0;
    if (Outcome o = core.read_linear(linear, v); failed(o)) return o;
    core.environment.io_write(port, sizeof(T), v);
  }
  note_port(core, port, sizeof(T));
  const std::uint64_t step = st.rflags & kDf ? ~std::uint64_t{sizeof(T)} + 1 : sizeof(T);
  put_counter(pointer, effective + step, width);
  if (!rep) return Outcome::kEndBlock;
  put_counter(st.gpr[kRcx], count - 1, width);
  return count > 1 ? Outcome::kRepeat : Outcome::kEndBlock;
}

template <bool In>
Handler bind_port(const DecodedInstruction& d, Op& op) {
  const unsigned data = In ? 0 : 1;
  const bool immediate = d.is_imm(1 - data);
  if (immediate) op.imm = d.op(1 - data).imm.value.u & 0xff;
  return by_size(d.op(data).size, [&]<class T>() -> Handler {
    if constexpr (sizeof(T) == 8) {
      return nullptr;
    } else if constexpr (In) {
      return immediate ? in<T, true> : in<T, false>;
    } else {
      return immediate ? out<T, true> : out<T, false>;
    }
  });
}

template <class T, bool In>
Handler bind_string(const DecodedInstruction& d, Op& op) {
  op.sub = static_cast<std::uint8_t>(d.insn.address_width / 8);
  op.seg = kDs;
  const auto attributes = d.insn.attributes;
  if (attributes & ZYDIS_ATTRIB_HAS_SEGMENT_CS) op.seg = kCs;
  if (attributes & ZYDIS_ATTRIB_HAS_SEGMENT_SS) op.seg = kSs;
  if (attributes & ZYDIS_ATTRIB_HAS_SEGMENT_DS) op.seg = kDs;
  if (attributes & ZYDIS_ATTRIB_HAS_SEGMENT_ES) op.seg = kEs;
  if (attributes & ZYDIS_ATTRIB_HAS_SEGMENT_FS) op.seg = kFs;
  if (attributes & ZYDIS_ATTRIB_HAS_SEGMENT_GS) op.seg = kGs;
  if (In) op.seg = kEs;
  return string_io<T, In>;
}

}  // namespace

std::span<const Form> io_forms() {
  using enum BlockShape;
  static constexpr Form kForms[] = {
      {ZYDIS_MNEMONIC_IN, CostClass::kIo, kAlone, bind_port<true>},
      {ZYDIS_MNEMONIC_OUT, CostClass::kIo, kAlone, bind_port<false>},
      {ZYDIS_MNEMONIC_INSB, CostClass::kIo, kAlone, bind_string<std::uint8_t, true>},
      {ZYDIS_MNEMONIC_INSW, CostClass::kIo, kAlone, bind_string<std::uint16_t, true>},
      {ZYDIS_MNEMONIC_INSD, CostClass::kIo, kAlone, bind_string<std::uint32_t, true>},
      {ZYDIS_MNEMONIC_OUTSB, CostClass::kIo, kAlone, bind_string<std::uint8_t, false>},
      {ZYDIS_MNEMONIC_OUTSW, CostClass::kIo, kAlone, bind_string<std::uint16_t, false>},
      {ZYDIS_MNEMONIC_OUTSD, CostClass::kIo, kAlone, bind_string<std::uint32_t, false>},
  };
  return kForms;
}

}  // namespace xensim::cpu::isa
