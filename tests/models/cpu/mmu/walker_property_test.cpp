// Random page tables and EPTs, translated by the walker and by a second translator that shares nothing with it: it
// collects all entries first and judges them afterwards.
#include <catch2/catch.hpp>
#include <vector>

#include "sim/base/rng.h"
#include "tests/models/cpu/mmu/table_builder.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

namespace {

// What a translation comes to: host address; or error code; or guest-physical address and qualification.
struct Verdict {
  WalkStatus status;
  std::uint64_t a, b;
  bool operator==(const Verdict&) const = default;
};

constexpr std::uint64_t kAddress = 0x00003ffffffff000;

class Reference {
 public:
  Reference(const PagingContext& c, const memory::PhysicalMemory& m, Access access, View view)
      : c_(c), m_(m), access_(access), view_(view) {}

  Verdict translate(std::uint64_t linear) {
    std::vector<std::uint64_t> path;
    std::uint64_t base = c_.cr3 & kAddress;
    std::uint64_t last_host_rights = 7, last_guest = 0;
    for (int level = 3; level >= 0; --level) {
      const std::uint64_t guest = base + ((linear >> (12 + 9 * level)) % 512) * 8;
      std::uint64_t host = guest, rights = 7;
      if (c_.ept && !through_ept(guest, ad() ? 3 : 1, false, host, rights)) return out_;
      const std::uint64_t e = get(host);
      if (e % 2 == 0) return fault(0);
      const bool leaf = level == 0 || (e >> 7) % 2;
      if (e & (0x3full << 46)) return fault(9);
      if ((e >> 63) && !(c_.efer & kEferNxe)) return fault(9);
      if (leaf && level == 3) return fault(9);
      if (leaf && level > 0 && ((e % (1ull << (12 + 9 * level))) >> 13)) return fault(9);
      path.push_back(e);
      last_host_rights = rights;
      last_guest = guest;
      if (!leaf) {
        if (!(e & kA) && !(rights & 2)) return violation(guest, 3, rights, false);
        base = e & kAddress;
        continue;
      }
      if (!permitted(path)) return fault(1);
      const bool update = !(e & kA) || (access_ == Access::kWrite && !(e & kD));
      if (update && !(last_host_rights & 2)) return violation(last_guest, 3, last_host_rights, false);
      const std::uint64_t size = 1ull << (12 + 9 * level);
      const std::uint64_t target = (e & kAddress) / size * size + linear % size;
      std::uint64_t final = target;
      if (c_.ept && !through_ept(target, access_bit(), true, final, rights)) return out_;
      return {WalkStatus::kOk, final, 0};
    }
    FAIL("unreachable");
    return {};
  }

 private:
  bool ad() const { return (c_.eptp >> 6) % 2; }
  std::uint64_t access_bit() const { return access_ == Access::kRead ? 1 : access_ == Access::kWrite ? 2 : 4; }
  std::uint64_t get(std::uint64_t a) const {
    return m_.contains(PhysAddr(a), 8) ? m_.read<std::uint64_t>(PhysAddr(a)) : ~0ull;
  }

  Verdict fault(std::uint64_t low) const {
    std::uint64_t error = low;
    if (access_ == Access::kWrite) error += 2;
    if (view_ == View::kUser) error += 4;
    if (access_ == Access::kExecute && ((c_.efer & kEferNxe) || (c_.cr4 & kCr4Smep))) error += 16;
    return {WalkStatus::kPageFault, error, 0};
  }
  static Verdict violation(std::uint64_t guest, std::uint64_t access, std::uint64_t rights, bool final) {
    return {WalkStatus::kEptViolation, guest, access + rights * 8 + 128 + (final ? 256 : 0)};
  }

  bool permitted(const std::vector<std::uint64_t>& path) const {
    std::uint64_t all = ~0ull, any = 0;
    for (std::uint64_t e : path) all &= e, any |= e;
    const bool user_page = all & kUs, writable = all & kRw, no_execute = any >> 63;
    const bool user = view_ == View::kUser;
    if (user && !user_page) return false;
    switch (access_) {
      case Access::kExecute:
        return !no_execute && !(!user && user_page && (c_.cr4 & kCr4Smep));
      case Access::kWrite:
        if (!writable && (user || (c_.cr0 & kCr0Wp))) return false;
        [[fallthrough]];
      default:
        return !(view_ == View::kSupervisor && user_page && (c_.cr4 & kCr4Smap));
    }
  }

  bool through_ept(std::uint64_t guest, std::uint64_t access, bool final, std::uint64_t& host,
                   std::uint64_t& rights) {
    std::uint64_t base = c_.eptp & kAddress;
    rights = 7;
    for (int level = 3;; --level) {
      const std::uint64_t e = get(base + ((guest >> (12 + 9 * level)) % 512) * 8);
      rights &= e % 8;
      if (e % 8 == 0) return out_ = violation(guest, access, 0, final), false;
      const bool leaf = level == 0 || (level < 3 && (e >> 7) % 2);
      const std::uint64_t size = 1ull << (12 + 9 * level);
      const std::uint64_t type = (e >> 3) % 8;
      bool bad = e % 4 == 2 || (e & (0x3full << 46));
      if (leaf)
        bad = bad || type == 2 || type == 3 || type == 7 || ((e % size) >> 12);
      else
        bad = bad || (e >> 3) % 16 || (level == 3 && (e >> 7) % 2);
      if (bad) return out_ = {WalkStatus::kEptMisconfiguration, guest, 0}, false;
      if (!leaf) {
        base = e & kAddress;
        continue;
      }
      if (access & ~rights) return out_ = violation(guest, access, rights, final), false;
      host = (e & kAddress) / size * size + guest % size;
      return true;
    }
  }

