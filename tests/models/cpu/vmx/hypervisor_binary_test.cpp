// A small hypervisor as machine code, in VMX root operation on the core: VMXON to VMLAUNCH, exits through
// HOST_RIP, VMREAD, VMWRITE, VMRESUME.
#include "tests/models/cpu/vmx/vmx_machine.h"

using namespace xensim;
using namespace xensim::cpu;
using F = VmcsField;

namespace {

constexpr std::uint64_t kHost = 0x400000, kExitHandler = 0x401000, kTable = 0x600000, kLog = 0x610000;
constexpr PhysAddr kSecondVmcs{0x7000};

// Leaves the core in 64-bit root operation's mode at kHost, out of VMX operation, with the fields of the VMCS as a
// table of (encoding, value) pairs for the hypervisor to write.
void prepare(VmxMachine& m) {
  m.set_bits(F::kPrimaryControls, 1u << 7);
  m.set(F::kHostRip, kExitHandler);
  PhysAddr at(kTable);
  for (std::uint32_t e = 0; e < 0x8000; e += 2) {
    if (field_offset(e) == 0 || type_of(e) == FieldType::kReadOnly) continue;
    m.memory.write<std::uint64_t>(at, e);
    m.memory.write<std::uint64_t>(at + 8, m.get(static_cast<F>(e)));
    at += 16;
  }
  m.memory.write<std::uint64_t>(at, ~std::uint64_t{0});
  m.memory.write<std::uint64_t>(PhysAddr(kTable - 8), VmxMachine::kVmxon.value);
  m.memory.write<std::uint64_t>(PhysAddr(kTable - 16), kSecondVmcs.value);
  m.memory.write<std::uint32_t>(kSecondVmcs, kVmcsRevision);
  m.enter();
  m.leave();
  REQUIRE(m.core.vmx.vmxoff().ok());
  m.core.native_root = false;
  m.core.st.msr.feature_control = 5;
  m.core.st.rip = kHost;
  m.core.update_mode();
  m.core.mmu.context_changed();
  m.code({0x48, 0xc7, 0xc6, 0x00, 0x00, 0x60, 0x00,  // mov rsi, kTable
          0x48, 0xc7, 0xc7, 0x00, 0x00, 0x61, 0x00,  // mov rdi, kLog
          0xf3, 0x0f, 0xc7, 0x76, 0xf8,              // vmxon [rsi-8]
          0x66, 0x0f, 0xc7, 0x76, 0xf0,              // vmclear [rsi-16]
          0x0f, 0xc7, 0x76, 0xf0,                    // vmptrld [rsi-16]
          0x48, 0x8b, 0x06,                          // next: mov rax, [rsi]
          0x48, 0x83, 0xf8, 0xff,                    // cmp rax, -1
          0x74, 0x0a,                                // je launch
          0x0f, 0x79, 0x46, 0x08,                    // vmwrite rax, [rsi+8]
          0x48, 0x83, 0xc6, 0x10,                    // add rsi, 16
          0xeb, 0xed,                                // jmp next
          0x0f, 0x01, 0xc2,                          // launch: vmlaunch
          0xf4},
         kHost);
  m.code({0xb8, 0x02, 0x44, 0x00, 0x00,  // mov eax, exit reason
          0x0f, 0x78, 0x07,              // vmread [rdi], rax
          0x8b, 0x0f,                    // mov ecx, [rdi]
          0x48, 0x83, 0xc7, 0x08,        // add rdi, 8
          0x83, 0xf9, 0x12,              // cmp ecx, VMCALL
          0x74, 0x19,                    // je done
          0xb8, 0x0c, 0x44, 0x00, 0x00,  // mov eax, instruction length
          0x0f, 0x78, 0xc1,              // vmread rcx, rax
          0xb8, 0x1e, 0x68, 0x00, 0x00,  // mov eax, guest RIP
          0x0f, 0x78, 0xc2,              // vmread rdx, rax
          0x48, 0x01, 0xca,              // add rdx, rcx
          0x0f, 0x79, 0xc2,              // vmwrite rax, rdx
          0x0f, 0x01, 0xc3,              // vmresume
          0xf4},                         // done: hlt
         kExitHandler);
  m.code({0x0f, 0xa2, 0xf4, 0x0f, 0x01, 0xc1});  // guest: cpuid; hlt; vmcall
}

std::uint64_t logged(const VmxMachine& m, unsigned i) {
  return m.memory.read<std::uint64_t>(PhysAddr(kLog + i * 8));
}

}  // namespace

TEST_CASE("A hypervisor binary launches a guest, handles its exits and resumes it") {
  VmxMachine m;
  prepare(m);
  CHECK(m.run() == StopReason::kHalted);
  CHECK(m.core.vmx.in_operation);
  CHECK_FALSE(m.core.vmx.non_root);
  CHECK(m.core.vmx.current() == kSecondVmcs);
  CHECK(logged(m, 0) == 10);
  CHECK(logged(m, 1) == 12);
  CHECK(logged(m, 2) == 18);
  CHECK(logged(m, 3) == 0);
  CHECK(m.core.st.seg[kCs].selector == 8);
  CHECK(m.core.st.cpl() == 0);
}

