#include "models/cpu/mmu/tlb.h"

#include <catch2/catch.hpp>
#include <memory>

using namespace xensim;
using namespace xensim::cpu;

namespace {

constexpr TlbConfig kSmall{.l1i = {4, 2}, .l1d = {4, 2}, .l2 = {16, 4}};

TlbEntry page(std::uint64_t physical, std::uint8_t shift = 12, std::uint8_t guest_shift = 0) {
  TlbEntry e;
  e.physical = physical;
  e.page_shift = shift;
  e.guest_shift = guest_shift ? guest_shift : shift;
  e.dirty = true;
  return e;
}

struct Fixture {
  Tlb tlb{kSmall};
  void insert(std::uint64_t a, TlbEntry e) { tlb.insert(LinearAddr(a), Access::kRead, e); }
  bool holds(std::uint64_t a) const { return tlb.find(LinearAddr(a), Access::kRead) != nullptr; }
  TlbLevel touch(std::uint64_t a, Access access = Access::kRead) { return tlb.touch(LinearAddr(a), access); }
  void context(std::uint16_t vpid, std::uint16_t pcid, std::uint64_t eptp = 0) {
    tlb.set_context({vpid, pcid, eptp});
  }
};

}  // namespace

TEST_CASE("A page that was inserted is in the first level, its neighbour nowhere") {
  Fixture f;
  CHECK(f.touch(0x1000) == TlbLevel::kMiss);
  f.insert(0x1000, page(0x5000));
  CHECK(f.touch(0x1fff) == TlbLevel::kL1);
  CHECK(f.touch(0x2000) == TlbLevel::kMiss);
}

TEST_CASE("The least recently used way of a set goes first, and is still in the second level") {
  Fixture f;
  f.insert(0x0000, page(0x5000));
  f.insert(0x2000, page(0x6000));
  CHECK(f.touch(0x0000) == TlbLevel::kL1);
  f.insert(0x4000, page(0x7000));
  CHECK(f.touch(0x0000) == TlbLevel::kL1);
  CHECK(f.touch(0x2000) == TlbLevel::kL2);
  CHECK(f.touch(0x2000) == TlbLevel::kL1);
  CHECK(f.touch(0x4000) == TlbLevel::kL2);
}

TEST_CASE("Instruction and data first levels are apart") {
  Fixture f;
  f.insert(0x1000, page(0x5000));
  CHECK(f.touch(0x1000, Access::kExecute) == TlbLevel::kL2);
  CHECK(f.touch(0x1000, Access::kExecute) == TlbLevel::kL1);
}

TEST_CASE("A write to a page that is not known to be dirty misses") {
  Fixture f;
  TlbEntry clean = page(0x5000);
  clean.dirty = false;
  f.insert(0x1000, clean);
  CHECK(f.touch(0x1000) == TlbLevel::kL1);
  CHECK(f.touch(0x1000, Access::kWrite) == TlbLevel::kMiss);
  f.insert(0x1000, page(0x5000));
  CHECK(f.touch(0x1000, Access::kWrite) == TlbLevel::kL1);
}

TEST_CASE("A large page is one entry") {
  Fixture f;
  f.insert(0x40212345, page(0x600000, 21));
  CHECK(f.touch(0x40200000) == TlbLevel::kL1);
  CHECK(f.touch(0x403fffff) == TlbLevel::kL1);
  CHECK(f.touch(0x40400000) == TlbLevel::kMiss);
}

TEST_CASE("Entries of another VPID, PCID or EPT pointer are not seen") {
  Fixture f;
  f.context(1, 2, 3);
  f.insert(0x1000, page(0x5000));
  f.context(2, 2, 3);
  CHECK_FALSE(f.holds(0x1000));
  f.context(1, 1, 3);
  CHECK_FALSE(f.holds(0x1000));
  f.context(1, 2, 4);
  CHECK_FALSE(f.holds(0x1000));
  f.context(1, 2, 3);
  CHECK(f.holds(0x1000));
}

TEST_CASE("A global entry is seen from every PCID of its VPID") {
  Fixture f;
  f.context(1, 2);
  TlbEntry e = page(0x5000);
  e.global = true;
  f.insert(0x1000, e);
  f.context(1, 7);
  CHECK(f.holds(0x1000));
  f.context(2, 2);
  CHECK_FALSE(f.holds(0x1000));
}

TEST_CASE("Flushing a PCID spares the others, and globals if asked to") {
  Fixture f;
  TlbEntry global = page(0x7000);
  global.global = true;
  const auto fill = [&] {
    f.tlb.flush_all();
    f.context(1, 2);
    f.insert(0x1000, page(0x5000));
    f.insert(0x3000, global);
    f.context(1, 3);
    f.insert(0x5000, page(0x6000));
  };
  fill();
  f.tlb.flush_pcid(1, 2, true);
  CHECK(f.holds(0x5000));
  f.context(1, 2);
  CHECK_FALSE(f.holds(0x1000));
  CHECK(f.holds(0x3000));
  fill();
  f.tlb.flush_pcid(1, 2, false);
  CHECK(f.holds(0x5000));
  CHECK_FALSE(f.holds(0x3000));
}

