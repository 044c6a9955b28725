#include "models/cpu/mmu/mmu.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <vector>

#include "models/cpu/core.h"
#include "tests/models/cpu/mmu/table_builder.h"
#include "tests/models/cpu/no_caches.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;

namespace {

struct Outside final : CoreEnvironment {
  struct Mmio {
    std::uint64_t address;
    unsigned size;
    std::uint64_t value;
    bool operator==(const Mmio&) const = default;
  };
  std::vector<Mmio> reads, writes;
  std::uint32_t io_read(std::uint16_t, unsigned) override { return ~0u; }
  void io_write(std::uint16_t, unsigned, std::uint32_t) override {}
  std::uint64_t mmio_read(PhysAddr a, unsigned size) override {
    reads.push_back({a.value, size, 0});
    return 0x1122334455667788;
  }
  void mmio_write(PhysAddr a, unsigned size, std::uint64_t v) override { writes.push_back({a.value, size, v}); }
  bool apic_msr_read(std::uint32_t, std::uint64_t&) override { return false; }
  bool apic_msr_write(std::uint32_t, std::uint64_t) override { return false; }
  std::uint64_t cr8_read() override { return 0; }
  void cr8_write(std::uint64_t) override {}
  bool interrupt_pending() override { return false; }
  std::uint8_t interrupt_acknowledge() override { return 0xff; }
};

constexpr std::uint64_t kA1 = 0x00007f00'0000'1000, kA2 = kA1 + kPageSize;
constexpr std::uint64_t kFrame1 = 0x200000, kFrame2 = 0x308000;
constexpr View kSup = View::kSupervisor;

struct Fixture : TableBuilder {
  NoCaches caches;
  Outside outside;
  std::unique_ptr<Core> owner = std::make_unique<Core>(0, CoreConfig{}, memory, caches, outside, CpuidPolicy{});
  Core& core = *owner;
  Mmu& mmu = core.mmu;
  std::uint64_t root = page();

  Fixture() { load(root); }
  void load(std::uint64_t cr3, std::uint64_t cr4 = kCr4Pae | kCr4Pge) {
    core.st.cr0 = kCr0Pe | kCr0Pg | kCr0Wp;
    core.st.cr3 = cr3;
    core.st.cr4 = cr4;
    core.st.efer = kEferLme | kEferLma | kEferNxe;
    mmu.context_changed();
  }
  std::uint64_t map(std::uint64_t a, std::uint64_t frame, std::uint64_t bits = kP | kRw, unsigned level = 1) {
    return TableBuilder::map(root, a, frame, bits, level);
  }
  std::uint64_t read(std::uint64_t a, View v = kSup) {
    std::uint64_t out = 0;
    REQUIRE(mmu.read(LinearAddr(a), &out, 8, v) == Outcome::kNext);
    return out;
  }
  Outcome try_read(std::uint64_t a, View v = kSup) {
    std::uint64_t out = 0;
    return mmu.read(LinearAddr(a), &out, 8, v);
  }
  Outcome write(std::uint64_t a, std::uint64_t in, View v = kSup) { return mmu.write(LinearAddr(a), &in, 8, v); }
  // A guest whose guest-physical memory is host memory, from the current registers.
  std::uint64_t enter_guest(std::uint16_t vpid) {
    const std::uint64_t ept = page();
    for (std::uint64_t a = 0; a < memory.size(); a += 0x200000) map_ept(ept, a, a, kEptRwx, 2);
    core.vmx.controls.primary = 1u << 31;
    core.vmx.controls.secondary = 2 | (vpid ? 32 : 0);
    core.vmx.controls.eptp = ept | 0x1e;
    core.vmx.controls.vpid_field = vpid;
    core.vmx.non_root = true;
    mmu.context_changed();
    return ept;
  }
};

}  // namespace

