#include "models/cpu/mmu/tlb.h"

#include <bit>
#include <string>

#include "sim/base/bits.h"
#include "sim/base/error.h"

namespace xensim::cpu {
namespace {

constexpr std::uint64_t kShiftField = 0x1f, kGuestShiftField = 0x3e0;

constexpr std::uint64_t tag_of(const TlbEntry& e) {
  return e.linear | e.page_shift | (static_cast<std::uint64_t>(e.guest_shift) << 5);
}

// Does the guest's page, of which a tag's entry is a piece, hold this address?
constexpr bool tag_covers(std::uint64_t tag, std::uint64_t linear) {
  const std::uint64_t page = tag & kShiftField, guest = (tag & kGuestShiftField) >> 5;
  return ((tag ^ linear) >> (guest > page ? guest : page)) == 0;
}

}  // namespace

Tlb::Array::Array(const TlbGeometry& g, const char* level)
    : ways(g.ways), sets(g.ways ? g.entries / g.ways : 0), tags(g.entries), entries(g.entries) {
  if (ways == 0 || sets * ways != g.entries || !is_power_of_two(sets))
    throw UserError("/cpu/tlb/" + std::string(level) + "/entries",
                    std::to_string(g.entries) + " entries in " + std::to_string(g.ways) +
                        " ways do not make a power-of-two number of sets",
                    "use ways × a power of two");
}

Tlb::Tlb(const TlbConfig& config) : l1i_(config.l1i, "l1i"), l1d_(config.l1d, "l1d"), l2_(config.l2, "l2") {}

int Tlb::lookup(const Array& t, std::uint64_t linear) const {
  for (std::uint32_t left = t.shifts; left; left &= left - 1) {
    const unsigned shift = static_cast<unsigned>(std::countr_zero(left));
    const std::uint64_t wanted = (linear >> shift << shift) | shift;
    const unsigned first = static_cast<unsigned>((linear >> shift) & (t.sets - 1)) * t.ways;
    for (unsigned i = first; i < first + t.ways; ++i)
      if ((t.tags[i] & ~kGuestShiftField) == wanted && matches(t.entries[i])) return static_cast<int>(i);
  }
  return -1;
}

void Tlb::remember(unsigned which, const TlbEntry& e) {
  recent_[which] = {e.linear, ~std::uint64_t{0} << e.page_shift, e.dirty};
}

TlbLevel Tlb::touch_slow(LinearAddr a, Access access) {
  Array& l1 = first_level(access);
  const unsigned which = access == Access::kExecute;
  if (const int i = lookup(l1, a.value); i >= 0) {
    TlbEntry& e = l1.entries[static_cast<unsigned>(i)];
    if (access == Access::kWrite && !e.dirty) return TlbLevel::kMiss;
    e.lru = ++clock_;
    remember(which, e);
    return TlbLevel::kL1;
  }
  if (const int i = lookup(l2_, a.value); i >= 0) {
    TlbEntry& e = l2_.entries[static_cast<unsigned>(i)];
    if (access == Access::kWrite && !e.dirty) return TlbLevel::kMiss;
    e.lru = ++clock_;
    remember(which, fill(l1, e));
    return TlbLevel::kL2;
  }
  return TlbLevel::kMiss;
}

const TlbEntry* Tlb::find(LinearAddr a, Access access) const {
  const Array& l1 = first_level(access);
  if (const int i = lookup(l1, a.value); i >= 0) return &l1.entries[static_cast<unsigned>(i)];
  if (const int i = lookup(l2_, a.value); i >= 0) return &l2_.entries[static_cast<unsigned>(i)];
  return nullptr;
}

// Puts an entry into its set: over one of the same page and context, else an empty way, else the least recently
// used.
TlbEntry& Tlb::fill(Array& t, const TlbEntry& entry) {
  const unsigned first = static_cast<unsigned>((entry.linear >> entry.page_shift) & (t.sets - 1)) * t.ways;
  const std::uint64_t tag = tag_of(entry);
  unsigned victim = first;
  std::uint64_t oldest = ~std::uint64_t{0};
  for (unsigned i = first; i < first + t.ways; ++i) {
    const TlbEntry& e = t.entries[i];
    if (((t.tags[i] ^ tag) & ~kGuestShiftField) == 0 && matches(e)) {
      victim = i;
      break;
    }
    const std::uint64_t age = t.tags[i] ? e.lru : 0;
    if (age < oldest) oldest = age, victim = i;
  }
  t.shifts |= 1u << entry.page_shift;
  t.pieces = t.pieces || entry.guest_shift > entry.page_shift;
  t.tags[victim] = tag;
  t.entries[victim] = entry;
  t.entries[victim].lru = ++clock_;
  return t.entries[victim];
}

void Tlb::insert(LinearAddr a, Access access, TlbEntry entry) {
  entry.linear = a.value >> entry.page_shift << entry.page_shift;
  entry.vpid = context_.vpid;
  entry.pcid = context_.pcid;
  entry.eptp = context_.eptp;
  // An older translation of another page size, or with stale rights on the other side, must not be found first.
  for (Array* t : {&l1i_, &l1d_, &l2_})
    for (int i; (i = lookup(*t, a.value)) >= 0;) t->tags[static_cast<unsigned>(i)] = 0;
  forget_recent();
  fill(l2_, entry);
  const unsigned which = access == Access::kExecute;
  remember(which, fill(first_level(access), entry));
}

template <class Predicate>
void Tlb::flush_if(Predicate drop) {
  ++flushes_;
  for (Array* t : {&l1i_, &l1d_, &l2_})
    for (std::size_t i = 0; i < t->tags.size(); ++i)
      if (t->tags[i] && drop(t->entries[i])) t->tags[i] = 0;
  forget_recent();
}

// The entries whose guest page holds an address. They are in the address's own sets, unless they are pieces of a
// larger page.
template <class Predicate>
void Tlb::flush_linear_if(std::uint64_t linear, Predicate drop) {
  ++flushes_;
  const auto flush = [&](Array& t, std::size_t first, std::size_t count) {
    for (std::size_t i = first; i < first + count; ++i)
      if (t.tags[i] && tag_covers(t.tags[i], linear) && drop(t.entries[i])) t.tags[i] = 0;
  };
  for (Array* t : {&l1i_, &l1d_, &l2_}) {
    if (t->pieces) {
      flush(*t, 0, t->tags.size());
      continue;
    }
    for (std::uint32_t left = t->shifts; left; left &= left - 1)
      flush(*t, ((linear >> std::countr_zero(left)) & (t->sets - 1)) * t->ways, t->ways);
  }
  forget_recent();
}

void Tlb::flush_all() {
  ++flushes_;
  for (Array* t : {&l1i_, &l1d_, &l2_}) {
    t->tags.assign(t->tags.size(), 0);
    t->shifts = 0;
    t->pieces = false;
  }
  forget_recent();
}

void Tlb::flush_vpid(std::uint16_t vpid, bool keep_global) {
  flush_if([=](const TlbEntry& e) { return e.vpid == vpid && !(keep_global && e.global); });
}

void Tlb::flush_all_vpids_but_zero() {
  flush_if([](const TlbEntry& e) { return e.vpid != 0; });
}

void Tlb::flush_pcid(std::uint16_t vpid, std::uint16_t pcid, bool keep_global) {
  flush_if([=](const TlbEntry& e) { return e.vpid == vpid && (e.global ? !keep_global : e.pcid == pcid); });
}

void Tlb::flush_linear(std::uint16_t vpid, std::uint64_t linear) {
  flush_linear_if(linear, [=](const TlbEntry& e) { return e.vpid == vpid; });
}

void Tlb::flush_linear(std::uint16_t vpid, std::uint16_t pcid, std::uint64_t linear, bool keep_global) {
  flush_linear_if(linear,
                  [=](const TlbEntry& e) { return e.vpid == vpid && (e.global ? !keep_global : e.pcid == pcid); });
}

void Tlb::flush_eptp(std::uint64_t eptp) {
  const std::uint64_t tag = eptp_tag(eptp);
  flush_if([=](const TlbEntry& e) { return e.eptp == tag; });
}

}  // namespace xensim::cpu
