// What the core makes of an instruction: has it a handler, and does the processor's CPUID policy offer it?
#pragma once

#include <Zydis/Zydis.h>

#include <cstdint>
#include <span>
#include <string>

namespace xensim::instruction_set {

enum class Verdict : std::uint8_t {
  kOffered,  // executes
  kHidden,   // a handler exists, but the policy hides the extension: #UD
  kMissing,  // no handler: #UD
};

struct Instruction {
  bool decodes = false;
  Verdict verdict = Verdict::kMissing;
  std::string extension;  // Zydis's name of the instruction set extension
};

// mode: 16, 32 or 64.
Instruction judge(std::span<const std::uint8_t> bytes, unsigned mode);

}  // namespace xensim::instruction_set
