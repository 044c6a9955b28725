#include "models/cpu/mmu/walker.h"

#include <algorithm>

#include "models/cpu/arch_state.h"
#include "sim/base/bits.h"

namespace xensim::cpu {
namespace {

// Guest paging-structure entries (SDM 3, tables 4-5 … 4-20).
constexpr std::uint64_t kPresent = 1, kWrite = 2, kUser = 4, kAccessed = 1 << 5, kDirty = 1 << 6,
                        kPageSizeBit = 1 << 7, kGlobal = 1 << 8, kNx = 1ull << 63;
// EPT entries (SDM 3, tables 28-1 … 28-6).
constexpr std::uint64_t kEptRead = 1, kEptWrite = 2, kEptExecute = 4, kEptRights = 7, kEptLarge = 1 << 7,
                        kEptAccessed = 1 << 8, kEptDirty = 1 << 9;
// #PF error code (SDM 3, 4.7).
constexpr std::uint32_t kErrorPresent = 1, kErrorWrite = 2, kErrorUser = 4, kErrorReserved = 8, kErrorFetch = 16;
// Exit qualification of an EPT violation (SDM 3, table 28-7).
constexpr std::uint64_t kQualRead = 1, kQualWrite = 2, kQualFetch = 4, kQualLinearValid = 1 << 7,
                        kQualFinal = 1 << 8;

// Bits 51:MAXPHYADDR of an entry are reserved.
constexpr std::uint64_t address_reserved(unsigned physical_bits) {
  return physical_bits >= 52 ? 0 : mask(51, physical_bits);
}

constexpr std::uint64_t page_offset(std::uint64_t a, unsigned shift) {
  return a & ((std::uint64_t{1} << shift) - 1);
}

// What EPT says of one guest-physical address.
struct EptLeaf {
  std::uint64_t physical;
  unsigned shift;
  std::uint64_t rights;
  bool dirty;
};

class Walk {
 public:
  Walk(const PagingContext& context, const memory::PhysicalMemory& memory, std::uint64_t linear, Access access,
       View view, bool check_rights, const SecondStage* second_stage = nullptr)
      : c_(context),
        memory_(memory),
        linear_(linear),
        access_(access),
        view_(view),
        check_rights_(check_rights),
        second_stage_(second_stage) {}

  WalkResult r;

  void linear() {
    qualification_ = kQualLinearValid;
    if (!(c_.cr0 & kCr0Pg)) {
      unpaged();
    } else if (!(c_.cr4 & kCr4Pae)) {
      paged_32bit();
    } else if (!(c_.efer & kEferLma)) {
      const std::uint64_t pdpte = c_.pdpte[bits(linear_, 31, 30)];
      if (!(pdpte & kPresent)) return page_fault(0);
      linear_ &= 0xffffffff;
      // Bits 62:52 are reserved, too, in PAE paging.
      tables(2, pdpte & table_mask(), mask(62, 52));
    } else {
      tables(4, c_.cr3 & table_mask(), 0);
    }
  }

  void guest_physical(std::uint64_t address) {
    r.writable = r.user = r.executable = true;
    final_translation(address, 12, true);
  }

 private:
  std::uint64_t table_mask() const { return mask(std::min(c_.physical_bits, 52u) - 1, 12); }
  bool write() const { return access_ == Access::kWrite; }
  bool fetch() const { return access_ == Access::kExecute; }

  void page_fault(std::uint32_t cause) {
    r.status = WalkStatus::kPageFault;
    r.page_fault_error = cause;
    if (write()) r.page_fault_error |= kErrorWrite;
    if (is_user(view_)) r.page_fault_error |= kErrorUser;
    const bool nx = (c_.cr4 & kCr4Pae) && (c_.efer & kEferNxe);
    if (fetch() && (nx || (c_.cr4 & kCr4Smep))) r.page_fault_error |= kErrorFetch;
  }

  std::uint64_t load(std::uint64_t address, bool wide) const {
    const PhysAddr a(address);
    if (!memory_.contains(a, wide ? 8 : 4)) return wide ? ~std::uint64_t{0} : 0xffffffff;
    return wide ? memory_.read<std::uint64_t>(a) : memory_.read<std::uint32_t>(a);
  }

  WalkStep& record(std::uint64_t entry, unsigned level, bool ept, bool wide) {
    WalkStep& s = r.step[r.steps++];
    s = {PhysAddr(entry), static_cast<std::uint8_t>(level), ept, false, false, wide};
    return s;
  }

  // --- EPT.

  bool ept_misconfigured(std::uint64_t e, unsigned level, bool leaf) const {
    if ((e & (kEptRead | kEptWrite)) == kEptWrite) return true;
    if (e & address_reserved(c_.physical_bits)) return true;
    if (!leaf) return (e & (level == 4 ? mask(7, 3) : mask(6, 3))) != 0;
    const std::uint64_t type = bits(e, 5, 3);
    if (type == 2 || type == 3 || type == 7) return true;
    return level > 1 && (e & mask(9 * level + 2, 12)) != 0;
  }

