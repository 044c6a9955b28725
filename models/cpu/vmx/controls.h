// The VM-execution, VM-exit and VM-entry controls (SDM 3, 24.6–24.8) as named predicates. Loaded from the VMCS at
// VM entry; handlers ask these and never mask bits themselves.
#pragma once

#include <cstdint>

#include "sim/base/bits.h"

namespace xensim::cpu {

struct Controls {
  std::uint32_t pin = 0, primary = 0, secondary = 0, exit = 0, entry = 0;
  std::uint32_t exception_bitmap = 0, pf_error_mask = 0, pf_error_match = 0;
  std::uint64_t io_bitmap_a = 0, io_bitmap_b = 0, msr_bitmap = 0, tsc_offset = 0, tsc_multiplier = 1ull << 48,
                xss_exiting_bitmap = 0;
  std::uint64_t cr0_mask = 0, cr0_shadow = 0, cr4_mask = 0, cr4_shadow = 0;
  std::uint64_t cr3_target[4] = {0, 0, 0, 0};
  std::uint32_t cr3_targets = 0;
  std::uint64_t eptp = 0;
  std::uint16_t vpid_field = 0;
  std::uint32_t ple_gap = 0, ple_window = 0;
  std::uint32_t tpr_threshold = 0;
  std::uint64_t virtual_apic_page = 0, apic_access_page = 0;
  std::uint64_t pml_address = 0;

  // Pin-based.
  bool external_interrupt_exiting() const { return bit(pin, 0); }
  bool nmi_exiting() const { return bit(pin, 3); }
  bool virtual_nmis() const { return bit(pin, 5); }
  bool preemption_timer() const { return bit(pin, 6); }
  bool process_posted_interrupts() const { return bit(pin, 7); }
  // Primary processor-based.
  bool interrupt_window_exiting() const { return bit(primary, 2); }
  bool tsc_offsetting() const { return bit(primary, 3); }
  bool hlt_exiting() const { return bit(primary, 7); }
  bool invlpg_exiting() const { return bit(primary, 9); }
  bool mwait_exiting() const { return bit(primary, 10); }
  bool rdpmc_exiting() const { return bit(primary, 11); }
  bool rdtsc_exiting() const { return bit(primary, 12); }
  bool cr3_load_exiting() const { return bit(primary, 15); }
  bool cr3_store_exiting() const { return bit(primary, 16); }
  bool cr8_load_exiting() const { return bit(primary, 19); }
  bool cr8_store_exiting() const { return bit(primary, 20); }
  bool tpr_shadow() const { return bit(primary, 21); }
  bool nmi_window_exiting() const { return bit(primary, 22); }
  bool mov_dr_exiting() const { return bit(primary, 23); }
  bool unconditional_io_exiting() const { return bit(primary, 24); }
  bool io_bitmaps() const { return bit(primary, 25); }
  bool monitor_trap_flag() const { return bit(primary, 27); }
  bool msr_bitmaps() const { return bit(primary, 28); }
  bool monitor_exiting() const { return bit(primary, 29); }
  bool pause_exiting() const { return bit(primary, 30); }
  bool secondary_controls() const { return bit(primary, 31); }
  // Secondary processor-based (0 unless activated).
  bool virtualize_apic_accesses() const { return bit(secondary, 0); }
  bool ept() const { return bit(secondary, 1); }
  bool descriptor_table_exiting() const { return bit(secondary, 2); }
  bool rdtscp() const { return bit(secondary, 3); }
  bool virtualize_x2apic() const { return bit(secondary, 4); }
  bool vpid() const { return bit(secondary, 5); }
  bool wbinvd_exiting() const { return bit(secondary, 6); }
  bool unrestricted_guest() const { return bit(secondary, 7); }
  bool apic_register_virtualization() const { return bit(secondary, 8); }
  bool virtual_interrupt_delivery() const { return bit(secondary, 9); }
  bool pause_loop_exiting() const { return bit(secondary, 10); }
  bool rdrand_exiting() const { return bit(secondary, 11); }
  bool invpcid() const { return bit(secondary, 12); }
  bool rdseed_exiting() const { return bit(secondary, 16); }
  bool pml() const { return bit(secondary, 17); }
  bool xsaves() const { return bit(secondary, 20); }
  bool tsc_scaling() const { return bit(secondary, 25); }
  // VM-exit.
  bool save_debug_controls() const { return bit(exit, 2); }
  bool host_address_space_64() const { return bit(exit, 9); }
  bool acknowledge_interrupt_on_exit() const { return bit(exit, 15); }
  bool save_pat() const { return bit(exit, 18); }
  bool load_host_pat() const { return bit(exit, 19); }
  bool save_efer() const { return bit(exit, 20); }
  bool load_host_efer() const { return bit(exit, 21); }
  bool save_preemption_timer() const { return bit(exit, 22); }
  // VM-entry.
  bool load_debug_controls() const { return bit(entry, 2); }
  bool ia32e_mode_guest() const { return bit(entry, 9); }
  bool load_pat() const { return bit(entry, 14); }
  bool load_efer() const { return bit(entry, 15); }
};

}  // namespace xensim::cpu
