#include <catch2/catch.hpp>

#include "models/cpu/mmu/walker.h"
#include "tests/models/cpu/mmu/table_builder.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

namespace {

constexpr std::uint64_t kLinear = 0x00007f12'3456'7000;
constexpr std::uint64_t kLinearValid = 1 << 7, kFinal = 1 << 8;

// Guest memory of 16 MiB from host address 0x1000000 up; the guest's tables lie in it.
struct Fixture : TableBuilder {
  static constexpr std::uint64_t kHost = 0x1000000, kSize = 0x1000000;
  std::uint64_t ept_root = page();
  std::uint64_t next_guest = 0x10000;
  std::uint64_t root = guest_page();
  PagingContext c = four_level(root);

  Fixture() {
    for (std::uint64_t a = 0; a < kSize; a += kPageSize) map_ept(ept_root, a, kHost + a, kEptRwx);
    c.ept = true;
    c.eptp = ept_root | 0x1e;
  }
  std::uint64_t guest_page() {
    const std::uint64_t p = next_guest;
    next_guest += kPageSize;
    return p;
  }
  std::uint64_t ept_leaf(std::uint64_t guest) { return entry(ept_root, 4, guest, 1, kEptRwx); }
  // Guest-physical address of the entry.
  std::uint64_t map_guest(std::uint64_t linear, std::uint64_t physical, std::uint64_t leaf,
                          std::uint64_t bits = kP | kRw | kUs | kA) {
    std::uint64_t table = root;
    for (unsigned l = 4;; --l) {
      const std::uint64_t at = table + ((linear >> (9 * l + 3)) & 511) * 8;
      if (l == 1) {
        qword(kHost + at) = physical | leaf;
        return at;
      }
      if (!(qword(kHost + at) & 1)) qword(kHost + at) = guest_page() | bits;
      table = qword(kHost + at) & 0xffffff000;
    }
  }
  WalkResult walk_at(std::uint64_t a, Access access = Access::kRead) {
    return walk(c, memory, LinearAddr(a), access, View::kSupervisor);
  }
  void violates(Access access, std::uint64_t guest, std::uint64_t qualification) {
    const WalkResult r = walk_at(kLinear, access);
    CHECK(r.status == WalkStatus::kEptViolation);
    CHECK(r.guest_physical == GuestPhysAddr(guest));
    CHECK(r.ept_qualification == qualification);
  }
};

}  // namespace

TEST_CASE("A two-dimensional walk of 4 KiB pages reads 24 entries") {
  Fixture f;
  f.map_guest(kLinear, 0x5000, kP | kRw | kA | kD);
  const WalkResult r = f.walk_at(kLinear + 0x10);
  CHECK(r.status == WalkStatus::kOk);
  CHECK(r.guest_physical == GuestPhysAddr(0x5010));
  CHECK(r.physical == PhysAddr(Fixture::kHost + 0x5010));
  REQUIRE(r.steps == 24);
  for (unsigned i = 0; i < 24; ++i) {
    CHECK(r.step[i].ept == (i % 5 != 4));
    CHECK(r.step[i].level == (i % 5 == 4 ? 4 - i / 5 : 4 - i % 5));
  }
}

TEST_CASE("Large EPT pages shorten the walk, and the smaller page counts") {
  Fixture f;
  f.c.cr0 = kCr0Pe;
  f.map_ept(f.ept_root, 0x40000000, 0x800000, kEptRwx, 2);
  f.map_ept(f.ept_root, 0x80000000, 0, kEptRwx, 3);
  CHECK(f.walk_at(0x40012345).physical == PhysAddr(0x812345));
  CHECK(f.walk_at(0x40012345).page_shift == 21);
  CHECK(f.walk_at(0x80012345).physical == PhysAddr(0x12345));
  CHECK(f.walk_at(0x80012345).page_shift == 30);
  CHECK(f.walk_at(0x5000).page_shift == 12);
}

TEST_CASE("A final address without EPT mapping: access in bits 2:0, no rights, final") {
  Fixture f;
  f.map_guest(kLinear, 0x30000000, kP | kRw | kA | kD);
  f.violates(Access::kRead, 0x30000000, 1 | kLinearValid | kFinal);
  f.violates(Access::kWrite, 0x30000000, 2 | kLinearValid | kFinal);
  f.violates(Access::kExecute, 0x30000000, 4 | kLinearValid | kFinal);
}

TEST_CASE("A right that EPT lacks: the rights that it has in bits 5:3") {
  Fixture f;
  f.map_guest(kLinear, 0x5000, kP | kRw | kA | kD);
  f.qword(f.ept_leaf(0x5000)) &= ~kEptW;
  f.violates(Access::kWrite, 0x5000, 2 | (5 << 3) | kLinearValid | kFinal);
  CHECK(f.walk_at(kLinear).status == WalkStatus::kOk);
  CHECK_FALSE(f.walk_at(kLinear).ept_writable);
  f.qword(f.ept_leaf(0x5000)) &= ~kEptX;
  f.violates(Access::kExecute, 0x5000, 4 | (1 << 3) | kLinearValid | kFinal);
}

TEST_CASE("Rights are those of all EPT levels together") {
  Fixture f;
  f.map_guest(kLinear, 0x5000, kP | kRw | kA | kD);
  f.qword(f.entry(f.ept_root, 4, 0x5000, 3, 0)) &= ~kEptX;
  f.violates(Access::kExecute, 0x5000, 4 | (3 << 3) | kLinearValid | kFinal);
}

