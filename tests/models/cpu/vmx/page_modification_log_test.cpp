// Page-modification logging: what goes into the log, in which order, and what happens when it is full.
#include "tests/models/cpu/vmx/vmx_machine.h"

using namespace xensim;
using namespace xensim::cpu;
using F = VmcsField;

namespace {

constexpr std::uint32_t kPmlFull = static_cast<std::uint32_t>(ExitReason::kPmlFull);
constexpr std::uint64_t kLog = 0x7000, kLeaves = 0x22000, kData = 0x400000;
constexpr std::uint64_t kAccessed = 1 << 8, kDirty = 1 << 9;

// A guest in real-mode-like 64-bit code whose EPT maps the first 2 MiB whole and [4 MiB, 6 MiB) in 4 KiB pages.
struct Logging : VmxMachine {
  Logging() {
    memory.write<std::uint64_t>(PhysAddr(0x21000), 0x23007);
    // 2 MiB entries, accessed and dirty already, but for the one that the tests write to.
    for (std::uint64_t i = 0; i < 8; ++i)
      memory.write<std::uint64_t>(PhysAddr(0x23000 + 8 * i), i << 21 | 0xb7 | kAccessed | kDirty);
    memory.write<std::uint64_t>(PhysAddr(0x23000 + 8 * 2), kLeaves | 7 | kAccessed);
    for (std::uint64_t i = 0; i < 512; ++i)
      memory.write<std::uint64_t>(PhysAddr(kLeaves + 8 * i), (kData + i * kPageSize) | 0x37 | kAccessed);
    set_bits(F::kSecondaryControls, 1u << 1 | 1u << 17);
    set(F::kEptPointer, kEptp | 0x40);
    set(F::kPmlAddress, kLog);
    set(F::kPmlIndex, 511);
  }
  std::uint64_t leaf(std::uint64_t page) const { return memory.read<std::uint64_t>(PhysAddr(kLeaves + 8 * page)); }
  std::uint64_t entry(std::uint64_t index) const { return memory.read<std::uint64_t>(PhysAddr(kLog + 8 * index)); }
  // mov [address], al; for each; then HLT, which exits.
  void stores(std::initializer_list<std::uint64_t> addresses) {
    std::uint64_t at = kCode;
    for (const std::uint64_t a : addresses) {
      code({0x88, 0x04, 0x25, static_cast<std::uint8_t>(a), static_cast<std::uint8_t>(a >> 8),
            static_cast<std::uint8_t>(a >> 16), static_cast<std::uint8_t>(a >> 24)},
           at);
      at += 7;
    }
    code({0xf4}, at);
    set_bits(F::kPrimaryControls, 1u << 7);
  }
};

}  // namespace

TEST_CASE("Each page whose EPT dirty flag is set is logged once, in order, from index 511 down") {
  Logging m;
  m.stores({kData + 0x5123, kData + 0x2008, kData + 0x5ff0, kData + 0x9000});
  m.enter();
  CHECK(m.run_to_exit() == static_cast<std::uint32_t>(ExitReason::kHlt));
  CHECK(m.get(F::kPmlIndex) == 508);
  CHECK(m.entry(511) == kData + 0x5000);
  CHECK(m.entry(510) == kData + 0x2000);
  CHECK(m.entry(509) == kData + 0x9000);
  CHECK(m.entry(508) == 0);
  CHECK((m.leaf(5) & kDirty) != 0);
  CHECK((m.leaf(6) & kDirty) == 0);
}

TEST_CASE("A page whose dirty flag is set already is not logged") {
  Logging m;
  m.memory.write<std::uint64_t>(PhysAddr(kLeaves + 8 * 3), m.leaf(3) | kDirty);
  m.stores({kData + 0x3000, kData + 0x4000});
  m.enter();
  m.run_to_exit();
  CHECK(m.get(F::kPmlIndex) == 510);
  CHECK(m.entry(511) == kData + 0x4000);
}

TEST_CASE("The entry at index 0 is written, and the index goes out of range") {
  Logging m;
  m.set(F::kPmlIndex, 0);
  m.stores({kData});
  m.enter();
  CHECK(m.run_to_exit() == static_cast<std::uint32_t>(ExitReason::kHlt));
  CHECK(m.entry(0) == kData);
  CHECK(m.get(F::kPmlIndex) == 0xffff);
}

