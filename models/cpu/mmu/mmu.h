// The memory-management unit of one core: linear → guest-physical → host-physical.
//
// One page walker (walker.h: a pure step function over guest tables × EPT) serves the core, the timing models and
// debug reads. Its results are kept in the modelled TLBs (tlb.h: L1 instruction, L1 data, unified L2, tagged with
// VPID, PCID and EPTP, geometry from the configuration), and the software TLB caches those for the fast path.
// Order of an access: software TLB → modelled TLBs → walk → commit (accessed and dirty bits, fills). SDM 3,
// chapters 4 and 28.
//
// Who fills the modelled TLBs: while the core collects accesses (Core::collect_accesses), only the timing model
// does, by Tlb::touch and refill() for each logged access, so that it sees every miss; the data path then reads
// them but leaves them alone. Otherwise the data path fills them.
//
//   switch (core.mmu.tlb.touch(LinearAddr(access.linear), kind)) {
//     case TlbLevel::kL1: break;
//     case TlbLevel::kL2: charge the second level's latency; break;
//     case TlbLevel::kMiss:
//       const WalkResult& w = core.mmu.refill(LinearAddr(access.linear), kind);
//       charge w.step[0 … w.steps): loads of w.step[i].entry, in order, each after the one before; .ept tells
//       the EPT's part from the guest tables' part; .level is what paging-structure caches go by.
//   }
//
// Paging-structure caches exist only in timing: nothing here depends on them. They are told (flush_walk_caches) of
// every invalidation; what they hold is tagged as the TLBs are.
#pragma once

#include <array>
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

  // Slow paths of Core's data accesses: any size up to 4 KiB, any alignment, page crossing, MMIO, code pages.
  // Outcomes: kNext; kEndBlock (a write hit decoded code: the block must end); kFault (#PF, #AC, or #GP for an
  // address that is not canonical, in core.fault); kVmExit (EPT violation or misconfiguration, page-modification
  // log full, or APIC access, in core.vm_exit). A failing write has written nothing. view: whose rights count
  // (implicit supervisor accesses to descriptor tables pass View::kSupervisor).
  Outcome read(LinearAddr a, void* out, unsigned size, View view);
  Outcome write(LinearAddr a, const void* in, unsigned size, View view);
  // Checks that a write would succeed (for instructions that must not half-commit), without writing.
  Outcome probe_write(LinearAddr a, unsigned size, View view);
  // Host-physical address of an instruction byte; fills the execute side of the TLBs. An address outside RAM reads
  // as ones there, so it is #UD: on kNext the rest of the page is RAM.
  Outcome fetch(LinearAddr a, PhysAddr& out);
  // Guest-physical memory without a linear address: the PDPTEs that MOV to CR3 loads. kNext or kVmExit.
  Outcome read_guest_physical(GuestPhysAddr a, void* out, unsigned size);

  // The core's paging context may have changed (CR0, CR3, CR4, EFER, PDPTEs, VPID, EPTP, VM entry or exit):
  // re-derives it, and the view. The software TLB goes on with what belongs to the new context. What stays in the
  // modelled TLBs is decided by the flush functions below, except for this: VM entries and exits of a guest
  // without VPID, which are told by VMX non-root operation having changed since the last call, flush VPID 0 (SDM
  // 3, 28.4.3.1).
  void context_changed();
  // MOV to CR3 (without the no-flush bit): drops non-global entries of the current PCID and VPID. This and the
  // next do what context_changed() does first, so that the PCID and VPID are those of the registers as they are
  // now.
  void flush_current_pcid();
  // Changes that flush everything of the current VPID (CR4.PGE, CR0.PG, …).
  void flush_current_vpid();
  // INVLPG.
  void invlpg(LinearAddr a);
  // INVPCID types 0…3 (SDM 2, INVPCID). Operands have been checked.
  void invpcid(unsigned type, std::uint64_t pcid, LinearAddr a);
  // INVVPID types 0…3, INVEPT types 1…2 (SDM 3, chapter 30).
  void invvpid(unsigned type, std::uint16_t vpid, LinearAddr a);
  void invept(unsigned type, std::uint64_t eptp);
  // The view that explicit data accesses have now (CPL, and AC if SMAP is on).
  View current_view() const { return view_; }
  void update_view();

  // For timing models, after Tlb::touch said kMiss for an access that was made: walks, fills the modelled TLBs,
  // and returns the walk, valid until the next call. If the tables no longer give what the access used (they
  // changed without an invalidation since), the software TLB's entry is dropped; a walk that fails fills nothing,
  // its steps count.
  const WalkResult& refill(LinearAddr a, Access access);

  // A translation without side effects, for debuggers, the hypervisor model's guest accesses (Xen's
  // paging_gva_to_gfn) and tests.
  WalkResult debug_walk(LinearAddr a, Access access, View view) const;

  // The paging context that walks use now.
  const PagingContext& context() const { return context_; }

 private:
  // A context that was left, and the generation of the software TLB that holds its translations.
  struct Left {
    PagingContext context;
    std::uint64_t serial = 0;
    bool valid = false;
  };
  // One piece of an access: it lies in one page.
  struct Piece {
    PhysAddr physical;
    std::uint64_t linear;
    unsigned size;
    bool ram;
  };

  PagingContext derive_context() const;
  Tlb::Context tlb_context() const;
  Outcome translate(std::uint64_t linear, Access access, View view, PhysAddr& out, bool& ram);
  // Cuts [a, a+size) at a page boundary and translates both pieces.
  Outcome translate_pieces(LinearAddr a, unsigned size, Access access, View view, Piece (&out)[2],
                           unsigned& count);
  Outcome fail(const WalkResult& w, std::uint64_t linear);
  // Sets the accessed and dirty flags of a walk. false: the page-modification log has no room for what is left.
  bool commit(const WalkResult& w);
  Outcome finish();
  void cache(std::uint64_t linear, PhysAddr physical, Access access, View view, const TlbEntry& rights);
  bool is_apic_access(PhysAddr a) const;
  void log(const Piece& p, bool store);
  void load(const Piece& p, std::uint8_t* out);
  void store(const Piece& p, const std::uint8_t* in);
  template <class Predicate>
  void drop_soft(Predicate of_context);
  void drop_soft_linear(LinearAddr a);
  std::uint64_t wrap(std::uint64_t linear) const;

  Core& core_;
  memory::PhysicalMemory& memory_;
  PagingContext context_;
  View view_ = View::kSupervisor;
  bool non_root_ = false;           // as of the last context_changed()
  bool guest_untagged_ = false;     // the guest that runs, or ran last, has no VPID
  bool code_hit_ = false;           // a write of the access in progress hit decoded code
  std::uint64_t seen_flushes_ = 0;  // of the modelled TLBs, that the software TLB knows of
  static constexpr unsigned kLeft = 8;
  std::array<Left, kLeft> left_;
  unsigned next_left_ = 0;
  // Linear addresses of which the software TLB may hold pieces of pages larger than 4 KiB: (a ^ base) & mask == 0.
  std::uint64_t large_base_ = 0, large_mask_ = 0;
  bool large_any_ = false;
  WalkResult refill_;
  std::uint8_t log_entries_ = 0;  // written to the page-modification log since the last refill()
};

}  // namespace xensim::cpu
