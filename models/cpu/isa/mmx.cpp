// MMX (SDM 1, chapter 9): what has no SSE2 counterpart. The MMX forms of shared mnemonics (PADDB …) are in the
// SSE2 files, on the same lambdas; sse_operands.h has the aliasing to the x87 registers.
#include "models/cpu/isa/mmx.h"

#include "models/cpu/isa/sse_operands.h"

namespace xensim::cpu::isa {

using namespace sse;

namespace {

Outcome emms(Core& c, const Op&) {
  if (!mmx_usable(c)) [[unlikely]]
    return mmx_unusable(c);
  enter_mmx(c);
  c.st.x87.tag_valid = 0;
  return Outcome::kNext;
}
Handler bind_emms(const DecodedInstruction&, Op&) { return emms; }

constexpr Form kForms[] = {
    Form(ZYDIS_MNEMONIC_EMMS, CostClass::kX87, kStraight, bind_emms),
};

}  // namespace

std::span<const Form> mmx_forms() { return kForms; }

}  // namespace xensim::cpu::isa
