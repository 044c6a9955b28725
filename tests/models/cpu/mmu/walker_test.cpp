#include "models/cpu/mmu/walker.h"

#include <catch2/catch.hpp>

#include "tests/models/cpu/mmu/table_builder.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

namespace {

constexpr std::uint64_t kLinear = 0x00007f12'3456'7000, kFrame = 0x200000;
constexpr std::uint32_t kErrP = 1, kErrW = 2, kErrU = 4, kErrRsvd = 8, kErrI = 16;

struct Fixture : TableBuilder {
  std::uint64_t root = page();
  PagingContext c = four_level(root);

  WalkResult walk_at(std::uint64_t a, Access access = Access::kRead, View view = View::kSupervisor) {
    return walk(c, memory, LinearAddr(a), access, view);
  }
  void faults(std::uint64_t a, Access access, View view, std::uint32_t error) {
    const WalkResult r = walk_at(a, access, view);
    CHECK(r.status == WalkStatus::kPageFault);
    CHECK(r.page_fault_error == error);
  }
  void succeeds(std::uint64_t a, Access access, View view) {
    CHECK(walk_at(a, access, view).status == WalkStatus::kOk);
  }
};

}  // namespace

TEST_CASE("Without paging, a linear address is 32 bits of physical address") {
  Fixture f;
  f.c.cr0 = kCr0Pe;
  const WalkResult r = f.walk_at(0x1'2345'6789, Access::kWrite, View::kUser);
  CHECK(r.status == WalkStatus::kOk);
  CHECK(r.physical == PhysAddr(0x23456789));
  CHECK(r.steps == 0);
  CHECK(r.dirty);
}

TEST_CASE("A 4 KiB page takes four steps, from PML4E to PTE") {
  Fixture f;
  const std::uint64_t pte = f.map(f.root, kLinear, kFrame, kP | kRw | kUs | kA | kD);
  const WalkResult r = f.walk_at(kLinear + 0x123);
  CHECK(r.status == WalkStatus::kOk);
  CHECK(r.physical == PhysAddr(kFrame + 0x123));
  CHECK(r.page_shift == 12);
  REQUIRE(r.steps == 4);
  for (unsigned i = 0; i < 4; ++i) {
    CHECK(r.step[i].level == 4 - i);
    CHECK_FALSE(r.step[i].ept);
    CHECK_FALSE(r.step[i].set_accessed);
  }
  CHECK(r.step[3].entry == PhysAddr(pte));
  CHECK(r.dirty);
}

TEST_CASE("2 MiB and 1 GiB pages end the walk early") {
  Fixture f;
  f.map(f.root, 0x40000000, 0x600000, kP | kRw, 2);
  f.map(f.root, 0x80000000, 0x40000000, kP | kRw, 3);
  const WalkResult two = f.walk_at(0x40000000 + 0x12345);
  CHECK(two.physical == PhysAddr(0x612345));
  CHECK(two.page_shift == 21);
  CHECK(two.steps == 3);
  const WalkResult one = f.walk_at(0x80000000 + 0x1234567);
  CHECK(one.physical == PhysAddr(0x41234567));
  CHECK(one.page_shift == 30);
  CHECK(one.steps == 2);
}

TEST_CASE("A missing entry at any level is a fault with P clear") {
  for (unsigned level = 1; level <= 4; ++level) {
    Fixture f;
    f.map(f.root, kLinear, kFrame, kP | kRw | kUs);
    f.qword(f.entry(f.root, 4, kLinear, level, 0)) &= ~kP;
    f.faults(kLinear, Access::kRead, View::kSupervisor, 0);
    f.faults(kLinear, Access::kWrite, View::kUser, kErrW | kErrU);
    f.faults(kLinear, Access::kExecute, View::kUser, kErrI | kErrU);
  }
}

TEST_CASE("Address bits from MAXPHYADDR up are reserved at every level") {
  for (unsigned level = 1; level <= 4; ++level) {
    Fixture f;
    f.map(f.root, kLinear, kFrame, kP | kRw | kUs);
    f.qword(f.entry(f.root, 4, kLinear, level, 0)) |= 1ull << 46;
    f.faults(kLinear, Access::kRead, View::kSupervisor, kErrP | kErrRsvd);
    f.c.physical_bits = 47;
    if (level == 1) CHECK(f.walk_at(kLinear).physical == PhysAddr(kFrame | 1ull << 46));
  }
}