TEST_CASE("A write lands in RAM and sets accessed and dirty bits") {
  Fixture f;
  const std::uint64_t pte = f.map(kA1, kFrame1);
  CHECK(f.write(kA1 + 8, 0x1234) == Outcome::kNext);
  CHECK(f.qword(kFrame1 + 8) == 0x1234);
  CHECK((f.qword(pte) & (kA | kD)) == (kA | kD));
}

TEST_CASE("After a read of a clean page a write still sets its dirty bit") {
  Fixture f;
  const std::uint64_t pte = f.map(kA1, kFrame1);
  f.read(kA1);
  CHECK((f.qword(pte) & (kA | kD)) == kA);
  CHECK_FALSE(f.mmu.soft.find(kSup, Access::kWrite, kA1, 8));
  f.write(kA1, 1);
  CHECK(f.qword(pte) & kD);
  CHECK(f.mmu.soft.find(kSup, Access::kWrite, kA1, 8));
}

TEST_CASE("A page fault has error code and address, and changes nothing") {
  Fixture f;
  const std::uint64_t pte = f.map(kA1, kFrame1, kP);
  CHECK(f.write(kA1 + 4, 1) == Outcome::kFault);
  CHECK(f.core.fault.vector == kPfVec);
  CHECK(f.core.fault.error_code == 3);
  CHECK(f.core.fault.cr2 == kA1 + 4);
  CHECK(f.qword(pte) == (kFrame1 | kP));
}

TEST_CASE("A write across pages writes nothing if the second page fails") {
  Fixture f;
  f.map(kA1, kFrame1);
  CHECK(f.write(kA2 - 4, ~0ull) == Outcome::kFault);
  CHECK(f.core.fault.cr2 == kA2);
  CHECK(f.qword(kFrame1 + 0xff8) == 0);
  f.map(kA2, kFrame2);
  CHECK(f.write(kA2 - 4, 0x8877665544332211) == Outcome::kNext);
  CHECK(f.dword(kFrame1 + 0xffc) == 0x44332211);
  CHECK(f.dword(kFrame2) == 0x88776655);
  CHECK(f.read(kA2 - 4) == 0x8877665544332211);
}

TEST_CASE("A changed page-table entry is seen only after INVLPG") {
  Fixture f;
  const std::uint64_t pte = f.map(kA1, kFrame1);
  f.qword(kFrame1) = 1;
  f.qword(kFrame2) = 2;
  CHECK(f.read(kA1) == 1);
  f.qword(pte) = kFrame2 | kP | kRw;
  CHECK(f.read(kA1) == 1);
  f.mmu.invlpg(LinearAddr(kA1 + 5));
  CHECK(f.read(kA1) == 2);
}

TEST_CASE("INVLPG of one address of a large page drops all of it") {
  Fixture f;
  const std::uint64_t pde = f.map(0x40000000, 0x400000, kP, 2);
  f.qword(0x401000) = 1;
  f.qword(0x601000) = 2;
  CHECK(f.read(0x40001000) == 1);
  f.qword(pde) = 0x600000 | kP | kPs;
  f.mmu.invlpg(LinearAddr(0x40100000));
  CHECK(f.read(0x40001000) == 2);
}

TEST_CASE("MOV to CR3 drops entries, but not global ones") {
  Fixture f;
  const std::uint64_t local = f.map(kA1, kFrame1), global = f.map(kA2, kFrame1, kP | kRw | kG);
  f.qword(kFrame1) = 1;
  f.qword(kFrame2) = 2;
  f.read(kA1), f.read(kA2);
  f.qword(local) = f.qword(global) = kFrame2 | kP | kRw | kG;
  f.mmu.flush_current_pcid();
  CHECK(f.read(kA1) == 2);
  CHECK(f.read(kA2) == 1);
  f.mmu.flush_current_vpid();
  CHECK(f.read(kA2) == 2);
}

