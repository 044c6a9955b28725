#include "models/cpu/mmu/mmu.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "models/cpu/core.h"
#include "sim/base/bits.h"

namespace xensim::cpu {
namespace {

// Bits that translation depends on; a change of others keeps what is cached.
constexpr std::uint64_t kCr0Used = kCr0Pg | kCr0Wp;
constexpr std::uint64_t kCr4Used = kCr4Pse | kCr4Pae | kCr4Pge | kCr4Pcide | kCr4Smep | kCr4Smap;
constexpr std::uint64_t kEferUsed = kEferLma | kEferNxe;

TlbEntry entry_of(const WalkResult& w) {
  TlbEntry e;
  e.physical = w.physical.value >> w.page_shift << w.page_shift;
  e.page_shift = w.page_shift;
  e.guest_shift = w.guest_page_shift;
  e.global = w.global;
  e.writable = w.writable;
  e.user = w.user;
  e.executable = w.executable && w.ept_executable;
  e.dirty = w.dirty;
  e.ept_readable = w.ept_readable;
  e.ept_writable = w.ept_writable;
  return e;
}

constexpr std::uint64_t low_bits(unsigned n) { return (std::uint64_t{1} << n) - 1; }

// May a cached translation serve this access, or must tables be read (to fault, or to set a dirty bit)?
bool serves(const PagingContext& c, const TlbEntry& e, Access access, View view) {
  if (access == Access::kWrite     ? !e.dirty || !e.ept_writable
      : access == Access::kExecute ? !e.executable
                                   : !e.ept_readable)
    return false;
  return access_allowed(c, access, view, e.writable, e.user, e.executable);
}

constexpr bool canonical(std::uint64_t a) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(a << 16) >> 16) == a;
}

// What alignment an access of this size needs where alignment is checked (SDM 3, table 6-7): the size's largest
// power of two, but no more than 8 (16-byte operands that must be aligned raise #GP elsewhere). Blocks of state
// are written in larger pieces, and are not checked.
constexpr std::uint64_t alignment(unsigned size) {
  return size > 16 ? 1 : size == 6 ? 4 : std::min(std::bit_floor(size), 8u);
}

std::uint64_t lines_of(std::uint64_t a, unsigned size) {
  return mask(static_cast<unsigned>(((a + size - 1) & kPageMask) >> 6),
              static_cast<unsigned>((a & kPageMask) >> 6));
}

}  // namespace

Mmu::Mmu(Core& core, memory::PhysicalMemory& memory, const TlbConfig& config)
    : tlb(config), core_(core), memory_(memory) {
  context_.physical_bits = core.config.physical_bits;
  tlb.set_context(tlb_context());
}

// --- The paging context.

PagingContext Mmu::derive_context() const {
  PagingContext c;
  const ArchState& st = core_.st;
  c.physical_bits = core_.config.physical_bits;
  c.cr0 = st.cr0 & kCr0Used;
  if (st.paging()) {
    c.cr3 = st.cr3;
    c.cr4 = st.cr4 & kCr4Used;
    c.efer = st.efer & kEferUsed;
    if ((c.cr4 & kCr4Pae) && !(c.efer & kEferLma)) c.pdpte = st.pdpte;
  }
  if (core_.vmx.non_root) {
    const Controls& controls = core_.vmx.controls;
    c.ept = controls.ept();
    c.eptp = c.ept ? controls.eptp : 0;
    c.vpid = controls.vpid() ? controls.vpid_field : std::uint16_t{0};
  }
  return c;
}

Tlb::Context Mmu::tlb_context() const {
  Tlb::Context t;
  t.vpid = context_.vpid;
  t.pcid = !(context_.cr0 & kCr0Pg)     ? Tlb::kUnpaged
           : (context_.cr4 & kCr4Pcide) ? static_cast<std::uint16_t>(context_.cr3 & 0xfff)
                                        : std::uint16_t{0};
  t.eptp = context_.ept ? eptp_tag(context_.eptp) : 0;
  return t;
}

