// The instruction table as decode asks it: one dense array over all mnemonics, filled from the families' rows.
#include <array>

#include "models/cpu/form.h"
#include "sim/base/expects.h"

namespace xensim::cpu {
namespace {

struct Table {
  std::array<const Form*, ZYDIS_MNEMONIC_MAX_VALUE + 1> first{};
  std::array<const Form*, 2> second{};  // MOVSD, CMPSD
};

Table build() {
  Table table{};
  for (std::span<const Form> family :
       {isa::data_movement_forms(), isa::arithmetic_forms(), isa::logic_forms(), isa::atomic_forms(),
        isa::control_flow_forms(), isa::string_forms(), isa::flag_forms(), isa::far_transfer_forms(),
        isa::system_forms(), isa::segment_forms(), isa::io_forms(), isa::sse_forms(), isa::x87_forms(),
        isa::xsave_forms(), isa::vmx_forms()}) {
    for (const Form& form : family) {
      const bool second = (form.mnemonic == ZYDIS_MNEMONIC_MOVSD || form.mnemonic == ZYDIS_MNEMONIC_CMPSD) &&
                          table.first[form.mnemonic] != nullptr;
      const Form*& place =
          second ? table.second[form.mnemonic == ZYDIS_MNEMONIC_CMPSD] : table.first[form.mnemonic];
      expects(place == nullptr);  // two families claim one mnemonic
      place = &form;
    }
  }
  return table;
}

}  // namespace

namespace {
const Table& table() {
  static const Table t = build();
  return t;
}
}  // namespace

const Form* find_form(ZydisMnemonic mnemonic) {
  return mnemonic <= ZYDIS_MNEMONIC_MAX_VALUE ? table().first[mnemonic] : nullptr;
}

const Form* find_second_form(ZydisMnemonic mnemonic) {
  if (mnemonic == ZYDIS_MNEMONIC_MOVSD) return table().second[0];
  if (mnemonic == ZYDIS_MNEMONIC_CMPSD) return table().second[1];
  return nullptr;
}

}  // namespace xensim::cpu
