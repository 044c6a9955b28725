// Random operands: which registers, which address, and the register values that make the address come out.
#include "tests/differential/operands.h"

#include <cctype>

namespace xensim::differential {
namespace {

ZydisRegister general(Rng& rng, unsigned bits, bool mode64) {
  const auto n = static_cast<ZyanU8>(rng.below(mode64 ? 16 : 8));
  switch (bits) {
    case 8:
      // AL…BL, AH…BH, SPL…R15B in Zydis's own order.
      return static_cast<ZydisRegister>(ZYDIS_REGISTER_AL + rng.below(mode64 ? 20 : 8));
    case 16:
      return ZydisRegisterEncode(ZYDIS_REGCLASS_GPR16, n);
    case 32:
      return ZydisRegisterEncode(ZYDIS_REGCLASS_GPR32, n);
    default:
      return ZydisRegisterEncode(ZYDIS_REGCLASS_GPR64, n);
  }
}

ZydisEncoderOperand register_operand(ZydisRegister r) {
  ZydisEncoderOperand o{};
  o.type = ZYDIS_OPERAND_TYPE_REGISTER;
  o.reg.value = r;
  return o;
}

ZydisEncoderOperand immediate(std::uint64_t v) {
  ZydisEncoderOperand o{};
  o.type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
  o.imm.u = v;
  return o;
}

// Sign-extended from the smaller of 32 bits and the operand size; often from 8.
ZydisEncoderOperand random_immediate(Rng& rng, unsigned bits) {
  const std::uint64_t v = interesting(rng);
  ZydisEncoderOperand o = immediate(0);
  if (bits == 8 || rng.below(2))
    o.imm.s = static_cast<std::int8_t>(v);
  else if (bits == 16)
    o.imm.s = static_cast<std::int16_t>(v);
  else
    o.imm.s = static_cast<std::int32_t>(v);
  return o;
}

// An address in the data area: mostly in the middle, sometimes across a page, sometimes partly or wholly outside.
std::uint64_t random_address(Rng& rng, unsigned bytes) {
  switch (rng.below(24)) {
    case 0:
      return kData + kDataSize - rng.below(bytes + 1);
    case 1:
      return kData - rng.below(bytes + 1);
    case 2:
    case 3:
      return kData + 4096 * (1 + rng.below(2)) - rng.below(bytes);
    default:
      return kMiddle + rng.below(256) - 128;
  }
}

// The same in a mode without faults: away from the ends.
std::uint64_t inner_address(Rng& rng) { return kMiddle + rng.below(256) - 128; }

// One of the eight shapes of 16-bit addresses, without or with a displacement.
ZydisEncoderOperand memory16(Rng& rng, unsigned bytes, std::uint64_t address, MachineState& s) {
  ZydisEncoderOperand o{};
  o.type = ZYDIS_OPERAND_TYPE_MEMORY;
  o.mem.size = static_cast<ZyanU16>(bytes);
  struct Shape {
    ZydisRegister base, index;
    unsigned base_gpr, index_gpr;
  };
  constexpr unsigned kNone = 16;
  constexpr Shape kShapes[] = {{ZYDIS_REGISTER_NONE, ZYDIS_REGISTER_NONE, kNone, kNone},
                               {ZYDIS_REGISTER_BX, ZYDIS_REGISTER_NONE, 3, kNone},
                               {ZYDIS_REGISTER_BP, ZYDIS_REGISTER_NONE, 5, kNone},
                               {ZYDIS_REGISTER_SI, ZYDIS_REGISTER_NONE, 6, kNone},
                               {ZYDIS_REGISTER_DI, ZYDIS_REGISTER_NONE, 7, kNone},
                               {ZYDIS_REGISTER_BX, ZYDIS_REGISTER_SI, 3, 6},
                               {ZYDIS_REGISTER_BX, ZYDIS_REGISTER_DI, 3, 7},
                               {ZYDIS_REGISTER_BP, ZYDIS_REGISTER_SI, 5, 6},
                               {ZYDIS_REGISTER_BP, ZYDIS_REGISTER_DI, 5, 7}};
  const Shape& shape = kShapes[rng.below(std::size(kShapes))];
  o.mem.base = shape.base;
  o.mem.index = shape.index;
  if (shape.index != ZYDIS_REGISTER_NONE) o.mem.scale = 1;
  if (shape.base_gpr == kNone) {
    o.mem.displacement = static_cast<ZyanI64>(address);
    return o;
  }
  if (const std::uint64_t kind = rng.below(3); kind == 1)
    o.mem.displacement = static_cast<std::int8_t>(rng.next());
  else if (kind == 2)
    o.mem.displacement = static_cast<std::int16_t>(rng.next());
  std::uint64_t base = address - static_cast<std::uint64_t>(o.mem.displacement);
  if (shape.index_gpr != kNone) base -= s.gpr[shape.index_gpr];
  s.gpr[shape.base_gpr] = (s.gpr[shape.base_gpr] & ~0xffffull) | (base & 0xffff);
  return o;
}

// A memory operand whose address comes out as `address`: sets the registers it uses. 32-bit addresses unless
// mode64.
ZydisEncoderOperand memory(Rng& rng, unsigned bytes, std::uint64_t address, MachineState& s, unsigned mode) {
  const bool mode64 = mode == 64;
  ZydisEncoderOperand o{};
  o.type = ZYDIS_OPERAND_TYPE_MEMORY;
  o.mem.size = static_cast<ZyanU16>(bytes);
  const std::uint64_t kind = rng.below(16);
  if (kind == 0 && mode64) {
    o.mem.base = ZYDIS_REGISTER_RIP;
    o.mem.displacement = static_cast<ZyanI64>(address);
    return o;
  }
  const bool narrow = kind == 1 || !mode64;
  const std::uint64_t registers_there = mode64 ? 16 : 8;
  const ZydisRegisterClass registers = narrow ? ZYDIS_REGCLASS_GPR32 : ZYDIS_REGCLASS_GPR64;
  const auto base = static_cast<unsigned>(rng.below(registers_there));
  o.mem.base = ZydisRegisterEncode(registers, static_cast<ZyanU8>(base));
  std::uint64_t offset = 0;
  if (rng.below(2)) {
    unsigned index = base;
    while (index == base || index == 4) index = static_cast<unsigned>(rng.below(registers_there));
    o.mem.index = ZydisRegisterEncode(registers, static_cast<ZyanU8>(index));
    o.mem.scale = static_cast<ZyanU8>(1u << rng.below(4));
    offset = s.gpr[index] * o.mem.scale;
  }
  switch (rng.below(mode == 16 ? 2 : 3)) {  // Zydis loses the upper half of 32 bits in 16-bit code
    case 0:
      break;
    case 1:
      o.mem.displacement = static_cast<std::int8_t>(rng.next());
      break;
    default:
      o.mem.displacement = static_cast<std::int32_t>(rng.next());
      break;
  }
  s.gpr[base] = address - offset - static_cast<std::uint64_t>(o.mem.displacement);
  if (!mode64) s.gpr[base] &= 0xffffffff;
  return o;
}

struct Template {
  ZydisMnemonic mnemonic;
  std::string shape;
  unsigned bits;
  ZydisInstructionAttributes prefixes;
  Adjust adjust;
  const Target* target;
};

bool make(const Template& t, Rng& rng, Instance& instance) {
  Chosen c;
  ZydisEncoderRequest& q = c.request;
  const unsigned mode = t.target->mode;
  const bool mode64 = mode == 64;
  q.machine_mode = mode64       ? ZYDIS_MACHINE_MODE_LONG_64
                   : mode == 32 ? ZYDIS_MACHINE_MODE_LEGACY_32
                                : ZYDIS_MACHINE_MODE_REAL_16;
  if (!mode64)
    for (auto& r : instance.state.gpr) r &= 0xffffffff;
  q.mnemonic = t.mnemonic;
  q.prefixes = t.prefixes;
  q.operand_count = static_cast<ZyanU8>(t.shape.size());
  unsigned memory_bytes = 0;
  for (std::size_t n = 0; n < t.shape.size(); ++n) {
    ZydisEncoderOperand& o = q.operands[n];
    switch (t.shape[n]) {
      case 'r':
        o = register_operand(general(rng, t.bits, mode64));
        break;
      case 'q':
        o = register_operand(general(rng, 64, mode64));
        break;
      case 'd':
        o = register_operand(general(rng, 32, mode64));
        break;
      case 'w':
        o = register_operand(general(rng, 16, mode64));
        break;
      case 'y':
        o = register_operand(general(rng, 8, mode64));
        break;
      case 'x':
        o = register_operand(
            ZydisRegisterEncode(ZYDIS_REGCLASS_XMM, static_cast<ZyanU8>(rng.below(mode64 ? 16 : 8))));
        break;
      case 'c':
        o = register_operand(ZYDIS_REGISTER_CL);
        break;
      case 'i':
        o = random_immediate(rng, t.bits);
        break;
      case 'b':
        o = immediate(rng.below(256));
        break;
      case '1':
        o = immediate(1);
        break;
      case 'm':
        memory_bytes = t.bits / 8;
        break;
      case 'Y':
        memory_bytes = 1;
        break;
      case 'W':
        memory_bytes = 2;
        break;
      case 'D':
        memory_bytes = 4;
        break;
      case 'Q':
        memory_bytes = 8;
        break;
      case 'X':
        memory_bytes = 16;
        break;
      default:
        return false;
    }
    if (std::isupper(static_cast<unsigned char>(t.shape[n])) || t.shape[n] == 'm') {
      c.address = mode64 ? random_address(rng, memory_bytes) : inner_address(rng);
      const std::uint64_t effective = c.address - kData + t.target->data;
      // 32-bit addresses are possible in real mode too, with a prefix.
      o = mode == 16 && rng.below(4) != 0 ? memory16(rng, memory_bytes, effective, instance.state)
                                          : memory(rng, memory_bytes, effective, instance.state, mode);
    }
  }
  if (t.adjust && !t.adjust(rng, instance, c)) return false;
  std::uint8_t buffer[ZYDIS_MAX_INSTRUCTION_LENGTH];
  ZyanUSize length = sizeof buffer;
  if (!ZYAN_SUCCESS(ZydisEncoderEncodeInstructionAbsolute(&q, buffer, &length, t.target->slot))) return false;
  instance.code.assign(buffer, buffer + length);
  return true;
}

}  // namespace

unsigned gpr_of(ZydisRegister r) {
  if (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH) return 16;
  const ZydisRegister wide = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);
  return static_cast<unsigned>(ZydisRegisterGetId(wide));
}

