// VM-entry checks: each is shown from both sides, a value that is refused and the nearest one that is not.
#include "tests/models/cpu/vmx/vmx_machine.h"

using namespace xensim;
using namespace xensim::cpu;
using F = VmcsField;

namespace {

constexpr std::uint32_t kControls = 7, kGuest = 0x80000000 | 33, kMsrs = 0x80000000 | 34;

struct Check {
  const char* what;
  F field;
  std::uint64_t bad, good;
};

template <class Prepare>
void both_sides(std::uint32_t error, std::initializer_list<Check> checks, Prepare prepare) {
  for (const Check& c : checks) {
    INFO(c.what);
    VmxMachine m;
    prepare(m);
    m.set(c.field, c.bad);
    CHECK(m.try_enter() == error);
    m.set(c.field, c.good);
    CHECK(m.try_enter() == 0);
  }
}

void nothing(VmxMachine&) {}

constexpr std::uint64_t kBeyond = std::uint64_t{1} << 46, kNonCanonical = std::uint64_t{1} << 47,
                        kCanonical = 0xffff800000000000;
constexpr std::uint64_t kInject = 1u << 31;

}  // namespace

TEST_CASE("The VMCS of the tests enters") {
  VmxMachine m;
  CHECK(m.try_enter() == 0);
}

TEST_CASE("Reserved bits of control words must have their fixed settings (26.2.1)") {
  both_sides(kControls,
             {{"pin must be 1", F::kPinControls, 0x14, 0x16},
              {"pin must be 0", F::kPinControls, 0x16 | 1u << 8, 0x16},
              {"primary must be 1", F::kPrimaryControls, 0x04006170, 0x04006172},
              {"primary must be 0", F::kPrimaryControls, 0x04006172 | 1u << 17, 0x04006172},
              {"secondary must be 0", F::kSecondaryControls, 1u << 31, 0},
              {"exit must be 1", F::kExitControls, 0x36dfa | 1u << 9, 0x36dfb | 1u << 9},
              {"exit must be 0", F::kExitControls, 0x36dfb | 1u << 12, 0x36dfb | 1u << 9},
              {"entry must be 1", F::kEntryControls, 0x11fa | 1u << 9, 0x11fb | 1u << 9},
              {"entry must be 0", F::kEntryControls, 0x11fb | 1u << 10, 0x11fb | 1u << 9},
              {"CR3 targets", F::kCr3TargetCount, 5, 4}},
             nothing);
}

TEST_CASE("Secondary controls are not looked at unless they are activated") {
  VmxMachine m;
  m.clear_bits(F::kPrimaryControls, 1u << 31);
  m.set(F::kSecondaryControls, ~0u);
  CHECK(m.try_enter() == 0);
}

TEST_CASE("Bitmap addresses are page-aligned and within the physical width (26.2.1.1)") {
  both_sides(kControls,
             {{"I/O A aligned", F::kIoBitmapA, 0x3008, 0x3000},
              {"I/O A width", F::kIoBitmapA, kBeyond, kBeyond - 0x1000},
              {"I/O B aligned", F::kIoBitmapB, 0x3001, 0x3000},
              {"MSR aligned", F::kMsrBitmap, 0x3800, 0x3000},
              {"MSR width", F::kMsrBitmap, kBeyond, 0x5000}},
             [](VmxMachine& m) { m.set_bits(F::kPrimaryControls, 1u << 25 | 1u << 28); });
}

TEST_CASE("The TPR threshold is at most the virtual TPR's class (26.2.1.1)") {
  both_sides(kControls,
             {{"reserved", F::kTprThreshold, 0x10, 0},
              {"above VTPR", F::kTprThreshold, 4, 3},
              {"page aligned", F::kVirtualApicPage, 0x6010, 0x6000}},
             [](VmxMachine& m) {
               m.set_bits(F::kPrimaryControls, 1u << 21);
               m.memory.write<std::uint32_t>(PhysAddr(VmxMachine::kVapic + 0x80), 0x3f);
             });
}

TEST_CASE("NMI controls depend on each other (26.2.1.1)") {
  both_sides(kControls,
             {{"virtual NMIs without NMI exiting", F::kPinControls, 0x16 | 1u << 5, 0x16 | 1u << 3 | 1u << 5}},
             nothing);
  both_sides(kControls,
             {{"NMI window without virtual NMIs", F::kPinControls, 0x16 | 1u << 3, 0x16 | 1u << 3 | 1u << 5}},
             [](VmxMachine& m) { m.set_bits(F::kPrimaryControls, 1u << 22); });
}

