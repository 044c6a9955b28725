// A core with a VMCS that enters a 64-bit guest, for tests to change one thing of.
//
// Memory: VMXON region 0x1000, VMCS 0x2000, I/O bitmaps 0x3000 and 0x4000, MSR bitmap 0x5000, virtual-APIC page
// 0x6000, guest GDT 0x8000, IDT 0x9000, TSS 0xa000, guest page tables 0x10000 (1 GiB identity), EPT 0x20000
// (likewise), guest code 0x100000, guest stack below 0x200000, handlers of vector v at 0x300000 + 16 v, each a
// HLT.
#pragma once

#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <initializer_list>

#include "models/cpu/core.h"
#include "tests/models/cpu/no_devices.h"

namespace xensim::cpu {

class VmxMachine : public test::NoDevices {
 public:
  using F = VmcsField;

  struct FlatHierarchy final : memory::Hierarchy {
    memory::AccessResult access(unsigned, PhysAddr, memory::AccessKind, Cycles) override {
      return {4, memory::Level::kL1};
    }
  };

  static constexpr PhysAddr kVmxon{0x1000}, kVmcs{0x2000};
  static constexpr std::uint64_t kIoA = 0x3000, kIoB = 0x4000, kMsrMap = 0x5000, kVapic = 0x6000, kCode = 0x100000,
                                 kStack = 0x200000, kHandlers = 0x300000, kEptp = 0x2001e;