  // needed: kQualRead/Write/Fetch bits, at once what rights are asked for and what a violation reports.
  bool ept(std::uint64_t address, std::uint64_t needed, std::uint64_t final_bit, EptLeaf& out) {
    if (second_stage_) return by_software(address, out);
    const bool track = c_.eptp & 0x40;
    std::uint64_t table = c_.eptp & table_mask();
    std::uint64_t rights = kEptRights;
    for (unsigned level = 4;; --level) {
      const unsigned shift = 9 * level + 3;
      const std::uint64_t at = table | (bits(address, shift + 8, shift) << 3);
      const std::uint64_t e = load(at, true);
      WalkStep& s = record(at, level, true, true);
      rights &= e;
      if (!(e & kEptRights)) return ept_violation(address, needed, final_bit, 0);
      const bool leaf = level == 1 || (level < 4 && (e & kEptLarge));
      if (ept_misconfigured(e, level, leaf)) {
        r.status = WalkStatus::kEptMisconfiguration;
        r.guest_physical = GuestPhysAddr(address);
        return false;
      }
      s.set_accessed = track && !(e & kEptAccessed);
      if (!leaf) {
        table = e & table_mask();
        continue;
      }
      // Bits above the 48 that four levels translate: no entry can map them.
      if ((rights & needed) != needed || (address >> 48))
        return ept_violation(address, needed, final_bit, address >> 48 ? 0 : rights);
      s.set_dirty = track && (needed & kQualWrite) && !(e & kEptDirty);
      if (s.set_dirty) r.dirtied[r.dirties++] = address & ~kPageMask;
      out.physical = (e & table_mask() & ~page_offset(~std::uint64_t{0}, shift)) | page_offset(address, shift);
      out.shift = shift;
      out.rights = rights;
      out.dirty = !track || (needed & kQualWrite) || (e & kEptDirty);
      return true;
    }
  }

  bool by_software(std::uint64_t address, EptLeaf& out) {
    PhysAddr physical;
    if (!second_stage_->translate(GuestPhysAddr(address), physical)) return ept_violation(address, 0, 0, 0);
    out = {physical.value, kPageShift, kEptRights, true};
    return true;
  }

  bool ept_violation(std::uint64_t address, std::uint64_t needed, std::uint64_t final_bit, std::uint64_t rights) {
    r.status = WalkStatus::kEptViolation;
    r.guest_physical = GuestPhysAddr(address);
    r.ept_qualification = needed | (rights << 3) | qualification_ | (qualification_ ? final_bit : 0);
    return false;
  }

  // --- The guest's tables.

  // Host address of a guest table's entry. With EPT's accessed and dirty flags on, its accesses count as writes.
  bool locate(std::uint64_t guest_entry, EptLeaf& out) {
    if (!c_.ept) {
      out = {guest_entry, 12, kEptRights, true};
      return true;
    }
    return ept(guest_entry, c_.eptp & 0x40 ? kQualRead | kQualWrite : kQualRead, 0, out);
  }

  // The entry's accessed or dirty bit will be set: a write to guest-physical memory. EPT must allow it.
  bool may_update(std::uint64_t guest_entry, const EptLeaf& where) {
    if (where.rights & kEptWrite) return true;
    return ept_violation(guest_entry, kQualRead | kQualWrite, 0, where.rights);
  }

  void unpaged() {
    r.writable = r.user = r.executable = true;
    final_translation(linear_ & 0xffffffff, 30, true);
  }

  void paged_32bit() {
    const std::uint64_t a = linear_ & 0xffffffff;
    bool w = true, u = true;
    std::uint64_t table = c_.cr3 & 0xfffff000;
    for (unsigned level = 2;; --level) {
      const unsigned shift = level == 2 ? 22 : 12;
      const std::uint64_t at = table | (bits(a, shift + 9, shift) << 2);
      EptLeaf where;
      if (!locate(at, where)) return;
      const std::uint64_t e = load(where.physical, false);
      WalkStep& s = record(where.physical, level, false, false);
      if (!(e & kPresent)) return page_fault(0);
      const bool large = level == 2 && (e & kPageSizeBit) && (c_.cr4 & kCr4Pse);
      // PSE-36: bits 39:32 of a 4 MiB page's address are the entry's bits 20:13, as far as MAXPHYADDR goes; the
      // rest of bits 21:13 is reserved.
      const unsigned width = std::clamp(c_.physical_bits, 32u, 40u);
      if (large && (e & mask(21, width - 19))) return page_fault(kErrorPresent | kErrorReserved);
      w = w && (e & kWrite);
      u = u && (e & kUser);
      const bool leaf = large || level == 1;
      if (!leaf) {
        s.set_accessed = !(e & kAccessed);
        if (s.set_accessed && !may_update(at, where)) return;
        table = e & 0xfffff000;
        continue;
      }
      const std::uint64_t frame = large ? (e & 0xffc00000) | (bits(e, 20, 13) << 32) : e & 0xfffff000;
      return leaf_reached(s, e, at, where, w, u, true, frame | page_offset(a, shift), shift);
    }
  }

