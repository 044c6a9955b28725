// From bytes to records: Zydis decodes, the instruction table (form.h) names the handler, and the fields that all
// handlers share are filled here, as form.h says.
//
// What the processor cannot do becomes a record too, one that raises #UD: unknown and undecodable instructions,
// LOCK where it is not allowed, and instructions that the CPUID policy does not report. An instruction longer than
// 15 bytes raises #GP (SDM 3, table 6-1 and 6.15).
#pragma once

#include <Zydis/Zydis.h>

#include <cstdint>
#include <optional>

#include "models/cpu/cpuid.h"
#include "models/cpu/form.h"
#include "models/cpu/op.h"

namespace xensim::cpu {

class Decoder {
 public:
  explicit Decoder(const CpuidPolicy& policy);

  struct Result {
    Op op;
    OpTiming timing;
    BlockShape shape;
  };
  // The instruction at rip. bytes[0 … available): what may be read; at least 1, and 15 are always enough. nullopt:
  // the instruction goes on behind them. op.offset is left 0.
  std::optional<Result> decode(const std::uint8_t* bytes, std::size_t available, std::uint64_t rip,
                               std::uint32_t mode) const;

 private:
  bool permitted(const ZydisDecodedInstruction& insn) const;

  const CpuidPolicy& policy_;
  ZydisDecoder long64_, protected32_, protected16_, real_;
};

}  // namespace xensim::cpu
