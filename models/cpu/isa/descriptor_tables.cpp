// LGDT, LIDT, LLDT, LTR and their stores (SDM 2; SDM 3, 2.4 and 7.2.4). With CR4.UMIP the stores are privileged.
#include "models/cpu/isa/segmentation.h"
#include "models/cpu/isa/system.h"

namespace xensim::cpu::isa {
namespace {

// How the instruction-information field of a VM exit numbers them (SDM 3, tables 27-10 and 27-11).
enum class Table : std::uint8_t { kGdt = 0, kIdt = 1 };

DescriptorTable& table_register(Core& core, Table t) { return t == Table::kGdt ? core.st.gdtr : core.st.idtr; }

bool hidden_by_umip(const Core& core) {
  return (core.st.cr4 & kCr4Umip) && core.st.protected_mode() && core.st.cpl() != 0;
}

// Bytes of base: 8 in 64-bit mode, else 4 of which a 16-bit operand size uses three.
template <Table T, unsigned Bits>
Outcome load_table(Core& core, const Op& op) {
  if (core.st.cpl() != 0 || core.st.v8086()) return core.raise_gp(0);
  if (Outcome o = core.vmx.on_descriptor_table(op, ExitReason::kGdtrIdtr, op.disp, static_cast<unsigned>(T) + 2);
      failed(o))
    return o;
  constexpr unsigned kBase = Bits == 64 ? 8 : 4;
  std::array<std::uint8_t, 2 + kBase> raw{};
  if (Outcome o = core.read(op, raw); failed(o)) return o;
  DescriptorTable loaded{0, 0};
  std::memcpy(&loaded.limit, raw.data(), 2);
  std::memcpy(&loaded.base, raw.data() + 2, kBase);
  if (Bits == 16) loaded.base &= 0xffffff;
  if (!canonical(loaded.base)) return core.raise_gp(0);
  table_register(core, T) = loaded;
  return Outcome::kEndBlock;
}

template <Table T, bool Wide>
Outcome store_table(Core& core, const Op& op) {
  if (hidden_by_umip(core)) return core.raise_gp(0);
  if (Outcome o = core.vmx.on_descriptor_table(op, ExitReason::kGdtrIdtr, op.disp, static_cast<unsigned>(T));
      failed(o))
    return o;
  const DescriptorTable& t = table_register(core, T);
  constexpr unsigned kBase = Wide ? 8 : 4;
  std::array<std::uint8_t, 2 + kBase> raw;
  std::memcpy(raw.data(), &t.limit, 2);
  std::memcpy(raw.data() + 2, &t.base, kBase);
  return core.write(op, raw);
}

template <bool Memory>
Outcome selector_operand(Core& core, const Op& op, std::uint16_t& out) {
  if (Memory) return core.read(op, out);
  out = static_cast<std::uint16_t>(core.st.gpr[op.reg]);
  return Outcome::kNext;
}

constexpr unsigned kLldtNumber = 2, kLtrNumber = 3;

// #UD, #GP and VM exit of the four that have a selector operand.
template <bool Memory>
Outcome check_system_selector(Core& core, const Op& op, unsigned instruction) {
  if (!core.st.protected_mode() || core.st.v8086()) return core.raise_ud();
  const bool load = instruction >= kLldtNumber;
  if (load ? core.st.cpl() != 0 : hidden_by_umip(core)) return core.raise_gp(0);
  return core.vmx.on_descriptor_table(op, ExitReason::kLdtrTr, Memory ? op.disp : 0, instruction,
                                      Memory ? -1 : static_cast<int>(op.reg));
}

template <bool Memory>
Outcome lldt(Core& core, const Op& op) {
  if (Outcome o = check_system_selector<Memory>(core, op, kLldtNumber); failed(o)) return o;
  std::uint16_t selector = 0;
  if (Outcome o = selector_operand<Memory>(core, op, selector); failed(o)) return o;
  if (!(selector & 0xfffc)) {
    core.st.ldtr = null_segment(selector);
    return Outcome::kNext;
  }
  if (selector & 4) return raise_selector(core, kGp, selector);
  Descriptor d;
  if (Outcome o = fetch_descriptor(core, selector, kGp, d); failed(o)) return o;
  const Segment loaded = parse_segment(selector, d);
  if (!d.system() || d.type() != kLdtType) return raise_selector(core, kGp, selector);
  if (!d.present()) return raise_selector(core, kNp, selector);
  if (!canonical(loaded.base)) return raise_selector(core, kGp, selector);
  core.st.ldtr = loaded;
  return Outcome::kNext;
}

template <bool Memory>
Outcome ltr(Core& core, const Op& op) {
  if (Outcome o = check_system_selector<Memory>(core, op, kLtrNumber); failed(o)) return o;
  std::uint16_t selector = 0;
  if (Outcome o = selector_operand<Memory>(core, op, selector); failed(o)) return o;
  if (!(selector & 0xfffc)) return core.raise_gp(0);
  if (selector & 4) return raise_selector(core, kGp, selector);
  Descriptor d;
  if (Outcome o = fetch_descriptor(core, selector, kGp, d); failed(o)) return o;
  const bool available = d.type() == kTss32 || (d.type() == kTss16 && !core.st.long_mode_active());
  if (!d.system() || !available) return raise_selector(core, kGp, selector);
  if (!d.present()) return raise_selector(core, kNp, selector);
  Segment loaded = parse_segment(selector, d);
  if (!canonical(loaded.base)) return raise_selector(core, kGp, selector);
  loaded.attr |= 2;  // busy
  const auto byte5 = static_cast<std::uint8_t>((d.low >> 40) | 2);
  const Outcome o = core.write_system(d.address + 5, byte5);
  if (failed(o)) return o;
  core.st.tr = loaded;
  return Outcome::kNext;
}

// SLDT and STR. Bits: of a register destination; 0: memory, always 16 bits.
template <bool Task, unsigned Bits>
Outcome store_selector(Core& core, const Op& op) {
  if (Outcome o = check_system_selector<Bits == 0>(core, op, Task ? 1 : 0); failed(o)) return o;
  ArchState& st = core.st;
  const std::uint16_t selector = Task ? st.tr.selector : st.ldtr.selector;
  if constexpr (Bits == 0) {
    return core.write(op, selector);
  } else {
    st.gpr[op.reg] = Bits == 16 ? (st.gpr[op.reg] & ~0xffffull) | selector : selector;
    return Outcome::kNext;
  }
}

template <Table T>
Handler bind_load(const DecodedInstruction& d) {
  if (!d.is_mem(0)) return nullptr;
  if (d.mode64()) return load_table<T, 64>;
  return d.operand_bits == 16 ? load_table<T, 16> : load_table<T, 32>;
}
template <Table T>
Handler bind_store(const DecodedInstruction& d) {
  if (!d.is_mem(0)) return nullptr;
  return d.mode64() ? store_table<T, true> : store_table<T, false>;
}
template <bool Task>
Handler bind_store_selector(const DecodedInstruction& d) {
  if (d.is_mem(0)) return store_selector<Task, 0>;
  return d.operand_bits == 16 ? store_selector<Task, 16> : store_selector<Task, 64>;
}

}  // namespace

Handler bind_lgdt(const DecodedInstruction& d, Op&) { return bind_load<Table::kGdt>(d); }
Handler bind_lidt(const DecodedInstruction& d, Op&) { return bind_load<Table::kIdt>(d); }
Handler bind_sgdt(const DecodedInstruction& d, Op&) { return bind_store<Table::kGdt>(d); }
Handler bind_sidt(const DecodedInstruction& d, Op&) { return bind_store<Table::kIdt>(d); }
Handler bind_lldt(const DecodedInstruction& d, Op&) { return d.is_mem(0) ? lldt<true> : lldt<false>; }
Handler bind_ltr(const DecodedInstruction& d, Op&) { return d.is_mem(0) ? ltr<true> : ltr<false>; }
Handler bind_sldt(const DecodedInstruction& d, Op&) { return bind_store_selector<false>(d); }
Handler bind_str(const DecodedInstruction& d, Op&) { return bind_store_selector<true>(d); }

}  // namespace xensim::cpu::isa