TEST_CASE("A failed VM entry goes on at HOST_RIP with bit 31 of the exit reason") {
  VmxMachine m;
  prepare(m);
  for (PhysAddr at(kTable); m.memory.read<std::uint64_t>(at) != ~std::uint64_t{0}; at += 16)
    if (m.memory.read<std::uint64_t>(at) == static_cast<std::uint64_t>(F::kGuestRflags))
      m.memory.write<std::uint64_t>(at + 8, 0);
  m.memory.write<std::uint8_t>(PhysAddr(kExitHandler + 10), 0xf4);  // halt after the first exit's reason is stored
  CHECK(m.run() == StopReason::kHalted);
  CHECK(logged(m, 0) == 0x80000021);
  CHECK(m.core.st.gpr[kRsp] == 0x500000);
}

TEST_CASE("A bad control field makes VMLAUNCH fail with ZF, and execution goes on behind it") {
  VmxMachine m;
  prepare(m);
  for (PhysAddr at(kTable); m.memory.read<std::uint64_t>(at) != ~std::uint64_t{0}; at += 16)
    if (m.memory.read<std::uint64_t>(at) == static_cast<std::uint64_t>(F::kPinControls))
      m.memory.write<std::uint64_t>(at + 8, 0);
  CHECK(m.run() == StopReason::kHalted);
  CHECK((m.core.rflags() & kStatusFlags) == kZf);
  CHECK(m.get(F::kInstructionError) == 7);
  CHECK(logged(m, 0) == 0);
}

TEST_CASE("A bad host-state field makes VMLAUNCH fail with error 8") {
  VmxMachine m;
  prepare(m);
  for (PhysAddr at(kTable); m.memory.read<std::uint64_t>(at) != ~std::uint64_t{0}; at += 16)
    if (m.memory.read<std::uint64_t>(at) == static_cast<std::uint64_t>(F::kHostTrSelector))
      m.memory.write<std::uint64_t>(at + 8, 0);
  CHECK(m.run() == StopReason::kHalted);
  CHECK(m.get(F::kInstructionError) == 8);
}

TEST_CASE("VMX instructions outside VMX operation are undefined, and VMXON needs CR4.VMXE") {
  VmxMachine m;
  prepare(m);
  m.core.st.idtr.limit = 0;
  SECTION("VMREAD") { m.core.st.rip = kExitHandler + 5; }
  SECTION("VMXON") {
    m.core.st.cr4 &= ~kCr4Vmxe;
    m.core.mmu.context_changed();
  }
  CHECK(m.run() == StopReason::kShutdown);
  CHECK_FALSE(m.core.vmx.in_operation);
}

TEST_CASE("VMPTRST stores the current VMCS, INVEPT and INVVPID succeed, VMXOFF ends VMX operation") {
  VmxMachine m;
  prepare(m);
  m.memory.write<std::uint64_t>(PhysAddr(kLog + 0x40), VmxMachine::kEptp);
  m.memory.write<std::uint64_t>(PhysAddr(kLog + 0x50), 1);  // VPID
  constexpr std::uint64_t kLaunch = kHost + 47;             // in place of VMLAUNCH
  m.code({0x0f, 0xc7, 0x3f,                                 // vmptrst [rdi]
          0xb8, 0x01, 0x00, 0x00, 0x00,                     // mov eax, 1: single context
          0x66, 0x0f, 0x38, 0x80, 0x47, 0x40,               // invept rax, [rdi+0x40]
          0x0f, 0x96, 0x47, 0x08,                           // setbe [rdi+8]
          0x66, 0x0f, 0x38, 0x81, 0x47, 0x50,               // invvpid rax, [rdi+0x50]
          0x0f, 0x96, 0x47, 0x09,                           // setbe [rdi+9]
          0x0f, 0x01, 0xc4,                                 // vmxoff
          0x0f, 0x96, 0x47, 0x0a,                           // setbe [rdi+10]
          0xf4},
         kLaunch);
  CHECK(m.run() == StopReason::kHalted);
  CHECK(logged(m, 0) == kSecondVmcs.value);
  CHECK(logged(m, 1) == 0);
  CHECK_FALSE(m.core.vmx.in_operation);
}

TEST_CASE("VMREAD in 32-bit code moves 32 bits") {
  VmxMachine m;
  ArchState& st = m.core.st;
  constexpr std::uint64_t kDirectory = 0x700000;
  for (std::uint64_t n = 0; n < 4; ++n)
    m.memory.write(PhysAddr(kDirectory + 4 * n), static_cast<std::uint32_t>(n << 22 | 0x87));
  st.efer = 0;
  st.cr0 = kCr0Pe | kCr0Pg | kCr0Ne | kCr0Et;
  st.cr4 = kCr4Vmxe | kCr4Pse;
  st.cr3 = kDirectory;
  for (Segment& s : st.seg) s = {.base = 0, .limit = ~0u, .attr = 0xc093, .selector = 0x10};
  st.seg[kCs].attr = 0xc09b;
  m.core.update_mode();
  m.core.mmu.context_changed();
  m.core.mmu.update_view();
  m.core.native_root = false;
  m.set(F::kGuestRip, 0x1122334455667788);
  m.code({0x0f, 0x78, 0xc1, 0xf4}, kHost);  // vmread ecx, eax
  st.rip = kHost;
  st.gpr[kRax] = static_cast<std::uint64_t>(F::kGuestRip);
  st.gpr[kRcx] = 0;
  CHECK(m.run() == StopReason::kHalted);
  CHECK(st.gpr[kRcx] == 0x55667788);
}