TEST_CASE("VPID 0 is refused when VPIDs are used (26.2.1.1)") {
  both_sides(kControls, {{"VPID", F::kVpid, 0, 1}}, nothing);
}

TEST_CASE("The EPT pointer has a memory type, a walk length of 4 and no reserved bits (26.2.1.1)") {
  both_sides(kControls,
             {{"memory type", F::kEptPointer, 0x2001d, VmxMachine::kEptp},
              {"walk length", F::kEptPointer, 0x20006, VmxMachine::kEptp},
              {"reserved", F::kEptPointer, 0x2009e, 0x2005e},
              {"width", F::kEptPointer, kBeyond | 0x1e, VmxMachine::kEptp}},
             [](VmxMachine& m) { m.set_bits(F::kSecondaryControls, 2); });
}

TEST_CASE("Unrestricted guest needs EPT (26.2.1.1)") {
  both_sides(kControls, {{"EPT", F::kSecondaryControls, 1u << 7, 1u << 7 | 2}},
             [](VmxMachine& m) { m.set(F::kEptPointer, VmxMachine::kEptp); });
}

TEST_CASE("A TSC multiplier of 0 is refused") {
  both_sides(kControls, {{"multiplier", F::kTscMultiplier, 0, 1}},
             [](VmxMachine& m) { m.set_bits(F::kSecondaryControls, 1u << 25); });
}

TEST_CASE("Saving the preemption timer needs the timer (26.2.1.2)") {
  both_sides(kControls, {{"timer", F::kPinControls, 0x16, 0x16 | 1u << 6}}, [](VmxMachine& m) {
    m.set_bits(F::kExitControls, 1u << 22);
    m.set(F::kPreemptionTimer, 1000);
  });
}

TEST_CASE("MSR areas are 16-byte aligned and end within the physical width (26.2.1.2, 26.2.1.3)") {
  both_sides(kControls,
             {{"store aligned", F::kExitMsrStoreAddress, 0x7008, 0x7000},
              {"store width", F::kExitMsrStoreAddress, kBeyond - 16, kBeyond - 32},
              {"exit load aligned", F::kExitMsrLoadAddress, 0x7001, 0x7000},
              {"entry load aligned", F::kEntryMsrLoadAddress, 0x7004, 0x7000}},
             [](VmxMachine& m) {
               m.set(F::kExitMsrStoreCount, 2);
               m.set(F::kExitMsrLoadCount, 2);
               m.set(F::kEntryMsrLoadCount, 1);
               for (F f : {F::kExitMsrStoreAddress, F::kExitMsrLoadAddress, F::kEntryMsrLoadAddress})
                 m.set(f, 0x7000);
               m.memory.write<std::uint64_t>(PhysAddr(0x7000), 0xc0000081);
             });
}

TEST_CASE("The event to inject is one that can be (26.2.1.3)") {
  both_sides(
      kControls,
      {{"type 1", F::kEntryInterruptionInfo, kInject | 1 << 8, 0},
       {"type 7", F::kEntryInterruptionInfo, kInject | 7 << 8, 0},
       {"NMI is vector 2", F::kEntryInterruptionInfo, kInject | 2 << 8 | 3, kInject | 2 << 8 | 2},
       {"exceptions end at 31", F::kEntryInterruptionInfo, kInject | 3 << 8 | 32, kInject | 3 << 8 | 31},
       {"#GP has an error code", F::kEntryInterruptionInfo, kInject | 3 << 8 | 13,
        kInject | 3 << 8 | 1 << 11 | 13},
       {"#UD has none", F::kEntryInterruptionInfo, kInject | 3 << 8 | 1 << 11 | 6, kInject | 3 << 8 | 6},
       {"reserved bits", F::kEntryInterruptionInfo, kInject | 1 << 12 | 3 << 8 | 6, kInject | 3 << 8 | 6},
       {"INT n has none", F::kEntryInterruptionInfo, kInject | 4 << 8 | 1 << 11 | 13, kInject | 4 << 8 | 13}},
      nothing);
  both_sides(kControls, {{"error code bits 31:16", F::kEntryExceptionError, 0x10000, 0xffff}},
             [](VmxMachine& m) { m.set(F::kEntryInterruptionInfo, kInject | 3 << 8 | 1 << 11 | 13); });
  both_sides(kControls, {{"instruction length", F::kEntryInstructionLength, 16, 15}},
             [](VmxMachine& m) { m.set(F::kEntryInterruptionInfo, kInject | 6 << 8 | 3); });
}