TEST_CASE("An execute-only page can be fetched from and not read") {
  Fixture f;
  f.map_guest(kLinear, 0x5000, kP | kRw | kA | kD);
  f.qword(f.ept_leaf(0x5000)) &= ~(kEptR | kEptW);
  CHECK(f.walk_at(kLinear, Access::kExecute).status == WalkStatus::kOk);
  f.violates(Access::kRead, 0x5000, 1 | (4 << 3) | kLinearValid | kFinal);
}

TEST_CASE("A guest table without EPT mapping is a read violation of the walk") {
  Fixture f;
  const std::uint64_t pte = f.map_guest(kLinear, 0x5000, kP | kRw | kA | kD);
  f.qword(f.ept_leaf(pte)) = 0;
  f.violates(Access::kWrite, pte, 1 | kLinearValid);
}

TEST_CASE("Setting a bit in a write-protected guest table is a violation of the walk") {
  Fixture f;
  const std::uint64_t pte = f.map_guest(kLinear, 0x5000, kP | kRw | kA);
  f.qword(f.ept_leaf(pte)) &= ~kEptW;
  CHECK(f.walk_at(kLinear, Access::kRead).status == WalkStatus::kOk);
  f.violates(Access::kWrite, pte, 3 | (5 << 3) | kLinearValid);
  f.qword(Fixture::kHost + pte) |= kD;
  CHECK(f.walk_at(kLinear, Access::kWrite).status == WalkStatus::kOk);
  f.qword(Fixture::kHost + pte) &= ~kA;
  f.violates(Access::kRead, pte, 3 | (5 << 3) | kLinearValid);
}

TEST_CASE("With EPT's accessed and dirty flags, reads of guest tables count as writes") {
  Fixture f;
  const std::uint64_t pte = f.map_guest(kLinear, 0x5000, kP | kRw | kA | kD);
  f.c.eptp |= 0x40;
  const WalkResult r = f.walk_at(kLinear);
  CHECK(r.status == WalkStatus::kOk);
  CHECK(r.step[18].set_accessed);
  CHECK(r.step[18].set_dirty);
  CHECK(r.step[23].set_accessed);
  CHECK_FALSE(r.step[23].set_dirty);
  CHECK_FALSE(r.dirty);
  f.qword(f.ept_leaf(pte)) &= ~kEptW;
  f.violates(Access::kRead, pte, 3 | (5 << 3) | kLinearValid);
}

TEST_CASE("A guest page fault comes before the final address's EPT violation") {
  Fixture f;
  f.map_guest(kLinear, 0x30000000, kP | kA | kD);
  CHECK(f.walk_at(kLinear, Access::kWrite).status == WalkStatus::kPageFault);
  CHECK(f.walk_at(kLinear, Access::kRead).status == WalkStatus::kEptViolation);
}

TEST_CASE("EPT entries that the manual forbids are misconfigurations") {
  const auto misconfigured = [](unsigned level, std::uint64_t bits) {
    Fixture f;
    f.c.cr0 = kCr0Pe;
    f.qword(f.entry(f.ept_root, 4, 0x5000, level, 0)) = bits;
    const WalkResult r = f.walk_at(0x5000);
    CHECK(r.guest_physical == GuestPhysAddr(r.status == WalkStatus::kEptMisconfiguration ? 0x5000 : 0x5000));
    return r.status == WalkStatus::kEptMisconfiguration;
  };
  CHECK(misconfigured(1, 0x5000 | kEptW | kEptWb));
  CHECK(misconfigured(1, 0x5000 | kEptW | kEptX | kEptWb));
  CHECK(misconfigured(1, 0x5000 | kEptRwx | (2 << 3)));
  CHECK(misconfigured(1, 0x5000 | kEptRwx | (3 << 3)));
  CHECK(misconfigured(1, 0x5000 | kEptRwx | (7 << 3)));
  CHECK(misconfigured(1, 0x5000 | kEptRwx | kEptWb | (1ull << 46)));
  CHECK(misconfigured(2, 0x201000 | kEptRwx | kEptWb | kPs));
  CHECK(misconfigured(3, 0x200000 | kEptRwx | kEptWb | kPs));
  CHECK(misconfigured(2, 0x200000 | kEptRwx | 8));
  CHECK(misconfigured(4, 0x200000 | kEptRwx | kPs));
  CHECK_FALSE(misconfigured(1, 0x5000 | kEptRwx | kEptWb));
  CHECK_FALSE(misconfigured(1, 0x5000 | kEptX | kEptWb));
  CHECK_FALSE(misconfigured(1, 0x5000 | kEptRwx));
}

TEST_CASE("A guest-physical walk has no linear address in its qualification") {
  Fixture f;
  const WalkResult r = walk_ept(f.c, f.memory, GuestPhysAddr(0x30000000), Access::kWrite);
  CHECK(r.status == WalkStatus::kEptViolation);
  CHECK(r.ept_qualification == 2);
  CHECK(walk_ept(f.c, f.memory, GuestPhysAddr(0x5008), Access::kWrite).physical ==
        PhysAddr(Fixture::kHost + 0x5008));
}