TEST_CASE("Flushing a VPID spares other VPIDs") {
  Fixture f;
  f.context(1, 0);
  f.insert(0x1000, page(0x5000));
  f.context(2, 0);
  f.insert(0x1000, page(0x6000));
  f.tlb.flush_vpid(2, false);
  CHECK_FALSE(f.holds(0x1000));
  f.context(1, 0);
  CHECK(f.holds(0x1000));
  f.tlb.flush_all_vpids_but_zero();
  CHECK_FALSE(f.holds(0x1000));
}

TEST_CASE("Flushing an EPT pointer drops its mappings in every VPID and no linear mappings") {
  Fixture f;
  f.context(1, 0, eptp_tag(0x1000));
  f.insert(0x1000, page(0x5000));
  f.context(2, 0, eptp_tag(0x1000));
  f.insert(0x1000, page(0x5000));
  f.context(2, 0, 0);
  f.insert(0x1000, page(0x5000));
  f.tlb.flush_eptp(0x101e);
  CHECK(f.holds(0x1000));
  f.context(2, 0, eptp_tag(0x1000));
  CHECK_FALSE(f.holds(0x1000));
  f.context(1, 0, eptp_tag(0x1000));
  CHECK_FALSE(f.holds(0x1000));
}

TEST_CASE("Flushing an address drops every piece of the guest's page") {
  Fixture f;
  f.insert(0x200000, page(0x5000, 12, 21));
  f.insert(0x3ff000, page(0x8000, 12, 21));
  f.insert(0x401000, page(0x9000, 12, 12));
  f.tlb.flush_linear(0, 0x2abcde);
  CHECK_FALSE(f.holds(0x200000));
  CHECK_FALSE(f.holds(0x3ff000));
  CHECK(f.holds(0x401000));
}

TEST_CASE("A new translation of an address replaces the old one in both first levels") {
  Fixture f;
  f.insert(0x1000, page(0x5000));
  f.tlb.insert(LinearAddr(0x1000), Access::kExecute, page(0x6000));
  CHECK(f.tlb.find(LinearAddr(0x1000), Access::kRead)->physical == 0x6000);
}

TEST_CASE("The software TLB finds nothing from before a flush until that generation is resumed") {
  auto soft = std::make_unique<SoftTlb>();
  std::uint8_t host[kPageSize];
  soft->insert(View::kUser, Access::kRead, 0x1000, host, PhysAddr(0x5000));
  CHECK(soft->find(View::kUser, Access::kRead, 0x1ffc, 4));
  CHECK_FALSE(soft->find(View::kUser, Access::kRead, 0x1ffd, 4));
  CHECK_FALSE(soft->find(View::kUser, Access::kWrite, 0x1000, 4));
  CHECK_FALSE(soft->find(View::kSupervisor, Access::kRead, 0x1000, 4));
  const std::uint64_t before = soft->serial();
  soft->flush();
  CHECK_FALSE(soft->find(View::kUser, Access::kRead, 0x1000, 4));
  CHECK(soft->resume(before));
  CHECK(soft->find(View::kUser, Access::kRead, 0x1000, 4));
}

TEST_CASE("An empty software TLB never matches, whatever the generation and the address") {
  auto soft = std::make_unique<SoftTlb>();
  for (unsigned i = 0; i < 2 * kPageSize; ++i) {
    REQUIRE_FALSE(soft->find(View::kUser, Access::kRead, ~std::uint64_t{0}, 1));
    REQUIRE_FALSE(soft->find(View::kUser, Access::kRead, 0xfffffffffffff000, 8));
    soft->flush();
  }
}

TEST_CASE("A generation whose number has been reused cannot be resumed") {
  auto soft = std::make_unique<SoftTlb>();
  const std::uint64_t before = soft->serial();
  for (unsigned i = 0; i < SoftTlb::kGenerations; ++i) soft->flush();
  CHECK_FALSE(soft->resume(before));
}

TEST_CASE("Dropping writable entries of a frame leaves readable ones") {
  auto soft = std::make_unique<SoftTlb>();
  std::uint8_t host[kPageSize];
  for (Access a : {Access::kRead, Access::kWrite}) soft->insert(View::kUser, a, 0x1000, host, PhysAddr(0x5000));
  soft->insert(View::kUser, Access::kWrite, 0x2000, host, PhysAddr(0x6000));
  soft->flush_writable(PhysAddr(0x5000));
  CHECK(soft->find(View::kUser, Access::kRead, 0x1000, 4));
  CHECK_FALSE(soft->find(View::kUser, Access::kWrite, 0x1000, 4));
  CHECK(soft->find(View::kUser, Access::kWrite, 0x2000, 4));
}
