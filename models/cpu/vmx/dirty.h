// Which parts of the current VMCS were written since the VM-entry checks last passed. VM entry checks only those
// again: what a VM exit saved is state that the processor itself was in.
#pragma once

#include <cstdint>

namespace xensim::cpu {

inline constexpr std::uint8_t kDirtyControls = 1, kDirtyHost = 2, kDirtyGuest = 4, kDirtyAll = 7;

}  // namespace xensim::cpu