  const PagingContext& c_;
  const memory::PhysicalMemory& m_;
  Access access_;
  View view_;
  Verdict out_{};
};

Verdict verdict_of(const WalkResult& r) {
  switch (r.status) {
    case WalkStatus::kOk:
      return {r.status, r.physical.value, 0};
    case WalkStatus::kPageFault:
      return {r.status, r.page_fault_error, 0};
    case WalkStatus::kEptViolation:
      return {r.status, r.guest_physical.value, r.ept_qualification};
    default:
      return {r.status, r.guest_physical.value, 0};
  }
}

// Tables in frames 0 … 15 (guest) and 16 … 31 (EPT). Few of each table's entries are used, so that walks share
// them.
constexpr std::uint64_t kFrames = 16;

std::uint64_t random_guest_entry(Rng& rng) {
  std::uint64_t e = rng.below(kFrames) << 12;
  if (rng.below(20)) e |= kP;
  if (rng.below(6)) e |= kRw;
  if (rng.below(4)) e |= kUs;
  if (rng.below(3)) e |= kA;
  if (rng.below(2)) e |= kD;
  if (rng.below(8) == 0) e = (e & 0xfff) | kPs | (rng.below(4) == 0 ? 0x2000 : 0);
  if (rng.below(12) == 0) e |= kXd;
  if (rng.below(60) == 0) e |= 1ull << (46 + rng.below(6));
  return e;
}

std::uint64_t random_ept_entry(Rng& rng, bool leaf) {
  std::uint64_t e = kEptRwx;
  if (rng.below(12) == 0) e = rng.below(8);
  if (leaf) {
    e |= rng.below(kFrames) << 12 | (rng.below(20) ? kEptWb : rng.below(8) << 3);
  } else {
    e |= (kFrames + rng.below(kFrames)) << 12;
    if (rng.below(200) == 0) e |= 8;
    if (rng.below(40) == 0) e = (e & 7) | kPs | kEptWb;
  }
  if (rng.below(400) == 0) e |= 1ull << (46 + rng.below(6));
  return e;
}

}  // namespace

TEST_CASE("The walker agrees with an independent translator on random tables") {
  Rng rng(1, "walker_property");
  unsigned seen[4] = {};
  for (unsigned round = 0; round < 400; ++round) {
    memory::PhysicalMemory memory(0x100000);
    const auto set = [&](std::uint64_t frame, std::uint64_t i, std::uint64_t e) {
      memory.write<std::uint64_t>(PhysAddr((frame << 12) + i * 8), e);
    };
    PagingContext c = four_level(0);
    c.ept = rng.below(3) != 0;
    // EPT: one table per level; the last has the entries of all guest frames.
    c.eptp = (kFrames << 12) | 0x1e | (rng.below(2) ? 0x40 : 0);
    for (std::uint64_t level = 0; level < 4; ++level)
      for (std::uint64_t i = 0; i < (level == 3 ? kFrames : 2); ++i) {
        std::uint64_t e = random_ept_entry(rng, level == 3);
        if (level < 3 && !(e & kPs)) e = (e & ~kAddress) | ((kFrames + level + 1) << 12);
        set(kFrames + level, i, e);
      }
    for (std::uint64_t frame = 0; frame < kFrames; ++frame)
      for (std::uint64_t i = 0; i < 4; ++i) set(frame, i, random_guest_entry(rng));
    if (rng.below(2)) c.cr0 &= ~kCr0Wp;
    if (rng.below(2)) c.cr4 |= kCr4Smep;
    if (rng.below(2)) c.cr4 |= kCr4Smap;
    if (rng.below(4) == 0) c.efer &= ~kEferNxe;
    for (unsigned n = 0; n < 200; ++n) {
      std::uint64_t a = rng.below(4096);
      for (unsigned level = 0; level < 4; ++level) a |= rng.below(4) << (12 + 9 * level);
      const Access access = static_cast<Access>(rng.below(3));
      const View view = static_cast<View>(rng.below(3));
      const Verdict want = Reference(c, memory, access, view).translate(a);
      const WalkResult got = walk(c, memory, LinearAddr(a), access, view);
      ++seen[static_cast<unsigned>(got.status)];
      if (verdict_of(got) != want) {
        INFO("round " << round << " address " << std::hex << a << " access " << int(access) << " view "
                      << int(view));
        INFO("status " << int(got.status) << " want " << int(want.status));
        CHECK(verdict_of(got).a == want.a);
        REQUIRE(verdict_of(got) == want);
      }
    }
  }
  for (unsigned n : seen) CHECK(n > 1000);
}
