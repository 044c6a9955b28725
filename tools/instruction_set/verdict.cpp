#include "tools/instruction_set/verdict.h"

#include "models/cpu/block.h"
#include "models/cpu/decode.h"
#include "models/cpu/form_name.h"

namespace xensim::instruction_set {
namespace {

using cpu::CpuidPolicy;
using cpu::Decoder;

const CpuidPolicy& offered() {
  static const CpuidPolicy policy = CpuidPolicy::default_policy(2'400'000'000, 46);
  return policy;
}

// The same processor with every feature bit.
const CpuidPolicy& everything() {
  static const CpuidPolicy policy = [] {
    CpuidPolicy p = offered();
    constexpr std::uint32_t kAll = ~std::uint32_t{0};
    p.set(1, 0, {p.query(1, 0).eax, 0, kAll, kAll});
    p.set(7, 0, {p.query(7, 0).eax, kAll, kAll, kAll});
    p.set(0xd, 1, {kAll, 0, 0, 0});
    p.set(0x80000001, 0, {0, 0, kAll, kAll});
    return p;
  }();
  return policy;
}

bool executes(const Decoder& decoder, std::span<const std::uint8_t> bytes, std::uint32_t mode) {
  // What no decoder knows: PUSH ES in 64-bit mode. Its handler is the one of everything undefined.
  constexpr std::uint8_t kUndefined[] = {0x06};
  static const cpu::Handler undefined = decoder.decode(kUndefined, 1, 0, cpu::kMode64)->op.fn;
  const auto result = decoder.decode(bytes.data(), bytes.size(), 0x1000, mode);
  return result && result->op.fn != undefined;
}

}  // namespace

Instruction judge(std::span<const std::uint8_t> bytes, unsigned mode) {
  static const Decoder with_all(everything()), by_policy(offered());
  const std::uint32_t mode_bits = mode == 64   ? cpu::kMode64
                                  : mode == 32 ? cpu::kModeCode32 | cpu::kModeStack32 | cpu::kModeFlat
                                               : 0u;
  const ZydisDecoder decoder = cpu::decoder_of_mode(mode);
  ZydisDecodedInstruction insn;
  Instruction r;
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, bytes.data(), bytes.size(), &insn))) return r;
  r.decodes = true;
  r.extension = ZydisISASetGetString(insn.meta.isa_set);
  // UD0, UD1 and UD2 raise #UD as they should.
  const bool undefined_by_name = insn.mnemonic == ZYDIS_MNEMONIC_UD0 || insn.mnemonic == ZYDIS_MNEMONIC_UD1 ||
                                 insn.mnemonic == ZYDIS_MNEMONIC_UD2;
  if (undefined_by_name || executes(by_policy, bytes, mode_bits))
    r.verdict = Verdict::kOffered;
  else if (executes(with_all, bytes, mode_bits))
    r.verdict = Verdict::kHidden;
  return r;
}

}  // namespace xensim::instruction_set
