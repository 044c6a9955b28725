#include "models/xen/mm/p2m.h"

#include <algorithm>
#include <new>

#include "sim/base/bits.h"
#include "sim/base/expects.h"

namespace xensim::xen {

namespace {

constexpr std::uint64_t kRwx = 7, kMemoryTypeWb = 6 << 3, kIgnorePat = 1 << 6, kSuperpage = 1 << 7;
constexpr std::uint64_t kAccessed = 1 << 8, kDirty = 1 << 9;
// No memory type: what marks an entry for resolve().
constexpr std::uint64_t kMemoryType = 7 << 3, kRecalculate = 1 << 10;
constexpr unsigned kTypeLo = 52, kTypeHi = 57, kAccessLo = 58, kAccessHi = 61;
constexpr std::uint64_t kMfnMask = mask(51, 12);

// An entry of zero is a hole; a type of zero is RAM.
P2mType type_of(std::uint64_t e) {
  return e == 0 ? P2mType::kMmioDm : static_cast<P2mType>(bits(e, kTypeHi, kTypeLo));
}
P2mAccess access_of(std::uint64_t e) { return static_cast<P2mAccess>(bits(e, kAccessHi, kAccessLo)); }
bool has_frame(P2mType t) { return is_any_ram(t) || t == P2mType::kMmioDirect || t == P2mType::kRamBroken; }
// The frame of an entry, at an offset into it; paged-out and populate-on-demand entries have none.
Mfn frame_of(std::uint64_t e, std::uint64_t within) {
  return has_frame(type_of(e)) && (e & kMfnMask) != kMfnMask ? Mfn(((e & kMfnMask) >> kPageShift) + within)
                                                             : kNoMfn;
}
Mfn table_of(std::uint64_t e) { return Mfn((e & kMfnMask) >> kPageShift); }
bool marked(std::uint64_t e) { return (e & kMemoryType) == kMemoryType; }
bool is_table(std::uint64_t e, unsigned level) { return level > 1 && (e & kRwx) && !(e & kSuperpage); }
unsigned index_at(Gfn g, unsigned level) { return static_cast<unsigned>(g.value >> (9 * (level - 1))) & 511; }

}  // namespace

P2m::P2m(memory::PhysicalMemory& memory, FrameTable& frames) : memory_(memory), frames_(frames) {
  const auto root = frames_.allocate_xen();
  if (!root) throw std::bad_alloc();
  root_ = *root;
  table_pages_ = 1;
}

P2m::~P2m() {
  pooled_ = false;
  for (const Mfn m : pool_) frames_.free_xen(m);
  free_table(root_, 4);
}

void P2m::reserve_tables() {
  pooled_ = true;
  while (table_pages_ + pool_.size() < table_limit) {
    const auto m = frames_.allocate_xen();
    if (!m) throw std::bad_alloc();
    pool_.push_back(*m);
  }
}

long P2m::resize_pool(std::uint64_t pages, std::uint64_t most) {
  pooled_ = true;
  // What tables have taken stays with them.
  const std::uint64_t wanted = pages > table_pages_ ? pages - table_pages_ : 0;
  for (std::uint64_t done = 0; pool_.size() != wanted; ++done) {
    if (done == most) return -kErestart;
    if (pool_.size() > wanted) {
      frames_.free_xen(pool_.back());
      pool_.pop_back();
    } else if (const auto m = frames_.allocate_xen()) {
      pool_.push_back(*m);
    } else {
      return -kEnomem;
    }
    table_limit = table_pages_ + pool_.size();
  }
  return 0;
}

// A zeroed page for a table.
std::optional<Mfn> P2m::take_table() {
  if (table_pages_ >= table_limit || (pooled_ && pool_.empty())) return std::nullopt;
  std::optional<Mfn> m;
  if (pooled_) {
    m = pool_.back();
    pool_.pop_back();
    memory_.fill(address_of(*m), 0, kPageSize);
  } else {
    m = frames_.allocate_xen();
  }
  if (m) ++table_pages_;
  return m;
}

std::uint64_t P2m::leaf(Mfn mfn, unsigned level, P2mType t, P2mAccess a) const {
  if (is_empty(t)) return 0;
  std::uint64_t e = static_cast<std::uint64_t>(t) << kTypeLo | static_cast<std::uint64_t>(a) << kAccessLo;
  const std::uint64_t rights = ept_rights(t, a, level > 1, pml);
  if (rights != 0) e |= rights | kIgnorePat | (t == P2mType::kMmioDirect ? 0 : kMemoryTypeWb);
  // As Xen does: the processor need not set what will be set anyway.
  if (rights != 0) e |= kAccessed | (rights & 2 && t != P2mType::kRamLogDirty ? kDirty : 0);
  e |= mfn == kNoMfn ? kMfnMask : mfn.value << kPageShift & kMfnMask;
  if (level > 1) e |= kSuperpage;
  return e;
}

// An entry goes: what it held goes with it.
void P2m::drop(std::uint64_t entry, unsigned level) {
  if (level == 1 && is_foreign(type_of(entry))) frames_.put_page(frame_of(entry, 0));
}

void P2m::free_table(Mfn table, unsigned level) {
  for (unsigned i = 0; i < 512; ++i) {
    const auto e = memory_.read<std::uint64_t>(address_of(table) + 8 * i);
    if (is_table(e, level))
      free_table(Mfn((e & kMfnMask) >> kPageShift), level - 1);
    else
      drop(e, level);
  }
  give_table(table);
}

void P2m::give_table(Mfn table) {
  if (pooled_)
    pool_.push_back(table);
  else
    frames_.free_xen(table);
  --table_pages_;
}

P2mType P2m::type_now(std::uint64_t e, bool recalculate) const {
  const P2mType t = type_of(e);
  if (!recalculate || !is_changeable(t)) return t;
  return global_log_dirty_ ? P2mType::kRamLogDirty : P2mType::kRamRw;
}

// A marked leaf entry as it should be; a page whose type stays keeps its flags.
std::uint64_t P2m::recalculated(std::uint64_t e, unsigned level) const {
  const P2mType t = type_now(e, e & kRecalculate);
  if (t != type_of(e)) return leaf(frame_of(e, 0), level, t, access_of(e));
  return (e & ~(kMemoryType | kRecalculate)) | (e & kRwx ? kMemoryTypeWb : 0);
}

// The address of the entry of the given level for gfn; tables on the way are made, and large entries on the way
// split, if create. Without create: the entry where the walk ends, which may be of a higher level only if the
// caller checks.
std::optional<PhysAddr> P2m::entry_address(Gfn gfn, unsigned level, bool create) {
  PhysAddr table = address_of(root_);
  for (unsigned l = 4;; --l) {
    const PhysAddr a = table + 8 * index_at(gfn, l);
    if (l == level) return a;
    auto e = memory_.read<std::uint64_t>(a);
    if (!is_table(e, l)) {
      if (!create || !split(a, l)) return std::nullopt;
      e = memory_.read<std::uint64_t>(a);
    }
    table = PhysAddr(e & kMfnMask);
  }
}

// Replaces a non-table entry (a hole or a large page) by a table with the same meaning.
bool P2m::split(PhysAddr entry, unsigned level) {
  const auto table = take_table();
  if (!table) return false;
  const auto old = memory_.read<std::uint64_t>(entry);
  const P2mType t = type_of(old);
  const Mfn first = frame_of(old, 0);
  if (!is_empty(t)) ++shattered;
  for (unsigned i = 0; i < 512; ++i) {
    const Mfn m = first == kNoMfn ? kNoMfn : Mfn(first.value + (std::uint64_t{i} << (9 * (level - 2))));
    std::uint64_t child = leaf(m, level - 1, t, access_of(old));
    if (marked(old)) child |= kMemoryType | (old & kRecalculate);
    memory_.write<std::uint64_t>(address_of(*table) + 8 * i, child);
  }
  memory_.write<std::uint64_t>(entry, table->value << kPageShift | kTableBits);
  return true;
}

P2mEntry P2m::get(Gfn gfn) const {
  PhysAddr table = address_of(root_);
  if (gfn.value >= kFrames) return {};
  bool recalculate = false;
  for (unsigned l = 4; l >= 1; --l) {
    const auto e = memory_.read<std::uint64_t>(table + 8 * index_at(gfn, l));
    recalculate = recalculate || (e & kRecalculate);
    if (is_table(e, l)) {
      table = PhysAddr(e & kMfnMask);
      continue;
    }
    const unsigned order = 9 * (l - 1);
    const std::uint64_t within = gfn.value & ((std::uint64_t{1} << order) - 1);
    return {type_now(e, recalculate), frame_of(e, within), order, access_of(e)};
  }
  return {};
}

bool P2m::set(Gfn gfn, Mfn mfn, unsigned order, P2mType type, P2mAccess access) {
  expects(order % 9 == 0 && order <= 18 && gfn.value < kFrames && gfn.value % (std::uint64_t{1} << order) == 0);
  expects(!is_foreign(type) || order == 0);
  resolve(gfn);
  const unsigned level = order / 9 + 1;
  const auto a = entry_address(gfn, level, true);
  if (!a) return false;
  if (is_foreign(type) && !frames_.get_page(mfn, frames_.info(mfn).owner)) return false;
  const auto old = memory_.read<std::uint64_t>(*a);
  memory_.write<std::uint64_t>(*a, leaf(mfn, level, type, access));
  if (is_table(old, level)) {
    if (!is_empty(type)) ++coalesced;
    free_table(Mfn((old & kMfnMask) >> kPageShift), level - 1);
  } else {
    drop(old, level);
  }
  if (!is_empty(type)) max_mapped_ = std::max(max_mapped_, gfn.value + (std::uint64_t{1} << order) - 1);
  return true;
}

bool P2m::set_range(Gfn gfn, Mfn mfn, unsigned order, P2mType type) {
  bool ok = true;
  for (std::uint64_t done = 0, n = std::uint64_t{1} << order; done < n;) {
    const std::uint64_t g = gfn.value + done, m = mfn == kNoMfn ? 0 : mfn.value + done, left = n - done;
    unsigned o = 0;
    for (const unsigned large : {9u, 18u}) {
      const std::uint64_t within = (std::uint64_t{1} << large) - 1;
      if ((large == 18 ? use_1gb : use_2mb) && !((g | m) & within) && left > within) o = large;
    }
    ok &= set(Gfn(g), mfn == kNoMfn ? kNoMfn : Mfn(m), o, type);
    done += std::uint64_t{1} << o;
  }
  return ok;
}

std::optional<std::uint64_t> P2m::expose(Gfn gfn) {
  resolve(gfn);
  const auto a = entry_address(gfn, 1, true);
  if (!a) return std::nullopt;
  const auto old = memory_.read<std::uint64_t>(*a);
  memory_.write<std::uint64_t>(*a, static_cast<std::uint64_t>(P2mType::kMmioDm) << kTypeLo | kExposedBase |
                                       gfn.value << kPageShift | 3 | kAccessed | kDirty);
  return old;
}

void P2m::hide(Gfn gfn, std::uint64_t entry) { memory_.write<std::uint64_t>(*entry_address(gfn, 1, true), entry); }

void P2m::for_each(const std::function<void(Gfn, Mfn, unsigned, P2mType)>& f) const {
  const std::function<void(Mfn, unsigned, std::uint64_t, bool)> go = [&](Mfn table, unsigned level,
                                                                         std::uint64_t base, bool recalculate) {
    for (unsigned i = 0; i < 512; ++i) {
      const auto e = memory_.read<std::uint64_t>(address_of(table) + 8 * i);
      const std::uint64_t g = base + (std::uint64_t{i} << (9 * (level - 1)));
      const bool again = recalculate || (e & kRecalculate);
      if (is_table(e, level))
        go(table_of(e), level - 1, g, again);
      else if (!is_empty(type_of(e)))
        f(Gfn(g), frame_of(e, 0), 9 * (level - 1), type_now(e, again));
    }
  };
  go(root_, 4, 0, false);
}

bool P2m::change_type(Gfn gfn, P2mType from, P2mType to) {
  const P2mEntry e = get(gfn);
  return e.type == from && set(gfn, e.mfn, 0, to);
}

// Marks the entries of a table; what cannot change and is not there needs no mark.
void P2m::mark_children(PhysAddr table, unsigned level) {
  for (unsigned i = 0; i < 512; ++i) {
    const PhysAddr a = table + 8 * i;
    const auto e = memory_.read<std::uint64_t>(a);
    if (is_table(e, level) || is_changeable(type_of(e)))
      memory_.write<std::uint64_t>(a, e | kMemoryType | kRecalculate);
  }
}

bool P2m::change_type_global(bool log_dirty) {
  mark_children(address_of(root_), 4);
  global_log_dirty_ = log_dirty;
  return table_pages_ > 1;
}

P2m::Resolved P2m::resolve(Gfn gfn) {
  Resolved done;
  PhysAddr table = address_of(root_);
  if (gfn.value >= kFrames) return done;
  for (unsigned l = 4;; --l) {
    const PhysAddr a = table + 8 * index_at(gfn, l);
    const auto e = memory_.read<std::uint64_t>(a);
    if (l == 1) {
      if (!marked(e)) return done;
      for (unsigned i = 0; i < 512; ++i) {
        const auto each = memory_.read<std::uint64_t>(table + 8 * i);
        if (marked(each)) memory_.write<std::uint64_t>(table + 8 * i, recalculated(each, 1));
      }
      ++done.tables;
      return done;
    }
    if (!is_table(e, l)) {
      if (!marked(e)) return done;
      memory_.write<std::uint64_t>(a, recalculated(e, l));
      ++done.leaves;
      return done;
    }
    if (marked(e)) {
      mark_children(PhysAddr(e & kMfnMask), l - 1);
      memory_.write<std::uint64_t>(a, e & ~(kMemoryType | kRecalculate));
      ++done.tables;
    }
    table = PhysAddr(e & kMfnMask);
  }
}

unsigned P2m::scan_dirty(const std::function<void(Gfn)>& f) {
  unsigned tables = 0;
  const std::function<void(Mfn, unsigned, std::uint64_t)> go = [&](Mfn table, unsigned level, std::uint64_t base) {
    tables += level == 1;
    for (unsigned i = 0; i < 512; ++i) {
      const auto e = memory_.read<std::uint64_t>(address_of(table) + 8 * i);
      const std::uint64_t g = base + (std::uint64_t{i} << (9 * (level - 1)));
      if (marked(e)) continue;  // nothing has been accessed below it
      if (is_table(e, level))
        go(table_of(e), level - 1, g);
      else if (level == 1 && (e & kDirty) && type_of(e) == P2mType::kRamLogDirty)
        f(Gfn(g));
    }
  };
  go(root_, 4, 0);
  return tables;
}

unsigned P2m::coalesce_table(Mfn table, unsigned level) {
  unsigned made = 0;
  for (unsigned i = 0; i < 512; ++i) {
    const PhysAddr a = address_of(table) + 8 * i;
    const auto e = memory_.read<std::uint64_t>(a);
    if (!is_table(e, level)) continue;
    const Mfn below = table_of(e);
    if (level > 2) made += coalesce_table(below, level - 1);
    if (level > 3 || !(level == 3 ? use_1gb : use_2mb)) continue;
    const std::uint64_t step = std::uint64_t{1} << (9 * (level - 2));
    const auto first = memory_.read<std::uint64_t>(address_of(below));
    const Mfn start = frame_of(first, 0);
    if (start == kNoMfn) continue;
    bool whole = start.value % (512 * step) == 0;
    for (std::uint64_t k = 0; whole && k < 512; ++k)
      whole = memory_.read<std::uint64_t>(address_of(below) + 8 * k) ==
              leaf(Mfn(start.value + k * step), level - 1, P2mType::kRamRw, access_of(first));
    if (!whole) continue;
    memory_.write<std::uint64_t>(a, leaf(start, level, P2mType::kRamRw, access_of(first)));
    free_table(below, level - 1);
    ++coalesced;
    ++made;
  }
  return made;
}

// Marks would hide what can be joined: everything is recalculated first.
unsigned P2m::coalesce() {
  for_each([&](Gfn g, Mfn, unsigned, P2mType) { resolve(g); });
  return coalesce_table(root_, 4);
}

P2m::Counts P2m::counts() const {
  Counts c;
  for_each([&](Gfn, Mfn, unsigned order, P2mType) {
    ++(order == 0 ? c.pages_4k : order == 9 ? c.pages_2m : c.pages_1g);
  });
  return c;
}

}  // namespace xensim::xen