TEST_CASE("In real mode, an injected exception has no error code (26.2.1.3)") {
  VmxMachine m;
  m.real_mode_guest();
  m.set(F::kEntryInterruptionInfo, kInject | 3 << 8 | 1 << 11 | 13);
  CHECK(m.try_enter() == kControls);
  m.set(F::kEntryInterruptionInfo, kInject | 3 << 8 | 13);
  CHECK(m.try_enter() == 0);
}

TEST_CASE("Guest control registers keep the bits that VMX fixes (26.3.1.1)") {
  both_sides(kGuest,
             {{"CR0.NE", F::kGuestCr0, 0x80000013, 0x80000033},
              {"CR0.PG", F::kGuestCr0, 0x33, 0x80000033},
              {"CR0 upper half", F::kGuestCr0, 0x180000033, 0xe0000033},
              {"CR4.VMXE", F::kGuestCr4, 0x20, 0x2020},
              {"CR4.PAE in IA-32e mode", F::kGuestCr4, 0x2000, 0x2020},
              {"CR4 reserved", F::kGuestCr4, 0x2020 | 1u << 31, 0x2020},
              {"CR3", F::kGuestCr3, kBeyond, 0x10000},
              {"DR7", F::kGuestDr7, std::uint64_t{1} << 32, 0x400},
              {"DEBUGCTL", F::kGuestDebugctl, 4, 0},
              {"SYSENTER_ESP", F::kGuestSysenterEsp, kNonCanonical, kCanonical},
              {"SYSENTER_EIP", F::kGuestSysenterEip, kNonCanonical, kCanonical},
              {"PAT", F::kGuestPat, 2, 6},
              {"EFER reserved", F::kGuestEfer, 0x502, 0x501},
              {"EFER.LMA", F::kGuestEfer, 0x100, 0x500},
              {"EFER.LME", F::kGuestEfer, 0x400, 0x500}},
             nothing);
}

TEST_CASE("An unrestricted guest may be in real mode, and not with paging") {
  VmxMachine m;
  m.real_mode_guest();
  m.set(F::kGuestCr0, 0x80000030);
  CHECK(m.try_enter() == kGuest);
  m.set(F::kGuestCr0, 0x30);
  CHECK(m.try_enter() == 0);
}

TEST_CASE("Code and stack segments fit each other (26.3.1.2)") {
  both_sides(kGuest,
             {{"CS type", F::kGuestCsAttr, 0xa093, 0xa09b},
              {"CS type 3 needs unrestricted guest", F::kGuestCsAttr, 0xc093, 0xa099},
              {"CS system", F::kGuestCsAttr, 0xa08b, 0xa09b},
              {"CS present", F::kGuestCsAttr, 0xa01b, 0xa09b},
              {"CS DPL is SS DPL", F::kGuestCsAttr, 0xa0fb, 0xa09f},
              {"CS reserved", F::kGuestCsAttr, 0xa19b, 0xa09b},
              {"CS L and D", F::kGuestCsAttr, 0xe09b, 0xa09b},
              {"CS granularity off", F::kGuestCsAttr, 0x209b, 0xa09b},
              {"CS base", F::kGuestCsBase, std::uint64_t{1} << 32, 0},
              {"SS RPL is CS RPL", F::kGuestSsSelector, 17, 16},
              {"SS type", F::kGuestSsAttr, 0xc091, 0xc097},
              {"SS DPL is RPL", F::kGuestSsAttr, 0xc0b3, 0xc093},
              {"SS unusable", F::kGuestSsAttr, 0x10060, 0x10000},
              {"SS base", F::kGuestSsBase, std::uint64_t{1} << 32, 0}},
             nothing);
}