TEST_CASE("With the index out of range the access exits: no flag is set, and nothing is stored") {
  Logging m;
  m.set(F::kPmlIndex, 0);
  m.stores({kData, kData + 0x1000});
  m.core.st.gpr[kRax] = 0x5a;
  m.enter();
  CHECK(m.run_to_exit() == kPmlFull);
  CHECK(m.get(F::kExitQualification) == 0);
  CHECK(m.get(F::kGuestRip) == VmxMachine::kCode + 7);
  CHECK((m.get(F::kGuestRflags) & kRf) != 0);
  CHECK((m.leaf(1) & kDirty) == 0);
  CHECK(m.memory.read<std::uint8_t>(PhysAddr(kData + 0x1000)) == 0);
  // Room again: the same access succeeds.
  m.set(F::kPmlIndex, 511);
  m.enter();
  CHECK(m.run_to_exit() == static_cast<std::uint32_t>(ExitReason::kHlt));
  CHECK(m.entry(511) == kData + 0x1000);
  CHECK(m.memory.read<std::uint8_t>(PhysAddr(kData + 0x1000)) == 0x5a);
}

TEST_CASE("An accessed flag alone needs room in the log, too, but makes no entry") {
  Logging m;
  m.memory.write<std::uint64_t>(PhysAddr(kLeaves), (m.leaf(0) | kDirty) & ~kAccessed);
  m.set(F::kPmlIndex, 512);
  m.stores({kData});
  m.enter();
  CHECK(m.run_to_exit() == kPmlFull);
  CHECK((m.leaf(0) & kAccessed) == 0);
  m.set(F::kPmlIndex, 511);
  m.enter();
  CHECK(m.run_to_exit() == static_cast<std::uint32_t>(ExitReason::kHlt));
  CHECK((m.leaf(0) & kAccessed) != 0);
  CHECK(m.get(F::kPmlIndex) == 511);
}

TEST_CASE("Nothing is logged without EPT's accessed and dirty flags") {
  Logging m;
  m.set(F::kEptPointer, VmxMachine::kEptp);
  m.set(F::kPmlIndex, 0xffff);
  m.stores({kData});
  m.enter();
  CHECK(m.run_to_exit() == static_cast<std::uint32_t>(ExitReason::kHlt));
  CHECK(m.get(F::kPmlIndex) == 0xffff);
  CHECK((m.leaf(0) & kDirty) == 0);
}

TEST_CASE("A guest's page table that a walk reads is dirty for EPT, and logged before the page it leads to") {
  Logging m;
  // The guest's page directory moves into the logged range: page 8.
  m.memory.write<std::uint64_t>(PhysAddr(0x10000), (kData + 0x8000) | 7);
  m.memory.write<std::uint64_t>(PhysAddr(kData + 0x8000), 0xe7);
  m.stores({kData + 0x1000});
  m.enter();
  CHECK(m.run_to_exit() == static_cast<std::uint32_t>(ExitReason::kHlt));
  CHECK(m.entry(511) == kData + 0x8000);
  CHECK(m.entry(510) == kData + 0x1000);
  CHECK(m.get(F::kPmlIndex) == 509);
}

TEST_CASE("VM entry checks the log's address, and that EPT is on, but not the index") {
  Logging m;
  m.set(F::kPmlIndex, 0xabcd);
  m.stores({});
  SECTION("address not aligned") {
    m.set(F::kPmlAddress, kLog + 8);
    CHECK(m.try_enter() == 7);
  }
  SECTION("address beyond the physical-address width") {
    m.set(F::kPmlAddress, std::uint64_t{1} << 46);
    CHECK(m.try_enter() == 7);
  }
  SECTION("the highest address of the width") {
    m.set(F::kPmlAddress, (std::uint64_t{1} << 46) - kPageSize);
    CHECK(m.try_enter() == 0);
  }
  SECTION("EPT off") {
    m.clear_bits(F::kSecondaryControls, 1u << 1);
    CHECK(m.try_enter() == 7);
  }
  SECTION("as it should be") { CHECK(m.try_enter() == 0); }
}

TEST_CASE("A log whose address is no RAM loses its entries and nothing else happens") {
  Logging m;
  m.set(F::kPmlAddress, std::uint64_t{1} << 40);
  m.stores({kData});
  m.enter();
  CHECK(m.run_to_exit() == static_cast<std::uint32_t>(ExitReason::kHlt));
  CHECK(m.get(F::kPmlIndex) == 510);
}

TEST_CASE("A processor without page-modification logging has neither the control nor the fields") {
  struct NoPml : VmxMachine {
    NoPml() : VmxMachine(CoreConfig{.pml = false, .tlb = {}, .inorder = {}}) {}
  } m;
  std::uint64_t capability = 0, v = 0;
  REQUIRE(m.core.vmx.capability_msr(0x48b, capability));
  CHECK((capability >> 32 & 1u << 17) == 0);
  CHECK(m.core.vmx.vmread(F::kPmlAddress, v).error == 12);
  CHECK(m.core.vmx.vmwrite(F::kPmlIndex, 0).error == 12);
  m.set_bits(F::kSecondaryControls, 1u << 1 | 1u << 17);
  m.set(F::kEptPointer, VmxMachine::kEptp);
  CHECK(m.try_enter() == 7);
  m.clear_bits(F::kSecondaryControls, 1u << 17);
  CHECK(m.try_enter() == 0);
}