TEST_CASE("PS is reserved in a PML4E, and low address bits in large pages") {
  Fixture f;
  f.map(f.root, kLinear, kFrame, kP);
  f.qword(f.entry(f.root, 4, kLinear, 4, 0)) |= kPs;
  f.faults(kLinear, Access::kRead, View::kSupervisor, kErrP | kErrRsvd);
  Fixture g;
  g.map(g.root, 0x40000000, 0x602000, kP, 2);
  g.faults(0x40000000, Access::kRead, View::kSupervisor, kErrP | kErrRsvd);
  Fixture h;
  h.map(h.root, 0x40000000, 0x60000000, kP, 3);
  h.faults(0x40000000, Access::kRead, View::kSupervisor, kErrP | kErrRsvd);
}

TEST_CASE("XD forbids fetches with EFER.NXE and is reserved without") {
  Fixture f;
  f.map(f.root, kLinear, kFrame, kP | kXd);
  f.faults(kLinear, Access::kExecute, View::kSupervisor, kErrP | kErrI);
  f.succeeds(kLinear, Access::kRead, View::kSupervisor);
  f.c.efer &= ~kEferNxe;
  f.faults(kLinear, Access::kRead, View::kSupervisor, kErrP | kErrRsvd);
  f.faults(kLinear, Access::kExecute, View::kSupervisor, kErrP | kErrRsvd);
}

TEST_CASE("User accesses need U/S at every level") {
  for (unsigned level = 1; level <= 4; ++level) {
    Fixture f;
    f.map(f.root, kLinear, kFrame, kP | kRw | kUs);
    f.succeeds(kLinear, Access::kWrite, View::kUser);
    f.qword(f.entry(f.root, 4, kLinear, level, 0)) &= ~kUs;
    f.faults(kLinear, Access::kRead, View::kUser, kErrP | kErrU);
    f.succeeds(kLinear, Access::kRead, View::kSupervisor);
  }
}

TEST_CASE("Writes need R/W at every level, supervisor writes only with CR0.WP") {
  for (unsigned level = 1; level <= 4; ++level) {
    Fixture f;
    f.map(f.root, kLinear, kFrame, kP | kRw | kUs);
    f.qword(f.entry(f.root, 4, kLinear, level, 0)) &= ~kRw;
    f.faults(kLinear, Access::kWrite, View::kUser, kErrP | kErrW | kErrU);
    f.faults(kLinear, Access::kWrite, View::kSupervisor, kErrP | kErrW);
    f.c.cr0 &= ~kCr0Wp;
    f.succeeds(kLinear, Access::kWrite, View::kSupervisor);
    f.faults(kLinear, Access::kWrite, View::kUser, kErrP | kErrW | kErrU);
  }
}

TEST_CASE("SMEP forbids supervisor fetches from user pages") {
  Fixture f;
  f.map(f.root, kLinear, kFrame, kP | kUs);
  f.succeeds(kLinear, Access::kExecute, View::kSupervisor);
  f.c.cr4 |= kCr4Smep;
  f.faults(kLinear, Access::kExecute, View::kSupervisor, kErrP | kErrI);
  f.succeeds(kLinear, Access::kExecute, View::kUser);
}

TEST_CASE("SMAP forbids supervisor data accesses to user pages, unless AC is set") {
  Fixture f;
  f.map(f.root, kLinear, kFrame, kP | kRw | kUs);
  f.c.cr4 |= kCr4Smap;
  f.faults(kLinear, Access::kRead, View::kSupervisor, kErrP);
  f.faults(kLinear, Access::kWrite, View::kSupervisor, kErrP | kErrW);
  f.succeeds(kLinear, Access::kRead, View::kSupervisorAc);
  f.succeeds(kLinear, Access::kRead, View::kUser);
  f.succeeds(kLinear, Access::kExecute, View::kSupervisor);
}

TEST_CASE("The fetch bit of an error code needs NXE or SMEP") {
  Fixture f;
  f.c.efer &= ~kEferNxe;
  f.faults(kLinear, Access::kExecute, View::kSupervisor, 0);
  f.c.cr4 |= kCr4Smep;
  f.faults(kLinear, Access::kExecute, View::kSupervisor, kErrI);
}

