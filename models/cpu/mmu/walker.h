// The page walker: a pure function from (paging context, linear address, access) to a translation, a fault, an EPT
// violation or an EPT misconfiguration. It changes nothing: the accessed and dirty bits that the access sets, and
// every table entry that it read, come back in the result, and the caller commits or charges them. SDM 3, 4.3–4.8
// (32-bit, PAE, 4-level), 28.3 (EPT).
//
// Order of checks: at each level, the EPT translation of the entry's own address, present, reserved bits; after
// the leaf, access rights; then the accessed and dirty bits (each a write through EPT), and last the EPT
// translation of the final address. Tables outside RAM read as all ones. Bits of a linear address above those that
// the paging mode translates are ignored (canonical form is checked by the callers).
#pragma once

#include <array>
#include <cstdint>

#include "models/cpu/mmu/soft_tlb.h"
#include "models/memory/physical_memory.h"
#include "sim/base/types.h"

namespace xensim::cpu {

// Everything that translation depends on.
struct PagingContext {
  std::uint64_t cr0 = 0, cr3 = 0, cr4 = 0, efer = 0;
  std::array<std::uint64_t, 4> pdpte{};
  bool ept = false;             // EPT in use (VMX non-root with EPT enabled)
  std::uint64_t eptp = 0;       // EPT pointer: table address, A/D enable in bit 6
  std::uint16_t vpid = 0;       // 0 in root operation or without VPID
  unsigned physical_bits = 46;  // MAXPHYADDR

  bool operator==(const PagingContext&) const = default;
};

// One table entry that a walk read, in order. level: 4 PML4E … 1 PTE; ept: an EPT entry (read for a guest table's
// or the final address).
struct WalkStep {
  PhysAddr entry;
  std::uint8_t level;
  bool ept;
  bool set_accessed;  // the access sets the entry's accessed bit
  bool set_dirty;
  bool wide;  // entry is 8 bytes (4 in 32-bit paging)
};

enum class WalkStatus : std::uint8_t { kOk, kPageFault, kEptViolation, kEptMisconfiguration };

struct WalkResult {
  WalkStatus status = WalkStatus::kOk;
  PhysAddr physical;                   // of the byte asked for; need not be RAM
  GuestPhysAddr guest_physical;        // likewise; for EPT exits the address that failed
  std::uint8_t page_shift = 12;        // of the smallest page on the way (guest and EPT): 12, 21, 22 or 30
  std::uint8_t guest_page_shift = 12;  // of the guest's page
  bool writable = false, user = false, executable = false, global = false;  // combined rights of the guest tables
  bool ept_readable = true, ept_writable = true, ept_executable = true;
  bool dirty = false;                  // all dirty bits are (or will be) set: a writable translation may be cached
  std::uint32_t page_fault_error = 0;  // of a #PF
  std::uint64_t ept_qualification = 0;  // of an EPT violation (SDM 3, table 28-7)
  // The guest-physical pages whose EPT dirty flags the access sets, in the order of the steps that have set_dirty
  // and ept.
  std::array<std::uint64_t, 5> dirtied;
  std::uint8_t dirties = 0;
  // Entries of the page-modification log that the access wrote (Mmu::refill).
  std::uint8_t log_entries = 0;
  std::uint8_t steps = 0;
  std::array<WalkStep, 24> step;  // 4 levels × (4 EPT + 1) + 4 EPT
};

// SDM 3, 4.6: may this access be made to a page whose tables have these rights? True without paging.
bool access_allowed(const PagingContext& context, Access access, View view, bool writable, bool user,
                    bool executable);

WalkResult walk(const PagingContext& context, const memory::PhysicalMemory& memory, LinearAddr linear,
                Access access, View view);
// The walk of an access that is known to have been allowed: no rights of the guest's tables are checked. For
// timing models, which look later, when the privilege level may have changed.
WalkResult walk_unchecked(const PagingContext& context, const memory::PhysicalMemory& memory, LinearAddr linear,
                          Access access);
// What stands in EPT's place when a hypervisor walks a guest's tables by software.
class SecondStage {
 public:
  virtual ~SecondStage() = default;
  // Where a guest-physical byte is; false: nowhere.
  virtual bool translate(GuestPhysAddr a, PhysAddr& out) const = 0;
};
// The guest's tables decide, the second stage says where they and the page are. What it does not find is an EPT
// violation without a qualification.
WalkResult walk_by_software(const PagingContext& context, const memory::PhysicalMemory& memory, LinearAddr linear,
                            Access access, View view, const SecondStage& second_stage);
// Guest-physical → host-physical through EPT alone (the second half of the walk). Bits 7 and 8 of an EPT
// violation's qualification are clear: there is no linear address.
WalkResult walk_ept(const PagingContext& context, const memory::PhysicalMemory& memory, GuestPhysAddr address,
                    Access access);

}  // namespace xensim::cpu