  void tables(unsigned level, std::uint64_t table, std::uint64_t also_reserved) {
    const bool nxe = c_.efer & kEferNxe;
    const std::uint64_t reserved = address_reserved(c_.physical_bits) | also_reserved | (nxe ? 0 : kNx);
    bool w = true, u = true, x = true;
    for (;; --level) {
      const unsigned shift = 9 * level + 3;
      const std::uint64_t at = table | (bits(linear_, shift + 8, shift) << 3);
      EptLeaf where;
      if (!locate(at, where)) return;
      const std::uint64_t e = load(where.physical, true);
      WalkStep& s = record(where.physical, level, false, true);
      if (!(e & kPresent)) return page_fault(0);
      const bool large = level > 1 && (e & kPageSizeBit);
      std::uint64_t must_be_zero = reserved;
      if (large) must_be_zero |= level == 4 ? kPageSizeBit : mask(shift - 1, 13);
      if (e & must_be_zero) return page_fault(kErrorPresent | kErrorReserved);
      w = w && (e & kWrite);
      u = u && (e & kUser);
      x = x && !(e & kNx);
      if (level > 1 && !large) {
        s.set_accessed = !(e & kAccessed);
        if (s.set_accessed && !may_update(at, where)) return;
        table = e & table_mask();
        continue;
      }
      const std::uint64_t frame = e & table_mask() & ~page_offset(~std::uint64_t{0}, shift);
      return leaf_reached(s, e, at, where, w, u, x, frame | page_offset(linear_, shift), shift);
    }
  }

  void leaf_reached(WalkStep& s, std::uint64_t e, std::uint64_t at, const EptLeaf& where, bool w, bool u, bool x,
                    std::uint64_t address, unsigned shift) {
    if (check_rights_ && !access_allowed(c_, access_, view_, w, u, x)) return page_fault(kErrorPresent);
    s.set_accessed = !(e & kAccessed);
    s.set_dirty = write() && !(e & kDirty);
    if ((s.set_accessed || s.set_dirty) && !may_update(at, where)) return;
    r.writable = w;
    r.user = u;
    r.executable = x;
    r.global = (e & kGlobal) && (c_.cr4 & kCr4Pge);
    final_translation(address, shift, write() || (e & kDirty));
  }

  void final_translation(std::uint64_t address, unsigned guest_shift, bool guest_dirty) {
    r.guest_physical = GuestPhysAddr(address);
    r.guest_page_shift = static_cast<std::uint8_t>(c_.cr0 & kCr0Pg ? guest_shift : 12);
    r.page_shift = static_cast<std::uint8_t>(guest_shift);
    r.physical = PhysAddr(address);
    r.dirty = guest_dirty;
    if (!c_.ept) return;
    EptLeaf leaf;
    if (!ept(address, write() ? kQualWrite : fetch() ? kQualFetch : kQualRead, kQualFinal, leaf)) return;
    r.physical = PhysAddr(leaf.physical);
    r.page_shift = static_cast<std::uint8_t>(std::min(guest_shift, leaf.shift));
    r.ept_readable = leaf.rights & kEptRead;
    r.ept_writable = leaf.rights & kEptWrite;
    r.ept_executable = leaf.rights & kEptExecute;
    r.dirty = guest_dirty && leaf.dirty;
  }

  const PagingContext& c_;
  const memory::PhysicalMemory& memory_;
  std::uint64_t linear_;
  Access access_;
  View view_;
  bool check_rights_;
  const SecondStage* second_stage_;
  std::uint64_t qualification_ = 0;
};

}  // namespace

bool access_allowed(const PagingContext& c, Access access, View view, bool writable, bool user, bool executable) {
  if (!(c.cr0 & kCr0Pg)) return true;
  if (is_user(view)) {
    if (!user) return false;
  } else if (user) {
    if (access == Access::kExecute) {
      if (c.cr4 & kCr4Smep) return false;
    } else if (view == View::kSupervisor && (c.cr4 & kCr4Smap)) {
      return false;
    }
  }
  if (access == Access::kWrite) return writable || (!is_user(view) && !(c.cr0 & kCr0Wp));
  return access != Access::kExecute || executable;
}

WalkResult walk(const PagingContext& context, const memory::PhysicalMemory& memory, LinearAddr linear,
                Access access, View view) {
  Walk w(context, memory, linear.value, access, view, true);
  w.linear();
  return w.r;
}

WalkResult walk_by_software(const PagingContext& context, const memory::PhysicalMemory& memory, LinearAddr linear,
                            Access access, View view, const SecondStage& second_stage) {
  Walk w(context, memory, linear.value, access, view, true, &second_stage);
  w.linear();
  return w.r;
}

WalkResult walk_unchecked(const PagingContext& context, const memory::PhysicalMemory& memory, LinearAddr linear,
                          Access access) {
  Walk w(context, memory, linear.value, access, View::kSupervisor, false);
  w.linear();
  return w.r;
}

WalkResult walk_ept(const PagingContext& context, const memory::PhysicalMemory& memory, GuestPhysAddr address,
                    Access access) {
  Walk w(context, memory, address.value, access, View::kSupervisor, false);
  w.guest_physical(address.value);
  return w.r;
}

}  // namespace xensim::cpu