TEST_CASE("Accessed bits are asked for on the way, the dirty bit in the leaf of a write") {
  Fixture f;
  f.map(f.root, kLinear, kFrame, kP | kRw, 1, kP | kRw);
  const WalkResult read = f.walk_at(kLinear);
  for (unsigned i = 0; i < 4; ++i) {
    CHECK(read.step[i].set_accessed);
    CHECK_FALSE(read.step[i].set_dirty);
  }
  CHECK_FALSE(read.dirty);
  const WalkResult write = f.walk_at(kLinear, Access::kWrite);
  CHECK(write.step[3].set_dirty);
  CHECK_FALSE(write.step[2].set_dirty);
  CHECK(write.dirty);
}

TEST_CASE("A global page is global only with CR4.PGE") {
  Fixture f;
  f.map(f.root, kLinear, kFrame, kP | kG);
  CHECK_FALSE(f.walk_at(kLinear).global);
  f.c.cr4 |= kCr4Pge;
  CHECK(f.walk_at(kLinear).global);
}

TEST_CASE("Tables outside RAM read as ones") {
  Fixture f;
  f.c.cr3 = 0xd0000000;
  f.faults(kLinear, Access::kRead, View::kSupervisor, kErrP | kErrRsvd);
}

TEST_CASE("A page outside RAM translates") {
  Fixture f;
  f.map(f.root, kLinear, 0xfee00000, kP | kRw);
  CHECK(f.walk_at(kLinear + 0x20).physical == PhysAddr(0xfee00020));
}

TEST_CASE("PAE paging starts from the PDPTE registers") {
  Fixture f;
  f.c.efer = kEferNxe;
  const std::uint64_t directory = f.page(), table = f.page();
  f.c.pdpte[2] = directory | kP;
  f.qword(directory + 5 * 8) = table | kP | kRw | kUs;
  f.qword(table + 7 * 8) = kFrame | kP | kRw | kUs;
  f.qword(directory + 6 * 8) = 0x400000 | kP | kPs;
  const std::uint64_t a = 0x80000000 + (5 << 21) + (7 << 12);
  const WalkResult r = f.walk_at(a + 0x45);
  CHECK(r.physical == PhysAddr(kFrame + 0x45));
  CHECK(r.steps == 2);
  CHECK(r.user);
  CHECK(f.walk_at(0x80000000 + (6 << 21) + 0x1234).physical == PhysAddr(0x401234));
  f.faults(0x40000000, Access::kRead, View::kSupervisor, 0);
  f.qword(table + 7 * 8) |= 1ull << 52;
  f.faults(a, Access::kRead, View::kSupervisor, kErrP | kErrRsvd);
}

TEST_CASE("32-bit paging has two levels of 4-byte entries") {
  Fixture f;
  f.c.cr4 = 0;
  f.c.efer = 0;
  const std::uint64_t table = f.page();
  f.dword(f.root + 4 * 0x201) = static_cast<std::uint32_t>(table | kP | kRw | kUs);
  f.dword(table + 4 * 0x33) = static_cast<std::uint32_t>(kFrame | kP | kUs);
  const std::uint64_t a = (0x201ull << 22) | (0x33 << 12);
  const WalkResult r = f.walk_at(a + 0x678, Access::kRead, View::kUser);
  CHECK(r.physical == PhysAddr(kFrame + 0x678));
  CHECK(r.steps == 2);
  CHECK_FALSE(r.step[0].wide);
  f.faults(a, Access::kWrite, View::kUser, kErrP | kErrW | kErrU);
}

TEST_CASE("PSE-36: a 4 MiB page has address bits above 32, up to MAXPHYADDR") {
  Fixture f;
  f.c.efer = 0;
  f.c.cr4 = kCr4Pse;
  f.dword(f.root) = 0x00c00000 | (0x3 << 13) | kP | kPs;
  const WalkResult r = f.walk_at(0x12345);
  CHECK(r.physical == PhysAddr(0x300c12345));
  CHECK(r.page_shift == 22);
  f.dword(f.root) |= 1 << 21;
  f.faults(0, Access::kRead, View::kSupervisor, kErrP | kErrRsvd);
  f.dword(f.root) = 0x00c00000 | (0x3 << 13) | kP | kPs;
  f.c.physical_bits = 33;
  f.faults(0, Access::kRead, View::kSupervisor, kErrP | kErrRsvd);
  f.c.cr4 = 0;  // PS is ignored: the entry names a table
  CHECK(f.walk_at(0).steps == 2);
}