  const CoreConfig config;
  memory::PhysicalMemory memory{16 << 20};
  FlatHierarchy caches;
  Core core{0, config, memory, caches, *this, CpuidPolicy::default_policy(2'400'000'000, 46)};
  int pending_vector = -1;
  unsigned acknowledged = 0;

  explicit VmxMachine(const CoreConfig& core_config = {}) : config(core_config) {
    memory.write<std::uint64_t>(PhysAddr(0x10000), 0x11007);
    memory.write<std::uint64_t>(PhysAddr(0x11000), 0x87);
    memory.write<std::uint64_t>(PhysAddr(0x20000), 0x21007);
    memory.write<std::uint64_t>(PhysAddr(0x21000), 0xb7);
    memory.write<std::uint64_t>(PhysAddr(0x8008), 0x00af9b000000ffff);  // 64-bit code
    memory.write<std::uint64_t>(PhysAddr(0x8010), 0x00cf93000000ffff);  // data
    for (unsigned v = 0; v < 256; ++v) {
      const std::uint64_t target = kHandlers + v * 16;
      memory.write<std::uint64_t>(PhysAddr(0x9000 + v * 16),
                                  (target & 0xffff) | 8 << 16 | 0x8eull << 40 | (target >> 16 & 0xffff) << 48);
      memory.write<std::uint8_t>(PhysAddr(target), 0xf4);
    }
    for (const PhysAddr region : {kVmxon, kVmcs}) memory.write<std::uint32_t>(region, kVmcsRevision);
    core.st.cr4 |= kCr4Vmxe;
    REQUIRE(core.vmx.vmxon(kVmxon).ok());
    REQUIRE(core.vmx.vmclear(kVmcs).ok());
    REQUIRE(core.vmx.vmptrld(kVmcs).ok());
    write_controls();
    write_host_state();
    write_guest_state();
  }

  void set(F f, std::uint64_t v) { core.vmx.write(f, v); }
  std::uint64_t get(F f) const { return core.vmx.read(f); }
  void set_bits(F f, std::uint64_t v) { set(f, get(f) | v); }
  void clear_bits(F f, std::uint64_t v) { set(f, get(f) & ~v); }

  // VM entry; requires success.
  void enter() {
    bool entered = false;
    const VmxResult r = core.vmx.enter(!launched_, entered);
    INFO("error " << r.error << ", exit reason " << std::hex << core.vm_exit.reason);
    REQUIRE(r.ok());
    REQUIRE(entered);
    launched_ = true;
  }
  // 0: entered. n: VM-instruction error n. 0x80000000 | reason: a failed entry's exit reason.
  std::uint32_t try_enter() {
    bool entered = false;
    const VmxResult r = core.vmx.enter(!launched_, entered);
    if (!r.ok()) return r.kind == VmxResult::kFailInvalid ? 0xffff : r.error;
    if (!entered) return core.vm_exit.reason;
    launched_ = true;
    return 0;
  }
  void leave() {
    core.vmx.exit(ExitReason::kCpuid, 0, 2);
    core.vmx.commit_exit(false);
  }
  void code(std::initializer_list<std::uint8_t> bytes, std::uint64_t at = kCode) {
    for (const std::uint8_t b : bytes) memory.write(PhysAddr(at++), b);
  }
  // Runs until something other than the budget stops the core.
  StopReason run(Cycles cycles = 10000) { return core.run(core.now + cycles); }
  std::uint32_t run_to_exit(Cycles cycles = 10000) {
    REQUIRE(run(cycles) == StopReason::kVmExit);
    return core.vm_exit.reason;
  }
  // An 8-byte word of the guest's stack, counted from RSP.
  std::uint64_t stack(unsigned i) const {
    return memory.read<std::uint64_t>(PhysAddr(core.st.gpr[kRsp] + std::uint64_t{i} * 8));
  }
  // Turns EPT and unrestricted guest on, and the guest into one in real mode.
  void real_mode_guest() {
    set_bits(F::kSecondaryControls, 1u << 1 | 1u << 7);
    set(F::kEptPointer, kEptp);
    set(F::kEntryControls, get(F::kEntryControls) & ~(1u << 9));
    set(F::kGuestCr0, 0x30);
    set(F::kGuestCr4, kCr4Vmxe);
    set(F::kGuestEfer, 0);
    for (unsigned i = 0; i < 6; ++i) segment(i, 0x93, 0xffff, 0);
    segment(kCs, 0x9b, 0xffff, 0);
  }
  void segment(unsigned s, std::uint32_t attr, std::uint32_t limit, std::uint16_t selector) {
    const auto field = [&](F first) { return static_cast<F>(static_cast<std::uint32_t>(first) + 2 * s); };
    set(field(F::kGuestEsAttr), attr);
    set(field(F::kGuestEsLimit), limit);
    set(field(F::kGuestEsSelector), selector);
    set(field(F::kGuestEsBase), 0);
  }

  bool interrupt_pending() override { return pending_vector >= 0; }
  std::uint8_t interrupt_acknowledge() override {
    ++acknowledged;
    const auto v = static_cast<std::uint8_t>(pending_vector);
    pending_vector = -1;
    return v;
  }

 private:
  void write_controls() {
    set(F::kPinControls, 0x16);
    set(F::kPrimaryControls, 0x04006172 | 1u << 31);
    set(F::kSecondaryControls, 1u << 5 | 1u << 3);  // VPID, RDTSCP
    set(F::kExitControls, 0x36dff | 1u << 9 | 3u << 18 | 3u << 20);
    set(F::kEntryControls, 0x11ff | 1u << 9 | 3u << 14);
    set(F::kVpid, 1);
    set(F::kVirtualApicPage, kVapic);
    set(F::kIoBitmapA, kIoA);
    set(F::kIoBitmapB, kIoB);
    set(F::kMsrBitmap, kMsrMap);
    set(F::kTscMultiplier, std::uint64_t{1} << 48);
    set(F::kVmcsLinkPointer, ~std::uint64_t{0});
  }
  void write_host_state() {
    set(F::kHostCr0, 0x80050033);
    set(F::kHostCr3, 0x10000);
    set(F::kHostCr4, kCr4Vmxe | kCr4Pae);
    set(F::kHostEfer, kEferLme | kEferLma | kEferSce);
    set(F::kHostPat, 0x0007040600070406);
    set(F::kHostCsSelector, 8);
    set(F::kHostSsSelector, 16);
    set(F::kHostTrSelector, 24);
    set(F::kHostGdtrBase, 0x8000);
    set(F::kHostIdtrBase, 0x9000);
    set(F::kHostTrBase, 0xa000);
    set(F::kHostRip, 0x400000);
    set(F::kHostRsp, 0x500000);
  }
  void write_guest_state() {
    set(F::kGuestCr0, 0x80000033);
    set(F::kGuestCr3, 0x10000);
    set(F::kGuestCr4, kCr4Vmxe | kCr4Pae | kCr4Osfxsr);
    set(F::kGuestEfer, kEferLme | kEferLma | kEferSce);
    set(F::kGuestPat, 0x0007040600070406);
    set(F::kGuestDr7, 0x400);
    for (unsigned i = 0; i < 6; ++i) segment(i, 0xc093, 0xffffffff, 16);
    segment(kCs, 0xa09b, 0xffffffff, 8);
    set(F::kGuestTrAttr, 0x8b);
    set(F::kGuestTrLimit, 0x67);
    set(F::kGuestTrBase, 0xa000);
    set(F::kGuestLdtrAttr, 1u << 16);
    set(F::kGuestGdtrBase, 0x8000);
    set(F::kGuestGdtrLimit, 0x27);
    set(F::kGuestIdtrBase, 0x9000);
    set(F::kGuestIdtrLimit, 0xfff);
    set(F::kGuestRip, kCode);
    set(F::kGuestRsp, kStack);
    set(F::kGuestRflags, 2);
  }

  bool launched_ = false;
};

}  // namespace xensim::cpu