void Mmu::context_changed() {
  if (tlb.flushes() != seen_flushes_) drop_soft([](const PagingContext&) { return true; });
  const PagingContext c = derive_context();
  const bool transition = core_.vmx.non_root != non_root_;
  if (transition) {
    if (core_.vmx.non_root) guest_untagged_ = c.vpid == 0;
    non_root_ = core_.vmx.non_root;
  }
  if (c != context_) {
    left_[next_left_] = {context_, soft.serial(), true};
    next_left_ = (next_left_ + 1) % kLeft;
    context_ = c;
    tlb.set_context(tlb_context());
    const auto known =
        std::find_if(left_.begin(), left_.end(), [&](const Left& l) { return l.valid && l.context == c; });
    if (known == left_.end() || !soft.resume(known->serial)) soft.flush();
    if (known != left_.end()) known->valid = false;
  }
  if (transition && guest_untagged_) {
    tlb.flush_vpid(0, false);
    drop_soft([](const PagingContext& p) { return p.vpid == 0; });
  }
  update_view();
}

void Mmu::update_view() {
  const ArchState& st = core_.st;
  const bool aligned = (st.cr0 & kCr0Am) && (st.rflags & kAc);
  view_ = st.cpl() == 3                               ? (aligned ? View::kUserAligned : View::kUser)
          : (st.cr4 & kCr4Smap) && !(st.rflags & kAc) ? View::kSupervisor
                                                      : View::kSupervisorAc;
}

// --- Invalidation.

template <class Predicate>
void Mmu::drop_soft(Predicate of_context) {
  seen_flushes_ = tlb.flushes();
  core_.inorder.flush_walk_caches();
  for (Left& l : left_)
    if (l.valid && of_context(l.context)) l.valid = false;
  if (of_context(context_)) soft.flush();
}

void Mmu::drop_soft_linear(LinearAddr a) {
  seen_flushes_ = tlb.flushes();
  if (large_any_ && ((a.value ^ large_base_) & large_mask_) == 0) {
    // Some page around it is larger than the software TLB's: its pieces are anywhere.
    drop_soft([](const PagingContext&) { return true; });
    large_any_ = false;
    return;
  }
  soft.flush_page(a.value);
}

void Mmu::flush_current_pcid() {
  context_changed();
  const Tlb::Context& t = tlb.context();
  tlb.flush_pcid(t.vpid, t.pcid, true);
  const std::uint64_t pcid_bits = context_.cr4 & kCr4Pcide ? 0xfff : 0;
  drop_soft([&](const PagingContext& p) {
    return p.vpid == context_.vpid && ((p.cr3 ^ context_.cr3) & pcid_bits) == 0;
  });
}

void Mmu::flush_current_vpid() {
  context_changed();
  tlb.flush_vpid(context_.vpid, false);
  drop_soft([&](const PagingContext& p) { return p.vpid == context_.vpid; });
}

void Mmu::invlpg(LinearAddr a) {
  tlb.flush_linear(context_.vpid, tlb.context().pcid, a.value, false);
  core_.inorder.flush_walk_caches();
  drop_soft_linear(a);
}

void Mmu::invpcid(unsigned type, std::uint64_t pcid, LinearAddr a) {
  const std::uint16_t id = static_cast<std::uint16_t>(pcid & 0xfff);
  const std::uint16_t vpid = context_.vpid;
  const auto same_vpid = [&](const PagingContext& p) { return p.vpid == vpid; };
  switch (type) {
    case 0:
      tlb.flush_linear(vpid, id, a.value, true);
      core_.inorder.flush_walk_caches();
      return drop_soft_linear(a);
    case 1:
      tlb.flush_pcid(vpid, id, true);
      return drop_soft([&](const PagingContext& p) {
        return p.vpid == vpid && (p.cr4 & kCr4Pcide ? (p.cr3 & 0xfff) == id : id == 0);
      });
    case 2:
      tlb.flush_vpid(vpid, false);
      return drop_soft(same_vpid);
    case 3:
      tlb.flush_vpid(vpid, true);
      return drop_soft(same_vpid);
    default:
      return;
  }
}

void Mmu::invvpid(unsigned type, std::uint16_t vpid, LinearAddr a) {
  switch (type) {
    case 0:
      tlb.flush_linear(vpid, a.value);
      core_.inorder.flush_walk_caches();
      return drop_soft_linear(a);
    case 1:
    case 3:
      tlb.flush_vpid(vpid, type == 3);
      return drop_soft([&](const PagingContext& p) { return p.vpid == vpid; });
    case 2:
      tlb.flush_all_vpids_but_zero();
      return drop_soft([](const PagingContext& p) { return p.vpid != 0; });
    default:
      return;
  }
}