TEST_CASE("Data segments are accessed, readable and consistent with their limit (26.3.1.2)") {
  both_sides(kGuest,
             {{"DS accessed", F::kGuestDsAttr, 0xc092, 0xc093},
              {"ES readable", F::kGuestEsAttr, 0xc099, 0xc09b},
              {"FS present", F::kGuestFsAttr, 0xc013, 0xc093},
              {"GS reserved", F::kGuestGsAttr, 0xc293, 0xc093},
              {"DS limit with G", F::kGuestDsLimit, 0xfffffffe, 0xffffffff},
              {"DS base", F::kGuestDsBase, std::uint64_t{1} << 32, 0},
              {"FS base canonical", F::kGuestFsBase, kNonCanonical, kCanonical},
              {"GS base canonical", F::kGuestGsBase, kNonCanonical, kCanonical},
              {"DPL below RPL", F::kGuestDsSelector, 19, 16}},
             nothing);
  both_sides(kGuest, {{"limit without G", F::kGuestEsLimit, 0x100000, 0xfffff}},
             [](VmxMachine& m) { m.set(F::kGuestEsAttr, 0x4093); });
}

TEST_CASE("An unusable data segment is not looked at") {
  VmxMachine m;
  m.set(F::kGuestDsAttr, 1u << 16 | 0xf00);
  m.set(F::kGuestDsSelector, 3);
  CHECK(m.try_enter() == 0);
}

TEST_CASE("TR is a busy TSS and LDTR an LDT or unusable (26.3.1.2)") {
  both_sides(kGuest,
             {{"TR type", F::kGuestTrAttr, 0x83, 0x8b},
              {"TR unusable", F::kGuestTrAttr, 0x1008b, 0x8b},
              {"TR selector", F::kGuestTrSelector, 4, 24},
              {"TR base", F::kGuestTrBase, kNonCanonical, kCanonical},
              {"LDTR type", F::kGuestLdtrAttr, 0x83, 0x82},
              {"LDTR present", F::kGuestLdtrAttr, 0x02, 0x82}},
             nothing);
}

TEST_CASE("Descriptor-table registers (26.3.1.3)") {
  both_sides(kGuest,
             {{"GDTR limit", F::kGuestGdtrLimit, 0x10000, 0xffff},
              {"IDTR limit", F::kGuestIdtrLimit, 0x10000, 0xffff},
              {"GDTR base", F::kGuestGdtrBase, kNonCanonical, kCanonical},
              {"IDTR base", F::kGuestIdtrBase, kNonCanonical, kCanonical}},
             nothing);
}

TEST_CASE("RIP and RFLAGS (26.3.1.4)") {
  both_sides(kGuest,
             {{"RIP", F::kGuestRip, kNonCanonical, kCanonical},
              {"RFLAGS bit 1", F::kGuestRflags, 0, 2},
              {"RFLAGS reserved", F::kGuestRflags, 0x8002, 0x4002},
              {"RFLAGS upper", F::kGuestRflags, 1u << 22 | 2, 1u << 21 | 2},
              {"VM in IA-32e mode", F::kGuestRflags, 1u << 17 | 2, 2}},
             nothing);
  both_sides(kGuest, {{"IF for an external interrupt", F::kGuestRflags, 2, 0x202}},
             [](VmxMachine& m) { m.set(F::kEntryInterruptionInfo, kInject | 0x30); });
}

TEST_CASE("RIP has 32 bits outside 64-bit code") {
  both_sides(kGuest, {{"RIP", F::kGuestRip, std::uint64_t{1} << 32, 0xffffffff}},
             [](VmxMachine& m) { m.set(F::kGuestCsAttr, 0xc09b); });
}

TEST_CASE("Activity state (26.3.1.5)") {
  both_sides(kGuest, {{"unknown", F::kGuestActivity, 4, 3}}, nothing);
  both_sides(kGuest, {{"not with blocking", F::kGuestActivity, 1, 0}}, [](VmxMachine& m) {
    m.set(F::kGuestRflags, 0x202);
    m.set(F::kGuestInterruptibility, 1);
  });
  both_sides(kGuest,
             {{"#UD does not wake HLT", F::kEntryInterruptionInfo, kInject | 3 << 8 | 6, kInject | 3 << 8 | 1}},
             [](VmxMachine& m) { m.set(F::kGuestActivity, 1); });
  both_sides(kGuest,
             {{"interrupts do not end shutdown", F::kEntryInterruptionInfo, kInject | 0x30, kInject | 2 << 8 | 2}},
             [](VmxMachine& m) {
               m.set(F::kGuestActivity, 2);
               m.set(F::kGuestRflags, 0x202);
             });
}

