// x87 control instructions: control and status words, the environment and whole-state formats, FWAIT (SDM
// 1, 8.1.10 has the four environment layouts; SDM 2 for each instruction).
#include <array>
#include <cstring>

#include "models/cpu/isa/x87_parts.h"
#include "models/cpu/isa/x87_state.h"

namespace xensim::cpu::isa {

namespace {

Outcome fninit(Core& c, const Op&) {
  if (Outcome o = x87::check<false>(c); o != Outcome::kNext) return o;
  x87::initialise(c.st.x87);
  return Outcome::kNext;
}

Outcome fnclex(Core& c, const Op&) {
  if (Outcome o = x87::check<false>(c); o != Outcome::kNext) return o;
  c.st.x87.status &= 0x7f00;
  return Outcome::kNext;
}

Outcome fwait(Core& c, const Op&) {
  if ((c.st.cr0 & (kCr0Mp | kCr0Ts)) == (kCr0Mp | kCr0Ts)) return c.raise(kNm);
  return x87::pending(c.st.x87) ? c.raise(kMf) : Outcome::kNext;
}

Outcome fldcw(Core& c, const Op& op) {
  if (Outcome o = x87::check<true>(c); o != Outcome::kNext) return o;
  std::uint16_t v;
  if (Outcome o = c.read(op, v); failed(o)) return o;
  c.st.x87.control = x87::control_value(v);
  x87::update_summary(c.st.x87);
  return Outcome::kNext;
}

Outcome fnstcw(Core& c, const Op& op) {
  if (Outcome o = x87::check<false>(c); o != Outcome::kNext) return o;
  return c.write(op, c.st.x87.control);
}

Outcome fnstsw(Core& c, const Op& op) {
  if (Outcome o = x87::check<false>(c); o != Outcome::kNext) return o;
  return c.write(op, c.st.x87.status);
}

Outcome fnstsw_ax(Core& c, const Op&) {
  if (Outcome o = x87::check<false>(c); o != Outcome::kNext) return o;
  c.st.gpr[kRax] = (c.st.gpr[kRax] & ~std::uint64_t{0xffff}) | c.st.x87.status;
  return Outcome::kNext;
}

// The environment's layout.
enum class Layout : std::uint8_t { kReal16, kProtected16, kReal32, kProtected32 };
constexpr bool is_32(Layout l) { return l >= Layout::kReal32; }
constexpr unsigned environment_bytes(Layout l) { return is_32(l) ? 28 : 14; }

void store_environment(const X87& x, Layout layout, std::uint8_t* out) {
  const auto ip = static_cast<std::uint32_t>(x.instruction_pointer);
  const auto dp = static_cast<std::uint32_t>(x.data_pointer);
  const std::uint32_t opcode = x.opcode & 0x7ff;
  if (is_32(layout)) {
    std::array<std::uint32_t, 7> e{0xffff0000u | x.control, 0xffff0000u | x.status,
                                   0xffff0000u | x87::full_tags(x)};
    if (layout == Layout::kProtected32) {
      e[3] = ip;
      e[4] = opcode << 16;
      e[5] = dp;
      e[6] = 0xffff0000u;
    } else {
      e[3] = 0xffff0000u | (ip & 0xffff);
      e[4] = (ip >> 16) << 12 | opcode;
      e[5] = 0xffff0000u | (dp & 0xffff);
      e[6] = (dp >> 16) << 12;
    }
    std::memcpy(out, e.data(), 28);
  } else {
    std::array<std::uint16_t, 7> e{x.control, x.status, x87::full_tags(x), static_cast<std::uint16_t>(ip)};
    e[5] = static_cast<std::uint16_t>(dp);
    if (layout == Layout::kReal16) {
      e[4] = static_cast<std::uint16_t>((ip >> 16) << 12 | opcode);
      e[6] = static_cast<std::uint16_t>((dp >> 16) << 12);
    }
    std::memcpy(out, e.data(), 14);
  }
}

void load_environment(X87& x, Layout layout, const std::uint8_t* in) {
  std::uint16_t tags;
  if (is_32(layout)) {
    std::array<std::uint32_t, 7> e;
    std::memcpy(e.data(), in, 28);
    x.control = x87::control_value(static_cast<std::uint16_t>(e[0]));
    x.status = static_cast<std::uint16_t>(e[1]);
    tags = static_cast<std::uint16_t>(e[2]);
    if (layout == Layout::kProtected32) {
      x.instruction_pointer = e[3];
      x.opcode = static_cast<std::uint16_t>((e[4] >> 16) & 0x7ff);
      x.data_pointer = e[5];
    } else {
      x.instruction_pointer = (e[3] & 0xffff) | ((e[4] >> 12) & 0xffff) << 16;
      x.opcode = static_cast<std::uint16_t>(e[4] & 0x7ff);
      x.data_pointer = (e[5] & 0xffff) | ((e[6] >> 12) & 0xffff) << 16;
    }
  } else {
    std::array<std::uint16_t, 7> e;
    std::memcpy(e.data(), in, 14);
    x.control = x87::control_value(e[0]);
    x.status = e[1];
    tags = e[2];
    x.instruction_pointer = e[3];
    x.data_pointer = e[5];
    x.opcode = 0;
    if (layout == Layout::kReal16) {
      x.instruction_pointer |= static_cast<std::uint64_t>(e[4] >> 12) << 16;
      x.opcode = e[4] & 0x7ff;
      x.data_pointer |= static_cast<std::uint64_t>(e[6] >> 12) << 16;
    }
  }
  x.tag_valid = x87::abridged_tags(tags);
  x87::update_summary(x);
}

// FNSTENV, and FNSAVE with the registers after the environment.
template <bool kRegisters>
Outcome store_state(Core& c, const Op& op) {
  if (Outcome o = x87::check<false>(c); o != Outcome::kNext) return o;
  const auto layout = static_cast<Layout>(op.sub);
  const unsigned environment = environment_bytes(layout), size = environment + (kRegisters ? 80 : 0);
  std::array<std::uint8_t, 108> image{};
  store_environment(c.st.x87, layout, image.data());
  if constexpr (kRegisters) x87::store_stack(c.st.x87, image.data() + environment);
  std::uint64_t a;
  if (!c.linear_address(op, size, true, a)) return Outcome::kFault;
  const Outcome o = x87::write_block(c, a, image.data(), size);
  if (failed(o)) return o;
  if constexpr (kRegisters) {
    x87::initialise(c.st.x87);
  } else {
    c.st.x87.control |= x87::kExceptions;
    x87::update_summary(c.st.x87);
  }
  return o;
}

// FLDENV and FRSTOR.
template <bool kRegisters>
Outcome load_state(Core& c, const Op& op) {
  if (Outcome o = x87::check<true>(c); o != Outcome::kNext) return o;
  const auto layout = static_cast<Layout>(op.sub);
  const unsigned environment = environment_bytes(layout), size = environment + (kRegisters ? 80 : 0);
  std::array<std::uint8_t, 108> image{};
  std::uint64_t a;
  if (!c.linear_address(op, size, false, a)) return Outcome::kFault;
  if (Outcome o = x87::read_block(c, a, image.data(), size); failed(o)) return o;
  load_environment(c.st.x87, layout, image.data());
  if constexpr (kRegisters) x87::load_stack(c.st.x87, image.data() + environment);
  return Outcome::kNext;
}

template <Handler kHandler>
Handler bind_to(const DecodedInstruction&, Op&) {
  return kHandler;
}
template <Handler kHandler>
Handler bind_state(const DecodedInstruction& d, Op& op) {
  const bool real = (d.mode & (kModeReal | kModeV8086)) != 0;
  const Layout layout = d.operand_bits == 16 ? (real ? Layout::kReal16 : Layout::kProtected16)
                                             : (real ? Layout::kReal32 : Layout::kProtected32);
  op.sub = static_cast<std::uint8_t>(layout);
  return kHandler;
}
Handler bind_fnstsw(const DecodedInstruction& d, Op&) { return d.is_mem(0) ? fnstsw : fnstsw_ax; }

#define ROW(name, bind) Form(ZYDIS_MNEMONIC_##name, CostClass::kX87, BlockShape::kStraight, bind)

constexpr Form kForms[] = {
    ROW(FNINIT, bind_to<fninit>),
    ROW(FNCLEX, bind_to<fnclex>),
    ROW(FWAIT, bind_to<fwait>),
    ROW(FLDCW, bind_to<fldcw>),
    ROW(FNSTCW, bind_to<fnstcw>),
    ROW(FNSTSW, bind_fnstsw),
    ROW(FNSTENV, bind_state<store_state<false>>),
    ROW(FLDENV, bind_state<load_state<false>>),
    ROW(FNSAVE, bind_state<store_state<true>>),
    ROW(FRSTOR, bind_state<load_state<true>>),
};

}  // namespace

std::span<const Form> x87_control_forms() { return kForms; }

}  // namespace xensim::cpu::isa