TEST_CASE("With PCIDs, address spaces keep their translations apart and over switches") {
  Fixture f;
  const std::uint64_t cr4 = kCr4Pae | kCr4Pcide;
  f.load(f.root | 1, cr4);
  const std::uint64_t pte = f.map(kA1, kFrame1);
  f.qword(kFrame1) = 1;
  f.qword(kFrame2) = 2;
  CHECK(f.read(kA1) == 1);
  f.qword(pte) = kFrame2 | kP | kRw;
  f.load(f.root | 2, cr4);
  CHECK(f.read(kA1) == 2);
  f.load(f.root | 1, cr4);
  CHECK(f.read(kA1) == 1);
  f.mmu.invpcid(0, 1, LinearAddr(kA1));
  CHECK(f.read(kA1) == 2);
}

TEST_CASE("INVPCID of another PCID's context reaches its software translations") {
  Fixture f;
  const std::uint64_t cr4 = kCr4Pae | kCr4Pcide;
  f.load(f.root | 1, cr4);
  const std::uint64_t pte = f.map(kA1, kFrame1);
  f.qword(kFrame2) = 2;
  CHECK(f.read(kA1) == 0);
  f.load(f.root | 2, cr4);
  f.qword(pte) = kFrame2 | kP | kRw;
  f.mmu.invpcid(1, 1, LinearAddr(0));
  f.load(f.root | 1, cr4);
  CHECK(f.read(kA1) == 2);
}

TEST_CASE("With SMAP a user page is closed to the supervisor until AC is set") {
  Fixture f;
  f.map(kA1, kFrame1, kP | kRw | kUs);
  f.load(f.root, kCr4Pae | kCr4Smap);
  CHECK(f.mmu.current_view() == View::kSupervisor);
  CHECK(f.try_read(kA1, f.mmu.current_view()) == Outcome::kFault);
  f.core.st.rflags |= kAc;
  f.mmu.update_view();
  CHECK(f.mmu.current_view() == View::kSupervisorAc);
  CHECK(f.try_read(kA1, f.mmu.current_view()) == Outcome::kNext);
  f.core.st.rflags &= ~kAc;
  f.mmu.update_view();
  CHECK(f.try_read(kA1, f.mmu.current_view()) == Outcome::kFault);
}

TEST_CASE("Addresses outside RAM go to the environment, in pieces of at most 8 bytes") {
  Fixture f;
  f.map(kA1, 0xfee00000);
  std::uint8_t v[16];
  CHECK(f.mmu.read(LinearAddr(kA1 + 0x20), v, 16, kSup) == Outcome::kNext);
  CHECK(f.outside.reads == std::vector<Outside::Mmio>{{0xfee00020, 8, 0}, {0xfee00028, 8, 0}});
  const std::uint32_t w = 0xabcd;
  CHECK(f.mmu.write(LinearAddr(kA1 + 0x80), &w, 4, kSup) == Outcome::kNext);
  CHECK(f.outside.writes == std::vector<Outside::Mmio>{{0xfee00080, 4, 0xabcd}});
  CHECK_FALSE(f.mmu.soft.find(kSup, Access::kRead, kA1 + 0x20, 4));
}

TEST_CASE("A write to a line with decoded code ends the block, one beside it does not") {
  Fixture f;
  f.map(kA1, kFrame1);
  f.write(kA1, 1);
  f.memory.mark_code(Mfn(kFrame1 >> 12), 2);
  CHECK_FALSE(f.mmu.soft.find(kSup, Access::kWrite, kA1, 8));
  CHECK(f.write(kA1 + 0x80, 1) == Outcome::kNext);
  CHECK(f.write(kA1 + 0x38, 1) == Outcome::kNext);
  CHECK(f.write(kA1 + 0x39, 1) == Outcome::kEndBlock);
  CHECK_FALSE(f.memory.has_code(Mfn(kFrame1 >> 12)));
  CHECK(f.write(kA1 + 0x40, 1) == Outcome::kNext);
  CHECK(f.mmu.soft.find(kSup, Access::kWrite, kA1, 8));
}

TEST_CASE("A fetch from outside RAM is an undefined opcode") {
  Fixture f;
  f.map(kA1, 0xfee00000);
  PhysAddr out;
  CHECK(f.mmu.fetch(LinearAddr(kA1), out) == Outcome::kFault);
  CHECK(f.core.fault.vector == kUd);
}