TEST_CASE("Interruptibility state (26.3.1.5)") {
  both_sides(kGuest,
             {{"reserved", F::kGuestInterruptibility, 0x20, 8},
              {"both shadows", F::kGuestInterruptibility, 3, 2},
              {"SMI", F::kGuestInterruptibility, 4, 0}},
             [](VmxMachine& m) { m.set(F::kGuestRflags, 0x202); });
  both_sides(kGuest, {{"STI shadow with IF clear", F::kGuestInterruptibility, 1, 2}}, nothing);
  both_sides(kGuest, {{"external interrupt in a shadow", F::kGuestInterruptibility, 1, 0}}, [](VmxMachine& m) {
    m.set(F::kGuestRflags, 0x202);
    m.set(F::kEntryInterruptionInfo, kInject | 0x30);
  });
  both_sides(kGuest, {{"NMI while virtual NMIs are blocked", F::kGuestInterruptibility, 8, 0}}, [](VmxMachine& m) {
    m.set_bits(F::kPinControls, 1u << 3 | 1u << 5);
    m.set(F::kEntryInterruptionInfo, kInject | 2 << 8 | 2);
  });
}

TEST_CASE("Pending debug exceptions (26.3.1.5)") {
  both_sides(kGuest, {{"reserved", F::kGuestPendingDebug, 0x10, 0}, {"upper", F::kGuestPendingDebug, 1u << 17, 0}},
             nothing);
  both_sides(kGuest, {{"single step in a shadow", F::kGuestPendingDebug, 0, 0x4000}}, [](VmxMachine& m) {
    m.set(F::kGuestRflags, 0x302);
    m.set(F::kGuestInterruptibility, 2);
  });
}

TEST_CASE("The link pointer is all ones or names a VMCS region (26.3.1.5)") {
  VmxMachine m;
  m.set(F::kVmcsLinkPointer, 0x7000);
  CHECK(m.try_enter() == kGuest);
  CHECK(m.core.vm_exit.qualification == 4);
  m.set(F::kVmcsLinkPointer, ~std::uint64_t{0});
  CHECK(m.try_enter() == 0);
}

TEST_CASE("A PAE guest's PDPTEs come from the VMCS with EPT and are checked (26.3.1.6)") {
  VmxMachine m;
  m.real_mode_guest();
  m.set(F::kGuestCr0, 0x80000031);
  m.set(F::kGuestCr4, kCr4Vmxe | kCr4Pae);
  m.set(F::kGuestPdpte2, 0x11003);
  CHECK(m.try_enter() == kGuest);
  CHECK(m.core.vm_exit.qualification == 2);
  m.set(F::kGuestPdpte2, 0x11001);
  CHECK(m.try_enter() == 0);
  CHECK(m.core.st.pdpte[2] == 0x11001);
}

TEST_CASE("The entry's MSR list is loaded, and its first bad entry reported (26.4)") {
  VmxMachine m;
  m.set(F::kEntryMsrLoadCount, 2);
  m.set(F::kEntryMsrLoadAddress, 0x7000);
  m.memory.write<std::uint64_t>(PhysAddr(0x7000), 0xc0000082);
  m.memory.write<std::uint64_t>(PhysAddr(0x7008), 0x1234);
  m.memory.write<std::uint64_t>(PhysAddr(0x7010), 0xc0000100);  // FS base is not allowed
  CHECK(m.try_enter() == kMsrs);
  CHECK(m.core.vm_exit.qualification == 2);
  CHECK_FALSE(m.core.vmx.non_root);
  m.memory.write<std::uint64_t>(PhysAddr(0x7010), 0xc0000084);
  CHECK(m.try_enter() == 0);
  CHECK(m.core.st.msr.lstar == 0x1234);
}

TEST_CASE("A check that passed is made again when its input changes after an exit") {
  VmxMachine m;
  m.enter();
  m.leave();
  m.set(F::kGuestCr4, 0x20);
  CHECK(m.try_enter() == kGuest);
  m.set(F::kGuestCr4, 0x2020);
  CHECK(m.try_enter() == 0);
  m.leave();
  m.set(F::kPinControls, 0);
  CHECK(m.try_enter() == kControls);
}