const Target& target(unsigned mode) {
  static const Target kTargets[] = {{},
                                    {32, kSmallSlot, kSmallData, {8, 16, 32}, {16, 32}, {32}},
                                    {16, 0x1000, 0x1000, {8, 16, 32}, {16, 32}, {32}}};
  return kTargets[mode == 64 ? 0 : mode == 32 ? 1 : 2];
}

void add_forms(std::vector<Form>& to, ZydisMnemonic mnemonic, std::initializer_list<const char*> shapes,
               const std::vector<unsigned>& sizes, std::uint64_t undefined_flags, Adjust adjust,
               ZydisInstructionAttributes prefixes, const Target& t) {
  for (const char* shape : shapes)
    for (const unsigned bits : sizes) {
      if (t.mode != 64 && (bits == 64 || std::string_view(shape).find('q') != std::string_view::npos)) continue;
      Form f;
      f.name = std::string(prefixes & ZYDIS_ATTRIB_HAS_LOCK ? "lock " : "") + ZydisMnemonicGetString(mnemonic) +
               " " + shape + std::to_string(bits);
      if (t.mode != 64) f.name += " in mode " + std::to_string(t.mode);
      f.mode = t.mode;
      f.undefined_flags = undefined_flags;
      const Template from{mnemonic, shape, bits, prefixes, adjust, &t};
      f.make = [from](Rng& rng, Instance& i) { return make(from, rng, i); };
      to.push_back(std::move(f));
    }
}

Form bytes_form(std::string name, std::vector<std::uint8_t> code, std::uint64_t undefined_flags,
                std::function<bool(Rng&, Instance&)> adjust) {
  Form f;
  f.name = std::move(name);
  f.undefined_flags = undefined_flags;
  f.make = [code = std::move(code), adjust = std::move(adjust)](Rng& rng, Instance& i) {
    i.code = code;
    return !adjust || adjust(rng, i);
  };
  return f;
}

}  // namespace xensim::differential
