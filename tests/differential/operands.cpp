// Random operands: which registers, which address, and the register values that make the address come out.
#include "tests/differential/operands.h"

#include <cctype>

namespace xensim::differential {
namespace {

ZydisRegister general(Rng& rng, unsigned bits) {
  const auto n = static_cast<ZyanU8>(rng.below(16));
  switch (bits) {
    case 8:
      // AL…BL, AH…BH, SPL…R15B in Zydis's own order.
      return static_cast<ZydisRegister>(ZYDIS_REGISTER_AL + rng.below(20));
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

// A memory operand whose address comes out as `address`: sets the registers it uses.
ZydisEncoderOperand memory(Rng& rng, unsigned bytes, std::uint64_t address, MachineState& s) {
  ZydisEncoderOperand o{};
  o.type = ZYDIS_OPERAND_TYPE_MEMORY;
  o.mem.size = static_cast<ZyanU16>(bytes);
  const std::uint64_t kind = rng.below(16);
  if (kind == 0) {
    o.mem.base = ZYDIS_REGISTER_RIP;
    o.mem.displacement = static_cast<ZyanI64>(address);
    return o;
  }
  const bool narrow = kind == 1;
  const ZydisRegisterClass registers = narrow ? ZYDIS_REGCLASS_GPR32 : ZYDIS_REGCLASS_GPR64;
  const auto base = static_cast<unsigned>(rng.below(16));
  o.mem.base = ZydisRegisterEncode(registers, static_cast<ZyanU8>(base));
  std::uint64_t offset = 0;
  if (rng.below(2)) {
    unsigned index = base;
    while (index == base || index == 4) index = static_cast<unsigned>(rng.below(16));
    o.mem.index = ZydisRegisterEncode(registers, static_cast<ZyanU8>(index));
    o.mem.scale = static_cast<ZyanU8>(1u << rng.below(4));
    offset = s.gpr[index] * o.mem.scale;
  }
  switch (rng.below(3)) {
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
  return o;
}

struct Template {
  ZydisMnemonic mnemonic;
  std::string shape;
  unsigned bits;
  ZydisInstructionAttributes prefixes;
  Adjust adjust;
};

bool make(const Template& t, Rng& rng, Instance& instance) {
  Chosen c;
  ZydisEncoderRequest& q = c.request;
  q.machine_mode = ZYDIS_MACHINE_MODE_LONG_64;
  q.mnemonic = t.mnemonic;
  q.prefixes = t.prefixes;
  q.operand_count = static_cast<ZyanU8>(t.shape.size());
  unsigned memory_bytes = 0;
  for (std::size_t n = 0; n < t.shape.size(); ++n) {
    ZydisEncoderOperand& o = q.operands[n];
    switch (t.shape[n]) {
      case 'r':
        o = register_operand(general(rng, t.bits));
        break;
      case 'q':
        o = register_operand(general(rng, 64));
        break;
      case 'd':
        o = register_operand(general(rng, 32));
        break;
      case 'w':
        o = register_operand(general(rng, 16));
        break;
      case 'y':
        o = register_operand(general(rng, 8));
        break;
      case 'x':
        o = register_operand(ZydisRegisterEncode(ZYDIS_REGCLASS_XMM, static_cast<ZyanU8>(rng.below(16))));
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
      c.address = random_address(rng, memory_bytes);
      o = memory(rng, memory_bytes, c.address, instance.state);
    }
  }
  if (t.adjust && !t.adjust(rng, instance, c)) return false;
  std::uint8_t buffer[ZYDIS_MAX_INSTRUCTION_LENGTH];
  ZyanUSize length = sizeof buffer;
  if (!ZYAN_SUCCESS(ZydisEncoderEncodeInstructionAbsolute(&q, buffer, &length, kSlot))) return false;
  instance.code.assign(buffer, buffer + length);
  return true;
}

}  // namespace

unsigned gpr_of(ZydisRegister r) {
  if (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH) return 16;
  const ZydisRegister wide = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);
  return static_cast<unsigned>(ZydisRegisterGetId(wide));
}

void add_forms(std::vector<Form>& to, ZydisMnemonic mnemonic, std::initializer_list<const char*> shapes,
               std::initializer_list<unsigned> sizes, std::uint64_t undefined_flags, Adjust adjust,
               ZydisInstructionAttributes prefixes) {
  for (const char* shape : shapes)
    for (const unsigned bits : sizes) {
      Form f;
      f.name = std::string(prefixes & ZYDIS_ATTRIB_HAS_LOCK ? "lock " : "") + ZydisMnemonicGetString(mnemonic) +
               " " + shape + std::to_string(bits);
      f.undefined_flags = undefined_flags;
      const Template t{mnemonic, shape, bits, prefixes, adjust};
      f.make = [t](Rng& rng, Instance& i) { return make(t, rng, i); };
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
