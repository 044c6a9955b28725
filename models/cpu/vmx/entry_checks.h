// The VM-entry checks (SDM 3, 26.2 and 26.3.1), one small function per group of a section, over the VMCS and the
// parsed controls. Each returns whether the state is good.
#pragma once

#include <cstdint>

#include "models/cpu/vmx/controls.h"
#include "models/cpu/vmx/vmcs.h"

namespace xensim::cpu::entry_checks {

bool valid_pat(std::uint64_t pat);
bool page_address(std::uint64_t address, unsigned physical_bits);
bool pushes_error_code(unsigned vector);
constexpr bool canonical(std::uint64_t a) { return a + (std::uint64_t{1} << 47) < std::uint64_t{1} << 48; }

// 26.2.1
bool ept_pointer(std::uint64_t eptp, unsigned physical_bits);
bool page_modification_log(const Controls& c, bool supported, unsigned physical_bits);
bool msr_area(std::uint64_t address, std::uint32_t count, unsigned physical_bits);
bool control_words(const Controls& c, std::uint32_t secondary_field);
bool bitmaps(const Controls& c, unsigned physical_bits);
bool tpr_shadow(const Controls& c, std::uint8_t vtpr, unsigned physical_bits);
bool nmi_controls(const Controls& c);
bool translation_controls(const Controls& c, unsigned physical_bits);
bool exit_controls(const Vmcs& v, const Controls& c, unsigned physical_bits);
bool entry_controls(const Vmcs& v, const Controls& c, unsigned physical_bits);
bool injected_event(std::uint32_t info, std::uint32_t error, std::uint32_t length, std::uint64_t guest_cr0);

// 26.2.2 – 26.2.4
bool host_control_registers(const Vmcs& v, const Controls& c, unsigned physical_bits);
bool host_segments(const Vmcs& v, const Controls& c);
bool host_address_space(const Vmcs& v, const Controls& c, bool long_mode_active);

// 26.3.1.1 – 26.3.1.5
bool guest_control_registers(const Vmcs& v, const Controls& c, unsigned physical_bits);
bool guest_msrs(const Vmcs& v, const Controls& c);
bool guest_segments(const Vmcs& v, const Controls& c);
bool guest_descriptor_tables(const Vmcs& v);
bool guest_rip_and_rflags(const Vmcs& v, const Controls& c, std::uint32_t injected);
bool guest_activity(const Vmcs& v, std::uint32_t injected);
bool guest_interruptibility(const Vmcs& v, const Controls& c, std::uint32_t injected);
bool guest_pending_debug(const Vmcs& v);

}  // namespace xensim::cpu::entry_checks