void Mmu::invept(unsigned type, std::uint64_t eptp) {
  switch (type) {
    case 1:
      tlb.flush_eptp(eptp);
      return drop_soft([&](const PagingContext& p) { return p.ept && eptp_tag(p.eptp) == eptp_tag(eptp); });
    case 2:
      tlb.flush_all();
      return drop_soft([](const PagingContext&) { return true; });
    default:
      return;
  }
}

// --- Translation.

// Without 64-bit paging, linear addresses have 32 bits: the last page is followed by the first.
std::uint64_t Mmu::wrap(std::uint64_t linear) const {
  return core_.st.long_mode_active() ? linear : linear & 0xffffffff;
}

Outcome Mmu::translate(std::uint64_t linear, Access access, View view, PhysAddr& out, bool& ram) {
  TlbEntry rights;
  if (const TlbEntry* e = tlb.find(LinearAddr(linear), access); e && serves(context_, *e, access, view)) {
    rights = *e;
  } else {
    const WalkResult w = walk(context_, memory_, LinearAddr(linear), access, view);
    if (w.status != WalkStatus::kOk) return fail(w, linear);
    if (!commit(w)) return core_.vmx.exit(ExitReason::kPmlFull, 0);
    rights = entry_of(w);
    if (!core_.collect_accesses) tlb.insert(LinearAddr(linear), access, rights);
  }
  out = PhysAddr(rights.physical | (linear & low_bits(rights.page_shift)));
  if (is_apic_access(out)) [[unlikely]] {
    const std::uint64_t kind = core_.delivering ? 3 : access == Access::kExecute ? 2 : access == Access::kWrite;
    const Outcome o = core_.vmx.exit(ExitReason::kApicAccess, (out.value & kPageMask) | (kind << 12));
    core_.vm_exit.guest_linear = linear;
    return o;
  }
  ram = memory_.contains(out, 1);
  if (ram) cache(linear, out, access, view, rights);
  return Outcome::kNext;
}

bool Mmu::is_apic_access(PhysAddr a) const {
  return core_.vmx.non_root && core_.vmx.controls.virtualize_apic_accesses() &&
         (a.value & ~kPageMask) == core_.vmx.controls.apic_access_page;
}

// Enters a translation into the software TLB, for what was asked and for what else its rights allow.
void Mmu::cache(std::uint64_t linear, PhysAddr physical, Access access, View view, const TlbEntry& rights) {
  const PhysAddr page(physical.value & ~kPageMask);
  const std::uint8_t* host = memory_.host(page);
  if (access == Access::kExecute) {
    soft.insert(view, Access::kExecute, linear, host, page);
  } else if (view != View::kUserAligned) {
    if (access == Access::kRead || serves(context_, rights, Access::kRead, view))
      soft.insert(view, Access::kRead, linear, host, page);
    if (access == Access::kWrite || serves(context_, rights, Access::kWrite, view))
      soft.insert(view, memory_.has_code(mfn_of(page)) ? Access::kCheckedWrite : Access::kWrite, linear, host,
                  page);
  }
  const unsigned shift = std::max(rights.page_shift, rights.guest_shift);
  if (shift == kPageShift) return;
  std::uint64_t region = ~low_bits(shift);
  if (large_any_) {
    region &= large_mask_;
    while ((large_base_ ^ linear) & region) region <<= 1;
  }
  large_any_ = true;
  large_mask_ = region;
  large_base_ = linear & region;
}

Outcome Mmu::fail(const WalkResult& w, std::uint64_t linear) {
  // A fault drops what is cached of the address (SDM 3, 4.10.4.1 and 28.4.3.1).
  tlb.flush_linear(context_.vpid, tlb.context().pcid, linear, false);
  soft.flush_page(linear);
  seen_flushes_ = tlb.flushes();
  if (w.status == WalkStatus::kPageFault) {
    const Outcome o = core_.raise(kPfVec, w.page_fault_error);
    core_.fault.cr2 = linear;
    return o;
  }
  const Outcome o = w.status == WalkStatus::kEptViolation
                        ? core_.vmx.exit(ExitReason::kEptViolation, w.ept_qualification)
                        : core_.vmx.exit(ExitReason::kEptMisconfiguration, 0);
  core_.vm_exit.guest_physical = w.guest_physical.value;
  core_.vm_exit.guest_linear = linear;
  return o;
}