TEST_CASE("An EPT violation fills the exit information") {
  Fixture f;
  f.map(kA1, 0x30000000, kP | kRw | kA | kD);
  f.enter_guest(1);
  CHECK(f.write(kA1 + 0x18, 1) == Outcome::kVmExit);
  CHECK(f.core.vm_exit.reason == static_cast<unsigned>(ExitReason::kEptViolation));
  CHECK(f.core.vm_exit.guest_physical == 0x30000018);
  CHECK(f.core.vm_exit.guest_linear == kA1 + 0x18);
  CHECK(f.core.vm_exit.qualification == (2 | 0x180));
}

TEST_CASE("A guest with a VPID keeps its translations over an exit and entry, without, it loses them") {
  for (std::uint16_t vpid : {std::uint16_t{5}, std::uint16_t{0}}) {
    Fixture f;
    const std::uint64_t pte = f.map(kA1, kFrame1);
    f.qword(kFrame2) = 2;
    f.enter_guest(vpid);
    CHECK(f.read(kA1) == 0);
    f.core.vmx.non_root = false;
    f.mmu.context_changed();
    f.qword(pte) = kFrame2 | kP | kRw;
    f.core.vmx.non_root = true;
    f.mmu.context_changed();
    CHECK(f.read(kA1) == (vpid ? 0 : 2));
    f.mmu.invvpid(1, vpid, LinearAddr(0));
    CHECK(f.read(kA1) == 2);
  }
}

TEST_CASE("A changed EPT entry is seen only after INVEPT") {
  Fixture f;
  f.map(kA1, kFrame1);
  const std::uint64_t ept = f.enter_guest(1);
  f.qword(0xa00000) = 7;
  CHECK(f.read(kA1) == 0);
  f.map_ept(ept, 0x200000, 0xa00000, kEptRwx, 2);
  CHECK(f.read(kA1) == 0);
  f.mmu.invept(1, ept);
  CHECK(f.read(kA1) == 7);
}

TEST_CASE("While accesses are collected only refill fills the modelled TLBs") {
  Fixture f;
  f.map(kA1, kFrame1);
  f.core.collect_accesses = true;
  f.write(kA1 + 8, 1);
  REQUIRE(f.core.access_count == 1);
  CHECK(f.core.accesses[0].physical == kFrame1 + 8);
  CHECK(f.core.accesses[0].store);
  CHECK(f.mmu.tlb.touch(LinearAddr(kA1), Access::kWrite) == TlbLevel::kMiss);
  const WalkResult& w = f.mmu.refill(LinearAddr(kA1), Access::kWrite);
  CHECK(w.steps == 4);
  CHECK(f.mmu.tlb.touch(LinearAddr(kA1), Access::kWrite) == TlbLevel::kL1);
}

TEST_CASE("A refill that finds other tables drops the software translation") {
  Fixture f;
  const std::uint64_t pte = f.map(kA1, kFrame1);
  f.qword(kFrame2) = 2;
  f.core.collect_accesses = true;
  CHECK(f.read(kA1) == 0);
  f.qword(pte) = kFrame2 | kP | kRw;
  f.mmu.refill(LinearAddr(kA1), Access::kRead);
  CHECK(f.read(kA1) == 2);
}

TEST_CASE("Guest-physical reads go through EPT alone") {
  Fixture f;
  const std::uint64_t ept = f.enter_guest(1);
  f.map_ept(ept, 0x200000, 0xa00000, kEptRwx, 2);
  f.qword(0xa00ff8) = 1;
  std::uint64_t v = 0;
  CHECK(f.mmu.read_guest_physical(GuestPhysAddr(0x200ff8), &v, 8) == Outcome::kNext);
  CHECK(v == 1);
  CHECK(f.mmu.read_guest_physical(GuestPhysAddr(0x30000000), &v, 8) == Outcome::kVmExit);
  CHECK(f.core.vm_exit.qualification == 1);
}
