// The memory-management unit of one core: linear → guest-physical → host-physical.
//
// One page walker (walker.h: a pure step function over guest tables × EPT) serves the core, the timing models and debug
// reads. Its results are kept in the modelled TLBs (tlb.h: L1 instruction, L1 data, unified L2, tagged with VPID, PCID
// and EPTP, geometry from the configuration), and the software TLB caches those for the fast path. Order of an access:
// software TLB → modelled TLBs → walk → commit (accessed and dirty bits, fills). SDM 3, chapters 4 and 28.
#pragma once

#include <cstdint>

#include "models/cpu/mmu/soft_tlb.h"
#include "models/cpu/mmu/tlb.h"
#include "models/cpu/mmu/walker.h"
#include "models/cpu/outcome.h"
#include "models/memory/physical_memory.h"

namespace xensim::cpu {

class Core;

class Mmu {
 public:
  Mmu(Core& core, memory::PhysicalMemory& memory, const TlbConfig& config);

  SoftTlb soft;
  Tlb tlb;

  // Slow paths of Core's data accesses: any size up to 64 bytes, any alignment, page crossing, MMIO, code pages.
  // Outcomes: kNext; kEndBlock (a write hit decoded code: the block must end); kFault (#PF in core.fault);
  // kVmExit (EPT violation or misconfiguration in core.vm_exit). A failing write has written nothing.
  // view: whose rights count (implicit supervisor accesses to descriptor tables pass View::kSupervisor).
  Outcome read(LinearAddr a, void* out, unsigned size, View view);
  Outcome write(LinearAddr a, const void* in, unsigned size, View view);
  // Checks that a write would succeed (for instructions that must not half-commit), without writing.
  Outcome probe_write(LinearAddr a, unsigned size, View view);
  // Host-physical address of an instruction byte; fills the execute side of the TLBs.
  Outcome fetch(LinearAddr a, PhysAddr& out);

  // The core's paging context changed (CR0, CR3, CR4, EFER, VPID, EPTP, VM entry or exit): flushes the software TLB and
  // re-derives the paging context. What stays in the modelled TLBs is decided by the flush functions below.
  void context_changed();
  // MOV to CR3 (without the no-flush bit): drops non-global entries of the current PCID and VPID.
  void flush_current_pcid();
  // Changes that flush everything of the current VPID (CR4.PGE, CR0.PG, …).
  void flush_current_vpid();
  // INVLPG.
  void invlpg(LinearAddr a);
  // INVPCID types 0…3 (SDM 2, INVPCID).
  void invpcid(unsigned type, std::uint64_t pcid, LinearAddr a);
  // INVVPID types 0…3, INVEPT types 1…2 (SDM 3, chapter 30).
  void invvpid(unsigned type, std::uint16_t vpid, LinearAddr a);
  void invept(unsigned type, std::uint64_t eptp);

  // The view that explicit data accesses have now (CPL, and AC if SMAP is on).
  View current_view() const { return view_; }
  void update_view();

  // A translation without side effects, for debuggers, the hypervisor model's guest accesses (Xen's paging_gva_to_gfn)
  // and tests.
  WalkResult debug_walk(LinearAddr a, Access access, View view) const;

  // The paging context that walks use now.
  const PagingContext& context() const { return context_; }

 private:
  Core& core_;
  memory::PhysicalMemory& memory_;
  PagingContext context_;
  View view_ = View::kSupervisor;
};

}  // namespace xensim::cpu