bool Mmu::commit(const WalkResult& w) {
  unsigned dirtied = 0;
  for (unsigned i = 0; i < w.steps; ++i) {
    const WalkStep& s = w.step[i];
    if (!s.set_accessed && !s.set_dirty) continue;
    const bool logged = s.ept && core_.vmx.controls.pml();
    if (logged && core_.vmx.page_modification_log_full()) return false;
    const unsigned accessed = s.ept ? 8 : 5;
    const std::uint32_t set =
        (std::uint32_t{s.set_accessed} << accessed) | (std::uint32_t{s.set_dirty} << (accessed + 1));
    std::uint32_t low;
    std::memcpy(&low, memory_.host(s.entry), sizeof low);
    const std::uint32_t before = low;
    low |= set;
    std::memcpy(memory_.host(s.entry), &low, sizeof low);
    if (s.ept && s.set_dirty) {
      // A walk may come by the same EPT entry twice.
      const GuestPhysAddr page(w.dirtied[dirtied++]);
      if (logged && ((set & ~before) >> (accessed + 1)) != 0) {
        core_.vmx.log_page_modification(page);
        log_entries_ = static_cast<std::uint8_t>(log_entries_ + core_.collect_accesses);
      }
    }
    if (memory_.code_lines(mfn_of(s.entry)) & lines_of(s.entry.value, 4)) {
      memory_.note_write(s.entry, 4);
      code_hit_ = true;
    }
  }
  return true;
}

Outcome Mmu::translate_pieces(LinearAddr a, unsigned size, Access access, View view, Piece (&out)[2],
                              unsigned& count) {
  if (core_.st.long_mode_active() && !(canonical(a.value) && canonical(a.value + size - 1))) [[unlikely]] {
    core_.raise_gp();
    core_.fault.not_canonical = true;
    return Outcome::kFault;
  }
  const unsigned in_first = std::min<unsigned>(size, static_cast<unsigned>(kPageSize - (a.value & kPageMask)));
  out[0].linear = wrap(a.value);
  out[0].size = in_first;
  count = 1;
  if (in_first < size) {
    out[1].linear = wrap(a.value + in_first);
    out[1].size = size - in_first;
    count = 2;
  }
  for (unsigned i = 0; i < count; ++i) {
    Piece& p = out[i];
    if (Outcome o = translate(p.linear, access, view, p.physical, p.ram); o != Outcome::kNext) return o;
  }
  if (view == View::kUserAligned && (a.value & (alignment(size) - 1)) != 0) [[unlikely]]
    return core_.raise(kAcVec, 0);
  return Outcome::kNext;
}

// --- Accesses.

Outcome Mmu::finish() {
  const bool hit = code_hit_;
  code_hit_ = false;
  return hit ? Outcome::kEndBlock : Outcome::kNext;
}

void Mmu::log(const Piece& p, bool store) {
  if (!core_.collect_accesses) return;
  for (unsigned done = 0; done < p.size;) {
    const unsigned n = std::min(p.size - done, 64u);
    core_.log_access(p.physical.value + done, p.linear + done, n, store);
    done += n;
  }
}

void Mmu::load(const Piece& p, std::uint8_t* out) {
  if (p.ram) {
    log(p, false);
    std::memcpy(out, memory_.host(p.physical), p.size);
    return;
  }
  for (unsigned done = 0; done < p.size;) {
    const unsigned n = std::min(std::bit_floor(p.size - done), 8u);
    const std::uint64_t v = core_.environment.mmio_read(p.physical + done, n);
    std::memcpy(out + done, &v, n);
    done += n;
  }
}

void Mmu::store(const Piece& p, const std::uint8_t* in) {
  if (p.ram) {
    log(p, true);
    std::memcpy(memory_.host(p.physical), in, p.size);
    if (memory_.code_lines(mfn_of(p.physical)) & lines_of(p.physical.value, p.size)) {
      memory_.note_write(p.physical, p.size);
      code_hit_ = true;
    }
    return;
  }
  for (unsigned done = 0; done < p.size;) {
    const unsigned n = std::min(std::bit_floor(p.size - done), 8u);
    std::uint64_t v = 0;
    std::memcpy(&v, in + done, n);
    core_.environment.mmio_write(p.physical + done, n, v);
    done += n;
  }
}

