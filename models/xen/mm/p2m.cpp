#include "models/xen/mm/p2m.h"

#include <new>

#include "sim/base/bits.h"
#include "sim/base/expects.h"

namespace xensim::xen {

namespace {

constexpr std::uint64_t kRwx = 7, kMemoryTypeWb = 6 << 3, kIgnorePat = 1 << 6, kSuperpage = 1 << 7;
constexpr unsigned kTypeLo = 52, kTypeHi = 57;
constexpr std::uint64_t kMfnMask = mask(51, 12);

std::uint64_t rights(P2mType t) {
  switch (t) {
    case P2mType::kRamRw:
    case P2mType::kGrantMap:
    case P2mType::kForeign:
      return kRwx;
    case P2mType::kRamRo:
    case P2mType::kRamLogDirty:
      return 5;
    case P2mType::kInvalid:
    case P2mType::kMmioEmulated:
      return 0;
  }
  return 0;
}

std::uint64_t leaf(Mfn mfn, unsigned level, P2mType t) {
  std::uint64_t e = static_cast<std::uint64_t>(t) << kTypeLo;
  if (t == P2mType::kInvalid) return 0;
  if (rights(t) != 0) e |= rights(t) | kMemoryTypeWb | kIgnorePat;
  e |= mfn.value << kPageShift;
  if (level > 1) e |= kSuperpage;
  return e;
}

P2mType type_of(std::uint64_t e) { return static_cast<P2mType>(bits(e, kTypeHi, kTypeLo)); }
bool is_table(std::uint64_t e, unsigned level) { return level > 1 && (e & kRwx) && !(e & kSuperpage); }
unsigned index_at(Gfn g, unsigned level) { return static_cast<unsigned>(g.value >> (9 * (level - 1))) & 511; }

}  // namespace

P2m::P2m(memory::PhysicalMemory& memory, FrameTable& frames) : memory_(memory), frames_(frames) {
  const auto root = frames_.allocate_xen();
  if (!root) throw std::bad_alloc();
  root_ = *root;
  table_pages_ = 1;
}

P2m::~P2m() { free_table(root_, 4); }

void P2m::free_table(Mfn table, unsigned level) {
  if (level > 1)
    for (unsigned i = 0; i < 512; ++i) {
      const auto e = memory_.read<std::uint64_t>(address_of(table) + 8 * i);
      if (is_table(e, level)) free_table(Mfn((e & kMfnMask) >> kPageShift), level - 1);
    }
  frames_.free_xen(table);
  --table_pages_;
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
  if (table_pages_ >= table_limit) return false;
  const auto table = frames_.allocate_xen();
  if (!table) return false;
  ++table_pages_;
  const auto old = memory_.read<std::uint64_t>(entry);
  const P2mType t = type_of(old);
  const std::uint64_t first = (old & kMfnMask) >> kPageShift;
  const std::uint64_t ad = old & (3u << 8);
  for (unsigned i = 0; i < 512; ++i) {
    const std::uint64_t child =
        t == P2mType::kInvalid ? 0 : leaf(Mfn(first + (std::uint64_t{i} << (9 * (level - 2)))), level - 1, t) | ad;
    memory_.write<std::uint64_t>(address_of(*table) + 8 * i, child);
  }
  memory_.write<std::uint64_t>(entry, table->value << kPageShift | kRwx);
  return true;
}

P2mEntry P2m::get(Gfn gfn) const {
  PhysAddr table = address_of(root_);
  if (gfn.value >> 36) return {};
  for (unsigned l = 4; l >= 1; --l) {
    const auto e = memory_.read<std::uint64_t>(table + 8 * index_at(gfn, l));
    if (is_table(e, l)) {
      table = PhysAddr(e & kMfnMask);
      continue;
    }
    const unsigned order = 9 * (l - 1);
    const std::uint64_t within = gfn.value & ((std::uint64_t{1} << order) - 1);
    return {type_of(e), Mfn(((e & kMfnMask) >> kPageShift) + within), order};
  }
  return {};
}

bool P2m::set(Gfn gfn, Mfn mfn, unsigned order, P2mType type) {
  expects(order % 9 == 0 && order <= 18 && gfn.value >> 36 == 0);
  const unsigned level = order / 9 + 1;
  const auto a = entry_address(gfn, level, true);
  if (!a) return false;
  const auto old = memory_.read<std::uint64_t>(*a);
  memory_.write<std::uint64_t>(*a, leaf(mfn, level, type));
  if (is_table(old, level)) {
    const Mfn table((old & kMfnMask) >> kPageShift);
    free_table(table, level - 1);
  }
  return true;
}

void P2m::expose(Gfn gfn, bool on) {
  const auto a = entry_address(gfn, 1, true);
  if (!a) return;
  const auto t = type_of(memory_.read<std::uint64_t>(*a));
  const std::uint64_t type_bits = static_cast<std::uint64_t>(t) << kTypeLo;
  memory_.write<std::uint64_t>(
      *a, on ? type_bits | kExposedBase | gfn.value << kPageShift | 3 | 1u << 8 | 1u << 9 : type_bits);
}

void P2m::for_each(const std::function<void(Gfn, Mfn, unsigned, P2mType)>& f) const {
  const std::function<void(Mfn, unsigned, std::uint64_t)> go = [&](Mfn table, unsigned level, std::uint64_t base) {
    for (unsigned i = 0; i < 512; ++i) {
      const auto e = memory_.read<std::uint64_t>(address_of(table) + 8 * i);
      const std::uint64_t g = base + (std::uint64_t{i} << (9 * (level - 1)));
      const Mfn m((e & kMfnMask) >> kPageShift);
      if (is_table(e, level))
        go(m, level - 1, g);
      else if (type_of(e) != P2mType::kInvalid)
        f(Gfn(g), m, 9 * (level - 1), type_of(e));
    }
  };
  go(root_, 4, 0);
}

P2m::Counts P2m::counts() const {
  Counts c;
  for_each([&](Gfn, Mfn, unsigned order, P2mType) {
    ++(order == 0 ? c.pages_4k : order == 9 ? c.pages_2m : c.pages_1g);
  });
  return c;
}

}  // namespace xensim::xen