Outcome Mmu::read(LinearAddr a, void* out, unsigned size, View view) {
  if (const SoftTlbEntry* e = soft.find(view, Access::kRead, a.value, size)) {
    std::memcpy(out, reinterpret_cast<const void*>(e->addend + a.value), size);
    log({PhysAddr(e->physical | (a.value & kPageMask)), a.value, size, true}, false);
    return Outcome::kNext;
  }
  Piece piece[2];
  unsigned count;
  code_hit_ = false;
  if (Outcome o = translate_pieces(a, size, Access::kRead, view, piece, count); o != Outcome::kNext) return o;
  std::uint8_t* to = static_cast<std::uint8_t*>(out);
  for (unsigned i = 0; i < count; to += piece[i++].size) load(piece[i], to);
  return Outcome::kNext;
}

Outcome Mmu::write(LinearAddr a, const void* in, unsigned size, View view) {
  const std::uint8_t* from = static_cast<const std::uint8_t*>(in);
  code_hit_ = false;
  if (const SoftTlbEntry* e = soft.find(view, Access::kWrite, a.value, size)) {
    store({PhysAddr(e->physical | (a.value & kPageMask)), a.value, size, true}, from);
    return finish();
  }
  if (const SoftTlbEntry* e = soft.find(view, Access::kCheckedWrite, a.value, size)) {
    const PhysAddr page(e->physical);
    store({page + (a.value & kPageMask), a.value, size, true}, from);
    if (!memory_.has_code(mfn_of(page))) soft.insert(view, Access::kWrite, a.value, memory_.host(page), page);
    return finish();
  }
  Piece piece[2];
  unsigned count;
  if (Outcome o = translate_pieces(a, size, Access::kWrite, view, piece, count); o != Outcome::kNext) return o;
  for (unsigned i = 0; i < count; from += piece[i++].size) store(piece[i], from);
  return finish();
}

Outcome Mmu::probe_write(LinearAddr a, unsigned size, View view) {
  Piece piece[2];
  unsigned count;
  return translate_pieces(a, size, Access::kWrite, view, piece, count);
}

Outcome Mmu::fetch(LinearAddr a, PhysAddr& out) {
  if (const SoftTlbEntry* e = soft.find(view_, Access::kExecute, a.value, 1)) {
    out = PhysAddr(e->physical | (a.value & kPageMask));
    return Outcome::kNext;
  }
  bool ram = false;
  if (Outcome o = translate(wrap(a.value), Access::kExecute, view_, out, ram); o != Outcome::kNext) return o;
  return ram ? Outcome::kNext : core_.raise(kUd);
}

Outcome Mmu::read_guest_physical(GuestPhysAddr a, void* out, unsigned size) {
  std::uint8_t* to = static_cast<std::uint8_t*>(out);
  for (unsigned done = 0; done < size;) {
    const GuestPhysAddr at = a + done;
    const unsigned n = std::min<unsigned>(size - done, static_cast<unsigned>(kPageSize - (at.value & kPageMask)));
    const WalkResult w = walk_ept(context_, memory_, at, Access::kRead);
    if (w.status != WalkStatus::kOk) return fail(w, 0);
    if (!commit(w)) return core_.vmx.exit(ExitReason::kPmlFull, 0);
    const bool ram = memory_.contains(w.physical, n);
    load({w.physical, 0, n, ram}, to + done);
    done += n;
  }
  return Outcome::kNext;
}

const WalkResult& Mmu::refill(LinearAddr a, Access access) {
  refill_ = walk_unchecked(context_, memory_, a, access);
  if (refill_.status != WalkStatus::kOk) {
    soft.flush_page(a.value);
    return refill_;
  }
  const bool committed = commit(refill_);
  refill_.log_entries = log_entries_;
  log_entries_ = 0;
  if (!committed) {
    // The access was made with what the software TLB still knew; the next one exits.
    soft.flush_page(a.value);
    return refill_;
  }
  tlb.insert(a, access, entry_of(refill_));
  // What the software TLB holds was read from tables that have changed since, or may lack a right that they now
  // give.
  for (View v : {View::kUser, View::kSupervisor, View::kSupervisorAc, View::kUserAligned})
    for (Access kind : {Access::kRead, Access::kWrite, Access::kExecute, Access::kCheckedWrite})
      if (const SoftTlbEntry* e = soft.find(v, kind, a.value, 1);
          e && e->physical != (refill_.physical.value & ~kPageMask)) {
        soft.flush_page(a.value);
        return refill_;
      }
  return refill_;
}

WalkResult Mmu::debug_walk(LinearAddr a, Access access, View view) const {
  return walk(context_, memory_, LinearAddr(wrap(a.value)), access, view);
}

}  // namespace xensim::cpu
